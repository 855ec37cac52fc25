"""A line whose pauses make it too long gives up pauses before it gives up its pace."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from polydub.engines import registry
from polydub.engines.fakes import FakeSynthesizer, register_fakes
from polydub.engines.protocols import Delivery, Foreseen, Speech, SpeechRequest
from polydub.model import Line, Script, Span, Speaker, Translation, VoiceChoice, Waveform, Word
from polydub.model.cues import CUE_STEP_S, PitchTrack
from polydub.pipeline import takes
from polydub.pipeline.listening import Heard
from polydub.pipeline.options import DubOptions
from polydub.pipeline.profiles import Profiles
from polydub.pipeline.run import Engines, Run
from polydub.pipeline.takes import Length, TakeMaker
from polydub.pipeline.translating import origin_of
from polydub.pipeline.wording import choose_texts
from polydub.project.folder import Project
from polydub.stages.best_take import AS_USUAL, Attempt
from polydub.stages.cues import Usual, take_cues
from polydub.stages.fit import Fit, FitOptions, find_slots, fit_lines
from polydub.stages.shape import Shift, VoiceProbe

LINE = Line(
    "L1",
    "S1",
    Span.of(0, 4),
    "one, two.",
    words=(Word("one,", Span.of(0, 1)), Word("two.", Span.of(3, 4))),
    translations={"es": Translation("uno, dos.")},
)


@pytest.fixture
def maker(tmp_path: Path) -> TakeMaker:
    video = tmp_path / "film.mp4"
    video.write_bytes(b"x")
    options = DubOptions(targets=("es",), engines=register_fakes())
    run = Run(Project.for_source(video), options, Engines(options))
    return TakeMaker(run, "es", {"S1": VoiceChoice("fake", "low")}, Profiles({}, {}, "k"))


def test_a_pause_that_fits_stays(maker: TakeMaker) -> None:
    assert [phrase.pause for phrase in maker.phrases(LINE)] == [0, 2]
    natural = maker.length(LINE)[0].seconds
    assert natural == maker.speech(LINE, 1.0)[0].audio.duration
    (slot,) = find_slots([LINE], Fraction(10))
    assert maker.tighten(LINE, slot, natural, FitOptions()) == natural
    assert [phrase.pause for phrase in maker.phrases(LINE)] == [0, 2]


def test_a_pause_shrinks_just_as_far_as_needed(maker: TakeMaker) -> None:
    short = replace(LINE, span=Span.of(0, "1.2"))
    natural = maker.length(short)[0].seconds
    (slot,) = find_slots([short], Fraction("1.2"))
    length = maker.tighten(short, slot, natural, FitOptions())
    assert length < natural
    assert float(length) == pytest.approx(1.2 * 1.2, abs=0.03)
    assert 0 < maker.phrases(short)[1].pause < 2


def test_pauses_leave_some_room_to_a_forecast(
    foretold: TakeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Speech that turns out 3 % longer than foretold is still said at a comfortable rate."""
    monkeypatch.setattr(Foreteller, "believed", 0.24)
    short = replace(LINE, span=Span.of(0, "1.2"))
    natural = foretold.length(short)[0].seconds
    (slot,) = find_slots([short], Fraction("1.2"))
    length = float(foretold.tighten(short, slot, natural, FitOptions()))
    assert 1.35 < length < 1.2 * 1.2 / 1.03


def test_neutral_voices_are_told_from_tuned_ones() -> None:
    assert VoiceChoice("fake", "low").is_neutral
    assert not VoiceChoice("fake", "low", pitch=1.1).is_neutral


class Foreteller(FakeSynthesizer):
    """Foretells what is ``believed`` at rate 1, and remembers at which rates it spoke.

    Of each sentence 0.2 s do not get shorter with the rate, as with real phones.
    """

    rates: ClassVar[list[float]] = []
    believed: ClassVar[float] = 1.0

    def seconds(self, request: SpeechRequest) -> float:
        return (self.believed - 0.2) / request.speed + 0.2

    def speak(self, request: SpeechRequest) -> Speech:
        self.rates.append(request.speed)
        return super().speak(request)


@pytest.fixture
def foretold(maker: TakeMaker, monkeypatch: pytest.MonkeyPatch) -> TakeMaker:
    registry.register("speak", "fake", Foreteller)
    monkeypatch.setattr(Foreteller, "rates", [])
    return maker


def fitted(maker: TakeMaker, line: Line) -> tuple[Speech, float]:
    natural = maker.length(line)[0].seconds
    fit = fit_lines([line], {line.id: natural}, line.span.end)[line.id]
    speech, _, speed = maker.fitted(line, fit, natural)
    return speech, speed


def test_a_length_that_is_foretold_needs_no_speech(foretold: TakeMaker) -> None:
    length, cached = foretold.length(LINE)
    assert length == Length(Fraction(2) + 2, foretold=True)  # two phrases and their pause
    assert not cached and foretold.length(LINE) == (length, True)
    assert Foreteller.rates == []


def test_the_rate_is_searched_for_before_anything_is_said(foretold: TakeMaker) -> None:
    tight = replace(LINE, span=Span.of(0, "0.9"), words=())
    fitted(foretold, tight)
    asked = SpeechRequest("x", "es", "low", Foreteller.rates[0])
    assert 0.75 < Foreteller().seconds(asked) < 0.86  # of 0.9 s; at 1.0 / 0.84 it would take 0.87 s


def test_a_slow_rate_is_searched_for_as_well(foretold: TakeMaker) -> None:
    fitted(foretold, replace(LINE, span=Span.of(0, "1.15"), words=()))
    asked = SpeechRequest("x", "es", "low", Foreteller.rates[0])
    assert Foreteller().seconds(asked) == pytest.approx(1.15 - 0.06, rel=0.015)  # less the slack


class Stumbler(FakeSynthesizer):
    """Gets shorter with the rate, and by a third at once from 1.25 on, as many phones do."""

    rates: ClassVar[list[float]] = []

    def seconds(self, request: SpeechRequest) -> float:
        return 0.54 / request.speed * (0.67 if request.speed >= 1.25 else 1.0)

    def speak(self, request: SpeechRequest) -> Speech:
        self.rates.append(request.speed)
        return super().speak(request)


@pytest.mark.parametrize("room", ["0.52", "0.51", "0.50", "0.49"])
def test_the_search_for_a_rate_stays_on_this_side_of_a_jump(maker: TakeMaker, room: str) -> None:
    registry.register("speak", "fake", Stumbler)
    Stumbler.rates.clear()
    fitted(maker, replace(LINE, span=Span.of(0, room), words=()))
    assert 1.0 < Stumbler.rates[0] < 1.25


def test_a_take_that_is_nearly_as_long_as_wanted_keeps_its_tempo(maker: TakeMaker) -> None:
    plain = maker.speech(replace(LINE, words=()), 1.1)[0].audio.duration
    made, speed = spoken_as(maker, str(float(plain) * 1.015), "3", 1.1)
    assert speed == 1.1 and made.audio.duration == plain


def test_speech_sped_up_on_a_wrong_forecast_is_said_again(
    foretold: TakeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Foreteller, "believed", 1.4)  # "uno, dos." takes 0.54 s in fact
    speech, speed = fitted(foretold, replace(LINE, span=Span.of(0, "1.3"), words=()))
    assert Foreteller.rates[0] > 1.0
    assert Foreteller.rates[1:] == [1.0] and speed == 1.0
    assert speech.audio.duration <= Fraction("1.3")


def test_nobody_is_hurried_for_nothing(
    foretold: TakeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Foreteller, "believed", 0.6)  # 0.54 s in fact, and shorter with the rate
    line = replace(LINE, words=(), span=Span.of(0, "0.5"))
    fit = Fit(line.id, 1.2, Fraction(0), Fraction(2))
    speech, _, speed = foretold.fitted(line, fit, Fraction("0.6"))
    assert len(Foreteller.rates) > 1 and speed < Foreteller.rates[0]
    assert float(speech.audio.duration) == pytest.approx(0.5, rel=0.02)


def test_what_a_line_taught_about_the_forecast_counts_for_its_further_takes(
    foretold: TakeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Foreteller, "believed", 0.6)
    line = replace(LINE, words=(), span=Span.of(0, "0.5"))
    fit = Fit(line.id, 1.2, Fraction(0), Fraction(2))
    first, _, speed = foretold.fitted(line, fit, Fraction("0.6"))
    Foreteller.rates.clear()
    other, _, faster = foretold.fitted(line, fit, Fraction("0.6"), Attempt(faster=0.07))
    assert Foreteller.rates == [faster] and faster != speed  # said once, another take
    assert float(other.audio.duration) == pytest.approx(float(first.audio.duration), rel=0.06)


class Even(FakeSynthesizer):
    """Foretells what is ``believed`` at rate 1; a sentence takes 0.54 s, by the rate shorter."""

    believed: ClassVar[float] = 0.54

    def seconds(self, request: SpeechRequest) -> float:
        return self.believed / request.speed


@pytest.mark.parametrize("believed", [0.52, 0.53, 0.535, 0.54, 0.545, 0.55, 0.56])
@pytest.mark.parametrize("planned", [1.2, 1.0, 0.85])
def test_the_comfortable_rates_hold_for_what_was_said(
    maker: TakeMaker, monkeypatch: pytest.MonkeyPatch, believed: float, planned: float
) -> None:
    """A forecast that is off by a few per cent makes no take faster, or slower, than is planned."""
    registry.register("speak", "fake", Even)
    monkeypatch.setattr(Even, "believed", believed)
    line = replace(LINE, words=(), span=Span.of(0, believed / planned))
    fit = Fit(line.id, planned, Fraction(0), Fraction(2))
    spoken = maker.take(line, fit, Fraction(str(believed)))
    assert 0.85 <= spoken.placement.speed <= 1.2
    assert spoken.placement.speed == pytest.approx(planned, rel=0.05)


def spoken_as(maker: TakeMaker, seconds: str, room: str, speed: float) -> tuple[Speech, float]:
    """What comes of a line of 0.54 s ("uno, dos." said by the fake voice)."""
    line = replace(LINE, words=(), span=Span.of(0, seconds))
    fit = Fit(line.id, speed, Fraction(0), Fraction(room))
    speech, _, used = maker.fitted(line, fit, Fraction(seconds) * Fraction(str(speed)))
    return speech, used


def test_a_take_that_is_a_little_too_long_is_said_faster(maker: TakeMaker) -> None:
    plain = maker.speech(replace(LINE, words=()), 1.0)[0]
    room = plain.audio.duration * Fraction(96, 100)
    made, speed = spoken_as(maker, "1", str(room), 1.0)
    assert speed == 1.04  # less is lost by that than by four per cent of tempo
    assert room * Fraction(98, 100) < made.audio.duration <= room


def test_the_last_per_cent_are_a_change_of_tempo(maker: TakeMaker) -> None:
    plain = maker.speech(replace(LINE, words=()), 1.0)[0]
    room = plain.audio.duration * Fraction(985, 1000)
    made, speed = spoken_as(maker, "1", str(room), 1.0)
    assert speed == 1.0  # not said again for so little
    assert abs(made.audio.duration - room) < Fraction(1, 1000)
    ratio = float(made.audio.duration / plain.audio.duration)
    for before, after in zip(plain.phones, made.phones, strict=True):
        assert float(after.span.end) == pytest.approx(float(before.span.end) * ratio, abs=1e-4)


def test_a_take_is_never_a_hair_too_long(maker: TakeMaker) -> None:
    plain = maker.speech(replace(LINE, words=()), 1.0)[0]
    room = plain.audio.duration - Fraction(7, 1000)  # less than what a tempo is changed for
    made, _ = spoken_as(maker, "1", str(room), 1.0)
    assert made.audio.duration <= room


def test_natural_speech_that_fits_is_not_touched(maker: TakeMaker) -> None:
    plain = maker.speech(replace(LINE, words=()), 1.0)[0]
    made, _ = spoken_as(maker, "1", "3", 1.0)
    assert made.audio.duration == plain.audio.duration


LONG, SHORT = "uno, dos y tres palabras que nadie necesita, " * 3 + "fin.", "uno, dos y fin."


def reworded(maker: TakeMaker, tmp_path: Path, translation: Translation) -> Translation:
    options = DubOptions(targets=("es",), engines=register_fakes())
    run = Run(Project.for_source(tmp_path / "film.mp4"), options, Engines(options))
    line = replace(LINE, visibility="on-screen", translations={"es": translation})
    script = Script("film.mp4", "d", Fraction(4), "en", (Speaker("S1", "A"),), (line,))
    return choose_texts(run, script, maker, "es").lines[0].translations["es"]


def test_the_wording_that_the_voice_can_say_in_time_is_chosen(
    maker: TakeMaker, tmp_path: Path
) -> None:
    made = Translation(LONG, "ok", "fake", origin=origin_of(LINE.text, LONG), alternatives=(SHORT,))
    found = reworded(maker, tmp_path, made)
    assert found.text == SHORT
    assert found.alternatives == (LONG, SHORT)
    assert found.origin == origin_of(LINE.text, SHORT)  # still the machine's, not edited by hand
    assert reworded(maker, tmp_path, found) == found  # and chosen again the next time


def test_what_a_person_wrote_is_not_replaced(maker: TakeMaker, tmp_path: Path) -> None:
    written = Translation(LONG, "given", alternatives=(SHORT,))
    assert reworded(maker, tmp_path, written) == written


class Singer(FakeSynthesizer):
    """Foretells an even melody, and remembers how far it is told to move from it."""

    told: ClassVar[list[float]] = []

    def foresee(self, request: SpeechRequest) -> Foreseen:
        speech = self.speak(request)
        seconds = float(speech.audio.duration)
        even = PitchTrack(CUE_STEP_S, np.full(int(seconds / CUE_STEP_S) + 1, 140.0))
        return Foreseen(seconds, speech.phones, even)

    def perform(self, request: SpeechRequest, delivery: Delivery) -> Speech:
        self.told.append(float(np.nanstd(12 * np.log2(delivery.pitch))))
        return self.speak(request)


def test_a_line_that_is_not_understood_is_said_with_ever_less_of_the_melody(
    maker: TakeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.register("speak", "fake", Singer)
    monkeypatch.setattr(Singer, "told", [])
    line = replace(LINE, words=(), span=Span.of(0, 2), translations={"es": Translation("u" * 33)})
    times = CUE_STEP_S * np.arange(200)
    sung = PitchTrack(CUE_STEP_S, 200 * 2 ** (4 / 12 * np.sin(4 * times)))
    tone = Waveform(0.1 * np.sin(2 * np.pi * 200 * np.arange(32_000) / 16_000), 16_000)
    cues = take_cues(line.id, tone, sung, Usual())
    singing = TakeMaker(maker._run, "es", maker._choices, maker._profiles, {line.id: cues})
    spoken = singing.take(line, Fit(line.id, 1.0, Fraction(0), Fraction(2)), Fraction("1.98"))
    usual, less, least = Singer.told[:3]  # the fake recogniser never understands
    assert less == pytest.approx(0.6 * usual, rel=0.1)
    assert least == pytest.approx(0.3 * usual, rel=0.1)
    assert len(spoken.takes) == 6 and all("contour" in scores for scores in spoken.takes)
    assert spoken.melody is not None and abs(spoken.melody) < 0.5  # a tone has none


@pytest.mark.parametrize(("language", "shares"), [("es", (0.6, 0.3, 0.0)), ("zh", (0.5, 0.0))])
def test_only_what_another_melody_changes_is_said_with_one(
    maker: TakeMaker, language: str, shares: tuple[float, ...]
) -> None:
    """A tone language has shares of its own, and a voice that is told none has its own melody."""
    assert TakeMaker(maker._run, language, {}, Profiles({}, {}, "k"))._manners() == ()
    registry.register("speak", "fake", Singer)
    run = Run(maker._run.project, maker._run.options, Engines(maker._run.options))
    assert TakeMaker(run, language, {}, Profiles({}, {}, "k"))._manners() == shares


@pytest.mark.parametrize(
    ("heard", "again", "said"),
    [("他们在哪", "她们在哪", 1), ("他们在哪", "他们的啊", 6), ("他们的啊", "她们在哪", 6)],
)
def test_a_mandarin_take_is_judged_by_its_sound(
    maker: TakeMaker, monkeypatch: pytest.MonkeyPatch, heard: str, again: str, said: int
) -> None:
    """Another character that is read alike needs no other take; another syllable does, twice."""
    pytest.importorskip("pypinyin")
    heard_so: list[str] = []

    def scores(*_: object) -> tuple[dict[str, float], Heard]:
        heard_so.append(heard + "吗" * len(heard_so))  # every take is heard in other words
        return {"cer": 0.25}, Heard(heard_so[-1], np.zeros(1, np.float32))

    monkeypatch.setattr(takes, "take_scores", scores)
    second = Heard(again, np.zeros(1, np.float32))
    monkeypatch.setattr(takes, "listen_again", lambda *_: second)
    line = replace(LINE, words=(), translations={"zh": Translation("她们在哪")})
    mandarin = TakeMaker(maker._run, "zh", maker._choices, maker._profiles)
    mandarin.take(line, Fit(line.id, 1.0, Fraction(0), Fraction(2)), Fraction("1.98"))
    assert len(heard_so) == said


def test_a_tone_is_said_without_the_melody_before_the_text_is_blamed(
    maker: TakeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heard in the same wrong words twice: in Spanish that is enough, Mandarin goes on."""
    registry.register("speak", "fake", Singer)
    times = CUE_STEP_S * np.arange(200)
    sung = PitchTrack(CUE_STEP_S, 200 * 2 ** (4 / 12 * np.sin(4 * times)))
    tone = Waveform(0.1 * np.sin(2 * np.pi * 200 * np.arange(32_000) / 16_000), 16_000)
    cues = take_cues(LINE.id, tone, sung, Usual())
    counts: dict[str, int] = {}
    for language in ("es", "zh"):

        def scores(*_: object, language: str = language) -> tuple[dict[str, float], Heard]:
            counts[language] = counts.get(language, 0) + 1
            return {"wer": 0.12}, Heard("一二三四五六七九", np.zeros(1, np.float32))

        monkeypatch.setattr(takes, "take_scores", scores)
        said = {language: Translation("一二三四五六七八")}
        line = replace(LINE, words=(), span=Span.of(0, 2), translations=said)
        singing = TakeMaker(maker._run, language, maker._choices, maker._profiles, {line.id: cues})
        singing.take(line, Fit(line.id, 1.0, Fraction(0), Fraction(2)), Fraction("1.98"))
    assert counts == {"es": 2, "zh": 3}


class Shaper(FakeSynthesizer):
    """Voices like ``low:0.80``; remembers with which shape every line was said."""

    shapes: ClassVar[list[float]] = []

    def speak(self, request: SpeechRequest) -> Speech:
        voice, _, shape = request.style.partition(":")
        self.shapes.append(float(shape or 0.0))
        return super().speak(replace(request, style=voice))

    def shaped(self, voice: str, *, pitch: float = 1.0, shift: Shift | None = None) -> str:
        return voice

    def less_shaped(self, style: str, share: float) -> str:
        voice, _, shape = style.partition(":")
        return f"{voice}:{float(shape) * share:.2f}" if shape else voice

    def probe(self, request: SpeechRequest) -> VoiceProbe:
        raise AssertionError("nothing is shaped anew")


def test_a_line_that_is_not_understood_is_said_by_a_voice_of_less_shape(
    maker: TakeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.register("speak", "fake", Shaper)
    monkeypatch.setattr(Shaper, "shapes", [])
    line = replace(LINE, words=())
    fit = Fit(line.id, 1.0, Fraction(0), Fraction(2))
    shaped = {"S1": VoiceChoice("fake", "low:0.80")}
    spoken = TakeMaker(maker._run, "es", shaped, maker._profiles).take(line, fit, Fraction("0.54"))
    assert Shaper.shapes[:3] == [0.8, 0.68, 0.56]  # the fake recogniser never understands
    assert len(spoken.takes) == 6
    assert spoken.take.voice.style == "low:0.80"  # none was better, so the first is kept


def test_the_same_take_is_not_made_and_judged_twice(
    maker: TakeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the edge of the comfortable rates some ways to say a line are one and the same."""
    monkeypatch.setattr(takes, "attempts", lambda **_: [AS_USUAL, AS_USUAL, Attempt(faster=0.06)])
    fit = Fit(LINE.id, 1.0, Fraction(0), Fraction(4))
    spoken = maker.take(LINE, fit, maker.length(LINE)[0].seconds)
    assert len(spoken.takes) == 2
