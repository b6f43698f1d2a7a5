"""How a video moves, without a reference: flicker, jerk of keypoints, share of lively moments.

A frozen picture is perfectly smooth, so these are compared with a real video's, never maximised.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

FLOW_FPS = 8.0  # frames a second at which liveliness is looked at, as VBench's dynamic degree
FLOW_THRESHOLD = 6 / 256  # of the shorter side, per step at 8 fps, as VBench's dynamic degree
FLOW_SHARE = 0.05  # the fastest share of the pixels, as VBench's dynamic degree


def flicker(frames: np.ndarray) -> float:
    """Mean size of the second difference in time of luminance, in levels; NaN under three frames.

    A steady change of brightness or steady motion of smooth shading costs little, back and forth costs much.

    Args:
        frames: uint8 [T, H, W, 3].
    """
    if len(frames) < 3:
        return float("nan")
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]).astype(np.float32)
    return float(np.mean(np.abs(grey[2:] - 2 * grey[1:-1] + grey[:-2]), dtype=np.float64))


def keypoint_jerk(points: np.ndarray, fps: float, height: float) -> float:
    """Root mean square of the third derivative of keypoints, in body heights per s^3; NaN where none is seen.

    Args:
        points: pixels [T, K, 2], NaN where not seen; stretches of four seen frames count.
        fps: frames per second.
        height: of the person, pixels.
    """
    if len(points) < 4:
        return float("nan")
    jerk = np.diff(points, n=3, axis=0) * fps**3 / height
    squares = np.sum(jerk**2, axis=-1)
    seen = np.isfinite(squares)
    return float(np.sqrt(squares[seen].mean())) if seen.any() else float("nan")


def fast_flow(frames: np.ndarray, fps: float) -> np.ndarray:
    """How fast the fastest twentieth of the pixels moves, per step at 8 fps, as a share of the shorter side.

    Optical flow by OpenCV's DIS (medium preset) between frames sampled by time.

    Args:
        frames: uint8 [T, H, W, 3].
        fps: frames per second.

    Returns:
        [steps]; empty for a video shorter than an eighth of a second.
    """
    times = np.arange(int((len(frames) - 1) / fps * FLOW_FPS + 1e-6) + 1) / FLOW_FPS
    chosen = np.minimum(np.round(times * fps).astype(int), len(frames) - 1)
    grey = [cv2.cvtColor(frames[index], cv2.COLOR_RGB2GRAY) for index in chosen]
    if min(frames.shape[1:3]) < 32:  # DIS needs patches
        raise ValueError(f"optical flow needs pictures of at least 32 x 32, got {list(frames.shape[1:3])}")
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    speeds = []
    for before, after in pairwise(grey):
        flow = estimator.calc(before, after, np.zeros((*before.shape, 2), np.float32))
        speed = np.sort(np.linalg.norm(flow, axis=-1), axis=None)
        speeds.append(speed[-max(1, round(FLOW_SHARE * speed.size)) :].mean(dtype=np.float64))
    return np.array(speeds) / min(frames.shape[1:3])


def dynamic_degree(speeds: np.ndarray) -> float:
    """Share of steps in which something moves fast (ours: VBench's is 0 or 1 a clip and uses RAFT).

    Args:
        speeds: see `fast_flow`.
    """
    return float(np.mean(speeds > FLOW_THRESHOLD)) if len(speeds) else float("nan")


def off_reference(made: float, true: float) -> float:
    """How far a positive figure is from that of the reference: the size of the logarithm of their ratio.

    0 is as the reference, 0.69 twice or half of it. Both are raised by 1e-3 of the reference and 1e-9, so that a
    frozen video is far off, not infinitely.
    """
    small = 1e-3 * true + 1e-9
    return float(abs(np.log((made + small) / (true + small))))
