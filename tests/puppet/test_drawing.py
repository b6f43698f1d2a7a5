from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.puppet.figures import figure, places, real_pictures

from kinema.puppet.drawing import drawing_mask, is_drawing, joints_fit, preset_marks
from kinema.puppet.find import Found
from kinema.scene.skeleton import SMPL24


def _found(probability: np.ndarray, agreement: float) -> Found:
    return Found(np.zeros((33, 2)), np.ones(33), np.zeros((33, 3)), probability, agreement, 1)


def _line_art() -> tuple[np.ndarray, np.ndarray]:
    """Only the figure's outline on paper, and the figure."""
    _, mask = figure()
    paper = np.full((340, 240, 3), 235, np.uint8)
    lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(paper, lines, -1, (40, 40, 90), 3)
    return paper, mask > 0.5


def test_what_strokes_enclose_is_the_figure():
    paper, mask = _line_art()
    found = drawing_mask(paper) > 0.5
    assert (found & mask).sum() / (found | mask).sum() > 0.84


@pytest.mark.parametrize("number", [1, 2, 3, 5, 6])
def test_masks_of_real_drawings(number: int):
    folder = real_pictures()
    picture = np.asarray(Image.open(folder / f"drawing{number}.png").convert("RGB"))
    truth = np.asarray(Image.open(folder / f"drawing{number}_mask.png").convert("L")) > 127
    found = drawing_mask(picture) > 0.5
    assert (found & truth).sum() / (found | truth).sum() > 0.85


def test_a_drawing_is_where_networks_see_nobody_or_somebody_else():
    paper, mask = _line_art()
    elsewhere = np.zeros_like(mask, np.float32)
    elsewhere[:30] = 1
    assert is_drawing(paper, None)
    assert is_drawing(paper, _found(mask.astype(np.float32), 0.3))
    assert is_drawing(paper, _found(elsewhere, 0.8))
    assert not is_drawing(paper, _found(mask.astype(np.float32), 0.8))
    assert not is_drawing(np.full_like(paper, 235), None)  # an empty sheet
    assert not is_drawing(255 - paper, None)  # dark


def _landmarks(size: float) -> Found:
    """The figure's own joints as MediaPipe's 33, or those of one of another size at its belly."""
    names = {11: "left_shoulder", 12: "right_shoulder", 13: "left_elbow", 14: "right_elbow", 15: "left_wrist",
             16: "right_wrist", 23: "left_hip", 24: "right_hip", 25: "left_knee", 26: "right_knee",
             27: "left_ankle", 28: "right_ankle", 31: "left_foot", 32: "right_foot"}  # fmt: skip
    points = np.tile(places()[SMPL24.index("head")], (33, 1))
    for k, name in names.items():
        points[k] = places()[SMPL24.index(name)]
    points = places()[0] + size * (points - places()[0])
    world = np.zeros((33, 3))
    world[:, :2] = (points - points[[23, 24]].mean(axis=0)) / (165.0 * size)
    return Found(points, np.ones(33), world, np.zeros((340, 240), np.float32), 0.5, 1)


def test_joints_that_are_those_of_the_figure_on_paper():
    paper, _ = _line_art()
    assert joints_fit(paper, _landmarks(1.0))
    assert not joints_fit(paper, _landmarks(0.4))
    assert not joints_fit(paper, replace(_landmarks(1.0), agreement=0.3))
    assert not joints_fit(paper, None)


def test_joints_are_placed_from_the_outline():
    _, mask = figure()
    marks = preset_marks(mask)
    away = np.linalg.norm(marks.pixels((240, 340)) - places(), axis=1) / 300
    assert np.median(away) < 0.06
    assert away.max() < 0.16


def test_presets_of_a_blob_are_within_it():
    mask = np.zeros((120, 100), np.float32)
    cv2.ellipse(mask, (50, 60), (30, 45), 0, 0, 360, 1.0, -1)
    points = preset_marks(mask).pixels((100, 120))
    assert np.isfinite(points).all()
    assert points.min() > 0
    assert (points < [100, 120]).all()
    with pytest.raises(ValueError, match="nobody"):
        preset_marks(np.zeros((50, 50)))
