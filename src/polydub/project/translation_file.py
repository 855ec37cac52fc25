"""A translation that the user brings: subtitles, a table or another script."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from polydub.model.language import same_language
from polydub.project.script_file import read_script
from polydub.project.subtitles import Cue, read_subtitles
from polydub.project.tables import columns, read_table, read_texts
from polydub.project.text_files import unreadable


@dataclass(frozen=True, slots=True)
class GivenTranslation:
    """What a translation file holds: texts by line id, and cues to be matched by time."""

    texts: dict[str, str] = field(default_factory=dict)
    cues: tuple[Cue, ...] = ()


def read_translation(
    path: str | Path, target: str, *, rate: Fraction | None = None
) -> GivenTranslation:
    """The translation into ``target`` in an SRT, VTT, ASS, CSV or script JSON file.

    A table needs ``id,text`` or ``start_time,end_time,translation``; ``rate`` is the frame rate for
    times that count frames. Raises ``InputError`` DUB-E101 or DUB-E107, ``ProjectError`` DUB-E303.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return _from_script(path, target)
    if suffix not in (".csv", ".tsv"):
        return GivenTranslation(cues=read_subtitles(path))
    if "id" in columns(path):
        return GivenTranslation(texts={key: text for key, text in read_texts(path).items() if text})
    rows = [row for row in read_table(path, rate=rate) if row.translation]
    if not rows:
        raise unreadable(path, "the column 'translation' is missing or empty")
    return GivenTranslation(
        cues=tuple(Cue(row.span, row.translation, row.speaker or None) for row in rows)
    )


def _from_script(path: str | Path, target: str) -> GivenTranslation:
    """By line id; a script of the target language itself gives its lines as cues."""
    script = read_script(path)
    texts: dict[str, str] = {}
    for line in script.lines:
        for tag, translation in sorted(
            line.translations.items(), key=lambda item: item[0] != target
        ):
            if translation.status != "untranslated" and same_language(tag, target):
                texts.setdefault(line.id, translation.text)
    if texts:
        return GivenTranslation(texts=texts)
    if script.language != "und" and same_language(script.language, target):
        return GivenTranslation(cues=tuple(Cue(line.span, line.text) for line in script.lines))
    raise unreadable(path, f"the script has no translation into '{target}'")
