from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from polydub.evaluate import grades, report_view
from polydub.evaluate.report_html import MAX_CLIP_BYTES, render_report, report_json
from polydub.evaluate.timing_chart import clock, tick_seconds, timing_chart
from polydub.model import (
    Decision,
    Line,
    LineReport,
    Placement,
    Report,
    Span,
    Speaker,
    StageTiming,
    Translation,
    VoiceChoice,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
OGG = b"OggS" + bytes(40)
VOID = {"meta", "img", "input", "br"}


class Page(HTMLParser):
    """Collects tags and addresses, and insists that every opened tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action", "data", "xlink:href"):
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def entry(
    number: int,
    start: float,
    end: float,
    *,
    speaker: str = "S1",
    take: tuple[float, float] | None = None,
    translation: Translation | None = None,
    heard: str = "",
    **scores: float,
) -> LineReport:
    line = Line(
        f"L{number:03d}",
        speaker,
        Span.of(start, end),
        f"source {number} <b>&",
        translations={"es": translation} if translation else {},
    )
    placement = Placement(line.id, Span.of(*take)) if take else None
    return LineReport(line, "es", placement, None, scores, heard)


@pytest.fixture
def report() -> Report:
    return Report(
        source="/films/<the> film.mp4",
        language="en",
        target="es",
        duration_s=20.0,
        cast=(
            Speaker("S1", "Ann", "P1", voices={"es": VoiceChoice("kokoro", "ef", similarity=0.5)}),
            Speaker("S2", "Bob <script>", None, pitch_hz=110.0),
        ),
        lines=(
            entry(
                1,
                0,
                2,
                take=(0.1, 2.1),
                translation=Translation("hola mundo", "ok"),
                heard="hola mondo",
                wer=0.5,
                similarity=0.55,
                speed=1.0,
            ),
            entry(2, 3, 5, speaker="S2", translation=Translation("uno", "draft")),
            entry(
                3, 6, 8, take=(6, 8), translation=Translation("dos", "given"), wer=0.0, blur=3.14159
            ),
        ),
        decisions=(
            Decision("speak", "L002", "pass-through", "no voice <here>", Span.of(3, 5)),
            Decision("lips", "shot 2", "fallback", "profile"),
        ),
        timings=(StageTiming("speak", 10.0, 800.0, 3, 1), StageTiming("lips", 30.0, 900.0)),
        engines={"speak": "kokoro@1"},
        extra={"shots": [[0.0, 4.0], [4.0, 20.0]], "version": "9.9", "created": "2026-01-01"},
    )


def test_page_is_well_formed_and_asks_nobody(report: Report) -> None:
    text = render_report(report, thumbnails={"P1": PNG}, players={"L001": (OGG, None)})
    page = Page(text)
    outside = [a for a in page.addresses if not a.startswith(("data:", "#"))]
    assert outside == []
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text
    assert len(page.ids) == len(set(page.ids))
    assert {"L001", "L002", "L003"} <= set(page.ids)
    assert all(a[1:] in page.ids for a in page.addresses if a.startswith("#"))


def test_text_of_the_film_is_escaped(report: Report) -> None:
    text = render_report(report, thumbnails={})
    assert "Bob <script>" not in text
    assert "Bob &lt;script&gt;" in text
    assert "source 1 &lt;b&gt;&amp;" in text
    assert "no voice &lt;here&gt;" in text


def test_page_says_what_happened(report: Report) -> None:
    text = render_report(report, thumbnails={})
    for words in (
        "English",
        "Spanish",
        "kokoro@1",
        "voice-matched, not cloned",
        "passed through",
        "profile",
        "Draft translation.",
        "<mark>mondo </mark>",
        "polydub 9.9",
        "3.14",
    ):
        assert words in text


def test_faces_and_avatars(report: Report) -> None:
    with_face = render_report(report, thumbnails={"P1": PNG})
    assert with_face.count("data:image/png;base64,") == 1
    without = render_report(report, thumbnails={})
    assert "data:image" not in without
    assert "Ann: no face" in without


def test_players_come_from_files_and_bytes_when_small(report: Report, tmp_path: Path) -> None:
    small, large = tmp_path / "a.wav", tmp_path / "b.wav"
    small.write_bytes(b"RIFF" + bytes(100))
    large.write_bytes(b"RIFF" + bytes(MAX_CLIP_BYTES))
    players = {"L001": (small, OGG), "L002": (large, tmp_path / "absent.wav"), "L003": (None, None)}
    page = Page(render_report(report, thumbnails={}, players=players))
    assert page.tags.count("audio") == 2
    assert [a.split(";")[0] for a in page.addresses if a.startswith("data:")] == [
        "data:audio/wav",
        "data:audio/ogg",
    ]


def test_an_empty_report_renders(report: Report) -> None:
    empty = dataclasses.replace(
        report, lines=(), cast=(), decisions=(), timings=(), engines={}, extra={}, duration_s=0.0
    )
    text = render_report(empty, thumbnails={})
    Page(text)
    assert "Nothing: everything was dubbed as planned." in text


def test_worst_lines_rank_first(report: Report) -> None:
    rows = report_view.rows(report)
    ranked = sorted(rows, key=lambda row: -row.concern)
    assert [row.line.id for row in ranked] == ["L002", "L001", "L003"]
    assert rows[2].concern == 0.0


def test_tiles(report: Report) -> None:
    tiles = {tile.label: tile for tile in report_view.tiles(report)}
    assert tiles["lines dubbed"].value == "2/3"
    assert tiles["lines dubbed"].grade == "fair"
    assert tiles["speakers"].detail == "1 seen on screen"
    assert tiles["word errors"].value == "25 %"
    assert tiles["passed through"].value == "1"
    assert tiles["per second of video"].value == "2.0 s"
    assert tiles["per second of video"].detail == "this run: 33% reused"
    fresh = dataclasses.replace(report, timings=(StageTiming("speak", 10.0, 800.0, 3),))
    assert report_view.tiles(fresh)[-1].detail == "time to make it"
    assert "character errors" not in tiles


def test_costs(report: Report) -> None:
    costs = report_view.costs(report)
    assert [cost.per_second for cost in costs] == [0.5, 1.5]
    assert [cost.share for cost in costs] == [0.25, 0.75]
    total = report_view.total_cost(costs)
    assert (total.seconds, total.peak_mib, total.units, total.cached) == (40.0, 900.0, 3, 1)


def test_draft_is_said_once_per_line(report: Report) -> None:
    noted = dataclasses.replace(
        report, decisions=(Decision("translate", "L002", "draft", "draft engine"),)
    )
    row = report_view.rows(noted)[1]
    assert row.status == "draft"
    assert row.decisions == ()


@pytest.mark.parametrize(
    ("name", "value", "expected", "text"),
    [
        ("wer", 0.0, "good", "0 %"),
        ("wer", 0.2, "fair", "20 %"),
        ("wer", 0.31, "poor", "31 %"),
        ("cer", 0.14, "good", "14 %"),
        ("similarity", 0.5, "good", "0.50"),
        ("similarity", 0.1, "poor", "0.10"),
        ("margin", -0.01, "poor", "-0.01"),
        ("overlap", 0.6, "fair", "60 %"),
        ("speed", 1.2, "good", "1.20×"),
        ("speed", 0.7, "fair", "0.70×"),
        ("speed", 1.4, "poor", "1.40×"),
        ("blur", 3.14159, "plain", "3.14"),
    ],
)
def test_grades(name: str, value: float, expected: str, text: str) -> None:
    assert grades.grade(name, value) == expected
    assert grades.show(name, value) == text


@pytest.mark.parametrize(
    ("reference", "heard", "language", "expected"),
    [
        ("hola mundo", "", "es", ()),
        ("Hola, mundo", "hola mundo.", "es", (("hola mundo. ", False),)),
        ("hola mundo", "hola mondo", "es", (("hola ", False), ("mondo ", True))),
        ("你好，世界", "你好世介", "zh", (("你好", False), ("世", False), ("介", True))),
    ],
)
def test_compare(
    reference: str, heard: str, language: str, expected: tuple[tuple[str, bool], ...]
) -> None:
    assert report_view.compare(reference, heard, language) == expected


def test_mini_bar() -> None:
    bar = report_view.mini_bar(entry(1, 10, 20, take=(10, 15)))
    assert bar.source == pytest.approx((8.33, 83.33))
    assert bar.take == pytest.approx((8.33, 41.67))
    assert bar.late == "on time"
    assert report_view.mini_bar(entry(1, 10, 20, take=(10.5, 15))).late == "+0.50 s"
    assert report_view.mini_bar(entry(1, 10, 20)).take is None


def test_chart(report: Report) -> None:
    chart = timing_chart(report.lines, report.cast, 20.0, cuts=[0.0, 4.0, 20.0])
    assert [speaker.id for speaker in chart.rows] == ["S1", "S2"]
    assert [(bar.line, bar.kind) for bar in chart.bars] == [
        ("L001", "source"),
        ("L001", "take"),
        ("L002", "source"),
        ("L003", "source"),
        ("L003", "take"),
    ]
    assert (chart.bars[0].x, chart.bars[0].width) == (0.0, 10.0)
    assert [mark.x for mark in chart.cuts] == [20.0]
    assert all(0 <= bar.x <= 100 and bar.x + bar.width <= 100.5 for bar in chart.bars)
    assert chart.ticks[0].label == "0:00"


def test_a_long_film_gets_a_wide_chart(report: Report) -> None:
    short, long = (timing_chart(report.lines, report.cast, d).min_width for d in (20.0, 7200.0))
    assert short == 640
    assert long == 43200


def test_ticks_and_clock() -> None:
    assert tick_seconds(20.0, 12) == 2.0
    assert tick_seconds(7200.0, 12) == 600.0
    assert tick_seconds(1e9, 12) == 900.0
    assert [clock(s) for s in (0, 64.4, 3723, -1)] == ["0:00", "1:04", "1:02:03", "0:00"]


def test_length_text() -> None:
    lengths = [report_view.length_text(seconds) for seconds in (28.6, 375, 7200)]
    assert lengths == ["28.6 s", "6:15 min", "2:00:00 h"]


def test_a_card_shows_the_voice_that_was_used(report: Report) -> None:
    voice = VoiceChoice("kokoro", "em")
    lines = (dataclasses.replace(report.lines[1], voice=voice),)
    first, second = report_view.cards(dataclasses.replace(report, lines=lines))
    assert (first.voice, second.voice) == (report.cast[0].voices["es"], voice)
    assert second.similarity is None


def test_json(report: Report) -> None:
    data = json.loads(report_json(report))
    assert data["schema"] == "polydub.report/1"
    assert data["lines"][0]["line"]["span"] == {"start": 0.0, "end": 2.0}
    assert data["lines"][0]["scores"]["wer"] == 0.5
    assert data["lines"][1]["placement"] is None
    assert data["decisions"][0]["reason"] == "no voice <here>"
    assert report_json(report) == report_json(report)


def test_json_refuses_what_it_cannot_write(report: Report) -> None:
    with pytest.raises(NotImplementedError, match="cannot hold object"):
        report_json(dataclasses.replace(report, extra={"x": object()}))


def test_takes_and_wordings_that_were_not_chosen_are_shown(report: Report) -> None:
    made = Translation("hola <mundo>", "ok", alternatives=("hola a todo el mundo", "hola <mundo>"))
    line = entry(1, 0, 2, take=(0, 2), translation=made, wer=0.0, similarity=0.4, speed=1.0)
    tries = ({"wer": 0.5, "similarity": 0.3}, {"wer": 0.0, "similarity": 0.4})
    one = dataclasses.replace(report, lines=(dataclasses.replace(line, takes=tries),))
    page = render_report(one, thumbnails={}, players={})
    assert "2 takes" in page and "take 2, kept" in page and "take 1, kept" not in page
    assert page.count("hola a todo el mundo") == 1
    others = page[page.index("other wordings") :].partition("</details>")[0]
    assert "hola &lt;mundo&gt;" not in others  # the chosen one is not its own alternative
    plain = render_report(report, thumbnails={}, players={})
    assert "takes</summary>" not in plain and "other wordings" not in plain
