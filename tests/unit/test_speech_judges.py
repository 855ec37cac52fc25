"""UTMOS and the emotion model: tiny random networks of the same shape, against transformers'."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polydub.errors import EngineError
from polydub.evaluate.emotion import EmotionModel, Feeling, emotion_scores
from polydub.evaluate.utmos import Utmos, renamed
from polydub.evaluate.wav2vec2 import Wav2Vec2
from polydub.model import Waveform
from polydub.model.packages import without_broken
from polydub.pipeline import evaluating_judges as judges
from polydub.project.folder import file_digest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

BACK = (
    (
        "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
        "encoder.pos_conv.0.weight_g",
    ),
    (
        "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
        "encoder.pos_conv.0.weight_v",
    ),
    ("encoder.pos_conv_embed.conv.", "encoder.pos_conv.0."),
    ("feature_projection.layer_norm.", "layer_norm."),
    ("feature_projection.projection.", "post_extract_proj."),
    (".attention.", ".self_attn."),
    (".feed_forward.intermediate_dense.", ".fc1."),
    (".feed_forward.output_dense.", ".fc2."),
)
"""Names of the library -> names in UTMOS' checkpoint."""


def noise(seconds: float, seed: int = 1) -> Waveform:
    samples = np.random.default_rng(seed).normal(0, 0.1, round(16_000 * seconds))
    return Waveform(samples.astype(np.float32), 16_000)


@pytest.fixture(scope="module", autouse=True)
def _library() -> None:
    """The library looks for torchaudio, whose builds do not load beside every torch."""
    with without_broken("torchaudio"):
        importlib.import_module("transformers.models.wav2vec2.modeling_wav2vec2")


def tiny(*, large: bool) -> Any:
    """A randomly initialised network of the published shape, 128 wide."""
    torch.manual_seed(3)
    config = transformers.Wav2Vec2Config(
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=192,
        conv_dim=(32,) * 7,
        feat_extract_norm="layer" if large else "group",
        conv_bias=large,
        do_stable_layer_norm=large,
        attn_implementation="eager",
    )
    network = transformers.Wav2Vec2Model(config).eval()
    with torch.no_grad():  # norms that do something
        for name, tensor in network.named_parameters():
            if "norm" in name:
                tensor.add_(0.3 * torch.randn_like(tensor))
    return network


def as_checkpoint(network: Any) -> dict[str, Any]:
    """The network's tensors under the names of UTMOS' checkpoint."""
    found = {}
    for name, tensor in network.state_dict().items():
        for theirs, own in BACK:
            name = name.replace(theirs, own)
        if name.startswith("feature_extractor"):
            name = name.replace(".conv.", ".0.").replace(".layer_norm.", ".2.")
        elif name.startswith("encoder.layers") and ".final_layer_norm." not in name:
            name = name.replace(".layer_norm.", ".self_attn_layer_norm.")
        if name != "masked_spec_embed":
            found[f"wav2vec2.{name}"] = tensor
    return found


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("seconds", [0.5, 1.234])
def test_the_network_answers_as_the_library_does(large: bool, seconds: float) -> None:
    network, sound = tiny(large=large), noise(seconds)
    with torch.inference_mode():
        wanted = network(torch.from_numpy(sound.samples[None])).last_hidden_state[0].numpy()
    found = Wav2Vec2(network.state_dict())(sound.samples).numpy()
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=2e-5)


def utmos_file(path: Path) -> tuple[Any, Any]:
    """A checkpoint as published, small; returns its wav2vec and its head, as torch modules."""
    torch.manual_seed(4)
    network = tiny(large=False)
    head = torch.nn.ModuleDict(
        {
            "blstm": torch.nn.LSTM(128 + 2 * 16, 24, batch_first=True, bidirectional=True),
            "projection": torch.nn.Sequential(
                torch.nn.Linear(48, 40), torch.nn.ReLU(), torch.nn.Linear(40, 1)
            ),
        }
    )
    told = {"domain_emb": torch.randn(1, 16), "judge_emb": torch.randn(1, 16)}
    torch.save({**as_checkpoint(network), **head.state_dict(), **told}, path)
    head.told = torch.cat([told["domain_emb"], told["judge_emb"]], dim=1)
    return network, head


def test_utmos_reads_its_checkpoint_and_scores_as_published(tmp_path: Path) -> None:
    network, head = utmos_file(tmp_path / "utmos.pt")
    sound = noise(1.0)
    with torch.inference_mode():
        frames = network(torch.from_numpy(sound.samples[None])).last_hidden_state
        told = head.told[None].expand(1, frames.shape[1], -1)
        series = head["projection"](head["blstm"](torch.cat([frames, told], dim=2))[0])
        wanted = float(series.mean() * 2 + 3)
    predictor = Utmos(tmp_path / "utmos.pt")
    assert predictor.score(sound)["utmos"] == pytest.approx(wanted, abs=1e-5)
    assert predictor.score(noise(2.0, seed=9))["utmos"] != pytest.approx(wanted, abs=1e-5)
    assert predictor.score(Waveform(np.zeros(100, np.float32), 16_000)) == {}
    with pytest.raises(EngineError):
        predictor.score(Waveform(sound.samples, 8_000))


def test_names_come_back_whole() -> None:
    network = tiny(large=False)
    own = set(renamed(as_checkpoint(network)))
    theirs = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        )
        for name in network.state_dict()
        if name != "masked_spec_embed"
    }
    assert own == theirs


@pytest.mark.parametrize("judge", [Utmos, EmotionModel])
def test_another_file_is_told(judge: type, tmp_path: Path) -> None:
    torch.save({"wav2vec2.encoder.layer_norm.weight": torch.zeros(128)}, tmp_path / "other.pt")
    (tmp_path / "noise.pt").write_bytes(b"no weights")
    (tmp_path / "noise.safetensors").write_bytes(b"no weights")
    for name in ("other.pt", "noise.pt", "noise.safetensors", "gone.pt"):
        with pytest.raises(EngineError) as caught:
            judge(tmp_path / name)
        assert caught.value.code == "DUB-E205"


@pytest.fixture
def emotion(tmp_path: Path) -> tuple[EmotionModel, Any, Any]:
    from safetensors.torch import save_file

    torch.manual_seed(5)
    network = tiny(large=True)
    head = torch.nn.ModuleDict(
        {"dense": torch.nn.Linear(128, 128), "out_proj": torch.nn.Linear(128, 3)}
    )
    tensors = {f"wav2vec2.{k}": v.contiguous() for k, v in network.state_dict().items()}
    tensors |= {f"classifier.{k}": v.contiguous() for k, v in head.state_dict().items()}
    save_file(tensors, tmp_path / "model.safetensors")
    return EmotionModel(tmp_path), network, head


def test_feelings_are_read_as_published(emotion: tuple[EmotionModel, Any, Any]) -> None:
    model, network, head = emotion
    sound = noise(1.0)
    taken = transformers.Wav2Vec2FeatureExtractor(do_normalize=True, sampling_rate=16_000)
    values = taken(sound.samples, sampling_rate=16_000, return_tensors="pt").input_values
    with torch.inference_mode():
        state = network(values).last_hidden_state.mean(dim=1)
        levels = head["out_proj"](torch.tanh(head["dense"](state)))[0].numpy()
    found = model.feeling(sound)
    assert found is not None
    np.testing.assert_allclose(found.state, state[0].numpy(), atol=2e-5)
    np.testing.assert_allclose(found.levels, levels, atol=2e-5)
    louder = model.feeling(Waveform(4 * sound.samples, 16_000))
    assert louder is not None
    np.testing.assert_allclose(louder.levels, levels, atol=1e-4)  # level does not count
    assert model.feeling(noise(0.3)) is None
    assert model.feeling(Waveform(np.zeros(16_000, np.float32), 16_000)) is None


def test_scores_of_feelings() -> None:
    calm = Feeling(np.array([1.0, 0.0]), np.array([0.2, 0.5, 0.5]))
    wild = Feeling(np.array([1.0, 1.0]), np.array([0.8, 0.8, 0.2]))
    assert emotion_scores(calm, calm) == {"emotion": 1.0, "emotion_shift": 0.0}
    found = emotion_scores(calm, wild)
    assert found["emotion"] == pytest.approx(2**-0.5)
    assert found["emotion_shift"] == pytest.approx(0.4)
    assert emotion_scores(None, calm) == {}


@pytest.fixture
def _nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights but those that a test names."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("UTMOS22_STRONG", "EMOTION_MSP_DIM", "SYNCNET"):
        monkeypatch.delenv(f"POLYDUB_WEIGHT_{name}", raising=False)


@pytest.mark.usefixtures("_nothing_here")
def test_without_weights_it_says_how_to_get_them() -> None:
    utmos, missing = judges.load_utmos()
    assert utmos is None and [x.metric for x in missing] == ["utmos"]
    assert "polydub engines pull utmos22-strong" in missing[0].reason
    emotion, missing = judges.load_emotion()
    assert emotion is None and [x.metric for x in missing] == ["emotion", "emotion_shift"]
    assert "POLYDUB_WEIGHT_EMOTION_MSP_DIM" in missing[0].reason
    assert judges.judge_weights() == {}


@pytest.mark.usefixtures("_nothing_here")
def test_weights_of_ones_own_are_used_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.pt"
    utmos_file(path)
    monkeypatch.setenv("POLYDUB_WEIGHT_UTMOS22_STRONG", str(path))
    utmos, missing = judges.load_utmos()
    assert utmos is not None and missing == []
    assert utmos.score(noise(1.0)).keys() == {"utmos"}
    (sums,) = judges.judge_weights().values()
    assert list(sums.values()) == [file_digest(path)]
    path.write_bytes(b"damaged")
    with pytest.raises(EngineError) as caught:
        judges.load_utmos()
    assert caught.value.code == "DUB-E205"
