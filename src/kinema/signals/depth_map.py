"""Depth films: what a camera sees as grey, near white, by the conventions of published depth-conditioned models.

The stage knows the depth of people and things; its floor is the plane y = 0, whose depth the camera tells. What lies
above the horizon is infinitely far.
"""

from __future__ import annotations

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.scene.checks import check_shape

NEAREST = 1e-3  # metres (ours): nothing is nearer, so that one over depth stays finite
FARTHEST_METRES = 10.0
"""What ZoeDepth's indoor weights tell apart; what is farther, and the sky, counts as this far."""

_EVERY = 4  # pixel of a row and row of a picture that percentiles are taken of (ours)


def inverse_floor_depth(camera: CameraPath) -> np.ndarray:
    """One over the depth of the floor y = 0 along the optical axis, 1/m; 0 above the horizon, float32 [T, H, W].

    A camera at or below the floor sees none of it.

    Args:
        camera: T frames.
    """
    width, height = camera.size
    fx, fy, cx, cy = (column[:, None] for column in camera.intrinsics.T)
    # A ray (x, y, 1) of unit depth comes down by -(R x)_y metres: linear in the pixel.
    row = camera.c2w[:, 1, :3]
    across = row[:, :1] * (np.arange(width) + 0.5 - cx) / fx
    down = row[:, 1:2] * (np.arange(height) + 0.5 - cy) / fy + row[:, 2:]
    high = camera.c2w[:, 1, 3]
    above = np.where(high > NEAREST, -1.0 / np.maximum(high, NEAREST), 0.0)[:, None, None]
    inverse = above.astype(np.float32) * (
        across[:, None, :].astype(np.float32) + down[:, :, None].astype(np.float32)
    )
    return np.maximum(inverse, 0.0, out=inverse)


def inverse_depth(depth: np.ndarray, camera: CameraPath) -> np.ndarray:
    """One over depth of people, things and floor, 1/m, 0 where nothing is, float32 [T, H, W].

    Args:
        depth: metres along the optical axis of people and things, inf elsewhere, [T, H, W].
        camera: T frames of that size.

    Raises:
        ValueError: another shape.
    """
    width, height = camera.size
    depth = check_shape("depth", depth, (camera.frames, height, width)).astype(np.float32, copy=False)
    solid = np.isfinite(depth)
    inverse = inverse_floor_depth(camera)
    inverse[solid] = 1.0 / np.maximum(depth[solid], NEAREST)
    return inverse


def relative_depth_film(inverse: np.ndarray) -> np.ndarray:
    """Inverse depth of each frame stretched from its farthest, black, to its nearest, white, uint8 [T, H, W, 3].

    As MiDaS and Depth Anything are shown (ali-vilab/VACE, vace/annotators/depth.py): each frame for itself, rounded
    down, three equal channels. A frame of one depth is black.

    Args:
        inverse: one over depth, [T, H, W].
    """
    low = inverse.min(axis=(1, 2), keepdims=True)
    span = inverse.max(axis=(1, 2), keepdims=True) - low
    grey = (inverse - low) / np.where(span > 0, span, 1.0) * 255.0
    return _three(grey)


def metric_depth_film(inverse: np.ndarray, percentiles: tuple[float, float] = (2.0, 85.0)) -> np.ndarray:
    """Metric depth of each frame between two percentiles, near white, uint8 [T, H, W, 3].

    As ZoeDepth is shown (lllyasviel/ControlNet-v1-1, annotator/zoe): 1 - (d - low) / (high - low). What is
    farther than `FARTHEST_METRES` counts as that far.

    Args:
        inverse: one over depth, 1/m, [T, H, W].
        percentiles: shown white and black.
    """
    depth = 1.0 / np.maximum(inverse, 1.0 / FARTHEST_METRES)
    low, high = np.percentile(depth[:, ::_EVERY, ::_EVERY], percentiles, axis=(1, 2), keepdims=True)
    return _three(255.0 * (1.0 - (depth - low) / np.maximum(high - low, 1e-6)))


def _three(grey: np.ndarray) -> np.ndarray:
    shown = np.clip(grey, 0.0, 255.0).astype(np.uint8)
    return np.repeat(shown[..., None], 3, axis=-1)
