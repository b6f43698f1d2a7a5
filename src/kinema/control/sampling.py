"""A scene on the frames of a video: one time base, one length, one picture size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kinema.control.checks import check_size
from kinema.scene import CameraPath, Motion, Scene


def sample_scene(
    scene: Scene, *, size: tuple[int, int] | None = None, frames: int | None = None, fps: float | None = None
) -> Scene:
    """The scene resampled by time, cut to `frames` frames or held at its last one.

    Args:
        scene: people, camera or both.
        size: (width, height) that the camera is resized to (crop to fill). None: as it is.
        frames: of the result. None: as many as the scene has at `fps`.
        fps: of the result. None: the scene's.

    Raises:
        ValueError: frames or fps are not positive.
    """
    fps = scene.fps if fps is None else fps
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be positive, got {fps}")
    if frames is not None and frames < 1:
        raise ValueError(f"frames must be at least 1, got {frames}")
    if any(part.fps != fps for part in (scene, *scene.people, *_cameras(scene))):
        scene = scene.at(fps)
    if frames is None:
        frames = scene.frames
    people = tuple(_hold(person, frames) for person in scene.people)
    camera = None if scene.camera is None else _hold(scene.camera, frames)
    if camera is not None and size is not None:
        camera = camera.resize(*check_size(size))
    return replace(scene, people=people, camera=camera)


def video_length(frames: int) -> int:
    """The next length of the form 4k + 1, which a video model's latent frames need."""
    return 4 * -(-(frames - 1) // 4) + 1


def _cameras(scene: Scene) -> tuple[CameraPath, ...]:
    return () if scene.camera is None else (scene.camera,)


def _hold(part: Motion | CameraPath, frames: int) -> Motion | CameraPath:
    """Cut to `frames`, or the last frame repeated up to there."""
    if part.frames == frames:
        return part
    picked = np.minimum(np.arange(frames), part.frames - 1)
    if isinstance(part, CameraPath):
        return replace(part, c2w=part.c2w[picked], intrinsics=part.intrinsics[picked])
    optional = {
        name: None if getattr(part, name) is None else getattr(part, name)[picked]
        for name in ("rotations", "confidence")
    }
    return replace(part, joints=part.joints[picked], **optional)
