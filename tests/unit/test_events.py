from __future__ import annotations

import dataclasses
import json

import pytest

from polydub.pipeline.events import STAGES, WINDOW, Eta, Event, to_json


def at(seconds: float, done: int, total: int = 10, stage: str = "speak") -> Event:
    return Event(stage, f"L{done:03d}", done, total, at=seconds)


def run(*events: Event) -> Eta:
    eta = Eta()
    for event in events:
        eta = eta.after(event)
    return eta


def test_stages_are_unique_and_start_at_the_source() -> None:
    assert len(set(STAGES)) == len(STAGES) == 16
    assert STAGES[0] == "probe"
    assert STAGES[-1] == "report"
    assert STAGES.index("transcribe") < STAGES.index("translate") < STAGES.index("cast")
    assert STAGES.index("cast") < STAGES.index("cues") < STAGES.index("speak")


def test_event_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        at(0.0, 1).done = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("done", "total", "finished"), [(0, 0, False), (0, 3, False), (2, 3, False), (3, 3, True)]
)
def test_finished(done: int, total: int, finished: bool) -> None:
    assert Event("mix", "film", done, total).finished is finished


def test_json_is_one_line_and_keeps_every_field() -> None:
    event = Event("translate", "L001", 1, 4, "二 lines\nleft", at=12.5)
    text = to_json(event)
    assert "\n" not in text
    assert "二" in text
    assert Event(**json.loads(text)) == event


def test_time_left_follows_the_pace() -> None:
    eta = run(at(100.0, 0), at(102.0, 1), at(104.0, 2))
    assert eta.left("speak") == pytest.approx(16.0)
    assert eta.left("speak", now=105.0) == pytest.approx(15.0)
    assert eta.left("speak", now=1000.0) == 0.0


def test_time_left_is_unknown_without_progress() -> None:
    assert Eta().left("speak") is None
    assert run(at(0.0, 0)).left("speak") is None
    assert run(at(0.0, 0), at(5.0, 0)).left("speak") is None
    assert run(at(0.0, 0, total=0), at(5.0, 1, total=0)).left("speak") is None


def test_time_left_is_zero_at_the_end() -> None:
    assert run(at(0.0, 0), at(5.0, 10)).left("speak") == 0.0


def test_stages_do_not_disturb_each_other() -> None:
    eta = run(at(0.0, 0), at(1.0, 0, stage="lips"), at(2.0, 1), at(3.0, 5, stage="lips"))
    assert eta.left("speak") == pytest.approx(18.0)
    assert eta.left("lips") == pytest.approx(2.0)


def test_cached_units_are_forgotten() -> None:
    cached = [at(0.0, n, total=200) for n in range(100)]
    slow = [at(10.0 * (n + 1), 100 + n, total=200) for n in range(WINDOW)]
    left = run(*cached, *slow).left("speak")
    assert left == pytest.approx(10.0 * (200 - (100 + WINDOW - 1)))


def test_after_changes_nothing_in_place() -> None:
    first = run(at(0.0, 0))
    first.after(at(2.0, 1))
    assert first.left("speak") is None


def test_a_stage_that_begins_again_has_a_pace_of_its_own() -> None:
    first = [at(0.0, 0, 2), at(10.0, 1, 2), at(20.0, 2, 2)]
    again = run(*first, at(620.0, 0, 2))
    assert again.left("speak") is None
    assert again.after(at(630.0, 1, 2)).left("speak") == pytest.approx(10.0)
