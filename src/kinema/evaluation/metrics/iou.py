"""Intersection over union of silhouettes."""

from __future__ import annotations

import numpy as np


def silhouette_iou(predicted: np.ndarray, exact: np.ndarray) -> float:
    """Mean over frames of the intersection over union of two masks.

    A frame in which the exact mask is empty does not count: the person is out of the picture. An empty
    prediction scores 0.

    Args:
        predicted: bool [T, H, W].
        exact: bool [T, H, W].

    Returns:
        The mean, or NaN where no frame counts.

    Raises:
        ValueError: shapes differ.
    """
    if predicted.shape != exact.shape:
        raise ValueError(f"masks differ in shape: {list(predicted.shape)} and {list(exact.shape)}")
    predicted, exact = predicted.astype(bool), exact.astype(bool)
    counted = exact.any(axis=(1, 2))
    if not counted.any():
        return float("nan")
    intersection = (predicted & exact).sum(axis=(1, 2))
    union = (predicted | exact).sum(axis=(1, 2))
    return float(np.mean(intersection[counted] / union[counted]))
