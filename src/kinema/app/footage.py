"""A user's video as footage: its frames on the frames of the new video, and where each of the captured people is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kinema.app.progress import Progress
from kinema.app.request import FromFile, FromVideo
from kinema.media.decoding import open_video
from kinema.passes.profile import filled
from kinema.passes.shot import Footage
from kinema.scene import Keypoints, Scene
from kinema.signals.frames import fill_picture, smpl24_joints
from kinema.signals.person_mask import person_height_pixels, person_mask


def footage_of(
    source: Any, scene: Scene, *, size: tuple[int, int], fps: float, frames: int, progress: Progress
) -> Footage:
    """The frames of a captured video, cropped to fill, the last one held; people by what was seen and by their joints.

    Masks are generous: what lies round the limbs of a person as they were detected, clothes and hair included.

    Args:
        source: the video, from its file or as `FromVideo`.
        scene: its capture, in step with the new video, with the camera of the pictures fitted to `size`.
        size: (width, height) of the new video.
        fps: its frames per second.
        frames: T.
        progress: of reading.

    Raises:
        ValueError: the scene has no camera.
        FormatError, FileNotFoundError: the video cannot be read.
    """
    if scene.camera is None:
        raise ValueError("the scene was not captured: it has no camera of the footage")
    pictures = np.empty((frames, size[1], size[0], 3), np.uint8)
    count = 0
    for picture in _frames(source, fps, frames / fps):
        if count == frames:
            break
        pictures[count] = filled(picture, size)
        count += 1
        progress.step("reading the footage", count, frames)
    pictures[count:] = pictures[count - 1]
    people = np.stack([_mask_of(scene, number, size) for number in range(len(scene.people))])
    held = np.arange(frames).clip(max=people.shape[1] - 1)
    return Footage(pictures, people[:, held])


def _frames(source: Any, fps: float, seconds: float) -> Iterator[np.ndarray]:
    """Frames at a rate, at least one."""
    video = source if isinstance(source, FromVideo) else None
    rate = source.source_fps if isinstance(source, (FromVideo, FromFile)) else None
    path = getattr(source, "path", source)
    start = 0.0 if video is None or video.start is None else video.start
    stop = (
        start + seconds if video is None or video.stop is None else min(video.stop + 1 / fps, start + seconds)
    )
    with open_video(path, start=start, stop=stop, fps=fps, source_fps=rate) as opened:
        for chunk in opened.chunks(8):
            yield from chunk


def _mask_of(scene: Scene, number: int, size: tuple[int, int]) -> np.ndarray:
    """Where one person is, bool [T, H, W]."""
    assert scene.camera is not None
    camera = scene.camera.resize(*size)
    joints = smpl24_joints(scene.people[number])
    pixels, depth = camera.project(joints)
    height = person_height_pixels(joints, camera.intrinsics[:, 1], depth)
    mask = person_mask(pixels[:, None], size, person_height=height[:, None])
    seen = None if scene.keypoints is None else scene.keypoints[number]
    if seen is not None:
        for t, shown in enumerate(_seen_masks(seen, len(mask), size)):
            mask[t] |= shown
    return mask


def _seen_masks(seen: Keypoints, frames: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Round the limbs that were detected in each frame, bool [H, W]."""
    import cv2

    from kinema.capture.body_mask import background_of_people
    from kinema.capture.observation import Observation

    points = fill_picture(seen.points, seen.size, size)
    for t in range(frames):
        at = points[min(t, len(points) - 1)]
        known = at[np.isfinite(at).all(axis=-1)]
        if not len(known):
            yield np.zeros((size[1], size[0]), bool)
            continue
        box = np.concatenate([known.min(axis=0), known.max(axis=0)])
        person = Observation(at, seen.confidence[min(t, len(points) - 1)], box, 1.0)
        free = background_of_people([person], seen.layout, size).astype(np.uint8)
        yield cv2.resize(free, size, interpolation=cv2.INTER_NEAREST) == 0
