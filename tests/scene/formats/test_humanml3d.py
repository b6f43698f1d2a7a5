"""HumanML3D: joints, features, and broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from scipy.spatial.transform import Rotation
from tests.scene.formats.array_cases import read_all, read_one, walker
from tests.scene.formats.motion_cases import (
    FEW,
    SEEDS,
    assert_same,
    damaged,
    gentle_motion,
    random_motion,
    read_or_refuse,
    refused,
)

from kinema.scene.formats import humanml3d, motionstreamer, read_motion_file
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.joint_sets import kit21
from kinema.scene.formats.reading import MotionFile
from kinema.scene.motion import Motion
from kinema.scene.skeleton import HUMANML3D22, SMPL24


def features_of(joints: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """The features that tell positions, as the data set defines them; the rest is noise. One frame fewer."""
    to_local = Rotation.from_rotvec(-yaw[:, None] * [0.0, 1.0, 0.0])
    features = np.random.default_rng(0).normal(size=(len(joints) - 1, 263))
    turn = to_local[1:] * to_local[:-1].inv()
    features[:, 0] = np.arcsin(turn.as_quat()[:, 1] * np.sign(turn.as_quat()[:, 3]))
    steps = to_local[1:].apply(joints[1:, 0] - joints[:-1, 0])
    features[:, 1:3] = steps[:, [0, 2]]
    features[:, 3] = joints[:-1, 0, 1]
    flat = joints - joints[:, :1] * [1, 0, 1]
    local = np.stack([to_local.apply(flat[:, joint]) for joint in range(22)], axis=1)
    features[:, 4:67] = local[:-1, 1:].reshape(len(joints) - 1, 63)
    return features


@FEW
@given(SEEDS)
def test_round_trip(tmp_path: Path, seed: int) -> None:
    motion = random_motion(seed, 20.0, HUMANML3D22)
    humanml3d.write(tmp_path / "a.npy", motion)
    assert np.load(tmp_path / "a.npy").dtype == np.float32
    assert_same(read_one(tmp_path / "a.npy", up="y", unit="m"), motion, millimetres=0.01, rotations=False)


def test_other_skeletons_and_missing_joints(tmp_path: Path) -> None:
    joints = gentle_motion(1).joints.copy()
    joints[2, 5] = np.nan
    humanml3d.write(tmp_path / "a.npy", Motion(joints, 20.0, SMPL24))
    read = read_one(tmp_path / "a.npy", up="y")
    assert read.skeleton.same_tree(HUMANML3D22)
    np.testing.assert_allclose(read.joints, joints[:, :22], atol=1e-6)
    assert "joint names" in refused(lambda path: humanml3d.write(path, random_motion(3)), tmp_path / "b.npy")


def test_other_rates_are_resampled_by_time(tmp_path: Path) -> None:
    motion = gentle_motion(2, frames=61, fps=60.0)
    humanml3d.write(tmp_path / "a.npy", motion)
    read = read_one(tmp_path / "a.npy", up="y")
    assert read.fps == 20.0
    assert read.duration == pytest.approx(motion.duration)
    np.testing.assert_allclose(read.joints, motion.joints[::3, :22], atol=1e-5)


@FEW
@given(SEEDS)
def test_features_give_the_joints_back(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    joints = gentle_motion(seed, frames=20, fps=20.0).joints[:, :22].copy()
    joints[..., [0, 2]] -= joints[0, 0, [0, 2]]
    yaw = np.concatenate([[0.0], np.cumsum(rng.normal(size=19) * 0.3)])
    np.save(tmp_path / "a.npy", features_of(joints, yaw).astype(np.float32))
    read = read_one(tmp_path / "a.npy", up="y")
    assert read.frames == 19
    np.testing.assert_allclose(read.joints, joints[:-1], atol=2e-5)


def test_features_of_real_motions(tmp_path: Path, motion_library) -> None:
    motion = motion_library[len(motion_library) // 3].motion().resample(20.0)
    joints = motion.joints[:, :22] - motion.joints[0, 0] * [1, 0, 1]
    ahead = motion.facing()
    yaw = np.unwrap(np.arctan2(ahead[:, 0], ahead[:, 2]))
    turned = Rotation.from_rotvec([0, -yaw[0], 0]).apply(joints.reshape(-1, 3)).reshape(joints.shape)
    np.save(tmp_path / "a.npy", features_of(turned, yaw - yaw[0]))
    np.testing.assert_allclose(read_one(tmp_path / "a.npy", up="y").joints, turned[:-1], atol=1e-9)


def walk_features() -> tuple[np.ndarray, np.ndarray]:
    """Features [T, 263] of our example and its joints [T, 22, 3]."""
    joints = walker().resample(20.0).joints[:, :22]
    joints = joints - joints[0, 0] * [1, 0, 1]
    return features_of(joints, np.zeros(len(joints))), joints[:-1]


def normalised(folder: Path, features: np.ndarray, names: tuple[str, str] = ("Mean", "Std")) -> np.ndarray:
    """Features as a model learns from them, whose statistics then lie in a folder."""
    folder.mkdir()
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 0.05
    for name, values in zip(names, (mean, deviation), strict=True):
        np.save(folder / f"{name}.npy", values)
    return (features - mean) / deviation


@pytest.mark.parametrize("names", [("Mean", "Std"), ("mean", "std"), ("t2m_mean", "t2m_std")])
def test_normalised_features_are_undone_or_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    features, joints = walk_features()
    np.save(tmp_path / "a.npy", normalised(tmp_path / "stats", features, names))
    assert "--stats FOLDER" in refused(read_motion_file, tmp_path / "a.npy")
    file = read_all(tmp_path / "a.npy", stats=tmp_path / "stats")
    np.testing.assert_allclose(file.scene.people[0].joints, joints, atol=1e-9)
    assert not file.assumed


def test_statistics_that_are_not_these(tmp_path: Path) -> None:
    features, _ = walk_features()
    np.save(tmp_path / "raw.npy", features)
    assert "--stats is not used" in str(read_all(tmp_path / "raw.npy", stats=tmp_path).doubts[0])
    np.save(tmp_path / "a.npy", normalised(tmp_path / "stats", features))
    (tmp_path / "other").mkdir()
    for name in ("Mean", "Std"):
        np.save(tmp_path / "other" / f"{name}.npy", np.ones(263))

    def read(folder: str) -> str:
        return refused(lambda path: read_motion_file(path, stats=tmp_path / folder), tmp_path / "a.npy")

    assert "with these means either" in read("other")
    np.save(tmp_path / "other" / "Std.npy", np.ones(251))
    for folder, message in (("other", "holds 251 numbers"), ("none", "holds no Mean.npy")):
        with pytest.raises(FormatError, match=message):
            read_motion_file(tmp_path / "a.npy", stats=tmp_path / folder)


@pytest.mark.parametrize("layout", ["[1, T, 263]", "[263, T]", "[1, 263, 1, T]"])
def test_features_in_any_order_of_axes(tmp_path: Path, layout: str) -> None:
    features, joints = walk_features()
    laid = {
        "[1, T, 263]": features[None],
        "[263, T]": features.T,
        "[1, 263, 1, T]": features.T[None, :, None],
    }[layout]
    np.save(tmp_path / "a.npy", laid)
    np.testing.assert_allclose(read_one(tmp_path / "a.npy").joints, joints, atol=1e-9)
    np.savez(tmp_path / "a.npz", motion=laid)
    np.testing.assert_allclose(read_one(tmp_path / "a.npz").joints, joints, atol=1e-9)


def test_kit_features_are_millimetres_at_12_5_fps(tmp_path: Path) -> None:
    joints = np.stack([kit21().rest + np.array([0, 0, 0.05 * frame]) for frame in range(20)]) * 1000
    features = np.zeros((19, 251))
    features[:, 2] = 50.0
    features[:, 3] = joints[:-1, 0, 1]
    features[:, 4:64] = (joints - joints[:, :1] * [1, 0, 1])[:-1, 1:].reshape(19, 60)
    np.save(tmp_path / "a.npy", features)
    file = read_all(tmp_path / "a.npy")
    assert (file.kind, file.unit, file.scene.people[0].fps) == ("KIT-ML features", "mm", 12.5)
    np.testing.assert_allclose(file.scene.people[0].joints, joints[:-1] / 1000, atol=1e-9)
    mapped = file.scene.people[0].to_smpl24()
    assert (mapped.joints[0, SMPL24.index("left_wrist"), 0] > 0.5).all()


def streamed(joints: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """MotionStreamer's features of joints [T, 22, 3] whose heading is yaw [T], as its public code makes them."""
    heading = Rotation.from_rotvec(
        -yaw[:, None] * [0.0, 1.0, 0.0]
    ).as_matrix()  # from the world to no heading
    turns = np.concatenate([heading[:1], heading[1:] @ heading[:-1].transpose(0, 2, 1)])
    features = np.zeros((len(joints), 272))
    features[:, 2:8] = turns[:, :2].reshape(-1, 6)
    steps = np.diff(joints[:, 0], axis=0) * [1, 0, 1]
    features[1:, :2] = (heading[:-1] @ steps[..., None])[:, [0, 2], 0]
    local = joints - joints[:, :1] * [1, 0, 1]
    features[:, 8:74] = (local @ heading.transpose(0, 2, 1)).reshape(len(joints), 66)
    return features


def test_motionstreamers_features(tmp_path: Path) -> None:
    joints = walker().joints[:, :22]
    joints = joints - joints[0, 0] * [1, 0, 1]
    yaw = np.linspace(0.0, 1.5, len(joints))
    turned = np.stack(
        [Rotation.from_rotvec([0, y, 0]).apply(frame) for y, frame in zip(yaw, joints, strict=True)]
    )
    features = streamed(turned, yaw)
    np.save(tmp_path / "a.npy", features)
    file = read_all(tmp_path / "a.npy")
    assert (file.kind, file.up, file.scene.people[0].fps) == (
        "MotionStreamer features",
        "y",
        motionstreamer.FPS,
    )
    np.testing.assert_allclose(file.scene.people[0].joints, turned, atol=1e-9)
    np.save(tmp_path / "a.npy", normalised(tmp_path / "stats", features))
    assert "--stats" in refused(read_motion_file, tmp_path / "a.npy")
    read = read_one(tmp_path / "a.npy", stats=tmp_path / "stats")
    np.testing.assert_allclose(read.joints, turned, atol=1e-6)


BROKEN = {
    "flat": (np.zeros(263), "shape [263] holds no motion that is known"),
    "scalar": (np.array(1.0), "shape [] holds no motion"),
    "no frames": (np.zeros((0, 263)), "has no frames"),
    "text": (np.full((5, 263), "x"), "holds text"),
    "pickle": (np.full((5, 22, 3), None), "holds pickled Python objects"),
    "nan feature": (np.full((5, 263), np.nan), "nan at [0, 0, 0]"),
    "nothing": (np.zeros((5, 263)), "normalised, or damaged"),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_arrays(tmp_path: Path, name: str) -> None:
    array, message = BROKEN[name]
    np.save(tmp_path / "broken.npy", array)
    assert message in refused(read_motion_file, tmp_path / "broken.npy")


HEADER = b"\x93NUMPY\x01\x00v\x00"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"PK\x03\x04junk",
        HEADER,
        HEADER
        + b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 22, 3), }".ljust(117)
        + b"\n",
        HEADER + b"{'descr': '<f4', 'fortran_order': False, 'shape': (-5, 22, 3), }".ljust(117) + b"\n",
        HEADER + b"{'descr': '|O', 'fortran_order': False, 'shape': (5, 22, 3), }".ljust(117) + b"\n",
        HEADER + b"{'descr': '<f4', 'fortran_order': False, 'shape': [5, 22, 3], }".ljust(117) + b"\n",
        HEADER + (b"{'descr': '<f4', 'fortran_order': False, 'shape': " + b"(" * 60).ljust(117) + b"\n",
    ],
)
def test_broken_files(tmp_path: Path, content: bytes) -> None:
    refused(read_motion_file, tmp_path / "broken.npy", content)


@FEW
@given(SEEDS)
def test_damaged_files_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    array = gentle_motion(1, frames=2).joints[:, :22] if seed % 2 else np.zeros((2, 263), np.float32)
    np.save(tmp_path / "a.npy", array)
    content = (tmp_path / "a.npy").read_bytes()
    for part in range(4):
        harmed = damaged(content[:200], seed + part) + content[200:]  # in the header, where it matters
        read = read_or_refuse(
            read_motion_file, tmp_path / "b.npy", harmed if part % 2 else damaged(content, seed)
        )
        assert read is None or isinstance(read, MotionFile)
