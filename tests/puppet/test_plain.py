"""Cut-outs before plain ground, and what belongs to a head."""

from __future__ import annotations

import cv2
import numpy as np

from kinema.puppet.headgear import with_headgear
from kinema.puppet.plain import plain_ground, with_pieces

HEIGHT, WIDTH = 300, 220


def studio() -> tuple[np.ndarray, np.ndarray]:
    """A grey ground that darkens to its rims with a figure on it, and the figure."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    picture = np.repeat((200 - 30 * (x**2 + y**2))[..., None], 3, axis=2).astype(np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.rectangle(mask, (90, 80), (130, 250), 1, -1)
    picture[mask > 0] = (60, 80, 150)
    return picture, mask > 0


def pieces_of(
    picture: np.ndarray, mask: np.ndarray, *, low: float = np.inf, alone: bool = True
) -> np.ndarray:
    ground = plain_ground(picture, cv2.dilate(mask.astype(np.uint8), np.ones((15, 15))) > 0)
    assert ground is not None
    return with_pieces(mask, ground, mask.astype(np.float32), 170.0, low, alone)


def test_what_touches_a_person_before_plain_ground_is_theirs():
    picture, mask = studio()
    cv2.line(picture, (130, 150), (190, 60), (140, 90, 30), 6)  # a stick in a hand
    cv2.rectangle(picture, (10, 20), (40, 40), (20, 20, 20), -1)  # something far away
    found = pieces_of(picture, mask)
    assert found[70, 183]
    assert not found[30, 25]
    assert found[mask].all()


def test_a_shadow_is_not():
    picture, mask = studio()
    shade = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(shade, (140, 250), (50, 12), 0, 0, 360, 1.0, -1)
    shade = cv2.GaussianBlur(shade, (0, 0), 5)[..., None] * ~mask[..., None]
    picture = (picture * (1 - 0.35 * shade)).astype(np.uint8)
    found = pieces_of(picture, mask)
    assert (found & ~mask).sum() < 40


def test_ground_within_a_mask_that_is_open_to_the_outside_is_taken_out():
    picture, mask = studio()
    wide = mask.copy()
    wide[180:250, 40:90] = True
    ground = plain_ground(picture, wide)
    assert ground is not None
    found = with_pieces(wide, ground, 0.6 * wide.astype(np.float32), 170.0, np.inf, True)
    assert not found[200, 60]
    assert found[200, 110]


def test_below_the_hips_of_who_sits_nothing_is_added_and_among_people_little():
    picture, mask = studio()
    cv2.rectangle(picture, (131, 200), (180, 280), (90, 50, 20), -1)
    assert pieces_of(picture, mask)[240, 160]
    assert not pieces_of(picture, mask, low=190)[240, 160]
    assert not pieces_of(picture, mask, alone=False)[240, 160]


def test_a_room_is_no_plain_ground():
    rng = np.random.default_rng(0)
    noise = cv2.resize(rng.integers(0, 255, (20, 15, 3)).astype(np.uint8), (WIDTH, HEIGHT))
    assert plain_ground(noise, np.zeros((HEIGHT, WIDTH), bool)) is None


def test_a_floor_of_tiles_is_no_plain_ground():
    picture, mask = studio()
    for y in (230, 245, 270, 295):
        cv2.line(picture, (0, y), (WIDTH, y), (70, 70, 70), 2)
    assert plain_ground(picture, mask) is None


def test_ears_belong_to_a_head_and_a_door_does_not():
    rng = np.random.default_rng(0)
    picture = (np.array([70, 90, 60]) + rng.normal(0, 6, (300, 300, 3))).clip(0, 255)
    mask, ears = np.zeros((300, 300), np.uint8), np.zeros((300, 300), np.uint8)
    cv2.circle(mask, (150, 180), 30, 1, -1)
    cv2.rectangle(mask, (120, 200), (180, 299), 1, -1)
    for x in (135, 165):
        cv2.ellipse(ears, (x, 135), (7, 28), 0, 0, 360, 1, -1)
    picture[(mask | ears) > 0] = (190, 150, 110)
    picture[:, 215:] = (190, 150, 110)  # of the same colour, but it goes on
    picture = picture.astype(np.uint8)
    found = with_headgear(picture, mask > 0, np.array([150.0, 180.0]), np.array([0.0, -1.0]), 400.0)
    assert found[115, 135]
    assert found[115, 165]
    assert not found[100, 230]
    assert found[mask > 0].all()
