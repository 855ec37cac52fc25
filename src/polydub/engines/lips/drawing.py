"""Draws the spans of one planned stretch: warps in several threads, colours in order."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from polydub.engines.lips.bank import Bank
from polydub.engines.lips.gates import FAILED, MIN_STRENGTH, NO_LANDMARKS, POOR, UNREADABLE
from polydub.engines.lips.geometry import Floats
from polydub.engines.lips.options import ExemplarOptions
from polydub.engines.lips.stretch import StretchPlan
from polydub.engines.lips.synthesis import Draft, FrameSynthesizer, layers
from polydub.engines.lips.watch import Watch
from polydub.engines.protocols import FrameReader, LipOutcome, LipSpan, Patch
from polydub.errors import EngineError, InputError
from polydub.model import Image

_AHEAD = 6
"""Drafts that wait at most: bounds the pictures in memory."""


@dataclass(slots=True, eq=False)
class Drawing:
    """Draws a stretch after it is planned.

    ``first`` is the source frame of the plan's first row; ``inside`` ``[n]`` says which rows the
    track covers.
    """

    plan: StretchPlan
    bank: Bank
    artist: FrameSynthesizer
    options: ExemplarOptions
    first: int
    inside: npt.NDArray[np.bool_]
    pool: ThreadPoolExecutor
    watch: Watch
    last: int = -2
    """Row of the plan that was finished last: colours remember it across spans that touch."""

    def span(self, span: LipSpan, track_first: int, read: FrameReader) -> LipOutcome:
        """The outcome of one span of the stretch; its track begins at frame ``track_first``."""
        part = range(span.frames[0] - self.first, span.frames[1] - self.first)
        plan, skipped = self.plan, Counter[str]()
        drawable = [at for at in part if self.inside[at] and plan.strength[at] >= MIN_STRENGTH]
        for at in sorted(set(part) - set(drawable)):
            skipped[plan.reasons[at] if self.inside[at] else NO_LANDMARKS] += 1
        work = _Work(self, track_first, self.watch.near())
        try:
            for index, image in self._pictures(drawable, read):
                work.take(index - self.first, image)
            work.finish()
        except (InputError, EngineError) as error:
            work.finish()
            skipped[f"{UNREADABLE}: {error.message}"] += len(drawable) - work.taken
        else:
            if len(drawable) > work.taken:
                skipped[UNREADABLE] += len(drawable) - work.taken
        if work.failed:
            skipped[FAILED] += work.failed
        return self._outcome(span, part, work, skipped)

    def _pictures(self, drawable: list[int], read: FrameReader) -> Iterator[tuple[int, Image]]:
        """The pictures of ``drawable`` rows."""
        if not drawable:
            return
        wanted = set(drawable)
        for index, image in read(drawable[0] + self.first, drawable[-1] + 1 + self.first):
            if index - self.first in wanted:
                yield index, image

    def _outcome(
        self, span: LipSpan, part: range, work: _Work, skipped: Counter[str]
    ) -> LipOutcome:
        patches = work.patches
        scores = self._scores(part, work)
        if patches and self._poor(scores):
            skipped[POOR] += len(patches)
            patches = []
        gaps = self.plan.targets.aperture
        wanted = {patch.frame: float(gaps[patch.frame - self.first]) for patch in patches}
        return LipOutcome(span, tuple(patches), dict(skipped), scores, wanted)

    def _poor(self, scores: dict[str, float]) -> bool:
        limits = self.options
        return scores["unary"] > limits.max_cost or scores.get("ring", 0.0) > limits.max_residual

    def _scores(self, part: range, work: _Work) -> dict[str, float]:
        plan, bank = self.plan, self.bank
        at = np.arange(part.start, part.stop)
        jumps = sum(
            1
            for frame in at[1:]
            if plan.path[frame] != plan.path[frame - 1]
            and plan.path[frame] != bank.follows[plan.path[frame - 1]]
        )
        scores = {
            "rendered": len(work.patches) / max(len(at), 1),
            "strength": float(plan.strength[at].mean()) if len(at) else 0.0,
            "unary": float(plan.cost[at].mean()) if len(at) else 0.0,
            "jumps": jumps / max(len(at), 1),
            "exemplars": float(len(bank)),
        }
        if work.residuals:
            scores["ring"] = float(np.mean(work.residuals))
        return scores


@dataclass(slots=True, eq=False)
class _Work:
    """Frames on their way through the pool, finished in the order in which they came."""

    drawing: Drawing
    track_first: int
    near: npt.NDArray[np.bool_]
    patches: list[Patch] = field(default_factory=list)
    residuals: list[float] = field(default_factory=list)
    taken: int = 0
    failed: int = 0
    _waiting: deque[tuple[int, Future[Draft | None]]] = field(default_factory=deque)

    def take(self, at: int, image: Image) -> None:
        """Start row ``at`` of the plan, and finish what has waited long enough."""
        self.taken += 1
        row = at + self.drawing.first - self.track_first
        hands = self.drawing.watch.hands(row, image) if self.near[row] else []
        self._waiting.append((at, self.drawing.pool.submit(self._draft, at, image, hands)))
        while len(self._waiting) > _AHEAD:
            self._finish_one()

    def finish(self) -> None:
        """Finish everything that was taken."""
        while self._waiting:
            self._finish_one()

    def _draft(self, at: int, image: Image, hands: list[Floats]) -> Draft | None:
        drawing = self.drawing
        plan = drawing.plan
        shown = layers(plan.path, drawing.bank.follows, at)
        row = at + drawing.first - self.track_first
        try:
            strength, blurred = float(plan.strength[at]), float(plan.blurred[at])
            return drawing.artist.draft(
                image, row, plan.shapes[at], strength, shown, hands, blurred
            )
        except np.linalg.LinAlgError:
            return None

    def _finish_one(self) -> None:
        at, coming = self._waiting.popleft()
        draft = coming.result()
        artist = self.drawing.artist
        if draft is None:
            self.failed += 1
            return
        if at != self.drawing.last + 1:  # colours of the frame before are no neighbour's
            artist.skip()
        self.drawing.last = at
        self.patches.append(artist.finish(draft))
        self.residuals.append(artist.residual)
