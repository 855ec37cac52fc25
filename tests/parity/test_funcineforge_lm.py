"""The language model with small weights against what the public program gave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("transformers")
import torch

from polydub.engines.dubbing.funcineforge.config import EOS, LmDecoding
from polydub.engines.dubbing.funcineforge.lm import Plan
from tests.parity.parity_data import network, prompt, recorded, tensor

KNOWN = recorded("lm_fixture")


def test_prompt(same: Any) -> None:
    kinds = prompt().kinds
    same("lm/input ids", prompt().raw, KNOWN["exp.input_ids"])
    for kind, name in enumerate(("codec", "text", "timespk")):
        same(f"lm/{name} flag", kinds == kind, KNOWN[f"exp.{name}_flag"].astype(bool))
    sums = prompt().faces.sum(axis=1)
    same("lm/face block", sums, KNOWN["exp.face_matrix_sum_per_frame"], 1e-4)


def test_hidden_states_and_logits(same: Any) -> None:
    model = network("lm")
    with torch.no_grad():
        embeddings = model.embed(prompt())
        hidden = model.hidden(embeddings[None])[0]
        logits = model.codec_head(hidden)
    same("lm/embeddings", embeddings, KNOWN["exp.inputs_embeds"], 1e-5)
    same("lm/last hidden", hidden, KNOWN["exp.last_hidden"], 2e-4)
    same("lm/logits, first", logits[0], KNOWN["exp.logits_pos0"], 2e-4)
    same("lm/logits, last", logits[-1], KNOWN["exp.logits_last"], 2e-4)


RUNS = {
    "greedy60": LmDecoding(sampling=False, max_length=60, min_length=60),
    "multinomial_seed3": LmDecoding(sampling=True, max_length=40, min_length=40),
    "top5_seed3": LmDecoding(sampling=5, max_length=40, min_length=40),
    "nucleus0.7_seed3": LmDecoding(sampling=0.7, max_length=40, min_length=40),
    "ras_seed0": LmDecoding(max_length=80),
    "ras_seed1": LmDecoding(max_length=80),
    "ras_seed42": LmDecoding(max_length=80),
}


@pytest.mark.parametrize("cache", [True, False], ids=["cache", "no cache"])
@pytest.mark.parametrize("name", RUNS)
def test_decoding(name: str, cache: bool, same: Any) -> None:
    seed = int(name.partition("seed")[2] or 0)
    options = replace(RUNS[name], cache=cache)
    (written,) = network("lm").tokens([prompt()], options, seeds=[seed])
    same(f"lm/{name}{'' if cache else ', no cache'}", written.tokens, KNOWN[f"exp.{name}"])


@pytest.mark.parametrize("least", [0, 10, 50])
@pytest.mark.parametrize("sampling", ["greedy", "ras"])
def test_end_of_speech(sampling: str, least: int, same: Any) -> None:
    model = network("lm")
    before = model.codec_head.weight.data[EOS].clone()
    model.codec_head.weight.data[EOS] = tensor("lm_fixture", "in.eos_row")
    try:
        chosen: Any = False if sampling == "greedy" else "ras"
        options = LmDecoding(sampling=chosen, max_length=80, min_length=least)
        (written,) = model.tokens([prompt()], options)
    finally:
        model.codec_head.weight.data[EOS] = before
    key = f"eos_{sampling}_min{least}"
    same(f"lm/{key}", written.tokens, KNOWN[f"exp.{key}"])
    assert written.ended


def test_a_batch_gives_each_prompt_its_own_tokens() -> None:
    short = replace(prompt(), faces=prompt().faces[:7])
    options = LmDecoding(max_length=40)
    model = network("lm")
    alone = [model.tokens([p], options, seeds=[s])[0] for p, s in ((prompt(), 1), (short, 42))]
    assert model.tokens([prompt(), short], options, seeds=[1, 42]) == alone
    without = replace(options, cache=False)
    assert model.tokens([prompt(), short], without, seeds=[1, 42]) == alone
    assert tuple(model.stream(short, options, seed=42)) == alone[1].tokens


def test_rows_of_a_batch_end_each_at_its_own_time() -> None:
    model, plans = network("lm"), [Plan(length=5), Plan(length=12), Plan({2: 1, 3: 1}, 8)]
    written = model.tokens([prompt()] * 3, LmDecoding(), seeds=[1, 2, 3], plans=plans)
    assert [len(one.tokens) for one in written] == [5, 12, 8]
    assert written[2].tokens[2:4] == (1, 1)
    for one, seed, plan in zip(written, (1, 2, 3), plans, strict=True):
        assert model.tokens([prompt()], LmDecoding(), seeds=[seed], plans=[plan]) == [one]
