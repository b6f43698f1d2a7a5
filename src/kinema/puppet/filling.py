"""Filling a picture's hole: stretched over on even ground, else copies of what is beside it, and patches for the rest."""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit

from kinema.puppet.inpaint import membrane, push_pull, shrunk
from kinema.puppet.patchmatch import Patched, patched
from kinema.puppet.shifts import shifted

_SMOOTH = (1.5, 3.0)  # grey levels of fine detail: below, a membrane is right; above, patches are (ours)
_SIDE = 288  # rows of a picture in portrait at which the hole is filled (ours)
_PIXELS = 288 * 384  # at most, whatever the picture's shape (ours)
_ALIKE = 60.0  # grey levels by which a copy may differ at the edge of the hole to be evened out (ours)


def filled(picture: np.ndarray, known: np.ndarray, pixels: int = _PIXELS, copies: bool = True) -> np.ndarray:
    """A picture whose unknown pixels are filled in, uint8 [H, W, 3].

    Smooth surroundings are stretched over the hole, others are copied into it patch by patch; both carry the fine
    detail of what was found.

    Args:
        picture: uint8 [H, W, 3].
        known: bool [H, W].
        pixels: at most, of the smaller picture in which the hole is filled.
        copies: large pieces from beside the hole are tried before patches.
    """
    if known.all():
        return picture.copy()
    if not known.any():
        return np.full_like(picture, 128)
    size = small_size(known.shape, pixels)
    colours = picture.astype(np.float32)
    small, sure = shrunk(colours, known, size)
    if not sure.any():
        return np.where(known[..., None], picture, np.median(picture[known], axis=0)).astype(np.uint8)
    smooth = membrane(small, sure)
    found, copied = _found(small, sure, smooth, copies)
    share = rough(small, sure)
    share[copied] = np.maximum(share, rough(found.colours, np.ones_like(sure)))[copied]
    share = share[..., None]
    low = np.where(sure[..., None], small, share * found.colours + (1 - share) * smooth).astype(np.float32)
    rows, columns = np.nonzero(~known)
    result = picture.copy()
    made = np.empty((len(rows), 3), np.float32)
    _carry(colours, known, low, small, found.source, rows, columns, made)
    result[rows, columns] = np.clip(made + 0.5, 0, 255).astype(np.uint8)
    return result


def _found(
    small: np.ndarray, sure: np.ndarray, smooth: np.ndarray, copies: bool
) -> tuple[Patched, np.ndarray]:
    """The hole filled with copies of what is beside it, the rest with patches, and which pixels are copies."""
    copied = shifted(small, sure) if copies else None
    colours, known, source = small, sure, _beside(sure)
    got = np.zeros_like(sure)
    if copied is not None:
        step, got = copied
        rows, columns = np.nonzero(got)
        source[rows, columns, 1] += step[got]
        colours = np.where(sure[..., None], small, 0)
        colours[got] = small[rows, columns + step[got]]
        known = sure | got
        colours = _levelled(colours, small, sure, got, step)
    found = patched(colours, known) if not known.all() else Patched(colours, source)
    if found is None:
        return Patched(np.where(known[..., None], colours, smooth), source), got
    rows, columns = np.nonzero(~known)
    at = found.source[rows, columns]
    source[rows, columns] = source[at[:, 0], at[:, 1]]
    return Patched(found.colours, source), got


def _levelled(
    colours: np.ndarray, small: np.ndarray, sure: np.ndarray, got: np.ndarray, step: np.ndarray
) -> np.ndarray:
    """Copies brought to the level of what is round them, over the whole of the hole."""
    ring = sure & (cv2.dilate(got.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    rows, columns = np.nonzero(ring)
    of = columns + step[ring]
    inside = (of >= 0) & (of < sure.shape[1])
    rows, columns, of = rows[inside], columns[inside], of[inside]
    apart = np.zeros_like(small)
    seen = np.zeros(sure.shape, bool)
    good = sure[rows, of]
    rows, columns, of = rows[good], columns[good], of[good]
    difference = small[rows, columns] - small[rows, of]
    usual = np.abs(difference).max(axis=1) < _ALIKE
    rows, columns = rows[usual], columns[usual]
    if not len(rows):
        return colours
    apart[rows, columns] = difference[usual]
    seen[rows, columns] = True
    level = push_pull(apart, seen.astype(np.float32))
    return np.where(got[..., None], np.clip(colours + level, 0, 255), colours).astype(np.float32)


def small_size(shape: tuple[int, ...], pixels: int = _PIXELS) -> tuple[int, int]:
    """(width, height) at which a picture's hole is filled."""
    height, width = shape
    scale = min(1.0, _SIDE / height, np.sqrt(pixels / (height * width)))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _beside(sure: np.ndarray) -> np.ndarray:
    """Sources where no patches were found: the pixel itself, which has no detail to give."""
    return np.moveaxis(np.indices(sure.shape), 0, -1).astype(np.int32)


def rough(small: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """How far patches, not a membrane, continue what is round the hole, 0 to 1, float32 [h, w]."""
    weight = sure.astype(np.float32)
    share = cv2.GaussianBlur(weight, (0, 0), 2.0)
    mean = cv2.GaussianBlur(small * weight[..., None], (0, 0), 2.0) / np.maximum(share, 1e-3)[..., None]
    fine = np.abs(small - mean).mean(axis=2) * weight
    local = cv2.blur(fine, (9, 9)) / np.maximum(cv2.blur(weight, (9, 9)), 1e-3)
    spread = membrane(local[..., None], sure, 20)[..., 0]
    share = np.clip((spread - _SMOOTH[0]) / (_SMOOTH[1] - _SMOOTH[0]), 0, 1)
    return np.asarray(cv2.blur(share, (5, 5)), np.float32)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _bilinear(values: np.ndarray, y: float, x: float, channel: int) -> float:
    rows, columns = values.shape[0], values.shape[1]
    y, x = min(max(y, 0.0), rows - 1.0), min(max(x, 0.0), columns - 1.0)
    a, b = int(y), int(x)
    c, d = min(a + 1, rows - 1), min(b + 1, columns - 1)
    p, q = y - a, x - b
    upper = (1 - q) * values[a, b, channel] + q * values[a, d, channel]
    lower = (1 - q) * values[c, b, channel] + q * values[c, d, channel]
    return (1 - p) * upper + p * lower


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _carry(
    colours: np.ndarray,
    known: np.ndarray,
    low: np.ndarray,
    small: np.ndarray,
    source: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    out: np.ndarray,
) -> None:
    """The hole's pixels at full size: `low` with the fine detail of the sources, into `out` [N, 3]."""
    height, width = known.shape
    scale_y, scale_x = low.shape[0] / height, low.shape[1] / width
    for n in range(len(rows)):
        i, j = rows[n], columns[n]
        y, x = (i + 0.5) * scale_y - 0.5, (j + 0.5) * scale_x - 0.5
        for k in range(3):
            out[n, k] = _bilinear(low, y, x, k)
        a, b = int(np.floor(y)), int(np.floor(x))
        for corner in range(4):
            c = min(max(a + corner // 2, 0), low.shape[0] - 1)
            d = min(max(b + corner % 2, 0), low.shape[1] - 1)
            share = (y - a if corner // 2 else 1 - y + a) * (x - b if corner % 2 else 1 - x + b)
            from_y = i + round((source[c, d, 0] - c) / scale_y)
            from_x = j + round((source[c, d, 1] - d) / scale_x)
            if not (0 <= from_y < height and 0 <= from_x < width) or not known[from_y, from_x]:
                continue
            at_y, at_x = (from_y + 0.5) * scale_y - 0.5, (from_x + 0.5) * scale_x - 0.5
            for k in range(3):
                fine = colours[from_y, from_x, k] - _bilinear(small, at_y, at_x, k)
                out[n, k] += share * fine
