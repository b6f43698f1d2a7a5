"""Camera files of the field: what each kind is read as, by content, and what is written is read back the same."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tests.scene.formats.camera_cases import assert_same, broken_bytes, random_path, real_camera

from kinema.scene.camera import CameraPath, look_at
from kinema.scene.camera_language import camera_path
from kinema.scene.formats.camera_recognising import recognised
from kinema.scene.formats.cameras import names_camera_file, read_camera_file, write_camera
from kinema.scene.formats.errors import FormatError
from kinema.scene.scene import Scene

OPENGL = np.diag([1.0, -1, -1, 1])
Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""Takes a world with Y up to one with Z up."""


def circle(frames: int = 9, degrees: float = 40.0, height: float = 1.2) -> np.ndarray:
    """Cameras on an arc of 3 m about the Y axis that look at it from above, c2w."""
    angles = np.radians(np.linspace(0, degrees, frames))
    eyes = np.stack([3 * np.sin(angles), np.full(frames, height), 3 * np.cos(angles)], axis=1)
    return look_at(eyes, [0.0, 0, 0])


def transforms(c2w: np.ndarray, **fields: object) -> str:
    frames = [
        {"file_path": f"images/{index}.png", "transform_matrix": (Z_UP @ pose @ OPENGL).tolist()}
        for index, pose in enumerate(c2w)
    ]
    return json.dumps({"camera_angle_x": 0.7, **fields, "frames": frames})


def arc_of(camera: CameraPath) -> float:
    """Degrees about the vertical between the first and the last optical axis."""
    first, last = (np.arctan2(camera.c2w[each, 0, 2], camera.c2w[each, 2, 2]) for each in (0, -1))
    return float(np.degrees((last - first + np.pi) % (2 * np.pi) - np.pi))


def glb(nodes: list[dict], cameras: list[dict], arrays: list[np.ndarray], animations: list[dict]) -> bytes:
    binary = b"".join(array.astype("<f4").tobytes() for array in arrays)
    views, accessors, start = [], [], 0
    for array in arrays:
        kind = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[1 if array.ndim == 1 else array.shape[1]]
        views.append({"buffer": 0, "byteOffset": start, "byteLength": array.size * 4})
        accessors.append(
            {"bufferView": len(views) - 1, "componentType": 5126, "count": len(array), "type": kind}
        )
        start += array.size * 4
    text = json.dumps(
        {
            "asset": {"version": "2.0"},
            "nodes": nodes,
            "cameras": cameras,
            "bufferViews": views,
            "accessors": accessors,
            "animations": animations,
            "buffers": [{"byteLength": len(binary)}],
        }
    ).encode()
    text += b" " * (-len(text) % 4)
    body = (
        struct.pack("<II", len(text), 0x4E4F534A)
        + text
        + struct.pack("<II", len(binary), 0x004E4942)
        + binary
    )
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


class TestRecognised:
    @pytest.mark.parametrize(
        ("name", "kind", "up", "poses"),
        [
            ("transforms.json", "transforms.json", "z", 24),
            ("colmap_images.txt", "COLMAP model", "z", 24),
            ("groundtruth.txt", "TUM", "z", 37),
            ("kitti_00.txt", "KITTI", "-y", 8),
            ("re10k_2f25.txt", "RealEstate10K", "-y", 16),
            ("wan_fun_ACW.txt", "Wan-Fun", "-y", 81),
        ],
    )
    def test_real_files(self, name, kind, up, poses):
        file = read_camera_file(real_camera(name))
        assert kind in file.kind
        assert (file.up, file.camera.frames) == (up, poses)
        assert not file.placed
        assert np.isfinite(file.camera.c2w).all()

    def test_the_name_does_not_matter(self, tmp_path):
        (tmp_path / "a.xyz").write_bytes(real_camera("kitti_00.txt").read_bytes())
        assert "KITTI" in read_camera_file(tmp_path / "a.xyz").kind
        (tmp_path / "b.json").write_bytes(real_camera("groundtruth.txt").read_bytes())
        assert "TUM" in read_camera_file(tmp_path / "b.json").kind

    def test_what_is_no_camera_says_what_it_is(self, tmp_path):
        for content, message in [
            ('{"people": []}', "it holds people"),
            ("a poem\nof two lines\n", "no line of numbers"),
            ("1 2 3\n4 5 6\n", "its lines hold 3 numbers"),
            ("", "empty"),
            ("#timestamp, p_RS_R_x [m]\n" + "1," * 16 + "1\n", "EuRoC"),
        ]:
            (tmp_path / "a.txt").write_text(content)
            with pytest.raises(FormatError, match=r"a\.txt") as caught:
                read_camera_file(tmp_path / "a.txt")
            assert message in str(caught.value)

    def test_a_path_is_never_taken_for_words(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "static").write_text("x")
        (tmp_path / "pan left").mkdir()
        assert names_camera_file("static")
        assert names_camera_file("nowhere/a")
        assert names_camera_file("a.json")
        assert not names_camera_file("pan left")  # a folder without cameras that could be words
        assert names_camera_file("./pan left")
        for words in ("arc left 60deg then hold 1s", "dolly in 1.5m", "x" * 5000, "a\0b"):
            assert not names_camera_file(words)
        with pytest.raises(FileNotFoundError, match="no such camera file"):
            read_camera_file("nowhere/a.json")
        with pytest.raises(FormatError, match="folder without cameras"):
            read_camera_file("pan left")

    def test_words_are_checked(self, tmp_path):
        write_camera(tmp_path / "a.tum", camera_path("static", size=(32, 32), fps=8, frames=2))
        for words in (
            {"up": "w"},
            {"scale": -1},
            {"scale": "far"},
            {"fps": 0},
            {"fov": 500},
            {"format": "usd"},
        ):
            with pytest.raises(ValueError, match=next(iter(words))):
                read_camera_file(tmp_path / "a.tum", **words)
        with pytest.raises(ValueError, match="no word 'unit'"):
            read_camera_file(tmp_path / "a.tum", unit="m")


class TestRoundTrips:
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(0, 10_000), st.integers(2, 9))
    @pytest.mark.parametrize("name", ["a.json", "transforms.json", "images.txt"])
    def test_everything_is_read_back(self, tmp_path, name, seed, frames):
        camera = random_path(seed, frames)
        write_camera(tmp_path / name, camera)
        file = read_camera_file(tmp_path / name, fps=24)
        assert file.placed
        assert file.metric
        assert file.lens
        assert_same(file.camera, camera)

    @pytest.mark.parametrize("name", ["a.tum", "a.txt", "a.kitti"])
    def test_what_has_less_is_read_back_as_far_as_it_goes(self, tmp_path, name):
        camera = camera_path("arc left 40deg", size=(96, 54), fps=24, frames=25)
        write_camera(tmp_path / name, camera)
        file = read_camera_file(tmp_path / name, up="y", fps=24 if name == "a.kitti" else None)
        assert file.placed == (name != "a.kitti")
        np.testing.assert_allclose(file.camera.c2w, camera.c2w, atol=1e-4)
        assert file.camera.fps == pytest.approx(24, rel=1e-3)
        if name == "a.txt":
            assert file.camera.fov_y[0] == pytest.approx(camera.fov_y[0])

    def test_a_scene_brings_its_camera(self, tmp_path):
        camera = camera_path("dolly in 1m", size=(96, 54), fps=24, frames=25)
        Scene((), camera, 24.0).save(tmp_path / "scene.npz")
        file = read_camera_file(tmp_path / "scene.npz")
        assert file.placed
        np.testing.assert_array_equal(file.camera.c2w, camera.c2w)

    def test_a_lens_that_changes_makes_a_colmap_camera_an_image(self, tmp_path):
        write_camera(tmp_path / "images.txt", camera_path("zoom in 2x", size=(96, 54), fps=24, frames=5))
        assert len((tmp_path / "cameras.txt").read_text().splitlines()) == 6
        assert "COLMAP" in read_camera_file(tmp_path).kind  # the folder


class TestTransforms:
    def test_axes_order_and_lens(self, tmp_path):
        c2w = circle()
        document = json.loads(transforms(c2w))
        document["frames"] = document["frames"][::-1]
        (tmp_path / "transforms.json").write_text(json.dumps(document))
        file = read_camera_file(tmp_path)
        np.testing.assert_allclose(file.camera.c2w, c2w, atol=1e-9)
        assert not file.timed
        assert not file.metric
        assert file.up == "z"
        assert np.degrees(2 * np.arctan(500 / file.camera.intrinsics[0, 0])) == pytest.approx(np.degrees(0.7))
        assert any("sorted by file name" in str(each) for each in file.assumed)

    def test_names_are_sorted_by_their_numbers_and_lenses_may_differ(self, tmp_path):
        document = json.loads(transforms(circle(12)))
        for index, frame in enumerate(document["frames"]):
            frame |= {"fl_x": 100.0 + index, "w": 64, "h": 48}
        document["frames"].sort(key=lambda frame: frame["file_path"])  # 0 1 10 11 2 ...
        (tmp_path / "t.json").write_text(json.dumps(document))
        camera = read_camera_file(tmp_path / "t.json").camera
        np.testing.assert_allclose(camera.intrinsics[:, 0], 100 + np.arange(12))
        assert camera.size == (64, 48)

    def test_nerfstudio_paths_and_splats(self, tmp_path):
        c2w = circle()
        frames = [{"camera_to_world": (Z_UP @ pose @ OPENGL).ravel().tolist(), "fov": 50} for pose in c2w]
        (tmp_path / "p.json").write_text(
            json.dumps({"camera_path": frames, "render_width": 64, "render_height": 48, "fps": 8})
        )
        path = read_camera_file(tmp_path / "p.json")
        np.testing.assert_allclose(path.camera.c2w, c2w, atol=1e-9)
        assert (path.camera.fps, path.camera.size) == (8, (64, 48))
        assert path.camera.fov_y[0] == pytest.approx(50)
        down = np.diag([1.0, -1, -1, 1]) @ c2w  # as COLMAP has its world
        splats = [
            {
                "id": index,
                "img_name": f"{index:03d}",
                "width": 64,
                "height": 48,
                "position": pose[:3, 3].tolist(),
                "rotation": pose[:3, :3].tolist(),
                "fx": 60.0,
                "fy": 60.0,
            }
            for index, pose in enumerate(down)
        ]
        (tmp_path / "cameras.json").write_text(json.dumps(splats))
        file = read_camera_file(tmp_path / "cameras.json")
        assert "Gaussian" in file.kind
        assert file.up == "-y"
        np.testing.assert_allclose(file.camera.c2w, c2w, atol=1e-9)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"frames": []}, "not a camera file"),
            ({"camera_angle_x": 9.0}, "no angle"),
            ({"camera_angle_x": None, "fl_x": -3}, "focal length"),
            ({"fl_x": "wide"}, "must be numbers"),
        ],
    )
    def test_broken(self, tmp_path, change, message):
        (tmp_path / "t.json").write_text(json.dumps(json.loads(transforms(circle())) | change))
        with pytest.raises(FormatError, match=message):
            read_camera_file(tmp_path / "t.json")

    def test_a_matrix_that_is_none_is_named(self, tmp_path):
        document = json.loads(transforms(circle()))
        document["frames"][2]["transform_matrix"] = [[1, 2], [3, 4]]
        (tmp_path / "t.json").write_text(json.dumps(document))
        with pytest.raises(FormatError, match=r"frames\[2\]"):
            read_camera_file(tmp_path / "t.json")


class TestColmap:
    def model(self, folder: Path, c2w: np.ndarray, *, binary: bool, model: int = 2) -> None:
        """A model with two points an image, its images in no order."""
        poses = np.linalg.inv(np.diag([1.0, -1, -1, 1]) @ c2w)
        quaternions = Rotation.from_matrix(poses[:, :3, :3]).as_quat()[:, [3, 0, 1, 2]]
        order = np.random.default_rng(0).permutation(len(c2w))
        if not binary:
            lines = ["# Image list"]
            for number, each in enumerate(order):
                row = " ".join(f"{value:.12f}" for value in (*quaternions[each], *poses[each, :3, 3]))
                lines += [
                    f"{number + 1} {row} 7 frame {each}.jpg",
                    "1.5 2.5 -1 3.5 4.5 12" if number % 2 else "",
                ]
            (folder / "images.txt").write_text("\n".join(lines) + "\n")
            (folder / "cameras.txt").write_text("# Camera list\n7 SIMPLE_RADIAL 640 480 500 320 240 0.1\n")
            return
        data = struct.pack("<Q", len(c2w))
        for number, each in enumerate(order):
            data += struct.pack("<I7dI", number + 1, *quaternions[each], *poses[each, :3, 3], 7)
            data += f"frame {each}.jpg".encode() + b"\0" + struct.pack("<Q", 2) + bytes(48)
        (folder / "images.bin").write_bytes(data)
        (folder / "cameras.bin").write_bytes(
            struct.pack("<QIiQQ", 1, 7, model, 640, 480) + struct.pack("<4d", 500, 320, 240, 0.1)
        )

    @pytest.mark.parametrize("binary", [False, True])
    def test_a_model_is_read(self, tmp_path, binary):
        c2w = circle(12)
        place = tmp_path / "sparse" / "0"
        place.mkdir(parents=True)
        self.model(place, c2w, binary=binary)
        images = place / f"images.{'bin' if binary else 'txt'}"
        for given_ in (tmp_path, place, images, images.with_name(f"cameras{images.suffix}")):
            file = read_camera_file(given_)
            np.testing.assert_allclose(file.camera.c2w, c2w, atol=1e-9)
            np.testing.assert_allclose(file.camera.intrinsics[0], [500, 500, 320, 240])
            assert (file.camera.size, file.up, file.metric) == ((640, 480), "-y", False)
            assert any("distortion" in str(each) for each in file.assumed)

    def test_without_cameras_the_lens_is_assumed(self, tmp_path):
        self.model(tmp_path, circle(), binary=False)
        (tmp_path / "cameras.txt").unlink()
        file = read_camera_file(tmp_path / "images.txt")
        assert not file.lens
        assert file.camera.fov_y[0] == pytest.approx(40)
        assert read_camera_file(tmp_path / "images.txt", fov=55).fov == 55

    def test_cut_anywhere_a_binary_model_is_refused(self, tmp_path):
        self.model(tmp_path, circle(3), binary=True)
        whole = (tmp_path / "images.bin").read_bytes()
        for end in range(0, len(whole) - 1, 17):
            (tmp_path / "images.bin").write_bytes(whole[:end])
            with pytest.raises(FormatError):
                read_camera_file(tmp_path)
        (tmp_path / "images.bin").write_bytes(struct.pack("<Q", 1 << 60) + whole[8:])
        with pytest.raises(FormatError, match="more than"):
            read_camera_file(tmp_path)

    def test_an_unknown_model_is_named(self, tmp_path):
        self.model(tmp_path, circle(3), binary=True, model=99)
        with pytest.raises(FormatError, match="camera model 99"):
            read_camera_file(tmp_path)


class TestLines:
    def test_frame_numbers_for_time_stamps(self, tmp_path):
        line = "{t} 0.5 0.9 0.5 0.5 0 0 1 0 0 {x} 0 1 0 0 0 0 1 0"
        for stamps, timed in (([0] * 5, False), (range(5), False), (range(0, 200_000, 40_000), True)):
            (tmp_path / "a.txt").write_text(
                "\n" + "\n".join(line.format(t=t, x=x) for x, t in enumerate(stamps)) + "\n"
            )
            file = read_camera_file(tmp_path / "a.txt")
            assert (file.timed, file.camera.frames) == (timed, 5)
            np.testing.assert_allclose(file.camera.positions[:, 0], -np.arange(5))
            assert file.camera.size == (1296, 720)
            assert read_camera_file(tmp_path / "a.txt", fps=16).camera.fps == 16
        (tmp_path / "a.txt").write_text(
            "\n".join(line.format(t=t * 40_000, x=t) for t in range(5))
        )  # no first line
        assert read_camera_file(tmp_path / "a.txt").camera.fps == 25

    @pytest.mark.parametrize(("unit", "step"), [(1, 0.04), (1e3, 40), (1e6, 40_000), (1e9, 40_000_000)])
    def test_stamps_in_any_unit(self, tmp_path, unit, step):
        lines = [f"{1.7e9 * unit + index * step:.6f} {index} 0 0 0 0 0 1" for index in range(6)]
        (tmp_path / "a.csv").write_text("\n".join(lines).replace(" ", ","))
        file = read_camera_file(tmp_path / "a.csv")
        assert file.camera.fps == pytest.approx(25, rel=1e-3)
        assert file.camera.frames == 6

    def test_stamps_that_repeat_are_left_out(self, tmp_path):
        lines = [f"{t} {t} 0 0 0 0 0 1" for t in (0.0, 0.1, 0.1, 0.2, 0.3)]
        (tmp_path / "a.txt").write_text("\n".join(lines))
        file = read_camera_file(tmp_path / "a.txt")
        np.testing.assert_allclose(file.camera.positions[:, 0], [0, 0.1, 0.2, 0.3])
        assert ["1 poses left out" in str(each) for each in file.doubts] == [True]

    def test_a_robot_looks_along_x(self, tmp_path):
        turns = np.radians(np.linspace(20, 80, 9))
        lines = [f"{i / 10} {i} 0 0 0 0 {np.sin(t / 2)} {np.cos(t / 2)}" for i, t in enumerate(turns)]
        (tmp_path / "a.tum").write_text("\n".join(lines))
        file = read_camera_file(tmp_path / "a.tum")
        np.testing.assert_allclose(file.camera.c2w[:, 1, 2], 0, atol=1e-9)  # level
        np.testing.assert_allclose(-file.camera.c2w[:, 1, 1], 1, atol=1e-9)  # upright
        assert arc_of(file.camera) == pytest.approx(60)  # to the left, as about z

    @pytest.mark.parametrize("columns", [12, 13, 16, 17])
    def test_matrices_by_line(self, tmp_path, columns):
        c2w = np.diag([1.0, -1, -1, 1]) @ circle() @ np.diag([1.0, 1, 1, 1])
        rows = c2w.reshape(-1, 16)[:, : 12 if columns < 16 else 16]
        if columns % 2:
            rows = np.concatenate([np.arange(len(rows))[:, None], rows], axis=1)
        np.savetxt(tmp_path / "poses.txt", rows)
        file = read_camera_file(tmp_path / "poses.txt")
        assert recognised(tmp_path / "poses.txt") == ("kitti", {"columns": columns})
        np.testing.assert_allclose(file.camera.c2w, circle(), atol=1e-6)
        assert file.metric == (columns < 16)

    @pytest.mark.parametrize("order", ["xyz", "zxy"])
    def test_chan_in_either_order(self, tmp_path, order):
        c2w = circle() @ OPENGL
        angles = Rotation.from_matrix(c2w[:, :3, :3]).as_euler(order, degrees=True)
        rows = np.concatenate(
            [np.arange(1, 10)[:, None], c2w[:, :3, 3], angles, np.full((9, 1), 30.0)], axis=1
        )
        if order == "zxy":
            rows[:, 4:7] = angles[:, [0, 1, 2]]
        np.savetxt(tmp_path / "shot.chan", rows)
        if order == "zxy":  # the columns are always x, y, z
            rows[:, 4:7] = angles[:, [1, 2, 0]]
            np.savetxt(tmp_path / "shot.chan", rows)
        file = read_camera_file(tmp_path / "shot.chan")
        np.testing.assert_allclose(file.camera.c2w, circle(), atol=1e-6)
        assert file.placed
        assert file.camera.fov_y[0] == pytest.approx(30)


class TestJson:
    @pytest.mark.parametrize("shape", [(12,), (3, 4), (4, 4)])
    def test_motionctrl(self, tmp_path, shape):
        w2c = np.linalg.inv(np.diag([1.0, -1, -1, 1]) @ circle())
        rows = w2c[:, :3] if shape != (4, 4) else w2c
        (tmp_path / "RT.json").write_text(json.dumps(rows.reshape(len(w2c), *shape).tolist()))
        file = read_camera_file(tmp_path / "RT.json", up="-y")
        np.testing.assert_allclose(file.camera.c2w, circle(), atol=1e-9)
        assert "MotionCtrl" in file.kind
        assert not file.lens
        assert not file.timed

    def test_named_matrices(self, tmp_path):
        c2w = circle()
        K = [[60.0, 0, 32], [0, 61, 24], [0, 0, 1]]
        for fields in (
            {"w2c": np.linalg.inv(c2w)[:, :3].tolist(), "intrinsics": [K] * 9, "imW": 64, "imH": 48},
            {"c2w": c2w.tolist(), "intrinsics": K, "width": 64, "height": 48, "fps": 12},
        ):
            (tmp_path / "a.json").write_text(json.dumps(fields))
            file = read_camera_file(tmp_path / "a.json", up="y")
            np.testing.assert_allclose(file.camera.c2w, c2w, atol=1e-9)
            np.testing.assert_allclose(file.camera.intrinsics[3], [60, 61, 32, 24])
            assert file.camera.fps == fields.get("fps", 24)

    def test_recammaster(self, tmp_path):
        """Turning right and moving right, in Unreal's left-handed centimetres."""
        frames = {}
        for index, yaw in enumerate(np.radians([0, 10, 20])):
            c, s = np.cos(yaw), np.sin(yaw)
            turned = f"[{c} {s} 0 0] [{-s} {c} 0 0] [0 0 1 0] [100 {50 * index} 140 1] "
            frames[f"frame{index}"] = {
                "cam01": "[1 0 0 0] [0 1 0 0] [0 0 1 0] [100 0 140 1]",
                "cam02": turned,
            }
        (tmp_path / "camera_extrinsics.json").write_text(json.dumps(frames))
        file = read_camera_file(tmp_path / "camera_extrinsics.json", name="cam02")
        assert (file.names, file.metric) == (("cam01", "cam02"), True)
        in_first = np.linalg.inv(file.camera.c2w[0]) @ file.camera.c2w
        np.testing.assert_allclose(in_first[:, :3, 3], [[0, 0, 0], [0.5, 0, 0], [1, 0, 0]], atol=1e-9)
        assert np.degrees(np.arctan2(in_first[2, 0, 2], in_first[2, 2, 2])) == pytest.approx(20)
        np.testing.assert_allclose(-file.camera.c2w[:, 1, 1], 1)
        first = read_camera_file(tmp_path / "camera_extrinsics.json")
        assert "cam01" in str(first.doubts[0])
        assert "--camera-name" in str(first.doubts[0])
        with pytest.raises(FormatError, match="cam01, cam02"):
            read_camera_file(tmp_path / "camera_extrinsics.json", name="cam09")


class TestGltf:
    def animated(self) -> bytes:
        """A rig that moves 2 m to the right and carries a camera 3 m behind, which looks along -z."""
        times = np.linspace(0, 1, 25)
        moved = np.stack([2 * times, 0 * times, 0 * times], axis=1)
        return glb(
            [{"name": "rig", "children": [1]}, {"name": "Camera", "camera": 0, "translation": [0, 1.5, 3]}],
            [{"type": "perspective", "perspective": {"yfov": np.radians(30), "aspectRatio": 1.5}}],
            [times, moved],
            [
                {
                    "channels": [{"sampler": 0, "target": {"node": 0, "path": "translation"}}],
                    "samplers": [{"input": 0, "output": 1}],
                }
            ],
        )

    def test_a_camera_is_moved_by_what_carries_it(self, tmp_path):
        (tmp_path / "shot.glb").write_bytes(self.animated())
        file = read_camera_file(tmp_path / "shot.glb")
        assert file.placed
        assert file.metric
        assert file.timed
        assert (file.camera.fps, file.camera.frames) == (24, 25)
        np.testing.assert_allclose(file.camera.positions[[0, -1]], [[0, 1.5, 3], [2, 1.5, 3]], atol=1e-6)
        np.testing.assert_allclose(file.camera.c2w[0, :3, 2], [0, 0, -1], atol=1e-9)
        assert file.camera.fov_y[0] == pytest.approx(30)
        assert file.camera.size == (1500, 1000)

    def test_without_a_camera(self, tmp_path):
        (tmp_path / "shot.glb").write_bytes(glb([{"name": "a"}], [], [np.zeros(1)], []))
        with pytest.raises(FormatError, match="has no camera"):
            read_camera_file(tmp_path / "shot.glb")

    def test_a_camera_by_name(self, tmp_path):
        lens = {"type": "perspective", "perspective": {"yfov": 0.5}}
        nodes = [{"name": name, "camera": 0, "translation": [x, 0, 0]} for x, name in enumerate("ab")]
        (tmp_path / "two.glb").write_bytes(glb(nodes, [lens], [np.zeros(1)], []))
        assert read_camera_file(tmp_path / "two.glb", name="b").camera.positions[0, 0] == 1
        assert read_camera_file(tmp_path / "two.glb", name=1).camera.positions[0, 0] == 1
        assert "the camera a" in str(read_camera_file(tmp_path / "two.glb").doubts[0])


@pytest.mark.parametrize("damage", list(broken_bytes(b"")))
def test_damaged_files(tmp_path, damage):
    for name in ("a.txt", "a.json", "a.glb", "images.bin", "a.npy", "a.npz", "a.sfm", "a.xml"):
        (tmp_path / name).write_bytes(broken_bytes(transforms(circle()).encode())[damage])
        with pytest.raises(FormatError, match=name):
            read_camera_file(tmp_path / name)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_changed_anywhere_files_are_read_or_refused(tmp_path, data):
    """Whatever becomes of a file, its path is finite or it is refused by name."""
    camera = camera_path("arc left 40deg", size=(96, 54), fps=24, frames=4)
    name = data.draw(
        st.sampled_from(["a.json", "a.txt", "a.tum", "a.kitti", "transforms.json", "images.txt"])
    )
    write_camera(tmp_path / name, camera)
    content = bytearray((tmp_path / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read = read_camera_file(tmp_path / name).camera.c2w
    except FormatError as error:
        read, said = np.zeros(1), str(error)
    else:
        said = str(tmp_path)
    assert np.isfinite(read).all()
    assert str(tmp_path) in said
