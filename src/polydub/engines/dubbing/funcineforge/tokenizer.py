"""Text to ids: the byte-level BPE vocabulary of Qwen2 with the model's own special tokens.

The vocabulary is read from the checkpoint (``vocab.json`` of its Qwen2 folder), or from the file
``qwen.tiktoken`` of the package ``dashscope`` (Apache-2.0), which holds the same 151,643 entries.
"""

from __future__ import annotations

import base64
import binascii
import importlib.util
import json
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from polydub.errors import EngineError

ORDINARY = 151_643
"""Entries of the vocabulary before the special tokens."""
SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|startofclue|>", "<|endofclue|>"),
    *("<|endofprompt|>", "[breath]", "<strong>", "</strong>", "[noise]", "[laughter]"),
    *("[cough]", "[clucking]", "[accent]", "[quick_breath]", "<laughter>", "</laughter>"),
    *("[hissing]", "[sigh]", "[vocalized-noise]", "[lipsmack]", "[mn]", "<|endofsystem|>"),
)
"""In the order of their ids, from 151643 (code: the model's tokenizer)."""
SPECIAL_IDS = {token: ORDINARY + place for place, token in enumerate(SPECIAL)}

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen2 cuts text before merging: its published pattern."""


class Tokenizer:
    """Encodes text; ``ranks`` maps byte strings to ids, a lower id is merged first."""

    def __init__(self, ranks: Mapping[bytes, int]) -> None:
        import regex

        self._ranks = dict(ranks)
        self._words = regex.compile(_WORDS)
        longest_first = sorted(SPECIAL, key=len, reverse=True)
        self._specials = regex.compile("|".join(map(regex.escape, longest_first)))
        self._merged = lru_cache(maxsize=8192)(self._merge)

    def encode(self, text: str) -> list[int]:
        """Ids of ``text``, NFC normalised; special tokens written in it are themselves."""
        ids: list[int] = []
        at = 0
        for special in self._specials.finditer(text):
            ids += self._ordinary(text[at : special.start()])
            ids.append(SPECIAL_IDS[special.group()])
            at = special.end()
        return [*ids, *self._ordinary(text[at:])]

    def prompt(self, text: str, clue: str | None) -> list[int]:
        """Ids of the clue between its tags and of the text; ``None`` leaves clue and tags out."""
        told = "" if clue is None else f"<|startofclue|>{clue}<|endofclue|>"
        return self.encode(told + text)

    def _ordinary(self, text: str) -> Iterator[int]:
        for word in self._words.findall(unicodedata.normalize("NFC", text)):
            yield from self._merged(word.encode())

    def _merge(self, word: bytes) -> tuple[int, ...]:
        """Join the pair whose union comes first in the vocabulary until no pair is in it."""
        if word in self._ranks:
            return (self._ranks[word],)
        parts = [word[i : i + 1] for i in range(len(word))]
        absent = len(self._ranks)
        while len(parts) > 1:
            joined = [a + b for a, b in pairwise(parts)]
            at = min(range(len(joined)), key=lambda i: self._ranks.get(joined[i], absent))
            if joined[at] not in self._ranks:
                break
            parts[at : at + 2] = [joined[at]]
        return tuple(self._ranks[part] for part in parts)


def load_tokenizer(*folders: Path) -> Tokenizer:
    """The tokenizer of the first vocabulary found: in ``folders``, else the package ``dashscope``.

    Raises ``EngineError`` DUB-E204 when there is none, DUB-E205 when it is damaged.
    """
    for folder in folders:
        for name, read in (("vocab.json", _from_json), ("qwen.tiktoken", _from_tiktoken)):
            if (folder / name).is_file():
                return Tokenizer(_checked(read(folder / name), folder / name))
    packaged = packaged_vocabulary()
    if packaged is not None:
        return Tokenizer(_checked(_from_tiktoken(packaged), packaged))
    looked = ", ".join(map(str, folders))
    raise EngineError(
        f"The Qwen2 vocabulary is neither in {looked} nor installed.",
        hint="The checkpoint holds it in Qwen2-0.5B-CosyVoice-BlankEN; or: pip install dashscope",
        code="DUB-E204",
    )


def packaged_vocabulary() -> Path | None:
    """``qwen.tiktoken`` of an installed ``dashscope``, which is located and never imported."""
    spec = importlib.util.find_spec("dashscope")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, "resources", "qwen.tiktoken")
        if path.is_file():
            return path
    return None


def _from_tiktoken(path: Path) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    try:
        for line in path.read_bytes().splitlines():
            token, _, rank = line.partition(b" ")
            ranks[base64.b64decode(token, validate=True)] = int(rank)
    except (ValueError, binascii.Error) as error:
        raise _damaged(path) from error
    return ranks


def _from_json(path: Path) -> dict[bytes, int]:
    letters = letters_of_bytes()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {
            bytes(letters[letter] for letter in token): int(rank)
            for token, rank in entries.items()
            if int(rank) < ORDINARY
        }
    except (ValueError, KeyError, AttributeError) as error:
        raise _damaged(path) from error


def letters_of_bytes() -> dict[str, int]:
    """How GPT-2's vocabularies write bytes: printable Latin-1 as itself, the rest from U+0100."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [value for value in range(256) if value not in plain]
    letters = {chr(value): value for value in plain}
    return letters | {chr(256 + place): value for place, value in enumerate(others)}


def _checked(ranks: dict[bytes, int], path: Path) -> dict[bytes, int]:
    """``ranks`` when every byte is in it. Raises ``EngineError`` DUB-E205."""
    if not all(bytes([value]) in ranks for value in range(256)):
        raise _damaged(path)
    return ranks


def _damaged(path: Path) -> EngineError:
    return EngineError(f"{path} is no vocabulary of Qwen2.", code="DUB-E205")
