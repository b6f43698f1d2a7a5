"""The person in the character's picture: the picture is cut round them, and the motion is fitted to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kinema.app.model_cache import ModelCache
from kinema.app.picture_person import camera_from_picture
from kinema.app.preparing import Prepared, prepare
from kinema.app.progress import Notes, Progress
from kinema.app.request import VideoRequest
from kinema.media.windows import share_within, window_round
from kinema.scene.camera import CameraPath, intrinsics_from_fov, look_at
from kinema.scene.formats import read_motion
from kinema.scene.scene import Scene
from kinema.video.pixels import picture_tensor
from kinema.video.registry import EMBEDDED

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
REAL = EXAMPLES.parents[1] / "shared" / "real_cases" / "pictures"
CHARACTER = EXAMPLES / "character.png"
WALK = EXAMPLES / "walk_and_wave.bvh"

side = st.integers(1, 5000)


@given(
    side, side, st.integers(1, 2000), st.integers(1, 2000), st.lists(st.floats(0, 1), min_size=4, max_size=4)
)
def test_a_window_lies_within_the_picture_and_has_its_shape(width, height, across, down, corners):
    x, y = sorted(corners[:2]), sorted(corners[2:])
    figure = (x[0] * width, y[0] * height, x[1] * width, y[1] * height)
    left, top, right, bottom = window_round((width, height), (across, down), figure)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert right - left == width or bottom - top == height
    scale = max(across / width, down / height)
    assert abs((right - left) * scale - across) <= scale
    assert abs((bottom - top) * scale - down) <= scale


@given(st.integers(330, 3000), st.floats(0, 0.8))
def test_whoever_fits_is_in_the_window(width, place):
    figure = (place * width, 10.0, place * width + 120.0, 390.0)
    window = window_round((width, 400), (3, 4), figure)
    assert share_within((figure[0], 10.0, min(figure[2], width), 390.0), window) == pytest.approx(1.0)


def test_of_whoever_does_not_fit_the_head_is_kept():
    window = window_round((400, 1000), (16, 9), (150.0, 300.0, 250.0, 950.0))
    assert window[1] <= 300 < window[1] + 40


def test_pictures_of_all_sizes_become_pixels():
    """The crop's left edge was -1e-14 for 133 of 5,600 sizes."""
    for width in range(1, 400, 5):
        for height in range(1, 400, 6):
            assert picture_tensor(Image.new("RGB", (width, height)), (96, 128)).shape == (1, 3, 1, 128, 96)


def prepared(picture, motion=WALK, **options) -> tuple[Prepared, list[str]]:
    notes = Notes(Progress())
    request = VideoRequest.of(picture=picture, motion=motion, seconds=1.0, backbone=EMBEDDED, **options)
    return prepare(request, notes, ModelCache()), notes.lines


class TestFitting:
    @pytest.fixture(autouse=True)
    def detector(self):
        pytest.importorskip("mediapipe")

    def ankles_and_neck(self, made: Prepared) -> np.ndarray:
        camera = made.scene.camera
        assert camera is not None
        return camera.project(made.scene.people[0].joints)[0][0, [7, 8, 12]] / camera.size

    def test_a_motion_file_is_fitted_to_the_picture_by_default(self):
        made, _ = prepared(CHARACTER)
        assert made.settings["retarget"] is True
        assert made.aligned is not None
        points = self.ankles_and_neck(made)
        assert points[:2, 1] == pytest.approx(0.78, abs=0.06)  # where the character's are, one foot raised
        assert points[2] == pytest.approx([0.47, 0.24], abs=0.04)

    def test_it_can_be_left_alone(self):
        made, notes = prepared(CHARACTER, retarget=False)
        assert made.settings["retarget"] is False
        assert made.aligned is None
        assert not any("field of view" in note for note in notes)

    @pytest.mark.parametrize("left", [0, 700])
    def test_a_landscape_picture_is_cut_round_the_person(self, left):
        """The person stands at the side of a wide picture; the skeleton lies on them all the same."""
        character = Image.open(CHARACTER).convert("RGB")
        wide = Image.new("RGB", (384 + 700, 512), character.getpixel((5, 5)))
        wide.paste(character, (left, 0))
        made, _ = prepared(wide)
        assert made.picture is not None
        assert made.picture.size == (384, 512)
        start = np.asarray(made.picture).astype(int)
        shift = min(
            abs(start - np.roll(np.asarray(character).astype(int), n, axis=1)).mean()
            for n in range(-90, 91, 2)
        )
        assert shift < 12  # the person is whole in it
        points = self.ankles_and_neck(made)
        assert abs(points[:2, 1] - 0.78).max() < 0.06
        assert 0.3 < points[2, 0] < 0.7

    def test_a_camera_in_words_begins_where_the_picture_was_taken(self):
        still, _ = prepared(CHARACTER)
        moved, _ = prepared(CHARACTER, camera="arc left 40deg")
        assert np.allclose(self.ankles_and_neck(still), self.ankles_and_neck(moved), atol=0.02)
        assert moved.scene.camera is not None
        assert not np.allclose(moved.scene.camera.c2w[0], moved.scene.camera.c2w[-1], atol=0.1)

    def test_nobody_in_the_picture_is_a_note(self):
        made, notes = prepared(Image.effect_noise((96, 128), 40))
        assert made.settings["retarget"] is False
        assert any("nobody was found in the picture" in note and "head to feet" in note for note in notes)

    @pytest.mark.skipif(not REAL.is_dir(), reason="no shared/real_cases here")
    @pytest.mark.parametrize("name", ["astronaut.png", "painting_monalisa.jpg"])
    def test_half_a_body_is_fitted_and_said(self, name):
        made, notes = prepared(REAL / name)
        assert made.settings["retarget"] is True
        assert any("legs are not in the picture" in note and "stands" in note for note in notes)
        assert made.scene.camera is not None
        shoulders = made.scene.camera.project(made.scene.people[0].joints)[0][0, [16, 17]]
        assert (shoulders > 0).all()
        assert (shoulders < made.scene.camera.size).all()

    def test_a_face_alone_is_a_note_and_a_fall_back(self):
        face = Image.open(CHARACTER).convert("RGB").crop((150, 60, 240, 130)).resize((360, 280))
        made, notes = prepared(face)
        assert made.settings["retarget"] is False
        assert any("nobody was found" in note or "too little" in note for note in notes)

    @pytest.mark.skipif(not REAL.is_dir(), reason="no shared/real_cases here")
    def test_every_real_picture_can_be_prepared(self):
        for path in sorted(REAL.iterdir()):
            made, notes = prepared(path)
            assert made.picture is not None
            assert notes


def test_whoever_would_leave_the_picture_is_followed():
    motion = read_motion(WALK, as_smpl24=True)
    pose = look_at([3.0, 1.0, 0.0], [0.0, 1.0, 0.0])  # from the side: the walk leads out of the picture
    lens, size = intrinsics_from_fov(40.0, (96, 128)), (96, 128)
    scene = Scene((motion,), CameraPath.static(pose, lens, size, motion.fps, motion.frames), motion.fps)
    followed = camera_from_picture("static", scene, 0, 12.0, None, "auto")
    still = camera_from_picture("static", scene, 0, 12.0, None, "none")
    assert np.ptp(followed.positions[:, 2]) > 1.0
    assert np.ptp(still.positions) < 1e-9 + np.ptp(still.positions[0])
    assert np.allclose(followed.c2w[0], pose, atol=1e-6)


def test_animate_fits_a_file_by_default(cli, tmp_path):
    pytest.importorskip("mediapipe")
    out, aligned = tmp_path / "a.mp4", tmp_path / "a.png"
    said = cli(
        "animate",
        CHARACTER,
        "--motion",
        WALK,
        "-o",
        out,
        "--backbone",
        EMBEDDED,
        "--steps",
        1,
        "--seconds",
        0.3,
        "--aligned",
        aligned,
    )
    assert said["retarget"] is True
    assert Image.open(aligned).size == (384, 512)
