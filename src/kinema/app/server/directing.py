"""A request in people, words and keyframes becomes motions and a scene."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.app.server.camera_words import understand
from kinema.app.server.group_camera import group_camera
from kinema.app.server.schemas import CameraKey, MotionRequest, Placing, SceneCamera, Waypoint
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera import intrinsics_from_fov, look_at
from kinema.scene.camera_language import camera_path
from kinema.scene.framing import MAX_VIDEO_FRAMES, scene_camera
from kinema.scene.skeleton import SMPL24

if TYPE_CHECKING:
    from kinema.motion.constraints import Constraint
    from kinema.motion.generator import MotionGenerator

Progress = Callable[[int, int], None]
SCENE_FPS = 20.0
"""Of scenes that are directed here: the rate at which motion is made from text."""


def make_motion(generator: MotionGenerator, request: MotionRequest, progress: Progress) -> Motion:
    """The motion of a prompt or of blocks, with its constraints.

    Args:
        generator: of motion.
        request: one with a prompt or blocks.
        progress: called with (passes done, passes in all).

    Raises:
        ValueError: what was asked for contradicts itself or cannot be made.
    """
    from kinema.motion.timeline import Block, Timeline
    from kinema.motion.timeline_motion import make_timeline

    options: dict[str, Any] = {"style": request.style, "constraints": constraints(request)}
    if request.blocks:
        blocks = [Block(b.text, b.start, b.end, tuple(b.parts)) for b in request.blocks]
        return make_timeline(generator, Timeline(tuple(blocks)), request.seed, progress, **options)
    return generator(request.prompt, request.seconds, request.seed, progress=progress, **options)


def constraints(request: MotionRequest) -> list[Constraint]:
    """What a request says must hold.

    Raises:
        ValueError: a time or place that means nothing.
    """
    from kinema.motion.constraints import JointTarget, Known, RootPath

    held: list[Constraint] = [JointTarget(t.joint, t.time, t.position) for t in request.targets]
    for pose in request.poses:
        motion = Motion(np.array([pose.joints], dtype=np.float64), SCENE_FPS, SMPL24)
        held.append(Known(motion, at=pose.time))
    if request.path:
        held.append(
            RootPath(
                np.array([[point.x, point.z] for point in request.path]),
                [point.time for point in request.path],
                _headings(request.path),
            )
        )
    return held


def _headings(path: Sequence[Waypoint]) -> list[float] | None:
    """Degrees at every point of a path, along the way where only others say; None where none does."""
    if all(point.heading is None for point in path):
        return None
    said = []
    for number, point in enumerate(path):
        before, after = path[max(number - 1, 0)], path[min(number + 1, len(path) - 1)]
        along = math.degrees(math.atan2(after.x - before.x, after.z - before.z))
        said.append(along if point.heading is None else point.heading)
    return said


def put(motion: Motion, placing: Placing) -> Motion:
    """The motion where a scene wants it: turned about its start, moved over the floor, waiting in its first pose."""
    start = motion.joints[0, 0] * [1.0, 0.0, 1.0]
    placed = motion.rotate_y(placing.turn, about=start).translate([placing.x, 0.0, placing.z])
    waits = round(placing.delay * placed.fps)
    if not waits:
        return placed

    def held(array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else np.concatenate([np.repeat(array[:1], waits, axis=0), array])

    joints = held(placed.joints)
    assert joints is not None
    return replace(
        placed, joints=joints, rotations=held(placed.rotations), confidence=held(placed.confidence)
    )


def make_scene(
    people: Sequence[Motion],
    camera: SceneCamera,
    size: tuple[int, int],
    seconds: float | None,
    text: str | None,
) -> Scene:
    """People, placed, seen by the camera that was asked for; whoever ends earlier holds their last pose.

    Args:
        people: SMPL-24.
        camera: in words or keys.
        size: (width, height) of the picture.
        seconds: length; the longest motion's where None.
        text: what happens.

    Raises:
        ValueError: words outside the camera language, keys that look nowhere, or no such person to look at.
    """
    if people and camera.person is not None and not camera.person < len(people):
        raise ValueError(f"the camera follows person {camera.person}, but there are {len(people)}, from 0")
    length = max((person.duration for person in people), default=0.0) if seconds is None else seconds
    frames = min(round(length * SCENE_FPS) + 1, MAX_VIDEO_FRAMES)
    times = np.arange(frames) / SCENE_FPS
    cast = tuple(p.resample(SCENE_FPS, np.minimum(times, p.duration)) for p in people)
    if camera.keys:
        return Scene(cast, keyed_camera(camera.keys, size=size, times=times), SCENE_FPS, text)
    words = understand(camera.text).camera  # words only: a request names no camera file
    if len(cast) > 1 and camera.person is None:
        whole = group_camera(cast, words, size=size, fps=SCENE_FPS, frames=frames, tracking=camera.tracking)
        return Scene(cast, whole, SCENE_FPS, text)
    placeholder = None if cast else camera_path("static", size=size, fps=SCENE_FPS, frames=1)
    scene = Scene(cast, placeholder, SCENE_FPS, text)
    path = scene_camera(
        scene,
        words,
        size=size,
        fps=SCENE_FPS,
        frames=frames,
        person=(camera.person or 0) if cast else 0,
        tracking=camera.tracking,
    )
    return scene.with_camera(path)


def keyed_camera(keys: Sequence[CameraKey], *, size: tuple[int, int], times: np.ndarray) -> CameraPath:
    """A camera through keyframes, at rest before the first and after the last; smooth, without overshoot, between.

    Args:
        keys: by rising time.
        size: (width, height).
        times: seconds of the frames, evenly spaced, [T].

    Raises:
        ValueError: a key whose camera stands where it looks.
    """
    from scipy.interpolate import PchipInterpolator

    values = np.array([[*key.position, *key.target, key.fov] for key in keys])
    if len(keys) > 1:
        at = np.array([key.time for key in keys])
        path = PchipInterpolator(at, values)(np.clip(times, at[0], at[-1]))
    else:
        path = np.repeat(values, len(times), axis=0)
    apart = np.linalg.norm(path[:, :3] - path[:, 3:6], axis=1)
    if apart.min() < 0.01:
        moment = times[int(apart.argmin())]
        raise ValueError(f"at {moment:g} s the camera stands where it looks; move its position or its target")
    poses = np.stack([look_at(row[:3], row[3:6]) for row in path])
    lenses = np.array([intrinsics_from_fov(fov, size) for fov in path[:, 6]])
    fps = 1 / (times[1] - times[0]) if len(times) > 1 else SCENE_FPS
    return CameraPath(poses, lenses, size, fps)
