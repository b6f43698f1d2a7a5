"""The backdrop plate against the stage itself, which draws what a camera sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from kinema.control.backdrop import backdrop_map, backdrop_plate
from kinema.control.signals import control_signals
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.skeleton import SMPL24
from kinema.stage import photo_studio, shoot

SIZE = (48, 64)
STANDING = Motion(np.repeat(SMPL24.rest[None], 9, axis=0).astype(float), 8.0, SMPL24)


def path(text: str) -> CameraPath:
    return camera_path(text, size=SIZE, fps=8.0, frames=9, subject=STANDING)


def plate_of(picture: np.ndarray, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(plate [T, H, W, 3], seen [T, H, W]) of a picture [H, W, 3]."""
    pixels = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]
    plate, seen = backdrop_plate(pixels, torch.from_numpy(where)[None])
    return plate[0].permute(1, 2, 3, 0).numpy(), seen[0, 0].bool().numpy()


@pytest.mark.parametrize(
    "text",
    ["pan left 15deg", "tilt up 8deg", "zoom in 1.3x", "dolly in 0.8m", "truck left 0.6m", "roll left 10deg"],
)
def test_the_plate_is_what_the_stage_draws_of_an_empty_studio(text):
    world = replace(photo_studio(np.random.default_rng(5)), props=())
    camera = path(text)
    video = shoot(Scene((), camera, 8.0), [], world).rgb
    plate, seen = plate_of(video[0], backdrop_map(camera))
    assert seen[-1].mean() > 0.3
    error = np.abs(plate[-1] - video[-1])[seen[-1]].mean()
    frozen = np.abs(video[0].astype(float) - video[-1])[seen[-1]].mean()
    assert error < 2.5  # grey levels: lines are drawn with antialiasing and sampled once more
    assert error < 0.6 * frozen


def test_a_camera_that_stands_still_shows_the_picture():
    picture = np.random.default_rng(0).integers(0, 255, (64, 48, 3))
    plate, seen = plate_of(picture, backdrop_map(path("static")))
    assert seen.all()
    np.testing.assert_allclose(plate, np.broadcast_to(picture, plate.shape), atol=0.02)


def test_who_stands_there_is_taken_out_and_the_row_drawn_through():
    camera = path("static")
    where = backdrop_map(camera, SMPL24.rest[None])
    hidden = np.isnan(where[0, 0])
    for x, y in camera.project(SMPL24.rest[:16])[0][0]:  # all but the arms, which the rest pose spreads
        assert hidden[int(y), int(x)]
    assert 0.1 < hidden.mean() < 0.6
    picture = np.broadcast_to(np.linspace(0, 200, 48)[None, :, None], (64, 48, 3)).copy()
    expected = picture.copy()
    picture[hidden] = 255
    plate, _ = plate_of(picture, where)
    np.testing.assert_allclose(plate[0], expected, atol=0.5)


def test_nobody_is_taken_out_where_nobody_is_known():
    camera = path("static")
    missing = np.full((2, 24, 3), np.nan)
    assert np.isfinite(backdrop_map(camera, missing)).all()
    behind = SMPL24.rest[None] + [0, 0, 50.0]  # the camera stands before the subject, at +Z
    assert np.isfinite(backdrop_map(camera, behind)).all()


def test_what_the_picture_never_showed_takes_the_colours_of_its_rows():
    picture = np.broadcast_to(np.arange(64.0)[:, None, None], (64, 48, 3))
    plate, seen = plate_of(picture, backdrop_map(path("pan left 120deg")))
    assert not seen[-1].any()
    np.testing.assert_allclose(plate[-1], picture, atol=1e-3)


def test_signals_carry_it_when_asked_and_cut_it_with_the_rest():
    scene = Scene((STANDING,), path("arc left 30deg"), 8.0)
    assert control_signals(scene, size=SIZE).backdrop is None
    signals = control_signals(scene, size=SIZE, backdrop=True)
    assert signals.backdrop is not None
    assert signals.backdrop.shape == (1, 9, 2, 64, 48)
    window = signals.window(4, 5).backdrop
    assert torch.equal(window.nan_to_num(-1), signals.backdrop[:, 4:].nan_to_num(-1))
