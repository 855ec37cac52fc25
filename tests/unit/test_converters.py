from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from polydub.errors import InputError
from polydub.model import Line, Script, Span, Speaker, Translation, Turn, Word
from polydub.project.converters import (
    EXPORT_FORMATS,
    GivenLine,
    export,
    funcineforge,
    lines_from_funcineforge,
    lines_from_tagged_srt,
    lines_of,
    read_lines,
    read_rttm,
    read_turns,
    rttm,
    script_from,
    tagged_srt,
    with_words,
)
from polydub.project.converters.given_lines import shared_text

RTTM = """;; made by hand
SPKR-INFO film 1 <NA> <NA> <NA> unknown Olivia <NA> <NA>
SPEAKER film 1 2.5 1.25 <NA> <NA> Tom <NA> <NA>
SPEAKER film 1 00:00:00,500 1.500 <NA> <NA> Olivia <NA> <NA>

SPEAKER film 1 9.000 0.000 <NA> <NA> Tom <NA> <NA>
"""

SRT = """1
00:00:00,500 --> 00:00:02,000
Olivia: How are you,
my dear?

2
00:00:02,100 --> 00:00:03,000
[NARRATOR] She knew the answer.

3
00:00:03,200 --> 00:00:04,000
- TOM: Fine.
- Olivia: Good!

4
00:00:05,000 --> 00:00:06,000
[door slams]

5
00:00:06.5 --> 00:00:07.5
<i>Let us go.</i>
"""


def test_rttm() -> None:
    turns = read_rttm(RTTM)
    assert turns == (
        Turn(Span.of("0.5", 2), "Olivia"),
        Turn(Span.of("2.5", "3.75"), "Tom"),
    )
    assert rttm([Turn(Span.of("0.5", 2), "Aunt Olivia")], "my film") == (
        "SPEAKER my_film 1 0.500 1.500 <NA> <NA> Aunt_Olivia <NA> <NA>\n"
    )


def test_rttm_of_several_files() -> None:
    text = "SPEAKER a 1 0 1 <NA> <NA> x <NA>\nSPEAKER b 1 1 1 <NA> <NA> y <NA>\n"
    assert read_rttm(text, file="b") == (Turn(Span.of(1, 2), "y"),)
    with pytest.raises(InputError, match="several files"):
        read_rttm(text)
    with pytest.raises(InputError, match="no turns of 'c'"):
        read_rttm(text, file="c")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("SPEAKER a 1 0 1 <NA> <NA> x\nSPEAKER a 1 zero 1 <NA> <NA> x\n", "line 2: 'zero'"),
        ("SPEAKER a 1 0 1\n", "line 1: 8 fields"),
        ("\nhello world\n", "line 2: 'hello world' is not"),
        ("SPEAKER a 1 0 -1 <NA> <NA> x\n", "line 1: '-1'"),
        ("", "no SPEAKER rows"),
    ],
)
def test_bad_rttm(text: str, what: str) -> None:
    with pytest.raises(InputError, match=what) as caught:
        read_rttm(text, "my.rttm")
    assert caught.value.code == "DUB-E107"
    assert caught.value.message.startswith("my.rttm")


def test_tagged_subtitles() -> None:
    lines = lines_from_tagged_srt(SRT)
    assert [(line.speaker, line.text) for line in lines] == [
        ("Olivia", "How are you, my dear?"),
        ("NARRATOR", "She knew the answer."),
        ("TOM", "Fine."),
        ("Olivia", "Good!"),
        ("Olivia", "Let us go."),
    ]
    assert lines[2].span == Span.of("3.2", "3.6")
    assert lines[4].span == Span.of("6.5", "7.5")


def test_a_script_from_tagged_subtitles() -> None:
    script = script_from(lines_from_tagged_srt(SRT), source="film.mp4", language="en")
    assert [(s.id, s.name) for s in script.cast] == [
        ("S1", "Olivia"),
        ("S2", "NARRATOR"),
        ("S3", "TOM"),
    ]
    assert [line.visibility for line in script.lines][:2] == ["off-screen", "narration"]
    assert script.duration == Fraction(15, 2)
    assert script.lines[0].id == "L001"


def test_a_colon_in_a_later_row_is_no_tag() -> None:
    text = "1\n00:00:00,000 --> 00:00:02,000\nOlivia: One rule.\nListen: be quiet.\n"
    assert [line.text for line in lines_from_tagged_srt(text)] == ["One rule. Listen: be quiet."]


def test_subtitles_without_empty_rows_between_them() -> None:
    text = "1\n00:00:00,000 --> 00:00:01,000\nA: x\n2\n00:00:01,000 --> 00:00:02,000\nB: 2\n"
    assert [(line.speaker, line.text) for line in lines_from_tagged_srt(text)] == [
        ("A", "x"),
        ("B", "2"),
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1\n00:00:00,000 --> 00:00:02,000\nNobody said this.\n", "line 3: the first subtitle"),
        ("1\n00:00:00,000 --> soon\nA: x\n", "line 2: 'soon'"),
        ("1\n00:00:02,000 --> 00:00:01,000\nA: x\n", "line 2: the subtitle ends"),
        ("A: x\n", "line 1: 'A: x' is not a time range"),
        ("", "no subtitles"),
    ],
)
def test_bad_tagged_subtitles(text: str, what: str) -> None:
    with pytest.raises(InputError, match=what) as caught:
        lines_from_tagged_srt(text, "my.srt")
    assert caught.value.code == "DUB-E107"


def test_names_that_a_plain_tag_cannot_hold_get_brackets() -> None:
    span = Span.of(0, 1)
    text = tagged_srt([GivenLine("the boy: 7", span, "Hi."), GivenLine("Narrator", span, "So.")])
    assert "[the boy: 7] Hi." in text
    assert "[Narrator] So." in text


ANNOTATION = {
    "clip": "c1",
    "text": "You like my job, right? Stop it. Stop acting like that.",
    "turns": [
        {"start": 0.0, "end": 1.875, "speaker": "1", "gender": "male", "age": "adult"},
        {"start": 1.875, "end": 4.4, "speaker": "2", "gender": "female", "age": "不确定"},
    ],
}


def test_annotations_share_their_text_out_at_sentence_ends() -> None:
    lines = lines_from_funcineforge(json.dumps(ANNOTATION), sample="c1")
    assert [line.text for line in lines] == [
        "You like my job, right?",
        "Stop it. Stop acting like that.",
    ]
    assert lines[0].gender == "male"
    assert (lines[1].gender, lines[1].age) == ("female", None)
    assert lines[1].span == Span.of("1.875", "4.4")


def test_model_input() -> None:
    sample = {
        "utt": "u",
        "type": "对话",
        "speech_length": 100,
        "messages": [
            {"role": "dialogue", "content": [{"start": 1, "duration": 2.5, "spk": 3}]},
            {"role": "text", "content": "你好。"},
            {"role": "video", "content": "u.mp4"},
        ],
    }
    (line,) = lines_from_funcineforge(json.dumps(sample, ensure_ascii=False))
    assert (line.speaker, line.span, line.text) == ("3", Span.of(1, "3.5"), "你好。")
    sample["messages"] = [
        {"role": "dialogue", "content": []},
        {"role": "text", "content": "从前。"},
    ]
    sample["type"] = "旁白"
    (line,) = lines_from_funcineforge(json.dumps(sample))
    assert (line.speaker, line.span) == ("NARRATOR", Span.of(0, 4))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{}\nnonsense\n", "line 2: not JSON"),
        ("[1]\n", "line 1: an object"),
        ('{"clip": "a"}\n', "line 1: 'dialogue'"),
        ('{"turns": [{"start": "soon", "end": 1, "speaker": "1"}]}\n', "line 1: 'start' is not"),
        ('{"turns": [{"start": 2, "end": 1, "speaker": "1"}]}\n', "line 1: a turn ends"),
        ('{"turns": [{"start": 0, "end": 1}]}\n', "line 1: a turn has no 'spk'"),
        ('{"turns": [{"start": 0, "end": NaN, "speaker": "1"}]}\n', "line 1: 'end' is not"),
        ('{"turns": [], "text": 3}\n', "line 1: 'text' is not"),
        ('{"turns": []}\n{"turns": []}\n', "several samples"),
        ("", "no samples"),
    ],
)
def test_bad_jsonl(text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        lines_from_funcineforge(text, "my.jsonl")


def test_long_films_become_samples_cut_at_the_widest_pauses() -> None:
    starts = [0, 12, 14, 40, 55]
    lines = [GivenLine("A", Span.of(s, s + 2), f"Line {s}.") for s in starts]
    rows = [json.loads(row) for row in funcineforge(lines, "film").splitlines()]
    assert [row["offset"] for row in rows] == [0, 40]
    assert [row["utt"] for row in rows] == ["film_001", "film_002"]
    assert rows[0]["speech_length"] == 16 * 25
    assert rows[0]["type"] == "独白"
    roles = {message["role"]: message["content"] for message in rows[1]["messages"]}
    assert set(roles) == {"text", "clue", "face", "dialogue", "vocal", "video"}
    assert roles["dialogue"][1]["start"] == 15
    assert lines_from_funcineforge(funcineforge(lines, "film")) == tuple(lines)


def test_shared_text_never_loses_a_word() -> None:
    shares = [Fraction(1), Fraction(1), Fraction(1)]
    assert shared_text("One. Two! Three?", shares, "en") == ["One.", "Two!", "Three?"]
    assert [part for part in shared_text("One, two", shares, "en") if part] == ["One,", "two"]
    assert shared_text("好。你呢？我也好。", shares, "zh") == ["好。", "你呢？", "我也好。"]
    assert shared_text("", shares, "en") == ["", "", ""]


def film() -> Script:
    cast = (Speaker("S1", "Olivia", gender="female"), Speaker("S2", "Olivia"), Speaker("S3", "3"))
    spanish = {"es": Translation("Hola.")}
    lines = (
        Line("L1", "S1", Span.of(0, 1), "Hello.", translations=spanish),
        Line("L2", "S2", Span.of(1, 2), "Hi, and bye."),
        Line("L3", "S3", Span.of(3, 4), "So it ended.", visibility="narration"),
    )
    return Script("my film.mp4", "d", Fraction(10), "en", cast, lines)


def test_every_speaker_gets_a_name_of_his_own() -> None:
    assert [line.speaker for line in lines_of(film())] == ["Olivia", "Olivia (S2)", "NARRATOR"]


@pytest.mark.parametrize("format", EXPORT_FORMATS)
def test_what_is_exported_can_be_brought_back(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"film{EXPORT_FORMATS[format]}"
    path.write_text(export(film(), format), encoding="utf-8")
    turns = [(turn.voice.replace("_", " "), turn.span) for turn in read_turns(path)]
    assert turns == [(line.speaker, line.span) for line in lines_of(film())]
    if format != "rttm":
        assert [line.text for line in read_lines(path)] == [line.text for line in film().lines]


def test_rttm_has_what_begins_or_goes_on_a_line_in_its_turn() -> None:
    extra = (
        Turn(Span.of("0.9", 1), "S2"),
        Turn(Span.of(4, "4.1"), "S3"),
        Turn(Span.of(6, 7), "S1"),
        Turn(Span.of(8, 9), "nobody"),
    )
    found = read_rttm(export(replace(film(), wordless=extra), "rttm"))
    assert [(turn.voice, turn.span) for turn in found] == [
        ("Olivia", Span.of(0, 1)),
        ("Olivia_(S2)", Span.of("0.9", 2)),
        ("NARRATOR", Span.of(3, "4.1")),
        ("Olivia", Span.of(6, 7)),
    ]


def test_export_with_translations(tmp_path: Path) -> None:
    path = tmp_path / "film.csv"
    path.write_text(export(film(), "csv", language="es"), encoding="utf-8")
    script = script_from(read_lines(path), source="f", language="en", target="es")
    assert script.lines[0].translations == {"es": Translation("Hola.", "given")}
    assert script.lines[1].translations == {}
    assert "Olivia: Hola." in export(film(), "srt", language="es")
    with pytest.raises(InputError, match="no translation into 'fr'"):
        export(film(), "csv", language="fr")
    with pytest.raises(InputError, match="no export format 'xml'"):
        export(film(), "xml")


def test_tables_with_other_columns_and_times(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_text(
        "start_time,mood,end_time,speaker,transcription\n"
        "62.345,gay,00:01:03.5,Tom,Hello\n"
        '"00:01:04,000",sad,65,,again\n',
        encoding="utf-8",
    )
    assert read_lines(path) == (
        GivenLine("Tom", Span.of("62.345", "63.5"), "Hello"),
        GivenLine("Tom", Span.of(64, 65), "again"),
    )
    path.write_text("start_time,end_time,transcription\n1,2,Hello\n", encoding="utf-8")
    with pytest.raises(InputError, match="first row does not say who speaks"):
        read_lines(path)


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "lines.vtt"
    path.write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n<v Tom>Hello\n", encoding="utf-8")
    assert read_lines(path) == (GivenLine("Tom", Span.of(1, 2), "Hello"),)
    path.write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n", encoding="utf-8")
    with pytest.raises(InputError, match="does not say who speaks"):
        read_lines(path)
    with pytest.raises(InputError, match=r"cannot be read from a '.doc' file"):
        read_lines(tmp_path / "lines.doc")


def test_words_come_to_the_lines_they_are_spoken_in() -> None:
    given = [GivenLine("A", Span.of(0, 2), "Hello there."), GivenLine("B", Span.of(2, 4), "")]
    words = [
        Word("Hallo", Span.of("0.1", "0.6")),
        Word("there.", Span.of("1.7", "2.2")),
        Word("Good", Span.of("2.2", "2.5")),
        Word("day.", Span.of("2.5", 3)),
        Word("far", Span.of(8, 9)),
    ]
    script = with_words(script_from(given, source="f", language="en"), words)
    assert [word.text for word in script.lines[0].words] == ["Hallo", "there."]
    assert script.lines[0].text == "Hello there."
    assert script.lines[1].text == "Good day."
