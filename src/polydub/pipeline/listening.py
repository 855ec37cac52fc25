"""Listens to what was made: what a recogniser hears in a take, and whose voice it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polydub.evaluate.scores import error_rate, syllable_error_rate
from polydub.media.audio import resample
from polydub.model import Transcript, Voiceprint, Waveform
from polydub.pipeline.analysis import SPEECH_RATE, VERSION
from polydub.pipeline.run import Run
from polydub.project.artifacts import save


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """``text`` as the recogniser wrote it down, and the voiceprint of the sound."""

    text: str
    voiceprint: Voiceprint

    def error(self, wanted: str, language: str) -> float:
        """Round-trip error against the text that should be heard (WER, or CER without spaces)."""
        return error_rate(wanted, self.text, language)

    def misheard(self, wanted: str, language: str) -> float:
        """The same to judge a voice by: Mandarin counts by its sound, not by its characters."""
        by_sound = syllable_error_rate(wanted, self.text, language)
        return self.error(wanted, language) if by_sound is None else by_sound


def listen_to(run: Run, key: str, audio: Waveform, language: str) -> Heard:
    """What is heard in ``audio``; ``key`` identifies the sound, so that nothing is heard twice."""
    identities = [run.engines.identity(kind) for kind in ("recognize", "voiceprint")]

    def make(work: Path) -> None:
        sound = resample(audio, SPEECH_RATE)
        transcript: Transcript = run.engines.get("recognize").recognize(sound, language=language)
        words = "".join((" " if w.spaced else "") + w.text for w in transcript.words).strip()
        print_ = run.engines.get("voiceprint").embed(sound)
        save(work / "heard.json", {"text": words, "print": print_.tolist()})

    folder, _ = run.ensure("heard", VERSION, key, identities, language, make=make)
    heard = json.loads((folder / "heard.json").read_text(encoding="utf-8"))
    return Heard(str(heard["text"]), np.asarray(heard["print"], np.float32))
