"""Films motion clips on the stage: a scene, a take of it, and a reference picture of the same character.

The reference picture is what the first camera sees before the motion begins: the character standing relaxed where the
motion starts, turned towards the camera, with the motion's own bones (`standing`). A film may start later than its
reference (`start`), as the later windows of a long video do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kinema.data.motion_library import MotionClip
from kinema.data.standing import standing
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera_language import Tracking, camera_path, random_camera
from kinema.stage import Actor, Take, World, photo_studio, random_actor, shoot
from kinema.stage.filming import stands_aside

TRACKINGS: tuple[Tracking, ...] = ("none", "pan", "follow")


@dataclass(frozen=True)
class FilmedClip:
    """One clip on film.

    Args:
        take: what the stage returned for the filmed frames.
        reference: the character standing, uint8 [H, W, 3].
        scene: people and camera from the reference's moment on; the film begins at frame `start` of it.
        start: first filmed frame of the scene.
        caption: what the person does.
        camera: the camera text.
        clip_id: the clip's name in the library.
        world: the studio, in which a judge can look for the camera.
        actor: who plays the person.
    """

    take: Take
    reference: np.ndarray
    scene: Scene
    start: int
    caption: str
    camera: str
    clip_id: str
    world: World
    actor: Actor


def film_clip(
    clip: MotionClip,
    *,
    size: tuple[int, int],
    fps: float,
    frames: int,
    seed: int | list[int],
    camera: str | None = None,
    azimuth: float | None = None,
    begin: float | None = None,
    start: int = 0,
    antialias: int = 2,
    companion: MotionClip | None = None,
) -> FilmedClip:
    """Films a part of a clip with a random character in a random photo studio.

    Args:
        clip: the motion; shorter clips are held at their last frame.
        size: (width, height) in pixels.
        fps: frames per second of the film.
        frames: length of the film.
        seed: of every choice.
        camera: camera text; random where None.
        azimuth: degrees from which the camera first sees the person, 0 = front; random where None.
        begin: second of the clip at which the scene begins; random where None.
        start: frames of the scene before the film begins.
        antialias: samples along each axis of a pixel.
        companion: what a second person does, beside the first or crossing their way; the camera follows the first.
    """
    rng = np.random.default_rng(seed)
    text = random_camera(rng) if camera is None else camera
    if azimuth is None:
        azimuth = float(rng.normal(0, 50)) if rng.random() < 0.85 else float(rng.uniform(-180, 180))
    motion = _part(clip, fps, start + frames, rng, begin)
    framing: dict[str, Any] = {
        "size": size,
        "fps": fps,
        "azimuth": azimuth,
        "fill": float(rng.uniform(0.58, 0.72)),
        "seed": int(rng.integers(1 << 31)),
    }
    tracking: Tracking = TRACKINGS[int(rng.choice(3, p=[0.4, 0.2, 0.4]))]
    path = frame_subject(motion, text, tracking=tracking, **framing)
    if not _in_picture(motion, path):
        path = frame_subject(motion, text, tracking="follow", **framing)
    if camera is None and not _in_picture(motion, path):
        text = "static"
        path = frame_subject(motion, text, tracking="follow", **framing)
    root = motion.joints[0, 0]
    world = photo_studio(rng, centre=(float(root[0]), float(root[2])))
    cast = [random_actor(rng)]
    people = [motion]
    caption = clip.captions[int(rng.integers(len(clip.captions)))]
    turns = [float(rng.normal(0, 12))]
    if companion is not None:
        people.append(accompany(motion, _part(companion, fps, start + frames, rng), path, rng))
        cast.append(random_actor(rng))
        turns.append(float(rng.normal(0, 12)))
    cast = [actor.playing(person) for actor, person in zip(cast, people, strict=True)]
    aside = (prop for prop in world.props if all(stands_aside(prop, person, path) for person in people))
    world = replace(world, props=tuple(aside))
    scene = Scene(tuple(people), path, fps, caption)
    part = replace(
        scene,
        people=tuple(_slice(person, start, start + frames) for person in people),
        camera=_slice_camera(path, start, start + frames),
    )
    poses = tuple(
        standing(person, facing=path.c2w[0, :3, 3], turn=turn)
        for person, turn in zip(people, turns, strict=True)
    )
    still = Scene(poses, _slice_camera(path, 0, 1), fps)
    return FilmedClip(
        take=shoot(part, cast, world, antialias=antialias),
        reference=shoot(still, cast, world, antialias=antialias).rgb[0],
        scene=scene,
        start=start,
        caption=scene.text or "",
        camera=text,
        clip_id=clip.id,
        world=world,
        actor=cast[0],
    )


def frame_subject(
    motion: Motion,
    text: str,
    *,
    size: tuple[int, int],
    fps: float,
    azimuth: float = 0.0,
    fill: float = 2 / 3,
    tracking: Tracking = "none",
    seed: int = 0,
) -> CameraPath:
    """A camera path that begins `azimuth` degrees round the subject from its front (+ = towards its left)."""
    common: dict[str, Any] = {"size": size, "fps": fps, "subject": motion, "seed": seed}
    front = camera_path("static", frames=1, fill=fill, keep_in_frame=tracking == "none", **common).c2w[0]
    centre = motion.joints[0, 0] * [1.0, 0.0, 1.0]
    angle = np.radians(azimuth)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    begin = np.eye(4)
    begin[:3, :3] = turn @ front[:3, :3]
    begin[:3, 3] = turn @ (front[:3, 3] - centre) + centre
    return camera_path(text, frames=motion.frames, start=begin, tracking=tracking, **common)


def accompany(motion: Motion, companion: Motion, camera: CameraPath, rng: np.random.Generator) -> Motion:
    """The companion moved and turned on the floor so that the two share the picture (ours).

    Half of the time they start 0.5 to 0.75 m to the side of the first person as the camera sees it, turned anyhow; else
    their way leads across the picture, in front of the first person or behind, and is crossed halfway through. Who
    would come nearer than 0.5 m is moved away from the camera until they do not.

    Args:
        motion: the first person, SMPL-24.
        companion: as many frames at the same rate.
        camera: of the scene.
        rng: of every choice.
    """
    right = camera.c2w[0, [0, 2], 0] / max(np.linalg.norm(camera.c2w[0, [0, 2], 0]), 1e-9)
    away = motion.joints[0, 0, [0, 2]] - camera.c2w[0, [0, 2], 3]
    away /= max(np.linalg.norm(away), 1e-9)
    way = companion.joints[-1, 0, [0, 2]] - companion.joints[0, 0, [0, 2]]
    side = float(rng.choice([-1.0, 1.0]))
    middle = companion.frames // 2
    if rng.random() < 0.5 or np.linalg.norm(way) < 0.5:
        angle = float(rng.uniform(-np.pi, np.pi))
        moment, place = 0, side * rng.uniform(0.5, 0.75) * right + rng.uniform(-0.3, 0.9) * away
    else:
        angle = np.arctan2(way[1], way[0]) - np.arctan2(side * right[1], side * right[0])
        moment, place = middle, float(rng.choice([-0.7, 0.8])) * away
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    joints = (companion.joints - companion.joints[moment, 0] * [1, 0, 1]) @ turn.T
    joints[..., [0, 2]] += motion.joints[moment, 0, [0, 2]] + place
    while np.linalg.norm((joints - motion.joints)[:, 0, [0, 2]], axis=-1).min() < 0.5:
        joints[..., [0, 2]] += 0.2 * away
    return replace(companion, joints=joints, rotations=None)


def _part(
    clip: MotionClip, fps: float, frames: int, rng: np.random.Generator, begin: float | None = None
) -> Motion:
    """So many frames of a clip from second `begin` (random where None) on, held at its last frame."""
    motion = clip.motion()
    latest = max(0.0, motion.duration - (frames - 1) / fps)
    first = float(rng.uniform(0, latest)) if begin is None else min(begin, latest)
    times = np.minimum(first + np.arange(frames) / fps, motion.duration)
    return motion.resample(fps, times=times)


def _in_picture(motion: Motion, camera: CameraPath) -> bool:
    """Whether at least three in four joints are inside the picture in every frame."""
    pixels, depth = camera.project(motion.joints)
    inside = (pixels >= 0).all(-1) & (pixels < np.array(camera.size)).all(-1) & (depth > 0)
    return bool(inside.mean(axis=1).min() >= 0.75)


def _slice(motion: Motion, start: int, stop: int) -> Motion:
    return Motion(joints=motion.joints[start:stop], fps=motion.fps, skeleton=motion.skeleton)


def _slice_camera(camera: CameraPath, start: int, stop: int) -> CameraPath:
    return replace(camera, c2w=camera.c2w[start:stop], intrinsics=camera.intrinsics[start:stop])
