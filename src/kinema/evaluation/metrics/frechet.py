"""Fréchet distance between Gaussians fitted to two feature sets, without a matrix square root.

The number means nothing without the features and the sample size: name it `frechet[<features>@<hash>]`.
"""

from __future__ import annotations

import numpy as np


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Fréchet (Wasserstein-2) distance of the Gaussians of two sets of features.

    With A and B the centred sets over the root of n - 1, Tr((S_a S_b)^(1/2)) is the nuclear norm of A B^T, so
    FD = |mean difference|^2 + |A|^2 + |B|^2 - 2 |A B^T|_*. Exact also where the covariances are singular.

    Args:
        a: features [N, D], N at least 2.
        b: features [M, D], M at least 2.

    Raises:
        ValueError: shapes do not fit, fewer than two samples, or features that are not finite.
    """
    a, b = _features(a, "first"), _features(b, "second")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"feature sizes differ: {a.shape[1]} and {b.shape[1]}")
    means = np.sum(np.square(a.mean(axis=0) - b.mean(axis=0)))
    a, b = _scatter(a), _scatter(b)
    nuclear = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(max(means + np.sum(a**2) + np.sum(b**2) - 2 * nuclear, 0.0))


def _features(x: np.ndarray, which: str) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"the {which} set must be [N >= 2, D] features, got {list(x.shape)}")
    if not np.isfinite(x).all():
        raise ValueError(f"the {which} set holds features that are not finite")
    return x


def _scatter(x: np.ndarray) -> np.ndarray:
    """A matrix S with S^T S the sample covariance; at most D rows."""
    centred = (x - x.mean(axis=0)) / np.sqrt(len(x) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(x) > x.shape[1] else centred
