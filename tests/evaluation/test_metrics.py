"""Metrics against closed forms and independent implementations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from kinema.evaluation.metrics.frechet import frechet_distance
from kinema.evaluation.metrics.image import psnr, ssim, video_ssim
from kinema.evaluation.metrics.iou import silhouette_iou
from kinema.evaluation.metrics.pck import (
    KeypointTruth,
    correct_keypoints,
    frozen_pck,
    pck,
    pck_of_either_side,
    projected_height,
    standing_height,
)


def picture(rng: np.random.Generator, shape: tuple[int, ...] = (40, 33, 3)) -> np.ndarray:
    ramp = np.linspace(0, 200, shape[1])[None, :, None] * np.ones(shape)
    return np.clip(ramp + rng.normal(0, 20, shape), 0, 255).astype(np.uint8)


# SSIM, PSNR


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("gaussian", {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}),
        ("uniform-7", {}),
    ],
)
def test_ssim_agrees_with_scikit_image(variant, options):
    rng = np.random.default_rng(0)
    a = picture(rng)
    b = np.clip(a.astype(float) + rng.normal(0, 12, a.shape), 0, 255).astype(np.uint8)
    expected = structural_similarity(a, b, channel_axis=-1, data_range=255, **options)
    assert ssim(a, b, variant) == pytest.approx(expected, abs=1e-6)


def test_ssim_border_variant_is_the_full_map_of_scikit_image():
    rng = np.random.default_rng(1)
    a, b = picture(rng)[..., 0], picture(rng)[..., 1]
    _, full = structural_similarity(
        a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert ssim(a, b, "gaussian-border") == pytest.approx(full.mean(), abs=1e-6)
    assert ssim(a, b, "gaussian-border") != pytest.approx(ssim(a, b, "gaussian"), abs=1e-4)


def test_ssim_of_equal_pictures_is_one_and_bad_input_is_named():
    a = picture(np.random.default_rng(2))
    assert ssim(a, a) == pytest.approx(1, abs=1e-6)
    assert video_ssim(np.stack([a, a]), np.stack([a, a])) == pytest.approx(1, abs=1e-6)
    with pytest.raises(ValueError, match="shape"):
        ssim(a, a[:-1])
    with pytest.raises(ValueError, match="larger than 10"):
        ssim(a[:8], a[:8])
    with pytest.raises(ValueError, match="unknown SSIM variant"):
        ssim(a, a, "wang")


def test_psnr_does_not_overflow_uint8():
    a = np.full((8, 8, 3), 250, np.uint8)
    b = np.full((8, 8, 3), 10, np.uint8)
    assert psnr(a, b) == pytest.approx(20 * np.log10(255 / 240))
    assert psnr(a, a) == np.inf


# Fréchet


@given(st.integers(0, 10_000), st.integers(3, 40), st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_frechet_matches_the_closed_form_also_when_rank_deficient(seed, samples, features):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, features)) @ rng.normal(size=(features, features))
    root = rng.normal(size=(features, features))
    linear = root @ root.T / features + 0.1 * np.eye(features)
    shift = rng.normal(size=features)
    y = x @ linear + shift
    covariance = np.atleast_2d(np.cov(x, rowvar=False))
    rest = np.eye(features) - linear
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(rest @ covariance @ rest)
    scale = expected + np.trace(covariance)
    assert frechet_distance(x, y) == pytest.approx(expected, abs=1e-11 * scale)
    assert frechet_distance(x, x) <= 1e-13 * max(np.trace(covariance), 1)


def test_frechet_refuses_what_it_cannot_judge():
    x = np.zeros((4, 3))
    with pytest.raises(ValueError, match="sizes differ"):
        frechet_distance(x, np.zeros((4, 2)))
    with pytest.raises(ValueError, match="second set"):
        frechet_distance(x, x[:1])
    with pytest.raises(ValueError, match="not finite"):
        frechet_distance(x, np.full((4, 3), np.nan))


# PCK


def truth(frames: int = 4, keypoints: int = 3) -> KeypointTruth:
    points = np.random.default_rng(0).uniform(0, 100, (frames, keypoints, 2))
    return KeypointTruth(points, np.ones((frames, keypoints), bool), np.full(frames, 80.0))


def test_pck_counts_the_tolerance_and_the_misses():
    exact = truth()
    points = exact.points.copy()
    points[0, 0, 0] += 7.9  # inside 0.1 * 80
    points[1, 0, 0] += 8.1  # outside
    points[2, 0] = np.nan  # not detected
    assert pck(points, exact) == pytest.approx(10 / 12)
    assert correct_keypoints(points, exact)[:3, 0].tolist() == [True, False, False]


def test_pck_of_either_side_forgives_left_for_right_and_nothing_else():
    exact = truth(keypoints=4)
    corners = np.broadcast_to([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [50.0, 50.0]], exact.points.shape)
    exact = replace(exact, points=corners)
    assert pck(corners[:, [1, 0, 3, 2]], exact) == 0
    assert pck_of_either_side(corners[:, [1, 0, 3, 2]], exact) == 1
    assert pck_of_either_side(corners[:, [2, 3, 0, 1]], exact) == 0
    assert pck_of_either_side(np.full_like(corners, np.nan), exact) == 0


def test_pck_leaves_out_hidden_keypoints():
    exact = truth()
    counted = exact.counted.copy()
    counted[:, 1] = False
    points = exact.points.copy()
    points[:, 1] += 50
    assert pck(points, KeypointTruth(exact.points, counted, exact.height)) == 1
    nothing = KeypointTruth(exact.points, np.zeros_like(counted), exact.height)
    assert np.isnan(pck(points, nothing))


def test_frozen_pck_is_one_for_a_statue_and_low_for_a_runner():
    points = np.tile(np.array([[50.0, 50.0]]), (5, 1, 1))
    still = KeypointTruth(points, np.ones((5, 1), bool), np.full(5, 80.0))
    assert frozen_pck(still) == 1
    running = KeypointTruth(points + 20 * np.arange(5)[:, None, None], still.counted, still.height)
    assert frozen_pck(running) == pytest.approx(1 / 5)


def test_pck_names_wrong_shapes():
    with pytest.raises(ValueError, match="differ"):
        pck(np.zeros((4, 2, 2)), truth())
    with pytest.raises(ValueError, match="height"):
        KeypointTruth(np.zeros((4, 2, 2)), np.ones((4, 2), bool), np.ones(3))


def test_standing_height_does_not_depend_on_the_pose():
    joints = np.zeros((2, 24, 3))
    for index, joint in enumerate((15, 12, 9, 6, 3, 0)):
        joints[:, joint, 1] = 1.5 - 0.12 * index
    for side, (hip, knee, ankle) in zip((0.1, -0.1), ((1, 4, 7), (2, 5, 8)), strict=True):
        joints[:, hip] = (side, 0.9, 0)
        joints[:, knee] = (side, 0.5, 0)
        joints[:, ankle] = (side, 0.1, 0)
    height = standing_height(joints)
    assert height == pytest.approx(0.6 + 0.1 + 0.8)
    lying = joints[..., [1, 0, 2]]
    assert standing_height(lying) == pytest.approx(height)
    pixels = projected_height(joints, np.array([100.0, 100.0]), np.array([2.0, 4.0]))
    assert pixels == pytest.approx([75, 37.5])


# IoU


def test_silhouette_iou():
    exact = np.zeros((3, 4, 4), bool)
    exact[:2, :2] = True
    predicted = np.zeros_like(exact)
    predicted[0, :2] = True
    predicted[1, 1:3] = True
    predicted[2] = True  # the person is out of the picture here: does not count
    assert silhouette_iou(predicted, exact) == pytest.approx((1 + 1 / 3) / 2)
    assert np.isnan(silhouette_iou(predicted, np.zeros_like(exact)))
    with pytest.raises(ValueError, match="shape"):
        silhouette_iou(predicted[:2], exact)
