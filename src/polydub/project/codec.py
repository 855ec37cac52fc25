"""Script <-> JSON, schema ``polydub.script/1``: made to be read and edited by people.

Times are decimal seconds where that is exact, otherwise ``"numerator/denominator"``. Fields that
this version does not know survive a round trip at every level: a script, speaker, person or line
keeps them in its ``extra``; those of a word, translation or voice lie in the ``extra`` of the line
or speaker above, under the name of the list (``extra["words"]["3"]``), where no unknown field of
the line itself can be. Editing words drops what was unknown about words that no longer exist.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast

from polydub.errors import InputError, ProjectError
from polydub.model import (
    SCHEMA,
    Line,
    Person,
    Script,
    Speaker,
    Translation,
    TranslationStatus,
    Turn,
    Visibility,
    VoiceChoice,
    Word,
)
from polydub.model.language import parse_language
from polydub.project.json_values import (
    Fields,
    parse_json,
    read_span,
    read_time,
    script_error,
    span_value,
    time_value,
)

UPGRADES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Older schema name -> function that turns such a document into the next schema's."""

VISIBILITIES: tuple[str, ...] = ("on-screen", "off-screen", "narration")
STATUSES: tuple[str, ...] = ("ok", "draft", "given", "untranslated")

_WIDTH = 100


def script_from_json(text: str) -> Script:
    """The script in a JSON text. Raises ``ProjectError`` DUB-E303 with the place that is wrong."""
    return script_from_data(parse_json(text))


def script_to_json(script: Script) -> str:
    """The JSON text of a script, one word, voice or translation per line where it fits."""
    return _pretty(script_to_data(script)) + "\n"


def script_from_data(data: Any) -> Script:
    """The script in a JSON document that is already parsed; float times are rounded to the µs.

    Raises ``ProjectError`` DUB-E303: wrong type, end before start, duplicate id, unknown speaker or
    person, bad visibility or language, other schema.
    """
    fields = Fields(upgraded(data), "")
    fields.take("schema")
    script = Script(
        source=fields.text("source", ""),
        digest=fields.text("digest", ""),
        duration=read_time(fields.take("duration", 0), "duration"),
        language=_language(fields.text("language", "und"), "language"),
        cast=tuple(_speaker(Fields(v, p)) for v, p in fields.items("cast")),
        lines=tuple(_line(Fields(v, p)) for v, p in fields.items("lines")),
        people=tuple(_person(Fields(v, p)) for v, p in fields.items("people")),
        wordless=tuple(_turn(Fields(v, p)) for v, p in fields.items("wordless")),
    )
    _check_references(script)
    return replace(script, extra=fields.rest())


def upgraded(data: Any) -> dict[str, Any]:
    """``data`` in the current schema. Raises ``ProjectError`` DUB-E303 when that cannot be done."""
    if not isinstance(data, dict):
        raise script_error("document", "an object with cast and lines is expected")
    seen: set[str] = set()
    while (name := data.get("schema")) != SCHEMA:
        if not isinstance(name, str) or not name.startswith("polydub.script/"):
            raise script_error("schema", f"'{SCHEMA}' is expected, found {name!r}")
        if name not in UPGRADES or name in seen:
            raise ProjectError(
                f"The script has schema '{name}', this polydub reads '{SCHEMA}'.",
                hint="It was written by another version of polydub: install a newer one.",
                code="DUB-E303",
            )
        seen.add(name)
        data = UPGRADES[name](data)
    return cast("dict[str, Any]", data)


def _language(tag: str, path: str) -> str:
    if tag == "und":  # a source without speech has no language
        return tag
    try:
        return parse_language(tag)
    except InputError as error:
        raise script_error(path, f"'{tag}' is not a language code") from error


def _speaker(fields: Fields) -> Speaker:
    identifier = fields.identifier()
    voices: dict[str, VoiceChoice] = {}
    unknown: dict[str, Any] = {}
    for name, value, path in fields.mapping("voices"):
        voice = Fields(value, path)
        tag = _language(name, path)
        voices[tag] = VoiceChoice(
            engine=voice.text("engine"),
            style=voice.text("style"),
            pitch=voice.number("pitch", 1.0),
            warp=voice.number("warp", 1.0),
            envelope=voice.number("envelope", 0.0),
            similarity=voice.optional_number("similarity"),
            pinned=voice.flag("pinned", False),
        )
        _keep(unknown, tag, voice)
    return Speaker(
        id=identifier,
        name=fields.text("name", identifier),
        person=fields.optional_text("person"),
        gender=fields.optional_text("gender"),
        pitch_hz=fields.optional_number("pitch_hz"),
        references=tuple(read_span(v, p) for v, p in fields.items("references")),
        reference_scores=tuple(_numbers(v, p) for v, p in fields.items("reference_scores")),
        pitch_range_hz=_pair(fields, "pitch_range_hz"),
        syllables_per_s=fields.optional_number("syllables_per_s"),
        gender_confidence=fields.optional_number("gender_confidence"),
        name_confidence=fields.optional_number("name_confidence"),
        voices=voices,
        confidence=fields.number("confidence", 1.0),
        extra=_extra(fields, voices=unknown),
    )


def _numbers(value: Any, path: str) -> dict[str, float]:
    """An object of numbers."""
    fields = Fields(value, path)
    return {name: fields.number(name, 0.0) for name in value}


def _pair(fields: Fields, name: str) -> tuple[float, float] | None:
    """Two numbers, low and high, or nothing."""
    items = [Fields({"x": value}, path).number("x", 0.0) for value, path in fields.items(name)]
    return (items[0], items[1]) if len(items) == 2 else None


def _person(fields: Fields) -> Person:
    return Person(
        id=fields.identifier(),
        tracks=fields.texts("tracks"),
        seen=tuple(read_span(v, p) for v, p in fields.items("seen")),
        thumbnail=fields.optional_text("thumbnail"),
        extra=fields.rest(),
    )


def _line(fields: Fields) -> Line:
    words, unknown_words = _words(fields)
    translations: dict[str, Translation] = {}
    unknown: dict[str, Any] = {}
    for name, value, path in fields.mapping("translations"):
        tag = _language(name, path)
        if tag in translations:
            raise script_error(path, f"there are two translations for '{tag}'")
        item = Fields(value, path)
        translations[tag] = Translation(
            text=item.text("text"),
            status=cast("TranslationStatus", item.choice("status", STATUSES, "ok")),
            engine=item.text("engine", ""),
            note=item.text("note", ""),
            origin=item.text("origin", ""),
            alternatives=item.texts("alternatives"),
        )
        _keep(unknown, tag, item)
    return Line(
        id=fields.identifier(),
        speaker=fields.identifier("speaker"),
        span=fields.span("span"),
        text=fields.text("text", ""),
        words=words,
        visibility=cast("Visibility", fields.choice("visibility", VISIBILITIES, "off-screen")),
        confidence=fields.number("confidence", 1.0),
        translations=translations,
        notes=fields.texts("notes"),
        extra=_extra(fields, translations=unknown, words=unknown_words),
    )


def _words(fields: Fields) -> tuple[tuple[Word, ...], dict[str, Any]]:
    words: list[Word] = []
    unknown: dict[str, Any] = {}
    for value, path in fields.items("words"):
        word = Fields(value, path)
        words.append(
            Word(
                text=word.text("text"),
                span=word.span("span"),
                probability=word.number("probability", 1.0),
                spaced=word.flag("spaced", True),
            )
        )
        _keep(unknown, str(len(words) - 1), word)
    return tuple(words), unknown


def _keep(unknown: dict[str, Any], key: str, fields: Fields) -> None:
    if rest := fields.rest():
        unknown[key] = rest


def _extra(fields: Fields, **nested: dict[str, Any]) -> dict[str, Any]:
    return fields.rest() | {name: unknown for name, unknown in nested.items() if unknown}


def _check_references(script: Script) -> None:
    speakers = _unique("cast", (speaker.id for speaker in script.cast))
    people = _unique("people", (person.id for person in script.people))
    _unique("lines", (line.id for line in script.lines))
    for index, speaker in enumerate(script.cast):
        if speaker.person is not None and speaker.person not in people:
            raise script_error(f"cast[{index}].person", f"there is no person '{speaker.person}'")
    for index, line in enumerate(script.lines):
        if line.speaker not in speakers:
            raise script_error(f"lines[{index}].speaker", f"'{line.speaker}' is not in the cast")
    if script.duration < 0:
        raise script_error("duration", "must not be negative")


def _unique(name: str, ids: Iterable[str]) -> set[str]:
    seen: dict[str, int] = {}
    for index, identifier in enumerate(ids):
        if identifier in seen:
            first = f"{name}[{seen[identifier]}]"
            raise script_error(f"{name}[{index}].id", f"'{identifier}' is already used by {first}")
        seen[identifier] = index
    return set(seen)


def script_to_data(script: Script) -> dict[str, Any]:
    """The JSON document of a script: plain dicts, lists, texts and numbers."""
    return {
        "schema": SCHEMA,
        "source": script.source,
        "digest": script.digest,
        "duration": time_value(script.duration),
        "language": script.language,
        "cast": [_speaker_data(speaker) for speaker in script.cast],
        "people": [_person_data(person) for person in script.people],
        "lines": [_line_data(line) for line in script.lines],
        **({"wordless": [_turn_data(turn) for turn in script.wordless]} if script.wordless else {}),
        **script.extra,
    }


def _speaker_data(speaker: Speaker) -> dict[str, Any]:
    extra = dict(speaker.extra)
    unknown = extra.pop("voices", {})
    data = {
        "id": speaker.id,
        "name": speaker.name,
        "person": speaker.person,
        "gender": speaker.gender,
        "pitch_hz": speaker.pitch_hz,
        "confidence": speaker.confidence,
        "references": [span_value(span) for span in speaker.references],
        "reference_scores": [dict(scores) for scores in speaker.reference_scores] or None,
        "pitch_range_hz": list(speaker.pitch_range_hz) if speaker.pitch_range_hz else None,
        "syllables_per_s": speaker.syllables_per_s,
        "gender_confidence": speaker.gender_confidence,
        "name_confidence": speaker.name_confidence,
        "voices": {
            tag: _voice_data(voice) | unknown.get(tag, {}) for tag, voice in speaker.voices.items()
        },
    }
    return _without(data, None) | extra


def _voice_data(voice: VoiceChoice) -> dict[str, Any]:
    data = {
        "engine": voice.engine,
        "style": voice.style,
        "pitch": voice.pitch,
        "warp": voice.warp,
        "envelope": voice.envelope,
        "similarity": voice.similarity,
        "pinned": voice.pinned,
    }
    return _without(data, None)


def _turn(fields: Fields) -> Turn:
    return Turn(read_span(fields.take("span"), "wordless.span"), fields.text("speaker", ""))


def _turn_data(turn: Turn) -> dict[str, Any]:
    return {"speaker": turn.voice, "span": span_value(turn.span)}


def _person_data(person: Person) -> dict[str, Any]:
    data = {
        "id": person.id,
        "tracks": list(person.tracks),
        "seen": [span_value(span) for span in person.seen],
        "thumbnail": person.thumbnail,
    }
    return _without(data, None) | person.extra


def _line_data(line: Line) -> dict[str, Any]:
    extra = dict(line.extra)
    unknown = extra.pop("translations", {})
    unknown_words = extra.pop("words", {})
    data = {
        "id": line.id,
        "speaker": line.speaker,
        "span": span_value(line.span),
        "text": line.text,
        "translations": {
            tag: _translation_data(item) | unknown.get(tag, {})
            for tag, item in line.translations.items()
        },
        "visibility": line.visibility,
        "confidence": line.confidence,
        "notes": list(line.notes) or None,
        "words": [
            _word_data(word) | unknown_words.get(str(index), {})
            for index, word in enumerate(line.words)
        ],
    }
    return _without(data, None) | extra


def _translation_data(item: Translation) -> dict[str, Any]:
    data = {
        "text": item.text,
        "status": item.status,
        "engine": item.engine,
        "note": item.note,
        "origin": item.origin,
    }
    plain = _without(data, "", always="text")
    return plain | {"alternatives": list(item.alternatives)} if item.alternatives else plain


def _word_data(word: Word) -> dict[str, Any]:
    data: dict[str, Any] = {"text": word.text, "span": span_value(word.span)}
    if word.probability != 1.0:
        data["probability"] = word.probability
    if not word.spaced:
        data["spaced"] = False
    return data


def _without(data: dict[str, Any], absent: Any, *, always: str = "") -> dict[str, Any]:
    return {key: value for key, value in data.items() if key == always or value != absent}


def _pretty(value: Any, indent: str = "") -> str:
    """JSON with what fits into one line on one line; the document's own levels are always open."""
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not isinstance(value, dict | list) or not value:
        return flat
    if len(indent) > 2 and len(flat) + len(indent) <= _WIDTH:
        return flat
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [
            f"{inner}{json.dumps(key, ensure_ascii=False)}: {_pretty(item, inner)}"
            for key, item in value.items()
        ]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    parts = [inner + _pretty(item, inner) for item in value]
    return "[\n" + ",\n".join(parts) + f"\n{indent}]"
