"""Pose and detection errors between two videos of the same scene, by one and the same pose judge."""

from __future__ import annotations

import numpy as np

COUNTED_CONFIDENCE = 0.3  # of a keypoint in the reference, as in TokenMotion's PoseErr


def figure_height(points: np.ndarray, confidence: np.ndarray) -> float:
    """How tall a person appears, pixels: the longer side of the box of what is seen, median over frames.

    Args:
        points: pixels [T, K, 2].
        confidence: [T, K]; keypoints below COUNTED_CONFIDENCE do not count.

    Returns:
        NaN where in no frame two keypoints are seen.
    """
    seen = np.where((confidence >= COUNTED_CONFIDENCE)[..., None], points, np.nan)
    enough = np.isfinite(seen[..., 0]).sum(axis=1) >= 2
    if not enough.any():
        return float("nan")
    span = np.nanmax(seen[enough], axis=1) - np.nanmin(seen[enough], axis=1)
    return float(np.median(span.max(axis=-1)))


def miss_threshold(confidences: np.ndarray, misses: float = 0.01) -> float:
    """The confidence under which a share `misses` of the reference's own counted keypoints would be lost.

    Args:
        confidences: of the reference's keypoints, any shape; those below COUNTED_CONFIDENCE do not count.
        misses: the share.

    Returns:
        The threshold, or NaN where no keypoint counts.
    """
    counted = confidences[confidences >= COUNTED_CONFIDENCE]
    return float(np.quantile(counted, misses, method="lower")) if counted.size else float("nan")


def pose_error(
    made: np.ndarray,
    found: np.ndarray,
    true: np.ndarray,
    counted: np.ndarray,
    worst: float,
) -> float:
    """PoseErr: mean distance in pixels over the reference's keypoints; a miss scores the largest error.

    TokenMotion's PoseErr without people to match; there, what is not found is left out of the mean, so that a
    video without a person scores well. Here it costs `worst`, at which every distance is cut (ours).

    Args:
        made: pixels [T, K, 2].
        found: whether it was detected, bool [T, K].
        true: the reference's keypoints [T, K, 2].
        counted: whether the reference's keypoint counts, bool [T, K].
        worst: pixels.

    Returns:
        Pixels, or NaN where nothing counts.
    """
    _same(made, true)
    if not counted.any():
        return float("nan")
    distance = np.minimum(np.linalg.norm(made - true, axis=-1), worst)
    return float(np.where(found, distance, worst)[counted].mean())


def detection_error(made: np.ndarray, true: np.ndarray) -> float:
    """DetErr as TokenMotion defines it: share of frames whose number of detected people differs; NaN without frames.

    Args:
        made: people detected in each frame, [T].
        true: in the reference, by the same detector, [T].
    """
    _same(made, true)
    return float((made != true).mean()) if len(true) else float("nan")


def missed_keypoints(found: np.ndarray, counted: np.ndarray) -> float:
    """Share of the reference's keypoints that were not found (ours); NaN where nothing counts.

    Args:
        found: bool [T, K], by the threshold that loses 1 % of the reference's own (`miss_threshold`).
        counted: whether the reference's keypoint counts, bool [T, K].
    """
    _same(found, counted)
    return float(1 - found[counted].mean()) if counted.any() else float("nan")


def foot_slide(
    points: np.ndarray, exact: np.ndarray, standing: np.ndarray, metres_per_pixel: np.ndarray, fps: float
) -> float:
    """How fast feet that should stand move over the ground in the picture, m/s; NaN where none stands.

    Median over quarters of a second (ours): from one frame to the next a detector's noise of a pixel is faster
    than any slide.

    Args:
        points: detected feet, pixels [T, F, 2], NaN where not seen.
        exact: the scene's feet through the scene's camera, pixels [T, F, 2].
        standing: whether the foot stands by the scene, bool [T, F].
        metres_per_pixel: at the foot, [T, F].
        fps: frames per second.
    """
    _same(points, exact)
    step = max(1, round(fps / 4))
    if len(points) <= step:
        return float("nan")
    off = points - exact
    drift = np.linalg.norm(off[step:] - off[:-step], axis=-1) * metres_per_pixel[step:] * fps / step
    throughout = np.lib.stride_tricks.sliding_window_view(standing, step + 1, axis=0).all(axis=-1)
    counted = throughout & np.isfinite(drift)
    return float(np.median(drift[counted])) if counted.any() else float("nan")


def _same(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise ValueError(f"the two videos' keypoints differ in shape: {list(a.shape)} and {list(b.shape)}")
