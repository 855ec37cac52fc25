"""How invented people look: proportions and colours, eight faces per gender.

The numbers of each face follow from its seed. The seeds were chosen among the first hundred per
gender so that dlib's face identifier tells all sixteen people apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RGB = tuple[float, float, float]

SEEDS: dict[str, tuple[int, ...]] = {
    "female": (11, 13, 35, 57, 68, 75, 78, 88),
    "male": (2, 3, 22, 32, 34, 70, 81, 96),
}

_SKINS: tuple[RGB, ...] = (
    (244, 208, 190),
    (236, 186, 160),
    (224, 176, 140),
    (208, 150, 112),
    (178, 122, 88),
    (146, 96, 70),
    (108, 70, 50),
    (78, 50, 38),
    (230, 160, 140),
)
_HAIRS: tuple[RGB, ...] = (
    (32, 24, 20),
    (62, 40, 28),
    (104, 70, 40),
    (176, 134, 78),
    (140, 60, 32),
    (150, 146, 142),
    (20, 18, 22),
)
_CLOTHES: tuple[RGB, ...] = (
    (60, 78, 120),
    (128, 50, 54),
    (58, 100, 78),
    (200, 194, 184),
    (52, 52, 58),
    (150, 118, 62),
    (96, 70, 116),
)
_IRISES: tuple[RGB, ...] = ((70, 48, 34), (48, 32, 24), (92, 116, 134), (84, 104, 70))


@dataclass(frozen=True, slots=True)
class Look:
    """One face. Lengths are in head units: 1 = half the height of the face.

    ``hair`` is a style: ``"short"``, ``"long"``, ``"bob"``, ``"bald"``, ``"curls"``; ``beard``:
    ``""``, ``"stubble"``, ``"full"``, ``"moustache"``.
    """

    skin: RGB
    lips: RGB
    hair_colour: RGB
    iris: RGB
    cloth: RGB
    hair: str
    beard: str
    glasses: bool
    width: float
    jaw: float
    eyes: float
    eye_size: float
    eye_tilt: float
    eye_height: float
    brow: float
    brow_height: float
    brow_tilt: float
    nose: float
    nose_width: float
    mouth: float
    mouth_height: float
    lip: float
    fringe: float
    age: float


def look(gender: str, number: int) -> Look:
    """Face ``number`` (0..7) of ``gender`` (``"male"``, or else a woman's)."""
    seeds = SEEDS["male" if gender == "male" else "female"]
    return random_look(gender, seeds[number % len(seeds)])


def random_look(gender: str, seed: int) -> Look:
    """A face that follows from ``seed``."""
    man = gender == "male"
    rng = np.random.default_rng((seed, int(man)))
    skin = np.array(_SKINS[int(rng.integers(len(_SKINS)))]) * rng.uniform(0.95, 1.05)
    lips = skin * np.array((0.80, 0.62, 0.62) if man else (0.84, rng.uniform(0.35, 0.7), 0.5))
    dark = float(skin.mean()) < 120
    if dark:  # lips as dark as the open mouth between them could not be read
        lips = 0.55 * lips + 0.45 * np.array((196.0, 104.0, 104.0))
    hairs = (_HAIRS[0], _HAIRS[6]) if dark else _HAIRS
    styles = ("short", "short", "bald", "curls") if man else ("long", "bob", "curls", "long")
    beards = ("", "", "stubble", "full", "moustache") if man else ("",)
    u = rng.uniform
    return Look(
        skin=_rgb(skin),
        lips=_rgb(lips),
        hair_colour=hairs[int(rng.integers(len(hairs)))],
        iris=_IRISES[1] if dark else _IRISES[int(rng.integers(len(_IRISES)))],
        cloth=_CLOTHES[int(rng.integers(len(_CLOTHES)))],
        hair=styles[int(rng.integers(len(styles)))],
        beard=beards[int(rng.integers(len(beards)))],
        glasses=bool(rng.random() < 0.3),
        width=float(u(0.68, 0.92) if man else u(0.64, 0.86)),
        jaw=float(u(2.1, 4.2) if man else u(1.7, 2.9)),
        eyes=float(u(0.26, 0.39)),
        eye_size=float(u(0.72, 1.1) if man else u(0.9, 1.35)),
        eye_tilt=float(u(-0.30, 0.36)),
        eye_height=float(u(-0.20, 0.04)),
        brow=float(u(0.6, 2.2) if man else u(0.3, 1.2)),
        brow_height=float(u(0.15, 0.25) if man else u(0.17, 0.31)),
        brow_tilt=float(u(-0.30, 0.30)),
        nose=float(u(0.20, 0.38)),
        nose_width=float(u(0.8, 1.7) if man else u(0.65, 1.4)),
        mouth=float(u(0.20, 0.34)),
        mouth_height=float(u(0.47, 0.61)),
        lip=float(u(0.5, 1.2) if man else u(0.7, 1.6)),
        fringe=float(u(-0.15, 0.35) if man else u(-0.1, 0.45)),
        age=float(u(0.0, 1.0)),
    )


def _rgb(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> RGB:
    r, g, b = (float(np.clip(v, 0, 255)) for v in values)
    return (r, g, b)
