"""From phones to face-unit weights over time, and the small motions of a living head."""

from __future__ import annotations

import numpy as np

from .mesh import Array
from .sound import Phone

UNITS = (
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthRollLower",
    "mouthPress",
    "mouthSmile",
    "mouthStretch",
    "mouthUpperUp",
    "mouthLowerDown",
    "tongueOut",
)

# Mouth shapes of phone classes; ``weight`` says how much a phone insists on its shape.
_SHAPES: tuple[tuple[str, float, dict[str, float]], ...] = (
    ("pbm", 4.0, {"mouthPress": 0.35, "mouthClose": 0.012}),
    ("fv", 2.2, {"jawOpen": 0.07, "mouthRollLower": 0.55, "mouthUpperUp": 0.22}),
    ("θð", 1.0, {"jawOpen": 0.15, "tongueOut": 0.12, "mouthLowerDown": 0.25}),
    (
        "tdnszlɾ",
        0.8,
        {"jawOpen": 0.10, "mouthLowerDown": 0.28, "mouthStretch": 0.15, "mouthUpperUp": 0.12},
    ),
    ("ʃʒʧʤ", 1.2, {"jawOpen": 0.12, "mouthFunnel": 0.50, "mouthLowerDown": 0.2}),
    ("ɹ", 0.9, {"jawOpen": 0.14, "mouthFunnel": 0.30, "mouthPucker": 0.15}),
    ("kɡŋhj", 0.5, {"jawOpen": 0.18, "mouthLowerDown": 0.15}),
    ("w", 1.8, {"jawOpen": 0.06, "mouthPucker": 0.75}),
    ("uʊ", 1.3, {"jawOpen": 0.14, "mouthPucker": 0.55, "mouthFunnel": 0.2}),
    ("OQɔɒY", 1.2, {"jawOpen": 0.36, "mouthFunnel": 0.50}),
    ("ɑaæIW", 1.3, {"jawOpen": 0.50, "mouthLowerDown": 0.20, "mouthUpperUp": 0.12}),
    ("ʌəᵊɜ", 0.9, {"jawOpen": 0.32, "mouthLowerDown": 0.12}),
    ("ɛA", 1.1, {"jawOpen": 0.38, "mouthStretch": 0.25, "mouthLowerDown": 0.2}),
    ("iɪᵻ", 1.0, {"jawOpen": 0.22, "mouthSmile": 0.28, "mouthStretch": 0.2, "mouthLowerDown": 0.2}),
    (",.?!;:", 1.0, {}),
)


def curves(phones: list[Phone], start: float, times: Array, gain: float) -> Array:
    """Face-unit weights (frames x UNITS) of one spoken line beginning at ``start``."""
    total = np.full(len(times), 1e-6)
    out = np.zeros((len(times), len(UNITS)))
    for phone in phones:
        weight, shape = next((w, s) for k, w, s in _SHAPES if phone.symbol in k)
        # Mouths move ahead of the sound by about a frame.
        middle = start + (phone.start + phone.end) / 2 - 0.03
        half = (phone.end - phone.start) / 2
        tail = 0.030 if phone.symbol in "pbmfvw" else 0.042
        reach = np.maximum(0, np.abs(times - middle) - 0.75 * half)
        share = weight * np.exp(-reach / tail)
        total += share
        for name, value in shape.items():
            out[:, UNITS.index(name)] += share * value
    out /= total[:, None]
    jaw = UNITS.index("jawOpen")
    out[:, jaw] *= gain
    first, last = start + phones[0].start, start + phones[-1].end
    edge = np.minimum((times - first + 0.12) / 0.12, (last + 0.14 - times) / 0.14)
    edge = np.clip(edge, 0, 1)
    return np.asarray(out * (edge * edge * (3 - 2 * edge))[:, None])


def drift(times: Array, seed: int, period: float) -> Array:
    """Smooth random motion, about -1..1."""
    rng = np.random.default_rng(seed)
    out = np.zeros(len(times))
    for k in range(4):
        f = (0.6 + 0.45 * k) / period
        out += np.sin(2 * np.pi * (f * times + rng.random())) / (1 + 0.7 * k)
    return np.asarray(out / 1.7)


def blinks(times: Array, seed: int, until: float) -> Array:
    """Eyelid closure 0..1: one blink every two to four seconds, 0.2 s long."""
    rng = np.random.default_rng(seed)
    out = np.zeros(len(times))
    at = rng.uniform(0.6, 1.6)
    while at < until:
        x = (times - at) / np.where(times < at, 0.06, 0.11)
        out = np.maximum(out, np.exp(-(x**2)))
        at += rng.uniform(2.0, 4.2)
    return out


def nods(times: Array, moments: list[float], depth: float) -> Array:
    """Small nods (radians, positive = down) beginning at the given moments."""
    out = np.zeros(len(times))
    for at in moments:
        x = np.clip((times - at) / 0.7, 0, 1)
        out += depth * np.sin(np.pi * x) ** 2 * np.where(x < 1, 1, 0)
    return out
