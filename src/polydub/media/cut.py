"""A stretch of a film as a small file of its own, at a constant frame rate."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import Flags
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream as AvVideoStream

from polydub.media.colour import SHARP, Colour
from polydub.media.encoding import MasterOptions, display_matrix, encoder_format, x264_options
from polydub.media.frames import IndexedFrames
from polydub.media.master import LAYOUTS, RATE, aac_packets, not_written
from polydub.media.picture import film_video, merged
from polydub.media.wave import resample
from polydub.model import Source, Span, Waveform


def write_cut(
    source: Source,
    span: Span,
    sound: Waveform,
    out: Path,
    *,
    fps: Fraction,
    options: MasterOptions | None = None,
) -> int:
    """Write ``span`` of the film as MP4 (H.264, AAC) with ``fps`` frames a second; how many.

    A frame is what the film shows at its moment: slower films repeat pictures, faster ones lose
    some, and nothing drifts. ``sound`` is that of the span. ``out`` appears only when complete.

    Raises:
        InputError: DUB-E104 without video, DUB-E102 for a picture that cannot be decoded.
        ProjectError: DUB-E304 when it cannot be written.
    """
    options = options or MasterOptions()
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    count = max(1, math.ceil(span.duration * fps))
    try:
        with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            container.flags |= cast(int, Flags.bitexact.value)  # same film, same bytes
            picture = _picture(source, container, fps, options)
            layout = LAYOUTS[min(2, sound.channels)]
            voice = container.add_stream("aac", rate=RATE, layout=layout)
            voice.codec_context.bit_rate = options.audio_bitrate
            packets = [
                _pictures(source, picture, [span.start + n / fps for n in range(count)], fps),
                aac_packets(voice, iter([_samples(sound)]), layout),
            ]
            container.start_encoding()
            for packet in merged(packets):
                container.mux(packet)
        os.replace(part, out)
    except (av.error.FFmpegError, OSError) as error:
        raise not_written(out, error) from error
    finally:
        with suppress(OSError):
            part.unlink()
    return count


def _samples(sound: Waveform) -> Any:
    """``[n, channels]`` at the encoder's rate; more than two channels become one."""
    sound = sound if sound.channels <= 2 else sound.mono()
    samples = np.asarray(resample(sound, RATE).samples, np.float32)
    return samples[:, None] if samples.ndim == 1 else samples


def _picture(source: Source, container: Any, fps: Fraction, options: MasterOptions) -> Any:
    video = film_video(source)
    pixels = encoder_format(video.pixel_format, video.width, video.height)
    stream = container.add_stream("libx264", rate=fps, options=x264_options(options, pixels))
    stream.width, stream.height, stream.pix_fmt = video.width, video.height, pixels
    stream.time_base = 1 / fps
    colour = Colour.of(video)
    stream.codec_context.colorspace = colour.matrix
    stream.codec_context.color_range = colour.range
    if video.pixel_aspect != 1:
        stream.codec_context.sample_aspect_ratio = video.pixel_aspect
    matrix = display_matrix(Path(source.path), video.index)
    if matrix is not None:
        stream.set_display_matrix(matrix)
    return stream


def _pictures(
    source: Source, stream: AvVideoStream, times: list[Fraction], fps: Fraction
) -> Iterator[av.Packet[Any]]:
    video, colour, reformatter = film_video(source), Colour.of(film_video(source)), None
    frames = IndexedFrames(Path(source.path), video, source.start)
    shown, frame = -1, None
    try:
        for number, time in enumerate(times):
            index = video.frame_at(time)
            if index != shown or frame is None:
                shown, (_, frame) = index, next(frames.read(index, index + 1))
                if frame.format.name != stream.pix_fmt:
                    reformatter = reformatter or VideoReformatter()
                    frame = reformatter.reformat(
                        frame,
                        format=stream.pix_fmt,
                        src_colorspace=colour.matrix,
                        dst_colorspace=colour.matrix,
                        interpolation=SHARP,
                        src_color_range=2 if frame.format.is_rgb else colour.range,
                        dst_color_range=colour.range,
                        threads=1,
                    )
            frame.pts, frame.dts, frame.time_base = number, None, 1 / fps
            frame.pict_type = 0  # the film's choice of I, P and B must not bind the encoder
            yield from stream.encode(frame)
        yield from stream.encode(None)
    finally:
        frames.close()
