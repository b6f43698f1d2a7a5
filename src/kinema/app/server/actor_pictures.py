"""Actors of the stage as pictures of rough takes, for people of a scene who have no picture of their own."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_SIZE = 512, 768  # of the picture (ours)


@dataclass(frozen=True)
class ActorPicture:
    """An actor who stands there, cut out, and a file that says where the joints are."""

    picture: Path
    marks: Path


def actor_picture(root: Path, seed: int) -> ActorPicture:
    """The picture of an actor; made once, and kept with what is read off videos.

    Args:
        root: of the server.
        seed: the actor's number.
    """
    folder = root / "captures"
    made = ActorPicture(folder / f"actor-{seed}.png", folder / f"actor-{seed}.json")
    for path in (made.picture, made.marks):
        if path.is_file():
            os.utime(path)  # what is used is kept
    if not (made.picture.is_file() and made.marks.is_file()):
        _make(made, seed)
    return made


def _make(made: ActorPicture, seed: int) -> None:
    from PIL import Image

    from kinema.app.filming import relaxed
    from kinema.puppet.marks import Marks, write_marks
    from kinema.scene import Motion, Scene
    from kinema.scene.camera_language import camera_path
    from kinema.scene.skeleton import SMPL24
    from kinema.stage.filming import casting, film

    rest = Motion(np.array(SMPL24.rest)[None], 1.0, SMPL24)
    camera = camera_path("static", size=_SIZE, fps=1.0, frames=1, subject=rest)
    scene = relaxed(Scene((rest,), camera, 1.0))
    take = next(film(scene, *casting(seed, scene), transparent=True))
    assert take.alpha is not None
    pixels = np.dstack([take.rgb[0], take.alpha[0]])
    partial = made.picture.with_name(f"partial-{secrets.token_hex(8)}.png")
    try:
        Image.fromarray(pixels).save(partial)
        partial.replace(made.picture)
    finally:
        partial.unlink(missing_ok=True)
    joints, _ = camera.project(scene.people[0].joints)
    write_marks(made.marks, Marks.of(joints[0], _SIZE))
