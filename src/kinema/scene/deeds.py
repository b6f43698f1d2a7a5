"""What a person does in a motion, in numbers: how far it turns and goes, which hand it raises.

All take a Motion in SMPL-24: metres, Y up, floor y = 0.
"""

from __future__ import annotations

import numpy as np

from kinema.scene import body_frame
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

_WRISTS = (SMPL24.index("left_wrist"), SMPL24.index("right_wrist"))
_SHOULDERS = (SMPL24.index("left_shoulder"), SMPL24.index("right_shoulder"))


def turn_degrees(motion: Motion) -> float:
    """How far the person has turned from the first frame to the last, degrees; to the left is positive."""
    yaw = np.unwrap(body_frame.yaw(motion.facing()))
    return float(np.degrees(yaw[-1] - yaw[0]))


def metres_walked(motion: Motion) -> float:
    """Length of the way of the pelvis over the floor, metres, after 0.2 s of smoothing that drops its sway."""
    floor = motion.joints[:, 0, [0, 2]]
    size = max(1, round(0.2 * motion.fps))
    if len(floor) > 2 * size:
        kernel = np.ones(size) / size
        floor = np.stack([np.convolve(floor[:, axis], kernel, mode="valid") for axis in range(2)], axis=1)
    return float(np.linalg.norm(np.diff(floor, axis=0), axis=1).sum())


def hand_heights(motion: Motion) -> tuple[float, float]:
    """How high the left and the right wrist come above their shoulders, metres: the 90th percentile over time."""
    above = motion.joints[:, _WRISTS, 1] - motion.joints[:, _SHOULDERS, 1]
    left, right = np.percentile(above, 90, axis=0)
    return float(left), float(right)


def raised_hand(motion: Motion, margin: float = 0.10) -> str:
    """Which hand is up more: "left", "right", or "both" where they differ by less than the margin in metres."""
    left, right = hand_heights(motion)
    return "both" if abs(left - right) < margin else "left" if left > right else "right"
