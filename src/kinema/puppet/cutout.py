"""Cutting the person out: GrabCut between the networks' opinion and the bones."""

from __future__ import annotations

import cv2
import numpy as np

from kinema.puppet.body import BONES, PictureBody
from kinema.puppet.find import Found
from kinema.puppet.grabcut import grab_cut
from kinema.puppet.headgear import with_headgear
from kinema.puppet.plain import plain_ground, with_pieces

_SIDE = 420  # pixels of the longer side at which GrabCut works (ours)
_BAND = 0.022  # of the longer side: how far from the networks' outline GrabCut may decide otherwise (ours)
_SMALLEST = 0.03  # share of the largest piece below which a piece is dropped (ours)
_SOFT = 0.006  # of the longer side: radius of the guided filter that finds the edge (ours)
_AGREED, _BOTH = (
    0.7,
    0.8,
)  # where the networks agree on the whole, what only one sees is left to the colours (ours)
_OTHERS = 0.9  # probability from which on a pixel is surely another person's (ours)
_SURE = 0.9  # probability that is believed, a little inside its outline (ours)
_CORE, _CORE_LEG = 0.01, 0.022  # of the height: how thick limbs surely are (ours)
_STANDS = 0.13  # of the height: how far below the hips a knee is of who does not sit (ours)
_SHINS = (4, 5, 7, 8)
# MediaPipe's ankle, heel, toe; wrist, little finger, forefinger, thumb.
_FEET, _HANDS = ((27, 29, 31), (28, 30, 32)), ((15, 17, 19, 21), (16, 18, 20, 22))


def cut_out(picture: np.ndarray, found: Found, body: PictureBody) -> np.ndarray:
    """How much of each pixel is the person, float32 [H, W].

    Args:
        picture: uint8 [H, W, 3].
        found: the person.
        body: the same person's joints; the lines of the bones are surely inside.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    likely = cv2.resize(found.probability, size, interpolation=cv2.INTER_AREA)
    band = max(2, round(_BAND * max(size)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    inside = (likely > 0.5).astype(np.uint8)
    labels = np.full(inside.shape, cv2.GC_BGD, np.uint8)
    labels[cv2.dilate(inside, kernel) > 0] = cv2.GC_PR_BGD
    labels[inside > 0] = cv2.GC_PR_FGD
    sure = cv2.erode(inside, kernel) > 0
    if found.agreement > _AGREED:
        sure &= likely > _BOTH
    labels[sure] = cv2.GC_FGD
    labels[
        cv2.erode((likely > _SURE).astype(np.uint8), np.ones((3, 3), np.uint8), iterations=band // 4) > 0
    ] = cv2.GC_FGD
    if found.others is not None:  # GrabCut learns their colours as the room's
        rest = cv2.resize(found.others, size, interpolation=cv2.INTER_AREA)
        labels[(rest > _OTHERS) & (likely < 0.5)] = cv2.GC_BGD
    bones, feet, hands = _certain(found, body, scale, labels.shape)
    labels[(cv2.dilate(feet, kernel) > 0) & (labels == cv2.GC_BGD)] = cv2.GC_PR_BGD
    labels[(hands > 0) & (labels == cv2.GC_PR_BGD) & (likely > 0.2)] = cv2.GC_PR_FGD
    labels[((bones > 0) & (likely > 0.2)) | (feet > 0)] = cv2.GC_FGD
    if (labels == cv2.GC_FGD).any() and (labels == cv2.GC_BGD).any():
        grab_cut(small, labels, 3)
    mask = pieces(((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8), bones | feet)
    ground = plain_ground(small, cv2.dilate(((likely > 0.3) | (mask > 0)).astype(np.uint8), kernel) > 0)
    if ground is not None:
        low = _lowest(body) * scale
        mask = with_pieces(mask > 0, ground, likely, body.height * scale, low, found.people == 1)
    else:
        head, neck = body.pixels[[15, 12]] * scale
        up = (head - neck) / max(float(np.linalg.norm(head - neck)), 1e-6)
        mask = with_headgear(small, mask > 0, head, up, body.height * scale)
    whole = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return refined(picture, whole)


def _lowest(body: PictureBody) -> float:
    """The row down to which things belong to a person: below the hips of who sits or kneels there is furniture."""
    hips, knees = body.pixels[[1, 2], 1], body.pixels[[4, 5], 1]
    sits = (knees - hips).max() <= _STANDS * body.height
    return float(hips.mean()) if sits else np.inf


def _certain(
    found: Found, body: PictureBody, scale: float, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bones, feet and hands as thick as they surely are, where they are seen, uint8 [h, w] each."""
    tall = body.height * scale
    bones, feet, hands = (np.zeros(shape[:2], np.uint8) for _ in range(3))
    at = np.round(body.pixels * scale).astype(int)
    for child, parent in BONES:
        if min(body.confidence[child], body.confidence[parent]) > 0.5:
            thick = _CORE_LEG if child in _SHINS else _CORE
            cv2.line(
                bones, tuple(at[parent].tolist()), tuple(at[child].tolist()), 1, max(1, round(thick * tall))
            )
    for canvas, groups, thick in ((feet, _FEET, _CORE), (hands, _HANDS, 1.5 * _CORE)):
        for group in groups:
            points = found.points[list(group)]
            if np.isfinite(points).all() and found.confidence[list(group)].min() > 0.5:
                hull = cv2.convexHull(np.round(points * scale).astype(np.int32))
                cv2.fillConvexPoly(canvas, hull, 1)
                cv2.polylines(canvas, [hull], True, 1, max(1, round(thick * tall)))
    return bones, feet, hands


def refined(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A mask whose edge follows that of the picture (guided filter, He et al. 2010), float32 [H, W]."""
    radius = max(2, round(_SOFT * max(picture.shape[:2])))
    guide = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    box = (2 * radius + 1, 2 * radius + 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, box)

    mean_guide, mean_mask = mean(guide), mean(mask)
    slope = (mean(guide * mask) - mean_guide * mean_mask) / (mean(guide * guide) - mean_guide**2 + 1e-3)
    soft = mean(slope) * guide + mean(mean_mask - slope * mean_guide)
    return np.clip((soft - 0.1) / 0.8, 0, 1).astype(np.float32)


def pieces(mask: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """The pieces of a mask that bones run through, without the small ones, uint8 [H, W]."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA]
    touched = np.setdiff1d(labels[bones > 0], [0])
    if not touched.size:
        touched = np.array([1 + int(np.argmax(areas[1:]))])
    kept = touched[areas[touched] >= _SMALLEST * areas[touched].max()]
    return np.isin(labels, kept).astype(np.uint8)
