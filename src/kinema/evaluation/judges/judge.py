"""What every pose judge has in common: one set of keypoints, and a miss where nothing was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

# The joints that SMPL-24, OpenPose-18 and MediaPipe-33 all have, as SMPL-24 indices. The head is left out:
# they place it at the skull base, the nose and the ears.
COMMON_NAMES = (
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
COMMON_JOINTS = (16, 17, 18, 19, 20, 21, 1, 2, 4, 5, 7, 8)


@dataclass(frozen=True)
class Sighting:
    """What a judge saw in one video.

    Args:
        points: pixels, pixel centres at +0.5, [T, 12, 2]; NaN where a keypoint was not detected.
        detected: whether a person was found in the frame at all, bool [T].
    """

    points: np.ndarray
    detected: np.ndarray


class PoseJudge(Protocol):
    """Finds the common keypoints of one person."""

    name: str

    def watch(self, frames: np.ndarray) -> Sighting:
        """Judges every frame by itself.

        Args:
            frames: uint8 [T, H, W, 3].
        """
        ...

    def settings(self) -> dict[str, Any]:
        """What a report records of the judge."""
        ...
