"""A walking figure and a turning camera, small enough for every test."""

from __future__ import annotations

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24
from kinema.stage.rig import CHART_JOINTS

FRAMES = 4


def swinging(frames: int = FRAMES, at: tuple[float, float] = (0.0, 0.0), size: float = 1.0) -> Motion:
    """Somebody who lowers their arms, swings arms and legs and moves forward."""
    joints = np.repeat(CHART_JOINTS[None], frames, axis=0)
    for f in range(frames):
        swing = 0.5 * np.sin(2 * np.pi * (f + 1) / 8)
        for root, members, sign in ((16, (18, 20, 22), 1), (17, (19, 21, 23), -1)):
            _turn(joints[f], root, members, (0, 0, -sign * 1.2))
            _turn(joints[f], root, members, (sign * swing, 0, 0))
        for root, members, sign in ((1, (4, 7, 10), -1), (2, (5, 8, 11), 1)):
            _turn(joints[f], root, members, (sign * swing, 0, 0))
        joints[f, :, 2] += 0.04 * f
    return Motion(joints * size + (at[0], 0.0, at[1]), 10.0, SMPL24)


def circling(
    frames: int = FRAMES, size: tuple[int, int] = (64, 64), degrees: float = 2.0, start: float = 0.0
):
    """A camera 3 m from the origin that turns about it and looks at it."""
    c2w = np.empty((frames, 4, 4))
    for f in range(frames):
        angle = np.radians(start + degrees * f)
        eye = np.array((3 * np.sin(angle), 1.2, 3 * np.cos(angle)))
        forward = np.array((0.0, 0.9, 0.0)) - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 1.0, 0.0))
        right /= np.linalg.norm(right)
        c2w[f] = np.eye(4)
        c2w[f, :3] = np.stack([right, np.cross(forward, right), forward, eye], axis=1)
    focal = 1.3 * size[1]
    return CameraPath(c2w, np.tile([focal, focal, size[0] / 2, size[1] / 2], (frames, 1)), size, 10.0)


def _turn(
    joints: np.ndarray, root: int, members: tuple[int, ...], angles: tuple[float, float, float]
) -> None:
    for axis, angle in enumerate(angles):
        i, k = [a for a in range(3) if a != axis]
        sign = -1.0 if axis == 1 else 1.0
        rotation = np.eye(3)
        rotation[i, i] = rotation[k, k] = np.cos(angle)
        rotation[i, k], rotation[k, i] = -sign * np.sin(angle), sign * np.sin(angle)
        for j in members:
            joints[j] = joints[root] + rotation @ (joints[j] - joints[root])
