"""Kokoro-82M (int8 ONNX): speech in nine languages on a CPU, with phone times from the model.

It takes 0.6-1.0 s of one core per second of speech. All 54 voices speak every language: a voice of
another language lends its timbre (in Spanish, French and Italian a share of it, and only in Spanish
and Italian how it articulates), the prosody comes from the best native voice of the same gender
when there is one, else of the other gender with its pitch moved.
Tried so: two voices in Spanish, one each in Mandarin and Brazilian Portuguese, two sentences each;
whisper base heard every word right.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import (
    Capabilities,
    Delivery,
    Foreseen,
    Speech,
    SpeechRequest,
    Style,
    StylePrint,
)
from polydub.engines.speak import bank, g2p, kokoro_graph
from polydub.engines.speak.kokoro_decoder import INPUTS, Decoder
from polydub.engines.speak.kokoro_melody import Melody, foreseen, pitch_factors
from polydub.engines.speak.kokoro_phones import (
    RATE,
    Spoken,
    as_phones,
    expected_samples,
    joined,
    timed,
)
from polydub.engines.speak.kokoro_probe import KokoroProbe
from polydub.engines.speak.kokoro_voices import TIMBRE, StyleBank, description, voice_list
from polydub.engines.speak.shaped_style import (
    VOICED,
    ShapedStyle,
    Shift,
    moves_of,
    read_style,
    shaped_name,
)
from polydub.engines.weights import WEIGHTS, find
from polydub.errors import EngineError
from polydub.model import Phone, Span, Waveform

_log = logging.getLogger(__name__)
_WEIGHT = "kokoro-82m-int8"
_MAX_TOKENS = 510  # the model's context is 512 with one silent token at either end
_GOOD_TOKENS = 300  # beyond about 400 Kokoro rushes (its authors' advice); sentences stay whole
_UNKNOWN_SHARE = 0.2
_PAUSE_S = 0.18  # between pieces of a long text, at speed 1
_SILENCE_S = 0.3  # what "..." sounds like
_SPEEDS = (0.5, 2.0)
_TIMBRE_SHARE = {"es": 0.55, "fr": 0.55, "it": 0.55}
"""Share of a foreign timbre where all of it costs intelligibility; the native voice gives the rest.

Whisper base hears 52 % of French words wrong with the whole of a foreign timbre, 7 % with this
share (native voice: 10 %), and 9 % against 4.5 % of Italian ones (native: 0 %): 3 voices, 4
sentences each, none of them used to choose the share. In Spanish, four English voices on the eight
lines of the example: 28 % whole, 20 % with three quarters, 17 % with this share (native: 14 %).
English loses nothing to foreign timbres (9 % with all). The voiceprint pays: cosine 0.5 to the
lender of the timbre, where the whole timbre has 0.8.
"""
_OWN_ARTICULATION = frozenset({"es", "it"})
"""Languages in which a foreign voice articulates as it does anywhere; elsewhere it does so as the
native one that lends the prosody.

The parts of the decoder before the generator carry next to none of a voice's likeness (see
:data:`~polydub.engines.speak.shaped_style.VOICED`) but much of its accent, which is heard at the
pace of dubbing. Misheard by sound at 1.15 times the rate, five to eight sentences each: seven
voices in French 6.3 -> 2.6 %, four in Mandarin, with two natives, 6.4 -> 3.0 and 2.4 %, six in
English 6.1 -> 1.0 %, two in Japanese 11 -> 6 %, one in Portuguese 7 -> 5 %, no voice more than
before; two in Spanish 1.8 -> 2.8 %, three in Italian 4.4 -> 4.3 %. DistillMOS of the English six
4.19 -> 4.39, of seven others 4.40 -> 4.34. Likeness once shaped (CAM++, six and eight film voices
in French and Mandarin): 0.61 -> 0.61 and 0.57 -> 0.57.
"""


@dataclass(frozen=True, slots=True)
class KokoroOptions:
    """``path`` of the model instead of the packaged one (same bytes), and CPU ``threads``.

    Threads beyond four bring nothing (82 M parameters); 0 means up to four of this machine's cores.
    """

    path: Path | None = None
    threads: int = 0


class KokoroSynthesizer:
    """Speaks with one of 54 voices. Raises ``EngineError`` DUB-E204 without the weights."""

    capabilities = Capabilities(
        kind="speak",
        name="kokoro",
        version="8",
        summary="Kokoro-82M int8, 54 voices, phone times from the model",
        code_licence="Apache-2.0 (espeak-ng, in its own process: GPL-3.0)",
        weights_licence="Apache-2.0",
        languages=g2p.LANGUAGES,
        rate=RATE,
        requires=("onnx", "onnxruntime"),
        weights=(_WEIGHT,),
        extra="voice",
    )

    def __init__(self, *, path: Path | str | None = None, threads: int = 0) -> None:
        import onnxruntime

        options = KokoroOptions(Path(path) if path else None, threads)
        weight = find(_WEIGHT, path=options.path)
        model = kokoro_graph.prepared(weight, WEIGHTS[_WEIGHT].files[0].sha256)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads or min(4, os.cpu_count() or 1)
        settings.inter_op_num_threads = 1
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        settings.log_severity_level = 3

        def open_graph(path: Path) -> Any:
            return onnxruntime.InferenceSession(
                str(path), settings, providers=["CPUExecutionProvider"]
            )

        self._model, self._open = model, open_graph
        self._session = open_graph(model)
        self._durations = open_graph(kokoro_graph.duration_graph(model))
        self._melody: Any = None
        self._decoder: Decoder | None = None
        self._before: Any = None
        self._symbols: dict[str, int] = description()["symbols"]
        self._voices = StyleBank()
        self._phonemizer = g2p.Phonemizer()

    def speak(self, request: SpeechRequest) -> Speech:
        """Mono 24 kHz audio without silence around it, and phones that cover it.

        Raises ``EngineError``: DUB-E203 for an unknown language, DUB-E202 when the language's
        package is absent, DUB-E206 for an empty text, an unknown style, or a text of which more
        than 20 % cannot be pronounced.
        """
        language, speed = self._checked(request)
        pieces = [
            self._say(symbols, request.style, language, speed)
            for symbols in self._pieces(request.text, language)
        ]
        if not pieces:
            return _silence()
        spoken = joined(pieces, round(_PAUSE_S / speed * RATE))
        return Speech(Waveform(spoken.samples, RATE), as_phones(spoken))

    def phonemes(self, text: str, language: str) -> str:
        """Kokoro's symbols for ``text``. Raises as :meth:`speak` does."""
        return " ".join(self._pieces(text, _language(language)))

    def seconds(self, request: SpeechRequest) -> float:
        """About how long :meth:`speak` would take to say this, from the duration predictor alone.

        Raises as :meth:`speak` does.
        """
        language, speed = self._checked(request)
        pieces = self._pieces(request.text, language)
        if not pieces:
            return _SILENCE_S
        samples = 0
        for symbols in pieces:
            inputs = _before_pitch(self._inputs(symbols, request.style, language, speed))
            (durations,) = self._durations.run([kokoro_graph.DURATIONS], inputs)
            samples += expected_samples(symbols, durations.reshape(-1).tolist())
        return samples / RATE + (len(pieces) - 1) * _PAUSE_S / speed

    def foresee(self, request: SpeechRequest) -> Foreseen:
        """Length, phones and F0 of what :meth:`speak` would say, without saying it.

        Raises as :meth:`speak` does.
        """
        language, speed = self._checked(request)
        return foreseen(self._melodies(request, language, speed), _PAUSE_S / speed)

    def perform(self, request: SpeechRequest, delivery: Delivery) -> Speech:
        """As :meth:`speak`, with the pitch of ``delivery`` on the clock of :meth:`foresee`.

        The harmonic source of the decoder follows a given F0 exactly, and nothing is vocoded: on 11
        lines DistillMOS fell by 0.05, where the same melody put on by WORLD cost 0.65.
        """
        language, speed = self._checked(request)
        melodies = self._melodies(request, language, speed)
        pieces = []
        for melody, factors in zip(
            melodies, pitch_factors(melodies, _PAUSE_S / speed, delivery), strict=True
        ):
            inputs = {**melody.inputs, kokoro_graph.PITCH: factors}
            pieces.append(self._spoken(melody.symbols, inputs))
        if not pieces:
            return _silence()
        spoken = joined(pieces, round(_PAUSE_S / speed * RATE))
        return Speech(Waveform(spoken.samples, RATE), as_phones(spoken))

    def _melodies(self, request: SpeechRequest, language: str, speed: float) -> list[Melody]:
        """What the prosody predictor says about every piece of the text."""
        if self._melody is None:
            self._melody = self._open(kokoro_graph.melody_graph(self._model))
        found = []
        for symbols in self._pieces(request.text, language):
            inputs = self._inputs(symbols, request.style, language, speed)
            plain, wanted = _before_pitch(inputs), [kokoro_graph.DURATIONS, kokoro_graph.NATURAL]
            durations, f0 = self._melody.run(wanted, plain)
            hz = f0.reshape(-1).astype(np.float64) * float(inputs[kokoro_graph.PITCH][0])
            frames = durations.reshape(-1).astype(int).tolist()
            found.append(Melody(symbols, inputs, tuple(frames), hz))
        return found

    def _checked(self, request: SpeechRequest) -> tuple[str, float]:
        """Kokoro's name of the language, and the rate within what it can do."""
        language = _language(request.language)
        if read_style(request.style).voice not in self._voices:
            raise EngineError(f"Kokoro has no voice '{request.style}'.")
        if not request.text.strip():
            raise EngineError("There is nothing to say: the text is empty.")
        return language, min(max(request.speed, _SPEEDS[0]), _SPEEDS[1])

    def styles(self, language: str) -> Sequence[Style]:
        """All voices, best first: native ones by quality, then those that lend their timbre.

        Raises ``EngineError`` DUB-E203 for an unknown language.
        """
        return styles(_language(language))

    def bank(self, language: str) -> Sequence[StylePrint]:
        """The voices of :meth:`styles`, in the same order, as measured beforehand (no model runs).

        Raises ``EngineError`` DUB-E203 for an unknown language.
        """
        measured = {entry.name: entry for entry in bank.load_bank(_language(language))}
        return [measured[style.name] for style in self.styles(language)]

    def shaped(self, voice: str, *, pitch: float = 1.0, shift: Shift | None = None) -> str:
        """The style name of ``voice`` with its pitch multiplied and its timbre moved.

        ``shift`` is what a :meth:`probe` of that voice was said with.
        """
        own = read_style(voice)
        moved = own.moves if shift is None else own.moves + moves_of(shift)
        return shaped_name(ShapedStyle(own.voice, own.pitch * pitch, moved))

    def less_shaped(self, style: str, share: float) -> str:
        """The name of ``style`` with its timbre moved by ``share`` of what it is."""
        own = read_style(style)
        return shaped_name(ShapedStyle(own.voice, own.pitch, np.float32(share) * own.moves))

    def probe(self, request: SpeechRequest, *, stretch: float = 2.1) -> KokoroProbe:
        """The first sentences of a text, sayable with a moved timbre and differentiable by it.

        They are said in turn in parts of about ``stretch`` seconds: shorter ones cost less and lead
        less far (1.3 s instead of 2.1 s: cosine 0.33 instead of 0.36 for two speakers, 20 % less).

        Needs torch and about 1 GB of memory; saying and asking for the slope take about 1.3 s of
        one core per second of sound. Raises as :meth:`speak` does, and DUB-E202 without torch.
        """
        language, speed = self._checked(request)
        pieces = self._pieces(request.text, language)
        if not pieces:
            raise EngineError(f"There is nothing to say in {request.text!r}.")
        inputs = self._inputs(pieces[0], request.style, language, speed)
        if self._decoder is None:
            self._decoder = _decoder(self._model)
            self._before = self._open(kokoro_graph.decoder_inputs_graph(self._model, INPUTS))
        moves = inputs.pop(kokoro_graph.TIMBRE_MOVES)
        parts = self._before.run(list(INPUTS), inputs)
        timbre = inputs["style"][0, TIMBRE] + moves
        return KokoroProbe(self._decoder, parts, timbre, self._voices.spread, stretch=stretch)

    def close(self) -> None:
        """End the espeak-ng process, if one runs."""
        self._phonemizer.close()

    def _pieces(self, text: str, language: str) -> list[str]:
        """Symbols of the text in pieces that fit the model; empty when nothing is pronounceable."""
        text = g2p.clean(text)
        sentences = [self._phonemizer.phonemes(part, language) for part in g2p.sentences(text)]
        known = self._known(sentences, text)
        parts = [piece for symbols in known for piece in _cut(symbols)]
        return [piece for piece in _grouped(parts) if any(c.isalpha() for c in piece)]

    def _known(self, sentences: list[str], text: str) -> list[str]:
        """``sentences`` without symbols that the model does not know; too many are an error."""
        unknown = [c for symbols in sentences for c in symbols if c not in self._symbols]
        total = sum(len(symbols) for symbols in sentences)
        if unknown:
            names = " ".join(sorted(set(unknown)))
            if len(unknown) > _UNKNOWN_SHARE * total:
                raise EngineError(
                    f"Kokoro cannot pronounce {len(unknown)} of {total} symbols ({names}) "
                    f"of {text!r}.",
                    hint="Check the language of the line.",
                )
            _log.warning("dropped %d unknown symbols (%s) of %r", len(unknown), names, text)
        return ["".join(c for c in s if c in self._symbols) for s in sentences]

    def _say(self, symbols: str, voice: str, language: str, speed: float) -> Spoken:
        return self._spoken(symbols, self._inputs(symbols, voice, language, speed))

    def _spoken(self, symbols: str, inputs: dict[str, Any]) -> Spoken:
        samples, durations = self._session.run(["audio", kokoro_graph.DURATIONS], inputs)
        frames = durations.reshape(-1).astype(int).tolist()
        return timed(symbols, frames, samples.reshape(-1).astype(np.float32))

    def _inputs(self, symbols: str, style: str, language: str, speed: float) -> dict[str, Any]:
        shaped = read_style(style)
        prosody, pitch = prosody_of(shaped.voice, language)
        share = 1.0 if prosody == shaped.voice else _TIMBRE_SHARE.get(language, 1.0)
        vector = self._voices.style(shaped.voice, prosody, len(symbols), share=share)
        moves = shaped.moves * self._voices.spread
        if language not in _OWN_ARTICULATION:
            native = self._voices.style(prosody, prosody, len(symbols))
            moves[:-VOICED] += (native - vector)[0, TIMBRE]
        tokens = np.array([[0, *(self._symbols[c] for c in symbols), 0]], np.int64)
        return {
            "tokens": tokens,
            "style": vector,
            kokoro_graph.SPEED: _rates(len(tokens[0]), speed),
            kokoro_graph.PITCH: np.array([pitch * shaped.pitch], np.float32),
            kokoro_graph.TIMBRE_MOVES: moves,
        }


def _before_pitch(inputs: dict[str, Any]) -> dict[str, Any]:
    """What the parts of the graph that lead to durations and F0 are given."""
    return {name: inputs[name] for name in ("tokens", "style", kokoro_graph.SPEED)}


def _rates(count: int, speed: float) -> npt.NDArray[np.float32]:
    """The rate of each of ``count`` tokens; the silence before the first sound is never stretched.

    After a longer one than it was trained with Kokoro begins to sound early: at 0.86 times the rate
    *Tu es* was heard as *suis*, *Dis-moi* as *il dit moi*. Five French sentences of three voices:
    13.8 % of the words misheard, 1.2 % with this.
    """
    rates = np.full(count, speed, np.float32)
    rates[0] = max(1.0, speed)
    return rates


def _decoder(model: Path) -> Decoder:
    try:
        return Decoder(model)
    except ImportError as error:
        raise EngineError(
            "Shaping a voice needs torch, which is not installed.",
            hint='Install it with: pip install -c constraints.txt -e ".[speech]"',
            code="DUB-E202",
        ) from error


def styles(language: str) -> tuple[Style, ...]:
    """All voices for one of Kokoro's languages: native ones by quality, then the others."""

    def rank(style: Style) -> tuple[int, float, str]:
        near = 0 if style.language == language else 1 if _base(style) == _base_of(language) else 2
        return near, -style.quality, style.name

    return tuple(sorted(voice_list(), key=rank))


def prosody_of(voice: str, language: str) -> tuple[str, float]:
    """Whose prosody ``voice`` uses in ``language``, and the factor on that one's pitch.

    A native voice keeps its own. Another takes the best native voice's of its gender; the factor
    moves the pitch to where the voice lies in its own language.
    """
    voices = {style.name: style for style in voice_list()}
    own = voices[voice]
    if _base(own) == _base_of(language):
        return voice, 1.0
    native = [style for style in styles(language) if _base(style) == _base_of(language)]
    lender = next((style for style in native if style.gender == own.gender), native[0])
    pitches = bank.pitches()
    here, there = pitches.get(voice, 0.0), pitches.get(lender.name, 0.0)
    if here <= 0 or there <= 0:
        return lender.name, 1.0
    return lender.name, round(here / there, 3)


def _base_of(language: str) -> str:
    return language.split("-")[0]


def _base(style: Style) -> str:
    return _base_of(style.language)


def _language(tag: str) -> str:
    language = g2p.spoken_language(tag)
    if language is None:
        raise EngineError(
            f"Kokoro does not speak '{tag}'.",
            hint=f"It speaks {', '.join(g2p.LANGUAGES)}.",
            code="DUB-E203",
        )
    return language


def _cut(symbols: str) -> list[str]:
    """``symbols`` in pieces the model can take, cut at clause marks, else spaces, else anywhere."""
    pieces = []
    while len(symbols) > _MAX_TOKENS:
        window = symbols[:_MAX_TOKENS]
        at = max(window.rfind(mark) for mark in ";:,—…")
        at = at if at > _MAX_TOKENS // 3 else window.rfind(" ")
        at = at + 1 if at > 0 else _MAX_TOKENS
        pieces.append(symbols[:at].strip())
        symbols = symbols[at:].strip()
    return [*pieces, symbols] if symbols else pieces


def _grouped(parts: list[str]) -> list[str]:
    """Neighbouring sentences said in one go while they stay short enough to sound good."""
    groups: list[str] = []
    for part in parts:
        if groups and len(groups[-1]) + 1 + len(part) <= _GOOD_TOKENS:
            groups[-1] = f"{groups[-1]} {part}"
        else:
            groups.append(part)
    return groups


def _silence() -> Speech:
    _log.warning("nothing to pronounce: speaking %.1f s of silence", _SILENCE_S)
    samples = np.zeros(math.ceil(_SILENCE_S * RATE), np.float32)
    audio = Waveform(samples, RATE)
    return Speech(audio, (Phone(" ", Span.of(0, audio.duration)),))
