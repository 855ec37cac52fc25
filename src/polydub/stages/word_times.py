"""Word times from a recogniser, stretched to the speech that they belong to.

Whisper's attention ends words early: on simulated films with exact truth, by 0.19 s at the median
before a pause (0.3 s and more for one in ten), which loses a tenth of all speech. A segmentation
model hears the ends to within 0.04 s but knows no words, so the two are joined.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from polydub.engines.protocols import LocalActivity
from polydub.model import Span, Word
from polydub.stages.overlap import hysteresis, spans_where, speech_frames


@dataclass(frozen=True, slots=True)
class WordTimeOptions:
    """``onset`` and ``offset``: probability at which speech begins and ends.

    Misses 0.7 to 1.5 % and invents 1.9 to 2.4 % of the speech. ``longest``: seconds by which one
    end of a word may move; more is speech that was not recognised, and stays free.
    """

    onset: float = 0.55
    offset: float = 0.45
    longest: Fraction = Fraction(6, 10)


def speech_edges(
    activity: Sequence[LocalActivity], duration: Fraction, options: WordTimeOptions | None = None
) -> tuple[Span, ...]:
    """Speech with sharp ends, in steps of 10 ms: no margin around it and no pause closed."""
    chosen = options or WordTimeOptions()
    heard = speech_frames(activity, duration).speech
    return spans_where(hysteresis(heard, chosen.onset, chosen.offset))


def settle_words(
    words: Sequence[Word], speech: Sequence[Span], options: WordTimeOptions | None = None
) -> tuple[Word, ...]:
    """``words`` whose ends reach to where their speech ends or the next word begins.

    ``speech`` is sorted and apart. Words never shrink, never change order and never meet more than
    they did; a beginning moves only into speech that no word before it is part of.
    """
    longest = (options or WordTimeOptions()).longest
    settled: list[Word] = []
    for at, word in enumerate(words):
        before = settled[-1].span.end if settled else Fraction(0)
        after = words[at + 1].span.start if at + 1 < len(words) else None
        start, end = word.span.start, word.span.end
        run = _run_at(speech, start)
        if run is not None and before <= run.start < start:
            start = max(run.start, start - longest)
        run = _run_at(speech, end)
        if run is not None:
            furthest = min(run.end, end + longest)
            end = furthest if after is None else min(furthest, after)
        settled.append(replace(word, span=Span(start, max(end, word.span.end))))
    return tuple(settled)


def _run_at(speech: Sequence[Span], time: Fraction) -> Span | None:
    """The stretch of speech that ``time`` lies in or at the end of."""
    at = bisect_right(speech, time, key=lambda span: span.start) - 1
    return speech[at] if at >= 0 and time <= speech[at].end else None
