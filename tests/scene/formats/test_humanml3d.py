"""HumanML3D: joints, features, and broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from scipy.spatial.transform import Rotation
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

from kinema.scene.formats import humanml3d
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
    assert_same(humanml3d.read(tmp_path / "a.npy"), motion, millimetres=0.01, rotations=False)


def test_other_skeletons_and_missing_joints(tmp_path: Path) -> None:
    joints = gentle_motion(1).joints.copy()
    joints[2, 5] = np.nan
    humanml3d.write(tmp_path / "a.npy", Motion(joints, 20.0, SMPL24))
    read = humanml3d.read(tmp_path / "a.npy")
    assert read.skeleton.same_tree(HUMANML3D22)
    np.testing.assert_allclose(read.joints, joints[:, :22], atol=1e-6)
    assert "joint names" in refused(lambda path: humanml3d.write(path, random_motion(3)), tmp_path / "b.npy")


def test_other_rates_are_resampled_by_time(tmp_path: Path) -> None:
    motion = gentle_motion(2, frames=61, fps=60.0)
    humanml3d.write(tmp_path / "a.npy", motion)
    read = humanml3d.read(tmp_path / "a.npy")
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
    read = humanml3d.read(tmp_path / "a.npy")
    assert read.frames == 19
    np.testing.assert_allclose(read.joints, joints[:-1], atol=2e-5)


def test_features_of_real_motions(tmp_path: Path, motion_library) -> None:
    motion = motion_library[len(motion_library) // 3].motion().resample(20.0)
    joints = motion.joints[:, :22] - motion.joints[0, 0] * [1, 0, 1]
    ahead = motion.facing()
    yaw = np.unwrap(np.arctan2(ahead[:, 0], ahead[:, 2]))
    turned = Rotation.from_rotvec([0, -yaw[0], 0]).apply(joints.reshape(-1, 3)).reshape(joints.shape)
    np.save(tmp_path / "a.npy", features_of(turned, yaw - yaw[0]))
    np.testing.assert_allclose(humanml3d.read(tmp_path / "a.npy").joints, turned[:-1], atol=1e-9)


BROKEN = {
    "21 joints": (np.zeros((5, 21, 3)), "has shape [5, 21, 3]; [T, 22, 3] joints or [T, 263] features"),
    "251 features": (np.zeros((5, 251)), "has shape [5, 251]"),
    "flat": (np.zeros(263), "has shape [263]"),
    "scalar": (np.array(1.0), "has shape []"),
    "no frames": (np.zeros((0, 22, 3)), "has shape [0, 22, 3]"),
    "text": (np.full((5, 22, 3), "x"), "holds <U1, not numbers"),
    "pickle": (np.full((5, 22, 3), None), "holds pickled Python objects"),
    "nan feature": (np.full((5, 263), np.nan), "frame 0, feature 0"),
    "infinite joint": (np.full((5, 22, 3), np.inf), "frame 0, joint 0"),
    "half missing": (np.where(np.arange(3) == 1, np.nan, np.zeros((5, 22, 3))), "NaN in some numbers only"),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_arrays(tmp_path: Path, name: str) -> None:
    array, message = BROKEN[name]
    np.save(tmp_path / "broken.npy", array)
    assert message in refused(humanml3d.read, tmp_path / "broken.npy")


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
    refused(humanml3d.read, tmp_path / "broken.npy", content)


@FEW
@given(SEEDS)
def test_damaged_files_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    array = gentle_motion(1, frames=2).joints[:, :22] if seed % 2 else np.zeros((2, 263), np.float32)
    np.save(tmp_path / "a.npy", array)
    content = (tmp_path / "a.npy").read_bytes()
    for part in range(4):
        harmed = damaged(content[:200], seed + part) + content[200:]  # in the header, where it matters
        read = read_or_refuse(
            humanml3d.read, tmp_path / "b.npy", harmed if part % 2 else damaged(content, seed)
        )
        assert read is None or isinstance(read, Motion)
