"""Names in the text that say who speaks, or who does not: "Anna, where are you?", "I'm Tom." Pure.

A sentence in which somebody is called is not said by him; one in which somebody names himself is.
Only what punctuation and set phrases make sure of counts: a name that is merely told of says
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from polydub.model import Word
from polydub.stages.lines import ends_sentence, text_of
from polydub.stages.name_lists import (
    GIVEN_NAMES,
    INTRODUCTIONS,
    KIN,
    OPENERS,
    SURNAMES_ZH,
    UNNAMES,
    UNNAMES_ZH,
)

Manner = Literal["called", "own"]
CAPITALS = frozenset({"de", "lb"})
"""Languages that write every noun with a capital: there it makes no name."""
_LETTERS = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_ENDS = r"[.!?…。！？]"


@dataclass(frozen=True, slots=True)
class Mention:
    """A name in a sentence, words ``first`` to ``last`` (exclusive).

    ``called``: its bearer is addressed; ``own``: the speaker says that it is his.
    """

    name: str
    manner: Manner
    first: int
    last: int


def spoken_names(words: Sequence[Word], language: str) -> tuple[Mention, ...]:
    """All mentions in ``words``, by time; ``language`` is theirs (BCP-47)."""
    tag = language.split("-", 1)[0]
    sentences = list(_sentences(words))
    texts = [text_of(words[first:last]) for first, last in sentences]
    if tag == "zh":
        found = [list(_chinese(text)) for text in texts]
    else:
        sure = GIVEN_NAMES if tag in CAPITALS else _sure_names(texts)
        found = [[*_own(text, tag), *_called(text, sure, tag)] for text in texts]
    return tuple(
        Mention(name, manner, *span)
        for span, names in zip(sentences, found, strict=True)
        for name, manner in dict.fromkeys(names)
    )


def _sentences(words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    first = 0
    for at, word in enumerate(words):
        if ends_sentence(word) or at + 1 == len(words):
            yield first, at + 1
            first = at + 1


def _sure_names(texts: Sequence[str]) -> frozenset[str]:
    """Words that are names although they begin a sentence.

    Common given names, and what is written with a capital inside a sentence and never without one.
    """
    inside: set[str] = set()
    small: set[str] = set()
    for text in texts:
        found = [match.group() for match in _LETTERS.finditer(text)]
        small |= {word for word in found if word.islower()}
        inside |= {word for word in found[1:] if _like_a_name(word)}
    return frozenset(GIVEN_NAMES | {word for word in inside if word.lower() not in small})


def _like_a_name(word: str) -> bool:
    return len(word) > 1 and word.istitle() and word.lower() not in UNNAMES


def _own(text: str, language: str) -> Iterator[tuple[str, Manner]]:
    """ "I'm Anna.": a name behind a set phrase, with which the clause ends."""
    for phrase in INTRODUCTIONS.get(language, ()):
        for match in re.finditer(rf"(?i:\b(?:{phrase}))\s+([^\W\d_]\w+)(?=[,.!?…]|$)", text):
            if _like_a_name(match[1]):
                yield match[1], "own"


def _called(text: str, sure: frozenset[str], language: str) -> Iterator[tuple[str, Manner]]:
    """ "Anna, …", "Hey Anna, …", "…, Anna?", "Anna!": a name with commas around it."""
    opener = "|".join(OPENERS)
    start = re.match(rf"(?i:(?:[¡¿—-]\s*)?(?:(?:{opener}),?\s+)?)([^\W\d_]\w+)([,.!?…].*|$)", text)
    if start and _like_a_name(start[1]) and start[1] in sure:
        after = _LETTERS.search(start[2])
        listed = start[2].startswith(",") and after is not None and after.group() in sure
        if not listed:  # "Anna, Ben and I": a list of names calls nobody
            yield start[1], "called"
    end = re.search(rf"([^\W\d_]+),\s+([^\W\d_]\w+)\s*{_ENDS}+['\"”’»]?$", text)
    if end and (end[2] in sure or language not in CAPITALS) and _like_a_name(end[2]):
        explained = end[1].lower() in KIN or _like_a_name(end[1])
        if not explained:
            yield end[2], "called"


def _chinese(text: str) -> Iterator[tuple[str, Manner]]:
    """我叫…, and a family name with one or two characters before or after a comma."""
    name = rf"((?:{'|'.join(SURNAMES_ZH)})[\u4e00-\u9fff]{{1,2}}|[小老阿][\u4e00-\u9fff])"
    for match in re.finditer(rf"(?:我叫|我是|我的名字叫?是?|叫我){name}(?=[，,。.！!？?]|$)", text):
        yield match[1], "own"
    for match in re.finditer(rf"(?:^{name}(?=[，,！!？?]))|(?:[，,]{name}(?=[。.！!？?]+$))", text):
        found = match[1] or match[2]
        if found not in UNNAMES_ZH:
            yield found, "called"
