"""Films, faces and voices for the lip benchmark; what the analysis found is kept in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from polydub.engines.faces.dlib import DlibIdentity
from polydub.engines.faces.mediapipe import MediaPipeFaces
from polydub.engines.faces.pyscenedetect import PySceneDetectShots
from polydub.engines.protocols import LipSpan, SpeechRequest
from polydub.engines.recognize.whisper import FasterWhisper
from polydub.engines.speak.kokoro import KokoroSynthesizer
from polydub.media.frames import FrameSource
from polydub.media.probe import probe
from polydub.media.wave import open_waveform, resample
from polydub.model import (
    Box,
    FaceTrack,
    Image,
    Line,
    Person,
    Phone,
    Placement,
    Shot,
    Source,
    Span,
    VideoStream,
    Waveform,
    Word,
)
from polydub.project.track_store import load_tracks, save_tracks
from polydub.stages.faces import track_faces
from polydub.stages.lips import plan_lip_spans
from polydub.stages.other_sound import phones_on_words
from polydub.stages.people import group_people
from polydub.stages.shots import find_shots


class Tools:
    """The engines, each loaded when it is first used."""

    @cached_property
    def faces(self) -> MediaPipeFaces:
        """Landmarks, also of what was rendered."""
        return MediaPipeFaces()

    @cached_property
    def identity(self) -> DlibIdentity:
        """Face prints."""
        return DlibIdentity()

    @cached_property
    def voice(self) -> KokoroSynthesizer:
        """Lines with phone times; phones of recognised words."""
        return KokoroSynthesizer()

    @cached_property
    def ears(self) -> FasterWhisper:
        """Words of the films."""
        return FasterWhisper()


@dataclass(frozen=True, eq=False)
class Voice:
    """Speech from film time 0 on: ``audio`` mono, ``phones`` in film time."""

    audio: Waveform
    phones: tuple[Phone, ...]

    def until(self, end: Fraction) -> Voice:
        """What is heard of it before ``end``."""
        phones = tuple(phone for phone in self.phones if phone.span.end <= end)
        return Voice(self.audio.cut(Span(Fraction(0), min(end, self.audio.duration))), phones)

    def shifted(self, seconds: Fraction) -> Voice:
        """The same voice, later."""
        silent = np.zeros(round(seconds * self.audio.rate), np.float32)
        samples = np.concatenate([silent, self.audio.samples.reshape(-1)])
        moved = tuple(phone.shift(seconds) for phone in self.phones)
        return Voice(Waveform(samples, self.audio.rate), moved)


@dataclass(eq=False)
class Film:
    """One clip: its pictures (held while it is worked on), shots, tracks and people."""

    name: str
    source: Source
    video: VideoStream
    shots: tuple[Shot, ...]
    tracks: tuple[FaceTrack, ...]
    people: tuple[Person, ...]
    frames: list[Image] = field(default_factory=list)

    def read(self, first: int, last: int) -> Iterator[tuple[int, Image]]:
        """Frames ``[first, last)`` from memory."""
        for index in range(first, min(last, len(self.frames))):
            yield index, self.frames[index]

    def middles(self, frames: range | list[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Middle of each frame in seconds."""
        edges = [(self.video.frame_time(f), self.video.frame_time(f + 1)) for f in frames]
        return np.array([float(a + b) / 2 for a, b in edges])

    def person_of(self, track: FaceTrack) -> list[FaceTrack]:
        """All tracks of the same person."""
        names = next(p.tracks for p in self.people if track.id in p.tracks)
        return [other for other in self.tracks if other.id in names]


def open_film(tools: Tools, path: Path, cache: Path) -> Film:
    """Shots and faces of ``path``, analysed once."""
    source = probe(path)
    video = source.video
    assert video is not None
    kept, shots_file = cache / f"{path.stem}.npz", cache / f"{path.stem}.shots.json"
    with FrameSource(path, video, source.start) as reader:
        if not shots_file.exists():
            found = find_shots(PySceneDetectShots(), reader.small(180), video)
            shots_file.write_text(json.dumps([[s.first, s.last] for s in found]))
        shots = tuple(
            Shot(n, first, last, Span(video.frame_time(first), video.frame_time(last)))
            for n, (first, last) in enumerate(json.loads(shots_file.read_text()))
        )
        if not kept.exists():
            tracks: list[FaceTrack] = []
            for shot in shots:
                tracks += track_faces(tools.faces, tools.identity, shot, reader.read)
            save_tracks(kept, tracks)
    known = load_tracks(kept)
    people = group_people(known, frame_time=video.frame_time)
    return Film(path.stem, source, video, shots, known, people)


def box_of(track: FaceTrack, frame: int) -> Box:
    """The face's box in ``frame`` of the film."""
    left, top, right, bottom = track.boxes[frame - track.first].tolist()
    return left, top, right, bottom


def decode(film: Film, path: Path) -> None:
    """Fetch all pictures of ``film`` into memory."""
    with FrameSource(path, film.video, film.source.start) as reader:
        film.frames = [image for _, image in reader.read(0, film.video.n_frames)]


def own_voice(tools: Tools, wav: Path, cache: Path) -> Voice:
    """The voice of a film as it is heard: phones of its recognised words on their times."""
    audio = open_waveform(wav).mono()
    kept = cache / f"{wav.stem}.words.json"
    if not kept.exists():
        heard = tools.ears.recognize(resample(audio, 16_000))
        rows = [[w.text, str(w.span.start), str(w.span.end), w.spaced] for w in heard.words]
        kept.write_text(json.dumps({"language": heard.language, "words": rows}))
    stored = json.loads(kept.read_text())
    words = [
        Word(text, Span(Fraction(start), Fraction(end)), spaced=spaced)
        for text, start, end, spaced in stored["words"]
    ]
    text = "".join(f"{' ' * word.spaced}{word.text}" for word in words).strip()
    style = tools.voice.styles(stored["language"])[0].name
    foreseen = tools.voice.foresee(SpeechRequest(text, stored["language"], style))
    return Voice(audio, phones_on_words(words, foreseen.phones))


def spoken(tools: Tools, text: str, language: str) -> Voice:
    """``text`` said by the packaged voice, with its own phone times."""
    style = tools.voice.styles(language)[0].name
    speech = tools.voice.speak(SpeechRequest(text, language, style))
    return Voice(speech.audio, speech.phones)


def spans_for(film: Film, track: FaceTrack, voice: Voice, begin: Fraction) -> list[LipSpan]:
    """The spans in which ``track`` says all of ``voice``, planned as in a dub."""
    span = Span(film.video.frame_time(track.first), film.video.frame_time(track.frames.stop))
    end = min(voice.audio.duration, span.end)
    plan, _ = plan_lip_spans(
        [Line("L1", "S1", span, "", visibility="on-screen")],
        {"L1": Placement("L1", Span(begin, max(begin, end)))},
        {"L1": tuple(phone.shift(-begin) for phone in voice.phones)},
        {"S1": "P1"},
        [track],
        [Person("P1", (track.id,))],
        film.shots,
        film.video,
    )
    return list(plan.get("P1", ()))
