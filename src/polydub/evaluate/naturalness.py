"""How natural speech sounds: predictors of the mean opinion score (MOS, 1 bad .. 5 excellent).

They were trained on what listeners said about recordings, telephony and synthesis, mostly in
English. They hide a wrong word, a wrong accent, a wrong speaker and flat acting; read them beside
the round-trip error and the similarities. Differences under about 0.1 are noise.

A predictor whose package is not installed is not measured: :func:`load_predictors` says why.

==============  ==========================================================================
``dnsmos``      DNSMOS P.835 overall quality (Reddy et al. 2022), package ``speechmos``
``dnsmos_sig``  its quality of the voice alone
``dnsmos_p808`` DNSMOS P.808 overall quality (Reddy et al. 2021), same package
``distillmos``  DistillMOS v7 (Stahl and Gamper 2025), package ``distillmos``
``utmos``       UTMOS strong learner (Saeki et al. 2022), :mod:`polydub.evaluate.utmos`; no
                package carries its weights, so whoever measures must bring them
==============  ==========================================================================
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from polydub.errors import EngineError
from polydub.evaluate.mel import decibels, mel_power
from polydub.model import Samples, Waveform
from polydub.model.packages import one_thread, without_broken

RATE = 16_000


class MosPredictor(Protocol):
    """Scores how speech sounds; ``name`` and ``version`` go into every record of its figures."""

    name: str
    version: str

    def score(self, audio: Waveform) -> dict[str, float]:
        """Score by name for mono 16 kHz ``audio``. Raises ``EngineError`` for other sound."""
        ...


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A metric that there is no figure for, and why."""

    metric: str
    reason: str


class DnsMos:
    """DNSMOS by the protocol of its package, from its two ONNX files; needs onnxruntime.

    The sound is repeated until it lasts 9.01 s; then windows of that length every second are scored
    and averaged. P.835 takes the samples and its answers pass through the published polynomials;
    P.808 takes 120 mel bands of 20 ms frames (321 samples every 160) in dB below the window's
    maximum, as ``(dB + 40) / 40``. The level counts: a quiet voice scores lower.
    """

    name = "dnsmos"

    LENGTH_S = 9.01
    POLYNOMIALS: Mapping[str, tuple[float, float, float]] = {
        "dnsmos_sig": (-0.08397278, 1.22083953, 0.0052439),
        "dnsmos_bak": (-0.13166888, 1.60915514, -0.39604546),
        "dnsmos": (-0.06766283, 1.11546468, 0.04602535),
    }

    def __init__(self) -> None:
        folder, self.version = _package("speechmos", "DNSMOS")
        runtime = _module("onnxruntime", "DNSMOS")
        settings = runtime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")

        def opened(name: str) -> Any:
            path = folder / "dnsmos_models" / name
            return runtime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])

        self._quality, self._p808 = opened("sig_bak_ovr.onnx"), opened("model_v8.onnx")

    def score(self, audio: Waveform) -> dict[str, float]:
        """``dnsmos``, ``dnsmos_sig``, ``dnsmos_bak``, ``dnsmos_p808``; see :class:`DnsMos`."""
        samples = np.clip(_checked(audio), -1, 1)
        size = int(self.LENGTH_S * RATE)
        if len(samples) < size:  # doubled, as the package does, not repeated to fit
            samples = np.tile(samples, 2 ** math.ceil(math.log2(size / len(samples))))
        hops = int(len(samples) // RATE - self.LENGTH_S) + 1
        windows = [samples[at * RATE : at * RATE + size] for at in range(hops)]
        scores = [self._window(part) for part in windows if len(part) == size]
        return {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}

    def _window(self, samples: Samples) -> dict[str, float]:
        raw = self._quality.run(None, {"input_1": samples[None]})[0][0]
        power = mel_power(samples[:-160], rate=RATE, window=321, step=160, bands=120)
        features = ((decibels(power) + 40) / 40).astype(np.float32)
        found = {
            name: float(np.polyval(polynomial, value))
            for (name, polynomial), value in zip(self.POLYNOMIALS.items(), raw, strict=True)
        }
        found["dnsmos_p808"] = float(self._p808.run(None, {"input_1": features[None]})[0][0][0])
        return found


class DistillMos:
    """DistillMOS v7: a small network taught by a large one; needs torch.

    Protocol of its package: windows of 7.68 s, at most 1 s apart, each scaled to a peak of 1,
    scored and averaged; shorter sound is padded with silence at its end. The level does not count.

    The package imports ``torchaudio`` for its command line only, and the builds of torchaudio do
    not load beside every torch: while the package is imported, an empty module stands in its place.
    """

    name = "distillmos"

    WINDOW = 122_880

    def __init__(self) -> None:
        folder, self.version = _package("distillmos", "DistillMOS")
        self._torch = _module("torch", "DistillMOS")
        with without_broken("torchaudio"):
            package = _module("distillmos.sqa", "DistillMOS")
        self._network = package.ConvTransformerSQAModel(load_weights=False)
        stored = self._torch.load(
            folder / "weights" / "distill_mos_v7.pt", map_location="cpu", weights_only=True
        )
        self._network.load_state_dict(stored["model"])
        self._network.eval().requires_grad_(False)

    def score(self, audio: Waveform) -> dict[str, float]:
        """``distillmos``; see :class:`DistillMos`."""
        samples = np.ascontiguousarray(_checked(audio))
        with one_thread(self._torch), self._torch.inference_mode():
            value = float(self._network(self._torch.from_numpy(samples[None])).item())
        return {"distillmos": value}

    def slope(self, audio: Waveform) -> tuple[float, Samples]:
        """The score of mono 16 kHz ``audio``, and its derivative by the samples.

        What is missing to a whole window is noise at -80 dB here and not silence, for the
        compression of the network's spectrum has no slope there.
        """
        torch = self._torch
        samples = _checked(audio)
        floor = np.random.default_rng(0).normal(0, 1e-4, max(len(samples), self.WINDOW))
        given = floor.astype(np.float32)
        given[: len(samples)] += samples
        with one_thread(torch):
            asked = torch.from_numpy(given[None]).requires_grad_(True)
            score = self._network(asked).squeeze()
            (slope,) = torch.autograd.grad(score, asked)
        return float(score.detach()), slope[0, : len(samples)].numpy()


PREDICTORS: Mapping[str, Callable[[], MosPredictor]] = {"dnsmos": DnsMos, "distillmos": DistillMos}


def load_predictors(
    names: Sequence[str] = ("dnsmos", "distillmos"),
) -> tuple[list[MosPredictor], list[NotMeasured]]:
    """The predictors that can be had here, and the others with the reason.

    Raises ``KeyError`` for a name that is not in :data:`PREDICTORS`.
    """
    found: list[MosPredictor] = []
    missing: list[NotMeasured] = []
    for name in names:
        try:
            found.append(PREDICTORS[name]())
        except EngineError as error:
            missing.append(NotMeasured(name, error.message))
    return found, missing


def predict(predictors: Sequence[MosPredictor], audio: Waveform) -> dict[str, float]:
    """All scores of all ``predictors`` for mono 16 kHz ``audio``; none for sound under 0.5 s."""
    if audio.duration < 0.5:
        return {}
    return {name: value for one in predictors for name, value in one.score(audio).items()}


def _checked(audio: Waveform) -> Samples:
    if audio.rate != RATE or audio.channels != 1 or not len(audio.samples):
        raise EngineError(
            f"MOS predictors need mono audio at {RATE} Hz, not {len(audio.samples)} samples in "
            f"{audio.channels} channels at {audio.rate} Hz."
        )
    return np.asarray(audio.samples.reshape(-1), np.float32)


def _package(name: str, metric: str) -> tuple[Path, str]:
    """``(folder, version)`` of an installed package, not imported."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EngineError(
            f"{metric} comes with the package '{name}', which is not installed.",
            hint='Install it with: pip install -c constraints.txt -e ".[evaluate]"',
            code="DUB-E202",
        )
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version(name)
    except PackageNotFoundError:
        found = "unknown"
    return Path(spec.origin).parent, found


def _module(name: str, metric: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: a library in it that does not load
        raise EngineError(f"{metric} needs '{name}': {error}.", code="DUB-E202") from error
