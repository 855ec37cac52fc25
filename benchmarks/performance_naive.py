"""The naive dub to compare with: literal translation, default voice, every line stretched to fit.

Same film, same lines, same stems and the same rules of mixing; what differs is what a simple tool
does: each line's text is translated alone, without regard to its time, spoken by the engine's first
voice of the right gender in one go, and stretched by FFmpeg's ``atempo`` (through PyAV) to exactly
the line's span.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from performance_dubs import RATE, Dub, DubbedLine

from polydub.engines import registry
from polydub.engines.protocols import LineToTranslate, SpeechRequest, TranslationRequest
from polydub.errors import EngineError
from polydub.media.audio import open_waveform, resample, write_waveform
from polydub.media.loudness import integrated_loudness
from polydub.model import Samples, Span, Waveform, merge
from polydub.stages.limiter import limiter_gain
from polydub.stages.mix import MixOptions, mix_block, span_gate

VERSION = "1"
SLOWEST, FASTEST = 0.5, 100.0
"""What one ``atempo`` filter can do."""


@dataclass
class NaiveMaker:
    """Makes naive dubs; engines are loaded at first use, texts kept in ``WORK/literal.json``."""

    work: Path
    _engines: dict[str, Any] = field(default_factory=dict)

    def dub(self, like: Dub, texts: Mapping[str, str], genders: Mapping[str, str]) -> Dub:
        """The naive dub of what ``like`` dubbed.

        ``texts`` are the original lines by id, ``genders`` the speakers' by the tool's names.
        """
        literal = self.literal(texts, like.truth.language, like.target)
        chosen = {speaker: self._voice(like.target, g) for speaker, g in genders.items()}
        spans = {k: str(v) for k, v in like.spans.items()}
        speakers = [(line.id, line.speaker) for line in like.lines]
        parts: list[object] = [VERSION, literal, chosen, spans, speakers]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        folder = self.work / "naive" / like.truth.name / f"{like.target}-{key}"
        if not (folder / "lines.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            self._make(like, literal, chosen, folder)
        rates = json.loads((folder / "lines.json").read_text())
        lines = tuple(
            DubbedLine(x.id, x.speaker, x.span, x.span, literal[x.id], rates[x.id])
            for x in like.lines
            if x.id in rates
        )
        voices, mix = (open_waveform(folder / f"{name}.wav") for name in ("voices", "dub"))
        return replace(
            like, system="naive", voices=voices, mix=mix, lines=lines, alone={}, timings={}
        )

    def literal(self, texts: Mapping[str, str], source: str, target: str) -> dict[str, str]:
        """Each text translated alone, as the engine says it when nothing limits its length."""
        path = self.work / "literal.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        name = registry.DEFAULTS["translate"]
        keys = {line: f"{name} {source} {target} {text}" for line, text in texts.items()}
        for line, text in texts.items():
            if keys[line] not in known:
                asked = LineToTranslate(line, text, "", 60.0, Span(Fraction(0), Fraction(60)))
                request = TranslationRequest(source, target, (asked,))
                known[keys[line]] = self._engine("translate").translate(request).get(line, text)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(known, ensure_ascii=False, indent=1))
        return {line: known[key] for line, key in keys.items()}

    def _make(
        self, like: Dub, texts: Mapping[str, str], chosen: Mapping[str, str], folder: Path
    ) -> None:
        voices = np.zeros(len(like.film.samples), np.float32)
        rates: dict[str, float] = {}
        for line in like.lines:
            request = SpeechRequest(texts[line.id], like.target, chosen[line.speaker])
            try:
                said = self._engine("speak").speak(request).audio
            except EngineError:  # a text that cannot be spoken leaves its line silent
                continue
            place = line.span.samples(RATE)
            take = resample(stretched(said, line.span.duration), RATE)
            rates[line.id] = float(said.duration / line.span.duration)
            size = min(len(take.samples), place.stop - place.start, len(voices) - place.start)
            part = take.samples[:size] * _gain(take, like.dialogue, line.span)
            voices[place.start : place.start + size] += part
        mix = mixed(like, voices)
        write_waveform(folder / "voices.wav", Waveform(voices, RATE))
        write_waveform(folder / "dub.wav", Waveform(mix, RATE))
        (folder / "lines.json").write_text(json.dumps(rates))

    def _voice(self, language: str, gender: str) -> str:
        styles = self._engine("speak").styles(language)
        native = [s for s in styles if s.language.split("-")[0] == language.split("-")[0]]
        found = [s for s in (*native, *styles) if s.gender == gender] or list(styles)
        return str(found[0].name)

    def _engine(self, kind: str) -> Any:
        if kind not in self._engines:
            self._engines[kind] = registry.load(kind, registry.DEFAULTS[kind])
        return self._engines[kind]


def stretched(audio: Waveform, length: Fraction) -> Waveform:
    """Mono ``audio`` with another tempo and the same pitch, exactly ``length`` seconds long."""
    wanted = round(length * audio.rate)
    rate = len(audio.samples) / max(1, wanted)
    graph = av.filter.Graph()
    ends = [graph.add_abuffer(sample_rate=audio.rate, format="flt", layout="mono")]
    while rate < SLOWEST:
        ends.append(graph.add("atempo", str(SLOWEST)))
        rate /= SLOWEST
    ends.append(graph.add("atempo", f"{min(rate, FASTEST):.6f}"))
    ends.append(graph.add("abuffersink"))
    graph.link_nodes(*ends).configure()
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(audio.samples[None], np.float32), format="flt", layout="mono"
    )
    frame.sample_rate = audio.rate
    graph.push(frame)
    graph.push(None)
    parts: list[Samples] = []
    while True:
        try:
            parts.append(np.asarray(graph.pull().to_ndarray(), np.float32).reshape(-1))
        except (av.error.EOFError, av.error.BlockingIOError):
            break
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    samples = np.pad(samples[:wanted], (0, max(0, wanted - len(samples))))
    return Waveform(np.asarray(samples, np.float32), audio.rate)


def mixed(like: Dub, voices: Samples) -> Samples:
    """The naive mix: old voice out and background down inside the lines, takes on top."""
    options = MixOptions()
    count = len(like.film.samples)
    spans = merge(line.span for line in like.lines)

    def gate(attack: float, release: float) -> Samples:
        return span_gate(0, count, RATE, spans, attack=attack, release=release)

    def fitted(sound: Waveform) -> Samples:
        samples = np.asarray(sound.samples, np.float32)
        samples = samples[:, None] if samples.ndim == 1 else samples
        return np.pad(samples[:count], ((0, max(0, count - len(samples))), (0, 0)))

    block = mix_block(
        fitted(like.dialogue),
        fitted(like.background),
        voices,
        silenced=gate(0.05, 0.12),
        ducked=gate(options.attack, options.release),
        options=options,
    )
    return np.asarray(
        block * limiter_gain(block, RATE, options.ceiling - options.margin)[:, None], np.float32
    )


def _gain(take: Waveform, dialogue: Waveform, span: Span) -> float:
    """What makes the take, played in every channel, as loud as the line that it replaces."""
    original = integrated_loudness(_copied(dialogue.cut(span)))
    everywhere = np.repeat(take.samples[:, None], dialogue.channels, axis=1)
    heard = integrated_loudness(Waveform(everywhere, take.rate))
    return 1.0 if original is None or heard is None else float(10 ** ((original - heard) / 20))


def _copied(waveform: Waveform) -> Waveform:
    return Waveform(np.array(waveform.samples, np.float32), waveform.rate)
