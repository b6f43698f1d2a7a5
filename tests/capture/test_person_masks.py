"""Masks of captured people against what the stage knows of every pixel."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.capture.person_masks import person_masks
from kinema.passes.shot import Shot
from kinema.scene import framing
from kinema.scene.formats import read_motion_file

pytest.importorskip("ai_edge_litert")


@pytest.fixture(scope="module")
def shot() -> Shot:
    scene = read_motion_file("examples/walk_and_wave.bvh").scene
    play = framing.direct(scene, size=(320, 240), fps=8, people=None, camera="arc left 30deg", seconds=1.0)
    return Shot(play, (320, 240), 9, 8.0, actor=5)


def test_a_mask_holds_the_person_and_little_else(shot):
    made = person_masks(shot.film, shot.people, shot.camera)
    truth = shot.person_mask
    assert made.shape == (1, 9, 240, 320)
    assert (made[0] & truth).sum() > 0.99 * truth.sum()
    assert (made[0] & truth).sum() > 0.7 * (made[0] | truth).sum()


def test_somebody_who_is_not_found_has_the_limbs_that_were_captured(shot):
    made = person_masks(np.full_like(shot.film, 90), shot.people, shot.camera)
    assert (made[0] & shot.person_mask).sum() > 0.6 * shot.person_mask.sum()


def test_nobody_has_no_pixels(shot):
    assert person_masks(shot.film, (), shot.camera).shape == (0, 9, 240, 320)
