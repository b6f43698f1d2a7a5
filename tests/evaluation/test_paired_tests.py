"""Sign flips, swaps, clusters, Holm: exact where they can be, and right about as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.evaluation.metrics.frechet import PooledFrechet
from kinema.evaluation.statistics import (
    clip_bootstrap,
    cluster_sums,
    holm,
    sign_flip_test,
    smallest_visible,
    swap_test,
)


def test_sign_flips_are_exact_for_few_clips():
    assert sign_flip_test([1.0, 1.0, 1.0]) == 2 / 8
    assert sign_flip_test([1.0] * 6) == 2 / 64
    assert sign_flip_test([3.0, -1.0]) == 1.0
    assert sign_flip_test([np.nan, np.nan]) == 1.0
    assert sign_flip_test([1.0] * 6, clusters=list("aabbcc")) == 2 / 8


def test_sign_flips_are_wrong_as_often_as_they_say():
    rng = np.random.default_rng(0)
    p = np.array([sign_flip_test(rng.standard_t(3, 20), resamples=400, seed=i) for i in range(300)])
    assert 0.02 <= np.mean(p < 0.05) <= 0.09


def test_swaps_from_one_gram_matrix_are_wrong_as_often_as_they_say_and_see_a_real_difference():
    """A, B and the reference of one distribution; then B shifted."""
    rng = np.random.default_rng(1)
    clips, size = 16, 12

    def p_of(shift: float, seed: int) -> float:
        base = rng.normal(size=(clips, size))  # the same controls for A and B
        a, b = (base + 0.7 * rng.normal(size=(clips, size)) for _ in range(2))
        pool = PooledFrechet(np.concatenate([a, b + shift, rng.normal(size=(clips, size))]))
        own, other = np.arange(clips), np.arange(clips) + clips
        target = np.arange(clips) + 2 * clips

        def statistic(swap: np.ndarray) -> float:
            one, two = np.where(swap, other, own), np.where(swap, own, other)
            return pool.distance(one, target) - pool.distance(two, target)

        observed, p, null = swap_test(statistic, clips, resamples=39, seed=seed)
        assert len(null) == 39
        assert shift == 0 or observed < 0
        return p

    false = np.mean([p_of(0.0, seed) <= 0.05 for seed in range(100)])
    assert false <= 0.12  # 5 %, three standard errors of 100 trials
    assert false > 0
    assert np.mean([p_of(0.8, seed) <= 0.05 for seed in range(10)]) >= 0.8


def test_clusters_widen_the_interval_of_clips_that_say_the_same():
    rng = np.random.default_rng(2)
    values = np.repeat(rng.normal(size=8), 6)
    names = [f"clip {i // 6}" for i in range(48)]
    alone, together = clip_bootstrap(values), clip_bootstrap(values, clusters=names)
    assert alone.mean == pytest.approx(together.mean)
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert smallest_visible(values, names) > 2 * smallest_visible(values)
    sums, counts = cluster_sums([1.0, np.nan, 3.0], ["b", "b", "a"])
    assert (sums.tolist(), counts.tolist()) == ([3.0, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="names of clusters"):
        cluster_sums([1.0], ["a", "b"])


def test_smallest_visible_is_seen_four_times_out_of_five():
    rng = np.random.default_rng(3)
    effect = smallest_visible(rng.normal(size=4000)) * np.sqrt(4000 / 24)
    seen = [sign_flip_test(rng.normal(effect, 1, 24), resamples=400, seed=i) < 0.05 for i in range(200)]
    assert 0.7 <= np.mean(seen) <= 0.9
    assert np.isnan(smallest_visible([1.0]))


def test_holm_holds_tests_against_one_another():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
