"""The pitch, added up in the order of the machine on which the parity data were recorded.

Single precision sums depend on their order, and every processor has one of its own. Here the order
is written out with products and sums that round alike on every machine, so that what is compared
is the network and not the processor. (The activation is the library's: with AVX2 it rounds as it
did in the recording, elsewhere it may not.)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

AT_ONCE = 160
"""Products of one sum: the first layer's 320 are added up in two halves."""


def pitch_in_recorded_order(predictor: Any, mel: Tensor, *, final: bool = True) -> Tensor:
    """What ``F0Predictor`` gives for ``mel`` ``[1, 80, frames]``: F0 ``[frames]`` in Hz."""
    x = functional.pad(mel, (0, 3)) if final else mel
    for place, layer in enumerate(predictor.condnet):
        if isinstance(layer, nn.Conv1d):
            x = _convolved(layer, functional.pad(x, (2 if place else 0, 0)))
        else:
            x = layer(x)
    weights = predictor.classifier.weight[0]
    total = torch.zeros(x.shape[2])
    for row, weight in zip(x[0], weights, strict=True):
        total = total + weight * row
    return (total + predictor.classifier.bias).abs()


def _convolved(layer: nn.Conv1d, x: Tensor) -> Tensor:
    width = layer.in_channels * layer.kernel_size[0]
    columns = x[0].unfold(1, layer.kernel_size[0], 1).permute(0, 2, 1).reshape(width, -1)
    rows = layer.weight.reshape(layer.out_channels, width)
    result = layer.bias[:, None].expand(-1, columns.shape[1])
    for first in range(0, width, AT_ONCE):
        part = torch.zeros(layer.out_channels, columns.shape[1])
        for place in range(first, min(width, first + AT_ONCE)):
            # a fused multiply-add: the product is exact in double precision
            exact = rows[:, place, None].double() * columns[place].double()
            part = (part.double() + exact).float()
        result = result + part
    return result[None]
