"""The report as one self-contained page: no request leaves it, it prints, it reads in the dark."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from polydub.evaluate import grades, report_view
from polydub.evaluate.report_json import report_json
from polydub.evaluate.timing_chart import LANE, clock, timing_chart
from polydub.model import Report

__all__ = ["Clip", "render_report", "report_json"]

Clip = Path | bytes | None
"""Audio of one line, encoded (Ogg Opus, MP3, WAV …): a file or its bytes."""

MAX_CLIP_BYTES = 400_000
"""Larger clips are left out: 400 kB is 8 s of mono 24 kHz WAV, or minutes of Opus."""
MAX_PAGE_BYTES = 24_000_000
"""Audio of a page in all; later lines go without a player."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"OggS", "audio/ogg"),
    (b"RIFF", "audio/wav"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
)


@dataclass(frozen=True, slots=True)
class Player:
    """``data:`` addresses of the dubbed and the original line; empty = none."""

    dub: str = ""
    original: str = ""


def render_report(
    report: Report,
    *,
    thumbnails: Mapping[str, bytes],
    players: Mapping[str, tuple[Clip, Clip]] | None = None,
) -> str:
    """The page, as text.

    ``thumbnails`` maps person ids to PNG or JPEG bytes. ``players`` maps line ids to the audio of
    the dubbed and of the original line; what is missing, unreadable or large gets no player.
    ``report.extra`` may hold ``shots`` (``[start, end]`` in seconds), ``version`` and ``created``.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(clock=clock, length_text=report_view.length_text)
    template = environment.from_string(_resource("report.html.jinja"))
    rows = report_view.rows(report)
    costs = report_view.costs(report)
    return template.render(
        report=report,
        name=Path(report.source).name or report.source,
        source_language=report_view.language_title(report.language),
        target_language=report_view.language_title(report.target),
        style=Markup(_resource("report.css")),
        script=Markup(_resource("report.js")),
        tiles=report_view.tiles(report),
        cards=report_view.cards(report),
        faces={person: data_url(image) for person, image in thumbnails.items()},
        chart=timing_chart(report.lines, report.cast, report.duration_s, _cuts(report)),
        lane=LANE,
        rows=rows,
        drafts=sum(row.status == "draft" for row in rows),
        players=embedded_players(players or {}),
        decisions=report.decisions,
        kinds=report_view.KIND_TEXT,
        line_ids={row.line.id for row in rows},
        costs=costs,
        total=report_view.total_cost(costs),
        scales=_used_scales(report),
    )


def _resource(name: str) -> str:
    return files("polydub.evaluate").joinpath(name).read_text(encoding="utf-8")


def _cuts(report: Report) -> list[float]:
    return [float(span[0]) for span in report.extra.get("shots", ())]


def _used_scales(report: Report) -> list[grades.Scale]:
    used = {name for entry in report.lines for name in entry.scores}
    return [scale for name, scale in grades.SCALES.items() if name in used]


def embedded_players(players: Mapping[str, tuple[Clip, Clip]]) -> dict[str, Player]:
    """Players that fit: dubbed lines first, so that a long film loses originals before dubs."""
    room = MAX_PAGE_BYTES
    urls: dict[tuple[str, int], str] = {}
    for side in (0, 1):
        for line, clips in players.items():
            data = _bytes_of(clips[side])
            if 0 < len(data) <= min(MAX_CLIP_BYTES, room):
                room -= len(data)
                urls[line, side] = data_url(data)
    return {
        line: Player(urls.get((line, 0), ""), urls.get((line, 1), ""))
        for line in players
        if (line, 0) in urls or (line, 1) in urls
    }


def _bytes_of(clip: Clip) -> bytes:
    """The bytes of a clip; nothing when it is absent, too large or unreadable."""
    if clip is None:
        return b""
    if isinstance(clip, bytes):
        return clip
    try:
        return clip.read_bytes() if clip.stat().st_size <= MAX_CLIP_BYTES else b""
    except OSError:
        return b""


def data_url(data: bytes) -> str:
    """``data`` (a picture or a sound) as a ``data:`` address."""
    kind = next((kind for magic, kind in _MAGIC if data.startswith(magic)), "audio/mp4")
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
