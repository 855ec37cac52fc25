"""Chatterbox multilingual (Resemble AI): clones a voice in 23 languages, with a watermark.

Its length cannot be steered: the fitting does that after it. The parts are loaded one by one,
because the library's own loader fetches a word segmenter and a table of Chinese signs from the net.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from polydub.engines.protocols import Capabilities, Speech, SpeechRequest, Style
from polydub.engines.speak.cloned_speech import (
    BROKEN,
    Prompt,
    best_device,
    checked,
    clone_style,
    finished,
    prompt_of,
    quietly,
    seeded,
    spoken,
)
from polydub.engines.speak.guessed_phones import Pronouncer
from polydub.engines.speak.kana import hiragana
from polydub.engines.weights import find, offline
from polydub.errors import EngineError
from polydub.model import CLONE
from polydub.model.language import same_language

RATE = 24_000
LONGEST_S = 10.0
"""The decoder listens to 10 s, the text model to the first 6 of them."""

DEFAULT = "default"
"""The voice that comes with the weights."""

_LANGUAGES = "ar da de el en es fi fr he hi it ja ko ms nl no pl pt ru sv sw tr zh"


@dataclass(frozen=True, slots=True)
class ChatterboxOptions:
    """``exaggeration`` of the emotion (0.5 is neutral) and ``guidance``, both as published.

    ``foreign`` is the guidance for a voice heard in another language than it is to speak: the
    authors say that 0 keeps its accent out.
    """

    exaggeration: float = 0.5
    guidance: float = 0.5
    foreign: float = 0.0
    temperature: float = 0.8


class Chatterbox:
    """Speaks 23 languages in a voice that it hears, or in the one that comes with the weights.

    ``model`` is a folder with the files of the hub. Raises ``EngineError`` DUB-E204 when it is
    missing, DUB-E205 when it cannot be read.
    """

    capabilities = Capabilities(
        kind="speak",
        name="chatterbox",
        version="1",
        summary="Chatterbox multilingual: clones voices in 23 languages, watermarked (Perth)",
        code_licence="MIT",
        weights_licence="MIT",
        languages=tuple(_LANGUAGES.split()),
        rate=RATE,
        gpu=True,
        requires=("chatterbox", "torch"),
        weights=("chatterbox",),
        extra="chatterbox",
        install='Install it in the checkout: pip install -c constraints.txt -e ".[chatterbox]", '
        "then: pip install --no-deps chatterbox-tts==0.1.7",
        clones=True,
        pace="none",
    )

    def __init__(
        self,
        *,
        model: str | Path | None = None,
        device: str = "auto",
        options: ChatterboxOptions | None = None,
    ) -> None:
        import torch

        self._torch = torch
        self._options = options or ChatterboxOptions()
        folder = find("chatterbox", path=Path(model) if model else None).path
        with offline(), quietly("chatterbox"):
            self._model = _load(torch, folder, best_device(torch, device))
        self._default = self._model.conds
        self._heard = ""
        self._pronouncer = Pronouncer()

    def speak(self, request: SpeechRequest) -> Speech:
        """Mono 24 kHz speech in the voice of ``request.voice``; the rate is not followed.

        Raises ``EngineError``: DUB-E203 for an unknown language, DUB-E202 where Japanese cannot be
        read here, DUB-E206 without a reference, for an empty text, or when the model fails.
        """
        language = checked(request, self.capabilities, styles=(DEFAULT,))
        options = self._options
        guidance = options.guidance
        if request.style == CLONE:
            prompt = prompt_of(request, self.capabilities, RATE, longest_s=LONGEST_S)
            if not same_language(prompt.language, request.language):
                guidance = options.foreign
        else:
            prompt = None
        text = hiragana(request.text) if language == "ja" else request.text
        seeded(self._torch, request)
        try:
            with offline(), quietly("chatterbox"):
                self._listen_to(prompt)
                made = self._model.generate(
                    text,
                    language,
                    exaggeration=options.exaggeration,
                    cfg_weight=guidance,
                    temperature=options.temperature,
                )
        except (RuntimeError, ValueError, IndexError, AssertionError) as error:
            raise EngineError(f"Chatterbox failed: {error}") from error
        finally:
            _forget_hooks(self._model.t3)
        samples = np.asarray(made.squeeze(0).cpu().numpy(), np.float32)
        return finished(samples, int(self._model.sr), request, self._pronouncer)

    def styles(self, language: str) -> Sequence[Style]:
        """The speaker's own voice and the default one. Raises ``EngineError`` DUB-E203."""
        own = clone_style(language, self.capabilities)
        default = Style(DEFAULT, spoken(language, self.capabilities), "female", 0.5)
        return (own, default) if self._default is not None else (own,)

    def close(self) -> None:
        """End the processes that read the texts."""
        self._pronouncer.close()

    def _listen_to(self, prompt: Prompt | None) -> None:
        """Condition the model on the prompt, once for each."""
        if prompt is None:
            self._model.conds, self._heard = self._default, ""
            return
        key = hashlib.sha256(prompt.samples.tobytes()).hexdigest()
        if key == self._heard:
            return
        sound = io.BytesIO()
        soundfile.write(sound, prompt.samples, prompt.rate, format="WAV", subtype="FLOAT")
        sound.seek(0)
        self._model.prepare_conditionals(sound, exaggeration=self._options.exaggeration)
        self._heard = key


def _load(torch: Any, folder: Path, device: str) -> Any:
    from chatterbox.models.s3gen import S3Gen
    from chatterbox.models.t3 import T3
    from chatterbox.models.t3.modules.t3_config import T3Config
    from chatterbox.models.voice_encoder import VoiceEncoder
    from chatterbox.mtl_tts import ChatterboxMultilingualTTS, Conditionals
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    def stored(name: str) -> Any:
        return torch.load(folder / name, map_location="cpu", weights_only=True)

    try:
        encoder = VoiceEncoder()
        encoder.load_state_dict(stored("ve.pt"))
        text_model = T3(T3Config.multilingual())
        state = load_file(folder / "t3_mtl23ls_v2.safetensors")
        text_model.load_state_dict(state["model"][0] if "model" in state else state)
        decoder = S3Gen()
        decoder.load_state_dict(stored("s3gen.pt"))
        conditions = Conditionals.load(folder / "conds.pt", map_location="cpu").to(device)
        tokenizer = _tokenizer(folder)
    except (*BROKEN, SafetensorError) as error:
        raise EngineError(f"Chatterbox cannot be loaded: {error}", code="DUB-E205") from error
    parts = [part.to(device).eval() for part in (text_model, decoder, encoder)]
    return ChatterboxMultilingualTTS(*parts, tokenizer, device, conds=conditions)


def _tokenizer(folder: Path) -> Any:
    """The library's tokenizer without what its constructor would fetch.

    The table of Chinese signs lies beside the weights. Words of Chinese are told apart only where
    pkuseg's model is on the disk already; the library goes without it as well.
    """
    from chatterbox.models.tokenizers import tokenizer as library
    from chatterbox.models.tokenizers.tokenizer import ChineseCangjieConverter, MTLTokenizer
    from tokenizers import Tokenizer

    # Japanese comes in kana already; the library would load pykakasi (GPL-3.0) into this process
    library.hiragana_normalize = lambda text: text
    converter = ChineseCangjieConverter.__new__(ChineseCangjieConverter)
    converter.word2cj, converter.cj2word, converter.segmenter = {}, {}, _segmenter()
    for entry in json.loads((folder / "Cangjie5_TC.json").read_text(encoding="utf-8")):
        sign, code = entry.split("\t")[:2]
        converter.word2cj[sign] = code
        converter.cj2word.setdefault(code, []).append(sign)
    tokenizer = MTLTokenizer.__new__(MTLTokenizer)
    tokenizer.tokenizer = Tokenizer.from_file(str(folder / "grapheme_mtl_merged_expanded_v1.json"))
    tokenizer.cangjie_converter = converter
    tokenizer.check_vocabset_sot_eot()
    return tokenizer


def _segmenter() -> Any:
    if importlib.util.find_spec("spacy_pkuseg") is None:
        return None
    from spacy_pkuseg import pkuseg
    from spacy_pkuseg.config import config

    here = Path(config.pkuseg_home, "spacy_ontonotes").is_dir()
    return pkuseg() if here else None


def _forget_hooks(text_model: Any) -> None:
    """Every call hooks the attention layers anew and never lets go: a film would come to a halt."""
    for layer in text_model.tfmr.layers:
        layer.self_attn._forward_hooks.clear()
