"""Casting with shapeable voices, on engines whose sound is a timbre vector."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polydub.engines.protocols import (
    Capabilities,
    Delivery,
    Speech,
    SpeechRequest,
    StylePrint,
)
from polydub.errors import EngineError
from polydub.model import (
    Decision,
    Line,
    Phone,
    Samples,
    Script,
    Span,
    Speaker,
    Transcript,
    Translation,
    VoiceChoice,
    Voiceprint,
    Waveform,
    Word,
)
from polydub.pipeline import audition
from polydub.pipeline.audition import _beginning, audition_text
from polydub.pipeline.casting import cast_voices
from polydub.pipeline.profiles import Profiles, _heard_spans, _voiceprint
from polydub.stages.cast import VoiceProfile
from polydub.stages.shape import Shift

SIZE = 4
SPREAD = 0.3
"""What one unit of a shift changes in a timbre."""

RATE = 16_000
TEXT = "una frase que dice algo"
VOICES = {"near": np.array([1.0, 1, 0, 0]), "far": np.array([0.0, 1, 1, 0])}


def unit(values: Any) -> Voiceprint:
    vector = np.asarray(values, np.float32)
    return vector / np.linalg.norm(vector)


class Probe:
    size = SIZE

    def __init__(self, start: np.ndarray) -> None:
        self.start = start

    def say(self, shift: Shift) -> Waveform:
        return sound(self.start + SPREAD * shift)

    def slope(self, weights: Samples) -> Shift:
        return np.asarray(SPREAD * weights.reshape(-1, SIZE).sum(0), np.float32)


def sound(timbre: np.ndarray) -> Waveform:
    return Waveform(np.tile(timbre, RATE // SIZE).astype(np.float32), RATE)


class Plain:
    """A synthesiser whose style names are the timbre: ``name`` or ``name:a,b,c,d``."""

    capabilities = Capabilities("speak", "tone", "1", "", "", "", rate=RATE)

    def timbre(self, style: str) -> np.ndarray:
        name, _, moved = style.partition(":")
        shift = np.array([float(x) for x in moved.split(",")]) if moved else np.zeros(SIZE)
        return VOICES[name] + SPREAD * shift

    def speak(self, request: SpeechRequest) -> Speech:
        audio = sound(self.timbre(request.style))
        return Speech(audio, (Phone("a", Span.of(0, audio.duration)),))

    def styles(self, language: str) -> list[StylePrint]:
        return self.bank(language)

    def bank(self, language: str) -> list[StylePrint]:
        return [
            StylePrint(name, "es", "female", 0.5, 200.0, unit(vector))
            for name, vector in VOICES.items()
        ]


class Shapeable(Plain):
    broken = False

    def shaped(self, voice: str, *, pitch: float = 1.0, shift: Shift | None = None) -> str:
        if shift is None:
            return voice
        return voice.partition(":")[0] + ":" + ",".join(f"{x:.4f}" for x in shift)

    def less_shaped(self, style: str, share: float) -> str:
        return style

    def probe(self, request: SpeechRequest) -> Probe:
        if self.broken:
            raise EngineError("no torch")
        return Probe(self.timbre(request.style))


class Ear:
    capabilities = Capabilities("voiceprint", "ear", "1", "", "", "")

    def embed(self, audio: Waveform) -> Voiceprint:
        return unit(audio.samples[:SIZE])

    def slope(self, audio: Waveform, towards: Voiceprint) -> tuple[Voiceprint, Samples]:
        point = audio.samples[:SIZE].astype(np.float64)
        heard = point / np.linalg.norm(point)
        slope = (towards - (towards @ heard) * heard) / np.linalg.norm(point)
        made = np.zeros(len(audio.samples), np.float32)
        made[:SIZE] = slope
        return unit(heard), made


class Listener:
    """Understands voices whose last value is small."""

    capabilities = Capabilities("recognize", "listener", "1", "", "", "")

    def recognize(self, audio: Waveform, *, language: str, progress: Any = None) -> Transcript:
        said = TEXT if abs(audio.samples[3]) < 0.2 else "bla"
        words = tuple(Word(word, Span.of(i, i + 1)) for i, word in enumerate(said.split()))
        return Transcript(language, 1.0, words)


class Keeps:
    capabilities = Capabilities("convert", "keeps", "1", "", "", "")
    asked = 0

    def convert(
        self,
        audio: Waveform,
        reference: Waveform,
        choice: VoiceChoice,
        delivery: Delivery | None = None,
    ) -> Waveform:
        Keeps.asked += 1
        return audio

    def median_pitch(self, audio: Waveform) -> float | None:
        return 200.0


class Engines:
    def __init__(self, synthesizer: Any) -> None:
        self.made = {
            "speak": synthesizer,
            "voiceprint": Ear(),
            "recognize": Listener(),
            "convert": Keeps(),
        }

    def get(self, kind: str) -> Any:
        return self.made[kind]

    def name(self, kind: str) -> str:
        return str(self.made[kind].capabilities.name)

    def identity(self, kind: str) -> str:
        return self.name(kind)

    def capabilities(self, kind: str) -> Capabilities:
        return self.made[kind].capabilities  # type: ignore[no-any-return]


class StubRun:
    def __init__(self, folder: Path, synthesizer: Any) -> None:
        self.folder, self.engines = folder, Engines(synthesizer)
        folder.mkdir(exist_ok=True)
        self.decisions: list[Decision] = []

    def ensure(self, kind: str, *parts: Any, make: Callable[[Path], None]) -> tuple[Path, bool]:
        target = self.folder / f"{kind}{len(list(self.folder.iterdir()))}"
        target.mkdir()
        make(target)
        return target, False

    def decide(self, decision: Decision) -> None:
        self.decisions.append(decision)


class Progress:
    def step(self, name: str) -> None:
        pass


def cast(run: StubRun, wanted: Any) -> VoiceChoice:
    line = Line("L1", "S1", Span.of(0, 4), "x", translations={"es": Translation(TEXT)})
    script = Script("f", "", Fraction(4), "en", (Speaker("S1", "Speaker 1"),), (line,))
    profile = VoiceProfile("S1", unit(wanted), 200.0, "female")
    reference = Waveform(np.tile(sound(np.asarray(wanted)).samples, 4), RATE)
    profiles = Profiles({"S1": profile}, {"S1": reference}, "key")
    return cast_voices(run, script, profiles, "es", Progress())["S1"]  # type: ignore[arg-type]


def test_a_shaped_voice_is_chosen_when_it_is_nearer(tmp_path: Path) -> None:
    run = StubRun(tmp_path, Shapeable())
    choice = cast(run, [1, -0.5, 0, 0])
    assert choice.voice == "near" and ":" in choice.style
    assert choice.similarity is not None and choice.similarity > 0.7  # plain: 0.32
    assert (choice.pitch, choice.warp, choice.envelope) == (1.0, 1.0, 0.0)
    assert run.decisions == []


def test_a_shaped_voice_that_is_not_understood_is_dropped(tmp_path: Path) -> None:
    choice = cast(StubRun(tmp_path, Shapeable()), [0.1, 0, 0, 2])
    assert choice.style == "near"


def test_a_voice_that_cannot_be_shaped_stays_plain(tmp_path: Path) -> None:
    synthesizer = Shapeable()
    synthesizer.broken = True
    run = StubRun(tmp_path, synthesizer)
    choice = cast(run, [1, 0, 0, 0])
    assert choice.style == "near"
    assert [d.kind for d in run.decisions] == ["fallback"]
    assert "no torch" in run.decisions[0].reason


def test_other_synthesisers_are_tuned_after_synthesis(tmp_path: Path) -> None:
    Keeps.asked = 0
    choice = cast(StubRun(tmp_path, Plain()), [1, 0, 0, 0])
    assert choice.style == "near"
    assert Keeps.asked > 0


@pytest.mark.parametrize(
    ("text", "length"), [("short", 5), ("words " * 30, 83), ("字" * 190, 80), ("x" * 110, 110)]
)
def test_the_probe_is_the_beginning_of_the_text(text: str, length: int) -> None:
    made = _beginning(text)
    assert len(made) == length
    assert text.startswith(made)


def test_a_shape_that_is_too_much_is_taken_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = cast(StubRun(tmp_path, Shapeable()), [1, -0.5, 0, 0])
    first = float(whole.style.partition(":")[2].split(",")[1])
    limit = 1 + 0.7 * SPREAD * first  # the whole shift goes below it, 0.6 of it do not

    def recognize(self: Listener, audio: Waveform, **_: Any) -> Transcript:
        words = (TEXT if audio.samples[1] > limit else "bla").split()
        spans = (Span.of(i, i + 1) for i in range(len(words)))
        return Transcript("es", 1.0, tuple(map(Word, words, spans)))

    monkeypatch.setattr(Listener, "recognize", recognize)
    part = cast(StubRun(tmp_path, Shapeable()), [1, -0.5, 0, 0])
    assert part.voice == "near"
    moved = float(part.style.partition(":")[2].split(",")[1])
    assert moved == pytest.approx(0.6 * first, abs=0.01)
    assert part.similarity is not None and whole.similarity is not None
    assert 0.32 < part.similarity < whole.similarity


def test_other_words_of_the_same_sound_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of four words are written otherwise, but read they are the same: all of the shift."""

    class Reads(Shapeable):
        def phonemes(self, text: str, language: str) -> str:
            assert language == "es"
            return text.lower().replace("h", "").replace("v", "b").replace("que", "ke")

    def recognize(self: Listener, audio: Waveform, **_: Any) -> Transcript:
        words = (TEXT if audio.samples[1] == 1 else TEXT.replace("que", "ke").upper()).split()
        spans = (Span.of(i, i + 1) for i in range(len(words)))
        return Transcript("es", 1.0, tuple(map(Word, words, spans)))

    monkeypatch.setattr(Listener, "recognize", recognize)
    assert cast(StubRun(tmp_path / "a", Shapeable()), [1, -0.5, 0, 0]).style == "near"
    read = cast(StubRun(tmp_path / "b", Reads()), [1, -0.5, 0, 0])
    assert read.similarity is not None and read.similarity > 0.7


@pytest.mark.parametrize(
    ("language", "own", "other", "heard"),
    [
        ("es", "No sé.", "Vamos a ver qué dice ella mañana.", True),  # four words say too little
        ("es", "Una frase bastante larga, " * 4, "Otra frase de otra persona.", False),
        ("zh", "我不知道他们什么时候来。" * 3, "别人说的话", False),  # 36 characters: eight seconds
        ("es", "", "Nadie habla de mí.", None),
    ],
)
def test_who_says_little_is_auditioned_with_lines_of_others(
    language: str, own: str, other: str, heard: bool | None
) -> None:
    lines = tuple(
        Line(name, speaker, Span.of(0, 4), "x", translations={language: Translation(text)})
        for name, speaker, text in (("L1", "S2", other), ("L2", "S1", own))
    )
    speakers = (Speaker("S1", "A"), Speaker("S2", "B"))
    text = audition_text(Script("f", "", Fraction(8), "en", speakers, lines), "S1", language)
    if heard is None:
        assert text == ""
    else:
        assert text.startswith(own) and (other in text) is heard


def two_speakers(*lines: tuple[str, float, float]) -> Script:
    made = tuple(
        Line(f"L{at}", speaker, Span.of(start, end), "x")
        for at, (speaker, start, end) in enumerate(lines)
    )
    return Script("f", "", Fraction(60), "en", (Speaker("S1", "A"), Speaker("S2", "B")), made)


def test_who_has_few_references_is_heard_in_all_lines_of_their_own() -> None:
    script = two_speakers(("S1", 0, 4), ("S2", 3, 6), ("S1", 8, 10))
    speech = (Span.of(0, 5), Span.of(8, 9))
    heard = _heard_spans("S1", [Span.of(0, 1)], script, speech)
    assert heard == (Span.of(0, 3), Span.of(8, 9))  # not where S2 talks, and no silence


def test_enough_references_are_heard_alone() -> None:
    script = two_speakers(("S1", 0, 30), ("S2", 40, 50))
    assert _heard_spans("S1", [Span.of(2, 13)], script, (Span.of(0, 50),)) == (Span.of(2, 13),)
    most = _heard_spans("S2", [Span.of(41, 42)], script, ())  # a span without speech is better
    assert most == (Span.of(41, 42), Span.of(40, 50))  # than nothing


@pytest.mark.parametrize(("music", "both"), [(0.5, True), (3.0, False)])
def test_a_voice_is_what_is_heard_alone_and_among_other_sound(music: float, both: bool) -> None:
    stem, mix = (sound(np.array([1.0, beside, 0, 0])) for beside in (0.0, music))
    heard = _voiceprint(Ear(), stem, mix, (Span.of(0, 1),))
    assert np.linalg.norm(heard) == pytest.approx(1.0)
    assert bool(heard[1] > 0) is both
    if both:
        assert heard[1] < unit([1, music])[1]


@pytest.mark.parametrize(("clear", "chosen"), [("third", "third"), ("second", "second")])
def test_further_voices_are_heard_while_nobody_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clear: str, chosen: str
) -> None:
    voices = {
        "first": np.array([1.0, 1.0, 0.0, 0.3]),
        "second": np.array([1.0, 1.0, 0.2, 0.3]),
        "third": np.array([1.0, 1.0, 0.5, 0.3]),
        "fourth": np.array([1.0, 0.2, 0.9, 0.1]),
    }
    voices[clear][3] = 0.15  # so little of it is understood
    monkeypatch.setattr(sys.modules[__name__], "VOICES", voices)
    said: list[str] = []

    class Noted(Plain):
        def speak(self, request: SpeechRequest) -> Speech:
            said.append(request.style)
            return super().speak(request)

    class Shaping(Noted, Shapeable):
        broken = True

    assert cast(StubRun(tmp_path, Shaping()), [1, 1, 0, 0.3]).voice == chosen
    assert set(said) == {"first", "second", chosen}


class Judge:
    """Finds every voice the same, and counts how often it was asked for more."""

    name, version = "judge", "1"

    def __init__(self) -> None:
        self.asked = 0

    def score(self, audio: Waveform) -> dict[str, float]:
        return {"judge": 4.0}

    def slope(self, audio: Waveform) -> tuple[float, Samples]:
        assert audio.rate == RATE
        self.asked += 1
        return 4.0, np.zeros(len(audio.samples), np.float32)


def test_a_voice_is_moved_to_what_sounds_natural_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Judge()
    monkeypatch.setattr(audition, "predictor", lambda: judge)
    assert ":" in cast(StubRun(tmp_path / "a", Shapeable()), [1, -0.5, 0, 0]).style
    assert judge.asked > 1
    only_scores = type("Scores", (), {"name": "judge", "version": "2", "score": Judge.score})
    monkeypatch.setattr(audition, "predictor", only_scores)
    assert ":" in cast(StubRun(tmp_path / "b", Shapeable()), [1, -0.5, 0, 0]).style
