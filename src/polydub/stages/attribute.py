"""Who says each line, and is the speaker seen? Sound, faces and text decide together, film-wide.

The film's speech is cut into atoms (:mod:`polydub.stages.joint_evidence`), the best assignment of
all atoms to voices and of voices to faces is searched (:mod:`polydub.stages.joint_model`,
:mod:`polydub.stages.joint_search`), and its words become lines, its atoms turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from polydub.model import (
    Decision,
    FaceTrack,
    Line,
    Person,
    Shot,
    Speaker,
    Transcript,
    Turn,
    Visibility,
    Voiceprint,
    Word,
    merge,
)
from polydub.stages.active_speaker import LogOdds
from polydub.stages.face_evidence import Faces, talking_from_motion
from polydub.stages.joint_clusters import starting_points
from polydub.stages.joint_confidence import (
    Confidence,
    LineEvidence,
    line_confidence,
    link_confidence,
)
from polydub.stages.joint_evidence import AtomOptions, VoiceEvidence
from polydub.stages.joint_model import (
    ModelOptions,
    emissions,
    face_totals,
    gather,
    link_lead,
    posteriors,
    second_emissions,
    sound_lead,
)
from polydub.stages.joint_names import NameOptions
from polydub.stages.joint_overlap import PairOptions, Spoken, pair_voices, with_overlap
from polydub.stages.joint_people import PeopleOptions, join_people
from polydub.stages.joint_scene import Film, Heard, make_film
from polydub.stages.joint_search import SearchOptions, Solution, solve
from polydub.stages.joint_text import TextOptions
from polydub.stages.joint_turns import (
    compared,
    silent_voices,
    turns_of,
    voices_by_speaker,
)
from polydub.stages.joint_visibility import SpokenLine, VisibilityOptions, visibility_of
from polydub.stages.lines import (
    LineOptions,
    VoiceLine,
    end_before_others,
    gather_sentences,
    lines_of_voices,
    spoken_words,
)
from polydub.stages.pins import Pins
from polydub.stages.voice_spread import SpreadOptions, alike_in_film


@dataclass(frozen=True, slots=True)
class AttributeOptions:
    """Settings of :func:`attribute`, part by part."""

    lines: LineOptions = field(default_factory=LineOptions)
    atoms: AtomOptions = field(default_factory=AtomOptions)
    text: TextOptions = field(default_factory=TextOptions)
    pairs: PairOptions = field(default_factory=PairOptions)
    names: NameOptions = field(default_factory=NameOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    spread: SpreadOptions = field(default_factory=SpreadOptions)
    people: PeopleOptions = field(default_factory=PeopleOptions)
    search: SearchOptions = field(default_factory=SearchOptions)
    visibility: VisibilityOptions = field(default_factory=VisibilityOptions)
    confidence: Confidence = field(default_factory=Confidence)


@dataclass(frozen=True, slots=True)
class Attribution:
    """Cast and lines of a film; ``turns`` are the final ones, their ``voice`` is a speaker's id.

    ``turns`` overlap where two speak, and cover speech without words as well; a voice without a
    recognised word is ``U1``, ``U2`` there. ``people`` are those given, where one voice showed two
    to be one joined under the id of the first. ``voice_of`` maps a speaker id to the diarization
    voice that is most his, ``voices_of`` to all that are: more than one when diarization had split
    him.
    """

    cast: tuple[Speaker, ...]
    lines: tuple[Line, ...]
    decisions: tuple[Decision, ...]
    voice_of: dict[str, str]
    voices_of: dict[str, tuple[str, ...]]
    turns: tuple[Turn, ...] = ()
    people: tuple[Person, ...] = ()


def attribute(
    transcript: Transcript,
    turns: Sequence[Turn],
    voiceprints: Mapping[str, Voiceprint],
    tracks: Sequence[FaceTrack],
    people: Sequence[Person],
    shots: Sequence[Shot],
    *,
    frame_time: Callable[[int], Fraction],
    rate: float,
    options: AttributeOptions | None = None,
    evidence: VoiceEvidence | None = None,
    talking: Mapping[str, LogOdds] | None = None,
    pins: Pins | None = None,
) -> Attribution:
    """Cast and lines; ids ``S1``, ``L001`` by time.

    ``frame_time`` gives the film time of a frame, ``rate`` frames per second. ``evidence``: the
    voiceprints of short windows; without it the ``turns`` stand for them. ``talking``: log-odds per
    frame that a track's face talks; without it the speed of the mouth decides. ``pins`` hold as
    hard constraints; one that cannot be kept is a decision. A line's ``confidence`` is the
    probability that its speaker is right, a speaker's that the link to his face is (or that he has
    none).
    """
    options = options or AttributeOptions()
    words = spoken_words(transcript)
    if evidence is not None:
        evidence = with_overlap(evidence, options.pairs)
    heard = Heard(words, turns, voiceprints, evidence, transcript.language)
    if not heard.words and not turns and not heard.evidence().speech:
        return Attribution((), (), (), {}, {}, people=tuple(people))
    if evidence is not None:
        alike = alike_in_film(evidence, options.model.alike, options.spread)
        options = replace(options, model=replace(options.model, alike=alike))
    motion = talking if talking is not None else talking_from_motion(tracks, rate)

    def decide(people: Sequence[Person]) -> _Result:
        faces = Faces(tracks, people, shots, frame_time, rate)
        return _decide(heard, faces, motion, pins or Pins(), options)

    result = decide(people)
    joined, decisions = result.joined_people(tracks, people)
    if decisions:
        result = decide(joined)
    return result.attribution(joined, decisions)


def _decide(
    heard: Heard,
    faces: Faces,
    talking: Mapping[str, LogOdds],
    pins: Pins,
    options: AttributeOptions,
) -> _Result:
    film = make_film(
        heard,
        faces,
        talking,
        pins,
        atom_options=options.atoms,
        text_options=options.text,
        pair_options=options.pairs,
        name_options=options.names,
    )
    starts = starting_points(
        film.scene, film.breaks, film.atoms, heard.turns, options.search.clusters
    )
    solution = solve(film.scene, starts, options.model, options.search)
    return _Result(heard, faces, film, solution, options)


class _Result:
    """The solution in the words of the script."""

    def __init__(
        self,
        heard: Heard,
        faces: Faces,
        film: Film,
        solution: Solution,
        options: AttributeOptions,
    ) -> None:
        self._heard, self._faces, self._film = heard, faces, film
        self._options = options
        self._labels = solution.labels
        scene, n = film.scene, solution.n_voices
        self._voices = gather(scene, solution.labels, n, options.model)
        self._totals = face_totals(scene, solution.labels, n)
        self._scores = emissions(scene, self._voices, options.model)
        heat = options.confidence.temperature
        self._posteriors = posteriors(scene, self._scores, temperature=heat)
        self._atom_of = {
            atom.word: at for at, atom in enumerate(film.atoms) if atom.word is not None
        }
        self._words: list[Word] = []  # those of the lines; they may end earlier than heard
        self._said = self._voice_lines()
        spoken = list(dict.fromkeys(int(line.voice) for line in self._said))
        self._ids = {voice: f"S{number}" for number, voice in enumerate(spoken, 1)}
        self._persons = {self._ids[voice]: self._person(voice) for voice in spoken}
        self._names = scene.calls.proposals(solution.labels, n)

    def joined_people(
        self, tracks: Sequence[FaceTrack], people: Sequence[Person]
    ) -> tuple[tuple[Person, ...], list[Decision]]:
        """The people, with faces joined that one voice speaks with."""
        linked, ids = self._voices.people, self._film.people
        return join_people(self._totals, linked, ids, tracks, people, self._options.people)

    def attribution(self, people: tuple[Person, ...], joined: Sequence[Decision]) -> Attribution:
        """All of it."""
        turns = self._turns()
        cast_turns = [turn for turn in turns if turn.voice in self._persons]
        voices_of = voices_by_speaker(self._heard.turns, cast_turns, list(self._persons))
        return Attribution(
            cast=tuple(self._speaker(voice) for voice in self._ids),
            lines=tuple(self._lines()),
            decisions=(
                *self._film.decisions,
                *joined,
                *compared(self._heard.turns, cast_turns, voices_of, self._persons),
                *silent_voices(turns, set(self._persons)),
            ),
            voice_of={speaker: voices[0] for speaker, voices in voices_of.items() if voices},
            voices_of=voices_of,
            turns=turns,
            people=people,
        )

    def _voice_lines(self) -> list[VoiceLine]:
        words = list(self._heard.words)
        decoded = [str(self._labels[self._atom_of[at]]) for at in range(len(words))]
        gathered, tied = gather_sentences(words, decoded, self._options.lines)
        forced = self._film.scene.forced
        voices = [
            decoded[at] if forced[self._atom_of[at]] >= 0 else gathered[at]
            for at in range(len(words))
        ]
        self._words = end_before_others(words, voices, merge(self._film.voices.speech))
        kept = frozenset(self._words[at] for at, word in enumerate(words) if word in tied)
        return lines_of_voices(self._words, voices, kept, self._options.lines)

    def _turns(self) -> tuple[Turn, ...]:
        """Turns of the cast and, as ``U1``, ``U2`` …, of voices without a recognised word."""
        names = dict(self._ids)
        for voice in dict.fromkeys(self._labels.tolist()):
            names.setdefault(voice, f"U{len(names) - len(self._ids) + 1}")
        atoms = self._film.atoms
        spoken = [(atom.span, int(at)) for atom, at in zip(atoms, self._labels, strict=True)]
        spoken += pair_voices(self._film.shared, self._spoken(), self._options.pairs)
        return turns_of([(span, names[voice]) for span, voice in spoken])

    def _spoken(self) -> Spoken:
        talks = self._film.scene.talks
        mouths = np.zeros((len(self._labels), len(self._voices.counts)))
        linked = self._voices.people >= 0
        mouths[:, linked] = talks[:, self._voices.people[linked]]
        spans = [atom.span for atom in self._film.atoms]
        model = self._options.model
        second = second_emissions(self._film.scene, self._voices, self._labels, model)
        return Spoken(spans, self._labels, mouths, second, self._film.voices)

    def _person(self, voice: int) -> str | None:
        person = int(self._voices.people[voice])
        return self._film.people[person] if person >= 0 else None

    def _speaker(self, voice: int) -> Speaker:
        identifier = self._ids[voice]
        lead = link_lead(self._film.scene, self._totals, voice, self._options.model)
        met = bool((self._totals[voice] != 0).any())
        sure = link_confidence(lead, met, self._options.confidence)
        name, likely = self._names.get(voice, (f"Speaker {identifier[1:]}", None))
        return Speaker(
            id=identifier,
            name=name,
            name_confidence=round(likely, 3) if likely is not None else None,
            person=self._persons[identifier],
            confidence=round(sure, 3),
        )

    def _lines(self) -> list[Line]:
        index = {id(word): at for at, word in enumerate(self._words)}
        atoms_of = [[self._atom_of[index[id(word)]] for word in x.words] for x in self._said]
        seen = self._visibility(atoms_of)
        found = []
        for number, (line, atoms) in enumerate(zip(self._said, atoms_of, strict=True), 1):
            voice = int(line.voice)
            confidence = self._confidence(voice, atoms)
            found.append(
                Line(
                    id=f"L{number:03d}",
                    speaker=self._ids[voice],
                    span=line.span,
                    text=line.text,
                    words=line.words,
                    visibility=seen[number - 1],
                    confidence=round(confidence, 3),
                )
            )
        return found

    def _visibility(self, atoms_of: list[list[int]]) -> list[Visibility]:
        talks = self._film.scene.talks
        lines = [
            SpokenLine(
                self._ids[int(line.voice)],
                line.span,
                float(talks[atoms].sum(axis=0).max(initial=0.0)),
            )
            for line, atoms in zip(self._said, atoms_of, strict=True)
        ]
        return visibility_of(lines, self._persons, self._faces, self._options.visibility)

    def _confidence(self, voice: int, atoms: list[int]) -> float:
        person = int(self._voices.people[voice])
        mouth = float(self._film.scene.talks[atoms, person].sum()) if person >= 0 else 0.0
        seconds = [max(0.02, float(self._film.atoms[at].span.duration)) for at in atoms]
        # where two speak at once, either may be the one whose words were recognised
        own = self._posteriors[atoms, voice] * (1 - self._film.overlap[atoms] / 2)
        sound = sound_lead(self._film.scene, self._voices, atoms, voice, self._options.model)
        known = LineEvidence(float(np.average(own, weights=seconds)), sound, mouth)
        return line_confidence(known, self._options.confidence)
