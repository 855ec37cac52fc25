"""From words, voices and faces to the project's script, and keeping a person's edits to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image as Picture

from polydub.errors import InputError
from polydub.media.audio import open_waveform
from polydub.media.frames import FrameSource
from polydub.model import (
    Decision,
    FaceTrack,
    Line,
    Person,
    Script,
    Source,
    Span,
    Speaker,
    Transcript,
    Turn,
    Waveform,
    to_milliseconds,
)
from polydub.pipeline.analysis import VERSION, Sound
from polydub.pipeline.analysis import Picture as Seen
from polydub.pipeline.run import Run
from polydub.project.artifacts import load, save
from polydub.project.cache import digest
from polydub.project.script_file import read_script, script_problems, write_script
from polydub.stages.attribute import Attribution, attribute
from polydub.stages.diarize import Diarization, DiarizeOptions, diarize
from polydub.stages.people import best_thumbnail
from polydub.stages.references import choose_references, speaker_hints

SURE_OF_GENDER = 0.3
"""Below this confidence a guessed gender would mislead casting more often than it helps."""


def find_voices(run: Run, source: Source, sound: Sound, speech: tuple[Span, ...]) -> Diarization:
    """Turns and voiceprints."""
    options = DiarizeOptions(speakers=run.options.speakers)
    audio = open_waveform(sound.speech)

    def make(work: Path) -> None:
        embedder = run.engines.get("voiceprint")
        save(work / "voices.json", diarize(audio, speech, embedder, options=options))

    with run.stage("diarize") as progress:
        folder, cached = run.ensure(
            "diarize",
            VERSION,
            source.digest,
            run.engines.identity("separate"),
            run.engines.identity("voiceprint"),
            speech,
            options,
            make=make,
        )
        progress.step("film", cached=cached)
    voices: Diarization = load(folder / "voices.json", Diarization)
    return voices


def build_script(
    run: Run, source: Source, sound: Sound, seen: Seen, transcript: Transcript, voices: Diarization
) -> Script:
    """The script as the machine sees it; nothing of it is written yet."""
    video = source.video
    assert video is not None
    with run.stage("attribute") as progress:
        attribution = attribute(
            transcript,
            voices.turns,
            voices.voiceprints,
            seen.tracks(),
            seen.people,
            seen.shots,
            frame_time=video.frame_time,
            rate=float(video.average_rate),
        )
        run.decide(*attribution.decisions)
        cast = _with_references(attribution, voices, transcript, open_waveform(sound.speech))
        progress.step("film")
    if not attribution.lines:
        run.decide(Decision("transcribe", "film", "pass-through", "no speech was found"))
    return Script(
        source=Path(source.path).name,
        digest=source.digest,
        duration=source.duration,
        language=transcript.language,
        cast=cast,
        lines=tuple(_in_milliseconds(line) for line in attribution.lines),
        people=seen.people,
    )


def _whole(span: Span) -> Span:
    """The span with both ends on whole milliseconds: finer times are noise and hard to edit."""
    return Span(to_milliseconds(span.start), to_milliseconds(span.end))


def _in_milliseconds(line: Line) -> Line:
    words = tuple(
        replace(word, span=_whole(word.span), probability=round(word.probability, 3))
        for word in line.words
    )
    return replace(line, span=_whole(line.span), words=words)


def _with_references(
    attribution: Attribution, voices: Diarization, transcript: Transcript, audio: Waveform
) -> tuple[Speaker, ...]:
    main = {old: own[0] for own in attribution.voices_of.values() for old in own}
    turns = [Turn(turn.span, main.get(turn.voice, turn.voice)) for turn in voices.turns]
    cast = []
    for speaker in attribution.cast:
        voice = attribution.voice_of[speaker.id]
        spans = choose_references(turns, transcript.words, audio, voice)
        hints = speaker_hints(audio, spans)
        cast.append(
            replace(
                speaker,
                references=tuple(_whole(span) for span in spans),
                pitch_hz=round(hints.pitch_hz, 1) if hints.pitch_hz else None,
                gender=hints.gender if hints.confidence >= SURE_OF_GENDER else None,
            )
        )
    return tuple(cast)


def settle_script(run: Run, fresh: Script, key: str) -> Script:
    """The script to work with: the one on disk when there is one, else ``fresh``, written to disk.

    A script that a person edited is never overwritten: when the analysis changed as well, the
    edited one is kept and the report says so.
    """
    project = run.project
    path = project.script_path
    if not path.exists():
        return keep_script(run, fresh, key)
    script = read_script(path)
    if script.digest != fresh.digest:
        raise InputError(
            f"{path} was made for another video.",
            hint="Give another folder with --project, or move the script away.",
            code="DUB-E303",
        )
    if project.state.analysis_key == key:
        return script
    if digest(path.read_text(encoding="utf-8")) == project.state.script_digest:
        return keep_script(run, fresh, key)
    note = "the analysis changed but script.json was edited by hand: the edited script is kept"
    run.decide(Decision("attribute", "film", "warning", note))
    return script


def keep_script(run: Run, script: Script, key: str) -> Script:
    """Write ``script`` and remember that the machine wrote it."""
    project = run.project
    edited = project.script_path.exists() and (
        digest(project.script_path.read_text(encoding="utf-8")) != project.state.script_digest
    )
    write_script(project.script_path, script)
    project.state.analysis_key = key
    if not edited:  # once a person has edited it, it stays marked as edited
        text = project.script_path.read_text(encoding="utf-8")
        project.state.script_digest = digest(text)
    project.save()
    return script


def report_problems(run: Run, script: Script) -> None:
    """Record what is odd about the script (zero-length lines, lines past the end)."""
    for problem in script_problems(script):
        unit, _, text = problem.partition(": ")
        run.decide(Decision("attribute", unit, "warning", text or problem))


def make_thumbnails(
    run: Run, source: Source, people: tuple[Person, ...], tracks: tuple[FaceTrack, ...], key: str
) -> dict[str, bytes]:
    """A small JPEG of every person's best frame, by person id."""

    def make(work: Path) -> None:
        video = source.video
        assert video is not None
        with FrameSource(Path(source.path), video, source.start) as frames:
            for person in people:
                _write_thumbnail(frames, person, tracks, work)

    folder, _ = run.ensure("thumbnails", VERSION, key, people, make=make)
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.jpg"))}


def _write_thumbnail(
    frames: FrameSource, person: Person, tracks: tuple[FaceTrack, ...], work: Path
) -> None:
    own = [track for track in tracks if track.id in person.tracks]
    best = best_thumbnail(own)
    if best is None:
        return
    index, (left, top, right, bottom) = best
    for _, image in frames.read(index, index + 1):
        picture = Picture.fromarray(image)
        margin = 0.35 * max(right - left, bottom - top)
        crop = picture.crop(
            (
                max(0, round(left - margin)),
                max(0, round(top - margin)),
                min(picture.width, round(right + margin)),
                min(picture.height, round(bottom + margin)),
            )
        )
        crop.thumbnail((192, 192))
        crop.save(work / f"{person.id}.jpg", quality=88)
