"""Where people are: a mask drawn from their joints, and TokenMotion's M_prior made of it."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from kinema.scene.checks import check_shape, check_size
from kinema.scene.skeleton import SMPL24
from kinema.signals.raster import CAPSULE, TRIANGLE, paint

TORSO = (1, 2, 17, 16)
"""Hips and shoulders: the corners of the torso's hull."""

RADIUS = 0.08
"""Capsule radius as a share of the person's height in the image."""

# Ours: SMPL-24 ends at the base of the skull; one more neck's length above it the capsule covers the head.
_SKULL = (15, 24)
_HEIGHT_CHAIN = ((15, 12), (12, 9), (9, 6), (6, 3), (3, 0), (1, 4), (4, 7))
_TORSO_TRIANGLES = tuple(tuple(TORSO[k] for k in range(4) if k != left_out) for left_out in range(4))


def person_mask(
    joints: np.ndarray,
    size: tuple[int, int],
    confidence: np.ndarray | None = None,
    *,
    person_height: np.ndarray | None = None,
    radius: float = RADIUS,
    min_radius: float | None = None,
    threshold: float = 0.3,
) -> np.ndarray:
    """Capsules round every limb and the hull of the torso, all people together, bool [T, H, W].

    Args:
        joints: SMPL-24 joints in pixels (pixel centres at +0.5), [T, P, 24, 2]; what touches NaN is left out.
        size: (width, height) in pixels.
        confidence: 0 to 1, [T, P, 24]; below `threshold` counts as missing.
        person_height: each person's standing height in pixels, [T, P] (see `person_height_pixels`). None: the
            longer side of the box around the person's joints in that frame.
        radius: of the capsules, as a share of the person's height in the image.
        min_radius: pixels. None: 6 px, and in proportion below a picture height of 256 (ours: 6 px is meant
            for 256 x 384; on a map of 96 rows it would swallow the background).
        threshold: confidence below which a joint is missing.

    Raises:
        ValueError: shapes that do not fit each other.
    """
    width, height = check_size(size)
    joints = check_shape("joints", joints, (None, None, 24, 2))
    frames, people = joints.shape[:2]
    drawn = np.isfinite(joints).all(axis=-1)
    if confidence is not None:
        drawn &= check_shape("confidence", confidence, (frames, people, 24)) >= threshold
    joints = np.where(drawn[..., None], joints, np.nan)
    if person_height is None:
        low = np.where(drawn[..., None], joints, np.inf).min(axis=2)
        high = np.where(drawn[..., None], joints, -np.inf).max(axis=2)
        person_height = np.where(drawn.any(axis=2), (high - low).max(axis=-1), 0.0)
    else:
        person_height = check_shape("person_height", person_height, (frames, people))
    if min_radius is None:
        min_radius = 6.0 * min(1.0, height / 256)
    radii = np.fmax(radius * person_height, min_radius)

    bones, corners = np.array([*SMPL24.bones, _SKULL]), np.array(_TORSO_TRIANGLES)
    top = 2 * joints[:, :, 15:16] - joints[:, :, 12:13]
    ends = np.concatenate([joints, top], axis=2)
    shape = np.zeros((frames, people, len(bones) + len(corners), 6))
    shape[:, :, : len(bones), :4] = ends[:, :, bones].reshape(frames, people, -1, 4)
    # Four corners span a hull that is the union of their four triangles, whichever way the torso is twisted.
    shape[:, :, len(bones) :] = joints[:, :, corners].reshape(frames, people, -1, 6)
    kind = np.tile([CAPSULE] * len(bones) + [TRIANGLE] * len(corners), people)
    canvas = np.zeros((frames, height, width, 1), np.uint8)
    paint(canvas, kind, shape.reshape(frames, -1, 6), np.repeat(radii, shape.shape[2], axis=1), np.ones(1))
    return canvas[..., 0].view(bool)


def person_height_pixels(joints: np.ndarray, focal: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """How tall a person would stand in the image, whatever the pose, in pixels, [T].

    Measured along the bones from head to ankle (median over the frames), so a crouching person keeps the
    radius of a standing one.

    Args:
        joints: SMPL-24 joints in metres, [T, 24, 3].
        focal: vertical focal length in pixels, [T].
        depth: of the joints, metres, [T, 24]; the mean of those in front of the camera counts, NaN comes out
            where there is none.
    """
    joints = check_shape("joints", joints, (None, 24, 3))
    chain = np.array(_HEIGHT_CHAIN)
    lengths = np.linalg.norm(joints[:, chain[:, 0]] - joints[:, chain[:, 1]], axis=-1)
    known = np.isfinite(lengths)
    metres = sum(float(np.median(lengths[known[:, k], k])) for k in range(len(chain)) if known[:, k].any())
    seen = depth > 0
    distance = np.where(seen, depth, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    return np.where(distance > 0, metres * focal / np.where(distance > 0, distance, 1.0), np.nan)


def token_prior(mask: torch.Tensor, token_grid: tuple[int, int, int], dilate: int = 1) -> torch.Tensor:
    """TokenMotion's M_prior: the mask on a video model's token grid, 0 or 1, float32 [..., f, h, w].

    Max-pooled over the cells of the grid (adaptive pooling: where they do not divide the picture, cells share their
    border pixels) and over the frame groups of a causal video autoencoder (the first frame alone, then equal groups:
    [0], [1-4], [5-8], ... for a compression of 4), then dilated in space.

    Args:
        mask: bool [..., T, H, W], on any device.
        token_grid: (f, h, w): tokens along time, height and width.
        dilate: tokens to dilate by, in all eight directions; 0 for none.

    Raises:
        ValueError: T is not 1 + s (f - 1) for a whole s, or the grid is finer than the mask.
    """
    if mask.ndim < 3:
        raise ValueError(f"mask must have the shape [..., T, H, W], got {list(mask.shape)}")
    frames, height, width = mask.shape[-3:]
    f, h, w = token_grid
    if f < 1 or (f == 1 and frames != 1) or (f > 1 and (frames <= 1 or (frames - 1) % (f - 1))):
        raise ValueError(f"{frames} frames do not fall into {f} groups: the first alone, then equal ones")
    if not (1 <= h <= height and 1 <= w <= width):
        raise ValueError(f"a grid of {h} x {w} tokens does not fit a mask of {height} x {width} pixels")
    if dilate < 0:
        raise ValueError(f"dilate must be 0 or more tokens, got {dilate}")
    videos = mask.reshape(-1, frames, height, width).float()
    cells = F.adaptive_max_pool2d(videos, (h, w))
    if f > 1:
        later = cells[:, 1:].unflatten(1, (f - 1, -1)).amax(dim=2)
        cells = torch.cat([cells[:, :1], later], dim=1)
    grown = F.max_pool2d(cells, 2 * dilate + 1, stride=1, padding=dilate)
    return grown.reshape(*mask.shape[:-3], f, h, w)
