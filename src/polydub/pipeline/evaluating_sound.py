"""Listens to a dub: whose voice, which words, when, how natural; every tool's by the same ears.

The dub is heard as a viewer hears it, from the sound of its video alone: separated, searched for
speech and recognised like the original. Of what the dubbing tool says about itself nothing is used
but the intended text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polydub.errors import EngineError
from polydub.evaluate.background import FLOOR_DB
from polydub.evaluate.emotion import emotion_scores
from polydub.evaluate.likeness import centre
from polydub.evaluate.mixture import si_sdr
from polydub.evaluate.naturalness import MosPredictor, NotMeasured, load_predictors
from polydub.evaluate.resegment import deal_words, windows
from polydub.evaluate.scores import error_rate, round_trip_metric
from polydub.evaluate.voice_encoder import Ge2eEncoder
from polydub.media.audio import open_waveform, resample
from polydub.model import Line, Span, Transcript, Voiceprint, Waveform
from polydub.pipeline.analysis import SPEECH_RATE, VERSION, Sound
from polydub.pipeline.evaluating_judges import load_emotion, load_utmos
from polydub.pipeline.run import Run
from polydub.project.artifacts import load, save

SHORTEST_VOICE_S = 0.4
"""A voiceprint of less speech says nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One film's sound: stems, audible speech, words. ``key`` identifies all of it."""

    sound: Sound
    speech: tuple[Span, ...]
    transcript: Transcript
    key: str

    def voice(self) -> Waveform:
        """The dialogue stem, 16 kHz mono."""
        return open_waveform(self.sound.speech)


@dataclass(frozen=True, slots=True, eq=False)
class SaidLine:
    """One line in both films: speech of the original and of the dub, words heard in the dub."""

    line: Line
    wanted: str
    heard: str
    source: tuple[Span, ...]
    dub: tuple[Span, ...]

    @property
    def window(self) -> Span | None:
        """From the first to the last sound of the dubbed line."""
        return Span(self.dub[0].start, self.dub[-1].end) if self.dub else None


@dataclass
class Ears:
    """What measures voices; ``missing`` says which metrics there are no figures for, and why."""

    run: Run
    missing: list[NotMeasured] = field(default_factory=list)
    predictors: list[MosPredictor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.embedders: dict[str, Any] = {"similarity": self.run.engines.get("voiceprint")}
        try:
            self.embedders["similarity_ge2e"] = Ge2eEncoder()
        except EngineError as error:
            self.missing.append(NotMeasured("similarity_ge2e", error.message))
        self.predictors, missing = load_predictors()
        utmos, no_utmos = load_utmos()
        self.predictors += [utmos] if utmos is not None else []
        self.emotion, no_emotion = load_emotion()
        self.missing += [*missing, *no_utmos, *no_emotion]

    def feelings(self, original: Waveform, take: Waveform) -> dict[str, float]:
        """How alike two mono 16 kHz sounds are in feeling; nothing without the model."""
        if self.emotion is None:
            return {}
        return emotion_scores(self.emotion.feeling(original), self.emotion.feeling(take))

    def prints(self, sound: Waveform) -> dict[str, Voiceprint]:
        """A voiceprint by metric of mono 16 kHz ``sound``; none for too little of it."""
        if sound.duration < SHORTEST_VOICE_S:
            return {}
        return {name: engine.embed(sound) for name, engine in self.embedders.items()}


def speech_of(run: Run, sound: Sound, digest: str) -> tuple[Span, ...]:
    """Where somebody is heard in the dialogue: one detector for original and dub alike."""

    def make(work: Path) -> None:
        found = run.engines.get("vad").detect(open_waveform(sound.speech))
        save(work / "speech.json", tuple(found))

    engines = [run.engines.identity(kind) for kind in ("separate", "vad")]
    folder, _ = run.ensure("audible", VERSION, digest, engines, make=make)
    found: tuple[Span, ...] = load(folder / "speech.json", tuple[Span, ...])
    return found


def said_lines(
    lines: Sequence[Line], texts: Mapping[str, str], source: Track, dub: Track, language: str
) -> tuple[SaidLine, ...]:
    """The lines with what belongs to each of them in both films, in film order.

    ``texts``: intended words by line; empty for a line that is not dubbed. When no line has any,
    words go to the nearest line in time instead (:func:`deal_words`).
    """
    ordered = sorted(lines, key=lambda line: (line.span.start, line.id))
    wanted = [texts.get(line.id, "") for line in ordered]
    spans = [line.span for line in ordered]
    words = dub.transcript.words
    dealt = deal_words(words, wanted, spans, language)
    ranges = [
        Span(words[own[0]].span.start, max(words[n].span.end for n in own)) if own else None
        for own in dealt
    ]
    found = []
    for line, text, own, window, around in zip(
        ordered, wanted, dealt, windows(ranges), windows(spans), strict=True
    ):
        heard = "".join((" " if words[n].spaced else "") + words[n].text for n in own).strip()
        found.append(
            SaidLine(line, text, heard, _inside(source.speech, around), _inside(dub.speech, window))
        )
    return tuple(found)


def _inside(speech: Sequence[Span], window: Span | None) -> tuple[Span, ...]:
    parts = [part for span in speech if window is not None and (part := span & window)]
    return tuple(part for part in parts if part.duration > 0)


def word_values(said: SaidLine, language: str) -> dict[str, float]:
    """``said``, and ``wer`` or ``cer`` where the intended text is known."""
    values = {"said": float(bool(said.dub and said.heard))}
    if said.wanted:
        values[round_trip_metric(language)] = error_rate(said.wanted, said.heard, language)
    return values


def joined(sound: Waveform, spans: Sequence[Span]) -> Waveform:
    """The ``spans`` of ``sound`` one after the other."""
    parts = [np.asarray(sound.cut(span).samples, np.float32) for span in spans]
    return Waveform(np.concatenate(parts) if parts else np.zeros(0, np.float32), sound.rate)


def original_prints(
    ears: Ears, lines: Sequence[SaidLine], voice: Waveform
) -> dict[str, dict[str, Voiceprint]]:
    """Metric -> speaker -> the print of all that the speaker says in the original."""
    found: dict[str, dict[str, Voiceprint]] = {name: {} for name in ears.embedders}
    for speaker in sorted({said.line.speaker for said in lines}):
        spans = [span for said in lines if said.line.speaker == speaker for span in said.source]
        for name, print_ in ears.prints(joined(voice, spans)).items():
            found[name][speaker] = print_
    return found


def stability(name: str, lines: Sequence[tuple[str, str, Voiceprint]]) -> float | None:
    """Cosine of line ``name`` with the mean of the speaker's other ``(line, speaker, print)``."""
    own = next((speaker for line, speaker, _ in lines if line == name), None)
    print_ = next((p for line, _, p in lines if line == name), None)
    others = [p for line, speaker, p in lines if speaker == own and line != name]
    if print_ is None or not others:
        return None
    return float(np.dot(print_, centre(others)) / max(float(np.linalg.norm(print_)), 1e-9))


HEARD = 0.001
"""Root mean square (full scale 1) from which on a background counts: -60 dBFS."""


def true_background(path: Path, dub: Track) -> dict[str, float]:
    """``bed_true_sdr``: the separated background of a dub against the one that is known.

    SI-SDR over the whole film, in 16 kHz mono; nothing when the known one is under
    :data:`HEARD`, which nobody hears and no separation finds.
    """
    known, found = mono(path), mono(dub.sound.background)
    size = min(len(known.samples), len(found.samples))
    parts = [np.asarray(x.samples[:size]).reshape(-1) for x in (found, known)]
    if not size or float(np.sqrt(np.mean(np.square(parts[1])))) < HEARD:
        return {}
    return {"bed_true_sdr": float(np.clip(si_sdr(*parts), FLOOR_DB, -FLOOR_DB))}


def mono(path: Path, rate: int = SPEECH_RATE) -> Waveform:
    """A sound file in one channel at ``rate``."""
    sound = open_waveform(path).mono()
    return sound if sound.rate == rate else resample(sound, rate)
