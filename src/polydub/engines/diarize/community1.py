"""Pyannote community-1 (segmentation, WeSpeaker voiceprints, VBx): who speaks when, film-wide.

pyannote.audio 4 needs NumPy 2, the packaged face models need NumPy 1: so it runs in a process of
its own, in the Python that ``POLYDUB_PYANNOTE_PYTHON`` names (this one without it).
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from polydub.engines.protocols import Capabilities, LocalActivity
from polydub.engines.weights import find
from polydub.errors import EngineError
from polydub.model import Span, Waveform

RATE = 16_000
STEP = Fraction(1, 100)
PYTHON = "POLYDUB_PYANNOTE_PYTHON"
"""Environment variable that names a Python with pyannote.audio 4."""

_WORKER = Path(__file__).with_name("_community1_worker.py")


class Community1Segmenter:
    """The turns that community-1 finds, as one window over the whole film.

    Its speakers are told apart over all of the sound, so the window's columns are the film's
    voices. What it says is sure or not there: activity is 0 or 1. ``model`` is a folder with the
    files of the hub. Raises ``EngineError`` DUB-E202 without pyannote.audio, DUB-E204 without the
    weights.
    """

    capabilities = Capabilities(
        kind="segment",
        name="community-1",
        version="1",
        summary="pyannote community-1: diarization of the whole film, in a process of its own",
        code_licence="MIT",
        weights_licence="CC-BY-4.0 (its authors ask for consent to their terms)",
        rate=RATE,
        gpu=True,
        weights=("pyannote-community-1",),
    )

    def __init__(
        self, *, model: str | Path | None = None, python: str | Path | None = None
    ) -> None:
        self._folder = find("pyannote-community-1", path=Path(model) if model else None).path
        named = str(python or os.environ.get(PYTHON, ""))
        if not named and not _here():
            raise EngineError(
                "pyannote.audio is not installed.",
                hint="Make an environment for it (python -m venv pyannote; "
                'pyannote/bin/pip install "pyannote.audio>=4"), '
                f"and set {PYTHON} to its pyannote/bin/python.",
                code="DUB-E202",
            )
        self._python = named or sys.executable

    def segment(self, audio: Waveform) -> Iterator[LocalActivity]:
        """One window over all of mono 16 kHz ``audio``, 10 ms a frame; empty audio gives none.

        Raises ``EngineError`` for other formats, or when the pipeline fails.
        """
        if audio.rate != RATE or audio.channels != 1:
            raise EngineError(
                f"community-1 needs mono audio at {RATE} Hz, "
                f"not {audio.channels} channels at {audio.rate}."
            )
        count = -(-len(audio.samples) * STEP.denominator // RATE)
        if count:
            yield activity_of(self._turns(audio), count)

    def _turns(self, audio: Waveform) -> list[tuple[float, float, str]]:
        with TemporaryDirectory(prefix="polydub-community1-") as folder:
            sound, result = Path(folder, "sound.npy"), Path(folder, "turns.json")
            np.save(sound, np.asarray(audio.samples, np.float32).reshape(-1))
            # -I: neither our own modules nor our packages may stand before its own
            command = [self._python, "-I", str(_WORKER), str(self._folder), str(sound), str(RATE)]
            try:
                done = subprocess.run(
                    [*command, str(result)], capture_output=True, text=True, check=False
                )
            except OSError as error:
                raise EngineError(
                    f"{self._python} cannot be run: {error}", hint=f"Check {PYTHON}."
                ) from error
            if done.returncode or not result.is_file():
                said = done.stderr.strip().splitlines() or ["it said nothing"]
                raise EngineError(f"community-1 failed: {said[-1]}")
            turns = json.loads(result.read_text(encoding="utf-8"))
        return [(float(start), float(end), str(who)) for start, end, who in turns]


def activity_of(turns: Sequence[tuple[float, float, str]], count: int) -> LocalActivity:
    """``count`` frames of 10 ms, one column per speaker in the order of appearance."""
    speakers = list(dict.fromkeys(who for *_, who in sorted(turns)))
    activity = np.zeros((count, max(1, len(speakers))), np.float32)
    for start, end, who in turns:
        first, last = round(start / float(STEP)), round(end / float(STEP))
        activity[max(0, first) : max(0, last), speakers.index(who)] = 1.0
    return LocalActivity(Span(Fraction(0), count * STEP), STEP, activity)


def _here() -> bool:
    try:
        return importlib.util.find_spec("pyannote.audio") is not None
    except ModuleNotFoundError:
        return False
