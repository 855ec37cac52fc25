"""The losses count what they should, and the networks learn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
import torch

from polydub.engines.dubbing.funcineforge.checkpoint import MODEL, build, read_state
from polydub.engines.dubbing.funcineforge.config import (
    LmDecoding,
    ModelConfig,
    config_from,
    plain,
)
from polydub.engines.dubbing.funcineforge.data import read_samples
from polydub.engines.dubbing.funcineforge.flow import Flow
from polydub.engines.dubbing.funcineforge.lm import SpeechLm
from polydub.engines.dubbing.funcineforge.losses import (
    FlowExample,
    FlowLossOptions,
    LmExample,
    LmLossOptions,
    flow_loss,
    lm_loss,
)
from polydub.engines.dubbing.funcineforge.sequence import Faces, TurnTag, build_prompt
from polydub.engines.dubbing.funcineforge.training import Trainer, TrainOptions
from polydub.errors import EngineError, InputError

CONFIG = config_from(
    ModelConfig,
    {
        "lm": {
            **{"hidden": 48, "layers": 2, "heads": 4, "kv_heads": 2, "intermediate": 96},
            "vocabulary": 300,
        },
        "flow": {"model_size": 32, "dit": {"dim": 64, "depth": 2, "heads": 2, "dim_head": 32}},
    },
)


def example(number: int, length: int = 14) -> LmExample:
    """A clip whose text, face and turn tell which it is; half of its frames are silent."""
    random = np.random.default_rng(number)
    faces = Faces(random.standard_normal((1, 512)).astype(np.float32), np.array([0]))
    turns = (TurnTag(0.0, length / 50, 1 + number, "male", "adult"),)
    prompt = build_prompt([10 + number, 40], scene="独白", turns=turns, faces=faces, length=length)
    tokens = random.integers(2, 6561, length)
    tokens[length // 2 :] = 1
    return LmExample(prompt, torch.from_numpy(tokens), turns)


def flow_example(number: int) -> FlowExample:
    random = np.random.default_rng(number)
    tokens = torch.from_numpy(random.integers(0, 6561, 12))
    mel = torch.from_numpy(random.standard_normal((1, 80)).astype(np.float32) * 2 - 4)
    wave = torch.sin(torch.arange(24)[:, None] * 0.3 + number)
    xvector = torch.from_numpy(random.standard_normal(192).astype(np.float32))
    return FlowExample(tokens, mel + wave, xvector)


def lm() -> SpeechLm:
    torch.manual_seed(0)
    return SpeechLm(CONFIG.lm)


def test_only_speech_and_its_end_are_targets() -> None:
    model, batch = lm(), [example(0, 6), example(1, 10)]
    with torch.no_grad():
        losses = lm_loss(model, batch)
        by_length = lm_loss(model, batch, LmLossOptions(by_length=True))["token"]
        each = []
        for one in batch:
            rows = torch.cat([model.embed(one.prompt), model.codec_embed(one.tokens)])
            logp = model.codec_head(model.hidden(rows[None])[0]).log_softmax(-1)
            first = one.prompt.length - 1
            wanted = [*one.tokens.tolist(), 6562]
            each += [-float(logp[first + n, token]) for n, token in enumerate(wanted)]
    assert len(each) == 7 + 11
    assert float(losses["loss"]) == pytest.approx(np.mean(each), rel=1e-4)
    assert float(by_length) == pytest.approx((np.mean(each[:7]) + np.mean(each[7:])) / 2, rel=1e-4)


def test_silence_is_told_from_speech() -> None:
    model, one = lm(), example(0, 8)
    options = LmLossOptions(activity=1.0)
    with torch.no_grad():
        model.codec_head.weight.zero_()
        even = float(lm_loss(model, [one], options)["activity"])
        silence = -np.log(1 / 6761) / 2  # half of the frames are silent
        assert even == pytest.approx(silence - np.log(1 - 1 / 6761) / 2, rel=1e-3)
        loss = lm_loss(model, [one], options)
    assert float(loss["loss"]) == pytest.approx(float(loss["token"] + loss["activity"]))


def test_faces_are_pulled_to_their_own_speech() -> None:
    model, batch = lm(), [example(number) for number in range(4)]
    options = LmLossOptions(contrastive=1.0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    before = float(lm_loss(model, batch, options)["contrastive"].detach())
    for _ in range(15):
        optimizer.zero_grad()
        lm_loss(model, batch, options)["contrastive"].backward()
        optimizer.step()
    assert float(lm_loss(model, batch, options)["contrastive"].detach()) < before / 2
    with torch.no_grad():
        alone = lm_loss(model, batch[:1], options)
    assert float(alone["contrastive"]) == 0.0


def test_the_prompt_is_given_and_not_counted() -> None:
    torch.manual_seed(0)
    model, one = Flow(CONFIG.flow).eval(), flow_example(0)
    quiet = {"unconditioned": 0.0, "block_masks": False}
    changed = replace(one, mel=torch.cat([one.mel[:7] + 5.0, one.mel[7:]]))

    def loss(sample: FlowExample, **options: Any) -> float:
        generator = torch.Generator().manual_seed(3)
        chosen = FlowLossOptions(generated=(0.7, 0.7), **{**quiet, **options})
        return float(flow_loss(model, [sample], generator, chosen).detach())

    torch.nn.init.zeros_(model.dit_model.proj_out.weight)
    torch.nn.init.zeros_(model.dit_model.proj_out.bias)
    assert loss(one) == pytest.approx(loss(changed))  # frames 0..6 are the prompt
    assert loss(one, masked_only=False) != pytest.approx(loss(changed, masked_only=False))


def test_conditions_are_left_out_at_times() -> None:
    torch.manual_seed(0)
    model, one = Flow(CONFIG.flow).eval(), flow_example(0)
    other = replace(one, xvector=-one.xvector, tokens=one.tokens.flip(0))

    def loss(sample: FlowExample, unconditioned: float) -> float:
        options = FlowLossOptions(unconditioned=unconditioned, generated=(1.0, 1.0))
        generator = torch.Generator().manual_seed(3)
        return float(flow_loss(model, [sample], generator, options).detach())

    assert loss(one, 1.0) == loss(other, 1.0)
    assert loss(one, 0.0) != loss(other, 0.0)


def test_a_stopped_run_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    examples = [example(number, 6) for number in range(3)]
    options = TrainOptions(steps=6, batch=2, warmup=2, rate=1e-3)
    whole = Trainer(lm(), CONFIG, tmp_path / "whole", options)
    whole.run(examples)
    begun = Trainer(lm(), CONFIG, tmp_path / "parts", replace(options, steps=3))
    begun.run(examples[:3])
    ended = Trainer(lm(), CONFIG, tmp_path / "parts", options)
    assert ended.step == 3
    ended.run(examples)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(ended.network.state_dict()[name], value), name
    lines = (tmp_path / "parts" / "log.jsonl").read_text().splitlines()
    log = [json.loads(line) for line in lines]
    assert [row["step"] for row in log] == [1, 2, 3, 4, 5, 6]
    assert log[0]["rate"] == pytest.approx(5e-4) and log[-1]["rate"] == pytest.approx(1e-3)
    assert log[-1]["loss"] < log[0]["loss"]
    written = read_state(tmp_path / "parts" / MODEL / "llm" / "model.safetensors")
    again = build(SpeechLm, CONFIG.lm, written, "cpu", torch.float32)
    for name, value in ended.network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    sizes = json.loads((tmp_path / "parts" / MODEL / "polydub.json").read_text())
    assert config_from(ModelConfig, sizes) == CONFIG == config_from(ModelConfig, plain(CONFIG))


def test_a_stopped_flow_draws_what_it_would_have_drawn(tmp_path: Path) -> None:
    """Order, times, masks and dropout: three samples in batches of two, stopped within a round."""
    examples = [flow_example(number) for number in range(3)]
    options = TrainOptions(part="flow", steps=5, batch=2, accumulate=1, warmup=2, rate=1e-3)

    def trainer(folder: str, steps: int) -> Trainer:
        torch.manual_seed(0)
        network = Flow(CONFIG.flow)
        return Trainer(network, CONFIG, tmp_path / folder, replace(options, steps=steps))

    whole = trainer("whole", 5)
    whole.run(examples)
    trainer("parts", 2).run(examples)
    torch.manual_seed(1)
    ended = trainer("parts", 5)
    ended.run(examples)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(ended.network.state_dict()[name], value), name


def test_a_linked_network_is_not_written_through(tmp_path: Path) -> None:
    """What a run began with is linked into its checkpoint, and must stay as it was."""
    original = tmp_path / "model.safetensors"
    original.write_bytes(b"as it was")
    target = tmp_path / "out" / MODEL / "llm" / "model.safetensors"
    target.parent.mkdir(parents=True)
    target.symlink_to(original)
    Trainer(lm(), CONFIG, tmp_path / "out", TrainOptions()).save()
    assert original.read_bytes() == b"as it was" and not target.is_symlink()


def test_every_sample_is_seen_once_a_round(tmp_path: Path) -> None:
    trainer = Trainer(lm(), CONFIG, tmp_path, TrainOptions(batch=2, accumulate=2))
    batches = trainer.batches([example(number, 4) for number in range(5)])
    rounds = [[int(x.prompt.ids[1]) for _ in range(3) for x in next(batches)] for _ in range(3)]
    assert all(sorted(seen) == [10, 11, 12, 13, 14] for seen in rounds)
    assert len({tuple(seen) for seen in rounds}) > 1
    trainer.step = 1  # two batches were seen: the round's last one comes first
    later = [int(x.prompt.ids[1]) for x in next(trainer.batches([example(n, 4) for n in range(5)]))]
    assert later == rounds[0][4:]


def test_accumulated_parts_are_one_step(tmp_path: Path) -> None:
    examples = [example(number, 6) for number in range(4)]
    options = TrainOptions(steps=1, batch=4, warmup=1, rate=1e-3)
    figures = Trainer(lm(), CONFIG, tmp_path / "one", options).run(examples)
    split = replace(options, batch=2, accumulate=2)
    parts = Trainer(lm(), CONFIG, tmp_path / "two", split).run(examples)
    assert parts["loss"] == pytest.approx(figures["loss"], rel=1e-5)
    assert parts["gradient"] == pytest.approx(figures["gradient"], rel=1e-4)


def test_evaluation_is_logged_and_bad_losses_stop(tmp_path: Path) -> None:
    options = TrainOptions(steps=2, warmup=1, evaluate_every=2, bf16=True)
    trainer = Trainer(lm(), CONFIG, tmp_path, options, evaluate=lambda network: {"x": 3.0})
    seen: list[dict[str, float]] = []
    assert trainer.run([example(0, 5)], seen.append)["eval_x"] == 3.0
    assert ["eval_x" in row for row in seen] == [False, True]
    with pytest.raises(EngineError, match="no samples"):
        Trainer(lm(), CONFIG, tmp_path / "b", options).run([])
    broken = lm()
    broken.codec_head.weight.data[:] = float("nan")
    with pytest.raises(EngineError, match="loss is nan"):
        Trainer(broken, CONFIG, tmp_path / "c", options).run([example(0, 5)])


@pytest.mark.slow
def test_eight_clips_are_learnt_to_the_token(tmp_path: Path) -> None:
    examples = [example(number) for number in range(8)]
    options = TrainOptions(steps=220, batch=8, warmup=10, rate=4e-3, decay=0.0)
    trainer = Trainer(lm(), CONFIG, tmp_path, options)
    figures = trainer.run(examples)
    assert figures["accuracy"] == 1.0 and figures["loss"] < 0.1
    decoding = LmDecoding(sampling=False, min_length=0, max_length=40)
    said = trainer.network.tokens([one.prompt for one in examples], decoding)
    for one, written in zip(examples, said, strict=True):
        assert written.ended and list(written.tokens) == one.tokens.tolist()


@pytest.mark.slow
def test_the_flow_s_loss_falls_by_half(tmp_path: Path) -> None:
    torch.manual_seed(0)
    examples = [flow_example(number) for number in range(8)]
    options = TrainOptions(part="flow", steps=150, batch=8, warmup=10, rate=3e-3)
    seen: list[float] = []
    Trainer(Flow(CONFIG.flow), CONFIG, tmp_path, options).run(
        examples, lambda row: seen.append(row["loss"])
    )
    assert np.mean(seen[-10:]) < np.mean(seen[:10]) / 2


def write_sample(folder: Path, **changes: Any) -> Path:
    np.save(folder / "token.npy", np.arange(10))
    np.save(folder / "voice.npy", np.ones((1, 192), np.float32))
    faces = {"embeddings": np.ones((2, 512), np.float32), "faceI": np.array([0, 5])}
    np.savez(folder / "face.npz", **faces)
    turn = {"start": 0.0, "duration": 0.4, "spk": "1", "gender": "male", "age": "adult"}
    roles: dict[str, Any] = {
        **{"text": "Hello.", "clue": "Calm.", "face": "face.npz", "dialogue": [turn]},
        **{"vocal": "a.wav", "video": "a.mp4", "token": "token.npy", "xvector": "voice.npy"},
        **changes,
    }
    messages = [{"role": role, "content": content} for role, content in roles.items()]
    row = {"utt": "a", "type": "独白", "speech_length": 10, "messages": messages}
    (folder / "train.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n\n", "utf-8")
    return folder / "train.jsonl"


def test_samples_are_read(tmp_path: Path) -> None:
    (sample,) = read_samples(write_sample(tmp_path))
    assert sample.tokens.tolist() == list(range(10)) and sample.faces.frames.tolist() == [0, 5]
    assert sample.turns == (TurnTag(0.0, 0.4, 1, "male", "adult"),) and sample.length == 10
    assert sample.sound == tmp_path / "a.wav"


@pytest.mark.parametrize(
    "change", [{"face": "face.pkl"}, {"token": "none.npy"}, {"dialogue": [{}]}, {"text": None}]
)
def test_bad_samples_are_told_with_their_line(tmp_path: Path, change: dict[str, Any]) -> None:
    path = write_sample(tmp_path, **change)
    if change.get("text", "") is None:
        path.write_text(path.read_text("utf-8").replace("messages", "message"), "utf-8")
    with pytest.raises(InputError, match="line 1") as caught:
        read_samples(path)
    assert caught.value.code == "DUB-E107"
    np.save(tmp_path / "token.npy", np.array([7000]))
    with pytest.raises(InputError, match="speech tokens"):
        read_samples(write_bad_tokens(tmp_path))


def write_bad_tokens(folder: Path) -> Path:
    path = write_sample(folder)
    np.save(folder / "token.npy", np.array([7000]))
    return path


def test_no_samples(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InputError, match="no samples"):
        read_samples(tmp_path / "empty.jsonl")
    with pytest.raises(InputError) as caught:
        read_samples(tmp_path / "none.jsonl")
    assert caught.value.code == "DUB-E101"


def test_the_command_trains_what_the_engine_loads(tmp_path: Path) -> None:
    """From a small checkpoint, the language model and then the flow."""
    from typer.testing import CliRunner

    from examples.small_funcineforge import write_checkpoint
    from polydub.engines.dubbing.funcineforge.checkpoint import find_checkpoint, load_networks
    from polydub.interfaces.cli.app import app
    from polydub.media.audio import write_waveform
    from polydub.model import Waveform

    start = write_checkpoint(tmp_path / "start", extras=False)
    data = write_sample(tmp_path)
    sound = np.random.default_rng(0).standard_normal(10 * 960).astype(np.float32) * 0.1
    write_waveform(tmp_path / "a.wav", Waveform(sound, 24000))
    common = ["train", "funcineforge", str(data), "--from", str(start), "--json", "--steps", "3"]
    more = ["--held-out", str(data), "--every", "3", "--warmup", "1", "--device", "cpu"]
    out = tmp_path / "out"
    before = {path: path.read_bytes() for path in start.rglob("*") if path.is_file()}
    for part in ("llm", "flow"):
        arguments = [*common, *more, "--out", str(out), "--part", part]
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert [row["step"] for row in rows] == [1, 2, 3]
        assert rows[-1]["loss"] > 0 and rows[-1]["eval_loss"] > 0
        networks = load_networks(find_checkpoint(out))  # a whole checkpoint after either part
        assert networks.config.lm.hidden == 16
    assert {path: path.read_bytes() for path in before} == before  # what it began with stays
    first = load_networks(find_checkpoint(start))
    for trained, whole in ((networks.lm, first.lm), (networks.flow, first.flow)):
        assert not torch.equal(next(trained.parameters()), next(whole.parameters()))
    assert torch.equal(next(networks.vocoder.parameters()), next(first.vocoder.parameters()))
    done = CliRunner().invoke(app, [*common, "--out", str(out), "--part", "voice"])
    assert isinstance(done.exception, InputError)
    done = CliRunner().invoke(app, [*common, "--out", str(out), "--device", "tpu"])
    assert isinstance(done.exception, EngineError) and "no device" in done.exception.message
