from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from tests.puppet.figures import SKIN, TROUSERS, body, figure, places

from kinema.puppet.find import Found
from kinema.puppet.layers import FILLED, OWN, layers_of
from kinema.puppet.parts import PARTS, parts_of
from kinema.puppet.skirts import skirt_of
from kinema.scene.skeleton import SMPL24


def _at(labels: np.ndarray, pixels: np.ndarray, name: str) -> str:
    x, y = np.round(pixels[SMPL24.index(name)]).astype(int)
    return PARTS[labels[y, x]]


def test_every_pixel_of_the_person_has_a_part():
    picture, mask = figure()
    labels = parts_of(picture, mask, body())
    assert ((labels >= 0) == (mask > 0.5)).all()
    for side in ("left", "right"):
        for joint in ("elbow", "wrist"):
            assert _at(labels, places(), f"{side}_{joint}") == f"{side} arm"
        for joint in ("knee", "ankle"):
            assert _at(labels, places(), f"{side}_{joint}") == f"{side} leg"
    for joint in ("head", "spine1", "spine3"):
        assert _at(labels, places(), joint) == "trunk"


def test_the_strokes_of_a_drawn_arm_are_the_arms():
    at = places(left_elbow=(176, 110), left_wrist=(216, 116), left_hand=(226, 118))
    _, mask = figure(at)
    ink = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)) > 0
    ink &= np.abs(np.indices(mask.shape)[1] - 160) > 1  # the pen was lifted: a gap in the stroke
    picture = np.repeat(np.where(ink, 20, 240).astype(np.uint8)[..., None], 3, axis=2)
    labels = parts_of(picture, mask, body(at), drawn=True)
    arm = (mask > 0) & (np.indices(mask.shape)[1] > 166)
    assert (labels[arm] == PARTS.index("left arm")).mean() > 0.97


def test_an_arm_before_the_trunk_stays_with_it_but_for_a_drawings():
    at = places(left_elbow=(158, 140), left_wrist=(118, 150), left_hand=(106, 150))
    picture, mask = figure(at)
    picture[mask == 0] = 235
    picture[(picture == (200, 60, 50)).all(axis=-1) & (np.indices(mask.shape)[1] < 60)] = (200, 60, 50)
    stiff, drawn = (parts_of(picture, mask, body(at), drawn=drawn) for drawn in (False, True))
    assert not (stiff == PARTS.index("left arm")).any()
    assert _at(stiff, at, "right_wrist") == "right arm"
    for joint in ("left_wrist", "left_hand"):
        assert _at(stiff, at, joint) == "trunk"
        assert _at(drawn, at, joint) == "left arm"


def test_a_skirt_is_one_cloth_and_trousers_are_not():
    picture, mask = figure(skirt=True)
    between = (230, 120)  # between the thighs
    assert skirt_of(mask > 0.5, places(), 12.0) > 0.3
    assert skirt_of(figure()[1] > 0.5, places(), 12.0) == 0.0
    labels = parts_of(picture, mask, body())
    assert PARTS[labels[between]] == "trunk"
    legs = parts_of(picture, mask, body(), "trousers")
    assert PARTS[legs[between]].endswith("leg")
    plain, trousers = figure()
    assert (parts_of(plain, trousers, body(), "skirt")[200:230] <= 2).all()
    with pytest.raises(ValueError, match="kilt"):
        parts_of(picture, mask, body(), "kilt")


def test_a_hem_follows_the_cloth():
    picture, mask = figure(skirt=True)
    labels = parts_of(picture, mask, body())
    cloth = (picture == TROUSERS).all(axis=-1)
    bare = (picture == SKIN).all(axis=-1) & (np.indices(mask.shape)[0] > 262)
    assert (labels[cloth] == 0).mean() > 0.95
    assert (labels[bare] > 2).mean() > 0.95


def test_a_raised_knee_is_no_skirt():
    at = places(left_knee=(180, 180), left_ankle=(190, 230), left_foot=(196, 240))
    assert skirt_of(figure(at)[1] > 0.5, at, 12.0) == 0.0


def test_layers_overlap_at_the_joints_with_the_pictures_own_colours():
    picture, mask = figure()
    labels = parts_of(picture, mask, body())
    layers = {layer.name: layer for layer in layers_of(picture, mask, labels, body())}
    assert set(layers) == set(PARTS)
    for name, joint in (("left arm", "left_shoulder"), ("right leg", "right_hip")):
        x, y = np.round(places()[SMPL24.index(joint)]).astype(int)
        for layer in (layers["trunk"], layers[name]):
            left, top = layer.corner
            assert layer.mask[y - top, x - left]
            assert layer.known[y - top, x - left] == OWN
            np.testing.assert_allclose(layer.front[y - top, x - left], picture[y, x], atol=3)


def test_what_an_arm_hides_is_filled_in():
    at = places(left_elbow=(158, 140), left_wrist=(118, 150), left_hand=(106, 150))
    picture, mask = figure(at)
    labels = parts_of(picture, mask, body(at), drawn=True)
    trunk = layers_of(picture, mask, labels, body(at))[0]
    left, top = trunk.corner
    assert trunk.mask[148 - top, 122 - left]
    assert trunk.known[148 - top, 122 - left] == FILLED


def test_an_arm_that_the_trunk_surrounds_leaves_no_hole():
    picture, mask = figure()
    labels = np.where(mask > 0.5, 0, -1).astype(np.int8)
    labels[115:170, 112:128] = 1
    trunk = layers_of(picture, mask, labels, body())[0]
    assert trunk.mask[142 - trunk.corner[1], 120 - trunk.corner[0]]


@pytest.mark.parametrize("size", [1, 2, 40])
def test_no_layer_is_black(size: int):
    """Textures of layers as thin as a pixel come from the picture, not from nothing."""
    picture, mask = figure()
    labels = np.where(mask > 0.5, 0, -1).astype(np.int8)
    labels[140 : 140 + size, 30:60] = np.where(mask[140 : 140 + size, 30:60] > 0.5, 2, -1)
    for layer in layers_of(picture, mask, labels, body()):
        for texture in (layer.front, layer.back):
            assert texture[layer.mask].max(axis=-1).min() > 30


def test_the_back_has_no_face():
    picture, mask = figure()
    picture[38:52][mask[38:52] > 0] = (60, 40, 20)  # hair
    picture[62:70, 108:132] = (20, 160, 40)  # something in the face
    labels = parts_of(picture, mask, body())
    trunk = layers_of(picture, mask, labels, body())[0]
    left, top = trunk.corner
    face = trunk.back[60 - top : 72 - top, 112 - left : 128 - left].reshape(-1, 3).mean(axis=0)
    assert np.linalg.norm(face - (56, 38, 19)) < 40
    chest = trunk.back[140 - top, 120 - left]
    assert np.linalg.norm(chest.astype(float) - (188, 56, 47)) < 40


def _hand(at: tuple[float, float], up: float = -1.0) -> np.ndarray:
    """MediaPipe's 21 points of an open hand of 14 x 24 pixels whose wrist is there, [21, 2]."""
    points = [(0.0, 0.0)]
    for finger, across in enumerate((-8, -5, -1, 2, 5)):
        points += [(across * (0.5 + 0.17 * k), up * (6 * k + (2 if finger else 0))) for k in range(1, 5)]
    return np.array(points) + at


def _found(**seen: Any) -> Found:
    points = np.full((33, 2), np.nan)
    return Found(points, np.zeros(33), np.zeros((33, 3)), np.zeros((340, 240), np.float32), 1.0, 1, **seen)


def test_a_hand_before_the_face_stays_there():
    at = places(left_elbow=(168, 130), left_wrist=(134, 90), left_hand=(130, 80))
    picture, mask = figure(at)
    labels = parts_of(picture, mask, body(at), found=_found(hands=(_hand((132, 88)), None)))
    assert not (labels == PARTS.index("left arm")).any()


def test_a_hand_beside_the_face_is_the_arms():
    at = places(left_elbow=(178, 120), left_wrist=(172, 80), left_hand=(170, 70))
    picture, mask = figure(at)
    hand = _hand((172, 78))
    for canvas, tone in ((picture, SKIN), (mask, (1,))):
        cv2.fillConvexPoly(canvas, cv2.convexHull(hand.round().astype(np.int32)), tone)
    labels = parts_of(picture, mask, body(at), found=_found(hands=(hand, None)))
    for x, y in hand[[0, 5, 9, 12, 17]].round().astype(int):
        assert PARTS[labels[y, x]] == "left arm"
    assert PARTS[labels[44, 120]] == "trunk"
    assert PARTS[labels[62, 106]] == "trunk"


def test_a_hand_elsewhere_is_nobodys():
    picture, mask = figure()
    labels = parts_of(picture, mask, body(), found=_found(hands=(_hand((120, 160)), None)))
    assert PARTS[labels[150, 120]] == "trunk"


def test_hair_over_an_arm_stays_with_the_head():
    picture, mask = figure()
    hair = np.zeros_like(mask, bool)
    hair[30:50, 96:144] = hair[40:160, 144:158] = True
    picture[hair], mask[hair] = (90, 50, 20), 1
    labels = parts_of(picture, mask, body(), found=_found())
    assert (labels[hair] == 0).mean() > 0.9
    assert _at(labels, places(), "left_elbow") == "left arm"


def test_an_arm_that_nobody_sees_stays_with_the_trunk():
    picture, mask = figure()
    unsure = body().confidence.copy()
    unsure[[18, 20]] = 0.2
    labels = parts_of(picture, mask, replace(body(), confidence=unsure))
    assert set(np.unique(labels)) == {-1, 0, 2, 3, 4}
    unsure[[4, 5, 7, 8]] = 0.1
    assert set(np.unique(parts_of(picture, mask, replace(body(), confidence=unsure)))) == {-1, 0, 2}


def test_an_arm_outside_the_person_is_no_arm():
    at = places(left_elbow=(200, 60), left_wrist=(226, 24), left_hand=(230, 14))
    picture, mask = figure()
    labels = parts_of(picture, mask, body(at))
    assert not (labels == 1).any()
