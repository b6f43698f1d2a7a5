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


@pytest.mark.parametrize("number", [1, 2, 3, 5, 6])
def test_real_drawings_are_drawings(number: int):
    picture = np.asarray(Image.open(real_pictures() / f"drawing{number}.png").convert("RGB"))
    assert is_drawing(picture, None)


def _thing(kind: str) -> np.ndarray:
    """Something on white paper that is nobody."""
    paper = np.full((400, 300, 3), 250, np.uint8)
    if kind == "vase":
        cv2.ellipse(paper, (150, 250), (70, 100), 0, 0, 360, (90, 60, 40), -1)
        cv2.rectangle(paper, (125, 90), (175, 180), (100, 70, 50), -1)
    elif kind == "chair":
        cv2.rectangle(paper, (90, 60), (210, 200), (120, 80, 40), -1)
        cv2.rectangle(paper, (80, 200), (220, 225), (110, 70, 30), -1)
        for x in (85, 205):
            cv2.rectangle(paper, (x, 225), (x + 12, 360), (100, 60, 30), -1)
    else:
        cv2.rectangle(paper, (40, 200), (260, 280), (180, 30, 30), -1)
        cv2.rectangle(paper, (90, 150), (210, 200), (170, 40, 40), -1)
        for x in (90, 210):
            cv2.circle(paper, (x, 285), 25, (20, 20, 20), -1)
    return cv2.GaussianBlur(paper, (0, 0), 0.8)


@pytest.mark.parametrize("kind", ["vase", "chair", "car"])
def test_a_thing_on_paper_is_no_drawing(kind: str):
    assert not is_drawing(_thing(kind), None)


def test_a_stick_figure_is_a_drawing():
    paper = np.full((400, 300, 3), 250, np.uint8)
    cv2.circle(paper, (150, 80), 32, (40, 40, 40), -1)
    for start, end in (((150, 100), (150, 240)), ((150, 140), (70, 190)), ((150, 140), (230, 190))):
        cv2.line(paper, start, end, (40, 40, 40), 12)
    for x in (95, 205):
        cv2.line(paper, (150, 240), (x, 370), (40, 40, 40), 12)
    assert is_drawing(paper, None)
