"""What is the head's: all above the chin that no arm reaches, and hair wherever it falls."""

from __future__ import annotations

import cv2
import numpy as np

_CHIN = 0.5  # of the way from the head's joint to the neck's: where the chin is unless a face says so (ours)
_SKULL = 0.035  # of the height: radius of what is surely the head (ours)
_ALIKE, _APART = 16.0, 22.0  # distances in Lab: still the same hair, surely no longer skin or cloth (ours)
_TONES = 3  # colours that hair has: lit, plain, in the shade (ours)
_STRAND = (
    0.08  # of the way from the head's joint to the neck's: thinner bands of such colours are no hair (ours)
)
_LEAST = 30  # pixels of a crown from which on its colours mean something (ours)


def head_zone(
    mask: np.ndarray, joints: np.ndarray, tall: float, face: np.ndarray | None, arms: np.ndarray
) -> np.ndarray:
    """What hangs together with the head above the chin, hats and hair and all, bool [H, W].

    Args:
        mask: the person, bool [H, W].
        joints: pixels, [24, 2].
        tall: of the person, pixels.
        face: the 68 points of a face in pixels, [68, 2]; None where none is found.
        arms: as far as arms reach, bool [H, W].
    """
    head, neck = joints[15], joints[12]
    up = (head - neck) / max(float(np.linalg.norm(head - neck)), 1e-6)
    chin = head + _CHIN * (neck - head) if face is None else face[8]
    rows, columns = np.asarray(np.indices(mask.shape), np.float32)
    above = (columns - chin[0]) * up[0] + (rows - chin[1]) * up[1] > 0
    zone = (mask & above & ~arms).astype(np.uint8)
    skull = np.zeros(mask.shape, np.uint8)
    centre = head + 0.35 * (head - neck)
    cv2.circle(skull, tuple(np.round(centre).astype(int).tolist()), max(1, round(_SKULL * tall)), 1, -1)
    if face is not None:
        cv2.fillConvexPoly(skull, cv2.convexHull(np.round(face).astype(np.int32)), 1)
    _, pieces = cv2.connectedComponents(zone)
    own = np.setdiff1d(np.unique(pieces[(skull > 0) & (zone > 0)]), [0])
    return np.isin(pieces, own)


def hair_of(
    picture: np.ndarray, mask: np.ndarray, head: np.ndarray, joints: np.ndarray, face: np.ndarray | None
) -> np.ndarray:
    """What has the crown's colours and hangs together with it, down over shoulders and arms, bool [H, W].

    Args:
        picture: uint8 [H, W, 3].
        mask: the person, bool [H, W].
        head: of `head_zone`, bool [H, W].
        joints: pixels, [24, 2].
        face: the 68 points of a face in pixels, [68, 2]; None where none is found.
    """
    nothing = np.zeros(mask.shape, bool)
    long = max(float(np.linalg.norm(joints[15] - joints[12])), 1.0)
    skin = np.zeros(mask.shape, np.uint8)
    if face is None:
        cv2.circle(skin, tuple(np.round(joints[15]).astype(int).tolist()), max(1, round(0.25 * long)), 1, -1)
    else:
        cv2.fillConvexPoly(skin, cv2.convexHull(np.round(face[17:]).astype(np.int32)), 1)
    lab = cv2.cvtColor(cv2.GaussianBlur(picture, (3, 3), 0).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    shown = head & (skin > 0)
    crown = head & _crown(mask.shape, joints, face)
    if min(shown.sum(), crown.sum()) < _LEAST:
        return nothing
    crown &= np.linalg.norm(lab - np.median(lab[shown], axis=0), axis=2) > _APART
    if crown.sum() < _LEAST:
        return nothing
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 0.5)
    samples = lab[crown][:: max(1, int(crown.sum()) // 2000)].astype(np.float32)
    _, which, tones = cv2.kmeans(
        samples, _TONES, np.zeros((len(samples), 1), np.int32), criteria, 1, cv2.KMEANS_PP_CENTERS
    )
    shares = np.bincount(which.ravel(), minlength=_TONES) / len(samples)
    near = np.full(mask.shape, np.inf, np.float32)
    for tone, share in zip(tones, shares, strict=True):
        if share > 0.15:
            near = np.minimum(near, np.linalg.norm(lab - tone, axis=2))
    side = max(3, round(_STRAND * long))
    alike = cv2.morphologyEx(
        (mask & (near < _ALIKE)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((side, side), np.uint8)
    )
    _, pieces = cv2.connectedComponents(alike)
    own = np.setdiff1d(np.unique(pieces[crown & (alike > 0)]), [0])
    return np.isin(pieces, own)


def _crown(shape: tuple[int, ...], joints: np.ndarray, face: np.ndarray | None) -> np.ndarray:
    """What lies above the forehead, or round the upper half of the head, bool [H, W]."""
    head, neck = joints[15], joints[12]
    if face is None:
        up, far = head - neck, float(np.linalg.norm(head - neck))
        start = head + 0.45 * up
    else:
        brows = face[17:27].mean(axis=0)
        up = brows - face[8]
        far = float(np.linalg.norm(up))
        start = brows + 0.4 * up
    up = up / max(far, 1e-6)
    rows, columns = np.asarray(np.indices(shape[:2]), np.float32)
    along = (columns - start[0]) * up[0] + (rows - start[1]) * up[1]
    across = np.abs((columns - start[0]) * up[1] - (rows - start[1]) * up[0])
    return np.asarray((along > 0) & (across < far))
