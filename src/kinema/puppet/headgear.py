"""Ears, hats and crowns that networks for people leave out: what stands out round the head and ends there."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import binary_fill_holes

from kinema.puppet.grabcut import grab_cut

_ACROSS, _ALONG, _ABOVE = (
    3.3,
    4.6,
    2.2,
)  # in half widths of the head: how far round it is looked, and how much higher
_WIDEST = 0.16  # of the height: half a head with its hair at most (ours)
_LEAST, _MOST = 0.02, 3.0  # of the head's area: pieces that are smaller or larger are none (ours)
_HALF = 44.0  # pixels of half a head at most: more is looked at smaller (ours)
_ROUNDS = 3  # of looking anew with the colours that were gained
_LEAKS = 0.04  # share of a piece's outline on the zone's edge from which on it is the room (ours)
_STANDS_OUT = 1.6  # how much steeper than elsewhere in the zone colours change along a piece's outline (ours)


def with_headgear(
    picture: np.ndarray, mask: np.ndarray, head: np.ndarray, up: np.ndarray, tall: float
) -> np.ndarray:
    """A person's mask with what belongs to the head, bool [H, W].

    Round the head GrabCut decides anew by the colours on both sides. What it adds counts where it touches the head, ends
    before the zone does, and has a sharp outline; a room that merely looks alike does not.

    Args:
        picture: uint8 [H, W, 3].
        mask: bool [H, W].
        head: pixel of the head's joint, [2].
        up: from there to the crown, unit length, [2].
        tall: of the person, pixels.
    """
    half = _half_width(mask, head, up, tall)
    if half < 4:
        return mask
    scale = min(1.0, _HALF / half)
    size = round(scale * mask.shape[1]), round(scale * mask.shape[0])
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    own = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0
    found = own
    for _ in range(_ROUNDS):
        wider = _wider(small, found, scale * head, up, scale * half)
        if wider.sum() == found.sum():
            break
        found = wider
    gained = (found & ~own).astype(np.float32)
    return mask | (cv2.resize(gained, mask.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5)


def _wider(
    picture: np.ndarray, mask: np.ndarray, head: np.ndarray, up: np.ndarray, half: float
) -> np.ndarray:
    """One round: with pieces whose colours the mask so far has, bool [H, W]."""
    middle, radius = head + _ABOVE * half * up, max(_ACROSS, _ALONG) * half
    left, top = np.maximum(np.floor(middle - radius).astype(int), 0)
    right, bottom = np.ceil(middle + radius).astype(int) + 1
    box = np.s_[top:bottom, left:right]
    own, crop = mask[box], picture[box]
    if min(own.shape) < 8 or not own.any() or own.all():
        return mask
    rows, columns = np.mgrid[top : top + own.shape[0], left : left + own.shape[1]]
    right_of, above = columns - middle[0], rows - middle[1]
    zone = (
        np.hypot((up[0] * above - up[1] * right_of) / _ACROSS, (up[0] * right_of + up[1] * above) / _ALONG)
        < half
    )
    zone &= (columns - head[0]) * up[0] + (rows - head[1]) * up[1] > -0.5 * half
    rim = max(1, round(0.12 * half))
    sure = cv2.erode(own.astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)) > 0
    labels = np.full(own.shape, cv2.GC_BGD, np.uint8)
    labels[zone] = cv2.GC_PR_BGD
    labels[own] = cv2.GC_PR_FGD
    labels[sure] = cv2.GC_FGD
    if not (labels == cv2.GC_BGD).any() or not sure.any():
        return mask
    grab_cut(crop, labels, 4)
    added = (labels == cv2.GC_PR_FGD) & zone & ~own
    added = cv2.morphologyEx(added.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(added)
    kernel = np.ones((3, 3), np.uint8)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)
    steep = (cv2.dilate(grey, kernel).astype(int) - cv2.erode(grey, kernel)).max(axis=2)
    usual = max(float(np.mean(steep[zone & ~own])), 1.0)
    border = ~cv2.erode(np.pad(zone, 1).astype(np.uint8), kernel)[1:-1, 1:-1].astype(bool)
    beside = cv2.dilate(own.astype(np.uint8), kernel) > 0
    size = np.pi * half**2
    result = mask.copy()
    for number in range(1, count):
        piece = pieces == number
        edge = piece & (cv2.erode(piece.astype(np.uint8), kernel) == 0)
        outer = edge & ~beside
        area = stats[number, cv2.CC_STAT_AREA]
        if not _LEAST * size < area < _MOST * size or not (edge & beside).any() or not outer.any():
            continue
        if (outer & border).sum() < _LEAKS * edge.sum() and steep[outer].mean() > _STANDS_OUT * usual:
            result[box] |= piece
    gained = np.zeros_like(result)
    gained[box] = binary_fill_holes(result[box]) & zone
    return result | (gained if result.sum() > mask.sum() else False)


def _half_width(mask: np.ndarray, head: np.ndarray, up: np.ndarray, tall: float) -> float:
    """Half the width of a mask at the head, pixels."""
    across = np.array([-up[1], up[0]])
    steps = np.arange(0, _WIDEST * tall, 0.5)
    wide = []
    for sign in (-1, 1):
        at = np.round(head + sign * steps[:, None] * across).astype(int)
        inside = ((at >= 0) & (at < mask.shape[::-1])).all(axis=1)
        hit = inside.copy()
        hit[inside] = mask[at[inside, 1], at[inside, 0]]
        wide.append(steps[-1] if hit.all() else steps[np.argmin(hit)])
    return float(np.mean(wide))
