"""Which colours somebody's body has in a picture (ours): those of `body_ellipsoids`, read where the person stands.

In a picture as small as mini's a limb is two pixels wide, and short hair a row or less: what is seen there is mixed
with what lies beside it. So each ellipsoid is read in its middle; hands whose pixels may be the face's colour mixed
with the background have that colour; and hair is found where two mixtures meet, see `_hair`.
"""

from __future__ import annotations

import numpy as np

from kinema.control.body_ellipsoids import (
    FRONT,
    HANDS,
    HEAD,
    OTHER_SIDE,
    PIECES,
    SKIRT,
    TRUNK,
    ellipses,
    ellipsoids,
    standing_joints,
)
from kinema.scene.camera import CameraPath

_DIFFERENT = 20.0  # grey levels from the background, of what is somebody
_TURNS = np.radians(np.arange(-42.0, 43.0, 6.0))  # from facing the camera, that are tried
_RINGS = ((0.0, 1), (0.45, 8), (0.7, 12), (0.9, 2))
_SAMPLES = np.array([(r * np.cos(a), r * np.sin(a)) for r, n in _RINGS for a in np.arange(n) * 2 * np.pi / n])
"""Where an ellipse is looked at, in semi-axes, the longer one first:"""
_CORE = np.hypot(*_SAMPLES.T) < 0.6
"""limbs in the middle;"""
_FLANKS = (np.abs(_SAMPLES[:, 0]) > 0.5) & (np.hypot(*_SAMPLES.T) < 0.8)
"""slices of the trunk at their sides,"""
_OPENING = (np.abs(_SAMPLES[:, 0]) < 0.25) & (np.hypot(*_SAMPLES.T) < 0.8)
"""for between them there may be a shirt under an open coat;"""
_TIPS = np.array([-2, -1])
"""a skirt is there where both ends of the longer axis show it."""
_SURE = np.r_[0 : TRUNK.stop, HEAD]  # what everybody has, and what is not seen through an open coat
_FEWEST = 3  # samples that show somebody; with fewer a colour is not known
_LIKE_FACE = 30.0  # grey levels that a hand's pixels may be off a mixture of face and background
_PARTING = 0.008  # of a picture's height: half as wide as where hair is looked for
_SHARES = np.linspace(0.1, 1.0, 19)  # of a pixel, that hair may have;
_ALONE = 0.9  # the likeliest, where it is one row high and mixed with the background alone,
_DOUBT = 1.0  # how unlikely that is; less of a pixel is so by `_FEW` times the square of what it lacks,
_FEW = 0.3
_NOISE = 5.0  # and colours that should be one by the square of their distance in so many grey levels.


def body_colours(
    picture: np.ndarray, background: np.ndarray, motion: np.ndarray, stature: float, camera: CameraPath
) -> np.ndarray:
    """The colours of somebody's ellipsoids in a picture in which they stand relaxed where their motion starts.

    Of the ways to stand that are tried, turned towards the camera or a little away, that one is taken in which most of
    their body covers somebody. A part that the background is seen instead of has the colour of the other side of the
    body, or of the slice behind it.

    Args:
        picture: uint8 [H, W, 3].
        background: the same without people, as far as it is known, uint8 [H, W, 3].
        motion: SMPL-24, metres, [T, 24, 3]; NaN where missing.
        stature: see `body_ellipsoids.stature`.
        camera: whose first frame sees the picture.

    Returns:
        RGB and 255, or four zeros for what the person does not wear, or for somebody who is never there, uint8 [K, 4].
    """
    joints = standing_joints(motion, camera.c2w[0, :3, 3], _TURNS)[:, None]
    if not np.isfinite(joints).all():
        return np.zeros((PIECES, 4), np.uint8)
    still = CameraPath(
        np.broadcast_to(camera.c2w[0], (len(_TURNS), 4, 4)),
        np.broadcast_to(camera.intrinsics[0], (len(_TURNS), 4)),
        camera.size,
        camera.fps,
    )
    middle, axes, _ = (each[:, 0] for each in ellipses(*ellipsoids(joints, np.array([stature])), still))
    at = middle[:, :, None] + np.einsum("sk,nqkc->nqsc", _SAMPLES, axes)
    with np.errstate(invalid="ignore"):
        inside = ((at >= 0) & (at < camera.size)).all(-1)
    columns, rows = (np.where(inside, at[..., k], 0).astype(int) for k in (0, 1))
    different = np.abs(picture.astype(float) - background).max(-1) > _DIFFERENT
    covers = different[rows, columns] & inside
    covered = covers[:, _SURE].mean((1, 2))
    turn = int(np.argmax(covered - 1e-3 * np.abs(_TURNS)))
    covers, there = covers[turn], (rows[turn], columns[turn])
    seen, behind = picture[there].astype(float), background[there].astype(float)
    colours = _read(seen, covers)
    face = colours[HEAD.stop - 1, :3]
    if _like_face(seen[HANDS], behind[HANDS], covers[HANDS] & _CORE, face):
        colours[HANDS, :3] = face
    hair = _hair(picture, background, middle[turn, HEAD.stop - 1])
    colours[HEAD.start : HEAD.stop - 1, :3] = face if hair is None else hair
    return colours.round().astype(np.uint8)


def _read(seen: np.ndarray, covers: np.ndarray) -> np.ndarray:
    """The colours of ellipsoids, each by itself, float [K, 4].

    Args:
        seen: at the samples, [K, S, 3].
        covers: samples that show somebody, [K, S].
    """
    reads = np.tile(_CORE, (PIECES, 1))
    reads[TRUNK], reads[FRONT] = _FLANKS, _OPENING
    reads[HEAD] = reads[SKIRT] = True
    shows = covers.copy()
    shows[FRONT] |= (covers[TRUNK] & _FLANKS).any(
        1, keepdims=True
    )  # whatever colour it has, it is between them
    reads &= shows
    known = reads.sum(1) >= _FEWEST
    found = np.full((PIECES, 4), 255.0)
    for piece, (colours, read) in enumerate(zip(seen, reads, strict=True)):
        found[piece, :3] = np.median(colours[read] if known[piece] else colours, axis=0)
    stands_in = np.where(known | ~known[OTHER_SIDE], np.arange(PIECES), OTHER_SIDE)
    stands_in[FRONT] = np.where(known[FRONT], stands_in[FRONT], stands_in[TRUNK])
    found = found[stands_in]
    worn = np.logical_and.accumulate(covers[SKIRT][:, _TIPS].all(1))
    found[SKIRT][~worn] = 0.0
    return found


def _like_face(seen: np.ndarray, behind: np.ndarray, reads: np.ndarray, face: np.ndarray) -> bool:
    """Whether what is seen may be the face's colour mixed with what is behind, [..., 3] each, where it is read."""
    if not reads.any():
        return False
    seen, behind = seen[reads], behind[reads]
    whole = face - behind
    share = ((seen - behind) * whole).sum(-1) / np.maximum(np.square(whole).sum(-1), 1.0)
    mixed = behind + np.clip(share, 0.0, 1.0)[:, None] * whole
    return bool(np.median(np.linalg.norm(seen - mixed, axis=-1)) < _LIKE_FACE)


def _hair(picture: np.ndarray, background: np.ndarray, face: np.ndarray) -> np.ndarray | None:
    """The colour of the hair above the middle of a face [2], pixels; None where there is nothing.

    From the top of a head downwards, a column of the picture shows hair mixed with the background, then hair mixed with
    the skin below it. Neither share is known; but hair lies on both straight lines in the space of colours, and so
    where they meet. Where they do not, the first pixel is taken to be hair and background, the second to be skin.
    """
    height, width = picture.shape[:2]
    column, row = (int(np.clip(at, 0, side - 1)) for at, side in zip(face, (width, height), strict=True))
    half = max(round(_PARTING * height), 1)
    found = []
    for across in range(max(column - half, 0), min(column + half, width - 1) + 1):
        down, behind = (each[: row + 1, across].astype(float) for each in (picture, background))
        tops = np.flatnonzero(np.abs(down - behind).max(-1)[:-2] > _DIFFERENT)
        if len(tops):
            found.append(_where_mixtures_meet(behind[tops[0]], *down[tops[0] : tops[0] + 3]))
    return np.median(found, axis=0) if found else None


def _where_mixtures_meet(
    background: np.ndarray, first: np.ndarray, second: np.ndarray, skin: np.ndarray
) -> np.ndarray:
    """The colour of hair, of which there is some in the first pixel and there may be some in the second; [3] each."""
    shares = _SHARES[:, None]
    above, below = background + (first - background) / shares, skin + (second - skin) / shares
    outside = [np.square(each - each.clip(0, 255)).sum(-1) for each in (above, below)]
    noise = np.square(_NOISE / _SHARES)
    apart = np.square(above[:, None] - below).sum(-1) + np.add.outer(*outside)
    few = _FEW * np.square(1 - _SHARES)
    both = apart / np.add.outer(noise, noise) + np.add.outer(few, few)
    alone = outside[0] / noise + np.square(_SHARES - _ALONE) + _DOUBT
    if alone.min() < both.min():
        return above[np.argmin(alone)].clip(0, 255)
    a, b = np.unravel_index(np.argmin(both), both.shape)
    return np.average([above[a], below[b]], axis=0, weights=np.square(_SHARES[[a, b]])).clip(0, 255)
