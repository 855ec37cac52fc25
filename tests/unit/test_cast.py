from __future__ import annotations

import numpy as np
import pytest

from polydub.engines.protocols import Capabilities, Delivery, StylePrint
from polydub.model import VoiceChoice, Voiceprint, Waveform
from polydub.stages.cast import (
    VoiceProfile,
    assign_styles,
    best_audition,
    heard_gender,
    likeness,
    pitch_ratio,
    shortlist,
    sure_gender,
    tune_voice,
)


def unit(*values: float) -> Voiceprint:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def style(name: str, vector: Voiceprint, gender: str = "female", pitch: float = 200) -> StylePrint:
    return StylePrint(name, "en", gender, 0.5, pitch, vector)


BANK = [style("x", unit(1, 0, 0)), style("y", unit(0, 1, 0)), style("z", unit(0, 0, 1))]


def test_each_speaker_gets_the_nearest_style() -> None:
    profiles = [VoiceProfile("S1", unit(0.1, 1, 0)), VoiceProfile("S2", unit(1, 0.1, 0))]
    chosen = assign_styles(profiles, BANK)
    assert {name: s.name for name, s in chosen.items()} == {"S1": "y", "S2": "x"}


def test_two_similar_speakers_never_share_a_style() -> None:
    profiles = [VoiceProfile("S1", unit(1, 0.2, 0)), VoiceProfile("S2", unit(1, 0.21, 0))]
    chosen = assign_styles(profiles, BANK)
    assert chosen["S1"].name != chosen["S2"].name


def test_a_style_named_in_the_script_is_not_given_to_another() -> None:
    profiles = [VoiceProfile("S1", unit(1, 0, 0)), VoiceProfile("S2", unit(1, 0.1, 0))]
    chosen = assign_styles(profiles, BANK, taken={"S1": "x"})
    assert set(chosen) == {"S2"} and chosen["S2"].name != "x"


def test_more_speakers_than_styles_still_all_get_one() -> None:
    profiles = [VoiceProfile(f"S{i}", unit(1, i, 0)) for i in range(5)]
    assert set(assign_styles(profiles, BANK)) == {f"S{i}" for i in range(5)}


def test_gender_and_pitch_decide_between_equally_similar_styles() -> None:
    bank = [style("f", unit(1, 0), "female", 210), style("m", unit(1, 0), "male", 110)]
    man = VoiceProfile("S1", unit(1, 0), pitch_hz=115, gender="male")
    assert assign_styles([man], bank)["S1"].name == "m"


def test_the_bank_and_the_pitch_must_agree_on_the_gender() -> None:
    bank = [style("f", unit(1, 0), "female", 210), style("m", unit(0, 1), "male", 110)]
    woman = VoiceProfile("S1", unit(1, 0.3), gender="female")
    boy = VoiceProfile("S1", unit(0.3, 1), gender="female")
    assert sure_gender(woman, bank) == "female"
    assert sure_gender(boy, bank) is None
    assert sure_gender(VoiceProfile("S1", unit(0.3, 1)), bank) == "male"
    assert heard_gender(unit(1, 0), bank[:1]) is None


def test_a_man_gets_a_mans_voice_even_when_a_womans_is_nearer() -> None:
    bank = [
        style("f1", unit(1, 0.0, 0), "female"),
        style("f2", unit(0, 0, 1), "female"),
        style("m1", unit(0.9, 0.4, 0), "male"),
        style("m2", unit(0.8, 0.6, 0), "male"),
    ]
    man = VoiceProfile("S1", unit(1, 0.1, 0), gender="male")
    assert assign_styles([man], bank)["S1"].name == "m1"


def test_likeness_punishes_sounding_like_somebody_else() -> None:
    own, other = unit(1, 0), unit(0, 1)
    assert likeness(unit(1, 0), own, [other], 0.5) > likeness(unit(1, 1), own, [other], 0.5)


def test_the_shortlist_begins_with_the_assigned_style_and_skips_what_others_have() -> None:
    profile = VoiceProfile("S1", unit(1, 0.5, 0.2))
    names = [s.name for s in shortlist(profile, [profile], BANK, first=BANK[1], taken={"x"})]
    assert names == ["y", "z"]


def test_the_audition_nearest_to_the_speaker_wins() -> None:
    profile = VoiceProfile("S1", unit(1, 0))
    assert best_audition([unit(0, 1), unit(1, 0.1), unit(1, 1)], [0, 0, 0], profile, []) == 1
    heard = [unit(1, 0.9), unit(1, 0.2)]
    assert best_audition(heard, [0, 0], profile, [unit(0, 1)]) == 1


def test_a_voice_that_is_not_understood_loses_to_a_clear_one() -> None:
    profile = VoiceProfile("S1", unit(1, 0))
    heard = [unit(1, 0.1), unit(1, 0.5)]
    assert best_audition(heard, [0.04, 0.0], profile, []) == 0
    assert best_audition(heard, [0.40, 0.0], profile, []) == 1


def test_a_rough_voice_or_a_far_pitch_must_be_made_good_by_likeness() -> None:
    profile = VoiceProfile("S1", unit(1, 0), 200.0)
    heard = [unit(1, 0.1), unit(1, 0.3)]
    rough, high, good = (
        StylePrint("s", "es", "female", quality, pitch, unit(1, 0))
        for quality, pitch in ((0.5, 200.0), (0.9, 300.0), (0.9, 200.0))
    )
    assert best_audition(heard, [0.0, 0.0], profile, []) == 0
    assert best_audition(heard, [0.0, 0.0], profile, [], styles=[rough, good]) == 1
    assert best_audition(heard, [0.0, 0.0], profile, [], styles=[high, good]) == 1
    far = [unit(1, 0.1), unit(0.2, 1)]
    assert best_audition(far, [0.0, 0.0], profile, [], styles=[rough, good]) == 0


class Tilt:
    """A converter whose warp turns the audio into a marker that the embedder can read."""

    capabilities = Capabilities("convert", "tilt", "1", "", "", "")

    def convert(
        self,
        audio: Waveform,
        reference: Waveform,
        choice: VoiceChoice,
        delivery: Delivery | None = None,
    ) -> Waveform:
        return Waveform(np.full(8, choice.warp, np.float32), 16000)


class Reader:
    capabilities = Capabilities("voiceprint", "reader", "1", "", "", "")

    def __init__(self, best: float) -> None:
        self.best = best

    def embed(self, audio: Waveform) -> Voiceprint:
        distance = abs(float(audio.samples[0]) - self.best)
        return unit(1, 3 * distance)


def tuned(best: float, plain: float) -> VoiceChoice:
    return tune_voice(
        VoiceChoice("kokoro", "x"),
        Waveform(np.full(8, plain, np.float32), 16000),
        audition_pitch=200,
        reference=Waveform(np.zeros(8, np.float32), 16000),
        profile=VoiceProfile("S1", unit(1, 0), pitch_hz=220),
        others=[],
        converter=Tilt(),
        embedder=Reader(best),
        resample=lambda audio: audio,
    )


def test_conversion_is_kept_when_it_brings_the_voice_nearer() -> None:
    choice = tuned(best=1.08, plain=0.2)
    assert choice.warp == 1.08 and choice.pitch == 1.1
    assert choice.similarity == 1.0


def test_conversion_is_dropped_when_it_does_not() -> None:
    choice = tuned(best=0.2, plain=0.2)
    assert (choice.pitch, choice.warp, choice.envelope) == (1.0, 1.0, 0.0)
    assert choice.similarity == 1.0


def test_a_voice_is_moved_all_of_a_small_way_and_half_of_a_long_one() -> None:
    assert pitch_ratio(200, 203) == 1.0  # nobody hears it
    assert pitch_ratio(200, 216) == 1.08
    assert pitch_ratio(200, 236) == pytest.approx((1.1 * 1.18) ** 0.5, abs=1e-3)
    assert pitch_ratio(236, 200) == pytest.approx(1 / (1.1 * 1.18) ** 0.5, abs=1e-3)
    assert pitch_ratio(100, 900) == 1.15
    assert pitch_ratio(None, 200) == pitch_ratio(200, None) == 1.0
    moved = [pitch_ratio(100, want) for want in range(60, 200)]
    assert moved == sorted(moved)


def test_of_two_alike_voices_the_one_at_the_speakers_pitch_is_taken() -> None:
    bank = [style("far", unit(1, 0.2, 0), pitch=150), style("near", unit(1, 0.3, 0), pitch=195)]
    chosen = assign_styles([VoiceProfile("S1", unit(1, 0.1, 0), 200.0)], bank)
    assert chosen["S1"].name == "near"
