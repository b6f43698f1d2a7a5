"""What a trunk shows where arms lay over it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from tests.puppet.actors import actor

from kinema.puppet.body import PictureBody
from kinema.puppet.under import arms_regained, cloth_under, covered_by_arms

STRIPES = ((200, 40, 40), (40, 40, 160))


def _moved(pixels: dict[int, tuple[float, float]]) -> PictureBody:
    body = actor().body
    places = body.pixels.copy()
    for joint, place in pixels.items():
        places[joint] = place
    return replace(body, pixels=places)


def striped(size: tuple[int, int] = (240, 160)) -> np.ndarray:
    """Cloth with level stripes of 12 rows."""
    rows = np.arange(size[0])[:, None, None] // 12 % 2
    return np.where(rows, STRIPES[0], STRIPES[1]).astype(np.uint8) + np.zeros((*size, 1), np.uint8)


def test_cloth_goes_on_under_an_arm():
    cloth = striped()
    known = np.ones(cloth.shape[:2], bool)
    known[90:150, 50:110] = False
    blank = cloth.copy()
    blank[~known] = 128
    body = _moved({16: (140, 20), 17: (20, 20), 15: (80, -60)})
    filled = cloth_under(blank, known, ~known, body)
    apart = np.abs(filled.astype(int) - cloth).max(axis=2)[95:145, 55:105]
    assert np.median(apart) < 25
    assert (filled[known] == cloth[known]).all()


def test_fingers_left_on_the_trunk_are_given_back_to_the_arm():
    body = _moved({18: (60, 300), 20: (60, 340), 22: (60, 352), 15: (60, 40)})
    left = round(0.025 * body.height)  # rows of the fingers
    picture = np.full((420, 200, 3), (60, 90, 170), np.uint8)
    labels = np.zeros((420, 200), np.int8)
    cv2.rectangle(picture, (52, 290), (68, 351 + left), (220, 170, 140), -1)
    labels[290:352, 52:69] = 1
    found = arms_regained(picture, labels, body)
    assert (found[352 : 351 + left, 54:67] == 1).mean() > 0.8
    assert (found[:, 110:] == 0).all()
    assert covered_by_arms(found, body)[352 : 351 + left, 54:67].mean() > 0.8


def test_an_arm_of_the_trunks_colour_takes_nothing():
    body = _moved({18: (60, 300), 20: (60, 340), 22: (60, 352), 15: (60, 40)})
    picture = np.full((420, 200, 3), (60, 90, 170), np.uint8)
    labels = np.zeros((420, 200), np.int8)
    labels[290:352, 52:69] = 1
    assert (arms_regained(picture, labels, body) == labels).all()
