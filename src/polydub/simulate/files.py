"""Writes a conversation to disk: film, sound, truth as JSON, RTTM and annotation line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from polydub.errors import ProjectError
from polydub.media.wave import write_waveform
from polydub.model import Span, Waveform
from polydub.simulate.conversation import Conversation, PlannedShot, PlannedTurn, overlaps
from polydub.simulate.picture import face_boxes, render_picture
from polydub.simulate.sound import RenderedSound, render_sound
from polydub.simulate.spec import PictureSpec

SCHEMA = "polydub.simulation/1"
SPEECH_RATE = 16_000
FILM_RATE = 48_000


def write_conversation(
    plan: Conversation,
    folder: Path,
    *,
    stems: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Render ``plan`` into ``folder``; returns the truth file.

    Writes ``NAME.mp4`` (H.264 and AAC; none without a picture), ``NAME.wav`` (dry voices, mono
    16 kHz), ``NAME.film.wav`` (all that is heard, mono 16 kHz), ``NAME.background.wav`` (music and
    noise in it), ``NAME.rttm`` and, last, ``NAME.json``; with ``stems`` also ``NAME.S1.wav`` and so
    on. ``progress`` receives 0..1.

    Raises:
        ProjectError: DUB-E304 when the folder cannot be written.
    """
    name = plan.spec.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sound = render_sound(plan)
        write_waveform(folder / f"{name}.wav", _at(sound.voices, SPEECH_RATE))
        write_waveform(folder / f"{name}.film.wav", _at(sound.film, SPEECH_RATE))
        write_waveform(folder / f"{name}.background.wav", _at(sound.background, SPEECH_RATE))
        if stems:
            for speaker, stem in sound.stems.items():
                write_waveform(folder / f"{name}.{speaker}.wav", _at(stem, SPEECH_RATE))
        if plan.spec.picture is not None:
            _write_film(folder / f"{name}.mp4", plan, sound, progress)
        (folder / f"{name}.rttm").write_text(rttm(plan), "utf-8")
        truth = folder / f"{name}.json"
        text = json.dumps(truth_of(plan), ensure_ascii=False, indent=1)
        truth.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise ProjectError(f"{folder} cannot be written: {error}", code="DUB-E304") from error
    return truth


def truth_of(plan: Conversation) -> dict[str, Any]:
    """All that is known about ``plan``, as JSON values; times in seconds, boxes in pixels."""
    spec = asdict(plan.spec)
    if plan.spec.picture is not None:
        spec["picture"]["rate"] = str(plan.spec.picture.rate)
    return {
        "schema": SCHEMA,
        "name": plan.spec.name,
        "language": plan.spec.language,
        "duration": _s(plan.duration),
        "spec": spec,
        "speakers": [
            {
                "id": m.id,
                "gender": m.gender,
                "voice": m.voice,
                "role": m.role,
                "look": m.look,
                "gain_db": m.gain_db,
                "distance": m.distance,
            }
            for m in plan.cast
        ],
        "turns": [_turn(plan, turn) for turn in plan.turns],
        "overlaps": [_pair(span) for span in overlaps(plan.turns)],
        "shots": [_shot(plan, shot) for shot in plan.shots],
        "gestures": [
            {"speaker": g.speaker, "kind": g.kind, "span": _pair(g.span)} for g in plan.gestures
        ],
        "off_screen": [t.id for t in plan.turns if plan.shots and not plan.on_screen(t)],
    }


def rttm(plan: Conversation) -> str:
    """The audible parts of all turns as NIST RTTM lines, by start."""
    rows = sorted((span, turn.speaker) for turn in plan.turns for span in turn.speech)
    return "".join(
        f"SPEAKER {plan.spec.name} 1 {float(span.start):.3f} {float(span.duration):.3f} "
        f"<NA> <NA> {speaker} <NA> <NA>\n"
        for span, speaker in rows
    )


def annotation(plan: Conversation) -> dict[str, Any]:
    """One line of ``annotations.jsonl``: clip, scene, text, clue and turns with gender."""
    several = len({turn.speaker for turn in plan.turns}) > 1
    return {
        "clip": plan.spec.name,
        "scene": "dialogue" if several else "monologue",
        "text": " ".join(turn.text for turn in plan.turns),
        "clue": f"simulated conversation, seed {plan.spec.seed}",
        "turns": [
            {
                "start": _s(turn.span.start),
                "end": _s(turn.span.end),
                "speaker": turn.speaker,
                "gender": plan.member(turn.speaker).gender,
                "age": "adult",
            }
            for turn in plan.turns
        ],
    }


def write_annotations(path: Path, plans: list[Conversation]) -> None:
    """One JSON line per conversation."""
    lines = [json.dumps(annotation(plan), ensure_ascii=False) for plan in plans]
    path.write_text("".join(line + "\n" for line in lines), "utf-8")


def _turn(plan: Conversation, turn: PlannedTurn) -> dict[str, Any]:
    return {
        "id": turn.id,
        "speaker": turn.speaker,
        "kind": turn.kind,
        "start": _s(turn.span.start),
        "end": _s(turn.span.end),
        "speech": [_pair(span) for span in turn.speech],
        "text": turn.text,
        "words": [
            {"text": w.text, "start": _s(w.span.start), "end": _s(w.span.end), "spaced": w.spaced}
            for w in turn.words
        ],
        "on_screen": plan.on_screen(turn),
        "visible_s": _s(plan.visible(turn)),
    }


def _shot(plan: Conversation, shot: PlannedShot) -> dict[str, Any]:
    faces = []
    for speaker, box in face_boxes(plan, shot).items():
        talking = [
            _pair(common)
            for turn in plan.turns
            if turn.speaker == speaker and (common := turn.span & shot.span)
        ]
        faces.append({"speaker": speaker, "box": [round(v, 1) for v in box], "talking": talking})
    return {
        "index": shot.index,
        "first": shot.first,
        "last": shot.last,
        "start": _s(shot.span.start),
        "end": _s(shot.span.end),
        "framing": shot.framing,
        "faces": faces,
        "from_behind": [place.speaker for place in shot.places if place.behind],
    }


def _s(value: Fraction) -> float:
    return round(float(value), 4)


def _pair(span: Span) -> list[float]:
    return [_s(span.start), _s(span.end)]


def _at(audio: Waveform, rate: int) -> Waveform:
    import soxr

    return Waveform(np.asarray(soxr.resample(audio.samples, audio.rate, rate), np.float32), rate)


def _write_film(
    path: Path,
    plan: Conversation,
    sound: RenderedSound,
    progress: Callable[[float], None] | None,
) -> None:
    import av

    picture = plan.spec.picture or PictureSpec()
    unfinished = path.with_suffix(".part.mp4")
    with av.open(str(unfinished), "w", options={"movflags": "+faststart"}) as out:
        options = {"crf": "20", "preset": "superfast", "threads": "1"}
        video = out.add_stream("libx264", rate=picture.rate, options=options)
        video.width, video.height = picture.size
        video.pix_fmt = "yuv420p"
        voice = out.add_stream("aac", rate=FILM_RATE, layout="mono")
        voice.bit_rate = 128_000
        count = plan.shots[-1].last
        for number, image in enumerate(render_picture(plan)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = number, 1 / picture.rate
            out.mux(video.encode(frame))
            if progress is not None:
                progress((number + 1) / count)
        out.mux(video.encode(None))
        for block in _blocks(_at(sound.film, FILM_RATE)):
            out.mux(voice.encode(block))
        out.mux(voice.encode(None))
    unfinished.replace(path)


def _blocks(audio: Waveform) -> Iterator[Any]:
    import av

    for at in range(0, len(audio.samples), 1024):
        chunk = np.ascontiguousarray(audio.samples[None, at : at + 1024])
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = audio.rate, at
        frame.time_base = Fraction(1, audio.rate)
        yield frame
