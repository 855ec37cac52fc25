"""Which language is spoken: the votes of Whisper, and where they are split, its words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from polydub.engines.recognize.whisper import FasterWhisper, WhisperOptions
from polydub.model import Samples, Waveform


@dataclass
class Model:
    """Votes as given; the words of a language are as likely as given."""

    votes: Mapping[str, float]
    likely: Mapping[str, float]
    supported_languages: tuple[str, ...] = ("cy", "en", "es", "la")
    decoded: list[str] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)
    model: Any = field(default_factory=lambda: SimpleNamespace(is_multilingual=True))

    def detect_language(self, audio: Samples) -> tuple[str, float, list[tuple[str, float]]]:
        self.heard.append(float(audio[0]))
        best = max(self.votes, key=lambda code: self.votes[code])
        return best, self.votes[best], list(self.votes.items())

    def transcribe(
        self, audio: Samples, *, language: str, **options: Any
    ) -> tuple[Iterator[Any], None]:
        self.decoded.append(language)
        if language not in self.likely:
            return iter(()), None
        word = SimpleNamespace(word=f" {language}", start=0.1, end=0.5, probability=0.9)
        segment = SimpleNamespace(
            start=0.0, end=1.0, text=word.word, words=[word], no_speech_prob=0.0,
            avg_logprob=self.likely[language], compression_ratio=1.0,
        )  # fmt: skip
        return iter([segment]), None


def engine(model: Model) -> FasterWhisper:
    made = object.__new__(FasterWhisper)
    made._model, made._options = model, WhisperOptions()
    return made


AUDIO = Waveform(np.random.default_rng(0).normal(0, 0.1, 16000 * 6).astype(np.float32), 16000)


def test_a_clear_vote_is_enough() -> None:
    model = Model({"en": 0.9, "cy": 0.08}, {"en": -0.9, "cy": -0.1})
    heard = engine(model).recognize(AUDIO)
    assert (heard.language, heard.language_probability) == ("en", 0.9)
    assert model.decoded == ["en"]


@pytest.mark.parametrize(("vote", "windows"), [(0.96, [0.3]), (0.9, [0.3, 0.1, 0.2])])
def test_where_the_loudest_window_is_certain_no_other_is_heard(
    vote: float, windows: list[float]
) -> None:
    model = Model({"en": vote, "cy": 1 - vote}, {"en": -0.2})
    loudness = np.repeat(np.array([0.1, 0.3, 0.2], np.float32), 16000 * 30)
    heard = engine(model).recognize(Waveform(loudness, 16000))
    assert heard.language == "en" and heard.language_probability == pytest.approx(vote)
    assert model.heard == pytest.approx(windows)


@pytest.mark.parametrize("welsh", [0.32, 0.48, 0.67])
def test_split_votes_are_settled_by_the_words(welsh: float) -> None:
    votes = {"cy": welsh, "en": 0.99 - welsh, "la": 0.01}
    model = Model(votes, {"en": -0.23, "cy": -2.9, "la": -0.1})
    heard = engine(model).recognize(AUDIO)
    assert heard.language == "en" and heard.language_probability == pytest.approx(0.99 - welsh)
    assert [word.text for word in heard.words] == ["en"]
    assert "la" not in model.decoded  # too few votes to be tried
    assert len(model.decoded) == 3


def test_a_language_without_words_makes_no_sense() -> None:
    model = Model({"cy": 0.6, "en": 0.4}, {"en": -1.9})
    assert engine(model).recognize(AUDIO).language == "en"


def test_a_language_that_is_given_is_not_doubted() -> None:
    model = Model({"en": 0.5, "cy": 0.5}, {"en": -0.2, "cy": -2.0})
    heard = engine(model).recognize(AUDIO, language="cy")
    assert (heard.language, heard.language_probability) == ("cy", 1.0)
    assert model.decoded == ["cy"]


@pytest.mark.parametrize(
    ("asked", "said", "wanted"),
    [
        (None, "時間裡", "时间里"),
        ("zh", "時間裡", "时间里"),
        ("zh-TW", "时间里", "時間裡"),
        ("yue", "時間裏", "時間裏"),
    ],
)
def test_mandarin_is_in_the_script_of_its_tag(asked: str | None, said: str, wanted: str) -> None:
    """Whisper answers in either; Cantonese is left as it was written."""

    class Answers(Model):
        def transcribe(self, audio: Samples, **options: Any) -> tuple[Iterator[Any], None]:
            segments, _ = super().transcribe(audio, **options)
            found = list(segments)
            for segment in found:
                segment.words[0].word = said
            return iter(found), None

    model = Answers({"zh": 0.99}, {"zh": -0.2, "yue": -0.2}, ("zh", "yue"))
    (word,) = engine(model).recognize(AUDIO, language=asked).words
    assert word.text == wanted
