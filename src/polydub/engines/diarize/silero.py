"""Voice activity with Silero VAD v6: the ONNX file that ships inside faster-whisper."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import Capabilities
from polydub.errors import EngineError
from polydub.model import Samples, Span, Waveform, merge

RATE = 16000
CHUNK = 512  # samples per decision: 32 ms
CONTEXT = 64  # samples of the chunk before, given along
CHUNKS_AT_ONCE = 2048  # 65 s per call keeps memory flat on long films


@dataclass(frozen=True, slots=True)
class VadOptions:
    """When a sound counts as speech.

    The model's own defaults (``onset`` 0.5, ``shortest_s`` 0.25) miss 6.9 % of the annotated speech
    of seven film clips and 8.2 % of conversations cut together from clips, with 1.2 and 2.5 % false
    alarms. These miss 3.1 and 3.3 % (1.4 and 6.0 % false alarms): the recogniser finds no words in
    what was no speech, but lost speech is never dubbed.

    ``onset``/``offset``: probability that starts/ends speech; ``shortest_s``: shorter bursts are
    dropped; ``pause_s``: shorter pauses do not split; ``pad_s`` is added at both ends.
    """

    onset: float = 0.3
    offset: float = 0.15
    shortest_s: float = 0.1
    pause_s: float = 0.15
    pad_s: float = 0.06


class SileroVad:
    """Silero VAD v6 through onnxruntime."""

    capabilities = Capabilities(
        kind="vad",
        name="silero",
        version="1",
        summary="Silero VAD v6",
        code_licence="MIT",
        weights_licence="MIT",
        rate=RATE,
        requires=("onnxruntime", "faster_whisper"),
        extra="speech",
    )

    def __init__(
        self, *, model: str | Path | None = None, options: VadOptions | None = None
    ) -> None:
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        settings.inter_op_num_threads = 1
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = Path(model) if model else _packaged_model()
        if not path.is_file():
            raise EngineError(f"Silero VAD model not found: {path}", code="DUB-E204")
        self._session: Any = onnxruntime.InferenceSession(
            str(path), settings, providers=["CPUExecutionProvider"]
        )
        self._options = options or VadOptions()

    def detect(self, audio: Waveform) -> list[Span]:
        """Speech spans of mono 16 kHz ``audio``. Raises ``EngineError`` for other formats."""
        if audio.rate != RATE or audio.channels != 1:
            raise EngineError(f"Silero VAD needs mono audio at {RATE} Hz, not {audio.rate} Hz.")
        return speech_spans(self.probabilities(audio), len(audio.samples), self._options)

    def probabilities(self, audio: Waveform) -> npt.NDArray[np.float32]:
        """Speech probability of every 32 ms of mono 16 kHz ``audio``, ``[ceil(n / 512)]``."""
        state = np.zeros((1, 1, 128), dtype=np.float32)
        cell = np.zeros((1, 1, 128), dtype=np.float32)
        parts: list[npt.NDArray[np.float32]] = []
        for rows in _rows(audio.samples.reshape(-1)):
            found, state, cell = self._session.run(None, {"input": rows, "h": state, "c": cell})
            parts.append(found.reshape(-1))
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def _rows(samples: Samples) -> Iterator[Samples]:
    """Model input ``[rows, CONTEXT + CHUNK]``, silence before the start and after the end."""
    size = CHUNK * CHUNKS_AT_ONCE
    for start in range(0, len(samples), size):
        block = np.asarray(samples[max(0, start - CONTEXT) : start + size], dtype=np.float32)
        before = CONTEXT if start == 0 else 0
        after = -(len(block) + before - CONTEXT) % CHUNK
        block = np.pad(block, (before, after))
        yield np.lib.stride_tricks.sliding_window_view(block, CONTEXT + CHUNK)[::CHUNK].copy()


def speech_spans(
    probabilities: npt.NDArray[np.float32], n_samples: int, options: VadOptions
) -> list[Span]:
    """Spans where the ``probabilities`` of 32 ms chunks say speech: hysteresis, then clean-up."""
    chunk = Fraction(CHUNK, RATE)
    end = Fraction(n_samples, RATE)
    raw: list[Span] = []
    begin: int | None = None
    for index, value in enumerate([*probabilities.tolist(), 0.0]):
        if begin is None and value >= options.onset:
            begin = index
        elif begin is not None and value < options.offset:
            raw.append(Span(begin * chunk, min(index * chunk, end)))
            begin = None
    if begin is not None:
        raw.append(Span(begin * chunk, end))
    joined = merge(raw, gap=Fraction(options.pause_s))
    padded = [
        span.pad(Fraction(options.pad_s)) for span in joined if span.duration >= options.shortest_s
    ]
    return [Span(span.start, min(span.end, end)) for span in merge(padded)]


def _packaged_model() -> Path:
    spec = importlib.util.find_spec("faster_whisper")
    if spec is None or spec.origin is None:
        raise EngineError(
            "The Silero VAD model comes with the package 'faster-whisper', which is not installed.",
            hint='Install it with: pip install -c constraints.txt -e ".[speech]"',
            code="DUB-E202",
        )
    return Path(spec.origin).parent / "assets" / "silero_vad_v6.onnx"
