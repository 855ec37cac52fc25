"""The network of Wav2Lip (Prajwal et al., "A Lip Sync Expert Is All You Need", 2020).

Two encoders and a decoder, all of convolutions with batch normalisation. The face encoder halves a
picture of 96 x 96 five times and then looks at what is left at once; the sound encoder turns 0.2 s
of mel spectrum into a vector; the decoder grows that vector back into a picture, and at every size
the face encoder's view of that size is laid beside it. Tensors have the names of the published
checkpoints (``wav2lip.pth``, ``wav2lip_gan.pth``), so that these fit without conversion.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIDE = 96
STEPS = 16
"""Mel frames that one picture hears."""


class Convolution(nn.Module):
    """Convolution (or its transpose), batch normalisation, rectifier; ``skip`` adds the input."""

    def __init__(
        self,
        inside: int,
        outside: int,
        kernel: int = 3,
        stride: int | tuple[int, int] = 1,
        padding: int = 1,
        *,
        skip: bool = False,
        grow: bool = False,
    ) -> None:
        super().__init__()
        layer: nn.Module
        if grow:
            extra = 1 if stride == 2 else 0
            layer = nn.ConvTranspose2d(inside, outside, kernel, stride, padding, extra)
        else:
            layer = nn.Conv2d(inside, outside, kernel, stride, padding)
        self.conv_block = nn.Sequential(layer, nn.BatchNorm2d(outside))
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output."""
        out = self.conv_block(x)
        return torch.relu(out + x if self.skip else out)


def _stage(first: Convolution, width: int, repeats: int) -> nn.Sequential:
    """A layer that changes size, and ``repeats`` that refine."""
    return nn.Sequential(first, *(Convolution(width, width, skip=True) for _ in range(repeats)))


class Wav2LipNetwork(nn.Module):
    """``base`` is the width of the first layer: 16 as published; all others follow from it."""

    def __init__(self, base: int = 16) -> None:
        super().__init__()
        self.face_encoder_blocks = _face_encoder(base)
        self.audio_encoder = _sound_encoder(2 * base)
        self.face_decoder_blocks = _face_decoder(base)
        self.output_block = nn.Sequential(
            Convolution(5 * base, 2 * base), nn.Conv2d(2 * base, 3, 1), nn.Sigmoid()
        )

    def forward(self, mel: Tensor, faces: Tensor) -> Tensor:
        """Pictures ``[n, 3, 96, 96]`` in 0..1 from ``mel`` ``[n, 1, 80, 16]`` and ``faces``.

        ``faces`` ``[n, 6, 96, 96]``: the picture without its lower half, and a whole one for what
        the person looks like; both in the order of colours that OpenCV has (BGR).
        """
        views = []
        x = faces
        for block in self.face_encoder_blocks:
            x = block(x)
            views.append(x)
        x = self.audio_encoder(mel)
        for block in self.face_decoder_blocks:
            x = torch.cat([block(x), views.pop()], dim=1)
        made: Tensor = self.output_block(x)
        return made


def _face_encoder(base: int) -> nn.ModuleList:
    widths = [base * 2**power for power in range(6)]
    repeats = (2, 3, 2, 2, 1)
    blocks = [nn.Sequential(Convolution(6, base, 7, 1, 3))]
    for narrow, wide, count in zip(widths[:-1], widths[1:], repeats, strict=True):
        blocks.append(_stage(Convolution(narrow, wide, 3, 2), wide, count))
    widest = widths[-1]
    whole = (Convolution(widest, widest, 3, 1, 0), Convolution(widest, widest, 1, 1, 0))
    return nn.ModuleList([*blocks, nn.Sequential(*whole)])


def _sound_encoder(width: int) -> nn.Sequential:
    """80 x 16 becomes 27 x 16, 9 x 6, 3 x 3 and 1 x 1."""
    layers: list[nn.Module] = []
    inside = 1
    steps: tuple[tuple[int | tuple[int, int], int], ...] = (
        (1, 2),
        ((3, 1), 2),
        (3, 2),
        ((3, 2), 1),
    )
    for stride, repeats in steps:
        layers += _stage(Convolution(inside, width, 3, stride), width, repeats)
        inside, width = width, 2 * width
    layers += [Convolution(inside, width, 3, 1, 0), Convolution(width, width, 1, 1, 0)]
    return nn.Sequential(*layers)


def _face_decoder(base: int) -> nn.ModuleList:
    """Each stage reads what the one before made and the encoder's view of the same size."""
    widths = [32, 32, 32, 24, 16, 8, 4]
    views = [32, 32, 16, 8, 4, 2]
    repeats = (1, 2, 2, 2, 2, 2)
    blocks = [nn.Sequential(Convolution(32 * base, 32 * base, 1, 1, 0))]
    for number, count in enumerate(repeats):
        inside, outside = widths[number] + views[number], widths[number + 1]
        # the first grows a point to 3 x 3, the others double
        stride, padding = (1, 0) if number == 0 else (2, 1)
        first = Convolution(inside * base, outside * base, 3, stride, padding, grow=True)
        blocks.append(_stage(first, outside * base, count))
    return nn.ModuleList(blocks)
