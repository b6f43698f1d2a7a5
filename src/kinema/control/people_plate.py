"""What the people of a picture will look like when they move as a scene says: the people plate (ours).

Published models that animate a picture warp its person onto a body in the pose that is wanted and let a network mend
what comes out (Liquid Warping GAN, arXiv 1909.12224), or carry features of the picture's joints to where the joints
will be (DisPose, arXiv 2412.09349). Here a body is some hundred ellipsoids on SMPL-24 joints, as thick as people are.
Each takes its colour from the picture, in which the person stands relaxed, turned towards the camera; then they are
drawn where the motion takes them, the nearest on top. What shows is what goes where: which colour the hands have and
how long sleeves are. Cut of clothes, light and the finer shape of people are left to the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from kinema.control.body_colours import body_colours
from kinema.control.body_ellipsoids import PIECES, ellipses, ellipsoids, outlines, stature
from kinema.control.checks import check_shape
from kinema.control.raster import ELLIPSE, paint
from kinema.scene.camera import CameraPath


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
        colours = np.zeros((len(people), PIECES, 4), np.uint8)
        for number, person in enumerate(people):
            colours[number] = body_colours(picture, background, person, tall[number], camera)
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
        shape, radius = outlines(middle, axes)
        radius = np.where(np.isfinite(depth), radius, np.nan)
        return paint(plate, np.array(ELLIPSE), shape, radius, colours[order], supersample=3)
