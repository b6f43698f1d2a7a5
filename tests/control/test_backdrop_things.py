"""Things that stand in a studio, cut out of its picture and stood up again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.control.test_backdrop import STANDING, path

from kinema.control.backdrop import Backdrop
from kinema.control.backdrop_things import Thing
from kinema.data.filming import standing
from kinema.scene import CameraPath, Scene
from kinema.scene.skeleton import SMPL24
from kinema.stage import Prop, World, photo_studio, random_actor, shoot

BOX = Prop("box", (0.75, 0.0, -0.8), (0.35, 0.5, 0.35), 20.0, (0.8, 0.3, 0.2))


def in_front_of(seed: int, camera: CameraPath, *props: Prop) -> np.ndarray:
    """A picture of somebody who stands in a studio with these things."""
    relaxed = standing(STANDING, facing=camera.c2w[0, :3, 3])
    cast = [random_actor(np.random.default_rng(seed))]
    return shoot(Scene((relaxed,), camera, 8.0), cast, studio(*props)).rgb[0]


def empty(camera: CameraPath, *props: Prop) -> np.ndarray:
    return shoot(Scene((), camera, 8.0), [], studio(*props)).rgb[0].astype(float)


def covered_by(thing: Thing, camera: CameraPath) -> np.ndarray:
    width, height = camera.size
    covered = np.zeros((height, width), bool)
    covered[thing.box[1] : thing.box[3], thing.box[0] : thing.box[2]] = thing.mask > 0
    return covered


def shows_things(camera: CameraPath, *props: Prop) -> np.ndarray:
    """Where the camera sees them, without their shadows."""
    props = tuple(replace(prop, casts=False) for prop in props)
    return np.abs(empty(camera, *props) - empty(camera)).max(2) > 20


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
    picture = in_front_of(1, camera, BOX)
    (thing,) = Backdrop.of(picture, camera, SMPL24.rest[None]).things
    shows = np.argwhere(shows_things(camera, BOX))
    assert thing.box == (*shows.min(0)[::-1], *shows.max(0)[::-1] + 1)


@pytest.mark.parametrize("place", [(0.38, -1.5), (-0.3, -1.5), (0.05, -1.0)])
@pytest.mark.parametrize("seed", range(1, 5))
def test_a_thing_half_hidden_by_legs_stays_when_they_go(place, seed):
    """Whatever they wear: nothing of clothes, hands or shadows stays with it."""
    camera = path("static", (96, 128))
    behind = replace(BOX, position=(place[0], 0.0, place[1]))
    backdrop = Backdrop.of(in_front_of(seed, camera, behind), camera, SMPL24.rest[None])
    bare = empty(camera)
    plate = backdrop.seen_by(camera)[0]
    box = shows_things(camera, behind)
    drawn = np.abs(plate[..., :3] - bare).max(2) > 20
    assert (drawn & box).sum() > 0.45 * box.sum()
    assert (drawn & ~box).sum() < 0.05 * box.sum()
    assert [bool(thing.seen.all()) for thing in backdrop.things] == [False]
    assert 0 < (plate[..., 3][drawn & box] == 255).mean() < 1  # what people hide of it is made up


def test_a_thing_on_both_sides_of_somebody_is_one_thing():
    camera = path("static", (96, 128))
    behind = replace(BOX, position=(0.0, 0.0, -1.5), size=(1.1, 0.6, 0.3))
    (thing,) = Backdrop.of(in_front_of(2, camera, behind), camera, SMPL24.rest[None]).things
    shows, drawn = shows_things(camera, behind), covered_by(thing, camera)
    assert drawn[shows].mean() > 0.9
    assert (drawn & ~shows).sum() < 0.03 * shows.sum()


def test_what_is_open_in_a_thing_stays_open():
    """A table beside somebody: the floor between its legs is not covered."""
    camera = path("static", (96, 128))
    legs = [replace(BOX, position=(x, 0.0, -0.8), size=(0.1, 0.5, 0.1), turn=0.0) for x in (0.65, 1.0)]
    top = replace(BOX, position=(0.825, 0.5, -0.8), size=(0.5, 0.1, 0.1), turn=0.0)
    picture = in_front_of(1, camera, *legs, top)
    (thing,) = Backdrop.of(picture, camera, SMPL24.rest[None]).things
    shows, drawn = shows_things(camera, *legs, top), covered_by(thing, camera)
    assert drawn[shows].mean() > 0.9
    assert (drawn & ~shows).sum() < 0.03 * shows.sum()


@pytest.mark.parametrize("seed", range(4))
def test_wide_clothes_are_no_things(seed):
    camera = path("static", (96, 128))
    assert Backdrop.of(in_front_of(seed, camera), camera, SMPL24.rest[None]).things == ()
