"""The backdrop plate against the stage itself, which draws what a camera sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from kinema.data.standing import standing
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.skeleton import SMPL24
from kinema.signals.control_signals import control_signals
from kinema.stage import photo_studio, random_actor, shoot
from kinema.video.models.mini.backdrop import Backdrop
from kinema.video.models.mini.network import MiniFormat
from kinema.video.models.mini.plates import MiniConditioning

SIZE = (48, 64)
STANDING = Motion(np.repeat(SMPL24.rest[None], 9, axis=0).astype(float), 8.0, SMPL24)


def path(text: str, size: tuple[int, int] = SIZE) -> CameraPath:
    return camera_path(text, size=size, fps=8.0, frames=9, subject=STANDING)


def plate_of(picture: np.ndarray, camera: CameraPath, people: np.ndarray | None = None):
    """(plate [T, H, W, 3], seen [T, H, W]) of a picture [H, W, 3]."""
    plate = Backdrop.of(picture.astype(np.uint8), camera, people).seen_by(camera)
    return plate[..., :3].astype(float), plate[..., 3] == 255


@pytest.mark.parametrize(
    "text",
    ["pan left 15deg", "tilt up 8deg", "zoom in 1.3x", "dolly in 0.8m", "truck left 0.6m", "roll left 10deg"],
)
def test_the_plate_is_what_the_stage_draws_of_an_empty_studio(text):
    world = replace(photo_studio(np.random.default_rng(5)), props=())
    camera = path(text)
    video = shoot(Scene((), camera, 8.0), [], world).rgb
    plate, seen = plate_of(video[0], camera)
    assert seen[-1].mean() > 0.3
    error = np.abs(plate[-1] - video[-1])[seen[-1]].mean()
    frozen = np.abs(video[0].astype(float) - video[-1])[seen[-1]].mean()
    assert error < 2.5  # grey levels: lines are drawn with antialiasing and sampled once more
    assert error < 0.6 * frozen


@pytest.mark.parametrize("seed", range(4))
def test_what_the_picture_never_showed_goes_on_as_the_studio_does(seed):
    world = replace(photo_studio(np.random.default_rng(seed)), props=())
    camera = path("arc left 70deg", (96, 128))
    video = shoot(Scene((), camera, 8.0), [], world).rgb.astype(float)
    plate, seen = plate_of(video[0], camera)
    unseen = ~seen[-1]
    assert unseen.mean() > 0.2
    plain = np.broadcast_to(video[0].mean(1, keepdims=True), video[0].shape)  # the colours of the rows
    error, drawn_out = (np.abs(each - video[-1])[unseen].mean() for each in (plate[-1], plain))
    assert error < 3.0  # grey levels
    assert error < 0.8 * drawn_out


def test_a_camera_that_stands_still_shows_the_picture():
    picture = np.random.default_rng(0).integers(0, 255, (64, 48, 3))
    plate, seen = plate_of(picture, path("static"))
    assert seen.all()
    np.testing.assert_allclose(plate, np.broadcast_to(picture, plate.shape), atol=1)


def test_who_stands_there_and_their_shadow_are_taken_out():
    camera = path("static", (96, 128))
    world = replace(photo_studio(np.random.default_rng(5)), props=())
    empty = shoot(Scene((), camera, 8.0), [], world).rgb[0].astype(float)
    relaxed = standing(STANDING, facing=camera.c2w[0, :3, 3])
    film = shoot(Scene((relaxed,), camera, 8.0), [random_actor(np.random.default_rng(1))], world)
    plate, seen = plate_of(film.rgb[0], camera, STANDING.joints[:1])
    assert not seen[0][film.person_mask[0]].any()
    changed = np.abs(film.rgb[0] - empty).max(2) > 20
    assert changed.mean() > 0.05
    assert np.abs(plate[0] - empty)[changed].mean() < 0.15 * np.abs(film.rgb[0] - empty)[changed].mean()


def test_nobody_is_taken_out_where_nobody_is_known():
    picture = np.full((64, 48, 3), 100)
    camera = path("static")
    behind = SMPL24.rest[None] + [0, 0, 50.0]  # the camera stands before the subject, at +Z
    for people in (np.full((2, 24, 3), np.nan), behind, np.zeros((0, 24, 3))):
        assert plate_of(picture, camera, people)[1].all()


def test_far_away_colours_go_by_height():
    world = replace(photo_studio(np.random.default_rng(2)), props=())
    camera = path("pan left 120deg")
    video = shoot(Scene((), camera, 8.0), [], world).rgb.astype(float)
    plate, seen = plate_of(video[0], camera)
    assert not seen[-1].any()
    assert np.abs(plate[-1] - video[-1])[:24].mean() < 1.5  # grey levels, above the horizon


def test_a_picture_of_something_else_is_only_moved():
    """Where floor and distance explain nothing, nothing is cut out of a picture."""
    picture = np.random.default_rng(3).integers(0, 255, (64, 48, 3)).astype(np.uint8)
    backdrop = Backdrop.of(picture, path("static"), SMPL24.rest[None])
    assert backdrop.things == ()
    column = Backdrop.of(np.full_like(picture, 90), path("static"), SMPL24.rest[None])
    assert (~backdrop.shown).sum() <= (
        ~column.shown
    ).sum() + 200  # beside the column only dark floor that touches it


@pytest.mark.parametrize("height", [0.05, 1.0])
def test_somebody_who_fills_the_picture_and_a_camera_in_the_floor_leave_a_plain_backdrop(height):
    camera = path("static")
    pose = camera.c2w.copy()
    pose[:, 1, 3] = height - 0.05
    near = replace(camera, c2w=pose)
    giant = 8 * SMPL24.rest[None] + [0, -4.0, pose[0, 2, 3] - 1.0]
    plate, seen = plate_of(np.full((64, 48, 3), 120), near, giant)
    assert np.abs(plate - 120).max() <= 1
    assert not seen.any()


def test_a_picture_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"picture must be \[H, W, 3\] = \[64, 48, 3\].*got \[48, 64, 3\]"):
        Backdrop.of(np.zeros((48, 64, 3), np.uint8), path("static"))


def test_a_videos_plates_are_cut_into_its_windows():
    scene = Scene((STANDING,), path("arc left 30deg"), 8.0)
    form = MiniFormat(width=48, height=64, frames=5, fps=8.0)
    picture = np.random.default_rng(0).integers(0, 255, (64, 48, 3)).astype(np.uint8)
    plates = MiniConditioning.of(scene, picture, form, 9, posed=True)
    assert plates.backdrop.shape == (1, 9, 4, 64, 48)
    assert 0 <= plates.backdrop.min() <= plates.backdrop.max() <= 1
    assert torch.equal(plates.window(4, 5).backdrop, plates.backdrop[:, 4:])
    assert torch.equal(plates.people, control_signals(scene, size=SIZE, frames=9, fps=8.0).person_mask)
    assert MiniConditioning.of(scene, picture, form, 9, posed=False).people is None
