"""The keypoint network: decoding, sizes, saving."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.capture.keypoint_network import (
    KEYPOINT_JOINTS,
    KEYPOINT_NAMES,
    MULTIPLE,
    KeypointNetwork,
    detect_keypoints,
    peaks,
    working_size,
)


def tiny() -> KeypointNetwork:
    torch.manual_seed(0)
    return KeypointNetwork(channels=(8, 8, 8, 8), blocks=(0, 0, 1)).eval()


def gaussian(x: float, y: float, rows: int = 32, columns: int = 24) -> torch.Tensor:
    row, column = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
    return torch.exp(-((row - y) ** 2 + (column - x) ** 2) / 2)[None, None]


@given(st.floats(3, 21), st.floats(3, 29))
@settings(max_examples=40, deadline=None)
def test_peaks_find_a_gaussian_to_a_fraction_of_a_cell(x, y):
    cells, confidence = peaks(gaussian(x, y))
    assert cells[0, 0].tolist() == pytest.approx([x, y], abs=0.06)
    assert 0.75 <= float(confidence) <= 1


def test_peaks_at_the_border_stay_in_the_picture():
    cells, _ = peaks(gaussian(0.5, 31.5))
    assert 0 <= cells[0, 0, 0] <= 1.5
    assert 30.5 <= cells[0, 0, 1] <= 32


def test_names_match_joints():
    assert len(KEYPOINT_NAMES) == len(KEYPOINT_JOINTS) == len(set(KEYPOINT_JOINTS))


@pytest.mark.parametrize("size", [(96, 128), (128, 128), (1280, 720), (50, 40)])
def test_working_size_keeps_the_aspect_and_fits_the_network(size):
    columns, rows = working_size(*size)
    assert columns % MULTIPLE == rows % MULTIPLE == 0
    assert abs(np.log((columns / rows) / (size[0] / size[1]))) < 0.2
    assert working_size(96, 128) == (96, 128)


@pytest.mark.parametrize("size", [(96, 128), (128, 256), (60, 41)])
def test_detection_answers_in_the_pixels_of_the_picture(size):
    width, height = size
    frames = np.random.default_rng(0).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    seen = detect_keypoints(tiny(), frames, batch_size=2)
    assert seen.points.shape == (3, 18, 2)
    assert seen.confidence.shape == (3, 18)
    assert seen.silhouette.shape == (3, height, width)
    assert np.all(seen.points >= 0)
    assert np.all(seen.points <= [width, height])


def test_frames_are_judged_one_by_one():
    frames = np.random.default_rng(0).integers(0, 256, (3, 128, 96, 3), dtype=np.uint8)
    together, alone = detect_keypoints(tiny(), frames), detect_keypoints(tiny(), frames[1:2])
    np.testing.assert_allclose(together.points[1], alone.points[0], atol=1e-3)


def test_save_and_load(tmp_path):
    network = tiny()
    network.save_pretrained(tmp_path)
    loaded = KeypointNetwork.from_pretrained(tmp_path).eval()
    pixels = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(loaded(pixels).heatmaps, network(pixels).heatmaps)


def test_wrong_frames_are_named():
    with pytest.raises(ValueError, match="uint8 frames"):
        detect_keypoints(tiny(), np.zeros((2, 32, 32, 3), np.float32))
