"""Face detection and face mesh with MediaPipe 0.10.21.

The recipe was measured on 22 film shots (recall of faces whose mouth is visible): the full-range
detector on the whole picture finds 0.90 of them, with tiles 0.97. The mesh runs on a padded square
crop per face in static mode: unlimited faces, no drag across cuts, less jitter than video mode.

MediaPipe 1.x ships no models: 0.10.21 is pinned. Its native code writes to the process's standard
error stream while graphs start; that is sifted for just these moments.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.native import native_stderr_silenced, quiet_environment
from polydub.engines.protocols import Capabilities
from polydub.errors import EngineError
from polydub.model import Box, Detection, Image, Landmarks

DETECTION_WIDTH = 960  # pixels; wider pictures are searched so: same boxes as 1280, half the time
DETECTION_SCORE = 0.35  # measured: below it the tiles bring false faces
TILE_SHARE = 0.75  # side of a tile against the short side of the picture
TILE_STEP = 0.6  # step between tiles against their side, at most
SAME_FACE_IOU = 0.3
SAME_FACE_INSIDE = 0.6  # share of the smaller box that lies in the larger one

CROP_PAD = 0.6  # of the box, on each side: the mesh needs hair and chin
CROP_SIDE = 384  # pixels
MESH_SCORE = 0.3
MESH_POINTS = 478
LEAST_BOX = 8.0  # pixels

POINT_BYTES = 17  # a point in a message: tag and length, then a tag and four bytes for x, y and z
POINT_TAGS, POINT_TAG_BYTES = [0, 1, 2, 7, 12], (0x0A, 15, 0x0D, 0x15, 0x1D)
POINT_FLOATS = [*range(3, 7), *range(8, 12), *range(13, 17)]


class MediaPipeFaces:
    """Face finder. Not safe for use by several threads at once; ``close`` frees the graphs."""

    capabilities = Capabilities(
        kind="faces",
        name="mediapipe",
        version="2",
        summary="MediaPipe full-range detection with tiles, FaceMesh with attention on crops",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        requires=("mediapipe", "cv2"),
        extra="picture",
    )

    def __init__(self) -> None:
        quiet_environment()
        with native_stderr_silenced():
            import cv2
            from mediapipe.python.solutions import face_detection, face_mesh

            detector = _on_caller(face_detection.FaceDetection)
            self._cv2: Any = cv2
            self._far: Any = detector(model_selection=1, min_detection_confidence=DETECTION_SCORE)
            self._near: Any = detector(model_selection=0, min_detection_confidence=DETECTION_SCORE)
            self._mesh: Any = _on_caller(face_mesh.FaceMesh)(
                static_image_mode=True,
                max_num_faces=1,
                refine_landmarks=True,
                min_detection_confidence=MESH_SCORE,
            )
            blank = np.zeros((CROP_SIDE, CROP_SIDE, 3), np.uint8)
            for graph in (self._far, self._near, self._mesh):
                graph.process(blank)  # starts the graph: most of its messages come now
        self._mesh_spoke = False

    def close(self) -> None:
        """Free the native graphs; the finder cannot be used afterwards. Safe to call twice."""
        for name in ("_far", "_near", "_mesh"):
            graph = getattr(self, name)
            if graph is not None:
                graph.close()
                setattr(self, name, None)

    def __enter__(self) -> MediaPipeFaces:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def detect(self, image: Image, *, thorough: bool = False) -> list[Detection]:
        """Faces in ``image``, best first, boxes in its pixels.

        The close-range model is asked only when the full-range one sees nothing. ``thorough`` adds
        overlapping tiles for small faces: of 38 film faces shrunk to 27 .. 120 pixels in a picture
        1920 wide it finds 0.92, the whole picture alone 0.45; it takes 7 times as long.
        Raises ``EngineError`` DUB-E206 when MediaPipe fails.
        """
        small, scale = self._limited(image)
        found = self._search(self._far, small, 0, 0) or self._search(self._near, small, 0, 0)
        if thorough:
            side, corners = _tiles(small.shape[1], small.shape[0])
            for left, top in corners:
                tile = small[top : top + side, left : left + side]
                found += self._search(self._far, tile, left, top)
        return [_scaled(detection, scale) for detection in _distinct(found)]

    def landmarks(self, image: Image, box: Box) -> Landmarks | None:
        """The 478 mesh points of the face in ``box`` (pixels of ``image``), ``None`` without one.

        Raises ``EngineError`` DUB-E206 when MediaPipe fails.
        """
        if not np.isfinite(box).all() or min(box[2] - box[0], box[3] - box[1]) < LEAST_BOX:
            return None
        side = 2 * round(max(box[2] - box[0], box[3] - box[1]) * (0.5 + CROP_PAD))  # halves well
        left, top = round((box[0] + box[2] - side) / 2), round((box[1] + box[3] - side) / 2)
        crop = self._square(image, left, top, side)
        if crop is None:
            return None
        if self._mesh_spoke:
            result = _run(self._mesh, crop)
        else:  # its last message comes with the first face
            with native_stderr_silenced():
                result = _run(self._mesh, crop)
        if not result.multi_face_landmarks:
            return None
        self._mesh_spoke = True
        points = _points(result.multi_face_landmarks[0]) * np.float32(side)
        points[:, :2] += np.array([left, top], np.float32)
        return points

    def _limited(self, image: Image) -> tuple[Image, float]:
        """``image`` at most 960 wide, and the factor back to its own pixels."""
        height, width = image.shape[:2]
        if width <= DETECTION_WIDTH:
            return image, 1.0
        scale = width / DETECTION_WIDTH
        size = (DETECTION_WIDTH, max(1, round(height / scale)))
        return self._cv2.resize(image, size, interpolation=self._cv2.INTER_AREA), scale

    def _search(self, graph: Any, image: Image, left: int, top: int) -> list[Detection]:
        """Detections of one model, shifted by ``(left, top)``."""
        height, width = image.shape[:2]
        if min(height, width) < LEAST_BOX:
            return []
        found = []
        for detection in _run(graph, image).detections or ():
            box = detection.location_data.relative_bounding_box
            x, y = box.xmin * width + left, box.ymin * height + top
            corners = (x, y, x + box.width * width, y + box.height * height)
            found.append(Detection(corners, float(detection.score[0])))
        return found

    def _square(self, image: Image, left: int, top: int, side: int) -> Image | None:
        """The square at ``(left, top)`` as 384 x 384; outside the picture its border is repeated.

        Large faces are halved first, which is cheap: points move by 0.002 of the eye distance and
        tremble 2 % less than when they are averaged in one step (4 faces of 172 to 258 pixels).
        """
        cv2 = self._cv2
        height, width = image.shape[:2]
        x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + side), min(height, top + side)
        if x1 <= x0 or y1 <= y0:
            return None
        part = image[y0:y1, x0:x1]
        margins = (y0 - top, top + side - y1, x0 - left, left + side - x1)
        if any(margins):
            part = cv2.copyMakeBorder(part, *margins, cv2.BORDER_REPLICATE)
        while len(part) >= 2 * CROP_SIDE:
            half = len(part) // 2
            part = cv2.resize(part, (half, half), interpolation=cv2.INTER_AREA)
        how = cv2.INTER_AREA if len(part) > CROP_SIDE else cv2.INTER_LINEAR
        square: Image = cv2.resize(part, (CROP_SIDE, CROP_SIDE), interpolation=how)
        return square


def _on_caller(solution: Any) -> Any:
    """``solution`` with a graph that runs in the thread that asks it.

    By default MediaPipe hands every step to threads of its own: a search on two cores then took 8 %
    more processor time, decoding included, for the same points.
    """

    class OnCaller(solution):  # type: ignore[misc]
        def _initialize_graph_interface(self, *arguments: Any, **named: Any) -> Any:
            config = super()._initialize_graph_interface(*arguments, **named)
            del config.executor[:]
            config.executor.add(type="ApplicationThreadExecutor")
            return config

    return OnCaller


def _points(found: Any) -> Landmarks:
    """``[478, 3]`` of MediaPipe's message, as floats of four bytes behind a tag of one each.

    Reading them one by one through the message takes fifteen times as long.
    """
    rows = np.frombuffer(found.SerializeToString(), np.uint8)
    if len(rows) == MESH_POINTS * POINT_BYTES:
        rows = rows.reshape(MESH_POINTS, POINT_BYTES)
        if (rows[:, POINT_TAGS] == POINT_TAG_BYTES).all():
            return np.ascontiguousarray(rows[:, POINT_FLOATS]).view("<f4")
    return np.array([(p.x, p.y, p.z) for p in found.landmark], np.float32)


def _run(graph: Any, image: npt.NDArray[np.uint8]) -> Any:
    if graph is None:
        raise EngineError("The face finder is closed.")
    try:
        return graph.process(np.ascontiguousarray(image))
    except (RuntimeError, ValueError) as error:
        raise EngineError(f"MediaPipe failed on a picture: {error}") from error


def _tiles(width: int, height: int) -> tuple[int, list[tuple[int, int]]]:
    """Side and top-left corners of overlapping square tiles that cover the picture."""
    side = round(min(width, height) * TILE_SHARE)

    def starts(length: int) -> list[int]:
        count = int(np.ceil((length - side) / max(1.0, side * TILE_STEP))) + 1
        return sorted({round(x) for x in np.linspace(0, length - side, count)})

    return side, [(x, y) for y in starts(height) for x in starts(width)]


def _distinct(detections: list[Detection]) -> list[Detection]:
    """Best first, without boxes that show the same face again."""
    kept: list[Detection] = []
    for candidate in sorted(detections, key=lambda d: (-d.score, d.box)):
        if not any(_same_face(candidate.box, other.box) for other in kept):
            kept.append(candidate)
    return kept


def _same_face(a: Box, b: Box) -> bool:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    common = width * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    if common <= 0:
        return False
    union = area_a + area_b - common
    return common >= SAME_FACE_IOU * union or common >= SAME_FACE_INSIDE * min(area_a, area_b)


def _scaled(detection: Detection, scale: float) -> Detection:
    left, top, right, bottom = (value * scale for value in detection.box)
    return Detection((left, top, right, bottom), detection.score)
