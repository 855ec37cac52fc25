"""The public layout: what is in it, what is refused, what it says when it is absent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
import torch

from examples.small_funcineforge import SMALL, small_networks, write_checkpoint
from polydub.engines.dubbing.funcineforge import checkpoint as files
from polydub.engines.dubbing.funcineforge.config import LmDecoding, ModelConfig, config_from, plain
from polydub.engines.dubbing.funcineforge.engine import FunCineForge
from polydub.engines.dubbing.funcineforge.sequence import Faces, build_prompt
from polydub.errors import EngineError
from tests.parity.parity_data import DATA

FACES = Faces(np.ones((1, 512), np.float32), np.array([2]))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("cineforge"))


@pytest.mark.parametrize("part", ["llm", "flow", "vocoder"])
def test_full_size_networks_have_the_public_keys_and_shapes(part: str) -> None:
    config = ModelConfig()
    kinds: dict[str, Any] = {
        "llm": (files.SpeechLm, config.lm),
        "flow": (files.Flow, config.flow),
        "vocoder": (files.Vocoder, config.vocoder),
    }
    kind, own = kinds[part]
    with torch.device("meta"):
        state = kind(own).state_dict()
    public = json.loads((DATA / "state_dict_shapes.json").read_text())[part]
    ours = {name: list(value.shape) for name, value in state.items()}
    assert ours == {name: shape for name, shape in public.items() if name not in files.NOT_OURS}


def test_a_checkpoint_gives_its_networks(small: Path) -> None:
    for root in (small, small / files.MODEL):
        networks = files.load_networks(files.find_checkpoint(root))
        made = {"llm": networks.lm, "flow": networks.flow, "vocoder": networks.vocoder}
        for name, expected in small_networks().items():
            for key, value in expected.state_dict().items():
                assert torch.equal(made[name].state_dict()[key], value), key
    prompt = build_prompt([5, 6], scene="独白", turns=(), faces=Faces.none(), length=10)
    options = LmDecoding(max_length=20)
    with torch.no_grad():
        assert networks.lm.tokens([prompt], options) == small_networks()["llm"].tokens(
            [prompt], options
        )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_stays_near(small: Path, dtype: Any) -> None:
    where = files.find_checkpoint(small)
    exact, half = files.load_networks(where), files.load_networks(where, dtype=dtype)
    assert half.lm.dtype == half.flow.dtype == getattr(torch, dtype)
    assert half.lm.llm.model.rotary_emb.inv_freq.dtype == torch.float32
    speaker = torch.ones(192)
    mels = [
        networks.flow.mels([[5, 6, 7, 8]], [networks.flow.speaker(speaker)])[0]
        for networks in (exact, half)
    ]
    assert torch.allclose(*mels, atol=0.1) and mels[1].dtype == torch.float32
    assert not torch.equal(*mels)
    assert next(half.vocoder.parameters()).dtype == torch.float32
    sound = half.vocoder.sound(mels[1])
    assert sound.dtype == torch.float32 and bool(sound.isfinite().all())
    prompt = build_prompt([5, 6], scene="独白", turns=(), faces=FACES, length=10)
    with torch.no_grad():
        states = [n.lm.hidden(n.lm.embed(prompt)[None]) for n in (exact, half)]
    assert torch.allclose(states[0], states[1].float(), atol=0.1)
    assert not torch.equal(states[0], states[1].float())
    greedy = LmDecoding(sampling=False, max_length=12)  # the end is forbidden: it must not be said
    (said,) = half.lm.tokens([prompt], greedy)
    assert len(said.tokens) == 12 and 6562 not in said.tokens


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_a_compiled_flow_says_the_same(small: Path) -> None:
    """Compiled once for all lengths: the engine's option ``compiled``."""
    plain = FunCineForge(path=small, device="cpu")._maker._networks.flow
    compiled = FunCineForge(path=small, device="cpu", compiled=True)._maker._networks.flow
    assert compiled.dit_model._compiled_call_impl is not None
    speaker = plain.speaker(torch.ones(192))
    for tokens in ([5, 6, 7, 8], [9] * 11, [3] * 30):
        mels = [flow.mels([tokens], [speaker])[0] for flow in (plain, compiled)]
        assert torch.allclose(*mels, atol=1e-4)


def test_converted_files_are_the_same(tmp_path: Path) -> None:
    root = write_checkpoint(tmp_path, extras=False)
    before = files.load_networks(files.find_checkpoint(root))
    written = files.convert(root)
    for pickled in files.PICKLES.values():
        (root / files.MODEL / pickled).unlink()
    after = files.load_networks(files.find_checkpoint(root))
    assert [path.name for path in written] == ["model.safetensors"] * 3
    for name, value in before.flow.state_dict().items():
        assert torch.equal(after.flow.state_dict()[name], value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s.pop("proj_out.weight"), "is missing"),
        (lambda s: s.update({"extra": torch.zeros(1)}), "extra is not known"),
        (lambda s: s.update({"proj_out.bias": torch.zeros(3)}), "(3,) instead of (2,)"),
    ],
)
def test_other_tensors_are_refused(change: Any, told: str) -> None:
    expected = {"proj_out.weight": torch.zeros(2, 2), "proj_out.bias": torch.zeros(2)}
    state = dict(expected)
    files.check_state("Flow", expected, state)
    change(state)
    with pytest.raises(EngineError, match="does not fit Flow") as caught:
        files.check_state("Flow", expected, state)
    assert told in caught.value.message and caught.value.code == "DUB-E205"


def test_a_pickle_that_holds_more_than_tensors_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "states.pt"
    torch.save({"state_dict": {"a": torch.zeros(2)}, "args": Path("x")}, path)
    with pytest.raises(EngineError) as caught:
        files.read_state(path)
    assert caught.value.code == "DUB-E205" and "trust" in caught.value.hint
    assert list(files.read_state(path, trust=True)) == ["a"]


def test_absent_weights_are_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv(files.VARIABLE, raising=False)
    for path in (None, tmp_path):
        with pytest.raises(EngineError) as caught:
            files.find_checkpoint(path)
        assert caught.value.code == "DUB-E204"
        assert "polydub engines pull funcineforge" in caught.value.hint
    monkeypatch.setenv(files.VARIABLE, str(tmp_path / "elsewhere"))
    with pytest.raises(EngineError, match="elsewhere"):
        files.find_checkpoint()


def test_config_is_strict() -> None:
    config = config_from(ModelConfig, SMALL)
    assert config.flow.dit.dim_head == 16 and config.flow.lookahead == 3
    assert config_from(ModelConfig, json.loads(json.dumps(plain(config)))) == config
    for wrong in ({"llm": {}}, {"lm": {"hiden": 3}}, {"lm": {"hidden": "3"}}, {"lm": 3}):
        with pytest.raises(EngineError):
            config_from(ModelConfig, wrong)


def test_qwen_config_wins(small: Path, tmp_path: Path) -> None:
    model = tmp_path / files.MODEL
    model.mkdir()
    (tmp_path / files.TEXT).mkdir()
    assert files.read_config(files.Checkpoint(model)) == ModelConfig()
    told = {"hidden_size": 64, "rope_theta": 1e4, "model_type": "qwen2"}
    (tmp_path / files.TEXT / "config.json").write_text(json.dumps(told))
    lm = files.read_config(files.Checkpoint(model)).lm
    assert (lm.hidden, lm.rope_theta, lm.layers) == (64, 1e4, 24)


@pytest.mark.slow
def test_full_size_with_random_weights() -> None:
    """All networks at the release's sizes: 2 s of sound out of random weights, bf16."""
    config = ModelConfig()
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        lm, flow = files.SpeechLm(config.lm).eval(), files.Flow(config.flow).eval()
    finally:
        torch.set_default_dtype(before)
    assert sum(p.numel() for p in lm.parameters()) == 507_996_928
    assert sum(p.numel() for p in flow.parameters()) == 332_257_088
    vocoder = files.Vocoder(config.vocoder).eval()
    assert sum(p.numel() for p in vocoder.parameters()) == 20_765_597
    prompt = build_prompt(range(20), scene="独白", turns=(), faces=Faces.none(), length=50)
    (written,) = lm.tokens([prompt], LmDecoding(max_length=50))
    (mel,) = flow.mels([written.tokens], [flow.speaker(torch.ones(192))])
    kept = sum(token < 6561 for token in written.tokens)
    assert mel.shape == (2 * kept, 80) and bool(mel.isfinite().all())
    assert vocoder.sound(mel).shape == (960 * kept,)
