"""Right of the Script, part three: mouths that follow the dub."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from polydub.engines.protocols import LipOutcome, LipSpan, Patch
from polydub.errors import EngineError
from polydub.media.ahead import read_ahead
from polydub.media.audio import open_waveform
from polydub.model import Decision, FaceTrack, Image, Phone, Placement, Script
from polydub.model.arrays import read_array
from polydub.model.report import DecisionKind
from polydub.pipeline.analysis import VERSION, Analysis, frames_of
from polydub.pipeline.lip_check import FELL_BACK, LipChecker
from polydub.pipeline.run import Run
from polydub.pipeline.takes import Spoken
from polydub.project.artifacts import load, save
from polydub.project.cache import Cache, digest
from polydub.stages.lips import plan_lip_spans

FORMAT = "4"
"""Of the archives in which patches are kept, and of the check before; part of their keys."""


@dataclass(slots=True)
class PatchStore:
    """Patches of finished spans on disk, found by frame; only the index is in memory."""

    index: dict[int, list[tuple[Path, str]]] = field(default_factory=dict)
    _open: dict[Path, zipfile.ZipFile] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        """Take the patches of one archive into the index."""
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                frame = int(name.split("_")[0])
                self.index.setdefault(frame, []).append((path, name))

    def at(self, frame: int) -> Sequence[Patch]:
        """The patches of one frame."""
        return [self._read(path, name) for path, name in self.index.get(frame, ())]

    def names(self, frame: int) -> list[str]:
        """What identifies the patches of one frame: the keys of their spans, and their places."""
        return [f"{path.parent.name}/{name}" for path, name in self.index.get(frame, ())]

    def _read(self, path: Path, name: str) -> Patch:
        if path not in self._open:
            if len(self._open) > 16:
                self._open.pop(next(iter(self._open))).close()
            self._open[path] = zipfile.ZipFile(path)
        data = zlib.decompress(self._open[path].read(name))
        pixels: Image = read_array(io.BytesIO(data))
        frame, left, top = (int(part) for part in name.removesuffix(".npy.z").split("_")[:3])
        return Patch(frame, left, top, pixels)


def write_patches(path: Path, patches: Sequence[Patch]) -> None:
    """Store patches as an archive of arrays, lightly compressed (pixels must stay exact)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive, ThreadPoolExecutor() as pool:
        for number, data in enumerate(pool.map(_packed, patches)):
            patch = patches[number]
            archive.writestr(f"{patch.frame}_{patch.left}_{patch.top}_{number}.npy.z", data)


def _packed(patch: Patch) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, patch.pixels)
    return zlib.compress(buffer.getbuffer(), 1)  # lets other threads run meanwhile


@dataclass(frozen=True, slots=True)
class PieceCache:
    """Encoded pieces of the film, known by the patches in them: a change costs its surroundings.

    They are what the masters are made of, so they take as much room as one master; a piece that
    was changed stays until the project's cache is deleted.
    """

    cache: Cache
    source: str
    patches: PatchStore

    def get(self, first: int, last: int, coder: str) -> bytes | None:
        """The piece of frames ``[first, last)`` with the same patches, if it was encoded before."""
        try:
            return (self._folder(first, last, coder) / "packets.msgpack").read_bytes()
        except OSError:
            return None

    def put(self, first: int, last: int, coder: str, piece: bytes) -> None:
        """Keep a piece."""
        with self.cache.make("pieces", self._folder(first, last, coder).name) as work:
            (work / "packets.msgpack").write_bytes(piece)

    def _folder(self, first: int, last: int, coder: str) -> Path:
        painted = [self.patches.names(frame) for frame in range(first, last)]
        key = digest(VERSION, self.source, coder, first, last, painted)
        return self.cache.path("pieces", key)


@dataclass(frozen=True, slots=True)
class SpanSummary:
    """What happened to one span, without its pixels."""

    rendered: int
    skipped: dict[str, int]
    scores: dict[str, float]


@dataclass(frozen=True, slots=True)
class Lips:
    """All new mouths of one language: where the patches are, and what was measured per line."""

    patches: PatchStore
    scores: dict[str, dict[str, float]]
    key: str


@dataclass(frozen=True, slots=True)
class Said:
    """A line as it sounds now: where, its phones (timed from the placement's start), and what
    tells one such sound from another."""

    placement: Placement
    phones: tuple[Phone, ...]
    key: str


def said_takes(spoken: Mapping[str, Spoken]) -> dict[str, Said]:
    """The takes of a dub, for the mouths."""
    return {
        name: Said(item.placement, item.take.phones, item.folder.name)
        for name, item in spoken.items()
    }


def render_lips(
    run: Run, analysis: Analysis, script: Script, said: Mapping[str, Said], voices: Path
) -> Lips:
    """Patches for every mouth that must follow the dub; untouched frames are not even decoded.

    ``voices`` is the sound of all lines without the rest of the film's sound.
    """
    tracks = analysis.picture.tracks()
    plan, decisions = plan_lip_spans(
        script.lines,
        {name: item.placement for name, item in said.items()},
        {name: item.phones for name, item in said.items()},
        {speaker.id: speaker.person for speaker in script.cast},
        tracks,
        script.people,
        analysis.picture.shots,
        analysis.video,
    )
    run.decide(*decisions)
    store = PatchStore()
    drawn, wanted = Counter[str](), Counter[str]()  # frames by line: one may span several faces
    keys: list[str] = []
    with run.stage("lips", total=sum(len(spans) for spans in plan.values())) as progress:
        for person, spans in plan.items():
            own = _tracks_of(person, script, tracks)
            for span, (folder, cached) in _rendered(run, analysis, spans, own, voices, said):
                store.add(folder / "patches.zip")
                summary: SpanSummary = load(folder / "summary.json", SpanSummary)
                _note(run, span, summary)
                drawn[span.line] += summary.rendered
                wanted[span.line] += summary.rendered + sum(summary.skipped.values())
                keys.append(folder.name)
                progress.step(span.line, cached=cached)
    scores = {line: {"lips_rendered": drawn[line] / of} for line, of in wanted.items() if of}
    return Lips(store, scores, digest(keys))


def _tracks_of(person: str, script: Script, tracks: Sequence[FaceTrack]) -> tuple[FaceTrack, ...]:
    names = {name for p in script.people if p.id == person for name in p.tracks}
    return tuple(track for track in tracks if track.id in names)


def _rendered(
    run: Run,
    analysis: Analysis,
    spans: Sequence[LipSpan],
    tracks: tuple[FaceTrack, ...],
    voices: Path,
    said: Mapping[str, Said],
) -> Iterator[tuple[LipSpan, tuple[Path, bool]]]:
    """Each span with its artifact; only stretches that are not cached reach the engine."""
    identity = run.engines.identity("lips")
    names = [track.id for track in tracks]
    open_spans: list[tuple[LipSpan, str]] = []
    for stretch in touching(spans):
        # the energy of the voice shapes the mouth, so the takes are part of the key
        takes = [said[s.line].key if s.line in said else "" for s in stretch]
        parts = (VERSION, FORMAT, analysis.picture.key, identity, names, stretch, takes)
        keys = [digest("lips", *parts, number) for number in range(len(stretch))]
        if all(run.cache.has("lips", key) for key in keys):
            for span, key in zip(stretch, keys, strict=True):
                yield span, (run.cache.path("lips", key), True)
        else:
            open_spans += zip(stretch, keys, strict=True)
    if not open_spans:
        return
    outcomes = _outcomes(run, analysis, [span for span, _ in open_spans], tracks, voices)
    for (span, key), outcome in zip(open_spans, outcomes, strict=True):
        with run.cache.make("lips", key) as work:
            write_patches(work / "patches.zip", outcome.patches)
            summary = SpanSummary(len(outcome.patches), outcome.skipped, outcome.scores)
            save(work / "summary.json", summary)
        yield span, (run.cache.path("lips", key), False)


def touching(spans: Sequence[LipSpan]) -> list[list[LipSpan]]:
    """``spans`` in groups whose frames touch on one track.

    Such a group is one seamless movement: rendered apart, every part would fade to the original
    mouth at the joint.
    """
    groups: list[list[LipSpan]] = []
    for span in spans:
        last = groups[-1][-1] if groups else None
        if last and last.track == span.track and last.frames[1] == span.frames[0]:
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups


def _outcomes(
    run: Run,
    analysis: Analysis,
    spans: Sequence[LipSpan],
    tracks: tuple[FaceTrack, ...],
    voices: Path,
) -> Iterator[LipOutcome]:
    """The engine's outcomes; an engine that fails costs its person the new mouth, not the film."""
    video = analysis.video
    done = 0
    with (
        frames_of(analysis.source, video) as frames,
        frames_of(analysis.source, video) as originals,
    ):
        checker = LipChecker(
            run.engines.get("faces"),
            run.engines.get("identify-face"),
            {track.id: track for track in tracks},
            originals.read,
            video.frame_time,
        )
        try:
            rendered = run.engines.get("lips").render(
                spans,
                tracks,
                analysis.picture.shots,
                lambda first, last: read_ahead(frames.read(first, last)),
                video.frame_time,
                audio=open_waveform(voices),
            )
            # a span is looked at while the next one is drawn
            for outcome in checker.checked(read_ahead(iter(rendered), depth=1)):
                done += 1
                yield outcome
        except EngineError as error:
            for span in spans[done:]:
                yield LipOutcome(span, (), {error.message: span.frames[1] - span.frames[0]}, {})


def _note(run: Run, span: LipSpan, summary: SpanSummary) -> None:
    for reason, count in sorted(summary.skipped.items()):
        text = f"{count} frames keep the original mouth: {reason}"
        kind: DecisionKind = "fallback" if reason.startswith(FELL_BACK) else "pass-through"
        run.decide(Decision("lips", span.line, kind, text, span.span))
