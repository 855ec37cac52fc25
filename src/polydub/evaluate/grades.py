"""How a score is read: good, fair or poor, how it is written, and how worrying a line is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from polydub.model import Decision, LineReport

Grade = Literal["good", "fair", "poor", "plain"]


@dataclass(frozen=True, slots=True)
class Scale:
    """How one score is graded and shown.

    ``good`` and ``fair`` are the last values that still earn that grade; ``higher`` says which way
    is better; ``around`` grades the distance from a value instead (speed: from 1).
    """

    label: str
    meaning: str
    good: float
    fair: float
    higher: bool
    percent: bool = False
    around: float | None = None

    def grade(self, value: float) -> Grade:
        """The grade of ``value``."""
        measured = value if self.around is None else abs(value - self.around)
        if self.higher:
            return "good" if measured >= self.good else "fair" if measured >= self.fair else "poor"
        return "good" if measured <= self.good else "fair" if measured <= self.fair else "poor"

    def show(self, value: float) -> str:
        """``value`` as text."""
        if self.percent:
            return f"{100 * value:.0f} %"
        return f"{value:.2f}×" if self.around is not None else f"{value:.2f}"


_ROUND_TRIP = (
    "A recogniser listens to the finished line; errors against the translation. Holds the "
    "recogniser's own errors too, so the truth is better."
)

SCALES: dict[str, Scale] = {
    # The packaged voices measure 0-4 % WER (en, es, it, pt, fr), 3-8 % CER ja, 7-14 % CER zh.
    "wer": Scale("word errors", _ROUND_TRIP, 0.10, 0.30, False, percent=True),
    "cer": Scale("character errors", _ROUND_TRIP, 0.15, 0.30, False, percent=True),
    # CAM++ cosine on 11 film turns: two halves of one turn 0.41-0.80 (mean 0.61), different voices
    # about 0.05 on average, the nearest of 54 packaged voices 0.20-0.43.
    "similarity": Scale(
        "voice similarity",
        "Voiceprint of the finished line against the speaker's own. Parts of one recording reach "
        "about 0.6, different people about 0.05; voice matching is not cloning.",
        0.40,
        0.20,
        True,
    ),
    "margin": Scale(
        "own-voice margin",
        "Similarity to the own speaker minus that to the nearest other one. Below zero the line "
        "sounds more like somebody else of the cast.",
        0.10,
        0.0,
        True,
    ),
    "overlap": Scale(
        "time covered",
        "Share of the original line's time during which the new one is heard.",
        0.80,
        0.50,
        True,
        percent=True,
    ),
    "speed": Scale(
        "speed",
        "Rate against natural speech. Above 1.2 it sounds hurried.",
        0.20,
        0.35,
        False,
        around=1.0,
    ),
}
"""Score name -> its scale; order is the order of display."""


@dataclass(frozen=True, slots=True)
class Note:
    """How a score that nobody grades is called and written; ``form`` is a format."""

    label: str
    form: str
    unit: str
    meaning: str


NOTES: dict[str, Note] = {
    "loudness_lu": Note("loudness", "+.1f", "LU", "Loudness of the take minus that of the line."),
    "bed_lu": Note(
        "background under it", "+.1f", "LU", "What the background loses under the take."
    ),
    "leak_db": Note("old voice left", ".0f", "dB", "What is left of the old voice under the take."),
    "band_low_hz": Note("band from", ".0f", "Hz", "The original's lower limit, given to the take."),
    "band_high_hz": Note("band to", ".0f", "Hz", "The original's upper limit, given to the take."),
    "room_rt60_s": Note("room", ".2f", "s", "Reverberation time of the room given to the take."),
    "room_wet_db": Note("room level", ".0f", "dB", "Reverberation against the voice itself."),
    "lips_rendered": Note(
        "lips made anew", ".2f", "", "Share of the line's frames with a new mouth."
    ),
    "contour": Note(
        "melody", ".2f", "", "Correlation of the take's pitch with the original's; 1 is the same."
    ),
    "mos": Note("predicted quality", ".2f", "MOS", "Naturalness as a model predicts it."),
}
"""Other scores, as the report writes them."""

_WEIGHT: dict[Grade, float] = {"good": 0.0, "plain": 0.0, "fair": 1.0, "poor": 4.0}


def grade(name: str, value: float) -> Grade:
    """The grade of a score; ``"plain"`` for a score without a scale."""
    scale = SCALES.get(name)
    return scale.grade(value) if scale else "plain"


def show(name: str, value: float) -> str:
    """A score as text."""
    scale = SCALES.get(name)
    if scale:
        return scale.show(value)
    note = NOTES.get(name)
    return f"{value:{note.form}} {note.unit}".strip() if note else f"{value:.3g}"


def label(name: str) -> tuple[str, str]:
    """``(label, meaning)`` of a score."""
    known = SCALES.get(name) or NOTES.get(name)
    return (known.label, known.meaning) if known else (name.replace("_", " "), "")


def concern(entry: LineReport, decisions: Sequence[Decision] = ()) -> float:
    """How much a line wants a look, 0 = nothing: sorts the report, worst first.

    20 when it has no take, 4 per poor score, 1 per fair one, 3 per recorded decision about it,
    and the round-trip error itself to break ties.
    """
    points = 0.0 if entry.placement is not None else 20.0
    points += sum(_WEIGHT[grade(name, value)] for name, value in entry.scores.items())
    points += 3.0 * sum(decision.unit == entry.line.id for decision in decisions)
    return points + min(1.0, entry.scores.get("wer", entry.scores.get("cer", 0.0)))
