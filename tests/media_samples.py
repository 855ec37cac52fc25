"""Synthetic clips for tests: every picture carries its number, every sound a burst at a known time.

Nothing is read from disk: PyAV encodes each clip in a fraction of a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import numpy.typing as npt

NTSC = Fraction(30000, 1001)
FILM = Fraction(24000, 1001)
BITS = 10
"""How many bits of its number a frame shows, as black and white blocks along its upper edge."""

BURST_START_S = 0.25
BURST_LENGTH_S = 0.1


@dataclass(frozen=True)
class Clip:
    """What to make. ``ticks`` (in ``1/rate`` units) overrides the even frame times."""

    name: str = "plain.mp4"
    rate: Fraction = Fraction(25)
    n_frames: int = 25
    size: tuple[int, int] = (160, 96)
    codec: str | None = "libx264"
    pixel_format: str = "yuv420p"
    b_frames: int = 2
    keyframe_every: int = 10
    pixel_aspect: Fraction | None = None
    rotation: int = 0
    colour: tuple[int, int, int, int] = (1, 1, 1, 1)
    ticks: tuple[int, ...] = ()
    time_base: Fraction | None = None
    shift_ticks: int = 0
    """Added to every picture time; below zero the first pictures are hidden by an edit list."""

    audio: str | None = "aac"
    audio_rate: int = 48000
    layout: str = "stereo"
    audio_shift_s: float = 0.0
    audio_length_s: float | None = None
    language: str = "eng"
    index_first: bool = False
    """mp4: the index (moov) at the beginning, so that a cut-off file can still be opened."""

    @property
    def picture_ticks(self) -> tuple[int, ...]:
        return self.ticks or tuple(range(self.n_frames))

    @property
    def picture_time_base(self) -> Fraction:
        return self.time_base or 1 / self.rate


def picture(number: int, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """RGB ``[h, w, 3]``: a moving colour ramp, and ``number`` in ``BITS`` blocks at the top."""
    width, height = size
    x = np.arange(width)[None, :]
    y = np.arange(height)[:, None]
    image = np.empty((height, width, 3), np.uint8)
    image[..., 0] = 40 + (150 * x // width + 3 * number) % 160
    image[..., 1] = 60 + 120 * y // height
    image[..., 2] = 50 + (100 * (x + y) // (width + height))
    block = width // BITS
    for bit in range(BITS):
        value = 235 if number >> bit & 1 else 16
        image[: height // 4, bit * block : (bit + 1) * block] = value
    return image


def number_of(image: npt.NDArray[np.uint8]) -> int:
    """The number that ``picture`` drew, read back after any codec."""
    height, width = image.shape[:2]
    block = width // BITS
    row = image[height // 16 : height // 5, :, 1].mean(axis=0)
    return sum(1 << bit for bit in range(BITS) if row[int((bit + 0.5) * block)] > 125)


def sound(length_s: float, rate: int, channels: int) -> npt.NDArray[np.float32]:
    """``[n, channels]``: quiet, with one loud burst; every channel has its own pitch."""
    t = np.arange(round(length_s * rate)) / rate
    loud = (t >= BURST_START_S) & (t < BURST_START_S + BURST_LENGTH_S)
    envelope = np.where(loud, 0.5, 0.0)
    tones = [np.sin(2 * np.pi * (500 + 100 * c) * t) * envelope for c in range(channels)]
    return np.stack(tones, axis=1).astype(np.float32)


def burst_start(samples: npt.NDArray[np.float32], rate: int) -> float:
    """Where the burst begins, in seconds: half its level in a 2 ms mean."""
    mono = samples if samples.ndim == 1 else np.abs(samples).max(axis=1)
    window = max(1, rate // 500)
    level = np.convolve(np.abs(mono), np.ones(window) / window, mode="same")
    return float(np.argmax(level > level.max() / 2)) / rate


def make(folder: Path, clip: Clip) -> Path:
    """Write ``clip`` into ``folder`` and return its path; each clip is encoded once per run."""
    path = folder / clip.name
    path.write_bytes(_encoded(clip))
    return path


@lru_cache(maxsize=128)
def _encoded(clip: Clip) -> bytes:
    with TemporaryDirectory() as folder:
        return _encode(Path(folder) / clip.name, clip).read_bytes()


def _encode(path: Path, clip: Clip) -> Path:
    with av.open(str(path), "w", options=_container_options(clip)) as container:
        video = _add_video(container, clip) if clip.codec else None
        sound_stream = _add_audio(container, clip) if clip.audio else None
        container.start_encoding()
        packets = []
        if video is not None:
            packets += list(_encode_video(video, clip))
        if sound_stream is not None:
            packets += list(_encode_audio(sound_stream, clip))
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
    return path


def _container_options(clip: Clip) -> dict[str, str]:
    if not clip.name.endswith((".mp4", ".mov")):
        return {}
    # A fine movie clock: the start of a track is stored in it, and 1/1000 s would round it.
    clock = math.lcm(clip.picture_time_base.denominator, 48000)
    options = {"movie_timescale": str(clock)}
    return options | ({"movflags": "+faststart"} if clip.index_first else {})


def _add_video(container, clip: Clip):
    options = {}
    if clip.codec == "libx264":
        options = {"bf": str(clip.b_frames), "g": str(clip.keyframe_every), "qp": "12"}
        options["x264-params"] = "scenecut=0:b-adapt=0"
    if clip.codec in ("libvpx", "libvpx-vp9"):
        options = {"g": str(clip.keyframe_every), "crf": "10", "b": "2M", "deadline": "realtime"}
        options["cpu-used"] = "8"
    stream = container.add_stream(clip.codec, rate=clip.rate, options=options)
    stream.width, stream.height = clip.size
    stream.pix_fmt = clip.pixel_format
    context = stream.codec_context
    context.time_base = clip.picture_time_base
    if clip.pixel_aspect:
        context.sample_aspect_ratio = clip.pixel_aspect
    context.color_range, context.color_primaries = clip.colour[:2]
    context.color_trc, context.colorspace = clip.colour[2:]
    if clip.rotation:
        stream.set_display_rotation(-clip.rotation)
    return stream


def _encode_video(stream, clip: Clip) -> Iterator[av.Packet]:
    for number, tick in enumerate(clip.picture_ticks):
        rgb = av.VideoFrame.from_ndarray(picture(number, clip.size), "rgb24")
        frame = rgb.reformat(
            format=clip.pixel_format, dst_colorspace=_swscale_matrix(clip.colour[3])
        )
        frame.pts, frame.time_base = tick, clip.picture_time_base
        yield from _shifted(stream.encode(frame), clip.shift_ticks)
    yield from _shifted(stream.encode(None), clip.shift_ticks)


def _swscale_matrix(matrix: int) -> int:
    return 1 if matrix == 1 else 5


def _shifted(packets: Sequence[av.Packet], ticks: int) -> Iterator[av.Packet]:
    for packet in packets:
        packet.pts += ticks
        packet.dts += ticks
        yield packet


def _add_audio(container, clip: Clip):
    stream = container.add_stream(clip.audio, rate=clip.audio_rate, layout=clip.layout)
    stream.metadata["language"] = clip.language
    return stream


def _encode_audio(stream, clip: Clip) -> Iterator[av.Packet]:
    channels = len(av.AudioLayout(clip.layout).channels)
    ticks = clip.picture_ticks
    length_s = clip.audio_length_s or float((ticks[-1] + 1) * clip.picture_time_base)
    data = sound(length_s, clip.audio_rate, channels)
    wanted = stream.codec_context.format.name
    resampler = av.AudioResampler(format=wanted, layout=clip.layout, rate=clip.audio_rate)
    shift = round(clip.audio_shift_s * clip.audio_rate)
    size = stream.codec_context.frame_size or 1024
    for at in range(0, len(data), size):
        planar = np.ascontiguousarray(data[at : at + size].T)
        frame = av.AudioFrame.from_ndarray(planar, "fltp", clip.layout)
        frame.sample_rate = clip.audio_rate
        frame.pts, frame.time_base = at + shift, Fraction(1, clip.audio_rate)
        for ready in resampler.resample(frame):
            yield from stream.encode(ready)
    yield from stream.encode(None)


def vfr_ticks(n_frames: int) -> tuple[int, ...]:
    """Frame numbers of a 30000/1001 clip with holes: every 4th or 7th frame is missing."""
    kept = [tick for tick in range(2 * n_frames) if tick % 4 != 3 and tick % 7 != 6]
    return tuple(kept[:n_frames])


def encode_plainly(path: Path, codec: str, options: dict[str, str]) -> Path:
    """40 pictures of 160 x 96 with the codec's own ``options``, straight into a container."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(picture(number, (160, 96)), "rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def truncate(path: Path, share: float) -> Path:
    """A copy of ``path`` that ends after ``share`` of its bytes."""
    data = path.read_bytes()
    cut = path.with_name(f"cut-{path.name}")
    cut.write_bytes(data[: int(len(data) * share)])
    return cut


PLAIN = Clip()
CLIPS: dict[str, Clip] = {
    clip.name: clip
    for clip in (
        PLAIN,
        replace(PLAIN, name="film.mp4", rate=FILM),
        replace(PLAIN, name="ntsc.mp4", rate=NTSC, b_frames=3),
        replace(PLAIN, name="decimal.mp4", rate=Fraction(2997, 100)),
        replace(PLAIN, name="vfr.mp4", rate=NTSC, ticks=vfr_ticks(25)),
        replace(PLAIN, name="vfr.mkv", rate=NTSC, ticks=vfr_ticks(25)),
        replace(PLAIN, name="turned.mp4", rotation=90),
        replace(PLAIN, name="turned.mov", rotation=180, layout="mono"),
        replace(PLAIN, name="wide.mp4", pixel_aspect=Fraction(4, 3)),
        replace(PLAIN, name="wide.mkv", pixel_aspect=Fraction(16, 11)),
        replace(PLAIN, name="odd.mp4", size=(161, 97), pixel_format="yuv444p"),
        replace(PLAIN, name="odd.mkv", size=(161, 97), pixel_format="yuv444p"),
        replace(PLAIN, name="smpte.mp4", colour=(1, 6, 6, 6)),
        replace(PLAIN, name="full.mp4", pixel_format="yuvj420p", colour=(2, 5, 6, 6)),
        replace(PLAIN, name="untagged.mp4", colour=(0, 2, 2, 2)),
        replace(PLAIN, name="deep.mp4", pixel_format="yuv420p10le"),
        replace(PLAIN, name="surround.mp4", layout="5.1"),
        replace(PLAIN, name="low.mp4", audio_rate=22050, layout="mono"),
        replace(PLAIN, name="cd.mp4", audio_rate=44100),
        replace(PLAIN, name="silent.mp4", audio=None),
        replace(PLAIN, name="single.mp4", n_frames=1, audio=None),
        replace(PLAIN, name="index-first.mp4", index_first=True),
        replace(PLAIN, name="hidden.mp4", shift_ticks=-5, n_frames=30),
        replace(PLAIN, name="late-picture.mp4", rate=FILM, shift_ticks=3),
        replace(PLAIN, name="late-sound.mp4", audio_shift_s=0.3, audio_length_s=0.6),
        replace(PLAIN, name="broadcast.ts", audio="mp2"),
        replace(PLAIN, name="open.mkv", audio="libopus"),
        replace(PLAIN, name="pcm.mov", audio="pcm_s16le"),
        replace(PLAIN, name="vp9.webm", codec="libvpx-vp9", audio="libopus", b_frames=0),
        replace(PLAIN, name="vp8.webm", codec="libvpx", audio="libopus", b_frames=0),
    )
}
"""One clip per property that media code must survive. Each has at least one picture."""

SOUND_ONLY = Clip(name="sound.m4a", codec=None)
