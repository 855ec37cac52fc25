"""A film dubbed by scenes: with a stand-in, and with Fun-CineForge on small random weights."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from polydub import api
from polydub.engines import registry
from polydub.engines.fakes import FakeTranslator, register_fakes
from polydub.engines.protocols import Capabilities, TranslationRequest
from polydub.errors import EngineError, InputError
from polydub.model import Waveform
from polydub.model.scene import Scene, SceneSpeech
from polydub.pipeline.events import STAGES, Event
from tests.films import write_film


class FakeDubber:
    """A tone in every line's span, as high as the reference is loud."""

    capabilities = Capabilities(
        kind="dubbing",
        name="fake",
        version="1",
        summary="deterministic stand-in for tests",
        code_licence="Apache-2.0",
        weights_licence="none",
        languages=("es",),
        rate=24000,
    )
    most_voices = 1
    heard: ClassVar[list[Scene]] = []
    slower: ClassVar[float] = 1.0

    def dub(self, scene: Scene) -> SceneSpeech:
        self.heard.append(scene)
        if "boom" in scene.lines[0].text:
            raise EngineError("it broke")
        length = float(scene.span.duration) * self.slower
        samples = np.zeros(round(length * 24000), np.float32)
        for line in scene.lines:
            start = round(float(line.span.start - scene.span.start) * self.slower * 24000)
            count = round(float(line.span.duration) * 0.9 * self.slower * 24000)
            times = np.arange(count) / 24000
            samples[start : start + count] = 0.3 * np.sin(2 * np.pi * 300 * times)
        return SceneSpeech(Waveform(samples, 24000), ("a note",))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_film(tmp_path / "talk.mp4")


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> api.DubOptions:
    engines = register_fakes()
    registry.register("dubbing", "fake", FakeDubber)
    monkeypatch.setattr(FakeDubber, "heard", [])
    # a dubbing engine needs no voice engine
    chosen = {k: v for k, v in engines.items() if k not in ("speak",)} | {"dubbing": "fake"}
    registry.register("speak", "kokoro", type("NoVoice", (), {"capabilities": None}))
    return api.DubOptions(targets=("es",), engines=chosen)


def report_of(result: api.DubResult) -> dict:
    return json.loads(result.outputs[0].report_json.read_text())


def test_scenes_are_dubbed_and_cut_into_takes(film: Path, options: api.DubOptions) -> None:
    events: list[Event] = []
    result = api.dub(film, options, on_event=events.append)
    assert result.outputs[0].lines == 3
    assert [len(scene.lines) for scene in FakeDubber.heard] == [1, 1, 1]
    first, second, third = FakeDubber.heard
    assert first.lines[0].text.startswith("es ") and set(first.references) == {"S1"}
    assert "speaker 1" in first.clue and first.room is not None
    assert first.faces and not third.faces  # the third is heard while somebody else is seen
    assert all(first.span.start <= face.time < first.span.end for face in first.faces)
    assert 6 <= len(first.faces) <= 12 and first.faces[0].pixels.mean(axis=(0, 1))[0] > 100
    assert second.lines[0].speaker == "S2"
    report = report_of(result)
    assert report["engines"]["dubbing"] == "fake@1" and "speak" not in report["engines"]
    voices = {line["voice"]["engine"] for line in report["lines"]}
    assert voices == {"fake"}
    for line, scene in zip(report["lines"], FakeDubber.heard, strict=True):
        start = float(Fraction(line["placement"]["span"]["start"]))
        assert start == pytest.approx(float(scene.lines[0].span.start), abs=0.03)
    stages = {event.stage for event in events}
    assert {"cast", "speak", "mix", "lips", "master"} <= stages <= set(STAGES)
    assert any(decision["reason"] == "a note" for decision in report["decisions"])


def test_a_second_run_asks_for_nothing(film: Path, options: api.DubOptions) -> None:
    project = api.dub(film, options).project
    FakeDubber.heard.clear()
    api.render(project)
    assert FakeDubber.heard == []


def test_speech_that_is_too_long_is_sped_up_or_left(
    film: Path, options: api.DubOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDubber, "slower", 1.45)
    own = replace(options, lips=False, max_speed=1.3)
    report = report_of(api.dub(film, own))
    speeds = [line["placement"]["speed"] for line in report["lines"] if line["placement"]]
    assert speeds and max(speeds) > 1
    monkeypatch.setattr(FakeDubber, "slower", 4.0)
    again = api.dub(
        film, replace(own, max_speed=1.0), project=film.parent / "other", overwrite=True
    )
    assert again.outputs[0].lines == 0
    reasons = {decision["reason"] for decision in report_of(again)["decisions"]}
    assert any("does not fit" in reason for reason in reasons)


def test_a_scene_is_tried_again_until_it_fits(
    film: Path, options: api.DubOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = FakeDubber.dub

    def dub(self, scene: Scene) -> SceneSpeech:
        monkeypatch.setattr(FakeDubber, "slower", 1.0 if scene.attempt else 4.0)
        return once(self, scene)

    monkeypatch.setattr(FakeDubber, "dub", dub)
    own = replace(options, lips=False, takes=3)
    assert api.dub(film, own).outputs[0].lines == 3
    assert {scene.attempt for scene in FakeDubber.heard} == {0, 1}


def test_a_scene_that_fails_keeps_its_sound(
    film: Path, options: api.DubOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose = FakeDubber.dub

    def dub(self, scene: Scene) -> SceneSpeech:
        if scene.lines[0].speaker == "S2":
            raise EngineError("it broke")
        return lose(self, scene)

    monkeypatch.setattr(FakeDubber, "dub", dub)
    result = api.dub(film, replace(options, lips=False))
    assert result.outputs[0].lines == 2
    assert any("it broke" in decision["reason"] for decision in report_of(result)["decisions"])


def test_the_plan_names_the_dubbing_engine(film: Path, options: api.DubOptions) -> None:
    steps = {step.stage: step.engine for step in api.plan(film, options)}
    assert steps["speak"] == "fake" and steps["cast"] == "fake"
    with pytest.raises(EngineError, match="does not speak 'de'"):
        api.plan(film, replace(options, targets=("de",)))
    with pytest.raises(InputError, match="no stage 'dubbed'"):
        api.plan(film, replace(options, engines={"dubbed": "fake"}))


def test_funcineforge_without_weights_says_how_to_get_them(
    film: Path, options: api.DubOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    from polydub.engines.dubbing.funcineforge.engine import FunCineForge

    registry.register("dubbing", "funcineforge", FunCineForge)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("POLYDUB_WEIGHT_FUNCINEFORGE", raising=False)
    chosen = replace(
        options, targets=("zh",), engines={**options.engines, "dubbing": "funcineforge"}
    )
    with pytest.raises(EngineError) as caught:
        api.dub(film, chosen)
    assert caught.value.code == "DUB-E204"
    assert "polydub engines pull funcineforge" in caught.value.hint
    assert not film.with_suffix(".polydub").exists()


def in_chinese(self: FakeTranslator, request: TranslationRequest) -> dict[str, str]:
    return {line.id: "今天天气很好。" for line in request.lines}


@pytest.mark.slow
def test_funcineforge_dubs_a_film_with_small_random_weights(
    film: Path, options: api.DubOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("transformers", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    from examples.small_funcineforge import write_checkpoint
    from polydub.engines.dubbing.funcineforge.engine import FunCineForge

    registry.register("dubbing", "funcineforge", FunCineForge)
    monkeypatch.setattr(FakeTranslator, "translate", in_chinese)
    root = write_checkpoint(tmp_path / "weights")
    monkeypatch.setenv("POLYDUB_WEIGHT_FUNCINEFORGE", str(root))
    chosen = replace(
        options, targets=("zh",), engines={**options.engines, "dubbing": "funcineforge"}
    )
    result = api.dub(film, chosen)
    assert result.outputs[0].lines == 3
    report = report_of(result)
    assert report["engines"]["dubbing"].startswith("funcineforge@")
    assert any("come to an end" in decision["reason"] for decision in report["decisions"])
    takes = {path.name for path in (result.project / "cache" / "scene").iterdir()}
    monkeypatch.setenv("POLYDUB_FUNCINEFORGE", '{"seed": 1}')
    api.render(result.project, {"lips": False})  # other settings, other takes
    assert takes.isdisjoint(path.name for path in _fresh(result.project, takes))
    assert len(list(_fresh(result.project, takes))) == len(takes)


def _fresh(project: Path, known: set[str]) -> list[Path]:
    return [x for x in (project / "cache" / "scene").iterdir() if x.name not in known]
