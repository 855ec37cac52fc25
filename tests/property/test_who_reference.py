"""The metrics against the field's own programs, where these are installed."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polydub.evaluate.scores import edit_distance
from polydub.evaluate.who import cp_word_errors, diarization_errors, jaccard_error_rate
from polydub.model import Span, Turn, merge

times = st.integers(0, 200_000).map(lambda n: Fraction(n, 1000))


@st.composite
def turns(draw: st.DrawFn, voices: str) -> tuple[Turn, ...]:
    """Any turns; a voice never overlaps or touches itself, as the field's programs expect."""
    made: list[Turn] = []
    for voice in voices[: draw(st.integers(1, len(voices)))]:
        spans = [
            Span(start, start + Fraction(length, 1000))
            for start, length in draw(
                st.lists(st.tuples(times, st.integers(1, 20_000)), min_size=1, max_size=5)
            )
        ]
        made += [Turn(span, voice) for span in merge(spans)]
    return tuple(made)


vocabulary = st.lists(st.sampled_from("abcdefg"), max_size=8)
said = st.dictionaries(st.sampled_from(["A", "B", "C", "D"]), vocabulary, max_size=4)


@settings(max_examples=100, deadline=None)
@given(turns("ABCD"), turns("vwxyz"))
def test_errors_add_up(truth: tuple[Turn, ...], found: tuple[Turn, ...]) -> None:
    errors = diarization_errors(truth, found)
    there = float(sum((turn.span.duration for turn in truth), Fraction(0)))
    heard = float(sum((turn.span.duration for turn in found), Fraction(0)))
    right = errors.speech_s - errors.miss_s - errors.confusion_s
    assert errors.speech_s == pytest.approx(there)
    assert right + errors.confusion_s + errors.false_alarm_s == pytest.approx(heard)
    assert min(errors.miss_s, errors.false_alarm_s, errors.confusion_s) >= 0
    assert len(set(errors.mapping.values())) == len(errors.mapping)
    assert 0 <= jaccard_error_rate(truth, found) <= 1


@settings(max_examples=50, deadline=None)
@given(turns("ABCD"))
def test_the_truth_has_no_errors(truth: tuple[Turn, ...]) -> None:
    renamed = tuple(Turn(turn.span, turn.voice.lower() + "!") for turn in truth)
    assert diarization_errors(truth, renamed).rate == 0
    assert jaccard_error_rate(truth, renamed) == 0


def annotation(core: Any, made: tuple[Turn, ...]) -> Any:
    result = core.Annotation()
    for number, turn in enumerate(made):
        span = core.Segment(float(turn.span.start), float(turn.span.end))
        result[span, number] = turn.voice
    return result


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None)
@given(turns("ABCD"), turns("vwxyz"))
def test_der_and_its_parts_equal_pyannote(truth: tuple[Turn, ...], found: tuple[Turn, ...]) -> None:
    core = pytest.importorskip("pyannote.core")
    theirs = pytest.importorskip("pyannote.metrics.diarization").DiarizationErrorRate()
    parts = theirs(annotation(core, truth), annotation(core, found), detailed=True)
    ours = diarization_errors(truth, found)
    assert ours.rate == pytest.approx(parts["diarization error rate"], abs=1e-6)
    assert ours.speech_s == pytest.approx(parts["total"], abs=1e-6)
    assert ours.miss_s == pytest.approx(parts["missed detection"], abs=1e-6)
    assert ours.false_alarm_s == pytest.approx(parts["false alarm"], abs=1e-6)
    assert ours.confusion_s == pytest.approx(parts["confusion"], abs=1e-6)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None)
@given(turns("ABCD"), turns("vwxyz"))
def test_jer_equals_pyannote(truth: tuple[Turn, ...], found: tuple[Turn, ...]) -> None:
    core = pytest.importorskip("pyannote.core")
    theirs = pytest.importorskip("pyannote.metrics.diarization").JaccardErrorRate()
    jer = theirs(annotation(core, truth), annotation(core, found))
    if _one_best_mapping(truth, found):
        assert jaccard_error_rate(truth, found) == pytest.approx(jer, abs=1e-6)


def _one_best_mapping(truth: tuple[Turn, ...], found: tuple[Turn, ...]) -> bool:
    """Whether the order of the voices does not matter: of two equally good mappings, each
    program may take its own, and JER then differs (DER does not)."""
    backward = {turn.voice: chr(1000 - ord(turn.voice)) for turn in found}
    turned = tuple(Turn(turn.span, backward[turn.voice]) for turn in found)
    forward = diarization_errors(truth, found).mapping
    return {backward[v]: s for v, s in forward.items()} == diarization_errors(truth, turned).mapping


@settings(max_examples=100, deadline=None)
@given(said, said)
def test_cp_word_errors_are_least(truth: dict[str, list[str]], found: dict[str, list[str]]) -> None:
    """No permutation is better: the definition, tried out."""
    from itertools import permutations

    size = max(len(truth), len(found))
    left = [*truth.values(), *[[]] * (size - len(truth))]
    right = [*found.values(), *[[]] * (size - len(found))]
    best = min(
        sum(edit_distance(a, b) for a, b in zip(left, order, strict=True))
        for order in permutations(right)
    )
    assert cp_word_errors(truth, found).errors == best


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=100, deadline=None)
@given(said.filter(lambda d: any(d.values())), said.filter(bool))
def test_cp_word_errors_equal_meeteval(
    truth: dict[str, list[str]], found: dict[str, list[str]]
) -> None:
    meeteval = pytest.importorskip("meeteval")
    theirs = meeteval.wer.cp_word_error_rate(
        {name: " ".join(words) for name, words in truth.items()},
        {name: " ".join(words) for name, words in found.items()},
    )
    ours = cp_word_errors(truth, found)
    assert (ours.errors, ours.tokens) == (theirs.errors, theirs.length)


@settings(max_examples=50, deadline=None)
@given(vocabulary.filter(bool), vocabulary)
def test_edit_distance_equals_jiwer(truth: list[str], found: list[str]) -> None:
    jiwer = pytest.importorskip("jiwer")
    counts = jiwer.process_words(" ".join(truth), " ".join(found))
    errors = counts.substitutions + counts.deletions + counts.insertions
    assert edit_distance(truth, found) == errors
