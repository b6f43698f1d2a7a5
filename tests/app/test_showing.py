"""What notebooks show: the film, poses, ways and facts, all of it small."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from tests.app.test_cli import moving

import kinema
from kinema.media.inline import video_html
from kinema.media.video import read_video
from kinema.scene import Scene
from kinema.scene.camera_language import camera_path


def drawings(html: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html)]


def film(html: str, path) -> kinema.media.video.Video:
    source = re.search(r'src="data:video/(mp4|webm);base64,([^"]*)"', html)
    file = path / f"film.{source[1]}"
    file.write_bytes(base64.b64decode(source[2]))
    return read_video(file)


def test_a_motion_shows_poses_a_way_and_facts():
    html = moving()._repr_html_()
    figures, ways = drawings(html)
    assert len(figures) == 7
    assert all(len(pose.get("d").split("M")) - 1 == 23 for pose in figures), "a line for every bone"
    assert len(ways) == 2
    assert "11 frames at 10 fps (1.00 s), 24 joints, a way of 0.30 m" in html
    assert len(html) < 20_000


def test_what_is_missing_is_left_out():
    motion = moving()
    joints = motion.joints.copy()
    joints[:, 20:] = np.nan
    some = replace(motion, joints=joints)._repr_html_()
    assert "17% of joints missing" in some
    assert "nan" not in some
    nobody = replace(motion, joints=np.full_like(joints, np.nan))._repr_html_()
    assert drawings(nobody) == []


def test_a_scene_shows_everybody_and_the_camera_and_no_markup_of_its_text():
    camera = camera_path("arc left 40deg", size=(64, 48), fps=10, frames=11)
    scene = Scene((moving(), moving(side=1.0)), camera, 10, "<b>two</b> & more")
    html = scene._repr_html_()
    assert len(drawings(html)) == 3
    assert "person 1: 11 frames" in html
    assert "camera: 11 frames at 10 fps (1.00 s), 64x48, 40° high" in html
    assert "&lt;b&gt;two&lt;/b&gt; &amp; more" in html
    assert len(drawings(camera._repr_html_())) == 1
    assert "no camera" in scene.with_camera(None)._repr_html_()
    assert "and 6 more people" in Scene((moving(),) * 10, None, 10)._repr_html_()


def test_a_video_shows_itself(tmp_path):
    made = kinema.preview(Scene((moving(),), None, 10), size=(48, 64), seconds=3)
    html = made._repr_html_()
    assert "11 frames at 10 fps, 48x64" in html
    assert "ends there, not at 3 s" in html
    back = film(html, tmp_path)
    assert np.abs(back.frames.astype(int) - made.frames).mean() < 4
    assert 'width="180" height="240"' in html


def test_a_transparent_one_shows_itself_and_is_saved(tmp_path):
    made = kinema.preview(Scene((moving(),), None, 10), size=(48, 64), seconds=0.3, transparent=True)
    assert made.frames.shape == (4, 64, 48, 4)
    assert "data:video/webm" in made._repr_html_()
    made.save(f"{tmp_path}/frames/")
    assert len(list((tmp_path / "frames").glob("*.png"))) == 4
    with pytest.raises(ValueError, match="cannot be transparent"):
        made.save(tmp_path / "a.mp4")


def test_large_and_long_films_are_made_small(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (2, 1000, 1500, 3), np.uint8)
    assert film(video_html(noise, 10), tmp_path).frames.shape == (2, 320, 480, 3)
    long = video_html(np.zeros((901, 32, 32, 3), np.uint8), 10)
    assert long.count("<img") == 6
    assert len(long) < 100_000
