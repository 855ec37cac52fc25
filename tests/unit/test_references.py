from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polydub.model import Span, Turn, Voiceprint, Waveform, Word, total
from polydub.stages.references import (
    Reference,
    ReferenceOptions,
    Scene,
    find_references,
)

RATE = 16000


class ByPitch:
    """An embedder that knows two voices: the louder tone of the two decides."""

    def embed(self, audio: Waveform) -> Voiceprint:
        t = np.arange(len(audio.samples)) / RATE
        found = [abs(np.mean(audio.samples * np.exp(-2j * np.pi * f * t))) for f in (110, 220)]
        print_ = np.array([found[0], found[1]], dtype=np.float32)
        return print_ / max(float(np.linalg.norm(print_)), 1e-9)


def speech(seconds: float, hertz: float = 110.0, level: float = 1.0) -> np.ndarray:
    """Bursts of a tone with faint gaps: something to hear levels, noise and pitch by."""
    t = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * hertz * k * t) / k**2 for k in range(1, 12))
    rhythm = np.where(t % 0.25 < 0.2, 1.0, 0.01)
    return (0.1 * level * tone * rhythm).astype(np.float32)


def words(*spans: tuple[float, float], probability: float = 0.9) -> tuple[Word, ...]:
    """Words of a third of a second all over the spans."""
    made = []
    for start, end in spans:
        count = max(1, round((end - start) * 3))
        step = (end - start) / count
        made += [
            Word("word", Span.of(start + i * step, start + (i + 1) * step), probability)
            for i in range(count)
        ]
    return tuple(made)


def scene(
    *turns: tuple[float, float, str], samples: np.ndarray | None = None, **more: object
) -> Scene:
    made = tuple(Turn(Span.of(start, end), voice) for start, end, voice in turns)
    audio = Waveform(speech(60) if samples is None else samples, RATE)
    return Scene(made, more.pop("words", ()), audio, **more)  # type: ignore[arg-type]


def spans(references: Sequence[Reference]) -> list[Span]:
    return [reference.span for reference in references]


def covered(references: Sequence[Reference], start: float, end: float) -> float:
    return float(sum(r.span.overlap(Span.of(start, end)) for r in references))


def test_longer_pieces_come_first_and_the_sum_is_limited() -> None:
    found = find_references(scene((0, 2, "V1"), (5, 9, "V1"), (20, 50, "V1")))["V1"]
    assert total(spans(found)) <= 15
    assert found[0].span.duration >= 4
    assert [r.score for r in found] == sorted((r.score for r in found), reverse=True)


def test_what_another_voice_covers_is_left_out() -> None:
    film = scene((0, 6, "V1"), (4, 5, "V2"))
    found = find_references(film)
    assert spans(found["V1"]) == [Span.of(0, "3.9"), Span.of("5.1", 6)]
    assert found["V2"][0].parts["alone"] == 0.0
    assert set(found) == {"V1", "V2"}


def test_pauses_between_words_are_left_out() -> None:
    film = scene((0, 10, "V1"), words=words((0.5, 2.0), (5.0, 8.5)))
    found = find_references(film)["V1"]
    assert spans(found) == [Span.of("4.95", "8.55"), Span.of("0.45", "2.05")]


def test_long_speech_is_cut_between_words() -> None:
    spoken = words((0, 20))
    found = find_references(scene((0, 20, "V1"), words=spoken))["V1"]
    edges = {word.span.start for word in spoken} | {word.span.end for word in spoken}
    for reference in found:
        assert 2 <= reference.span.duration <= Span.of(0, "8.05").duration
        assert {reference.span.start, reference.span.end} <= edges | {Span.of(0, "20").end}


def test_noise_under_a_piece_counts_against_it() -> None:
    bed = np.zeros(60 * 48000, dtype=np.float32)
    bed[: 4 * 48000] = 0.05
    film = scene((0, 4, "V1"), (10, 14, "V1"), background=Waveform(bed, 48000))
    first, *rest = find_references(film)["V1"]
    assert first.span == Span.of(10, 14)
    assert first.measured["snr_db"] > 20
    assert all(r.measured["snr_db"] > 20 for r in rest)


def test_clipped_pieces_lose() -> None:
    samples = np.random.default_rng(3).laplace(0.0, 0.03, 20 * RATE).astype(np.float32)
    samples[: 4 * RATE] = np.clip(samples[: 4 * RATE], -0.05, 0.05)
    found = find_references(scene((0, 4, "V1"), (10, 14, "V1"), samples=samples))["V1"]
    assert found[0].span == Span.of(10, 14)
    assert found[0].parts["clipping"] > 0.95
    assert found[0].measured["clipped"] < 0.002


def test_unclear_words_lose() -> None:
    spoken = (*words((0, 4), probability=0.3), *words((10, 14)))
    found = find_references(scene((0, 4, "V1"), (10, 14, "V1"), words=spoken))["V1"]
    assert found[0].span.start >= 9
    assert found[0].measured["probability"] == pytest.approx(0.9)


def test_a_shout_loses_unless_all_is_shouted() -> None:
    samples = speech(40)
    samples[: 4 * RATE] = speech(4, hertz=220.0, level=4.0)
    turns = [(0, 4, "V1"), (10, 14, "V1"), (20, 24, "V1"), (30, 34, "V1")]
    found = find_references(scene(*turns, samples=samples))["V1"]
    assert covered(found, 0, 4) == 0.0
    assert found[0].parts["pitch"] == 1.0

    loud = find_references(scene(*turns, samples=speech(40, hertz=220.0, level=4.0)))["V1"]
    assert loud[0].parts["pitch"] == loud[0].parts["level"] == 1.0


def test_turns_of_the_wrong_voice_are_rejected_by_voiceprint() -> None:
    samples = np.concatenate([speech(30), speech(30, hertz=220.0)])
    turns = [(n, n + 4, "V1") for n in range(0, 30, 6)] + [(n, n + 4, "V2") for n in (36, 42, 48)]
    film = scene(*turns, (54, 58, "V1"), samples=samples)
    found = find_references(film, embedder=ByPitch())["V1"]
    assert covered(found, 54, 58) == 0.0
    assert found[0].parts["voiceprint"] == 1.0
    assert found[0].measured["cosine"] > found[0].measured["rival"]


def test_one_piece_has_nothing_to_be_compared_with() -> None:
    found = find_references(scene((0, 3, "V1")), embedder=ByPitch())["V1"]
    assert spans(found) == [Span.of(0, 3)]
    assert not {"voiceprint", "pitch", "level", "words"} & set(found[0].parts)
    assert 0.0 < found[0].score <= 1.0


def test_of_two_pieces_that_differ_both_are_kept() -> None:
    samples = np.concatenate([speech(10), speech(10, hertz=220.0)])
    film = scene((0, 3, "V1"), (12, 14, "V1"), samples=samples)
    found = find_references(film, embedder=ByPitch())["V1"]
    assert spans(found) == [Span.of(0, 3), Span.of(12, 14)]


def test_the_last_piece_is_cut_behind_a_word_or_else_to_fit() -> None:
    film = scene((0, 3, "V1"), (10, 12, "V1"), words=words((0, 3), (10, 12)))
    found = find_references(film, options=ReferenceOptions(wanted_s=4.5, pad_s=0.0))["V1"]
    assert found[1].span.end in {word.span.end for word in film.words}
    tight = find_references(film, options=ReferenceOptions(wanted_s=3.9, pad_s=0.0))["V1"]
    assert total(spans(tight)) == Span.of(0, "3.9").duration


def test_when_all_is_short_the_longest_is_given() -> None:
    found = find_references(scene((0, 0.3, "V1"), (2, 2.5, "V1")))["V1"]
    assert spans(found) == [Span.of(2, "2.5")]
    overlapped = find_references(scene((0, 1, "V1"), (0, 1, "V2")))
    assert spans(overlapped["V1"]) == [Span.of(0, 1)]
    assert overlapped["V1"][0].score == 0.0


def test_enough_comes_before_good() -> None:
    samples = speech(20)
    samples[5 * RATE : 10 * RATE] *= 0.05
    film = scene((0, 2, "V1"), (5, 7, "V1"), (7.5, 9.5, "V1"), samples=samples)
    assert total(spans(find_references(film)["V1"])) >= 4
    little = ReferenceOptions(enough_s=1.0)
    strict = find_references(film, options=little)["V1"]
    assert all(r.score >= 0.5 * strict[0].score for r in strict)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.integers(1, 60), st.sampled_from(["V1", "V2"])),
        min_size=1,
        max_size=8,
    )
)
def test_references_are_short_enough_apart_and_inside_own_turns(
    drawn: list[tuple[int, int, str]],
) -> None:
    turns = [(start / 10, (start + length) / 10, voice) for start, length, voice in drawn]
    film = scene(*turns, samples=speech(17))
    found = find_references(film)
    assert found == find_references(film)
    assert set(found) == {voice for _, _, voice in turns}
    for voice, references in found.items():
        own = [turn.span for turn in film.turns if turn.voice == voice]
        assert 0 < sum(r.span.duration for r in references) <= 15
        assert all(any(r.span & span == r.span for span in own) for r in references)
        assert all(0.0 <= part <= 1.0 for r in references for part in r.parts.values())


def test_without_turns_there_are_no_references() -> None:
    assert find_references(Scene((), (), Waveform(speech(3), RATE))) == {}
