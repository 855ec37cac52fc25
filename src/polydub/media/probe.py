"""What a media file contains, with the exact time of every frame."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import langcodes
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream as AvAudioStream
from av.container import InputContainer
from av.video.stream import VideoStream as AvVideoStream

from polydub.errors import InputError
from polydub.media.decoding import (
    DAMAGE,
    PictureDecoder,
    has_times,
    is_picture_stream,
    is_reference_only,
    open_media,
)
from polydub.model import AudioStream, Source, VideoStream

HASH_BLOCK = 1 << 20
CODEC_PADDING = Fraction(1, 20)
"""Sound that outlives the picture by less (s) is the padding of the last audio packet, not film."""

LEADING_PICTURES = 64
"""Pictures decoded at the start when some come before the first keyframe (open groups)."""

MISSING_END = Fraction(1, 2)
"""A header that promises this much more (s) than the packets give means a cut-off file."""


@dataclass
class _Pictures:
    """Times of the demuxed packets of the video stream, in decode order, container ticks."""

    pts: list[int] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    first_key: int | None = None
    n_packets: int = 0
    without_pts: int = 0
    last_corrupt: bool = False


@dataclass
class _Sound:
    """First decoded and last demuxed time of one audio stream, in container seconds."""

    stream: AvAudioStream
    start: Fraction | None = None
    end: Fraction = Fraction(0)
    attempts: int = 0


@dataclass
class _Scan:
    pictures: _Pictures
    sounds: list[_Sound]
    stopped: bool = False


def probe_film(path: Path) -> Source:
    """As :func:`probe`, of a file that must have both picture and sound.

    Raises:
        InputError: DUB-E103 without sound, DUB-E104 without pictures; and what :func:`probe`
            raises.
    """
    source = probe(path)
    if source.video is None:
        raise InputError(
            f"{path.name} has no video stream.",
            hint="polydub dubs videos; for sound alone, put it over a still picture first.",
            code="DUB-E104",
        )
    if not source.audio:
        raise InputError(
            f"{path.name} has no audio stream, so there is nothing to dub.",
            hint="Give a video with speech in it.",
            code="DUB-E103",
        )
    return source


def probe(path: Path) -> Source:
    """The streams of ``path`` and the presentation time of every frame that decodes.

    Only packets are read, not pictures; the beginning is decoded as far as needed to know what
    shows, and the end when the container says that something is missing. ``tags["damage"]`` then
    holds a sentence for people. ``audio`` is empty without sound, ``video`` is ``None`` without
    pictures.

    Raises:
        InputError: DUB-E101 missing or unreadable, DUB-E102 no media, or nothing decodes of the
            picture or the sound that the file announces.
    """
    with open_media(path) as container:
        video = _best_video(container)
        sounds = [_Sound(s) for s in container.streams.audio if s.codec_context is not None]
        if video is None and not sounds:
            raise _nothing_decodes(path)
        scan = _scan(container, video, sounds)
        source = _assemble(path, container, video, scan)
        if container.streams.audio and not source.audio:
            raise _nothing_decodes(path, "the sound of ")
        if video is not None and source.video is None:
            raise _nothing_decodes(path, "the picture of ")
        return source


def _best_video(container: InputContainer) -> AvVideoStream | None:
    """The largest moving picture; the first one of equals."""
    streams = [s for s in container.streams.video if is_picture_stream(s)]
    return max(streams, key=lambda s: (s.width * s.height, -s.index), default=None)


def _scan(container: InputContainer, video: AvVideoStream | None, sounds: list[_Sound]) -> _Scan:
    scan = _Scan(_Pictures(), sounds)
    by_index = {sound.stream.index: sound for sound in sounds}
    wanted = [*([video] if video else []), *(sound.stream for sound in sounds)]
    try:
        for packet in container.demux(wanted):
            if packet.size == 0:
                continue
            if packet.stream_index in by_index:
                _note_sound(by_index[packet.stream_index], packet)
            else:
                _note_picture(scan.pictures, packet)
    except DAMAGE:
        scan.stopped = True
    return scan


def _note_picture(pictures: _Pictures, packet: av.Packet[Any]) -> None:
    pictures.n_packets += 1
    pictures.last_corrupt = packet.is_corrupt
    if packet.is_discard or is_reference_only(packet):
        return
    if packet.pts is None:
        pictures.without_pts += 1
        return
    if pictures.first_key is None and packet.is_keyframe:
        pictures.first_key = packet.pts
    pictures.pts.append(packet.pts)
    pictures.durations.append(packet.duration or 0)


def _note_sound(sound: _Sound, packet: av.Packet[Any]) -> None:
    # The first packets may be priming that no one hears: only a decoded frame tells the start.
    if sound.start is None and sound.attempts < 100:
        sound.attempts += 1
        sound.start = _first_sound(packet)
    if packet.pts is not None:
        end = (packet.pts + (packet.duration or 0)) * packet.time_base
        sound.end = max(sound.end, end)


def _first_sound(packet: av.Packet[Any]) -> Fraction | None:
    try:
        frames = packet.decode()
    except DAMAGE:
        return None
    for frame in frames:
        if frame.pts is not None and frame.time_base is not None:
            return Fraction(frame.pts * frame.time_base)
    return None


def _assemble(
    path: Path, container: InputContainer, video: AvVideoStream | None, scan: _Scan
) -> Source:
    sounds = [sound for sound in scan.sounds if sound.start is not None]
    pts, damage = (np.empty(0, np.int64), "") if video is None else _frame_times(path, video, scan)
    if len(pts) == 0 and not sounds:
        raise _nothing_decodes(path)
    start = _film_zero(video, pts, sounds)
    stream = None
    if video is not None and len(pts):
        stream = _describe_video(path, video, scan.pictures, pts, start)
    audio = tuple(_describe_audio(sound, start) for sound in sounds)
    tags: dict[str, Any] = {}
    if not damage and scan.stopped:
        damage = "The file ends in damaged data."
    if damage:
        tags["damage"] = damage
    return Source(
        path=str(path),
        digest=file_digest(path),
        container=container.format.name,
        duration=_duration(stream, audio),
        video=stream,
        audio=audio,
        start=start,
        tags=tags,
    )


def _film_zero(
    video: AvVideoStream | None, pts: npt.NDArray[np.int64], sounds: list[_Sound]
) -> Fraction:
    """Earliest start of all streams, floored to the picture's time grid."""
    starts = [sound.start for sound in sounds if sound.start is not None]
    if video is None or len(pts) == 0:
        return min(starts)
    assert video.time_base is not None
    earliest = min([int(pts[0]) * video.time_base, *starts])
    return (earliest // video.time_base) * video.time_base


def _duration(video: VideoStream | None, audio: tuple[AudioStream, ...]) -> Fraction:
    heard = max((stream.start + stream.duration for stream in audio), default=Fraction(0))
    if video is None:
        return heard
    seen = video.end_pts * video.time_base
    return heard if heard > seen + CODEC_PADDING else seen


def _frame_times(
    path: Path, video: AvVideoStream, scan: _Scan
) -> tuple[npt.NDArray[np.int64], str]:
    """Container ticks of every frame that decodes, sorted, and a sentence about damage."""
    pictures = scan.pictures
    pts = np.unique(np.asarray(pictures.pts, np.int64))
    if not has_times(path, video.index):
        return _evenly_spaced(path, video), ""
    if pictures.without_pts or len(pts) != len(pictures.pts) or pictures.first_key is None:
        return _decode_all(path, video), ""
    pts = _decodable_start(path, video, pictures, pts)
    if len(pts) and _is_cut_off(video, scan, pts):
        return _decodable_end(path, video, pts)
    return pts, ""


def _decodable_start(
    path: Path, video: AvVideoStream, pictures: _Pictures, pts: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Without the pictures that refer to others before the file's beginning."""
    assert pictures.first_key is not None
    clean = pictures.pts[0] == pictures.first_key == int(pts[0])
    decoder = PictureDecoder(path, video.index)
    shown: list[int] = []
    for frame in decoder.frames():
        if frame.pts is not None:
            shown.append(frame.pts)
        if clean or len(shown) >= LEADING_PICTURES:
            break
    decoder.close()
    if not shown:
        return np.empty(0, np.int64)
    if clean:
        return pts[pts >= shown[0]]
    seen = np.isin(pts, np.asarray(shown, np.int64))
    return pts[seen | (pts > max(shown))]


def _is_cut_off(video: AvVideoStream, scan: _Scan, pts: npt.NDArray[np.int64]) -> bool:
    pictures = scan.pictures
    if scan.stopped or pictures.last_corrupt or video.frames > pictures.n_packets:
        return True
    container = video.container
    assert isinstance(container, InputContainer) and video.time_base is not None
    if container.duration is None:
        return False
    promised = Fraction(container.duration, av.time_base)
    first = Fraction(container.start_time or 0, av.time_base)
    ends = [int(pts[-1]) * video.time_base, *(sound.end for sound in scan.sounds)]
    return promised - (max(ends) - first) > MISSING_END


def _decodable_end(
    path: Path, video: AvVideoStream, pts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], str]:
    """Cut ``pts`` where decoding ends, by decoding from a keyframe shortly before the end."""
    assert video.time_base is not None
    decoder = PictureDecoder(path, video.index)
    shown: set[int] = set()
    for back in (1, 8, 64, len(pts)):  # a keyframe that is damaged itself: try an earlier one
        decoder.seek(int(pts[max(0, len(pts) - back)]))
        shown = {frame.pts for frame in decoder.frames() if frame.pts is not None}
        if shown:
            break
    decoder.close()
    if not shown:
        return np.empty(0, np.int64), ""
    tail = pts[pts >= min(shown)]
    kept = np.concatenate([pts[pts < min(shown)], tail[np.isin(tail, list(shown))]])
    seconds = float((int(kept[-1]) - int(kept[0])) * video.time_base)
    lost = len(pts) - len(kept)
    return kept, (
        f"The file is cut off or damaged: the picture ends after {seconds:.1f} s"
        + (f", {lost} listed frames at the end cannot be decoded." if lost else ".")
    )


def _decode_all(path: Path, video: AvVideoStream) -> npt.NDArray[np.int64]:
    """Frame times by decoding everything: where some packets carry none, or two the same."""
    step = _frame_step(video)
    decoder = PictureDecoder(path, video.index)
    times: list[int] = []
    for frame in decoder.frames():
        time = frame.pts
        if time is None or (times and time <= times[-1]):
            time = times[-1] + step if times else 0
        times.append(time)
    decoder.close()
    return np.asarray(times, np.int64)


def _evenly_spaced(path: Path, video: AvVideoStream) -> npt.NDArray[np.int64]:
    """Frame times for streams without any: pictures are counted by decoding."""
    decoder = PictureDecoder(path, video.index)
    count = sum(1 for _ in decoder.frames())
    decoder.close()
    return np.arange(count, dtype=np.int64) * _frame_step(video)


def _frame_step(video: AvVideoStream) -> int:
    """Ticks of one frame at the average rate."""
    assert video.time_base is not None
    return max(1, round(1 / (_rate(video) * video.time_base)))


def _rate(video: AvVideoStream) -> Fraction:
    return video.average_rate or video.guessed_rate or Fraction(25)


def _describe_video(
    path: Path,
    video: AvVideoStream,
    pictures: _Pictures,
    pts: npt.NDArray[np.int64],
    start: Fraction,
) -> VideoStream:
    assert video.time_base is not None
    context = video.codec_context
    shifted = pts - int(start / video.time_base)
    last = dict(zip(pictures.pts, pictures.durations, strict=True)).get(int(pts[-1]), 0)
    if not last:
        last = int(np.median(np.diff(pts))) if len(pts) > 1 else _frame_step(video)
    return VideoStream(
        index=video.index,
        codec=context.codec.canonical_name,
        width=context.width,
        height=context.height,
        pixel_format=context.pix_fmt or "",
        pixel_aspect=video.sample_aspect_ratio or Fraction(1),
        rotation=_rotation(path, video.index),
        time_base=video.time_base,
        pts=shifted,
        end_pts=int(shifted[-1]) + last,
        average_rate=_rate(video),
        colour={
            "range": int(context.color_range),
            "primaries": int(context.color_primaries),
            "transfer": int(context.color_trc),
            "matrix": int(context.colorspace),
        },
    )


def _rotation(path: Path, index: int) -> int:
    """Degrees clockwise to turn the coded picture for display: 0, 90, 180 or 270."""
    decoder = PictureDecoder(path, index)
    turned = next((frame.rotation for frame in decoder.frames()), 0)
    decoder.close()
    return -round(turned) % 360  # FFmpeg counts counter-clockwise


def _describe_audio(sound: _Sound, start: Fraction) -> AudioStream:
    context = sound.stream.codec_context
    assert sound.start is not None
    return AudioStream(
        index=sound.stream.index,
        codec=context.codec.canonical_name,
        rate=context.sample_rate,
        channels=context.channels,
        layout=context.layout.name,
        start=sound.start - start,
        duration=max(Fraction(0), sound.end - sound.start),
        language=_language(sound.stream.language),
    )


def _language(tag: str | None) -> str | None:
    """BCP-47 of a container's language tag; ``None`` when it says nothing."""
    if not tag or tag in ("und", "mis", "mul", "zxx") or not langcodes.tag_is_valid(tag):
        return None
    return langcodes.standardize_tag(tag)


def file_digest(path: Path) -> str:
    """SHA-256 of the whole file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _nothing_decodes(path: Path, what: str = "") -> InputError:
    return InputError(
        f"Nothing of {what}{path} can be decoded: it is cut off, damaged or of an unknown format.",
        hint="Play it in a media player; if that fails too, export or download it again.",
        code="DUB-E102",
    )
