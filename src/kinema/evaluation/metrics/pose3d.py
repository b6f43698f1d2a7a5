"""Errors of 3D joints after the alignments the field uses: at the root, and by Procrustes analysis.

Joints are metres, frames are aligned one by one, and what is missing (NaN) on either side does not count here:
how much is missing is a figure of its own, to be reported beside these.
"""

from __future__ import annotations

import numpy as np

BODY_JOINTS = (1, 2, 4, 5, 7, 8, 12, 15, 16, 17, 18, 19, 20, 21)
"""SMPL-24 joints that the field scores (the 14 of 3DPW and Human3.6M protocols): hips, knees, ankles, neck, head,
shoulders, elbows, wrists. The spine, the collars, toes and hands are left out: detectors do not see them."""

LEAST_JOINTS = 4
"""Fewest joints of a frame that a similarity transform is fitted to (ours): three always fit in a plane."""


def root_relative_errors(estimate: np.ndarray, truth: np.ndarray, root: int = 0) -> np.ndarray:
    """Distances once the roots coincide, metres, [T, J]; NaN where joint or root is missing.

    Args:
        estimate: [T, J, 3].
        truth: [T, J, 3].
        root: the joint that is moved onto the other's; the pelvis.

    Raises:
        ValueError: shapes differ.
    """
    _check(estimate, truth)
    offset = (estimate - estimate[:, root : root + 1]) - (truth - truth[:, root : root + 1])
    return np.linalg.norm(offset, axis=-1)


def procrustes(estimate: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The estimate turned, moved and scaled onto the truth, frame by frame.

    Least squares after Umeyama (PAMI 1991), without reflections, in float64, over the joints that both have.

    Args:
        estimate: [T, J, 3], NaN where missing.
        truth: [T, J, 3], NaN where missing.

    Returns:
        [T, J, 3]; NaN where a joint is missing, and in frames with fewer than four joints.

    Raises:
        ValueError: shapes differ.
    """
    _check(estimate, truth)
    estimate, truth = np.asarray(estimate, np.float64), np.asarray(truth, np.float64)
    both = np.isfinite(estimate).all(-1) & np.isfinite(truth).all(-1)
    weight = both[..., None].astype(np.float64)
    count = np.maximum(weight.sum(1, keepdims=True), 1)
    source, target = np.where(both[..., None], estimate, 0.0), np.where(both[..., None], truth, 0.0)
    source_mean, target_mean = source.sum(1, keepdims=True) / count, target.sum(1, keepdims=True) / count
    source, target = (source - source_mean) * weight, (target - target_mean) * weight
    u, singular, vt = np.linalg.svd(np.einsum("tji,tjk->tik", target, source))
    sign = np.ones((len(source), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[:, None]) @ vt
    spread = (source**2).sum((1, 2))
    scale = (singular * sign).sum(1) / np.maximum(spread, 1e-12)
    aligned = scale[:, None, None] * np.einsum("tik,tjk->tji", rotation, source) + target_mean
    enough = both.sum(1) >= LEAST_JOINTS
    return np.where(both[..., None] & enough[:, None, None], aligned, np.nan)


def procrustes_errors(estimate: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distances after `procrustes`, metres, [T, J]; NaN where there is none."""
    return np.linalg.norm(procrustes(estimate, truth) - truth, axis=-1)


def mpjpe_mm(estimate: np.ndarray, truth: np.ndarray, joints: tuple[int, ...] = BODY_JOINTS) -> float:
    """Root-relative mean error per joint position of SMPL-24 joints [T, 24, 3], mm; NaN where nothing counts."""
    return _mean_mm(root_relative_errors(estimate, truth)[:, joints])


def pa_mpjpe_mm(estimate: np.ndarray, truth: np.ndarray, joints: tuple[int, ...] = BODY_JOINTS) -> float:
    """Mean error per joint position after Procrustes alignment on those joints, mm; NaN where nothing counts."""
    return _mean_mm(procrustes_errors(estimate[:, joints], truth[:, joints]))


def _mean_mm(errors: np.ndarray) -> float:
    return float(1000 * np.nanmean(errors)) if np.isfinite(errors).any() else float("nan")


def _check(estimate: np.ndarray, truth: np.ndarray) -> None:
    if estimate.shape != truth.shape or estimate.ndim != 3 or estimate.shape[-1] != 3:
        raise ValueError(
            f"estimate {list(estimate.shape)} and truth {list(truth.shape)} must both be [T, J, 3]"
        )
