"""Wan2.2-Animate's conventions, as Wan-Video/Wan2.2 wan/modules/animate/preprocess has them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.passes.shots import PICTURE, at_middle, named, shot

from kinema.passes.profile import PassOptions, profile_of
from kinema.passes.wan_animate import blocky, face_box, style_at

ANIMATE = profile_of("wan-animate")


def made(what=None, **options):
    extra = {name: options.pop(name) for name in ("mask",) if name in options}
    return named(ANIMATE.passes(what or shot(fps=30.0), PassOptions(extra=extra, **options)))


@pytest.mark.parametrize(("short", "stick", "hand"), [(100, 1, 1), (480, 1, 1), (720, 2, 1), (1080, 4, 2)])
def test_widths_follow_the_short_side(short, stick, hand):
    """max(int(min(H, W) / 200) - 1, 1), of hands max(that // 2, 1) ('v2', human_visualization.py)."""
    style = style_at((short * 2, short))
    assert (style.limb, style.joint, style.hand_line, style.hand_point) == (stick, stick, hand, hand)
    assert not style.swapped


def test_colours_are_plain_rgb_with_toes():
    """draw_aapose_new: limbs times 0.6; left ankle to toe (255, 0, 85), right (200, 200, 0)."""
    seen = shot((832, 480), 1, fps=30.0, camera="static")
    pose = made(seen)["pose"]
    assert at_middle(seen, pose, 0, 1, 2) == (153, 0, 0)
    assert at_middle(seen, pose, 0, 1, 0) == (0, 0, 153)
    colours = {tuple(colour) for colour in pose.reshape(-1, 3).tolist()}
    assert {(153, 0, 51), (120, 120, 0), (200, 200, 0), (100, 100, 0)} <= colours
    assert (255, 255, 255) not in colours  # no face points
    without = made(seen, parts=("body",))["pose"]
    assert (120, 120, 0) not in {tuple(colour) for colour in without.reshape(-1, 3).tolist()}


def test_the_face_is_cut_out_of_the_film():
    seen = shot((832, 480), 3, fps=30.0)
    face = made(seen)["face"]
    assert face.shape == (3, 512, 512, 3)
    assert face[0].std() > 5
    shift = np.abs(face[0].mean(axis=(0, 1)) - seen.film[0][seen.person_mask[0]].mean(axis=0))
    assert shift.max() < 80  # skin, not the studio


def test_the_box_of_a_face_grows_upwards():
    """get_face_bboxes, scale 1.3: sides grow by sqrt(1.3) - 1, three quarters of the height's growth upwards."""
    left, right, top, bottom = face_box(np.array([100.0, 100.0]), np.array([200.0, 180.0]), (832, 480))
    grow = 1.3**0.5 - 1
    assert (left, right) == (int(100 - 50 * grow), int(200 + 50 * grow))
    assert (top, bottom) == (int(100 - 3 * 20 * grow), int(180 + 20 * grow))
    assert face_box(np.array([2.0, 2.0]), np.array([90.0, 60.0]), (95, 61)).tolist() == [0, 95, 0, 61]


def test_the_mask_is_widened_and_blocky():
    """get_mask_body_img (k=7, 3 iterations) and get_aug_mask, whose cells leave out the box's last row and column."""
    mask = np.zeros((100, 100), bool)
    mask[40:60, 50] = True
    box = blocky(mask, (1, 1))
    rows, columns = np.nonzero(box)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (31, 68, 41, 59)
    assert box[31:68, 41:59].all()
    slanted = np.eye(200, dtype=bool)
    assert blocky(slanted, (10, 20)).sum() < 0.6 * blocky(slanted, (1, 1)).sum()
    assert not blocky(np.zeros((9, 9), bool), (1, 1)).any()


def test_replacing_cuts_a_hole_and_white_is_made_anew():
    """process_pipepline.py: bg = frame * (1 - mask), mask * 255."""
    seen = shot(fps=30.0, footage=True)
    passes = made(seen, replace=True)
    mask = passes["mask"] > 0
    assert mask[:, 30:60, 40:60].all()
    assert not passes["background"][mask].any()
    assert (passes["background"][~mask] == 77).all()
    assert set(np.unique(passes["mask"])) == {0, 255}
    assert "mask" not in made(seen)
    blocks = made(seen, replace=True, mask="blocks")["mask"]
    assert (blocks > 0).sum() <= mask.sum()


def test_the_picture_is_letterboxed_on_black():
    """padding_resize, padding_color (0, 0, 0)."""
    reference = made()["reference"]
    assert not reference[:, :20].any()
    assert tuple(reference[48, 64]) == tuple(PICTURE[0, 0])


def test_its_form():
    form = ANIMATE.form
    assert (form.fps, form.multiple, form.people) == (30.0, 16, 1)
    assert form.frames(78) == 78
