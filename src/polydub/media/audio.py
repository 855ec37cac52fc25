"""Sound out of media files, aligned to film time; and everything about float32 WAV files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream as AvAudioStream

from polydub.errors import InputError
from polydub.media.decoding import DAMAGE, open_media
from polydub.media.wave import (
    WaveWriter,
    open_waveform,
    read_blocks,
    resample,
    resample_file,
    resampled,
    write_waveform,
)
from polydub.model import AudioStream, Samples, Source

__all__ = [
    "WaveWriter",
    "extract_audio",
    "film_blocks",
    "open_waveform",
    "read_blocks",
    "resample",
    "resample_file",
    "write_waveform",
]

GAP_S = Fraction(20, 1000)
"""Time stamps may wander by less (containers round to 1 ms or more); beyond it there is a hole."""

BLOCK_S = 1
MAX_CHANNELS = 8

Downmix = Literal["stereo", "none"]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Decoded samples ``[n, channels]`` and their film time; ``None`` = right after the last."""

    time: Fraction | None
    samples: Samples
    after_loss: bool


def extract_audio(
    source: Source,
    index: int,
    out: Path,
    *,
    rate: int = 48000,
    downmix: Downmix = "stereo",
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write one audio stream as float32 WAV at ``rate`` Hz, sample 0 at film time zero.

    The length is exactly ``round(source.duration * rate)``: silence stands before a late start, in
    holes of the time stamps, for damaged packets and after an early end. ``downmix="stereo"`` keeps
    mono and stereo and folds more channels (ITU-R BS.775: centre and surrounds at -3 dB, no LFE;
    peaks may pass 1.0); ``"none"`` keeps up to 8 channels. ``progress`` receives seconds done.

    Raises:
        InputError: DUB-E103 when ``index`` is no audio stream, DUB-E101 / DUB-E102 when unreadable.
        ProjectError: DUB-E304 when ``out`` cannot be written.
    """
    blocks = film_blocks(source, index, rate=rate, downmix=downmix)
    first = next(blocks)
    with WaveWriter(out, rate, first.shape[1]) as writer:
        writer.write(first)
        for block in blocks:
            writer.write(block)
            if progress is not None:
                progress(writer.written / rate)


def film_blocks(
    source: Source, index: int, *, rate: int = 48000, downmix: Downmix = "stereo"
) -> Iterator[Samples]:
    """The blocks that ``extract_audio`` writes, ``[n, channels]``; at least one, maybe empty."""
    declared = next((stream for stream in source.audio if stream.index == index), None)
    if declared is None:
        raise InputError(
            f"Stream {index} of {source.path} is not sound.",
            hint=f"Audio streams: {[stream.index for stream in source.audio]}.",
            code="DUB-E103",
        )
    layout = _layout(declared, downmix)
    channels = len(av.AudioLayout(layout).channels)
    pieces = _decode(source, declared, layout)
    blocks = _batched(_aligned(pieces, declared.rate), declared.rate)
    blocks = resampled(blocks, declared.rate, rate)
    yield from fitted(blocks, round(source.duration * rate), channels)


def fitted(blocks: Iterable[Samples], total: int, channels: int) -> Iterator[Samples]:
    """``blocks`` cut or padded with silence to ``total`` samples altogether; at least one block."""
    given = 0
    for block in blocks:
        block = block[: total - given]
        given += len(block)
        if len(block):
            yield block
        if given >= total:
            break
    size = 10 * 48000
    while given < total:
        silence = np.zeros((min(size, total - given), channels), np.float32)
        given += len(silence)
        yield silence
    if total == 0:
        yield np.zeros((0, channels), np.float32)


def _layout(declared: AudioStream, downmix: Downmix) -> str:
    if declared.channels == 1:
        return "mono"
    if downmix == "stereo" or declared.channels > MAX_CHANNELS:
        return "stereo"
    try:
        known = len(av.AudioLayout(declared.layout).channels) == declared.channels
    except ValueError:  # "6 channels": the container does not say which is which
        known = False
    return declared.layout if known else "stereo"


def _decode(source: Source, declared: AudioStream, layout: str) -> Iterator[_Piece]:
    """Decoded pieces at the declared rate; damaged packets are left out."""
    with open_media(Path(source.path)) as container:
        stream = cast(AvAudioStream, container.streams[declared.index])
        for other in container.streams:
            if other.index != declared.index:
                other.discard = av.stream.Discard.all
        converter = _Converter(layout, declared.rate)
        lost = False
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
                frames = packet.decode()
            except (StopIteration, av.error.EOFError):
                return
            except DAMAGE:
                lost = True
                if packets.gi_frame is None:  # type: ignore[attr-defined]
                    return
                continue
            for frame in frames:
                yield from converter.pieces(frame, source.start, lost)
                lost = False


class _Converter:
    """Brings frames to planar floats of one layout and rate; copes with changes in mid-stream."""

    def __init__(self, layout: str, rate: int) -> None:
        self._layout, self._rate = layout, rate
        self._key: tuple[str, str, int] | None = None
        self._resampler: av.AudioResampler | None = None

    def pieces(self, frame: AudioFrame, start: Fraction, after_loss: bool) -> Iterator[_Piece]:
        """``frame`` as pieces in film time."""
        key = (frame.format.name, frame.layout.name, frame.sample_rate)
        if key != self._key or self._resampler is None:
            self._key = key
            self._resampler = av.AudioResampler("fltp", self._layout, self._rate)
        time = None
        if frame.pts is not None and frame.time_base is not None:
            time = frame.pts * frame.time_base - start
        for ready in self._resampler.resample(frame):
            samples = np.ascontiguousarray(ready.to_ndarray().T, np.float32)
            yield _Piece(time, samples, after_loss)
            time, after_loss = None, False


def _aligned(pieces: Iterator[_Piece], rate: int) -> Iterator[Samples]:
    """Samples from film time zero on: holes filled, overlaps dropped."""
    cursor: int | None = None
    for piece in pieces:
        at = round(piece.time * rate) if piece.time is not None else (cursor or 0)
        samples = piece.samples
        exact = cursor is None or piece.after_loss
        cursor = cursor or 0
        if exact or abs(at - cursor) > GAP_S * rate:
            if at > cursor:
                yield from _silence(at - cursor, samples.shape[1], rate)
                cursor = at
            samples = samples[cursor - at :]
        cursor += len(samples)
        if len(samples):
            yield samples


def _silence(count: int, channels: int, rate: int) -> Iterator[Samples]:
    for at in range(0, count, rate):
        yield np.zeros((min(rate, count - at), channels), np.float32)


def _batched(pieces: Iterator[Samples], size: int) -> Iterator[Samples]:
    """Blocks of at least ``size`` samples: a resampler call per packet would dominate."""
    held: list[Samples] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += len(piece)
        if count >= size:
            yield np.concatenate(held)
            held, count = [], 0
    if held:
        yield np.concatenate(held)
