"""One person's motion: joint positions over time, and what can be done with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.scene.skeleton import Skeleton


@dataclass(frozen=True)
class Motion:
    """The motion of one person.

    Args:
        joints: joint positions in the world, metres, Y up, [T, J, 3]; NaN where missing.
        fps: frames per second.
        skeleton: the joint tree, J joints.
        rotations: local rotation of each joint relative to its parent, quaternions wxyz, [T, J, 4].
        confidence: 0 (missing) to 1, [T, J].
    """

    joints: np.ndarray
    fps: float
    skeleton: Skeleton
    rotations: np.ndarray | None = None
    confidence: np.ndarray | None = None
