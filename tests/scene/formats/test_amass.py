"""AMASS: round trips, axes, the three body models, and broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tests.scene.formats.array_cases import in_world, walker
from tests.scene.formats.motion_cases import (
    FEW,
    RATES,
    SEEDS,
    assert_same,
    damaged,
    gentle_motion,
    npz_bomb,
    random_motion,
    read_or_refuse,
    refused,
)

from kinema.scene.formats import amass, read_motion_file
from kinema.scene.motion import Motion
from kinema.scene.skeleton import HUMANML3D22, SMPL24


def read_amass(path: Path, **words: object) -> Motion:
    return read_motion_file(path, **{"format": "amass", "ground": "keep", **words}).scene.people[0]


def save(path: Path, **changes: object) -> bytes:
    arrays: dict[str, object] = {
        "poses": np.zeros((3, 156)),
        "trans": np.zeros((3, 3)),
        "betas": np.zeros(16),
        "mocap_framerate": np.array(120.0),
        "gender": np.array("female"),
    }
    arrays.update(changes)
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path.read_bytes()


@FEW
@given(SEEDS, RATES, st.sampled_from([72, 156, 165]))
def test_round_trip(tmp_path: Path, seed: int, fps: float, numbers: int) -> None:
    motion = random_motion(seed, fps, SMPL24)
    amass.write(tmp_path / "a.npz", motion, numbers=numbers)
    assert np.load(tmp_path / "a.npz")["poses"].shape == (motion.frames, numbers)
    assert_same(read_amass(tmp_path / "a.npz", up="z"), motion)


def test_z_up_becomes_y_up(tmp_path: Path) -> None:
    poses = np.zeros((2, 156))
    poses[:, 0] = np.pi / 2  # how AMASS stands a body upright, facing -Y of the file
    trans = np.array([[0.0, 0.0, 1.0], [0.0, -2.0, 1.0]])
    save(tmp_path / "a.npz", poses=poses, trans=trans)
    motion = read_amass(tmp_path / "a.npz")
    assert motion.fps == 120.0
    np.testing.assert_allclose(motion.joints[1, 0] - motion.joints[0, 0], [0, 0, 2], atol=1e-12)
    np.testing.assert_allclose(motion.joints[0, 0, 1], 1.0 + amass.PELVIS[2])
    up = motion.joints[0, SMPL24.index("head")] - motion.joints[0, 0]
    np.testing.assert_allclose(up, SMPL24.rest[SMPL24.index("head")] - SMPL24.rest[0], atol=1e-9)
    np.testing.assert_allclose(motion.facing()[0], [0, 0, 1], atol=1e-9)


def test_other_spellings(tmp_path: Path) -> None:
    save(tmp_path / "a.npz", mocap_framerate=None, mocap_frame_rate=np.array([60]), poses=np.zeros((3, 165)))
    assert read_amass(tmp_path / "a.npz").fps == 60.0
    save(tmp_path / "a.npz", mocap_framerate=None)
    assert read_amass(tmp_path / "a.npz", source_fps=25.0).fps == 25.0


def test_without_a_rate_it_is_said(tmp_path: Path) -> None:
    save(tmp_path / "a.npz", mocap_framerate=None)
    file = read_motion_file(tmp_path / "a.npz")
    assert file.scene.people[0].fps == 30.0
    assert [str(doubt) for doubt in file.doubts] == [
        "up: z, the figure never stands along z: it lies, or another axis is up (--up)",
        "rate: 30 fps, the file does not say (--source-fps)",
    ]


def test_y_up_under_the_same_names_stands(tmp_path: Path) -> None:
    motion = gentle_motion(3)
    vectors, translation = in_world(motion, Rotation.identity(), amass.PELVIS)
    poses = np.zeros((motion.frames, 156))
    poses[:, :66] = vectors[:, :22].reshape(-1, 66)
    save(tmp_path / "a.npz", poses=poses, trans=translation)
    file = read_motion_file(tmp_path / "a.npz", ground="keep")
    assert file.up == "y"
    assert [doubt.word for doubt in file.doubts] == ["up"]
    np.testing.assert_allclose(file.scene.people[0].joints[:, :22], motion.joints[:, :22], atol=1e-9)


@pytest.mark.parametrize("degrees", [35, 50])
def test_a_tilted_world_is_levelled(tmp_path: Path, degrees: float) -> None:
    motion = walker()
    tilt = Rotation.from_euler("x", degrees, degrees=True)
    vectors, translation = in_world(motion, tilt, amass.PELVIS)
    poses = np.zeros((motion.frames, 156))
    poses[:, :66] = vectors[:, :22].reshape(-1, 66)
    save(tmp_path / "a.npz", poses=poses, trans=translation)
    file = read_motion_file(tmp_path / "a.npz")
    assert any("the tilted world is levelled" in str(doubt) for doubt in file.doubts)
    np.testing.assert_allclose(file.scene.people[0].joints[..., 1].min(), 0, atol=0.05)
    trunk = np.diff(file.scene.people[0].joints[:, [0, 12]], axis=1)[:, 0]
    assert np.median(trunk[:, 1] / np.linalg.norm(trunk, axis=1)) > 0.97
    kept = read_motion_file(tmp_path / "a.npz", up="z")
    assert not any("levelled" in str(doubt) for doubt in kept.doubts)


def test_parts_are_as_the_whole(tmp_path: Path) -> None:
    """AMASS' releases for SMPL-X hold parts beside or instead of `poses`; so does Kimodo's."""
    motion = gentle_motion(5)
    amass.write(tmp_path / "a.npz", motion, numbers=165)
    with np.load(tmp_path / "a.npz") as arrays:
        poses, trans = arrays["poses"], arrays["trans"]
    np.savez(
        tmp_path / "b.npz",
        root_orient=poses[:, :3],
        pose_body=poses[:, 3:66],
        pose_hand=poses[:, 75:],
        trans=trans,
        mocap_frame_rate=30.0,
        surface_model_type="smplx",
    )
    file = read_motion_file(tmp_path / "b.npz", ground="keep")
    assert (file.kind, file.up) == ("AMASS", "z")
    np.testing.assert_allclose(file.scene.people[0].joints[:, :22], motion.joints[:, :22], atol=1e-6)


def test_pickled_gender_is_not_touched(tmp_path: Path) -> None:
    save(tmp_path / "a.npz", gender=np.array(["female", 1], dtype=object))
    assert read_amass(tmp_path / "a.npz").frames == 3


def test_positions_alone_are_solved(tmp_path: Path) -> None:
    motion = gentle_motion(2)
    amass.write(tmp_path / "a.npz", Motion(motion.joints, motion.fps, SMPL24))
    assert_same(read_amass(tmp_path / "a.npz"), motion, rotations=False)


def test_real_motions_keep_their_bone_directions(tmp_path: Path, motion_library) -> None:
    motion = motion_library[100].motion()
    amass.write(tmp_path / "a.npz", motion)
    read = read_amass(tmp_path / "a.npz")
    np.testing.assert_allclose(read.joints[:, 0], motion.joints[:, 0], atol=1e-9)
    for parent, joint in ((16, 18), (18, 20), (1, 4), (4, 7)):
        bones = [m.joints[:, joint] - m.joints[:, parent] for m in (motion, read)]
        unit = [bone / np.linalg.norm(bone, axis=1, keepdims=True) for bone in bones]
        np.testing.assert_allclose(unit[0], unit[1], atol=1e-6)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    joints = gentle_motion(0).joints.copy()
    joints[1, 4] = np.nan
    message = refused(lambda path: amass.write(path, Motion(joints, 30.0, SMPL24)), tmp_path / "a.npz")
    assert "'left_knee' is missing in frame 1" in message
    other = random_motion(3)
    assert "joint names" in refused(lambda path: amass.write(path, other), tmp_path / "a.npz")
    with pytest.raises(ValueError, match="numbers=66"):
        amass.write(tmp_path / "a.npz", gentle_motion(0), numbers=66)
    assert not (tmp_path / "a.npz").exists()


def test_the_first_22_joints_are_enough(tmp_path: Path) -> None:
    motion = gentle_motion(4)
    amass.write(tmp_path / "a.npz", Motion(motion.joints[:, :22], motion.fps, HUMANML3D22))
    read = read_amass(tmp_path / "a.npz")
    np.testing.assert_allclose(read.joints[:, :22], motion.joints[:, :22], atol=1e-3)


BROKEN = {
    "poses missing": ({"poses": None}, "holds no pose parameters (trans [3, 3], betas [16]"),
    "poses width": ({"poses": np.zeros((3, 67))}, "holds no pose parameters (poses [3, 67], trans [3, 3]"),
    "poses flat": ({"poses": np.zeros(156)}, "array 'trans': has shape [3, 3]"),
    "no frames": ({"poses": np.zeros((0, 156)), "trans": np.zeros((0, 3))}, "array 'poses': has shape [0"),
    "trans length": ({"trans": np.zeros((4, 3))}, "array 'trans': has shape [4, 3]"),
    "nan": ({"poses": np.full((3, 156), np.nan)}, "array 'poses': nan at [0, 0]"),
    "infinite": ({"trans": np.full((3, 3), np.inf)}, "array 'trans': inf at [0, 0]"),
    "absurd": ({"trans": np.full((3, 3), 1e300)}, "array 'trans': 1e+300"),
    "text": ({"poses": np.full((3, 156), "x")}, "holds no pose parameters"),
    "complex": ({"poses": np.zeros((3, 156), complex)}, "holds no pose parameters"),
    "pickle": ({"poses": np.full((3, 156), None)}, "holds no pose parameters"),
    "pickled rate": ({"mocap_framerate": np.array(None)}, "pickled Python objects"),
    "rate zero": ({"mocap_framerate": np.array(0)}, "array 'mocap_framerate': must be one positive"),
    "rate nan": ({"mocap_framerate": np.array(np.nan)}, "array 'mocap_framerate'"),
    "two rates": ({"mocap_framerate": np.array([30.0, 60.0])}, "array 'mocap_framerate'"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_arrays(tmp_path: Path, name: str) -> None:
    changes, message = BROKEN[name]
    save(tmp_path / "broken.npz", **changes)
    assert message in refused(read_amass, tmp_path / "broken.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x00" * 1000, b"not a zip file" * 100])
def test_not_a_zip_file(tmp_path: Path, content: bytes) -> None:
    refused(read_amass, tmp_path / "broken.npz", content)


def test_truncated(tmp_path: Path) -> None:
    content = save(tmp_path / "a.npz")
    for length in range(0, len(content), len(content) // 20):
        refused(read_amass, tmp_path / "broken.npz", content[:length])


@pytest.mark.parametrize(
    ("shape", "unpacked", "admitted"),
    [
        ("(4000000, 156)", 1 << 30, None),
        ("(3, 156)", 1 << 30, None),
        ("(99999999999, 156)", 1 << 20, None),
        ("(0, 999)", 1 << 20, None),
        ("(400000, 156)", 1 << 30, 4000),
        ("(3, 156)", 1 << 30, 4000),
    ],
)
def test_zip_bombs(tmp_path: Path, shape: str, unpacked: int, admitted: int | None) -> None:
    npz_bomb(tmp_path / "bomb.npz", "poses", shape, unpacked, admitted=admitted)
    assert (tmp_path / "bomb.npz").stat().st_size < 2 << 20
    refused(read_amass, tmp_path / "bomb.npz")


@FEW
@given(SEEDS)
def test_damaged_files_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    content = save(tmp_path / "a.npz", betas=None)
    for part in range(4):
        read = read_or_refuse(read_amass, tmp_path / "b.npz", damaged(content, seed + part))
        assert read is None or isinstance(read, Motion)
