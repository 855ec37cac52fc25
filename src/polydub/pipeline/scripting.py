"""From words, voices and faces to the script as the machine sees it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from PIL import Image as Picture

from polydub.media.audio import open_waveform
from polydub.media.frames import FrameSource
from polydub.model import (
    Decision,
    FaceTrack,
    Line,
    Person,
    Script,
    Source,
    Speaker,
    Transcript,
    Turn,
    Waveform,
)
from polydub.pipeline.analysis import VERSION, Sound
from polydub.pipeline.analysis import Picture as Seen
from polydub.pipeline.hearing import Heard
from polydub.pipeline.mouths import watch_mouths
from polydub.pipeline.run import Run
from polydub.project.artifacts import load, save
from polydub.project.script_file import script_problems
from polydub.stages.attribute import Attribution, attribute
from polydub.stages.diarize import Diarization
from polydub.stages.joint_evidence import VoiceEvidence
from polydub.stages.joint_turns import wordless_turns
from polydub.stages.people import best_thumbnail
from polydub.stages.pins import Pins
from polydub.stages.references import Reference, Scene, find_references
from polydub.stages.sound_edges import open_pauses
from polydub.stages.speaker_attributes import SpeakerAttributes, speaker_attributes

SURE_OF_GENDER = 0.3
"""Below this confidence a guessed gender would mislead casting more often than it helps."""


def build_script(
    run: Run,
    source: Source,
    layers: tuple[Sound, Seen],
    heard: Heard,
    voices: Diarization,
    pins: Pins,
) -> Script:
    """The script as the machine sees it; nothing of it is written yet."""
    sound, seen = layers
    video = source.video
    assert video is not None
    transcript = heard.transcript
    with run.stage("attribute") as progress:
        tracks = seen.tracks()
        attribution = attribute(
            transcript,
            voices.turns,
            voices.voiceprints,
            tracks,
            seen.people,
            seen.shots,
            frame_time=video.frame_time,
            rate=float(video.average_rate),
            evidence=_voice_evidence(heard, voices),
            talking=watch_mouths(run, source, sound, seen, tracks),
            pins=pins,
        )
        run.decide(*attribution.decisions)
        found = _find_references(run, source, sound, attribution.turns, transcript)
        audio = open_waveform(sound.speech)
        cast = _with_references(attribution, found, transcript.language, audio)
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
        people=attribution.people or seen.people,
        wordless=tuple(
            Turn(turn.span.whole_milliseconds(), turn.voice)
            for turn in wordless_turns(attribution.turns, attribution.lines)
        ),
    )


def _voice_evidence(heard: Heard, voices: Diarization) -> VoiceEvidence | None:
    if not voices.windows:
        return None
    return VoiceEvidence(
        windows=voices.windows,
        prints=voices.prints,
        activity=heard.mixture or heard.activity,
        overlap=None if heard.mixture else tuple((span, 1.0) for span in voices.overlap),
        speech=open_pauses(heard.speech, heard.quiet),
    )


def _in_milliseconds(line: Line) -> Line:
    words = tuple(
        replace(word, span=word.span.whole_milliseconds(), probability=round(word.probability, 3))
        for word in line.words
    )
    return replace(line, span=line.span.whole_milliseconds(), words=words)


def _find_references(
    run: Run, source: Source, sound: Sound, turns: tuple[Turn, ...], transcript: Transcript
) -> dict[str, tuple[Reference, ...]]:
    """The cleanest speech of every speaker; the voices of ``turns`` are speaker ids."""

    def make(work: Path) -> None:
        background = None if sound.clean else open_waveform(sound.background)
        scene = Scene(turns, transcript.words, open_waveform(sound.speech), background)
        found = find_references(scene, embedder=run.engines.get("voiceprint"))
        save(work / "references.json", found)

    engines = [run.engines.identity(kind) for kind in ("separate", "voiceprint")]
    folder, _ = run.ensure(
        "references", VERSION, source.digest, engines, turns, transcript.words, make=make
    )
    found: dict[str, tuple[Reference, ...]] = load(
        folder / "references.json", dict[str, tuple[Reference, ...]]
    )
    return found


def _with_references(
    attribution: Attribution,
    found: Mapping[str, tuple[Reference, ...]],
    language: str,
    audio: Waveform,
) -> tuple[Speaker, ...]:
    spans = {
        speaker: tuple(reference.span.whole_milliseconds() for reference in own)
        for speaker, own in found.items()
    }

    def listen_to(speaker: Speaker) -> SpeakerAttributes:
        words = [w for x in attribution.lines if x.speaker == speaker.id for w in x.words]
        return speaker_attributes(audio, spans.get(speaker.id, ()), words=words, language=language)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # pitch is found without the interpreter
        listened = list(pool.map(listen_to, attribution.cast))
    cast = []
    for speaker, heard in zip(attribution.cast, listened, strict=True):
        sure = heard.gender.confidence >= SURE_OF_GENDER
        low, high, rate = heard.pitch_low_hz, heard.pitch_high_hz, heard.syllables_per_s
        cast.append(
            replace(
                speaker,
                references=spans.get(speaker.id, ()),
                reference_scores=tuple(
                    {"score": x.score, **x.parts} for x in found.get(speaker.id, ())
                ),
                pitch_hz=round(heard.pitch_hz, 1) if heard.pitch_hz else None,
                pitch_range_hz=(round(low, 1), round(high, 1)) if low and high else None,
                syllables_per_s=round(rate, 2) if rate else None,
                gender=heard.gender.value if sure else None,
                gender_confidence=round(heard.gender.confidence, 3) if sure else None,
            )
        )
    return tuple(cast)


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
