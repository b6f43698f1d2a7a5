"""Where people who stand upright hide a picture's background (ours)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from kinema.control.body_ellipsoids import (
    SKIRT,
    ellipses,
    ellipsoids,
    outlines,
    standing_joints,
    stature,
)
from kinema.control.person_mask import person_height_pixels
from kinema.control.raster import ELLIPSE, paint
from kinema.scene.camera import NEAR, CameraPath

_COLUMN = 0.19  # half the width of somebody who stands, as a share of their stature,
_LEGS = 0.13  # the same below their hands,
_SKIRT = 0.16  # in wide clothes,
_HANDS = 0.36  # hands hang down to here,
_ARMS = 0.32  # and at most so far from the middle
_STATURE = 1.28  # to the top of the hair, in lengths of the bones from head joint to ankle
_TURNS = np.radians((-24.0, -12.0, 0.0, 12.0, 24.0))  # from facing the camera, that a body may have


@dataclass(frozen=True)
class UprightPeople:
    """People who stand upright in a picture, bool [H, W] each.

    Args:
        columns: roughly where they are.
        reach: where parts of them may be, wide clothes and hanging arms as well.
        bodies: where their bodies may be, without wide clothes;
        sure: and are, whichever way they are turned.
        legs: of columns and reach what is below their hands and above the ground that they stand on.
        opposite: for each pixel of that the column that lies as far on the other side of the same person, int [H, W].
    """

    columns: np.ndarray
    reach: np.ndarray
    bodies: np.ndarray
    sure: np.ndarray
    legs: np.ndarray
    opposite: np.ndarray

    @classmethod
    def of(cls, standing: np.ndarray, camera: CameraPath) -> Self:
        """As the camera's first frame sees them.

        Args:
            standing: SMPL-24, metres, [P, 24, 3]; NaN: not there.
            camera: at least one frame.
        """
        width, height = camera.size
        columns, reach, bodies, sure, legs = np.zeros((5, height, width), bool)
        opposite = np.tile(np.arange(width), (height, 1))
        first = CameraPath(camera.c2w[:1], camera.intrinsics[:1], camera.size, camera.fps)
        for joints in standing[np.isfinite(standing[:, 0]).all(-1)]:
            one = np.ones((1, 24))  # metres, at focal length and depth one
            tall = _STATURE * float(person_height_pixels(joints[None], one[0, :1], one)[0])
            pole = np.array([[joints[0, 0], 0.0, joints[0, 2]], [joints[0, 0], tall, joints[0, 2]]])
            (foot, top), depth = (each[0] for each in first.project(pole[None]))
            if (depth <= NEAR).any():
                continue
            across = tall * first.intrinsics[0, 0] / depth.min()
            middle, hands = (foot[0] + top[0]) / 2, foot[1] + _HANDS * (top[1] - foot[1])
            bottom = foot[1] + _COLUMN * across / 2
            _fill(columns, middle, top[1], hands, _COLUMN * across)
            _fill(columns, middle, hands, bottom, _LEGS * across)
            _fill(reach, middle, top[1], hands, _ARMS * across)
            _fill(reach, middle, hands, bottom, _SKIRT * across)
            below = np.zeros_like(legs)
            _fill(below, middle, hands, foot[1], _SKIRT * across)
            opposite[below] = np.clip(np.round(2 * middle - 1 - np.nonzero(below)[1]), 0, width - 1)
            legs |= below
            turned = _body(joints, first)
            bodies |= turned.any(0)
            sure |= turned.all(0)
        return cls(columns, columns | reach, bodies, sure, legs, opposite)


def _fill(mask: np.ndarray, middle: float, top: float, bottom: float, half: float) -> None:
    """Sets the pixels of an upright box of so much width on either side of its middle."""
    rows, columns = np.maximum(np.floor([top, middle - half]), 0).astype(int)
    mask[rows : int(np.ceil(max(bottom, 0))), columns : int(np.ceil(max(middle + half, 0)))] = True


def _body(joints: np.ndarray, first: CameraPath) -> np.ndarray:
    """The pixels of somebody standing relaxed, in each of the ways to be turned, bool [N, H, W]."""
    turned = standing_joints(joints[None], first.c2w[0, :3, 3], _TURNS)
    bodies = ellipsoids(turned[None], np.full(len(_TURNS), stature(joints[None])))
    middle, axes, _ = (each[0, :, : SKIRT.start] for each in ellipses(*bodies, first))
    width, height = first.size
    black = np.zeros((len(_TURNS), height, width, 1), np.uint8)
    return paint(black, np.array(ELLIPSE), *outlines(middle, axes), np.array([255]))[..., 0] > 0
