"""Bootstrap intervals and derangements."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.evaluation.statistics import clip_bootstrap, derangement, paired_bootstrap


def test_interval_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        interval = clip_bootstrap(rng.normal(0.5, 0.2, 32), resamples=500, seed=trial)
        hits += interval.low <= 0.5 <= interval.high
    assert 0.88 <= hits / 200 <= 0.99


def test_interval_is_repeatable_and_counts_what_is_missing():
    values = [0.1, 0.4, np.nan, 0.7]
    first, second = clip_bootstrap(values, seed=3), clip_bootstrap(values, seed=3)
    assert first == second
    assert first.mean == pytest.approx(0.4)
    assert (first.clips, first.missing) == (3, 1)
    assert np.isnan(clip_bootstrap([np.nan]).mean)


def test_pairs_narrow_the_interval():
    rng = np.random.default_rng(1)
    base = rng.normal(0, 1, 40)
    difference = paired_bootstrap(base + 0.1, base)
    assert difference.mean == pytest.approx(0.1)
    assert difference.high - difference.low < 1e-9
    with pytest.raises(ValueError, match="same clips"):
        paired_bootstrap(base, base[:-1])


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="one value per clip"):
        clip_bootstrap(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="level"):
        clip_bootstrap([1.0], level=95)
    with pytest.raises(ValueError, match="two clips"):
        derangement(1)


@given(st.integers(2, 60), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_derangement_moves_everything(count, seed):
    order = derangement(count, seed)
    assert sorted(order) == list(range(count))
    assert not np.any(order == np.arange(count))
    assert np.array_equal(order, derangement(count, seed))
