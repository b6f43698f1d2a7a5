"""Conventions of VideoX-Fun's controls, Wan-Animate-2, LTX, OpenPose JSON and depth maps."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.passes.shots import PICTURE, at_middle, named, shot

from kinema.passes.profile import PROFILES, PassOptions, profile_of
from kinema.scene.formats import openpose
from kinema.signals.depth_map import metric_depth_film


def made(name, what=None, **extra):
    profile = profile_of(name)
    options = PassOptions(extra=extra)
    profile.check_extra(options)
    return named(profile.passes(what or shot(), options))


@pytest.mark.parametrize("name", ["wan-fun-control", "cogvideox-fun"])
def test_videox_fun_reads_plain_rgb_skeletons(name):
    """aigc-apps/VideoX-Fun, comfyui/annotator/dwpose_utils/util.py, asset/pose.mp4: red shoulders, blue neck to nose."""
    seen = shot((832, 480), 1)
    pose = made(name, seen)["pose"]
    red, _, blue = at_middle(seen, pose, 0, 1, 2)
    assert red > 120
    assert blue < 20
    assert at_middle(seen, pose, 0, 1, 0)[2] > 120
    assert profile_of(name).parts == ("body", "hands", "face")


def test_videox_fun_shows_metric_depth_between_percentiles():
    """comfyui/annotator/nodes.py: 1 - (d - p2) / (p85 - p2), clipped; linear in metres, near is white."""
    metres = np.linspace(1, 5, 160000, dtype=np.float32).reshape(1, 400, 400)
    film = metric_depth_film(1 / metres)[0, ..., 0].astype(float)
    low, high = np.percentile(metres, (2, 85))
    wanted = np.clip(255 * (1 - (metres[0] - low) / (high - low)), 0, 255)
    assert np.abs(film - wanted).max() < 3
    assert (film[0, :2] == 255).all()
    assert (film[-10:] == 0).all()


@pytest.mark.parametrize(
    ("name", "fps", "step", "multiple", "size"),
    [
        ("wan-fun-control", 16, 4, 16, (832, 480)),
        ("cogvideox-fun", 8, 8, 16, (720, 480)),
        ("wan-animate-2", 24, 1, 16, (640, 800)),
        ("ltx", 24, 8, 32, (768, 512)),
    ],
)
def test_forms(name, fps, step, multiple, size):
    form = profile_of(name).form
    assert (form.fps, form.frame_step, form.multiple, form.size) == (fps, step, multiple, size)
    form.check(form.size, name)


def test_what_is_not_the_control_is_there_to_exchange():
    films = made("cogvideox-fun", control="depth")
    assert list(films) == ["depth", "pose"]
    assert "reference" not in films  # CogVideoXFunControlPipeline reads no picture


def test_the_first_frame_and_the_reference_are_told_apart():
    assert "reference" in made("wan-fun-control")
    start = made("wan-fun-control", picture="start")["start"]
    assert tuple(start[0, 0]) == tuple(PICTURE[0, 0])  # cropped to fill
    with pytest.raises(ValueError, match="give the picture"):
        made("wan-fun-control", shot(picture=None), picture="start")


def test_wan_animate_2_is_driven_by_the_film_itself():
    """diffusers, modular_pipelines/wan_animate_2: driving_video as frames, image as it is."""
    seen = shot()
    passes = made("wan-animate-2", seen)
    assert passes["driving"] is seen.film
    assert passes["reference"].shape == PICTURE.shape


def test_ltx_may_be_given_either_order():
    seen = shot((768, 512), 1)
    rgb, bgr = made("ltx", seen)["pose"], made("ltx", seen, order="bgr")["pose"]
    assert np.array_equal(rgb, bgr[..., ::-1])
    assert list(made("ltx", seen)) == ["driving", "pose", "depth", "start"]
    assert [profile_of("ltx").form.frames(n) for n in (1, 9, 10, 121)] == [1, 9, 17, 121]


def test_openpose_json_is_read_back(tmp_path):
    """doc/02_output.md: BODY_25 in pixels, x, y, confidence; one file per frame."""
    seen = shot(people=2)
    frames = made("openpose", seen)["openpose"]
    assert len(frames) == 5
    assert len(frames[0]["people"]) == 2
    assert len(frames[0]["people"][0]["pose_keypoints_2d"]) == 75
    (tmp_path / "all.json").write_text(json.dumps(frames))
    back = openpose.read(tmp_path / "all.json")
    assert back.size == (128, 96)
    assert np.allclose(back.to_openpose18().points, seen.drawn().keypoints[:5], atol=1e-2)
    hips = back.points[:, :, [9, 12]].mean(axis=2)
    assert np.allclose(back.points[:, :, 8], hips, atol=1e-2)
    assert np.isfinite(back.points[:, :, [19, 22]]).all()
    assert np.isnan(back.points[:, :, [21, 24]]).all()  # heels


def test_depth_in_millimetres_and_in_grey():
    seen = shot()
    passes = made("depth", seen)
    assert passes["depth16"].dtype == np.uint16
    person = seen.person_mask
    assert np.abs(passes["depth16"][person] - 1000 * seen.depth[person]).max() <= 1
    assert not passes["depth16"][:, 0].any()  # above the horizon
    assert passes["depth"].max() == 255
    over_film = made("depth", seen, range="film")["depth"]
    assert over_film.reshape(5, -1).max(axis=1).min() <= 255
    assert over_film.max() == 255


@pytest.mark.parametrize("name", list(PROFILES))
def test_every_profile_says_where_its_convention_is_read_and_what_goes_where(name):
    profile = profile_of(name)
    assert profile.title
    assert ":" in profile.source or "/" in profile.source
    assert profile.guide(PassOptions())
    width, height = profile.form.size
    small = profile.form.multiple * max(1, round(96 / profile.form.multiple))
    seen = shot((small, small), profile.form.frames(5), profile.form.fps)
    for each in profile.passes(seen, PassOptions()):
        assert each.goes
        if each.kind in ("film", "mask"):
            assert len(each.data) == seen.frames
    assert width % profile.form.multiple == height % profile.form.multiple == 0
