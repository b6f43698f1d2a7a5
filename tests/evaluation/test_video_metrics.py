"""Metrics of videos against closed forms, exact oracles and by what they must tell."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from kinema.evaluation.metrics import background, keypoint_error, legacy, part_colours, temporal
from kinema.evaluation.metrics.frechet import PooledFrechet, frechet_distance
from kinema.evaluation.metrics.image import l1, psnr


def noise(seed: int, shape: tuple[int, ...] = (40, 32, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


# Fréchet


@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_a_set_is_at_distance_zero_from_itself_in_any_order(seed, samples, features):
    rng = np.random.default_rng(seed)
    x = 100 * rng.normal(size=(samples, features))
    assert frechet_distance(x, x) <= 1e-12
    assert frechet_distance(x, rng.permutation(x)) <= 1e-12


@pytest.mark.parametrize(("samples", "features"), [(300, 512), (20, 96), (200, 60), (60, 60)])
def test_frechet_is_within_1e_12_of_the_exact_oracle(samples, features):
    rng = np.random.default_rng(samples)
    x = np.round(rng.standard_normal((samples, features)) * 2.0**16) / 2.0**16
    direction = rng.choice([-1.0, 1.0], features)
    y = (
        x * (1 + rng.integers(-48, 64, features) / 128)
        + (x @ direction)[:, None] * direction * 2.0**-12
        + 0.25
    )
    difference = x.astype(np.longdouble) - y.astype(np.longdouble)
    spread = np.square(difference - difference.mean(0)).sum() / (samples - 1)
    exact = float(np.square(difference.mean(0)).sum() + spread)
    assert frechet_distance(x, y) == pytest.approx(exact, rel=1e-12)


def test_frechet_of_unequal_sets_is_symmetric_and_knows_both_conventions():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(7, 20)), 1.5 * rng.normal(size=(12, 20)) + 1
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)
    one, other = np.array([[0.0], [2.0]]), np.array([[1.0], [7.0]])
    assert frechet_distance(one, other) == pytest.approx(9 + (np.sqrt(2) - np.sqrt(18)) ** 2)
    assert frechet_distance(one, other, "n") == pytest.approx(9 + (1 - 3) ** 2)
    with pytest.raises(ValueError, match="covariance"):
        frechet_distance(a, b, "unbiased")  # type: ignore[arg-type]


@pytest.mark.parametrize(("n", "m", "size"), [(8, 8, 30), (6, 11, 4), (15, 9, 40)])
def test_one_gram_matrix_gives_the_distances_of_all_subsets(n, m, size):
    rng = np.random.default_rng(2)
    pool = rng.normal(size=(n + m, size)) * rng.uniform(0.1, 3, size) + 5
    a, b = np.arange(n), np.arange(n, n + m)
    expected = frechet_distance(pool[a], pool[b])
    assert PooledFrechet(pool).distance(a, b) == pytest.approx(expected, rel=1e-6)


# Legacy


def test_legacy_psnr_wraps_around_as_the_script_does():
    a, b = np.full((8, 8, 3), 100, np.uint8), np.full((8, 8, 3), 116, np.uint8)
    assert legacy.psnr_disco_uint8_overflow(a, b) == 100  # 16 squared is 256, which is 0
    a, b = noise(0), noise(1)
    wrapped = np.mean(((a.astype(int) - b.astype(int)) ** 2) % 256)
    assert legacy.psnr_disco_uint8_overflow(a, b) == pytest.approx(20 * np.log10(255 / np.sqrt(wrapped)))
    assert legacy.psnr_disco_uint8_overflow(a, b) > psnr(a, b) + 10


def test_legacy_l1_is_divided_twice_and_legacy_ssim_is_grey():
    a, b = noise(0), noise(1)
    assert legacy.l1_disco_twice(a, b) == pytest.approx(255 * l1(a, b) / (40 * 32))
    grey = [cv2.cvtColor(x[..., ::-1].copy(), cv2.COLOR_BGR2GRAY) for x in (a, b)]
    assert legacy.ssim_disco_grey(a, b) == pytest.approx(structural_similarity(*grey), abs=1e-6)
    with pytest.raises(ValueError, match="uint8"):
        legacy.l1_disco_twice(a.astype(float), b)


# Motion


def square(frames: int, speed: float, size: int = 64) -> np.ndarray:
    """A textured square that moves to the right, uint8 [T, H, W, 3]."""
    patch = noise(5, (24, 24, 3))
    video = np.full((frames, size, 2 * size, 3), 90, np.uint8)
    for t in range(frames):
        left = round(8 + speed * t)
        video[t, 20:44, left : left + 24] = patch
    return video


def test_dynamic_degree_tells_motion_from_stillness():
    still, moving = (temporal.fast_flow(square(9, speed), 8.0) for speed in (0.0, 5.0))
    assert temporal.dynamic_degree(still) == 0
    assert temporal.dynamic_degree(moving) == 1
    assert moving.mean() * 64 == pytest.approx(5, abs=1)
    assert len(temporal.fast_flow(square(25, 0.0), 24.0)) == 8  # by time, at 8 fps
    assert np.isnan(temporal.dynamic_degree(np.zeros(0)))


def test_flicker_ignores_a_steady_change_and_counts_back_and_forth():
    ramp = np.broadcast_to(np.arange(6, dtype=np.uint8)[:, None, None, None] * 10, (6, 8, 8, 3))
    assert temporal.flicker(ramp) == 0
    blinking = np.broadcast_to((np.arange(6, dtype=np.uint8) % 2)[:, None, None, None] * 10, (6, 8, 8, 3))
    assert temporal.flicker(blinking) == pytest.approx(20)
    assert np.isnan(temporal.flicker(ramp[:2]))


def test_jerk_of_a_cubic_is_its_third_derivative_whatever_the_frame_rate():
    for fps in (10.0, 25.0):
        time_s = np.arange(12) / fps
        points = np.stack([50 * time_s**3, np.zeros(12)], -1)[:, None]
        assert temporal.keypoint_jerk(points, fps, height=100) == pytest.approx(3.0)
    points[5] = np.nan
    assert temporal.keypoint_jerk(points, fps, 100) == pytest.approx(3.0)
    assert np.isnan(temporal.keypoint_jerk(np.full((12, 1, 2), np.nan), fps, 100))


def test_off_reference_is_the_same_for_twice_and_half():
    assert temporal.off_reference(2, 1) == pytest.approx(temporal.off_reference(1, 2), rel=1e-2)
    assert temporal.off_reference(3, 3) == 0
    assert 5 < temporal.off_reference(0, 3) < 10


# Keypoints


def test_a_miss_costs_the_largest_error_and_so_does_a_far_point():
    true = np.zeros((2, 3, 2))
    made = true + np.array([3.0, 4.0])
    found, counted = np.ones((2, 3), bool), np.ones((2, 3), bool)
    assert keypoint_error.pose_error(made, found, true, counted, worst=50) == pytest.approx(5)
    found[0, 0] = False
    assert keypoint_error.pose_error(made, found, true, counted, worst=50) == pytest.approx((5 * 5 + 50) / 6)
    assert keypoint_error.missed_keypoints(found, counted) == pytest.approx(1 / 6)
    assert keypoint_error.pose_error(made * 100, found, true, counted, worst=50) == pytest.approx(50)
    assert np.isnan(keypoint_error.pose_error(made, found, true, np.zeros((2, 3), bool), 50))


def test_detection_error_counts_frames_with_another_number_of_people():
    assert keypoint_error.detection_error(np.array([1, 2, 0, 1]), np.array([1, 1, 1, 1])) == 0.5
    assert keypoint_error.detection_error(np.array([2, 2]), np.array([2, 2])) == 0
    assert np.isnan(keypoint_error.detection_error(np.zeros(0, int), np.zeros(0, int)))
    with pytest.raises(ValueError, match="differ in shape"):
        keypoint_error.detection_error(np.ones(3, int), np.ones(4, int))


def test_the_threshold_loses_one_percent_of_the_reference():
    confidences = np.concatenate([np.linspace(0.3, 1, 1000), np.zeros(500)])
    threshold = keypoint_error.miss_threshold(confidences)
    lost = np.mean(confidences[confidences >= 0.3] < threshold)
    assert lost == pytest.approx(0.01, abs=2e-3)
    assert np.isnan(keypoint_error.miss_threshold(np.zeros(4)))


def test_a_foot_that_follows_the_ground_does_not_slide():
    time_s = np.arange(25) / 12
    exact = np.stack([20 + 30 * time_s, np.full(25, 80.0)], -1)[:, None]  # the camera pans
    standing, metres = np.ones((25, 1), bool), np.full((25, 1), 0.02)
    still = keypoint_error.foot_slide(exact + np.array([1.5, 0]), exact, standing, metres, 12.0)
    assert still == pytest.approx(0)
    sliding = exact + np.stack([10 * time_s, np.zeros(25)], -1)[:, None]
    assert keypoint_error.foot_slide(sliding, exact, standing, metres, 12.0) == pytest.approx(0.2)
    assert np.isnan(keypoint_error.foot_slide(sliding, exact, ~standing, metres, 12.0))


# Background


def test_background_psnr_does_not_see_the_person():
    true = np.stack([noise(3, (48, 48, 3))] * 4)
    masks = np.zeros((4, 48, 48), bool)
    masks[:, 10:30, 10:30] = True
    made = true.copy()
    made[masks] = 0
    assert background.background_psnr(made, true, background.dilated(masks)) == background.CAP
    assert background.background_psnr(made, true, np.zeros_like(masks)) < 20
    assert background.static_background_psnr(made, background.dilated(masks)) == background.CAP
    assert np.isnan(background.background_psnr(made, true, np.ones_like(masks)))


def test_warped_background_follows_camera_and_depth():
    """A textured wall 2 m away, seen by a camera that moves sideways: still in the world, moving in the picture."""
    focal, distance, size = 60.0, 2.0, 64
    wall = cv2.GaussianBlur(noise(4, (size, 3 * size, 3)), (0, 0), 3)
    frames, c2w = [], np.tile(np.eye(4), (5, 1, 1))
    for t in range(5):
        shift = 6 * t
        frames.append(wall[:, size + shift : 2 * size + shift])
        c2w[t, 0, 3] = shift * distance / focal
    video = np.stack(frames)
    intrinsics = np.tile([focal, focal, size / 2, size / 2], (5, 1))
    depth, nobody = np.full((5, size, size), distance), np.zeros((5, size, size), bool)
    good = background.warped_background_psnr(video, nobody, depth, c2w, intrinsics)
    frozen = background.warped_background_psnr(np.repeat(video[:1], 5, 0), nobody, depth, c2w, intrinsics)
    assert good > 50 > 30 > frozen
    assert background.static_background_psnr(video, nobody) < 30


# Parts


def test_parts_are_cut_by_the_nearest_bone_and_compared_by_colour():
    silhouette = np.zeros((3, 120, 40), bool)
    silhouette[:, :, 10:30] = True
    points = np.full((3, 18, 2), np.nan)
    points[:, [1, 2, 3, 4, 5, 6]] = np.array([(15, 60), (25, 60), (15, 85), (25, 85), (15, 110), (25, 110)])
    points[:, [0, 9, 10, 11, 12, 13]] = np.array([(20, 60), (20, 40), (20, 25), (20, 10), (14, 30), (26, 30)])
    parts = part_colours.parts_of_silhouette(silhouette, points)
    names = list(part_colours.BONES)
    assert names[parts[0, 5, 20]] == "head"
    assert names[parts[0, 45, 20]] == "torso"
    assert names[parts[0, 105, 15]] == "shins"
    assert parts[0, 60, 5] == -1
    true = np.full((3, 120, 40, 3), 200, np.uint8)
    made = true.copy()
    made[:, 88:] = (30, 30, 160)  # other shins
    looks = [part_colours.part_looks(video, parts) for video in (true, made)]
    assert part_colours.colour_error(looks[0], looks[0]) == 0
    each = np.abs(looks[1] - looks[0])[:, 0]
    assert np.nanargmax(each) == names.index("shins")
    nobody = part_colours.part_looks(true, np.full_like(parts, -1))
    assert part_colours.colour_error(nobody, looks[0]) == 100
    assert np.isnan(part_colours.colour_error(looks[0], nobody))


def test_exact_segments_become_the_same_parts():
    ids = np.array([[[0, 1, 16, 5]]], np.uint8)  # nobody, pelvis, head, left knee
    names = list(part_colours.BONES)
    parts = part_colours.parts_of_segments(ids)[0, 0]
    assert [names[part] if part >= 0 else None for part in parts] == [None, "torso", "head", "shins"]
