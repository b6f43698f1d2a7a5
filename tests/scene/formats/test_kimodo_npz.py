"""Kimodo-style files: shapes as documented, a round trip by time, and clear errors."""

import numpy as np
import pytest
from hypothesis import given
from tests.motion.walking import walk
from tests.scene.formats.motion_cases import FEW, SEEDS, gentle_motion, read_or_refuse

from kinema.scene.formats import FormatError, kimodo_npz, read_motion, write_motion
from kinema.scene.motion import Motion


@pytest.fixture
def file(tmp_path):
    write_motion(tmp_path / "walk.npz", walk(41), format="kimodo")
    return tmp_path / "walk.npz"


def test_keys_and_shapes_are_those_of_the_documentation(file):
    with np.load(file, allow_pickle=False) as arrays:
        shapes = {name: arrays[name].shape for name in arrays.files}
        contacts = arrays["foot_contacts"]
    frames = 61  # two seconds at 30 fps
    assert set(kimodo_npz.KEYS) <= set(shapes)
    assert shapes["posed_joints"] == (frames, 22, 3)
    assert shapes["local_rot_mats"] == shapes["global_rot_mats"] == (frames, 22, 3, 3)
    assert shapes["root_positions"] == (frames, 3)
    assert shapes["foot_contacts"] == (frames, 4)
    assert set(np.unique(contacts)) <= {0.0, 1.0}
    assert contacts.any()


def test_joints_rotations_and_time_come_back(file):
    motion, again = walk(41).resample(30), read_motion(file)
    assert again.fps == 30
    assert np.abs(again.joints - motion.joints[:, :22]).max() < 1e-4
    assert again.rotations is not None
    rebuilt = type(motion).from_rotations(again.rotations, again.joints[:, 0], 30, again.skeleton)
    assert np.abs(rebuilt.joints - again.joints).max() < 5e-3
    assert again.to_smpl24().frames == 61


def test_rotations_that_contradict_the_joints_are_left_out(file, tmp_path):
    with np.load(file, allow_pickle=False) as arrays:
        parts = {name: arrays[name] for name in arrays.files}
    parts["local_rot_mats"] = np.broadcast_to(np.eye(3), parts["local_rot_mats"].shape)
    del parts["fps"]
    np.savez(tmp_path / "loose.npz", **parts)
    assert read_motion(tmp_path / "loose.npz").rotations is None


def test_other_bodies_and_missing_arrays_are_named(tmp_path):
    soma = np.zeros((3, 77, 3))
    np.savez(tmp_path / "soma.npz", posed_joints=soma, root_positions=soma[:, 0])
    with pytest.raises(FormatError, match="SMPL-X"):
        read_motion(tmp_path / "soma.npz")
    np.savez(tmp_path / "none.npz", root_positions=soma[:, 0])
    with pytest.raises(FormatError, match="posed_joints"):
        read_motion(tmp_path / "none.npz")


@FEW
@given(SEEDS)
def test_damaged_arrays_are_read_or_refused(tmp_path, seed):
    """Numbers that are none, far too large, or rotations that are none."""
    rng = np.random.default_rng(seed)
    motion = gentle_motion(seed % 7, frames=4)
    write_motion(tmp_path / "a.npz", motion, format="kimodo")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        parts = {name: arrays[name].copy() for name in arrays.files}
    name = ("posed_joints", "local_rot_mats", "fps")[seed % 3]
    flat = parts[name].reshape(-1)
    flat[rng.integers(len(flat))] = rng.choice([np.nan, np.inf, -1e30, 0.0, 7.0])
    np.savez(tmp_path / "b.npz", **parts)
    read = read_or_refuse(kimodo_npz.read, tmp_path / "c.npz", (tmp_path / "b.npz").read_bytes())
    assert read is None or isinstance(read, Motion)
