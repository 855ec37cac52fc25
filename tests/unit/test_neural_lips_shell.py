"""The shell around the lip networks: clock, windows, sound, crops, blending, and what fails."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest

from polydub.engines.lips.geometry import measure_track, person_canonical
from polydub.engines.lips.neural.blend import Blender, masks_of, place_of
from polydub.engines.lips.neural.clock import ticks
from polydub.engines.lips.neural.framing import BrowsAndNose, FaceBox, NoseCentredBox, cut
from polydub.engines.lips.neural.listening import sound_around
from polydub.engines.lips.neural.network import Crops, Framing, MouthNetwork, Sound
from polydub.engines.lips.neural.renderer import NeuralOptions, NeuralRenderer
from polydub.engines.lips.neural.runs import UNCHANGED
from polydub.engines.lips.neural.windows import redrawn, windows
from polydub.engines.protocols import LipOutcome, LipSpan
from polydub.errors import EngineError
from polydub.model import Phone, Span, Waveform
from tests.lip_models import Head, frame_time, phones, voice

FRAMINGS = [FaceBox(96), NoseCentredBox(128), BrowsAndNose(128)]


class Painter:
    """A network that paints the lower half blue, and remembers what it was given."""

    overlap = 0

    def __init__(
        self,
        *,
        clock: int | None = None,
        window: int = 8,
        paint: Callable[[Crops], Crops] | None = None,
    ) -> None:
        self.clock, self.window = clock, window
        self.framing: Framing = FaceBox(96)
        self.batches: list[int] = []
        self.times: list[Any] = []
        self.sounds: list[Sound] = []
        self._paint = paint or self._blue

    @staticmethod
    def _blue(crops: Crops) -> Crops:
        made = crops.copy()
        made[:, 48:, :, 2] = np.minimum(made[:, 48:, :, 2].astype(int) + 40, 255)
        return made

    def listen(self, sound: Sound, times: Any) -> Any:
        self.times.append(times)
        self.sounds.append(sound)
        return np.arange(len(times))

    def redraw(self, crops: Crops, heard: Any) -> Crops:
        assert len(crops) == len(heard) and crops.shape[1:] == (96, 96, 3)
        self.batches.append(len(crops))
        return self._paint(crops)


def outcome(
    network: MouthNetwork,
    head: Head,
    *,
    spoken: tuple[Phone, ...] = (),
    times: Callable[[int], Fraction] = frame_time,
    options: NeuralOptions | None = None,
) -> LipOutcome:
    span = LipSpan("F000.1", "L1", (0, head.n), Span(times(0), times(head.n)), spoken)
    options = options or NeuralOptions(max_residual=1e9)
    renderer = NeuralRenderer([span], [head.track()], [head.shot()], network, options)
    (found,) = renderer.render(head.read, times, voice(phones("a a", 0.0), 3.0))
    return found


def test_a_network_of_ones_own_fits_the_protocol() -> None:
    assert isinstance(Painter(), MouthNetwork)


@pytest.mark.parametrize("rate", [24, 25, 30, 50])
def test_the_clock_covers_the_film_and_never_runs_back(rate: int) -> None:
    frames = 7 + np.arange(60) / rate
    found = ticks(frames, 25)
    assert found.times[0] == 7 and np.allclose(np.diff(found.times), 0.04)
    assert abs(found.times[-1] - frames[-1]) <= 0.0201
    assert (np.diff(found.picture) >= 0).all() and (np.diff(found.tick) >= 0).all()
    away = np.abs(found.times[found.tick] - frames)
    assert away.max() <= 0.0201
    if rate == 25:
        assert (found.picture == np.arange(60)).all() and (found.tick == found.picture).all()
    if rate == 24:  # one picture in 25 is shown twice, none is left out
        assert set(found.picture.tolist()) == set(range(60))
        assert len(found.times) == 62


def test_without_a_clock_every_frame_is_its_own_tick() -> None:
    found = ticks(np.array([0.0, 0.1, 0.15]), None)
    assert found.times.tolist() == [0.0, 0.1, 0.15]
    assert found.picture.tolist() == found.tick.tolist() == [0, 1, 2]
    assert len(ticks(np.zeros(0), 25).times) == 0


def test_variable_frame_times_find_the_nearest_picture() -> None:
    found = ticks(np.array([0.0, 0.04, 0.2, 0.24]), 25)
    assert found.picture.tolist() == [0, 1, 1, 1, 2, 2, 3]
    assert found.tick.tolist() == [0, 1, 5, 6]


def test_windows_cover_everything_once_and_the_last_is_full() -> None:
    assert windows(0, 16, 4) == []
    assert windows(5, 16, 4) == [(0, 5, 5)]
    assert windows(16, 16, 4) == [(0, 16, 16)]
    assert windows(18, 16, 4) == [(0, 16, 12), (2, 18, 18)]
    assert windows(20, 8, 0) == [(0, 8, 8), (8, 16, 16), (16, 20, 20)]
    for count in range(1, 70):
        plan = windows(count, 16, 4)
        assert all(last - first == min(16, count) for first, last, _ in plan)
        assert [sure for *_, sure in plan] == sorted({sure for *_, sure in plan})
        assert plan[-1][2] == count


def test_shared_crops_fade_from_one_window_to_the_next() -> None:
    network = Painter(window=8, paint=lambda crops: np.full_like(crops, 100 * len(network.batches)))
    network.overlap = 3
    made = redrawn(network, lambda a, b: np.zeros((b - a, 96, 96, 3), np.uint8), np.arange(13), 13)
    found = dict(made)
    assert sorted(found) == list(range(13))
    values = [int(crop[0, 0, 0]) for crop in found.values() if not isinstance(crop, str)]
    assert values == [100] * 5 + [125, 150, 175] + [200] * 5


def test_a_window_that_fails_costs_its_own_crops_only() -> None:
    def paint(crops: Crops) -> Crops:
        if len(network.batches) == 2:
            raise EngineError("no memory left")
        return crops

    network = Painter(window=4, paint=paint)
    made = redrawn(network, lambda a, b: np.zeros((b - a, 96, 96, 3), np.uint8), np.arange(10), 10)
    kinds = ["failed" if isinstance(crop, str) else "drawn" for _, crop in made]
    assert kinds == ["drawn"] * 4 + ["failed"] * 4 + ["drawn"] * 2


def test_only_the_own_phones_are_heard() -> None:
    audio = Waveform(np.ones(48000 * 4, np.float32) * 0.5, 48000)
    sound = sound_around(audio, Span.of(1.5, 3.0), phones("a b", 2.0, 0.2))
    assert sound.start == 0.5 and len(sound.samples) == int(3.5 * 16000)
    at = {t: abs(float(sound.samples[int((t - 0.5) * 16000)])) for t in (1.0, 1.85, 2.1, 2.45, 2.6)}
    assert at[1.0] == at[1.85] == at[2.6] == 0
    assert at[2.1] == pytest.approx(0.5, abs=0.02) and at[2.45] > 0.3
    assert not sound_around(audio, Span.of(1, 2), ()).samples.any()
    assert not sound_around(audio, Span.of(1, 2), [Phone(" ", Span.of(1, 2))]).samples.any()


def test_sound_beyond_the_end_of_the_dub_is_silence() -> None:
    audio = Waveform(np.ones(16000, np.float32), 16000)
    sound = sound_around(audio, Span.of(0.5, 2.0), [Phone("a", Span.of(0.2, 2.0))])
    assert len(sound.samples) == 3 * 16000 and sound.start == 0
    assert sound.samples[8000] == 1 and not sound.samples[17000:].any()


@pytest.mark.parametrize("framing", FRAMINGS, ids=lambda framing: type(framing).__name__)
def test_crops_hold_the_face_upright_and_follow_the_head_not_the_jaw(framing: Framing) -> None:
    still = Head(20, gap=lambda frame: 0.02 if frame % 2 else 0.3, place=lambda frame: (240, 120))
    track = still.track()
    canonical = person_canonical([track])
    assert canonical is not None
    geometry = measure_track(track, canonical)
    affines = framing.affines(geometry, canonical)
    points = still.points(4)[:, :2]
    there = points @ affines[4, :, :2].T + affines[4, :, 2]
    eyes, nose, mouth, chin = there[[33, 263]], there[4], there[[13, 14]].mean(axis=0), there[152]
    assert eyes[0, 0] < nose[0] < eyes[1, 0] and abs(eyes[0, 1] - eyes[1, 1]) < 1
    assert eyes[0, 1] < nose[1] < mouth[1] < chin[1] < framing.size
    assert mouth[1] > framing.size / 2  # in the half that is made anew
    shake = np.abs(np.diff(affines, axis=0)).max()
    assert shake < 0.05 * np.abs(affines).max()  # the mouth opens and closes, the crop stays


@pytest.mark.parametrize("framing", FRAMINGS, ids=lambda framing: type(framing).__name__)
def test_a_crop_that_comes_back_unchanged_leaves_the_picture_alone(framing: Framing) -> None:
    head = Head(6, iod=90.0, place=lambda frame: (240.0, 110.0))
    track = head.track()
    canonical = person_canonical([track])
    assert canonical is not None
    geometry = measure_track(track, canonical)
    affine = framing.affines(geometry, canonical)[3]
    image = cv2.GaussianBlur(head.image(3), (0, 0), 3)  # what a small crop can hold
    place = place_of(image, geometry, 3)
    masks = masks_of(place.region, geometry, 3, affine, framing.size)
    crop = cut(image, affine, framing.size)
    blender = Blender()
    patch = blender(place, masks, crop, affine, iod=90.0, strength=1.0, frame=3)
    height, width = patch.pixels.shape[:2]
    own = image[patch.top : patch.top + height, patch.left : patch.left + width]
    assert np.abs(patch.pixels.astype(int) - own).mean() < 1.0
    assert blender.residual < 1.0
    assert masks.alpha.max() == 1 and masks.ring.sum() > 100
    edge = np.concatenate([masks.alpha[0], masks.alpha[-1], masks.alpha[:, 0], masks.alpha[:, -1]])
    assert edge.max() == 0  # no border of the rectangle can be seen


def test_crops_are_averaged_down_and_exact_in_place() -> None:
    picture = np.zeros((240, 240, 3), np.uint8)
    picture[:, 120:] = 255
    affine = np.array([[0.25, 0, -0.375], [0, 0.25, -0.375]])  # 240 pixels to 60, by centres
    crop = cut(picture, affine, 60)
    assert (crop[:, :30] == 0).all() and (crop[:, 30:] == 255).all()
    noise = np.random.default_rng(0).integers(0, 256, (240, 240, 3)).astype(np.uint8)
    assert cut(noise, affine, 60).std() < 0.4 * noise.std()  # 16 pixels each, not single ones
    outside = cut(picture, np.array([[1.0, 0, 100], [0, 1.0, 100]]), 60)
    assert outside.shape == (60, 60, 3) and (outside == 0).all()


def test_what_is_drawn_is_laid_in_where_the_face_is_and_matched_in_colour() -> None:
    found = outcome(Painter(paint=lambda crops: crops // 2), Head(10))
    assert len(found.patches) == 10 and found.skipped == {}
    head = Head(10)
    for patch in found.patches:
        height, width = patch.pixels.shape[:2]
        own = head.image(patch.frame)[patch.top : patch.top + height, patch.left :][:, :width]
        # half as bright all over is light, and is taken back on the skin
        skin = np.abs(patch.pixels.astype(int) - own)[height // 2, [4, -5]]
        assert skin.max() < 25


def test_frames_go_through_in_batches_and_never_from_a_gap() -> None:
    network = Painter(window=8)
    head = Head(20, yaw=lambda frame: 55.0 if 8 <= frame < 12 else 0.0)
    found = outcome(network, head)
    assert sum(network.batches) == len(found.patches) < 18
    assert len(network.times) == 2  # one run before the profile, one behind
    for times in network.times:
        assert np.allclose(np.diff(times), 0.04)


def test_a_clocked_network_sees_25_pictures_a_second_of_any_film() -> None:
    network = Painter(clock=25, window=16)
    head = Head(50)
    found = outcome(network, head, times=lambda frame: Fraction(frame, 50))
    assert len(found.patches) == 50
    assert sum(network.batches) == 26
    assert np.allclose(network.times[0], np.arange(26) / 25)


def test_the_reason_of_a_failure_is_told_and_the_rest_is_drawn() -> None:
    def paint(crops: Crops) -> Crops:
        if len(network.batches) == 1:
            raise EngineError("the network failed: out of memory")
        return Painter._blue(crops)

    network = Painter(window=8, paint=paint)
    found = outcome(network, Head(20))
    assert found.skipped == {"the network failed: out of memory": 8}
    assert [patch.frame for patch in found.patches] == list(range(8, 20))


def test_a_network_that_cannot_hear_leaves_the_run_alone() -> None:
    class Deaf(Painter):
        def listen(self, sound: Sound, times: Any) -> Any:
            raise EngineError("the ears failed")

    found = outcome(Deaf(), Head(12))
    assert found.patches == () and found.skipped == {"the ears failed": 12}


def test_a_network_that_changes_nothing_is_found_out() -> None:
    head = Head(8, light=lambda frame: 0.0)  # black stays black on its way there and back
    found = outcome(Painter(paint=lambda crops: crops), head)
    assert found.patches == () and found.skipped == {UNCHANGED: 8}


def test_what_does_not_fit_is_held_back() -> None:
    def noise(crops: Crops) -> Crops:
        random = np.random.default_rng(0)
        return random.integers(0, 256, crops.shape).astype(np.uint8)

    found = outcome(Painter(paint=noise), Head(8), options=NeuralOptions())
    assert found.patches == () and sum(found.skipped.values()) == 8
    assert found.scores["ring"] > 15


def test_memory_holds_one_window_of_crops() -> None:
    """A run of any length holds the pictures of one window."""
    import gc
    import weakref

    alive: list[int] = []
    kept: list[Any] = []
    head = Head(64)
    whole = head.read

    def read(first: int, last: int) -> Any:
        for index, picture in whole(first, last):
            kept.append(weakref.ref(picture))
            yield index, picture
            del picture
            alive.append(sum(ref() is not None for ref in kept))

    head.read = read  # type: ignore[method-assign]
    outcome(Painter(window=8), head)
    gc.collect()
    assert max(alive) <= 2
