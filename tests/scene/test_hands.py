"""Finger joints of skeletons as OpenPose's hand points."""

from __future__ import annotations

import numpy as np
import pytest
from tests.signals.fingers import body_with_fingers

from kinema.scene import Skeleton
from kinema.scene.hands import hand_mapping, hand_points
from kinema.scene.skeleton import CMU31, COCO_WHOLEBODY133, DWPOSE134, SMPL24

HANDS = DWPOSE134.rest[92:].reshape(2, 21, 3)


@pytest.mark.parametrize("tips", [False, True])
@pytest.mark.parametrize("naming", ["smplx", "mixamo", "unreal", "biped", "rokoko"])
def test_fingers_are_found_whatever_they_are_called(naming, tips):
    body = body_with_fingers(naming, tips)
    hands = hand_points(body.rest, body)
    measured = hand_mapping(body).confidence[92:].reshape(2, 21) == 1
    np.testing.assert_allclose(hands[measured], HANDS[measured], atol=1e-9)
    assert measured.sum() == 2 * (21 if tips else 16)
    np.testing.assert_allclose(hands, HANDS, atol=0.008)  # tips that are not there go on as fingers do


def test_a_wrist_is_where_the_body_has_it_and_missing_stays_missing():
    body = body_with_fingers()
    joints = np.repeat(body.rest[None], 3, axis=0)
    joints[1, body.index("left_index2")] = np.nan
    hands = hand_points(joints, body)
    assert np.array_equal(
        hands[0, :, 0], joints[0, [SMPL24.index("left_wrist"), SMPL24.index("right_wrist")]]
    )
    gone = ~np.isfinite(hands[1]).all(-1)
    assert gone[0, [6, 8]].all()  # the joint, and the tip that would follow from it
    assert gone.sum() == 2


@pytest.mark.parametrize("body", [SMPL24, CMU31])
def test_a_hand_without_fingers_is_no_hand(body):
    assert hand_points(body.rest, body) is None


def test_whole_bodies_of_detectors_have_hands():
    hands = hand_points(COCO_WHOLEBODY133.rest, COCO_WHOLEBODY133)
    np.testing.assert_allclose(hands[:, 1:], HANDS[:, 1:], atol=1e-9)


def test_bones_of_the_palm_and_the_face_are_no_fingers():
    body = body_with_fingers("mixamo")
    names, parents = list(body.names), [body.names[p] if p >= 0 else "" for p in body.parents]
    first = names.index("mixamorig:LeftHandIndex1")
    names += ["LeftHandIndexMetacarpal", "LipLowerMiddle", "LipLowerMiddle1", "LipLowerMiddle2"]
    parents[first] = "LeftHandIndexMetacarpal"
    parents += ["left_wrist", "head", "LipLowerMiddle", "LipLowerMiddle1"]
    more = np.array([[0.71, 1.37, 0.02], [0, 1.5, 0.1], [0, 1.5, 0.2], [0, 1.5, 0.3]])
    longer = Skeleton.from_names(names, parents, np.concatenate([body.rest, more]))
    assert np.array_equal(hand_points(longer.rest, longer), hand_points(body.rest, body))
