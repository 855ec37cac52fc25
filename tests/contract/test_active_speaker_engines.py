"""What every engine of the kind ``active-speaker`` must do, and Light-ASD's network."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polydub.engines.active_speaker.light_asd import LightAsd
from polydub.engines.active_speaker.light_asd_network import LightAsdNetwork, expected_shapes
from polydub.engines.active_speaker.mouth_motion import MouthMotion
from polydub.engines.protocols import ActiveSpeakerScorer, TalkingFace
from polydub.errors import EngineError
from polydub.model import Waveform
from tests.face_models import make_track

RATE = 16_000
REAL = os.environ.get("POLYDUB_TEST_LIGHT_ASD", "")

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)


def random_state(seed: int = 0) -> dict[str, Any]:
    """A state dict of the published shapes with small random values."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in expected_shapes().items():
        values = torch.randn(shape, generator=generator)
        fan_in = max(1, int(np.prod(shape[1:])))
        state[name] = values.abs() + 0.5 if "running_var" in name else values / fan_in**0.5
    return state


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    path = tmp_path_factory.mktemp("asd") / "random.model"
    state = random_state()
    state["lossV.FC.weight"] = torch.zeros(2, 128)  # what training leaves over is ignored
    torch.save(state, path)
    return path


@pytest.fixture(params=["mouth-motion", pytest.param("light-asd", marks=needs_torch)])
def scorer(request: pytest.FixtureRequest) -> ActiveSpeakerScorer:
    if request.param == "mouth-motion":
        return MouthMotion()
    return LightAsd(weights=request.getfixturevalue("weights"))


def talking_face(frames: int, fps: float = 25.0, seed: int = 0) -> TalkingFace:
    rng = np.random.default_rng(seed)
    landmarks = rng.normal(50, 5, (frames, 478, 3)).astype(np.float32)
    audio = rng.normal(0, 0.05, round(frames / fps * RATE)).astype(np.float32)

    def crops(size: int) -> np.ndarray:
        return rng.integers(0, 255, (frames, size, size, 3), np.uint8)

    track = make_track("F000.1", 0, frames, landmarks=landmarks)
    return TalkingFace(track, Waveform(audio, RATE), np.arange(frames) / fps, crops)


@pytest.mark.parametrize("cls", [MouthMotion, LightAsd])
def test_capabilities(cls: type) -> None:
    capabilities = cls.capabilities
    assert capabilities.kind == "active-speaker"
    assert capabilities.rate == RATE and not capabilities.network
    assert callable(cls.score)


@pytest.mark.parametrize(("frames", "fps"), [(1, 25.0), (3, 25.0), (40, 24.0), (70, 59.94)])
def test_one_bounded_value_per_frame(scorer: ActiveSpeakerScorer, frames: int, fps: float) -> None:
    assert isinstance(scorer, ActiveSpeakerScorer)
    found = scorer.score(talking_face(frames, fps))
    assert found.shape == (frames,) and found.dtype == np.float32
    known = found[np.isfinite(found)]
    assert len(known) == frames or frames < 8
    assert (np.abs(known) <= 5).all()


def test_same_input_same_output(scorer: ActiveSpeakerScorer) -> None:
    first, second = (scorer.score(talking_face(30)) for _ in range(2))
    assert np.array_equal(first, second)


def test_wrong_rate_is_an_error(scorer: ActiveSpeakerScorer) -> None:
    face = talking_face(10)
    wrong = TalkingFace(face.track, Waveform(face.audio.samples, 8000), face.times, face.crops)
    with pytest.raises(EngineError, match="16000"):
        scorer.score(wrong)


# Light-ASD


@needs_torch
def test_missing_weights_say_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("POLYDUB_WEIGHT_LIGHT_ASD", raising=False)
    with pytest.raises(EngineError, match="weights=FILE") as caught:
        LightAsd()
    assert caught.value.code == "DUB-E204"
    monkeypatch.setenv("POLYDUB_WEIGHT_LIGHT_ASD", str(tmp_path / "none.model"))
    with pytest.raises(EngineError, match=r"none\.model") as caught:
        LightAsd()
    assert caught.value.code == "DUB-E204"


@needs_torch
def test_other_files_are_no_weights(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "other.model"
    path.write_bytes(b"not a model")
    with pytest.raises(EngineError) as caught:
        LightAsd(weights=path)
    assert caught.value.code == "DUB-E205"
    for content in ([1, 2], {"a": torch.zeros(2)}, {**random_state(), "lossAV.FC.bias": 3}):
        torch.save(content, path)
        with pytest.raises(EngineError, match="not a Light-ASD") as caught:
            LightAsd(weights=path)
        assert caught.value.code == "DUB-E205"


@needs_torch
def test_weights_of_a_parallel_training_load(tmp_path: Path, weights: Path) -> None:
    import torch

    path = tmp_path / "parallel.model"
    torch.save({f"module.{name}": value for name, value in random_state().items()}, path)
    face = [talking_face(20) for _ in range(2)]
    assert np.array_equal(
        LightAsd(weights=path).raw(face[0]), LightAsd(weights=weights).raw(face[1])
    )


@needs_torch
def test_network_is_the_published_one() -> None:
    """The folded 2-D convolutions against plain 3-D ones with batch normalisation."""
    import torch
    from torch.nn import functional

    state = random_state(4)

    def layer(x: Any, block: str, name: str, stride: Any = 1) -> Any:
        weight = state[f"{block}.{name}.weight"]
        padding = tuple(size // 2 for size in weight.shape[2:])
        convolve = functional.conv3d if weight.ndim == 5 else functional.conv2d
        x = convolve(x, weight, stride=stride, padding=padding)
        parts = [state[f"{block}.bn_{name}.{p}"] for p in ("running_mean", "running_var")]
        gains = [state[f"{block}.bn_{name}.{p}"] for p in ("weight", "bias")]
        return functional.relu(functional.batch_norm(x, *parts, *gains, eps=1e-3))

    def encode(x: Any, encoder: str, first: str) -> Any:
        flat = first == "m"
        for number in (1, 2, 3):
            block = f"model.{encoder}.block{number}"
            stride = (1, 2, 2) if number == 1 and not flat else 1
            x = sum(layer(layer(x, block, f"{first}_{k}", stride), block, f"t_{k}") for k in (3, 5))
            x = layer(x, block, "last")
            if number < 3 and flat:
                x = functional.max_pool2d(x, (1, 3), (1, 2), (0, 1))
            elif number < 3:
                x = functional.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        return x

    faces = torch.randint(0, 255, (7, 112, 112), generator=torch.Generator().manual_seed(1))
    cepstra = torch.randn((28, 13), generator=torch.Generator().manual_seed(2))
    network = LightAsdNetwork(state)
    with torch.inference_mode():
        grey = ((faces / 255 - 0.4161) / 0.1688)[None, None]
        seen = encode(grey, "visualEncoder", "s").amax(dim=(3, 4))[0].T
        assert torch.allclose(network.see(faces), seen, rtol=1e-3, atol=1e-4)
        heard = encode(cepstra.T[None, None], "audioEncoder", "m").mean(dim=2)[0].T
        assert torch.allclose(network.hear(cepstra), heard, rtol=1e-3, atol=1e-4)
        assert network.judge(seen + heard).shape == (7,)


@needs_torch
def test_pieces_of_a_long_track_join_without_a_seam(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = LightAsd(weights=weights).raw(talking_face(60))
    monkeypatch.setattr("polydub.engines.active_speaker.light_asd.PIECE", 16)
    pieces = LightAsd(weights=weights).raw(talking_face(60))
    assert pieces == pytest.approx(whole, abs=1e-4)


@needs_torch
@pytest.mark.skipif(not REAL, reason="POLYDUB_TEST_LIGHT_ASD names no weights file")
def test_real_weights_load_and_hear_no_talking_in_a_still_picture() -> None:
    engine = LightAsd(weights=REAL)
    audio = np.random.default_rng(0).normal(0, 0.01, 2 * RATE).astype(np.float32)

    def crops(size: int) -> np.ndarray:
        return np.full((50, size, size, 3), 110, np.uint8)

    track = make_track("F000.1", 0, 50)
    found = engine.score(TalkingFace(track, Waveform(audio, RATE), np.arange(50) / 25, crops))
    assert found.max() < 0
