"""Kimodo-style files: shapes as documented, a round trip by time, and clear errors."""

import numpy as np
import pytest
from hypothesis import given
from scipy.spatial.transform import Rotation
from tests.motion.walking import walk
from tests.scene.formats.array_cases import real_case
from tests.scene.formats.motion_cases import FEW, SEEDS, gentle_motion, read_or_refuse

from kinema.scene.formats import FormatError, kimodo_npz, read_motion, read_motion_file, write_motion
from kinema.scene.formats.soma import G1, SOMA30, SOMA77
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.motion import Motion
from kinema.scene.rotations import global_rotations, joints_from_rotations
from kinema.scene.skeleton import SMPL24, Skeleton


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
    soma = np.zeros((3, 76, 3))
    np.savez(tmp_path / "soma.npz", posed_joints=soma, root_positions=soma[:, 0])
    with pytest.raises(
        FormatError, match=r"\[3, 76, 3\].*22 \(SMPL-X\), 30 \(SOMA\), 77 \(SOMA\), 34 \(G1\)"
    ):
        read_motion(tmp_path / "soma.npz")
    np.savez(tmp_path / "none.npz", root_positions=soma[:, 0])
    with pytest.raises(FormatError, match="posed_joints"):
        read_motion(tmp_path / "none.npz")


def posed(tree):
    """A body of `tree` in a T-pose that bends its knees and walks along +Z, as Kimodo writes it."""
    points = {"Hips": (0, 0.99, 0), "pelvis": (0, 0.79, 0)}
    rng = np.random.default_rng(0)
    rest = np.zeros((len(tree), 3))
    for joint in tree.order:
        parent = tree.parents[joint]
        rest[joint] = points[tree.names[joint]] if parent < 0 else rest[parent] + rng.normal(size=3) * 0.1
    turns = np.tile([1.0, 0, 0, 0], (12, len(tree), 1))
    turns[:, tree.index("LeftLeg" if "LeftLeg" in tree.names else "left_knee")] = [0.9, np.sqrt(0.19), 0, 0]
    body = Skeleton(tree.names, tree.parents, rest)
    joints = joints_from_rotations(turns, body, rest[:1] + np.linspace(0, 1, 12)[:, None] * [0, 0, 1])
    matrices = Rotation.from_quat(global_rotations(turns, body).reshape(-1, 4), scalar_first=True).as_matrix()
    return body, joints, matrices.reshape(12, len(tree), 3, 3)


@pytest.mark.parametrize(("tree", "kind"), [(SOMA30, "SOMA"), (SOMA77, "SOMA"), (G1, "G1")])
def test_bodies_of_kimodo(tmp_path, tree, kind):
    body, joints, matrices = posed(tree)
    np.savez(
        tmp_path / "a.npz", posed_joints=joints, global_rot_mats=matrices, foot_contacts=np.zeros((12, 4))
    )
    file = read_motion_file(tmp_path / "a.npz", ground="keep", unit="m", up="y")
    person = file.scene.people[0]
    assert (file.kind, person.fps, person.skeleton.names) == (f"Kimodo ({kind})", 30.0, tree.names)
    np.testing.assert_allclose(person.joints, joints, atol=1e-9)
    np.testing.assert_allclose(person.skeleton.offsets[1:], body.offsets[1:], atol=1e-9)
    assert person.rotations is not None
    mapped = smpl24_mapping(person.skeleton).confidence
    missing = {SMPL24.names[joint] for joint in np.flatnonzero(mapped == 0)}
    assert missing <= ({"head"} if kind == "G1" else set())


def test_kimodos_own_demo_stands_and_walks():
    file = read_motion_file(real_case("kimodo_soma01.npz"))
    person = file.scene.people[0]
    assert (file.kind, file.unit, file.up, person.fps) == ("Kimodo (SOMA)", "m", "y", 30.0)
    assert person.rotations is not None
    motion = person.to_smpl24()
    head, foot = (motion.joints[:, SMPL24.index(name), 1] for name in ("head", "left_foot"))
    assert 1.3 < np.median(head - foot) < 1.7
    assert np.linalg.norm(np.ptp(person.root_path(), axis=0)) > 5
    wrists = person.skeleton.rest[[person.skeleton.index(f"{side}Hand") for side in ("Left", "Right")]]
    assert wrists[0, 0] > 0.5  # its rest is a T-pose, left on +X
    assert wrists[1, 0] < -0.5


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
    read = read_or_refuse(read_motion, tmp_path / "c.npz", (tmp_path / "b.npz").read_bytes())
    assert read is None or isinstance(read, Motion)
