"""Breaks a finished dub in one way: everything else stays as it was.

The mix of a project is its voices over a bed, so each fault of the sound is made where it belongs;
faults of the picture are painted into the dub's frames.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from polydub import api
from polydub.media.audio import open_waveform, write_waveform
from polydub.media.frames import FrameSource
from polydub.media.master import AudioTrack, write_master
from polydub.media.probe import probe
from polydub.media.tempo import stretched
from polydub.media.wave import resample
from polydub.model import FaceTrack, Waveform
from polydub.project.track_store import load_tracks

LANGUAGE = "es"
OUTER_LIPS = (61, 291, 0, 17)


@dataclass(frozen=True)
class Paint:
    """Pixels to put on a frame."""

    left: int
    top: int
    pixels: np.ndarray


@dataclass
class FinishedDub:
    """A dub of a project, taken apart: 48 kHz ``voices`` ``[n]`` and ``bed`` ``[n, channels]``."""

    project: Path
    video: Path
    folder: Path

    def __post_init__(self) -> None:
        mix = newest_mix(self.project)
        whole = open_waveform(mix / "dub.wav")
        self.rate = whole.rate
        self.voices = np.array(open_waveform(mix / "voices.wav").samples)
        self.bed = np.array(whole.samples) - self.voices[:, None]
        report = json.loads((self.project / LANGUAGE / "report.json").read_text())
        self.takes = {
            entry["line"]["id"]: (
                entry["placement"]["span"]["start"],
                entry["placement"]["span"]["end"],
            )
            for entry in report["lines"]
        }

    def sound(
        self,
        name: str,
        voices: np.ndarray,
        bed: np.ndarray | None = None,
        *,
        picture: Path | None = None,
    ) -> Path:
        """The dub with other sound, its picture (or that of ``picture``) copied bit for bit."""
        mix = voices[:, None] + (self.bed if bed is None else bed)
        wave = self.folder / f"{name}.wav"
        write_waveform(wave, Waveform(mix.astype(np.float32), self.rate))
        out = self.folder / f"{name}.mp4"
        write_master(
            probe(picture or self.video),
            out,
            audio=[AudioTrack(wave, LANGUAGE, "Dub", default=True)],
            original=None,
            original_language="en",
        )
        return out

    def whole(self) -> Path:
        """Nothing broken."""
        return self.sound("whole", self.voices)

    def late(self, seconds: float = 0.3) -> Path:
        """The voices come later."""
        shift = round(seconds * self.rate)
        return self.sound(
            "late", np.concatenate([np.zeros(shift), self.voices])[: len(self.voices)]
        )

    def without_background(self) -> Path:
        """Only the voices are left."""
        return self.sound("dry", self.voices, np.zeros_like(self.bed))

    def without_line(self, line: str) -> Path:
        """One line is not said."""
        start, end = (round(x * self.rate) for x in self.takes[line])
        voices = self.voices.copy()
        voices[start:end] = 0
        return self.sound("missing", voices)

    def pitched(self, semitones: float = 5.0) -> Path:
        """All voices are too high, formants and all; their tempo stays."""
        ratio = 2 ** (semitones / 12)
        voices = np.zeros_like(self.voices)
        for start, end in self.takes.values():
            first, last = round(start * self.rate), round(end * self.rate)
            take = Waveform(np.ascontiguousarray(self.voices[first:last]), self.rate)
            seconds = take.duration * Fraction(ratio).limit_denominator(1000)
            slower = stretched(take, seconds)
            high = resample(Waveform(slower.samples, round(self.rate * ratio)), self.rate).samples
            size = min(len(high), last - first)
            voices[first : first + size] = high[:size]
        return self.sound("pitched", voices)

    def swapped(self, one: str, other: str) -> Path:
        """Two people have exchanged voices: their lines are spoken anew, their lips follow them.

        Other voices speak at other paces: the mouths of the former takes would be a second fault.
        """
        copy = self.folder / "swapped.polydub"
        shutil.copytree(self.project, copy)
        source = self.folder / "conversation.mp4"
        if not source.exists():
            shutil.copyfile(self.project.parent / "conversation.mp4", source)
        state = json.loads((copy / "project.json").read_text())
        state["source"] = "../conversation.mp4"
        (copy / "project.json").write_text(json.dumps(state))
        script = json.loads((copy / "script.json").read_text())
        cast = {speaker["id"]: speaker for speaker in script["cast"]}
        voices = {name: cast[name]["voices"][LANGUAGE] for name in (one, other)}
        for name, voice in ((one, voices[other]), (other, voices[one])):
            cast[name]["voices"][LANGUAGE] = {**voice, "pinned": True}
        (copy / "script.json").write_text(json.dumps(script))
        translation = self.project.parent / "conversation.es.srt"
        picture = self.folder / "swapped.render.mp4"
        api.render(
            copy,
            {"subtitles": False, "translations": {LANGUAGE: translation}},
            output=picture,
            overwrite=True,
        )
        voices = np.array(open_waveform(newest_mix(copy) / "voices.wav").samples)
        return self.sound("swapped", voices, picture=picture)

    def frozen(self) -> Path:
        """Every mouth stays as it is in the frame in which it is the most closed."""
        source = probe(self.video)
        assert source.video is not None
        tracks = [
            t
            for f in sorted((self.project / "cache/faces").glob("*/tracks.npz"))
            for t in load_tracks(f)
        ]
        with FrameSource(self.video, source.video, source.start) as frames:
            paints: dict[int, list[Paint]] = {}
            images = dict(frames.read(0, source.video.n_frames))
        for track in tracks:
            _freeze(track, images, paints)
        out = self.folder / "frozen.mp4"
        wave = self.folder / "frozen.wav"
        write_waveform(
            wave, Waveform((self.voices[:, None] + self.bed).astype(np.float32), self.rate)
        )
        write_master(
            source,
            out,
            audio=[AudioTrack(wave, LANGUAGE, "Dub", default=True)],
            original=None,
            original_language="en",
            patches=lambda index: tuple(paints.get(index, ())),
        )
        return out


def newest_mix(project: Path) -> Path:
    """The last mix that a project made."""
    return max((project / "cache/mix").iterdir(), key=lambda path: path.stat().st_mtime)


def _freeze(
    track: FaceTrack, images: dict[int, np.ndarray], paints: dict[int, list[Paint]]
) -> None:
    rows = np.flatnonzero(track.accepted & np.isfinite(track.aperture))
    if not len(rows):
        return
    still = int(rows[np.argmin(track.aperture[rows])])
    kept = images[track.first + still]
    centre = track.landmarks[still][list(OUTER_LIPS), :2].mean(axis=0)
    for row in rows:
        index = track.first + int(row)
        image = images[index]
        at = track.landmarks[row][list(OUTER_LIPS), :2].mean(axis=0)
        iod = float(track.iod[row])
        scale = float(track.iod[still]) / iod
        half = round(0.75 * iod)
        left, top = round(float(at[0])) - half, round(float(at[1])) - half
        if (
            min(left, top) < 0
            or left + 2 * half > image.shape[1]
            or top + 2 * half > image.shape[0]
        ):
            continue
        ys, xs = np.mgrid[top : top + 2 * half, left : left + 2 * half].astype(float)
        from_x = centre[0] + (xs - at[0]) * scale
        from_y = centre[1] + (ys - at[1]) * scale
        mouth = np.stack(
            [
                map_coordinates(
                    kept[..., c].astype(float), (from_y, from_x), order=1, mode="nearest"
                )
                for c in range(3)
            ],
            -1,
        )
        radius = np.hypot((xs - at[0]) / (0.6 * half), (ys - at[1]) / (0.6 * half))
        mask = gaussian_filter((radius < 1).astype(float), 0.12 * half)[..., None]
        part = image[top : top + 2 * half, left : left + 2 * half]
        mixed = mask * mouth + (1 - mask) * part
        paints.setdefault(index, []).append(Paint(left, top, np.round(mixed).astype(np.uint8)))
