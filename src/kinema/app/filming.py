"""Films a scene piece by piece, so that long scenes need little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageOps

from kinema.data.filming import stands_aside
from kinema.data.standing import standing
from kinema.media.pictures import side_by_side
from kinema.media.video import enlarged
from kinema.scene import DetectedPeople, Scene
from kinema.scene.camera_vocabulary import IMAGINED_DISTANCE
from kinema.scene.cast import is_person
from kinema.stage import Actor, Sticks, Take, World, photo_studio, random_actor, shoot

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
) -> Iterator[Take]:
    """Takes of the scene, one piece after the other.

    Args:
        scene: people and camera at one frame rate, T frames each.
        cast: one actor per person.
        world: where they stand.
        antialias: samples along each side of a pixel.
        transparent: film the people alone, without floor, backdrop and things.
        on_frames: called with the number of frames just filmed.
    """
    assert scene.camera is not None
    cast = [
        actor.playing(person) if isinstance(actor, Actor) else actor
        for actor, person in zip(cast, scene.people, strict=True)
    ]
    if transparent:
        world, antialias = replace(world, props=()), max(antialias, EDGE)
    for start in range(0, scene.camera.frames, PIECE):
        piece = _piece(scene, slice(start, start + PIECE))
        take = shoot(piece, cast, world, antialias=antialias, backdrop=not transparent)
        on_frames(take.frames)
        yield take


def beside_scene(
    frames: np.ndarray, picture: Image.Image | None, scene: Scene | DetectedPeople, seed: int, scale: int
) -> np.ndarray:
    """A video beside its reference picture, the skeletons it was given and a preview of the scene.

    Args:
        frames: uint8 [T, H, W, 3].
        picture: the character, or None where the model read none.
        scene: as directed, T frames; of people who were detected in pictures there is no preview.
        seed: chooses the preview's actors and studio.
        scale: how many times each side is enlarged; picture and preview are sharp at that size.

    Returns:
        uint8 [T, H', W', 3].
    """
    from kinema.signals.control_signals import control_signals  # with torch, which the server does without

    size = frames.shape[2], frames.shape[1]
    width, height = (side * scale for side in size)
    clips: dict[str, np.ndarray] = {}
    if picture is not None:
        clips["picture"] = np.asarray(ImageOps.fit(picture, (width, height)))[None]
    skeletons = control_signals(scene, size=size, names=("skeletons",)).skeletons
    if skeletons is not None:
        drawn = (skeletons[0].permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
        clips["skeleton"] = enlarged(drawn[: len(frames)], scale)
    if isinstance(scene, Scene):
        assert scene.camera is not None
        cast, world = casting(seed, scene)
        near = scene.with_camera(scene.camera.resize(width, height))
        clips["preview"] = np.concatenate([take.rgb for take in film(near, cast, world)])
    clips["video"] = enlarged(frames, scale)
    return side_by_side(list(clips.values()), list(clips), gap=4 * scale)


def relaxed(scene: Scene) -> Scene:
    """Everybody standing relaxed where they start, turned to the first camera, for the whole scene.

    Raises:
        ValueError: who is no person cannot stand like one.
    """
    if not all(is_person(each) for each in scene.people):
        raise ValueError("not a person: it cannot be shown standing relaxed")
    assert scene.camera is not None
    camera = scene.camera
    poses = [standing(person.to_smpl24(), facing=camera.positions[0]) for person in scene.people]
    held = [replace(pose, joints=np.repeat(pose.joints, camera.frames, axis=0)) for pose in poses]
    return replace(scene, people=tuple(held))


def actor_picture(scene: Scene, seed: int) -> Image.Image:
    """An actor of the stage as the reference picture: standing where the motion starts, seen by the first camera.

    Everybody of the scene is in it; where nobody is, it shows the studio.

    Args:
        scene: as directed.
        seed: chooses the actor, the clothes and the studio.
    """
    cast, world = casting(seed, scene)
    return Image.fromarray(next(film(relaxed(scene), cast, world)).rgb[0])


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
