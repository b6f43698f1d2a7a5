"""VACE's conventions, as ali-vilab/VACE and diffusers' WanVACEPipeline have them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.passes.shots import PICTURE, at_middle, named, shot

from kinema.passes.profile import PassOptions, profile_of
from kinema.signals.depth_map import inverse_depth, relative_depth_film

VACE = profile_of("vace")
NECK, NOSE, RIGHT_SHOULDER, RIGHT_HIP = 1, 0, 2, 8


def made(what=None, **options):
    extra = {name: options.pop(name) for name in ("recipe", "control", "keep") if name in options}
    return named(VACE.passes(what or shot(), PassOptions(extra=extra, **options)))


def test_skeletons_have_red_and_blue_swapped():
    """vace/annotators/pose.py returns the RGB drawing as `[..., ::-1]`: shoulders are blue, neck to nose red."""
    seen = shot((832, 480), 1)
    pose = made(seen)["pose"]
    red, green, blue = at_middle(seen, pose, 0, NECK, RIGHT_SHOULDER)
    assert blue > 100
    assert red < 20
    assert green < 60
    red, _, blue = at_middle(seen, pose, 0, NECK, NOSE)
    assert red > 100
    assert blue < 20


@pytest.mark.parametrize(("size", "width"), [((832, 480), 1.9), ((1280, 720), 2.8)])
def test_limbs_are_as_wide_as_4_px_at_a_short_side_of_1024(size, width):
    """stickwidth = 4 at 1024 (dwpose/util.py, configs/video_preproccess.py), then INTER_AREA to the video's size."""
    seen = shot(size, 1, camera="static")
    film = made(seen, parts=("body",))["pose"][0].astype(float)
    hip, knee = seen.drawn().keypoints[0, 0, [8, 9]]
    row = int((hip[1] + knee[1]) / 2)
    column = int((hip[0] + knee[0]) / 2)
    drawn = film[row, column - 10 : column + 11].max(axis=-1)
    across = drawn.sum() / 153  # what a limb of full colour would cover
    slant = np.cos(np.arctan2(knee[0] - hip[0], knee[1] - hip[1]))
    assert across * slant == pytest.approx(2 * (width + 0.3), abs=0.6)


def test_no_hands_unless_they_are_asked_for():
    """The default annotator of films is PoseBodyFaceVideoAnnotator: use_hand False."""
    assert VACE.parts == ("body", "face")


def test_depth_is_inverse_and_near_is_white_in_each_frame():
    """vace/annotators/depth.py: minus its minimum, over its maximum, times 255, rounded down, three channels."""
    seen = shot()
    film = made(seen)["depth"]
    assert (film[..., 0] == film[..., 1]).all()
    assert (film.reshape(len(film), -1).min(axis=1) == 0).all()
    assert (film.reshape(len(film), -1).max(axis=1) >= 254).all()
    person = seen.person_mask
    nearer = seen.depth < np.median(seen.depth[person])
    assert film[..., 0][person & nearer].mean() > film[..., 0][person & ~nearer].mean()
    assert film[:, 0].max() == 0  # above the horizon
    assert film[:, -1].min() > film[..., 0][person].min()  # the floor at the camera's feet is nearer


def test_the_floor_has_the_depth_that_the_camera_tells():
    seen = shot()
    inverse = inverse_depth(seen.depth, seen.camera)
    assert np.isfinite(inverse).all()
    camera, (x, y) = seen.camera, (100, 90)
    fx, fy, cx, cy = camera.intrinsics[0]
    ray = camera.c2w[0, :3, :3] @ ((x + 0.5 - cx) / fx, (y + 0.5 - cy) / fy, 1.0)
    away = -camera.c2w[0, 1, 3] / ray[1]
    assert not np.isfinite(seen.depth[0, y, x])
    assert 1 / inverse[0, y, x] == pytest.approx(away, rel=1e-4)


def test_a_frame_of_one_depth_is_black():
    assert not relative_depth_film(np.full((1, 4, 4), 0.3, np.float32)).any()


def test_white_is_made_anew_and_the_whole_frame_is():
    """WanVACEPipeline: mask 1 is reactive; recipe a masks nothing."""
    passes = made()
    assert (passes["mask"] == 255).all()
    assert passes["mask"].shape == (5, 96, 128)
    assert np.array_equal(passes["control"], passes["pose"])


def test_the_picture_is_letterboxed_on_white():
    """WanVACEPipeline.preprocess_conditions puts references on a canvas of ones."""
    reference = made()["reference"]
    assert reference.shape == (96, 128, 3)
    assert (reference[:, :20] == 255).all()
    assert tuple(reference[48, 64]) == tuple(PICTURE[0, 0])


def test_first_frame_is_the_picture_with_a_black_mask():
    """ali-vilab/VACE#28, #34: frame 0 kept, the rest is made after the control."""
    passes = made(recipe="first-frame")
    assert tuple(passes["control"][0, 48, 64]) == tuple(PICTURE[0, 0])
    assert not passes["mask"][0].any()
    assert (passes["mask"][1:] == 255).all()
    assert np.array_equal(passes["control"][1:], passes["pose"][1:])


def test_background_keeps_the_stage_outside_the_people():
    """ali-vilab/VACE#34: the pose inside the masked region, the film outside it."""
    seen = shot()
    passes = made(seen, recipe="background")
    mask = passes["mask"] > 0
    assert mask[seen.person_mask].all()
    assert mask[passes["pose"].any(axis=-1)].all()
    assert 0.02 < mask.mean() < 0.5
    assert np.array_equal(passes["control"][~mask], seen.room[~mask])
    assert np.array_equal(passes["control"][mask], passes["pose"][mask])


def test_replacing_keeps_the_footage():
    seen = shot(footage=True)
    passes = made(seen, replace=True)
    mask = passes["mask"] > 0
    assert mask[:, 30:60, 40:60].all()
    assert (passes["control"][~mask] == 77).all()


def test_pose_and_depth_are_spatially_apart():
    """ali-vilab/VACE#27: the skeleton where people are, depth elsewhere."""
    seen = shot()
    passes = made(seen, recipe="pose-and-depth")
    assert np.array_equal(passes["control"][seen.person_mask], passes["pose"][seen.person_mask])
    corner = np.s_[:, 80:, :10]
    assert np.array_equal(passes["control"][corner], passes["depth"][corner])
    assert passes["control"][corner].any()


def test_extend_keeps_the_first_frames():
    """vace/annotators/frameref.py, `firstclip`: the first frames with a black mask."""
    seen = shot(frames=9)
    passes = made(seen, recipe="extend", keep="5")
    assert np.array_equal(passes["control"][:5], seen.film[:5])
    assert not passes["mask"][:5].any()
    assert (passes["mask"][5:] == 255).all()
    assert np.array_equal(passes["control"][5:], passes["pose"][5:])
    assert (made(seen, recipe="extend", keep="5", control="none")["control"][5:] == 128).all()


def test_its_frames_are_4k_and_1_of_sixteen_a_second():
    form = VACE.form
    assert (form.size, form.fps, form.multiple) == ((832, 480), 16.0, 16)
    assert [form.frames(n) for n in (1, 2, 5, 6, 81, 82)] == [1, 5, 5, 9, 81, 85]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extra": {"recipe": "magic"}}, "recipe is one of"),
        ({"extra": {"keep": "3"}}, "keep goes with recipe=extend"),
        ({"extra": {"recipe": "extend", "keep": "-1"}}, "keep is a number"),
        ({"extra": {"speed": "3"}}, "no option 'speed'"),
        ({"parts": ("tail",)}, "no 'tail'"),
    ],
)
def test_what_it_does_not_know_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        VACE.check_extra(PassOptions(**options))


def test_recipes_that_contradict_themselves_are_refused():
    with pytest.raises(ValueError, match="is control=both"):
        made(recipe="pose-and-depth", control="depth")
    with pytest.raises(ValueError, match="replacing a person is recipe=background"):
        made(recipe="pose", replace=True)
    with pytest.raises(ValueError, match="give the picture"):
        made(shot(picture=None), recipe="first-frame")
    with pytest.raises(ValueError, match="leaves nothing to make"):
        made(recipe="extend", keep="5")
