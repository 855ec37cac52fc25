"""Sound while it is still being written: block by block, equal to what a whole run gives.

With a block mask of attention, a finished block of mel frames never changes again, and the vocoder
looks only a few frames ahead; so sound can be handed out long before the last token. The released
program has the pieces for this and does not use them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from torch import Tensor

from polydub.engines.dubbing.funcineforge.checkpoint import Networks
from polydub.engines.dubbing.funcineforge.config import (
    MEL_PER_TOKEN,
    SPEECH_TOKENS,
    FlowDecoding,
)
from polydub.engines.dubbing.funcineforge.sequence import Floats
from polydub.errors import EngineError

VOCODER_REACH = 8
"""Mel frames that the vocoder keeps back: three for the pitch, four ahead, one at the end."""


def stream_sound(
    networks: Networks,
    tokens: Iterable[int],
    speaker: Tensor,
    options: FlowDecoding | None = None,
) -> Iterator[Floats]:
    """Samples at 24 kHz of ``tokens`` as they come, in the voice ``speaker`` ``[80]``.

    The mask type of ``options`` (default 2: blocks of 15 tokens, 0.6 s) tells how often sound comes
    and how far the model looks ahead. Together the parts are what ``flow.mels`` and
    ``vocoder.sound`` give with that mask; each block runs the flow over all tokens so far. Raises
    ``EngineError`` for mask type 0, which sees everything.
    """
    options = options or replace(FlowDecoding(), mask=2)
    flow, vocoder = networks.flow, networks.vocoder
    block = flow.config.dit.mask_blocks[options.mask]
    if not block:
        raise EngineError("Full attention cannot be streamed.", hint="Use a mask type from 1 to 3.")
    said: list[int] = []
    sent = 0
    for token in tokens:
        if token >= SPEECH_TOKENS:
            continue
        said.append(token)
        ready = len(said) - flow.config.lookahead
        if ready <= 0 or ready % block:
            continue
        (mel,) = flow.mels([said], [speaker], options, final=False)
        if ready * MEL_PER_TOKEN > VOCODER_REACH:
            sound = vocoder.sound(mel[: ready * MEL_PER_TOKEN], final=False)
            yield sound[sent:].cpu().numpy()
            sent = len(sound)
    if said:
        (mel,) = flow.mels([said], [speaker], options)
        yield vocoder.sound(mel)[sent:].cpu().numpy()
