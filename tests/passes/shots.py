"""Small shots of one or two people for tests of profiles."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

import kinema
from kinema.passes.shot import Footage, Shot
from kinema.scene.framing import in_step, scene_camera

EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURE = np.full((120, 90, 3), (200, 30, 60), np.uint8)


@lru_cache
def scene(people=1):
    alone = kinema.read_scene(EXAMPLES / "walk_and_wave.bvh")
    person = alone.people[0].to_smpl24()
    return kinema.Scene(tuple(person.translate((0.8 * k, 0, 0)) for k in range(people)), None, person.fps)


def shot(
    size=(128, 96), frames=5, fps=16.0, people=1, camera="arc left 60deg", picture=PICTURE, footage=False
):
    """The walker seen by a camera in words."""
    play = scene(people)
    known = min(frames, int(play.duration * fps) + 1)  # beyond, the last frame is held
    path = scene_camera(play, camera, size=size, fps=fps, frames=known)
    film = None
    if footage:
        people_at = np.zeros((people, frames, size[1], size[0]), bool)
        people_at[:, :, 30:60, 40:60] = True
        film = Footage(np.full((frames, size[1], size[0], 3), 77, np.uint8), people_at)
    return Shot(in_step(play, path), size, frames, fps, picture=picture, footage=film)


def named(passes):
    return {each.name: each.data for each in passes}


def at_middle(shot, film, frame, first, second):
    """The colour half way between two OpenPose-18 keypoints of the first person."""
    points = shot.drawn().keypoints[frame, 0, [first, second]]
    x, y = np.floor(points.mean(axis=0)).astype(int)
    return tuple(int(c) for c in film[frame, y, x])
