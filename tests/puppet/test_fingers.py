"""Fingers: what is read off a driver's hands, and how a picture's hand bends by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kinema.media.pictures import read_picture
from kinema.puppet.acting import Acting, Actor, acting_of
from kinema.puppet.fingers import Fingers, PictureHand, find_hands, finger_changes, is_at_rest
from kinema.puppet.placing import own_pose
from kinema.puppet.render import Skin
from kinema.puppet.take import Puppet, prepare
from kinema.scene.keypoints import Keypoints
from kinema.scene.skeleton import skeleton

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LAYOUT = "coco_wholebody133"
LEFT = skeleton(LAYOUT).index("left_hand_root")


def open_hand(palm: float = 60.0) -> np.ndarray:
    """21 points of a flat open hand, fingers up, the thumb at the right, [21, 2]."""
    points = [(0.0, 0.0)]
    for finger, spread in enumerate((0.9, 0.25, 0.0, -0.22, -0.45)):
        way = np.array([np.sin(spread), -np.cos(spread)])
        knuckle = np.array([0.36 - 0.18 * finger, -1.0 + 0.03 * abs(finger - 2)]) if finger else 0.4 * way
        points += [tuple(knuckle + k * 0.28 * way) for k in range(4)]
    return np.array(points) * palm + 200


def seen(hand: np.ndarray, fps: float = 25.0) -> Keypoints:
    points = np.full((len(hand), 133, 2), np.nan)
    points[:, LEFT : LEFT + 21] = hand
    return Keypoints(points, np.isfinite(points).all(axis=-1).astype(float), LAYOUT, fps, (640, 640))


def a_fist(frames: int = 30, palm: float = 60.0) -> np.ndarray:
    """An open hand whose index finger gets shorter in frames 10 to 20, [T, 21, 2]."""
    hand = np.tile(open_hand(palm), (frames, 1, 1))
    hand[10:20, 6:9] = hand[10:20, 5:6] + 0.5 * (hand[10:20, 6:9] - hand[10:20, 5:6])
    return hand


def test_an_open_hand_that_stays_open_is_at_rest() -> None:
    changes = finger_changes(seen(a_fist()))
    assert set(changes) == {"left"}
    left = changes["left"]
    assert left.shape == (30, 5, 3, 2)
    np.testing.assert_allclose(left[2], np.tile([0.0, 1.0], (5, 3, 1)), atol=1e-6)
    np.testing.assert_allclose(left[15, 1, :, 1], 0.5, atol=0.02)
    np.testing.assert_allclose(left[15, 2:, :, 1], 1.0, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(turn=st.floats(-3, 3), size=st.floats(30, 200), mirrored=st.booleans())
def test_size_and_turn_of_a_hand_and_its_back_do_not_matter(turn: float, size: float, mirrored: bool) -> None:
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = matrix @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    hand = a_fist()
    hand[10:20, 17:21] = hand[10:20, 17:18] + (hand[10:20, 17:21] - hand[10:20, 17:18]) @ [
        [0.9, -0.44],
        [0.44, 0.9],
    ]
    other = (hand - 200) * size / 60 @ matrix.T + 300
    there, here = finger_changes(seen(other))["left"], finger_changes(seen(hand))["left"]
    np.testing.assert_allclose(there, here, atol=1e-6)
    assert abs(here[15, 4, 1, 0]) > 0.2


def test_a_hand_that_is_lost_small_or_seen_from_its_edge_rests() -> None:
    hand = a_fist(60)
    hand[15:40] = np.nan
    left = finger_changes(seen(hand))["left"]
    assert is_at_rest(left[25])
    assert finger_changes(seen(a_fist(palm=8))) == {}
    assert finger_changes(seen((a_fist() - 200) * [0.05, 1] + 200)) == {}
    assert finger_changes(None) == {}


@pytest.fixture(scope="module")
def puppet() -> Puppet:
    picture = Image.fromarray(np.asarray(read_picture(EXAMPLES / "character.png")))
    picture.thumbnail((384, 384))
    made = prepare(np.asarray(picture))
    assert made is not None
    return made


def test_fingers_move_and_the_rest_of_the_person_stays(puppet: Puppet) -> None:
    wrist, tip = puppet.body.pixels[20], puppet.body.pixels[22]
    way = (tip - wrist) / np.linalg.norm(tip - wrist)
    turn = np.array([[-way[1], -way[0]], [way[0], -way[1]]])
    hand = PictureHand("left", (open_hand(14.0) - 200) @ turn.T + wrist)
    mesh, place = puppet.mesh, own_pose(puppet.body, puppet.mesh, puppet.size)
    rest = np.tile([0.0, 1.0], (2, 5, 3, 1))
    bent = rest.copy()
    bent[1, :, :, 1] = 0.5
    surface = Skin(mesh.triangles, mesh.uv, mesh.atlas, mesh.alpha)
    actor = Actor(Acting(hands=((hand, bent),)), mesh, puppet.view, place.vertices, surface)
    assert actor.act(0) is place.vertices
    moved = actor.act(1)
    fingers = Fingers(hand, mesh, puppet.view)
    assert len(fingers.rows) > 10
    others = np.ones(len(moved), bool)
    others[fingers.rows] = False
    np.testing.assert_array_equal(moved[others], place.vertices[others])
    np.testing.assert_allclose(fingers.moved(rest[0]), place.vertices[fingers.rows], atol=1e-5)
    off = np.linalg.norm(moved - place.vertices, axis=1)
    assert 0.01 < off.max() < 0.15  # metres
    assert find_hands(puppet.picture, puppet.found, puppet.alpha) == ()  # too small
    assert find_hands(puppet.picture, None, puppet.alpha) == ()


def test_acting_begins_at_the_picture_and_is_held_at_the_end() -> None:
    hand = a_fist()
    hand[20:, 6:9] = hand[20:, 5:6] + 0.5 * (hand[20:, 6:9] - hand[20:, 5:6])
    times = np.array([0.0, 0.4, 0.6, 5.0])
    acting = acting_of(None, (PictureHand("left", open_hand()),), seen(hand), times, begins=0.4)
    assert acting is not None
    assert acting.face is None
    ((_, changes),) = acting.hands
    assert is_at_rest(changes[0])
    np.testing.assert_allclose(changes[2:, 1, :, 1], 0.5, atol=0.02)
    assert acting_of(None, (), seen(hand), times) is None
    assert acting_of(None, (), None, times) is None
