"""Choice, shapes, warps and blending."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polydub.engines.lips.appearance import cavity_penalty, look
from polydub.engines.lips.bank import BankBuilder, Pick
from polydub.engines.lips.choose import (
    MouthStates,
    cheapest_path,
    transition_costs,
    unary_costs,
)
from polydub.engines.lips.composite import ColourMatch, Lips, SharpnessMatch, mouth_masks
from polydub.engines.lips.gates import blur, focus_gate
from polydub.engines.lips.geometry import (
    LOWER_LIP,
    NOSE_BASE,
    UPPER_LIP,
    measure_track,
    person_canonical,
)
from polydub.engines.lips.mapping import (
    SPEECH_APERTURE,
    SPEECH_WIDTH,
    QuantileMap,
    mouth_range,
)
from polydub.engines.lips.occlusion import HandFinder
from polydub.engines.lips.shape import ShapeModel
from polydub.engines.lips.synthesis import Layer, layers
from polydub.engines.lips.visemes import MouthCurve
from polydub.engines.lips.warp import Region, ThinPlate, displacement, region_around, warp
from tests.lip_models import Head


def states(aperture: list[float]) -> MouthStates:
    n = len(aperture)
    return MouthStates(
        np.array(aperture), np.full(n, 0.5), np.zeros((n, 3)), np.zeros((n, 6)), np.zeros(n)
    )


def head_range():
    head = Head(120)
    canonical = person_canonical([head.track()])
    assert canonical is not None
    geometry = measure_track(head.track(), canonical)
    mouth = mouth_range([geometry])
    assert mouth is not None
    return geometry, mouth


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10_000))
def test_the_path_is_the_cheapest_of_all(frames: int, choices: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    unary, step = random.random((frames, choices)), random.random((choices, choices))

    def cost(path: tuple[int, ...]) -> float:
        moved = sum(step[a, b] for a, b in itertools.pairwise(path))
        return float(sum(unary[at, state] for at, state in enumerate(path)) + moved)

    best = min(cost(path) for path in itertools.product(range(choices), repeat=frames))
    assert cost(tuple(int(s) for s in cheapest_path(unary, step))) == pytest.approx(best)


def test_a_closed_mouth_is_not_stretched_open_nor_teeth_pressed_shut() -> None:
    _, mouth = head_range()
    have = states([0.005, 0.06, 0.2])
    costs = unary_costs(states([0.2, 0.005]), have, mouth, np.zeros(3))
    assert costs[0].argmin() == 2 and costs[0, 0] > costs[0, 1]
    assert costs[1].argmin() == 0 and costs[1, 2] > 3 * costs[1, 0] + 1
    punished = unary_costs(states([0.2]), have, mouth, np.array([0.0, 0.0, 50.0]))
    assert punished[0].argmin() != 2


def test_going_on_is_free_and_a_jump_costs_what_it_shows() -> None:
    patches = np.array([[0.0] * 8, [1.0] * 8, [40.0] * 8], np.float32)
    costs = transition_costs(patches, np.array([1, -1, -1]), 1.0)
    assert costs[0, 1] == 0
    assert costs[0, 2] > costs[1, 0] > 0
    assert costs[1, 1] == pytest.approx(0, abs=1e-3)


def test_jumps_are_cross_faded_on_both_sides() -> None:
    follows = np.array([1, 2, -1, 4, -1])
    path = np.array([0, 1, 4, 4])
    assert layers(path, follows, 0) == [Layer(0, 1.0)]
    assert layers(path, follows, 1) == [Layer(1, 0.6), Layer(3, 0.4)]
    assert layers(path, follows, 2) == [Layer(4, 0.6), Layer(2, 0.4)]
    assert layers(path, follows, 3) == [Layer(4, 1.0)]


def test_the_quantile_tables_rise() -> None:
    for table in (SPEECH_APERTURE, SPEECH_WIDTH):
        assert len(table) == 21
        assert (np.diff(table) > 0).all()


def test_targets_cover_the_own_range_close_and_rest() -> None:
    _, mouth = head_range()
    assert mouth.low < 0.05 and 0.2 < mouth.high < 0.26
    ceiling = np.ones(21)
    ceiling[5], ceiling[15] = 0.0, 0.1
    voice = np.ones(21)
    voice[18:] = 0
    curve = MouthCurve(np.array(SPEECH_APERTURE), np.array(SPEECH_WIDTH), voice, ceiling)
    targets = QuantileMap(replace(mouth, pace=1.0, width_pace=1.0)).targets(curve)
    by_rank = np.quantile(mouth.apertures, 0.85)
    by_share = mouth.low + SPEECH_APERTURE[17] / SPEECH_APERTURE[19] * (mouth.high - mouth.low)
    assert targets.aperture[17] == pytest.approx((by_rank + by_share) / 2)
    assert targets.aperture[5] < 0.02
    assert targets.aperture[15] < 0.1 * mouth.high + 0.02
    assert targets.aperture[18:].max() < 0.02
    assert targets.width[18:] == pytest.approx(np.full(3, mouth.middle))


def test_nobody_moves_faster_than_ever_before_and_lips_still_meet() -> None:
    _, mouth = head_range()
    ceiling = np.ones(21)
    ceiling[[4, 10, 12]] = 0.0
    curve = MouthCurve(
        np.full(21, SPEECH_APERTURE[19]), np.array([SPEECH_WIDTH[0], SPEECH_WIDTH[20]] * 11)[:21],
        np.ones(21), ceiling,
    )  # fmt: skip
    targets = QuantileMap(mouth).targets(curve)
    assert np.abs(np.diff(targets.aperture)).max() <= mouth.pace + 1e-9
    assert np.abs(np.diff(targets.width)).max() <= mouth.width_pace + 1e-9
    assert targets.aperture[[4, 10, 12]].max() < 0.02
    assert targets.aperture[0] > 0.15 and targets.aperture[18:].min() > 0.15


def test_the_gap_of_a_shape_is_exact_and_lips_do_not_cross() -> None:
    geometry, mouth = head_range()
    have = MouthStates(
        geometry.aperture, geometry.width, geometry.pose, np.zeros((120, 6)), np.zeros(120)
    )
    model = ShapeModel(have, geometry.shapes(np.arange(120)), mouth)
    wanted = np.array([0.0, 0.01, 0.1, 0.2, 0.26])
    shapes = model(wanted, np.full(5, mouth.middle))
    gaps = np.linalg.norm(shapes[:, UPPER_LIP] - shapes[:, LOWER_LIP], axis=1)
    assert gaps == pytest.approx(wanted, abs=4e-3)
    assert (shapes[:, LOWER_LIP, 1] >= shapes[:, UPPER_LIP, 1] - 1e-9).all()
    limited = model.reachable(wanted, np.array([0.0, 5.0, 0.0, 5.0, 0.0]))
    assert limited.min() >= geometry.width.min() and limited.max() <= geometry.width.max()


def test_thin_plate_passes_through_its_points() -> None:
    random = np.random.default_rng(4)
    target = random.uniform(0, 200, (30, 2))
    source = target + 4 * np.sin(target[:, ::-1] / 60)
    assert ThinPlate(target, source)(target) == pytest.approx(source, abs=0.5)
    shifted = ThinPlate(target, target + np.array([7.0, -3.0]))
    assert shifted(np.array([[50.0, 60.0]])) == pytest.approx(np.array([[57.0, 57.0]]), abs=1e-6)


@pytest.mark.parametrize("bad", [np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_degenerate_points_are_a_named_error(bad: np.ndarray) -> None:
    with pytest.raises(np.linalg.LinAlgError):
        ThinPlate(bad, bad)


def test_warp_by_a_shift_moves_the_pixels() -> None:
    image = Head(1).image(0)[40:130, 180:300]
    corners = np.array([[0, 0], [119, 0], [0, 89], [119, 89], [60, 45]], float)
    plate = ThinPlate(corners, corners + np.array([5.0, 2.0]))
    region = Region(20, 20, 80, 60)
    moved = warp(image, displacement(plate, region, 7), region)
    assert np.abs(moved.astype(int) - image[22:62, 25:85].astype(int)).mean() < 1.0


def test_regions_are_clipped_to_the_picture() -> None:
    region = region_around(np.array([10.0, 95.0]), np.full(4, 30.0), (100, 200))
    assert (region.left, region.top, region.right, region.bottom) == (0, 65, 40, 100)


def test_mask_covers_the_lips_and_spares_the_nose() -> None:
    head = Head(1, gap=lambda f: 0.1)
    points = head.points(0)[:, :2]
    region = Region(160, 90, 320, 260)
    masks = mouth_masks(points, region, head.iod, np.array([0.0, 1.0]))
    at = np.round(points - region.corner).astype(int)
    assert masks.alpha[at[UPPER_LIP, 1], at[UPPER_LIP, 0]] == pytest.approx(1.0)
    assert masks.alpha[at[NOSE_BASE, 1], at[NOSE_BASE, 0]] == 0.0
    assert masks.alpha[0].max() == 0.0
    assert masks.ring.sum() > 50
    assert masks.ring[at[UPPER_LIP, 1], at[UPPER_LIP, 0]] == 0.0


def test_the_mask_reaches_the_creases_of_a_mouth_that_was_elsewhere() -> None:
    head = Head(1, gap=lambda f: 0.1)
    points = head.points(0)[:, :2]
    region = Region(160, 90, 320, 260)
    down = np.array([0.0, 1.0])
    near = mouth_masks(points, region, head.iod, down)
    far = mouth_masks(points, region, head.iod, down, change=0.25)
    assert (far.alpha >= near.alpha - 1e-6).all()
    assert (far.alpha > 0.5).sum() > 1.3 * (near.alpha > 0.5).sum()
    at = np.round(points - region.corner).astype(int)
    assert far.alpha[at[NOSE_BASE, 1], at[NOSE_BASE, 0]] == 0.0


def test_colour_match_removes_a_tint_and_reports_what_is_left() -> None:
    base = np.full((80, 100, 3), 120, np.float32)
    ring = np.zeros((80, 100), np.float32)
    ring[20:60, 25:75] = 1
    ring[32:48, 40:60] = 0
    match = ColourMatch()
    tint = np.array([20, -10, 5], np.float32)
    fixed = base - tint + match(base, base - tint, ring, 40.0)
    assert np.abs(fixed - base)[20:60, 25:75].max() < 1.0
    assert match.residual < 0.5
    noisy = base + np.random.default_rng(0).normal(0, 30, base.shape).astype(np.float32)
    match(base, noisy, ring, 40.0)
    assert match.residual > 2.0


def test_a_sharp_patch_is_softened_to_its_surroundings_and_a_blunt_one_gets_detail_back() -> None:
    random = np.random.default_rng(6)
    fine = 120 + 20 * random.standard_normal((80, 100, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(fine, (0, 0), 2.5)
    ring = np.zeros((80, 100), np.float32)
    ring[20:60, 25:75] = 1

    def detail(image: np.ndarray) -> float:
        return float((cv2.Laplacian(image, cv2.CV_32F)[20:60, 25:75] ** 2).mean())

    assert detail(SharpnessMatch()(soft, fine, ring)) < 3 * detail(soft) < 0.1 * detail(fine)
    assert detail(soft) < detail(SharpnessMatch()(fine, soft, ring)) < 2 * detail(soft)
    assert (SharpnessMatch()(fine, fine, ring) == fine).all()
    blunt = cv2.GaussianBlur(fine, (0, 0), 0.5)
    assert detail(blunt) < detail(SharpnessMatch()(fine, blunt, ring)) < 1.1 * detail(fine)


def test_a_mouth_is_no_sharper_than_the_lips_that_it_covers() -> None:
    random = np.random.default_rng(6)
    skin = 120 + 2 * random.standard_normal((80, 100, 3)).astype(np.float32)
    alpha, ring = np.zeros((80, 100), np.float32), np.ones((80, 100), np.float32)
    alpha[30:50, 30:70] = 1
    ring[25:55, 25:75] = 0
    sharp = skin.copy()
    sharp[36:44, 34:66] = 40
    soft = cv2.GaussianBlur(sharp, (0, 0), 3) + (skin - skin.mean())

    def edges(image: np.ndarray) -> float:
        return Lips(alpha, 60.0).edges(np.ascontiguousarray(image[..., 1]))

    assert edges(sharp) > 8 * edges(soft)
    assert edges(SharpnessMatch()(soft, sharp, ring)) > 8 * edges(soft)  # the skin does not tell
    near = SharpnessMatch()(soft, sharp, ring, Lips(alpha, 60.0))
    blurred = SharpnessMatch()(soft, sharp, ring, Lips(alpha, 60.0, 1.0))
    assert edges(blurred) <= edges(near) < 2.1 * edges(soft)
    assert edges(blurred) < 1.2 * edges(soft)
    assert Lips(alpha, 60.0, 1.0).sharper < 1.2 < 1.8 < Lips(alpha, 60.0).sharper
    assert (SharpnessMatch()(sharp, sharp, ring, Lips(alpha, 60.0, 1.0)) == sharp).all()


def test_a_mouth_out_of_focus_is_not_drawn_on_a_sharp_face() -> None:
    _, mouth = head_range()
    have = states([0.005, 0.03])
    sharp = replace(states([0.005]), sharpness=np.array([4.4]))
    alike = replace(have, sharpness=np.array([4.0, 4.4]))
    assert unary_costs(sharp, alike, mouth, np.zeros(2)).argmin() == 0
    blurred = replace(have, sharpness=np.array([2.1, 4.4]))
    assert unary_costs(sharp, blurred, mouth, np.zeros(2)).argmin() == 1


def test_frames_out_of_focus_are_no_exemplars() -> None:
    head = Head(120)
    canonical = person_canonical([head.track()])
    assert canonical is not None
    geometry = measure_track(head.track(), canonical)

    def read(first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
        for frame, image in head.read(first, last):
            grain = np.random.default_rng(frame).normal(0, 6, image.shape)
            noisy = np.clip(image + grain, 0, 255).astype(np.uint8)
            yield frame, cv2.GaussianBlur(noisy, (0, 0), 8) if frame < 30 else noisy

    mouth = mouth_range([geometry])
    assert mouth is not None
    builder = BankBuilder([geometry], 0, HandFinder())
    builder.collect([Pick(0, row) for row in range(120)], range(120), read)
    bank = builder.build(mouth)
    assert bank is not None and len(bank) == 90
    soft = [builder.surfaces[frame][1] for frame in range(30)]
    assert max(soft) < bank.states.sharpness.min() - 1


def test_a_frame_is_blurred_by_how_much_it_lacks_of_the_usual_detail() -> None:
    usual = np.full(50, 4.5)
    assert blur(np.array([4.6, 4.1, 3.65, 2.5]), usual) == pytest.approx([0.0, 0.0, 0.5, 1.0])


def test_faces_out_of_focus_are_left_alone() -> None:
    usual = np.full(50, 5.0)
    assert focus_gate(np.array([5.5, 3.4, 2.3]), usual) == pytest.approx([1.0, 1.0, 0.0])
    soft_by_nature = np.full(50, 2.0)
    assert focus_gate(np.array([2.0, 1.0]), soft_by_nature) == pytest.approx([1.0, 1.0])


def test_the_border_of_a_region_stays_bit_for_bit() -> None:
    image = Head(1).image(0)
    region = Region(40, 30, 240, 190)
    corners = np.array([[40, 30], [239, 30], [40, 189], [239, 189], [140, 110]], float)
    plate = ThinPlate(corners, corners + np.array([3.0, 6.0]))
    moved = displacement(plate, region, 7, 12.0)
    assert moved.shape == (160, 200, 2)
    assert not moved[0].any() and not moved[-1].any()
    assert not moved[:, 0].any() and not moved[:, -1].any()
    assert moved[80, 100] == pytest.approx([3.0, 6.0], abs=0.05)
    assert (warp(image, moved, region)[0] == image[30, 40:240]).all()


def test_light_and_cavity_are_seen() -> None:
    head = Head(2, gap=lambda f: 0.2)
    points = head.points(0)[:, :2]
    bright = look(head.image(0), points, head.iod, 0.0)
    dark = look((head.image(0) * 0.5).astype(np.uint8), points, head.iod, 0.0)
    assert bright.light[0] > dark.light[0] + 30
    assert bright.cavity > 15
    painted = head.image(0)
    painted[(painted.max(axis=2) < 60)] = (175, 70, 80)  # lips that only look open to the mesh
    fake = look(painted, points, head.iod, 0.0)
    assert fake.cavity < 5
    penalty = cavity_penalty(np.array([bright.cavity, fake.cavity, np.nan]), np.full(3, 0.2), 0.25)
    assert penalty[0] == 0 and penalty[1] > 0.5 and penalty[2] == 0
