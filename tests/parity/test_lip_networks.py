"""The lip networks against numbers of diffusers, transformers, librosa and the public code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from polydub.engines.lips.neural.spectra import wav2lip_mel, whisper_mel  # noqa: E402
from tests.neural_lip_models import EARS, WIDTHS, fill  # noqa: E402
from tests.parity.parity_data import recorded, tensor  # noqa: E402

DATA = recorded("lip_networks")


def given(key: str) -> Any:
    return tensor("lip_networks", key)


@torch.inference_mode()
def test_unet_of_musetalk(same: Any) -> None:
    from polydub.engines.lips.neural.unet import UNet, UNetSizes

    network = UNet(UNetSizes(WIDTHS, context=EARS)).eval()
    fill(network, 1)
    for step in (0, 501):
        made = network(given("unet.in"), step, given("unet.context"))
        same(f"lips/unet at {step}", made, DATA[f"unet.out.{step}"], 1e-4)


@torch.inference_mode()
def test_unet_of_latentsync_without_time_is_the_same(same: Any) -> None:
    from polydub.engines.lips.neural.unet import UNet, UNetSizes

    network = UNet(UNetSizes(WIDTHS, context=EARS, motion=True)).eval()
    plain = UNet(UNetSizes(WIDTHS, context=EARS))
    tensors = fill(plain, 1)
    state = {**network.state_dict(), **tensors}
    for name in state:  # an output of nothing leaves the picture to the other layers
        if ".temporal_transformer.proj_out." in name:
            state[name] = torch.zeros_like(state[name])
    network.load_state_dict(state, strict=True)
    made = network(given("unet.in"), 501, given("unet.context"))
    same("lips/unet, still", made, DATA["unet.out.501"], 1e-4)


@torch.inference_mode()
def test_motion_module(same: Any) -> None:
    from polydub.engines.lips.neural.unet_layers import MotionModule

    network = MotionModule(32).eval()
    fill(network, 4)
    film = given("motion.in")  # [film, c, frames, h, w]
    made = network(film[0].transpose(0, 1), 5)
    same("lips/motion", made.transpose(0, 1)[None], DATA["motion.out"], 1e-5)


@torch.inference_mode()
def test_normalisation_goes_over_all_frames(same: Any) -> None:
    from polydub.engines.lips.neural.unet_layers import normalised

    norm = torch.nn.GroupNorm(32, 64)
    fill(norm, 6)
    made = normalised(norm, given("norm.in").transpose(1, 2).flatten(0, 1), 3)
    same("lips/norm", made.unflatten(0, (2, 3)).transpose(1, 2), DATA["norm.out"], 1e-6)


@torch.inference_mode()
def test_autoencoder(same: Any) -> None:
    from polydub.engines.lips.neural.autoencoder import Autoencoder

    network = Autoencoder(WIDTHS).eval()
    fill(network, 2)
    same("lips/latents", network.encode(given("vae.in")), DATA["vae.latents"], 1e-5)
    same("lips/pictures", network.decode(given("vae.latents")), DATA["vae.out"], 1e-4)


def test_diffusion_steps(same: Any) -> None:
    from polydub.engines.lips.neural.diffusion import Schedule

    schedule = Schedule.of(20)
    same("lips/steps", np.array(schedule.steps), DATA["ddim.steps"])
    latents = DATA["ddim.in"]
    for number, noise in enumerate(DATA["ddim.noise"]):
        latents = schedule.cleaner(latents, noise, number)
    same("lips/sampled", latents, DATA["ddim.out"], 1e-4 * float(np.abs(DATA["ddim.out"]).max()))


@torch.inference_mode()
def test_whisper(same: Any) -> None:
    from polydub.engines.lips.neural.whisper_encoder import WhisperEncoder

    spectrum = whisper_mel(DATA["sound"])
    same("lips/whisper mel", spectrum[:, :140], DATA["whisper.mel"], 1e-5)
    network = WhisperEncoder(EARS, 2).eval()
    fill(network, 3)
    heard = network(torch.from_numpy(spectrum)[None], finished=True)[0]
    same("lips/whisper rows", heard[::100], DATA["whisper.out"], 1e-3)


@torch.inference_mode()
def test_wav2lip(same: Any) -> None:
    from polydub.engines.lips.neural.wav2lip_network import Wav2LipNetwork

    network = Wav2LipNetwork(2).eval()
    fill(network)
    if torch.backends.cpu.get_cpu_capability() == "AVX2":  # adds as the recording processor did
        made = network(given("wav2lip.mel"), given("wav2lip.faces").float())
        same("lips/wav2lip", made, DATA["wav2lip.out"], 1e-5)
    # with AVX-512 single precision is 8e-5 away; double precision, the same everywhere, 7.4e-5
    made = network.double()(given("wav2lip.mel").double(), given("wav2lip.faces").double())
    same("lips/wav2lip, double", made, DATA["wav2lip.out"], 1e-4)
    same("lips/wav2lip mel", wav2lip_mel(DATA["sound"]), DATA["wav2lip.spectrum"], 1e-4)
