"""Float32 WAV files (RF64 past 4 GiB): writing, memory-mapped reading, resampling.

The header is written here and not by libsndfile because libsndfile stamps the time of day into it:
equal sound must give equal bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

import numpy as np
import soundfile
import soxr

from polydub.errors import InputError, ProjectError
from polydub.model import Samples, Waveform

FORMAT_FLOAT = 3
HEADER_BYTES = 92
"""RIFF 12 + JUNK or ds64 36 + fmt 24 + fact 12 + data 8: a multiple of 4 keeps samples aligned."""

RIFF_LIMIT = 2**32 - 1
RESAMPLE_QUALITY = "HQ"


class WaveWriter:
    """Streams blocks into a float32 WAV file; past 4 GiB it becomes RF64 (EBU Tech 3306).

    A context manager. Blocks are ``[n]`` (mono) or ``[n, channels]``.

    Raises:
        ProjectError: DUB-E304 when the disk is full or the folder cannot be written.
    """

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.path, self.rate, self.channels = path, rate, channels
        self.written = 0
        try:
            self._file: BinaryIO = path.open("wb")
            self._file.write(self._header())
        except OSError as error:
            raise _not_written(path, error) from error

    def write(self, block: Samples) -> None:
        """Append ``block``."""
        columns = 1 if block.ndim == 1 else block.shape[1]
        if columns != self.channels:
            raise ValueError(f"a block of {columns} channels in a file of {self.channels}")
        try:
            self._file.write(np.ascontiguousarray(block, dtype="<f4").data)
        except OSError as error:
            raise _not_written(self.path, error) from error
        self.written += len(block)

    def close(self) -> None:
        """Finish the header; the file is complete after this."""
        if self._file.closed:
            return
        try:
            self._file.seek(0)
            self._file.write(self._header())
            self._file.close()
        except OSError as error:
            raise _not_written(self.path, error) from error

    def _header(self) -> bytes:
        frame = 4 * self.channels
        data = self.written * frame
        riff = HEADER_BYTES - 8 + data
        large = riff > RIFF_LIMIT
        sizes = struct.pack("<QQQI", riff, data, self.written, 0) if large else bytes(28)
        fmt = struct.pack(
            "<HHIIHH", FORMAT_FLOAT, self.channels, self.rate, self.rate * frame, frame, 32
        )
        return b"".join(
            (
                b"RF64" if large else b"RIFF",
                struct.pack("<I", min(riff, RIFF_LIMIT)),
                b"WAVE",
                b"ds64" if large else b"JUNK",
                struct.pack("<I", 28),
                sizes,
                b"fmt " + struct.pack("<I", 16) + fmt,
                b"fact" + struct.pack("<II", 4, min(self.written, RIFF_LIMIT)),
                b"data" + struct.pack("<I", RIFF_LIMIT if large else data),
            )
        )

    def __enter__(self) -> WaveWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def write_waveform(path: Path, waveform: Waveform) -> None:
    """Write ``waveform`` as float32 WAV. Raises ``ProjectError`` DUB-E304."""
    with WaveWriter(path, waveform.rate, waveform.channels) as writer:
        writer.write(waveform.samples)


def open_waveform(path: Path) -> Waveform:
    """The sound of ``path``: memory-mapped when it is float32 WAV or RF64, else read whole.

    Raises:
        InputError: DUB-E101 when missing, DUB-E102 when it is no sound file.
    """
    mapped = _map(path)
    if mapped is not None:
        return mapped
    try:
        samples, rate = soundfile.read(str(path), dtype="float32")
    except (OSError, soundfile.LibsndfileError) as error:
        raise _not_read(path, error) from error
    return Waveform(cast(Samples, samples), rate)


def _map(path: Path) -> Waveform | None:
    """Memory map of float32 data, ``None`` when the layout is another one."""
    try:
        with path.open("rb") as file:
            chunk = _find_float_data(file)
    except OSError as error:
        raise _not_read(path, error) from error
    if chunk is None:
        return None
    offset, count, channels, rate = chunk
    available = (path.stat().st_size - offset) // 4
    count = min(count, available // channels)
    shape = (count,) if channels == 1 else (count, channels)
    if count == 0:
        return Waveform(np.zeros(shape, np.float32), rate)
    return Waveform(np.memmap(path, "<f4", "r", offset, shape), rate)


def _find_float_data(file: BinaryIO) -> tuple[int, int, int, int] | None:
    """``(offset, samples, channels, rate)`` of the data chunk of a float32 WAV."""
    head = file.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        return None
    layout: tuple[int, int, int] | None = None
    data64 = 0
    while len(name_size := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", name_size)
        start = file.tell()
        if name == b"ds64":
            data64 = struct.unpack("<QQ", file.read(16))[1]
        elif name == b"fmt ":
            layout = _layout(file.read(size))
        elif name == b"data":
            if layout is None or layout[0] != FORMAT_FLOAT:
                return None
            size = data64 if size == RIFF_LIMIT and data64 else size
            return start, size // (4 * layout[1]), layout[1], layout[2]
        file.seek(start + size + size % 2)
    return None


def _layout(fmt: bytes) -> tuple[int, int, int] | None:
    """``(format, channels, rate)``; format 3 only for 32-bit floats."""
    if len(fmt) < 16:
        return None
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", fmt[:16])
    if tag == 0xFFFE and len(fmt) >= 26:  # WAVE_FORMAT_EXTENSIBLE: the tag opens the GUID
        tag = struct.unpack("<H", fmt[24:26])[0]
    return (tag if bits == 32 else 0), channels, rate


def read_blocks(path: Path, *, block_s: float = 10.0) -> Iterator[Samples]:
    """Blocks ``[n, channels]`` of about ``block_s`` seconds from any sound file.

    Raises:
        InputError: DUB-E101 when missing, DUB-E102 when it is no sound file.
    """
    try:
        with soundfile.SoundFile(str(path)) as file:
            size = max(1, round(block_s * file.samplerate))
            for block in file.blocks(size, dtype="float32", always_2d=True):
                yield cast(Samples, block)
    except (OSError, soundfile.LibsndfileError) as error:
        raise _not_read(path, error) from error


def resample(waveform: Waveform, rate: int) -> Waveform:
    """``waveform`` at ``rate`` Hz (soxr HQ); exactly ``round(n * rate / old)`` samples."""
    if rate == waveform.rate or len(waveform.samples) == 0:
        return Waveform(waveform.samples, rate)
    wanted = round(len(waveform.samples) * rate / waveform.rate)
    changed = soxr.resample(waveform.samples, waveform.rate, rate, quality=RESAMPLE_QUALITY)
    return Waveform(_fit(cast(Samples, changed), wanted), rate)


def resampled(blocks: Iterator[Samples], old: int, new: int) -> Iterator[Samples]:
    """``blocks`` ``[n, channels]`` brought from ``old`` to ``new`` Hz, one stream, no seams."""
    if old == new:
        yield from blocks
        return
    stream: soxr.ResampleStream | None = None
    taken = given = channels = 0
    for block in blocks:
        if stream is None:
            channels = block.shape[1]
            stream = soxr.ResampleStream(
                old, new, channels, dtype="float32", quality=RESAMPLE_QUALITY
            )
        taken += len(block)
        changed = stream.resample_chunk(np.ascontiguousarray(block, np.float32))
        given += len(changed)
        if len(changed):
            yield changed
    if stream is not None:
        rest = stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)
        yield _fit(rest, max(0, round(taken * new / old) - given))


def resample_file(path_in: Path, path_out: Path, rate: int, mono: bool = True) -> None:
    """Write ``path_in`` as float32 WAV at ``rate`` Hz, streaming; ``mono`` averages the channels.

    Raises:
        InputError: the input cannot be read. ProjectError: DUB-E304, the output cannot be written.
    """
    try:
        with soundfile.SoundFile(str(path_in)) as file:
            old, channels = file.samplerate, file.channels
    except (OSError, soundfile.LibsndfileError) as error:
        raise _not_read(path_in, error) from error
    blocks = read_blocks(path_in)
    if mono and channels > 1:
        blocks = (block.mean(axis=1, keepdims=True) for block in blocks)
    with WaveWriter(path_out, rate, 1 if mono else channels) as writer:
        for block in resampled(blocks, old, rate):
            writer.write(block)


def _fit(samples: Samples, wanted: int) -> Samples:
    """``samples`` cut or padded with silence to ``wanted``."""
    if len(samples) >= wanted:
        return samples[:wanted]
    padding = np.zeros((wanted - len(samples), *samples.shape[1:]), np.float32)
    return np.concatenate([samples, padding])


def _not_written(path: Path, error: Exception) -> ProjectError:
    return ProjectError(
        f"{path} cannot be written: {error}.",
        hint="Free some space or choose another folder, then run again: finished work is kept.",
        code="DUB-E304",
    )


def _not_read(path: Path, error: Exception) -> InputError:
    if not path.is_file():
        return InputError(f"{path} does not exist.", hint="Check the path.", code="DUB-E101")
    return InputError(
        f"{path} is not a readable sound file: {error}",
        hint="Convert it to WAV, FLAC or another common format.",
        code="DUB-E102",
    )
