"""CosyVoice 3 (Fun-CosyVoice3-0.5B, Alibaba): clones a voice across nine languages.

The prompt's words are given along only where it is in the language to be spoken; else the language
model would go on in the prompt's language (the authors' ``cross_lingual`` mode).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from polydub.engines.protocols import Capabilities, Speech, SpeechRequest, Style
from polydub.engines.speak.checkout import require_library
from polydub.engines.speak.cloned_speech import (
    BROKEN,
    checked,
    clone_style,
    finished,
    prompt_file,
    prompt_of,
    quietly,
    seeded,
)
from polydub.engines.speak.guessed_phones import Pronouncer
from polydub.engines.speak.kana import katakana
from polydub.engines.weights import find, offline
from polydub.errors import EngineError
from polydub.model.language import same_language

RATE = 24_000
LONGEST_S = 15.0
"""The speech tokeniser takes 30 s; what is longer than needed slows every line down."""

SPEEDS = (0.5, 2.0)
CHECKOUT = "POLYDUB_COSYVOICE"
"""Environment variable that names the checkout."""

SYSTEM = "You are a helpful assistant.<|endofprompt|>"
"""Stands before every text, as in the authors' examples: the model was trained with it."""


class CosyVoice3:
    """Speaks nine languages in a voice that it hears, at a given rate.

    ``model`` is a folder with the files of the hub. Raises ``EngineError`` DUB-E202 without the
    library, DUB-E204 when the weights are missing, DUB-E205 when they cannot be read.
    """

    capabilities = Capabilities(
        kind="speak",
        name="cosyvoice3",
        version="1",
        summary="CosyVoice 3 (0.5B): clones voices across nine languages, follows a rate",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        languages=("zh", "en", "ja", "ko", "de", "es", "fr", "it", "ru"),
        rate=RATE,
        gpu=True,
        requires=("torch", "hyperpyyaml"),
        weights=("cosyvoice3",),
        install="see 'Engines from the hub' in docs/engines.md",
        clones=True,
        pace="speed",
    )

    def __init__(self, *, model: str | Path | None = None, half: bool = False) -> None:
        import torch

        self._torch = torch
        folder = find("cosyvoice3", path=Path(model) if model else None).path
        require_library(
            "cosyvoice.cli.cosyvoice",
            CHECKOUT,
            "https://github.com/FunAudioLLM/CosyVoice",
            "third_party/Matcha-TTS",
        )
        with offline(), quietly("cosyvoice"):
            self._model = _load(folder, half=half)
        self._rate = int(self._model.sample_rate)
        self._prompts = TemporaryDirectory(prefix="polydub-prompts-")
        self._pronouncer = Pronouncer()

    def speak(self, request: SpeechRequest) -> Speech:
        """Mono 24 kHz speech in the voice of ``request.voice``, at ``request.speed``.

        Raises ``EngineError``: DUB-E203 for an unknown language, DUB-E202 where Japanese cannot be
        read here, DUB-E206 without a reference, for an empty text, or when the model fails.
        """
        language = checked(request, self.capabilities)
        text = katakana(request.text) if language == "ja" else request.text
        prompt = prompt_of(request, self.capabilities, RATE, longest_s=LONGEST_S)
        path = str(prompt_file(prompt, Path(self._prompts.name)))
        speed = min(max(request.speed, SPEEDS[0]), SPEEDS[1])
        how: dict[str, Any] = {"stream": False, "speed": speed}
        seeded(self._torch, request)
        try:
            with offline(), quietly("cosyvoice"):
                if prompt.text and same_language(prompt.language, request.language):
                    words = f"{SYSTEM}{prompt.text}"
                    made = list(self._model.inference_zero_shot(text, words, path, **how))
                else:
                    made = list(self._model.inference_cross_lingual(SYSTEM + text, path, **how))
        except (RuntimeError, ValueError, AssertionError, IndexError, OSError) as error:
            raise EngineError(f"CosyVoice failed: {error}") from error
        parts = [np.asarray(x["tts_speech"].cpu().numpy(), np.float32).reshape(-1) for x in made]
        samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        return finished(samples, self._rate, request, self._pronouncer)

    def styles(self, language: str) -> Sequence[Style]:
        """The speaker's own voice. Raises ``EngineError`` DUB-E203 for other languages."""
        return (clone_style(language, self.capabilities),)

    def close(self) -> None:
        """End the processes that read the texts, and forget the prompts."""
        self._pronouncer.close()
        self._prompts.cleanup()


def _load(folder: Path, *, half: bool) -> Any:
    try:
        from cosyvoice.cli import cosyvoice as library
    except ImportError as error:
        raise EngineError(
            f"CosyVoice needs {error.name}, which is not installed.",
            hint="Install the requirements of its checkout.",
            code="DUB-E202",
        ) from error
    if not hasattr(library, "CosyVoice3"):
        raise EngineError(
            "This cosyvoice is older than CosyVoice 3.",
            hint=f"Set {CHECKOUT} to a newer checkout, and uninstall the package 'cosyvoice'.",
            code="DUB-E202",
        )
    try:
        return library.CosyVoice3(str(folder), fp16=half)
    except (*BROKEN, AssertionError) as error:
        raise EngineError(f"CosyVoice cannot be loaded: {error}", code="DUB-E205") from error
