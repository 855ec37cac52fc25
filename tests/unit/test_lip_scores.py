"""What a line's figures say about its mouth, when a cut lies in the line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from polydub.engines.protocols import LipSpan
from polydub.model import Decision, Span
from polydub.pipeline import picture
from polydub.project.artifacts import save


def test_a_line_over_a_cut_is_judged_by_all_of_its_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def span(line: str, track: str, first: int, last: int) -> LipSpan:
        return LipSpan(
            track, line, (first, last), Span(Fraction(first, 25), Fraction(last, 25)), ()
        )

    seen = {
        span("L001", "F000.1", 0, 80): picture.SpanSummary(80, {}, {}),
        span("L001", "F001.1", 80, 110): picture.SpanSummary(0, {"profile": 30}, {}),
        span("L002", "F001.2", 85, 110): picture.SpanSummary(20, {"fast motion": 5}, {}),
    }

    def rendered(*_: Any) -> Iterator[tuple[LipSpan, tuple[Path, bool]]]:
        for number, (part, summary) in enumerate(seen.items()):
            folder = tmp_path / str(number)
            folder.mkdir()
            save(folder / "summary.json", summary)
            picture.write_patches(folder / "patches.zip", ())
            yield part, (folder, False)

    monkeypatch.setattr(picture, "_rendered", rendered)
    monkeypatch.setattr(picture, "plan_lip_spans", lambda *_: ({"P1": list(seen)}, ()))
    told: list[Decision] = []

    @contextmanager
    def stage(name: str, *, total: int) -> Iterator[Any]:
        yield SimpleNamespace(step=lambda *_, **__: None)

    run: Any = SimpleNamespace(stage=stage, decide=lambda *decisions: told.extend(decisions))
    shown: Any = SimpleNamespace(tracks=tuple, shots=())
    analysis: Any = SimpleNamespace(picture=shown, video=None)
    script: Any = SimpleNamespace(lines=(), cast=(), people=())
    made = picture.render_lips(run, analysis, script, {}, tmp_path / "voices.wav")
    assert made.scores["L001"]["lips_rendered"] == pytest.approx(80 / 110)
    assert made.scores["L002"]["lips_rendered"] == pytest.approx(0.8)
    assert [decision.unit for decision in told] == ["L001", "L002"]
