from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from polydub.engines.speak import espeak, g2p
from polydub.engines.speak.espeak import EspeakProcess
from polydub.errors import EngineError


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("en", "en"),
        ("en-US", "en"),
        ("en-GB", "en-GB"),
        ("en-AU", "en-GB"),
        ("es-MX", "es"),
        ("pt", "pt-BR"),
        ("pt-PT", "pt-BR"),
        ("zh-Hant-TW", "zh"),
        ("cmn", "zh"),
        ("ja-JP", "ja"),
        ("de", None),
        ("ru", None),
        ("not a tag", None),
    ],
)
def test_spoken_language(tag: str, language: str | None) -> None:
    assert g2p.spoken_language(tag) == language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Wait...  what?\n", "Wait… what?"),
        ("«Oui» - dit-il", "“Oui” — dit-il"),
        ("¿Qué? ¡No!", "Qué? No!"),
        ("it’s 😀 fine\u200b", "it's fine"),
        ("cafe\u0301", "café"),
        ("well--no", "well — no"),
        ("en Texas,¿qué?¡No!", "en Texas, qué? No!"),
        ("à 3:45, 1,5 km", "à 3:45, 1,5 km"),
        ("😀", ""),
    ],
)
def test_clean(text: str, expected: str) -> None:
    assert g2p.clean(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. Smith left. Why?", ["Mr. Smith left.", "Why?"]),
        ("It cost 3.5 dollars! Really", ["It cost 3.5 dollars!", "Really"]),
        ("“No.” he said", ["“No.”", "he said"]),
        ("你好。再见！", ["你好。", "再见！"]),
        ("J. R. Ewing of the U.S. Army.", ["J. R. Ewing of the U.S. Army."]),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert g2p.sentences(text) == expected


@pytest.mark.parametrize(
    ("ipa", "language", "expected"),
    [
        ("həlˈo^ʊ", "en", "həlˈO"),
        ("d^ʒˈʌd^ʒ", "en", "ʤˈʌʤ"),
        ("bˈɜːd", "en", "bˈɜɹd"),
        ("bˈɜːd", "en-GB", "bˈɜːd"),
        ("bˈɛɾɚ", "en", "bˈɛTəɹ"),
        ("bˈʌʔn̩", "en", "bˈʌtn"),
        ("ðˈe^ə", "en-GB", "ðˈɛː"),
        ("t^ʃˈiko", "es", "ʧˈiko"),
        ("lə (en)wˈiːkˈɛnd(fr)", "fr", "lə wˈiːkˈɛnd"),
        ("ɡ", "it", "ɡ"),
    ],
)
def test_spell(ipa: str, language: str, expected: str) -> None:
    assert g2p.spell(ipa, language) == expected


class Letters:
    """Stands in for espeak-ng: the "phonemes" are the letters, and it keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def phonemes(self, voice: str, text: str) -> str:
        self.asked.append((voice, text.strip()))
        return "".join(c for c in text.strip().lower() if c.isalnum() or c == " ")

    def close(self) -> None:
        pass


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Letters:
    fake = Letters()
    monkeypatch.setattr(g2p, "EspeakProcess", lambda: fake)
    return fake


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi, Bob. On!", "hi, bob. on!"),
        ("Mr. Bob said: “no”", "mr bob said: “no”"),
        ("1,000 or 3.14, yes", "1000 or 314, yes"),
        ("yes — no (maybe)", "yes — no (maybe)"),
        ("…", "…"),
        ("up; down", "up; down"),
    ],
)
def test_punctuation_is_kept(letters: Letters, text: str, expected: str) -> None:
    assert g2p.Phonemizer().phonemes(text, "es") == expected


def test_clauses_reach_espeak_whole(letters: Letters) -> None:
    g2p.Phonemizer().phonemes("Dr. No paid 1,000, then left.", "en-GB")
    assert letters.asked == [("en", "Dr. No paid 1,000"), ("en", "then left")]


def fake_worker(folder: Path, body: str) -> tuple[str, ...]:
    script = folder / "worker.py"
    script.write_text(f"import json, sys, pathlib\nhere = pathlib.Path(__file__).parent\n{body}")
    return (sys.executable, str(script))


ECHO = """
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request["text"] == "die" or (request["text"] == "once" and not (here / "died").exists()):
        (here / "died").touch()
        sys.exit(1)
    if request["text"] == "bad":
        print(json.dumps({"error": "no such voice"}), flush=True)
    else:
        print(json.dumps({"phonemes": request["text"].upper()}), flush=True)
"""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeak, "_require_package", lambda: None)


def test_process_starts_when_asked_and_ends(tmp_path: Path, installed: None) -> None:
    process = EspeakProcess(fake_worker(tmp_path, ECHO))
    assert process._process is None
    assert process.phonemes("en-us", "héllo") == "HÉLLO"
    running = process._process
    assert running is not None
    process.close()
    assert running.poll() is not None
    assert process.phonemes("en-us", "again") == "AGAIN"
    process.close()


def test_process_is_restarted_once(tmp_path: Path, installed: None) -> None:
    process = EspeakProcess(fake_worker(tmp_path, ECHO))
    assert process.phonemes("en-us", "once") == "ONCE"
    with pytest.raises(EngineError, match="failed twice") as caught:
        process.phonemes("en-us", "die")
    assert caught.value.code == "DUB-E206"
    assert process.phonemes("en-us", "alive") == "ALIVE"
    process.close()


def test_process_reports_errors(tmp_path: Path, installed: None) -> None:
    process = EspeakProcess(fake_worker(tmp_path, ECHO))
    with pytest.raises(EngineError, match="no such voice"):
        process.phonemes("xx", "bad")
    process.close()


def test_process_that_cannot_start(tmp_path: Path, installed: None) -> None:
    body = 'print(json.dumps({"error": "OSError: no library"}))'
    with pytest.raises(EngineError, match="no library"):
        EspeakProcess(fake_worker(tmp_path, body)).phonemes("en-us", "hi")


def test_absent_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeak.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError) as caught:
        EspeakProcess().phonemes("en-us", "hi")
    assert caught.value.code == "DUB-E202"
    assert ".[espeak]" in caught.value.hint


@pytest.mark.weights
@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Hello, world!", "en", "həlˈO, wˈɜɹld!"),
        ("Hola, señor.", "es", "ˈola, seɲˈoɾ."),
        ("Bonjour !", "fr", "bɔ̃ʒˈuʁ !"),
        ("42", "it", "kʊaɾˈaːntadˈue"),
    ],
)
def test_real_espeak(text: str, language: str, expected: str) -> None:
    if importlib.util.find_spec("espeakng_loader") is None:
        pytest.skip("espeak-ng is not installed")
    phonemizer = g2p.Phonemizer()
    try:
        assert phonemizer.phonemes(g2p.clean(text), language) == expected
    finally:
        phonemizer.close()
    assert "espeakng_loader" not in sys.modules  # it is GPL-3.0 and stays in its own process


@pytest.mark.weights
@pytest.mark.filterwarnings("ignore")
def test_real_mandarin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("misaki.zh")
    monkeypatch.setenv("POLYDUB_CACHE", str(tmp_path))
    phonemizer = g2p.Phonemizer()
    assert phonemizer.phonemes("你好，世界", "zh").startswith("ni↓xau↓, ")
    assert phonemizer.phonemes("25", "zh") == phonemizer.phonemes("二十五", "zh")
    assert "ʂɨ" in phonemizer.phonemes("3.5元是25%", "zh")
    phonemizer.close()


@pytest.mark.weights
@pytest.mark.filterwarnings("ignore")
def test_real_japanese() -> None:
    pytest.importorskip("pyopenjtalk")
    assert g2p.Phonemizer().phonemes("さくら、咲いた。", "ja") == "sakɯɾa, saita."
