"""Gives every speaker one synthetic voice: nearest style by voiceprint and pitch, then tuned.

This is voice *matching*, and nothing here may be called cloning. Where the synthesiser's voices can
be moved, :mod:`polydub.stages.shape` brings the chosen one much nearer than any style lies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from polydub.engines.protocols import StylePrint, VoiceConverter, VoiceEmbedder
from polydub.model import VoiceChoice, Voiceprint, Waveform

_SAME_PITCH = 0.02


@dataclass(frozen=True, slots=True)
class CastOptions:
    """What counts in the choice.

    ``other_weight`` is how much likeness to the other speakers costs against likeness to the own
    one; ``pitch_cost`` is per semitone. A voice that is moved far loses quality: four shaped voices
    in Spanish and French, saying film lines with their melody, had a DistillMOS of 4.30 at their
    own pitch, 4.15 raised by a tenth, 3.97 by a fifth, the worst 3.71 by 31 %; and CAM++ found none
    of them more alike for it. So up to ``easy`` of pitch, as a factor, is moved all the way, and
    half of what lies beyond, ``max_pitch_ratio`` at most. ``gender_cost`` applies to styles that
    are not of the speaker's :func:`sure_gender`; ``gain`` is the least improvement for which a
    converted voice is preferred to the plain one, since conversion costs naturalness (DistillMOS
    4.48 -> 4.46 at best). ``auditions`` is how many of the nearest styles may be heard in the
    target language before one is chosen.

    ``roughness_cost`` is what a voice of ``quality`` 0 loses against one of 1; as here, a point of
    MOS is worth a tenth of likeness, of which shaping makes good about half.
    """

    other_weight: float = 0.5
    pitch_cost: float = 0.02
    gender_cost: float = 1.0
    roughness_cost: float = 0.4
    gain: float = 0.02
    auditions: int = 4
    clear: float = 0.05
    warps: tuple[float, ...] = (0.92, 1.0, 1.08)
    envelope: float = 0.5
    easy: float = 1.1
    max_pitch_ratio: float = 1.15


@dataclass(frozen=True, slots=True, eq=False)
class VoiceProfile:
    """A speaker as heard in the source: what a synthetic voice should come close to."""

    speaker: str
    voiceprint: Voiceprint
    pitch_hz: float | None = None
    gender: str | None = None


def likeness(
    print_: Voiceprint, own: Voiceprint, others: Sequence[Voiceprint], weight: float
) -> float:
    """Similarity to the own speaker minus ``weight`` times that to the most similar other one."""
    rival = max((float(print_ @ other) for other in others), default=0.0)
    return float(print_ @ own) - weight * max(0.0, rival)


def style_cost(style: StylePrint, profile: VoiceProfile, options: CastOptions) -> float:
    """What likeness a style loses for its distance in pitch and for its roughness."""
    cost = options.roughness_cost * (1 - style.quality)
    if profile.pitch_hz and style.pitch_hz:
        cost += options.pitch_cost * abs(12 * np.log2(profile.pitch_hz / style.pitch_hz))
    return float(cost)


def assign_styles(
    profiles: Sequence[VoiceProfile],
    bank: Sequence[StylePrint],
    *,
    taken: Mapping[str, str] | None = None,
    options: CastOptions | None = None,
) -> dict[str, StylePrint]:
    """One style per speaker, all different, best in total (Hungarian assignment).

    ``taken`` maps speakers that already have a voice (pinned by the user) to its style: those
    styles are not given to others. With more speakers than styles the rest reuse the nearest style.
    """
    options = options or CastOptions()
    taken = dict(taken or {})
    free = [style for style in bank if style.name not in taken.values()] or list(bank)
    open_profiles = [profile for profile in profiles if profile.speaker not in taken]
    if not open_profiles or not free:
        return {}
    scores = _scores(open_profiles, profiles, free, options)
    rows, columns = linear_sum_assignment(-scores)
    chosen = {open_profiles[r].speaker: free[c] for r, c in zip(rows, columns, strict=True)}
    for index, profile in enumerate(open_profiles):
        chosen.setdefault(profile.speaker, free[int(scores[index].argmax())])
    return chosen


def shortlist(
    profile: VoiceProfile,
    everyone: Sequence[VoiceProfile],
    bank: Sequence[StylePrint],
    *,
    first: StylePrint,
    taken: Collection[str],
    options: CastOptions | None = None,
) -> tuple[StylePrint, ...]:
    """``first`` and the next best styles for ``profile`` that nobody else has, best first.

    A print is made of another text in another language, so the order among the nearest styles is
    uncertain: they are worth an audition (``options.auditions`` of them).
    """
    options = options or CastOptions()
    scores = _scores([profile], everyone, bank, options)[0]
    ranked = [bank[i] for i in np.argsort(-scores, kind="stable")]
    others = [style for style in ranked if style.name not in taken and style.name != first.name]
    return (first, *others[: options.auditions - 1])


def best_audition(
    heard: Sequence[Voiceprint],
    errors: Sequence[float],
    profile: VoiceProfile,
    others: Sequence[Voiceprint],
    *,
    styles: Sequence[StylePrint] | None = None,
    options: CastOptions | None = None,
) -> int:
    """Index of the audition that comes nearest to the speaker (see :func:`likeness`).

    What the ``styles`` cost (:func:`style_cost`) counts as it does before the audition.

    ``errors`` are round-trip errors: beyond ``options.clear`` more than the clearest audition, each
    costs as much as it adds, for a voice that is not understood is no voice for this language.
    """
    options = options or CastOptions()
    free = min(errors, default=0.0) + options.clear
    costs = [style_cost(style, profile, options) for style in styles or ()] or [0.0] * len(heard)
    scores = [
        likeness(print_, profile.voiceprint, others, options.other_weight)
        - max(0.0, error - free)
        - cost
        for print_, error, cost in zip(heard, errors, costs, strict=True)
    ]
    return int(np.argmax(scores))


def heard_gender(voiceprint: Voiceprint, bank: Sequence[StylePrint]) -> str | None:
    """The gender of the five nearest styles of each kind; ``None`` without both kinds.

    Right for all 11 turns of seven film clips, the boy included; the lead is small (0.01 to 0.15).
    """
    nearest = {}
    for gender in ("female", "male"):
        own = [float(s.voiceprint @ voiceprint) for s in bank if s.gender == gender]
        if not own:
            return None
        nearest[gender] = float(np.mean(sorted(own)[-5:]))
    return max(nearest, key=lambda gender: nearest[gender])


def sure_gender(profile: VoiceProfile, bank: Sequence[StylePrint]) -> str | None:
    """The speaker's gender if pitch and formants agree with :func:`heard_gender`, else ``None``.

    A man must not get a woman's voice because its print is a hundredth nearer; but where the two
    signs disagree (a boy at 230 Hz), likeness alone decides.
    """
    heard = heard_gender(profile.voiceprint, bank)
    return heard if profile.gender in (None, heard) else None


def _scores(
    wanted: Sequence[VoiceProfile],
    everyone: Sequence[VoiceProfile],
    bank: Sequence[StylePrint],
    options: CastOptions,
) -> npt.NDArray[np.float64]:
    scores = np.zeros((len(wanted), len(bank)))
    for row, profile in enumerate(wanted):
        others = [x.voiceprint for x in everyone if x.speaker != profile.speaker]
        gender = sure_gender(profile, bank)
        for column, style in enumerate(bank):
            own = profile.voiceprint
            score = likeness(style.voiceprint, own, others, options.other_weight)
            if gender and gender != style.gender:
                score -= options.gender_cost
            scores[row, column] = score - style_cost(style, profile, options)
    return scores


def tune_voice(
    choice: VoiceChoice,
    audition: Waveform,
    *,
    audition_pitch: float | None,
    reference: Waveform,
    profile: VoiceProfile,
    others: Sequence[Voiceprint],
    converter: VoiceConverter,
    embedder: VoiceEmbedder,
    resample: Callable[[Waveform], Waveform],
    options: CastOptions | None = None,
) -> VoiceChoice:
    """The best of the plain voice and its conversions, judged on the ``audition`` take.

    ``resample`` brings audio to the embedder's 16 kHz mono.

    Kept only if the likeness (see :func:`likeness`) rises by ``options.gain``: conversion helps a
    poor match and hurts a good one (0.439 -> 0.486, but 0.626 -> lower, measured).
    """
    options = options or CastOptions()
    pitch = pitch_ratio(audition_pitch, profile.pitch_hz, options)
    heard = embedder.embed(resample(audition))
    best = replace(choice, similarity=similarity(heard, profile))
    bar = likeness(heard, profile.voiceprint, others, options.other_weight) + options.gain
    for candidate in _conversions(choice, pitch, options):
        heard = embedder.embed(resample(converter.convert(audition, reference, candidate)))
        score = likeness(heard, profile.voiceprint, others, options.other_weight)
        if score > bar:
            best, bar = replace(candidate, similarity=similarity(heard, profile)), score
    return best


def _conversions(choice: VoiceChoice, pitch: float, options: CastOptions) -> list[VoiceChoice]:
    return [
        replace(choice, pitch=pitch, warp=warp, envelope=envelope)
        for warp in options.warps
        for envelope in (0.0, options.envelope)
    ]


def similarity(heard: Voiceprint, profile: VoiceProfile) -> float:
    """Cosine of what was heard and the speaker, as choices and reports carry it."""
    return round(float(heard @ profile.voiceprint), 4)


def pitch_ratio(
    have: float | None, want: float | None, options: CastOptions | None = None
) -> float:
    """The factor from one median pitch to another, as far as may be moved; 1 if one is unknown.

    Beyond ``options.easy`` only half of the way. A factor within 2 % is 1: nobody hears it.
    """
    options = options or CastOptions()
    if not have or not want:
        return 1.0
    way, easy = float(np.log(want / have)), float(np.log(options.easy))
    far = min(abs(way), easy) + 0.5 * max(0.0, abs(way) - easy)
    far = min(far, float(np.log(options.max_pitch_ratio)))
    ratio = round(float(np.exp(np.copysign(far, way))), 3)
    return 1.0 if abs(ratio - 1.0) <= _SAME_PITCH else ratio
