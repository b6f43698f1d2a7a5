"""What somebody sits or rides on: it belongs to them, and stands in the scene where they do."""

from __future__ import annotations

import cv2
import numpy as np

from kinema.puppet.body import PictureBody
from kinema.puppet.cutout import grab_cut
from kinema.puppet.plate import filled

_SIDE = 256  # pixels of the longer side at which it is looked for (ours)
_REACH = 0.42  # of the height: how far from hips and legs it may go (ours)
_APART = 9.0, 18.0  # distance in Lab from the ground behind: what may be a thing, and what surely is (ours)
_LARGE = 1.6  # of the person's own area: what is larger is ground (ours)
_OPEN = 0.02  # share of its outline that may lie where nothing more is looked for; else it is ground (ours)
_CRUMB = 0.01  # of the person's area (ours)


def support_of(picture: np.ndarray, alpha: np.ndarray, body: PictureBody) -> np.ndarray:
    """How much of each pixel is a chair, a horse, a bicycle beneath the person, float32 [H, W]; zeros where none is seen.

    What stands off from the ground that its surroundings say is behind (GrabCut from there), and touches hips or legs.

    Args:
        picture: uint8 [H, W, 3].
        alpha: how much of each pixel is the person, float32 [H, W].
        body: joints.
    """
    height, width = alpha.shape
    none = np.zeros_like(alpha, np.float32)
    scale = min(1.0, _SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    person = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) > 0.5
    tall = body.height * scale
    rows = np.arange(size[1])[:, None]
    top = float(body.pixels[[1, 2], 1].min()) * scale - 0.12 * tall
    lower = person & (rows > float(body.pixels[[1, 2], 1].min()) * scale - 0.02 * tall)
    if not lower.any():
        return none
    away = cv2.distanceTransform((~lower).astype(np.uint8), cv2.DIST_L2, 5)
    near = (away < _REACH * tall) & (rows > top)
    open_ = near & ~person
    known = ~near & ~person & (cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, 5) > 2)
    if known.mean() < 0.1 or not open_.any():
        return none
    ground = filled(small, known)
    apart = np.linalg.norm(_lab(small) - _lab(cv2.GaussianBlur(ground, (0, 0), 1.0)), axis=2)
    guess = np.full(person.shape, cv2.GC_BGD, np.uint8)
    guess[open_] = np.where(apart > _APART[1], cv2.GC_PR_FGD, cv2.GC_PR_BGD)[open_]
    guess[open_ & (apart < _APART[0])] = cv2.GC_BGD
    if (guess == cv2.GC_PR_FGD).sum() < _CRUMB * person.sum():
        return none
    crop = small.copy()
    crop[person] = ground[person]
    grab_cut(crop, guess, 3)
    thing = ((guess == cv2.GC_PR_FGD) | (guess == cv2.GC_FGD)) & open_
    thing = cv2.morphologyEx(thing.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
    thing &= ~person
    inner = cv2.erode((near | person).astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0) > 0
    thing = _pieces(thing, person, lower, inner)
    if not _CRUMB * person.sum() < thing.sum() < _LARGE * person.sum():
        return none
    soft = cv2.resize(thing.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(soft, (0, 0), max(0.6, 0.35 / scale))
    steep = max(1.0, 0.25 / scale)  # of the edge, which enlarging has made soft: four pixels wide
    return np.clip((soft - 0.5) * steep + 0.5, 0, 1).astype(np.float32)


def _lab(picture: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def _pieces(thing: np.ndarray, person: np.ndarray, lower: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The pieces that touch hips or legs and do not go on beyond where they are looked for: those are ground."""
    count, pieces = cv2.connectedComponents(thing.astype(np.uint8))
    beside = cv2.dilate(lower.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    whole = cv2.erode((thing | person).astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0) > 0
    kept = []
    for number in range(1, count):
        piece = pieces == number
        outline = int((piece & ~whole).sum())
        open_end = int((piece & ~inner).sum())
        large = piece.sum() >= _CRUMB / 2 * person.sum()
        if large and (piece & beside).any() and open_end <= _OPEN * max(outline, 1):
            kept.append(number)
    return np.isin(pieces, kept)
