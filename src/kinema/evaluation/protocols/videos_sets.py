"""Set metrics with what makes them readable: the null at the same sample size, and paired swap tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kinema.evaluation.metrics.frechet import PooledFrechet, frechet_distance
from kinema.evaluation.protocols.videos_metric import SetMetric
from kinema.evaluation.protocols.videos_seen import Seen
from kinema.evaluation.statistics import swap_test

SPLITS = 50
"""Random halves for the real-vs-real null."""


def paired_features(
    made: Mapping[str, Seen], true: Mapping[str, Seen], extractor: str
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Features [N, D] of the clips that both sets have, in order of names, and these names."""
    names = sorted(set(made) & set(true))
    return _stack(made, names, extractor), _stack(true, names, extractor), names


def set_score(
    metric: SetMetric,
    made: Mapping[str, Seen],
    true: Mapping[str, Seen],
    *,
    seed: int = 0,
    resamples: int = 500,
) -> dict[str, Any]:
    """A Fréchet distance with its null.

    A Fréchet distance of few clips is large even between two halves of the same real set, and its bootstrap is
    biased, so that it has no interval. Instead: over random halves, the distance of generated to real clips beside
    that of real to real ones at the same number of clips, and how often swapping pairs gives so large a distance.

    Args:
        metric: which.
        made: generated clips; failed ones are not in it.
        true: reference clips.
        seed: of halves and swaps.
        resamples: of the swap test.

    Returns:
        value, windows, clips, p_differs (could both be one distribution?), half (clips, made_real, real_real, and
        the 5 % and 95 % quantiles of the latter); None where there are too few windows.
    """
    name, covariance = metric.extractor.name, metric.extractor.covariance
    a, b, names = paired_features(made, true, name)
    if min(len(a), len(b)) < 2:
        return {
            "value": None,
            "windows": len(a),
            "clips": len(names),
            "why": "fewer than two windows of 16 frames",
        }
    result: dict[str, Any] = {
        "value": frechet_distance(a, b, covariance),
        "windows": len(a),
        "clips": len(names),
        "half": None,
        "p_differs": None,
    }
    if len(names) < 4:
        return result
    _, result["p_differs"], _ = set_swap_test(made, true, None, name, resamples=resamples, seed=seed)
    pool = PooledFrechet(np.concatenate([a, b]))
    rows_a, rows_b = _rows(made, names, name), _rows(true, names, name)
    rows_b = [rows + len(a) for rows in rows_b]
    rng = np.random.default_rng(seed)
    real, generated = [], []
    for _ in range(SPLITS):
        order = rng.permutation(len(names))
        one, two = order[: len(names) // 2], order[len(names) // 2 : 2 * (len(names) // 2)]
        rest = np.concatenate([rows_b[i] for i in two])
        halves = [np.concatenate([rows[i] for i in one]) for rows in (rows_b, rows_a)]
        if min(len(rest), *(len(half) for half in halves)) < 2:
            return result
        real.append(pool.distance(halves[0], rest))
        generated.append(pool.distance(halves[1], rest))
    result["half"] = {
        "clips": len(names) // 2,
        "made_real": float(np.mean(generated)),
        "real_real": float(np.mean(real)),
        "real_real_low": float(np.quantile(real, 0.05)),
        "real_real_high": float(np.quantile(real, 0.95)),
    }
    return result


def set_swap_test(
    a: Mapping[str, Seen],
    b: Mapping[str, Seen],
    true: Mapping[str, Seen] | None,
    extractor: str,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float, np.ndarray]:
    """Paired swap-permutation test of two sets of videos of the same clips, from one pooled Gram matrix.

    Args:
        a: the one set; b: the other.
        true: where given, the statistic is FD(a, true) - FD(b, true), negative where a is nearer; else FD(a, b).
        extractor: whose features.
        resamples: random swaps of whole clips.
        seed: of the swaps.

    Returns:
        The statistic, its two-sided p, and the statistics of the swaps.

    Raises:
        ValueError: fewer than two windows.
    """
    names = sorted(set(a) & set(b) & (set(a) if true is None else set(true)))
    if not names:
        raise ValueError("the two sets have no clip in common")
    parts = [_stack(a, names, extractor), _stack(b, names, extractor)]
    rows_a = _rows(a, names, extractor)
    rows_b = [rows + len(parts[0]) for rows in _rows(b, names, extractor)]
    target = np.zeros(0, int)
    if true is not None:
        parts.append(_stack(true, names, extractor))
        target = np.arange(len(parts[2])) + len(parts[0]) + len(parts[1])
    pool = PooledFrechet(np.concatenate(parts))

    def statistic(swap: np.ndarray) -> float:
        one = np.concatenate([rows_b[i] if swap[i] else rows_a[i] for i in range(len(names))])
        two = np.concatenate([rows_a[i] if swap[i] else rows_b[i] for i in range(len(names))])
        if true is None:
            return pool.distance(one, two)
        return pool.distance(one, target) - pool.distance(two, target)

    return swap_test(statistic, len(names), resamples=resamples, seed=seed)


def _stack(seen: Mapping[str, Seen], names: list[str], extractor: str) -> np.ndarray:
    rows = [seen[name].features[extractor] for name in names if len(seen[name].features[extractor])]
    return np.concatenate(rows) if rows else np.zeros((0, 1))


def _rows(seen: Mapping[str, Seen], names: list[str], extractor: str) -> list[np.ndarray]:
    """The rows of `_stack` that belong to each clip."""
    counts = [len(seen[name].features[extractor]) for name in names]
    ends = np.cumsum(counts)
    return [np.arange(end - count, end) for end, count in zip(ends, counts, strict=True)]
