from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from polydub.errors import InputError
from polydub.evaluate import background, mouths, pictures
from polydub.evaluate.evaluation import (
    EvaluatedLine,
    EvaluatedShot,
    Evaluation,
    concern,
    evaluation_json,
)
from polydub.evaluate.evaluation_html import render_evaluation
from polydub.evaluate.gate import judge, parse_gate
from polydub.evaluate.metrics import AXES, HEADLINES, METRICS
from polydub.evaluate.naturalness import NotMeasured
from polydub.evaluate.resegment import deal_words, windows
from polydub.evaluate.stand_in import LineVoice, stand_ins, timeline_error
from polydub.model import Span, Turn, Word


def said(text: str, start: float, step: float = 0.3) -> list[Word]:
    """Words one after the other from ``start``."""
    return [
        Word(word, Span.of(start + n * step, start + n * step + 0.9 * step))
        for n, word in enumerate(text.split())
    ]


def test_every_axis_has_headlines_that_are_its_own() -> None:
    assert set(HEADLINES) == set(AXES)
    for axis, names in HEADLINES.items():
        assert names and all(METRICS[name].axis == axis for name in names)
    for metric in METRICS.values():
        assert metric.protocol.startswith(f"polydub.{metric.axis}.{metric.name}/")
        assert metric.meaning


@pytest.mark.parametrize(
    ("name", "value", "grade"),
    [
        ("wer", 0.1, "good"),
        ("wer", 0.2, "fair"),
        ("wer", 0.31, "poor"),
        ("overlap", 0.7, "good"),
        ("overlap", 0.4, "poor"),
        ("onset_ms", -130.0, "fair"),
        ("speed", 0.75, "fair"),
        ("speed", 1.1, "good"),
        ("rtf", 20.0, "plain"),
    ],
)
def test_grades(name: str, value: float, grade: str) -> None:
    assert METRICS[name].grade(value) == grade


def test_the_worst_tenth_is_the_far_end() -> None:
    assert METRICS["onset_ms"].worst([-300.0, 10.0, 200.0]) == -300.0
    assert METRICS["speed"].worst([0.5, 1.0, 1.4]) == 0.5
    assert METRICS["overlap"].worst([0.2, 0.9]) == 0.2
    assert METRICS["wer"].worst([0.2, 0.9]) == 0.9


# words to lines


def test_words_go_to_their_lines_though_they_come_late() -> None:
    """A second late: half of the first line's words lie in the second line's time."""
    texts = ["the cat sat down", "on a red mat"]
    spans = [Span.of(0, 1), Span.of(1.2, 2.2)]
    words = said("the cat sat down", 1.0, 0.25) + said("on a red mat", 2.2, 0.25)
    assert deal_words(words, texts, spans, "en") == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_line_that_is_not_said_gets_no_words() -> None:
    texts = ["the cat sat down", "nobody says this ever", "on a red mat"]
    spans = [Span.of(0, 1), Span.of(2, 3), Span.of(4, 5)]
    words = said("the cat sat down", 0.1) + said("on a red mat", 4.1)
    assert deal_words(words, texts, spans, "en") == [[0, 1, 2, 3], [], [4, 5, 6, 7]]


def test_wrong_and_superfluous_words_stay_near() -> None:
    texts = ["the cat sat down", "on a red mat"]
    spans = [Span.of(0, 1.2), Span.of(3, 4.2)]
    words = said("the hat sat down there", 0) + said("well on a red mat", 3)
    assert deal_words(words, texts, spans, "en") == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_without_texts_words_go_to_the_nearest_line() -> None:
    spans = [Span.of(0, 1), Span.of(3, 4)]
    words = said("uno dos", 0.2) + said("tres", 2.8)
    assert deal_words(words, ["", ""], spans, "es") == [[0, 1], [2]]


def test_chinese_is_dealt_by_characters() -> None:
    spans = [Span.of(0, 1), Span.of(1, 2)]
    words = [Word("你好", Span.of(0, 0.9)), Word("再见", Span.of(1, 1.9))]
    assert deal_words(words, ["你好", "再见"], spans, "zh") == [[0], [1]]


def test_speech_windows_end_half_way_to_the_neighbour() -> None:
    first, second, third = windows([Span.of(0, 1), Span.of(1.4, 2), None])
    assert first is not None and second is not None and third is None
    assert float(first.end) == pytest.approx(1.2) and float(second.start) == pytest.approx(1.2)
    assert float(second.end) == pytest.approx(2.5)


# whom a voice stands for


def voice(*values: float) -> np.ndarray:
    array = np.array(values, np.float32)
    return array / np.linalg.norm(array)


ORIGINALS = {"A": voice(1, 0.2, 0, 0), "B": voice(0, 1, 0.2, 0), "C": voice(0.2, 0, 1, 0)}


def lines(voices: dict[str, np.ndarray]) -> list[LineVoice]:
    rng = np.random.default_rng(1)
    return [
        LineVoice(f"{speaker}{n}", speaker, voice(*(p + 0.02 * rng.normal(size=4))), 2.0)
        for speaker, p in voices.items()
        for n in range(3)
    ]


def test_voices_stand_for_their_own_people() -> None:
    found = stand_ins(lines(ORIGINALS), ORIGINALS)
    assert found.wrong_share == 0 and set(found.of_line.values()) == {"A", "B", "C"}


def test_exchanged_voices_are_found() -> None:
    found = stand_ins(
        lines({"A": ORIGINALS["B"], "B": ORIGINALS["A"], "C": ORIGINALS["C"]}), ORIGINALS
    )
    assert found.wrong_share == pytest.approx(2 / 3)
    assert found.of_line["A1"] == "B" and found.of_line["C0"] == "C"


def test_one_line_in_another_voice_is_found() -> None:
    own = lines(ORIGINALS)
    own[0] = LineVoice("A0", "A", ORIGINALS["B"], 2.0)
    found = stand_ins(own, ORIGINALS)
    assert found.of_line["A0"] == "B" and found.wrong_s == 2.0


def test_what_all_voices_share_accuses_nobody() -> None:
    """All of the dub is far from all of the originals, in the same direction."""
    shift = np.array([0, 0, 0, 2.5])
    found = stand_ins(lines({k: voice(*(p + shift)) for k, p in ORIGINALS.items()}), ORIGINALS)
    assert found.wrong_share == 0


def test_timeline_error_counts_each_kind() -> None:
    truth = [Turn(Span.of(0, 2), "A"), Turn(Span.of(3, 5), "B")]
    assert timeline_error(truth, truth) == 0
    late = [Turn(Span.of(1, 3), "A"), Turn(Span.of(3, 5), "B")]
    assert timeline_error(truth, late) == pytest.approx(0.5)  # 1 s missed, 1 s too much, of 4 s
    swapped = [Turn(Span.of(0, 2), "B"), Turn(Span.of(3, 5), "A")]
    assert timeline_error(truth, swapped) == 1
    assert timeline_error([], truth) is None


# mouths


def test_motion_ratio_and_leak() -> None:
    assert mouths.motion_ratio(np.full(50, 0.3), np.full(50, 0.6)) == pytest.approx(0.5)
    assert mouths.motion_ratio(np.full(50, 0.3), np.full(50, 0.01)) is None
    assert mouths.moving_share(np.array([0.5] * 10 + [0.1] * 30)) == pytest.approx(0.25)
    assert mouths.moving_share(np.zeros(10)) is None


# pictures


def scene(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    from scipy.ndimage import gaussian_filter

    image = gaussian_filter(rng.uniform(0, 255, (120, 160, 3)), (2, 2, 0))
    return np.clip((image - 127) * 4 + 127, 0, 255).astype(np.uint8)


def test_psnr_of_a_known_error() -> None:
    before = scene()
    mask = pictures.outside_boxes(before.shape, [(40, 40, 80, 80)])
    assert pictures.psnr(pictures.squared_error(before, before, mask) or 0.0) == 80
    noisy = before.astype(int) // 2 * 2
    other = np.clip(noisy + 10, 0, 255).astype(np.uint8)
    flat = np.full_like(before, 100)
    error = pictures.squared_error(flat, flat + 10, mask)
    assert error == pytest.approx(100) and pictures.psnr(100) == pytest.approx(28.13, abs=0.01)
    inside = before.copy()
    inside[45:75, 45:75] = 0
    assert pictures.squared_error(before, inside, mask) == 0
    assert other.shape == before.shape
    whole = pictures.outside_boxes(before.shape, [(0, 0, 160, 120)])
    assert pictures.squared_error(before, before, whole) is None


def test_a_square_is_cut_to_the_pixel() -> None:
    image = scene()
    square = pictures.crop(image, (60.0, 50.0), 16.0, 32)
    np.testing.assert_allclose(square, image[34:66, 44:76], atol=1e-6)


def test_a_blurred_square_is_less_sharp() -> None:
    from scipy.ndimage import gaussian_filter

    square = scene()[:96, :96].astype(float)
    assert pictures.sharpness(gaussian_filter(square, (2, 2, 0))) < 0.5 * pictures.sharpness(square)


def test_a_seam_is_seen_and_a_soft_border_is_not() -> None:
    from scipy.ndimage import gaussian_filter

    before = np.full((96, 96, 3), 120.0)
    hard = before.copy()
    hard[30:66, 30:66] += 40
    mask = np.zeros((96, 96))
    mask[30:66, 30:66] = 1
    soft = before + 40 * gaussian_filter(mask, 8)[..., None]
    assert pictures.seam(before, before) is None
    found = pictures.seam(before, hard)
    assert found is not None and found > 5
    assert (pictures.seam(before, soft) or 0) < 0.3 * found


def test_lab_of_known_colours() -> None:
    """Values of the CIE formulas for sRGB red and mid grey, D65."""
    colours = np.array([[[255.0, 0, 0], [119, 119, 119]]])
    np.testing.assert_allclose(pictures.lab(colours)[0, 0], [53.24, 80.09, 67.20], atol=0.05)
    np.testing.assert_allclose(pictures.lab(colours)[0, 1], [50.03, 0, 0], atol=0.05)


# background


def test_the_bed_is_compared_where_nobody_speaks() -> None:
    rng = np.random.default_rng(0)
    rate = 8000
    bed = 0.05 * rng.normal(size=4 * rate).astype(np.float32)
    film, dub = bed.copy(), bed.copy()
    film[rate : 2 * rate] += 0.5 * rng.normal(size=rate)
    dub[rate : 2 * rate] += 0.3 * rng.normal(size=rate)
    free = background.pauses(Fraction(4), [Span.of(1, 2)], [Span.of(1, 2)])
    assert [(float(s.start), float(s.end)) for s in free] == [(0.0, 0.9), (2.1, 4.0)]
    same = background.bed(dub, film, rate, free)
    assert same is not None and same.level_db == pytest.approx(0) and same.sdr_db == 60
    delayed = np.concatenate([np.zeros(100, np.float32), dub])[: 4 * rate]
    late = background.bed(delayed, film, rate, free)
    assert late is not None and late.sdr_db > 20
    dry = dub.copy()
    for span in free:
        dry[span.samples(rate)] = 0
    gone = background.bed(dry, film, rate, free)
    assert gone is not None and gone.level_db == -60
    assert background.bed(dub, np.zeros_like(film), rate, free) is None
    assert background.bed(dub, film, rate, free[:0]) is None


# the whole


def line(name: str, start: float, values: dict[str, float], **more: Any) -> EvaluatedLine:
    speaker = {"L2": "S2"}.get(name, "S1")
    told = {"text": "So", "wanted": "Pues", "heard": "Pues"} | more
    return EvaluatedLine(
        name,
        speaker,
        "on-screen",
        start,
        start + 1,
        values=values,
        **told,  # type: ignore[arg-type]
    )


def evaluation() -> Evaluation:
    good = {"said": 1.0, "wer": 0.0, "overlap": 0.9, "onset_ms": 20.0}
    made = (
        line("L1", 0.5, good, text="Hello <b>", dub=((0.6, 2.1),), voice="S1"),
        line("L2", 3.0, {"said": 0.0, "wer": 1.0}, wanted="Adiós", heard=""),
        line("L3", 5.0, good),
    )
    by = {"polydub": "0", "measured_by": "1", "python": "3", "system": "x", "machine": "y"}
    return Evaluation(
        source="film.mp4",
        dub="film.es.mp4",
        source_language="en",
        target="es",
        duration_s=7.0,
        lines=made,
        shots=(
            EvaluatedShot(0, 0.0, 3.5, {"outside_psnr": 45.0}),
            EvaluatedShot(1, 3.5, 4.5, {"outside_psnr": 44.0}),
            EvaluatedShot(2, 4.5, 7.0, {}),
        ),
        names={"S1": "Ann", "S2": "Bob"},
        film={"overlap": 0.8, "bed_db": -1.0},
        not_measured=(NotMeasured("dnsmos", "no package"),),
        environment={
            **by,
            **{"processor": "a chip", "cores": 1, "memory_mib": 1024, "gpu": ""},
            **{"packages": {}, "engines": {}, "weights": {"w": {"a": "0"}}},
        },
    )


def test_summary_prefers_the_film_and_keeps_the_worst_line() -> None:
    summary = evaluation().summary
    assert summary["overlap"].mean == 0.8 and summary["overlap"].worst == 0.9
    assert summary["wer"].mean == pytest.approx(1 / 3) and summary["wer"].worst == 1
    assert list(summary) == [name for name in METRICS if name in summary]


def test_json_has_protocols_and_speakers() -> None:
    values = json.loads(evaluation_json(evaluation()))
    assert values["schema"] == "polydub.evaluation/1"
    assert values["protocols"]["wer"] == "polydub.what.wer/1"
    own = {"wer": 1.0, "said": 0.0}
    assert values["speakers"]["S2"] == {"name": "Bob", "values": own, "worst": own}
    assert values["axes"]["when"]["overlap"]["mean"] == 0.8
    assert values["not_measured"] == [{"metric": "dnsmos", "reason": "no package"}]


def test_shots_have_the_figures_of_their_lines_and_of_their_picture() -> None:
    """A line counts for the shot that holds most of it: L2 says 3 to 4 s, cut at 3.5 s."""
    first, second, last = json.loads(evaluation_json(evaluation()))["shots"]
    assert first["lines"] == ["L1", "L2"] and last["lines"] == ["L3"]
    assert first["values"] == {
        "wer": 0.5,
        "said": 0.5,
        "overlap": 0.9,
        "onset_ms": 20.0,
        "outside_psnr": 45.0,
    }
    assert first["worst"]["wer"] == 1.0
    assert second == {
        **{"index": 1, "start": 3.5, "end": 4.5, "lines": []},
        **{"values": {"outside_psnr": 44.0}, "worst": {"outside_psnr": 44.0}},
    }
    assert last["values"]["overlap"] == 0.9


def test_the_worst_line_comes_first_on_the_page() -> None:
    found = evaluation()
    assert concern(found.lines[1]) > concern(found.lines[0])
    strips = {"L1": b"\xff\xd8\xff"}
    page = render_evaluation(found, clips={"L1": (b"OggS1", None)}, strips=strips, faces={})
    assert page.index('id="L2"') < page.index('id="L1"')
    assert "Hello &lt;b&gt;" in page and "data:image/jpeg" in page and "data:audio/ogg" in page
    assert "nothing was heard" in page and "no package" in page
    assert "http" not in page.replace("http-equiv", "")


# gate


def test_a_gate_names_what_fails() -> None:
    verdict = judge(evaluation(), parse_gate("wer<=0.1, overlap>=0.6,bed_db>-3"))
    assert [(x.unit, str(x.condition)) for x in verdict.failures] == [("L2", "wer<=0.1")]
    assert not verdict.passed
    assert judge(evaluation(), parse_gate("overlap>=0.6")).passed
    assert judge(evaluation(), parse_gate("cer<=0.1")).failures  # wer stands for it


def test_what_is_not_measured_does_not_pass() -> None:
    verdict = judge(evaluation(), parse_gate("dnsmos>=3"))
    assert not verdict.passed and str(verdict.unmeasured[0]) == "dnsmos>=3"


@pytest.mark.parametrize("text", ["wer", "wer=0.1", "wer<=ten", "werr<=0.1", ""])
def test_a_gate_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_gate(text)
    assert caught.value.code == "DUB-E108"
