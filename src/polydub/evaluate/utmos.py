"""UTMOS: the strong learner of Saeki et al. 2022 (VoiceMOS challenge), for those who have weights.

wav2vec 2.0 base, its frames joined with an embedding of the listening test and of one listener, a
two-way LSTM, two layers; the frames' values are averaged, times 2 plus 3. The checkpoint is the one
that most papers quote, ``utmos22_strong_step7459_v1.pt`` (code and weights: MIT), whose tensors are
named after another implementation; :func:`renamed` gives them the names used here.

Protocol: mono 16 kHz, the level as it is, the whole line at once, no phonemes (as everybody runs
it). What it hides: it was trained on English and Chinese synthesis of 2008 to 2020, so it says
little among today's voices above 4; separation artefacts, music and noise lower it; a wrong word, a
wrong accent and a wrong person do not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from polydub.errors import EngineError
from polydub.evaluate.wav2vec2 import SHORTEST, Wav2Vec2, load_torch, read_tensors, unfit
from polydub.model import Waveform

RATE = 16_000
_PARTS = (
    (r"^encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
    (r"^(feature_extractor\.conv_layers\.\d+)\.0\.", r"\1.conv."),
    (r"^(feature_extractor\.conv_layers\.\d+)\.2\.", r"\1.layer_norm."),
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"\.self_attn\.", ".attention."),
    (r"\.self_attn_layer_norm\.", ".layer_norm."),
    (r"\.fc1\.", ".feed_forward.intermediate_dense."),
    (r"\.fc2\.", ".feed_forward.output_dense."),
)


class Utmos:
    """A :class:`~polydub.evaluate.naturalness.MosPredictor` over one checkpoint.

    Raises ``EngineError`` DUB-E202 without torch, DUB-E205 when the file holds other weights.
    """

    name = "utmos"
    version = "utmos22-strong"

    def __init__(self, weights: Path) -> None:
        self._torch = load_torch("UTMOS")
        tensors = read_tensors(weights, "UTMOS")
        try:
            self._states = Wav2Vec2(renamed(tensors))
            self._told = [tensors["domain_emb"], tensors["judge_emb"]]
            self._recurrent = self._lstm(tensors)
            self._head = [
                tensors[f"projection.{n}.{x}"] for n in (0, 2) for x in ("weight", "bias")
            ]
        except (KeyError, RuntimeError) as error:
            raise unfit(weights, "UTMOS", error) from error

    def _lstm(self, tensors: Mapping[str, Any]) -> Any:
        table = {k.removeprefix("blstm."): v for k, v in tensors.items() if k.startswith("blstm.")}
        wide, size = (int(n) for n in table["weight_ih_l0"].shape)
        network = self._torch.nn.LSTM(size, wide // 4, batch_first=True, bidirectional=True)
        network.load_state_dict(table)
        return network.eval()

    def score(self, audio: Waveform) -> dict[str, float]:
        """``utmos`` of mono 16 kHz ``audio``, about 1 to 5; none for under one frame of sound."""
        if audio.rate != RATE or audio.channels != 1:
            raise EngineError(f"UTMOS needs mono audio at {RATE} Hz.")
        samples = np.ascontiguousarray(audio.samples.reshape(-1), np.float32)
        if len(samples) < SHORTEST:
            return {}
        torch = self._torch
        with torch.inference_mode():
            frames = self._states(samples)
            told = [row.reshape(1, -1).expand(len(frames), -1) for row in self._told]
            found = self._recurrent(torch.cat([frames, *told], dim=1)[None])[0][0]
            wide, wide_bias, last, last_bias = self._head
            linear = torch.nn.functional.linear
            values = linear(torch.relu(linear(found, wide, wide_bias)), last, last_bias)
            return {"utmos": float(values.mean()) * 2 + 3}


def renamed(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors of the checkpoint's wav2vec 2.0 under the names of :mod:`.wav2vec2`."""
    found = {}
    for name, tensor in tensors.items():
        if not name.startswith("wav2vec2."):
            continue
        own = name.removeprefix("wav2vec2.")
        for pattern, other in _PARTS:
            own = re.sub(pattern, other, own)
        found[own] = tensor
    return found
