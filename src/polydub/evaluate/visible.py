"""Whether the right face is linked to what is said, and whether unseen speech is known as such."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from polydub.model import Box, Script, Span, Turn, merge, total

FacesAt = Callable[[Fraction], Mapping[str, Box]]
"""The faces in the picture at a film time: name -> box in pixels."""

STEP = Fraction(1, 25)
SAME_FACE = 0.3
"""Least IoU of two boxes of one face: detectors frame more or less of a head, and the boxes of two
people hardly overlap at all."""
ON_SCREEN = Fraction(1, 5)
"""Share of a line during which its speaker is seen that makes it an on-screen line."""


@dataclass(frozen=True, slots=True)
class FaceLinks:
    """Seconds of visible speech: all of it, under a line at all, under a line with the right face.

    ``wrong_s``: a line is linked to another face that is in the picture at that time; the worst
    error, for a dub would move the wrong mouth.
    """

    visible_s: float
    covered_s: float
    right_s: float
    wrong_s: float

    @property
    def accuracy(self) -> float:
        """Share of the visible speech under a line whose line has the right face; NaN without."""
        return self.right_s / self.covered_s if self.covered_s else float("nan")


@dataclass(frozen=True, slots=True)
class Detection:
    """Seconds found and true, found though not true, true though not found."""

    hit_s: float
    false_s: float
    missed_s: float

    @property
    def precision(self) -> float:
        """Share of what was found that is true; 1 when nothing was found."""
        return self.hit_s / (self.hit_s + self.false_s) if self.hit_s + self.false_s else 1.0

    @property
    def recall(self) -> float:
        """Share of what is true that was found; 1 when there was nothing to find."""
        return self.hit_s / (self.hit_s + self.missed_s) if self.hit_s + self.missed_s else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        parts = 2 * self.hit_s + self.false_s + self.missed_s
        return 2 * self.hit_s / parts if parts else 1.0


def iou(one: Box, two: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    return float(width * height / (areas - width * height))


def face_of(box: Box, seen: Mapping[str, Box], *, least: float = SAME_FACE) -> str | None:
    """Whose of the true faces ``box`` frames: the one with the greatest IoU, at least ``least``."""
    best = max(sorted(seen), key=lambda name: iou(box, seen[name]), default=None)
    return best if best is not None and iou(box, seen[best]) >= least else None


def face_links(
    truth: Sequence[Turn],
    script: Script,
    seen: FacesAt,
    tracked: FacesAt,
    *,
    step: Fraction = STEP,
) -> FaceLinks:
    """Line -> face accuracy on visible speech, judged in the middle of every ``step`` seconds.

    ``seen`` gives the true faces by true speaker (voices of ``truth``; listeners too), ``tracked``
    the found ones by person of ``script``. A moment counts once per true speaker who talks and is
    seen. It is covered when any line runs, and right when a line runs whose speaker's person has
    the box of that true speaker's face (:func:`face_of`). So a second voice that was missed under
    the line of another one counts as wrong here; speech under no line at all is the miss of
    :func:`polydub.evaluate.who.diarization_errors` and is left out of the accuracy.
    """
    persons = {speaker.id: speaker.person for speaker in script.cast}
    counts = dict.fromkeys(("visible", "covered", "right", "wrong"), 0)
    for at in _moments([turn.span for turn in truth], step):
        faces = seen(at)
        visible = {turn.voice for turn in truth if at in turn.span} & set(faces)
        if not visible:
            continue
        speaking = [line.speaker for line in script.lines if at in line.span]
        boxes = tracked(at)
        linked = {persons.get(speaker) for speaker in speaking} & set(boxes)
        shown = {face_of(boxes[person], faces) for person in linked if person is not None}
        right = len(visible & shown)
        counts["visible"] += len(visible)
        counts["covered"] += len(visible) if speaking else 0
        counts["right"] += right
        counts["wrong"] += min(len(visible) - right, len(shown - visible))
    seconds = {name: float(count * step) for name, count in counts.items()}
    return FaceLinks(*(seconds[name] for name in ("visible", "covered", "right", "wrong")))


def off_screen_detection(
    truth: Sequence[Turn], script: Script, seen: FacesAt, *, step: Fraction = STEP
) -> Detection:
    """How well lines whose speaker is not seen are marked off-screen (or narration).

    A line belongs to the true speaker with whom it shares the most speech and weighs those seconds;
    it is truly off-screen when his face is in the picture for less than a fifth of them
    (:data:`ON_SCREEN`). Lines without true speech are false alarms of speech and left out.
    """
    hit = false = missed = 0.0
    for line in script.lines:
        shared: dict[str, list[Span]] = {}
        for turn in truth:
            if common := turn.span & line.span:
                shared.setdefault(turn.voice, []).append(common)
        if not shared:
            continue
        speaker = min(shared, key=lambda voice: (-total(shared[voice]), voice))
        moments = _moments(shared[speaker], step)
        if not moments:
            continue
        unseen = sum(speaker in seen(at) for at in moments) < ON_SCREEN * len(moments)
        marked = line.visibility != "on-screen"
        seconds = float(total(shared[speaker]))
        hit += seconds * (unseen and marked)
        false += seconds * (marked and not unseen)
        missed += seconds * (unseen and not marked)
    return Detection(hit, false, missed)


def _moments(spans: Sequence[Span], step: Fraction) -> list[Fraction]:
    """The middles of all steps of a fixed grid that lie in one of the ``spans``."""
    moments: list[Fraction] = []
    for span in merge(spans):
        index = max(0, -(-(span.start - step / 2) // step))
        while index * step + step / 2 < span.end:
            moments.append(index * step + step / 2)
            index += 1
    return moments
