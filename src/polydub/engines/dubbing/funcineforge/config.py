"""Sizes and constants of the model; each one with where it is known from.

Sources: *code* is the public inference code (commit f24dd46 of 2026-03-25); *port* are public ports
that load the released checkpoint; *CosyVoice3* is the published configuration of the sibling model;
*Qwen2* is the configuration of Qwen2-0.5B. What only the checkpoint can tell is listed in
``docs/funcineforge.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from polydub.errors import EngineError

TOKENS_PER_SECOND = 25
"""Speech tokens, and frames of the video that the faces are taken from (code)."""
RATE = 24_000
"""Hz of the sound (code, CosyVoice3)."""
MEL_PER_TOKEN = 2
"""Mel frames of one token: 50 a second (port, CosyVoice3)."""
SAMPLES_PER_TOKEN = RATE // TOKENS_PER_SECOND

# The codec vocabulary (code: decode.yaml)
SPEECH_TOKENS = 6561
SOS, EOS, TURN_OF_SPEECH, FILL = 6561, 6562, 6563, 6564
CODEC_UNITS = 6761

# The time and speaker vocabulary (code: decode.yaml)
TIME_IDS = 1500
"""Ids 1..1499 are times, 0 stands for padding and for what is not known."""
FIRST_SPEAKER = 1511
MOST_SPEAKERS = 39
TIMESPK_UNITS = 1550

Dtype = Literal["float32", "bfloat16", "float16"]
Grid = Literal["cosine", "linear"]


@dataclass(frozen=True, slots=True)
class LmConfig:
    """The language model: a Qwen2 decoder between tables and a head of its own.

    ``hidden`` to ``kv_heads``, ``vocabulary``: port and Qwen2. ``intermediate``, ``rope_theta``,
    ``norm_eps``, ``positions``: Qwen2, to be checked against the checkpoint's own config.json.
    ``codec_units``, ``timespk_units``: code. ``face_size``: code (IR-101 embeddings).
    """

    hidden: int = 896
    layers: int = 24
    heads: int = 14
    kv_heads: int = 2
    intermediate: int = 4864
    vocabulary: int = 151_936
    rope_theta: float = 1e6
    norm_eps: float = 1e-6
    positions: int = 32_768
    codec_units: int = CODEC_UNITS
    timespk_units: int = TIMESPK_UNITS
    face_size: int = 512


@dataclass(frozen=True, slots=True)
class DitConfig:
    """The velocity network of the flow: port and CosyVoice3.

    ``mask_blocks`` are the attention blocks of the mask types in tokens; 0 is full attention
    (port). ``dropout`` is the code's default and works in training only.
    """

    dim: int = 1024
    depth: int = 22
    heads: int = 16
    dim_head: int = 64
    ff_mult: int = 2
    mel: int = 80
    mu: int = 80
    speaker: int = 80
    dropout: float = 0.1
    mask_blocks: tuple[int, ...] = (0, 1, 15, 30)


@dataclass(frozen=True, slots=True)
class FlowConfig:
    """Flow matching around it: port and CosyVoice3.

    The code's own defaults for ``lookahead`` (4) and ``xvec`` (198) are not those of the release;
    the shapes of the checkpoint decide.
    """

    codebook: int = SPEECH_TOKENS
    model_size: int = 1024
    lookahead: int = 3
    xvec: int = 192
    mel_per_token: int = MEL_PER_TOKEN
    dit: DitConfig = field(default_factory=DitConfig)


@dataclass(frozen=True, slots=True)
class VocoderConfig:
    """The causal HiFT vocoder: port, identical in CosyVoice3.

    ``voiced_hz`` is the pitch above which a frame is voiced, ``limit`` what samples are clipped to.
    ``noise_seed`` is the configuration's ``seed`` (code default; not known of the release).
    """

    mel: int = 80
    channels: int = 512
    harmonics: int = 8
    rate: int = RATE
    sine_gain: float = 0.1
    noise_gain: float = 0.003
    voiced_hz: float = 10.0
    upsample_rates: tuple[int, ...] = (8, 5, 3)
    upsample_kernels: tuple[int, ...] = (16, 11, 7)
    n_fft: int = 16
    hop: int = 4
    kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)
    source_kernels: tuple[int, ...] = (7, 7, 11)
    slope: float = 0.1
    limit: float = 0.99
    f0_channels: int = 512
    noise_seed: int = 0


@dataclass(frozen=True, slots=True)
class MelConfig:
    """The mel spectrogram of training and tests.

    ``highest`` in Hz is 8000 in the port and open (``None``) in CosyVoice3; the rest agrees.
    """

    rate: int = RATE
    n_fft: int = 1920
    hop: int = 480
    bands: int = 80
    lowest: float = 0.0
    highest: float | None = 8000.0
    kind: Literal["power_log", "mag_log10"] = "power_log"


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """All networks together; the defaults are the release's."""

    lm: LmConfig = field(default_factory=LmConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    vocoder: VocoderConfig = field(default_factory=VocoderConfig)
    mel: MelConfig = field(default_factory=MelConfig)


Sampling = bool | int | float | Literal["ras"]
"""``"ras"``; ``False`` the likeliest; ``True`` any; an int so many likeliest; a float nucleus."""


@dataclass(frozen=True, slots=True)
class RasOptions:
    """Repetition-aware sampling: code defaults, the same in CosyVoice3."""

    top_p: float = 0.8
    top_k: int = 25
    window: int = 10
    repetition: float = 0.1


@dataclass(frozen=True, slots=True)
class LmDecoding:
    """How tokens are written (code: decode.yaml). Lengths are tokens of 40 ms.

    The end is not drawn within ``min_length`` tokens; ``avoid`` are ids that are never drawn.
    """

    sampling: Sampling = "ras"
    ras: RasOptions = field(default_factory=RasOptions)
    max_length: int = 1500
    min_length: int = 50
    cache: bool = True
    avoid: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FlowDecoding:
    """How the flow is followed: code defaults; decode.yaml sets none of them.

    ``guidance`` is the strength of classifier-free guidance, ``mask`` the type of attention mask,
    ``noise_seed`` what the noise that every utterance shares is drawn from.
    """

    steps: int = 10
    grid: Grid = "cosine"
    guidance: float = 0.7
    temperature: float = 1.0
    mask: int = 0
    noise_seed: int = 0


Config = TypeVar("Config")


def config_from(kind: type[Config], values: Mapping[str, Any], where: str = "") -> Config:
    """A config dataclass of plain ``values``; nested ones are mappings, tuples may be lists.

    What is not given keeps its default. Raises ``EngineError`` DUB-E206 for unknown names and for
    values of the wrong type; ``where`` is what the message calls the place.
    """
    where = where or kind.__name__
    hints = get_type_hints(kind)
    known = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - known):
        raise EngineError(
            f"{where} has no setting {', '.join(map(repr, unknown))}.",
            hint=f"Known: {', '.join(sorted(known))}.",
        )
    return kind(**{name: _typed(hints[name], v, f"{where}.{name}") for name, v in values.items()})


def _typed(hint: Any, value: Any, where: str) -> Any:
    """``value`` as ``hint`` asks for it. Raises ``EngineError`` for another type."""
    if is_dataclass(hint) and isinstance(value, Mapping):
        return config_from(hint, value, where)  # type: ignore[arg-type]
    options = [choice for option in get_args(hint) for choice in get_args(option) or (option,)]
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and not _is_flag_for_number(hint, value):
        return value
    if hint == tuple[int, ...] and isinstance(value, list | tuple):
        if all(isinstance(item, int) and not isinstance(item, bool) for item in value):
            return tuple(value)
    elif value in options or any(isinstance(o, type) and isinstance(value, o) for o in options):
        return value
    raise EngineError(f"{where} cannot be {value!r}.", hint=f"Expected: {hint}.")


def _is_flag_for_number(hint: type, value: Any) -> bool:
    return isinstance(value, bool) and hint is not bool


def plain(config: Any) -> dict[str, Any]:
    """A config dataclass as nested plain values, ready for JSON; :func:`config_from` reads it."""
    return asdict(config)
