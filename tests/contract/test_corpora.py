"""Every public corpus in a tiny folder of exactly its shape, and in folders that are not."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from polydub.bench.corpora import grid_text
from polydub.bench.layouts import LAYOUTS, corpus_cases, layout_of
from polydub.bench.suites import is_annotated
from polydub.errors import InputError
from polydub.evaluate.metrics import METRICS
from polydub.model import Span

ALIGN = """0 23750 sil
23750 29500 bin
29500 34000 blue
34000 35500 at
35500 41000 f
41000 47250 two
47250 53000 now
53000 74500 sil
"""


def put(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def make_grid(root: Path) -> None:
    put(root / "s1" / "bbaf2n.mpg")
    put(root / "s1" / "align" / "bbaf2n.align", ALIGN)
    put(root / "s2" / "lwbszs.mpg")
    put(root / "s2" / "notes.mpg")
    put(root / "jasagrid.pdf")


def make_v2c(root: Path) -> None:
    movie = root / "movie_dataset" / "zootopia"
    put(movie / "zootopia_videos" / "Daddy" / "0034.mp4")
    put(movie / "zootopia_videos" / "Daddy" / "0036.mp4")
    speeches = movie / "zootopia_speeches" / "Daddy" / "00"
    put(speeches / "Daddy-00.trans.txt", "Daddy-00-0034 You ever wonder\n")
    put(speeches / "Daddy-00-0034.normalized.txt", "You ever  wonder\n")
    put(speeches / "Daddy-00-0034.wav")


def make_hdtf(root: Path) -> None:
    times = "Radio11.mp4 00:30-01:00 01:30-02:30\nRadio12.mp4 00:25-01:00\n"
    put(root / "HDTF_dataset" / "RD_annotion_time.txt", times)
    put(root / "HDTF_dataset" / "RD_video_url.txt", "Radio11 https://example.org\n")
    put(root / "clips" / "Radio11_0.mp4")
    put(root / "clips" / "Radio11_1.mp4")
    put(root / "clips" / "Radio11_2.mp4")  # the list knows two
    put(root / "clips" / "RD_Radio12_000.mp4")
    put(root / "clips" / "Other_0.mp4")


def make_iwslt(root: Path) -> None:
    test = root / "data" / "test"
    put(test / "subset1.de", "Wer sagt das?\nIch trinke darauf.\n")
    put(test / "subset1.en", "Who says that?\nI'll drink to that.\n")
    put(test / "subset1" / "test_set.2.mov")
    put(test / "subset2.de", "Siehe da.\n")
    put(test / "subset2.en", "Lo and behold.\n")
    put(test / "subset2" / "test_set_with_pauses.txt.1.mp4")


MAKE = {"grid": make_grid, "v2c": make_v2c, "hdtf": make_hdtf, "iwslt": make_iwslt}
NAMES = {
    "grid": ["s1_bbaf2n:en-en", "s2_lwbszs:en-en"],
    "v2c": ["zootopia_Daddy_0034:en-en"],
    "hdtf": ["RD_Radio12_000:en-es", "Radio11_0:en-es", "Radio11_1:en-es"],
    "iwslt": ["subset1_002:de-en", "subset2_001:de-en"],
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_folder_of_its_shape_is_read(name: str, tmp_path: Path) -> None:
    MAKE[name](tmp_path)
    cases = corpus_cases(tmp_path, name)
    assert [case.name for case in cases] == NAMES[name]
    assert all(case.truth.film.is_file() for case in cases)
    assert layout_of(tmp_path) == name and not is_annotated(tmp_path)
    assert len(corpus_cases(tmp_path, name, count=1)) == 1


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("other", [None, *LAYOUTS])
def test_a_folder_of_another_shape_is_told(name: str, other: str | None, tmp_path: Path) -> None:
    if other == name:
        pytest.skip("its own")
    if other is not None:
        MAKE[other](tmp_path)
    with pytest.raises(InputError) as caught:
        corpus_cases(tmp_path, name)
    assert caught.value.code == "DUB-E101"
    assert LAYOUTS[name].title in caught.value.message
    assert LAYOUTS[name].tree in caught.value.hint and LAYOUTS[name].home in caught.value.hint


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda x: x.name)
def test_what_is_scored_is_measured(layout) -> None:  # type: ignore[no-untyped-def]
    assert layout.figures and set(layout.figures) <= set(METRICS)
    assert layout.terms and layout.protocol.endswith(".")


def test_unknown_names_are_told(tmp_path: Path) -> None:
    make_grid(tmp_path)
    with pytest.raises(InputError, match="no layout 'lrs3'"):
        corpus_cases(tmp_path, "lrs3")
    with pytest.raises(InputError, match="s9"):
        corpus_cases(tmp_path, "grid", only=["s9"])
    with pytest.raises(InputError, match="no folder"):
        corpus_cases(tmp_path / "gone", "grid")


def test_grid_times_are_samples_of_25_khz(tmp_path: Path) -> None:
    make_grid(tmp_path)
    aligned, bare = corpus_cases(tmp_path, "grid")
    (line,) = aligned.told
    assert line.text == "bin blue at f two now" and line.speaker == "s1"
    assert line.span == Span(Fraction(19, 20), Fraction(53, 25))  # 23750 / 25000, 53000 / 25000
    assert aligned.redub and aligned.truth.turns[0].span == line.span
    assert bare.told[0].span is None and bare.truth.turns == ()
    assert bare.told[0].text == "lay white by s zero soon"


def test_grid_alignments_may_lie_apart(tmp_path: Path) -> None:
    """As the archive has it: ``alignments/s1`` beside ``s1``."""
    put(tmp_path / "s1" / "bbaf2n.mpg")
    put(tmp_path / "alignments" / "s1" / "bbaf2n.align", ALIGN)
    assert corpus_cases(tmp_path, "grid")[0].told[0].span is not None
    put(tmp_path / "alignments" / "s1" / "bbaf2n.align", "0 sil\n")
    with pytest.raises(InputError) as caught:
        corpus_cases(tmp_path, "grid")
    assert caught.value.code == "DUB-E107" and "Line 1" in caught.value.message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bbaf2n", "bin blue at f two now"),
        ("pwij3p", "place white in j three please"),
        ("id2_vcd_swwp2s", "set white with p two soon"),
        ("sgwzza", "set green with z zero again"),
        ("xbaf2n", None),
        ("bbaw2n", None),  # GRID has no w: its name is too long to say
        ("bbaf2", None),
    ],
)
def test_grid_names_are_sentences(name: str, text: str | None) -> None:
    assert grid_text(name) == text


def test_whole_videos_of_hdtf_must_be_cut_first(tmp_path: Path) -> None:
    put(tmp_path / "RD_annotion_time.txt", "Radio11.mp4 01:30-02:30\n")
    put(tmp_path / "Radio11.mp4")
    with pytest.raises(InputError) as caught:
        corpus_cases(tmp_path, "hdtf")
    assert "ffmpeg -ss 90 -to 150 -i Radio11.mp4 Radio11_0.mp4" in caught.value.hint
    put(tmp_path / "RD_annotion_time.txt", "Radio11.mp4 1.30 to 2.30\n")
    with pytest.raises(InputError, match="Line 1"):
        corpus_cases(tmp_path, "hdtf")


def test_references_of_iwslt_stay_in_their_language(tmp_path: Path) -> None:
    make_iwslt(tmp_path)
    english = corpus_cases(tmp_path, "iwslt")[0]
    assert english.told[0].text == "Ich trinke darauf."
    assert english.told[0].reference == "I'll drink to that." and not english.redub
    french = corpus_cases(tmp_path, "iwslt", into=["fr"])[0]
    assert french.name == "subset1_002:de-fr" and french.told[0].reference == ""
    put(tmp_path / "data" / "test" / "subset1.en", "Who says that?\n")
    with pytest.raises(InputError, match=r"subset1\.en"):
        corpus_cases(tmp_path, "iwslt")
