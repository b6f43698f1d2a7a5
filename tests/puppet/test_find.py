from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.puppet.figures import real_pictures

from kinema.puppet.body import body_of
from kinema.puppet.cutout import cut_out, pieces
from kinema.puppet.find import Found, find
from kinema.puppet.suitability import suitability
from kinema.puppet.take import PuppetOptions, prepare


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    pytest.importorskip("mediapipe")
    pytest.importorskip("ai_edge_litert")
    return np.asarray(Image.open(real_pictures() / "astronaut.png").convert("RGB"))


@pytest.fixture(scope="module")
def found(astronaut: np.ndarray) -> Found:
    person = find(astronaut)
    assert person is not None
    return person


def test_a_person_is_found_and_cut_out(astronaut: np.ndarray, found: Found):
    assert found.people == 1
    assert found.agreement > 0.7
    alpha = cut_out(astronaut, found, body_of(found))
    assert alpha[110, 225] > 0.9  # face
    assert alpha[30, 60] < 0.1  # flag
    assert suitability(astronaut, found).verdict != "nobody"


def test_a_face_is_seen(found: Found):
    assert found.face is not None
    assert np.abs(found.face[27:36].mean(axis=0) - (222, 115)).max() < 25  # nose
    assert found.hands == (None, None)  # behind the picture's edge


def test_of_several_people_the_one_that_is_asked_for(astronaut: np.ndarray):
    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    both = np.full((512, 900, 3), astronaut[5, 5], np.uint8)
    both[:, :512] = astronaut
    both[256:, 600:856] = small
    largest = find(both)
    assert largest is not None
    assert largest.people == 2
    assert np.nanmean(largest.points[:11, 0]) < 450
    right = find(both, person=1)
    assert right is not None
    assert np.nanmean(right.points[:11, 0]) > 600
    assert (right.probability[:, :450] > 0.5).mean() < 0.02
    with pytest.raises(ValueError, match="2 people"):
        find(both, person=2)


def test_nobody_is_nobody():
    pytest.importorskip("mediapipe")
    pytest.importorskip("ai_edge_litert")
    grey = np.full((300, 200, 3), 120, np.uint8)
    assert find(grey) is None
    assert prepare(grey) is None


def test_a_given_mask_or_transparency_is_used_as_it_is(astronaut: np.ndarray, found: Found):
    mask = np.zeros(astronaut.shape[:2], np.float32)
    mask[20:, 100:400] = 1
    puppet = prepare(astronaut, found=found, options=PuppetOptions(mask=mask))
    assert puppet is not None
    np.testing.assert_array_equal(puppet.alpha, mask)
    cut = np.dstack([astronaut, (mask * 255).astype(np.uint8)])
    again = prepare(cut, found=found)
    assert again is not None
    np.testing.assert_array_equal(again.alpha, mask)
    with pytest.raises(ValueError, match="mask"):
        prepare(astronaut, found=found, options=PuppetOptions(mask=mask[:100]))


def test_pieces_without_bones_are_dropped():
    mask, bones = np.zeros((60, 60), np.uint8), np.zeros((60, 60), np.uint8)
    mask[5:50, 5:20] = 1
    mask[30:40, 40:55] = 1
    bones[10:40, 12] = 1
    kept = pieces(mask, bones)
    assert kept[20, 10]
    assert not kept[35, 45]


@pytest.mark.parametrize("number", [2, 6])
def test_drawings_get_joints_from_their_outline(number: int):
    pytest.importorskip("mediapipe")
    pytest.importorskip("ai_edge_litert")
    picture: Any = np.asarray(Image.open(real_pictures() / f"drawing{number}.png").convert("RGB"))
    puppet = prepare(picture)
    assert puppet is not None
    assert puppet.source == "preset"
    assert suitability(picture, puppet).findings[0].what == "drawing"
