"""Joints of a picture's person: their lengths, turns and what is not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.puppet.actors import rest_body

from kinema.puppet.body import LEFT_ARM, RIGHT_ARM, _balanced, body_of_face, hands_at, mirrored_limbs
from kinema.puppet.find import Found
from kinema.scene.skeleton import SMPL24


@pytest.mark.parametrize("yaw", [-120.0, -60.0, 0.0, 30.0, 90.0])
def test_yaw_is_how_far_one_is_turned_to_the_pictures_left(yaw: float) -> None:
    assert np.degrees(rest_body(np.radians(yaw)).yaw) == pytest.approx(yaw, abs=1e-6)


def test_bones_are_as_long_as_the_picture_shows_them() -> None:
    body = rest_body(0.4)
    assert np.allclose(body.lengths, SMPL24.bone_lengths, rtol=1e-6)


def test_a_bone_that_is_not_seen_is_as_long_as_the_other_sides() -> None:
    body = rest_body()
    pixels, confidence = body.pixels.copy(), body.confidence.copy()
    pixels[20] = pixels[18]  # the left wrist is nonsense
    confidence[20] = 0.0
    lengths = replace(body, pixels=pixels, confidence=confidence).lengths
    assert lengths[20] == pytest.approx(SMPL24.bone_lengths[21], rel=0.01)


def test_size_does_not_shrink_with_a_leg_that_points_at_the_camera() -> None:
    body = rest_body()
    pixels = body.pixels.copy()
    pixels[[4, 7, 10]] = pixels[1]
    assert replace(body, pixels=pixels)._size() == pytest.approx(1.0, abs=0.02)


def test_feet_of_who_stands_are_beneath_the_hips() -> None:
    world = (SMPL24.rest - SMPL24.rest[0]) * [1.0, -1.0, -1.0]
    depth = world[:, 2].copy()
    depth[[7, 8, 10, 11]] += 0.15
    depth[[4, 5]] += 0.075
    balanced = _balanced(depth, world)
    assert balanced[[7, 8]].mean() == pytest.approx(balanced[[1, 2]].mean(), abs=1e-6)
    assert balanced[10] - balanced[7] == pytest.approx(depth[10] - depth[7])


def test_feet_of_who_sits_stay_where_they_are_seen() -> None:
    world = (SMPL24.rest - SMPL24.rest[0]) * [1.0, -1.0, -1.0]
    world[[7, 8, 10, 11], 1] -= 0.4
    depth = world[:, 2].copy()
    depth[[7, 8, 10, 11]] -= 0.4
    assert np.array_equal(_balanced(depth, world), depth)


def test_an_arm_that_nobody_sees_is_like_the_other() -> None:
    body = rest_body()
    confidence = body.confidence.copy()
    confidence[list(RIGHT_ARM[1:])] = 0.1
    whole = mirrored_limbs(replace(body, confidence=confidence))
    own, other = whole.pixels[list(RIGHT_ARM[1:])], whole.pixels[list(LEFT_ARM[1:])]
    assert np.allclose(own - own[0], other - other[0])


def test_a_hand_that_is_seen_says_where_the_wrist_is() -> None:
    body = rest_body()
    hand = body.pixels[20] + 0.03 * body.height + np.arange(42.0).reshape(21, 2)
    found = Found(
        np.zeros((33, 2)), np.zeros(33), np.zeros((33, 3)), np.zeros((2, 2)), 1.0, 1, hands=(hand, hand)
    )
    near, far = hands_at(body, found)
    assert near is hand
    assert far is None
    assert hands_at(body, None) == (None, None)


def test_below_a_face_hangs_a_body_and_upside_down_is_none() -> None:
    points = np.full((33, 2), np.nan)
    points[[0, 2, 5, 7, 8, 9, 10]] = (100, 80), (112, 70), (88, 70), (130, 78), (70, 78), (108, 92), (92, 92)
    confidence = np.where(np.isfinite(points[:, 0]), 0.9, 0.0)
    world = np.zeros((33, 3))
    world[0, 2] = -0.1
    found = Found(points, confidence, world, np.zeros((200, 200), np.float32), 0.4, 1)
    body = body_of_face(found)
    assert body is not None
    assert np.isfinite(body.pixels).all()
    assert np.allclose(body.pixels[15], (100, 78))
    assert body.pixels[16, 0] > body.pixels[17, 0]
    assert body.pixels[0, 1] > 200
    assert body.metre == pytest.approx(400)
    assert body.confidence[:15].max() == 0
    assert body_of_face(replace(found, points=points * [1, -1])) is None
