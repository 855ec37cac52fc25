"""Whether a rendered mouth may be shown: what was measured on it, against limits. No pixels here.

The renderer is not asked how well it did: its frames are looked at anew, as any viewer's eye would.
One span is judged as a whole; a bad one keeps the original mouth. The limits lie well outside of
what good spans measured on seven film clips (figures at each field).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST_FRAMES = 8
"""Measured frames under which nothing is concluded."""
STILL = 0.025
"""Standard deviation of the wanted gap, in eye distances, under which only its size is judged."""


@dataclass(frozen=True, slots=True)
class LipLimits:
    """What a span may measure at most, or at least.

    ``follows``: correlation of the measured with the wanted lip gap. ``off``: mean difference of
    the two in eye distances, for mouths that should keep still. ``lost``: share of frames in which
    the face is not found any more. ``farther``: how much farther the face print moves from the
    person, and ``stranger`` the distance from which it is another person. ``flicker``: change from
    frame to frame on the skin around the mouth against the original's; ``seam``: colour step along
    the border, CIE76 (2.3 is just noticeable); ``detail``: the mouth's fine detail against the
    original's (0.62 to 1.07 on six faces, 0.31 where blurred mouths were drawn on a sharp one).
    """

    follows: float = 0.6
    off: float = 0.08
    lost: float = 0.3
    farther: float = 0.12
    stranger: float = 0.42
    flicker: float = 1.8
    seam: float = 3.0
    detail: float = 0.4


@dataclass(slots=True)
class Measured:
    """What was seen of one span; every list has one entry per measured frame that had it.

    ``gaps`` are (wanted, measured) lip gaps in eye distances, ``order`` -1..1 tells instead how
    surely vowels were more open than lip closures, for an engine that does not say what it wants.
    ``prints`` are (original, rendered) distances to the person, ``changes`` (original, rendered)
    mean changes of luma from one frame to the next, ``details`` (original, rendered) fine detail of
    the mouth.
    """

    frames: int = 0
    lost: int = 0
    gaps: list[tuple[float, float]] = field(default_factory=list)
    order: float | None = None
    prints: list[tuple[float, float]] = field(default_factory=list)
    changes: list[tuple[float, float]] = field(default_factory=list)
    seams: list[float] = field(default_factory=list)
    details: list[tuple[float, float]] = field(default_factory=list)


def figures(seen: Measured) -> dict[str, float]:
    """``follows`` or ``off``, ``farther``, ``flicker``, ``seam``, ``detail``: what was measured."""
    found: dict[str, float] = {}
    if len(seen.gaps) >= LEAST_FRAMES:
        wanted, measured = np.array(seen.gaps).T
        if wanted.std() >= STILL:
            still = measured.std() < 1e-6
            found["follows"] = 0.0 if still else float(np.corrcoef(wanted, measured)[0, 1])
        found["off"] = float(np.abs(measured - wanted).mean())
    if seen.order is not None:
        found["order"] = seen.order
    if seen.prints:
        before, after = np.array(seen.prints).T
        found["farther"] = float(np.median(after - before))
        found["print"] = float(np.median(after))
    if len(seen.changes) >= LEAST_FRAMES // 2:
        before, after = np.array(seen.changes).mean(axis=0)
        # half a level is noise: two still pictures differ by it after encoding
        found["flicker"] = float((after + 0.5) / (before + 0.5))
    if len(seen.seams) >= LEAST_FRAMES // 2:
        found["seam"] = float(np.median(seen.seams))
    if len(seen.details) >= LEAST_FRAMES:
        before, after = np.median(seen.details, axis=0)
        found["detail"] = float((after + 1.0) / (before + 1.0))  # a flat picture has none to lose
    if seen.frames:
        found["lost"] = seen.lost / seen.frames
    return found


def fault(found: dict[str, float], limits: LipLimits | None = None) -> str:
    """What is wrong with a span that measured ``found``, in words; empty when nothing is."""
    limits = limits or LipLimits()
    if found.get("lost", 0.0) > limits.lost:
        return "the face is not recognised any more"
    if found.get("follows", 1.0) < limits.follows:
        return f"the mouth does not move as meant (r {found['follows']:.2f})"
    if "follows" not in found and found.get("off", 0.0) > limits.off:
        return f"the lips are {found['off']:.2f} eye distances off"
    if found.get("order", 1.0) < 0:
        return "the lips do not close where they must"
    if found.get("farther", 0.0) > limits.farther and found.get("print", 0.0) > limits.stranger:
        return f"it looks like another person (distance {found['print']:.2f})"
    if found.get("flicker", 1.0) > limits.flicker:
        return f"it flickers ({found['flicker']:.1f} times the original)"
    if found.get("seam", 0.0) > limits.seam:
        return f"its border shows (colour step {found['seam']:.1f})"
    if found.get("detail", 1.0) < limits.detail:
        return f"it is blurred ({found['detail']:.2f} of the original's fine detail)"
    return ""


def joints(drawn: Sequence[bool], touching: Sequence[bool]) -> list[tuple[bool, bool]]:
    """Which ends of each span must fade because the neighbour there shows the original mouth.

    ``drawn`` tells of each span whether it has a new mouth, ``touching`` (one entry fewer) whether
    its last frame lies right before the next one's first.
    """
    ends = []
    for at, own in enumerate(drawn):
        before = at > 0 and touching[at - 1] and not drawn[at - 1]
        after = at + 1 < len(drawn) and touching[at] and not drawn[at + 1]
        ends.append((own and before, own and after))
    return ends
