"""Hips and legs that stay, what is sat on, heads that turn no further than their texture, heads that stay in view."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.puppet.actors import actor, rest_body, walk
from tests.puppet.figures import body, figure, places

from kinema.puppet.body import LEFT_ARM
from kinema.puppet.gaze import faces_kept, shown_side
from kinema.puppet.in_view import kept_in_view
from kinema.puppet.placing import Placed, bone_maps
from kinema.puppet.render import posed
from kinema.puppet.staying import arm_shown, held, on_still_hips, what_stays, why_staying
from kinema.puppet.support import support_of
from kinema.puppet.take import place_in
from kinema.scene.camera import CameraPath
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

SEATED = places(left_knee=(168, 190), right_knee=(72, 190), left_ankle=(150, 250), right_ankle=(90, 250),
                left_foot=(156, 262), right_foot=(84, 262))  # fmt: skip
STILL = [0, 1, 2, 4, 5, 7, 8, 10, 11]


def unsure(person, *joints: int):  # type: ignore[no-untyped-def]
    confidence = person.confidence.copy()
    confidence[list(joints)] = 0.1
    return replace(person, confidence=confidence)


def test_who_stands_moves_and_who_sits_stays() -> None:
    _, mask = figure()
    assert why_staying(body(), mask) is None
    assert why_staying(body(SEATED), mask) == "bent"
    lunge = places(left_knee=(170, 190), left_ankle=(176, 250))
    assert why_staying(body(lunge), mask) is None  # the other leg stands


def test_legs_that_the_picture_does_not_show_stay() -> None:
    _, mask = figure()
    assert why_staying(unsure(body(), 4, 5, 7, 8), mask) == "cut off"
    assert why_staying(unsure(body(), 4, 7, 8, 10, 11), mask) == "hidden"
    low = body()
    assert why_staying(replace(low, pixels=low.pixels + np.array([0, 60])), mask) == "cut off"


def test_the_user_says_what_legs_do() -> None:
    _, mask = figure()
    assert why_staying(body(), mask, "stay") == "asked"
    assert why_staying(body(SEATED), mask, "move") is None
    with pytest.raises(ValueError, match="auto, move, stay"):
        why_staying(body(), mask, "run")


@given(st.floats(-3.1, 3.1), st.floats(-3.1, 3.1))
def test_hips_and_legs_stay_whatever_the_motion_does(turn: float, facing: float) -> None:
    joints = rest_body().joints * [1, -1, -1]
    moved = on_still_hips(walk().rotate_y(np.degrees(facing)), joints, turn, (True, True)).joints
    assert np.abs(moved[:, STILL] - joints[STILL]).max() < 1e-9
    maps = bone_maps(joints, moved)
    assert np.abs(maps[:, [1, 2, 4, 5, 7, 8], :, :3] - np.eye(3)).max() < 1e-6
    spine = moved[:, 12] - moved[:, 0]
    upright = joints[12] - joints[0]
    cosine = spine @ upright / np.linalg.norm(spine, axis=1) / np.linalg.norm(upright)
    assert np.degrees(np.arccos(cosine.min())) < 30


def test_a_trunk_on_still_hips_turns_so_far_and_faces_us_again_from_behind() -> None:
    turns = np.arange(0.0, 181.0, 15.0)
    rest = Motion(SMPL24.rest[None], 12, SMPL24)
    frames = np.concatenate([rest.rotate_y(degrees).joints for degrees in turns])
    moved = on_still_hips(Motion(frames, 12, SMPL24), SMPL24.rest, 0.0, (True, True)).joints
    across = moved[:, 16] - moved[:, 17]
    yaw = np.degrees(np.arctan2(-across[:, 2], across[:, 0]))
    assert np.abs(yaw).max() < 36
    assert np.allclose(yaw[[0, -1]], 0, atol=1)
    assert np.allclose(yaw[2], 30, atol=1)


def test_arms_point_where_the_motion_does_and_resting_ones_go_with_the_trunk() -> None:
    joints = SMPL24.rest
    up = SMPL24.rest[None].repeat(3, 0)
    for parent, child in pairwise(LEFT_ARM[1:]):
        up[:, child] = up[:, parent] + [0, np.linalg.norm(SMPL24.rest[child] - SMPL24.rest[parent]), 0]
    free = on_still_hips(Motion(up, 12, SMPL24), joints, 0.0, (True, True)).joints
    resting = on_still_hips(Motion(up, 12, SMPL24), joints, 0.0, (False, True)).joints
    assert free[0, 20, 1] - free[0, 16, 1] > 0.4
    assert np.allclose(resting[0, 20] - resting[0, 16], joints[20] - joints[16], atol=1e-6)


def test_folded_and_unseen_arms_rest() -> None:
    _, mask = figure()
    arm = LEFT_ARM[1:]
    assert arm_shown(mask, body(), arm)
    assert not arm_shown(mask, unsure(body(), 18, 20), arm)
    assert not arm_shown(mask[:, :180], body(), arm)  # the picture ends at the elbow
    assert not arm_shown(mask, body(places(left_elbow=(172, 138), left_wrist=(146, 106))), arm)
    assert not arm_shown(
        mask, body(places(left_elbow=(172, 110), left_wrist=(134, 70))), arm
    )  # a hand at the head


def test_legs_are_of_the_trunks_sheet_and_do_not_move() -> None:
    puppet = actor()
    labels, still = what_stays(puppet.labels, puppet.alpha, puppet.alpha, puppet.body, len(puppet.alpha))
    assert set(np.unique(labels)) == {-1, 0, 1, 2}
    assert np.array_equal(labels < 0, puppet.labels < 0)  # the rim of an arm is no part of the trunk
    hips = round(puppet.body.pixels[[1, 2], 1].mean())
    assert still[hips + 25 :].min() > 0.9
    assert still[: hips - 60].max() < 0.05
    mesh = held(puppet.mesh, still)
    assert np.allclose(mesh.weights.sum(axis=1), 1, atol=1e-5)
    below = mesh.pixels[:, 1] > hips + 25
    arms = np.isin(mesh.bones[:, 0], (18, 19, 20, 21, 22, 23))
    own = (mesh.bones == 0) * mesh.weights
    assert own.sum(axis=1)[below & ~arms].min() > 0.85


def test_somebody_who_stays_begins_as_in_the_picture() -> None:
    puppet = actor()
    labels, still = what_stays(puppet.labels, puppet.alpha, puppet.alpha, puppet.body, len(puppet.alpha))
    puppet = replace(puppet, labels=labels, mesh=held(puppet.mesh, still), stays="asked")
    place = place_in(puppet, walk())
    camera = CameraPath.static(place.camera, place.lens, place.size, 12, place.motion.frames)
    seen = camera.project(place.motion.joints)[0]
    assert np.abs(seen[:, STILL] - puppet.body.pixels[STILL]).max() < 1e-6
    assert np.abs(seen[:, 15] - puppet.body.pixels[15]).max() < 0.2 * puppet.body.height
    legs = puppet.mesh.pixels[:, 1] > puppet.body.pixels[[4, 5], 1].min()
    legs &= ~np.isin(puppet.mesh.bones[:, 0], (18, 19, 20, 21, 22, 23))
    maps = place.maps(camera.c2w)
    first, last = (posed(place.vertices, puppet.mesh.bones, puppet.mesh.weights, maps[k]) for k in (0, -1))
    assert np.abs(first[legs] - last[legs]).max() < 0.02


def test_a_chair_belongs_to_who_sits_on_it_and_the_ground_does_not() -> None:
    picture, mask = figure(SEATED)
    chair = np.zeros(mask.shape, np.uint8)
    cv2.rectangle(chair, (96, 196), (144, 206), 1, -1)
    for x in (98, 138):
        cv2.rectangle(chair, (x, 200), (x + 6, 268), 1, -1)
    noisy = np.clip(picture + np.random.default_rng(0).normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
    assert support_of(noisy, mask, body(SEATED)).max() == 0
    shown = np.where(((chair > 0) & (mask < 0.5))[..., None], np.uint8((90, 50, 20)), noisy)
    found = support_of(shown, mask, body(SEATED)) > 0.5
    own = (chair > 0) & (mask < 0.5)
    assert (found & own).sum() / (found | own).sum() > 0.7
    ground = noisy.copy()
    ground[230:] = (60, 110, 60)
    assert not (support_of(ground, mask, body(SEATED)) > 0.5).any()
    large = cv2.resize(shown, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    wide = cv2.resize(mask, None, fx=5, fy=5, interpolation=cv2.INTER_NEAREST)
    seat = support_of(large, wide, body(5 * SEATED))
    assert (seat > 0.5).any()
    assert np.median(seat) == 0


@given(st.floats(-7, 7))
def test_faces_are_seen_from_the_front_or_not_at_all(angle: float) -> None:
    shown = float(shown_side(np.array([angle]))[0])
    size, turned = abs(np.degrees(shown)), abs((np.degrees(angle) + 180) % 360 - 180)
    assert size < 45.01 or turned > 110
    if turned < 45 or turned > 145:
        assert size == pytest.approx(turned, abs=1e-6)


def test_sides_come_one_after_the_other() -> None:
    shown = np.degrees(shown_side(np.radians(np.arange(0.0, 180.0))))
    assert (np.diff(shown) >= -1e-9).all()
    assert np.diff(shown).max() < 6


def test_a_face_stays_on_a_trunk_that_turns_away() -> None:
    rest = Motion(SMPL24.rest[None], 12, SMPL24)
    turned = np.concatenate([rest.rotate_y(degrees).joints for degrees in (0, 30, 90, -90, 180)])
    maps = bone_maps(SMPL24.rest, turned)
    ahead = np.array([0.0, 0.0, -1.0])
    kept = faces_kept(maps, SMPL24.rest, turned, ahead, turned[:, 15] + [0.0, 0.0, 5.0])
    seen = kept[:, 15, :, :3] @ ahead
    yaw = np.degrees(np.arctan2(-seen[:, 0], -seen[:, 2]))
    assert np.allclose(np.abs(yaw), [0, 30, 45, 45, 180], atol=4)
    there = np.einsum("tab,b->ta", kept[:, 15, :, :3], SMPL24.rest[15]) + kept[:, 15, :, 3]
    assert np.allclose(there, turned[:, 15], atol=1e-6)


def head_rows(place: Placed, mesh) -> np.ndarray:  # type: ignore[no-untyped-def]
    """The highest row of the head in each frame before the first camera."""
    camera = CameraPath.static(place.camera, place.lens, place.size, 12, 1)
    heads = (mesh.bones[:, 0] == 15) & (mesh.weights[:, 0] > 0.5)
    maps = bone_maps(place.joints, place.motion.joints)
    shown = [posed(place.vertices, mesh.bones, mesh.weights, each)[heads] for each in maps]
    return np.array([camera.project(points[None].astype(float))[0][0][:, 1].min() for points in shown])


@pytest.mark.parametrize("metres", [2.0, -2.0])
def test_heads_do_not_leave_the_picture(metres: float) -> None:
    puppet = actor()
    motion = walk()
    way = np.linspace(0, metres, motion.frames)[:, None, None] * np.array([0.0, 0.0, 1.0])
    jumps = (
        0.5 * np.maximum(np.sin(np.linspace(0, 12, motion.frames)), 0)[:, None, None] * np.array([0.0, 1, 0])
    )
    motion = replace(motion, joints=motion.joints + way + jumps, rotations=None)
    free = place_in(puppet, motion, keep_in_view=False)
    kept = kept_in_view(free, puppet.body, puppet.mesh)
    assert head_rows(kept, puppet.mesh).min() > -2
    assert np.allclose(kept.camera, free.camera)


def test_who_stays_in_view_is_left_alone() -> None:
    puppet = actor()
    still = Motion(np.repeat(walk().joints[:1], 4, 0), 12, SMPL24)
    free = place_in(puppet, still, keep_in_view=False)
    assert np.allclose(place_in(puppet, still).motion.joints, free.motion.joints)
