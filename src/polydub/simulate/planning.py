"""Plans a conversation: cast, lines, their times. Pure: the same spec and bank, the same plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

import numpy as np

from polydub.errors import InputError
from polydub.model import Span, to_milliseconds, total
from polydub.simulate.conversation import (
    CastMember,
    Conversation,
    PlannedTurn,
    Role,
    TurnKind,
    overlap_share,
)
from polydub.simulate.shots import plan_gestures, plan_shots
from polydub.simulate.spec import ConversationSpec
from polydub.simulate.texts import TEXTS
from polydub.simulate.voices import Bank, BankVoice, Utterance, likeness

_T = TypeVar("_T")

LEAD_S, TAIL_S = Fraction(2, 5), Fraction(3, 5)
OWN_PAUSE_S = Fraction(3, 20)
"""Least silence between two turns of one speaker."""
HOST_S = 1.6
"""Shortest line during which a listener says "yeah"."""
MOST_OVERLAP = 0.7
"""Of the shorter of two lines, at most so much is spoken at once."""
ROUNDS = 200
LOOKS = 8
"""Faces per gender."""


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """A line before it has a time: ``gap`` is the pause before it."""

    speaker: str
    utterance: Utterance
    gap: Fraction
    kind: TurnKind = "line"


@dataclass(frozen=True, slots=True, eq=False)
class _Aside:
    """A backchannel ``at`` seconds into line ``host``."""

    speaker: str
    utterance: Utterance
    host: int
    at: Fraction


def plan_conversation(spec: ConversationSpec, bank: Bank) -> Conversation:
    """The plan of ``spec`` with voices and sentences of ``bank``.

    Raises:
        InputError: DUB-E108 when the bank has too few voices or sentences.
    """
    rng = np.random.default_rng(spec.seed)
    cast = plan_cast(spec, bank, rng)
    lines = _lines(spec, bank, cast, rng)
    asides = _asides(spec, bank, cast, lines, rng)
    lines = _overlapped(spec, lines, asides, rng)
    turns = _timed(lines, asides)
    rate = spec.picture.rate if spec.picture else Fraction(25)
    end = max(turn.span.end for turn in turns) + TAIL_S
    duration = math.ceil(end * rate) / rate
    plan = Conversation(spec, cast, turns, Fraction(duration))
    if spec.picture is None:
        return plan
    plan = replace(plan, shots=plan_shots(plan, rng))
    return replace(plan, gestures=plan_gestures(plan, rng))


def plan_cast(
    spec: ConversationSpec, bank: Bank, rng: np.random.Generator
) -> tuple[CastMember, ...]:
    """Distinct voices for the speakers of ``spec``: mixed genders, or the most alike of one."""
    voices = list(bank.voices(spec.language))
    if len(voices) < spec.speakers:
        raise InputError(
            f"{spec.name}: the bank has {len(voices)} voices for '{spec.language}', "
            f"{spec.speakers} are needed.",
            code="DUB-E108",
        )
    chosen = _alike(voices, spec, rng) if spec.similar else _mixed(voices, spec, rng)
    roles = _roles(spec)
    shuffled = np.random.default_rng((spec.seed, 1))
    looks = {gender: shuffled.permutation(LOOKS).tolist() for gender in ("female", "male")}
    cast = []
    for number, (voice, role) in enumerate(zip(chosen, roles, strict=True)):
        gender = voice.gender or ("female", "male")[int(rng.integers(2))]
        gain = float(rng.uniform(-1, 1)) * spec.sound.room_gain_db
        distance = 0.0 if role == "narrator" else float(rng.uniform(0.1, 1.0))
        look = int(looks[gender].pop())
        cast.append(
            CastMember(
                f"S{number + 1}",
                voice.name,
                spec.language,
                gender,
                role,
                look,
                round(gain, 2),
                round(distance, 2),
            )
        )
    return tuple(cast)


def _roles(spec: ConversationSpec) -> list[Role]:
    roles: list[Role] = ["seen"] * spec.speakers
    if spec.narrator:
        roles[-1] = "narrator"
    picture = spec.picture
    hidden: Role | None = None
    if picture is not None and picture.from_behind:
        hidden = "from behind"
    elif picture is not None and picture.never_seen:
        hidden = "never seen"
    if hidden and roles.count("seen") > 1:
        roles[1] = hidden
    return roles


def _mixed(
    voices: Sequence[BankVoice], spec: ConversationSpec, rng: np.random.Generator
) -> list[BankVoice]:
    """Random voices; genders alternate as far as there are any."""
    order = [voices[k] for k in rng.permutation(len(voices))]
    chosen = [order.pop(0)]
    while len(chosen) < spec.speakers:
        other = [v for v in order if v.gender != chosen[-1].gender]
        pick = (other or order)[0]
        order.remove(pick)
        chosen.append(pick)
    return chosen


def _alike(
    voices: Sequence[BankVoice], spec: ConversationSpec, rng: np.random.Generator
) -> list[BankVoice]:
    """A random voice and those of its gender that are nearest to it."""
    enough = [v for v in voices if sum(o.gender == v.gender for o in voices) >= spec.speakers]
    if not enough:
        raise InputError(
            f"{spec.name}: the bank has no {spec.speakers} voices of one gender.", code="DUB-E108"
        )
    first = enough[int(rng.integers(len(enough)))]
    others = [v for v in voices if v.gender == first.gender and v.name != first.name]
    others.sort(key=lambda voice: (-likeness(first, voice), voice.name))
    return [first, *others[: spec.speakers - 1]]


def _lines(
    spec: ConversationSpec, bank: Bank, cast: Sequence[CastMember], rng: np.random.Generator
) -> list[_Said]:
    """Who says what, with gaps, until the film is long enough; everybody speaks."""
    script = _Script(spec, bank, cast, rng)
    said: list[_Said] = []
    clock = LEAD_S
    wanted = to_milliseconds(spec.seconds) - TAIL_S
    silent = {member.id for member in cast}
    while clock < wanted or silent:
        member = script.next_speaker(said, sorted(silent))
        utterance = script.next_line(member)
        if utterance is None:
            break
        low = max(spec.gaps_s[0], 0.0) if spec.overlap == 0 else spec.gaps_s[0]
        gap = to_milliseconds(float(rng.uniform(low, max(low, spec.gaps_s[1]))))
        if not said:
            gap = Fraction(0)
        elif said[-1].speaker == member.id:
            gap = max(gap, OWN_PAUSE_S)
        said.append(_Said(member.id, utterance, gap))
        silent.discard(member.id)
        clock += gap + utterance.audio.duration
    if silent:
        raise InputError(f"{spec.name}: the bank has too few sentences.", code="DUB-E108")
    return said


class _Script:
    """Hands out speakers and sentences: an exchange is a remark and another's answer."""

    def __init__(
        self,
        spec: ConversationSpec,
        bank: Bank,
        cast: Sequence[CastMember],
        rng: np.random.Generator,
    ) -> None:
        self._spec, self._bank, self._cast, self._rng = spec, bank, cast, rng
        texts = TEXTS[spec.language]
        self._exchanges = _shuffled(texts.exchanges, rng)
        self._narration = _shuffled(texts.narration, rng)
        self._own: dict[str, list[str]] = {}
        self._answer = ""
        for member in cast:
            offered = bank.texts(member.voice, spec.language)
            if offered is not None:
                every = [text for pair in offered for text in pair if text]
                self._own[member.id] = _shuffled(every, rng)

    def next_speaker(self, said: Sequence[_Said], silent: Sequence[str]) -> CastMember:
        """Mostly another than the last; who has not spoken yet comes first."""
        by_id = {member.id: member for member in self._cast}
        last = said[-1].speaker if said else ""
        others = [name for name in by_id if name != last] or [last]
        fresh = [name for name in others if name in silent]
        if not self._answer and self._rng.random() < 0.12 and last and not fresh:
            return by_id[last]
        pool = fresh if fresh and (len(said) > 1 or not last) else others
        if self._answer:
            talking = [name for name in pool if by_id[name].role != "narrator"]
            pool = talking or pool
        return by_id[pool[int(self._rng.integers(len(pool)))]]

    def next_line(self, member: CastMember) -> Utterance | None:
        """What ``member`` says next, ``None`` when its sentences are used up."""
        text = self._next_text(member)
        if text is None:
            return None
        return self._bank.utterance(member.voice, text, self._spec.language)

    def _next_text(self, member: CastMember) -> str | None:
        if member.id in self._own:
            return self._own[member.id].pop() if self._own[member.id] else None
        if member.role == "narrator":
            # when all is told, it is told again
            self._narration.insert(0, self._narration[-1])
            return self._narration.pop()
        if self._answer:
            answer, self._answer = self._answer, ""
            return answer
        if not self._exchanges:
            self._exchanges = _shuffled(TEXTS[self._spec.language].exchanges, self._rng)
        remark, self._answer = self._exchanges.pop()
        return remark


def _shuffled(items: Sequence[_T], rng: np.random.Generator) -> list[_T]:
    return [items[k] for k in rng.permutation(len(items)).tolist()]


def _asides(
    spec: ConversationSpec,
    bank: Bank,
    cast: Sequence[CastMember],
    lines: Sequence[_Said],
    rng: np.random.Generator,
) -> list[_Aside]:
    """Backchannels inside long lines, one per line at most, within the wanted overlap."""
    present = [member for member in cast if member.role != "narrator"]
    spoken = sum((line.utterance.audio.duration for line in lines), Fraction(0))
    left = to_milliseconds(spec.overlap) * spoken
    count = round(spec.backchannels * float(spoken) / 60)
    hosts = [k for k, line in enumerate(lines) if line.utterance.audio.duration >= HOST_S]
    asides: list[_Aside] = []
    for host in (hosts[k] for k in rng.permutation(len(hosts))):
        others = [m for m in present if m.id != lines[host].speaker]
        if len(asides) >= count or not others:
            break
        member = others[int(rng.integers(len(others)))]
        words = TEXTS[spec.language].backchannels
        offered = bank.texts(member.voice, spec.language)
        if offered is not None:
            words = tuple(text for text, _ in offered if len(text) <= 8)
        if not words:
            continue
        text = words[int(rng.integers(len(words)))]
        utterance = bank.utterance(member.voice, text, spec.language)
        room = lines[host].utterance.audio.duration - utterance.audio.duration
        if room < Fraction(4, 5) or utterance.audio.duration > left:
            continue
        at = to_milliseconds(float(rng.uniform(0.4, float(room) - 0.3)))
        asides.append(_Aside(member.id, utterance, host, at))
        left -= utterance.audio.duration
    return asides


def _overlapped(
    spec: ConversationSpec,
    lines: list[_Said],
    asides: Sequence[_Aside],
    rng: np.random.Generator,
) -> list[_Said]:
    """``lines`` with some gaps changed so that the wanted share of the speech overlaps.

    Too little: a line becomes an interruption that starts well before the other has finished. Too
    much: a line that started early waits.
    """
    lines = list(lines)
    for _ in range(ROUNDS):
        turns = _timed(lines, asides)
        spoken = float(total(turn.span for turn in turns))
        missing = (spec.overlap - overlap_share(turns)) * spoken
        if abs(missing) <= 0.005 * spoken:
            break
        ways = [k for k in range(1, len(lines)) if _room(lines, k, missing > 0) > 0.05]
        if not ways:
            break
        k = ways[int(rng.integers(len(ways)))]
        # a second that becomes overlap is one second less of speech in all
        step = abs(missing) / (1 + spec.overlap)
        if missing > 0:
            start = min(lines[k].gap, Fraction(0))
            by = min(step, _room(lines, k, True), float(rng.uniform(0.4, 1.4)))
            gap = start - to_milliseconds(by)
        else:
            gap = lines[k].gap + to_milliseconds(min(step, _room(lines, k, False)))
        kind: TurnKind = "interruption" if gap < to_milliseconds(spec.gaps_s[0]) else "line"
        lines[k] = replace(lines[k], gap=gap, kind=kind)
    return lines


def _room(lines: Sequence[_Said], k: int, more: bool) -> float:
    """Seconds by which line ``k`` may overlap the one before it more, or less."""
    before, line = lines[k - 1], lines[k]
    if before.speaker == line.speaker:
        return 0.0
    overlap = max(Fraction(0), -line.gap)
    if not more:
        return float(overlap)
    shorter = min(before.utterance.audio.duration, line.utterance.audio.duration)
    return MOST_OVERLAP * float(shorter) - float(overlap)


def _timed(lines: Sequence[_Said], asides: Sequence[_Aside]) -> tuple[PlannedTurn, ...]:
    """Turns in film time, numbered by start. Nobody speaks twice at once, never three at once."""
    placed: list[tuple[Span, str, TurnKind, Utterance, Fraction]] = []
    hosts: list[Span] = []
    free: dict[str, Fraction] = {}
    for k, line in enumerate(lines):
        start = (hosts[-1].end if hosts else LEAD_S) + line.gap
        start = max(start, free.get(line.speaker, start))
        if k > 1:
            start = max(start, hosts[k - 2].end)
        if hosts:
            start = max(start, hosts[-1].start + Fraction(1, 10))
        span = Span(start, start + line.utterance.audio.duration)
        hosts.append(span)
        free[line.speaker] = span.end + OWN_PAUSE_S
        placed.append((span, line.speaker, line.kind, line.utterance, line.gap))
    for aside in asides:
        start = hosts[aside.host].start + aside.at
        span = Span(start, start + aside.utterance.audio.duration)
        clash = [
            other
            for other, speaker, *_ in placed
            if other != hosts[aside.host]
            and other.overlap(span.pad(OWN_PAUSE_S if speaker == aside.speaker else Fraction(0)))
        ]
        if not clash:
            placed.append((span, aside.speaker, "backchannel", aside.utterance, Fraction(0)))
    placed.sort(key=lambda item: (item[0], item[1]))
    return tuple(
        PlannedTurn(f"T{number:02d}", speaker, kind, span, utterance, gap)
        for number, (span, speaker, kind, utterance, gap) in enumerate(placed, start=1)
    )
