"""A person who walks, from a formula: enough to test with where the motion library is absent."""

from __future__ import annotations

import numpy as np

from kinema.scene import quaternions as quat
from kinema.scene.motion import Motion
from kinema.scene.rotations import joints_from_rotations
from kinema.scene.skeleton import SMPL24


def walk(frames: int = 40, speed: float = 1.0, turn: float = 0.3, stride: float = 0.45) -> Motion:
    """Walks forward at `speed` m/s and turns left by `turn` rad/s, on the neutral body at 20 fps; stride 0 stands."""
    time = np.arange(frames) / 20.0
    rotations = np.tile(quat.IDENTITY, (frames, 24, 1))
    sideways = np.array([1.0, 0.0, 0.0])
    swing = stride * np.sin(2 * np.pi * time)
    for joint, angle in (
        (1, -swing), (2, swing),
        (4, stride * np.clip(np.cos(2 * np.pi * time), 0, 1)), (5, stride * np.clip(-np.cos(2 * np.pi * time), 0, 1)),
        (3, 0.05 * np.sin(4 * np.pi * time)),
    ):  # fmt: skip
        rotations[:, joint] = quat.about_axis(sideways, angle)
    for joint, side in ((16, -1.0), (17, 1.0)):
        rotations[:, joint] = quat.about_axis(
            np.array([0.0, 0.0, 1.0]), side * 1.2 + 0.2 * np.sin(2 * np.pi * time)
        )
    yaw = turn * time
    rotations[:, 0] = quat.about_axis(np.array([0.0, 1.0, 0.0]), yaw)
    step = speed / 20 * np.stack([np.sin(yaw), np.cos(yaw)], axis=1)
    floor = np.concatenate([np.zeros((1, 2)), step[:-1].cumsum(axis=0)])
    root = np.stack([floor[:, 0], np.zeros(frames), floor[:, 1]], axis=1)
    lowest = joints_from_rotations(rotations, SMPL24, root)[..., 1].min(axis=1)
    root[:, 1] = -lowest
    return Motion.from_rotations(rotations, root, 20.0, SMPL24)
