"""Errors of a camera path against the true one: degrees and metres per frame, and the field's sums under their names.

Both paths are taken relative to their own first frame. Angles come from atan2, exact near zero where arccos in
float32 has a floor of 0.03 degrees; a path that hardly moves has no direction and no scale, and says so by NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.scene.camera import invert_rigid

STILL = 0.05
"""Metres; a camera that never leaves a sphere of this radius round its start has no direction (ours)."""


@dataclass(frozen=True)
class CameraError:
    """How far an estimated path is from the true one.

    Args:
        rotation_deg: mean geodesic angle over the frames after the first, degrees.
        rotation_sum_rad: sum of the angles over all frames, radians.
        translation_m: mean distance of the positions as they are, metres.
        translation_scaled_m: the same once the estimate has the best single scale; NaN where the true path is still.
        scale: that scale: true metres per metre of the estimate; NaN where either path is still.
        direction_deg: mean angle between the two ways from the start, over frames that are away from it, degrees;
            NaN where the true path is still. An estimate that stands still is 90 degrees off: it knows nothing.
        extent_deg: largest angle of the true path from its start: what an estimate that never turns would miss.
        extent_m: largest distance of the true path from its start.
    """

    rotation_deg: float
    rotation_sum_rad: float
    translation_m: float
    translation_scaled_m: float
    scale: float
    direction_deg: float
    extent_deg: float
    extent_m: float


def rotation_angle(rotations: np.ndarray) -> np.ndarray:
    """Angle of rotation matrices [..., 3, 3], radians [...], 0 to pi.

    atan2 of the axis part against the trace: as accurate near 0 as near pi.
    """
    matrices = np.asarray(rotations, np.float64)
    skew = np.stack(
        [
            matrices[..., 2, 1] - matrices[..., 1, 2],
            matrices[..., 0, 2] - matrices[..., 2, 0],
            matrices[..., 1, 0] - matrices[..., 0, 1],
        ],
        axis=-1,
    )
    trace = np.trace(matrices, axis1=-2, axis2=-1)
    return np.arctan2(np.linalg.norm(skew, axis=-1), trace - 1.0)


def relative_to_first(c2w: np.ndarray) -> np.ndarray:
    """Camera-to-world poses [T, 4, 4] as seen from the first one."""
    c2w = np.asarray(c2w, np.float64)
    return invert_rigid(c2w[:1]) @ c2w


def camera_error(estimate: np.ndarray, truth: np.ndarray, still: float = STILL) -> CameraError:
    """Compares two camera paths of the same frames.

    Args:
        estimate: camera-to-world, OpenCV axes, [T, 4, 4], in any world.
        truth: the same in metres, [T, 4, 4], in any world.
        still: radius in metres under which the true path has no direction.

    Raises:
        ValueError: shapes differ, or a pose is not finite: a solver that failed has no error but a failure.
    """
    estimate, truth = _relative_pair(estimate, truth)
    angles = rotation_angle(np.swapaxes(estimate[:, :3, :3], 1, 2) @ truth[:, :3, :3])
    later = angles[1:] if len(angles) > 1 else angles
    made, true = estimate[:, :3, 3], truth[:, :3, 3]
    away = np.linalg.norm(true, axis=1)
    moves = bool(away.max() > still)
    size = float((made**2).sum())
    scale = float((made * true).sum() / size) if moves and size > 1e-12 else float("nan")
    scaled = np.linalg.norm(made * (scale if np.isfinite(scale) else 0.0) - true, axis=1)
    return CameraError(
        rotation_deg=float(np.degrees(later.mean())),
        rotation_sum_rad=float(angles.sum()),
        translation_m=float(np.linalg.norm(made - true, axis=1).mean()),
        translation_scaled_m=float(scaled.mean()) if moves else float("nan"),
        scale=scale,
        direction_deg=_direction(made[away > still], true[away > still]) if moves else float("nan"),
        extent_deg=float(np.degrees(rotation_angle(truth[:, :3, :3]).max())),
        extent_m=float(away.max()),
    )


def published_camera_errors(estimate: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """RotErr, TransErr and CamMC as public evaluation code computes them; for comparing with published tables only.

    Poses relative to the first frame, each path divided by its own largest distance (a path that hardly moves
    becomes noise: read `camera_error` instead), sums over frames: RotErr in radians, TransErr of positions, CamMC of
    the Frobenius distance of [R | t].

    Args:
        estimate, truth: camera-to-world, [T, 4, 4].

    Raises:
        ValueError: shapes differ, or a pose is not finite.
    """
    estimate, truth = _relative_pair(estimate, truth)
    angles = rotation_angle(np.swapaxes(estimate[:, :3, :3], 1, 2) @ truth[:, :3, :3])
    for poses in (estimate, truth):
        poses[:, :3, 3] /= max(float(np.linalg.norm(poses[:, :3, 3], axis=1).max()), 1e-12)
    difference = (estimate - truth)[:, :3]
    return {
        "RotErr[sum-rad]": float(angles.sum()),
        "TransErr[own-max-sum]": float(np.linalg.norm(difference[:, :, 3], axis=1).sum()),
        "CamMC[own-max-sum]": float(np.linalg.norm(difference, axis=(1, 2)).sum()),
    }


def _relative_pair(estimate: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    estimate, truth = np.asarray(estimate, np.float64), np.asarray(truth, np.float64)
    if estimate.shape != truth.shape or estimate.ndim != 3 or estimate.shape[1:] != (4, 4) or not len(truth):
        raise ValueError(
            f"estimate {list(estimate.shape)} and truth {list(truth.shape)} must both be [T, 4, 4]"
        )
    if not (np.isfinite(estimate).all() and np.isfinite(truth).all()):
        raise ValueError("a camera pose is not finite; count the path as failed instead")
    return relative_to_first(estimate), relative_to_first(truth)


def _direction(made: np.ndarray, true: np.ndarray) -> float:
    """Mean angle between positions seen from the start, degrees; 90 for one that is at the start."""
    angle = np.arctan2(np.linalg.norm(np.cross(made, true), axis=1), (made * true).sum(1))
    return float(np.degrees(np.where(np.linalg.norm(made, axis=1) > 1e-9, angle, np.pi / 2)).mean())
