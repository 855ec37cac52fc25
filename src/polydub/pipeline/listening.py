"""Listens to what was made: what a recogniser hears in a take, and whose voice it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from polydub.errors import EngineError
from polydub.evaluate.naturalness import MosPredictor, load_predictors, predict
from polydub.evaluate.scores import error_rate, phone_error_rate, syllable_error_rate
from polydub.media.audio import resample
from polydub.model import Transcript, Voiceprint, Waveform, text_of
from polydub.pipeline.analysis import SPEECH_RATE, VERSION
from polydub.pipeline.run import Run
from polydub.project.artifacts import load, save

PHONES_AS_WORDS = 2.7
"""Words wrong to phones wrong: in 141 Spanish and French auditions they are 2.6 and 2.9 to 1."""


@runtime_checkable
class PronouncingSynthesizer(Protocol):
    """A synthesiser that tells how it reads a text."""

    def phonemes(self, text: str, language: str) -> str:
        """The phonemes that it would say, as IPA. Raises as ``speak`` does."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """``text`` as the recogniser wrote it down, and the voiceprint of the sound."""

    text: str
    voiceprint: Voiceprint

    def error(self, wanted: str, language: str) -> float:
        """Round-trip error against the text that should be heard (WER, or CER without spaces)."""
        return error_rate(wanted, self.text, language)

    def misheard(
        self, wanted: str, language: str, read: Callable[[str, str], str] | None = None
    ) -> float:
        """Round-trip error to judge a voice by: other words of the same sound were said right.

        Mandarin counts in syllables, other languages in the phones that ``read(text, language)``
        tells, as many words as they usually are. Without it they count in words, as they do where
        what was heard cannot be read.
        """
        in_syllables = syllable_error_rate(wanted, self.text, language)
        if in_syllables is not None:
            return in_syllables
        try:
            if read is not None:
                phones = phone_error_rate(read(wanted, language), read(self.text, language))
                return PHONES_AS_WORDS * phones
        except EngineError:
            pass
        return self.error(wanted, language)


def listen_to(run: Run, key: str, audio: Waveform, language: str) -> Heard:
    """What is heard in ``audio``; ``key`` identifies the sound, so that nothing is heard twice."""
    identities = [run.engines.identity(kind) for kind in ("recognize", "voiceprint")]

    def make(work: Path) -> None:
        sound = resample(audio, SPEECH_RATE)
        transcript: Transcript = run.engines.get("recognize").recognize(sound, language=language)
        print_ = run.engines.get("voiceprint").embed(sound)
        save(work / "heard.json", {"text": text_of(transcript.words), "print": print_.tolist()})

    folder, _ = run.ensure("heard", VERSION, key, identities, language, make=make)
    heard = json.loads((folder / "heard.json").read_text(encoding="utf-8"))
    return Heard(str(heard["text"]), np.asarray(heard["print"], np.float32))


AGAIN = (0.2, 0.25, 0.7)
"""How a take is heard again, as :func:`surrounded` takes it."""


def surrounded(sound: Waveform, before: float, after: float, gain: float) -> Waveform:
    """Mono ``sound`` times ``gain`` with seconds of silence ``before`` and ``after`` it.

    A recogniser's answer to a short take hangs on such things: one Mandarin film line was 11, 11,
    11, 67, 67 and 89 % wrong.
    """
    around = (round(before * sound.rate), round(after * sound.rate))
    return Waveform(np.pad(sound.samples * np.float32(gain), around), sound.rate)


def listen_again(run: Run, key: str, audio: Waveform, language: str) -> Heard:
    """What is heard in ``audio`` the second time, with other silence around it and quieter."""
    sound = resample(audio, SPEECH_RATE).mono()
    return listen_to(run, f"{key} again", surrounded(sound, *AGAIN), language)


@cache
def predictor() -> MosPredictor | None:
    """What predicts how natural a voice sounds; ``None`` without its package."""
    found, _ = load_predictors(("distillmos",))
    return found[0] if found else None


def naturalness(run: Run, key: str, audio: Waveform) -> float | None:
    """Predicted MOS 1..5 of a take that ``key`` identifies; ``None`` where it cannot be told."""
    judge = predictor()
    if judge is None:
        return None

    def make(work: Path) -> None:
        scores = predict([judge], resample(audio, SPEECH_RATE).mono())
        save(work / "mos.json", next((round(value, 3) for value in scores.values()), None))

    folder, _ = run.ensure("naturalness", VERSION, key, judge.name, judge.version, make=make)
    found: float | None = load(folder / "mos.json", float | None)
    return found
