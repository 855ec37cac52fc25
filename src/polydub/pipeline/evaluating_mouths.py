"""One line's mouth beside one sound, from a face track and the dialogue."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polydub.engines.active_speaker.mouth_curves import MouthCurves, usable_frames
from polydub.evaluate.mouth_sound import CLOCK, mouth_lengths, sound_windows
from polydub.evaluate.mouths import REACH, Mouth, line_mouth
from polydub.model import FaceTrack, Span, Waveform

Floats = npt.NDArray[np.float64]


def mouth_of_line(
    name: str,
    face: tuple[FaceTrack, Floats, MouthCurves],
    spans: Sequence[Span],
    sound: Waveform,
) -> Mouth | None:
    """What is compared of a line in one film; ``None`` when it is not said there in the picture.

    ``face`` is the track around the line, the times of its frames (s) and its curves; ``spans`` are
    the audible speech of the line, ``sound`` the dialogue at 16 kHz.
    """
    track, times, curves = face
    clock = curves.times
    speaks = np.zeros(len(clock), np.bool_)
    for span in spans:
        speaks |= (clock >= float(span.start)) & (clock < float(span.end))
    use = curves.usable & speaks
    if not use.any():
        return None
    usable = usable_frames(track)
    points = track.landmarks[usable].astype(np.float64)
    rows = mouth_lengths(points, track.iod[usable].astype(np.float64))
    lengths = np.stack([np.interp(clock, times[usable], row) for row in rows])
    heard = clock[0] + np.arange(-REACH, len(clock) + REACH) / CLOCK
    return line_mouth(name, lengths, use, sound_windows(sound, heard))
