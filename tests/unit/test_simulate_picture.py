"""Drawn people: what moves, where they are, and that real engines see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from polydub.engines.fakes import FakeSynthesizer
from polydub.model import FaceTrack, Image, Phone, Span
from polydub.simulate import (
    Conversation,
    ConversationSpec,
    PictureSpec,
    SynthesizerBank,
    plan_conversation,
    render_picture,
)
from polydub.simulate.acting import Acting, act, mouth_curves
from polydub.simulate.head import Puppet, Spot
from polydub.simulate.looks import look
from polydub.simulate.picture import face_boxes
from polydub.simulate.planning import LOOKS

SPEC = ConversationSpec(
    name="seen",
    seed=3,
    seconds=6.0,
    gaps_s=(0.3, 0.5),
    picture=PictureSpec(two_shots=1.0, off_screen=0.0, reactions=0.0),
)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Conversation:
    return plan_conversation(SPEC, SynthesizerBank(tmp_path_factory.mktemp("b"), FakeSynthesizer()))


def still(**values: float) -> Acting:
    rest = dict.fromkeys(Acting.__slots__, 0.0) | {"width": 1.0, "lid": 1.0} | values
    return Acting(**{name: np.array([value]) for name, value in rest.items()})


def drawn(puppet: Puppet, acting: Acting, yaw: float = 0.0) -> np.ndarray:
    image: Image = np.full((360, 640, 3), 90, np.uint8)
    puppet.draw(image, Spot(320, 170, 70, yaw), acting, 0)
    return image.astype(int)


class TestActing:
    def test_lips_close_for_p_and_open_for_a(self) -> None:
        spoken = [Phone(c, Span.of(f"0.{k}", f"0.{k + 1}")) for k, c in enumerate("apapa")]
        times = np.arange(0, 0.7, 0.01)
        gap, _, active = mouth_curves(spoken, times)
        middle = [gap[np.searchsorted(times, 0.1 * k + 0.02)] for k in range(5)]
        assert min(middle[0::2]) > 0.07
        assert max(middle[1::2]) < 0.04
        assert active[30] == 1 and gap[-1] == 0

    def test_rounded_vowels_are_narrow(self) -> None:
        spoken = [Phone("u", Span.of(0, "0.3")), Phone("i", Span.of("0.3", "0.6"))]
        _, width, _ = mouth_curves(spoken, np.array([0.12, 0.42]))
        assert width[0] < 0.85 < 1.0 < width[1]

    def test_speakers_move_their_mouths_and_listeners_do_not(self, plan: Conversation) -> None:
        rate = 25
        times = np.arange(plan.shots[-1].last) / rate
        for turn in plan.turns:
            first, last = (round(float(t) * rate) for t in (turn.span.start, turn.span.end))
            for member in plan.cast:
                speed = (
                    np.abs(np.diff(act(plan, member.id, times).gap[first + 4 : last - 4])) * rate
                )
                assert (speed.mean() > 0.1) == (member.id == turn.speaker)

    def test_chewing_moves_a_silent_mouth(self, plan: Conversation, tmp_path: Path) -> None:
        chewing = replace(SPEC, picture=replace(SPEC.picture or PictureSpec(), chewing=True))
        bank = SynthesizerBank(tmp_path, FakeSynthesizer())
        plans = [plan_conversation(replace(chewing, seed=seed), bank) for seed in range(4)]
        gestures = [(p, g) for p in plans for g in p.gestures]
        assert gestures
        for made, gesture in gestures:
            times = np.arange(0, float(gesture.span.end), 0.04)
            inside = times > float(gesture.span.start) + 0.3
            speed = np.abs(np.diff(act(made, gesture.speaker, times).gap))[inside[1:]] / 0.04
            assert speed.mean() > 0.05


class TestHead:
    puppet = Puppet(look("female", 0), 70)

    def test_an_open_mouth_changes_the_mouth_and_the_chin_only(self) -> None:
        change = np.abs(drawn(self.puppet, still(gap=0.16)) - drawn(self.puppet, still())).sum(2)
        rows, columns = np.nonzero(change > 24)
        assert len(rows) > 300
        assert rows.min() > 170 + 70 * 0.2  # below the nose
        assert np.median(columns) == pytest.approx(320, abs=6)

    def test_shut_lids_change_the_eyes_only(self) -> None:
        change = np.abs(drawn(self.puppet, still(lid=0)) - drawn(self.puppet, still())).sum(2)
        rows, _ = np.nonzero(change > 24)
        assert len(rows) > 50
        assert rows.max() < 170 + 70 * 0.25

    def test_a_turned_head_shows_its_nose_to_that_side(self) -> None:
        right = drawn(self.puppet, still(), 25)
        dark = [
            np.argmin(p[192:198, 290:350].sum((0, 2)))
            for p in (drawn(self.puppet, still(), -25), right)
        ]
        assert dark[1] > dark[0] + 10

    def test_a_back_of_a_head_has_no_face(self) -> None:
        back = Puppet(look("female", 0), 70, back=True)
        assert np.array_equal(drawn(back, still(gap=0.2)), drawn(back, still()))
        face = np.s_[130:230, 280:360]
        assert np.abs(drawn(back, still())[face] - drawn(self.puppet, still())[face]).mean() > 20

    def test_a_head_may_be_partly_outside(self) -> None:
        image: Image = np.zeros((100, 100, 3), np.uint8)
        self.puppet.draw(image, Spot(-10, 50, 70), still(), 0)
        assert image.any()
        self.puppet.draw(image, Spot(-500, 50, 70), still(), 0)

    def test_all_looks_differ(self) -> None:
        faces = {look(gender, k) for gender in ("female", "male") for k in range(LOOKS)}
        assert len(faces) == 2 * LOOKS


class TestFilm:
    def test_frames_are_those_of_the_shots(self, plan: Conversation) -> None:
        frames = list(render_picture(plan))
        assert len(frames) == plan.shots[-1].last
        assert {frame.shape for frame in frames} == {(360, 640, 3)}
        again = next(render_picture(plan))
        assert np.array_equal(frames[0], again)

    def test_faces_lie_in_the_picture(self, plan: Conversation) -> None:
        for shot in plan.shots:
            boxes = face_boxes(plan, shot)
            assert set(boxes) == set(shot.faces())
            for left, top, right, bottom in boxes.values():
                assert 0 <= left < right <= 640 and 0 <= top < bottom <= 360


@pytest.mark.weights
def test_real_engines_find_tell_apart_and_read_the_drawn_people(plan: Conversation) -> None:
    """mediapipe finds every face; mouths move as on film: speakers 0.14-1.44, listeners <= 0.13."""
    pytest.importorskip("mediapipe")
    pytest.importorskip("dlib")
    from polydub.engines.faces.dlib import DlibIdentity
    from polydub.engines.faces.mediapipe import MediaPipeFaces
    from polydub.model import Shot
    from polydub.stages.active_speaker import mouth_speed
    from polydub.stages.faces import track_faces

    frames = list(render_picture(plan))

    def read(first: int, last: int) -> Iterator[tuple[int, Image]]:
        return ((k, frames[k]) for k in range(first, last))

    finder, identifier = MediaPipeFaces(), DlibIdentity()
    prints: dict[str, list[np.ndarray]] = {}
    for planned in plan.shots:
        shot = Shot(planned.index, planned.first, planned.last, planned.span)
        tracks = track_faces(finder, identifier, shot, read)
        boxes = face_boxes(plan, planned)
        assert len(tracks) == len(boxes)
        for speaker, box in boxes.items():
            (track,) = [t for t in tracks if box[0] < _middle(t) < box[2]]
            assert track.n_frames >= 0.95 * (planned.last - planned.first)
            assert track.print is not None
            prints.setdefault(speaker, []).append(track.print)
            for turn in plan.turns:
                common = turn.span & planned.span
                if common is None or common.duration < Fraction(1, 2):
                    continue
                inside = range(
                    round(float(common.start) * 25) + 2, round(float(common.end) * 25) - 2
                )
                speed = mouth_speed(track, inside, 25.0)
                assert speed is not None
                if turn.speaker == speaker:
                    assert 0.14 <= speed <= 1.44
                else:
                    assert speed <= 0.13
    one, other = (np.mean(p, axis=0) for p in prints.values())
    assert np.linalg.norm(one - other) > 0.45


def _middle(track: FaceTrack) -> float:
    return float(np.median(track.boxes[:, 0] + track.boxes[:, 2])) / 2
