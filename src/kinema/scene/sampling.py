"""A scene on the frames of a video: one time base, one length, one picture size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.checks import check_size


def sample_scene(
    scene: Scene,
    *,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    fps: float | None = None,
    pad: bool = False,
) -> tuple[tuple[Motion, ...], CameraPath]:
    """People and camera resampled by time and cut to `frames` frames, or held at their last one.

    Args:
        scene: with a camera.
        size: (width, height) that the camera is resized to (crop to fill). None: as it is.
        frames: of the result. None: as many as the scene has at `fps`.
        fps: of the result. None: the scene's.
        pad: repeat the last frame up to a length of 4k + 1.

    Raises:
        ValueError: the scene has no camera, or frames or fps are not positive.
    """
    fps = scene.fps if fps is None else fps
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be positive, got {fps}")
    if frames is not None and frames < 1:
        raise ValueError(f"frames must be at least 1, got {frames}")
    if scene.camera is None:
        raise ValueError("the scene has no camera: give it one with scene.with_camera(camera_path(...))")
    rates = {scene.fps, scene.camera.fps, *(person.fps for person in scene.people)}
    at_rate = scene if rates == {fps} else scene.at(fps)
    assert at_rate.camera is not None
    frames = at_rate.frames if frames is None else frames
    last = min(frames, at_rate.frames) - 1
    picked = np.arange(video_length(frames) if pad else frames).clip(max=last)
    camera = _camera_frames(at_rate.camera, picked)
    if size is not None:
        camera = camera.resize(*check_size(size))
    return tuple(_motion_frames(person, picked) for person in at_rate.people), camera


def video_length(frames: int) -> int:
    """The next length of the form 4k + 1, which a video model's latent frames need."""
    return 4 * -(-(frames - 1) // 4) + 1


def _camera_frames(camera: CameraPath, picked: np.ndarray) -> CameraPath:
    picked = picked.clip(max=camera.frames - 1)
    return replace(camera, c2w=camera.c2w[picked], intrinsics=camera.intrinsics[picked])


def _motion_frames(motion: Motion, picked: np.ndarray) -> Motion:
    picked = picked.clip(max=motion.frames - 1)
    return replace(
        motion,
        joints=motion.joints[picked],
        rotations=None if motion.rotations is None else motion.rotations[picked],
        confidence=None if motion.confidence is None else motion.confidence[picked],
    )
