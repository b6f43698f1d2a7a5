"""Who plays a scene on the stage, and its film piece by piece, so that long scenes need little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.scene.camera_vocabulary import IMAGINED_DISTANCE
from kinema.scene.cast import is_person
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.stage.assemble import Actor
from kinema.stage.shoot import random_actor, shoot
from kinema.stage.sticks import Sticks
from kinema.stage.take import Take
from kinema.stage.world import Prop, World, photo_studio

_ADULT = 2.0  # metres from one end to the other of who fits the studio (ours)

PIECE = 12
"""Frames filmed at once (ours): a take at 512x512 then holds about 100 MB, and the progress bar moves."""

EDGE = 4
"""Samples along each side of a pixel where edges become alpha: seventeen shades (ours)."""


def casting(seed: int, scene: Scene) -> tuple[list[Actor | Sticks], World]:
    """Actors and a photo studio for a scene; the same seed gives the same people and place.

    Who is not on SMPL-24 is played by sticks; where all are, floor and backdrop have their size, and no props stand.
    """
    rng = np.random.default_rng(seed)
    centre = _middle(scene)
    world = photo_studio(rng, centre=(float(centre[0]), float(centre[2])))
    sticks = [Sticks.of(each) for each in scene.people if not is_person(each)]
    if sticks and len(sticks) == len(scene.people):
        return list(sticks), replace(world, props=()).scaled(max(each.size for each in sticks) / _ADULT)
    if scene.camera is not None:
        aside = (
            prop
            for prop in world.props
            if all(stands_aside(prop, person, scene.camera) for person in scene.people)
        )
        world = replace(world, props=tuple(aside))
    others = iter(sticks)
    cast = [random_actor(rng, detail="high") if is_person(each) else next(others) for each in scene.people]
    return cast, world


def film(
    scene: Scene,
    cast: Sequence[Actor | Sticks],
    world: World,
    *,
    antialias: int = 2,
    transparent: bool = False,
    on_frames: Callable[[int], None] = lambda frames: None,
    workers: int = 1,
) -> Iterator[Take]:
    """Takes of the scene, one piece after the other.

    Args:
        scene: people and camera at one frame rate, T frames each.
        cast: one actor per person.
        world: where they stand.
        antialias: samples along each side of a pixel.
        transparent: film the people alone, without floor, backdrop and things.
        on_frames: called with the number of frames just filmed.
        workers: threads; with several, pieces that are not yet asked for are held.
    """
    if transparent:
        world, antialias = replace(world, props=()), max(antialias, EDGE)
    for take in _takes(scene, cast, world, workers, antialias=antialias, backdrop=not transparent):
        on_frames(take.frames)
        yield take


def truth(scene: Scene, cast: Sequence[Actor | Sticks], world: World, *, workers: int = 1) -> Iterator[Take]:
    """Takes whose depth and whose people are those of `film`, and whose pictures are of no use: three times as fast.

    Args:
        scene, cast, world: as for `film`.
        workers: threads.
    """
    return _takes(scene, cast, world, workers, antialias=1, backdrop=False, shadows=False)


def _takes(
    scene: Scene, cast: Sequence[Actor | Sticks], world: World, workers: int, **options: Any
) -> Iterator[Take]:
    assert scene.camera is not None
    cast = [
        actor.playing(person) if isinstance(actor, Actor) else actor
        for actor, person in zip(cast, scene.people, strict=True)
    ]

    def taken(start: int) -> Take:
        return shoot(_piece(scene, slice(start, start + PIECE)), cast, world, **options)

    starts = range(0, scene.camera.frames, PIECE)
    if workers == 1:
        yield from map(taken, starts)
        return
    with ThreadPoolExecutor(workers) as pool:  # the renderer's kernels let go of the interpreter
        yield from pool.map(taken, starts)


def stands_aside(prop: Prop, motion: Motion, camera: CameraPath) -> bool:
    """Whether a prop never stands between camera and person, nor in the way of either."""
    eye = camera.c2w[:, [0, 2], 3]
    person = motion.joints[:, 0, [0, 2]]
    along = person - eye
    at = np.array([prop.position[0], prop.position[2]])
    share = np.clip(((at - eye) * along).sum(1) / np.maximum((along**2).sum(1), 1e-9), 0, 1)
    gap = np.linalg.norm(eye + share[:, None] * along - at, axis=1)
    return bool(gap.min() > 0.75)


def _middle(scene: Scene) -> np.ndarray:
    """Where people are on the whole; where nobody is, a few steps before the first camera, [3]."""
    roots = np.concatenate([np.empty((0, 3)), *(person.joints[:, 0] for person in scene.people)])
    known = roots[np.isfinite(roots).all(axis=1)]
    if len(known):
        return known.mean(axis=0)
    if scene.people or scene.camera is None:
        return np.zeros(3)
    pose = scene.camera.c2w[0]
    return pose[:3, 3] + IMAGINED_DISTANCE * pose[:3, 2]


def _piece(scene: Scene, rows: slice) -> Scene:
    """Some frames of a scene whose people and camera have one frame rate."""

    def cut(array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else array[rows]

    assert scene.camera is not None
    camera = replace(scene.camera, c2w=scene.camera.c2w[rows], intrinsics=scene.camera.intrinsics[rows])
    people = tuple(
        replace(p, joints=p.joints[rows], rotations=cut(p.rotations), confidence=cut(p.confidence))
        for p in scene.people
    )
    return replace(scene, people=people, camera=camera)
