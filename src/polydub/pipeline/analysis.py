"""Left of the Script: from a source file to cast and lines. Each step is cached by its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from polydub.engines.protocols import Separator
from polydub.media.audio import WaveWriter, extract_audio, open_waveform, read_blocks, resample_file
from polydub.media.decoding import DECODE_THREADS
from polydub.media.frames import FrameSource
from polydub.media.probe import probe_film
from polydub.model import (
    AudioStream,
    Decision,
    FaceTrack,
    Image,
    Person,
    Samples,
    Script,
    Shot,
    Source,
    Span,
    VideoStream,
)
from polydub.pipeline.face_search import FaceSearch
from polydub.pipeline.run import Run, StageProgress
from polydub.project.artifacts import load, save
from polydub.project.cache import digest
from polydub.project.track_store import load_tracks, save_tracks
from polydub.stages.people import group_people
from polydub.stages.separate import LevelMeter, StemJudgement, judge, nearly_mono
from polydub.stages.shots import find_shots

RATE = 48_000
SPEECH_RATE = 16_000
VERSION = "1"
"""Part of every key here: raise it when a step's own code changes what it produces."""
TRACKS = "2"
"""Part of the key of face tracks: raise it when other ones are found in the same pictures."""


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of a source at 48 kHz, ``whole`` and in stems; dialogue and mix at 16 kHz mono.

    Recognition listens to the mix, for separation costs it words (5.4 % errors on the mix of seven
    film clips, 8.2 % on the stem); telling voices apart listens to the dialogue (7 of 7 speaker
    counts right, 6 of 7 on the mix).
    """

    whole: Path
    mix: Path
    dialogue: Path
    background: Path
    speech: Path
    clean: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """What is seen: shots, one track file per shot, people; ``key`` identifies all of it."""

    shots: tuple[Shot, ...]
    track_files: tuple[Path, ...]
    people: tuple[Person, ...]
    key: str

    def tracks(self) -> tuple[FaceTrack, ...]:
        """All face tracks of the film."""
        return tuple(track for path in self.track_files for track in load_tracks(path))


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything that production needs besides the script."""

    source: Source
    sound: Sound
    picture: Picture
    speech: tuple[Span, ...]
    script: Script
    key: str

    @property
    def video(self) -> VideoStream:
        """The video stream, which every analysed source has."""
        assert self.source.video is not None
        return self.source.video


def probe_source(run: Run) -> Source:
    """The probed source. Raises ``InputError`` when it has no sound or no picture."""
    project = run.project
    with run.stage("probe") as progress:
        project.refresh_digest()
        folder, cached = run.ensure(
            "probe",
            VERSION,
            project.state.digest,
            make=lambda work: save(work / "source.json", probe_film(project.source)),
        )
        stored: Source = load(folder / "source.json", Source)
        source = replace(stored, path=str(project.source))
        progress.step("film", cached=cached)
    if source.tags.get("damage"):
        run.decide(Decision("probe", "film", "warning", str(source.tags["damage"])))
    return source


def chosen_audio(source: Source, language: str | None) -> AudioStream:
    """The stream to dub: the one tagged with the source language, else the first."""
    for stream in source.audio:
        if language and stream.language and stream.language.split("-")[0] == language.split("-")[0]:
            return stream
    return source.audio[0]


def separate_sound(run: Run, source: Source, language: str | None = None) -> Sound:
    """Dialogue and background stems at 48 kHz, and the 16 kHz mono dialogue.

    Of several sounds, the one in ``language``.
    """
    stream = chosen_audio(source, language)
    with run.stage("separate", total=100) as progress:
        mixed, _ = run.ensure(
            "audio",
            VERSION,
            source.digest,
            stream.index,
            make=lambda work: _write_mix(source, stream, work),
        )
        folder, _ = run.ensure(
            "separate",
            VERSION,
            source.digest,
            stream.index,
            run.engines.identity("separate"),
            make=lambda work: _write_stems(run, mixed / "audio.wav", work, source, progress),
        )
    judgement: StemJudgement = load(folder / "judgement.json", StemJudgement)
    clean = judgement.clean
    decision = judgement.decision()
    if decision is not None:
        run.decide(decision)
    return Sound(
        whole=mixed / "audio.wav",
        mix=mixed / "mix16k.wav",
        dialogue=mixed / "audio.wav" if clean else folder / "dialogue.wav",
        background=folder / "background.wav",
        speech=folder / "speech16k.wav",
        clean=clean,
    )


def _write_mix(source: Source, stream: AudioStream, work: Path) -> None:
    extract_audio(source, stream.index, work / "audio.wav", rate=RATE)
    resample_file(work / "audio.wav", work / "mix16k.wav", SPEECH_RATE, mono=True)


def _write_stems(
    run: Run, mixed: Path, work: Path, source: Source, progress: StageProgress
) -> None:
    wave = open_waveform(mixed)
    total = max(1, len(wave.samples))
    done = 0
    meter = LevelMeter(RATE)
    with (
        WaveWriter(work / "dialogue.wav", RATE, wave.channels) as dialogue,
        WaveWriter(work / "background.wav", RATE, wave.channels) as background,
    ):
        for voice, bed in _separated(run.engines.get("separate"), mixed):
            dialogue.write(voice)
            background.write(bed)
            meter.add(voice, bed)
            done += len(voice)
            progress.at(round(99 * done / total))
    resample_file(work / "dialogue.wav", work / "speech16k.wav", SPEECH_RATE, mono=True)
    judgement = judge(meter.dialogue, meter.background)
    if judgement.clean:
        _silence_background(work, mixed)
    save(work / "judgement.json", judgement)


def _separated(separator: Separator, mixed: Path) -> Iterator[tuple[Samples, Samples]]:
    """``(dialogue, background)`` of a sound file, block by block; their sum is the file.

    Of two channels that hold one sound only the middle is separated, which halves the work; what
    is between them stays in the background.
    """
    if not nearly_mono(read_blocks(mixed, block_s=10.0)):
        yield from separator.separate(read_blocks(mixed, block_s=10.0), RATE)
        return
    whole, done = open_waveform(mixed).samples, 0
    middles = (block.mean(axis=1) for block in read_blocks(mixed, block_s=10.0))
    for voice, _ in separator.separate(middles, RATE):
        both = np.repeat(voice[:, None], 2, axis=1)
        yield both, whole[done : done + len(voice)] - both
        done += len(voice)


def _silence_background(work: Path, mixed: Path) -> None:
    """A clean voice has no background: what the separator took away is the voice's own."""
    with WaveWriter(work / "silence.wav", RATE, open_waveform(mixed).channels) as silence:
        for block in read_blocks(mixed, block_s=10.0):
            silence.write(np.zeros_like(block))
    (work / "silence.wav").replace(work / "background.wav")


def see(run: Run, source: Source, video: VideoStream) -> Picture:
    """Shots, face tracks and people."""
    shots = _find_shots(run, source, video)
    engines = [run.engines.identity(kind) for kind in ("faces", "identify-face")]
    files: list[Path] = []
    keys = {
        shot.index: (VERSION, TRACKS, source.digest, engines, [shot.index, shot.first, shot.last])
        for shot in shots
    }
    new = [shot for shot in shots if not run.has("faces", *keys[shot.index])]
    with (
        run.stage("faces", total=len(shots)) as progress,
        closing(FaceSearch(run, partial(frames_of, source, video), new)) as search,
    ):
        for shot in shots:
            make = partial(_keep_faces, search, shot)
            folder, cached = run.ensure("faces", *keys[shot.index], make=make)
            files.append(folder / "tracks.npz")
            if (folder / "failed.json").exists():
                why: str = load(folder / "failed.json", str)
                unit = f"shot {shot.index + 1}"
                run.decide(Decision("faces", unit, "pass-through", why, shot.span))
            progress.step(f"shot {shot.index + 1}", cached=cached)
        tracks = tuple(track for path in files for track in load_tracks(path))
        people = group_people(tracks, frame_time=video.frame_time)
    key = digest(VERSION, TRACKS, source.digest, engines, [shot.last for shot in shots])
    return Picture(shots, tuple(files), people, key)


def _keep_faces(search: FaceSearch, shot: Shot, work: Path) -> None:
    seen = search.take(shot)
    if seen.failed is not None:
        save(work / "failed.json", seen.failed)
    save_tracks(work / "tracks.npz", seen.tracks)


def _find_shots(run: Run, source: Source, video: VideoStream) -> tuple[Shot, ...]:
    def make(work: Path) -> None:
        with frames_of(source, video) as frames:
            counted = _counting(frames.small(180), progress)
            save(work / "shots.json", find_shots(run.engines.get("shots"), counted, video))

    with run.stage("shots", total=max(1, video.n_frames)) as progress:
        folder, _ = run.ensure(
            "shots", VERSION, source.digest, run.engines.identity("shots"), make=make
        )
    shots: tuple[Shot, ...] = load(folder / "shots.json", tuple[Shot, ...])
    return shots


def _counting(
    pictures: Iterator[Image], progress: StageProgress, every: int = 25
) -> Iterator[Image]:
    for number, picture in enumerate(pictures):
        if number % every == 0:
            progress.at(number)
        yield picture


def frames_of(source: Source, video: VideoStream, threads: int = DECODE_THREADS) -> FrameSource:
    """The film's pictures by index, decoded by ``threads``."""
    return FrameSource(Path(source.path), video, source.start, threads=threads)
