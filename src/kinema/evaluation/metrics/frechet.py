"""Fréchet distance between Gaussians fitted to two feature sets, without a matrix square root.

The number means nothing without the features and the sample size: name it `frechet[<features>@<hash>]`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Covariance = Literal["n-1", "n"]
"""What the sum of squares is divided by. Public code uses both: at 16 clips 217 (n - 1) is 203 (n)."""


def frechet_distance(a: np.ndarray, b: np.ndarray, covariance: Covariance = "n-1") -> float:
    """Squared Fréchet (Wasserstein-2) distance of the Gaussians of two sets of features.

    With A and B the centred sets over the root of n - 1, Tr((S_a S_b)^(1/2)) is the nuclear norm of A B^T, so
    FD = |mean difference|^2 + |A|^2 + |B|^2 - 2 |A B^T|_*. The last three are the least |A - Q B|^2 over all
    isometries Q (orthogonal Procrustes), which is what is computed: nothing large cancels, so that a set is at
    distance zero from itself. Exact also where the covariances are singular.

    Args:
        a: features [N, D], N at least 2.
        b: features [M, D], M at least 2.
        covariance: divide sums of squares by n - 1 (pytorch-fid, common_metrics, DisCo) or by n (StyleGAN-V, cd-fvd).

    Raises:
        ValueError: shapes do not fit, fewer than two samples, features that are not finite, another convention.
    """
    a, b = _features(a, "first"), _features(b, "second")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"feature sizes differ: {a.shape[1]} and {b.shape[1]}")
    if covariance not in ("n-1", "n"):
        raise ValueError(f"covariance is 'n-1' or 'n', not {covariance!r}")
    means = np.sum(np.square(a.mean(axis=0) - b.mean(axis=0)))
    few, many = sorted((_scatter(a, covariance), _scatter(b, covariance)), key=len)
    left, _, right = np.linalg.svd(few @ many.T, full_matrices=False)
    turned = (
        right @ many
    )  # what of the larger set the smaller one can be turned onto; the rest is at full cost
    rest = np.sum(np.square(many - right.T @ turned)) if len(many) > len(few) else 0.0
    return float(means + np.sum(np.square(few - left @ turned)) + rest)


class PooledFrechet:
    """Fréchet distances of many subsets of one pool of samples, all from one Gram matrix: for permutation tests.

    Distances come from the eigenvalues of a product and are good to about 1e-7 of the scatter, enough for ranks;
    figures that are printed come from `frechet_distance`.

    Args:
        features: the pool, [N, D].
    """

    def __init__(self, features: np.ndarray) -> None:
        features = _features(features, "pooled")
        centred = features - features.mean(axis=0)
        self._gram = centred @ centred.T

    def distance(self, a: np.ndarray, b: np.ndarray) -> float:
        """The distance of two subsets, given as indices into the pool, with n - 1."""
        within_a, within_b, cross = (self._gram[np.ix_(x, y)] for x, y in ((a, a), (b, b), (a, b)))
        mean_a, mean_b, mean_cross = within_a.mean(), within_b.mean(), cross.mean()
        spread_a = (np.trace(within_a) - len(a) * mean_a) / (len(a) - 1)
        spread_b = (np.trace(within_b) - len(b) * mean_b) / (len(b) - 1)
        cross = cross - cross.mean(axis=0) - cross.mean(axis=1)[:, None] + mean_cross
        product = cross @ cross.T if len(a) <= len(b) else cross.T @ cross
        nuclear = np.sqrt(np.maximum(np.linalg.eigvalsh(product), 0.0)).sum()
        nuclear /= np.sqrt((len(a) - 1) * (len(b) - 1))
        return float(mean_a + mean_b - 2 * mean_cross + spread_a + spread_b - 2 * nuclear)


def _features(x: np.ndarray, which: str) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"the {which} set must be [N >= 2, D] features, got {list(x.shape)}")
    if not np.isfinite(x).all():
        raise ValueError(f"the {which} set holds features that are not finite")
    return x


def _scatter(x: np.ndarray, covariance: str) -> np.ndarray:
    """A matrix S with S^T S the sample covariance; at most D rows."""
    centred = (x - x.mean(axis=0)) / np.sqrt(len(x) - (covariance == "n-1"))
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(x) > x.shape[1] else centred
