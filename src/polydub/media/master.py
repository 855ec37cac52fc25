"""Writes the finished film: picture, dub tracks, original sound, subtitles, one file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from math import floor, lcm
from pathlib import Path
from typing import Any, cast

import av
import langcodes
import numpy as np
import soundfile
from av.audio.stream import AudioStream as AvAudioStream
from av.container import Flags, OutputContainer
from av.stream import Disposition

from polydub.errors import InputError, ProjectError
from polydub.media.audio import film_blocks, fitted
from polydub.media.decoding import DAMAGE, open_media
from polydub.media.encoding import EncodedPicture, MasterOptions, Patches, PieceStore
from polydub.media.picture import (
    CopiedPicture,
    Progress,
    Timing,
    copy_obstacle,
    film_video,
    log,
    merged,
    obstacle,
    picture_timing,
)
from polydub.media.subtitles import MOV_TEXT_HEADER, TIME_BASE, cue_packets, load_cues
from polydub.media.wave import read_blocks, resampled
from polydub.model import AudioStream, Samples, Source

__all__ = ["AudioTrack", "MasterOptions", "SubtitleTrack", "copy_obstacle", "write_master"]

RATE = 48000
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
MP4_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "flac", "opus"})
"""Sound that MP4 holds and players play; anything else becomes AAC."""

MATROSKA_OPTIONS = {"default_mode": "infer_no_subs"}
"""Left alone, FFmpeg marks the first subtitles as default, and players then show them unasked. (In
MP4 it enables the first track of each kind and offers no choice; players take that as no wish.)"""

MAX_CLOCK = 2**31 - 1


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """A dub track: a sound file that starts at film time zero; ``language`` is BCP-47."""

    path: Path
    language: str
    title: str
    default: bool = False


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    """An SRT file in film time; ``language`` is BCP-47."""

    path: Path
    language: str
    title: str


@dataclass(frozen=True, slots=True)
class _Label:
    """What a player shows for a track."""

    language: str | None
    title: str
    default: bool


def write_master(
    source: Source,
    out: Path,
    *,
    audio: Sequence[AudioTrack],
    original: AudioStream | None,
    original_language: str | None,
    subtitles: Sequence[SubtitleTrack] = (),
    patches: Patches | None = None,
    pieces: PieceStore | None = None,
    options: MasterOptions | None = None,
    progress: Progress | None = None,
) -> None:
    """Write ``out`` (.mp4 or .mkv) with the same frames at the same times as ``source``.

    Without ``patches`` the video packets are copied bit for bit. With them (``patches(index)`` are
    painted on frame ``index``) the picture becomes H.264, and what ``pieces`` has kept from an
    earlier master with the same patches is not encoded again. Only if the container cannot show
    copied packets as the source does (:func:`copy_obstacle` says why; a warning is logged) is the
    picture re-encoded unasked. Matroska keeps times in milliseconds; MP4 is exact.

    Dub tracks become AAC, the first one with ``default`` (else the first) is the default; the
    original sound follows, copied where the container holds its codec. All sound is cut or padded
    to the film. ``out`` appears only when it is complete. ``progress`` receives frames done, all.

    Raises:
        InputError: DUB-E108 for another suffix or a codec that MP4 cannot hold, DUB-E104 without
            video, DUB-E101 / DUB-E102 for unreadable inputs.
        ProjectError: DUB-E304 when the disk is full or the folder cannot be written.
    """
    mp4 = _is_mp4(out)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    plan = _Plan(source, audio, original, original_language, subtitles, mp4)
    timing = picture_timing(source) if patches is None else None
    if timing is not None and (reason := obstacle(source, timing, mp4=mp4)) is not None:
        log.warning("the picture is re-encoded: %s", reason)
        timing = None
    picture = _Picture(timing, patches or _no_patches, pieces, options or MasterOptions())
    try:
        _write(part, plan, picture, progress)
        os.replace(part, out)
    except (av.error.FFmpegError, OSError) as error:
        raise not_written(out, error) from error
    finally:
        with suppress(OSError):
            part.unlink()


@dataclass(frozen=True, slots=True)
class _Plan:
    source: Source
    audio: Sequence[AudioTrack]
    original: AudioStream | None
    original_language: str | None
    subtitles: Sequence[SubtitleTrack]
    mp4: bool


@dataclass(frozen=True, slots=True)
class _Picture:
    """Copy when there is a ``timing``, else encode with ``patches``."""

    timing: Timing | None
    patches: Patches
    pieces: PieceStore | None
    options: MasterOptions


def _no_patches(_: int) -> tuple[()]:
    return ()


def _is_mp4(out: Path) -> bool:
    suffix = out.suffix.lower()
    if suffix not in (".mp4", ".mkv"):
        raise InputError(
            f"{out.name}: a master is an .mp4 or an .mkv file.",
            hint="Change the output's suffix.",
            code="DUB-E108",
        )
    return suffix == ".mp4"


def _write(
    part: Path,
    plan: _Plan,
    how: _Picture,
    progress: Progress | None,
) -> None:
    video = film_video(plan.source)
    container = av.open(
        str(part),
        "w",
        format="mp4" if plan.mp4 else "matroska",
        options=_container_options(video.time_base) if plan.mp4 else MATROSKA_OPTIONS,
    )
    container.flags |= cast(
        int, Flags.bitexact.value
    )  # no random identifiers: same input, same bytes
    picture: CopiedPicture | EncodedPicture | None = None
    with container:
        try:
            if how.timing is not None:
                picture = CopiedPicture(plan.source, container, how.timing, mp4=plan.mp4)
            else:
                picture = EncodedPicture(
                    plan.source, container, how.patches, how.options, how.pieces
                )
            streams: list[Iterator[av.Packet[Any]]] = [picture.packets(progress)]
            streams += _add_audio(container, plan, how.options)
            streams += _add_subtitles(container, plan)
            container.start_encoding()
            for packet in merged(streams):
                container.mux(packet)
        finally:
            if picture is not None:
                picture.close()


def _container_options(time_base: Fraction) -> dict[str, str]:
    """The start of a track is stored in movie clock ticks: they must hold the video's grid."""
    clock = lcm(time_base.denominator, RATE)
    if clock > MAX_CLOCK:
        clock = time_base.denominator
    return {"movflags": "+faststart", "movie_timescale": str(clock)}


# ---------------------------------------------------------------- sound


def _add_audio(
    container: OutputContainer, plan: _Plan, options: MasterOptions
) -> list[Iterator[av.Packet[Any]]]:
    chosen = next((i for i, track in enumerate(plan.audio) if track.default), 0)
    streams: list[Iterator[av.Packet[Any]]] = []
    for number, track in enumerate(plan.audio):
        label = _Label(track.language, track.title, number == chosen)
        rate, channels = _sound_layout(track.path)
        blocks = resampled(read_blocks(track.path, block_s=1.0), rate, RATE)
        streams.append(_encoded_audio(container, plan, blocks, channels, label, options))
    if plan.original is not None:
        label = _Label(plan.original_language, "Original", not plan.audio)
        if _can_copy(plan.original, mp4=plan.mp4):
            streams.append(_copied_audio(container, plan, plan.original, label))
        else:
            keep = plan.original.channels in LAYOUTS
            blocks = film_blocks(
                plan.source, plan.original.index, rate=RATE, downmix="none" if keep else "stereo"
            )
            channels = plan.original.channels if keep else 2
            streams.append(_encoded_audio(container, plan, blocks, channels, label, options))
    return streams


def _sound_layout(path: Path) -> tuple[int, int]:
    try:
        info = soundfile.info(str(path))
    except (OSError, soundfile.LibsndfileError) as error:
        raise InputError(
            f"The dub track {path} cannot be read: {error}",
            hint="Run again to render it anew.",
            code="DUB-E101",
        ) from error
    if info.channels not in LAYOUTS:
        raise InputError(
            f"The dub track {path} has {info.channels} channels.",
            hint=f"A dub track has {', '.join(map(str, LAYOUTS))} channels.",
            code="DUB-E108",
        )
    return int(info.samplerate), int(info.channels)


def _encoded_audio(
    container: OutputContainer,
    plan: _Plan,
    blocks: Iterator[Samples],
    channels: int,
    label: _Label,
    options: MasterOptions,
) -> Iterator[av.Packet[Any]]:
    stream = container.add_stream("aac", rate=RATE, layout=LAYOUTS[channels])
    stream.codec_context.bit_rate = options.audio_bitrate * max(1, channels) // 2
    _label(stream, label)
    total = floor(plan.source.duration * RATE)
    return aac_packets(stream, fitted(blocks, total, channels), LAYOUTS[channels])


def aac_packets(
    stream: AvAudioStream, blocks: Iterator[Samples], layout: str
) -> Iterator[av.Packet[Any]]:
    """Packets of ``blocks`` ``[n, channels]`` at :data:`RATE`, from time zero on."""
    done = 0
    size = 1024  # samples per AAC packet
    held = np.zeros((0, len(av.AudioLayout(layout).channels)), np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        whole = len(held) // size * size
        for at in range(0, whole, size):
            yield from stream.encode(_frame(held[at : at + size], done, layout))
            done += size
        held = held[whole:]
    if len(held):
        yield from stream.encode(_frame(held, done, layout))
    yield from stream.encode(None)


def _frame(samples: Samples, at: int, layout: str) -> av.AudioFrame:
    planar = np.ascontiguousarray(np.clip(samples, -1, 1).T)
    frame = av.AudioFrame.from_ndarray(planar, "fltp", layout)
    frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
    return frame


def _can_copy(stream: AudioStream, *, mp4: bool) -> bool:
    return stream.codec in MP4_AUDIO if mp4 else not stream.codec.startswith("pcm_blu")


def _copied_audio(
    container: OutputContainer, plan: _Plan, original: AudioStream, label: _Label
) -> Iterator[av.Packet[Any]]:
    source_file = open_media(Path(plan.source.path))
    template = cast(AvAudioStream, source_file.streams[original.index])
    stream = container.add_stream_from_template(template, opaque=True)
    _label(stream, label)
    # Matroska tells priming by a codec delay that only its own demuxer hands on. Without it the
    # muxer would move every stream by the priming, about 20 ms.
    clip_priming = not plan.mp4 and "matroska" not in plan.source.container

    def packets() -> Iterator[av.Packet[Any]]:
        try:
            for packet in source_file.demux(template):
                if not packet.size or packet.pts is None:
                    continue
                packet.pts -= round(plan.source.start / packet.time_base)
                if clip_priming and packet.pts < 0:
                    if packet.pts + (packet.duration or 0) <= 0:
                        continue
                    packet.pts = 0
                packet.dts = packet.pts
                if packet.pts * packet.time_base >= plan.source.duration:
                    break
                packet.stream = stream
                yield packet
        except DAMAGE as error:
            log.warning("the original sound ends early: %s", error)
        finally:
            source_file.close()

    return packets()


def _label(stream: av.stream.Stream, label: _Label) -> None:
    stream.metadata["language"] = _alpha3(label.language)
    stream.metadata["title"] = stream.metadata["handler_name"] = label.title
    stream.disposition = Disposition.default if label.default else Disposition(0)


def _alpha3(language: str | None) -> str:
    """ISO 639-2/3 code of a BCP-47 tag, ``und`` when unknown."""
    if not language:
        return "und"
    try:
        return langcodes.get(language).to_alpha3()
    except (LookupError, ValueError):
        return "und"


# ---------------------------------------------------------------- subtitles


def _add_subtitles(container: OutputContainer, plan: _Plan) -> list[Iterator[av.Packet[Any]]]:
    streams: list[Iterator[av.Packet[Any]]] = []
    for track in plan.subtitles:
        cues = load_cues(track.path, plan.source.duration)
        stream: Any = container.add_stream("mov_text" if plan.mp4 else "subrip")
        stream.time_base = TIME_BASE
        stream.codec_context.subtitle_header = MOV_TEXT_HEADER
        _label(stream, _Label(track.language, track.title, False))

        def packets(stream: Any = stream, cues: Any = cues) -> Iterator[av.Packet[Any]]:
            for packet in cue_packets(cues, mp4=plan.mp4):
                packet.stream = stream
                yield packet

        streams.append(packets())
    return streams


def not_written(out: Path, error: av.error.FFmpegError | OSError) -> ProjectError | InputError:
    """What is told of a film that could not be written: the disk's fault, or the input's."""
    disk = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.ENOENT)
    if error.errno in (*disk, errno.EIO, errno.EPERM, errno.EISDIR, errno.ENOTDIR):
        return ProjectError(
            f"{out} cannot be written: {error.strerror}.",
            hint="Free some space or choose another folder, then run again.",
            code="DUB-E304",
        )
    return InputError(
        f"{out.name} cannot be made: {error}.",
        hint="Try an .mkv output: Matroska holds nearly everything.",
        code="DUB-E102",
    )
