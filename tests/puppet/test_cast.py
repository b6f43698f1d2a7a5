"""Several people in one take: of one picture, or each of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.puppet.actors import actor, truth, walk

from kinema.puppet.cast import people_of, prepare_people, together
from kinema.puppet.cast_placing import from_the_left, place_apart, place_people, stand_people
from kinema.puppet.placing import Placed, heading
from kinema.puppet.render import posed
from kinema.puppet.take import Puppet, PuppetOptions, film, place_in
from kinema.scene.camera import CameraPath, look_at
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24


def pair() -> tuple[Puppet, Puppet]:
    """One actor twice, side by side."""
    left = actor()
    shift = np.array([40.0, 0.0])
    body = replace(left.body, pixels=left.body.pixels + shift)
    return left, replace(left, body=body, mesh=replace(left.mesh, pixels=left.mesh.pixels + shift))


def still(degrees: float = 0.0, x: float = 0.0, z: float = 0.0) -> Motion:
    """Somebody who stands, turned from +Z."""
    return Motion(np.repeat(SMPL24.rest[None], 3, 0), 12, SMPL24).rotate_y(degrees).translate((x, 0, z))


def seen(place: Placed, joints: np.ndarray) -> np.ndarray:
    camera = CameraPath.static(place.camera, place.lens.tolist(), place.size, 12, 1)
    return camera.project(joints[None])[0][0]


def shown(puppet: Puppet, place: Placed) -> np.ndarray:
    """Where people are in the first frame, bool [H, W]."""
    camera = CameraPath.static(place.camera, place.lens.tolist(), place.size, 12, 1)
    return next(film(puppet, place, camera)).coverage > 127


def test_two_people_of_one_picture_stand_where_it_shows_them() -> None:
    left, right = pair()
    places = place_people([left, right], [walk()])
    for puppet, place in zip((left, right), places, strict=True):
        assert np.abs(seen(place, place.start) - puppet.body.pixels).max() < 1.0
    assert np.allclose(places[0].camera, places[1].camera)
    both, place = together([left, right], places)
    alone = shown(left, place_in(left, walk()))
    assert (shown(both, place) & alone).sum() >= 0.99 * alone.sum()
    assert shown(both, place).sum() > 1.4 * alone.sum()


@pytest.mark.parametrize(("turned", "between"), [(30.0, 60.0), (90.0, 90.0)])
def test_people_keep_their_directions_as_far_as_their_pictures_allow(turned: float, between: float) -> None:
    places = place_people(pair(), [still(turned, -0.5), still(-turned, 0.5)])
    headings = [np.degrees(heading(place.motion)) for place in places]
    assert headings[0] - headings[1] == pytest.approx(between, abs=2)


def test_who_is_lower_in_the_picture_stands_on_the_same_floor() -> None:
    left, right = pair()
    lower = np.array([0.0, 12.0])
    body = replace(right.body, pixels=right.body.pixels + lower)
    nearer = replace(right, body=body, mesh=replace(right.mesh, pixels=right.mesh.pixels + lower))
    for place in place_people([left, nearer], [walk()]):
        assert abs(place.motion.joints[:, :, 1].min()) < 0.1
    first, second = stand_people([left, nearer])
    assert np.abs(seen(second, second.start) - nearer.body.pixels).max() < 1.0
    assert np.linalg.norm(second.start[0, [0, 2]] - second.camera[[0, 2], 3]) < np.linalg.norm(
        first.start[0, [0, 2]] - first.camera[[0, 2], 3]
    )


def test_people_of_pictures_of_their_own_keep_the_distances_of_the_scene() -> None:
    first, second = actor(0), actor(1)
    motions = [walk(), walk().rotate_y(180).translate((1.4, 0, 0.3))]
    places = place_apart([first, second], motions)
    own = place_in(first, motions[0], keep_in_view=False)
    share = np.ptp(own.motion.joints[:, 0, 2]) / np.ptp(motions[0].joints[:, 0, 2])
    there = (motions[1].joints - motions[0].joints)[:, 0, [0, 2]]
    here = (places[1].motion.joints - places[0].motion.joints)[:, 0, [0, 2]]
    assert np.allclose(here, share * there, atol=0.01)
    together_seen = np.concatenate([seen(places[0], place.motion.joints[0]) for place in places])
    assert together_seen[:, 0].min() > 0
    assert together_seen[:, 0].max() < places[0].size[0]
    for puppet, place in zip((first, second), places, strict=True):
        lowest = [
            posed(place.vertices, puppet.mesh.bones, puppet.mesh.weights, maps)[:, 1].min()
            for maps in place.maps()
        ]
        assert np.quantile(np.abs(lowest), 0.9) < 0.02


def test_who_face_each_other_in_pictures_of_their_own_are_seen_from_beside_them() -> None:
    ahead = walk().rotate_y(90)
    motions = [ahead.translate((-1.5, 0, 0)), walk().rotate_y(-90).translate((1.5, 0, 0))]
    beside = CameraPath.static(look_at([0, 1, 5.0], [0, 1, 0.0]), (50.0, 50.0, 32.0, 24.0), (64, 48), 20.0, 1)
    places = place_apart([actor(0), actor(1)], motions, (640, 480), beside)
    way = places[0].camera[:3, 2]
    assert abs(way[0]) < 0.05
    assert way[2] < -0.9
    left, right = (float(place.motion.joints[0, 0] @ places[0].camera[:3, 0]) for place in places)
    assert right - left > 2.0


def test_one_motion_for_pictures_of_their_own_puts_people_side_by_side() -> None:
    places = place_apart([actor(0), actor(1), actor(2)], [walk()])
    columns = [float(place.motion.joints[0, 0] @ places[0].camera[:3, 0]) for place in places]
    assert np.allclose(np.diff(sorted(columns)), 1.2, atol=1e-6)
    wide = place_apart([actor(0), actor(1)], [walk()], (640, 288))
    narrow = place_apart([actor(0), actor(1)], [walk()])
    ahead = wide[0].camera[:3, 2]
    assert (wide[0].camera[:3, 3] - narrow[0].camera[:3, 3]) @ ahead > 0


@given(st.permutations([-1.0, 0.0, 1.5]), st.floats(-180, 180))
def test_left_is_where_the_picture_has_it(columns: list[float], degrees: float) -> None:
    people = [still(x=x).rotate_y(degrees) for x in columns]
    assert from_the_left(people) == sorted(range(3), key=columns.__getitem__)


def test_the_scenes_camera_says_what_is_left_where_people_face_each_other() -> None:
    people = [still(90, -0.5), still(-90, 0.5)]
    assert from_the_left(people) == [0, 1]
    behind = CameraPath(look_at([0, 1, -4], [0, 1, 0])[None], np.array([300.0, 300, 96, 144]), (192, 288), 12)
    assert from_the_left(people, behind) == [1, 0]


def test_as_many_motions_as_people() -> None:
    with pytest.raises(ValueError, match="give one for all"):
        place_people([actor(), actor(), actor()], [walk(), walk()])
    with pytest.raises(ValueError, match="places for"):
        together([], [])


@pytest.fixture(scope="module")
def group() -> np.ndarray:
    """Two actors before two walls, uint8 [H, W, 3]."""
    pytest.importorskip("mediapipe")
    return np.concatenate([truth(0).picture, truth(1).picture], axis=1)


class TestOnePicture:
    def test_everybody_is_cut_out_and_every_pixel_once(self, group: np.ndarray) -> None:
        options = [PuppetOptions(person=0), PuppetOptions(person=1)]
        left, right = puppets = prepare_people(group, options)
        assert left.body.pixels[0, 0] < 192 < right.body.pixels[0, 0]
        assert (left.alpha + right.alpha).max() < 1.01
        both, place = together(puppets, stand_people(puppets))
        own = both.alpha > 0.5
        assert own.sum() > 1.8 * min((left.alpha > 0.5).sum(), (right.alpha > 0.5).sum())
        mask = shown(both, place)
        assert (mask & own).sum() / (mask | own).sum() > 0.93

    def test_who_is_not_named_stays_in_the_room(self, group: np.ndarray) -> None:
        (right,) = prepare_people(group, [PuppetOptions(person=1)])
        both, place = together([right], stand_people([right]))
        camera = CameraPath.static(place.camera, place.lens.tolist(), place.size, 12, 1)
        frame = next(film(both, place, camera))
        assert not (frame.coverage[:, :150] > 127).any()
        apart = np.abs(frame.rgb[:, :150].astype(int) - group[:, :150])
        assert apart.mean() < 6

    def test_masks_say_who_it_is(self, group: np.ndarray) -> None:
        masks = [np.zeros(group.shape[:2], np.float32) for _ in range(2)]
        masks[0][:, 192:], masks[1][:, :192] = truth(1).alpha, truth(0).alpha
        right, left = people_of(group, masks)
        assert np.nanmean(left.points[:, 0]) < 192 < np.nanmean(right.points[:, 0])
        with pytest.raises(ValueError, match="mask 1: nobody"):
            people_of(group, [masks[0], np.pad(np.ones((20, 20), np.float32), ((0, 268), (0, 364)))])

    def test_a_transparency_is_shared_out(self, group: np.ndarray) -> None:
        alpha = np.concatenate([truth(0).alpha, truth(1).alpha], axis=1)
        clear = np.dstack([group, np.uint8(255 * alpha)])
        puppets = prepare_people(clear, [PuppetOptions(person=0), PuppetOptions(person=1)])
        assert np.allclose(puppets[0].alpha + puppets[1].alpha, alpha, atol=0.01)

    def test_no_such_person(self, group: np.ndarray) -> None:
        with pytest.raises(ValueError, match="person 2: 2 people"):
            prepare_people(group, [PuppetOptions(person=2)])
