from __future__ import annotations

import json
import os
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from polydub.errors import InputError, ProjectError
from polydub.model import (
    SCHEMA,
    Line,
    Person,
    Script,
    Span,
    Speaker,
    Translation,
    Turn,
    VoiceChoice,
    Word,
)
from polydub.project import codec
from polydub.project.codec import script_from_data, script_from_json, script_to_json
from polydub.project.script_file import read_script, script_problems, write_script

GOLDEN = Path(__file__).parent.parent / "golden" / "script.json"


def sample() -> Script:
    words = (
        Word("You", Span.of("0", "0.24"), 0.97),
        Word("like", Span.of("0.24", "0.5"), 0.99),
        Word("it?", Span.of("0.5", "1.88")),
    )
    return Script(
        source="film.mp4",
        digest="ab12",
        duration=Fraction(1001, 24),
        language="en",
        cast=(
            Speaker(
                "S1",
                "Olivia",
                person="P1",
                gender="female",
                pitch_hz=210.5,
                references=(Span.of("0", "1.88"),),
                reference_scores=({"score": 0.81, "noise": 0.9},),
                pitch_range_hz=(170.0, 260.5),
                syllables_per_s=4.2,
                gender_confidence=0.8,
                name_confidence=0.85,
                voices={"es": VoiceChoice("kokoro", "ef_dora", 1.05, 0.94, 0.5, 0.48)},
                confidence=0.9,
            ),
            Speaker("S2", "Narrator"),
        ),
        lines=(
            Line(
                "L001",
                "S1",
                Span.of("0", "1.88"),
                "You like it?",
                words,
                "on-screen",
                0.93,
                {
                    "es": Translation(
                        "¿Te gusta?", "draft", "llm-local", "unchecked", "1:2", ("¿Sí?",)
                    )
                },
                ("a note",),
            ),
            Line(
                "L002",
                "S2",
                Span(Fraction(7, 3), Fraction(10, 3)),
                "四年后",
                (Word("四年后", Span(Fraction(7, 3), Fraction(10, 3)), spaced=False),),
                "narration",
                translations={"pt-BR": Translation("Quatro anos depois", "given")},
            ),
        ),
        people=(Person("P1", ("t1", "t7"), (Span.of("0", "2.5"),), "P1.jpg"),),
        wordless=(Turn(Span.of("1.5", "2"), "S2"),),
    )


def data() -> dict[str, Any]:
    return json.loads(script_to_json(sample()))


def test_round_trip_is_exact() -> None:
    assert script_from_json(script_to_json(sample())) == sample()


def test_no_field_of_the_vocabulary_is_forgotten() -> None:
    line, speaker = data()["lines"][0], data()["cast"][0]
    written = {
        Script: data(),
        Line: line,
        Word: line["words"][0] | data()["lines"][1]["words"][0],
        Translation: line["translations"]["es"],
        Speaker: speaker,
        VoiceChoice: speaker["voices"]["es"],
        Person: data()["people"][0],
    }
    for kind, value in written.items():
        assert {field.name for field in fields(kind)} - {"extra"} <= set(value), kind


def test_golden() -> None:
    assert script_to_json(sample()) == GOLDEN.read_text(encoding="utf-8")


def test_times_are_decimals_or_ratios() -> None:
    text = script_to_json(sample())
    assert '"span": [0.0, 1.88]' in text
    assert '"span": ["7/3", "10/3"]' in text
    assert '"duration": "1001/24"' in text


def test_decimals_are_read_exactly() -> None:
    text = script_to_json(sample()).replace('"duration": "1001/24"', '"duration": 41.708333333333')
    assert script_from_json(text).duration == Fraction("41.708333333333")
    text = text.replace("41.708333333333", "4.2e1")
    assert script_from_json(text).duration == 42


def test_a_parsed_document_with_floats_is_read_to_the_microsecond() -> None:
    assert script_from_data(data()).lines[0].span == Span.of("0", "1.88")


def test_unknown_fields_survive_at_every_level(tmp_path: Path) -> None:
    document = data()
    document["studio"] = {"zoom": 1.25, "open": [1, 2.5, None]}
    document["cast"][0]["color"] = "#aa0000"
    document["cast"][0]["voices"]["es"]["seed"] = 7
    document["people"][0]["actor"] = "somebody"
    document["lines"][0]["emotion"] = {"anger": 0.75}
    document["lines"][0]["translations"]["es"]["reviewer"] = "Ana"
    document["lines"][0]["words"][1]["stress"] = 0.125
    document["lines"][1]["take"] = "1/3"
    path = tmp_path / "script.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    script = read_script(path)
    assert script.extra == {"studio": {"zoom": 1.25, "open": [1, 2.5, None]}}
    assert script.lines[0].extra["emotion"] == {"anger": 0.75}
    write_script(path, script)
    assert json.loads(path.read_text(encoding="utf-8")) == document
    assert read_script(path) == script


def test_what_is_unknown_about_a_translation_survives_a_new_text() -> None:
    document = data()
    document["lines"][0]["translations"]["es"]["reviewer"] = "Ana"
    script = script_from_data(document)
    line = replace(
        script.lines[0], translations={"es": Translation("¿Sí?"), "fr": Translation("?")}
    )
    written = json.loads(script_to_json(script.with_lines((line, *script.lines[1:]))))
    assert written["lines"][0]["translations"] == {
        "es": {"text": "¿Sí?", "status": "ok", "reviewer": "Ana"},
        "fr": {"text": "?", "status": "ok"},
    }


def test_absent_fields_have_defaults() -> None:
    line = {"id": "a", "speaker": "S", "span": [1, "3/2"]}
    script = script_from_data({"schema": SCHEMA, "cast": [{"id": "S"}], "lines": [line]})
    assert script.language == "und"
    assert script.cast[0].name == "S"
    assert script.lines[0] == Line("a", "S", Span(Fraction(1), Fraction(3, 2)), "")


def test_language_tags_are_normalised() -> None:
    document = data()
    document["language"] = "ENG"
    document["lines"][0]["translations"] = {"pt_br": {"text": "x"}}
    script = script_from_data(document)
    assert script.language == "en"
    assert list(script.lines[0].translations) == ["pt-BR"]


def edit(document: dict[str, Any], where: str, value: Any) -> None:
    *path, last = [int(key) if key.isdigit() else key for key in where.split("/")]
    at: Any = document
    for key in path:
        at = at[key]
    at[last] = value


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("lines/1/span", [3, 2], r"lines\[1\]\.span: end before start"),
        ("lines/0/span", [-1, 2], r"lines\[0\]\.span: starts before zero"),
        ("lines/0/span", 4, r"lines\[0\]\.span: \[start, end\].* found a number"),
        ("lines/0/span", [0, "soon"], r"lines\[0\]\.span\[1\]: 'soon' is not a time"),
        ("lines/0/span", [0, "1/0"], r"lines\[0\]\.span\[1\]"),
        ("lines/0/span", [0, True], r"lines\[0\]\.span\[1\]: a time .* found true or false"),
        ("lines/0/span", [0, 1e300], r"lines\[0\]\.span\[1\]"),
        ("lines/0/span", None, r"lines\[0\]\.span: is missing"),
        ("lines/1/id", "L001", r"lines\[1\]\.id: 'L001' is already used by lines\[0\]"),
        ("lines/1/id", " ", r"lines\[1\]\.id: must not be empty"),
        ("lines/1/speaker", "S9", r"lines\[1\]\.speaker: 'S9' is not in the cast"),
        ("lines/0/text", 3, r"lines\[0\]\.text: a text is expected"),
        (
            "lines/0/visibility",
            "hidden",
            r"lines\[0\]\.visibility: 'hidden' is none of 'on-screen'",
        ),
        ("lines/0/notes", "x", r"lines\[0\]\.notes: a list is expected, found a text"),
        ("lines/0/notes", [1], r"lines\[0\]\.notes\[0\]: a text"),
        ("lines/0/confidence", "high", r"lines\[0\]\.confidence: a number"),
        ("lines/0/translations/es/status", "fine", r"lines\[0\]\.translations\.es\.status"),
        ("lines/0/translations/xx1", {"text": ""}, r"translations\.xx1: 'xx1' is not a language"),
        ("lines/0/translations/spa", {"text": ""}, r"there are two translations for 'es'"),
        ("lines/0/words/2/span", [1], r"lines\[0\]\.words\[2\]\.span"),
        ("lines/0/words/0/spaced", 1, r"words\[0\]\.spaced: true or false"),
        ("lines/0", [], r"lines\[0\]: an object is expected, found a list"),
        ("lines", {}, "lines: a list is expected"),
        ("cast/1/id", "S1", r"cast\[1\]\.id: 'S1' is already used"),
        ("cast/1/person", "P9", r"cast\[1\]\.person: there is no person 'P9'"),
        ("cast/0/voices/es", {"style": "x"}, r"cast\[0\]\.voices\.es\.engine: is missing"),
        ("cast/0/pitch_hz", [], r"cast\[0\]\.pitch_hz: a number"),
        ("people/0/tracks", [1], r"people\[0\]\.tracks\[0\]"),
        ("language", "englisch", "language: 'englisch' is not a language code"),
        ("duration", -3, "duration: must not be negative"),
        ("schema", "x/1", "schema: 'polydub.script/1' is expected"),
        ("schema", 7, "schema"),
        ("schema", "polydub.script/2", "polydub.script/2.*another version"),
    ],
)
def test_errors_name_the_place(where: str, value: Any, message: str) -> None:
    document = data()
    edit(document, where, value)
    with pytest.raises(ProjectError, match=message) as caught:
        script_from_data(document)
    assert caught.value.code == "DUB-E303"
    assert caught.value.hint
    with pytest.raises(ProjectError, match=message):
        script_from_json(json.dumps(document))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        '{"schema": "polydub.script/1", "duration": NaN}',
        '{"schema": "polydub.script/1", "duration": 1e999999999}',
        '{"schema": "polydub.script/1", "duration": "1e999999999"}',
        '{"schema": "polydub.script/1", "cast": [{"id": "a", "confidence": 1e999}]}',
        '{"schema": "polydub.script/1", "x": ' + "[" * 100_000,
    ],
)
def test_broken_documents(text: str) -> None:
    with pytest.raises(ProjectError) as caught:
        script_from_json(text)
    assert caught.value.code == "DUB-E303"


def test_a_json_error_names_its_line() -> None:
    with pytest.raises(ProjectError, match="line 2, column"):
        script_from_json('{"schema": "polydub.script/1",\n oops}')


def test_older_schemas_are_upgraded(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_zero(old: dict[str, Any]) -> dict[str, Any]:
        lines = [
            {"id": f"L{i}", "speaker": who, "span": [start, end], "text": text}
            for i, (who, start, end, text) in enumerate(old.pop("dialogue"))
        ]
        cast = [{"id": name} for name in dict.fromkeys(line["speaker"] for line in lines)]
        return old | {"schema": "polydub.script/0.5", "cast": cast, "lines": lines}

    def from_half(old: dict[str, Any]) -> dict[str, Any]:
        return old | {"schema": SCHEMA, "language": old.pop("tongue")}

    monkeypatch.setitem(codec.UPGRADES, "polydub.script/0", from_zero)
    monkeypatch.setitem(codec.UPGRADES, "polydub.script/0.5", from_half)
    text = """{"schema": "polydub.script/0", "tongue": "en", "future": 1,
               "dialogue": [["Ann", 0.1, 1.88, "Hi."], ["Bob", 2, 3, "Oh."]]}"""
    script = script_from_json(text)
    assert [speaker.id for speaker in script.cast] == ["Ann", "Bob"]
    assert script.lines[0].span == Span.of("0.1", "1.88")
    assert script.extra == {"future": 1}


def test_an_upgrade_that_goes_in_circles_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(codec.UPGRADES, "polydub.script/0", lambda old: old)
    with pytest.raises(ProjectError, match=r"polydub\.script/0"):
        script_from_data({"schema": "polydub.script/0"})


def test_file_round_trip_is_atomic(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    write_script(path, sample())
    assert read_script(path) == sample()
    assert os.listdir(tmp_path) == ["script.json"]
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_script(path) == sample()


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "script.json"
    write_script(path, sample())

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ProjectError, match="No space left") as caught:
        write_script(path, sample().with_lines(()))
    assert caught.value.code == "DUB-E304"
    assert read_script(path) == sample()
    assert os.listdir(tmp_path) == ["script.json"]


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError) as missing:
        read_script(tmp_path / "none.json")
    assert missing.value.code == "DUB-E101"
    path = tmp_path / "script.json"
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(ProjectError, match="UTF-8"):
        read_script(path)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ProjectError, match=r"script\.json: schema"):
        read_script(path)


def test_problems() -> None:
    assert script_problems(sample()) == []
    lines = (
        Line("L1", "S1", Span.of(5, 9), "Hello."),
        Line("L2", "S1", Span.of(2, 2), "Hm."),
        Line("L3", "S1", Span.of(8, 60), ""),
    )
    found = script_problems(sample().with_lines(lines))
    assert [problem.split(":")[0] for problem in found] == ["L2", "L3", "L3", "L2", "L3", "S2"]
    text = "\n".join(found)
    for part in ("no length", "no text", "after the film", "starts before L1", "overlaps L1"):
        assert part in text
