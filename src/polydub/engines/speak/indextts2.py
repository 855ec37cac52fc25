"""IndexTTS-2 (bilibili): clones a voice and, apart from it, how the original line is said.

The emotion of every line is taken from the original line itself. The released weights cannot be
told how long to speak: the fitting does that after them.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from polydub.engines.protocols import Capabilities, Speech, SpeechRequest, Style
from polydub.engines.speak.checkout import require_library
from polydub.engines.speak.cloned_speech import (
    BROKEN,
    Prompt,
    best_device,
    checked,
    clone_style,
    finished,
    prompt_file,
    prompt_of,
    quietly,
    seeded,
)
from polydub.engines.speak.guessed_phones import Pronouncer
from polydub.engines.weights import find, offline
from polydub.errors import EngineError
from polydub.media.wave import resample

RATE = 24_000
LONGEST_S = 15.0
"""What the library listens to of a prompt."""

SHORTEST_S = 0.8
"""A shorter line tells no emotion: then it is that of the prompt."""

CHECKOUT = "POLYDUB_INDEXTTS"
"""Environment variable that names the checkout."""


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """``emotion`` (0..1): how much of the original line's emotion is taken over, as published."""

    emotion: float = 1.0
    half: bool = False


class IndexTts2:
    """Speaks Mandarin and English in a voice that it hears, as moved as the original line.

    ``model`` is a folder with the files of IndexTeam/IndexTTS-2; what it needs besides must be in
    the hub's cache. Raises ``EngineError`` DUB-E202 without the library, DUB-E204 when weights are
    missing, DUB-E205 when they cannot be read.
    """

    capabilities = Capabilities(
        kind="speak",
        name="indextts-2",
        version="1",
        summary="IndexTTS-2: clones voices in Mandarin and English, with the line's own emotion",
        code_licence="bilibili model licence",
        weights_licence="bilibili model licence; MaskGCT codec: CC-BY-NC-4.0; others MIT, Apache",
        languages=("zh", "en"),
        rate=RATE,
        gpu=True,
        requires=("torch", "omegaconf"),
        weights=("indextts-2", "w2v-bert-2", "maskgct-codec", "campplus-cn", "bigvgan-22khz"),
        extra="index",
        clones=True,
        acts=True,
        pace="none",
    )

    def __init__(
        self,
        *,
        model: str | Path | None = None,
        device: str = "auto",
        options: IndexOptions | None = None,
    ) -> None:
        import torch

        self._torch = torch
        self._options = options or IndexOptions()
        own, *others = self.capabilities.weights
        folder = find(own, path=Path(model) if model else None).path
        for name in others:
            _require_in_cache(name)
        require_library("indextts.infer_v2", CHECKOUT, "https://github.com/index-tts/index-tts")
        device = best_device(torch, device)
        with offline(), quietly("indextts"):
            self._model = _load(folder, device, half=self._options.half)
        self._prompts = TemporaryDirectory(prefix="polydub-prompts-")
        self._pronouncer = Pronouncer()

    def speak(self, request: SpeechRequest) -> Speech:
        """Mono 24 kHz speech in the voice of ``request.voice``, moved like ``request.manner``.

        The rate is not followed. Raises ``EngineError``: DUB-E203 for other languages, DUB-E206
        without a reference, for an empty text, or when the model fails.
        """
        checked(request, self.capabilities)
        prompt = prompt_of(request, self.capabilities, RATE, longest_s=LONGEST_S)
        folder = Path(self._prompts.name)
        moved = self._manner(request)
        emotion: dict[str, Any] = {}
        if moved is not None:
            emotion["emo_audio_prompt"] = str(prompt_file(moved, folder))
            emotion["emo_alpha"] = self._options.emotion
        # what it still knows of the line before would shift the random numbers of this one
        self._model.cache_spk_audio_prompt = self._model.cache_emo_audio_prompt = None
        seeded(self._torch, request)
        try:
            with offline(), quietly("indextts"):
                made = self._model.infer(
                    spk_audio_prompt=str(prompt_file(prompt, folder)),
                    text=request.text,
                    output_path=None,
                    **emotion,
                )
        except (RuntimeError, ValueError, AssertionError, IndexError, KeyError) as error:
            raise EngineError(f"IndexTTS failed: {error}") from error
        if made is None:
            raise EngineError("IndexTTS returned no sound")
        rate, samples = made
        sound = np.asarray(samples, np.float32).reshape(-1) / 32768
        return finished(sound, int(rate), request, self._pronouncer)

    def styles(self, language: str) -> Sequence[Style]:
        """The speaker's own voice. Raises ``EngineError`` DUB-E203 for other languages."""
        return (clone_style(language, self.capabilities),)

    def close(self) -> None:
        """End the processes that read the texts, and forget the prompts."""
        self._pronouncer.close()
        self._prompts.cleanup()

    def _manner(self, request: SpeechRequest) -> Prompt | None:
        """The original line, where it is long enough to tell how it is said."""
        if request.manner is None or float(request.manner.duration) < SHORTEST_S:
            return None
        sound = resample(request.manner.mono(), RATE)
        return Prompt(np.ascontiguousarray(sound.samples, np.float32), RATE, "", "")


def _require_in_cache(name: str) -> None:
    """The library looks for these in the hub's cache alone."""
    found = find(name)
    if found.origin != "hub":
        raise EngineError(
            f"IndexTTS looks for '{name}' in the hub's cache, not at {found.path}.",
            hint=f"Download it with: polydub engines pull {name}",
            code="DUB-E204",
        )


def _load(folder: Path, device: str, *, half: bool) -> Any:
    try:
        from indextts.infer_v2 import IndexTTS2
    except ImportError as error:
        raise EngineError(
            f"IndexTTS needs {error.name}, which is not installed.",
            hint="Install the requirements of its checkout.",
            code="DUB-E202",
        ) from error
    how: dict[str, Any] = {
        "cfg_path": str(folder / "config.yaml"),
        "model_dir": str(folder),
        "use_fp16": half,
        "device": device,
        "use_cuda_kernel": False,
        "use_deepspeed": False,
    }
    if "use_qwen_emo" in inspect.signature(IndexTTS2.__init__).parameters:
        how["use_qwen_emo"] = False  # it reads emotions out of texts: not needed here
    try:
        return IndexTTS2(**how)
    except (*BROKEN, AssertionError) as error:
        raise EngineError(f"IndexTTS cannot be loaded: {error}", code="DUB-E205") from error
