"""Which change of a sound moves its voiceprint in a wanted direction: CAM++ run backwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from polydub.media import fbank
from polydub.model import Samples, Voiceprint


def print_and_slope(
    torch: Any, network: Any, samples: Samples, towards: Voiceprint
) -> tuple[Voiceprint, Samples]:
    """The voiceprint of mono 16 kHz ``samples`` and the derivative ``[n]`` of ``print @ towards``.

    ``samples`` must hold a frame (25 ms) or more. The features are those of
    :func:`polydub.media.fbank.fbank`, in single precision.
    """
    sound = torch.from_numpy(np.ascontiguousarray(samples, np.float32)).requires_grad_()
    output = network(_features(torch, sound)[None])[0]
    heard = output / output.norm()
    (slope,) = torch.autograd.grad(heard @ torch.from_numpy(np.asarray(towards, np.float32)), sound)
    return np.asarray(heard.detach().numpy(), np.float32), np.asarray(slope.numpy(), np.float32)


def _features(torch: Any, sound: Any) -> Any:
    frames = sound.unfold(0, fbank.FRAME, fbank.STEP)
    frames = frames - frames.mean(1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], 1)
    window, bank = (torch.from_numpy(part.astype(np.float32)) for part in fbank.shapes())
    shaped = (frames - fbank.PRE_EMPHASIS * before) * window
    spectrum = torch.fft.rfft(shaped, fbank.N_FFT)[:, : fbank.N_FFT // 2]
    power = spectrum.real.square() + spectrum.imag.square()
    features = torch.log((power @ bank).clamp_min(fbank.FLOOR))
    return features - features.mean(0, keepdim=True)
