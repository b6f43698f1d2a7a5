"""Skirts, dresses and coats: whether legs are under one, and where its hem is."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from kinema.puppet.body import LEFT_LEG, RIGHT_LEG
from kinema.puppet.grabcut import grab_cut

# A skirt, in widths of both legs: where they stand apart, where they do not, and a short one (ours).
_SKIRT_FILLS, _SKIRT_WIDER, _SKIRT_FLARES = 1.08, 1.25, 1.6
_GAP = 0.5  # in radii of a leg: gap that trousers would show (ours)
_HOLDS = 0.95  # a skirt is no narrower than this share of its width at the hips (ours)
_UPRIGHT = 0.5  # cosine of a thigh to the vertical from which on a skirt can be told (ours)
UNSEEN_HEM = 0.45
"""How far down a skirt goes that is said to be there but is not seen (ours)."""

_HEM_REACH = (0.06, 0.16)  # of the height: how far above and below its row a hem may lie (ours)
_LEGS = 0.47  # of the height: from hips to ankles
_ALIKE = 14.0  # distance in Lab below which cloth and legs cannot be told apart by colour (ours)


def skirt_of(mask: np.ndarray, joints: np.ndarray, leg: float, arms: np.ndarray | None = None) -> float:
    """How far down a skirt goes, as a share of the way from hips to ankles; 0 where none is seen.

    A row between the legs that is all the person's is the skirt's where the legs stand so far apart that trousers would
    show a gap, or where it is wider than both legs and no narrower than higher up.

    Args:
        mask: the person, bool [H, W].
        joints: pixels, [24, 2].
        leg: radius of a leg in pixels.
        arms: what hangs beside the hips and is no width of theirs, bool [H, W].
    """
    hips = mask if arms is None else mask & ~arms
    steep = [joints[knee] - joints[hip] for hip, knee in ((1, 4), (2, 5))]
    if min(float(way[1] / max(np.hypot(*way), 1e-6)) for way in steep) < _UPRIGHT:
        return 0.0
    hem = widest = above = 0.0
    cut = False
    for share in np.linspace(0.05, 0.95, 37):
        left, right = (_along(joints, chain, share) for chain in (LEFT_LEG, RIGHT_LEG))
        row = round(float((left[1] + right[1]) / 2))
        if not 0 <= row < len(mask):
            cut = share - hem < 0.1 < hem  # the picture ends within it
            break
        first, last = sorted((float(left[0]), float(right[0])))
        between = mask[row, max(0, int(first)) : max(0, int(last)) + 1]
        run = _run(mask[row], int(np.clip((first + last) / 2, 0, mask.shape[1] - 1)))
        gap, wide = (last - first) / leg - 2, run / (last - first + 2 * leg)
        if share < 0.15:
            above = max(above, _run(hips[row], int(np.clip((first + last) / 2, 0, mask.shape[1] - 1))))
        apart = (gap > _GAP and wide > _SKIRT_FILLS) or gap > 6 * _GAP
        if between.size and between.all() and (apart or (wide > _SKIRT_WIDER and run > _HOLDS * above)):
            hem = float(share)
            if share >= 0.2:
                widest = max(widest, wide)
        elif share - max(hem, 0.15) > 0.1:
            break
    return hem if hem > 0.33 or cut or (hem > 0.25 and widest > _SKIRT_FLARES) else 0.0


def above_hem(
    picture: np.ndarray, labels: np.ndarray, joints: np.ndarray, cores: np.ndarray, hem: float
) -> np.ndarray:
    """What lies above the hem, bool [H, W]; near its row colours decide where they tell cloth from legs (GrabCut).

    Args:
        picture: uint8 [H, W, 3].
        labels: of parts, 3 and 4 are legs, [H, W]; -1 outside the person.
        joints: pixels, [24, 2].
        cores: what is surely a leg below a skirt, bool [H, W].
        hem: as `skirt_of` says.
    """
    ends = [_along(joints, chain, 1.0) for chain in (LEFT_LEG, RIGHT_LEG)]
    edge = max(float(_along(joints, chain, hem)[1]) for chain in (LEFT_LEG, RIGHT_LEG))
    tall = (float(np.mean(ends, axis=0)[1]) - float(joints[[1, 2], 1].mean())) / _LEGS
    rows = np.arange(len(labels))[:, None] + np.zeros(labels.shape, int)
    straight = rows <= edge
    top, bottom = edge - _HEM_REACH[0] * tall, edge + _HEM_REACH[1] * tall
    legs = labels > 2
    cloth = legs & (rows <= top) & (rows > top - 0.12 * tall)
    bare = legs & cores & (rows > edge + 0.03 * tall) & (rows <= bottom + 0.06 * tall)
    unsure = legs & (rows > top) & (rows <= bottom)
    if min(cloth.sum(), bare.sum()) < 20:
        return straight
    middles = [
        np.median(cv2.cvtColor(picture[where][None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0], axis=0)
        for where in (cloth, bare)
    ]
    if float(np.linalg.norm(middles[0] - middles[1])) < _ALIKE:
        return straight
    guess = np.full(labels.shape, cv2.GC_BGD, np.uint8)
    guess[unsure] = np.where(straight, cv2.GC_PR_FGD, cv2.GC_PR_BGD)[unsure]
    guess[bare] = cv2.GC_BGD
    guess[cloth] = cv2.GC_FGD
    box = slice(max(0, round(top - 0.12 * tall)), round(bottom + 0.06 * tall) + 1)
    crop, part = picture[box].copy(), guess[box].copy()
    crop[~legs[box]] = np.median(picture[bare], axis=0)
    grab_cut(crop, part, 2)
    cut = rows <= top
    cut[box] |= ((part == cv2.GC_FGD) | (part == cv2.GC_PR_FGD)) & unsure[box]
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return cv2.morphologyEx(cut.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0


def _along(joints: np.ndarray, chain: Sequence[int], share: float) -> np.ndarray:
    """The point at a share of the way from hip to ankle, [2]."""
    hip, knee, ankle = (joints[joint] for joint in chain[:3])
    upper, lower = float(np.linalg.norm(knee - hip)), float(np.linalg.norm(ankle - knee))
    way = share * (upper + lower)
    if way <= upper:
        return np.asarray(hip + (knee - hip) * way / max(upper, 1e-9))
    return np.asarray(knee + (ankle - knee) * (way - upper) / max(lower, 1e-9))


def _run(row: np.ndarray, middle: int) -> int:
    """Length of the run of true values round a column."""
    if not row[middle]:
        return 0
    gaps = np.flatnonzero(~row)
    before, after = gaps[gaps < middle], gaps[gaps > middle]
    return int((after[0] if after.size else len(row)) - (before[-1] + 1 if before.size else 0))
