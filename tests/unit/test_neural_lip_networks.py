"""What each lip network is given, and what is made of its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polydub.engines.lips.neural.network import RATE, MouthNetwork, Sound
from polydub.engines.lips.neural.running import Running, failures_of, to_pictures
from polydub.engines.lips.neural.spectra import wav2lip_mel
from polydub.errors import EngineError
from tests.neural_lip_models import EARS, SIDE, build

torch = pytest.importorskip("torch", reason="needs the extra `speech`")

_BUILT: dict[str, Any] = {}


@pytest.fixture
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    if request.param not in _BUILT:
        engine: Any = build(request.param, tmp_path_factory.mktemp(request.param))
        _BUILT[request.param] = engine._network
    return _BUILT[request.param]


def noise(seconds: float, start: float = 0.0) -> Sound:
    random = np.random.default_rng(1)
    samples = 0.1 * random.standard_normal(round(seconds * RATE))
    return Sound(samples.astype(np.float32), start)


def crops(count: int, side: int) -> Any:
    random = np.random.default_rng(2)
    return random.integers(0, 256, (count, side, side, 3)).astype(np.uint8)


every = pytest.mark.parametrize("network", ["wav2lip", "musetalk", "latentsync"], indirect=True)


@every
def test_crops_in_crops_out(network: Any) -> None:
    assert isinstance(network, MouthNetwork)
    side = network.framing.size
    heard = network.listen(noise(2.0), np.array([0.5, 0.54, 0.58]))
    assert len(heard) == 3
    given = crops(3, side)
    before = given.copy()
    made = network.redraw(given, heard)
    assert made.shape == (3, side, side, 3) and made.dtype == np.uint8
    assert (given == before).all()  # the shell's crops are not written to
    assert (network.redraw(given, heard) == made).all()


@every
def test_sound_may_be_short_or_lie_elsewhere(network: Any) -> None:
    for sound in (noise(0.0), noise(0.05), noise(1.0, start=50.0)):
        heard = network.listen(sound, np.array([50.0, 51.5, 90.0]))
        assert len(heard) == 3
        assert np.isfinite(np.asarray(heard)).all()


@every
def test_more_than_half_a_minute_is_heard(network: Any) -> None:
    whole = network.listen(noise(31.0), np.array([5.0, 30.5]))
    assert len(whole) == 2 and not np.allclose(np.asarray(whole[0]), np.asarray(whole[1]))


@pytest.mark.parametrize("network", ["wav2lip"], indirect=True)
def test_wav2lip_hears_a_fifth_of_a_second_from_the_frame_on(network: Any) -> None:
    sound = noise(3.0, start=10.0)
    mel = wav2lip_mel(sound.samples)
    times = 10.0 + np.array([0.0, 0.04, 1.0, 2.9])
    heard = network.listen(sound, times)
    for row, first in zip(heard, (0, 3, 80, mel.shape[1] - 16), strict=True):  # floor(80 t)
        assert (row == mel[:, first : first + 16]).all()


@pytest.mark.parametrize("network", ["wav2lip"], indirect=True)
def test_wav2lip_does_not_see_the_mouth_that_it_draws(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    inner = network._network

    def spy(mel: Any, faces: Any) -> Any:
        seen.append(faces)
        return inner(mel, faces)

    monkeypatch.setattr(network, "_network", spy)
    given = crops(2, 96)
    network.redraw(given, network.listen(noise(1.0), np.array([0.2, 0.3])))
    (faces,) = seen
    assert faces.shape == (2, 6, 96, 96)
    assert float(faces[:, :3, 48:].abs().max()) == 0
    blue_first = torch.from_numpy(given[..., ::-1].copy()).permute(0, 3, 1, 2) / 255
    assert torch.allclose(faces[:, 3:], blue_first)
    assert torch.allclose(faces[:, :3, :48], blue_first[:, :, :48])


@pytest.mark.parametrize("network", ["musetalk", "latentsync"], indirect=True)
def test_ten_moments_of_whisper_lie_around_each_frame(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = network._ears
    numbered = torch.arange(1, 101).float()[:, None, None].expand(100, 3, EARS)  # two seconds
    monkeypatch.setattr(ears._network, "hear", lambda sound, finished: numbered)
    times = 7.0 + np.array([0.0, 1.0, 1.98])
    first, middle, last = ears.rows(noise(2.0, 7.0), times, silence=True)[:, ::3, 0].tolist()
    assert middle == [47, 48, 49, 50, 51, 52, 53, 54, 55, 56]  # row 50 is number 51
    assert first == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6]
    assert last == [96, 97, 98, 99, 100, 0, 0, 0, 0, 0]
    first, _, last = ears.rows(noise(2.0, 7.0), times, silence=False)[:, ::3, 0].tolist()
    assert first == [1, 1, 1, 1, 1, 2, 3, 4, 5, 6]
    assert last == [96, 97, 98, 99, 100, 100, 100, 100, 100, 100]


@pytest.mark.parametrize("network", ["musetalk"], indirect=True)
def test_musetalk_is_given_a_hidden_and_a_whole_picture(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    encode = network._eyes.encode

    def spy(pictures: Any) -> Any:
        seen.append(pictures)
        return encode(pictures)

    steps: list[Any] = []
    unet = network._unet

    def draw(latents: Any, step: int, context: Any) -> Any:
        steps.append((latents.shape, step, context.shape))
        return unet(latents, step, context)

    monkeypatch.setattr(network._eyes, "encode", spy)
    monkeypatch.setattr(network, "_unet", draw)
    given = crops(2, SIDE)
    network.redraw(given, network.listen(noise(1.0), np.array([0.2, 0.3])))
    hidden, whole = seen[0].chunk(2)
    half = SIDE // 2
    assert float(hidden[:, :, half:].max()) == float(hidden[:, :, half:].min()) == -1
    assert torch.equal(hidden[:, :, :half], whole[:, :, :half])
    assert torch.allclose(whole, torch.from_numpy(given).permute(0, 3, 1, 2) / 127.5 - 1)
    assert steps == [((2, 8, 8, 8), 0, (2, 30, EARS))]


@pytest.mark.parametrize("network", ["latentsync"], indirect=True)
def test_latentsync_changes_nothing_outside_its_mask(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    unet = network._unet

    def draw(latents: Any, step: int, context: Any, frames: int) -> Any:
        calls.append((latents, step, context, frames))
        return unet(latents, step, context, frames)

    monkeypatch.setattr(network, "_unet", draw)
    given = crops(3, SIDE)
    made = network.redraw(given, network.listen(noise(1.0), np.array([0.2, 0.24, 0.28])))
    kept = network._mask[0, 0].numpy() == 1
    assert 0.3 < kept.mean() < 0.9
    assert (made[:, kept] == given[:, kept]).all()
    assert (made[:, ~kept] != given[:, ~kept]).mean() > 0.5
    ((latents, step, context, frames),) = calls
    assert latents.shape == (6, 13, 8, 8) and frames == 3 and step == 1
    assert torch.equal(latents[0, :4], latents[1, :4])  # one noise for all frames
    assert torch.equal(latents[:3], latents[3:])  # with and without sound
    assert float(context[:3].abs().max()) == 0 and float(context[3:].abs().max()) > 0


@pytest.mark.parametrize("network", ["latentsync"], indirect=True)
def test_without_guidance_the_network_runs_once(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polydub.engines.lips.neural.latentsync import LatentSyncOptions

    sizes: list[int] = []
    unet = network._unet

    def draw(latents: Any, *rest: Any) -> Any:
        sizes.append(len(latents))
        return unet(latents, *rest)

    monkeypatch.setattr(network, "_unet", draw)
    monkeypatch.setattr(network, "_options", LatentSyncOptions(guidance=1.0))
    network.redraw(crops(2, SIDE), network.listen(noise(1.0), np.array([0.2, 0.24])))
    assert sizes == [2]


@every
def test_what_torch_raises_is_told_as_the_networks_failure(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    name = "_network" if hasattr(network, "_network") else "_unet"
    heard = network.listen(noise(1.0), np.array([0.2]))
    monkeypatch.setattr(network, name, failing)
    with pytest.raises(EngineError, match="failed: CUDA out of memory") as caught:
        network.redraw(crops(1, network.framing.size), heard)
    assert "more" not in caught.value.message


def test_numbers_that_are_none_are_not_shown() -> None:
    with pytest.raises(EngineError, match="not a picture") as caught:
        to_pictures(torch, torch.full((1, 3, 4, 4), float("nan")), "It")
    assert "float32" in caught.value.hint
    made = to_pictures(torch, torch.tensor([-1.0, 0.5, 2.0]).reshape(1, 3, 1, 1), "It")
    assert made[0, 0, 0].tolist() == [0, 128, 255]


def test_the_place_to_run_is_chosen_and_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Running().place(torch) == (torch.device("cuda"), torch.float16)
    assert Running(precision="bfloat16").place(torch)[1] is torch.bfloat16
    assert Running("cpu").place(torch) == (torch.device("cpu"), torch.float32)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Running().place(torch) == (torch.device("cpu"), torch.float32)
    with failures_of(torch, "It"):
        assert not torch.ones(1, requires_grad=True).mul(2).requires_grad


def test_half_precision_runs_too(tmp_path: Path) -> None:
    """As on a GPU, here in bfloat16, which processors have."""
    from polydub.engines.lips.neural.musetalk import MuseTalkMouths

    build("musetalk", tmp_path)
    network = MuseTalkMouths(
        tmp_path / "musetalkV15" / "unet.pth",
        tmp_path / "diffusion_pytorch_model.bin",
        tmp_path / "pytorch_model.bin",
        Running("cpu", "bfloat16"),
        SIDE,
    )
    heard = network.listen(noise(1.0), np.array([0.2, 0.3]))
    assert heard.dtype is torch.bfloat16
    assert network.redraw(crops(2, SIDE), heard).shape == (2, SIDE, SIDE, 3)
