"""Words and turns become lines: what one voice says in one go. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from polydub.model import Span, Transcript, Turn, Word, to_seconds

_SENTENCE_END = re.compile(r"[.!?…。！？]['\"”’»」』)\]]*$")
_CLAUSE_END = re.compile(r"[,;:，、；：—–-]['\"”’»」』)\]]*$")
_ABBREVIATION = re.compile(r"^(?:mr|mrs|ms|dr|st|jr|sr|prof|vs|etc|sra?|[a-z])\.$", re.IGNORECASE)
_ENGLISH_I = re.compile(r"I(?:$|\W)")
SOLE_VOICE = "V1"
"""Name of the only voice when diarization found no turns."""


@dataclass(frozen=True, slots=True)
class LineOptions:
    """When words belong to one line; seconds.

    A pause of ``gap_s`` always ends a line. A sentence end does when a pause of ``pause_s`` follows
    or the line is ``long_s`` long. No line is longer than ``longest_s``. A boundary between voices
    moves by one word at most, and only when that word lies within ``snap_s`` of the turn's edge:
    recognised word gaps lie within 0.15 s of annotated changes of speaker (measured on 3 clips).

    Up to ``stray_words`` words, ``stray_s`` long in all, at the beginning or end of a sentence
    follow the voice of the rest into its line, over a pause of ``stray_pause_s`` at most: a turn
    ends where the voice activity does, 0.4 s after the annotated change on one film clip.

    Up to ``backchannel_words`` words of another, ``backchannel_s`` long, do not end the line of
    who goes on speaking.
    """

    gap_s: float = 0.8
    pause_s: float = 0.6
    long_s: float = 8.0
    longest_s: float = 12.0
    snap_s: float = 0.3
    stray_words: int = 2
    stray_s: float = 0.6
    stray_pause_s: float = 1.2
    backchannel_words: int = 3
    backchannel_s: float = 0.8


@dataclass(frozen=True, slots=True)
class VoiceLine:
    """The words of one line and the diarization voice that says them; never empty."""

    voice: str
    words: tuple[Word, ...]

    @property
    def span(self) -> Span:
        """From the first word's start to the end of the word that ends last."""
        return Span(
            min(word.span.start for word in self.words), max(word.span.end for word in self.words)
        )

    @property
    def text(self) -> str:
        """The words with their spaces."""
        return text_of(self.words)


def text_of(words: Sequence[Word]) -> str:
    """The words as running text: a space before each ``spaced`` word but the first."""
    parts = [f" {word.text.strip()}" if word.spaced else word.text.strip() for word in words]
    return "".join(parts).strip()


def ends_sentence(word: Word) -> bool:
    """Whether the word's punctuation ends a sentence; ``Mr.`` and single initials do not."""
    text = word.text.strip()
    return bool(_SENTENCE_END.search(text)) and not _ABBREVIATION.match(text)


def ends_clause(word: Word) -> bool:
    """Whether the word's punctuation ends a clause: a comma, a colon, a dash."""
    return bool(_CLAUSE_END.search(word.text.strip()))


def build_lines(
    transcript: Transcript, turns: Sequence[Turn], *, options: LineOptions | None = None
) -> list[VoiceLine]:
    """The lines of a transcript, by time; every word is in exactly one line."""
    options = options or LineOptions()
    words = spoken_words(transcript)
    voices = assign_voices(words, turns)
    voices = settle_boundaries(words, voices, turns, options)
    voices, tied = gather_sentences(words, voices, options)
    return lines_of_voices(words, voices, tied, options)


def spoken_words(transcript: Transcript) -> list[Word]:
    """The words that are not blank, by time."""
    words = [word for word in transcript.words if word.text.strip()]
    return sorted(words, key=lambda word: (word.span.start, word.span.end))


def lines_of_voices(
    words: Sequence[Word], voices: Sequence[str], tied: frozenset[Word], options: LineOptions
) -> list[VoiceLine]:
    """Lines of words whose voices are known, by time; lines of different voices may overlap.

    A voice whose sentence goes on after a few words of another ("mm-hm") stays in one line.
    """
    lines: list[VoiceLine] = []
    for voice, run in _gathered(_runs(words, voices), options):
        lines += [VoiceLine(voice, part) for part in _split(run, tied, options)]
    return sorted(lines, key=lambda line: (line.span, line.voice))


ADJOINING = Fraction(1, 10)
"""Seconds within which the next word adjoins."""


def end_before_others(
    words: Sequence[Word], voices: Sequence[str], speech: Sequence[Span]
) -> list[Word]:
    """``words`` that end with ``speech`` (apart, by time) where another voice's word adjoins.

    A word is stretched over a short silence to the next one, which is right inside what one voice
    says; between two voices the silence is neither's. Of 34 such silences (50 ms or more) in 69
    simulated films 29 are true ones; of 26 at the end of words that end by themselves only 12: the
    others are too soft an ending.
    """
    ends = [span.end for span in speech]
    ended = list(words)
    for at in range(len(words) - 1):
        word, after = words[at], words[at + 1]
        if voices[at] == voices[at + 1] or after.span.start - word.span.end > ADJOINING:
            continue
        last = bisect_left(ends, word.span.end)
        sounds = last < len(speech) and speech[last].start < word.span.end
        if not sounds and last > 0 and ends[last - 1] > word.span.start:
            ended[at] = replace(word, span=Span(word.span.start, ends[last - 1]))
    return ended


def assign_voices(words: Sequence[Word], turns: Sequence[Turn]) -> list[str]:
    """The voice of each word: the turn it overlaps most, else the nearest turn.

    Where two voices speak at once and the word lies in both, the voice that was speaking goes on.
    """
    ordered = sorted(turns, key=lambda turn: (turn.span, turn.voice))
    voices: list[str] = []
    first = 0
    longest = max((turn.span.duration for turn in ordered), default=Fraction(0))
    for word in words:
        while first < len(ordered) and ordered[first].span.start + longest < word.span.start - 30:
            first += 1  # too early to be the nearest to any later word
        near = _until(ordered, first, word.span.end + 30) or ordered
        voices.append(_voice_of(word, near, voices[-1] if voices else ""))
    return voices


def _until(turns: Sequence[Turn], first: int, end: Fraction) -> list[Turn]:
    found = []
    for turn in turns[first:]:
        if turn.span.start > end:
            break
        found.append(turn)
    return found


def _voice_of(word: Word, turns: Sequence[Turn], previous: str) -> str:
    if not turns:
        return previous or SOLE_VOICE

    def preference(turn: Turn) -> tuple[Fraction, Fraction, bool]:
        return (
            word.span.overlap(turn.span),
            -_distance(word.span.middle, turn.span),
            turn.voice == previous,
        )

    best = max(turns, key=preference)
    inside = [
        turn for turn in turns if word.span.overlap(turn.span) == word.span.overlap(best.span)
    ]
    if word.span.overlap(best.span) > 0 and any(turn.voice == previous for turn in inside):
        return previous
    return best.voice


def _distance(time: Fraction, span: Span) -> Fraction:
    return max(span.start - time, time - span.end, Fraction(0))


def settle_boundaries(
    words: Sequence[Word], voices: Sequence[str], turns: Sequence[Turn], options: LineOptions
) -> list[str]:
    """``voices`` with each change of voice moved to a sentence end or pause one word away.

    A change that already lies at a sentence end stays. A voice never loses its only word.
    """
    settled = list(voices)
    snap = to_seconds(options.snap_s)
    for at in range(1, len(words)):
        if settled[at] == settled[at - 1] or ends_sentence(words[at - 1]):
            continue
        edge = _edge(words, at, turns)
        moves = []
        if _may_move(settled, at - 1, -1) and _near(words[at - 1], edge, snap):
            moves.append(at - 1)
        if _may_move(settled, at, 1) and _near(words[at], edge, snap):
            moves.append(at + 1)
        stay = _boundary_quality(words, at)
        best = max(moves, key=lambda move: _boundary_quality(words, move), default=at)
        if _boundary_quality(words, best) <= stay:
            continue
        if best < at:
            settled[best] = settled[at]
        else:
            settled[at] = settled[at - 1]
    return settled


def gather_sentences(
    words: Sequence[Word], voices: Sequence[str], options: LineOptions
) -> tuple[list[str], frozenset[Word]]:
    """``voices`` with the stray first or last words of a sentence given to the voice of the rest.

    Also the words before which no line may end, whatever the pause, because a sentence was gathered
    there ("Hey," alone is translated otherwise than in "Hey, did you hear that?"). Stray words lie
    beside more words of their voice, and beside more words of their sentence in the other voice.
    What is a sentence of its own ("Yes.") stays with whoever said it, and so does a voice's only
    word.
    """
    gathered = list(voices)
    tied: set[Word] = set()
    for at in range(1, len(words)):
        pause = words[at].span.start - words[at - 1].span.end
        if gathered[at] == gathered[at - 1] or pause > to_seconds(options.stray_pause_s):
            continue
        if ends_sentence(words[at - 1]):
            continue
        first, last = _sentence_around(words, gathered, at)
        before, after = words[first:at], words[at:last]
        anew = begins_anew(words[at])
        clause = ends_clause(words[at - 1])
        if _is_stray(before, after, options) and _goes_on(gathered, first):
            if not anew or clause:
                gathered[first:at] = [gathered[at]] * len(before)
                tied.add(words[at])
        elif _is_stray(after, before, options) and _goes_on(gathered, last) and not anew:
            gathered[at:last] = [gathered[at - 1]] * len(after)
            tied.add(words[at])
    return gathered, frozenset(tied)


def _sentence_around(words: Sequence[Word], voices: Sequence[str], at: int) -> tuple[int, int]:
    """Where the sentence around the change of voice before word ``at`` begins and ends.

    As far as the voices on the two sides say it without a change.
    """
    first, last = at - 1, at + 1
    while first > 0 and voices[first - 1] == voices[at - 1] and not ends_sentence(words[first - 1]):
        first -= 1
    while last < len(words) and voices[last] == voices[at] and not ends_sentence(words[last - 1]):
        last += 1
    return first, last


def _is_stray(part: Sequence[Word], rest: Sequence[Word], options: LineOptions) -> bool:
    seconds = part[-1].span.end - part[0].span.start
    few = len(part) <= options.stray_words and seconds <= to_seconds(options.stray_s)
    return few and len(rest) > len(part)


def _goes_on(voices: Sequence[str], at: int) -> bool:
    """Whether the words before and after the boundary ``at`` are one voice's."""
    return 0 < at < len(voices) and voices[at - 1] == voices[at]


def begins_anew(word: Word) -> bool:
    """Whether the word is written like the first of a sentence."""
    text = word.text.strip()
    return text[:1].isupper() and not _ENGLISH_I.match(text)


def _edge(words: Sequence[Word], at: int, turns: Sequence[Turn]) -> Fraction:
    """The turn edge nearest to the boundary between two words."""
    boundary = (words[at - 1].span.end + words[at].span.start) / 2
    edges = [edge for turn in turns for edge in (turn.span.start, turn.span.end)]
    return min(edges, key=lambda edge: (abs(edge - boundary), edge), default=boundary)


def _near(word: Word, edge: Fraction, snap: Fraction) -> bool:
    return _distance(edge, word.span) <= snap


def _may_move(voices: Sequence[str], index: int, step: int) -> bool:
    """Whether the voice of the word at ``index`` has another word on its own side."""
    other = index + (-1 if step < 0 else 1)
    return 0 <= other < len(voices) and voices[other] == voices[index]


def _boundary_quality(words: Sequence[Word], at: int) -> Fraction:
    """How well voices may change before word ``at``: a sentence end counts like 1 s of silence."""
    pause = max(Fraction(0), words[at].span.start - words[at - 1].span.end)
    if ends_sentence(words[at - 1]):
        return 1 + pause
    # a shorter pause says nothing: the recogniser leaves gaps of that size inside phrases
    return pause if pause >= Fraction(3, 10) else Fraction(0)


def _runs(words: Sequence[Word], voices: Sequence[str]) -> list[tuple[str, list[Word]]]:
    runs: list[tuple[str, list[Word]]] = []
    for word, voice in zip(words, voices, strict=True):
        if runs and runs[-1][0] == voice:
            runs[-1][1].append(word)
        else:
            runs.append((voice, [word]))
    return runs


def _gathered(
    runs: Sequence[tuple[str, list[Word]]], options: LineOptions
) -> list[tuple[str, list[Word]]]:
    """``runs`` in which what a voice says around another's backchannel is one run."""
    gathered: list[tuple[str, list[Word]]] = []
    for voice, run in runs:
        if len(gathered) >= 2 and gathered[-2][0] == voice and gathered[-1][0] != voice:
            before, between = gathered[-2][1], gathered[-1][1]
            pause = run[0].span.start - before[-1].span.end
            if (
                _is_backchannel(between, options)
                and not ends_sentence(before[-1])
                and pause <= to_seconds(options.gap_s + options.backchannel_s)
                and not begins_anew(run[0])
            ):
                gathered[-2] = (voice, [*before, *run])
                continue
        gathered.append((voice, list(run)))
    return gathered


def _is_backchannel(words: Sequence[Word], options: LineOptions) -> bool:
    seconds = words[-1].span.end - words[0].span.start
    few = len(words) <= options.backchannel_words
    return few and seconds <= to_seconds(options.backchannel_s)


def _split(
    words: list[Word], tied: frozenset[Word], options: LineOptions
) -> list[tuple[Word, ...]]:
    """One voice's run of words cut at pauses, at sentence ends, and where it gets too long.

    Pauses before ``tied`` words do not count.
    """
    parts: list[list[Word]] = []
    for word in words:
        if parts and (word in tied or not _breaks(parts[-1], word, options)):
            parts[-1].append(word)
        else:
            parts.append([word])
    longest = to_seconds(options.longest_s)
    return [tuple(piece) for part in parts for piece in _shortened(part, longest)]


def _breaks(line: list[Word], word: Word, options: LineOptions) -> bool:
    pause = word.span.start - line[-1].span.end
    opening = len(line) <= options.stray_words and ends_clause(line[-1])  # "Hey, did you hear?"
    if pause >= to_seconds(options.stray_pause_s if opening else options.gap_s):
        return True
    if not ends_sentence(line[-1]):
        return False
    length = line[-1].span.end - line[0].span.start
    return pause > to_seconds(options.pause_s) or length >= to_seconds(options.long_s)


def _shortened(words: list[Word], longest: Fraction) -> list[list[Word]]:
    """Cut in two, again and again, at the best place until every part is short enough."""
    if len(words) < 2 or words[-1].span.end - words[0].span.start <= longest:
        return [words]
    middle = (words[0].span.start + words[-1].span.end) / 2
    half = (words[-1].span.end - words[0].span.start) / 2
    at = max(range(1, len(words)), key=_cut_quality(words, middle, half))
    return _shortened(words[:at], longest) + _shortened(words[at:], longest)


def _cut_quality(
    words: Sequence[Word], middle: Fraction, half: Fraction
) -> Callable[[int], Fraction]:
    """Near the middle, after a sentence or clause, at a pause."""

    def quality(at: int) -> Fraction:
        before = words[at - 1]
        pause = max(Fraction(0), words[at].span.start - before.span.end)
        good = 2 if ends_sentence(before) else 1 if _CLAUSE_END.search(before.text) else 0
        return good + 2 * pause - 3 * abs(before.span.end - middle) / half

    return quality
