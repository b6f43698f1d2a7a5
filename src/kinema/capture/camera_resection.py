"""The camera of many frames at once from known points: robust Gauss-Newton on the pixels, every frame for itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.capture.camera_tracks import ENOUGH

STEPS = 14


@dataclass(frozen=True, eq=False)
class Poses:
    """Cameras of T frames.

    Args:
        rotation: world to camera, [T, 3, 3].
        translation: world to camera, [T, 3].
        focal: factor on the intrinsics' fx and fy, [T].
    """

    rotation: np.ndarray
    translation: np.ndarray
    focal: np.ndarray

    def c2w(self) -> np.ndarray:
        """Camera to world, [T, 4, 4]."""
        result = np.tile(np.eye(4), (len(self.rotation), 1, 1))
        result[:, :3, :3] = np.swapaxes(self.rotation, 1, 2)
        result[:, :3, 3] = -np.einsum("tji,tj->ti", self.rotation, self.translation)
        return result


def resect(
    points: np.ndarray,
    index: np.ndarray,
    pixels: np.ndarray,
    intrinsics: np.ndarray,
    start: Poses,
    *,
    noise: float,
    move: bool,
    zoom: bool,
) -> tuple[Poses, np.ndarray, np.ndarray]:
    """Fit each frame's camera to the points seen in it.

    Args:
        points: homogeneous, w = 0 for points at infinity, [N, 4].
        index: which point each observation is of, -1 for none, [T, M].
        pixels: [T, M, 2].
        intrinsics: fx, fy, cx, cy, [4].
        start: where to begin.
        noise: pixels; observations many times further off count for nothing.
        move: whether cameras translate; zoom: whether focal lengths change.

    Returns:
        The cameras; the median residual of the observations that agree, pixels, NaN where too few do, [T]; the
        number that agree, [T].
    """
    there = (index >= 0) & np.isfinite(pixels).all(-1)
    world = points[np.maximum(index, 0)]
    rotation, translation = start.rotation.copy(), start.translation.copy()
    log_focal = np.log(start.focal)
    # Columns of the unknowns that are free: turn (3), shift (3), log focal (1).
    free = (
        np.r_[0:3, 3:6, 6] if move and zoom else np.r_[0:6] if move else np.r_[0:3, 6] if zoom else np.r_[0:3]
    )
    anchor = log_focal.copy()
    for step in range(STEPS):
        error, jacobian, ahead = _linear(world, pixels, intrinsics, rotation, translation, log_focal)
        scale = noise * max(2.0, 12.0 * 0.6**step)
        distance = np.linalg.norm(error, axis=-1)
        weight = np.where(there & ahead, 1 / (1 + (distance / scale) ** 2) ** 2, 0.0)
        jacobian = jacobian[..., free]
        normal = np.einsum("tmai,tm,tmaj->tij", jacobian, weight, jacobian)
        right = np.einsum("tmai,tm,tma->ti", jacobian, weight, error)
        if zoom:  # a weak hold, for frames that say little about it: 5 % for an error of one noise a point
            hold = 20.0**2 * noise**2
            normal[:, -1, -1] += hold
            right[:, -1] += hold * (anchor - log_focal)
        diagonal = np.einsum("tii->ti", normal)
        normal = normal + np.eye(len(free)) * (1e-6 * diagonal + 1e-9)[:, None, :]
        change = np.zeros((len(rotation), 7))
        change[:, free] = np.linalg.solve(normal, right[..., None])[..., 0]
        turn = Rotation.from_rotvec(np.clip(change[:, :3], -0.3, 0.3)).as_matrix()
        rotation = turn @ rotation
        translation = np.einsum("tij,tj->ti", turn, translation) + change[:, 3:6]
        log_focal = log_focal + np.clip(change[:, 6], -0.3, 0.3)
    error, _, ahead = _linear(world, pixels, intrinsics, rotation, translation, log_focal)
    distance = np.where(there & ahead, np.linalg.norm(error, axis=-1), np.inf)
    agree = distance < 4 * noise
    count = agree.sum(axis=1)
    residual = np.full(len(count), np.nan)
    for t in np.flatnonzero(count >= ENOUGH):
        residual[t] = np.median(distance[t][agree[t]])
    return Poses(rotation, translation, np.exp(log_focal)), residual, count


def _linear(
    world: np.ndarray,
    pixels: np.ndarray,
    intrinsics: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    log_focal: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors [T, M, 2], how predictions change with turn, shift and log focal [T, M, 2, 7], and what is ahead."""
    local = np.einsum("tij,tmj->tmi", rotation, world[..., :3]) + world[..., 3:] * translation[:, None]
    ahead = local[..., 2] > 1e-6
    depth = np.where(ahead, local[..., 2], 1.0)
    x, y = local[..., 0] / depth, local[..., 1] / depth
    focal = np.exp(log_focal)[:, None] * np.ones_like(x)
    fx, fy = intrinsics[0] * focal, intrinsics[1] * focal
    error = pixels - np.stack([fx * x + intrinsics[2], fy * y + intrinsics[3]], -1)
    error = np.where(ahead[..., None] & np.isfinite(error), error, 0.0)
    far = world[..., 3] / depth
    zero = np.zeros_like(x)
    across = [-fx * x * y, fx * (1 + x * x), -fx * y, fx * far, zero, -fx * x * far, fx * x]
    down = [-fy * (1 + y * y), fy * x * y, fy * x, zero, fy * far, -fy * y * far, fy * y]
    return error, np.stack([np.stack(across, -1), np.stack(down, -1)], -2), ahead
