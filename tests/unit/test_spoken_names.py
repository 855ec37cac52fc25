"""Names in the text: who is called, who names himself, and what that says about who speaks."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from polydub.model import Script, Span, Transcript, Turn, Word
from polydub.simulate.texts import TEXTS
from polydub.stages.attribute import Attribution, attribute
from polydub.stages.carry_over import carry_over
from polydub.stages.joint_evidence import Atom
from polydub.stages.joint_names import Calls, NameOptions, bearers_of, calls_of
from polydub.stages.spoken_names import spoken_names


def words(text: str, *, spaced: bool = True, start: float = 0.0) -> list[Word]:
    """0.3 s a word; without spaces every character is one, with its punctuation."""
    parts: list[str] = text.split() if spaced else []
    for char in "" if spaced else text:
        if parts and not char.isalnum():
            parts[-1] += char
        else:
            parts.append(char)
    times = [start + 0.3 * at for at in range(len(parts))]
    return [Word(x, Span.of(t, t + 0.3), spaced=spaced) for x, t in zip(parts, times, strict=True)]


def found(text: str, language: str = "en") -> list[tuple[str, str]]:
    mentions = spoken_names(words(text, spaced=language != "zh"), language)
    return [(mention.name, mention.manner) for mention in mentions]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Anna, where are you?", [("Anna", "called")]),
        ("en", "Where are you, Anna?", [("Anna", "called")]),
        ("en", "Hey Ben! Come here.", [("Ben", "called")]),
        ("en", "Thank you, Emily.", [("Emily", "called")]),
        ("en", "I saw Zoltan there. Zoltan, sit down.", [("Zoltan", "called")]),
        ("en", "I'm Anna.", [("Anna", "own")]),
        ("en", "Hello, my name is Zoltan.", [("Zoltan", "own")]),
        ("en", "This is Anna.", [("Anna", "own")]),
        ("es", "¿Dónde estás, Pedro?", [("Pedro", "called")]),
        ("es", "Me llamo Lucía.", [("Lucía", "own")]),
        ("es", "Soy Juan.", [("Juan", "own")]),
        ("fr", "Bonjour, Marie.", [("Marie", "called")]),
        ("fr", "Je m'appelle Claire.", [("Claire", "own")]),
        ("de", "Ich heiße Karl.", [("Karl", "own")]),
        ("zh", "我叫张三。", [("张三", "own")]),
        ("zh", "我是老王。", [("老王", "own")]),
        ("zh", "王小明，你在哪里？", [("王小明", "called")]),
        ("zh", "你好，李雷。", [("李雷", "called")]),
    ],
)
def test_a_name_that_is_called_or_given(
    language: str, text: str, expected: list[tuple[str, str]]
) -> None:
    assert found(text, language) == expected


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I met Anna yesterday."),  # told of
        ("en", "This is my brother, Tom."),
        ("en", "Anna, Ben and I went home."),  # a list
        ("en", "Tomorrow, we leave. Well, maybe. Yes, Sir."),
        ("en", "Zebras, they say, are shy."),  # unknown at the beginning of a sentence
        ("en", "I'm American. We live in Springfield, Ohio."),
        ("de", "Das ist gut, Wasser."),  # every noun has a capital
        ("zh", "高兴，我很好。"),
        ("und", "Hm."),
    ],
)
def test_other_words_are_no_names(language: str, text: str) -> None:
    assert found(text, language) == []


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_texts_without_names_have_none(language: str) -> None:
    said = TEXTS[language]
    lines = [x for pair in said.exchanges for x in pair] + [*said.backchannels, *said.narration]
    assert found(("" if language == "zh" else " ").join(lines), language) == []


def test_a_mention_covers_its_sentence() -> None:
    (mention,) = spoken_names(words("Good. Where are you, Anna? Here."), "en")
    assert (mention.first, mention.last) == (1, 5)


def test_who_is_called_does_not_speak_but_answers() -> None:
    said = words("Anna, where are you? I am here. Anna, come down.")
    atoms = [Atom(word.span, at) for at, word in enumerate(said)]
    calls = calls_of(atoms, spoken_names(said, "en"), NameOptions())
    right, wrong = np.array([0] * 4 + [1] * 3 + [0] * 3), np.array([0] * 4 + [1] * 6)
    totals = calls.totals(right, 2)
    assert totals[1, 0] > 0 > totals[0, 0]
    assert calls.bearers(right, 2).tolist() == [1]
    worth = [calls.worth(labels, 2, calls.bearers(labels, 2)) for labels in (right, wrong)]
    assert worth[0] > worth[1]
    assert calls.proposals(right, 2)[1][0] == "Anna"
    assert Calls().worth(right, 2, Calls().bearers(right, 2)) == 0.0


def test_one_call_alone_says_nothing_about_who_speaks() -> None:
    said = words("Anna, where are you? I am here.")
    atoms = [Atom(word.span, at) for at, word in enumerate(said)]
    calls = calls_of(atoms, spoken_names(said, "en"), NameOptions())
    one, other = np.array([0] * 4 + [1] * 3), np.array([1] * 4 + [0] * 3)
    worth = [calls.worth(labels, 2, calls.bearers(labels, 2)) for labels in (one, other)]
    assert worth[0] == worth[1]
    assert calls.proposals(one, 2) == {}


def test_a_voice_has_one_name_and_a_name_one_voice() -> None:
    assert bearers_of(np.array([[4.0, 2.0], [1.0, -1.0]])).tolist() == [0, -1]
    assert bearers_of(np.array([[3.0, 2.5], [2.0, -1.0]])).tolist() == [1, 0]
    assert bearers_of(np.zeros((0, 1))).tolist() == [-1]


LINES = (
    ("V1", "Anna, where have you been?"),
    ("V2", "Down in the garden, Tom."),
    ("V1", "Anna, you should be asleep."),
    ("V2", "It is so early, Tom."),
)


def told(last: str, likeness: float = 0.5) -> Attribution:
    """A conversation whose last line sounds like either speaker."""
    voices = {"V1": np.array([1.0, 0, 0]), "V2": np.array([0, 1.0, 0])}
    between = likeness * voices["V1"] + (1 - likeness) * voices["V2"]
    voices["V3"] = between / np.linalg.norm(between)
    said: list[Word] = []
    turns: list[Turn] = []
    for voice, text in (*LINES, ("V3", last)):
        start = float(said[-1].span.end) + 0.2 if said else 0.0
        line = words(text, start=start)
        said += line
        turns.append(Turn(Span(line[0].span.start, line[-1].span.end), voice))
    prints = {voice: value.astype(np.float32) for voice, value in voices.items()}
    transcript = Transcript("en", 1.0, tuple(said))
    return attribute(
        transcript, turns, prints, [], [], [], frame_time=lambda at: Fraction(at, 25), rate=25.0
    )


def test_names_decide_between_two_voices_that_are_as_likely() -> None:
    for last, speaker in (("Anna, come back now.", "S1"), ("Tom, come back now.", "S2")):
        result = told(last)
        assert [line.speaker for line in result.lines][-1] == speaker


def test_names_are_proposed_and_a_person_changes_them() -> None:
    result = told("Anna, come back now.")
    names = {speaker.id: speaker.name for speaker in result.cast}
    assert names == {"S1": "Tom", "S2": "Anna"}
    assert all(0.5 < (speaker.name_confidence or 0) < 1 for speaker in result.cast)
    script = Script("film", "0", Fraction(20), "en", result.cast, result.lines)
    (tom, anna) = result.cast
    edited = script.with_cast((tom, type(anna)(id="S2", name="Annette")))
    carried = carry_over(edited, script, before=script)
    assert [x.name for x in carried.cast] == ["Tom", "Annette"]
    assert [x.name_confidence is None for x in carried.cast] == [False, True]


def test_without_names_nobody_gets_one() -> None:
    plain = Transcript("en", 1.0, tuple(words("So we went home again.")))
    turns = [Turn(Span.of(0, 2), "V1")]
    alone = attribute(
        plain, turns, {}, [], [], [], frame_time=lambda at: Fraction(at, 25), rate=25.0
    )
    assert [(x.name, x.name_confidence) for x in alone.cast] == [("Speaker 1", None)]
