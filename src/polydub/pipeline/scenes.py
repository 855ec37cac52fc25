"""Right of the Script, another way: whole scenes are dubbed at once and cut into takes. Cached."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from polydub.engines.protocols import Dubber
from polydub.errors import EngineError
from polydub.media.audio import open_waveform, write_waveform
from polydub.media.tempo import stretched
from polydub.model import (
    Decision,
    FaceTrack,
    Line,
    Placement,
    Script,
    Span,
    Take,
    VoiceChoice,
    Waveform,
)
from polydub.model.cues import LineCues
from polydub.model.scene import Scene, SceneFace, SceneLine
from polydub.model.terms import spoken_text
from polydub.pipeline.analysis import VERSION, Analysis, frames_of
from polydub.pipeline.profiles import Profiles, speaker_profiles
from polydub.pipeline.run import Run
from polydub.pipeline.takes import Spoken
from polydub.project.artifacts import load, save
from polydub.project.cache import digest
from polydub.stages import clues, scenes
from polydub.stages.clues import write_clue
from polydub.stages.scenes import (
    LinePart,
    ScenePlan,
    best_speed,
    cut_scene,
    plan_scenes,
    spread_phones,
)

FACES_PER_SECOND = 5
"""As often as the model's own tools look for faces."""
CLOCK = 25
"""Frames a second that faces are counted in."""
FACES = "faces-2"
"""Part of every key: raise it when the faces of a scene come out otherwise."""
TOO_LONG = "the scene does not fit into its time"


def scene_profiles(run: Run, analysis: Analysis, script: Script) -> Profiles:
    """What every speaker sounds like; nobody is cast, for the engine takes the voices itself."""
    with run.stage("cast", total=len(script.cast)) as progress:
        profiles = speaker_profiles(run, analysis, script)
        for speaker in script.cast:
            progress.step(speaker.id)
    return profiles


def speak_scenes(
    run: Run,
    analysis: Analysis,
    script: Script,
    profiles: Profiles,
    cues: Mapping[str, LineCues],
    language: str,
) -> dict[str, Spoken]:
    """A take for every line that has a translation and a voice; the others keep their sound."""
    lines = _lines_to_speak(run, script, profiles, language)
    if not lines:
        return {}
    dubber: Dubber = run.engines.get("dubbing")
    plans = plan_scenes(list(lines.values()), script.duration, most_voices=dubber.most_voices)
    looking = SceneFaces(run, analysis, script)
    spoken: dict[str, Spoken] = {}
    with run.stage("speak", total=len(plans)) as progress:
        for plan in plans:
            request = _request(plan, analysis, script, profiles, cues, language)
            try:
                made, cached = _best_made(run, plan, request, profiles, looking)
            except EngineError as error:
                _pass_through(run, plan.lines, error.message)
                progress.step(plan.lines[0].id)
                continue
            _take_in(run, plan, made, spoken)
            progress.step(plan.lines[0].id, cached=cached)
    return spoken


def _best_made(
    run: Run, plan: ScenePlan, request: Scene, profiles: Profiles, looking: SceneFaces
) -> tuple[_Made, bool]:
    """The first of ``--takes`` attempts that says every line and fits; else the first of all.

    Raises ``EngineError`` when not even the first attempt can be made.
    """
    first = None
    for attempt in range(run.options.takes):
        try:
            own = replace(request, attempt=attempt)
            made, cached = _made(run, plan, own, profiles, looking)
        except EngineError:
            if first is None:
                raise
            break
        first = first or (made, cached)
        parts = cut_scene(made.audio, plan)
        if len(parts) == len(plan.lines) and _speed(run, plan, parts) is not None:
            return made, cached
    assert first is not None
    return first


def _speed(run: Run, plan: ScenePlan, parts: Sequence[LinePart]) -> Fraction | None:
    """By how much a scene's speech is to be sped up; ``None`` when it is too long for its room."""
    end = max((part.start + part.audio.duration for part in parts), default=plan.span.start)
    return best_speed(end - plan.span.start, plan.room, run.options.max_speed)


def _lines_to_speak(
    run: Run, script: Script, profiles: Profiles, language: str
) -> dict[str, SceneLine]:
    """What is said, by line id; a line whose speaker has no recording is left as it is."""
    genders = {speaker.id: speaker.gender for speaker in script.cast}
    found: dict[str, SceneLine] = {}
    for line in script.lines:
        text = spoken_text(line, language)
        if not text or line.span.duration <= 0:
            continue
        gender = genders.get(line.speaker)
        own = SceneLine(
            line.id,
            line.speaker,
            text,
            line.span,
            gender if gender in ("female", "male") else None,
        )
        if line.speaker in profiles.references:
            found[line.id] = own
        else:
            _pass_through(run, [own], "there is no recording of the speaker to take the voice from")
    return found


def _request(
    plan: ScenePlan,
    analysis: Analysis,
    script: Script,
    profiles: Profiles,
    cues: Mapping[str, LineCues],
    language: str,
) -> Scene:
    """The scene without its faces: these are looked up only when it has to be made."""
    visible = {line.id: line.visibility for line in script.lines}
    return Scene(
        span=plan.span,
        language=language,
        lines=plan.lines,
        references={
            name: profiles.references[name]
            for name in sorted({line.speaker for line in plan.lines})
        },
        clue=write_clue(plan.lines, cues, language=language),
        narrated=all(visible[line.id] == "narration" for line in plan.lines),
        room=plan.room,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A scene's speech on disk and what was noted about it."""

    folder: Path
    audio: Waveform
    notes: tuple[str, ...]


def _made(
    run: Run, plan: ScenePlan, request: Scene, profiles: Profiles, looking: SceneFaces
) -> tuple[_Made, bool]:
    told = (request.span, request.language, request.lines, request.clue, request.narrated)
    parts = (
        (VERSION, scenes.VERSION, clues.VERSION, run.engines.identity("dubbing")),
        (*told, plan.room, request.attempt, profiles.key, looking.key(plan.lines)),
    )

    def make(work: Path) -> None:
        scene = replace(request, faces=tuple(looking.of(plan.lines, plan.span.start)))
        speech = run.engines.get("dubbing").dub(scene)
        write_waveform(work / "scene.wav", speech.audio)
        save(work / "notes.json", speech.notes)

    folder, cached = run.ensure("scene", *parts, make=make)
    notes: tuple[str, ...] = load(folder / "notes.json", tuple[str, ...])
    return _Made(folder, open_waveform(folder / "scene.wav"), notes), cached


def _take_in(run: Run, plan: ScenePlan, made: _Made, spoken: dict[str, Spoken]) -> None:
    """Cut a scene's speech into takes, a little faster where it is too long for its room."""
    for note in made.notes:
        run.decide(Decision("speak", plan.lines[0].id, "warning", note, plan.span))
    parts = cut_scene(made.audio, plan)
    speed = _speed(run, plan, parts)
    if speed is None:
        _pass_through(run, plan.lines, TOO_LONG)
        return
    heard = {part.line: part for part in parts}
    for line in plan.lines:
        if line.id in heard:
            spoken[line.id] = _take(run, plan, line, heard[line.id], (speed, made.folder.name))
        else:
            _pass_through(run, [line], "the dubbing engine said nothing for this line")


def _take(
    run: Run, plan: ScenePlan, line: SceneLine, part: LinePart, how: tuple[Fraction, str]
) -> Spoken:
    speed, key = how

    def make(work: Path) -> None:
        audio = part.audio
        if speed > 1:
            audio = stretched(audio, audio.duration / speed)
        write_waveform(work / "take.wav", audio)

    folder, _ = run.ensure("take", VERSION, scenes.VERSION, key, line.id, speed, make=make)
    audio = open_waveform(folder / "take.wav")
    start = plan.span.start + (part.start - plan.span.start) / speed
    choice = VoiceChoice(run.engines.name("dubbing"), "reference")
    phones = spread_phones(line.text, audio)
    take = Take(line.id, audio, phones, choice, speed=round(float(speed), 3))
    placement = Placement(line.id, Span(start, start + audio.duration), float(speed))
    return Spoken(take, placement, folder)


class SceneFaces:
    """The faces of those who speak in a scene, five a second; decoded when asked for."""

    def __init__(self, run: Run, analysis: Analysis, script: Script) -> None:
        self._analysis = analysis
        people = {speaker.id: speaker.person for speaker in script.cast}
        names = {person.id: set(person.tracks) for person in script.people}
        self._lines: dict[str, Line] = {line.id: line for line in script.lines}
        self._tracks_of = {
            speaker: names.get(person or "", set()) for speaker, person in people.items()
        }
        self._tracks: dict[str, FaceTrack] | None = None

    def key(self, lines: Sequence[SceneLine]) -> str:
        """What the faces depend on."""
        shown = [(x.id, self._lines[x.id].visibility) for x in lines]
        tracks = [sorted(self._tracks_of.get(line.speaker, ())) for line in lines]
        return digest(FACES, self._analysis.picture.key, shown, tracks)

    def of(self, lines: Sequence[SceneLine], start: Fraction) -> Iterator[SceneFace]:
        """The faces during ``lines``, by time; ``start`` is when their scene begins.

        They are looked at on the model's clock of 25 frames a second, which begins with the scene:
        on every fifth of its frames from a line's start on, whatever the film's own rate. So none
        of the frames between is empty, and a face is what the film shows at that very moment.
        """
        if self._tracks is None:
            self._tracks = {track.id: track for track in self._analysis.picture.tracks()}
        video = self._analysis.video
        wanted: dict[Fraction, tuple[int, FaceTrack]] = {}
        for line in lines:
            if self._lines[line.id].visibility != "on-screen":
                continue
            names = sorted(self._tracks_of.get(line.speaker, ()))
            own = [self._tracks[name] for name in names if name in self._tracks]
            first, last = (math.ceil((x - start) * CLOCK) for x in (line.span.start, line.span.end))
            for tick in range(first, last, CLOCK // FACES_PER_SECOND):
                time = start + Fraction(tick, CLOCK)
                frame = video.frame_at(time)
                for track in own:
                    if frame in track.frames:
                        wanted[time] = (frame, track)
        yield from self._cropped(sorted(wanted.items(), key=lambda item: item[0]))

    def _cropped(self, wanted: Sequence[tuple[Fraction, Any]]) -> Iterator[SceneFace]:
        video = self._analysis.video
        with frames_of(self._analysis.source, video) as frames:
            shown, image = -1, None
            for time, (frame, track) in wanted:
                if image is None or frame != shown:
                    shown, image = next(iter(frames.glance(frame, frame + 1)))
                box = track.boxes[frame - track.first]
                left, top, right, bottom = (max(0, round(float(x))) for x in box)
                pixels = image[top:bottom, left:right]
                if pixels.size:
                    yield SceneFace(time, np.ascontiguousarray(pixels))


def _pass_through(run: Run, lines: Sequence[SceneLine], reason: str) -> None:
    run.decide(*(Decision("speak", x.id, "pass-through", reason, x.span) for x in lines))
