"""Where two voices are heard at once, by what a segmentation model says around a moment."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from polydub.stages.joint_evidence import VoiceEvidence
from polydub.stages.joint_overlap import PairOptions, likely_spans, pair_spans
from polydub.stages.overlap import mask_of
from polydub.stages.overlap_filter import (
    OverlapFilter,
    around,
    overlap_traces,
    packaged_filter,
)
from tests.unit.test_overlap import DURATION, window

SILENT = -4.625  # log-odds of SURE / (1 + 2 SURE)


def test_a_tap_reads_the_trace_that_much_later_and_silence_beside_the_film() -> None:
    traces = np.stack([np.arange(5.0)] * 3 + [np.ones(5)])
    early, now, late = around(traces, (-2, 0, 1))
    assert early[0] == pytest.approx([SILENT, SILENT, 0, 1, 2], abs=0.01)
    assert now[0].tolist() == [0, 1, 2, 3, 4]
    assert late[0] == pytest.approx([1, 2, 3, 4, SILENT], abs=0.01)
    assert early[3].tolist() == [0, 0, 1, 1, 1]  # no change in silence


def test_traces_are_log_odds_and_the_change_of_voice() -> None:
    traces = overlap_traces([window([(0.5, 3.0)], [(2.0, 4.0)])], DURATION)
    assert traces.shape == (4, 600)
    both, second, speech, change = traces
    assert both[250] > 4 and both[100] == pytest.approx(SILENT, abs=0.01)
    assert second[250] > 4 and second[100] < -4
    assert speech[100] > 4 and speech[20] < -4 and speech[500] < -4
    assert change.min() >= 0 and change.max() <= 1


def test_the_odds_are_the_weighted_traces_around() -> None:
    weights = np.zeros((4, 2))
    weights[0, 1] = 1.0  # the first trace, one frame later
    made = OverlapFilter((0, 1), weights, bias=-1.0)
    traces = np.zeros((4, 3))
    traces[0] = [0.0, 1.0, 3.0]
    expected = 1 / (1 + np.exp(-(np.array([1.0, 3.0, SILENT]) - 1.0)))
    assert made.probability(traces) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("talks", "expected"),
    [
        (([(0.5, 3.0)], [(2.0, 4.0)]), [(2.0, 3.0)]),
        (([(0.5, 3.0)], [(3.0, 5.0)]), []),
        (([(0.5, 5.0)], [(2.0, 2.6)]), [(2.0, 2.6)]),
        (([(0.5, 5.0)], []), []),
        (([], []), []),
    ],
    ids=["interrupted", "one after the other", "backchannel", "alone", "silence"],
)
def test_a_sure_model_is_believed(talks, expected) -> None:
    frames = packaged_filter().probability(overlap_traces([window(*talks)], DURATION))
    found = pair_spans(
        VoiceEvidence((), np.zeros((0, 1)), activity=(window(*talks),)), PairOptions()
    )
    assert len(frames) == 600
    assert len(found) == len(expected)
    for (span, sure), (start, end) in zip(found, expected, strict=True):
        assert float(span.start) == pytest.approx(start, abs=0.15)
        assert float(span.end) == pytest.approx(end, abs=0.15)
        assert sure > 0.5


def test_one_voice_that_may_be_either_speaker_is_not_two() -> None:
    both = window([(0.5, 3.0)], [(0.5, 3.0)])
    either = replace(both, activity=both.activity / 2)
    found = pair_spans(VoiceEvidence((), np.zeros((0, 1)), activity=(either,)), PairOptions())
    assert found == ()


def test_short_moments_are_no_overlap() -> None:
    options = PairOptions(onset=0.5, offset=0.4, least_s=0.1)
    probability = np.zeros(100, np.float32)
    probability[10:15] = 0.9  # 50 ms
    probability[40:60] = 0.45  # never reaches the onset
    probability[70:90] = 0.6
    mask = mask_of(likely_spans(probability, options), 100)
    assert np.flatnonzero(mask).tolist() == list(range(70, 90))


def test_the_packaged_filter_is_one_weight_per_trace_and_tap() -> None:
    packaged = packaged_filter()
    assert packaged.weights.shape == (4, len(packaged.taps))
    assert packaged.taps == tuple(sorted(packaged.taps))
    assert np.isfinite(packaged.weights).all()
    assert Fraction(max(map(abs, packaged.taps)), 100) <= 1
