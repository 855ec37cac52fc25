"""What the engines that clone share: the prompt that they listen to, the speech they give back."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import soundfile

from polydub.engines.protocols import Capabilities, Speech, SpeechRequest, Style
from polydub.engines.speak.guessed_phones import Pronouncer, guessed_phones
from polydub.engines.speak.kokoro_phones import RATE, loudness, sounding
from polydub.errors import EngineError
from polydub.media.wave import resample
from polydub.model import CLONE, Samples, Waveform
from polydub.model.language import language_name, primary

_log = logging.getLogger(__name__)
PAUSE_S = 0.15
"""Silence between two pieces of a prompt."""

BROKEN = (RuntimeError, KeyError, ValueError, OSError, TypeError, EOFError, UnpicklingError)
"""What libraries raise for weights that are damaged or of another network."""


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """Mono speech of the person to be cloned, at the model's rate, and its words."""

    samples: Samples
    rate: int
    text: str
    language: str

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return len(self.samples) / self.rate


def checked(request: SpeechRequest, known: Capabilities, *, styles: tuple[str, ...] = ()) -> str:
    """The language of a request in the engine's own words.

    Raises ``EngineError`` DUB-E203 for a language that the engine does not speak, DUB-E206 for an
    empty text, or for a style that is neither ``CLONE`` nor one of ``styles``.
    """
    language = spoken(request.language, known)
    if request.style not in (CLONE, *styles):
        raise EngineError(f"{known.name} has no voice '{request.style}'.")
    if not any(character.isalnum() for character in request.text):
        raise EngineError(f"There is nothing to say in {request.text!r}.")
    return language


def spoken(language: str, known: Capabilities) -> str:
    """The entry of the engine's languages that fits. Raises ``EngineError`` DUB-E203."""
    wanted = primary(language)
    found = next((tag for tag in known.languages if primary(tag) == wanted), None)
    if found is None:
        raise EngineError(
            f"{known.name} does not speak {language_name(language)}.",
            hint=f"It speaks {', '.join(known.languages)}.",
            code="DUB-E203",
        )
    return found


def clone_style(language: str, known: Capabilities) -> Style:
    """The style that every cloning engine offers. Raises ``EngineError`` DUB-E203."""
    return Style(CLONE, spoken(language, known), "female", 1.0)


def prompt_of(
    request: SpeechRequest, known: Capabilities, rate: int, *, longest_s: float, words: bool = False
) -> Prompt:
    """The best pieces of the reference, at most ``longest_s`` of them, joined.

    With ``words`` only pieces whose words are known. Raises ``EngineError`` without any.
    """
    voice = request.voice
    pieces = [] if voice is None else [x for x in voice.pieces if x.text or not words]
    if voice is None or not pieces:
        what = "speech with known words" if words else "speech"
        raise EngineError(f"{known.name} needs {what} of the person whose voice it is to clone.")
    parts: list[Samples] = []
    texts: list[str] = []
    left = longest_s
    for piece in pieces:
        seconds = float(piece.audio.duration)
        if parts and seconds + PAUSE_S > left:
            continue
        share = min(1.0, left / seconds) if seconds else 1.0
        sound = resample(piece.audio.mono(), rate).samples
        if parts:
            parts.append(np.zeros(round(PAUSE_S * rate), np.float32))
        parts.append(np.asarray(sound[: round(share * len(sound))], np.float32))
        texts.append(_beginning(piece.text, share))
        left -= seconds + PAUSE_S
        if left <= 0:
            break
    text = " ".join(text for text in texts if text)
    return Prompt(np.concatenate(parts), rate, text, voice.language)


def prompt_file(prompt: Prompt, folder: Path) -> Path:
    """The prompt as a WAV file in ``folder``; one sound has one name, so that libraries that
    remember what they heard last by its path need not listen twice.
    """
    path = folder / f"{hashlib.sha256(prompt.samples.tobytes()).hexdigest()[:16]}.wav"
    if not path.exists():
        soundfile.write(str(path), prompt.samples, prompt.rate, subtype="PCM_16")
    return path


def _beginning(text: str, share: float) -> str:
    if share >= 1.0:
        return text
    cut = text[: round(share * len(text))]
    return cut.rpartition(" ")[0] or cut


def best_device(torch: Any, device: str) -> str:
    """``device``, or for ``auto`` a GPU where there is one."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def seed_of(request: SpeechRequest) -> int:
    """A seed that the request decides: the same request is the same speech.

    The rate counts as well, for engines that cannot follow it: asked for another one they say it
    in another way, which is what a second take is for.
    """
    parts = (request.text, request.language, request.style, request.speed, request.seconds)
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


def seeded(torch: Any, request: SpeechRequest) -> None:
    """Make everything that a model draws depend on the request alone."""
    import random

    seed = seed_of(request)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # all devices


@contextlib.contextmanager
def quietly(name: str) -> Iterator[None]:
    """What a library prints goes to the log."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            yield
    finally:
        for line in said.getvalue().splitlines():
            if line.strip():
                logging.getLogger(f"{__name__}.{name}").debug("%s", line)


def finished(
    samples: Samples,
    rate: int,
    request: SpeechRequest,
    pronouncer: Pronouncer,
    *,
    trim: bool = True,
) -> Speech:
    """Speech at 24 kHz without silence around it (``trim``), with guessed phone times.

    Raises ``EngineError`` when there is no sound in it.
    """
    sound = np.asarray(samples, np.float32).reshape(-1)
    if not len(sound) or not np.isfinite(sound).all() or float(np.abs(sound).max()) < 1e-4:
        raise EngineError("the voice engine returned no sound")
    sound = resample(Waveform(sound, rate), RATE).samples
    if trim:
        first, last = sounding(loudness(sound), len(sound))
        sound = sound[first:last]
    peak = float(np.abs(sound).max())
    sound = np.ascontiguousarray(sound / max(1.0, peak), np.float32)
    symbols = pronouncer.symbols(request.text, request.language)
    return Speech(Waveform(sound, RATE), guessed_phones(symbols, sound))
