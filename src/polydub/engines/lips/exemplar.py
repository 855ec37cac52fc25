"""Lip renderer without trained weights: each person's own mouths, chosen and warped.

A frame's lower face is moved to the new mouth shape, and lips and cavity of a real frame of the
same person are laid on top. Nothing is invented: no teeth that the person does not have. The one
trained model that is asked finds hands before a mouth, and only if mediapipe is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from polydub.engines.lips.gates import GateOptions
from polydub.engines.lips.options import ExemplarOptions
from polydub.engines.protocols import Capabilities, FrameReader, LipOutcome, LipSpan
from polydub.model import FaceTrack, Shot, Waveform


class ExemplarLips:
    """Renders new speech onto a face with the person's own frames; see :class:`LipRenderer`.

    Raises ``ImportError`` when OpenCV is missing (extra ``picture``).
    """

    capabilities = Capabilities(
        kind="lips",
        name="exemplar",
        version="4",
        summary="Own mouths of the person, chosen per frame and warped; no trained weights.",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0 (hand model only)",
        requires=("cv2",),
        extra="picture",
    )

    def __init__(
        self,
        *,
        max_exemplars: int = 400,
        min_exemplars: int = 40,
        min_range: float = 0.03,
        jump_cost: float = 0.8,
        max_yaw: float = 34.0,
        min_iod: float = 26.0,
        mesh_only: bool = False,
    ) -> None:
        from polydub.engines.lips.occlusion import HandFinder
        from polydub.engines.lips.person import PersonRenderer

        self._renderer = PersonRenderer
        self._hands = HandFinder()
        self.options = ExemplarOptions(
            max_exemplars=max_exemplars,
            min_exemplars=min_exemplars,
            min_range=min_range,
            jump_cost=jump_cost,
            mesh_only=mesh_only,
            gates=GateOptions(yaw_zero=max_yaw, min_iod=min_iod),
        )

    def render(
        self,
        spans: Sequence[LipSpan],
        tracks: Sequence[FaceTrack],
        shots: Sequence[Shot],
        read: FrameReader,
        frame_time: Callable[[int], Fraction],
        *,
        audio: Waveform,
    ) -> Iterator[LipOutcome]:
        """One outcome per span, in the given order; a span that cannot be done has no patches.

        Spans of one track whose frames touch are rendered as one stretch, without a seam.
        """
        renderer = self._renderer(spans, tracks, shots, self.options, self._hands)
        yield from renderer.render(read, frame_time, audio)
