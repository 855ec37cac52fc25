"""Sequence, samplers and features against what the public program gave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polydub.engines.dubbing.funcineforge.sequence import (
    CODEC,
    TEXT,
    TIMESPK,
    Faces,
    TurnTag,
    build_prompt,
    face_rows,
    scene_id,
    timespk_ids,
)
from polydub.engines.dubbing.funcineforge.tokenizer import (
    SPECIAL_IDS,
    load_tokenizer,
    packaged_vocabulary,
)
from polydub.media.fbank import fbank, log_mel
from tests.parity.parity_data import recorded, sequences, tensor

KNOWN = sequences()


def turns_of(dialogue: list[dict[str, Any]]) -> list[TurnTag]:
    return [
        TurnTag(t["start"], t["duration"], int(t["spk"]), t["gender"], t["age"]) for t in dialogue
    ]


@pytest.mark.parametrize("sample", KNOWN["samples"], ids=lambda s: s["utt"])
@pytest.mark.parametrize("clue", [True, False])
def test_sequence(sample: dict[str, Any], clue: bool, same: Any) -> None:
    expected = sample["expected"]
    ids = expected["input_ids" if clue else "input_ids_without_clue"]
    told = expected["n_timespk"]
    prompt = build_prompt(
        ids[1 : len(ids) - told - 1],
        scene=sample["type"],
        turns=turns_of(sample["dialogue"]),
        faces=Faces.none(),
        length=sample["speech_length"],
    )
    same(f"sequence/{sample['utt']}{'' if clue else '/no clue'}", prompt.raw, ids)
    counts = np.bincount(prompt.kinds, minlength=3)
    assert counts[CODEC] == expected["n_codec"] and counts[TIMESPK] == told
    if clue:
        assert counts[TEXT] == expected["n_text"]
        assert len(prompt.faces) == expected["n_face_frames"]
        assert prompt.length == expected["prefill_length"]


@pytest.mark.skipif(packaged_vocabulary() is None, reason="needs the package dashscope")
@pytest.mark.parametrize("sample", KNOWN["samples"], ids=lambda s: s["utt"])
def test_tokenizer(sample: dict[str, Any], same: Any) -> None:
    tokenizer = load_tokenizer()
    ids = sample["expected"]["input_ids"]
    got = tokenizer.prompt(sample["text"], sample["clue"])
    same(f"tokenizer/{sample['utt']}", got, ids[1 : 1 + sample["expected"]["n_text"]])
    assert tokenizer.encode("Hello, world!") == [9707, 11, 1879, 0]


def test_special_tokens() -> None:
    assert KNOWN["special_ids"] == SPECIAL_IDS


@pytest.mark.parametrize("sample", KNOWN["timespk"], ids=lambda s: s["utt"])
def test_time_and_speaker_ids_of_the_demo(sample: dict[str, Any], same: Any) -> None:
    got = [scene_id(sample["type"]), *timespk_ids(turns_of(sample["dialogue"]))]
    same(f"timespk/{sample['utt']}", got, [sample["type_id"], *sample["ids"]])


@pytest.mark.parametrize("number", range(len(KNOWN["timespk_edge"])))
def test_time_and_speaker_ids_at_the_edges(number: int, same: Any) -> None:
    sample = KNOWN["timespk_edge"][number]
    same(f"timespk/edge {number}", timespk_ids(turns_of(sample["dialogue"])), sample["ids"])


def test_faces_fill_frames(same: Any) -> None:
    data = recorded("lm_fixture")
    faces = Faces(data["in.face_embeddings"], data["in.faceI"])
    same("faces/which detection", face_rows(faces, 30), data["exp.face_src"])


def test_nucleus(same: Any) -> None:
    from polydub.engines.dubbing.funcineforge.sampling import nucleus

    logp, data = tensor("ras_fixture", "in.logp"), recorded("ras_fixture")
    for row in range(6):
        _, ids = nucleus(logp[row], 0.8, 25)
        size = int(data["exp.nucleus_size"][row])
        same(f"sampler/nucleus {row}", ids, data["exp.nucleus_ids"][row, :size])


@pytest.mark.parametrize(
    ("key", "seed", "row"),
    [("ras_draws_seed0", 0, None), ("ras_draws_seed7", 7, None), ("ras_draws_row2_seed0", 0, 2)],
)
def test_repetition_aware_draws(key: str, seed: int, row: int | None, same: Any) -> None:
    from polydub.engines.dubbing.funcineforge.sampling import generator_of, pick

    logp, expected = tensor("ras_fixture", "in.logp"), recorded("ras_fixture")[f"exp.{key}"]
    generator = generator_of(seed)
    drawn: list[int] = []
    for number in range(len(expected)):
        at = number % 6 if row is None else row
        drawn.append(pick(logp[at], drawn, "ras", generator))
    same(f"sampler/{key}", drawn, expected)


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("mel_power_log", {}),
        ("mel_power_log_fmaxNone", {"highest": None}),
        ("mel_mag_log10", {"kind": "mag_log10"}),
    ],
)
def test_mel(key: str, settings: dict[str, Any], same: Any) -> None:
    from polydub.engines.dubbing.funcineforge import mel
    from polydub.engines.dubbing.funcineforge.config import MelConfig

    got = mel.log_mel(tensor("features_fixture", "in.wav24k"), MelConfig(**settings))
    same(f"features/{key}", got, recorded("features_fixture")[f"exp.{key}"], 1e-4)


def test_mel_bank(same: Any) -> None:
    from polydub.engines.dubbing.funcineforge.config import MelConfig
    from polydub.engines.dubbing.funcineforge.mel import mel_bank

    expected = recorded("features_fixture")["exp.mel_basis_8000"]
    same("features/mel bank", mel_bank(MelConfig()), expected, 1e-6)


def test_kaldi_features(same: Any) -> None:
    data = recorded("features_fixture")
    same("features/fbank", log_mel(data["in.wav16k"]), data["exp.fbank_raw"], 1e-3)
    same("features/fbank - mean", fbank(data["in.wav16k"]), data["exp.fbank_mean_norm"], 1e-3)
