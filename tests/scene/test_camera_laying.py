"""Camera paths from other worlds on a shot: upright, in front of the person, out of floor and people."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tests.scene.formats.camera_cases import real_camera
from tests.scene.formats.test_cameras import arc_of, circle, transforms

from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.camera_laying import lay
from kinema.scene.formats.camera_reading import FromCameraFile
from kinema.scene.formats.cameras import read_camera_file, write_camera
from kinema.scene.formats.reading import AssumptionWarning
from kinema.scene.framing import direct, outside, scene_camera, unseen
from kinema.scene.skeleton import SMPL24

SIZE, FPS, FRAMES = (64, 64), 10.0, 25


def standing(frames: int = FRAMES, forward: float = 0.0) -> Scene:
    joints = np.repeat(SMPL24.rest[None], frames, axis=0).astype(float)
    joints[:, :, 2] += np.linspace(0, forward, frames)[:, None]
    joints[:, :, 1] -= joints[0, :, 1].min()
    return Scene((Motion(joints, FPS, SMPL24),), None, FPS)


def shot(path, scene: Scene | None = None, **words) -> CameraPath:
    file = read_camera_file(path, **words)
    return lay(file, scene or standing(), size=SIZE, fps=FPS, frames=FRAMES).path


def seen(camera: CameraPath, scene: Scene | None = None) -> float:
    return 1 - outside((scene or standing()).people[0], camera)


def roll(camera: CameraPath) -> np.ndarray:
    return np.degrees(np.arcsin(np.clip(camera.c2w[:, 1, 0], -1, 1)))


@pytest.mark.parametrize("name", ["transforms.json", "colmap_images.txt"])
def test_an_arc_of_40_degrees_stays_one_about_the_person(name):
    camera = shot(real_camera(name))
    assert abs(arc_of(camera)) == pytest.approx(40, abs=0.5)
    away = np.linalg.norm((camera.positions - standing().people[0].joints[0, 0])[:, [0, 2]], axis=1)
    assert np.ptp(away) < 0.1
    assert seen(camera) == 1
    np.testing.assert_allclose(roll(camera), 0, atol=0.1)
    assert (-camera.c2w[:, 1, 1] > 0.9).all()  # upright
    assert (camera.c2w[:, 1, 2] < -0.3).all()  # looks down, as the file's cameras do
    # The first camera stands in front of the person, who faces +z.
    assert abs(camera.positions[0, 0]) < 0.05
    assert camera.positions[0, 2] > 1


def test_kitti_drives_forward_and_stops_before_the_person():
    camera = shot(real_camera("kitti_00.txt"))
    way = camera.positions[-1] - camera.positions[0]
    assert way @ camera.c2w[0, :3, 2] > 0.95 * np.linalg.norm(way) > 0.5
    away = camera.positions[:, 2] - standing().people[0].joints[0, 0, 2]
    assert away.min() > 1
    assert seen(camera) == 1
    metres = shot(real_camera("kitti_00.txt"), scale=1)
    assert np.linalg.norm(metres.positions[-1] - metres.positions[0]) == pytest.approx(6.0, abs=0.05)
    said = [
        str(each)
        for each in lay(
            read_camera_file(real_camera("kitti_00.txt")), standing(), size=SIZE, fps=FPS, frames=FRAMES
        ).doubts
    ]
    assert any("shortened" in line and "--camera-scale" in line for line in said)


@pytest.mark.parametrize("name", ["re10k_2f25.txt", "groundtruth.txt", "wan_fun_ACW.txt"])
def test_real_paths_see_the_person_upright(name):
    camera = shot(real_camera(name))
    assert seen(camera) == 1
    assert abs(roll(camera)[0]) < 6
    assert -camera.c2w[0, 1, 1] > 0.8
    assert camera.positions[:, 1].min() > 0.1


def test_the_pictures_of_a_lens_are_cropped_to_the_shot():
    file = read_camera_file(real_camera("re10k_2f25.txt"))
    assert file.camera.fov_y[0] == pytest.approx(2 * np.degrees(np.arctan(0.5 / 0.837304886)), abs=0.01)
    assert shot(real_camera("re10k_2f25.txt")).fov_y[0] == pytest.approx(file.camera.fov_y[0], abs=0.01)
    assert shot(real_camera("re10k_2f25.txt"), fov=30).fov_y[0] == pytest.approx(30)
    assert shot(real_camera("groundtruth.txt")).fov_y[0] == pytest.approx(40)


def test_the_camera_rolls_as_the_file_says():
    camera = shot(real_camera("wan_fun_ACW.txt"))
    assert np.ptp(roll(camera)) == pytest.approx(59, abs=2)
    assert np.ptp(camera.positions, axis=0).max() < 1e-6


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.floats(-3.1, 3.1),
    st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3),
    st.floats(1e-3, 1e3),
)
def test_where_and_how_large_the_other_world_is_does_not_matter(tmp_path, turn, shift, scale):
    c2w = circle()
    (tmp_path / "a.json").write_text(transforms(c2w))
    moved = c2w.copy()
    moved[:, :3, 3] *= scale
    rigid = np.eye(4)
    rigid[:3, :3] = Rotation.from_euler("y", turn).as_matrix()
    rigid[:3, 3] = shift
    (tmp_path / "b.json").write_text(transforms(rigid @ moved))
    np.testing.assert_allclose(shot(tmp_path / "b.json").c2w, shot(tmp_path / "a.json").c2w, atol=1e-3)


def test_a_way_without_a_centre_leads_as_far_as_suits_the_person(tmp_path):
    c2w = np.tile(np.eye(4), (9, 1, 1))
    c2w[:, 0, 3] = np.linspace(0, 70, 9)  # sideways, in whatever unit
    (tmp_path / "RT.json").write_text(json.dumps(np.linalg.inv(c2w)[:, :3].tolist()))
    camera = shot(tmp_path / "RT.json")
    away = float(np.linalg.norm(camera.positions[0] - [0, camera.positions[0, 1], 0]))
    way = np.linalg.norm(camera.positions[-1] - camera.positions[0])
    assert 0.05 * away < way <= 0.45 * away
    assert seen(camera) > 0.85
    told = shot(tmp_path / "RT.json", scale=0.1)
    assert np.linalg.norm(told.positions[-1] - told.positions[0]) == pytest.approx(7, abs=1e-6)


def test_absolute_poses_stay_where_they_are(tmp_path):
    c2w = circle()
    (tmp_path / "a.json").write_text(transforms(c2w))
    for scale in (None, 2.0):
        words = {} if scale is None else {"scale": scale}
        camera = shot(tmp_path / "a.json", absolute=True, **words)
        np.testing.assert_allclose(camera.positions[[0, -1]], c2w[[0, -1], :3, 3] * (scale or 1), atol=1e-9)
        np.testing.assert_allclose(camera.c2w[0, :3, :3], c2w[0, :3, :3], atol=1e-9)


def test_kinemas_own_files_stay_where_they_are(tmp_path):
    camera = camera_path("arc left 40deg", size=SIZE, fps=FPS, frames=FRAMES, subject=standing().people[0])
    for name in ("a.json", "a.tum", "a.txt", "transforms.json", "images.txt"):
        write_camera(tmp_path / name, camera)
        np.testing.assert_allclose(shot(tmp_path / name).c2w, camera.c2w, atol=1e-4, err_msg=name)
    relative = shot(tmp_path / "a.tum", absolute=False)
    assert abs(arc_of(relative)) == pytest.approx(40, abs=1)


def test_the_floor_is_not_gone_through(tmp_path):
    c2w = np.tile(np.eye(4), (9, 1, 1))
    c2w[:, 1, 3] = np.linspace(0, 5, 9)  # straight down, metres
    np.savetxt(tmp_path / "kitti.txt", c2w[:, :3].reshape(9, 12))
    camera = shot(tmp_path / "kitti.txt")
    assert camera.positions[:, 1].min() > 0.1
    assert seen(camera) > 0.5


def test_a_camera_that_looks_up_does_not_stand_in_the_floor(tmp_path):
    pose = Rotation.from_euler("x", 40, degrees=True).as_matrix()  # up, in OpenCV's axes about x
    c2w = np.tile(np.eye(4), (9, 1, 1))
    c2w[:, :3, :3] = np.diag([1.0, -1, -1]) @ pose
    (tmp_path / "a.json").write_text(transforms(c2w))
    file = read_camera_file(tmp_path / "a.json")
    assert file.camera.c2w[0, 1, 2] == pytest.approx(np.sin(np.radians(40)), abs=1e-6)
    laid = lay(file, standing(), size=SIZE, fps=FPS, frames=FRAMES)
    assert laid.path.positions[:, 1].min() > 0.1
    assert seen(laid.path) == 1
    np.testing.assert_allclose(roll(laid.path), 0, atol=1e-6)
    assert any("tilted" in str(each) for each in laid.doubts)


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_a_camera_held_sideways_is_turned_upright(tmp_path, degrees):
    c2w = circle() @ np.block(
        [
            [Rotation.from_euler("z", degrees, degrees=True).as_matrix(), np.zeros((3, 1))],
            [np.zeros((1, 3)), 1],
        ]
    )
    (tmp_path / "a.json").write_text(transforms(c2w))
    laid = lay(read_camera_file(tmp_path / "a.json", up="z"), standing(), size=SIZE, fps=FPS, frames=FRAMES)
    np.testing.assert_allclose(roll(laid.path), 0, atol=0.1)
    assert (-laid.path.c2w[:, 1, 1] > 0.8).all()
    assert any("upright" in str(each) for each in laid.doubts)


def test_the_vertical_of_a_world_is_found_by_its_horizons(tmp_path):
    """Structure from motion has any axes: a 40 degree arc seen from above, its world turned at random."""
    for seed in range(5):
        turn = np.eye(4)
        turn[:3, :3] = Rotation.random(random_state=seed).as_matrix()
        w2c = np.linalg.inv(turn @ circle(24))
        quaternions = Rotation.from_matrix(w2c[:, :3, :3]).as_quat()[:, [3, 0, 1, 2]]
        rows = np.concatenate(
            [np.arange(24)[:, None] + 1, quaternions, w2c[:, :3, 3], np.ones((24, 1))], axis=1
        )
        lines = [
            " ".join(map(str, [int(row[0]), *row[1:8], 1, f"{index:03d}.png"])) + "\n"
            for index, row in enumerate(rows)
        ]
        (tmp_path / "images.txt").write_text("\n".join(lines))
        camera = shot(tmp_path / "images.txt")
        assert abs(arc_of(camera)) == pytest.approx(40, abs=0.5)
        np.testing.assert_allclose(roll(camera), 0, atol=0.1)
        assert seen(camera) == 1


def test_poses_without_times_are_spread_over_the_shot(tmp_path):
    (tmp_path / "a.json").write_text(transforms(circle(9)))
    camera = shot(tmp_path / "a.json")
    assert abs(arc_of(camera)) == pytest.approx(40, abs=0.5)
    quick = shot(tmp_path / "a.json", fps=10)  # nine frames, then still
    assert abs(arc_of(quick)) == pytest.approx(40, abs=0.5)
    np.testing.assert_array_equal(quick.c2w[8], quick.c2w[-1])
    said = lay(
        read_camera_file(tmp_path / "a.json", fps=10), standing(), size=SIZE, fps=FPS, frames=FRAMES
    ).doubts
    assert "stands still after 0.8 of 2.4 s" in str(said[0])


def test_a_path_moves_along_with_a_walker():
    scene = standing(forward=4.0)
    path = real_camera("transforms.json")
    followed = scene_camera(scene, str(path), size=SIZE, fps=FPS, frames=FRAMES, say=lambda line: None)
    assert seen(followed, scene) == 1
    away = np.linalg.norm((followed.positions - scene.people[0].joints[:, 0])[:, [0, 2]], axis=1)
    assert np.ptp(away) < 0.5
    still = scene_camera(
        scene, str(path), size=SIZE, fps=FPS, frames=FRAMES, tracking="none", say=lambda line: None
    )
    assert np.linalg.norm((still.positions[:, None] - scene.people[0].joints[:, :1]), axis=-1).min() > 0.5


def test_doubts_are_said_or_warned(tmp_path):
    scene = standing()
    kitti = FromCameraFile(path=real_camera("kitti_00.txt"))
    lines: list[str] = []
    direct(scene, size=SIZE, fps=FPS, camera=kitti, say=lines.append)
    assert any("shortened" in line for line in lines)
    with pytest.warns(AssumptionWarning, match="shortened"):
        direct(scene, size=SIZE, fps=FPS, camera=kitti)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        direct(scene, size=SIZE, fps=FPS, camera=str(real_camera("transforms.json")))


def test_who_is_never_seen_is_said(tmp_path):
    away = circle()
    away[:, :3, 3] += [50, 0, 0]
    (tmp_path / "a.json").write_text(transforms(away))
    scene = direct(
        standing(), size=SIZE, fps=FPS, camera=FromCameraFile(path=tmp_path / "a.json", absolute=True)
    )
    assert list(unseen(scene)) == ["person 0 is outside the picture for 100% of the time"]
    both = replace(scene, people=scene.people * 2)
    assert list(unseen(both)) == ["the camera never sees anybody"]
    assert not list(unseen(direct(standing(), size=SIZE, fps=FPS, camera="static")))
