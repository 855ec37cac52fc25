"""French as it is spoken: which consonants link words, and words that espeak-ng misreads. Pure."""

from __future__ import annotations

import re

MARK = "‿"
"""Stands after a consonant that links."""

_RESPELT = (
    (re.compile(r"(?<=[sz])-y\b", re.IGNORECASE), " zi"),  # allons-y: its y was read as a letter
    (re.compile(r"\bfils\b"), "fisse"),  # in the plural it was read as threads
    (re.compile(r"\bM\. ?(?=[A-ZÀ-Ý])"), "monsieur "),
    (re.compile(r"(?<=\d) ?h ?(?=\d\d\b)"), " heures "),
    (re.compile(r"(?<=\d) ?h\b"), " heures"),
    (re.compile(r"\bchut\b", re.IGNORECASE), "chutt"),
    (re.compile(r"\bben\b"), "bin"),
)
"""What espeak-ng misreads, as it reads it right."""

_NO_SOUND = re.compile(r"[ˈˌː]")
_VOWEL = r"(?:[aeiouyøœɔɛəɑ]\u0303?)"
_LAST_VOWEL = re.compile(rf"{_VOWEL}$")
_FIRST_VOWEL = re.compile(_VOWEL)
_CLUSTER = re.compile(r"[ptkbdɡfv][ʁl]$")

_DETERMINERS = "le de se me te no vo o lœʁ kɛl sɛʁtɛn sɛʁtɛ̃ plyzjœʁ divɛʁ divɛʁs tu tut mɛm"
"""*les des ces mes tes ses nos vos aux leurs quels certains plusieurs divers tous*, ..."""

_PRONOUNS = "nu vu il ɛl kil sil"
"""*nous vous ils elles qu'ils s'ils*"""

_SMALL_WORDS = "dɑ̃ sɑ̃ su ʃe tʁɛ ply mwɛ̃ pa dø tʁwa si di"
"""*dans sans sous chez très plus moins pas deux trois six dix*"""

_ADJECTIVES = (
    "bo bɛl bɔ̃ bɔn ɡʁɑ̃ ɡʁɑ̃d ɡʁo ɡʁos pəti pətit nuvo nuvɛl vjø vjɛj movɛ movɛz ʒœn lɔ̃ lɔ̃ɡ ʃɛʁ "
    "ɑ̃sjɛ̃ ɑ̃sjɛn pʁəmje pʁəmjɛʁ dɛʁnje dɛʁnjɛʁ pʁɔʃɛn"
)
"""Those that come before their noun, in the plural."""

_LINKING = frozenset(f"{_DETERMINERS} {_PRONOUNS} {_SMALL_WORDS} {_ADJECTIVES}".split())
"""How the words are said from which an *s* links, without their stress."""


def respelt(text: str) -> str:
    """``text`` in spellings that espeak-ng reads as French is spoken; punctuation stays."""
    for pattern, other in _RESPELT:
        text = pattern.sub(other, text)
    return text


def natural_liaisons(phonemes: str) -> str:
    """``phonemes`` with the liaisons of conversation, and without their marks.

    A linking *z* stays after the words of a closed list, between two vowels that are the same, and
    with the vowel that breaks up three consonants (*autres amis*: ``otʁəz ami``, not *tu parles
    à*); a linking *t* stays where it follows no consonant (*ont eu*, not *habitent une*). Words are
    separated by spaces.

    espeak-ng links wherever the spelling allows it, plural nouns and verbs too, as in recited
    verse. In conversation a final *s* links where it must: from determiners, pronouns,
    prepositions, numerals and adjectives before their noun (Delattre, "La liaison en français,
    tendances et classification", The French Review 21, 1947). The voices say what they are told:
    *mes parents habitent* was heard as *mais par an s'habite*.
    """
    words = phonemes.split(" ")
    following = [*words[1:], ""]
    return " ".join(_linked(*pair) for pair in zip(words, following, strict=True))


def _linked(word: str, following: str) -> str:
    if not word.endswith(MARK):
        return word
    alone, consonant = word[:-2], word[-2:-1]
    sounds, after = (_NO_SOUND.sub("", part) for part in (alone, following))
    last, first = _LAST_VOWEL.search(sounds), _FIRST_VOWEL.match(after)
    if consonant == "z":
        if _CLUSTER.search(sounds):
            return f"{alone}əz"
        same = last is not None and first is not None and last[0] == first[0]
        return word[:-1] if same or sounds in _LINKING else alone
    return alone if consonant == "t" and last is None else word[:-1]
