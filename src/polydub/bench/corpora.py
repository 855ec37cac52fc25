"""Reads the clips of public corpora off their folders; see :mod:`polydub.bench.layouts`.

Every reader takes a folder and a target language and returns the clips that it finds, in order,
none when the folder has another shape. Nothing but names and small text files is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from polydub.bench.cases import Case, Told
from polydub.errors import InputError
from polydub.evaluate.truth import FilmTruth
from polydub.evaluate.who import tokens_of
from polydub.model import Span, Turn

GRID_RATE = 25_000
"""Of GRID's alignments: samples of the 25 kHz sound, so 1000 are a picture of the 25 Hz film."""
SILENT = ("sil", "sp")
GRID_WORDS = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},  # all but w
    {"z": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six"}
    | {"7": "seven", "8": "eight", "9": "nine"},
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)
"""What each character of a clip's name stands for: command, colour, preposition, letter, digit,
adverb."""
FILMS = (".mpg", ".mp4", ".mov", ".mkv", ".avi")


def grid(folder: Path, target: str) -> list[Case]:
    """GRID: ``s1/bbaf2n.mpg``; the folder may be that of one speaker or of all."""
    found = []
    for film in sorted(x for x in folder.rglob("*") if x.suffix in FILMS):
        text = grid_text(film.stem)
        speaker = next((p.name for p in film.parents if re.fullmatch(r"s\d{1,2}", p.name)), "")
        if text is None or not (speaker or film.parent == folder):
            continue
        words = _grid_words(film, speaker)
        name = f"{speaker}_{film.stem}" if speaker else film.stem
        if words:
            text = " ".join(word for word, _ in words)
        span = Span(words[0][1].start, words[-1][1].end) if words else None
        told = Told(text, speaker or "1", span)
        found.append(Case(_truth(film, name, "grid", "en", told), target, (told,)))
    return found


def grid_text(name: str) -> str | None:
    """The sentence that a clip's name encodes (``bbaf2n``: bin blue at f two now), else ``None``.

    A longer name (of another distribution) may end in it, after an underscore.
    """
    code = name.rsplit("_", 1)[-1]
    if len(code) != len(GRID_WORDS):
        return None
    words = [known.get(char, "") for char, known in zip(code, GRID_WORDS, strict=True)]
    return " ".join(words) if all(words) else None


def _grid_words(film: Path, speaker: str) -> list[tuple[str, Span]]:
    """The spoken words of ``NAME.align``: start, end, word per row."""
    places = [film.parent, film.parent / "align", *(p / "align" for p in film.parents[1:3])]
    places += [p / "alignments" / speaker for p in film.parents[1:4] if speaker]
    path = next((p for x in places if (p := x / f"{film.stem}.align").is_file()), None)
    if path is None:
        return []
    words = []
    for number, row in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        parts = row.split()
        if not parts:
            continue
        if len(parts) != 3 or not (parts[0].isdigit() and parts[1].isdigit()):
            raise _broken(path, number, "START END WORD")
        start, end = (Fraction(int(value), GRID_RATE) for value in parts[:2])
        if parts[2] not in SILENT and end > start:
            words.append((parts[2], Span(start, end)))
    return words


def v2c(folder: Path, target: str) -> list[Case]:
    """V2C-Animation: ``MOVIE/MOVIE_videos/CHARACTER/0034.mp4`` and its text among the speeches."""
    found = []
    for videos in sorted(x for x in folder.rglob("*_videos") if x.is_dir()):
        movie = videos.name.removesuffix("_videos")
        speeches = videos.parent / f"{movie}_speeches"
        for film in sorted(videos.glob("*/*.mp4")):
            who = film.parent.name
            path = speeches / who / "00" / f"{who}-00-{film.stem}.normalized.txt"
            if not path.is_file():
                continue
            text = " ".join(path.read_text(encoding="utf-8").split())
            if text:
                told = Told(text, who)
                name = f"{movie}_{who}_{film.stem}"
                found.append(Case(_truth(film, name, movie, "en", told), target, (told,)))
    return found


def hdtf(folder: Path, target: str) -> list[Case]:
    """HDTF: clips ``NAME_INDEX.mp4`` of the videos that ``*_annotion_time.txt`` lists.

    Raises ``InputError`` DUB-E107 for a list that cannot be read, DUB-E101 when only whole videos
    are there, which must be cut first.
    """
    lists = [p for x in (folder, folder / "HDTF_dataset") for p in x.glob("*_annotion_time.txt")]
    known = {name: times for path in sorted(lists) for name, times in _hdtf_times(path)}
    films = sorted(x for x in folder.rglob("*.mp4") if x.is_file())
    found = []
    for film in films:
        match = re.fullmatch(r"(?:(?:RD|WDA|WRA)_)?(.+)_(\d{1,3})", film.stem)
        if match and match[1] in known and int(match[2]) < len(known[match[1]]):
            found.append(Case(_truth(film, film.stem, match[1], "en"), target))
    whole = [film.stem for film in films if film.stem in known]
    if whole and not found:
        first, last = known[whole[0]][0]
        raise InputError(
            f"{folder} holds whole videos of HDTF, not its clips.",
            hint="Cut them by the list and keep the sound, for example: ffmpeg -ss "
            f"{float(first):g} -to {float(last):g} -i {whole[0]}.mp4 {whole[0]}_0.mp4",
            code="DUB-E101",
        )
    return found


def _hdtf_times(path: Path) -> Iterator[tuple[str, list[tuple[Fraction, Fraction]]]]:
    """``(video, clips)`` of every row ``Radio11.mp4 00:30-01:00 01:30-02:30``."""
    for number, row in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        name, *times = row.split() or [""]
        clips = [match for x in times if (match := re.fullmatch(r"([\d:]+)-([\d:]+)", x))]
        if name and (not times or len(clips) < len(times)):
            raise _broken(path, number, "VIDEO.mp4 MM:SS-MM:SS ...")
        if name:
            yield Path(name).stem, [(_clock(match[1]), _clock(match[2])) for match in clips]


def iwslt(folder: Path, target: str) -> list[Case]:
    """The dubbing track's test sets: ``subset1.de``, ``subset1.en`` and a folder ``subset1``."""
    found = []
    for number, stem in ((1, "test_set"), (2, "test_set_with_pauses.txt")):
        sets = sorted(folder.rglob(f"subset{number}.de"))
        for german in sets:
            place = german.parent / f"subset{number}"
            english = german.with_suffix(".en")
            if not english.is_file():
                continue
            lines = german.read_text(encoding="utf-8").splitlines()
            references = english.read_text(encoding="utf-8").splitlines()
            if len(lines) != len(references):
                raise _broken(english, len(references), f"one for each of the {len(lines)} lines")
            for index, (text, reference) in enumerate(zip(lines, references, strict=True), 1):
                paths = (place / f"{stem}.{index}{suffix}" for suffix in FILMS)
                film = next((path for path in paths if path.is_file()), None)
                if film is not None:
                    told = Told(text, "1", reference=reference)
                    name = f"subset{number}_{index:03d}"
                    truth = _truth(film, name, f"subset{number}", "de", told)
                    found.append(Case(truth, target, (told,)))
    return found


def _truth(film: Path, name: str, group: str, language: str, told: Told | None = None) -> FilmTruth:
    """What a corpus tells of a clip: one person speaks; when, only if the line says so."""
    said = None
    if told is not None:
        said = {told.speaker: tuple(tokens_of(told.text, language))}
    turns = (Turn(told.span, told.speaker),) if told is not None and told.span else ()
    return FilmTruth(name, group, film, language, turns, said, faces=None, pauses=True)


def _clock(text: str) -> Fraction:
    """Seconds of ``MM:SS`` or ``HH:MM:SS``."""
    seconds = Fraction(0)
    for part in text.split(":"):
        seconds = 60 * seconds + int(part)
    return seconds


def _broken(path: Path, number: int, wanted: str) -> InputError:
    return InputError(
        f"Line {number} of {path} cannot be read.", hint=f"Wanted is: {wanted}", code="DUB-E107"
    )
