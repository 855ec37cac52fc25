"""Draws small films whose truth is known: tones that talk, squares that move their mouths.

Person A is a red square with a voice at 150 Hz, person B a green one at 420 Hz. The wall behind
each has its own colour, so every change of speaker can be a cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 160, 120
VOICES = {"A": 150.0, "B": 420.0}
FACES = {"A": (220, 40, 40), "B": (40, 220, 40)}
WALLS = {"A": (40, 40, 90), "B": (90, 90, 140), "-": (10, 10, 10)}


@dataclass(frozen=True)
class Beat:
    """``seconds`` of film: who is seen (``"-"`` nobody), who speaks (``"-"`` nobody)."""

    seconds: float
    seen: str
    speaks: str


CONVERSATION = (
    Beat(0.4, "A", "-"),
    Beat(2.0, "A", "A"),
    Beat(0.4, "A", "-"),
    Beat(2.0, "B", "B"),
    Beat(0.4, "B", "-"),
    Beat(1.6, "B", "A"),
    Beat(0.4, "B", "-"),
)


def draw(beat: Beat, number: int) -> np.ndarray:
    """One picture ``[HEIGHT, WIDTH, 3]``; a speaking mouth opens and closes every four frames."""
    image = np.full((HEIGHT, WIDTH, 3), WALLS[beat.seen], np.uint8)
    if beat.seen == "-":
        return image
    image[20:100, 50:110] = FACES[beat.seen]
    height = 4 + 3 * (number % 4) if beat.speaks == beat.seen else 2
    image[70 : 70 + height, 65:95] = 0
    return image


def talk(beat: Beat, rate: int) -> np.ndarray:
    """Bursts of 200 ms with 60 ms between them at the voice's pitch ``[n]``."""
    times = np.arange(round(beat.seconds * rate)) / rate
    if beat.speaks == "-":
        return np.zeros(len(times), np.float32)
    pitch = VOICES[beat.speaks]
    tone = 0.3 * np.sin(2 * np.pi * pitch * times) + 0.05 * np.sin(4 * np.pi * pitch * times)
    return (tone * ((times % 0.26) < 0.2)).astype(np.float32)


def write_film(
    path: Path,
    beats: tuple[Beat, ...] = CONVERSATION,
    *,
    fps: Fraction = Fraction(25),
    audio: bool = True,
    layout: str = "mono",
) -> Path:
    """Write the beats as H.264 and AAC."""
    rate = 48000
    with av.open(str(path), "w") as container:
        video = container.add_stream(
            "libx264", rate=fps, options={"crf": "18", "preset": "ultrafast"}
        )
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=rate, layout=layout) if audio else None
        for beat in beats:
            for number in range(round(beat.seconds * fps)):
                frame = av.VideoFrame.from_ndarray(draw(beat, number), format="rgb24")
                container.mux(video.encode(frame))
        container.mux(video.encode())
        if sound is not None:
            samples = np.concatenate([talk(beat, rate) for beat in beats])
            for start in range(0, len(samples), 1024):
                chunk = np.stack([samples[start : start + 1024]] * (2 if layout == "stereo" else 1))
                frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout=layout)
                frame.sample_rate, frame.pts = rate, start
                container.mux(sound.encode(frame))
            container.mux(sound.encode())
    return path
