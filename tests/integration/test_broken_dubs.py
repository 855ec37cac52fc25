"""A dub that is broken in one way moves the right axis of its evaluation, and no other one.

Minutes long: dubs the example, breaks it in six ways, evaluates each. ``POLYDUB_TEST_DEMO`` may
name a folder in which ``polydub demo`` ran before, whose dub is then used.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from polydub import api
from polydub.evaluate.evaluation import Evaluation
from polydub.evaluate.metrics import HEADLINES, METRICS
from tests.broken_dubs import LANGUAGE, FinishedDub

pytestmark = [
    pytest.mark.slow,
    pytest.mark.weights,
    pytest.mark.filterwarnings("ignore"),  # third-party models warn as they like
]

STEADY = {
    "wrong_voice": 0.05,
    "wer": 0.08,
    "overlap": 0.05,
    "onset_ms": 60.0,
    "similarity": 0.08,
    "lip_sync": 0.12,
    "lip_motion": 0.35,
    "outside_psnr": 4.0,
    "identity": 0.08,
    "bed_db": 1.5,
    "bed_sdr": 12.0,
}
"""How far a headline may move without meaning anything: the recogniser mishears another word, a
take is louder, the picture is encoded once more."""


@pytest.fixture(scope="module")
def dub(tmp_path_factory: pytest.TempPathFactory) -> FinishedDub:
    folder = tmp_path_factory.mktemp("broken")
    given = os.environ.get("POLYDUB_TEST_DEMO")
    demo = folder / "demo"
    if given:
        shutil.copytree(given, demo)
    else:
        api.demo(demo)
    return FinishedDub(demo / "conversation.polydub", demo / "conversation.es.mp4", folder)


def score(dub: FinishedDub, video: Path) -> Evaluation:
    return api.evaluate_dub(video, reference=dub.project, language=LANGUAGE).evaluation


@pytest.fixture(scope="module")
def whole(dub: FinishedDub) -> Evaluation:
    return score(dub, dub.whole())


def moved(before: Evaluation, after: Evaluation) -> dict[str, float]:
    """By how much each headline moved; what one of both lacks is left out."""
    first, second = before.summary, after.summary
    names = [name for own in HEADLINES.values() for name in own if name in STEADY]
    return {n: second[n].mean - first[n].mean for n in names if n in first and n in second}


def assert_only(axis: str, before: Evaluation, after: Evaluation) -> None:
    """One headline of ``axis`` is out of its bounds at least; those of other axes are not."""
    out = {n: x for n, x in moved(before, after).items() if abs(x) > STEADY[n]}
    assert out and {METRICS[name].axis for name in out} == {axis}, out


def test_a_whole_dub_is_good(whole: Evaluation) -> None:
    """Every axis is measured, and none of its headlines is poor but for the recogniser's words."""
    for axis, names in HEADLINES.items():
        if axis != "run":
            assert any(name in whole.summary for name in names), axis
    poor = [n for n, f in whole.summary.items() if METRICS[n].grade(f.mean) == "poor"]
    assert poor == []


BROKEN: dict[str, tuple[str, Callable[[FinishedDub], Path]]] = {
    "300 ms late": ("when", FinishedDub.late),
    "background dropped": ("mix", FinishedDub.without_background),
    "one line missing": ("what", lambda dub: dub.without_line("L004")),
    "pitch shifted": ("voice", FinishedDub.pitched),
    "mouth frozen": ("lips", FinishedDub.frozen),
    "voices swapped": ("who", lambda dub: dub.swapped("S2", "S3")),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_fault_moves_its_own_axis_only(dub: FinishedDub, whole: Evaluation, fault: str) -> None:
    axis, make = BROKEN[fault]
    found = score(dub, make(dub))
    assert_only(axis, whole, found)
    by = moved(whole, found)
    if fault == "300 ms late":
        assert 240 < by["onset_ms"] < 400
        delay = found.film["av_delay_ms"] - whole.film["av_delay_ms"]
        assert delay == pytest.approx(300, abs=60)
    elif fault == "one line missing":
        (line,) = [line for line in found.lines if line.id == "L004"]
        assert line.values["said"] == 0 and line.values["wer"] == 1 and not line.dub
    elif fault == "voices swapped":
        assert {x.voice for x in found.lines if x.speaker == "S2"} == {"S3"}
        assert {x.voice for x in found.lines if x.speaker == "S1"} == {"S1"}
