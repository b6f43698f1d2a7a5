"""A camera over time: pose, intrinsics, projection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CameraPath:
    """A pinhole camera over time.

    Args:
        c2w: camera-to-world, OpenCV axes (x right, y down, z forward), metres, [T, 4, 4].
        intrinsics: fx, fy, cx, cy in pixels, [T, 4].
        size: (width, height) in pixels.
        fps: frames per second.
    """

    c2w: np.ndarray
    intrinsics: np.ndarray
    size: tuple[int, int]
    fps: float
