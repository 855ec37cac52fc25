"""Measures how well the references of every voice fit speech of it that was not looked at.

    python benchmarks/references.py CLIPS [--voices FOLDER] [--seeds 3] [--wanted 6]

Voices come from ``CLIPS`` (``annotations.jsonl`` and ``NAME.wav``: the first 60 % of every turn is
cut into utterances of about 1.3 s, the rest is held out) or from ``FOLDER`` with files
``VOICE_NUMBER.wav`` (16 kHz; the last three of every voice are held out). They are cut together
into one conversation per seed; words are spread evenly. Conditions:

- ``plain``: as they are, +-3 dB;
- ``labels``: one turn in ten is given to a wrong voice;
- ``music``: chords and drums under three turns in four (10, 5 or 0 dB), taken off by the separator;
- ``spoilt``: four turns in ten are clipped, or reverberated (0.8 s), or raised (3 semitones, 8 dB);
- ``all``: the three together.

Rows: ``ours``; ``no-print`` (ours without an embedder); ``loudest`` (the longest, loudest, most
clearly recognised pieces: what polydub did before); ``random`` (mean of three draws). Columns:
``cosine`` mean and ``worst`` voice, of the voiceprints of the joined references and of the held-out
speech; ``own``: share of the seconds that are the voice's own; ``whole``: share of the seconds
without music under them, not spoilt, own; ``s``: seconds per voice; ``rtf``: work per second of
conversation.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve, resample_poly

from polydub.engines.diarize.campplus import CamPlusPlus
from polydub.engines.separate.deepfilternet import DeepFilterNet
from polydub.media.audio import open_waveform, resample
from polydub.model import Span, Turn, Voiceprint, Waveform, Word, merge, to_seconds
from polydub.stages.references import ReferenceOptions, Scene, find_references

RATE = 16000
Samples = npt.NDArray[np.float64]
CONDITIONS = {
    "plain": (),
    "labels": ("labels",),
    "music": ("music",),
    "spoilt": ("spoilt",),
    "all": ("labels", "music", "spoilt"),
}


@dataclass(frozen=True)
class Voice:
    name: str
    utterances: list[Samples]
    held_out: Samples


@dataclass(frozen=True)
class Conversation:
    """``truth`` are the turns with the right voices, ``fine`` the spans with nothing wrong."""

    scene: Scene
    truth: list[Turn]
    fine: list[Span]


def clip_voices(clips: Path) -> list[Voice]:
    voices = []
    for line in (clips / "annotations.jsonl").read_text(encoding="utf-8").splitlines():
        note = json.loads(line)
        audio = resample(open_waveform(clips / f"{note['clip']}.wav").mono(), RATE)
        for turn in note["turns"]:
            samples = audio.cut(Span.of(turn["start"], turn["end"])).samples.astype(np.float64)
            at = round(0.6 * len(samples))
            parts = np.array_split(samples[:at], max(1, round(at / RATE / 1.3)))
            voices.append(Voice(f"{note['clip']}/{turn['speaker']}", parts, samples[at:]))
    return voices


def folder_voices(folder: Path) -> list[Voice]:
    names: dict[str, list[Samples]] = {}
    for path in sorted(folder.glob("*_*.wav")):
        samples = np.array(open_waveform(path).mono().samples, dtype=np.float64)
        names.setdefault(path.stem.rsplit("_", 1)[0], []).append(samples)
    return [
        Voice(name, parts[:-3], np.concatenate(parts[-3:]))
        for name, parts in names.items()
        if len(parts) >= 6
    ]


def music(count: int, rng: np.random.Generator) -> Samples:
    """Chords of five harmonics, a new one every half second, and a drum on it."""
    bed = np.zeros(count)
    chords = [(220, 277, 330), (196, 247, 294), (175, 220, 262), (165, 208, 247)]
    for number, first in enumerate(range(0, count, RATE // 2)):
        t = np.arange(min(RATE // 2, count - first)) / RATE
        for note in chords[number % 4]:
            for k in range(1, 6):
                bed[first : first + len(t)] += np.sin(2 * np.pi * note * k * t) / k
        bed[first : first + len(t)] += 4 * rng.normal(size=len(t)) * np.exp(-t * 60)
    return bed / level_of(bed)


def level_of(samples: Samples) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(samples**2)))


def spoil(samples: Samples, rng: np.random.Generator) -> Samples:
    kind = rng.integers(3)
    if kind == 0:
        top = float(np.quantile(np.abs(samples), 0.92))
        return np.clip(samples, -top, top) * 2.0
    if kind == 1:
        n = round(0.8 * RATE)
        tail = rng.normal(size=n) * 10.0 ** (-3.0 * np.arange(n) / n)
        tail[0] = 0.6 * np.sqrt(np.sum(tail**2))
        wet: Samples = fftconvolve(samples, tail)[: len(samples)]
        return wet * float(np.sqrt(np.mean(samples**2) / np.mean(wet**2)))
    raised: Samples = resample_poly(samples, 84, 100)
    return raised * 2.5


def converse(
    voices: Sequence[Voice], faults: Sequence[str], seed: int, separator: DeepFilterNet
) -> Conversation:
    rng = np.random.default_rng(seed)
    order = [(v, i) for v in range(len(voices)) for i in range(len(voices[v].utterances))]
    rng.shuffle(order)
    speech: list[Samples] = [np.zeros(RATE // 2)]
    beds: list[Samples] = [np.zeros(RATE // 2)]
    turns: list[Turn] = []
    truth: list[Turn] = []
    fine: list[Span] = []
    at = RATE // 2
    for index, number in order:
        samples, whole = voices[index].utterances[number], True
        if "spoilt" in faults and rng.random() < 0.4:
            samples, whole = spoil(samples, rng), False
        samples = samples * 10 ** (rng.uniform(-3, 3) / 20)
        bed = np.zeros(len(samples))
        if "music" in faults and rng.random() < 0.75:
            snr = rng.choice([10.0, 5.0, 0.0])
            level = level_of(samples) * 10 ** (-snr / 20)
            bed, whole = level * music(len(samples), rng), False
        span = Span(to_seconds(at / RATE), to_seconds((at + len(samples)) / RATE))
        label = index
        if "labels" in faults and rng.random() < 0.1:
            label = int(rng.choice([i for i in range(len(voices)) if i != index]))
        truth.append(Turn(span, voices[index].name))
        turns.append(Turn(span, voices[label].name))
        if whole:
            fine.append(span)
        gap = round(rng.uniform(0.2, 0.5) * RATE)
        speech += [samples, np.zeros(gap)]
        beds += [bed, np.zeros(gap)]
        at += len(samples) + gap
    mix = Waveform((np.concatenate(speech) + np.concatenate(beds)).astype(np.float32), RATE)
    dialogue, background = mix, None
    if "music" in faults:
        dialogue, background = separated(mix, separator)
    words = tuple(word for turn in turns for word in spread(turn.span))
    return Conversation(Scene(tuple(turns), words, dialogue, background), truth, fine)


def separated(mix: Waveform, separator: DeepFilterNet) -> tuple[Waveform, Waveform]:
    sound = resample(mix, 48000)
    blocks = np.array_split(sound.samples[:, None], max(1, len(sound.samples) // 48000))
    stems = zip(*separator.separate(iter(blocks), 48000), strict=True)
    voice, bed = (Waveform(np.concatenate(stem).reshape(-1), 48000) for stem in stems)
    return resample(voice, RATE), bed


def spread(span: Span) -> list[Word]:
    count = max(1, round(span.duration / to_seconds(0.3)))
    step = span.duration / count
    return [
        Word("word", Span(span.start + i * step, span.start + (i + 1) * step), 0.9)
        for i in range(count)
    ]


def loudest(scene: Scene, voice: str, wanted_s: float) -> list[Span]:
    def worth(span: Span) -> float:
        samples = scene.dialogue.cut(span).samples.astype(np.float64)
        level = 10.0 * float(np.log10(np.mean(samples**2) + 1e-12))
        return min(float(span.duration), 8.0) * max(0.2, 1.0 + level / 20.0 + 1.5)

    own = [turn.span for turn in scene.turns if turn.voice == voice]
    return filled(sorted(own, key=worth, reverse=True), wanted_s)


def filled(spans: Sequence[Span], wanted_s: float) -> list[Span]:
    left = to_seconds(wanted_s)
    taken: list[Span] = []
    for span in spans:
        length = min(span.duration, left)
        if length < to_seconds(0.8) and taken:
            continue
        taken.append(Span(span.start, span.start + length))
        left -= length
    return taken


def shared(spans: Sequence[Span], wanted: Sequence[Span]) -> float:
    return float(sum(a.overlap(b) for a in spans for b in merge(wanted)))


@dataclass
class Tally:
    cosines: list[float]
    own: float = 0.0
    whole: float = 0.0
    seconds: float = 0.0
    work: float = 0.0

    def add(
        self,
        talk: Conversation,
        voice: Voice,
        spans: Sequence[Span],
        embed: tuple[CamPlusPlus, Mapping[str, Voiceprint]],
    ) -> None:
        embedder, held_out = embed
        parts = [talk.scene.dialogue.cut(span).samples for span in spans]
        print_ = embedder.embed(Waveform(np.concatenate(parts), RATE))
        self.cosines.append(float(print_ @ held_out[voice.name]))
        mine = [turn.span for turn in talk.truth if turn.voice == voice.name]
        good = [span for span in mine if span in talk.fine]
        self.own += shared(spans, mine)
        self.whole += shared(spans, good)
        self.seconds += float(sum(span.duration for span in spans))


@dataclass(frozen=True)
class Engines:
    embedder: CamPlusPlus
    separator: DeepFilterNet
    held_out: dict[str, Voiceprint]


def load_engines(voices: Sequence[Voice]) -> Engines:
    embedder = CamPlusPlus()
    prints = {v.name: embedder.embed(Waveform(v.held_out.astype(np.float32), RATE)) for v in voices}
    return Engines(embedder, DeepFilterNet(), prints)


def measure(
    voices: Sequence[Voice],
    condition: str,
    seeds: int,
    options: ReferenceOptions,
    engines: Engines,
) -> dict[str, Tally]:
    embedder = engines.embedder
    tallies = {name: Tally([]) for name in ("ours", "no-print", "loudest", "random")}
    embed = (embedder, engines.held_out)
    for seed in range(seeds):
        talk = converse(voices, CONDITIONS[condition], seed, engines.separator)
        rng = np.random.default_rng(seed)
        for name in ("ours", "no-print"):
            start = time.perf_counter()
            given = embedder if name == "ours" else None
            found = find_references(talk.scene, embedder=given, options=options)
            spent = time.perf_counter() - start
            tallies[name].work += spent / float(talk.scene.dialogue.duration) / seeds
            for voice in voices:
                if voice.name in found:
                    spans = [reference.span for reference in found[voice.name]]
                    tallies[name].add(talk, voice, spans, embed)
        for voice in voices:
            own = [turn.span for turn in talk.scene.turns if turn.voice == voice.name]
            if not own:
                continue
            chosen = loudest(talk.scene, voice.name, options.wanted_s)
            tallies["loudest"].add(talk, voice, chosen, embed)
            for _ in range(3):
                shuffled = [own[i] for i in rng.permutation(len(own))]
                tallies["random"].add(talk, voice, filled(shuffled, options.wanted_s), embed)
    return tallies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--voices", type=Path, default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--wanted", type=float, default=6.0, help="seconds of reference per voice")
    parser.add_argument("--only", nargs="*", choices=sorted(CONDITIONS), default=list(CONDITIONS))
    given = parser.parse_args()
    options = ReferenceOptions(wanted_s=given.wanted)
    voices = folder_voices(given.voices) if given.voices else clip_voices(given.clips)
    engines = load_engines(voices)
    print(f"{len(voices)} voices, {given.seeds} conversations per condition")
    print("condition row       cosine  worst   own  whole     s    rtf")
    for condition in given.only:
        for name, tally in measure(voices, condition, given.seeds, options, engines).items():
            seconds = max(tally.seconds, 1e-9)
            print(
                f"{condition:9} {name:9} {np.mean(tally.cosines):6.3f} {min(tally.cosines):6.3f}"
                f" {tally.own / seconds:5.2f} {tally.whole / seconds:6.2f}"
                f" {tally.seconds / max(1, len(tally.cosines)):5.1f} {tally.work:6.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
