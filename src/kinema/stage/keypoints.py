"""Where joints are in the picture, and whether they are seen."""

from __future__ import annotations

import numpy as np

from kinema.scene.scene import Scene
from kinema.stage.rig import PARENTS, body_scale

_TOLERANCE = np.full(24, 0.14)
_TOLERANCE[[0, 3, 6, 9, 1, 2, 13, 14]] = 0.22
_TOLERANCE[[15]] = 0.2


def project(scene: Scene, lens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joints in pixels [P, T, 24, 2] and their depth along the optical axis in metres [P, T, 24], float32.

    Args:
        scene: people and a camera in step, T frames each.
        lens: fx, fy, cx, cy of the filmed size, [T, 4].
    """
    assert scene.camera is not None
    frames = len(lens)
    joints = np.array([m.joints for m in scene.people], np.float64).reshape(-1, frames, 24, 3)
    c2w = np.asarray(scene.camera.c2w, np.float64)
    local = np.einsum("tji,ptnj->ptni", c2w[:, :3, :3], joints - c2w[None, :, None, :3, 3])
    depth = local[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = local[..., :2] / depth[..., None] * lens[None, :, None, :2] + lens[None, :, None, 2:]
    return pixels.astype(np.float32), depth.astype(np.float32)


def visible(
    keypoints: np.ndarray,
    keypoint_depth: np.ndarray,
    depth: np.ndarray,
    parts: np.ndarray,
    people: np.ndarray,
    scene: Scene,
) -> np.ndarray:
    """Which joints are seen, bool [P, T, 24].

    A joint counts as visible when it lies in the picture and in front of the camera, and the surface at its
    pixel is its own person's, belongs to its own segment or one next to it in the joint tree, and lies at
    most 0.14 m (limbs), 0.20 m (head) or 0.22 m (trunk) in front of it, times the body's scale: joints lie
    inside the body (ours).

    Args:
        keypoints: [P, T, 24, 2]; keypoint_depth: [P, T, 24].
        depth, parts, people: ground truth at pixel centres, [T, H, W].
        scene: the scene as filmed.
    """
    count, frames = keypoints.shape[:2]
    height, width = depth.shape[1:]
    near = np.eye(25, dtype=bool)
    for j, parent in enumerate(PARENTS):
        if parent >= 0:
            near[j + 1, parent + 1] = near[parent + 1, j + 1] = True
    near[0, :] = near[:, 0] = False
    at = np.where(np.isfinite(keypoints), keypoints, -1.0)
    column, row = np.floor(np.clip(at[..., 0], -1, width)), np.floor(np.clip(at[..., 1], -1, height))
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (keypoint_depth > 0)
    column, row = np.clip(column, 0, width - 1).astype(int), np.clip(row, 0, height - 1).astype(int)
    frame = np.arange(frames)[None, :, None]
    scale = np.ones((count, 1, 1))
    for p, motion in enumerate(scene.people):
        whole = np.isfinite(motion.joints).all(axis=(1, 2))
        scale[p] = body_scale(np.asarray(motion.joints, np.float64)[whole]) if whole.any() else 1.0
    own = people[frame, row, column] == np.arange(1, count + 1)[:, None, None]
    part = near[np.arange(1, 25)[None, None], parts[frame, row, column]]
    surface = depth[frame, row, column]
    behind = np.where(
        np.isfinite(surface), keypoint_depth - np.where(np.isfinite(surface), surface, 0.0), np.inf
    )
    return inside & own & part & (behind < _TOLERANCE * scale)
