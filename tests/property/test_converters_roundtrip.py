from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from polydub.errors import InputError
from polydub.model import Span, Turn
from polydub.project.converters import (
    GivenLine,
    funcineforge,
    lines_from_funcineforge,
    lines_from_rows,
    lines_from_tagged_srt,
    lines_of,
    read_rttm,
    rttm,
    script_from,
    tagged_srt,
)
from polydub.project.converters.dubbing_csv import dubbing_csv
from polydub.project.converters.given_lines import shared_text
from polydub.project.tables import read_table

times = st.integers(0, 3_600_000)
letters = st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="<>{}\\→")
texts = st.text(letters, min_size=1, max_size=30).map(lambda t: " ".join(t.split()))
names = texts.filter(lambda name: bool(name) and "]" not in name)


@st.composite
def given_lines(draw: st.DrawFn) -> tuple[GivenLine, ...]:
    cast = draw(st.lists(names, min_size=1, max_size=3, unique_by=str.casefold))
    made = []
    for start in draw(st.lists(times, min_size=1, max_size=6, unique=True)):
        end = start + draw(st.integers(1, 20_000))
        span = Span(Fraction(start, 1000), Fraction(end, 1000))
        said = draw(texts.filter(lambda t: bool(t) and t[0].isalpha() and "-->" not in t))
        made.append(GivenLine(draw(st.sampled_from(cast)), span, said))
    return tuple(sorted(made, key=lambda line: line.span))


@settings(max_examples=100, deadline=None)
@given(given_lines())
def test_jsonl_round_trip(lines: tuple[GivenLine, ...]) -> None:
    assert lines_from_funcineforge(funcineforge(lines, "film")) == lines


@settings(max_examples=100, deadline=None)
@given(given_lines())
def test_rttm_round_trip(lines: tuple[GivenLine, ...]) -> None:
    turns = tuple(Turn(line.span, "_".join(line.speaker.split())) for line in lines)
    assert read_rttm(rttm(turns, "film")) == turns


@settings(max_examples=100, deadline=None)
@given(given_lines())
def test_subtitle_round_trip(lines: tuple[GivenLine, ...]) -> None:
    assert lines_from_tagged_srt(tagged_srt(lines)) == lines


def test_table_round_trip(tmp_path_factory: object) -> None:
    folder = tmp_path_factory.mktemp("tables")  # type: ignore[attr-defined]

    @settings(max_examples=60, deadline=None)
    @given(given_lines())
    def check(lines: tuple[GivenLine, ...]) -> None:
        path = folder / "lines.csv"
        path.write_text(dubbing_csv(lines), encoding="utf-8")
        assert lines_from_rows(read_table(path)) == lines

    check()


@settings(max_examples=100, deadline=None)
@given(given_lines())
def test_script_round_trip(lines: tuple[GivenLine, ...]) -> None:
    script = script_from(lines, source="film.mp4", language="en")
    assert [(line.span, line.text) for line in lines_of(script)] == [
        (line.span, line.text) for line in lines
    ]
    assert len(script.cast) == len({line.speaker.casefold() for line in lines})
    again = script_from(lines_of(script), source="film.mp4", language="en")
    assert again == script


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.sampled_from("ab .,!?。，"), max_size=40),
    st.lists(st.integers(1, 9).map(Fraction), min_size=1, max_size=4),
    st.sampled_from(["en", "zh"]),
)
def test_sharing_a_text_out_keeps_it(text: str, shares: list[Fraction], language: str) -> None:
    parts = shared_text(text, shares, language)
    assert len(parts) == len(shares)
    assert "".join("".join(parts).split()) == "".join(text.split())


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80), st.data())
def test_damaged_files_are_input_errors(noise: str, data: st.DataObject) -> None:
    lines = data.draw(given_lines())
    for text, read in (
        (rttm([Turn(line.span, "A") for line in lines], "f"), read_rttm),
        (tagged_srt(lines), lines_from_tagged_srt),
        (funcineforge(lines, "f"), lines_from_funcineforge),
    ):
        at = data.draw(st.integers(0, len(text)))
        try:
            read(text[:at] + noise + text[at + len(noise) :])
        except InputError as error:
            assert error.code == "DUB-E107"
