"""A hole is filled with what goes on beside it in the same rows, cut where it fits."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.puppet.filling import filled
from kinema.puppet.shifts import shifted


def fence(height: int = 144, width: int = 120) -> np.ndarray:
    """Posts every 15 columns before a slope, a rail, grass."""
    rows, columns = np.indices((height, width))
    picture = np.where(columns % 15 < 4, 60, 200 - rows * 0.5)
    picture = np.where(abs(rows - 70) < 4, 90, picture)
    return np.repeat(np.where(rows > 120, 110, picture)[..., None], 3, axis=2).astype(np.float32)


def test_a_fence_goes_on_behind_the_hole() -> None:
    picture = fence()
    known = np.ones(picture.shape[:2], bool)
    known[30:, 45:80] = False
    found = shifted(picture, known)
    assert found is not None
    steps, got = found
    assert got[~known].mean() > 0.95
    assert not got[known].any()
    rows, columns = np.nonzero(got)
    assert known[rows, columns + steps[got]].all()
    assert np.abs(picture[rows, columns + steps[got]] - picture[rows, columns]).mean() < 4
    result = filled(picture.astype(np.uint8), known).astype(float)
    assert np.abs(result - picture)[~known].mean() < 8


def test_what_does_not_fit_and_what_is_tiny_is_left_to_patches() -> None:
    noise = np.random.default_rng(0).uniform(0, 255, (120, 100, 3)).astype(np.float32)
    known = np.ones((120, 100), bool)
    known[30:90, 35:60] = False
    assert shifted(noise, known) is None
    assert shifted(noise[:20], known[20:40]) is None
    assert shifted(noise, np.ones_like(known)) is None


@pytest.mark.parametrize("hole", [np.s_[:, 40:60], np.s_[100:, :], np.s_[:, :50], np.s_[5:, 5:-5]])
def test_holes_at_the_edges_do_not_fail(hole: tuple[slice, slice]) -> None:
    picture = fence().astype(np.uint8)
    known = np.ones(picture.shape[:2], bool)
    known[hole] = False
    result = filled(picture, known)
    assert np.array_equal(result[known], picture[known])
    assert result.min() > 30
