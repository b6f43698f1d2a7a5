"""What the people of a picture will look like when they move as a scene says: the people plate (ours).

Published models that animate a picture warp its person onto a body in the pose that is wanted and let a network mend
what comes out (Liquid Warping GAN, arXiv 1909.12224), or carry features of the picture's joints to where the joints
will be (DisPose, arXiv 2412.09349). Here a body is a few dozen ellipsoids on SMPL-24 joints, as thick as people are.
Each takes its colour from the picture, in which the person stands relaxed, turned towards the camera; then they are
drawn where the motion takes them, the nearest on top. What shows is what goes where: which colour the hands have and
how long sleeves are. Cut of clothes, light and the finer shape of people are left to the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from kinema.control.body_ellipsoids import (
    HAIR,
    OTHER_SIDE,
    PIECES,
    WORN,
    ellipses,
    ellipsoids,
    standing_joints,
    stature,
)
from kinema.control.checks import check_shape
from kinema.control.raster import ELLIPSE, paint
from kinema.scene.camera import CameraPath

_DIFFERENT = 20.0  # grey levels from the background, of what is somebody,
_PURE = 60.0  # and of pixels that are hardly mixed with it
_FEWEST = 4  # of an ellipse's samples that show somebody; with fewer its colour is not known
_TURNS = np.radians(np.arange(-42.0, 43.0, 6.0))  # from facing the camera, that are tried
_RINGS = ((0.0, 1), (0.5, 8), (0.9, 12))
_SAMPLES = np.array([(r * np.cos(a), r * np.sin(a)) for r, n in _RINGS for a in np.arange(n) * 2 * np.pi / n])
"""Where the colour of an ellipse is read, in semi-axes, the longer one first."""
_ENDS = (9, 15)  # of them, the ends of the longer axis
_PARTING = 0.024  # of a picture's height: half as wide as where hair is looked for


@dataclass(frozen=True)
class PaintedPeople:
    """The people of a picture, as far as the picture tells: the colours of the ellipsoids of their bodies.

    Args:
        colours: RGB and 255, or four zeros for what a person does not wear (a skirt), uint8 [P, K, 4].
        tall: how tall each is beside SMPL-24's rest pose, [P].
    """

    colours: np.ndarray
    tall: np.ndarray

    @classmethod
    def of(cls, picture: np.ndarray, background: np.ndarray, joints: np.ndarray, camera: CameraPath) -> Self:
        """The people of a picture, in which everybody stands relaxed where they start, turned towards the camera.

        Args:
            picture: uint8 [H, W, 3].
            background: the same without people, as far as it is known, uint8 [H, W, 3].
            joints: SMPL-24 of the whole motion, metres, [T, P, 24, 3]; NaN where missing.
            camera: whose first frame sees the picture.

        Raises:
            ValueError: shapes that do not fit each other.
        """
        joints = check_shape("joints", joints, (None, None, 24, 3))
        width, height = camera.size
        for name, given in (("picture", picture), ("background", background)):
            if given.shape != (height, width, 3):
                raise ValueError(
                    f"{name} must be [H, W, 3] = {[height, width, 3]}, as the camera sees it, got {list(given.shape)}"
                )
        people = joints.transpose(1, 0, 2, 3)
        tall = np.array([stature(person) for person in people])
        different = np.abs(picture.astype(float) - background).max(-1)
        colours = np.zeros((len(people), PIECES, 4), np.uint8)
        for person, size, row in zip(people, tall, colours, strict=True):
            row[:] = _read(picture, different, person, size, camera)
        return cls(colours, tall)

    def seen_by(self, joints: np.ndarray, camera: CameraPath) -> np.ndarray:
        """The people plate.

        Args:
            joints: of the same people, metres, [T, P, 24, 3]; NaN where missing.
            camera: T frames.

        Returns:
            colours times coverage and, in the last channel, coverage, 0 to 255, uint8 [T, H, W, 4].
        """
        joints = check_shape("joints", joints, (camera.frames, len(self.tall), 24, 3))
        width, height = camera.size
        plate = np.zeros((camera.frames, height, width, 4), np.uint8)
        middle, axes, depth = (
            each.reshape(camera.frames, -1, *each.shape[3:])
            for each in ellipses(*ellipsoids(joints, self.tall), camera)
        )
        colours = self.colours.reshape(-1, 4)
        depth = np.where(colours[:, 3] > 0, depth, np.nan)
        order = np.argsort(-np.nan_to_num(depth, nan=np.inf), axis=1, kind="stable")
        middle, axes, depth = (
            np.take_along_axis(each, order.reshape(*order.shape, *[1] * (each.ndim - 2)), axis=1)
            for each in (middle, axes, depth)
        )
        shape = np.zeros((*order.shape, 6))
        shape[..., :2], shape[..., 2:4] = middle - axes[..., 0, :], middle + axes[..., 0, :]
        radius = np.where(np.isfinite(depth), np.linalg.norm(axes[..., 1, :], axis=-1), np.nan)
        return paint(plate, np.array(ELLIPSE), shape, radius, colours[order], supersample=3)


def _turned(motion: np.ndarray, camera: CameraPath) -> tuple[np.ndarray, CameraPath]:
    """The person standing before the first camera in all of `_TURNS`, [N, 1, 24, 3], and that camera N times."""
    joints = standing_joints(motion, camera.c2w[0, :3, 3], _TURNS)[:, None]
    still = np.broadcast_to(camera.c2w[0], (len(_TURNS), 4, 4))
    lens = np.broadcast_to(camera.intrinsics[0], (len(_TURNS), 4))
    return joints, CameraPath(still, lens, camera.size, camera.fps)


def _read(
    picture: np.ndarray,
    different: np.ndarray,
    motion: np.ndarray,
    tall: float,
    camera: CameraPath,
) -> np.ndarray:
    """The colours of one person's ellipsoids, float [K, 4], in the turn in which most of them cover somebody.

    Where the background is seen instead, the colour is that of the other side of the body.
    """
    joints, cameras = _turned(motion, camera)
    if not np.isfinite(joints).all():
        return np.zeros((PIECES, 4))
    middle, axes, _ = (each[:, 0] for each in ellipses(*ellipsoids(joints, np.array([tall])), cameras))
    at = middle[:, :, None] + np.einsum("sk,nqkc->nqsc", _SAMPLES, axes)
    height, width = picture.shape[:2]
    with np.errstate(invalid="ignore"):
        inside = ((at >= 0) & (at < (width, height))).all(-1)
    columns, rows = (np.where(inside, at[..., k], 0).astype(int) for k in (0, 1))
    covers = (different[rows, columns] > _DIFFERENT) & inside
    worn = covers[:, :WORN]
    best = int(np.argmax(worn.mean((1, 2)) - 1e-3 * np.abs(_TURNS)))
    covers, seen = covers[best], picture[rows[best], columns[best]].astype(float)
    found = np.full((PIECES, 4), 255.0)
    known = covers.sum(1) >= _FEWEST
    for piece in range(PIECES):
        found[piece, :3] = np.median(seen[piece, covers[piece]] if known[piece] else seen[piece], axis=0)
    other = np.where(known | ~known[OTHER_SIDE], np.arange(PIECES), OTHER_SIDE)
    found = found[other]
    hair = _hair(picture, different, middle[best, WORN - 1])
    found[list(HAIR), :3] = found[WORN - 1, :3] if hair is None else hair
    beside = covers[WORN:][:, _ENDS].all(1)
    found[WORN:][~np.logical_and.accumulate(beside)] = 0.0
    return found.round()


def _hair(picture: np.ndarray, different: np.ndarray, face: np.ndarray) -> np.ndarray | None:
    """The colour of the highest row of pixels above a face that is no mixture with the background; None for none.

    Short hair is a row or two high; below it the face begins.
    """
    height, width = different.shape
    column, row = (int(np.clip(at, 0, side - 1)) for at, side in zip(face, (width, height), strict=True))
    half = round(_PARTING * height)
    columns = slice(max(column - half, 0), column + half + 1)
    pure = different[: row + 1, columns] > _PURE
    tops = np.flatnonzero(pure.sum(1) >= 2)
    return np.median(picture[tops[0], columns][pure[tops[0]]], axis=0) if len(tops) else None
