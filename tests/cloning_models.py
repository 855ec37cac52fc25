"""Tiny models with random weights, built with the classes of the engines' own packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from polydub.engines.protocols import SpeechRequest, VoicePiece, VoiceReference
from polydub.model import CLONE, Waveform
from tests.contract.test_speech_engines import murmur


def reference(
    *seconds: float, text: str = "I heard it.", language: str = "en", pitch: float = 120.0
) -> VoiceReference:
    """Pieces of a voice-like sound at 24 kHz, all with the same words."""
    return VoiceReference(
        language,
        tuple(VoicePiece(Waveform(murmur(x, 24000, pitch), 24000), text) for x in seconds),
    )


def asked(text: str = "Good morning, how are you?", language: str = "en", **how: Any) -> Any:
    """A request in the voice of :func:`reference`."""
    return SpeechRequest(text, language, CLONE, **{"voice": reference(2.0, 1.5), **how})


F5_ARCH = {
    "dim": 64,
    "depth": 1,
    "heads": 2,
    "dim_head": 32,
    "ff_mult": 2,
    "text_dim": 32,
    "text_mask_padding": True,
    "conv_layers": 1,
    "attn_backend": "torch",
    "attn_mask_enabled": False,
}


def write_f5(folder: Path) -> dict[str, Any]:
    """F5-TTS v1 with one narrow layer, and Vocos likewise; the options that load them."""
    import torch
    import yaml
    from f5_tts.model import CFM, DiT
    from safetensors.torch import save_file
    from vocos import Vocos

    from polydub.engines.speak.f5_tts import F5Options

    torch.manual_seed(0)
    model, vocoder = folder / "f5", folder / "vocos"
    (model / "F5TTS_v1_Base").mkdir(parents=True)
    vocoder.mkdir()
    letters = [" ", *"!,.'?abcdefghijklmnopqrstuvwxyzGI", "ni3", "hao3", "，", "。"]
    (model / "F5TTS_v1_Base" / "vocab.txt").write_text("\n".join(letters) + "\n")
    network = CFM(
        transformer=DiT(**F5_ARCH, text_num_embeds=len(letters), mel_dim=100),
        mel_spec_kwargs={"mel_spec_type": "vocos"},
    )
    for value in network.parameters():  # some start as zeros, which would say nothing
        torch.nn.init.normal_(value, std=0.1)
    state = {f"ema_model.{name}": value for name, value in network.state_dict().items()}
    save_file(state, model / "F5TTS_v1_Base" / "model_1250000.safetensors")
    sizes = {"n_fft": 1024, "hop_length": 256, "padding": "center"}
    mel = {"sample_rate": 24000, "n_mels": 100, **sizes}
    body = {"input_channels": 100, "dim": 16, "intermediate_dim": 32, "num_layers": 1}
    parts = {
        "feature_extractor": ("feature_extractors.MelSpectrogramFeatures", mel),
        "backbone": ("models.VocosBackbone", body),
        "head": ("heads.ISTFTHead", {"dim": 16, **sizes}),
    }
    config = {
        name: {"class_path": f"vocos.{path}", "init_args": arguments}
        for name, (path, arguments) in parts.items()
    }
    (vocoder / "config.yaml").write_text(yaml.safe_dump(config))
    made = Vocos.from_hparams(str(vocoder / "config.yaml"))
    torch.save(made.state_dict(), vocoder / "pytorch_model.bin")
    options = F5Options(steps=2, arch=F5_ARCH)
    return {"model": model, "vocoder": vocoder, "options": options, "device": "cpu"}


def loud(samples: np.ndarray) -> float:
    """RMS level."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
