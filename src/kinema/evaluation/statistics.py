"""Means over clips with honest intervals: the clip, not the frame, is what was sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

POWER = 1.96 + 0.84  # standard errors of an effect that is seen with 80 % power at the two-sided 5 % level


@dataclass(frozen=True)
class Interval:
    """A mean over clips and its bootstrap interval.

    Args:
        mean: mean of the clips that have a value.
        low: lower end.
        high: upper end.
        clips: clips that have a value.
        missing: clips without one (NaN), counted and not replaced.
    """

    mean: float
    low: float
    high: float
    clips: int
    missing: int = 0

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def clip_bootstrap(
    values: Sequence[float] | np.ndarray,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    clusters: Sequence[str] | None = None,
) -> Interval:
    """Mean over clips with a percentile bootstrap interval over clips.

    Args:
        values: one value per clip; NaN where a clip has none.
        clusters: which clips belong together (takes of one motion, seeds of one prompt), one name per clip: they
            are drawn together. Every clip for itself by default.
        level: coverage of the interval.
        resamples: bootstrap resamples.
        seed: of the resampling; the same values and seed give the same interval.

    Raises:
        ValueError: values are not one per clip, or level is not between 0 and 1.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"expected one value per clip, got shape {list(values.shape)}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    valid = values[~np.isnan(values)]
    missing = len(values) - len(valid)
    if not len(valid):
        return Interval(float("nan"), float("nan"), float("nan"), 0, missing)
    sums, counts = cluster_sums(values, clusters)
    chosen = np.random.default_rng(seed).integers(0, len(sums), (resamples, len(sums)))
    means = sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(valid.mean()), float(low), float(high), len(valid), missing)


def paired_bootstrap(
    a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray, **options: Any
) -> Interval:
    """The mean of a - b over clips, resampling clips and keeping pairs together; options as `clip_bootstrap`.

    Raises:
        ValueError: the two do not pair up.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"pairs need the same clips: {list(a.shape)} against {list(b.shape)}")
    return clip_bootstrap(a - b, **options)


def cluster_sums(
    values: Sequence[float] | np.ndarray, clusters: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of values over clusters and how many values each has, both [clusters that have one], sorted by name.

    Args:
        values: one per clip; NaN does not count.
        clusters: one name per clip; every clip for itself where None.

    Raises:
        ValueError: not one name per clip.
    """
    values = np.asarray(values, dtype=np.float64)
    if clusters is not None and len(clusters) != len(values):
        raise ValueError(f"{len(clusters)} names of clusters for {len(values)} clips")
    valid = ~np.isnan(values)
    if clusters is None:
        return values[valid], np.ones(int(valid.sum()))
    _, number = np.unique(np.asarray(clusters)[valid], return_inverse=True)
    return np.bincount(number, values[valid]), np.bincount(number).astype(np.float64)


def derangement(count: int, seed: int = 0) -> np.ndarray:
    """A random permutation of `count` items, int [count], that leaves none in its place.

    Raises:
        ValueError: fewer than two items.
    """
    if count < 2:
        raise ValueError(f"shuffling needs at least two clips, got {count}")
    rng = np.random.default_rng(seed)
    while True:  # a third of all permutations are derangements
        order = rng.permutation(count)
        if not np.any(order == np.arange(count)):
            return order


def sign_flip_test(
    differences: Sequence[float] | np.ndarray,
    *,
    resamples: int = 10_000,
    seed: int = 0,
    clusters: Sequence[str] | None = None,
) -> float:
    """How often paired differences would have so large a mean, were their signs a matter of chance.

    Exact over all 2^n signs where these are at most `resamples`, else over that many random ones. Under the null
    hypothesis that either member of a pair could have had either value it is valid at any number of clips, where
    a bootstrap interval is too narrow for few.

    Args:
        differences: one per clip; NaN where a clip has none.
        resamples: random signs.
        seed: of the signs.
        clusters: clips that belong together and flip together, one name per clip.

    Returns:
        Two-sided p; 1 without clips. With n clips it cannot be under 2 / 2^n.
    """
    values, _ = cluster_sums(differences, clusters)
    count = len(values)
    if not count:
        return 1.0
    exact = 2**count <= resamples
    if exact:
        signs = ((np.arange(2**count)[:, None] >> np.arange(count)) & 1) * 2.0 - 1
    else:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], (resamples, count))
    size = np.abs(values).sum()
    sums = np.abs(signs @ values)
    as_large = int((sums >= abs(values.sum()) - 1e-12 * size).sum())
    return as_large / len(signs) if exact else (1 + as_large) / (1 + resamples)


def swap_test(
    statistic: Callable[[np.ndarray], float], clips: int, *, resamples: int = 1000, seed: int = 0
) -> tuple[float, float, np.ndarray]:
    """Paired swap-permutation test: how often would swapping A and B of some clips give so large a statistic?

    Args:
        statistic: of a swap, bool [clips]: which clips change sides. It must be antisymmetric or symmetric under
            swapping all.
        clips: how many pairs, at least 1.
        resamples: random swaps.
        seed: of the swaps.

    Returns:
        The statistic without swaps, the two-sided p, and the statistics of the swaps, [resamples].
    """
    if clips < 1:
        raise ValueError("a swap test needs at least one pair of clips")
    swaps = np.random.default_rng(seed).random((resamples, clips)) < 0.5
    observed = statistic(np.zeros(clips, bool))
    null = np.array([statistic(swap) for swap in swaps])
    as_large = int((np.abs(null) >= abs(observed) * (1 - 1e-9)).sum())
    return observed, (1 + as_large) / (1 + resamples), null


def smallest_visible(
    differences: Sequence[float] | np.ndarray, clusters: Sequence[str] | None = None
) -> float:
    """The smallest mean difference that so many clips of such a spread show four times out of five, at the 5 % level.

    (1.96 + 0.84) standard errors of the mean; NaN under two clusters.
    """
    sums, counts = cluster_sums(differences, clusters)
    if len(sums) < 2:
        return float("nan")
    off = sums - counts * (sums.sum() / counts.sum())
    return float(POWER * np.sqrt(np.sum(off**2) * len(sums) / (len(sums) - 1)) / counts.sum())


def holm(p_values: Sequence[float]) -> list[float]:
    """The same p-values held against all tests made together (Holm 1979): under 0.05 still means 5 % over all."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * float(p_values[index])))
        adjusted[index] = largest
    return [float(value) for value in adjusted]
