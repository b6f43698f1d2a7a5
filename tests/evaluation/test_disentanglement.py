"""The disentanglement matrix on systems whose matrix is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.evaluation.metrics.disentanglement import disentanglement, effect, gain, leak, over_bases

FACTORS = ("pose", "camera")


def edits(bases: int = 12, components: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    """Intended changes that grow with the magnitude, [bases, 4, components] per factor."""
    rng = np.random.default_rng(seed)
    shares = np.array([0.25, 0.5, 0.75, 1.0])
    return {name: rng.normal(0, 1, (bases, 1, components)) * shares[:, None] for name in FACTORS}


def system(intended, own: float, other: float, noise: float = 0.0, seed: int = 1):
    """Cells of a system that follows its own edits by `own` and lets the other's through by `other`."""
    rng = np.random.default_rng(seed)
    cells = {}
    for row in FACTORS:
        for column in FACTORS:
            scale = own if row == column else other
            change = scale * intended[row]
            cells[row, column] = change + rng.normal(0, noise, change.shape)
    return cells


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 2.0), st.floats(0.0, 1.0))
def test_a_linear_system_is_read_exactly(own, other):
    intended = edits()
    matrix = disentanglement(system(intended, own, other), intended, None)
    for name in FACTORS:
        assert matrix.gains[name].value == pytest.approx(own)
        assert matrix.r2[name] == pytest.approx(1.0)
    ratio = effect(intended["camera"]) / effect(intended["pose"])
    assert matrix.leaks["camera", "pose"].value == pytest.approx(other / own * ratio)


def test_the_perfect_system_is_the_identity():
    intended = edits()
    matrix = disentanglement(system(intended, 1.0, 0.0), intended, None)
    assert matrix.worst(FACTORS)[0] == 0
    assert all(abs(value) < 0.5 for value in matrix.shuffled.values())


def test_the_largest_leak_is_sought_where_one_asks():
    intended = edits()
    cells = system(intended, 1.0, 0.2)
    cells["camera", "pose"] *= 3
    matrix = disentanglement(cells, intended, None)
    assert matrix.worst(FACTORS) == (matrix.leaks["camera", "pose"].value, "camera -> pose")
    assert matrix.worst(("camera",)) == (matrix.leaks["pose", "camera"].value, "pose -> camera")


def test_what_the_judges_do_on_renders_is_no_leak():
    intended = edits()
    noisy = system(intended, 1.0, 0.0, noise=0.3)
    floor = system(intended, 1.0, 0.0, noise=0.3, seed=2)
    without = disentanglement(noisy, intended, None).worst(FACTORS)[0]
    beyond = disentanglement(noisy, intended, floor).worst(FACTORS)[0]
    assert without > 0.3
    assert beyond < 0.7 * without


def test_a_system_that_does_nothing_has_no_leak_to_speak_of():
    intended = edits()
    matrix = disentanglement(system(intended, 0.0, 0.0), intended, None)
    assert matrix.gains["pose"].value == 0
    assert np.isnan(matrix.worst(FACTORS)[0])


def test_what_is_missing_does_not_count():
    intended = edits()["pose"]
    measured = intended.copy()
    measured[0], measured[1, 2] = np.nan, np.nan
    assert gain(measured, intended) == pytest.approx((1.0, 1.0))
    assert np.isfinite(leak(measured, intended))
    assert np.isnan(effect(np.full((2, 4, 3), np.nan)))


def test_intervals_hold_the_value_and_repeat():
    intended = edits()["pose"]
    measured = 0.8 * intended + np.random.default_rng(0).normal(0, 0.2, intended.shape)
    first = over_bases(lambda y, x: gain(y, x)[0], measured, intended)
    assert first.low < first.value < first.high
    assert first == over_bases(lambda y, x: gain(y, x)[0], measured, intended)
    assert str(first).startswith("0.")
