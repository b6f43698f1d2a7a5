"""Pictures of a scene for people: an actor as the reference picture, a video beside what it was made from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageOps

from kinema.data.standing import standing
from kinema.media.pictures import side_by_side
from kinema.media.video import enlarged
from kinema.scene import DetectedPeople, Scene
from kinema.scene.cast import is_person
from kinema.stage.filming import casting, film


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
