"""A picture goes on with pieces of itself: its rows stay, its edge is met, what was made up is not taken."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.puppet.plate import plate_of
from kinema.puppet.surroundings import closed, continuation


def landscape(height: int = 144, width: int = 96) -> np.ndarray:
    """Sky, stones and grass, which differ in colour and grain."""
    rng = np.random.default_rng(3)
    grain = rng.normal(0, 1, (height, width, 1))
    rows = np.arange(height)[:, None, None]
    colour = np.where(rows < 60, [200, 210, 230], np.where(rows < 100, [120, 110, 100], [60, 110, 50]))
    strong = np.where(rows < 60, 1.0, np.where(rows < 100, 20.0, 10.0))
    return np.clip(colour + strong * grain, 0, 255).astype(np.float32)


def test_rows_keep_their_colours_and_their_grain() -> None:
    picture = landscape()
    more, pieces = continuation(picture, np.zeros(picture.shape[:2], np.float32), 150)
    assert more.shape[1] >= 150
    assert np.abs(more.mean(axis=1) - picture.mean(axis=1)).max() < 14
    for rows in (slice(5, 55), slice(65, 95), slice(105, 140)):
        ratio = more[rows].std(axis=1).mean() / picture[rows].std(axis=1).mean()
        assert 0.7 < ratio < 1.3
    assert np.abs(more[:, 0] - picture[:, -1]).max() < 1
    assert all(piece.share.shape[0] == 144 for piece in pieces)


def test_what_was_made_up_is_not_taken_where_there_is_something_else() -> None:
    picture = landscape()
    picture[:, :45] = (255, 0, 255)
    made_up = np.zeros(picture.shape[:2], np.float32)
    made_up[:, :45] = 1
    more, _ = continuation(picture, made_up, 60)
    assert (np.abs(more[:, :60] - (255, 0, 255)).sum(axis=2) < 30).mean() < 0.02


def test_both_sides_meet() -> None:
    picture = landscape()
    nothing = np.zeros(picture.shape[:2], np.float32)
    right, _ = continuation(picture, nothing, 100)
    left, _ = continuation(picture[:, ::-1], nothing, 100)
    behind = closed(right, left[:, ::-1], 12)
    assert behind.shape[1] == right.shape[1] + left.shape[1] - 12
    turn = np.concatenate([picture, behind, picture], axis=1)
    steps = np.abs(np.diff(turn, axis=1)).mean(axis=(0, 2))
    assert steps.max() < 2.5 * np.median(steps)


@pytest.mark.parametrize("size", [(96, 144), (300, 420)])
def test_the_plate_is_the_picture_with_its_own_detail_round_it(size: tuple[int, int]) -> None:
    width, height = size
    picture = landscape(height, width).astype(np.uint8)
    plate = plate_of(picture, np.zeros((height, width), bool))
    left, top = plate.to_near[2:].astype(int)
    inner = plate.near[top : top + height, left : left + width]
    assert np.array_equal(inner[..., :3], picture)
    assert (inner[..., 3] == 255).all()
    assert (plate.near[..., 3] == 255).sum() == width * height
    fine = np.abs(np.diff(plate.near[top : top + height, ..., :3].astype(float), axis=1)).mean(axis=(0, 2))
    own, beside = fine[left : left + width].mean(), fine[left + width : left + int(1.3 * width)].mean()
    assert 0.7 < beside / own < 1.3
    assert plate.period == pytest.approx(plate.far.shape[1] / plate.to_far[0])
