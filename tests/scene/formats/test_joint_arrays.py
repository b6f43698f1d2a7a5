"""Plain arrays of joint positions: any order of axes, unit and joint order that the field has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.scene.formats.array_cases import read_all, read_one, real_case, walker
from tests.scene.formats.motion_cases import refused

from kinema.scene.formats import read_motion_file
from kinema.scene.formats.joint_sets import joint_set, joint_sets
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

LAYOUTS = {
    "[T, J, 3]": lambda joints: joints,
    "[1, T, J, 3]": lambda joints: joints[None],
    "[T, J, 3, 1]": lambda joints: joints[..., None],
    "[J, 3, T]": lambda joints: joints.transpose(1, 2, 0),
    "[1, J, 3, T]": lambda joints: joints.transpose(1, 2, 0)[None],
    "[3, T, J]": lambda joints: joints.transpose(2, 0, 1),
    "[T, 3 J]": lambda joints: joints.reshape(len(joints), -1),
    "[1, T, 3 J]": lambda joints: joints.reshape(1, len(joints), -1),
}


@pytest.fixture(scope="module")
def motion() -> Motion:
    return walker()


@pytest.mark.parametrize("joints", [22, 24])
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_any_order_of_axes(tmp_path: Path, motion: Motion, layout: str, joints: int) -> None:
    np.save(tmp_path / "a.npy", LAYOUTS[layout](motion.joints[:, :joints]).astype(np.float32))
    read = read_one(tmp_path / "a.npy", up="y")
    np.testing.assert_allclose(read.joints, motion.joints[:, :joints], atol=1e-5)
    assert read.skeleton.names == SMPL24.names[:joints]
    assert read.fps == (20.0 if joints == 22 else 30.0)


@pytest.mark.parametrize(("unit", "metres"), [("m", 1.0), ("cm", 0.01), ("mm", 0.001)])
def test_units_follow_from_the_figure(tmp_path: Path, motion: Motion, unit: str, metres: float) -> None:
    np.save(tmp_path / "a.npy", motion.joints / metres)
    file = read_all(tmp_path / "a.npy", up="y")
    assert file.unit == unit
    assert any(each.word == "unit" for each in file.assumed) or unit == "m"
    np.testing.assert_allclose(file.scene.people[0].joints, motion.joints, atol=1e-9)


def test_a_body_in_other_axes_rests_upright(tmp_path: Path, motion: Motion) -> None:
    np.save(tmp_path / "a.npy", motion.joints[..., [0, 2, 1]] * [1, -1, 1] * 1000)  # Z up, millimetres
    read = read_one(tmp_path / "a.npy", up="z", unit="mm")
    np.testing.assert_allclose(read.joints, motion.joints, atol=1e-9)
    np.testing.assert_allclose(read.skeleton.offsets[1:], SMPL24.offsets[1:], atol=1e-9)


@pytest.mark.parametrize("each", joint_sets(), ids=lambda each: each.name)
def test_every_joint_order_is_told_from_the_others(each, motion: Motion) -> None:
    rest = each.skeleton.rest
    swaying = np.stack([rest * 1.1 + np.sin(angle) * rest[:, [1, 2, 0]] * 0.02 for angle in np.arange(9.0)])
    found, misfit = joint_set(swaying)
    assert found is each
    assert misfit < 0.1
    noise = np.random.default_rng(0).normal(size=(30, *rest.shape))
    assert joint_set(noise)[0] is None


def test_human36m_is_told_from_coco(tmp_path: Path, motion: Motion) -> None:
    names = [joint_sets()[5], next(each for each in joint_sets() if each.name == "COCO")]
    assert [each.name for each in names] == ["Human3.6M", "COCO"]
    h36m = names[0].skeleton
    parts = {name: motion.joints[:, SMPL24.index(name)] for name in h36m.names if name in SMPL24.names}
    parts["spine"] = motion.joints[:, SMPL24.index("spine2")]
    parts["head_end"] = motion.joints[:, SMPL24.index("head")] + [0, 0.19, 0]
    np.save(tmp_path / "a.npy", np.stack([parts[name] for name in h36m.names], axis=1))
    read = read_one(tmp_path / "a.npy", up="y").to_smpl24()
    for name in ("left_hip", "right_wrist", "left_ankle", "neck"):
        joint = SMPL24.index(name)
        np.testing.assert_allclose(read.joints[:, joint], motion.joints[:, joint], atol=1e-9)


def test_several_samples(tmp_path: Path, motion: Motion) -> None:
    both = np.stack([motion.joints[:, :22], motion.joints[::-1, :22] + [0, 0, 1]])
    np.save(tmp_path / "a.npy", both)
    file = read_all(tmp_path / "a.npy", up="y")
    assert [each.name for each in file.animations] == ["0", "1"]
    assert file.animations[0].seconds == pytest.approx(motion.frames / 20)
    assert [each.word for each in file.doubts if each.word == "animation"] == ["animation"]
    second = read_one(tmp_path / "a.npy", up="y", animation=1)
    np.testing.assert_allclose(second.joints, both[1], atol=1e-9)
    assert "count from 0" in refused(lambda path: read_motion_file(path, animation="2"), tmp_path / "a.npy")


def test_what_mdm_saves_once_it_is_plain(tmp_path: Path, motion: Motion) -> None:
    padded = np.zeros((2, 22, 3, 100))
    padded[0, ..., :60] = motion.joints[:60, :22].transpose(1, 2, 0)
    padded[1, ..., :40] = motion.joints[41:1:-1, :22].transpose(1, 2, 0)
    np.savez(tmp_path / "a.npz", motion=padded, lengths=[60, 40], text=["a person walks", "someone waves"])
    file = read_all(tmp_path / "a.npz", up="y", animation="someone waves")
    assert [each.name for each in file.animations] == ["a person walks", "someone waves"]
    assert file.scene.people[0].frames == 40
    np.testing.assert_allclose(file.scene.people[0].joints, motion.joints[41:1:-1, :22], atol=1e-9)


def test_time_is_the_axis_along_which_poses_change_least(tmp_path: Path, motion: Motion) -> None:
    people = np.stack([motion.joints, motion.joints[::-1] * [-1, 1, 1]], axis=1)  # [T, P, J, 3]
    np.save(tmp_path / "a.npy", people)
    np.testing.assert_allclose(read_one(tmp_path / "a.npy", up="y").joints, motion.joints, atol=1e-9)


@pytest.mark.parametrize("name", ["joints", "keypoints3d", "pred_joints", "motion", "whatever"])
def test_one_array_under_any_name(tmp_path: Path, motion: Motion, name: str) -> None:
    extra = {"fps": np.array(25.0), "contacts": np.zeros((motion.frames, 4)), "id": np.array("x")}
    np.savez(tmp_path / "a.npz", **{name: motion.joints}, **extra)
    read = read_one(tmp_path / "a.npz", up="y")
    assert read.fps == 25.0
    np.testing.assert_allclose(read.joints, motion.joints, atol=1e-9)


def test_confidence_and_missing_frames(tmp_path: Path, motion: Motion) -> None:
    sure = np.concatenate([motion.joints, np.ones((motion.frames, 24, 1))], axis=-1)
    sure[3, 5, 3] = 0.0
    sure[6] = 0.0
    np.save(tmp_path / "a.npy", sure)
    read = read_one(tmp_path / "a.npy", up="y")
    assert np.isnan(read.joints[3, 5]).all()
    assert np.isnan(read.joints[6]).all()
    assert read.confidence is not None
    assert read.confidence[3, 5] == 0


def test_a_joint_order_that_nobody_knows_is_named_by_the_user(tmp_path: Path, motion: Motion) -> None:
    order = np.random.default_rng(1).permutation(np.setdiff1d(np.arange(24), [3, 13, 14, 22, 23]))
    np.save(tmp_path / "a.npy", motion.joints[:, order])
    assert "--joints" in refused(read_motion_file, tmp_path / "a.npy")
    said = {SMPL24.names[joint]: str(number) for number, joint in enumerate(order)}
    (tmp_path / "map.json").write_text(json.dumps(said))
    file = read_all(tmp_path / "a.npy", up="y", joints=tmp_path / "map.json")
    assert file.scene.people[0].joints.shape == (motion.frames, 19, 3)
    assert "19 joints" in file.kind
    np.savez(tmp_path / "a.npz", whatever=motion.joints[:, order])
    assert "19 joints" in read_all(tmp_path / "a.npz", up="y", joints=said).kind


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 24, 3)), "holds no motion that is known"),
        (np.random.default_rng(0).normal(size=(30, 22, 3)) * 9, "holds no motion that is known"),
        (np.random.default_rng(0).normal(size=(30, 17, 2)), "2D keypoints have no depth"),
        (np.zeros(263), "--stats"),
        (np.full((5, 22, 3), np.nan), "no finite, sensible number"),
        (np.array(1.0), "holds no motion"),
        (np.full((5, 22, 3), "x"), "holds text"),
    ],
)
def test_what_is_no_motion_is_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", array)
    assert message in refused(read_motion_file, tmp_path / "a.npy")


def test_unknown_arrays_are_listed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", latent=np.zeros((4, 256)), camera=np.zeros(3))
    message = refused(read_motion_file, tmp_path / "a.npz")
    assert "latent [4, 256]" in message
    assert "camera [3]" in message


@pytest.mark.parametrize("name", ["batch_1_22_3.npy", "mdm_22_3_T.npy", "millimetres_T_22_3.npy"])
def test_real_cases(name: str) -> None:
    file = read_all(real_case(name))
    person = file.scene.people[0]
    assert person.joints.shape == (81, 22, 3)
    assert file.unit == ("mm" if "milli" in name else "m")
    head, foot = (person.joints[:, SMPL24.index(joint), 1] for joint in ("head", "left_foot"))
    assert 1.3 < np.median(head - foot) < 1.7


def test_what_can_hold_no_joints_is_not_sent_to_a_map_of_joints(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(1, 267)))
    np.savez(tmp_path / "b.npz", queries=np.zeros((14, 4)))
    np.save(tmp_path / "c.npy", np.random.default_rng(0).normal(size=(5, 31, 3)))
    said = [refused(read_motion_file, tmp_path / name) for name in ("a.npy", "b.npz", "c.npy")]
    assert ["--joints" in message for message in said] == [False, False, True]
    assert "263, 251 or 272" in said[0]
