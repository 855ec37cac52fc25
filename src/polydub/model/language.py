"""Language tags: one spelling everywhere (BCP-47), whatever a user or an engine writes."""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import lru_cache

from langcodes import Language
from langcodes.tag_parser import LanguageTagError

from polydub.errors import InputError

COMMON = (
    *("ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he"),
    *("hi", "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "nb", "nl", "no", "pl", "pt"),
    *("pt-BR", "ro", "ru", "sk", "sl", "sr", "sv", "ta", "te", "th", "tr", "uk", "ur", "vi", "zh"),
)
"""Tags that a suggestion may name."""

_UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my", "bo", "dz", "wuu", "lzh"})
"""Languages written without spaces between words."""

_SCRIPTS: dict[str, frozenset[str]] = {
    "Hans": frozenset({"CJK"}),
    "Hant": frozenset({"CJK"}),
    "Hani": frozenset({"CJK"}),
    "Jpan": frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}),
    "Kore": frozenset({"HANGUL", "CJK"}),
    "Latn": frozenset({"LATIN"}),
    "Cyrl": frozenset({"CYRILLIC"}),
    "Grek": frozenset({"GREEK"}),
    "Arab": frozenset({"ARABIC"}),
    "Hebr": frozenset({"HEBREW"}),
    "Deva": frozenset({"DEVANAGARI"}),
    "Thai": frozenset({"THAI"}),
}
"""ISO 15924 code -> first words of the Unicode names of its letters."""

_UNDETERMINED = frozenset({"und", "mul", "zxx", "mis"})


@lru_cache(maxsize=512)
def parse_language(code: str) -> str:
    """The normalised BCP-47 tag of ``code``: ISO 639-1/-3 codes, ``pt_BR``, any case.

    ``cmn`` becomes ``zh``: every engine knows Mandarin by that name. Raises ``InputError``
    DUB-E105, with the codes that may have been meant, when the language does not exist.
    """
    try:
        language = Language.get(code.strip(), normalize=True)
    except LanguageTagError:
        raise _unknown(code) from None
    base = language.language
    if not base or base in _UNDETERMINED or _private(base) or not language.is_valid():
        raise _unknown(code)
    tag = language.to_tag()
    return "zh" + tag[3:] if base == "cmn" else tag


def _private(base: str) -> bool:
    """ISO 639-2 leaves ``qaa`` to ``qtz`` to private use: no engine can know them."""
    return len(base) == 3 and "qaa" <= base <= "qtz"


@lru_cache(maxsize=512)
def language_name(tag: str) -> str:
    """The English name of a language: ``"Portuguese (Brazil)"`` for ``"pt-BR"``."""
    if tag == "und":  # undetermined: what a film without speech has
        return "unknown language"
    return str(Language.get(parse_language(tag)).display_name("en"))


def same_language(a: str, b: str) -> bool:
    """Whether two tags name one language, whatever the region: ``en-GB`` and ``en`` do.

    Two different scripts of Chinese, Serbian etc. still are one language.
    """
    return primary(a) == primary(b)


def primary(tag: str) -> str:
    """The language part of a tag: ``"pt"`` for ``"pt-BR"``."""
    return parse_language(tag).split("-", 1)[0]


def iso639_2(tag: str) -> str:
    """The three-letter code that media containers use: the bibliographic one (``"ger"``)."""
    if tag == "und":  # undetermined: what a film without speech has
        return "und"
    return str(Language.get(parse_language(tag)).to_alpha3(variant="B"))


def is_spaced(tag: str) -> bool:
    """Whether the language puts spaces between words; Chinese, Japanese and Thai do not."""
    return primary(tag) not in _UNSPACED


@lru_cache(maxsize=64)
def _scripts_of(tag: str) -> frozenset[str] | None:
    script = Language.get(parse_language(tag)).maximize().script
    return _SCRIPTS.get(script or "")


@lru_cache(maxsize=4096)
def _script_of(char: str) -> str:
    return unicodedata.name(char, "").split(" ", 1)[0]


def foreign_letters(text: str, target: str) -> str:
    """The letters of ``text`` that do not belong into the target language, ``""`` when fine.

    Latin letters may stand in any language (names), but not make up nearly all of a longer text in
    another script. Japanese without any kana is Chinese left untranslated.
    """
    allowed = _scripts_of(target)
    letters = [char for char in text if char.isalpha()]
    if allowed is None or not letters:
        return ""
    wrong = [char for char in letters if _script_of(char) not in allowed | {"LATIN"}]
    if "LATIN" in allowed:  # ª, º and modifier letters have names of their own
        wrong = [char for char in wrong if unicodedata.category(char) != "Lm" and char not in "ªº"]
    if wrong:
        return "".join(dict.fromkeys(wrong))[:10]
    own = sum(_script_of(char) in allowed for char in letters)
    if len(letters) >= 10 and own < 0.3 * len(letters):
        return "".join(letters[:10])
    kana = {"HIRAGANA", "KATAKANA"}
    if kana <= allowed and len(letters) > 8 and not any(_script_of(c) in kana for c in letters):
        return "".join(letters[:10])
    return ""


def left_words(text: str, original: str, target: str) -> tuple[str, ...]:
    """Words of ``original`` that stand in its translation as they were: ``这 estate 的代理人``.

    Words of three small Latin letters and more, where the target is written in other letters; a
    name has a capital one.
    """
    return _left(text, original, target, "[a-z]{3,}")


def left_names(text: str, original: str, target: str) -> tuple[str, ...]:
    """Names of ``original`` that stand in Latin letters in a translation written in others.

    A name begins with a capital letter and goes on with two small ones at least: no abbreviation.
    """
    return _left(text, original, target, "[A-Z][a-z]{2,}")


def _left(text: str, original: str, target: str, pattern: str) -> tuple[str, ...]:
    """The words of ``pattern`` in both texts, unless the target is written in Latin letters."""
    allowed = _scripts_of(target)
    if allowed is None or "LATIN" in allowed:
        return ()
    there = set(re.findall(r"\w+", original))
    words = re.findall(rf"(?<![A-Za-z]){pattern}(?![A-Za-z])", text)
    return tuple(dict.fromkeys(word for word in words if word in there))


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Lower-case name -> tag: the English and the own name of each common language."""
    names: dict[str, str] = {}
    for tag in COMMON:
        language = Language.get(tag)
        for name in (language.display_name("en"), language.autonym()):
            names.setdefault(name.lower(), tag)
    return names


def suggestions(code: str, limit: int = 3) -> tuple[str, ...]:
    """Tags that may have been meant by ``code``, best first."""
    wanted = code.strip().lower()
    names = _names()
    matches = difflib.get_close_matches(wanted, [*names, *(t.lower() for t in COMMON)], limit)
    tags = [names.get(match, match) for match in matches]
    return tuple(dict.fromkeys(tags))


def _unknown(code: str) -> InputError:
    near = ", ".join(f"'{tag}' ({language_name(tag)})" for tag in suggestions(code))
    hint = f"Did you mean {near}?" if near else "Use a BCP-47 code such as 'en', 'es' or 'zh'."
    return InputError(f"Unknown language code '{code}'.", hint=hint, code="DUB-E105")


def count_letters(text: str) -> int:
    """Letters and digits of ``text``: what is said of it, without spaces and punctuation."""
    return sum(char.isalnum() for char in text)
