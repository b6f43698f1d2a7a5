"""Verdicts on published orderings: known effects are seen, absent ones are not, and few seeds claim little."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.evaluation.orderings import crossed_mean, judge_ordering, visible_effect


def rows(effect: float, rng: np.random.Generator, seeds: int = 3, clips: int = 24, apart: float = 0.3):
    """(better, worse) [S, C]: clips that differ much, an effect that differs by seed and by clip, and noise."""
    clip = rng.normal(0, 3, (1, clips))
    seed = rng.normal(0, apart, (seeds, 1))
    own = rng.normal(0, 0.5, (1, clips))
    worse = clip + rng.normal(0, 0.5, (seeds, clips))
    return worse + effect + seed + own + rng.normal(0, 0.5, (seeds, clips)), worse


def test_large_effects_are_reproduced_reversed_ones_are_not_and_none_is_undecidable():
    rng = np.random.default_rng(0)
    assert judge_ordering(*rows(4.0, rng)).verdict == "reproduced"
    assert judge_ordering(*rows(-4.0, rng)).verdict == "not reproduced"
    nothing = judge_ordering(*rows(0.0, rng))
    assert nothing.verdict == "undecidable"
    assert nothing.difference.smallest > abs(nothing.difference.mean)
    a, b = rows(4.0, rng)
    fewer_is_better = judge_ordering(b, a, higher_is_better=False)
    assert fewer_is_better.verdict == "reproduced"
    assert fewer_is_better.difference.mean == pytest.approx(np.mean(a - b))


def test_one_seed_decides_nothing_however_large_the_effect():
    one = judge_ordering(*rows(40.0, np.random.default_rng(1), seeds=1))
    assert one.verdict == "undecidable"
    assert one.difference.p < 1e-6  # for this network, on other clips
    assert np.isnan(one.difference.smallest)


@pytest.mark.parametrize("apart", [0.0, 0.3, 1.5])
def test_absent_effects_are_claimed_about_as_rarely_as_promised(apart):
    rng = np.random.default_rng(2)
    tables = [np.subtract(*rows(0.0, rng, apart=apart)) for _ in range(500)]
    assert (
        np.mean([crossed_mean(table).p < 0.05 for table in tables]) <= 0.07
    )  # 5 %, two standard errors of 500 trials


@pytest.mark.parametrize(("apart", "seeds"), [(1.5, 3), (0.3, 3), (1.5, 6)])
def test_intervals_hold_the_truth_and_the_smallest_effect_is_seen_four_times_out_of_five(apart, seeds):
    rng = np.random.default_rng(3)
    found = [crossed_mean(np.subtract(*rows(1.0, rng, seeds, apart=apart))) for _ in range(400)]
    assert np.mean([each.low <= 1.0 <= each.high for each in found]) >= 0.92

    def share_seen(effect: float) -> float:
        tables = [np.subtract(*rows(effect, rng, seeds, apart=apart)) for _ in range(300)]
        return float(np.mean([crossed_mean(table).p < 0.05 for table in tables]))

    # The smallest effect is estimated, too: its root mean square is what is seen about as promised.
    smallest = np.sqrt(np.mean([each.smallest**2 for each in found[:60]]))
    assert 0.65 <= share_seen(smallest) <= 0.95
    assert share_seen(smallest / 3) < 0.4


def test_few_seeds_see_large_effects_only():
    assert visible_effect(1e6) == pytest.approx(1.96 + 0.84, abs=0.01)
    assert visible_effect(2) > 5
    assert visible_effect(1) > visible_effect(2) > visible_effect(10)
    rng = np.random.default_rng(4)
    smallest = {
        n: np.mean([crossed_mean(np.subtract(*rows(0, rng, n, apart=1.0))).smallest for _ in range(20)])
        for n in (2, 3, 8)
    }
    assert smallest[2] > 2 * smallest[3]
    assert smallest[3] > 1.5 * smallest[8]


def test_clips_are_paired_and_seeds_are_not_more_clips():
    rng = np.random.default_rng(5)
    better, worse = rows(1.0, rng, apart=0.0)
    assert judge_ordering(better, worse).difference.error < 0.3 * crossed_mean(better).error
    same = np.repeat(rng.normal(size=(1, 24)), 3, axis=0)  # seeds that agree add nothing to what clips say
    assert crossed_mean(same).error == pytest.approx(crossed_mean(same[:1]).error)


def test_clips_without_a_value_are_left_out_and_counted():
    table = np.array([[1.0, 2.0, np.nan, 4.0], [1.5, 2.5, 3.0, 3.5]])
    found = crossed_mean(table)
    assert (found.clips, found.missing, found.seeds) == (3, 1, 2)
    assert found.mean == pytest.approx(np.mean(table[:, [0, 1, 3]]))
    empty = crossed_mean(np.full((2, 3), np.nan))
    assert np.isnan(empty.mean)
    assert empty.missing == 3
    assert judge_ordering(table[:, :1], table[:, 1:2]).verdict == "undecidable"
    equal = judge_ordering(table, table)
    assert (equal.verdict, equal.difference.p, equal.difference.smallest) == ("undecidable", 1.0, 0.0)
    with pytest.raises(ValueError, match="seeds, clips"):
        crossed_mean([1.0, 2.0])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="same seeds and clips"):
        judge_ordering(np.zeros((2, 3)), np.zeros((3, 3)))
