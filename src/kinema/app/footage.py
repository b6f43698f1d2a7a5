"""A user's video as footage: its frames on the frames of the new video, and where each of the captured people is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from kinema.app.progress import Progress
from kinema.app.request import FromFile, FromVideo
from kinema.passes.shot import Footage
from kinema.scene import Scene

_NAME = "finding who is replaced"


def footage_of(source: Any, scene: Scene, frames: int, progress: Progress) -> Footage:
    """The frames of a captured video, cropped to fill as its camera is, the last one held; people segmented in them.

    Args:
        source: the video, from its file or as `FromVideo`.
        scene: its capture in step with the new video, with the camera of the pictures fitted to it.
        frames: T, at least those of the scene.
        progress: told how far it is.

    Raises:
        ValueError: nobody is seen where somebody was captured.
        DetectorUnavailable: the networks that segment people are missing.
        FormatError, FileNotFoundError: the video cannot be read.
    """
    from kinema.capture.person_masks import person_masks

    camera = scene.camera
    assert camera is not None
    pictures = np.stack(list(_frames(source, scene)))
    progress.stage(_NAME)
    people = person_masks(
        pictures, scene.people, camera, lambda done, total: progress.step(_NAME, done, total)
    )
    if not people.any():
        raise ValueError(
            f"{os.fspath(getattr(source, 'path', source))}: nobody is seen where somebody was captured"
        )
    held = np.arange(frames).clip(max=camera.frames - 1)
    return Footage(pictures[held], people[:, held])


def _frames(source: Any, scene: Scene) -> Iterator[np.ndarray]:
    """As many frames as the scene has, at its rate and its camera's size, uint8 [H, W, 3] each."""
    from PIL import Image

    from kinema.media.decoding import open_video
    from kinema.media.windows import window_round

    camera = scene.camera
    assert camera is not None
    path = getattr(source, "path", source)
    start = source.start if isinstance(source, FromVideo) else None
    rate = source.source_fps if isinstance(source, (FromVideo, FromFile)) else None
    shown, given = np.empty(0, np.uint8), 0
    with open_video(path, start=start, fps=scene.fps, source_fps=rate) as film:
        box = window_round(film.size, camera.size)
        for chunk in film.chunks(8):
            for frame in chunk[: camera.frames - given]:
                shown = np.asarray(
                    Image.fromarray(frame).resize(camera.size, Image.Resampling.LANCZOS, box=box)
                )
                yield shown
                given += 1
            if given == camera.frames:
                return
    for _ in range(camera.frames - given):
        yield shown
