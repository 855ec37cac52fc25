"""Tiny models with random weights, built with the classes of the engines' own packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polydub.engines.protocols import SpeechRequest, VoicePiece, VoiceReference
from polydub.engines.weights import WEIGHTS
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


def write_f5(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
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


def shrink_chatterbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library has no small sizes: its own classes get fewer and narrower layers here."""
    import s3tokenizer.model_v2 as tokenizer
    from chatterbox.models.s3gen import s3gen
    from chatterbox.models.t3 import llama_configs
    from chatterbox.models.t3.t3 import T3

    narrow = {"intermediate_size": 64, "num_hidden_layers": 14, "head_dim": 8}
    sizes = {**llama_configs.LLAMA_CONFIGS["Llama_520M"], **narrow}
    monkeypatch.setitem(llama_configs.LLAMA_CONFIGS, "Llama_520M", sizes)
    small = tokenizer.ModelConfig(n_audio_state=128, n_audio_head=2, n_audio_layer=1)
    monkeypatch.setattr(tokenizer.S3TokenizerV2.__init__, "__defaults__", (small,))
    for name, fewer in (
        ("UpsampleConformerEncoder", {"linear_units": 64, "num_blocks": 1}),
        ("ConditionalDecoder", {"n_blocks": 1, "num_mid_blocks": 1}),
    ):
        whole = getattr(s3gen, name)
        monkeypatch.setattr(
            s3gen, name, lambda whole=whole, fewer=fewer, **how: whole(**{**how, **fewer})
        )
    whole_inference = T3.inference

    def short_inference(self: Any, **how: Any) -> Any:
        """A random model never finds its end, and says tokens that a trained one never learnt."""
        return whole_inference(self, **{**how, "max_new_tokens": 30}).clamp(max=6560)

    monkeypatch.setattr(T3, "inference", short_inference)


def write_chatterbox(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Chatterbox multilingual in small, with its default voice; the options that load it."""
    import tokenizers
    import torch
    from chatterbox.models.s3gen import S3Gen
    from chatterbox.models.t3 import T3
    from chatterbox.models.t3.modules.cond_enc import T3Cond
    from chatterbox.models.t3.modules.t3_config import T3Config
    from chatterbox.models.voice_encoder import VoiceEncoder
    from chatterbox.mtl_tts import Conditionals
    from safetensors.torch import save_file

    from polydub.engines.speak.chatterbox import Chatterbox

    shrink_chatterbox(monkeypatch)
    torch.manual_seed(0)
    torch.save(VoiceEncoder().state_dict(), folder / "ve.pt")
    save_file(T3(T3Config.multilingual()).state_dict(), folder / "t3_mtl23ls_v2.safetensors")
    decoder = S3Gen().eval()
    torch.save(decoder.state_dict(), folder / "s3gen.pt")
    voice = T3Cond(speaker_emb=torch.ones(1, 256), emotion_adv=0.5 * torch.ones(1, 1, 1))
    heard = decoder.embed_ref(murmur(2.0, 24000), 24000)
    Conditionals(voice, heard).save(folder / "conds.pt")
    special = ["[STOP]", "[UNK]", "[SPACE]", "[START]", "[cj_o]", "[cj_n]", "[cj_f]", "[cj_.]"]
    special += [f"[{language}]" for language in Chatterbox.capabilities.languages]
    letters = [chr(code) for code in range(33, 127)]
    words = {token: number for number, token in enumerate([*special, *letters])}
    model = tokenizers.models.BPE(words, [], unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "grapheme_mtl_merged_expanded_v1.json"))
    (folder / "Cangjie5_TC.json").write_text(json.dumps(["你\tonf", "好\tvnd"]))
    return {"model": folder, "device": "cpu"}


def write_checkout(folder: Path, files: dict[str, str]) -> Path:
    """A source checkout with these modules, and a package file in every folder of theirs."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in path.relative_to(folder).parents:
            (folder / parent / "__init__.py").touch()
        path.write_text(text)
    return folder


def write_files(folder: Path, *weights: str) -> Path:
    """Empty files with the names of the weights' own."""
    for weight in weights:
        for file in WEIGHTS[weight].files:
            path = folder / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return folder


INDEX_CONFIG: dict[str, Any] = {
    "dataset": {"bpe_model": "bpe.model"},
    "gpt": {
        "model_dim": 1280,
        "layers": 1,
        "heads": 4,
        "max_mel_tokens": 60,
        "max_text_tokens": 60,
        "number_text_tokens": 60,
        "number_mel_codes": 66,
        "start_mel_token": 64,
        "stop_mel_token": 65,
        "start_text_token": 0,
        "stop_text_token": 1,
        "mel_length_compression": 1024,
        "condition_type": "conformer_perceiver",
        **{
            f"{name}condition_module": {
                "output_size": 64,
                "linear_units": 64,
                "attention_heads": 2,
                "num_blocks": 1,
                "input_layer": "conv2d2",
                "perceiver_mult": 2,
            }
            for name in ("", "emo_")
        },
    },
    "semantic_codec": {
        "codebook_size": 64,
        "hidden_size": 1024,
        "codebook_dim": 8,
        "vocos_dim": 32,
        "vocos_intermediate_dim": 32,
        "vocos_num_layers": 1,
    },
    "s2mel": {
        "preprocess_params": {
            "sr": 22050,
            "spect_params": {
                "n_fft": 1024,
                "win_length": 1024,
                "hop_length": 256,
                "n_mels": 80,
                "fmin": 0,
                "fmax": "None",
            },
        },
        "dit_type": "DiT",
        "reg_loss_type": "l1",
        "style_encoder": {"dim": 192},
        "length_regulator": {
            "channels": 64,
            "is_discrete": False,
            "in_channels": 1024,
            "content_codebook_size": 64,
            "sampling_ratios": [1, 1, 1, 1],
            "vector_quantize": False,
            "n_codebooks": 1,
            "quantizer_dropout": 0.0,
            "f0_condition": False,
            "n_f0_bins": 512,
        },
        "DiT": {
            "hidden_dim": 64,
            "num_heads": 2,
            "depth": 3,
            "class_dropout_prob": 0.1,
            "block_size": 8192,
            "in_channels": 80,
            "style_condition": True,
            "final_layer_type": "wavenet",
            "target": "mel",
            "content_dim": 64,
            "content_codebook_size": 64,
            "content_type": "discrete",
            "f0_condition": False,
            "n_f0_bins": 512,
            "content_codebooks": 1,
            "is_causal": False,
            "long_skip_connection": True,
            "zero_prompt_speech_token": False,
            "time_as_token": False,
            "style_as_token": False,
            "uvit_skip_connection": True,
            "add_resblock_in_transformer": False,
        },
        "wavenet": {
            "hidden_dim": 64,
            "num_layers": 1,
            "kernel_size": 5,
            "dilation_rate": 1,
            "p_dropout": 0.2,
            "style_condition": True,
        },
    },
    "gpt_checkpoint": "gpt.pth",
    "w2v_stat": "wav2vec2bert_stats.pt",
    "s2mel_checkpoint": "s2mel.pth",
    "emo_matrix": "feat2.pt",
    "spk_matrix": "feat1.pt",
    "emo_num": [1] * 8,
    "qwen_emo_path": "qwen0.6bemo4-merge/",
    "vocoder": {"type": "bigvgan", "name": "nvidia/bigvgan_v2_22khz_80band_256x"},
    "version": 2.0,
}
"""The published configuration's keys with small numbers (1280 and 1024 stand in the code)."""


def in_cache(root: Path, weight: str) -> Path:
    """The folder in which the hub's cache at ``root`` keeps a weight's files, made."""
    base = root / f"models--{WEIGHTS[weight].hub.replace('/', '--')}"
    revision = "0" * 40
    (base / "refs").mkdir(parents=True)
    (base / "refs" / "main").write_text(revision)
    folder = base / "snapshots" / revision
    for file in WEIGHTS[weight].files:
        (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
    return folder


def write_index(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """IndexTTS-2 in small, with all that it looks for in the hub's cache; its options."""
    import sentencepiece
    import torch
    from huggingface_hub import constants
    from indextts import infer_v2
    from indextts.gpt.model_v2 import UnifiedVoice
    from indextts.s2mel.modules.bigvgan.bigvgan import BigVGAN
    from indextts.s2mel.modules.bigvgan.env import AttrDict
    from indextts.s2mel.modules.campplus.DTDNN import CAMPPlus
    from indextts.s2mel.modules.commons import MyModel
    from indextts.utils.maskgct_utils import build_semantic_codec
    from omegaconf import OmegaConf
    from safetensors.torch import save_file
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

    torch.manual_seed(0)
    cache = folder / "cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(infer_v2, "QwenEmotion", lambda path: None)  # reads texts: never asked
    model = folder / "model"
    write_files(model, "indextts-2")
    config = OmegaConf.create(INDEX_CONFIG)
    OmegaConf.save(config, model / "config.yaml")
    torch.save(UnifiedVoice(**config.gpt).state_dict(), model / "gpt.pth")
    mel = MyModel(config.s2mel, use_gpt_latent=True)
    torch.save({"net": {k: v.state_dict() for k, v in mel.models.items()}}, model / "s2mel.pth")
    torch.save({"mean": torch.zeros(1024), "var": torch.ones(1024)}, model / config.w2v_stat)
    torch.save(torch.randn(8, 192), model / "feat1.pt")
    torch.save(torch.randn(8, 1280), model / "feat2.pt")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["GOOD MORNING HOW ARE YOU", "HELLO, . ? ' 你 好"] * 20),
        model_prefix=str(model / "bpe"),
        vocab_size=26,
        minloglevel=2,
    )
    ears = in_cache(cache, "w2v-bert-2")
    Wav2Vec2BertModel(
        Wav2Vec2BertConfig(hidden_size=1024, num_hidden_layers=17, intermediate_size=16)
    ).save_pretrained(ears)
    SeamlessM4TFeatureExtractor().save_pretrained(ears)
    codec = in_cache(cache, "maskgct-codec") / "semantic_codec" / "model.safetensors"
    save_file(build_semantic_codec(config.semantic_codec).state_dict(), codec)
    voice = CAMPPlus(feat_dim=80, embedding_size=192)
    torch.save(voice.state_dict(), in_cache(cache, "campplus-cn") / "campplus_cn_common.bin")
    sizes = {
        "resblock": "1",
        "num_mels": 80,
        "upsample_rates": [8, 8, 4],
        "upsample_kernel_sizes": [16, 16, 8],
        "upsample_initial_channel": 32,
        "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1, 3, 5]],
        "activation": "snakebeta",
        "snake_logscale": True,
        "use_tanh_at_final": False,
        "use_bias_at_final": False,
        "sampling_rate": 22050,
    }
    vocoder = in_cache(cache, "bigvgan-22khz")
    (vocoder / "config.json").write_text(json.dumps(sizes))
    state = {"generator": BigVGAN(AttrDict(sizes)).state_dict()}
    torch.save(state, vocoder / "bigvgan_generator.pt")
    return {"model": model, "device": "cpu"}


def loud(samples: np.ndarray) -> float:
    """RMS level."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
