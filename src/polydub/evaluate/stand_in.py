"""For which person of the film does a voice of the dub stand? Pure: voiceprints in, people out.

A voice is compared with the others of its own language first: what all voices of a dub share (the
synthesiser, the language, a pitch that is wrong for everybody) is taken out, as is what all
originals share. So it is told who is meant, however unlike the voices are, and a bad likeness is no
error of *who*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from polydub.evaluate.likeness import centre
from polydub.evaluate.scores import cosine
from polydub.model import Turn, Voiceprint


@dataclass(frozen=True, slots=True)
class LineVoice:
    """One dubbed line: who should speak, its voiceprint, and how many seconds it lasts."""

    line: str
    speaker: str
    print: Voiceprint
    seconds: float


@dataclass(frozen=True, slots=True)
class StandIns:
    """``of_line``: line -> the speaker whom its voice stands for; ``wrong`` and ``spoken`` in s."""

    of_line: dict[str, str]
    wrong_s: float
    spoken_s: float

    @property
    def wrong_share(self) -> float | None:
        """Share of the seconds said in somebody else's voice; ``None`` when nothing was said."""
        return self.wrong_s / self.spoken_s if self.spoken_s else None


def stand_ins(lines: Sequence[LineVoice], originals: Mapping[str, Voiceprint]) -> StandIns:
    """Whom each dubbed line's voice stands for.

    The dub's voice of a person is the mean of the lines that are this person's. Voices are matched
    one to one with the ``originals`` by the largest sum of cosines, both sides freed of their mean
    (:func:`_centred`). A line belongs to the dub's voice that it is most like, itself left out of
    that mean; a person's only line belongs to its own. With one speaker nobody can be mistaken.
    """
    speakers = sorted({line.speaker for line in lines} & set(originals))
    known = [line for line in lines if line.speaker in originals]
    of_line = {line.line: line.speaker for line in known}
    if len(speakers) > 1:
        person = _matched(known, originals, speakers)
        for line in known:
            of_line[line.line] = person[_dub_voice(line, known, speakers)]
    wrong = sum(line.seconds for line in known if of_line[line.line] != line.speaker)
    return StandIns(of_line, wrong, sum(line.seconds for line in known))


def _matched(
    lines: Sequence[LineVoice], originals: Mapping[str, Voiceprint], speakers: Sequence[str]
) -> dict[str, str]:
    """Dub voice (named by the speaker whose lines it says) -> the person that it stands for."""
    ours = _centred([_mean(lines, speaker) for speaker in speakers])
    theirs = _centred([originals[speaker] for speaker in speakers])
    likeness = ours @ theirs.T
    likeness += 1e-3 * np.eye(len(speakers))  # when nothing tells, nobody is accused
    rows, columns = linear_sum_assignment(-likeness)
    return {speakers[r]: speakers[c] for r, c in zip(rows, columns, strict=True)}


def _dub_voice(line: LineVoice, lines: Sequence[LineVoice], speakers: Sequence[str]) -> str:
    """The dub's voice that a line is said in; a tie or a lone line is its own."""
    others = [other for other in lines if other.line != line.line]
    if not any(other.speaker == line.speaker for other in others):
        return line.speaker
    alike = {
        speaker: cosine(line.print, _mean(others, speaker))
        for speaker in speakers
        if any(other.speaker == speaker for other in others)
    }
    return max(alike, key=lambda speaker: (alike[speaker], speaker == line.speaker))


def _mean(lines: Sequence[LineVoice], speaker: str) -> Voiceprint:
    return centre([line.print for line in lines if line.speaker == speaker])


def _unit(print_: Voiceprint) -> npt.NDArray[np.float64]:
    return np.asarray(print_, np.float64) / max(float(np.linalg.norm(print_)), 1e-12)


def _centred(prints: Sequence[Voiceprint]) -> npt.NDArray[np.float64]:
    """Unit rows ``[n, d]`` after the mean of all was taken out."""
    rows = np.stack([_unit(p) for p in prints])
    rows -= rows.mean(axis=0)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def timeline_error(truth: Sequence[Turn], found: Sequence[Turn]) -> float | None:
    """SPK-TL by our definition: speaker-timeline error of a dub, 0 best, may exceed 1.

    ``truth``: the original's audible speech by speaker; ``found``: the dub's, named after the
    people whom its voices stand for (:func:`stand_ins`). As the diarization error of NIST (no
    collar, overlap scored): missed, superfluous and confused seconds per second of true speech, but
    names are taken as they are and not mapped. ``None`` without true speech.
    """
    edges = sorted({edge for turn in (*truth, *found) for edge in (turn.span.start, turn.span.end)})
    spoken = wrong = Fraction(0)
    for start, end in pairwise(edges):
        moment = (start + end) / 2
        theirs = {turn.voice for turn in truth if moment in turn.span}
        ours = {turn.voice for turn in found if moment in turn.span}
        spoken += len(theirs) * (end - start)
        wrong += (max(len(theirs), len(ours)) - len(theirs & ours)) * (end - start)
    return float(wrong / spoken) if spoken else None
