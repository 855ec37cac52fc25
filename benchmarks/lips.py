"""Re-renders the faces of film clips to new speech and measures the result.

    python benchmarks/lips.py CLIPS [--sheets FOLDER] [--cache FOLDER] [--clip NAME ...]

Every face of at least 2 s is driven by the voice of the next clip (``other``) and by a synthesised
line (``line``), by our renderer and by one that only moves the frame's own pixels (``mesh``). The
rendered frames are measured again by the face mesh, which knows nothing of the renderer; ``source``
is the film's own mouth with its own voice. The phones of recorded voices are those of recognised
words, spread over the words: a guess that costs every row that uses them. Columns:

``sync``   articulation, 0 = chance .. 1 (:mod:`polydub.evaluate.articulation`)
``fit``    correlation of mouth opening and loudness (:mod:`polydub.evaluate.mouths`)
``shut``   share of p, b, m with lips under 0.03 eye distances apart
``leak``   mean speed of the lip gap in silence, eye distances per second
``speed``  its 95th percentile in all frames, the same unit
``gap``    mean lip gap in silence, eye distances
``mean``   mean lip gap in speech, eye distances
``open``   95th percentile of the lip gap
``id``     face-print cosine to the person's other frames, against the original's
``dist``   face-print distance to the same frame before
``sharp``  fine detail of the mouth over that of the skin around it, against original frames whose
           mouth is as open
``seam``   colour step at the border of what changed, CIE76
``flick``  change from frame to frame against the original's
``r``      correlation of the measured lip gap with the one that was meant
``done``   frames rendered of those in which the voice speaks

CLIPS holds NAME.mp4 with NAME.wav, its voice alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from lips_films import Film, Tools, Voice, decode, open_film, own_voice, spans_for, spoken
from lips_measure import (
    Tally,
    appearance,
    look,
    movement,
    original,
    psnr_outside,
    sheet,
    with_patch,
)

from polydub.engines.lips.exemplar import ExemplarLips
from polydub.engines.protocols import LipOutcome, LipRenderer
from polydub.evaluate.articulation import articulation
from polydub.model import FaceTrack, Image

TEXT = (
    "Maybe five more people will prove that you are right. Every closet on a ship needs a lot of "
    "cedar, fast and cheap, and we would like to figure out why."
)
COLUMNS = (
    *("sync", "fit", "shut", "leak", "gap", "speed", "mean", "open", "id", "dist"),
    *("sharp", "seam", "flick", "r", "done"),
)
NAMES = {"open": "opening", "id": "identity", "flick": "flicker", "dist": "distance"}


def render(
    engine: LipRenderer, film: Film, track: FaceTrack, voice: Voice
) -> tuple[list[LipOutcome], float]:
    """Outcomes, and seconds of processor time without decoding."""
    begin = film.video.frame_time(track.first)
    spans = spans_for(film, track, voice, begin)
    tracks = film.person_of(track)
    started = time.process_time()
    outcomes = list(
        engine.render(
            spans, tracks, film.shots, film.read, film.video.frame_time, audio=voice.audio
        )
    )
    return outcomes, time.process_time() - started


def judge(
    tools: Tools, film: Film, track: FaceTrack, voice: Voice, outcomes: list[LipOutcome],
    tally: Tally,
) -> tuple[dict[int, Image], dict[int, float]]:  # fmt: skip
    """All measures of one rendered face; gives the rendered pictures and the wanted gaps."""
    patches = [patch for outcome in outcomes for patch in outcome.patches]
    wanted = {f: gap for outcome in outcomes for f, gap in outcome.wanted.items()}
    should = sum(o.span.frames[1] - o.span.frames[0] for o in outcomes)
    tally.add("done", len(patches) / max(should, 1))
    changed = {patch.frame: with_patch(film.frames[patch.frame], patch) for patch in patches}
    if len(changed) < 12:
        return changed, wanted
    seen = look(tools, track, changed)
    movement(film, seen, voice, tally, track.id)
    meant = np.array([wanted[f] for f in seen.frames])
    known = np.isfinite(seen.opening)
    tally.add("r", float(np.corrcoef(meant[known], seen.opening[known])[0, 1]))
    appearance(tools, film, seen, changed, tally)
    return changed, wanted


def row(name: str, tally: Tally) -> str:
    """One line of the table."""
    cells = []
    for column in COLUMNS:
        value = tally.mean(NAMES.get(column, column))
        if column == "sync":
            score = articulation(tally.sounds)
            value = float("nan") if score is None else score
        cells.append(f"{value:6.2f}")
    return f"{name:24} {' '.join(cells)}"


def voices_of(tools: Tools, clips: list[Path], cache: Path) -> dict[str, Voice]:
    """The own voice of every clip."""
    return {path.stem: own_voice(tools, path.with_suffix(".wav"), cache) for path in clips}


def run(options: argparse.Namespace, cache: Path) -> None:
    """All clips, then the sums."""
    tools = Tools()
    clips = sorted(options.clips.glob("*.mp4"))
    voices = voices_of(tools, clips, cache)
    line = spoken(tools, options.text, "en")
    engines = {"ours": ExemplarLips()}
    if not options.quick:
        engines["mesh"] = ExemplarLips(mesh_only=True)
    sums: dict[str, Tally] = {}
    print(f"{'':24} {' '.join(f'{column:>6}' for column in COLUMNS)}")
    for number, path in enumerate(clips):
        if options.clip and path.stem not in options.clip:
            continue
        film = open_film(tools, path, cache)
        decode(film, path)
        other = voices[clips[(number + 1) % len(clips)].stem]
        for track in film.tracks:
            if track.n_frames < 48:
                continue
            one_face(tools, engines, film, track, (voices[path.stem], other, line), sums, options)
        film.frames.clear()
    for name, tally in sums.items():
        print(row(f"ALL {name}", tally), flush=True)
    base = articulation(sums["source"].sounds) if "source" in sums else None
    for name, tally in sums.items():
        score = articulation(tally.sounds)
        if base and score is not None and name != "source":
            print(f"{name}: sync {score / base:.0%} of the source's own")


def one_face(
    tools: Tools, engines: dict[str, ExemplarLips], film: Film, track: FaceTrack,
    voices: tuple[Voice, Voice, Voice], sums: dict[str, Tally], options: argparse.Namespace,
) -> None:  # fmt: skip
    """Source, and every drive by every renderer, for one face."""
    own, other, line = voices
    begin = film.video.frame_time(track.first)
    cut = film.video.frame_time(track.frames.stop)
    speed = float(np.nanmean(np.abs(np.diff(track.aperture)))) * float(film.video.average_rate)
    size = float(np.median(track.boxes[:, 2] - track.boxes[:, 0]))
    yaw = float(np.nanmedian(np.abs(track.pose[:, 0])))
    print(f"-- {film.name} {track.id}: {track.n_frames} frames, face {size:.0f} px, yaw {yaw:.0f}")
    if speed > 0.12:  # the talker of the film: a listener is no reference
        tally = Tally()
        movement(film, original(track, list(track.frames)), own, tally, track.id)
        report(f"{film.name[:14]} source", "source", tally, sums)
    drives = {"other": other.shifted(begin), "line": line.shifted(begin + Fraction(3, 10))}
    for drive, voice in drives.items():
        if options.drive and drive != options.drive:
            continue
        said = voice.until(cut)
        for name, engine in engines.items():
            outcomes, seconds = render(engine, film, track, said)
            tally = Tally()
            changed, wanted = judge(tools, film, track, said, outcomes, tally)
            patches = [patch for outcome in outcomes for patch in outcome.patches]
            skipped: dict[str, int] = {}
            for outcome in outcomes:
                for reason, count in outcome.skipped.items():
                    skipped[reason] = skipped.get(reason, 0) + count
            note = f" {1000 * seconds / max(len(patches), 1):.0f} cpu-ms/frame {skipped or ''}"
            if name == "ours" and drive == "line" and patches and not options.quick:
                note += f" outside {psnr_outside(film, patches):.1f} dB"
            report(f"{film.name[:14]} {name} {drive}", f"{name} {drive}", tally, sums, note)
            if options.sheets and name == "ours" and len(changed) >= 12:
                notes = {f: f"{wanted[f]:.2f}" for f in changed}
                for kind, picture in zip(
                    ("spread", "run"), sheet(film, track, changed, notes), strict=True
                ):
                    file = f"{film.name}_{track.id}_{drive}_{kind}.png"
                    cv2.imwrite(str(options.sheets / file), picture[..., ::-1])


def report(label: str, total: str, tally: Tally, sums: dict[str, Tally], note: str = "") -> None:
    """Print one face's figures and add them to the sum."""
    print(row(label, tally) + note, flush=True)
    into = sums.setdefault(total, Tally())
    into.sounds += tally.sounds
    for name, values in tally.values.items():
        into.add(name, *values)


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, help="folder of mp4 and wav files")
    parser.add_argument("--clip", action="append", help="only this one (name without suffix)")
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--drive", choices=("other", "line"), help="only this one")
    parser.add_argument("--quick", action="store_true", help="without mesh and encoding")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets")
    parser.add_argument("--cache", type=Path, help="folder that keeps the analysis")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or Path(folder)
        cache.mkdir(parents=True, exist_ok=True)
        run(options, cache)


if __name__ == "__main__":
    main()
