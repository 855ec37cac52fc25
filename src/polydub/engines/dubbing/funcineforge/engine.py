"""The engine ``dubbing=funcineforge``: a scene in, its speech out."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from polydub.engines.dubbing.funcineforge.config import RATE, TOKENS_PER_SECOND, Dtype
from polydub.engines.protocols import Capabilities
from polydub.errors import EngineError
from polydub.model import Waveform
from polydub.model.language import is_spaced
from polydub.model.scene import Scene, SceneSpeech

SETTINGS = "POLYDUB_FUNCINEFORGE"
"""Environment variable with settings for a dub from the command line."""
VOICES = "camplus.onnx"
FACES = "face_recog_ir101.onnx"
SHORTEST_FRAMES = 50
"""The model does not end before 2 s: shorter scenes are given that much room."""
ROOM_USED = Fraction(11, 10)
"""Share of a scene's room after which the model is cut short: ten per cent can be sped up."""
LESS_MEMORY = (
    f'{SETTINGS}=\'{{"dtype": "bfloat16", "window_s": 15}}\' needs less; {{"device": "cpu"}} none.'
)


@dataclass(frozen=True, slots=True)
class Running:
    """Where and how exactly it computes; ``compiled`` runs the flow through ``torch.compile``."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Dtype = "float32"
    compiled: bool = False


def told_settings() -> dict[str, Any]:
    """The settings in ``$POLYDUB_FUNCINEFORGE``. Raises ``EngineError`` when it is no object."""
    text = os.environ.get(SETTINGS, "").strip() or "{}"
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise EngineError(
            f"{SETTINGS} is no JSON object: {text:.60}",
            hint='Write it as {"speakers": "turns", "dtype": "bfloat16"}.',
        ) from error


class FunCineForge:
    """Tongyi Lab's dubbing model of 0.5 billion parameters, for Chinese and English.

    ``path`` is the checkpoint's folder (else ``$POLYDUB_WEIGHT_FUNCINEFORGE``, else the hub's
    cache). ``device``, ``dtype`` and ``compiled`` are those of :class:`Running`. ``options`` are
    those of :class:`.clip.ClipOptions`; their defaults are what the released program does. What is
    not given is taken from the JSON object in ``$POLYDUB_FUNCINEFORGE``, if there is one.
    """

    capabilities = Capabilities(
        kind="dubbing",
        name="funcineforge",
        version="1",
        summary="Fun-CineForge: scenes in cloned voices, timed by text, turns and faces",
        code_licence="Apache-2.0",
        weights_licence="see the model card (released for research)",
        languages=("zh", "en"),
        rate=RATE,
        gpu=True,
        requires=("torch", "transformers", "safetensors", "regex", "onnxruntime"),
        weights=("funcineforge",),
        extra="funcineforge",
    )

    def __init__(
        self,
        *,
        path: str | Path | None = None,
        device: Literal["auto", "cpu", "cuda"] | None = None,
        dtype: Dtype | None = None,
        compiled: bool | None = None,
        **options: Any,
    ) -> None:
        from polydub.engines.dubbing.funcineforge.checkpoint import (
            TEXT,
            find_checkpoint,
            load_networks,
            missing,
        )
        from polydub.engines.dubbing.funcineforge.clip import ClipMaker, ClipOptions
        from polydub.engines.dubbing.funcineforge.config import config_from
        from polydub.engines.dubbing.funcineforge.device import device_of, room_on_device
        from polydub.engines.dubbing.funcineforge.inputs import FaceEmbedder, XVectors
        from polydub.engines.dubbing.funcineforge.tokenizer import load_tokenizer

        told, given = told_settings(), {"device": device, "dtype": dtype, "compiled": compiled}
        means = {name: told.pop(name) for name in given if name in told}
        means |= {name: value for name, value in given.items() if value is not None}
        running = config_from(Running, means, "dubbing=funcineforge")
        chosen = config_from(ClipOptions, {**told, **options}, "dubbing=funcineforge")
        checkpoint = find_checkpoint(Path(path) if path else None)
        voices, faces = checkpoint.file(VOICES), checkpoint.file(FACES)
        if voices is None:
            raise missing(f"{checkpoint.model} holds no {VOICES}.")
        tokenizer = load_tokenizer(checkpoint.root / TEXT, checkpoint.model)
        place = device_of(running.device)
        with room_on_device(LESS_MEMORY):
            networks = load_networks(checkpoint, device=place, dtype=running.dtype)
        if running.compiled:
            networks.flow.dit_model.compile(dynamic=True)
        self._maker = ClipMaker(networks, tokenizer.prompt, chosen)
        self._xvectors = XVectors(voices)
        self._faces = FaceEmbedder(faces) if faces else None
        self.most_voices = 39 if chosen.speakers == "turns" else 1

    @staticmethod
    def require_weights() -> None:
        """Raise ``EngineError`` DUB-E204 when no checkpoint is on this machine."""
        from polydub.engines.dubbing.funcineforge.checkpoint import find_checkpoint

        find_checkpoint()

    @staticmethod
    def variant() -> str:
        """What its output depends on besides the version: settings told, and which weights."""
        from polydub.engines.dubbing.funcineforge.checkpoint import PICKLES, find_checkpoint

        checkpoint = find_checkpoint()
        stats = [checkpoint.weights(part).stat() for part in PICKLES]
        files = [[stat.st_size, stat.st_mtime_ns] for stat in stats]
        text = json.dumps([told_settings(), str(checkpoint.model.resolve()), files], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def dub(self, scene: Scene) -> SceneSpeech:
        """The scene's speech at 24 kHz.

        Raises ``EngineError`` for a scene without lines or without the voices that it needs, and
        when the GPU's memory does not suffice.
        """
        from polydub.engines.dubbing.funcineforge.device import room_on_device

        if not scene.lines:
            raise EngineError("A scene without lines cannot be dubbed.")
        clip, notes = self._clip(scene)
        options = self._maker.options
        seed = options.seed + scene.attempt * max(1, options.candidates)
        decoding = options.decoding
        if scene.room is not None:
            most = max(1, int(scene.room * ROOM_USED * TOKENS_PER_SECOND))
            decoding = replace(
                decoding,
                max_length=min(decoding.max_length, most),
                min_length=min(decoding.min_length, most // 2),
            )
        own = replace(options, seed=seed, decoding=decoding)
        with room_on_device(LESS_MEMORY):
            sound = self._maker.with_options(own).make(clip)
        if not sound.ended and options.silence != "forced":
            notes.append("the model did not come to an end by itself")
        return SceneSpeech(Waveform(sound.samples, RATE), tuple(notes))

    def _clip(self, scene: Scene) -> tuple[Any, list[str]]:
        from polydub.engines.dubbing.funcineforge.clip import Clip, ClipTurn
        from polydub.engines.dubbing.funcineforge.sequence import Faces, TurnTag

        notes: list[str] = []
        numbers: dict[str, int] = {}
        for line in scene.lines:
            numbers.setdefault(line.speaker, len(numbers) + 1)
        turns = tuple(
            ClipTurn(
                TurnTag(
                    float(line.span.start - scene.span.start),
                    float(line.span.duration),
                    numbers[line.speaker],
                    line.gender or "",
                    line.age or "",
                ),
                line.text,
            )
            for line in sorted(scene.lines, key=lambda line: (line.span, line.id))
        )
        faces = Faces.none()
        if self._faces is not None:
            faces = self._faces.faces(scene.faces, scene.span.start)
        elif scene.faces:
            notes.append(f"faces are not heeded: the checkpoint holds no {FACES}")
        clip = Clip(
            scene=_kind(scene, len(numbers)),
            turns=turns,
            frames=max(SHORTEST_FRAMES, int(scene.span.duration * TOKENS_PER_SECOND)),
            xvectors={
                number: self._xvectors.of(scene.references[name])
                for name, number in numbers.items()
                if name in scene.references
            },
            faces=faces,
            clue=scene.clue,
            spaced=is_spaced(scene.language),
        )
        return clip, notes


def _kind(scene: Scene, voices: int) -> str:
    """The model's word for a scene: by how many speak, and whether they are part of it."""
    if scene.narrated:
        return "narration"
    return {1: "monologue", 2: "dialogue"}.get(voices, "many")
