"""What people wear, as colour histograms of trunk and thighs, so that they are known again after a crossing (ours)."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from kinema.scene.skeleton import skeleton

_CHROMA_BINS = 7  # along each of Lab's a and b
_CHROMA_SPAN = 60.0  # of a and b, either way; stronger colours count as this strong
_LIGHT_BINS = 5
_REGION = _CHROMA_BINS**2 + _LIGHT_BINS
_LEAST = 0.3  # confidence of the joints that a region hangs on

LOOK_SIZE = 2 * _REGION
"""Length of a look: chroma and lightness of the trunk, then of the thighs."""


def look_of(frame: np.ndarray, points: np.ndarray, confidence: np.ndarray, layout: str) -> np.ndarray | None:
    """The colours a person wears.

    Args:
        frame: uint8 [H, W, 3], sRGB.
        points: pixels, [K, 2].
        confidence: [K].
        layout: of the points; it must have shoulders, hips and knees.

    Returns:
        Square roots of two histograms, each of length 1 or all zero where its region is not seen, [LOOK_SIZE]; the
        dot product of two looks adds up what they share. None where neither region is seen.
    """
    trunk, thighs = _joints(layout)
    looks = np.zeros((2, _REGION))
    corners = points[trunk]
    if (confidence[trunk] > _LEAST).all() and np.isfinite(corners).all():
        looks[0] = _histogram(frame, np.einsum("nc,cd->nd", _TRUNK_GRID, corners))
    samples = [
        _ALONG @ points[[hip, knee]] for hip, knee in thighs if (confidence[[hip, knee]] > _LEAST).all()
    ]
    if samples:
        looks[1] = _histogram(frame, np.concatenate(samples))
    return looks.ravel() if looks.any() else None


def look_distance(a: np.ndarray | None, b: np.ndarray | None) -> float | None:
    """0 (the same colours) to 1 (nothing in common), over the regions seen in both; None where there are none."""
    if a is None or b is None:
        return None
    parts = [slice(0, _REGION), slice(_REGION, LOOK_SIZE)]
    shared = [float(a[part] @ b[part]) for part in parts if a[part].any() and b[part].any()]
    return 1 - float(np.mean(shared)) if shared else None


def _histogram(frame: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Square roots of the shares of chroma (half of the weight) and lightness (the other half)."""
    height, width = frame.shape[:2]
    cells = np.floor(samples).astype(int)
    cells = cells[((cells >= 0) & (cells < [width, height])).all(axis=1)]
    if len(cells) < 8:
        return np.zeros(_REGION)
    pixels = frame[cells[:, 1], cells[:, 0]].astype(np.float32)[None] / np.float32(255)
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)[0]
    light = _soft_bins(lab[:, 0] / 100, _LIGHT_BINS)
    a, b = (_soft_bins(lab[:, k] / (2 * _CHROMA_SPAN) + 0.5, _CHROMA_BINS) for k in (1, 2))
    both = np.concatenate([np.einsum("ni,nj->ij", a, b).ravel(), light.sum(0)])
    return np.sqrt(both / (2 * len(cells)))


def _soft_bins(values: np.ndarray, bins: int) -> np.ndarray:
    """Values from 0 to 1 shared out between the two nearest bins, [N] -> [N, bins]."""
    at = np.clip(values, 0, 1) * (bins - 1)
    return np.maximum(0.0, 1 - np.abs(at[:, None] - np.arange(bins)))


def _trunk_grid() -> np.ndarray:
    """Weights of the four corners (shoulders, then hips) at 8 x 10 places within the trunk, [80, 4]."""
    across, down = (g.ravel() for g in np.meshgrid(np.linspace(0.15, 0.85, 8), np.linspace(0.1, 0.85, 10)))
    return np.stack(
        [(1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down], axis=1
    )


@lru_cache(maxsize=16)
def _joints(layout: str) -> tuple[list[int], tuple[tuple[int, int], ...]]:
    index = skeleton(layout).index
    trunk = [index(name) for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")]
    return trunk, tuple((index(f"{side}_hip"), index(f"{side}_knee")) for side in ("left", "right"))


_TRUNK_GRID = _trunk_grid()
_SHARE = np.linspace(0.1, 0.9, 16)
_ALONG = np.stack([1 - _SHARE, _SHARE], axis=1)
