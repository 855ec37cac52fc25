"""From words, voices, faces and pins to the arrays of the joint model, and its starting points."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polydub.model import Decision, Span, Turn, Voiceprint, Word, merge
from polydub.stages.active_speaker import LogOdds
from polydub.stages.face_evidence import Faces
from polydub.stages.joint_evidence import (
    Atom,
    AtomOptions,
    VoiceEvidence,
    change_odds,
    evidence_from_turns,
    face_sums,
    make_atoms,
    overlap_probability,
    voice_sums,
)
from polydub.stages.joint_model import Floats, Scene
from polydub.stages.joint_names import NameOptions, calls_of
from polydub.stages.joint_overlap import PairOptions, pair_spans
from polydub.stages.joint_text import TextOptions, change_prices
from polydub.stages.pins import Pins, handles
from polydub.stages.spoken_names import spoken_names


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """All that is known of the sound: words by time, audio-only turns and voices, windows.

    ``language`` is the words' (BCP-47).
    """

    words: Sequence[Word]
    turns: Sequence[Turn]
    voiceprints: Mapping[str, Voiceprint]
    voices: VoiceEvidence | None = None
    language: str = "und"

    def evidence(self) -> VoiceEvidence:
        """The windows, or what the turns amount to."""
        return self.voices or evidence_from_turns(self.turns, self.voiceprints)


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """The atoms of a film and their arrays; ``people`` names the columns of the faces.

    ``shared``: spans in which two voices speak, with their probability, and ``overlap [atoms]`` the
    same per atom. ``breaks [atoms]``: where a run of speech may begin. ``handles``: the names of
    the pinned voices ``0, 1, …``.
    """

    atoms: list[Atom]
    scene: Scene
    voices: VoiceEvidence
    people: tuple[str, ...]
    shared: tuple[tuple[Span, float], ...]
    overlap: Floats
    breaks: npt.NDArray[np.bool_]
    handles: tuple[str, ...]
    decisions: tuple[Decision, ...]


def make_film(
    heard: Heard,
    faces: Faces,
    talking: Mapping[str, LogOdds],
    pins: Pins,
    *,
    atom_options: AtomOptions,
    text_options: TextOptions,
    pair_options: PairOptions,
    name_options: NameOptions | None = None,
) -> Film:
    """The arrays of a film."""
    voices = heard.evidence()
    speech = voices.speech or merge(turn.span for turn in heard.turns)
    shared = pair_spans(voices, pair_options)
    cuts = [shot.span.start for shot in faces.shots[1:]]
    edges = [edge for turn in heard.turns for edge in (turn.span.start, turn.span.end)]
    edges += [edge for span, _ in shared for edge in (span.start, span.end)]
    edges += [edge for pin in handles(pins).lines for edge in (pin.span.start, pin.span.end)]
    atoms = make_atoms(heard.words, speech, [*edges, *cuts], atom_options)
    people = faces.people
    overlap = overlap_probability(atoms, shared)
    sums, counts = voice_sums(atoms, voices, atom_options)
    mixed = 1.0 - atom_options.mixed * overlap  # a print of two voices tells less about either
    sums, counts = sums * mixed[:, None], counts * mixed
    talks, seen = face_sums(atoms, faces, talking, people, atom_options)
    by_ear = change_odds(atoms, voices.activity)
    change, stay = change_prices(atoms, heard.words, by_ear, cuts, text_options, overlap=shared)
    free = np.full(len(atoms), -1, dtype=np.int64)
    mentions = spoken_names(heard.words, heard.language)
    calls = calls_of(atoms, mentions, name_options or NameOptions())
    scene = Scene(sums, counts, talks, seen, change, stay, free, calls=calls)
    scene, names, decisions = _pin(scene, atoms, faces, pins)
    return Film(
        atoms, scene, voices, people, shared, overlap, _breaks(atoms, scene), names, decisions
    )


def _breaks(atoms: Sequence[Atom], scene: Scene) -> npt.NDArray[np.bool_]:
    breaks = scene.change - scene.stay < 2.5
    for at in range(1, len(atoms)):
        breaks[at] |= atoms[at].span.start - atoms[at - 1].span.end > Fraction(3, 10)
    return np.asarray(breaks)


def _pin(
    scene: Scene, atoms: Sequence[Atom], faces: Faces, pins: Pins
) -> tuple[Scene, tuple[str, ...], tuple[Decision, ...]]:
    """``scene`` with the pins as constraints, the handles of its pinned voices, and what fails."""
    if not pins:
        return scene, (), ()
    pins = handles(pins)
    forced = scene.forced.copy()
    names: list[str] = []
    decisions: list[Decision] = []
    for pin in pins.lines:
        inside = _atoms_in(atoms, pin.span)
        free = [at for at in inside if forced[at] < 0]
        if not free:
            why = "another pin holds there" if inside else "nobody speaks there"
            decisions.append(_refused(f"the line pinned to {pin.speaker}", why, pin.span))
            continue
        if pin.speaker not in names:
            names.append(pin.speaker)
        forced[free] = names.index(pin.speaker)
    speakers = pins.speakers
    if speakers is not None and speakers < len(names):
        why = f"the pinned lines name {len(names)} speakers"
        decisions.append(_refused(f"the number of speakers ({speakers})", why))
        speakers = len(names)
    scene = replace(scene, forced=forced, speakers=speakers)
    people = _pin_people(scene, atoms, faces, pins, names, decisions)
    scene = replace(scene, pinned=len(names), person_of=people)
    return scene, tuple(names), tuple(decisions)


def _atoms_in(atoms: Sequence[Atom], span: Span) -> list[int]:
    """Atoms of which at least half lies in ``span``, or that hold more than half of it.

    The latter is a short word: its atom reaches up to its neighbours.
    """
    starts = [atom.span.start for atom in atoms]
    first = max(0, bisect_left(starts, span.start) - 1)
    return [
        at
        for at in range(first, bisect_left(starts, span.end))
        if 2 * atoms[at].span.overlap(span) >= atoms[at].span.duration > 0
        or 2 * atoms[at].span.overlap(span) > span.duration
        or (atoms[at].span.duration == 0 and atoms[at].span.start in span)
    ]


def _pin_people(
    scene: Scene,
    atoms: Sequence[Atom],
    faces: Faces,
    pins: Pins,
    names: list[str],
    decisions: list[Decision],
) -> dict[int, int]:
    """Person by pinned voice; a voice that only a person pin speaks of gets a handle here."""
    found: dict[int, int] = {}
    for number, pin in enumerate(pins.people, 1):
        inside = [at for span in pin.spans for at in _atoms_in(atoms, span)]
        known = [int(scene.forced[at]) for at in inside if scene.forced[at] >= 0]
        unit = f"the person {pin.person or 'none'}"
        person = _person_index(faces, pin.person, pin.track)
        if not inside:
            decisions.append(_refused(unit, "nobody speaks there"))
        elif person is None:
            decisions.append(_refused(unit, "there is no such person"))
        elif person >= 0 and person in found.values():
            decisions.append(_refused(unit, "this person is another pinned speaker's"))
        else:
            if not known:
                names.append(f"person pin {number}")
                scene.forced[inside] = len(names) - 1
            voice = max(sorted(set(known)), key=known.count) if known else len(names) - 1
            found[voice] = person
    return found


def _person_index(faces: Faces, person: str | None, track: str | None) -> int | None:
    """Column of a person, -1 for nobody, ``None`` when there is no such person."""
    if person is None:
        return -1
    by_track = faces.person_by_track(track) if track else None
    name = by_track or person
    return faces.people.index(name) if name in faces.people else None


def _refused(what: str, why: str, span: Span | None = None) -> Decision:
    reason = f"{what} cannot be kept as pinned: {why}"
    return Decision("attribute", "pins", "warning", reason, span)
