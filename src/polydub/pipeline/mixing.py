"""Right of the Script, part two: the dub track."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from polydub.media.audio import WaveWriter, open_waveform, read_blocks, resample
from polydub.media.loudness import integrated_loudness
from polydub.model import Samples, Script, Span, Waveform, merge
from polydub.pipeline.analysis import RATE, VERSION, Analysis
from polydub.pipeline.run import Run, StageProgress
from polydub.pipeline.takes import Spoken
from polydub.project.cache import digest
from polydub.stages.mix import (
    MixOptions,
    PlacedTake,
    limiter_gain,
    line_gain,
    mix_block,
    span_gate,
    to_samples,
    voice_block,
)

BLOCK_S = 10.0


@dataclass(frozen=True, slots=True)
class DubTrack:
    """The finished dub: full mix, voices alone (mono), and the background as it was mixed."""

    mix: Path
    voices: Path
    key: str


def mix_dub(run: Run, analysis: Analysis, script: Script, spoken: Mapping[str, Spoken]) -> DubTrack:
    """The dub track of the film, as long as the film."""
    options = MixOptions()
    layout = [(name, s.placement.span, s.folder.name) for name, s in sorted(spoken.items())]
    replaced = _replaced(analysis, script, spoken)
    voiced = merge([*replaced, *(s.placement.span for s in spoken.values())])
    parts = (VERSION, analysis.key, layout, replaced, options)

    def make(work: Path) -> None:
        takes = _levelled(analysis, script, spoken, options)
        _write_mix(analysis, takes, (replaced, voiced), options, work, progress)

    with run.stage("mix", total=100) as progress:
        folder, _ = run.ensure("mix", *parts, make=make)
    return DubTrack(folder / "dub.wav", folder / "voices.wav", digest(*parts))


def _replaced(analysis: Analysis, script: Script, spoken: Mapping[str, Spoken]) -> tuple[Span, ...]:
    """Where the original speech must go: dubbed lines, widened to the speech that belongs to them.

    Recognised words start late and end early by up to 0.3 s, so a line is widened to the edges of
    the speech region that it lies in, but never into a line that keeps its original sound.
    """
    reach = Fraction(3, 10)
    kept = [x.span for x in script.lines if x.id not in spoken]
    spans = []
    for line in script.lines:
        if line.id not in spoken:
            continue
        start, end = line.span.start, line.span.end
        for region in analysis.speech:
            if region & line.span:
                start = min(start, max(region.start, line.span.start - reach))
                end = max(end, min(region.end, line.span.end + reach))
        for other in kept:
            if other.end <= line.span.start:
                start = max(start, other.end)
            elif other.start >= line.span.end:
                end = min(end, other.start)
        spans.append(Span(min(start, line.span.start), max(end, line.span.end)))
    return merge(spans)


def _levelled(
    analysis: Analysis, script: Script, spoken: Mapping[str, Spoken], options: MixOptions
) -> list[PlacedTake]:
    """The takes at the mix rate, each as loud as the line that it replaces."""
    dialogue = open_waveform(analysis.sound.dialogue)
    loudness = {
        line.id: integrated_loudness(_solid(dialogue.cut(line.span)))
        for line in script.lines
        if line.id in spoken
    }
    takes = []
    for line in script.lines:
        item = spoken.get(line.id)
        if item is None:
            continue
        audio = resample(item.take.audio, RATE)
        usual = _median([loudness[x.id] for x in script.lines_of(line.speaker) if x.id in spoken])
        heard = integrated_loudness(_as_mixed(audio, dialogue.channels))
        gain = line_gain(loudness[line.id], usual, heard, options)
        start = to_samples(item.placement.start, RATE)
        takes.append(PlacedTake(line.id, start, audio.samples, gain))
    return takes


def _as_mixed(audio: Waveform, channels: int) -> Waveform:
    """Mono ``audio`` in every channel, as the mix plays it: BS.1770 adds up the channels' power,
    so the same take measures 3 dB more in stereo."""
    return Waveform(np.repeat(audio.samples[:, None], channels, axis=1), audio.rate)


def _solid(waveform: Waveform) -> Waveform:
    return Waveform(np.array(waveform.samples, np.float32), waveform.rate)


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _write_mix(
    analysis: Analysis,
    takes: Sequence[PlacedTake],
    spans: tuple[Sequence[Span], Sequence[Span]],
    options: MixOptions,
    work: Path,
    progress: StageProgress,
) -> None:
    replaced, voiced = spans
    total = round(analysis.source.duration * RATE)
    channels = open_waveform(analysis.sound.dialogue).channels
    first = 0
    stems = zip(
        read_blocks(analysis.sound.dialogue, block_s=BLOCK_S),
        read_blocks(analysis.sound.background, block_s=BLOCK_S),
        strict=True,
    )
    with (
        WaveWriter(work / "dub.wav", RATE, channels) as mix,
        WaveWriter(work / "voices.wav", RATE, 1) as voices,
    ):
        for dialogue, background in stems:
            count = len(dialogue)
            voice = voice_block(first, count, takes, RATE)
            silenced = _gate(first, count, replaced, 0.05, 0.12)
            ducked = _gate(first, count, voiced, options.attack, options.release)
            block = mix_block(
                dialogue, background, voice, silenced=silenced, ducked=ducked, options=options
            )
            gain = limiter_gain(block, RATE, options.ceiling - 0.3)
            mix.write(block * gain[:, None])
            voices.write((voice * gain)[:, None])
            first += count
            progress.at(round(99 * first / max(1, total)))


def _gate(first: int, count: int, spans: Sequence[Span], attack: float, release: float) -> Samples:
    return span_gate(first, count, RATE, spans, attack=attack, release=release)
