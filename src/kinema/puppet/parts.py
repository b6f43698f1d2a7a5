"""Which part of the body owns which pixel: trunk with head, two arms, two legs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from kinema.puppet.body import LEFT_ARM, LEFT_LEG, RIGHT_ARM, RIGHT_LEG, PictureBody
from kinema.puppet.grabcut import grab_cut
from kinema.puppet.skirts import UNSEEN_HEM, above_hem, skirt_of

CLOTHES = ("auto", "skirt", "trousers")
PARTS = ("trunk", "left arm", "right arm", "left leg", "right leg")
CHAINS = {1: LEFT_ARM[1:], 2: RIGHT_ARM[1:], 3: LEFT_LEG, 4: RIGHT_LEG}
"""Joints of each limb, from its root outwards, by the part's number."""

_SIDE = 640  # pixels of the longer side at which parts are told apart (ours)
_ARM, _LEG = (0.018, 0.045), (0.03, 0.062)  # least and largest radius of a limb, in heights (ours)
_CORE, _REACH = 0.42, 1.6  # in radii: what is surely the limb, and as far as it may go (ours)
_FAR = 2.2  # radii from an arm's bones from which on a pixel may be something else (ours)
_CRUMB = 0.012  # of the person: pieces of the trunk that are smaller are none (ours)


def parts_of(picture: np.ndarray, alpha: np.ndarray, body: PictureBody, clothes: str = "auto") -> np.ndarray:
    """The part that owns each pixel, numbered as in `PARTS`, int8 [H, W]; -1 outside the person.

    Args:
        picture: uint8 [H, W, 3].
        alpha: how much of each pixel is the person, float32 [H, W].
        body: joints.
        clothes: "skirt" makes what is between the legs the trunk's, "trousers" the legs'; "auto" looks.

    Raises:
        ValueError: other clothes.
    """
    if clothes not in CLOTHES:
        raise ValueError(f"clothes={clothes!r}; give one of {', '.join(CLOTHES)}")
    height, width = alpha.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) > 0.5
    joints, tall = body.pixels * scale, body.height * scale
    inner = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    radii = {part: _radius(inner, joints, chain, tall, part) for part, chain in CHAINS.items()}
    labels = _watershed(small, mask, joints, tall, radii)
    for part in (1, 2):
        labels = _arm(small, mask, labels, joints, CHAINS[part], radii[part], part)
    for part in (1, 2):
        labels = _near_arm(labels, joints, CHAINS[part], radii[part], part)
    labels = _legs(small, mask, labels, joints, radii, clothes)
    labels = np.where(mask, labels, -1).astype(np.int8)
    labels = _whole(labels, mask, joints, radii)
    return cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)


def capsules(shape: tuple[int, int], joints: np.ndarray, chain: Sequence[int], radius: float) -> np.ndarray:
    """Thick lines along the bones of a chain, uint8 [H, W]."""
    canvas = np.zeros(shape, np.uint8)
    at = np.round(joints).astype(int)
    for start, end in pairwise(chain):
        cv2.line(canvas, tuple(at[start].tolist()), tuple(at[end].tolist()), 1, max(1, round(2 * radius)))
    return canvas


def _radius(inner: np.ndarray, joints: np.ndarray, chain: Sequence[int], tall: float, part: int) -> float:
    """Of a limb, pixels: the middle of its distances to the outline, within what limbs have."""
    low, high = (limit * tall for limit in (_ARM if part < 3 else _LEG))
    points = []
    for start, end in pairwise(chain):
        points += [
            joints[start] + share * (joints[end] - joints[start]) for share in np.linspace(0.2, 0.9, 8)
        ]
    at = np.round(points).astype(int)
    inside = (at >= 0).all(1) & (at[:, 0] < inner.shape[1]) & (at[:, 1] < inner.shape[0])
    values = inner[at[inside, 1], at[inside, 0]]
    values = values[values > 0]
    return float(np.clip(np.median(values) if values.size else low, max(low, 1.0), max(high, 1.5)))


def _trunk_core(shape: tuple[int, int], joints: np.ndarray, tall: float) -> np.ndarray:
    canvas = np.zeros(shape, np.uint8)
    middle = joints[[16, 17, 2, 1]].mean(0)
    corners = middle + 0.72 * (joints[[16, 17, 2, 1]] - middle)
    cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(corners).astype(np.int32)), 1)
    canvas |= capsules(shape, joints, (0, 3, 6, 9, 12, 15), 0.02 * tall)
    head = joints[15] + 0.35 * (joints[15] - joints[12])
    cv2.circle(canvas, tuple(np.round(head).astype(int).tolist()), max(1, round(0.035 * tall)), 1, -1)
    return canvas


def _watershed(
    small: np.ndarray, mask: np.ndarray, joints: np.ndarray, tall: float, radii: dict[int, float]
) -> np.ndarray:
    """Every pixel of the person to the part whose core it is reached from first."""
    markers = np.zeros(mask.shape, np.int32)
    markers[_trunk_core(mask.shape, joints, tall) > 0] = 1
    for part in (3, 4, 1, 2):
        chain = CHAINS[part]
        start = joints.copy()
        start[chain[0]] = start[chain[0]] + 0.35 * (start[chain[1]] - start[chain[0]])
        markers[capsules(mask.shape, start, chain, _CORE * radii[part]) > 0] = part + 1
    markers[~mask] = 0
    ring = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    markers[ring] = len(PARTS) + 1
    painted = np.where(mask[..., None], small, np.uint8(0))
    flooded = cv2.watershed(np.ascontiguousarray(painted), markers.copy())
    labels = np.where((flooded >= 1) & (flooded <= len(PARTS)), flooded - 1, -1)
    return _nearest(labels, mask)


def _arm(
    small: np.ndarray,
    mask: np.ndarray,
    labels: np.ndarray,
    joints: np.ndarray,
    chain: Sequence[int],
    radius: float,
    part: int,
) -> np.ndarray:
    """An arm cut from what lies round its bones, by colour (GrabCut)."""
    reach = capsules(mask.shape, joints, chain, _REACH * radius) > 0
    core = (capsules(mask.shape, joints, chain, _CORE * radius) > 0) & mask
    if core.sum() < 12:
        return labels
    rows, columns = np.flatnonzero(reach.any(1)), np.flatnonzero(reach.any(0))
    pad = round(radius) + 2
    box = (
        slice(max(0, rows[0] - pad), rows[-1] + pad + 1),
        slice(max(0, columns[0] - pad), columns[-1] + pad + 1),
    )
    guess = np.full(mask[box].shape, cv2.GC_BGD, np.uint8)
    near = (capsules(mask.shape, joints, chain, 1.05 * radius) > 0) & mask
    guess[(reach & mask)[box]] = cv2.GC_PR_BGD
    guess[near[box]] = cv2.GC_PR_FGD
    guess[core[box]] = cv2.GC_FGD
    crop = small[box].copy()
    crop[~mask[box]] = (255, 0, 255)
    if not ((guess == cv2.GC_BGD) | (guess == cv2.GC_PR_BGD)).any():
        return labels
    grab_cut(crop, guess, 2)
    own = np.zeros_like(mask)
    own[box] = (guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD)
    labels = labels.copy()
    labels[(labels == part) & reach & ~own] = 0
    labels[own & mask & ((labels == 0) | (labels == part) | (labels > 2))] = part
    return labels


def _near_arm(
    labels: np.ndarray, joints: np.ndarray, chain: Sequence[int], radius: float, part: int
) -> np.ndarray:
    """An arm without what lies far from its bones and touches other parts more than the arm: skirts, hair, coats."""
    own = labels == part
    far = own & (capsules(labels.shape, joints, chain, _FAR * radius) == 0)
    count, found = cv2.connectedComponents(far.astype(np.uint8))
    if count < 2:
        return labels
    labels = labels.copy()
    kernel = np.ones((3, 3), np.uint8)
    for number in range(1, count):
        piece = found == number
        ring = (cv2.dilate(piece.astype(np.uint8), kernel) > 0) & ~piece
        if (ring & (labels >= 0) & ~own).sum() > (ring & own).sum():
            labels[piece] = 0
    return labels


def _legs(
    small: np.ndarray,
    mask: np.ndarray,
    labels: np.ndarray,
    joints: np.ndarray,
    radii: dict[int, float],
    clothes: str,
) -> np.ndarray:
    """What lies below the hips belongs to the nearer leg, or to a skirt."""
    leg = (radii[3] + radii[4]) / 2
    rows, columns = np.asarray(np.indices(mask.shape))
    hips = joints[[1, 2]].mean(0)
    crotch = hips[1] + 0.6 * leg
    low = (rows > crotch) & ((labels == 0) | (labels > 2))
    toward = [_distance(columns, rows, joints, chain) for chain in (LEFT_LEG, RIGHT_LEG)]
    labels = np.where(low, np.where(toward[0] <= toward[1], 3, 4), labels)
    hem = 0.0 if clothes == "trousers" else skirt_of(mask, joints, leg)
    if clothes == "skirt":
        hem = hem or UNSEEN_HEM
    if hem:
        cores = np.zeros(mask.shape, bool)
        for part in (3, 4):
            cores |= capsules(mask.shape, joints, CHAINS[part], _CORE * radii[part]) > 0
        labels = np.where(above_hem(small, labels, joints, cores, hem) & (labels > 2), 0, labels)
    return labels


def _whole(labels: np.ndarray, mask: np.ndarray, joints: np.ndarray, radii: dict[int, float]) -> np.ndarray:
    """Each limb in one piece, the trunk without crumbs; loose pieces go to the part that is nearest."""
    labels = labels.copy()
    least = _CRUMB * int(mask.sum())
    for part in range(len(PARTS)):
        own = (labels == part).astype(np.uint8)
        count, found, stats, _ = cv2.connectedComponentsWithStats(own)
        if count <= 2:
            continue
        areas = stats[1:, cv2.CC_STAT_AREA]
        kept = {1 + int(np.argmax(areas))} | (
            set() if part else set((1 + np.flatnonzero(areas > least)).tolist())
        )
        if part:
            line = capsules(labels.shape, joints, CHAINS[part], 0.5 * radii[part]) > 0
            kept = set(np.unique(found[line & (own > 0)]).tolist()) - {0} or kept
        labels[(own > 0) & ~np.isin(found, list(kept))] = -1
    return _nearest(labels, mask)


def _nearest(labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Pixels of the person without a part take the nearest one's."""
    empty = (labels < 0).astype(np.uint8)
    _, index = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    values = np.zeros(int(index.max()) + 1, labels.dtype)
    known = labels >= 0
    values[index[known]] = labels[known]
    return np.where(mask & ~known, values[index], labels)


def _distance(columns: np.ndarray, rows: np.ndarray, joints: np.ndarray, chain: Sequence[int]) -> np.ndarray:
    """Pixels to the nearest bone of a chain, [H, W]."""
    best = np.full(columns.shape, np.inf)
    for start, end in pairwise(chain):
        a, b = joints[start], joints[end]
        along = b - a
        share = ((columns - a[0]) * along[0] + (rows - a[1]) * along[1]) / max(float(along @ along), 1e-9)
        share = np.clip(share, 0, 1)
        best = np.minimum(best, np.hypot(columns - a[0] - share * along[0], rows - a[1] - share * along[1]))
    return best
