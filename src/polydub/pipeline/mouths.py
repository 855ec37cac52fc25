"""Left of the Script: which of the visible mouths talk, shot by shot. Cached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from polydub.errors import EngineError
from polydub.media.audio import open_waveform
from polydub.model import Decision, FaceTrack, Source
from polydub.model.arrays import read_arrays
from polydub.pipeline.analysis import VERSION, Picture, Sound, frames_of
from polydub.pipeline.run import Run
from polydub.project.artifacts import load, save
from polydub.stages.active_speaker import LogOdds, score_faces

KINDS = ("separate", "shots", "faces", "active-speaker")


def watch_mouths(
    run: Run, source: Source, sound: Sound, seen: Picture, tracks: Sequence[FaceTrack]
) -> dict[str, LogOdds]:
    """Log-odds per frame that a face talks, by id of the ``tracks`` of the film.

    A shot that fails has none.
    """
    audio = open_waveform(sound.speech)
    engines = [run.engines.identity(kind) for kind in KINDS]
    video = source.video
    assert video is not None
    found: dict[str, LogOdds] = {}
    with frames_of(source, video) as frames:

        def scorer_of(members: list[FaceTrack]) -> Callable[[Path], None]:
            def make(work: Path) -> None:
                engine = run.engines.get("active-speaker")
                try:
                    scores = score_faces(engine, members, audio, video.frame_time, frames.read)
                except EngineError as error:  # voices alone judge this shot; the film goes on
                    save(work / "failed.json", error.message)
                    scores = {}
                np.savez_compressed(work / "talking.npz", **scores)  # type: ignore[arg-type]

            return make

        ordered = sorted(tracks, key=lambda track: (track.shot, track.first, track.id))
        for shot, group in groupby(ordered, key=lambda track: track.shot):
            make = scorer_of(list(group))
            folder, _ = run.ensure("talking", VERSION, seen.key, engines, shot, make=make)
            if (folder / "failed.json").exists():
                why: str = load(folder / "failed.json", str)
                span = seen.shots[shot].span
                run.decide(Decision("attribute", f"shot {shot + 1}", "fallback", why, span))
            found.update(read_arrays(folder / "talking.npz"))
    return found
