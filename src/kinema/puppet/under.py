"""What a trunk shows where arms lay over it: its own cloth, continued from patches of the trunk alone."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from kinema.puppet.body import LEFT_ARM, RIGHT_ARM, PictureBody
from kinema.puppet.filling import filled
from kinema.puppet.grabcut import grab_cut

_LEAST = 0.0004  # of the height squared: holes smaller than this are continued from their rim (ours)
_ROUND = 0.09  # of the height: how far round a hole its cloth is looked for (ours)
_PIXELS = 150 * 150  # of the small picture in which a trunk's cloth is looked for (ours)
_FACE = 0.03  # of the height: radius of what is a face round the head's joint (ours)
_SKIN = 16.0  # distance in Lab from the face's colour up to which a colour is skin (ours)
_LIGHT = np.array(
    [0.5, 1.0, 1.0], np.float32
)  # how much lightness counts there: skin lies in shadow, too (ours)
_CLOTHED = 0.3  # share of a trunk that is cloth, from which on what arms cover is cloth (ours)
_FADE = 0.025  # of the height: how far below the shoulders cloth begins to be copied (ours)
_RIM = 0.005  # of the height: how far from an arm's outline a trunk's colours are mixed with it (ours)
_HAND, _HAND_RIM = (
    0.045,
    0.02,
)  # the same where a hand may be: half its width, and how far fingers are missed (ours)
_BAND = 0.03  # of the height: how far beyond an arm's outline pieces of it may be left on the trunk (ours)
_FROM_BONES = (
    0.06  # of the height: an arm's pixels further from forearm and hand are not asked for its colours (ours)
)
_HEAD = 0.09  # of the height: round the head's joint faces and hands are of one colour (ours)
_APART = 14.0  # distance in Lab between an arm's colour and the trunk's below which they are one (ours)
_SIDE = 320  # pixels of the longer side at which an arm is told from the trunk (ours)


def covered_by_arms(labels: np.ndarray, body: PictureBody) -> np.ndarray:
    """Where a trunk's own colours are hidden by arms or mixed with them, bool [H, W]; more of it round the hands.

    Args:
        labels: int8 [H, W], numbered as in `kinema.puppet.parts.PARTS`.
        body: joints.
    """
    tall = body.height
    covered = np.zeros(labels.shape, bool)
    for part, (wrist, hand) in ((1, LEFT_ARM[3:]), (2, RIGHT_ARM[3:])):
        arm = labels == part
        line = np.zeros(labels.shape, np.uint8)
        ends = body.pixels[wrist], body.pixels[hand] + 0.6 * (body.pixels[hand] - body.pixels[wrist])
        cv2.line(line, _pixel(ends[0]), _pixel(ends[1]), 1, max(1, round(2 * _HAND * tall)))
        covered |= distance_to(arm) <= max(1.0, _RIM * tall)
        covered |= (line > 0) & (distance_to(arm) <= _HAND_RIM * tall)
    return covered


def cloth_under(front: np.ndarray, known: np.ndarray, hole: np.ndarray, body: PictureBody) -> np.ndarray:
    """A trunk's colours with the hole that arms left filled, uint8 [h, w, 3].

    Args:
        front: uint8 [h, w, 3], continued smoothly everywhere.
        known: what of the trunk is seen, bool [h, w].
        hole: what arms cover of it, bool [h, w].
        body: joints, in this box.
    """
    tall = body.height
    shoulders = max(0, round(float(body.pixels[[16, 17], 1].min())))
    sources, hole = known.copy(), hole & ~known
    sources[:shoulders], hole[:shoulders] = False, False
    if hole.sum() < _LEAST * tall**2 or not sources.any():
        return front
    reach = max(8, round(_ROUND * tall))
    rows = np.flatnonzero(hole.any(axis=1))
    columns = np.flatnonzero((hole | sources)[rows[0] : rows[-1] + 1].any(axis=0))
    box = np.s_[max(0, rows[0] - reach) : rows[-1] + reach + 1, max(0, columns[0] - 4) : columns[-1] + 5]
    cloth = _cloth(front[box], sources[box], _face_colour(front, known, body))
    made = filled(front[box], cloth, _PIXELS, copies=False)
    soft = cv2.GaussianBlur(hole[box].astype(np.float32), (0, 0), max(0.7, 0.002 * tall))
    down = np.arange(len(hole))[box[0], None] - shoulders
    soft = np.clip(2 * soft - 0.4, 0, 1) * np.clip(down / (_FADE * tall), 0, 1)
    share = np.where(hole[box], soft, 0)[..., None]
    result = front.copy()
    result[box] = (share * made + (1 - share) * front[box] + 0.5).astype(np.uint8)
    return result


def _cloth(front: np.ndarray, sources: np.ndarray, skin: np.ndarray | None) -> np.ndarray:
    """Sources without bare skin, where enough cloth is left, bool [h, w]."""
    if skin is None:
        return sources
    lab = cv2.cvtColor(front.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    apart = np.linalg.norm((lab - skin) * _LIGHT, axis=2)
    bare = cv2.dilate((sources & (apart < _SKIN)).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    cloth = sources & ~bare
    return cloth if cloth.sum() > _CLOTHED * sources.sum() else sources


def _face_colour(front: np.ndarray, own: np.ndarray, body: PictureBody) -> np.ndarray | None:
    """The face's colour in Lab, [3]; None where no face is seen."""
    disc = np.zeros(own.shape, np.uint8)
    cv2.circle(disc, _pixel(body.pixels[15]), max(1, round(_FACE * body.height)), 1, -1)
    face = own & (disc > 0)
    if not face.any() or abs(body.yaw) > np.pi / 2:
        return None
    lab = cv2.cvtColor(front[face][None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.median(lab[0], axis=0)


def arms_regained(picture: np.ndarray, labels: np.ndarray, body: PictureBody) -> np.ndarray:
    """Labels with what forearms and hands left of themselves on the trunk given back to them: fingers, cuffs, rims.

    A band of the trunk round each is divided anew by the colours on both sides of it (GrabCut).

    Args:
        picture: uint8 [H, W, 3].
        labels: int8 [H, W], numbered as in `kinema.puppet.parts.PARTS`.
        body: joints.
    """
    tall = body.height
    labels = labels.copy()
    band = max(2.0, _BAND * tall)
    head = np.zeros(labels.shape, np.uint8)
    cv2.circle(head, _pixel(body.pixels[15]), max(1, round(_HEAD * tall)), 1, -1)
    for part, chain in ((1, LEFT_ARM[2:]), (2, RIGHT_ARM[2:])):
        lower = np.zeros(labels.shape, np.uint8)
        for start, end in pairwise(chain):
            cv2.line(lower, _pixel(body.pixels[start]), _pixel(body.pixels[end]), 1, max(1, round(2 * band)))
        arm = (labels == part) & (distance_to(lower > 0) < _FROM_BONES * tall)
        if not arm.any():
            continue
        rows, columns = np.flatnonzero(arm.any(axis=1)), np.flatnonzero(arm.any(axis=0))
        pad = round(3 * band)
        box = np.s_[
            max(0, rows[0] - pad) : rows[-1] + pad + 1, max(0, columns[0] - pad) : columns[-1] + pad + 1
        ]
        taken = _taken(picture[box], arm[box], (labels[box] == 0) & (head[box] == 0), band)
        labels[box][taken] = part
    return labels


def _taken(picture: np.ndarray, arm: np.ndarray, trunk: np.ndarray, band: float) -> np.ndarray:
    """What of the trunk beside an arm is the arm's, bool [h, w]; nothing where both are of one colour."""
    scale = min(1.0, _SIDE / max(arm.shape))
    size = max(8, round(arm.shape[1] * scale)), max(8, round(arm.shape[0] * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    own, other = (
        cv2.resize(each.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0 for each in (arm, trunk)
    )
    away = distance_to(own) / scale
    near = other & (away <= band)
    beyond = other & (away > band) & (away < 3 * band)
    inner = cv2.erode(own.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    none = np.zeros(arm.shape, bool)
    if min(near.sum(), beyond.sum(), inner.sum()) < 12:
        return none
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(float)
    if np.linalg.norm(np.median(lab[inner], axis=0) - np.median(lab[beyond], axis=0)) < _APART:
        return none
    guess = np.full(own.shape, cv2.GC_BGD, np.uint8)
    guess[near] = cv2.GC_PR_BGD
    guess[own] = cv2.GC_PR_FGD
    guess[inner] = cv2.GC_FGD
    painted = np.where((own | other)[..., None], small, np.uint8(0))
    painted[~(own | other)] = np.median(small[beyond], axis=0)
    grab_cut(painted, guess, 2)
    found = near & ((guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD))
    _, pieces = cv2.connectedComponents((found | own).astype(np.uint8))
    found &= np.isin(pieces, np.setdiff1d(pieces[own], [0]))
    wide = cv2.resize(found.astype(np.float32), arm.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    return wide & trunk


def distance_to(mask: np.ndarray) -> np.ndarray:
    """Pixels to the nearest one of a mask, float32 [H, W]."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)


def _pixel(point: np.ndarray) -> tuple[int, int]:
    x, y = np.round(point).astype(int).tolist()
    return x, y
