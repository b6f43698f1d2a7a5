"""Means over clips with honest intervals: the clip, not the frame, is what was sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


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
    values: Sequence[float] | np.ndarray, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Mean over clips with a percentile bootstrap interval over clips.

    Args:
        values: one value per clip; NaN where a clip has none.
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
    rng = np.random.default_rng(seed)
    means = valid[rng.integers(0, len(valid), (resamples, len(valid)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(valid.mean()), float(low), float(high), len(valid), missing)


def paired_bootstrap(
    a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray, **options: float
) -> Interval:
    """The mean of a - b over clips, resampling clips and keeping pairs together; options as `clip_bootstrap`.

    Raises:
        ValueError: the two do not pair up.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"pairs need the same clips: {list(a.shape)} against {list(b.shape)}")
    return clip_bootstrap(a - b, **options)  # type: ignore[arg-type]


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
