"""One clip from prompt to sound, with what goes beyond the released program.

Every option of :class:`ClipOptions` is off by default: then tokens, mel and sound are those of the
released program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from polydub.engines.dubbing.funcineforge.checkpoint import Networks
from polydub.engines.dubbing.funcineforge.config import (
    CODEC_UNITS,
    MEL_PER_TOKEN,
    RATE,
    SAMPLES_PER_TOKEN,
    SPEECH_TOKENS,
    TOKENS_PER_SECOND,
    FlowDecoding,
    LmDecoding,
)
from polydub.engines.dubbing.funcineforge.lm import Plan, Written
from polydub.engines.dubbing.funcineforge.sampling import EXACTER
from polydub.engines.dubbing.funcineforge.sequence import (
    Faces,
    Floats,
    Prompt,
    TimeIds,
    TurnTag,
    build_prompt,
)
from polydub.errors import EngineError

SILENT_TOKEN = 1
"""The speech token of silence by the paper's figure; the released code does nothing with it."""
MARGIN_S = 0.12
"""Seconds around a turn that still belong to it when what lies outside is silenced."""
NOT_SPEECH = tuple(range(SPEECH_TOKENS, CODEC_UNITS))
"""Ids that the flow leaves out: each one said would move all that follows by 40 ms."""
FADE_S = 0.02
"""Seconds of the fades at edges and joints."""

Encode = Callable[[str, str | None], list[int]]
"""``(text, clue) -> ids``."""


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """How a clip is made.

    ``speakers``: ``clip`` gives the clip one voice, as the release does; ``turns`` gives every mel
    frame the voice of its turn (the network's input has a speaker per frame; whether the released
    weights were trained that way is not known). ``times``: see :data:`.sequence.TimeIds`.
    ``silence``: outside turns sound is ``free``, ``gated`` (muted after it is made) or ``forced``
    (the silent token is said there, and the clip is exactly as long as asked). ``candidates``: of
    so many drafts with different seeds the one whose length is nearest to the clip's is taken.
    ``window_s``: longer clips are cut at the widest pauses between turns; 0 = never.
    """

    decoding: LmDecoding = field(default_factory=LmDecoding)
    flow: FlowDecoding = field(default_factory=FlowDecoding)
    seed: int = 0
    clue: bool = True
    speakers: Literal["clip", "turns"] = "clip"
    times: TimeIds = "raw"
    silence: Literal["free", "gated", "forced"] = "free"
    candidates: int = 1
    window_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ClipTurn:
    """One turn with its words."""

    tag: TurnTag
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """What is to be said within ``frames`` of 40 ms; turns in the order of time.

    ``xvectors`` ``[192]`` are the voices by speaker number. ``spaced`` tells whether a space stands
    between the texts of two turns.
    """

    scene: str
    turns: tuple[ClipTurn, ...]
    frames: int
    xvectors: Mapping[int, Floats]
    faces: Faces = field(default_factory=Faces.none)
    clue: str = ""
    spaced: bool = True

    @property
    def text(self) -> str:
        """All turns' words."""
        return (" " if self.spaced else "").join(turn.text for turn in self.turns)


@dataclass(frozen=True, slots=True, eq=False)
class ClipSound:
    """Samples ``[n]`` at 24 kHz, the tokens behind them; ``ended`` as of :class:`.lm.Written`."""

    samples: Floats
    tokens: tuple[int, ...]
    ended: bool


class ClipMaker:
    """Makes clips with one set of networks."""

    def __init__(
        self, networks: Networks, encode: Encode, options: ClipOptions | None = None
    ) -> None:
        self._networks = networks
        self._encode = encode
        self.options = options or ClipOptions()

    def with_options(self, options: ClipOptions) -> ClipMaker:
        """The same networks with other options."""
        return ClipMaker(self._networks, self._encode, options)

    def make(self, clip: Clip) -> ClipSound:
        """The sound of a clip; one that is longer than the window is made in parts.

        Raises ``EngineError`` for a clip without a voice, or that the model cannot code.
        """
        parts = cut_clip(clip, self.options.window_s)
        if len(parts) == 1:
            return self._part(clip)
        made = [(first, self._part(part)) for first, part in parts]
        samples = joined([(first * SAMPLES_PER_TOKEN, one.samples) for first, one in made])
        tokens = tuple(token for _, one in made for token in one.tokens)
        return ClipSound(samples, tokens, all(one.ended for _, one in made))

    def prompt(self, clip: Clip) -> Prompt:
        """What the language model reads."""
        return build_prompt(
            self._encode(clip.text, clip.clue if self.options.clue else None),
            scene=clip.scene,
            turns=[turn.tag for turn in clip.turns],
            faces=clip.faces,
            length=clip.frames,
            times=self.options.times,
        )

    def draft(self, clip: Clip) -> Written:
        """The tokens of a clip: of all candidates the one nearest to its length."""
        options = self.options
        count = max(1, options.candidates)
        plan, decoding = Plan(), options.decoding
        if options.silence == "forced":
            plan = self._silent_plan(clip)
            decoding = replace(decoding, avoid=(*decoding.avoid, *NOT_SPEECH))
        drafts = self._networks.lm.tokens(
            [self.prompt(clip)] * count,
            decoding,
            seeds=[options.seed + number for number in range(count)],
            plans=[plan] * count,
        )
        return min(drafts, key=lambda d: (not d.ended, abs(len(d.tokens) - clip.frames)))

    def render(self, clip: Clip, tokens: Sequence[int]) -> Floats:
        """The samples of ``tokens`` in the clip's voices. Raises ``EngineError`` for no numbers."""
        networks, options = self._networks, self.options
        kept = [token for token in tokens if token < SPEECH_TOKENS]
        if not kept:
            return np.zeros(0, np.float32)
        speaker = self._speaker(clip, len(kept))
        (mel,) = networks.flow.mels([kept], [speaker], options.flow)
        samples: Floats = networks.vocoder.sound(mel).cpu().numpy()
        if not np.isfinite(samples).all():
            raise EngineError("The sound's numbers overflow.", hint=EXACTER)
        if options.silence == "gated":
            samples = samples * gate([turn.tag for turn in clip.turns], len(samples))
        return samples

    def redo(self, clip: Clip, before: ClipSound, turn: int, *, seed: int) -> ClipSound:
        """``before`` with one turn said anew; everything outside it stays as it was, bit by bit.

        The other tokens are said again as they were, so that the new turn continues them. The
        result has tokens of speech only: what the flow left out before is left out here.
        """
        tag = clip.turns[turn].tag
        spoken = [token for token in before.tokens if token < SPEECH_TOKENS]
        frames = range(
            max(0, math.floor(tag.start * TOKENS_PER_SECOND)),
            min(len(spoken), math.ceil((tag.start + tag.duration) * TOKENS_PER_SECOND)),
        )
        said = {n: token for n, token in enumerate(spoken) if n not in frames}
        decoding = self.options.decoding
        (written,) = self._networks.lm.tokens(
            [self.prompt(clip)],
            replace(decoding, avoid=(*decoding.avoid, *NOT_SPEECH)),
            seeds=[seed],
            plans=[Plan(said, len(spoken))],
        )
        fresh = self.render(clip, written.tokens)
        first, last = (edge * SAMPLES_PER_TOKEN for edge in (frames.start, frames.stop))
        return ClipSound(spliced(before.samples, fresh, first, last), written.tokens, before.ended)

    def _part(self, clip: Clip) -> ClipSound:
        written = self.draft(clip)
        return ClipSound(self.render(clip, written.tokens), written.tokens, written.ended)

    def _silent_plan(self, clip: Clip) -> Plan:
        seconds = (np.arange(clip.frames) + 0.5) / TOKENS_PER_SECOND
        voiced = inside([turn.tag for turn in clip.turns], seconds)
        return Plan({int(n): SILENT_TOKEN for n in np.flatnonzero(~voiced)}, clip.frames)

    def _speaker(self, clip: Clip, tokens: int) -> Tensor:
        """``[80]`` of the clip's main voice, or ``[2 * tokens, 80]`` by turns."""
        flow = self._networks.flow
        names = [turn.tag.speaker for turn in clip.turns]
        absent = sorted(set(names) - set(clip.xvectors)) if names else [1]
        told = {
            name: flow.speaker(torch.from_numpy(np.asarray(vector, np.float32)))
            for name, vector in clip.xvectors.items()
        }
        if self.options.speakers == "turns" and names:
            if absent:
                raise EngineError(f"Speaker {absent[0]} of the clip has no reference voice.")
            places = {name: place for place, name in enumerate(told)}
            order = speaker_by_frame(clip, tokens * MEL_PER_TOKEN)
            return torch.stack(list(told.values()))[[places[name] for name in order]]
        main = main_speaker(clip)
        if main not in told:
            raise EngineError("The clip has no reference voice.")
        return told[main]


def main_speaker(clip: Clip) -> int | None:
    """Whoever of those with a reference speaks longest; without turns, the first of them."""
    seconds = dict.fromkeys(sorted(clip.xvectors), 0.0)
    for turn in clip.turns:
        if turn.tag.speaker in seconds:
            seconds[turn.tag.speaker] += turn.tag.duration
    return max(seconds, key=lambda name: seconds[name]) if seconds else None


def speaker_by_frame(clip: Clip, frames: int) -> list[int]:
    """Who speaks in each mel frame; between turns it is still whoever spoke before."""
    order = [clip.turns[0].tag.speaker] * frames
    rate = TOKENS_PER_SECOND * MEL_PER_TOKEN
    for turn in clip.turns:
        first = min(frames, max(0, round(turn.tag.start * rate)))
        order[first:] = [turn.tag.speaker] * (frames - first)
    return order


def inside(
    turns: Sequence[TurnTag], seconds: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.bool_]:
    """``[n]`` bool: which moments lie within a turn or its margin."""
    found = np.zeros(len(seconds), bool)
    for turn in turns:
        first, last = turn.start - MARGIN_S, turn.start + turn.duration + MARGIN_S
        found |= (seconds >= first) & (seconds < last)
    return found


def gate(turns: Sequence[TurnTag], samples: int) -> Floats:
    """``[samples]``: 1 within turns and their margins, 0 outside, with short fades between."""
    open_ = inside(turns, np.arange(samples, dtype=np.float32) / RATE).astype(np.float32)
    width = 2 * round(FADE_S * RATE / 2) + 1
    fade = np.hanning(width + 2)[1:-1].astype(np.float32)
    smooth = np.convolve(np.pad(open_, width // 2, mode="edge"), fade / fade.sum(), "valid")
    return np.asarray(np.clip(smooth, 0, 1), np.float32)


def joined(parts: Sequence[tuple[int, Floats]]) -> Floats:
    """Parts laid at their first samples; where two sound at once, the later one fades in."""
    end = max((first + len(samples) for first, samples in parts), default=0)
    whole = np.zeros(end, np.float32)
    until = 0
    for first, samples in parts:
        overlap = min(until - first, len(samples), round(FADE_S * RATE))
        rising = np.ones(len(samples), np.float32)
        if overlap > 0:
            rising[:overlap] = np.sin(np.linspace(0, np.pi / 2, overlap)) ** 2
            whole[first : first + overlap] *= 1 - rising[:overlap]
            whole[first + overlap :] = 0
        whole[first : first + len(samples)] += rising * samples
        until = first + len(samples)
    return whole[: max((first + len(samples) for first, samples in parts[-1:]), default=0)]


def spliced(before: Floats, fresh: Floats, first: int, last: int) -> Floats:
    """``before`` with the samples from ``first`` to ``last`` of ``fresh``, faded at both edges."""
    length = min(len(before), len(fresh))
    first, last = min(first, length), min(last, length)
    fade = min(round(FADE_S * RATE), (last - first) // 2)
    share = np.zeros(len(before), np.float32)
    share[first:last] = 1.0
    ramp = np.sin(np.linspace(0, np.pi / 2, fade)) ** 2
    share[first : first + fade], share[last - fade : last] = ramp, ramp[::-1]
    mixed = before.copy()
    mixed[first:last] += share[first:last] * (fresh[first:last] - before[first:last])
    return mixed


def cut_clip(clip: Clip, window_s: float) -> list[tuple[int, Clip]]:
    """``(first frame, part)`` of a clip, each part no longer than the window where turns allow.

    Cut are the widest pauses between turns, in their middle; a turn longer than the window stays
    whole. Times and faces of a part count from its start.
    """
    window = window_s * TOKENS_PER_SECOND
    if not window or clip.frames <= window or len(clip.turns) < 2:
        return [(0, clip)]
    ends = np.maximum.accumulate([turn.tag.start + turn.tag.duration for turn in clip.turns])
    starts = [turn.tag.start for turn in clip.turns]
    widest = max(range(1, len(starts)), key=lambda n: (starts[n] - ends[n - 1], -n))
    middle = round((max(ends[widest - 1], 0.0) + starts[widest]) / 2 * TOKENS_PER_SECOND)
    at = min(max(1, middle), clip.frames - 1)
    left, right = _part_of(clip, 0, widest, 0, at), _part_of(clip, widest, None, at, clip.frames)
    found = cut_clip(left, window_s)
    return found + [(at + first, part) for first, part in cut_clip(right, window_s)]


def _part_of(clip: Clip, first: int, last: int | None, begin: int, end: int) -> Clip:
    shift = begin / TOKENS_PER_SECOND
    turns = tuple(
        replace(turn, tag=replace(turn.tag, start=turn.tag.start - shift))
        for turn in clip.turns[first:last]
    )
    faces = clip.faces
    seen = (faces.frames >= begin) & (faces.frames < end)
    own = Faces(faces.embeddings[seen], faces.frames[seen] - begin)
    return replace(clip, turns=turns, frames=end - begin, faces=own)
