"""Fits each line's speech into the time it has: speed, start, room. Pure.

Rules, in this order (human dubbers protect naturalness first: Brannon et al., TACL 2023):

1. A take ends before the next line of the same speaker, and before the film ends. Always.
2. It starts where the line started. Only when it cannot fit it starts earlier, into silence; and
a little later when somebody else's take before it runs over, where nobody talked over anybody.
3. Speech is sped up to ``max_speed`` at most, and slowed to ``min_speed`` at most to cover the
line. 4. It may run past the line's end, into silence, before it is sped up beyond comfort.
5. Nobody talks over another speaker who was not talked over before, as long as the silence around
the line and ``max_speed`` suffice; what is left over is kept small by both, and reported.
6. What still does not fit is sped up to ``hard_speed``, and reported.
7. What does not fit even then is not spoken: the original passes through, and the report says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from polydub.model import Decision, DecisionKind, Line, Placement, Span


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Comfort limits; times in seconds.

    ``rest`` is the silence kept before the same speaker's next line, ``overrun`` how far a take may
    comfortably pass its line's end, ``early`` how much earlier it may start when it must, ``late``
    how much later it may start when another speaker's take before it is not over yet. ``touch`` is
    by how much a take that was to end before another speaker begins may turn out longer.
    """

    min_speed: float = 0.85
    max_speed: float = 1.2
    hard_speed: float = 1.8
    rest: Fraction = Fraction(8, 100)
    overrun: Fraction = Fraction(6, 10)
    early: Fraction = Fraction(1, 2)
    late: Fraction = Fraction(1, 5)
    touch: Fraction = Fraction(5, 100)


@dataclass(frozen=True, slots=True)
class Slot:
    """The time around a line.

    ``earliest`` and ``latest`` are hard limits set by the same speaker's neighbours and the film;
    ``soft_end`` is where the take should end so that it does not run into anybody's next line.
    From ``quiet_from`` to ``quiet_until`` nobody else speaks who is not talked over by the line
    itself; without them these are ``earliest`` and ``latest``.
    """

    line: str
    speaker: str
    span: Span
    earliest: Fraction
    latest: Fraction
    soft_end: Fraction
    quiet_from: Fraction | None = None
    quiet_until: Fraction | None = None

    @property
    def quiet(self) -> Span:
        """Where the take disturbs nobody; it holds the line as far as the hard limits do."""
        first = self.earliest if self.quiet_from is None else self.quiet_from
        last = self.latest if self.quiet_until is None else self.quiet_until
        return Span(
            min(self.span.start, max(first, self.earliest)),
            max(self.span.start, min(last, self.latest)),
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """How one line is to be spoken: rate, first moment, and the longest duration it may have.

    ``over`` are the seconds for which it will talk over another speaker who was not talked over in
    the film. ``fits`` is false when no allowed rate is enough: the line keeps its original sound.
    """

    line: str
    speed: float
    start: Fraction
    room: Fraction
    notes: tuple[str, ...] = ()
    fits: bool = True
    over: Fraction = Fraction(0)


def find_slots(
    lines: Sequence[Line], duration: Fraction, options: FitOptions | None = None
) -> tuple[Slot, ...]:
    """The slots of all lines of positive length, in time order; ``duration`` is the film's."""
    options = options or FitOptions()
    usable = sorted(
        (line for line in lines if line.span.duration > 0 and line.span.start < duration),
        key=lambda line: (line.span, line.id),
    )
    next_own: dict[str, Fraction] = {}
    next_any = duration
    slots: list[Slot] = []
    for line in reversed(usable):
        start, end = line.span.start, min(line.span.end, duration)
        latest = min(next_own.get(line.speaker, duration + options.rest) - options.rest, duration)
        latest = max(start, latest)
        soft = min(latest, end + options.overrun, max(end, next_any))
        slot = Slot(line.id, line.speaker, Span(start, end), start, latest, max(start, soft))
        slots.append(replace(slot, quiet_until=max(end, next_any)))
        next_own[line.speaker] = start
        next_any = start
    return _with_earliest(tuple(reversed(slots)), options)


def _with_earliest(slots: tuple[Slot, ...], options: FitOptions) -> tuple[Slot, ...]:
    """Fill ``earliest`` and ``quiet_from``: a take may start early only into its speaker's own
    silence, and should only into everybody's."""
    previous: dict[str, Fraction] = {}
    filled = []
    for slot in slots:
        start = slot.span.start
        free = previous.get(slot.speaker, Fraction(0) - options.rest) + options.rest
        earliest = min(start, max(free, start - options.early))
        quiet = min(start, max([earliest, *previous.values()]))
        filled.append(replace(slot, earliest=earliest, quiet_from=quiet))
        previous[slot.speaker] = max(previous.get(slot.speaker, Fraction(0)), slot.span.end)
    return tuple(filled)


def fit_line(slot: Slot, natural: Fraction, options: FitOptions | None = None) -> Fit:
    """Rate and start for a line whose speech takes ``natural`` seconds at rate 1."""
    options = options or FitOptions()
    start = slot.span.start
    own = min(slot.span.end, slot.latest) - start
    soft = max(own, slot.soft_end - start)
    comfort = natural / Fraction(options.max_speed)
    quiet = slot.quiet
    room = min(slot.latest, quiet.end + options.touch) - start
    if natural <= own:
        return Fit(slot.line, max(options.min_speed, float(natural / own)), start, room)
    if comfort <= soft:
        target = own if comfort <= own else soft
        return Fit(slot.line, max(1.0, float(natural / target)), start, room)
    if comfort <= slot.latest - quiet.start:
        first = max(quiet.start, min(start, quiet.end - comfort))
        over = max(Fraction(0), first + comfort - quiet.end)
        notes = ("starts early",) if first < start else ()
        room = slot.latest - first if over else room + start - first
        return Fit(slot.line, options.max_speed, first, room, notes, over=over)
    return _fit_tight(slot, natural, comfort, options)


def _fit_tight(slot: Slot, natural: Fraction, comfort: Fraction, options: FitOptions) -> Fit:
    start = max(slot.earliest, min(slot.span.start, slot.latest - comfort))
    room = slot.latest - start
    notes = ["starts early"] if start < slot.span.start else []
    over = max(Fraction(0), min(comfort, room) - slot.quiet.duration)
    if comfort <= room:
        return Fit(slot.line, options.max_speed, start, room, tuple(notes), over=over)
    speed = float(natural / room) if room > 0 else float("inf")
    if speed > options.hard_speed:
        notes.append(f"does not fit: would need {options.hard_speed:g}x or more")
        return Fit(slot.line, options.hard_speed, start, room, tuple(notes), fits=False)
    notes.append(f"sped up {speed:.2f}x, beyond the {options.max_speed:g}x limit")
    return Fit(slot.line, speed, start, room, tuple(notes), over=over)


def fit_lines(
    lines: Sequence[Line],
    natural: Mapping[str, Fraction],
    duration: Fraction,
    options: FitOptions | None = None,
) -> dict[str, Fit]:
    """The fit of every line that has speech. ``natural`` maps a line to its seconds at rate 1.

    Guarantee: for two lines of one speaker, ``start + room`` of the first is at most the second's
    ``start``; every take stays inside ``[0, duration]``.
    """
    options = options or FitOptions()
    planned: list[tuple[Slot, Fraction]] = []
    busy: dict[str, Fraction] = {}
    last: dict[str, str] = {}
    fits: dict[str, Fit] = {}
    for slot in find_slots([x for x in lines if x.id in natural], duration, options):
        free = min(busy.get(slot.speaker, slot.earliest), slot.span.start)
        quiet = min(slot.span.start, max([slot.quiet.start, *_ends(slot, planned)]))
        slot = replace(slot, earliest=max(slot.earliest, free), quiet_from=quiet)
        fit = _after_others(slot, natural[slot.line], planned, options)
        before = last.get(slot.speaker)
        if before is not None:
            fits[before] = _ending_by(fits[before], fit.start)
        end = fit.start + _planned(fit, natural[slot.line])
        planned.append((slot, end))
        busy[slot.speaker] = end + options.rest
        last[slot.speaker] = slot.line
        fits[slot.line] = fit
    return fits


def _planned(fit: Fit, natural: Fraction) -> Fraction:
    """Seconds that the take will probably last."""
    return min(fit.room, natural / Fraction(fit.speed).limit_denominator(1000))


def _after_others(
    slot: Slot,
    natural: Fraction,
    before: Sequence[tuple[Slot, Fraction]],
    options: FitOptions,
) -> Fit:
    """The fit of a line, a little late where that spares two people from talking at once.

    ``before`` are the slots and ends of the takes so far. Only takes of others whose lines were
    over count, and only as much delay as still leaves the line a comfortable speed.
    """
    fit = fit_line(slot, natural, options)
    start = slot.span.start
    ends = [end for end in _ends(slot, before) if start < end]
    if not ends or fit.start < start or fit.speed > options.max_speed:
        return fit
    late = min(start + options.late, max(ends))
    if late >= min(slot.span.end, slot.latest):
        return fit
    moved = replace(slot, span=Span(late, slot.span.end), earliest=late)
    later = fit_line(moved, natural, options)
    comfortable = later.speed <= options.max_speed and later.fits and later.over <= fit.over
    return later if comfortable else fit


def _ends(slot: Slot, before: Sequence[tuple[Slot, Fraction]]) -> list[Fraction]:
    """Where the takes ``before`` end whose lines were others' and over when this one begins."""
    start, own = slot.span.start, slot.speaker
    return [end for one, end in before if one.speaker != own and one.span.end <= start]


def _ending_by(fit: Fit, time: Fraction) -> Fit:
    """The same fit with its room cut at ``time``."""
    return replace(fit, room=max(Fraction(0), min(fit.room, time - fit.start)))


def place(fit: Fit, seconds: Fraction, natural: Fraction) -> Placement:
    """Where a take of ``seconds`` lies; ``natural`` is its length at rate 1.

    Raises ``ValueError`` when the take is longer than its room: the caller has to speed it up.
    """
    if seconds > fit.room:
        raise ValueError(f"take of {float(seconds):.3f} s exceeds {float(fit.room):.3f} s")
    speed = float(natural / seconds) if seconds > 0 else 1.0
    return Placement(fit.line, Span(fit.start, fit.start + seconds), speed, fit.notes)


def talked_over(
    lines: Sequence[Line], placements: Mapping[str, Placement], least: Fraction = Fraction(1, 10)
) -> tuple[Decision, ...]:
    """Warnings for takes that talk over another speaker's take ``least`` seconds more than the
    source lines did: the translation is too long for the moment that it has."""
    placed = sorted((line for line in lines if line.id in placements), key=lambda x: x.span)
    decisions = []
    for index, line in enumerate(placed):
        own = placements[line.id].span
        for other in placed[index + 1 :]:
            if other.span.start > own.end + 5:
                break
            extra = own.overlap(placements[other.id].span) - line.span.overlap(other.span)
            if other.speaker != line.speaker and extra >= least:
                text = f"talks over {other.id} for {float(extra):.1f} s: a shorter text would not"
                decisions.append(Decision("fit", line.id, "warning", text, line.span))
    return tuple(decisions)


def fit_decisions(fits: Mapping[str, Fit], spans: Mapping[str, Span]) -> tuple[Decision, ...]:
    """What the report must say about fitting: every line that could not be comfortable."""
    decisions: list[Decision] = []
    for fit in fits.values():
        kind: DecisionKind = "warning" if fit.fits else "pass-through"
        decisions += [
            Decision("fit", fit.line, kind, note, spans.get(fit.line)) for note in fit.notes
        ]
    return tuple(decisions)
