"""Runs pyannote's community-1 pipeline on one sound, in a process and a Python of its own.

python -I _community1_worker.py MODEL_FOLDER SOUND.npy RATE RESULT.json

It imports nothing of polydub, so that the Python that runs it needs pyannote.audio alone. Nothing
is fetched, and the library's own usage statistics are switched off.
"""

from __future__ import annotations

import json
import os
import sys
import warnings


def main(arguments: list[str]) -> None:
    """Write the turns, ``[[start, end, speaker], ...]`` in seconds."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "false"
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.simplefilter("ignore")
    folder, sound, rate, result = arguments

    import numpy as np
    import torch
    from pyannote.audio import Pipeline

    pipeline = Pipeline.from_pretrained(folder)
    pipeline.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    samples = torch.from_numpy(np.load(sound))[None]
    torch.manual_seed(0)
    found = pipeline({"waveform": samples, "sample_rate": int(rate)})
    annotation = getattr(found, "speaker_diarization", found)
    turns = [
        [float(turn.start), float(turn.end), str(speaker)]
        for turn, _, speaker in annotation.itertracks(yield_label=True)
    ]
    with open(result, "w", encoding="utf-8") as file:
        json.dump(turns, file)


if __name__ == "__main__":
    main(sys.argv[1:])
