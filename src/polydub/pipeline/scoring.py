"""What is measured on one take, once, for choosing it and for the report."""

from __future__ import annotations

from polydub.evaluate.scores import overlap_share, own_margin, round_trip_metric
from polydub.model import Line, Placement, Take, Voiceprint
from polydub.model.terms import spoken_text
from polydub.pipeline.listening import Heard, listen_to, naturalness
from polydub.pipeline.profiles import Profiles
from polydub.pipeline.run import Run

Made = tuple[Take, Placement, str, float | None]
"""A take, where it lies, what identifies its sound, and how far it follows the melody if known."""


def take_scores(
    run: Run, line: Line, made: Made, profiles: Profiles, language: str
) -> tuple[dict[str, float], Heard]:
    """``(scores, what was heard)`` of a take of ``line``."""
    take, placement, key, melody = made
    heard = listen_to(run, key, take.audio, language)
    scores = _voice_scores(heard.voiceprint, line.speaker, profiles)
    text = spoken_text(line, language)
    scores[round_trip_metric(language)] = heard.error(text, language)
    scores["overlap"] = overlap_share(placement.span, line.span)
    scores["speed"] = round(placement.speed, 3)
    if melody is not None:
        scores["contour"] = melody
    mos = naturalness(run, key, take.audio)
    if mos is not None:
        scores["mos"] = mos
    return scores, heard


def _voice_scores(print_: Voiceprint, speaker: str, profiles: Profiles) -> dict[str, float]:
    if speaker not in profiles.by_speaker:
        return {}
    prints = profiles.prints
    scores = {"similarity": float(print_ @ prints[speaker])}
    margin = own_margin(print_, prints, speaker)
    if margin is not None:
        scores["margin"] = margin
    return scores
