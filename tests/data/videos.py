"""Small videos and their companions for the tests of data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kinema.media.video import write_video
from kinema.scene import Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.skeleton import SMPL24


def colours(frames: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Patches of colour that brighten, uint8 [T, H, W, 3]."""
    patches = np.random.default_rng(seed).integers(20, 120, (size[1] // 8, size[0] // 8, 3))
    picture = patches.repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([(picture + 4 * t).astype(np.uint8) for t in range(frames)])


def make_video(path: Path, frames: int = 24, size: tuple[int, int] = (48, 64), seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, colours(frames, size, seed), 12.0)
    return path


def gliding(frames: int = 24, size: tuple[int, int] = (48, 64)) -> Scene:
    """Somebody in the rest pose gliding forwards under an arc, at 12 fps."""
    joints = np.repeat(SMPL24.rest[None], frames, axis=0)
    joints[:, :, 2] += np.linspace(0, 0.4, frames)[:, None]
    motion = Motion(joints, 12.0, SMPL24)
    camera = camera_path("arc left 30deg", size=size, fps=12.0, frames=frames, subject=motion)
    return Scene((motion,), camera, 12.0)
