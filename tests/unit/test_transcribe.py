import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydub.engines.recognize import whisper
from polydub.engines.recognize.whisper import WhisperOptions
from polydub.errors import EngineError, InputError
from polydub.model import Span, Transcript, Waveform, Word
from polydub.stages.transcribe import (
    SHORTEST,
    AskOptions,
    clamp,
    in_order,
    join_marks,
    transcribe,
    unwritten,
)


def word(text: str, start: str, end: str, probability: float = 0.9) -> Word:
    return Word(text, Span.of(start, end), probability)


class FixedRecognizer:
    capabilities = None

    def __init__(self, *words: Word, language: str = "en") -> None:
        self.words = words
        self.language = language
        self.asked: list[str | None] = []

    def recognize(self, audio, *, language=None, progress=None) -> Transcript:
        self.asked.append(language)
        if progress:
            progress(float(audio.duration))
        return Transcript(self.language, 0.9, self.words)


AUDIO = Waveform(np.zeros(10 * 16000, dtype=np.float32), 16000)


def test_words_keep_their_times_inside_speech() -> None:
    words = (word("Hello,", "1", "1.4"), word("world.", "1.4", "2"))
    done: list[float] = []
    result = transcribe(
        FixedRecognizer(*words), AUDIO, [Span.of("0.9", "2.1")], progress=done.append
    )

    assert result.transcript.words == words
    assert result.decisions == ()
    assert done == [10.0]


def test_a_first_word_stretched_over_the_pause_is_cut_to_its_speech() -> None:
    speech = [Span.of(0, "3.05"), Span.of("3.9", 6)]
    assert clamp(word("see", "3", "4.1"), speech).span == Span.of("3.9", "4.1")


def test_a_last_word_stretched_into_the_pause_ends_with_its_speech() -> None:
    assert clamp(word("end", "1", "3"), [Span.of(0, "1.5")]).span == Span.of(1, "1.5")


def test_a_likely_word_outside_speech_stays_as_it_is() -> None:
    result = transcribe(FixedRecognizer(word("yes", "5", "5.4")), AUDIO, [Span.of(0, 1)])
    assert [w.span for w in result.transcript.words] == [Span.of(5, "5.4")]


class ForgetfulRecognizer(FixedRecognizer):
    """Hears the first sentence of all that it gets."""

    def __init__(self, **answers: tuple[Word, ...]) -> None:
        super().__init__(word("Hello.", "0.1", "0.6"))
        self.answers = {float(seconds[1:]): words for seconds, words in answers.items()}

    def recognize(self, audio, *, language=None, progress=None) -> Transcript:
        known = self.answers.get(round(float(audio.duration), 2))
        self.asked.append(language)
        return Transcript("en", 0.9, self.words if known is None else known)


def asked(recognizer: ForgetfulRecognizer, *speech: Span) -> list[tuple[str, float, float]]:
    found = transcribe(recognizer, AUDIO, speech).transcript.words
    return [(w.text, float(w.span.start), float(w.span.end)) for w in found]


def test_speech_without_words_is_recognised_alone() -> None:
    said = (word("How", "0.2", "0.5"), word("are", "0.5", "1"), word("after", "2.3", "2.5"))
    recognizer = ForgetfulRecognizer(**{"s2.3": said})
    found = asked(recognizer, Span.of(0, "0.6"), Span.of(3, 5))
    # from 0.15 s before the speech; what lies behind its end is not its own
    assert found == [("Hello.", 0.1, 0.6), ("How", 3.05, 3.35), ("are", 3.35, 3.85)]
    assert recognizer.asked == [None, "en"]


def test_an_unlikely_answer_is_not_believed() -> None:
    recognizer = ForgetfulRecognizer(**{"s2.3": (word("Thanks.", "0.2", "0.8", 0.3),)})
    assert asked(recognizer, Span.of(0, "0.6"), Span.of(3, 5)) == [("Hello.", 0.1, 0.6)]


def test_short_stretches_are_not_worth_asking_about() -> None:
    recognizer = ForgetfulRecognizer()
    asked(recognizer, Span.of(0, 1), Span.of(3, "3.5"))
    assert recognizer.asked == [None]


def test_no_more_is_asked_than_the_longest_stretches() -> None:
    spans = [Span.of(n, n + 1 + Fraction(n, 100)) for n in range(0, 40, 2)]
    options = AskOptions(few=2)
    assert unwritten(spans, (), Fraction(60), options) == spans[-4:]


def test_unlikely_words_where_nobody_speaks_are_dropped_and_recorded() -> None:
    words = (
        word("Hello.", "0.1", "0.6"),
        word("Thanks", "5", "5.4", 0.2),
        word("for", "5.4", "5.4", 0.1),
        word("mumbled", "0.7", "0.9", 0.1),
    )
    result = transcribe(FixedRecognizer(*words), AUDIO, [Span.of(0, 1)])

    assert [w.text for w in result.transcript.words] == ["Hello.", "mumbled"]
    (decision,) = result.decisions
    assert decision.kind == "warning"
    assert "Thanks for" in decision.reason
    assert decision.span == Span.of(5, "5.4")


def test_without_speech_the_recogniser_is_not_asked() -> None:
    recognizer = FixedRecognizer(word("ghost", "1", "2"))
    result = transcribe(recognizer, AUDIO, [])
    assert recognizer.asked == []
    assert result.transcript == Transcript("und", 0.0, ())
    assert transcribe(recognizer, AUDIO, [], language="fr").transcript.language == "fr"


def test_language_is_a_standard_tag() -> None:
    recognizer = FixedRecognizer(language="iw")
    speech = [Span.of(0, "0.5")]
    assert transcribe(recognizer, AUDIO, speech).transcript.language == "he"
    assert transcribe(recognizer, AUDIO, speech, language="PT_br").transcript.language == "pt-BR"
    assert recognizer.asked == [None, "pt-BR"]


@pytest.mark.parametrize("language", ["klingonish", "xx-nonsense-toolongsubtag", "q!"])
def test_a_wrong_language_is_an_input_error(language: str) -> None:
    with pytest.raises(InputError) as caught:
        transcribe(FixedRecognizer(), AUDIO, [Span.of(0, 1)], language=language)
    assert caught.value.code == "DUB-E105"


def test_lone_marks_join_the_word_before() -> None:
    words = [
        Word("—", Span.of(0, 1)),
        Word("是", Span.of(1, 2), spaced=False),
        Word("。", Span.of(2, 2), spaced=False),
        Word("…", Span.of(2, 2)),
    ]
    (joined,) = join_marks(words)
    assert joined.text == "是。 …"
    assert joined.span == Span.of(1, 2)


pieces = st.lists(st.tuples(st.integers(0, 900), st.integers(0, 300)), max_size=30)


@given(pieces, st.integers(1, 1000))
def test_words_come_in_order_apart_and_never_empty(
    given_spans: list[tuple[int, int]], end: int
) -> None:
    words = [
        Word(str(i), Span(Fraction(a, 100), Fraction(a + b, 100)))
        for i, (a, b) in enumerate(sorted(given_spans))
    ]
    found = in_order(words, Fraction(end, 100))

    assert [w.text for w in found] == [w.text for w in words]
    shortest = min(SHORTEST, Fraction(end, 100) / max(1, len(words)))
    assert all(w.span.duration >= shortest for w in found)
    assert all(a.span.end <= b.span.start for a, b in itertools.pairwise(found))
    assert not found or (found[0].span.start >= 0 and found[-1].span.end <= Fraction(end, 100))


def test_good_times_are_left_alone() -> None:
    words = [word("a", "0.5", "0.7"), word("b", "0.7", "1"), word("c", "3", "4")]
    assert in_order(words, Fraction(10)) == tuple(words)


# --- the pure parts of the Whisper engine


@dataclass
class Segment:
    text: str
    no_speech_prob: float = 0.0
    avg_logprob: float = -0.3
    compression_ratio: float = 1.2


def texts(*segments: Segment) -> list[str]:
    return [segment.text for segment in whisper.believed(segments, WhisperOptions())]


def test_a_loop_keeps_two_of_its_rounds() -> None:
    assert texts(*[Segment("No, no.")] * 5, Segment("Go!")) == ["No, no.", "No, no.", "Go!"]


def test_segments_that_are_probably_silence_are_dropped() -> None:
    assert texts(Segment("Thank you.", 0.9, -1.4), Segment("Thank you.", 0.9, -0.2)) == [
        "Thank you."
    ]
    assert texts(Segment("la la la la", 0.1, -1.2, 3.0), Segment("..."), Segment("")) == []


def test_a_likely_loop_in_silence_is_dropped_and_one_in_speech_is_not() -> None:
    assert texts(Segment("证证证证证证证", 0.94, -0.7), Segment("la, la, la, l", 0.7)) == []
    assert texts(Segment("No, no, no!", 0.2)) == ["No, no, no!"]
    assert texts(Segment("Thank you.", 0.94, -0.7)) == ["Thank you."]


def test_the_prompt_is_recognised_when_it_comes_back() -> None:
    prompt = whisper.PROMPTS["zh"]
    assert whisper.echoes("以下是普通话的句子", prompt)
    assert whisper.echoes(" 以下是普通话的句子。以下是普通话的句子。", prompt)
    assert whisper.echoes("你在哪里？以下是普通话", prompt)
    assert not whisper.echoes("以下是我的看法。", prompt)


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en-GB", "en"),
        ("zh-Hant-TW", "zh"),
        ("cmn", "zh"),
        ("nb", "no"),
        ("jv", "jw"),
        ("fil", "tl"),
    ],
)
def test_language_tags_become_whisper_codes(tag: str, code: str) -> None:
    assert whisper.whisper_code(tag, ["en", "zh", "no", "jw", "tl"]) == code


def test_languages_that_whisper_does_not_know() -> None:
    with pytest.raises(EngineError) as caught:
        whisper.whisper_code("tlh", ["en"])
    assert caught.value.code == "DUB-E203"
    with pytest.raises(InputError):
        whisper.whisper_code("not a tag", ["en"])
    assert whisper.bcp47("jw") == "jv"


def test_long_audio_is_cut_where_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "PIECE_S", 10)
    monkeypatch.setattr(whisper, "SEARCH_S", 4)
    samples = np.random.default_rng(0).normal(0, 0.1, 25 * whisper.RATE).astype(np.float32)
    for second in (7, 15):
        samples[second * whisper.RATE : second * whisper.RATE + 8000] = 0
    found = list(whisper.pieces(samples))

    assert found[0][0] == 0
    assert found[-1][1] == len(samples)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found))
    assert all(end - start <= 10 * whisper.RATE for start, end in found)
    assert 7 * whisper.RATE <= found[0][1] <= 7 * whisper.RATE + 8000
    assert 15 * whisper.RATE <= found[1][1] <= 15 * whisper.RATE + 8000


@pytest.mark.parametrize(("n", "expected"), [(0, [0]), (5, [0]), (10, [0]), (16, [0, 10])])
def test_language_is_voted_on_in_at_least_one_window(n: int, expected: list[int]) -> None:
    assert whisper.loudest(np.ones(n, dtype=np.float32), 10, 4) == expected


def test_the_loudest_windows_vote() -> None:
    samples = np.repeat(np.array([0, 3, 1, 2, 0], dtype=np.float32), 10)
    assert whisper.loudest(samples, 10, 2) == [10, 30]
