"""The similarity transforms that bring points nearest to others (Umeyama 1991)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


def fit_similarities(source: Points, targets: Points) -> tuple[Points, Points, Points]:
    """What brings ``source`` ``[m, 3]`` to each of ``targets`` ``[n, m, 3]``.

    Scales ``[n]``, rotations ``[n, 3, 3]`` and shifts ``[n, 3]``: least squares (Umeyama 1991).
    Without extent in ``source`` the scale is 0.
    """
    from_middle, to_middle = source.mean(axis=0), targets.mean(axis=1)
    a, b = source - from_middle, targets - to_middle[:, None]
    left, strengths, right = np.linalg.svd(b.transpose(0, 2, 1) @ a)
    sign = np.ones((len(targets), 3))
    sign[np.linalg.det(left @ right) < 0, 2] = -1.0
    rotation = (left * sign[:, None]) @ right
    extent = float((a * a).sum())
    scale = (strengths * sign).sum(axis=1) / extent if extent > 0 else np.zeros(len(targets))
    return scale, rotation, to_middle - scale[:, None] * (rotation @ from_middle)
