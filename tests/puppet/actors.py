"""Stage actors as pictures whose outline and joints are known."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

import kinema
from kinema.evaluation.puppet import PuppetTake, Truth, assembled, film_truth
from kinema.puppet.body import PictureBody
from kinema.puppet.take import Puppet
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

WALK = Path(__file__).resolve().parents[2] / "examples" / "walk_and_wave.bvh"
SIZE = (192, 288)


@lru_cache(maxsize=4)
def truth(seed: int = 0) -> Truth:
    """An actor's picture and a film of them walking."""
    motion = kinema.read_motion(WALK).to_smpl24()
    return film_truth(motion, PuppetTake("", 0.0, "static"), SIZE, np.random.default_rng(seed))


@lru_cache(maxsize=4)
def actor(seed: int = 0) -> Puppet:
    """The actor as a puppet, from the true outline and joints."""
    known = truth(seed)
    return assembled(known.picture, known.alpha, known.body, 1.0)


def walk() -> Motion:
    """Two seconds of walking, SMPL-24."""
    return kinema.read_motion(WALK).to_smpl24().resample(12).crop(0, 2)


def rest_body(yaw: float = 0.0, gaze: float | None = None) -> PictureBody:
    """SMPL-24 at rest, turned by radians to the picture's left, 150 pixels tall in the middle of 192x288."""
    joints = SMPL24.rest - SMPL24.rest[0]
    cosine, sine = np.cos(-yaw), np.sin(-yaw)
    turned = joints @ np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]).T
    pixels = np.array([96.0, 144.0]) + turned[:, :2] * [1.0, -1.0] * 90.0
    return PictureBody(pixels, -turned[:, 2], np.ones(24), 90.0, gaze)
