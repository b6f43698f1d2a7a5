from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from tests.puppet.figures import PLACES, body, figure, places

from kinema.media.pictures import read_picture
from kinema.puppet.marks import Marks, marked_body, read_marks, show_marks, write_marks
from kinema.puppet.masks import cutout_of, on_white, read_mask
from kinema.scene.formats.errors import FormatError
from kinema.scene.skeleton import SMPL24

SIZE = (240, 340)
_SIDES = [f"{side}_{part}" for part in ("shoulder", "elbow", "wrist") for side in ("right", "left")]
_RIGHT, _LEFT = _SIDES[::2], _SIDES[1::2]
_LEGS = [[f"{side}_{part}" for part in ("hip", "knee", "ankle")] for side in ("right", "left")]
LIMBS = ["neck", *_RIGHT, *_LEFT, *_LEGS[0], *_LEGS[1]]
"""OpenPose's order after the nose."""


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(float, (24, 2), elements=st.floats(-500, 5000)), st.sets(st.integers(0, 23), max_size=20))
def test_marks_survive_their_file(tmp_path_factory, points, missing):
    points[list(missing)] = np.nan
    path = tmp_path_factory.mktemp("marks") / "joints.json"
    write_marks(path, Marks.of(points, SIZE))
    again = read_marks(path).pixels(SIZE)
    np.testing.assert_allclose(again, points, atol=0.051)


def test_marks_follow_the_picture_to_another_size():
    marks = Marks.of(places(), SIZE)
    np.testing.assert_allclose(marks.pixels((480, 680)), 2 * places())
    with pytest.raises(ValueError, match="240x340"):
        marks.pixels((340, 240))


def test_openpose_is_read(tmp_path: Path):
    names = ["nose", *LIMBS]
    points = [[*PLACES.get(name, (120, 66)), 0.9] for name in names] + [[0, 0, 0]] * 4
    path = tmp_path / "pose.json"
    path.write_text(
        json.dumps({"people": [{"pose_keypoints_2d": [value for point in points for value in point]}]})
    )
    marks = read_marks(path, SIZE)
    for name in ("left_knee", "right_wrist", "left_shoulder"):
        np.testing.assert_allclose(marks.joints[name], PLACES[name], atol=0.1)
    with pytest.raises(FormatError, match="canvas_width"):
        read_marks(path)


def test_animated_drawings_joints_are_read(tmp_path: Path):
    path = tmp_path / "char_cfg.yaml"
    path.write_text(
        "height: 340\nskeleton:\n- loc:\n  - 120\n  - 176\n  name: root\n  parent: null\n"
        "- loc:\n  - 120\n  - 92\n  name: torso\n  parent: hip\n- loc:\n  - 44\n  - 172\n  name: right_hand\n"
        "  parent: right_elbow\nwidth: 240\n"
    )
    assert read_marks(path).joints == {"neck": (120, 92), "right_wrist": (44, 172)}


@pytest.mark.parametrize(
    "text",
    [
        '{"size": [240, 340], "joints": {"left_nee": [1, 2]}}',
        '{"size": [240, 340], "joints": {"left_knee": [1]}}',
        '{"size": [240, 340], "joints": {"left_knee": [1, NaN]}}',
        '{"size": [0, 340], "joints": {}}',
        '{"size": [240, 340], "joints": []}',
        '{"size": [240, 340], "joints"',
        "hello",
        "",
    ],
)
def test_a_bad_file_of_marks_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "joints.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=r"joints\.json"):
        read_marks(path)


def test_a_few_marks_become_a_whole_body():
    names = ["head", *LIMBS]
    made = marked_body(Marks(SIZE, {name: PLACES[name] for name in names}), SIZE)
    away = np.linalg.norm(made.pixels - places(), axis=1) / body().height
    assert away.max() < 0.06
    assert made.confidence.min() >= 0.5
    assert not made.depth.any()


def test_marks_go_before_what_is_detected():
    made = marked_body(Marks(SIZE, {"left_wrist": (118.0, 150.0)}), SIZE, body())
    assert made.pixels[20].tolist() == [118, 150]
    np.testing.assert_array_equal(made.pixels[4], places()[4])
    assert made.depth[20] < -0.1
    assert made.depth[21] == 0


def test_too_few_marks_are_refused():
    with pytest.raises(ValueError, match="2 joints"):
        marked_body(Marks(SIZE, {"neck": (1.0, 1.0), "head": (1.0, 0.0)}), SIZE)


def test_marks_are_shown_in_the_picture():
    picture, _ = figure()
    shown = show_marks(picture, Marks.of(places(), SIZE))
    assert max(shown.shape) >= 900
    plain = show_marks(picture, Marks(SIZE, {}))
    knee = np.round(places()[SMPL24.index("left_knee")] * shown.shape[1] / 240).astype(int)
    assert (shown[knee[1], knee[0]] != plain[knee[1], knee[0]]).any()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_masks_of_any_mode(tmp_path: Path, mode: str):
    _, mask = figure()
    grey = Image.fromarray((mask * 255).astype(np.uint8))
    if mode == "RGBA":
        image = Image.merge("RGBA", [grey.point(lambda value: 90)] * 3 + [grey])
    elif mode == "I;16":
        image = Image.fromarray((mask * 65535).astype(np.uint16))
    else:
        image = grey.convert(mode)
    image.save(tmp_path / "mask.png")
    np.testing.assert_allclose(read_mask(tmp_path / "mask.png", SIZE), mask, atol=0.01)


def test_masks_that_do_not_fit_are_refused(tmp_path: Path):
    Image.new("L", (100, 100), 255).save(tmp_path / "other.png")
    with pytest.raises(FormatError, match="100x100"):
        read_mask(tmp_path / "other.png", SIZE)
    Image.new("L", SIZE, 0).save(tmp_path / "empty.png")
    with pytest.raises(FormatError, match="nobody"):
        read_mask(tmp_path / "empty.png", SIZE)
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(FormatError, match="not a picture"):
        read_mask(tmp_path / "text.png", SIZE)


def test_a_cut_out_picture_keeps_its_transparency(tmp_path: Path):
    picture, mask = figure()
    cut = np.dstack([picture, (mask * 255).astype(np.uint8)])
    Image.fromarray(cut).save(tmp_path / "cut.png")
    np.testing.assert_array_equal(cutout_of(np.asarray(read_picture(tmp_path / "cut.png", alpha=True))), mask)
    np.testing.assert_array_equal(cutout_of(cut), mask)
    assert (on_white(cut)[mask == 0] == 255).all()
    assert (on_white(cut)[mask > 0] == picture[mask > 0]).all()
    cut[..., 3] = 255
    Image.fromarray(cut).save(tmp_path / "opaque.png")
    assert (
        np.asarray(read_picture(tmp_path / "opaque.png", alpha=True)).shape[2] == 3
    )  # nothing is transparent
    assert cutout_of(cut) is None
