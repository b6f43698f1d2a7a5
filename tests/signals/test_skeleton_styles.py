"""Skeletons as published models were trained on them: widths, channel order, toes, shrunk drawings."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from kinema.scene.skeleton import OPENPOSE18
from kinema.signals.skeleton_map import COLOURS, LIMBS, SkeletonStyle, skeleton_map

SIZE = (160, 128)
THIN = SkeletonStyle(limb=1, joint=1, hand_line=1, hand_point=1, face_point=1)


def only(**points):
    keypoints = np.full((1, 1, 18, 2), np.nan)
    for index, place in points.items():
        keypoints[0, 0, int(index[1:])] = place
    return keypoints


def standing(size):
    """Somebody facing the camera who fills two thirds of the picture, [1, 1, 18, 2]."""
    rest = OPENPOSE18.rest[:, :2] * (1, -1)
    rest = rest - (rest.min(axis=0) + rest.max(axis=0)) / 2
    return (rest / np.ptp(rest[:, 1]) * size[1] * 2 / 3 + np.array(size) / 2)[None, None]


def test_red_and_blue_change_places():
    keypoints = only(k1=(80.5, 30.5), k2=(50.5, 30.5), k0=(80.5, 60.5))
    hands = np.full((1, 1, 2, 21, 2), np.nan)
    hands[0, 0, 0, 3] = (20.5, 100.5)
    plain = skeleton_map(keypoints, None, SIZE, style=SkeletonStyle.dwpose(2), hands=hands)[0]
    swapped = skeleton_map(keypoints, None, SIZE, style=SkeletonStyle.dwpose(2, swapped=True), hands=hands)[0]
    assert np.array_equal(swapped, plain[..., ::-1])
    assert tuple(plain[30, 65]) == (153, 0, 0)
    assert tuple(swapped[30, 65]) == (0, 0, 153)
    assert tuple(swapped[45, 80]) == (153, 0, 0)  # neck to nose
    assert tuple(swapped[100, 20]) == (255, 0, 0)  # a joint of a hand


def test_the_style_of_a_width_is_that_width():
    keypoints = standing(SIZE)
    assert np.array_equal(
        skeleton_map(keypoints, None, SIZE, style=SkeletonStyle.dwpose(3)),
        skeleton_map(keypoints, None, SIZE, line_width=3),
    )


def test_toes_hang_on_the_ankles():
    """Colours of Wan2.2, wan/modules/animate/preprocess/human_visualization.py, `draw_aapose_new`."""
    keypoints = only(k10=(40.5, 30.5), k13=(100.5, 30.5))
    toes = np.array([(100.5, 90.5), (40.5, 90.5)])[None, None]  # left, right
    image = skeleton_map(keypoints, None, SIZE, style=THIN, toes=toes)[0]
    assert tuple(image[60, 100]) == (153, 0, 51)
    assert tuple(image[60, 40]) == (120, 120, 0)
    assert tuple(image[90, 100]) == (200, 200, 0)
    assert tuple(image[90, 40]) == (100, 100, 0)
    assert not skeleton_map(keypoints, None, SIZE, style=THIN)[0][60].any()


def test_thin_lines_of_hands_are_one_pixel_wide():
    hands = np.full((1, 1, 2, 21, 2), np.nan)
    hands[0, 0, 0, :2] = (40.2, 60.0), (100.9, 60.3)
    image = skeleton_map(only(), None, SIZE, style=THIN, hands=hands)[0]
    drawn = np.zeros((128, 160, 3), np.uint8)
    cv2.line(drawn, (40, 60), (100, 60), (255, 0, 0), thickness=1)
    for place in ((40, 60), (100, 60)):
        cv2.circle(drawn, place, 1, (0, 0, 255), thickness=-1)
    assert np.array_equal(image, drawn)


@pytest.mark.parametrize("size", [(832, 480), (480, 832), (1280, 720)])
def test_a_shrunk_style_is_the_large_drawing_shrunk(size):
    """VACE draws 4 px at a short side of 1024 and shrinks by areas (vace/annotators/pose.py, dwpose/util.py)."""
    factor = 1024 / min(size)
    large = tuple(round(side * factor / 64) * 64 for side in size)
    keypoints = standing(size)
    canvas = np.zeros((large[1], large[0], 3), np.uint8)
    points = keypoints[0, 0] * np.array(large) / size
    for limb, pair in enumerate(LIMBS):
        a, b = points[list(pair)]
        middle, axis = (a + b) / 2, b - a
        polygon = cv2.ellipse2Poly(
            tuple(int(m) for m in middle),
            (int(np.hypot(*axis) / 2), 4),
            int(np.degrees(np.arctan2(axis[1], axis[0]))),
            0,
            360,
            1,
        )
        cv2.fillConvexPoly(canvas, polygon, COLOURS[limb])
    canvas = (canvas * 0.6).astype(np.uint8)
    for point, colour in zip(points, COLOURS, strict=True):
        cv2.circle(canvas, tuple(int(p) for p in point), 4, colour, thickness=-1)
    theirs = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(float)
    style = SkeletonStyle.dwpose(4, shrunk=factor)
    ours = skeleton_map(keypoints, None, size, style=style)[0].astype(float)
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.05)
    drawn = (ours.any(-1)) | (theirs.any(-1))
    assert np.abs(ours - theirs)[drawn].mean() < 12  # of 255, at edges of lines two or three pixels wide


@pytest.mark.parametrize("width", [0.0, -1.0, np.nan])
def test_widths_are_positive(width):
    with pytest.raises(ValueError, match="widths of a skeleton style"):
        SkeletonStyle.dwpose(width)


def test_a_width_is_stated_once():
    with pytest.raises(ValueError, match="leave line_width out"):
        skeleton_map(standing(SIZE), None, SIZE, style=THIN, line_width=2)
