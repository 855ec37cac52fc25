"""The three people of the example: shapes, colours, hair and clothes (all invented)."""

from __future__ import annotations

from .person import Look

_M = "macrodetails/"


def _macro(kind: str, sex: str, age: float, weight: str = "averageweight") -> dict[str, float]:
    """Base proportions: ancestry target, sex, age from 0 (young) to 1 (old)."""
    out = {}
    for when, share in (("young", 1 - age), ("old", age)):
        if share:
            out[f"{_M}{kind}-{sex}-{when}"] = share
            out[f"{_M}universal-{sex}-{when}-averagemuscle-{weight}"] = share
    return out


MINA = Look(
    recipe={
        **_macro("asian", "female", 0.0),
        "head/head-oval": 0.5,
        "mouth/mouth-scale-horiz-incr": 0.35,
        "eyes/l-eye-scale-incr": 0.25,
        "eyes/r-eye-scale-incr": 0.25,
    },
    skin=(0.52, 0.32, 0.222),
    lips=(0.36, 0.115, 0.105),
    iris=(0.09, 0.045, 0.02),
    hair=(0.021, 0.015, 0.013),
    style="long",
    cloth=(0.62, 0.31, 0.045),
    neckline=6.62,
    seed=11,
    brow=0.6,
    lash=0.75,
    liner=0.9,
    blush=0.45,
    earrings=True,
    rest={"mouthSmile": 0.2, "browInnerUp": 0.3},
)

GEORGE = Look(
    recipe={
        **_macro("caucasian", "male", 0.45),
        "head/head-rectangular": 0.7,
        "head/head-scale-horiz-decr": 0.35,
        "nose/nose-hump-incr": 0.7,
        "nose/nose-scale-vert-incr": 0.4,
        "nose/nose-scale-depth-incr": 0.4,
        "nose/nose-width1-decr": 0.4,
        "cheek/l-cheek-volume-decr": 0.4,
        "cheek/r-cheek-volume-decr": 0.4,
        "head/head-age-incr": 0.4,
        "head/head-scale-vert-incr": 0.25,
        "mouth/mouth-scale-horiz-decr": 0.3,
        "nose/nose-width3-decr": 0.4,
    },
    skin=(0.60, 0.36, 0.265),
    lips=(0.42, 0.19, 0.155),
    iris=(0.13, 0.22, 0.30),
    hair=(0.27, 0.245, 0.22),
    style="side",
    cloth=(0.045, 0.085, 0.17),
    neckline=6.84,
    seed=22,
    beard="full",
    brow=1.1,
    lash=0.35,
    blush=0.5,
    glasses=True,
    rest={"browInnerUp": 0.2, "eyeWide": 0.35, "mouthSmile": 0.08},
)

LEO = Look(
    recipe={
        **_macro("african", "male", 0.0),
        "head/head-square": 0.5,
        "head/head-fat-incr": 0.4,
        "head/head-scale-horiz-incr": 0.25,
        "nose/nose-scale-horiz-incr": 0.5,
        "nose/nose-flaring-incr": 0.4,
        "nose/nose-width1-incr": 0.4,
        "nose/nose-width3-incr": 0.5,
        "nose/nose-scale-vert-decr": 0.4,
        "head/head-round": 0.4,
        "mouth/mouth-lowerlip-volume-decr": 0.8,
        "mouth/mouth-upperlip-volume-decr": 0.6,
        "mouth/mouth-scale-horiz-incr": 0.3,
        "chin/chin-width-incr": 0.4,
    },
    skin=(0.145, 0.075, 0.048),
    lips=(0.115, 0.046, 0.040),
    iris=(0.045, 0.022, 0.012),
    hair=(0.012, 0.010, 0.009),
    style="crop",
    cloth=(0.10, 0.19, 0.135),
    neckline=6.80,
    seed=33,
    beard="goatee",
    brow=1.15,
    lash=0.4,
    blush=0.1,
    gloss=0.33,
    rest={"browInnerUp": 0.2, "mouthSmile": 0.10},
)

CAST: dict[str, Look] = {"Mina": MINA, "George": GEORGE, "Leo": LEO}
