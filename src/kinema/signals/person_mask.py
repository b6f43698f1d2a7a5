"""Where people are: a mask drawn from their joints or keypoints, and TokenMotion's M_prior made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kinema.scene.checks import check_shape, check_size
from kinema.scene.skeleton import OPENPOSE18, SMPL24
from kinema.signals.frames import SceneFrames
from kinema.signals.raster import CAPSULE, TRIANGLE, paint
from kinema.signals.signal import Signal, register

if TYPE_CHECKING:
    import torch

TORSO = (1, 2, 17, 16)
"""Hips and shoulders: the corners of the torso's hull."""

RADIUS = 0.08
"""Capsule radius as a share of the person's height in the image."""

# Ours: SMPL-24 ends at the base of the skull; one more neck's length above it the capsule covers the head.
_SKULL = (15, 24)
_HEIGHT_CHAIN = ((15, 12), (12, 9), (9, 6), (6, 3), (3, 0), (1, 4), (4, 7))
# The same of OpenPose-18, and the limbs that tell how tall somebody is: arms, thighs, shins, the torso's sides.
_TORSO_18 = (11, 8, 2, 5)
_BODY_LIMBS = ((2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13), (2, 8), (5, 11), (2, 5))
_STATURE = 1.70  # metres, of the rest pose


@register
class PersonMask(Signal):
    """Where people are, bool."""

    name = "person_mask"
    shape = ("B", "T", "H", "W")
    exact = True
    common = True

    def blank(self, lengths: Mapping[str, int]) -> torch.Tensor:
        return super().blank(lengths).bool()

    def of(self, frames: SceneFrames) -> torch.Tensor | None:
        import torch

        if frames.joints is not None and frames.joint_pixels is not None and frames.camera is not None:
            pixels, depth = frames.joint_pixels
            focal = frames.camera.intrinsics[:, 1]
            heights = [
                person_height_pixels(frames.joints[:, p], focal, depth[:, p]) for p in range(pixels.shape[1])
            ]
            mask = person_mask(pixels, frames.size, person_height=np.stack(heights, axis=1))
        elif frames.keypoints is not None:
            mask = keypoint_mask(frames.keypoints, frames.size)
        else:
            return None
        return torch.from_numpy(mask)[None]


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
        min_radius: pixels. None: 6 px, and in proportion below a picture height of 256.
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
    radii = np.fmax(radius * person_height, _min_radius(height) if min_radius is None else min_radius)
    top = 2 * joints[:, :, 15:16] - joints[:, :, 12:13]
    return _covered(
        np.concatenate([joints, top], axis=2), radii, [*SMPL24.bones, _SKULL], TORSO, (width, height)
    )


def keypoint_mask(keypoints: np.ndarray, size: tuple[int, int], *, radius: float = RADIUS) -> np.ndarray:
    """The mask of people of whom only keypoints in the picture are known, bool [T, H, W].

    As `person_mask`, along the limbs of OpenPose-18. How tall somebody would stand is told by the limbs that are there,
    at the proportions of the rest pose (ours): half a body counts as one that goes on outside the picture, and a
    foreshortened limb tells less than a long one.

    Args:
        keypoints: OpenPose-18 in pixels (pixel centres at +0.5), [T, P, 18, 2]; what touches NaN is left out.
        size: (width, height) in pixels.
        radius: of the capsules, as a share of the person's height in the image.

    Raises:
        ValueError: another shape.
    """
    size = check_size(size)
    keypoints = check_shape("keypoints", keypoints, (None, None, 18, 2))
    starts, stops = np.array(_BODY_LIMBS).T
    lengths = np.linalg.norm(keypoints[:, :, starts] - keypoints[:, :, stops], axis=-1)
    shares = np.linalg.norm(OPENPOSE18.rest[starts] - OPENPOSE18.rest[stops], axis=-1) / _STATURE
    tall = lengths / shares
    known = np.isfinite(tall).any(axis=-1)
    height = np.zeros(known.shape)
    height[known] = np.nanquantile(tall[known], 0.75, axis=-1)
    radii = np.fmax(radius * height, _min_radius(size[1]))
    return _covered(keypoints, radii, OPENPOSE18.bones, _TORSO_18, size)


def _covered(
    points: np.ndarray,
    radii: np.ndarray,
    bones: Sequence[tuple[int, int]],
    torso: tuple[int, ...],
    size: tuple[int, int],
) -> np.ndarray:
    """Capsules of a radius [T, P] along bones, and the hull of four points, bool [T, H, W]."""
    frames, people = points.shape[:2]
    ends = np.array(bones)
    # Four corners span a hull that is the union of their four triangles, whichever way the torso is twisted.
    corners = np.array([[torso[k] for k in range(4) if k != left_out] for left_out in range(4)])
    shape = np.zeros((frames, people, len(ends) + len(corners), 6))
    shape[:, :, : len(ends), :4] = points[:, :, ends].reshape(frames, people, -1, 4)
    shape[:, :, len(ends) :] = points[:, :, corners].reshape(frames, people, -1, 6)
    kind = np.tile([CAPSULE] * len(ends) + [TRIANGLE] * len(corners), people)
    canvas = np.zeros((frames, size[1], size[0], 1), np.uint8)
    paint(canvas, kind, shape.reshape(frames, -1, 6), np.repeat(radii, shape.shape[2], axis=1), np.ones(1))
    return canvas[..., 0].view(bool)


def _min_radius(height: int) -> float:
    """Pixels; ours: 6 are meant for 256 x 384, on a map of 96 rows they would swallow the background."""
    return 6.0 * min(1.0, height / 256)


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
    import torch
    import torch.nn.functional as F

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
