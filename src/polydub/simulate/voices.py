"""Voices that can be asked for sentences: spoken by a synthesiser and cached, or from a folder.

A bank offers voices; an utterance is one recording, trimmed to its audible part, with the times of
its words (and phones, when they are known).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import SpeechRequest, StylePrint, Synthesizer
from polydub.errors import InputError
from polydub.model import Phone, Span, Waveform, Word, merge, to_seconds
from polydub.simulate.texts import TEXTS
from polydub.simulate.word_times import time_words

HOP_S = 0.005
QUIET_DB = 40.0
"""Below the loudest 5 ms: quieter is silence. Kokoro's own silences lie 60 dB and more below."""
PAUSE_S = 0.3
"""Silence inside a line that ends its speech span: what annotators of conversations split at."""
LOWEST_HZ = 80.0
"""No voice is lower. Some synthetic ones end in half a second of rumble around 40 Hz, as loud as
the quietest speech and 30 dB below what an ear hears there (ISO 226): nobody would annotate it."""
RATE = 24_000
_LEVEL = 0.08  # RMS of the speech in every utterance: 22 dB below full scale


@dataclass(frozen=True, slots=True, eq=False)
class BankVoice:
    """A voice: ``language`` BCP-47, ``gender`` ``"female"``, ``"male"`` or ``""``.

    ``voiceprint`` (unit length) tells how alike two voices are, when it is known.
    """

    name: str
    language: str
    gender: str
    voiceprint: npt.NDArray[np.float32] | None = None
    pitch_hz: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """One sentence of one voice, mono, from the first to the last 5 ms that sound.

    ``speech`` are the audible parts (pauses of 0.3 s split), ``words`` and ``phones`` have times
    from the start of ``audio``; ``phones`` may be empty.
    """

    voice: str
    text: str
    audio: Waveform
    words: tuple[Word, ...] = ()
    phones: tuple[Phone, ...] = ()
    speech: tuple[Span, ...] = ()


class Bank(Protocol):
    """What a conversation is made from."""

    def voices(self, language: str) -> Sequence[BankVoice]:
        """The voices that speak ``language``, in a fixed order."""
        ...

    def texts(self, voice: str, language: str) -> Sequence[tuple[str, str]] | None:
        """What ``voice`` can say, as (remark, answer); ``None`` = anything that it is asked."""
        ...

    def utterance(self, voice: str, text: str, language: str) -> Utterance:
        """``text`` in the voice. Raises ``InputError`` when the bank does not have it."""
        ...


class SynthesizerBank:
    """Sentences spoken by a :class:`Synthesizer` once and kept in ``folder`` for ever.

    ``engine`` may be left out when everything asked for is cached; it is built by ``build``.
    """

    def __init__(
        self, folder: Path, engine: Synthesizer, *, prints: Sequence[StylePrint] = ()
    ) -> None:
        self._folder = folder
        self._engine = engine
        self._prints = {entry.name: entry for entry in prints}
        folder.mkdir(parents=True, exist_ok=True)

    def voices(self, language: str) -> Sequence[BankVoice]:
        """Native voices by name; voices of other languages are used when there are fewer than 6."""
        styles = self._engine.styles(language)
        base = language.split("-")[0]
        native = [s for s in styles if s.language.split("-")[0] == base]
        others = [s for s in styles if s not in native]
        chosen = native if len(native) >= 6 else [*native, *others[: 12 - len(native)]]
        found = []
        for style in sorted(chosen, key=lambda style: style.name):
            known = self._prints.get(style.name)
            print_ = known.voiceprint if known else None
            pitch = known.pitch_hz if known else 0.0
            found.append(BankVoice(style.name, style.language, style.gender, print_, pitch))
        return found

    def texts(self, voice: str, language: str) -> Sequence[tuple[str, str]] | None:
        """``None``: a synthesiser says anything."""
        return None

    def utterance(self, voice: str, text: str, language: str) -> Utterance:
        """``text`` from the cache, or spoken now and kept."""
        spoken = self._spoken_language(voice, language)
        declared = self._engine.capabilities
        key = "\n".join((declared.name, declared.version, spoken, voice, text))
        stem = self._folder / f"{voice}-{hashlib.sha256(key.encode()).hexdigest()[:20]}"
        made = _read(stem, voice, text)
        if made is None:
            speech = self._engine.speak(SpeechRequest(text, spoken, voice))
            _write(stem, trimmed(voice, text, speech.audio, speech.phones))
            made = _read(stem, voice, text)
        if made is None:
            raise InputError(f"{stem}.wav cannot be read back.", code="DUB-E102")
        return made

    def _spoken_language(self, voice: str, language: str) -> str:
        """The accent of the voice where it is one of the language (en-GB for British voices)."""
        own = next((s.language for s in self._engine.styles(language) if s.name == voice), language)
        return own if own.split("-")[0] == language.split("-")[0] else language


class FolderBank:
    """Recorded sentences: ``folder/<speaker>/<name>.wav`` (or .flac) with ``<name>.txt`` beside it.

    ``folder/<speaker>/speaker.json`` may give ``{"gender": "female"}``. Words are spread over the
    sound by their letters, as nothing better is known.
    """

    def __init__(self, folder: Path, *, language: str = "en") -> None:
        self._language = language
        self._files: dict[str, dict[str, Path]] = {}
        self._genders: dict[str, str] = {}
        for speaker in sorted(path for path in folder.iterdir() if path.is_dir()):
            found = {}
            for path in sorted([*speaker.glob("*.wav"), *speaker.glob("*.flac")]):
                note = path.with_suffix(".txt")
                if note.is_file():
                    found[note.read_text("utf-8").strip()] = path
            if found:
                self._files[speaker.name] = found
                about = speaker / "speaker.json"
                known = json.loads(about.read_text("utf-8")) if about.is_file() else {}
                self._genders[speaker.name] = str(known.get("gender", ""))
        if not self._files:
            raise InputError(
                f"There are no recorded sentences in {folder}.",
                hint="It needs folders like speaker/sentence.wav with speaker/sentence.txt.",
                code="DUB-E101",
            )

    def voices(self, language: str) -> Sequence[BankVoice]:
        """One voice per folder."""
        return [BankVoice(name, language, self._genders[name]) for name in self._files]

    def texts(self, voice: str, language: str) -> Sequence[tuple[str, str]] | None:
        """The recorded sentences of the voice; the answer of each pair is empty."""
        return [(text, "") for text in self._files[voice]]

    def utterance(self, voice: str, text: str, language: str) -> Utterance:
        """The recording of ``text``. Raises ``InputError`` when there is none."""
        path = self._files.get(voice, {}).get(text)
        if path is None:
            raise InputError(f"{voice} has no recording of {text!r}.", code="DUB-E101")
        return trimmed(voice, text, _samples(path), ())


def kokoro_bank(folder: Path | None = None, *, threads: int = 1) -> SynthesizerBank:
    """The offline synthesiser's voices, cached in ``folder`` (default: polydub's cache)."""
    from polydub.engines import registry
    from polydub.engines.weights import cache_dir

    engine = registry.load("speak", "kokoro", threads=threads)
    prints = [entry for language in sorted(TEXTS) for entry in engine.bank(language)]
    return SynthesizerBank(folder or cache_dir("simulate"), engine, prints=prints)


def trimmed(voice: str, text: str, audio: Waveform, phones: Sequence[Phone]) -> Utterance:
    """``audio`` at 24 kHz, cut to where it sounds and levelled, with everything timed from there.

    Without ``phones``, every word gets time by its letters.
    """
    mono = audio.mono()
    sounds = sounding(mono)
    whole = Span(sounds[0].start, sounds[-1].end)
    kept = [
        Phone(p.symbol, common.shift(-whole.start)) for p in phones if (common := p.span & whole)
    ]
    parts = tuple(span.shift(-whole.start) for span in sounds)
    samples = np.asarray(_resampled(mono.cut(whole)).samples, np.float32)
    loud = np.concatenate([samples[span.samples(RATE)] for span in parts])
    samples = samples * np.float32(_LEVEL / max(1e-6, float(np.sqrt(np.mean(loud**2)))))
    made = Waveform(samples, RATE)
    return Utterance(voice, text, made, _words(text, kept, made), tuple(kept), audible(made))


def audible(audio: Waveform, *, pause_s: float = PAUSE_S) -> tuple[Span, ...]:
    """Where mono ``audio`` is heard: where it sounds at 80 Hz and above. Never empty."""
    from scipy.signal import butter, sosfiltfilt

    high_pass = butter(2, LOWEST_HZ, "high", fs=audio.rate, output="sos")
    padding = min(len(audio.samples) - 1, audio.rate // 10)
    if padding < 1:
        return sounding(audio, pause_s=pause_s)
    heard = sosfiltfilt(high_pass, audio.samples.astype(np.float64), padlen=padding)
    return sounding(Waveform(heard.astype(np.float32), audio.rate), pause_s=pause_s)


def sounding(audio: Waveform, *, pause_s: float = PAUSE_S) -> tuple[Span, ...]:
    """Where mono ``audio`` sounds; silences shorter than ``pause_s`` are bridged. Never empty."""
    hop = max(1, round(HOP_S * audio.rate))
    count = max(1, len(audio.samples) // hop)
    padded = np.zeros(count * hop)
    padded[: min(len(audio.samples), count * hop)] = audio.samples[: count * hop]
    power = np.square(padded).reshape(count, hop).mean(axis=1)
    loud = power > max(power.max() * 10 ** (-QUIET_DB / 10), 1e-12)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(np.int8), [0]])))
    spans = [
        Span(to_seconds(a * hop) / audio.rate, to_seconds(b * hop) / audio.rate)
        for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]
    return merge(spans, gap=to_seconds(pause_s)) or (Span(to_seconds(0), audio.duration),)


def _words(text: str, phones: Sequence[Phone], audio: Waveform) -> tuple[Word, ...]:
    return time_words(text, phones or _letters_as_phones(text, audio.duration))


def _letters_as_phones(text: str, duration: Fraction) -> tuple[Phone, ...]:
    letters = [c.lower() for c in text if c.isalnum()] or ["a"]
    step = duration / len(letters)
    return tuple(Phone(c, Span(k * step, (k + 1) * step)) for k, c in enumerate(letters))


def _resampled(audio: Waveform) -> Waveform:
    import soxr

    if audio.rate == RATE:
        return audio
    return Waveform(np.asarray(soxr.resample(audio.samples, audio.rate, RATE), np.float32), RATE)


def _samples(path: Path) -> Waveform:
    import soundfile

    try:
        samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path} is no sound file: {error}") from error
    return Waveform(np.asarray(samples, np.float32), int(rate)).mono()


def _write(stem: Path, utterance: Utterance) -> None:
    """16-bit WAV and its JSON; each appears complete or not at all."""
    import soundfile

    about = {
        "text": utterance.text,
        "phones": [[p.symbol, *_ms(p.span)] for p in utterance.phones],
    }
    unfinished = stem.with_name(f"{stem.name}.{os.getpid()}.part")
    soundfile.write(str(unfinished), utterance.audio.samples, RATE, subtype="PCM_16", format="WAV")
    os.replace(unfinished, stem.with_name(stem.name + ".wav"))
    unfinished.write_text(json.dumps(about, ensure_ascii=False), "utf-8")
    os.replace(unfinished, stem.with_name(stem.name + ".json"))


def _read(stem: Path, voice: str, text: str) -> Utterance | None:
    about, sound = (stem.with_name(stem.name + ending) for ending in (".json", ".wav"))
    if not about.is_file() or not sound.is_file():
        return None
    known = json.loads(about.read_text("utf-8"))
    phones = tuple(Phone(symbol, Span.of(a, b)) for symbol, a, b in known["phones"])
    audio = _samples(sound)
    return Utterance(voice, text, audio, _words(text, phones, audio), phones, audible(audio))


def _ms(span: Span) -> tuple[float, float]:
    return round(float(span.start), 4), round(float(span.end), 4)


def likeness(a: BankVoice, b: BankVoice) -> float:
    """Cosine of the two voiceprints, 0 when one is unknown."""
    if a.voiceprint is None or b.voiceprint is None:
        return 0.0
    return float(a.voiceprint @ b.voiceprint)
