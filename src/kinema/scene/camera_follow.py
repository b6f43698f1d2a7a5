"""A camera's movement begun elsewhere, for another body: what it went along with the person it still goes along."""

from __future__ import annotations

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.scene.motion import Motion

_FOLLOWS = 0.3  # metres a person must move before a camera can be said to follow


def follow(
    old: CameraPath | None,
    first: np.ndarray,
    picture: CameraPath,
    before: Motion,
    after: Motion,
    frames: int,
    fps: float,
    walks: np.ndarray | None = None,
) -> CameraPath:
    """The scene's own camera movement, begun at another first pose.

    Args:
        old: the scene's; None stands still.
        first: the first pose, camera to world, [4, 4].
        picture: whose lens and size are kept.
        before, after: the motion that it filmed, and the one that it films now.
        frames, fps: of the result.
        walks: a way that the camera goes along with, metres [T, 3]; by default as much of the new motion's own as the
            old camera went along with the old one's.
    """
    lens = np.tile(picture.intrinsics[0], (frames, 1))
    poses = np.tile(first, (frames, 1, 1))
    if old is None or frames == 1:
        poses[:, :3, 3] += 0.0 if walks is None else walks
        return CameraPath(poses, lens, picture.size, fps)
    lens[:, :2] *= old.intrinsics[:frames, :2] / old.intrinsics[0, :2]  # a zoom stays a zoom
    rotations = about_y(heading_of(first[:3, 2]) - heading_of(old.c2w[0, :3, 2]))
    moved = old.c2w[:frames, :3, 3] - old.c2w[0, :3, 3]
    paths = [_known(motion.root_path()[:frames]) for motion in (before, after)]
    walked, own_walk = (path - path[0] for path in paths)
    share = 0.0
    if np.linalg.norm(walked, axis=1).max() > _FOLLOWS:
        share = float(np.clip((moved * walked).sum() / (walked**2).sum(), 0, 1))
    far, near = (float(np.linalg.norm(pose[:3, 3] - paths[0][0])) for pose in (first, old.c2w[0]))
    own = (moved - share * walked) * (far / max(near, 1e-6))
    poses[:, :3, 3] += own @ rotations.T + (share * own_walk if walks is None else walks)
    turned = old.c2w[:frames, :3, :3] @ old.c2w[0, :3, :3].T
    poses[:, :3, :3] = rotations @ turned @ rotations.T @ first[:3, :3]
    return CameraPath(poses, lens, picture.size, fps)


def _known(path: np.ndarray) -> np.ndarray:
    """A path without gaps, on lines between its known points."""
    frames, known = np.arange(len(path)), np.flatnonzero(np.isfinite(path[:, 0]))
    return np.stack([np.interp(frames, known, path[known, axis]) for axis in range(3)], axis=1)


def heading_of(direction: np.ndarray) -> float:
    """Of a direction [3] over the floor, radians about +Y from +Z."""
    return float(np.arctan2(direction[0], direction[2]))


def about_y(angle: float) -> np.ndarray:
    """A turn about the vertical axis by radians, [3, 3]."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
