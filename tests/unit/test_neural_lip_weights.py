"""Files of weights for the lip networks: names, what fits, and what is said where nothing does."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polydub.engines import registry
from polydub.engines.weights import WEIGHTS, pull
from polydub.errors import EngineError
from tests.neural_lip_models import (
    NETWORKS,
    build,
    fill,
    write_autoencoder,
    write_mask,
    write_unet,
    write_wav2lip,
    write_whisper,
)

torch = pytest.importorskip("torch", reason="needs the extra `speech`")


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from polydub.engines import weights

    monkeypatch.setenv("POLYDUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_hub_paths", lambda weight: None)
    for name in WEIGHTS:
        monkeypatch.delenv(variable(name), raising=False)


def variable(name: str) -> str:
    return "POLYDUB_WEIGHT_" + "".join(c if c.isalnum() else "_" for c in name).upper()


def names(network: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def digest(network: Any) -> str:
    rows = sorted(f"{name} {shape}" for name, shape in names(network).items())
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


@pytest.mark.parametrize("name", NETWORKS)
def test_missing_weights_are_told_with_the_way_to_get_them(name: str) -> None:
    with pytest.raises(EngineError) as caught:
        registry.load("lips", name)
    assert caught.value.code == "DUB-E204"
    weight = registry.engine_class("lips", name).capabilities.weights[0]
    assert weight in caught.value.message
    if name == "wav2lip":
        assert "https://github.com/Rudrabha/Wav2Lip" in caught.value.hint
    else:
        assert f"polydub engines pull {weight}" in caught.value.hint
    assert variable(weight) in caught.value.hint


def test_the_mask_is_told_to_be_a_file_of_its_authors_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        variable("latentsync-1.6"), str(write_unet(tmp_path / "u.pt", inside=13, motion=True))
    )
    monkeypatch.setenv(variable("sd-vae-ft-mse"), str(write_autoencoder(tmp_path / "v.bin")))
    monkeypatch.setenv(variable("whisper-tiny"), str(write_whisper(tmp_path / "w.bin")))
    with pytest.raises(EngineError, match="latentsync-mask") as caught:
        registry.load("lips", "latentsync")
    assert "bytedance/LatentSync (file latentsync/utils/mask.png)" in caught.value.hint
    with pytest.raises(EngineError, match="no model hub") as nowhere:
        pull("latentsync-mask")
    assert "mask.png" in nowhere.value.hint
    monkeypatch.setenv(variable("latentsync-mask"), str(write_mask(tmp_path / "mask.png")))
    assert registry.load("lips", "latentsync").capabilities.name == "latentsync"


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_found_by_their_variables_and_mark_the_cache(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(name, tmp_path)
    cls = registry.engine_class("lips", name)
    for weight in cls.capabilities.weights:
        file = WEIGHTS[weight].files[0].name
        monkeypatch.setenv(variable(weight), str(tmp_path / file))
    before = cls.variant()
    assert registry.load("lips", name).capabilities is cls.capabilities
    other = tmp_path / WEIGHTS[cls.capabilities.weights[0]].files[0].name
    other.write_bytes(other.read_bytes() + b" ")
    assert cls.variant() != before


@pytest.mark.parametrize("name", ["wav2lip", "musetalk", "latentsync"])
def test_truncated_and_foreign_files_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(name, tmp_path)
    weights = registry.engine_class("lips", name).capabilities.weights
    for weight in weights:
        monkeypatch.setenv(variable(weight), str(tmp_path / WEIGHTS[weight].files[0].name))
    for weight in weights:
        path = tmp_path / WEIGHTS[weight].files[0].name
        whole = path.read_bytes()
        for damaged in (whole[: len(whole) // 2], b"<html>not found</html>"):
            path.write_bytes(damaged)
            with pytest.raises(EngineError) as caught:
                registry.load("lips", name)
            assert caught.value.code == "DUB-E205" and str(path) in caught.value.message
        path.write_bytes(whole)


def test_files_of_one_network_are_not_taken_for_another(tmp_path: Path) -> None:
    from polydub.engines.lips.neural.latentsync import LatentSync, LatentSyncFiles
    from polydub.engines.lips.neural.musetalk import MuseTalk
    from polydub.engines.lips.neural.wav2lip import Wav2Lip

    muse = write_unet(tmp_path / "muse.pth", inside=8, motion=False)
    sync = write_unet(tmp_path / "sync.pt", inside=13, motion=True)
    vae, ears = write_autoencoder(tmp_path / "v.bin"), write_whisper(tmp_path / "w.bin")
    mask = write_mask(tmp_path / "mask.png")
    refused: list[tuple[Any, str]] = [
        (lambda: Wav2Lip(weights=muse), "lacks face_encoder_blocks.0.0.conv_block.0.weight"),
        (lambda: MuseTalk(unet=sync, vae=vae, whisper=ears), "other sizes: conv_in.weight"),
        (lambda: MuseTalk(unet=muse, vae=ears, whisper=ears), "lacks encoder.down_blocks"),
        (lambda: MuseTalk(unet=muse, vae=vae, whisper=vae), "no encoder of Whisper"),
        (
            lambda: LatentSync(files=LatentSyncFiles(muse, vae, ears, mask)),
            "lacks .*motion_modules",
        ),
        (lambda: LatentSync(files=LatentSyncFiles(sync, vae, ears, vae)), "not a picture"),
    ]
    for load, why in refused:
        with pytest.raises(EngineError, match=why) as caught:
            load()
        assert caught.value.code == "DUB-E205"


def test_every_tensor_must_be_there_and_no_other(tmp_path: Path) -> None:
    from polydub.engines.lips.neural.wav2lip import Wav2Lip

    path = write_wav2lip(tmp_path / "wav2lip.pth")
    table = torch.load(path, weights_only=True)
    state = dict(table["state_dict"])
    less = {name: value for name, value in state.items() if "output_block.1" not in name}
    torch.save({"state_dict": less}, path)
    with pytest.raises(EngineError, match=r"lacks output_block.1.weight, output_block.1.bias"):
        Wav2Lip(weights=path)
    torch.save({"state_dict": {**state, "teeth.weight": torch.ones(2)}}, path)
    with pytest.raises(EngineError, match=r"holds teeth.weight"):
        Wav2Lip(weights=path)
    torch.save(state, path)  # without the table around it
    assert Wav2Lip(weights=path).capabilities.name == "wav2lip"


def test_wav2lip_as_torchscript_is_read_too(tmp_path: Path) -> None:
    """Its authors' links lead to ``Wav2Lip-SD-GAN.pt``, a TorchScript archive, since 2025."""
    from polydub.engines.lips.neural.checkpoint import read_tensors
    from polydub.engines.lips.neural.wav2lip import Wav2Lip
    from polydub.engines.lips.neural.wav2lip_network import Wav2LipNetwork

    network = Wav2LipNetwork(1).eval()
    tensors = {name: value.clone() for name, value in fill(network).items()}
    given = (torch.rand(1, 1, 80, 16), torch.rand(1, 6, 96, 96))
    path = tmp_path / "Wav2Lip-SD-GAN.pt"
    torch.jit.save(torch.jit.trace(network, given), path)
    found = read_tensors(torch, path, inside=("state_dict",))
    assert set(found) == set(tensors)
    assert all(bool((found[name] == value).all()) for name, value in tensors.items())
    assert Wav2Lip(weights=path).capabilities.name == "wav2lip"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(EngineError, match="cannot be read"):
        Wav2Lip(weights=path)


def test_a_mask_that_hides_nothing_or_all_is_refused(tmp_path: Path) -> None:
    import cv2

    from polydub.engines.lips.neural.latentsync import _mask

    for value in (0, 255):
        cv2.imwrite(str(tmp_path / "m.png"), np.full((64, 64, 3), value, np.uint8))
        with pytest.raises(EngineError, match="hides"):
            _mask(tmp_path / "m.png", 64)
    mask = _mask(write_mask(tmp_path / "m.png"), 64)
    assert mask.shape == (64, 64) and mask[0, 0] == 1 and mask[40, 32] == 0


def test_names_and_sizes_are_those_of_the_published_files() -> None:
    """Digests of all names and shapes at full size.

    U-Net and autoencoder: of diffusers 0.42.1, ``UNet2DConditionModel`` with the configuration
    ``musetalk.json`` of TMElyralab/MuseTalk and ``AutoencoderKL`` with that of
    stabilityai/sd-vae-ft-mse.
    """
    from polydub.engines.lips.neural.autoencoder import Autoencoder
    from polydub.engines.lips.neural.unet import UNet, UNetSizes

    with torch.device("meta"):
        assert digest(UNet(UNetSizes())).startswith("a6d22351eda5c3658c28870b7c74b453")
        assert digest(Autoencoder()).startswith("600696bc94ffc80f250f7a2b836e289f")


def test_latentsync_adds_motion_to_every_block_but_the_middle() -> None:
    """Names as in ``latentsync/models/{unet,unet_blocks,motion_module}.py`` of bytedance/LatentSync
    with ``configs/unet/stage2_512.yaml``: AnimateDiff's motion modules, no others added."""
    from polydub.engines.lips.neural.unet import UNet, UNetSizes

    with torch.device("meta"):
        plain = names(UNet(UNetSizes(inside=13)))
        whole = names(UNet(UNetSizes(inside=13, motion=True)))
    # latentsync_unet.pt of version 1.6 is 5,072,222,488 bytes long, as the hub records: room for
    # the numbers of exactly these tensors, and torch's 356 bytes of head for each
    numbers = 4 * sum(int(np.prod(shape)) for shape in whole.values())
    assert len(whole) == 1246 and numbers == 5_071_778_576
    assert 5_072_222_488 - numbers == pytest.approx(356 * len(whole), rel=0.01)
    added = {name: shape for name, shape in whole.items() if name not in plain}
    assert plain["conv_in.weight"] == (320, 13, 3, 3) and plain.items() <= whole.items()
    where = {name.partition(".temporal_transformer.")[0] for name in added}
    assert where == {
        f"{side}_blocks.{level}.motion_modules.{number}"
        for side, count in (("down", 2), ("up", 3))
        for level in range(4)
        for number in range(count)
    }
    one = "down_blocks.1.motion_modules.0.temporal_transformer."
    own = {name.removeprefix(one): shape for name, shape in added.items() if one in name}
    block = "transformer_blocks.0"
    parts = {name.partition(".")[0] for name in own}
    assert parts == {"norm", "proj_in", "transformer_blocks", "proj_out"}
    assert own["proj_in.weight"] == (640, 640) and own["norm.weight"] == (640,)
    for number in (0, 1):
        attention = f"{block}.attention_blocks.{number}"
        assert own[f"{attention}.pos_encoder.pe"] == (1, 24, 640)
        for part in ("to_q", "to_k", "to_v"):
            assert own[f"{attention}.{part}.weight"] == (640, 640)
            assert f"{attention}.{part}.bias" not in own
        assert own[f"{attention}.to_out.0.bias"] == (640,)
        assert own[f"{block}.norms.{number}.bias"] == (640,)
    assert own[f"{block}.ff.net.0.proj.weight"] == (5120, 640)
    assert own[f"{block}.ff.net.2.weight"] == (640, 2560)
    assert own[f"{block}.ff_norm.weight"] == (640,)
    assert len(own) == 6 + 2 * (1 + 3 + 2 + 2) + 4 + 2


def test_wav2lip_has_the_layers_of_the_published_checkpoints() -> None:
    """Layer by layer as in ``models/wav2lip.py`` and ``models/conv.py`` of Rudrabha/Wav2Lip."""
    from polydub.engines.lips.neural.wav2lip_network import Wav2LipNetwork

    with torch.device("meta"):
        network = Wav2LipNetwork()
    found = names(network)
    faces = [
        ["6>16"],
        ["16>32", "32>32", "32>32"],
        ["32>64", "64>64", "64>64", "64>64"],
        ["64>128", "128>128", "128>128"],
        ["128>256", "256>256", "256>256"],
        ["256>512", "512>512"],
        ["512>512", "512>512"],
    ]
    growing = [
        ["512>512"],
        ["1024>512", "512>512"],
        ["1024>512", "512>512", "512>512"],
        ["768>384", "384>384", "384>384"],
        ["512>256", "256>256", "256>256"],
        ["320>128", "128>128", "128>128"],
        ["160>64", "64>64", "64>64"],
    ]
    sounds = (
        "1>32 32>32 32>32 32>64 64>64 64>64 64>128 128>128 128>128 128>256 256>256 256>512 512>512"
    )
    expected: set[str] = set()
    for prefix, table in (("face_encoder_blocks", faces), ("face_decoder_blocks", growing)):
        for block, layers in enumerate(table):
            for layer, sizes in enumerate(layers):
                inside, outside = map(int, sizes.split(">"))
                name = f"{prefix}.{block}.{layer}.conv_block.0.weight"
                turned = prefix == "face_decoder_blocks" and block > 0 and layer == 0
                assert found[name][:2] == ((inside, outside) if turned else (outside, inside)), name
                expected.add(name)
    for layer, sizes in enumerate(sounds.split()):
        inside, outside = map(int, sizes.split(">"))
        name = f"audio_encoder.{layer}.conv_block.0.weight"
        assert found[name][:2] == (outside, inside), name
        expected.add(name)
    expected |= {"output_block.0.conv_block.0.weight", "output_block.1.weight"}
    assert {name for name, shape in found.items() if len(shape) == 4} == expected
    assert found["face_encoder_blocks.0.0.conv_block.0.weight"] == (16, 6, 7, 7)
    assert found["output_block.0.conv_block.0.weight"] == (32, 80, 3, 3)
    # every convolution but the last has a bias and five tensors of batch normalisation
    assert len(found) == 2 + 7 * (len(expected) - 1)
    assert sum(parameter.numel() for parameter in network.parameters()) == 36_298_035


def test_whispers_files_of_openai_and_of_the_hub_are_the_same_encoder(tmp_path: Path) -> None:
    from polydub.engines.lips.neural.checkpoint import read_tensors
    from polydub.engines.lips.neural.whisper_encoder import WhisperEncoder, encoder_tensors

    hub = write_whisper(tmp_path / "pytorch_model.bin")
    found, size, layers = encoder_tensors(read_tensors(torch, hub), hub)
    assert (size, layers) == (64, 2)
    assert set(found) == set(names(WhisperEncoder(size, layers)))
    openai = tmp_path / "tiny.pt"
    tensors = {f"encoder.{name}": value.half() for name, value in found.items()}
    tensors["decoder.token_embedding.weight"] = torch.ones(2, 2)
    torch.save({"dims": {"n_audio_state": 64}, "model_state_dict": tensors}, openai)
    again, *sizes = encoder_tensors(
        read_tensors(torch, openai, inside=("model_state_dict",)), openai
    )
    assert set(again) == set(found) and sizes == [64, 2]
    hubs_own = {name for name in torch.load(hub, weights_only=True) if "encoder" in name}
    assert "model.encoder.layers.1.self_attn.q_proj.weight" in hubs_own
    assert "model.encoder.layers.0.self_attn_layer_norm.bias" in hubs_own
    assert "model.encoder.layers.0.final_layer_norm.bias" in hubs_own
    assert "model.encoder.embed_positions.weight" in hubs_own
    assert "model.encoder.layer_norm.weight" in hubs_own
    assert "model.encoder.layers.0.fc1.weight" in hubs_own
