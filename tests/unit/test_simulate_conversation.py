"""The conversation simulator: words, banks, sound, files."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from polydub.engines.fakes import FakeSynthesizer
from polydub.engines.protocols import Speech, SpeechRequest
from polydub.errors import InputError
from polydub.model import Phone, Span, Waveform
from polydub.simulate import (
    Conversation,
    ConversationSpec,
    FolderBank,
    PictureSpec,
    SoundSpec,
    SynthesizerBank,
    annotation,
    overlap_share,
    plan_conversation,
    render_sound,
    rttm,
    standard_suite,
    write_annotations,
    write_conversation,
)
from polydub.simulate.voices import RATE, audible, sounding, trimmed
from polydub.simulate.word_times import split_words, time_words


def phones(symbols: str, step: Fraction = Fraction(1, 10)) -> tuple[Phone, ...]:
    return tuple(Phone(c, Span(k * step, (k + 1) * step)) for k, c in enumerate(symbols))


def tone(seconds: float, rate: int = RATE, level: float = 0.2) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * 200 * time)).astype(np.float32)


class Counted(FakeSynthesizer):
    """Counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[SpeechRequest] = []

    def speak(self, request: SpeechRequest) -> Speech:
        self.asked.append(request)
        return super().speak(request)


@pytest.fixture
def bank(tmp_path: Path) -> SynthesizerBank:
    return SynthesizerBank(tmp_path / "bank", Counted())


SPEC = ConversationSpec(
    name="short",
    seed=5,
    speakers=2,
    seconds=6.0,
    overlap=0.1,
    backchannels=4.0,
    picture=PictureSpec(size=(320, 180)),
)


@pytest.fixture
def plan(bank: SynthesizerBank) -> Conversation:
    return plan_conversation(SPEC, bank)


class TestWords:
    def test_words_get_the_phones_that_they_spell(self) -> None:
        words = time_words("the cat sat", phones("ðəkætsæt"))
        assert [w.text for w in words] == ["the", "cat", "sat"]
        assert [w.span for w in words] == [
            Span.of("0", "0.2"),
            Span.of("0.2", "0.5"),
            Span.of("0.5", "0.8"),
        ]

    def test_a_pause_lies_between_words(self) -> None:
        first, second = time_words("no, I", phones("noʊ aɪ"))
        assert first.span.end == Fraction(3, 10)
        assert second.span.start == Fraction(4, 10)

    def test_characters_are_words_in_chinese(self) -> None:
        words = time_words("你好。", phones("nixau"))
        assert [(w.text, w.spaced) for w in words] == [("你", False), ("好。", False)]
        assert words[0].span.end == words[1].span.start == Fraction(2, 10)

    def test_more_words_than_phones_share_their_time(self) -> None:
        words = time_words("a b c", phones("a"))
        assert len(words) == 3
        assert words[0].span.start == 0 and words[-1].span.end == Fraction(1, 10)
        assert all(w.span.duration > 0 for w in words)

    def test_detached_punctuation_stays_with_its_word(self) -> None:
        assert split_words("Tu viens ?") == ["Tu", "viens ?"]

    def test_no_phones_no_words(self) -> None:
        assert time_words("hello", ()) == ()


class TestUtterances:
    def test_silence_around_is_cut_and_everything_moves(self) -> None:
        quiet = np.zeros(RATE // 2, np.float32)
        audio = Waveform(np.concatenate([quiet, tone(0.4), quiet]), RATE)
        made = trimmed(
            "v", "ab", audio, [Phone("a", Span.of("0.5", "0.7")), Phone("b", Span.of("0.7", "0.9"))]
        )
        assert float(made.audio.duration) == pytest.approx(0.4, abs=0.011)
        assert float(made.phones[1].span.start) == pytest.approx(0.2, abs=0.006)
        assert made.speech == (Span(Fraction(0), made.audio.duration),)

    def test_long_pauses_split_the_speech_short_ones_do_not(self) -> None:
        def gap(seconds: float) -> int:
            parts = [tone(0.3), np.zeros(round(seconds * RATE), np.float32), tone(0.3)]
            return len(audible(Waveform(np.concatenate(parts), RATE)))

        assert gap(0.2) == 1
        assert gap(0.4) == 2

    def test_rumble_sounds_but_is_no_speech(self) -> None:
        time = np.arange(round(0.5 * RATE)) / RATE
        rumble = (0.02 * np.sin(2 * np.pi * 30 * time)).astype(np.float32)
        audio = Waveform(np.concatenate([tone(0.4), rumble]), RATE)
        assert float(sounding(audio)[-1].end) == pytest.approx(0.9, abs=0.011)
        assert float(audible(audio)[-1].end) == pytest.approx(0.4, abs=0.03)
        made = trimmed("v", "a", audio, ())
        assert float(made.audio.duration) == pytest.approx(0.9, abs=0.011)
        assert float(made.speech[-1].end) == pytest.approx(0.4, abs=0.03)

    def test_all_utterances_are_equally_loud(self) -> None:
        loud, soft = (
            trimmed("v", "a", Waveform(tone(0.5, level=level), RATE), ()) for level in (0.7, 0.01)
        )
        levels = [float(np.sqrt(np.mean(u.audio.samples**2))) for u in (loud, soft)]
        assert levels[0] == pytest.approx(levels[1], rel=0.01)

    def test_a_sentence_is_spoken_once(self, tmp_path: Path) -> None:
        engine = Counted()
        first = SynthesizerBank(tmp_path, engine).utterance("low", "Hello there.", "en")
        again = SynthesizerBank(tmp_path, engine).utterance("low", "Hello there.", "en")
        assert len(engine.asked) == 1
        assert np.array_equal(first.audio.samples, again.audio.samples)
        assert first.words == again.words and first.phones == again.phones
        SynthesizerBank(tmp_path, engine).utterance("high", "Hello there.", "en")
        assert len(engine.asked) == 2

    def test_a_folder_of_recordings_is_a_bank(self, tmp_path: Path) -> None:
        for name in ("ann", "bob"):
            (tmp_path / name).mkdir()
            for number in range(6):
                stem = tmp_path / name / f"{number}"
                soundfile.write(stem.with_suffix(".wav"), tone(0.8 + 0.1 * number, 16000), 16000)
                stem.with_suffix(".txt").write_text(f"{name} says {number}", "utf-8")
        (tmp_path / "ann" / "speaker.json").write_text('{"gender": "female"}', "utf-8")
        bank = FolderBank(tmp_path)
        assert [(v.name, v.gender) for v in bank.voices("en")] == [("ann", "female"), ("bob", "")]
        plan = plan_conversation(replace(SPEC, seconds=4.0, overlap=0.0), bank)
        for turn in plan.turns:
            assert turn.text.startswith(plan.member(turn.speaker).voice)
        assert len({turn.text for turn in plan.turns}) == len(plan.turns)
        with pytest.raises(InputError):
            bank.utterance("ann", "never said", "en")

    def test_an_empty_folder_is_no_bank(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no recorded sentences"):
            FolderBank(tmp_path)


class TestSpecs:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"speakers": 7},
            {"speakers": 1, "narrator": True},
            {"overlap": 0.5},
            {"gaps_s": (-1.0, 1.0)},
            {"language": "xx"},
            {"seconds": 1.0},
        ],
        ids=str,
    )
    def test_impossible_wishes_are_errors(self, wrong: dict[str, object]) -> None:
        with pytest.raises(InputError) as caught:
            ConversationSpec(name="x", seed=1, **{"overlap": 0.0, **wrong})  # type: ignore[arg-type]
        assert caught.value.code == "DUB-E108"

    def test_too_few_voices_are_an_error(self, bank: SynthesizerBank) -> None:
        with pytest.raises(InputError, match="3 voices"):
            plan_conversation(replace(SPEC, speakers=4), bank)

    def test_the_standard_suite_has_its_groups(self) -> None:
        suite = standard_suite()
        groups = [spec.name.split("-")[0] for spec in suite]
        counts = {name: groups.count(name) for name in groups}
        assert counts == {"plain": 20, "overlap": 15, "similar": 15, "hard": 10}
        assert len({spec.seed for spec in suite}) == len({spec.name for spec in suite}) == 60
        assert all(spec.overlap <= 0.1 for spec in suite if not spec.name.startswith("overlap"))
        assert all(spec.overlap == 0.2 for spec in suite if spec.name.startswith("overlap"))
        assert all(spec.similar == spec.name.startswith("similar") for spec in suite)
        assert 20 * 60 < sum(spec.seconds for spec in suite) < 30 * 60


class TestSound:
    def test_every_stem_sounds_exactly_in_its_turns(self, plan: Conversation) -> None:
        sound = render_sound(plan)
        for member in plan.cast:
            stem = sound.stems[member.id].samples.copy()
            assert len(stem) == round(plan.duration * RATE)
            for turn in plan.turns:
                if turn.speaker == member.id:
                    part = turn.span.samples(RATE)
                    assert np.abs(stem[part]).max() > 0.01
                    stem[part.start : part.stop + 1] = 0
            assert not stem.any()

    def test_the_layers_add_up_in_a_dry_room(self, bank: SynthesizerBank) -> None:
        dry = replace(SPEC, sound=SoundSpec(music_db=10, noise_db=20, reverberation=0))
        sound = render_sound(plan_conversation(dry, bank))
        total = sound.voices.samples + sound.background.samples
        assert np.allclose(total, sound.film.samples, atol=1e-5)
        assert np.allclose(
            sum(s.samples for s in sound.stems.values()), sound.voices.samples, atol=1e-5
        )

    @pytest.mark.parametrize("below", [0.0, 15.0])
    def test_noise_lies_where_it_was_asked_for(self, bank: SynthesizerBank, below: float) -> None:
        spec = replace(SPEC, sound=SoundSpec(noise_db=below, reverberation=0, room_gain_db=0))
        plan = plan_conversation(spec, bank)
        sound = render_sound(plan)
        spoken = np.concatenate([sound.voices.samples[t.span.samples(RATE)] for t in plan.turns])
        level = np.sqrt(np.mean(spoken**2)) / np.sqrt(np.mean(sound.background.samples**2))
        assert 20 * np.log10(level) == pytest.approx(below, abs=1.0)

    def test_the_same_plan_sounds_the_same(self, plan: Conversation) -> None:
        assert np.array_equal(render_sound(plan).film.samples, render_sound(plan).film.samples)


class TestFiles:
    def test_rttm_has_every_audible_part(self, plan: Conversation) -> None:
        rows = [row.split() for row in rttm(plan).splitlines()]
        assert len(rows) == sum(len(turn.speech) for turn in plan.turns)
        assert all(row[0] == "SPEAKER" and row[1] == "short" and len(row) == 10 for row in rows)
        spoken = sum(float(row[4]) for row in rows)
        assert spoken == pytest.approx(sum(float(t.span.duration) for t in plan.turns), abs=0.05)

    def test_annotations_look_like_those_of_the_clips(
        self, plan: Conversation, tmp_path: Path
    ) -> None:
        write_annotations(tmp_path / "a.jsonl", [plan, plan])
        one, _ = (json.loads(row) for row in (tmp_path / "a.jsonl").read_text("utf-8").splitlines())
        assert one == annotation(plan)
        assert list(one) == ["clip", "scene", "text", "clue", "turns"]
        assert list(one["turns"][0]) == ["start", "end", "speaker", "gender", "age"]

    def test_a_conversation_on_disk_is_complete(self, plan: Conversation, tmp_path: Path) -> None:
        seen: list[float] = []
        truth = write_conversation(plan, tmp_path, stems=True, progress=seen.append)
        names = {path.name for path in tmp_path.iterdir() if path.is_file()}
        endings = ("mp4", "wav", "film.wav", "background.wav", "rttm", "json", "S1.wav", "S2.wav")
        assert names == {f"short.{ending}" for ending in endings}
        assert seen[-1] == 1.0
        told = json.loads(truth.read_text("utf-8"))
        assert told["spec"]["seed"] == 5 and told["spec"]["picture"]["rate"] == "25"
        assert sum(b - a for a, b in told["overlaps"]) > 0
        assert overlap_share(plan.turns) == pytest.approx(0.1, abs=0.03)
        dry, rate = soundfile.read(tmp_path / "short.wav")
        assert rate == 16000 and dry.ndim == 1
        assert len(dry) == pytest.approx(float(plan.duration) * 16000, abs=2)
        with av.open(str(tmp_path / "short.mp4")) as film:
            count = sum(1 for _ in film.decode(video=0))
            assert count == plan.shots[-1].last
            assert film.streams.audio[0].rate == 48000
            assert film.streams.video[0].codec_context.name == "h264"

    def test_without_a_picture_there_is_no_film(
        self, bank: SynthesizerBank, tmp_path: Path
    ) -> None:
        plan = plan_conversation(replace(SPEC, picture=None), bank)
        write_conversation(plan, tmp_path)
        assert not (tmp_path / "short.mp4").exists()
        assert (tmp_path / "short.json").exists()
