"""What lies in front of a mouth: hands, by their shape; anything else, by what it hides.

Hands are found by MediaPipe's hand model, which comes with the face models; without it only the
second test is left. Anything else (a microphone, a glass, food) shows as pixels of the lower face
that the rest of the shot does not explain: each pixel of a small upright patch is predicted from
head pose and mouth, and compared with how well it is predicted otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from polydub.engines.lips.geometry import (
    LEFT_EYE,
    NOSE_BASE,
    OUTER_LIPS,
    RIGHT_EYE,
    Floats,
    TrackGeometry,
)
from polydub.engines.native import native_stderr_silenced, quiet_environment
from polydub.model import Image

SIDE = 224
"""Pixels of the face crop in which hands are looked for."""
REACH = 1.3
"""Half of that crop, in IOD around the mouth: a palm must be seen whole to be found."""
HAND_SCORE = 0.5
FINGER = 0.16
"""Half the breadth of a finger, in IOD, painted around the bones of a hand."""
BONES: tuple[tuple[int, ...], ...] = (
    (0, 1, 2, 3, 4), (0, 5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (0, 17, 18, 19, 20),
    (5, 9, 13, 17),
)  # fmt: skip
PALM = (0, 1, 5, 9, 13, 17)

ROWS, COLUMNS = 22, 32
"""Size of the patch on which unexplained pixels are counted: lips and the skin next to them, for
wall, collar and hands at the chin come and go without hiding anything."""
_PATCH_IOD = 0.95  # its width, in IOD
_PATCH_TOP = 0.02  # of it, under the base of the nose, IOD
LEAST_ROWS = 30
"""Frames that a track must have before anything is said to be unexplained in it."""


class HandFinder:
    """Finds hands near a mouth. Not safe for use by several threads at once."""

    def __init__(self) -> None:
        self._hands: Any = None
        self._spoke = False
        if find_spec("mediapipe") is None:
            return
        quiet_environment()
        with native_stderr_silenced():
            from mediapipe.python.solutions import hands

            self._hands = hands.Hands(
                static_image_mode=True,
                max_num_hands=2,
                model_complexity=0,
                min_detection_confidence=HAND_SCORE,
            )
            self._hands.process(np.zeros((SIDE, SIDE, 3), np.uint8))

    def find(self, image: Image, mouth: Floats, iod: float) -> list[Floats]:
        """Joints ``[21, 2]`` (pixels of ``image``) of each hand around ``mouth`` (x, y)."""
        if self._hands is None:
            return []
        scale = SIDE / (2 * REACH * iod)
        move = np.array(
            [[scale, 0, SIDE / 2 - mouth[0] * scale], [0, scale, SIDE / 2 - mouth[1] * scale]]
        )
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        crop = cv2.warpAffine(image, move, (SIDE, SIDE), flags=how, borderMode=cv2.BORDER_REPLICATE)
        if self._spoke:
            found = self._hands.process(crop).multi_hand_landmarks or ()
        else:  # its last message comes with the first hand
            with native_stderr_silenced():
                found = self._hands.process(crop).multi_hand_landmarks or ()
            self._spoke = bool(found)
        corner = np.asarray(mouth) - REACH * iod
        return [
            np.array([(p.x, p.y) for p in hand.landmark]) * (2 * REACH * iod) + corner
            for hand in found
        ]


def paint_hands(
    hands: Sequence[Floats], shape: tuple[int, int], corner: Floats, iod: float
) -> Image:
    """Mask ``[h, w]`` 0 or 255 of ``hands`` in a region whose corner lies at ``corner``."""
    mask = np.zeros(shape, np.uint8)
    thick = max(2, round(2 * FINGER * iod))
    for hand in hands:
        local = np.round(hand - corner).astype(np.int32)
        cv2.fillConvexPoly(mask, cv2.convexHull(local[list(PALM)]), 255)
        for bone in BONES:
            cv2.polylines(mask, [local[list(bone)]], False, 255, thick)
    return mask


def hidden_share(hands: Sequence[Floats], points: Floats, iod: float) -> float:
    """Share of the mouth, with the skin next to it, that ``hands`` cover; 0..1."""
    if not hands:
        return 0.0
    lips = points[list(OUTER_LIPS)]
    corner = lips.min(axis=0) - 0.2 * iod
    width, height = (int(v) for v in np.ceil(lips.max(axis=0) - corner + 0.2 * iod))
    area = np.zeros((height, width), np.uint8)
    local = np.round(lips - corner).astype(np.int32)
    cv2.fillPoly(area, [local], 255)
    cv2.polylines(area, [local], True, 255, max(2, round(0.2 * iod)))
    covered = cv2.bitwise_and(area, paint_hands(hands, (height, width), corner, iod))
    return float(np.count_nonzero(covered) / max(np.count_nonzero(area), 1))


def lower_face(image: Image, points: Floats, iod: float) -> npt.NDArray[np.uint8]:
    """Upright Lab patch ``[ROWS, COLUMNS, 3]`` under the nose, placed by eyes and nose alone."""
    eyes = points[RIGHT_EYE] - points[LEFT_EYE]
    turn = float(np.arctan2(eyes[1], eyes[0]))
    scale = COLUMNS / (_PATCH_IOD * iod)
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    linear = np.array([[cos, sin], [-sin, cos]])
    nose = linear @ points[NOSE_BASE]
    shift = np.array([COLUMNS / 2, -_PATCH_TOP * iod * scale]) - nose
    move = np.column_stack([linear, shift])
    if scale < 1:  # an affine warp does not average: soften first
        size = float(0.4 / scale)
        x, y = points[NOSE_BASE]
        reach = _PATCH_IOD * iod
        left, top = max(0, int(x - reach)), max(0, int(y - 0.3 * iod))
        part = image[top : int(y + 1.4 * reach), left : int(x + reach)]
        if part.size == 0:
            return np.zeros((ROWS, COLUMNS, 3), np.uint8)
        image = cv2.GaussianBlur(np.ascontiguousarray(part), (0, 0), size)
        move[:, 2] += linear @ np.array([left, top])
    patch = cv2.warpAffine(
        image, move, (COLUMNS, ROWS), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    found: npt.NDArray[np.uint8] = cv2.cvtColor(patch, cv2.COLOR_RGB2LAB)
    return found


@dataclass(frozen=True, slots=True)
class SurpriseOptions:
    """``floor``: levels of Lab below which a difference is nothing; ``times`` the usual spread from
    which a pixel is unexplained."""

    floor: float = 16.0
    times: float = 4.0


def surprise(
    patches: npt.NDArray[np.uint8], geometry: TrackGeometry, rows: npt.NDArray[np.int64],
    options: SurpriseOptions | None = None,
) -> Floats:  # fmt: skip
    """Share 0..1 of unexplained pixels in each of ``patches`` ``[n, ROWS, COLUMNS, 3]``.

    ``rows`` ``[n]`` are their frames in the track. Every pixel is a linear function of yaw, pitch,
    aperture and width, fitted so that up to a third of the frames may be anything; isolated pixels
    do not count. All 0 when there are too few frames.
    """
    options = options or SurpriseOptions()
    count = len(patches)
    if count < LEAST_ROWS:
        return np.zeros(count)
    values = patches.reshape(count, -1, 3).astype(np.float32)
    values = values - np.median(values, axis=1, keepdims=True)  # light of the frame
    values = values.reshape(count, -1)
    inputs = np.column_stack(
        [
            geometry.pose[rows, 0],
            geometry.pose[rows, 1],
            np.sqrt(np.maximum(geometry.aperture[rows], 0)),
            geometry.width[rows],
        ]
    )
    inputs = (inputs - inputs.mean(axis=0)) / (inputs.std(axis=0) + 1e-6)
    inputs = np.column_stack([np.ones(count), inputs]).astype(np.float32)
    weight = np.ones(count, np.float32)
    ridge = np.diag([0.0, 1, 1, 1, 1]).astype(np.float32)
    for _ in range(6):  # settles: frames that fit badly count less and less
        weighted = inputs * weight[:, None]
        solved = np.linalg.solve(weighted.T @ inputs + ridge, weighted.T @ values)
        left = np.abs(values - inputs @ solved)
        bad = np.mean(np.minimum(left, 40.0), axis=1)
        usual = float(np.median(bad))
        weight = (1 / (1 + (bad / (1.5 * usual + 1e-3)) ** 6)).astype(np.float32)
    spread = 1.48 * np.median(left[weight > 0.5], axis=0) if (weight > 0.5).any() else 0.0
    limit = np.maximum(options.floor, options.times * spread)
    strange = (left > limit).reshape(count, ROWS, COLUMNS, 3).any(axis=3)
    kernel = np.ones((3, 3), np.uint8)
    return np.array(
        [
            float(cv2.morphologyEx(s.astype(np.uint8), cv2.MORPH_OPEN, kernel).mean())
            for s in strange
        ]
    )
