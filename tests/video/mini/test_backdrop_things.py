"""Things that stand in a studio, cut out of its picture and stood up again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.video.mini.test_backdrop import STANDING, path

from kinema.data.standing import standing
from kinema.scene import Scene
from kinema.scene.skeleton import SMPL24
from kinema.stage import Prop, World, photo_studio, random_actor, shoot
from kinema.video.models.mini.backdrop import Backdrop

BOX = Prop("box", (0.75, 0.0, -0.8), (0.35, 0.5, 0.35), 20.0, (0.8, 0.3, 0.2))


def studio(*props: Prop) -> World:
    return replace(photo_studio(np.random.default_rng(5)), props=props)


@pytest.mark.parametrize("text", ["arc left 12deg", "truck right 0.3m", "dolly in 0.6m"])
def test_a_thing_stands_where_it_stood_as_the_camera_moves(text):
    camera = path(text, (96, 128))
    video = shoot(Scene((), camera, 8.0), [], studio(BOX)).rgb.astype(float)
    backdrop = Backdrop.of(video[0].astype(np.uint8), camera)
    assert len(backdrop.things) == 1
    plate = backdrop.seen_by(camera)[..., :3].astype(float)
    red = [np.argwhere(frame[..., 0] - frame[..., 2] > 40) for frame in (video[-1], plate[-1])]
    np.testing.assert_allclose(red[1].mean(0), red[0].mean(0), atol=2.5)  # pixels
    assert len(red[1]) == pytest.approx(len(red[0]), rel=0.35)


def test_a_thing_far_away_is_behind_one_that_is_near():
    far = replace(BOX, position=(0.68, 0.0, -2.0), size=(0.5, 0.9, 0.5), colour=(0.2, 0.3, 0.9))
    camera = path("static", (96, 128))
    picture = shoot(Scene((), camera, 8.0), [], studio(BOX, far)).rgb[0]
    plate = Backdrop.of(picture, camera).seen_by(camera)[0, ..., :3]
    assert np.abs(plate.astype(float) - picture).mean() < 2.0


def test_people_are_no_things():
    camera = path("static", (96, 128))
    relaxed = standing(STANDING, facing=camera.c2w[0, :3, 3])
    cast = [random_actor(np.random.default_rng(1))]
    picture = shoot(Scene((relaxed,), camera, 8.0), cast, studio(BOX)).rgb[0]
    things = Backdrop.of(picture, camera, SMPL24.rest[None]).things
    assert [thing.box[0] >= 70 for thing in things] == [True]  # the box, right of the person


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_thing_half_hidden_by_legs_stays_when_they_go(seed):
    """Whatever they wear: nothing of clothes, hands or shadows stays with it."""
    camera = path("static", (96, 128))
    relaxed = standing(STANDING, facing=camera.c2w[0, :3, 3])
    cast = [random_actor(np.random.default_rng(seed))]
    behind = replace(BOX, position=(0.38, 0.0, -1.5))
    picture = shoot(Scene((relaxed,), camera, 8.0), cast, studio(behind)).rgb[0]
    alone = shoot(Scene((), camera, 8.0), [], studio(behind)).rgb[0].astype(float)
    bare = shoot(Scene((), camera, 8.0), [], studio()).rgb[0].astype(float)
    plate = Backdrop.of(picture, camera, SMPL24.rest[None]).seen_by(camera)[0, ..., :3].astype(float)
    box = np.abs(alone - bare).max(2) > 20
    drawn = np.abs(plate - bare).max(2) > 20
    assert (drawn & box).sum() > 0.4 * box.sum()
    assert (drawn & ~box).sum() < 0.2 * box.sum()
