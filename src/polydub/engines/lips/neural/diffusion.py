"""Deterministic diffusion sampling (DDIM, Song et al. 2020) as Stable Diffusion 1 schedules it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

TRAINED_STEPS = 1000
_BETA_FIRST, _BETA_LAST = 0.00085, 0.012  # "scaled linear": linear in the square root
_OFFSET = 1  # the last step is 1, not 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """``steps`` of diffusion time to visit, falling, and how much of the picture each one holds.

    ``signal[i]`` is the cumulative product of alphas at ``steps[i]``; ``signal[i + 1]`` is what the
    step leads to.
    """

    steps: tuple[int, ...]
    signal: tuple[float, ...]

    @staticmethod
    def of(count: int) -> Schedule:
        """``count`` evenly spaced steps."""
        betas = np.linspace(_BETA_FIRST**0.5, _BETA_LAST**0.5, TRAINED_STEPS, dtype=np.float64) ** 2
        kept = np.cumprod(1 - betas)
        ratio = TRAINED_STEPS // count
        steps = [number * ratio + _OFFSET for number in range(count)][::-1]
        after = [step - ratio for step in steps]
        signal = [float(kept[steps[0]])]
        signal += [float(kept[max(0, step)]) for step in after]
        return Schedule(tuple(steps), tuple(signal))

    def cleaner(self, latents: Any, noise: Any, number: int) -> Any:
        """``latents`` after step ``number``, of which ``noise`` was predicted."""
        now, then = self.signal[number], self.signal[number + 1]
        clean = (latents - (1 - now) ** 0.5 * noise) / now**0.5
        return then**0.5 * clean + (1 - then) ** 0.5 * noise
