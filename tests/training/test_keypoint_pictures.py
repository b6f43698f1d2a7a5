"""Training pictures of the keypoint network: targets say what is in the picture, and move with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.capture.keypoint_network import KEYPOINT_NAMES
from kinema.training.recipes.keypoint_pictures import (
    FilmedPerson,
    Sample,
    blend,
    blend_weights,
    cut_out,
    degrade,
    heatmaps,
    make_sample,
    move,
    scramble,
)

HEIGHT, WIDTH, KEYPOINTS = 64, 48, len(KEYPOINT_NAMES)
WRIST, OTHER_WRIST = KEYPOINT_NAMES.index("left_wrist"), KEYPOINT_NAMES.index("right_wrist")


def film(frames: int = 4) -> FilmedPerson:
    """A bright square walks to the right over a dark place; all its keypoints lie in its middle."""
    rgb = np.full((frames, HEIGHT, WIDTH, 3), 20, np.uint8)
    mask = np.zeros((frames, HEIGHT, WIDTH), bool)
    points = np.zeros((frames, KEYPOINTS, 2), np.float32)
    for frame in range(frames):
        left = 10 + 6 * frame
        rgb[frame, 30:34, left : left + 4] = 220
        mask[frame, 30:34, left : left + 4] = True
        points[frame] = left + 2, 32
    hidden = np.zeros((frames, KEYPOINTS), bool)
    return FilmedPerson(rgb, mask, points, hidden, np.full((HEIGHT, WIDTH, 3), 20, np.uint8))


def centre_of_light(pixels: np.ndarray) -> np.ndarray:
    light = np.clip(pixels.mean(axis=2) - 0.2, 0, None)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum()


def test_one_frame_has_whole_targets():
    sample = blend(film(), np.array([0, 1, 0, 0], np.float32))
    maps, known = heatmaps(sample)
    assert maps.shape == (KEYPOINTS, HEIGHT // 4, WIDTH // 4)
    assert known.all()
    assert maps.sum(axis=(1, 2)) == pytest.approx(2 * np.pi, rel=0.01)
    row, column = np.unravel_index(maps[0].argmax(), maps[0].shape)
    assert abs(4 * (column + 0.5) - 18) <= 2
    assert abs(4 * (row + 0.5) - 32) <= 2
    assert sample.silhouette.max() == 1


def test_blended_frames_have_blended_targets():
    weights = np.array([0.7, 0, 0.3, 0], np.float32)
    maps, _ = heatmaps(blend(film(), weights))
    first, _ = heatmaps(blend(film(), np.array([1, 0, 0, 0], np.float32)))
    third, _ = heatmaps(blend(film(), np.array([0, 0, 1, 0], np.float32)))
    np.testing.assert_allclose(maps, 0.7 * first + 0.3 * third, atol=1e-6)


def test_the_empty_place_asks_for_nothing():
    sample = blend(film(), np.zeros(4, np.float32))
    maps, known = heatmaps(sample)
    assert not maps.any()
    assert known.all()
    assert not sample.silhouette.any()
    np.testing.assert_allclose(sample.pixels, 20 / 255)


def test_hidden_keypoints_are_not_asked_about():
    hidden = np.zeros((4, KEYPOINTS), bool)
    hidden[1, WRIST] = True
    filmed = film()
    sample = blend(FilmedPerson(filmed.rgb, filmed.mask, filmed.points, hidden, filmed.plate), np.eye(4)[1])
    _, known = heatmaps(sample)
    assert known[WRIST] == 0
    assert known.sum() == KEYPOINTS - 1


def test_what_is_cut_out_or_scrambled_is_not_there():
    whole = blend(film(), np.array([0, 1, 0, 0], np.float32))
    for seed in range(20):
        cut = cut_out(whole, film().plate, np.random.default_rng(seed))
        seen = cut.pixels[32, 18, 0] > 0.5
        assert (cut.amounts == (1 if seen else 0)).all()
    scrambled = scramble(whole, np.random.default_rng(0))
    assert not scrambled.amounts.any()
    assert scrambled.silhouette.sum() == whole.silhouette.sum()
    assert scrambled.pixels.sum() == pytest.approx(whole.pixels.sum(), rel=1e-5)


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_keypoints_move_with_the_picture(seed):
    moved = move(blend(film(), np.array([0, 1, 0, 0], np.float32)), np.random.default_rng(seed))
    assert centre_of_light(moved.pixels) == pytest.approx(moved.points[0, 0], abs=0.3)
    inside = moved.silhouette > 0.5
    rows, columns = np.nonzero(inside)
    assert np.array([columns.mean(), rows.mean()]) + 0.5 == pytest.approx(moved.points[0, 0], abs=1.0)


def test_mirroring_swaps_left_and_right():
    points = np.zeros((1, KEYPOINTS, 2), np.float32)
    points[0, WRIST], points[0, OTHER_WRIST] = (10, 30), (38, 30)
    amounts = np.ones((1, KEYPOINTS), np.float32)
    picture = Sample(
        np.zeros((HEIGHT, WIDTH, 3), np.float32), np.zeros((HEIGHT, WIDTH), np.float32), points, amounts
    )
    signs = {
        np.sign(moved.points[0, WRIST, 0] - moved.points[0, OTHER_WRIST, 0])
        for moved in (move(picture, np.random.default_rng(seed)) for seed in range(12))
    }
    assert signs == {-1.0}  # mirrored or not, the left wrist stays on the left of the picture


def test_samples_are_repeatable_and_in_range():
    for seed in range(30):
        first = make_sample(film(), np.random.default_rng(seed))
        second = make_sample(film(), np.random.default_rng(seed))
        np.testing.assert_array_equal(first.pixels, second.pixels)
        assert first.pixels.dtype == np.float32
        assert 0 <= first.pixels.min() <= first.pixels.max() <= 1
        maps, _ = heatmaps(first)
        assert 0 <= maps.min() <= maps.max() <= 1
        assert first.silhouette.max() <= 1 + 1e-6


@given(st.integers(0, 1000), st.integers(2, 12))
@settings(max_examples=50, deadline=None)
def test_blend_weights_never_exceed_a_whole_picture(seed, frames):
    weights = blend_weights(max(frames, 3), np.random.default_rng(seed))
    assert weights.min() >= 0
    assert weights.sum() <= 1 + 1e-6


def test_degrading_changes_pictures_but_not_their_size():
    picture = blend(film(), np.array([0, 1, 0, 0], np.float32)).pixels
    results = [degrade(picture, np.random.default_rng(seed)) for seed in range(10)]
    assert all(result.shape == picture.shape for result in results)
    assert sum(not np.allclose(result, picture) for result in results) >= 8


def test_black_pixels_of_a_smear_stay_numbers():
    filmed = film(9)
    dark = FilmedPerson(0 * filmed.rgb, filmed.mask, filmed.points, filmed.hidden, filmed.plate)
    for frames in range(3, 10):
        weights = np.where(np.arange(9) < frames, 1 / frames, 0).astype(np.float32)
        assert blend(dark, weights).pixels.min() >= 0
