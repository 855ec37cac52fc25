"""The files of training clips: voices, faces, and as asked for speech tokens and the cut film."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pictures

from polydub.errors import ProjectError
from polydub.media.audio import open_waveform, resample, write_waveform
from polydub.media.cut import write_cut
from polydub.model import Span
from polydub.model.scene import SceneFace, SceneLine
from polydub.pipeline.analysis import Analysis
from polydub.pipeline.run import Run
from polydub.pipeline.scenes import SceneFaces
from polydub.stages.dataset import FRAMES_PER_SECOND, ClipPlan, DatasetParts

RATE = 24_000
FACE_SIZE = 112


class ClipWriter:
    """Writes the files of a film's clips into the folder ``out``.

    ``checkpoint`` is a folder of Fun-CineForge: its face network makes vectors of faces, its speech
    tokenizer the tokens. Raises ``EngineError`` DUB-E204 when what ``parts`` ask for is absent.
    """

    def __init__(
        self, run: Run, analysis: Analysis, out: Path, checkpoint: Path | None, parts: DatasetParts
    ) -> None:
        self._out, self._parts, self._source = out, parts, analysis.source
        self._whole = open_waveform(analysis.sound.whole)
        self._dialogue = open_waveform(analysis.sound.dialogue)
        self._background = open_waveform(analysis.sound.background)
        self._faces = SceneFaces(run, analysis, analysis.script)
        self._embed = _embedder(checkpoint)
        self._tokenizer = _tokenizer(checkpoint) if parts.tokens else None
        for name in ("vocal", "face", *parts.folders):
            (out / name).mkdir(parents=True, exist_ok=True)

    def write(self, plan: ClipPlan) -> int:
        """Write the files of a clip; returns how many faces it has."""
        voice = self._dialogue.cut(plan.span).mono()
        write_waveform(self._path("vocal", plan, "wav"), resample(voice, RATE))
        lines = [SceneLine(x.id, x.speaker, x.text, x.span) for x in plan.lines]
        seen = list(self._faces.of(lines, plan.span.start))
        arrays = {"crops": _crops(seen), "faceI": _frames(seen, plan.span)}
        if self._embed is not None:
            rows = [self._embed.of(face.pixels) for face in seen]
            arrays["embeddings"] = np.array(rows, np.float32).reshape(-1, 512)
        np.savez_compressed(self._path("face", plan, "npz"), **arrays)
        if self._tokenizer is not None:
            np.save(self._path("token", plan, "npy"), self._tokenizer.tokens(voice))
        if self._parts.cut:
            behind = self._background.cut(plan.span).mono()
            write_waveform(self._path("instrumental", plan, "wav"), resample(behind, RATE))
            out, sound = self._path("video", plan, "mp4"), self._whole.cut(plan.span)
            write_cut(self._source, plan.span, sound, out, fps=Fraction(FRAMES_PER_SECOND))
        return len(seen)

    def _path(self, folder: str, plan: ClipPlan, suffix: str) -> Path:
        return self._out / folder / f"{plan.name}.{suffix}"


class Journal:
    """Which clips of a film are written already: a run that was stopped goes on behind them.

    One line a clip; the first holds the ``key`` of what they are made of. Another key starts anew.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self.faces: dict[str, int] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        if lines and lines[0] == key:
            for line in lines[1:]:
                self._read(line)
        else:
            self._append(key, "w")

    def add(self, name: str, faces: int) -> None:
        """Clip ``name`` is complete and has so many faces."""
        self.faces[name] = faces
        self._append(json.dumps([name, faces], ensure_ascii=False), "a")

    def close(self) -> None:
        """The film is complete: nothing is left to go on with."""
        self._path.unlink(missing_ok=True)

    def _read(self, line: str) -> None:
        try:
            name, faces = json.loads(line)
        except ValueError:  # cut off while it was written: that clip is made again
            return
        self.faces[name] = faces

    def _append(self, line: str, mode: str) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open(mode, encoding="utf-8") as file:
                file.write(f"{line}\n")
        except OSError as error:
            text = f"Cannot write {self._path}: {error}."
            raise ProjectError(text, code="DUB-E304") from error


def _crops(seen: Sequence[SceneFace]) -> Any:
    size = (FACE_SIZE, FACE_SIZE)
    pictures = [
        np.asarray(Pictures.fromarray(face.pixels).resize(size, Pictures.Resampling.BILINEAR))
        for face in seen
    ]
    return np.array(pictures, np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE, 3)


def _frames(seen: Sequence[SceneFace], span: Span) -> Any:
    return np.array([int((x.time - span.start) * FRAMES_PER_SECOND) for x in seen], np.int64)


def face_network(checkpoint: Path | None) -> Path | None:
    """The file of what embeds faces. Raises ``EngineError`` DUB-E204 when it is absent."""
    if checkpoint is None:
        return None
    from polydub.engines.dubbing.funcineforge.checkpoint import find_checkpoint, missing
    from polydub.engines.dubbing.funcineforge.engine import FACES

    path = find_checkpoint(checkpoint).file(FACES)
    if path is None:
        raise missing(f"{checkpoint} holds no {FACES}.")
    return path


def speech_tokenizer(checkpoint: Path | None) -> Path:
    """The file of what makes tokens. Raises ``EngineError`` DUB-E204 when it is absent."""
    from polydub.engines.dubbing.funcineforge.speech_tokens import find_speech_tokenizer

    return find_speech_tokenizer(checkpoint)


def _embedder(checkpoint: Path | None) -> Any:
    path = face_network(checkpoint)
    if path is None:
        return None
    from polydub.engines.dubbing.funcineforge.inputs import FaceEmbedder

    return FaceEmbedder(path)


def _tokenizer(checkpoint: Path | None) -> Any:
    from polydub.engines.dubbing.funcineforge.speech_tokens import SpeechTokenizer

    return SpeechTokenizer(speech_tokenizer(checkpoint))
