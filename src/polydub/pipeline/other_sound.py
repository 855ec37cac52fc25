"""Lips alone: the mouths of a film follow a dub that somebody brings along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polydub.engines.protocols import Performer, SpeechRequest
from polydub.errors import EngineError, InputError
from polydub.media.master import AudioTrack, write_master
from polydub.media.probe import probe
from polydub.model import Decision, Phone, Placement, Script, Source, Span, Word
from polydub.pipeline.analysis import VERSION, Analysis, chosen_audio, separate_sound
from polydub.pipeline.hearing import listen
from polydub.pipeline.outputs import is_current, record_output
from polydub.pipeline.picture import Lips, PieceCache, Said, render_lips
from polydub.pipeline.run import Run
from polydub.project.cache import digest
from polydub.stages.other_sound import phones_on_words, spelled_phones, words_by_line

STAGE = "lips"
MOST_DIFFERENCE_S = 0.5
"""Seconds by which a sound may be longer or shorter than its film before somebody is told."""


@dataclass(frozen=True, slots=True)
class MovedLine:
    """A line of the script under the other sound.

    ``words`` are what it says there, ``rendered`` the share of its visible frames with a new mouth;
    ``None`` when there is no mouth to move. ``reason`` says why the original mouth stays.
    """

    line: str
    speaker: str
    span: Span
    words: str
    rendered: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Followed:
    """A film whose mouths follow another sound, and what was done line by line."""

    video: Path
    language: str
    lines: tuple[MovedLine, ...]
    decisions: tuple[Decision, ...]


def read_sound(path: Path) -> Source:
    """The sound file, or a video with the sound. Raises ``InputError``."""
    source = probe(path)
    if not source.audio:
        raise InputError(
            f"{path.name} has no audio stream.",
            hint="Give the finished sound of the dub: a sound file, or a video with it.",
            code="DUB-E103",
        )
    return source


def follow_sound(
    run: Run, analysis: Analysis, other: Source, out: Path, *, language: str | None = None
) -> Followed:
    """Write ``out``: the film with the sound of ``other`` and mouths that say it.

    The words of ``other`` are recognised in ``language`` (found out when not given) and given to
    the lines of the script, which say whose mouths they are.
    """
    _compare_lengths(run, analysis.source, other)
    sound = separate_sound(run, other, language)
    run.engines.release("separate")
    transcript = listen(run, other, sound, language).transcript
    run.engines.release("recognize", "vad", "segment")
    if not transcript.words:
        text = "nobody is heard speaking in the new sound: is it the right file, and --language?"
        run.decide(Decision(STAGE, "film", "warning", text))
    script = analysis.script
    words = words_by_line(script.lines, transcript.words)
    said = _said(run, words, transcript.language, other.digest)
    for line in script.lines:
        if line.id not in said:
            text = "nobody says anything here in the new sound: the original mouth stays"
            run.decide(Decision(STAGE, line.id, "warning", text, line.span))
    lips = render_lips(run, analysis, script, said, sound.dialogue)
    _write(run, analysis, (sound.whole, transcript.language), lips, out)
    moved = _moved(run, script, words, lips)
    return Followed(out, transcript.language, moved, tuple(run.decisions))


def _compare_lengths(run: Run, film: Source, other: Source) -> None:
    length, wanted = float(other.duration), float(film.duration)
    if abs(length - wanted) > MOST_DIFFERENCE_S:
        text = f"the sound lasts {length:.1f} s, the film {wanted:.1f} s: it is cut or padded"
        run.decide(Decision(STAGE, "film", "warning", text))


def _said(
    run: Run, words: Mapping[str, Sequence[Word]], language: str, source: str
) -> dict[str, Said]:
    """When which phones are said, by line; silence where a line has no words."""
    said = {}
    for name, own in words.items():
        span = Span(own[0].span.start, max(word.span.end for word in own))
        phones = _phones(run, own, language)
        inside = tuple(phone.shift(-span.start) for phone in phones)
        said[name] = Said(Placement(name, span), inside, digest(source, inside))
    return said


def _phones(run: Run, words: Sequence[Word], language: str) -> tuple[Phone, ...]:
    """Phones of ``words`` in film time: as the voice engine would say them, else as spelled."""
    synthesizer = run.engines.get("speak")
    text = "".join(f"{' ' * word.spaced}{word.text}" for word in words).strip()
    if isinstance(synthesizer, Performer):
        try:
            style = synthesizer.styles(language)[0].name  # type: ignore[attr-defined]
            foreseen = synthesizer.foresee(SpeechRequest(text, language, style))
        except EngineError as error:
            how = f"the lips follow the spelling, not the sounds: {error.message}"
            run.decide(Decision(STAGE, "film", "fallback", how))
        else:
            return phones_on_words(words, foreseen.phones)
    return spelled_phones(words)


def _write(run: Run, analysis: Analysis, sound: tuple[Path, str], lips: Lips, out: Path) -> None:
    """The film with ``sound`` (file and language) and new mouths."""
    source, total = analysis.source, analysis.video.n_frames
    patches = lips.patches if lips.patches.index else None
    file, language = sound
    key = digest(VERSION, file.parent.name, language, lips.key, out.name)
    with run.stage("master", total=total) as progress:
        if is_current(run.project, out, key):
            return
        write_master(
            source,
            out,
            audio=[AudioTrack(file, language, "Dub", default=True)],
            original=chosen_audio(source, run.options.source_language),
            original_language=analysis.script.language,
            patches=patches.at if patches is not None else None,
            pieces=PieceCache(run.cache, source.digest, patches) if patches else None,
            progress=lambda done, _total: progress.at(done),
        )
    record_output(run.project, out, key)


def _moved(
    run: Run, script: Script, words: Mapping[str, Sequence[Word]], lips: Lips
) -> tuple[MovedLine, ...]:
    reasons = {d.unit: d.reason for d in run.decisions if d.stage == STAGE and d.unit != "film"}
    return tuple(
        MovedLine(
            line.id,
            line.speaker,
            line.span,
            "".join(f"{' ' * w.spaced}{w.text}" for w in words.get(line.id, ())).strip(),
            lips.scores.get(line.id, {}).get("lips_rendered"),
            reasons.get(line.id, ""),
        )
        for line in script.lines
    )
