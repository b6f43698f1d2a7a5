"""The camera judges: they find cameras that move, and a still picture tells them of none that does."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.evaluation.judges.camera import JUDGES, AlignedCamera, FollowedCamera, wide
from kinema.evaluation.judges.studio import BACKDROP, FLOOR, PROP, Studio, motion_field, moved
from kinema.evaluation.metrics.camera_error import camera_error
from kinema.scene import CameraPath, Scene
from kinema.scene.camera_language import camera_path
from kinema.stage import Prop, Take, World, photo_studio, shoot

SIZE = (96, 128)


@lru_cache(maxsize=4)
def empty_studio(text: str, seed: int = 3, frames: int = 7) -> tuple[World, Take]:
    world = photo_studio(np.random.default_rng(seed))
    path = camera_path(text, size=SIZE, fps=12.0, frames=frames)
    return world, shoot(Scene((), path, 12.0), [], world, antialias=2)


def watch(judge, world: World, take: Take, frames: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    camera = take.scene.camera
    nobody = np.zeros(frames.shape[:3], bool)
    first = camera.c2w[0] if start is None else start
    return judge.watch(frames, nobody, Studio(world, SIZE), camera.intrinsics, first)


@pytest.mark.parametrize("text", ["arc left 20deg", "pan right 10deg", "dolly in 0.5m"])
def test_a_moving_camera_is_found(text):
    world, take = empty_studio(text)
    truth = take.scene.camera.c2w
    aligned = camera_error(watch(AlignedCamera(), world, take, take.rgb), truth)
    followed = camera_error(watch(FollowedCamera(), world, take, take.rgb), truth)
    assert aligned.rotation_deg < 0.3
    assert aligned.translation_m < 0.03
    assert followed.rotation_deg < 2.0
    assert followed.translation_m < 0.25


def test_colours_that_shift_and_noise_do_not_move_the_camera():
    world, take = empty_studio("arc left 20deg")
    noise = np.random.default_rng(0).normal(8, 5, take.rgb.shape)
    worse = np.clip(take.rgb + noise, 0, 255).astype(np.uint8)
    assert camera_error(watch(AlignedCamera(), world, take, worse), take.scene.camera.c2w).rotation_deg < 1.0


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.name)
def test_a_still_picture_is_a_still_camera(judge):
    world, take = empty_studio("arc left 20deg")
    still = np.repeat(take.rgb[:1], len(take.rgb), axis=0)
    found = watch(judge, world, take, still)
    assert camera_error(found, np.repeat(found[:1], len(found), 0)).rotation_deg < 0.2
    error = camera_error(found, take.scene.camera.c2w)
    assert (
        error.rotation_deg
        > 0.9 * camera_error(np.repeat(found[:1], len(found), 0), take.scene.camera.c2w).rotation_deg
    )


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.name)
def test_who_sees_nothing_stays(judge):
    world, take = empty_studio("arc left 20deg")
    camera = take.scene.camera
    everything = np.ones(take.rgb.shape[:3], bool)
    found = judge.watch(take.rgb, everything, Studio(world, SIZE), camera.intrinsics, camera.c2w[0])
    np.testing.assert_allclose(found, np.repeat(camera.c2w[:1], len(found), 0), atol=1e-9)


@pytest.mark.parametrize("there", [True, False], ids=["there", "missing"])
def test_things_that_the_first_picture_did_not_show_are_not_asked_for(there):
    """A video made from one picture cannot have them: whether they come into view says nothing of the camera."""
    _, take = empty_studio("pan right 30deg", frames=13)
    camera = take.scene.camera
    place = camera.c2w[-1, :3, 3] + 4.0 * camera.c2w[-1, :3, 2]
    bare = World(spacing=1.0, checker=1.0)
    box = Prop("box", (float(place[0]), 0.0, float(place[2])), (0.5, 0.8, 0.5), colour=(0.8, 0.1, 0.1))
    world = replace(bare, props=(box,))
    shown = Studio(world, SIZE).shown_to(camera.c2w[0], camera.intrinsics[0], np.zeros(SIZE[::-1], bool))
    ends = [Studio(world, SIZE).view(camera.c2w[t], camera.intrinsics[t]) for t in (0, -1)]
    assert not (ends[0].kind == PROP).any()
    strange = Studio(world, SIZE).strange(ends[1], camera.c2w[-1], camera.intrinsics[-1], shown)
    assert strange.any()
    assert (strange == (ends[1].kind == PROP)).all()
    film = shoot(Scene((), camera, 12.0), [], world if there else bare, antialias=2)
    found = watch(AlignedCamera(), world, film, film.rgb)
    assert camera_error(found, camera.c2w).rotation_deg < 0.3


def test_things_that_the_first_picture_shows_are_known_from_elsewhere():
    world, take = empty_studio("arc left 20deg")
    camera, studio = take.scene.camera, Studio(world, SIZE)
    nobody = np.zeros(SIZE[::-1], bool)
    view = studio.view(camera.c2w[-1], camera.intrinsics[-1])
    strange = [
        studio.strange(
            view,
            camera.c2w[-1],
            camera.intrinsics[-1],
            studio.shown_to(camera.c2w[0], camera.intrinsics[0], blind),
        )
        for blind in (nobody, ~nobody)
    ]
    props = view.kind == PROP
    assert 0 < strange[0].sum() < 0.5 * props.sum()  # sides that face away, and what comes in at the border
    assert (strange[1] == props).all()


def test_studio_knows_how_far_what_it_shows_is():
    world, take = empty_studio("static", frames=1)
    camera = take.scene.camera
    view = Studio(world, SIZE).view(camera.c2w[0], camera.intrinsics[0])
    prop = np.isfinite(take.depth[0])
    np.testing.assert_array_equal(view.kind == PROP, prop)
    np.testing.assert_allclose(1 / view.nearness[prop], take.depth[0][prop], rtol=1e-5)
    assert (view.nearness[view.kind == BACKDROP] == 0).all()
    rows, columns = np.nonzero(view.kind == FLOOR)
    pixels = np.stack([columns, rows], -1)[::97] + 0.5
    places = Studio(world, SIZE).places(pixels, camera.c2w[0], camera.intrinsics[0])
    points = places[:, :3] / places[:, 3:]
    np.testing.assert_allclose(points[:, 1], 0, atol=1e-6)
    np.testing.assert_allclose(camera.project(points)[0][0], pixels, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6), st.integers(0, 100))
def test_motion_field_is_the_derivative_of_projection(motion, seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform([-1, -1, 2], [1, 1, 6], (20, 3))
    lens = np.array([90.0, 95.0, 48.0, 64.0])
    step = 1e-6 * np.array(motion)

    def seen(pose: np.ndarray) -> np.ndarray:
        return CameraPath(pose[None], lens, SIZE, 1.0).project(points)[0][0]

    x, y = (points[:, :2] / points[:, 2:]).T
    field = motion_field(x, y, 1 / points[:, 2], lens)
    np.testing.assert_allclose(seen(moved(np.eye(4), step)) - seen(np.eye(4)), field @ step, atol=2e-9)


def test_masks_grow_by_their_margin():
    mask = np.zeros((1, 15, 15), bool)
    mask[0, 7, 7] = True
    grown = wide(mask, 2)[0]
    assert grown[7, 5]
    assert grown[9, 7]
    assert not grown[7, 4]
    assert not grown[9, 9]
