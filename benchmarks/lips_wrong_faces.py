"""Which faces a whole run of ``polydub lips`` touches, against who really speaks.

    python benchmarks/lips_wrong_faces.py FILMS [--film NAME ...] [--truth FOLDER]

FILMS holds simulated films (``python -m polydub.simulate FILMS``): NAME.mp4, NAME.film.wav, and
NAME.json, the truth; or real ones, whose faces are told by the NAME.json of another folder
(``polydub.evaluate.truth`` says how) and whose voices alone are NAME.wav. Every film gets its own
sound as the new one, so that all mouths that speak should be rendered and no other. The finished
video is compared with the original inside the true face boxes: a face is edited in a frame where
2 % of its lower half changed. An edit is wrong when its owner says nothing within 0.5 s.
"""

from __future__ import annotations

import argparse
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

import polydub
from polydub.evaluate.pictures import CHANGED
from polydub.evaluate.truth import FilmTruth, read_truths
from polydub.media.frames import FrameSource
from polydub.media.probe import probe
from polydub.model import Box, Image, Span

NEAR = Fraction(1, 2)
LEAST = 0.02


def edited(before: Image, after: Image, box: Box) -> bool:
    """Whether the lower half of the face in ``box`` changed."""
    left, top, right, bottom = (round(value) for value in box)
    part = slice(max(0, (top + bottom) // 2), bottom), slice(max(0, left), right)
    if before[part].size == 0:
        return False
    step = np.abs(before[part].astype(np.int16) - after[part]).mean(axis=2)
    return float((step > CHANGED).mean()) > LEAST


def count(truth: FilmTruth, made: Path) -> dict[str, int]:
    """Frames of speaking and of silent faces, and how many of either were edited."""
    first, second = probe(truth.film), probe(made)
    assert first.video and second.video and truth.faces
    speech: dict[str, list[Span]] = {}
    for turn in truth.turns:
        speech.setdefault(turn.voice, []).append(turn.span)
    found = dict.fromkeys(("speaking", "moved", "silent", "wrong"), 0)
    with (
        FrameSource(truth.film, first.video, first.start) as original,
        FrameSource(made, second.video, second.start) as dub,
    ):
        pairs = zip(original.read(0, 10**9), dub.read(0, 10**9), strict=True)
        for (index, before), (_, after) in pairs:
            at = first.video.frame_time(index)
            for name, box in truth.faces(at).items():
                said = speech.get(name, [])
                now = any(at in span for span in said)
                near = any(at in span.pad(NEAR) for span in said)
                changed = edited(before, after, box)
                found["speaking"] += now
                found["moved"] += now and changed
                found["silent"] += not near
                found["wrong"] += changed and not near
    return found


def main() -> None:
    """Run every film and print one row each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", type=Path)
    parser.add_argument("--film", action="append", help="only this one (name without suffix)")
    parser.add_argument("--truth", type=Path, help="folder with further NAME.json truths")
    options = parser.parse_args()
    print(f"{'film':14} {'speaking':>9} {'moved':>9} {'silent':>9} {'wrong':>9}  (face frames)")
    total: dict[str, int] = {}
    for truth in read_truths(options.films, options.truth):
        if truth.faces is None or (options.film and truth.name not in options.film):
            continue
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "film.mp4"
            sounds = [truth.film.with_suffix(suffix) for suffix in (".film.wav", ".wav")]
            sound = next((path for path in sounds if path.is_file()), truth.film)
            polydub.lips(
                truth.film, sound, output=out, language=truth.language, project=Path(folder) / "p"
            )
            found = count(truth, out)
        print(f"{truth.name:14} {' '.join(f'{value:9}' for value in found.values())}", flush=True)
        total = {name: total.get(name, 0) + value for name, value in found.items()}
    print(f"{'all':14} {' '.join(f'{value:9}' for value in total.values())}")


if __name__ == "__main__":
    main()
