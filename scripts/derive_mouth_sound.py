"""Fit what mouths and sounds have in common on sentences of GRID; writes ``mouth_sound.json``.

    python scripts/derive_mouth_sound.py GRID --work WORK [--check]

GRID is a folder with ``*.mpg`` of the GRID audiovisual sentence corpus (M. Cooke, J. Barker,
S. Cunningham, X. Shao, "An audio-visual corpus for speech perception and automatic speech
recognition", JASA 120, 2006; CC BY 4.0, https://zenodo.org/records/3625687). WORK keeps what was
seen in the films. With ``--check`` every sentence is judged by a fit on the others, and nothing is
written: how often its own sound fits better than another's, and the delay that is found.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from polydub import api
from polydub.engines.active_speaker.mouth_curves import usable_frames
from polydub.engines.active_speaker.speech_drive import speech_drive
from polydub.evaluate.mouth_sound import (
    CLOCK,
    MouthSound,
    mouth_lengths,
    mouth_windows,
    sound_windows,
)
from polydub.media.audio import extract_audio, open_waveform
from polydub.model import Waveform
from polydub.pipeline.analysis import probe_source, see
from polydub.pipeline.options import DubOptions
from polydub.project.folder import Project

OUT = Path(__file__).parents[1] / "src" / "polydub" / "evaluate" / "mouth_sound.json"
RIDGE = 1.0
"""How much of the mean variance is added to each direction: 20 s of speech are few for 165 numbers.
Between 0.3 and 3 the choice hardly matters."""
NUMBERS = 2
LOUD = -1.6
"""Drive (tens of dB below the loud parts) above which somebody speaks in these clean recordings."""
AROUND = 3


@dataclass
class Sentence:
    """One film: mouth lengths, ticks, which of them count, the sound."""

    name: str
    times: Any
    lengths: Any
    use: Any
    sound: Waveform

    def seen(self) -> Any:
        """Windows of the mouth around their mean."""
        windows = mouth_windows(self.lengths, self.use)
        return windows - windows[self.use].mean(axis=0)

    def heard(self, sound: Waveform, delay: int = 0) -> Any:
        """Windows of a sound around their mean."""
        windows = sound_windows(sound, self.times + delay / CLOCK)
        return windows - windows[self.use].mean(axis=0)


def read(film: Path, work: Path) -> Sentence | None:
    """The sentence of one film; ``None`` without a face."""
    project = Project.for_source(film, work / f"{film.stem}.polydub")
    with api._run(project, DubOptions().normalised(), None) as run:
        source = probe_source(run)
        assert source.video is not None
        tracks = see(run, source, source.video).tracks()
    if not tracks:
        return None
    track = max(tracks, key=lambda one: one.n_frames)
    path = work / f"{film.stem}.wav"
    extract_audio(source, source.audio[0].index, path, rate=16_000)
    sound = open_waveform(path).mono()
    sound = Waveform(np.array(sound.samples), sound.rate)
    usable = usable_frames(track)
    frames = np.array([float(source.video.frame_time(index)) for index in track.frames])
    times = np.arange(frames[0], frames[-1] + 0.5 / CLOCK, 1 / CLOCK)
    rows = mouth_lengths(track.landmarks[usable].astype(float), track.iod[usable].astype(float))
    lengths = np.stack([np.interp(times, frames[usable], row) for row in rows])
    loud = np.flatnonzero(speech_drive(sound, times) > LOUD)
    ticks = np.arange(len(times))
    use = np.interp(times, frames, usable.astype(float)) > 0.5
    use &= (ticks >= loud[0] - AROUND) & (ticks <= loud[-1] + AROUND)
    return Sentence(film.stem, times, lengths, use, sound)


def fit(sentences: list[Sentence]) -> MouthSound:
    """Regularised canonical correlation of mouths and sounds."""
    seen = np.concatenate([one.seen()[one.use] for one in sentences])
    heard = np.concatenate([one.heard(one.sound)[one.use] for one in sentences])
    first, second = _whitening(seen), _whitening(heard)
    left, strength, right = np.linalg.svd(first @ (seen.T @ heard / len(seen)) @ second)
    return MouthSound(first @ left[:, :NUMBERS], second @ right.T[:, :NUMBERS], strength[:NUMBERS])


def _whitening(windows: Any) -> Any:
    spread = windows.T @ windows / len(windows)
    spread += RIDGE * np.trace(spread) / len(spread) * np.eye(len(spread))
    values, axes = np.linalg.eigh(spread)
    return axes @ np.diag(values**-0.5) @ axes.T


def agreement(model: MouthSound, one: Sentence, sound: Waveform, delay: int) -> float:
    """Weighted correlation of the common numbers over the sentence."""
    seen = (one.seen() @ model.mouth)[one.use]
    heard = (one.heard(sound, delay) @ model.sound)[one.use]
    seen, heard = seen - seen.mean(axis=0), heard - heard.mean(axis=0)
    found = (seen * heard).sum(axis=0)
    found /= np.sqrt((seen**2).sum(axis=0) * (heard**2).sum(axis=0) + 1e-12)
    return float(found @ model.strength / model.strength.sum())


def check(sentences: list[Sentence]) -> None:
    """Each sentence by a fit on the others."""
    wins = pairs = near = 0
    for one in sentences:
        others = [x for x in sentences if x is not one]
        model = fit(others)

        def best(sound: Waveform, one: Sentence = one, model: MouthSound = model) -> float:
            return max(agreement(model, one, sound, delay) for delay in (-1, 0, 1))

        own, strange = best(one.sound), [best(x.sound) for x in others]
        delays = [agreement(model, one, one.sound, n) for n in range(-12, 13)]
        wins += sum(own > value for value in strange)
        pairs += len(strange)
        near += abs(int(np.argmax(delays)) - 12) <= 1
        print(f"{one.name}: own {own:.2f}, others {np.mean(strange):.2f}")
    print(f"own fits better: {wins / pairs:.3f}; delay within 40 ms: {near / len(sentences):.2f}")


def main(arguments: list[str] | None = None) -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("grid", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args(arguments)
    given.work.mkdir(parents=True, exist_ok=True)
    found = [read(film, given.work) for film in sorted(given.grid.glob("*.mpg"))]
    sentences = [one for one in found if one is not None]
    if given.check:
        check(sentences)
        return 0
    model = fit(sentences)
    values = {
        "about": "canonical correlation of lip landmarks and log mel, see mouth_sound.py",
        "derived_from": "GRID audiovisual sentence corpus (Cooke, Barker, Cunningham, Shao 2006), "
        "CC BY 4.0, https://zenodo.org/records/3625687",
        "sentences": [one.name for one in sentences],
        "seconds": round(sum(int(one.use.sum()) for one in sentences) / CLOCK, 2),
        "script": "scripts/derive_mouth_sound.py",
        "mouth": np.round(model.mouth, 5).tolist(),
        "sound": np.round(model.sound, 5).tolist(),
        "strength": np.round(model.strength, 4).tolist(),
    }
    rows = [f'"{key}": {json.dumps(value)}' for key, value in values.items()]
    OUT.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    print(f"{OUT}: {values['seconds']} s, strength {values['strength']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
