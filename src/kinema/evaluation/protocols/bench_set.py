"""The factorially independent test set: pose, camera, identity, background and seed are drawn apart, and edited apart.

Every base is edited in one factor at a time, at four magnitudes, with everything else kept: reference picture, text
and noise included where the factor does not touch them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kinema.data.filming import frame_subject
from kinema.data.motion_library import MotionClip, MotionLibrary
from kinema.evaluation.protocols.control_clips import INSIDE_LEAST, STILL_LIMIT, liveliest
from kinema.evaluation.protocols.staging import Setting, Staged, stage
from kinema.scene import CameraPath, Motion
from kinema.scene import quaternions as quat
from kinema.stage import Actor, World, make_body, photo_studio, random_actor
from kinema.stage.filming import stands_aside
from kinema.stage.wardrobe import Colour

FACTORS = ("pose", "camera", "identity", "background", "seed")
SHARES = (0.25, 0.5, 0.75, 1.0)
"""Magnitudes of an edit of pose, identity or background: how far from the base towards another draw."""
TURNS = (15.0, 30.0, 45.0, 60.0)
"""Magnitudes of an edit of the camera: degrees by which its arc differs from the base's."""
BASE_ARCS = (-30.0, 0.0, 30.0)
_COLOURS = ("skin", "hair", "shirt", "trousers", "shoes", "stripe", "skirt_colour", "coat_colour")
_GIRTHS = ("trunk", "shoulders", "hips", "arms", "legs", "head", "belly", "bust")
_PAINT = ("floor", "floor_alternate", "line", "horizon", "zenith")


@dataclass(frozen=True)
class Base:
    """A film and its edits.

    Args:
        film: before any edit.
        edits: per factor, the films at the four magnitudes; of `seed`, the same film under four other seeds.
        clip_ids: the motion's clip and the one that the pose is edited towards.
    """

    film: Staged
    edits: dict[str, tuple[Staged, ...]]
    clip_ids: tuple[str, str]

    @property
    def films(self) -> list[Staged]:
        """The base, then all edits in the order of FACTORS."""
        return [self.film, *(film for factor in FACTORS for film in self.edits[factor])]


def factorial_set(
    library: MotionLibrary, count: int, *, size: tuple[int, int], fps: float, frames: int, seed: int = 0
) -> list[Base]:
    """Draws and films bases with their edits.

    Each factor has a random stream of its own, so that no two factors are related over the bases. Kept are bases
    in which the person stays in the picture under every edit.

    Args:
        library: all splits; `test` is used.
        count: bases wanted.
        size: (width, height) in pixels; fps: frames per second; frames: of each film.
        seed: of every choice.

    Raises:
        ValueError: not enough motions of the test split move and stay in the picture.
    """
    streams = {name: np.random.default_rng([seed, number]) for number, name in enumerate((*FACTORS, "view"))}
    clips = _lively(library.split("test"), streams["pose"], (frames - 1) / fps)
    bases: list[Base] = []
    for (clip, begin), (other, other_begin) in clips:
        motion = _part(clip, begin, fps, frames)
        target = _part(other, other_begin, fps, frames)
        base = _film_base(motion, target, clip, streams, size, fps)
        if base is not None:
            bases.append(Base(*base, (clip.id, other.id)))
        if len(bases) == count:
            return bases
    raise ValueError(f"only {len(bases)} of {count} bases could be filmed; ask for fewer")


def blended(motion: Motion, target: Motion, share: float) -> Motion:
    """A motion whose joint rotations go part of the way to those of another, body and way over the floor kept.

    The target is first turned to face as the motion does in the first frame; rotations go along the shortest arc.

    Args:
        motion, target: SMPL-24, the same number of frames.
        share: 0 for the motion's own pose, 1 for the target's.
    """
    source = motion.with_rotations()
    yaw = np.degrees([np.arctan2(*each.facing()[0][[0, 2]]) for each in (motion, target)])
    towards = target.rotate_y(float(yaw[0] - yaw[1]), about=target.joints[0, 0]).retarget(source.skeleton)
    towards = towards.with_rotations()
    assert source.rotations is not None
    assert towards.rotations is not None
    rotations = quat.slerp(source.rotations, towards.rotations, share)
    moved = Motion.from_rotations(rotations, source.joints[:, 0], motion.fps, source.skeleton)
    lowest = (1 - share) * motion.joints[..., 1].min(1) + share * towards.joints[..., 1].min(1)
    lift = lowest - moved.joints[..., 1].min(1)
    joints = moved.joints + lift[:, None, None] * np.array([0.0, 1.0, 0.0])
    return Motion(joints, motion.fps, motion.skeleton)


def between_actors(actor: Actor, other: Actor, share: float) -> Actor:
    """An actor whose colours and girth go part of the way to another's; cut of clothes and hair stay."""
    outfit: dict[str, Any] = {
        name: _mixed(getattr(actor.outfit, name), getattr(other.outfit, name), share) for name in _COLOURS
    }
    girth = {
        name: (1 - share) * getattr(actor.body.shape, name) + share * getattr(other.body.shape, name)
        for name in _GIRTHS
    }
    return Actor(make_body(replace(actor.body.shape, **girth), "low"), replace(actor.outfit, **outfit))


def between_worlds(world: World, other: World, share: float) -> World:
    """A studio whose colours go part of the way to another's; what stands where stays, and so does the light."""
    paint: dict[str, Any] = {
        name: _mixed(getattr(world, name), getattr(other, name), share) for name in _PAINT
    }
    colours = [prop.colour for prop in other.props] or [other.horizon]
    props = tuple(
        replace(prop, colour=_mixed(prop.colour, colours[number % len(colours)], share))
        for number, prop in enumerate(world.props)
    )
    return replace(world, props=props, **paint)


def _film_base(
    motion: Motion,
    target: Motion,
    clip: MotionClip,
    streams: dict[str, np.random.Generator],
    size: tuple[int, int],
    fps: float,
) -> tuple[Staged, dict[str, tuple[Staged, ...]]] | None:
    """A base with its edits, or None where somebody leaves the picture."""
    actor, other_actor = (random_actor(streams["identity"]) for _ in range(2))
    root = motion.joints[0, 0]
    centre = (float(root[0]), float(root[2]))
    world, other_world = (photo_studio(streams["background"], centre) for _ in range(2))
    arc = float(streams["camera"].choice(BASE_ARCS))
    side = -np.sign(arc) or float(streams["camera"].choice((-1.0, 1.0)))
    azimuth = float(streams["view"].normal(0, 50))
    seeds = [int(each) for each in streams["seed"].integers(0, 1 << 31, 1 + len(SHARES))]

    def path(degrees: float) -> CameraPath:
        words = f"arc {'left' if degrees > 0 else 'right'} {abs(degrees):g}deg" if degrees else "static"
        return frame_subject(motion, words, size=size, fps=fps, azimuth=azimuth, fill=0.6, tracking="follow")

    paths = [path(arc), *(path(arc + side * turn) for turn in TURNS)]
    props = (prop for prop in world.props if all(stands_aside(prop, motion, each) for each in paths))
    world = replace(world, props=tuple(props))
    base = Setting(motion, paths[0], actor, world, clip.captions[0], seeds[0])
    edited = {
        "pose": [replace(base, motion=blended(motion, target, share)) for share in SHARES],
        "camera": [replace(base, camera=each) for each in paths[1:]],
        "identity": [replace(base, actor=between_actors(actor, other_actor, share)) for share in SHARES],
        "background": [replace(base, world=between_worlds(world, other_world, share)) for share in SHARES],
    }
    if not all(_in_sight(setting, size) for setting in (base, *edited["pose"], *edited["camera"])):
        return None
    film = stage(base)
    edits = {factor: tuple(stage(setting) for setting in settings) for factor, settings in edited.items()}
    edits["pose"] = tuple(replace(each, reference=film.reference) for each in edits["pose"])  # the pose alone
    edits["seed"] = tuple(replace(film, setting=replace(base, seed=other)) for other in seeds[1:])
    return film, edits


def _in_sight(setting: Setting, size: tuple[int, int]) -> bool:
    pixels, depth = setting.camera.project(setting.motion.joints)
    with np.errstate(invalid="ignore"):
        inside = (pixels >= 0).all(-1) & (pixels < size).all(-1) & (depth > 0)
    return bool(inside.mean() >= INSIDE_LEAST)


def _lively(
    library: MotionLibrary, rng: np.random.Generator, seconds: float
) -> Iterator[tuple[tuple[MotionClip, float], tuple[MotionClip, float]]]:
    """Clips in random order that move, with where to begin, each with another to edit the pose towards."""
    found: list[tuple[MotionClip, float]] = []
    for index in rng.permutation(len(library)):
        clip = library[int(index)]
        if clip.seconds < seconds:
            continue
        begin, stillness = liveliest(clip.joints(), clip.fps, seconds)
        if stillness <= STILL_LIMIT:
            found.append((clip, begin))
        if len(found) == 2:
            yield found[0], found[1]
            found = []


def _part(clip: MotionClip, begin: float, fps: float, frames: int) -> Motion:
    motion = clip.motion()
    times = np.minimum(begin + np.arange(frames) / fps, motion.duration)
    return motion.resample(fps, times=times)


def _mixed(a: Colour, b: Colour, share: float) -> Colour:
    red, green, blue = ((1 - share) * x + share * y for x, y in zip(a, b, strict=True))
    return float(red), float(green), float(blue)
