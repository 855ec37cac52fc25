"""F5-TTS v1 (Chen et al. 2024): clones a voice by filling in mel frames after a prompt.

How long the speech lasts is decided before it is made, so a length in seconds is met to 11 ms. The
library's own file handling is left aside: it would cut the prompt and its words apart, and write to
temporary files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

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
)
from polydub.engines.speak.guessed_phones import Pronouncer
from polydub.engines.weights import find, offline
from polydub.errors import EngineError
from polydub.model import Samples

RATE = 24_000
HOP = 256
LONGEST_S = 11.0
"""The library cuts longer prompts: prompt and speech together were 30 s at most in training."""

TOGETHER_S = 22.0
"""Prompt and speech in one go; a longer text is said in parts (the library's own bound)."""

TAIL_S = 0.05
"""Silence after the prompt, which keeps its last sound out of the speech (the library's)."""

SHORT_BYTES, SHORT_PACE = 10, 0.3
"""Texts of less than 10 bytes get 3.3 times the time, as in the library: else they are swallowed.
"""


@dataclass(frozen=True, slots=True)
class F5Options:
    """``steps`` of the solver and ``guidance`` towards the text, both as published.

    ``arch`` are the network's sizes; ``None`` takes those of v1 base from the library.
    """

    steps: int = 32
    guidance: float = 2.0
    sway: float = -1.0
    arch: dict[str, Any] | None = None


class F5Tts:
    """Speaks English and Mandarin in a voice that it hears. Its weights are not for commercial use.

    ``model`` and ``vocoder`` are folders with the files of the hub. Raises ``EngineError`` DUB-E204
    when they are missing, DUB-E205 when they cannot be read.
    """

    capabilities = Capabilities(
        kind="speak",
        name="f5-tts",
        version="1",
        summary="F5-TTS v1 base: clones voices in English and Mandarin, to the length asked for",
        code_licence="MIT",
        weights_licence="CC-BY-NC-4.0 (vocoder: MIT)",
        languages=("en", "zh"),
        rate=RATE,
        gpu=True,
        requires=("f5_tts", "torch"),
        weights=("f5-tts", "vocos-24khz"),
        extra="f5",
        clones=True,
        pace="seconds",
    )

    def __init__(
        self,
        *,
        model: str | Path | None = None,
        vocoder: str | Path | None = None,
        device: str = "auto",
        options: F5Options | None = None,
    ) -> None:
        import torch

        self._torch = torch
        self._options = options or F5Options()
        network = find("f5-tts", path=Path(model) if model else None).path
        voice = find("vocos-24khz", path=Path(vocoder) if vocoder else None).path
        self._device = best_device(torch, device)
        with offline(), quietly("f5_tts"):
            self._library, self._model, self._vocoder = self._load(network, voice)
        self._pronouncer = Pronouncer()

    def _load(self, network: Path, voice: Path) -> tuple[Any, Any, Any]:
        from f5_tts.infer import utils_infer
        from f5_tts.model import DiT
        from safetensors import SafetensorError

        folder = network / "F5TTS_v1_Base"
        try:
            vocoder = utils_infer.load_vocoder(
                "vocos", is_local=True, local_path=str(voice), device=self._device
            )
            model = utils_infer.load_model(
                DiT,
                self._options.arch or _published(),
                str(folder / "model_1250000.safetensors"),
                mel_spec_type="vocos",
                vocab_file=str(folder / "vocab.txt"),
                device=self._device,
            )
        except (*BROKEN, SafetensorError) as error:
            raise EngineError(f"F5-TTS cannot be loaded: {error}", code="DUB-E205") from error
        return utils_infer, model, vocoder

    def speak(self, request: SpeechRequest) -> Speech:
        """Mono 24 kHz speech in the voice of ``request.voice``, ``request.seconds`` long if told.

        Raises ``EngineError``: DUB-E203 for a language other than English and Mandarin, DUB-E206
        without a reference with words, for an empty text, or when the model fails.
        """
        prompt = self._prompt(request)
        chunks = self._chunks(request, prompt)
        planned = [_seconds(chunk, prompt, request.speed) for chunk in chunks]
        if request.seconds is not None:
            planned = [length * request.seconds / sum(planned) for length in planned]
        seeded(self._torch, request)
        try:
            with quietly("f5_tts"):
                parts = [
                    self._say(chunk, prompt, length)
                    for chunk, length in zip(chunks, planned, strict=True)
                ]
        except RuntimeError as error:
            raise EngineError(f"F5-TTS failed: {error}") from error
        return finished(np.concatenate(parts), RATE, request, self._pronouncer)

    def seconds(self, request: SpeechRequest) -> float:
        """How long :meth:`speak` would take to say this: as fast per byte as the prompt is said.

        Raises as :meth:`speak` does.
        """
        if request.seconds is not None:
            return request.seconds
        prompt = self._prompt(request)
        return sum(_seconds(x, prompt, request.speed) for x in self._chunks(request, prompt))

    def styles(self, language: str) -> Sequence[Style]:
        """The speaker's own voice. Raises ``EngineError`` DUB-E203 for other languages."""
        return (clone_style(language, self.capabilities),)

    def close(self) -> None:
        """End the processes that read the texts."""
        self._pronouncer.close()

    def _prompt(self, request: SpeechRequest) -> Prompt:
        checked(request, self.capabilities)
        found = prompt_of(request, self.capabilities, RATE, longest_s=LONGEST_S, words=True)
        samples = np.concatenate([found.samples, np.zeros(round(TAIL_S * RATE), np.float32)])
        text = found.text if found.text.endswith((".", "。")) else f"{found.text}."
        text = text if text.endswith("。") else f"{text} "
        return Prompt(samples, RATE, text, found.language)

    def _chunks(self, request: SpeechRequest, prompt: Prompt) -> list[str]:
        """The text in parts that are said in one go with the prompt."""
        pace = len(prompt.text.encode()) / prompt.seconds
        most = max(1, int(pace * (TOGETHER_S - prompt.seconds) * max(request.speed, 0.1)))
        chunks: list[str] = self._library.chunk_text(request.text, max_chars=most)
        return chunks or [request.text]

    def _say(self, text: str, prompt: Prompt, seconds: float) -> Samples:
        """Sound of one part, made ``seconds`` long."""
        heard = len(prompt.samples) // HOP
        frames = heard + max(1, round(seconds * RATE / HOP))
        wave, _, _ = next(
            self._library.infer_batch_process(
                (self._torch.from_numpy(prompt.samples[None]), RATE),
                prompt.text,
                [text],
                self._model,
                self._vocoder,
                mel_spec_type="vocos",
                progress=None,
                nfe_step=self._options.steps,
                cfg_strength=self._options.guidance,
                sway_sampling_coef=self._options.sway,
                fix_duration=(frames + 0.5) * HOP / RATE,
                device=self._device,
            )
        )
        if wave is None:
            raise EngineError("F5-TTS returned no sound")
        return np.asarray(wave, np.float32).reshape(-1)


def _seconds(text: str, prompt: Prompt, speed: float) -> float:
    size = len(text.encode())
    pace = SHORT_PACE if size < SHORT_BYTES else speed
    return prompt.seconds / len(prompt.text.encode()) * size / pace


def _published() -> dict[str, Any]:
    """The sizes of v1 base, as the library's configuration has them."""
    from omegaconf import OmegaConf

    config = OmegaConf.load(str(files("f5_tts").joinpath("configs/F5TTS_v1_Base.yaml")))
    arch: dict[str, Any] = OmegaConf.to_container(config.model.arch)
    return arch
