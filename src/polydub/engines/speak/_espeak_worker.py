"""Runs espeak-ng (GPL-3.0) in a process of its own: JSON lines in on stdin, answers on stdout.

Started as ``python -m polydub.engines.speak._espeak_worker`` by :mod:`polydub.engines.speak.espeak`
and by nothing else; the main process never loads the library. A request is ``{"voice": "en-us",
"text": "..."}``, its answer ``{"phonemes": "..."}`` or ``{"error": "..."}``. The first line printed
says ``{"ready": true}`` or why not.

In French a consonant that is sounded only because a vowel follows (a liaison) is marked by "‿"
after it: ``lez‿ amˈi``. Its IPA does not tell it from one that belongs to the word; espeak-ng's own
names of phonemes do (``z2``).
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
from typing import TextIO

from polydub.engines.speak.french import MARK

_AUDIO_OUTPUT_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT of speak_lib.h: plays nothing
_DO_NOT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT: report failure instead
_UTF8 = 1  # espeakCHARS_UTF8
_NAMES = 0  # espeak-ng's own names of its phonemes
_IPA_TIED = 0x02 | 0x80 | ord("^") << 8  # IPA; letters of one phoneme are tied by '^'
_LINKED = re.compile(r"[a-z]2$")


class Espeak:
    """The library, loaded from the package ``espeakng_loader``."""

    def __init__(self) -> None:
        import espeakng_loader

        library = ctypes.CDLL(espeakng_loader.get_library_path())
        library.espeak_Initialize.argtypes = [
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_int,
        ]
        library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        library.espeak_TextToPhonemes.argtypes = [
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.c_int,
            ctypes.c_int,
        ]
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        data = espeakng_loader.get_data_path().encode()
        if library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, data, _DO_NOT_EXIT) < 0:
            raise OSError("espeak_Initialize failed")
        self._library = library
        self._voice = ""

    def phonemes(self, voice: str, text: str) -> str:
        """IPA of ``text`` without its punctuation; clauses are separated by a space."""
        if voice != self._voice:
            if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise ValueError(f"espeak-ng has no voice '{voice}'")
            self._voice = voice
        ipa = self._spoken(text, _IPA_TIED)
        return _marked(ipa, self._spoken(text, _NAMES)) if voice == "fr" else ipa

    def _spoken(self, text: str, mode: int) -> str:
        buffer = ctypes.create_string_buffer(text.replace("\0", " ").encode())
        pointer = ctypes.c_void_p(ctypes.addressof(buffer))
        clauses = []
        while pointer.value:
            clause = self._library.espeak_TextToPhonemes(ctypes.byref(pointer), _UTF8, mode)
            if clause:
                clauses.append(clause.decode("utf-8", "replace").strip())
        return " ".join(clause for clause in clauses if clause)


def _marked(ipa: str, names: str) -> str:
    """``ipa`` with its liaisons marked, as it is when ``names`` are not of the same words."""
    words, named = ipa.split(), names.split()
    if len(words) != len(named):
        return ipa
    pairs = zip(words, named, strict=True)
    return " ".join(f"{word}{MARK}" if _LINKED.search(name) else word for word, name in pairs)


def serve(lines: TextIO, answers: TextIO) -> None:
    """Answer every request of ``lines`` until the stream ends."""

    def answer(value: dict[str, object]) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    try:
        espeak = Espeak()
    except (ImportError, OSError, RuntimeError) as error:
        answer({"error": f"{type(error).__name__}: {error}"})
        return
    answer({"ready": True})
    for line in lines:
        try:
            request = json.loads(line)
            answer({"phonemes": espeak.phonemes(request["voice"], request["text"])})
        except (ValueError, KeyError, TypeError) as error:
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
