"""PSNR of what is not a person: against a reference, or of a video against its own first frame."""

from __future__ import annotations

import cv2
import numpy as np

from kinema.evaluation.metrics.image import psnr

DILATION = 0.03  # of the shorter side: how far a mask is widened, for soft edges and contact shadows (ours)
LEAST_SHARE = 0.05  # of the picture that must be left (ours)
CAP = 100.0  # dB: what equal pictures score


def dilated(masks: np.ndarray) -> np.ndarray:
    """Masks, bool [T, H, W], widened by DILATION of the shorter side."""
    radius = max(1, round(DILATION * min(masks.shape[1:])))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.stack([cv2.dilate(mask.astype(np.uint8), kernel) for mask in masks]).astype(bool)


def background_psnr(made: np.ndarray, true: np.ndarray, masks: np.ndarray) -> float:
    """Mean over frames of the PSNR outside the masks, each at most 100 dB.

    Args:
        made: uint8 [T, H, W, 3].
        true: uint8 [T, H, W, 3], from the same camera.
        masks: what does not count: people of either video, widened, bool [T, H, W].

    Returns:
        dB, or NaN where the masks leave less than a twentieth of every picture.
    """
    scores = [
        min(psnr(a[~mask], b[~mask]), CAP)
        for a, b, mask in zip(made, true, masks, strict=True)
        if np.mean(~mask) >= LEAST_SHARE
    ]
    return float(np.mean(scores)) if scores else float("nan")


def static_background_psnr(frames: np.ndarray, masks: np.ndarray) -> float:
    """How still the background stands: every frame against the first one. For cameras that do not move.

    Args:
        frames: uint8 [T, H, W, 3].
        masks: people, widened, bool [T, H, W].
    """
    if len(frames) < 2:
        return float("nan")
    first = np.broadcast_to(frames[:1], frames[1:].shape)
    return background_psnr(frames[1:], first, masks[1:] | masks[:1])


def warped_background_psnr(
    frames: np.ndarray, masks: np.ndarray, depth: np.ndarray, c2w: np.ndarray, intrinsics: np.ndarray
) -> float:
    """How well the background stands in the world: every frame against the first one seen by its own camera.

    Args:
        frames: uint8 [T, H, W, 3].
        masks: people, widened, bool [T, H, W].
        depth: metres along the optical axis, float [T, H, W]; where it is infinite, the floor at height 0 is
            meant below the horizon, and infinity above it.
        c2w: camera to world, OpenCV axes, [T, 4, 4].
        intrinsics: fx, fy, cx, cy in pixels, [T, 4].
    """
    if len(frames) < 2:
        return float("nan")
    first = cv2.erode((~masks[0]).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    expected, hidden = [], []
    for frame in range(1, len(frames)):
        maps, ahead = first_frame_coordinates(depth, c2w, intrinsics, frame)
        x, y = np.ascontiguousarray(maps[..., 0]), np.ascontiguousarray(maps[..., 1])
        expected.append(cv2.remap(frames[0], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        known = cv2.remap(first.astype(np.uint8), x, y, cv2.INTER_NEAREST, borderValue=0)
        hidden.append(masks[frame] | ~ahead | (known == 0))
    return background_psnr(frames[1:], np.stack(expected), np.stack(hidden))


def first_frame_coordinates(
    depth: np.ndarray, c2w: np.ndarray, intrinsics: np.ndarray, frame: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where the first frame shows what each pixel of another frame shows.

    Args:
        depth: see `warped_background_psnr`; c2w: [T, 4, 4]; intrinsics: [T, 4]; frame: the other frame.

    Returns:
        Indices (column, row; pixel centres at whole numbers, as `cv2.remap` takes them), float32 [H, W, 2], and
        whether the point is before the first camera, inside its picture and not hidden there, bool [H, W].
    """
    height, width = depth.shape[1:]
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    fx, fy, cx, cy = intrinsics[frame]
    rays = np.stack([(columns - cx) / fx, (rows - cy) / fy, np.ones_like(rows)], -1) @ c2w[frame, :3, :3].T
    eye = c2w[frame, :3, 3]
    reach = np.where(np.isfinite(depth[frame]), depth[frame], np.inf).astype(np.float64)
    falls = np.isinf(reach) & (rays[..., 1] < -1e-4) & (eye[1] > 0)
    reach = np.where(falls, -eye[1] / np.where(falls, rays[..., 1], -1.0), reach)
    far = np.isinf(reach)
    offsets = np.where(
        far[..., None], rays, eye + np.where(far, 0.0, reach)[..., None] * rays - c2w[0, :3, 3]
    )
    local = offsets @ c2w[0, :3, :3]
    z = np.where(local[..., 2] > 1e-6, local[..., 2], np.nan)
    fx, fy, cx, cy = intrinsics[0]
    x, y = local[..., 0] / z * fx + cx, local[..., 1] / z * fy + cy
    with np.errstate(invalid="ignore"):
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    there = depth[0][np.where(inside, y, 0).astype(int), np.where(inside, x, 0).astype(int)]
    hidden = np.isfinite(there) & (far | (there < 0.95 * np.nan_to_num(z, nan=np.inf)))
    maps = np.nan_to_num(np.stack([x - 0.5, y - 0.5], -1), nan=-1e4).clip(-1e4, 1e4).astype(np.float32)
    return maps, inside & ~hidden
