"""What is measured on one take, once, for choosing it and for the report."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from polydub.evaluate.naturalness import MosPredictor, load_predictors, predict
from polydub.evaluate.scores import overlap_share, own_margin, round_trip_metric
from polydub.media.audio import resample
from polydub.model import Line, Placement, Take, Voiceprint, Waveform
from polydub.pipeline.analysis import SPEECH_RATE, VERSION
from polydub.pipeline.casting import Profiles, spoken_text
from polydub.pipeline.listening import listen_to
from polydub.pipeline.run import Run
from polydub.project.artifacts import load, save

Made = tuple[Take, Placement, str, float | None]
"""A take, where it lies, what identifies its sound, and how far it follows the melody if known."""


def take_scores(
    run: Run, line: Line, made: Made, profiles: Profiles, language: str
) -> tuple[dict[str, float], str]:
    """``(scores, text that the recogniser heard)`` of a take of ``line``."""
    take, placement, key, melody = made
    heard = listen_to(run, key, take.audio, language)
    scores = _voice_scores(heard.voiceprint, line.speaker, profiles)
    text = spoken_text(line, language)
    scores[round_trip_metric(language)] = heard.error(text, language)
    scores["overlap"] = overlap_share(placement.span, line.span)
    scores["speed"] = round(placement.speed, 3)
    if melody is not None:
        scores["contour"] = melody
    mos = _naturalness(run, key, take.audio)
    if mos is not None:
        scores["mos"] = mos
    return scores, heard.text


@cache
def predictor() -> MosPredictor | None:
    """What predicts how natural a take sounds; ``None`` without its package."""
    found, _ = load_predictors(("distillmos",))
    return found[0] if found else None


def _naturalness(run: Run, key: str, audio: Waveform) -> float | None:
    """Predicted MOS 1..5 of a take that ``key`` identifies; ``None`` where it cannot be told."""
    judge = predictor()
    if judge is None:
        return None

    def make(work: Path) -> None:
        scores = predict([judge], resample(audio, SPEECH_RATE).mono())
        save(work / "mos.json", next((round(value, 3) for value in scores.values()), None))

    folder, _ = run.ensure("naturalness", VERSION, key, judge.name, judge.version, make=make)
    found: float | None = load(folder / "mos.json", float | None)
    return found


def _voice_scores(print_: Voiceprint, speaker: str, profiles: Profiles) -> dict[str, float]:
    if speaker not in profiles.by_speaker:
        return {}
    prints = profiles.prints
    scores = {"similarity": float(print_ @ prints[speaker])}
    margin = own_margin(print_, prints, speaker)
    if margin is not None:
        scores["margin"] = margin
    return scores
