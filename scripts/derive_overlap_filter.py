"""Fit the filter that tells where two speak at once; writes ``stages/overlap_filter.json``.

    python -m polydub.simulate FOLDER --seed 511 --no-picture
    python scripts/derive_overlap_filter.py FOLDER [--check OTHER]

FOLDER holds conversations of the simulator (``NAME.json``, ``NAME.film.wav``) with another seed
than those of the benchmark. With ``--check`` nothing is written: the filter is fitted on FOLDER and
judged on the conversations of OTHER, beside the segmentation model's own odds.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from polydub.engines.diarize.pyannote import PyannoteSegmenter
from polydub.media.audio import open_waveform, resample
from polydub.model import Span
from polydub.stages.joint_overlap import PairOptions, likely_spans
from polydub.stages.overlap import FRAME, mask_of, n_frames, together
from polydub.stages.overlap_filter import OverlapFilter, around, overlap_traces

OUT = Path(__file__).parents[1] / "src" / "polydub" / "stages" / "overlap_filter.json"
TAPS = (-60, -40, -25, -15, -8, -4, 0, 4, 8, 15, 25, 40, 60)
"""Frames around a moment. Five of them (30 to 10 apart) win four fifths as much."""
STRENGTH = 1.0
"""Inverse of the ridge: 0.1 to 10 hardly differ, 0.01 is worse."""
STEP = 2  # every other frame: neighbours say the same
OWN = (0.4, 0.25, 5)
"""Onset, offset and frames cut off the beginning that suited the model's own odds best."""


@dataclass(frozen=True)
class Conversation:
    """One recording: its group, how many speak ``[frames]``, the traces, the model's own odds."""

    group: str
    talking: Any
    traces: Any
    own: Any


def read(folder: Path) -> list[Conversation]:
    """All conversations of ``folder``, heard by the segmentation model."""
    segmenter = PyannoteSegmenter()
    found = []
    for path in sorted(folder.glob("*.json")):
        sound = resample(open_waveform(path.with_suffix(".film.wav")).mono(), 16000)
        windows = list(segmenter.segment(sound))
        count = n_frames(sound.duration)
        speakers: dict[str, list[Span]] = {}
        for turn in json.loads(path.read_text(encoding="utf-8"))["turns"]:
            parts = [Span.of(float(one), float(two)) for one, two in turn["speech"]]
            speakers.setdefault(turn["speaker"], []).extend(parts)
        masks = [mask_of(spans, count).astype(int) for spans in speakers.values()]
        traces, own = overlap_traces(windows, sound.duration), together(windows, sound.duration)
        found.append(Conversation(path.stem.rsplit("-", 1)[0], sum(masks), traces, own))
    return found


def fit(conversations: list[Conversation]) -> OverlapFilter:
    """The filter by logistic regression with a ridge on standardised traces."""
    rows = [
        np.concatenate([part[:, ::STEP] for part in around(one.traces, TAPS)]).T
        for one in conversations
    ]
    both = [one.talking[::STEP] > 1 for one in conversations]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=2000))
    model.fit(np.concatenate(rows), np.concatenate(both))
    scaler, line = model.steps[0][1], model.steps[1][1]
    weights = line.coef_[0] / scaler.scale_
    bias = float(line.intercept_[0] - weights @ scaler.mean_)
    return OverlapFilter(TAPS, weights.reshape(len(TAPS), -1).T, bias)


def errors(found: Any, talking: Any) -> tuple[float, float]:
    """Missed and invented overlap in per cent of the speech; silence is no overlap's affair."""
    spoken = talking.sum()
    missed, invented = (talking > 1) & ~found, (talking == 1) & found
    return 100 * float(missed.sum() / spoken), 100 * float(invented.sum() / spoken)


def judge(name: str, found: list[Any], conversations: list[Conversation]) -> None:
    """Print the errors by group."""
    parts = []
    for group in sorted({one.group for one in conversations}):
        values = [
            errors(mask, one.talking)
            for mask, one in zip(found, conversations, strict=True)
            if one.group == group
        ]
        missed, invented = (mean(column) for column in zip(*values, strict=True))
        parts.append(f"{group} {missed:.2f} + {invented:.2f} = {missed + invented:.2f}")
    print(f"{name}: missed + invented, % of speech: {'; '.join(parts)}")


def own_mask(one: Conversation) -> Any:
    """Where two speak by the model's own odds."""
    onset, offset, lead = OWN
    spans = likely_spans(one.own, PairOptions(onset=onset, offset=offset))
    cut = [Span(min(span.start + lead * FRAME, span.end), span.end) for span in spans]
    return mask_of(cut, len(one.talking))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", type=Path)
    options = parser.parse_args()
    chosen = fit(read(options.folder))
    if options.check:
        others = read(options.check)
        judge("the model's own odds", [own_mask(one) for one in others], others)
        masks = [
            mask_of(likely_spans(chosen.probability(x.traces), PairOptions()), len(x.talking))
            for x in others
        ]
        judge("the filter", masks, others)
        return
    data = {
        "taps": chosen.taps,
        "weights": np.round(chosen.weights, 5).tolist(),
        "bias": round(chosen.bias, 5),
    }
    OUT.write_text(json.dumps(data) + "\n", encoding="utf-8")
    print(f"wrote {OUT}")


if __name__ == "__main__":
    main()
