"""Cameras of other programs: arrays, photogrammetry, trajectories without time stamps and with lost frames, lenses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tests.scene.formats.test_cameras import OPENGL, Z_UP, arc_of, circle

from kinema.scene.camera import invert_rigid
from kinema.scene.formats.cameras import read_camera_file
from kinema.scene.formats.errors import FormatError

TO_NED = np.array([[0.0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]).T
"""Takes camera axes to x ahead, y right, z down."""
NED_WORLD = np.diag([1.0, -1, -1, 1]) @ Z_UP
LENS = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
DOWN = np.diag([1.0, -1, -1, 1])
"""A world with Y up as one with Y down, as most programs have it."""


def said(file) -> str:
    return "\n".join(map(str, file.assumed))


class TestArrays:
    def moved(self) -> np.ndarray:
        return DOWN @ circle(25, 120)

    @pytest.mark.parametrize("rows", [3, 4])
    @pytest.mark.parametrize("inverse", [False, True])
    def test_which_way_matrices_go_is_seen(self, tmp_path, rows, inverse):
        poses = self.moved()
        np.save(tmp_path / "p.npy", (invert_rigid(poses) if inverse else poses)[:, :rows])
        file = read_camera_file(tmp_path / "p.npy")
        assert arc_of(file.camera) == pytest.approx(120, abs=0.1)
        assert f"matrices are {'world-to-camera' if inverse else 'camera-to-world'}" in said(file)
        assert "--camera-format" in said(file)

    def test_the_word_decides(self, tmp_path):
        np.save(tmp_path / "p.npy", self.moved())
        file = read_camera_file(tmp_path / "p.npy", format="w2c", up="-y")
        np.testing.assert_allclose(file.camera.c2w, DOWN @ invert_rigid(self.moved()), atol=1e-9)
        assert "camera_format" not in [each.word for each in file.assumed]
        (tmp_path / "p.json").write_text(json.dumps({"w2c": self.moved().tolist()}))
        file = read_camera_file(tmp_path / "p.json", format="c2w")
        assert arc_of(file.camera) == pytest.approx(120, abs=0.1)

    def test_axes_of_opengl_are_seen(self, tmp_path):
        np.savez(tmp_path / "p.npz", c2w=Z_UP @ circle(25, 120) @ OPENGL)
        file = read_camera_file(tmp_path / "p.npz")
        assert file.up == "z"
        assert arc_of(file.camera) == pytest.approx(120, abs=0.1)
        assert "OpenGL" in said(file)

    @pytest.mark.parametrize(("name", "inverse"), [("cam_c2w", False), ("extrinsics", True), ("data", False)])
    def test_one_array_of_a_npz(self, tmp_path, name, inverse):
        poses = invert_rigid(self.moved()) if inverse else self.moved()
        np.savez(
            tmp_path / "p.npz", **{name: poses}, intrinsic=LENS, images=np.zeros((25, 480, 640, 3), np.uint8)
        )
        file = read_camera_file(tmp_path / "p.npz")
        assert arc_of(file.camera) == pytest.approx(120, abs=0.1)
        assert (file.camera.size, file.lens) == ((640, 480), True)
        assert file.camera.fov_y[0] == pytest.approx(np.degrees(2 * np.arctan(0.48)))

    def test_llff(self, tmp_path):
        c2w = self.moved()[:, :3]
        table = np.stack(
            [c2w[..., 1], c2w[..., 0], -c2w[..., 2], c2w[..., 3], np.tile([480, 640, 500], (25, 1))], -1
        )
        np.save(tmp_path / "poses_bounds.npy", np.concatenate([table.reshape(25, 15), np.ones((25, 2))], 1))
        file = read_camera_file(tmp_path / "poses_bounds.npy", up="-y")
        np.testing.assert_allclose(file.camera.c2w, circle(25, 120), atol=1e-9)
        np.testing.assert_allclose(file.camera.intrinsics[0], [500, 500, 320, 240])
        assert file.camera.size == (640, 480)

    def test_idr(self, tmp_path):
        scaled = -7.0 * LENS @ invert_rigid(self.moved())[:, :3]
        np.savez(
            tmp_path / "cameras.npz",
            **{f"world_mat_{each}": matrix for each, matrix in enumerate(scaled)},
            **{f"scale_mat_{each}": np.eye(4) for each in range(25)},
        )
        file = read_camera_file(tmp_path / "cameras.npz", up="-y")
        np.testing.assert_allclose(file.camera.c2w, circle(25, 120), atol=1e-9)
        np.testing.assert_allclose(file.camera.intrinsics[3], [500, 500, 320, 240])
        assert "640x480" in said(file)

    def test_without_poses_the_arrays_are_listed(self, tmp_path):
        np.savez(tmp_path / "a.npz", poses=np.zeros((5, 156)))
        with pytest.raises(FormatError, match=r"poses \[5, 156\].*\[N, 4, 4\]"):
            read_camera_file(tmp_path / "a.npz")
        np.save(tmp_path / "a.npy", np.zeros((5, 22, 3)))
        with pytest.raises(FormatError, match=r"shape \[5, 22, 3\]"):
            read_camera_file(tmp_path / "a.npy")


class TestTrajectories:
    def lines(self, c2w: np.ndarray, *, times: bool = False) -> list[str]:
        rows = np.concatenate([c2w[:, :3, 3], Rotation.from_matrix(c2w[:, :3, :3]).as_quat()], axis=1)
        rows = np.concatenate([np.arange(len(rows))[:, None] / 30, rows], axis=1) if times else rows
        return [" ".join(map(str, row)) for row in rows.tolist()]

    def test_without_stamps(self, tmp_path):
        poses = circle(9)
        (tmp_path / "t.txt").write_text("\n".join(self.lines(invert_rigid(poses[0]) @ poses)))
        file = read_camera_file(tmp_path / "t.txt")
        assert (file.timed, file.metric, file.camera.frames) == (False, False, 9)
        assert abs(arc_of(file.camera)) == pytest.approx(40, abs=4)

    def test_north_east_down(self, tmp_path):
        poses = NED_WORLD @ circle(25, 200) @ TO_NED
        (tmp_path / "p.txt").write_text("\n".join(self.lines(poses)))
        file = read_camera_file(tmp_path / "p.txt")
        assert (file.up, file.metric) == ("-z", True)
        np.testing.assert_allclose(file.camera.positions[:, 1], 1.2, atol=1e-6)
        assert (-file.camera.c2w[:, 1, 1]).min() > 0.9
        assert "--camera-up -y" in said(file)
        assert not read_camera_file(tmp_path / "p.txt", up="-y").metric

    @pytest.mark.parametrize("word", ["nan", "-1.#INF", "1.#QNAN", "-inf"])
    def test_lost_frames_are_left_out(self, tmp_path, word):
        lines = self.lines(circle(20), times=True)
        lines[4] = lines[11] = " ".join([word] * 8)
        (tmp_path / "t.txt").write_text("\n".join(lines))
        file = read_camera_file(tmp_path / "t.txt")
        assert file.camera.fps == pytest.approx(30)
        assert file.camera.frames == 20
        assert "2 lines are left out" in str(file.doubts[0])

    def test_never_found(self, tmp_path):
        (tmp_path / "t.tum").write_text("1 nan nan nan nan nan nan nan\n2 0 0 0 nan 0 0 1")
        with pytest.raises(FormatError, match=r"t\.tum"):
            read_camera_file(tmp_path / "t.tum")


class TestPhotogrammetry:
    def poses(self) -> np.ndarray:
        return DOWN @ circle(9)

    def check(self, file, focal=500.0) -> None:
        np.testing.assert_allclose(file.camera.c2w, circle(9), atol=1e-9)
        np.testing.assert_allclose(file.camera.intrinsics[0], [focal, focal, 320, 240], atol=1e-6)
        assert file.camera.size == (640, 480)

    def test_meshroom(self, tmp_path):
        document = {
            "version": ["1", "2", "6"],
            "views": [
                {"viewId": str(each), "poseId": str(each), "intrinsicId": "7", "path": f"C:\\a\\{each}.jpg"}
                for each in range(10)
            ],
            "intrinsics": [
                {
                    "intrinsicId": "7",
                    "width": "640",
                    "height": "480",
                    "sensorWidth": "8",
                    "focalLength": "6.25",
                }
                | {"principalPoint": ["0", "0"]}
            ],
            "poses": [
                {
                    "poseId": str(each),
                    "pose": {
                        "transform": {
                            "rotation": [str(number) for number in pose[:3, :3].ravel()],
                            "center": [str(number) for number in pose[:3, 3]],
                        }
                    },
                }
                for each, pose in reversed(list(enumerate(self.poses())))
            ],
        }
        (tmp_path / "cameras.sfm").write_text(json.dumps(document))
        file = read_camera_file(tmp_path / "cameras.sfm", up="-y")
        self.check(file)
        assert "1 of 10 photographs are left out" in said(file)

    def test_openmvg(self, tmp_path):
        def wrapped(data):
            return {"ptr_wrapper": {"data": data}}

        lens = {"width": 640, "height": 480, "focal_length": 500.0, "principal_point": [320, 240]}
        document = {
            "sfm_data_version": "0.3",
            "views": [
                {
                    "key": each,
                    "value": wrapped({"filename": f"{each}.jpg", "id_intrinsic": 0, "id_pose": each}),
                }
                for each in range(9)
            ],
            "intrinsics": [{"key": 0, "value": wrapped(lens)}],
            "extrinsics": [
                {"key": each, "value": {"rotation": pose[:3, :3].T.tolist(), "center": pose[:3, 3].tolist()}}
                for each, pose in enumerate(self.poses())
            ],
        }
        (tmp_path / "sfm_data.json").write_text(json.dumps(document))
        self.check(read_camera_file(tmp_path / "sfm_data.json", up="-y"))
        del document["views"][0]["value"]["ptr_wrapper"]["data"]["id_pose"]
        document["extrinsics"][0]["key"] = []
        (tmp_path / "sfm_data.json").write_text(json.dumps(document))
        assert not read_camera_file(tmp_path / "sfm_data.json").lens
        (tmp_path / "sfm_data.json").write_text(json.dumps({**document, "extrinsics": []}))
        with pytest.raises(FormatError, match="OpenMVG, but none of the 9 photographs"):
            read_camera_file(tmp_path / "sfm_data.json")

    def test_opensfm(self, tmp_path):
        shots = {}
        for each, pose in enumerate(invert_rigid(self.poses())):
            turn = Rotation.from_matrix(pose[:3, :3]).as_rotvec().tolist()
            shots[f"{each}.jpg"] = {"rotation": turn, "translation": pose[:3, 3].tolist(), "camera": "c"}
        model = {"cameras": {"c": {"width": 640, "height": 480, "focal": 500 / 640}}, "shots": shots}
        (tmp_path / "reconstruction.json").write_text(json.dumps([{"cameras": {}, "shots": {}}, model]))
        file = read_camera_file(tmp_path / "reconstruction.json", up="-y")
        self.check(file)
        assert "reconstruction 1 of 2" in said(file)
        for shot in shots.values():
            shot["orientation"] = 6
        (tmp_path / "reconstruction.json").write_text(json.dumps([model]))
        shown = read_camera_file(tmp_path / "reconstruction.json", up="-y").camera
        assert shown.size == (480, 640)
        np.testing.assert_allclose(shown.c2w[:, :3, 0], -circle(9)[:, :3, 1], atol=1e-9)

    def test_metashape(self, tmp_path):
        cameras = "".join(
            f'<camera id="{each}" sensor_id="0" label="{each}"><transform>'
            + " ".join(map(str, pose.ravel()))
            + "</transform></camera>"
            for each, pose in enumerate(self.poses())
        )
        (tmp_path / "cameras.xml").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n<document><chunk><sensors><sensor id="0">'
            '<resolution width="640" height="480"/><calibration class="adjusted"><f>500</f></calibration></sensor>'
            f'</sensors><cameras>{cameras}<camera id="9" sensor_id="0" label="9"/></cameras>'
            "<transform><scale>2</scale></transform></chunk></document>"
        )
        file = read_camera_file(tmp_path / "cameras.xml", up="-y")
        assert file.metric
        np.testing.assert_allclose(file.camera.positions, 2 * circle(9)[:, :3, 3], atol=1e-9)
        np.testing.assert_allclose(file.camera.intrinsics[0], [500, 500, 320, 240])
        (tmp_path / "other.xml").write_text("<mesh/>")
        with pytest.raises(FormatError, match="not of Metashape; export as COLMAP"):
            read_camera_file(tmp_path / "other.xml")

    def test_nerfies(self, tmp_path):
        (tmp_path / "camera").mkdir()
        for camera in range(2):
            for each, pose in enumerate(self.poses()):
                document = {
                    "orientation": pose[:3, :3].T.tolist(),
                    "position": (pose[:3, 3] + camera).tolist(),
                    "focal_length": 500.0,
                    "image_size": [640, 480],
                    "principal_point": [320, 240],
                }
                (tmp_path / "camera" / f"{camera}_{each:05d}.json").write_text(json.dumps(document))
        file = read_camera_file(tmp_path, up="-y")
        self.check(file)
        assert file.names == ("0", "1")
        assert "--camera-name" in said(file)
        moved = read_camera_file(tmp_path / "camera", up="-y", name="1")
        np.testing.assert_allclose(moved.camera.positions - file.camera.positions, [[1, -1, -1]] * 9)

    def test_other_programs_are_named(self, tmp_path):
        (tmp_path / "bundle.out").write_text("# Bundle file v0.3\n1 2\n500 0 0\n")
        with pytest.raises(FormatError, match=r"Bundler.*export COLMAP or transforms\.json"):
            read_camera_file(tmp_path / "bundle.out")


@pytest.mark.parametrize(
    "lens",
    [
        {
            "fovx": [np.pi / 2] * 9,
            "fovy": [np.pi / 2] * 9,
            "image_width": [800] * 9,
            "image_height": [800] * 9,
        },
        {"fov_y": 90.0, "width": 800, "height": 800},
        {"cam_intrinsics": [[[400, 0, 400], [0, 400, 400], [0, 0, 1]]] * 9},
        {"K": [400, 400, 400, 400], "W": 800, "H": 800},
    ],
)
def test_a_lens_by_any_name(tmp_path, lens):
    (tmp_path / "a.json").write_text(json.dumps({"c2w": (DOWN @ circle()).tolist(), **lens}))
    file = read_camera_file(tmp_path / "a.json")
    assert file.lens
    assert file.camera.size == (800, 800)
    assert file.camera.fov_y[0] == pytest.approx(90)
