from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from polydub.model import Line, Script, Span, Speaker, Translation, VoiceChoice, Word
from polydub.project.codec import script_from_json, script_to_json
from polydub.stages.carry_over import carry_over, lost_edits, restructured, same_speakers


def line(number: int, speaker: str, start: int, end: int, text: str = "") -> Line:
    """One word per second, ``w<second>``; the text is that of the words unless told otherwise."""
    words = tuple(Word(f"w{at}", Span.of(at, at + 1)) for at in range(start, end))
    said = text or " ".join(word.text for word in words)
    return Line(f"L{number:03d}", speaker, Span.of(start, end), said, words)


def script(*lines: Line, **names: str) -> Script:
    ids = sorted({x.speaker for x in lines})
    cast = tuple(Speaker(x, names.get(x, f"Speaker {x[1:]}")) for x in ids)
    return Script("film.mp4", "d", Fraction(99), "en", cast, lines)


def test_texts_translations_and_notes_follow_their_line() -> None:
    before = script(line(1, "S1", 0, 3), line(2, "S2", 4, 6))
    edited = replace(
        before.lines[1],
        text="Hello.",
        translations={"es": Translation("Hola.", "given")},
        notes=("checked",),
        extra={"mine": 1},
        visibility="narration",
    )
    old = before.with_lines((before.lines[0], edited))
    new = script(line(1, "S1", 0, 2), line(2, "S2", 2, 3), line(3, "S3", 4, 6))
    kept = carry_over(old, new, before=before).lines[2]
    assert (kept.id, kept.speaker) == ("L003", "S3")
    assert (kept.text, kept.notes, kept.extra) == ("Hello.", ("checked",), {"mine": 1})
    assert (kept.translations["es"].text, kept.visibility) == ("Hola.", "narration")
    assert lost_edits(old, new, before) == ()


def test_equal_words_elsewhere_are_another_line() -> None:
    old = script(replace(line(1, "S1", 0, 1, "Hi!"), words=(Word("hi", Span.of(0, 1)),)))
    new = script(
        replace(line(1, "S1", 5, 6), text="hi", words=(Word("hi", Span.of(5, 6)),)),
    )
    assert carry_over(old, new).lines[0].text == "hi"


def test_joined_lines_get_their_texts_one_after_the_other() -> None:
    before = script(line(1, "S1", 0, 2), line(2, "S2", 2, 4))
    one = replace(before.lines[0], text="One.", translations={"es": Translation("Uno.", "given")})
    two = replace(before.lines[1], translations={"es": Translation("Dos.", "ok", "fake")})
    old = before.with_lines((one, two))
    (joined,) = carry_over(old, script(line(1, "S1", 0, 4)), before=before).lines
    assert joined.text == "One. w2 w3"
    assert (joined.translations["es"].text, joined.translations["es"].status) == (
        "Uno. Dos.",
        "given",
    )
    untouched = carry_over(before, script(line(1, "S1", 0, 4)), before=before)
    assert untouched.lines[0].text == "w0 w1 w2 w3" and not untouched.lines[0].translations


def test_lines_that_were_joined_get_their_own_texts_back() -> None:
    before = script(line(1, "S1", 0, 2), line(2, "S2", 2, 4))
    one = replace(before.lines[0], text="One.", translations={"es": Translation("Uno.", "given")})
    two = replace(before.lines[1], translations={"es": Translation("Dos.", "given", note="mine")})
    together = script(line(1, "S1", 0, 4))
    joined = carry_over(before.with_lines((one, two)), together, before=before)
    joined = script_from_json(script_to_json(joined))  # as on disk
    again = carry_over(joined, before, before=together)
    assert [x.text for x in again.lines] == ["One.", "w2 w3"]
    assert [x.translations["es"] for x in again.lines] == [
        one.translations["es"],
        two.translations["es"],
    ]
    assert lost_edits(joined, before, together) == ()
    assert not any(x.extra for x in again.lines)


def test_a_joined_line_that_was_worded_anew_has_no_parts_to_give_back() -> None:
    before = script(line(1, "S1", 0, 2), line(2, "S2", 2, 4))
    lines = (replace(x, translations={"es": Translation("Uno.", "given")}) for x in before.lines)
    together = script(line(1, "S1", 0, 4))
    (joined,) = carry_over(before.with_lines(tuple(lines)), together, before=before).lines
    anew = replace(joined, translations={"es": Translation("Otra cosa.", "given")})
    assert lost_edits(together.with_lines((anew,)), before, together) == (anew,)
    again = carry_over(together.with_lines((anew,)), before, before=together)
    assert not any(x.translations for x in again.lines)


def test_an_edit_of_a_line_that_was_cut_is_lost_and_told() -> None:
    before = script(line(1, "S1", 0, 4), line(2, "S1", 5, 7))
    old = before.with_lines((replace(before.lines[0], text="Edited."), before.lines[1]))
    new = script(line(1, "S1", 0, 2), line(2, "S2", 2, 4), line(3, "S1", 5, 6), line(4, "S2", 6, 7))
    assert [x.id for x in lost_edits(old, new, before)] == ["L001"]
    assert [x.text for x in carry_over(old, new, before=before).lines][:2] == ["w0 w1", "w2 w3"]


def test_names_and_voices_follow_the_speaker_with_most_time() -> None:
    before = script(line(1, "S1", 0, 5), line(2, "S2", 6, 8), line(3, "S3", 9, 10))
    old = before.with_cast(
        (
            replace(before.cast[0], name="Ada", voices={"es": VoiceChoice("kokoro", "ef_dora")}),
            replace(before.cast[1], gender="female"),
            replace(before.cast[2], name="Cy"),
        )
    )
    new = script(line(1, "S1", 6, 8), line(2, "S2", 0, 5), line(3, "S2", 9, 10))
    assert same_speakers(old, new) == {"S2": "S1", "S1": "S2"}
    cast = carry_over(old, new, before=before).cast
    assert [speaker.name for speaker in cast] == ["Speaker 1", "Ada"]
    assert cast[0].gender == "female" and cast[1].voices["es"].style == "ef_dora"


def test_only_added_removed_or_retimed_lines_are_another_cut() -> None:
    before = script(line(1, "S1", 0, 2), line(2, "S2", 2, 4))
    texts = before.with_lines(tuple(replace(x, text="x", speaker="S2") for x in before.lines))
    assert not restructured(before, texts)
    assert restructured(before, before.with_lines(before.lines[:1]))
    later = replace(before.lines[1], span=Span.of(3, 4))
    assert restructured(before, before.with_lines((before.lines[0], later)))
