"""Films of scenes as the stage shows them: every person played by the actor whom the scene names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.app.progress import Progress
from kinema.scene import CameraPath, Scene

if TYPE_CHECKING:
    from kinema.app.model_cache import ModelCache
    from kinema.app.request import VideoRequest
    from kinema.stage import Actor, Sticks, World

LONGER_SIDE = 640
"""Pixels of a film of the stage, where no size is asked for (ours)."""
MAX_FPS = 30.0
"""Frames per second at most (ours)."""


def still(scene: Scene, actors: Sequence[int], moment: float, size: tuple[int, int]) -> np.ndarray:
    """One moment of a scene on the stage, seen by its camera, uint8 [H, W, 3].

    Args:
        scene: with a camera.
        actors: seeds; the first chooses the place as well, and people for whom no other is named.
        moment: seconds.
        size: (width, height).
    """
    from kinema.stage.filming import film

    assert scene.camera is not None
    seconds = min(max(moment, 0.0), scene.duration)
    now = scene.crop(seconds, seconds)
    assert now.camera is not None
    now = now.with_camera(now.camera.resize(*size))
    return next(film(now, *cast_of(now, actors))).rgb[0]


def cast_of(scene: Scene, actors: Sequence[int]) -> tuple[list[Actor | Sticks], World]:
    """Who plays the people of a scene, and where.

    Args:
        scene: with a camera.
        actors: as `still` takes them.
    """
    from kinema.stage.filming import casting

    cast, world = casting(actors[0], scene)
    others = [casting(seed, scene)[0][0] for seed in actors[1 : len(scene.people)]]
    return [*cast[:1], *others, *cast[len(actors) :]], world


def staged(request: VideoRequest, progress: Progress, models: ModelCache) -> Scene:
    """The scene that a request wants filmed: everybody, unless it names people, at the film's size and rate.

    Args:
        request: with a scene, a motion or words.
        progress: told how far it is.
        models: makes the motion where it comes from words.

    Raises:
        ValueError, OSError: what a person can mend.
    """
    from kinema.app.capturing import scene_of
    from kinema.app.request import FromPrompt, ModelChoice
    from kinema.app.request_inputs import moved_by_words, part_of, split_prompt
    from kinema.app.server.group_camera import group_camera
    from kinema.scene.cast import chosen, for_stage
    from kinema.scene.framing import direct, frame_count, given_camera

    source, camera, direction = request.motion, request.camera, request.direction
    assert isinstance(request.model, ModelChoice)
    if isinstance(source, FromPrompt):
        parts = split_prompt(request.prompt, source, progress)
        camera = parts.camera if camera is None else camera
        scene = moved_by_words(parts.motion, request, models, progress)
    else:
        scene = scene_of(source, progress, everybody=True)  # type: ignore[arg-type]  # no prompt
        scene = part_of(scene, direction.part, direction, progress)
    scene = for_stage(chosen(scene, "all" if direction.people is None else direction.people))
    size = request.model.size or _size(scene.camera)
    fps = min(scene.fps, MAX_FPS)
    lengths = [each for each in (direction.seconds, direction.longest) if each is not None]
    seconds = min(lengths, default=None)
    path = None if camera is None else given_camera(camera)
    if len(scene.people) > 1 and (isinstance(path, str) or (path is None and scene.camera is None)):
        frames = frame_count(scene, fps, seconds)
        words = path or "static"
        path = group_camera(
            scene.people, words, size=size, fps=fps, frames=frames, tracking=direction.tracking
        )
    return direct(
        scene,
        size=size,
        fps=fps,
        people="all",
        camera=path,
        tracking=direction.tracking,
        seconds=seconds,
        centre=direction.centre,
        say=progress.note,
    )


def filmed(scene: Scene, actors: Sequence[int], progress: Progress) -> Iterator[np.ndarray]:
    """Frames of a scene on the stage, uint8 [H, W, 3]."""
    from kinema.stage.filming import film

    assert scene.camera is not None
    done, frames = 0, scene.camera.frames
    progress.stage("filming")
    for take in film(scene, *cast_of(scene, actors)):
        for frame in take.rgb:
            done += 1
            yield frame
            progress.step("filming", done, frames)


def settings_of(scene: Scene, request: VideoRequest, actors: Sequence[int]) -> dict[str, Any]:
    """What is needed to make the film again, apart from the inputs."""
    assert scene.camera is not None
    return {
        "backbone": "stage",
        "prompt": request.prompt,
        "frames": scene.camera.frames,
        "fps": scene.camera.fps,
        "size": list(scene.camera.size),
        "actors": list(actors),
    }


def _size(camera: CameraPath | None) -> tuple[int, int]:
    """The camera's own shape, large enough to be watched."""
    width, height = (3, 4) if camera is None else camera.size
    share = LONGER_SIDE / max(width, height)
    return round(width * share / 2) * 2, round(height * share / 2) * 2
