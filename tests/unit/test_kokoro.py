from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from polydub.engines.protocols import SpeechRequest
from polydub.engines.speak import bank, kokoro, kokoro_graph
from polydub.engines.speak.kokoro import prosody_of, styles
from polydub.engines.speak.kokoro_phones import (
    FRAME,
    LEAD,
    RATE,
    Spoken,
    as_phones,
    joined,
    timed,
)
from polydub.engines.speak.kokoro_voices import (
    PROSODY,
    TIMBRE,
    StyleBank,
    description,
    quality,
    voice_list,
)
from polydub.errors import EngineError


def tone(frames: int, loud: bool = True) -> np.ndarray:
    time = np.arange(frames * FRAME) / RATE
    return ((0.3 if loud else 0.0) * np.sin(2 * np.pi * 200 * time)).astype(np.float32)


def speech(*parts: tuple[int, bool]) -> np.ndarray:
    """Loud and silent stretches in frames, moved as Kokoro's audio is against its durations."""
    samples = np.concatenate([tone(frames, loud) for frames, loud in parts])
    return np.concatenate([samples[LEAD:], np.zeros(LEAD, np.float32)])


def test_phones_cover_the_trimmed_audio() -> None:
    audio = speech((10, False), (20, True), (6, False), (20, True), (10, False))
    spoken = timed("ab, cd", [10, 10, 10, 4, 2, 10, 10, 10], audio)
    assert [symbol for symbol, _, _ in spoken.phones] == ["a", "b", " ", "c", "d"]
    assert spoken.phones[0][1] == 0
    assert spoken.phones[-1][2] == len(spoken.samples)
    assert all(a[2] == b[1] for a, b in itertools.pairwise(spoken.phones))
    assert len(spoken.samples) == pytest.approx(46 * FRAME, abs=2 * 480 + 240)


def test_phone_times_match_the_sound() -> None:
    audio = speech((8, False), (12, True), (8, False), (12, True), (4, False))
    spoken = timed("a, b", [8, 12, 4, 4, 12, 4], audio)
    pause = next((first, last) for symbol, first, last in spoken.phones if symbol == " ")
    loud = np.flatnonzero(np.abs(spoken.samples) > 1e-3)
    gap = int(np.diff(loud).argmax())
    assert pause[0] == pytest.approx(loud[gap], abs=120)
    assert pause[1] == pytest.approx(loud[gap + 1], abs=120)


def test_a_word_boundary_without_silence_is_no_pause() -> None:
    spoken = timed("a b", [4, 10, 3, 10, 4], speech((4, False), (23, True), (4, False)))
    assert [symbol for symbol, _, _ in spoken.phones] == ["a", "b"]


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        ("ˈa", ["a"]),
        ("aː", ["aː"]),
        ("ɔ̃", ["ɔ̃"]),
        ("ʧA", ["tʃ", "eɪ"]),
        ("ma↓", ["m", "a"]),
        ("kʲa", ["kʲ", "a"]),
    ],
)
def test_marks_belong_to_their_phone(symbols: str, expected: list[str]) -> None:
    durations = [5, *[6] * len(symbols), 5]
    spoken = timed(symbols, durations, speech((5, False), (6 * len(symbols), True), (5, False)))
    assert [symbol for symbol, _, _ in spoken.phones] == expected


def test_silence_is_one_pause() -> None:
    spoken = timed("a", [2, 2, 2], tone(6, loud=False))
    assert len(spoken.samples) == 6 * FRAME
    assert spoken.phones[-1][2] == 6 * FRAME


def test_a_click_beyond_the_speech_is_trimmed_with_the_silence() -> None:
    """Kokoro makes one at the end of hurried sentences; a short word after a pause is none."""
    for length, kept in ((1, False), (3, False), (4, True)):
        samples = np.concatenate([tone(10), tone(20, loud=False), tone(length)])
        spoken = timed("a.b", [2, 8, 20, length, 2], samples)
        assert (len(spoken.samples) > 15 * FRAME) is kept
        assert spoken.phones[-1][2] == len(spoken.samples)


def test_pieces_are_joined_by_a_pause() -> None:
    piece = Spoken(np.ones(100, np.float32), (("a", 0, 100),))
    spoken = joined([piece, piece], 50)
    assert len(spoken.samples) == 250
    assert spoken.phones == (("a", 0, 100), (" ", 100, 150), ("a", 150, 250))
    assert not spoken.samples[100:150].any()
    phones = as_phones(spoken)
    assert phones[1].span.start == Fraction(100, RATE)
    assert phones[-1].span.end == Fraction(250, RATE)


def test_there_are_54_voices_of_nine_languages() -> None:
    voices = voice_list()
    assert len(voices) == 54
    assert {voice.language for voice in voices} == set(kokoro.g2p.LANGUAGES)
    assert {voice.gender for voice in voices} == {"female", "male"}
    assert description()["licence"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("grade", "value"),
    [("A", 0.95), ("A-", 0.9), ("B-", 0.75), ("C+", 0.7), ("F+", 0.4), ("", 0.65)],
)
def test_quality(grade: str, value: float) -> None:
    assert quality(grade) == value


def test_styles_native_first_then_by_quality() -> None:
    english = styles("en")
    assert english[0].name == "af_heart"
    assert [style.language for style in english[:28]] == ["en"] * 20 + ["en-GB"] * 8
    assert len(english) == 54
    assert styles("fr")[0].name == "ff_siwis"
    assert styles("en-GB")[0].name == "bf_emma"
    for language in kokoro.g2p.LANGUAGES:
        native = [style.quality for style in styles(language) if style.language == language]
        assert native == sorted(native, reverse=True)


def test_prosody_is_native(monkeypatch: pytest.MonkeyPatch) -> None:
    pitches = {"am_michael": 110.0, "ff_siwis": 220.0, "af_heart": 210.0, "em_alex": 110.0}
    monkeypatch.setattr(bank, "pitches", lambda: pitches)
    assert prosody_of("af_heart", "en") == ("af_heart", 1.0)
    assert prosody_of("bf_emma", "en") == ("bf_emma", 1.0)
    assert prosody_of("am_michael", "fr") == ("ff_siwis", 0.5)
    assert prosody_of("am_michael", "es") == ("em_alex", 1.0)
    assert prosody_of("am_puck", "es")[1] == 1.0  # never measured


def test_style_halves_come_from_two_voices() -> None:
    styles_of = StyleBank()
    mixed = styles_of.style("am_michael", "ef_dora", 40)
    assert mixed.shape == (1, 256)
    assert mixed.dtype == np.float32
    np.testing.assert_array_equal(
        mixed[0, TIMBRE], styles_of.style("am_michael", "am_michael", 40)[0, TIMBRE]
    )
    np.testing.assert_array_equal(
        mixed[0, PROSODY], styles_of.style("ef_dora", "ef_dora", 40)[0, PROSODY]
    )
    assert "am_michael" in styles_of
    assert "nobody" not in styles_of


def test_timbre_can_be_shared() -> None:
    styles_of = StyleBank()
    own, lender = (styles_of.style(name, name, 40) for name in ("am_michael", "ff_siwis"))
    mixed = styles_of.style("am_michael", "ff_siwis", 40, share=0.25)
    expected = 0.25 * own[0, TIMBRE] + 0.75 * lender[0, TIMBRE]
    np.testing.assert_allclose(mixed[0, TIMBRE], expected, atol=1e-6)
    np.testing.assert_array_equal(mixed[0, PROSODY], lender[0, PROSODY])


def test_style_rows_end_at_the_longest_text() -> None:
    bank_ = StyleBank()
    np.testing.assert_array_equal(
        bank_.style("af_heart", "af_heart", 510), bank_.style("af_heart", "af_heart", 9999)
    )


def test_long_symbols_are_cut_at_clauses() -> None:
    symbols = ("a" * 90 + ", ") * 14
    pieces = kokoro._cut(symbols)
    assert all(0 < len(piece) <= 510 for piece in pieces)
    assert "".join(pieces).replace(" ", "") == symbols.replace(" ", "")
    assert all(piece.endswith(",") for piece in pieces)
    assert [len(piece) for piece in kokoro._cut("a" * 1100)] == [510, 510, 80]
    assert kokoro._cut("") == []


def test_short_sentences_are_said_in_one_go() -> None:
    assert kokoro._grouped(["a" * 100, "b" * 100, "c" * 200]) == [
        "a" * 100 + " " + "b" * 100,
        "c" * 200,
    ]


def test_bank_has_every_voice() -> None:
    entries = bank.load_bank("es")
    assert [entry.name for entry in entries] == [voice.name for voice in voice_list()]
    for entry in entries:
        assert entry.voiceprint.shape == (192,)
        assert np.linalg.norm(entry.voiceprint) == pytest.approx(1.0, abs=1e-3)
        assert 70 < entry.pitch_hz < 350
    by_gender = {
        gender: np.median([e.pitch_hz for e in entries if e.gender == gender])
        for gender in ("female", "male")
    }
    assert by_gender["male"] < 150 < by_gender["female"]


def test_voices_are_judged_by_language_and_by_the_mean_of_what_was_measured_elsewhere() -> None:
    spanish, french, hindi = (
        {entry.name: entry.quality for entry in bank.load_bank(language)}
        for language in ("es", "fr", "hi")
    )
    mos = bank.measured().mos
    assert set(mos) == {"en", "es", "fr", "zh"}
    assert all(scores.shape == (54,) for scores in mos.values())
    assert all(1 < score < 5 for scores in mos.values() for score in scores)
    first = voice_list()[0].name
    assert spanish[first] == pytest.approx((mos["es"][0] - 1) / 4, abs=1e-3)
    assert hindi[first] == pytest.approx(
        np.mean([(scores[0] - 1) / 4 for scores in mos.values()]), abs=1e-3
    )
    assert french["jf_gongitsune"] < french["af_nova"]


@pytest.mark.parametrize(("speed", "first"), [(0.8, 1.0), (1.0, 1.0), (1.3, 1.3)])
def test_the_silence_before_the_first_sound_is_never_stretched(speed: float, first: float) -> None:
    assert kokoro._rates(4, speed).tolist() == pytest.approx([first, speed, speed, speed])


@pytest.mark.weights
def test_a_slow_sentence_begins_no_later() -> None:
    engine = kokoro.KokoroSynthesizer()
    try:
        lengths = [
            engine._melodies(SpeechRequest("Hello there.", "en", "af_heart"), "en", speed)[0].frames
            for speed in (1.0, 0.7)
        ]
    finally:
        engine.close()
    assert lengths[0][0] == lengths[1][0]
    assert sum(lengths[1][1:]) > 1.3 * sum(lengths[0][1:])


@pytest.mark.parametrize(("operation", "fits"), [("Div", True), ("Mul", False)])
def test_only_a_graph_that_divides_durations_by_the_rate_takes_a_rate_per_token(
    operation: str, fits: bool
) -> None:
    helper = pytest.importorskip("onnx").helper
    speed, lengths = (helper.make_tensor_value_info(x, 1, [1]) for x in ("speed", "lengths"))
    node = helper.make_node(operation, ["lengths", "speed"], ["out"])
    graph = helper.make_graph([node], "g", [speed, lengths], [])
    if fits:
        kokoro_graph._free_rates(graph)
        assert graph.input[0].type.tensor_type.shape.dim[0].dim_param == "rates"
    else:
        with pytest.raises(EngineError, match="not Kokoro's"):
            kokoro_graph._free_rates(graph)
