from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.puppet.figures import body, figure, places, real_pictures

from kinema.puppet.find import Found
from kinema.puppet.staying import why_staying
from kinema.puppet.suitability import Suitability, suitability
from kinema.puppet.take import Puppet
from kinema.scene.skeleton import SMPL24, skeleton


def _look(change=None, pixels=None, picture=None, stays=True, **found) -> Suitability:
    """The report on the figure, with the body changed and the networks saying something else."""
    plain, mask = figure(pixels)
    whole = body(pixels)
    names = skeleton("mediapipe33").names
    points = np.array([whole.pixels[SMPL24.index(n)] if n in SMPL24.names else (120, 66) for n in names])
    points[[2, 5]] = (126, 60), (114, 60)
    for side, numbers in (("left", (17, 19, 21)), ("right", (18, 20, 22))):
        points[list(numbers)] = whole.pixels[SMPL24.index(f"{side}_hand")]
    said = Found(points, np.ones(33), np.zeros((33, 3)), mask, 0.95, 1)
    said = replace(said, **found)
    if change:
        whole = change(whole)
    shown = plain if picture is None else picture
    legs = why_staying(whole, mask) if stays else None
    puppet = Puppet(shown, mask, whole, mask.astype(np.int8), None, None, said, stays=legs)  # type: ignore[arg-type]
    return suitability(shown, puppet)


def _unseen(*names: str):
    def change(whole):
        confidence = whole.confidence.copy()
        confidence[[SMPL24.index(name) for name in names]] = 0
        return replace(whole, confidence=confidence)

    return change


def _what(report: Suitability) -> set[str]:
    return {finding.what for finding in report.findings}


def test_a_clear_picture_is_good():
    report = _look()
    assert report.verdict == "good"
    assert not report.findings


@pytest.mark.parametrize(
    ("what", "report"),
    [
        ("unsure", lambda: _look(agreement=0.6)),
        ("several people", lambda: _look(people=3)),
        ("hidden", lambda: _look(_unseen("left_elbow", "left_wrist", "left_hand"))),
        ("hidden", lambda: _look(_unseen("left_ankle", "left_foot"))),
        ("half body", lambda: _look(_unseen("left_ankle", "right_ankle", "left_knee", "right_knee"))),
        ("hands before trunk", lambda: _look(pixels=places(left_wrist=(122, 150), left_hand=(116, 152)))),
        ("side", lambda: _look(lambda whole: _turned(whole, 70))),
        ("back", lambda: _look(lambda whole: _turned(whole, 170))),
        ("seated", lambda: _look(pixels=places(left_knee=(160, 196), right_knee=(84, 196)))),
        ("cut off", lambda: _look(pixels=places(left_elbow=(230, 138), left_wrist=(262, 150), left_hand=(270, 150)))),
    ],
)  # fmt: skip
def test_faults_are_named(what: str, report):
    said = report()
    assert what in _what(said)
    assert said.verdict == "usable" or any(finding.poor for finding in said.findings)


def _turned(whole, degrees: float):
    angle = np.radians(degrees)
    own = whole.joints
    pixels, depth = whole.pixels.copy(), whole.depth.copy()
    pixels[:, 0] = whole.pixels[0, 0] + own[:, 0] * np.cos(angle) * whole.metre
    depth[:] = -own[:, 0] * np.sin(angle)
    return replace(whole, pixels=pixels, depth=depth)


def test_wrong_cut_outs_are_poor_and_close_ups_are_said():
    assert _look(agreement=0.3).verdict == "poor"
    report = _look(
        _unseen("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "pelvis")
    )
    assert {"close-up", "half body"} <= _what(report)
    assert report.verdict == "usable"  # what is not seen stays


def test_legs_that_move_against_the_picture_are_poor():
    report = _look(pixels=places(left_knee=(160, 196), right_knee=(84, 196)), stays=False, people=2)
    assert report.verdict == "poor"
    assert report.findings[0].what == "legs unseen"  # the worst comes first
    assert "--legs stay" in report.findings[0].text


def test_gloves_and_pockets_hide_hands():
    picture, _ = figure()
    picture = picture.copy()
    picture[160:200, 185:215] = (20, 30, 90)
    assert "hands hidden" in _what(_look(picture=picture))


def test_nobody_and_drawings():
    grey = np.full((200, 150, 3), 90, np.uint8)
    assert suitability(grey, None).verdict == "nobody"
    folder = real_pictures()
    drawing = np.asarray(Image.open(folder / "drawing2.png").convert("RGB"))
    report = suitability(drawing, None)
    assert report.verdict == "poor"
    assert _what(report) == {"drawing"}


def test_reports_are_json_and_say_what_to_do():
    report = _look(people=2, agreement=0.6)
    again = json.loads(json.dumps(report.as_json()))
    assert again["verdict"] == "usable"
    assert any("--picture-person" in finding["text"] for finding in again["findings"])
    assert any("--mask" in finding["text"] for finding in again["findings"])
