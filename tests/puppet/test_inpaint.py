"""Holes are filled smoothly or with patches, always the same way, and never fail on odd shapes."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.puppet.filling import filled
from kinema.puppet.inpaint import membrane, push_pull
from kinema.puppet.patchmatch import patched
from kinema.puppet.plate import framed, hole_of, plate_of


def holed(picture: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
    known = np.ones(picture.shape[:2], bool)
    known[box] = False
    return known


def test_a_membrane_continues_a_slope_and_keeps_what_is_known() -> None:
    slope = np.repeat(np.linspace(40, 200, 96, dtype=np.float32)[None, :, None], 80, axis=0)
    known = holed(slope, np.s_[20:60, 30:66])
    torn = np.where(known[..., None], slope, 0).astype(np.float32)
    result = membrane(torn, known)
    assert np.array_equal(result[known], slope[known])
    assert np.abs(result - slope).max() < 6
    assert np.abs(push_pull(torn, known.astype(np.float32))[known] - slope[known]).max() < 1e-3


def brickwork(height: int = 288, width: int = 200) -> np.ndarray:
    """A wall of bricks above a floor of boards, with grain."""
    rows, columns = np.indices((height, width))
    bricks = ((rows // 8) % 2 * 9 + columns) % 18 < 2
    wall = np.where(bricks | (rows % 8 == 0), 90, 170)
    boards = np.where(columns % 25 < 2, 60, 110)
    picture = np.where(rows < 200, wall, boards)[..., None] + np.array([20, 0, -20])
    grain = np.random.default_rng(0).normal(0, 3, (height, width, 1))
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def test_patches_continue_a_pattern_in_its_own_rows() -> None:
    picture = brickwork()
    known = holed(picture, np.s_[120:260, 80:130])
    result = filled(np.where(known[..., None], picture, 0).astype(np.uint8), known)
    assert np.array_equal(result[known], picture[known])
    error = np.abs(result.astype(float) - picture)[~known].mean()
    smooth = np.abs(membrane(picture.astype(np.float32), known) - picture)[~known].mean()
    assert error < 0.7 * smooth
    edge = result[:, 80:130].astype(float).mean(axis=(1, 2))
    assert abs(edge[150:190].mean() - 155) < 15
    assert abs(edge[210:250].mean() - 105) < 15


def test_the_search_does_not_depend_on_its_threads() -> None:
    picture = brickwork(144, 120).astype(np.float32)
    known = holed(picture, np.s_[50:110, 40:80])
    one, two = (patched(picture, known, threads) for threads in (1, 2))
    assert one is not None
    assert two is not None
    assert np.array_equal(one.colours, two.colours)
    assert np.array_equal(one.source, two.source)


def test_studio_paper_stays_clean() -> None:
    rng = np.random.default_rng(1)
    paper = np.full((384, 256, 3), 235) + rng.normal(0, 1.0, (384, 256, 3))
    paper[90:330, 90:170] = (40, 60, 160)
    paper[330:338, 85:175] -= 60  # an old shadow
    picture = np.clip(paper, 0, 255).astype(np.uint8)
    alpha = np.zeros((384, 256), np.float32)
    alpha[90:330, 90:170] = 1
    feet = np.array([[110.0, 330.0], [150.0, 330.0]])
    clean = plate_of(picture, hole_of(alpha, 240, feet), 240)
    left, top = clean.to_near[2:].astype(int)
    inner = clean.near[top : top + 384, left : left + 256, :3].astype(float)
    assert np.abs(inner[80:320] - 235).max() < 16
    assert inner.std() < 3


def test_a_drawn_frame_is_cut_and_a_plain_ground_is_not() -> None:
    picture = np.random.default_rng(0).integers(60, 120, (200, 150, 3)).astype(np.uint8)
    assert not framed(picture).any()
    picture[:2], picture[:, -2:] = 255, 255
    frame = framed(picture)
    assert frame[0].all()
    assert frame[:, -1].all()
    assert not frame[100, 50]
    assert not frame[-1, 50]
    sky = np.repeat(np.linspace(200, 120, 200).astype(np.uint8)[:, None], 150, axis=1)
    assert not framed(np.repeat(sky[..., None], 3, axis=2)).any()


@pytest.mark.parametrize("shape", [(16, 16), (1, 400), (400, 1), (2, 2), (33, 700)])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_odd_pictures_are_filled_without_failing(shape: tuple[int, int], share: float) -> None:
    picture = np.random.default_rng(0).integers(50, 200, (*shape, 3)).astype(np.uint8)
    known = np.ones(shape, bool)
    known[:, : round(share * shape[1])] = False
    result = filled(picture, known)
    assert np.array_equal(result[known], picture[known])
    plate = plate_of(picture, ~known, float(shape[0]))
    assert plate.near.dtype == np.uint8
    assert np.isfinite(plate.far).all()
