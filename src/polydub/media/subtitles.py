"""Soft subtitles as packets: text samples in MP4 (3GPP TS 26.245), raw text in Matroska."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pysubs2

from polydub.errors import InputError

TIME_BASE = Fraction(1, 1000)

MOV_TEXT_HEADER = b"""[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
"""What FFmpeg's encoder needs to write the style of the text track (white, bottom centre)."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Text shown for ``[start_ms, end_ms)``."""

    start_ms: int
    end_ms: int
    text: str


def load_cues(path: Path, duration: Fraction) -> list[Cue]:
    """Cues of an SRT file, sorted, cut to the film; empty ones are dropped.

    Raises:
        InputError: DUB-E101 when missing, DUB-E107 when it is no subtitle file.
    """
    try:
        events = pysubs2.load(str(path), encoding="utf-8-sig").events
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", hint="Check the path.", code="DUB-E101"
        ) from error
    except (ValueError, pysubs2.exceptions.Pysubs2Error) as error:
        raise InputError(
            f"{path} is not a subtitle file that can be understood.",
            hint="Save it as SRT in UTF-8.",
            code="DUB-E107",
        ) from error
    limit = int(duration * 1000)
    cues = (Cue(max(0, e.start), min(e.end, limit), e.plaintext.strip()) for e in events)
    return sorted(
        (cue for cue in cues if cue.text and cue.start_ms < cue.end_ms),
        key=lambda cue: (cue.start_ms, cue.end_ms, cue.text),
    )


def flattened(cues: Sequence[Cue]) -> list[Cue]:
    """``cues`` (sorted) without overlaps: text shown together becomes one cue of several lines."""
    edges = sorted({edge for cue in cues for edge in (cue.start_ms, cue.end_ms)})
    flat: list[Cue] = []
    active: list[Cue] = []
    waiting = list(reversed(cues))
    for start, end in pairwise(edges):
        active = [cue for cue in active if cue.end_ms > start]
        while waiting and waiting[-1].start_ms <= start:
            active.append(waiting.pop())
        text = "\n".join(cue.text for cue in active)
        if not text:
            continue
        if flat and flat[-1].end_ms == start and flat[-1].text == text:
            flat[-1] = Cue(flat[-1].start_ms, end, text)
        else:
            flat.append(Cue(start, end, text))
    return flat


def cue_packets(cues: Sequence[Cue], *, mp4: bool) -> Iterator[av.Packet[Any]]:
    """One packet per cue, in milliseconds; the caller sets the stream."""
    for cue in flattened(cues) if mp4 else cues:
        text = cue.text.encode()
        if mp4:
            text = text[: 2**16 - 1].decode(errors="ignore").encode()
            text = len(text).to_bytes(2, "big") + text
        packet: av.Packet[Any] = av.Packet(text)
        packet.pts = packet.dts = cue.start_ms
        packet.duration = cue.end_ms - cue.start_ms
        packet.time_base = TIME_BASE
        yield packet
