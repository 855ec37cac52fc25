"""How the next token is drawn.

Every draw uses a generator on the CPU: one seed gives the same tokens on every device, as long as
the probabilities agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from polydub.engines.dubbing.funcineforge.config import RasOptions, Sampling
from polydub.errors import EngineError

EXACTER = (
    'Compute with {"dtype": "bfloat16"} or "float32"; if that does not help: check the weights.'
)
"""What to do when numbers overflow, as float16 lets them."""
NUCLEUS_CAP = 25
"""Most candidates of a nucleus that is given as a number (code)."""


def pick(
    logp: Tensor,
    decoded: Sequence[int],
    sampling: Sampling,
    generator: torch.Generator,
    *,
    ras: RasOptions | None = None,
) -> int:
    """The next token from log-probabilities ``logp`` ``[units]``; ``decoded`` are those before.

    Raises ``EngineError`` DUB-E206 for a ``sampling`` that is none, and for what is no number.
    """
    logp = logp.detach().float().cpu()
    if bool(logp.isnan().any()):
        raise EngineError("The language model's numbers overflow.", hint=EXACTER)
    if sampling == "ras":
        return _repetition_aware(logp, decoded, ras or RasOptions(), generator)
    if sampling is False:
        return int(logp.argmax())
    if sampling is True:
        return _draw(logp.softmax(0), generator)
    if isinstance(sampling, int) and sampling > 0:
        values, ids = logp.softmax(0).topk(sampling)
        return int(ids[_draw(values, generator)])
    if isinstance(sampling, float) and 0 < sampling <= 1:
        values, ids = nucleus(logp, sampling, NUCLEUS_CAP)
        return int(ids[_draw(values, generator)])
    raise EngineError(f"Tokens cannot be drawn by {sampling!r}.", hint='Use "ras".')


def nucleus(logp: Tensor, top_p: float, top_k: int) -> tuple[Tensor, Tensor]:
    """Probabilities and ids of the likeliest tokens, at most ``top_k``, likeliest first.

    A token is taken as long as those before it have less than ``top_p`` together.
    """
    values, ids = logp.softmax(0).sort(descending=True, stable=True)
    sums = values.cumsum(0)[: top_k - 1]
    taken = min(1 + int((sums < top_p).sum()), len(values))
    return values[:taken], ids[:taken]


def _repetition_aware(
    logp: Tensor, decoded: Sequence[int], options: RasOptions, generator: torch.Generator
) -> int:
    """A nucleus draw; when the token stands too often among the last ones, any token is drawn."""
    values, ids = nucleus(logp, options.top_p, options.top_k)
    token = int(ids[_draw(values, generator)])
    recent = list(decoded[-options.window :]) if options.window else []
    if recent.count(token) >= options.window * options.repetition:
        token = _draw(logp.softmax(0), generator)
    return token


def _draw(weights: Tensor, generator: torch.Generator) -> int:
    return int(torch.multinomial(weights, 1, replacement=True, generator=generator))


def generator_of(seed: int) -> torch.Generator:
    """A CPU generator that gives what ``torch.manual_seed(seed)`` would."""
    return torch.Generator().manual_seed(seed)
