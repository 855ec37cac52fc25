"""Scores a dub, ours or another tool's: hears and sees it anew, beside its original.

The original is analysed like any film (and that analysis is kept in its project); the dubbed video
is taken as a film of its own, whose sound is separated, searched and recognised by the same
engines. What was found about it is kept under ``evaluations/`` in the project.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from polydub.errors import EngineError, InputError
from polydub.evaluate import syncnet
from polydub.evaluate.background import bed, pauses
from polydub.evaluate.cepstra import cepstra, distortion
from polydub.evaluate.evaluation import EvaluatedLine, EvaluatedShot, Evaluation
from polydub.evaluate.likeness import closest_voices, likeness
from polydub.evaluate.metrics import METRICS
from polydub.evaluate.mixture import loudness_error, voice_leak
from polydub.evaluate.naturalness import NotMeasured, predict
from polydub.evaluate.references import References
from polydub.evaluate.scores import cosine
from polydub.evaluate.stand_in import LineVoice, StandIns, stand_ins, timeline_error
from polydub.evaluate.timing import (
    collisions,
    drift,
    offset_error,
    onset_error,
    speech_overlap,
)
from polydub.media.audio import open_waveform
from polydub.media.clip import opus_clip
from polydub.media.loudness import integrated_loudness, true_peak_db
from polydub.model import Source, Span, Turn, Voiceprint, Waveform, merge, total
from polydub.model.language import same_language
from polydub.pipeline.analysis import Analysis, separate_sound
from polydub.pipeline.evaluating_facts import (
    KINDS,
    VERSION,
    cost_of,
    environment_of,
    not_measured,
    placements_of,
)
from polydub.pipeline.evaluating_picture import look
from polydub.pipeline.evaluating_sound import (
    Ears,
    SaidLine,
    Track,
    joined,
    mono,
    original_prints,
    said_lines,
    speech_of,
    stability,
    true_background,
    word_values,
)
from polydub.pipeline.evaluating_voice import prosody
from polydub.pipeline.hearing import listen
from polydub.pipeline.run import Run
from polydub.project.artifacts import load, save

RATE = 48_000


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a dub besides its video.

    ``texts``: intended words by line of the original's script; ``references``: another translation
    of them to compare with; ``report``: polydub's own, when it made the dub; ``background``: a
    sound file with all of the original but its voices.
    """

    texts: Mapping[str, str]
    references: Mapping[str, str]
    report: Mapping[str, Any] | None = None
    background: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """The figures, and what the page shows: sounds ``(dub, original)`` and strips by line."""

    evaluation: Evaluation
    clips: dict[str, tuple[bytes | None, bytes | None]]
    strips: dict[str, bytes]


def evaluate_dub(
    run: Run, analysis: Analysis, other: tuple[Run, Source], known: Known, language: str | None
) -> Evaluated:
    """Everything that can be measured about a dub of ``analysis``.

    ``other`` is the dubbed video as a film of its own. ``language`` is that of the dub; it is found
    out by listening when ``None``.
    """
    dub_run, dub_source = other
    original = _original(run, analysis)
    dubbed = _dubbed(dub_run, dub_source)
    target = language or dubbed.transcript.language
    lines = said_lines(analysis.script.lines, known.texts, original, dubbed, target)
    with dub_run.stage("judge", total=len(lines)) as progress:
        ears = Ears(dub_run)
        measured = _Measured(ears, analysis, (original, dubbed), lines, target, known.references)
        for said in lines:
            measured.line(said)
            progress.step(said.line.id)
        measured.together(known)
    seen, strips = _looked(dub_run, run, analysis, dub_source, lines, (original, dubbed))
    for name, values in seen["lines"].items():
        measured.values[name] |= values
    film = {**measured.film, **seen["film"]}
    have = set(film) | {name for values in measured.values.values() for name in values}
    evaluation = Evaluation(
        source=Path(analysis.source.path).name,
        dub=Path(dub_source.path).name,
        source_language=analysis.script.language,
        target=target,
        duration_s=float(analysis.script.duration),
        lines=tuple(_evaluated(said, measured) for said in lines),
        shots=tuple(
            EvaluatedShot(
                shot.index,
                float(shot.span.start),
                float(shot.span.end),
                seen["shots"].get(str(shot.index), {}),
            )
            for shot in analysis.picture.shots
        ),
        names={speaker.id: speaker.name for speaker in analysis.script.cast},
        film=film,
        not_measured=not_measured(have, measured.missing, lines=len(lines)),
        environment=environment_of(dub_run),
        cost=cost_of(known.report),
    )
    return Evaluated(evaluation, _clips(lines, original, dubbed), strips)


def _original(run: Run, analysis: Analysis) -> Track:
    speech = speech_of(run, analysis.sound, analysis.source.digest)
    transcript = listen(run, analysis.source, analysis.sound).transcript
    return Track(analysis.sound, speech, transcript, analysis.source.digest)


def _dubbed(run: Run, source: Source) -> Track:
    if not source.audio:
        raise InputError(f"{source.path} has no sound.", code="DUB-E103")
    sound = separate_sound(run, source)
    run.engines.release("separate")
    heard = listen(run, source, sound)
    return Track(sound, speech_of(run, sound, source.digest), heard.transcript, source.digest)


class _Measured:
    """Figures by line and of the film, as they come."""

    def __init__(
        self,
        ears: Ears,
        analysis: Analysis,
        tracks: tuple[Track, Track],
        lines: Sequence[SaidLine],
        target: str,
        references: Mapping[str, str],
    ) -> None:
        self.ears, self.analysis, self.lines, self.target = ears, analysis, lines, target
        self.original, self.dubbed = tracks
        self.values: dict[str, dict[str, float]] = {said.line.id: {} for said in lines}
        self.film: dict[str, float] = {}
        self.missing = list(ears.missing)
        self.stands: StandIns = StandIns({}, 0.0, 0.0)
        self._voices = (self.original.voice(), self.dubbed.voice())
        self._prints: dict[str, dict[str, Voiceprint]] = {}
        self._references = references
        self._texts = self._reference_scorer()
        self._origins = original_prints(ears, lines, self._voices[0])

    def line(self, said: SaidLine) -> None:
        """Everything that one line tells alone."""
        values = self.values[said.line.id]
        values |= word_values(said, self.target)
        if not said.dub or not values["said"]:
            return
        values |= _known(
            overlap=speech_overlap(said.dub, said.source),
            onset_ms=onset_error(said.dub, said.source),
            offset_ms=offset_error(said.dub, said.source),
            loudness_lu=_loudness(said, self._voices),
        )
        take = joined(self._voices[1], said.dub)
        self._prints[said.line.id] = self.ears.prints(take)
        scores = predict(self.ears.predictors, take)
        kept = ("dnsmos", "distillmos", "utmos")
        values |= {name: scores[name] for name in kept if name in scores}
        if said.source:
            values |= self.ears.feelings(joined(self._voices[0], said.source), take)
        self._manner(said, values)
        self._likeness_of_sound(said, take, values)
        self._against_reference(said, values)

    def _manner(self, said: SaidLine, values: dict[str, float]) -> None:
        if said.window is None:
            return
        languages = (self.analysis.script.language, self.target)
        parts = (self._voices[0].cut(said.line.span), self._voices[1].cut(said.window))
        copies = [Waveform(np.array(part.samples), part.rate) for part in parts]
        found = prosody(copies[0], copies[1], languages)
        if "contour" in found:
            values["contour"] = found["contour"]

    def _likeness_of_sound(self, said: SaidLine, take: Waveform, values: dict[str, float]) -> None:
        """MCD-DTW, where the dub speaks the original's language."""
        if not said.source or not same_language(self.analysis.script.language, self.target):
            return
        found = distortion(cepstra(joined(self._voices[0], said.source)), cepstra(take))
        if found is not None:
            values |= {"mcd_dtw": found.mcd, "mcd_dtw_sl": found.sl}

    def _against_reference(self, said: SaidLine, values: dict[str, float]) -> None:
        reference = self._references.get(said.line.id)
        if self._texts is not None and reference:
            values["chrf"] = self._texts.chrf(said.heard, reference)

    def _reference_scorer(self) -> References | None:
        if not self._references:
            return None
        try:
            return References()
        except EngineError as error:
            self.missing += [NotMeasured(name, error.message) for name in ("chrf", "bleu")]
            return None

    def together(self, known: Known) -> None:
        """What lines tell only beside each other, and the film as a whole."""
        self._who()
        if self._texts is not None:
            heard = {x.line.id: x.heard for x in self.lines}
            bleu = self._texts.bleu(heard, self._references, self.target)
            self.film |= _known(bleu=bleu)
        self._when(known)
        self._mix()
        if known.background is not None:
            self.film |= true_background(known.background, self.dubbed)
        self._run(known.report)

    def _who(self) -> None:
        name = "similarity"
        own = [
            LineVoice(x.line.id, x.line.speaker, self._prints[x.line.id][name], float(total(x.dub)))
            for x in self.lines
            if name in self._prints.get(x.line.id, {})
        ]
        origins = self._origins[name]
        self.stands = stand_ins(own, origins)
        if len(origins) > 1 and self.stands.wrong_share is not None:
            self.film["wrong_voice"] = self.stands.wrong_share
        for voice in own:
            values = self.values[voice.line]
            if voice.line in self.stands.of_line and len(origins) > 1:
                stands = self.stands.of_line[voice.line]
                values["wrong_voice"] = float(stands != voice.speaker)
            alike = likeness(voice.print, origins, voice.speaker)
            if alike is not None and alike.margin is not None:
                values["margin"] = alike.margin
            steady = stability(voice.line, [(v.line, v.speaker, v.print) for v in own])
            values |= _known(stability=steady)
            for metric, prints in self._prints[voice.line].items():
                person = self._origins[metric].get(self.stands.of_line.get(voice.line, ""))
                if person is not None:
                    values[metric] = cosine(prints, person)
        by_speaker: dict[str, list[Voiceprint]] = {}
        for voice in own:
            by_speaker.setdefault(voice.speaker, []).append(voice.print)
        closest = closest_voices(by_speaker)
        self.film |= _known(closest_voices=closest[0] if closest else None)
        truth = [Turn(span, x.line.speaker) for x in self.lines for span in x.source]
        found = [
            Turn(span, self.stands.of_line.get(x.line.id, x.line.speaker))
            for x in self.lines
            for span in x.dub
        ]
        self.film |= _known(spk_tl=timeline_error(truth, found))

    def _when(self, known: Known) -> None:
        spoken = [x for x in self.lines if self.values[x.line.id].get("said")]
        ours = [span for x in spoken for span in x.dub]
        theirs = [span for x in spoken for span in x.source]
        onsets = [
            (float(x.line.span.start), self.values[x.line.id]["onset_ms"])
            for x in spoken
            if "onset_ms" in self.values[x.line.id]
        ]
        self.film |= _known(
            overlap=speech_overlap(ours, theirs),
            drift=drift([time for time, _ in onsets], [error for _, error in onsets]),
        )
        placements = placements_of(known.report)
        for name, (_, speed) in placements.items():
            if name in self.values:
                self.values[name]["speed"] = speed
        if placements:
            truth = [x.line.span for x in self.lines]
            spans = [span for span, _ in placements.values()]
            self.film["collisions_s"] = float(collisions(spans, truth))

    def _mix(self) -> None:
        sounds = (self.analysis.sound.mix.parent, self.dubbed.sound.mix.parent)
        film, mix = (open_waveform(folder / "audio.wav") for folder in sounds)
        peak = true_peak_db(mix)
        loud = [integrated_loudness(sound) for sound in (mix, film)]
        found = {
            "length_ms": 1000 * float(mix.duration - film.duration),
            "true_peak_db": peak if np.isfinite(peak) else None,
            "film_lu": loudness_error(loud[0], loud[1]),
        }
        ours, theirs = mix.mono().samples, film.mono().samples
        free = pauses(min(mix.duration, film.duration), self.original.speech, self.dubbed.speech)
        kept = bed(ours, theirs, RATE, free)
        if kept is not None:
            found |= {"bed_db": kept.level_db, "bed_sdr": kept.sdr_db}
        spans = merge(x.line.span for x in self.lines if x.dub)
        leak = None
        if spans:
            voices = [mono(t.sound.dialogue, RATE).samples for t in (self.original, self.dubbed)]
            size = min(len(x) for x in (ours, theirs, *voices))
            leak = voice_leak(*(x[:size] for x in (ours, theirs, *voices)), rate=RATE, spans=spans)
        self.film |= _known(**found, leak_db=leak.level if leak else None)

    def _run(self, report: Mapping[str, Any] | None) -> None:
        stages = report["timings"] if report else []
        if stages and not any(s["units"] and s["cached"] >= s["units"] for s in stages):
            seconds = sum(stage["seconds"] for stage in stages)
            self.film["rtf"] = seconds / max(float(self.analysis.script.duration), 1e-3)
            self.film["peak_mib"] = max(stage["peak_mib"] for stage in stages)


def _looked(
    dub_run: Run,
    run: Run,
    analysis: Analysis,
    dub: Source,
    lines: Sequence[SaidLine],
    tracks: tuple[Track, Track],
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Figures of lips and picture, kept; ``({"lines", "shots", "film"}, strips)``."""
    if dub.video is None:
        return {"lines": {}, "shots": {}, "film": {}}, {}

    def make(work: Path) -> None:
        voices = (tracks[0].voice(), tracks[1].voice())
        seen = look(replace_engines(dub_run, run), analysis, dub, lines, voices)
        shots = {str(index): values for index, values in seen.shots.items()}
        save(work / "seen.json", {"lines": seen.lines, "shots": shots, "film": seen.film})
        for name, data in seen.strips.items():
            (work / f"{name}.jpg").write_bytes(data)

    about = [(x.line.id, x.line.speaker, x.line.visibility, x.line.span, x.dub) for x in lines]
    people = [(one.id, one.person) for one in analysis.script.cast]
    engines = [dub_run.engines.identity(kind) for kind in KINDS]
    engines.append(os.environ.get(syncnet.VARIABLE, ""))
    folder, _ = dub_run.ensure(
        "seen", VERSION, analysis.picture.key, dub.digest, about, people, engines, make=make
    )
    kept: dict[str, Any] = load(folder / "seen.json", dict[str, Any])
    return kept, {path.stem: path.read_bytes() for path in sorted(folder.glob("*.jpg"))}


def replace_engines(dub_run: Run, run: Run) -> Run:
    """The run of the dub with the engines of the original's: the same eyes."""
    return replace(dub_run, engines=run.engines)


def _evaluated(said: SaidLine, measured: _Measured) -> EvaluatedLine:
    line, own = said.line, measured.values[said.line.id]
    return EvaluatedLine(
        id=line.id,
        speaker=line.speaker,
        visibility=line.visibility,
        start=float(line.span.start),
        end=float(line.span.end),
        text=line.text,
        wanted=said.wanted,
        heard=said.heard,
        source=_plain(said.source),
        dub=_plain(said.dub),
        voice=measured.stands.of_line.get(line.id),
        values={name: own[name] for name in METRICS if name in own},
    )


def _plain(spans: Sequence[Span]) -> tuple[tuple[float, float], ...]:
    return tuple((round(float(s.start), 4), round(float(s.end), 4)) for s in spans)


def _known(**values: float | None) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None}


def _loudness(said: SaidLine, voices: tuple[Waveform, Waveform]) -> float | None:
    """Loudness of the line's speech alone, dub minus original, from the 16 kHz stems."""
    if not said.source:
        return None
    parts = [joined(voices[0], said.source), joined(voices[1], said.dub)]
    return loudness_error(integrated_loudness(parts[1]), integrated_loudness(parts[0]))


def _clips(
    lines: Sequence[SaidLine], original: Track, dubbed: Track
) -> dict[str, tuple[bytes | None, bytes | None]]:
    """What a viewer hears over each line: the whole sound, of the dub and of the original."""
    mixes = [open_waveform(track.sound.mix) for track in (dubbed, original)]
    found = {}
    for said in lines:
        span = said.line.span if said.window is None else said.line.span | said.window
        first, second = (opus_clip(mix.cut(span)) or None for mix in mixes)
        found[said.line.id] = (first, second)
    return found
