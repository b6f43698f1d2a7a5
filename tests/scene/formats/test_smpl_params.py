"""Pose parameters under the names of the field's tools: where the joints are, which way is up, who stays in place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tests.scene.formats.array_cases import angles, in_world, read_all, read_one, real_case, walker
from tests.scene.formats.motion_cases import damaged, read_or_refuse, refused

from kinema.scene.formats import read_motion_file
from kinema.scene.formats.smpl_params import PELVIS, PELVIS_X
from kinema.scene.motion import Motion
from kinema.scene.rotations import joints_from_rotations
from kinema.scene.skeleton import SMPL24

Y_UP, Z_UP, CAMERA = (
    Rotation.identity(),
    Rotation.from_euler("x", 90, degrees=True),
    Rotation.from_euler("x", 180, degrees=True),
)
UPS = {"y": Y_UP, "z": Z_UP, "-y": CAMERA}


@pytest.fixture(scope="module")
def motion() -> Motion:
    """The example on SMPL-24's own proportions, which is what a file without a body model can hold."""
    walk = walker()
    assert walk.rotations is not None
    joints = joints_from_rotations(walk.rotations, SMPL24, walk.joints[:, 0])
    return Motion(joints, walk.fps, SMPL24, rotations=walk.rotations)


def matrices(vectors: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape, 3)


LAYOUTS = {
    "smplx, flat": lambda v, t: {"global_orient": v[:, 0], "body_pose": v[:, 1:22].reshape(len(v), 63), "transl": t},
    "smplx, joints": lambda v, t: {"global_orient": v[:, :1], "body_pose": v[:, 1:22], "transl": t[:, None]},
    "SMPL's 23 joints": lambda v, t: {"global_orient": v[:, 0], "body_pose": v[:, 1:].reshape(len(v), 69), "transl": t},
    "matrices": lambda v, t: {
        "global_orient": matrices(v[:, :1]), "body_pose": matrices(v[:, 1:]), "transl": t,
    },
    "root matrices [T, 3, 3]": lambda v, t: {
        "global_orient": matrices(v[:, 0]), "body_pose": matrices(v[:, 1:]), "transl": t,
    },
    "GVHMR, in groups": lambda v, t: {
        "smpl_params_incam/global_orient": v[:, 0] * 0, "smpl_params_incam/body_pose": v[:, 1:22].reshape(len(v), 63),
        "smpl_params_incam/transl": t * 0,
        "smpl_params_global/global_orient": v[:, 0], "smpl_params_global/body_pose": v[:, 1:22].reshape(len(v), 63),
        "smpl_params_global/transl": t,
    },
    "WHAM": lambda v, t: {
        "pose": v.reshape(len(v), 72) * 0.5, "trans": t * 0,
        "pose_world": v.reshape(len(v), 72), "trans_world": t,
    },
    "ROMP": lambda v, t: {"smpl_thetas": v.reshape(len(v), 72), "cam_trans": t, "smpl_betas": np.zeros((len(v), 10))},
    "TRAM": lambda v, t: {"pred_rotmat": matrices(v), "pred_trans": t[:, None], "pred_shape": np.zeros((len(v), 10))},
    "AIST++": lambda v, t: {"smpl_poses": v.reshape(len(v), 72), "smpl_trans": t * 93.8, "smpl_scaling": [93.8]},
    "EasyMocap": lambda v, t: {
        "Rh": v[:, 0], "Th": t, "poses": np.concatenate([v[:, :1] * 0, v[:, 1:]], 1).reshape(len(v), 72),
    },
    "one of [P, T]": lambda v, t: {
        "root_orient": v[None, :, 0], "pose_body": v[None, :, 1:22].reshape(1, len(v), 63), "trans": t[None],
    },
}  # fmt: skip
SMPLX = {"smplx, flat", "smplx, joints", "GVHMR, in groups", "one of [P, T]"}


@pytest.mark.parametrize("up", list(UPS))
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_joints_of_every_layout(tmp_path: Path, motion: Motion, layout: str, up: str) -> None:
    vectors, translation = in_world(motion, UPS[up], PELVIS_X if layout in SMPLX else PELVIS)
    np.savez(tmp_path / "a.npz", **LAYOUTS[layout](vectors, translation))
    read = read_one(tmp_path / "a.npz", up=up)
    np.testing.assert_allclose(read.joints[:, :22], motion.joints[:, :22], atol=1e-5)
    np.testing.assert_allclose(read.skeleton.offsets[1:], SMPL24.offsets[1:], atol=1e-9)
    assert read.rotations is not None
    rebuilt = joints_from_rotations(read.rotations, read.skeleton, read.joints[:, 0])
    np.testing.assert_allclose(rebuilt, read.joints, atol=1e-9)


def test_a_person_without_translation_stays_in_place(tmp_path: Path, motion: Motion) -> None:
    np.savez(tmp_path / "a.npz", poses=angles(motion).reshape(-1, 72))
    file = read_all(tmp_path / "a.npz", up="y")
    assert np.ptp(file.scene.people[0].root_path(), axis=0).max() < 1e-9
    assert any("stays in one place" in str(doubt) for doubt in file.doubts)
    assert any(doubt.word == "source_fps" for doubt in file.doubts)


@pytest.mark.parametrize(("name", "metres"), [("cm", 0.01), ("mm", 0.001)])
def test_a_way_in_other_units_than_the_body(tmp_path: Path, motion: Motion, name: str, metres: float) -> None:
    vectors, translation = in_world(motion, Y_UP, PELVIS)
    far = (translation + np.array([3.0, 0.0, 0.0])) / metres
    np.savez(tmp_path / "a.npz", smpl_poses=vectors.reshape(-1, 72), smpl_trans=far, fps=30.0)
    file = read_all(tmp_path / "a.npz", up="y")
    assert [str(doubt) for doubt in file.doubts if f"in {name}" in str(doubt)]
    wanted = motion.joints + np.array([3.0, 0.0, 0.0])
    np.testing.assert_allclose(file.scene.people[0].joints, wanted, atol=1e-5)


def test_two_people(tmp_path: Path, motion: Motion) -> None:
    vectors, translation = in_world(motion, Y_UP, PELVIS_X)
    np.savez(
        tmp_path / "a.npz",
        root_orient=np.stack([vectors[:, 0]] * 2),
        pose_body=np.stack([vectors[:, 1:22].reshape(-1, 63)] * 2),
        trans=np.stack([translation, translation + np.array([1, 0, 0])]),
    )
    people = read_all(tmp_path / "a.npz", up="y").scene.people
    assert len(people) == 2
    np.testing.assert_allclose(
        people[1].joints - people[0].joints, np.broadcast_to([1.0, 0, 0], people[0].joints.shape)
    )


def test_one_picture(tmp_path: Path, motion: Motion) -> None:
    """SMPLer-X writes a file a person and picture."""
    vectors, translation = in_world(motion, CAMERA, PELVIS_X)
    np.savez(
        tmp_path / "00001_0.npz",
        global_orient=vectors[4, :1],
        body_pose=vectors[4, 1:22],
        transl=translation[4:5],
        jaw_pose=np.zeros((1, 3)),
    )
    read = read_one(tmp_path / "00001_0.npz", up="-y")
    np.testing.assert_allclose(read.joints[0, :22], motion.joints[4, :22], atol=1e-5)


def test_hy_motion_stands(tmp_path: Path, motion: Motion) -> None:
    vectors, translation = in_world(motion, Y_UP, PELVIS)
    poses = np.zeros((len(vectors), 156))
    poses[:, :66] = vectors[:, :22].reshape(-1, 66)
    np.savez(
        tmp_path / "a.npz",
        poses=poses,
        trans=translation,
        betas=np.zeros((1, 16)),
        Rh=poses[:, :3],
        gender=["neutral"],
    )
    file = read_all(tmp_path / "a.npz")
    assert (file.kind, file.up, file.scene.people[0].fps) == ("HY-Motion", "y", 30.0)
    np.testing.assert_allclose(file.scene.people[0].joints[:, :22], motion.joints[:, :22], atol=1e-5)


@pytest.mark.parametrize("numbers", [66, 72, 75, 85, 156, 159, 165, 322])
def test_plain_arrays(tmp_path: Path, motion: Motion, numbers: int) -> None:
    smplx = numbers in (165, 322)
    vectors, translation = in_world(motion, Y_UP, PELVIS_X if smplx else PELVIS)
    array = np.zeros((len(vectors), numbers))
    array[:, :66] = vectors[:, :22].reshape(-1, 66)
    start = {75: 72, 85: 72, 159: 156, 322: 309}.get(numbers)
    if start:
        array[:, start : start + 3] = translation
    np.save(tmp_path / "a.npy", array)
    read = read_one(tmp_path / "a.npy", up="y")
    assert read.skeleton.same_tree(SMPL24)
    wanted = motion.joints if start else motion.joints - motion.joints[:, :1] + read.joints[:, :1]
    np.testing.assert_allclose(read.joints[:, :22], wanted[:, :22], atol=1e-5)


def test_angles_are_told_from_positions(tmp_path: Path, motion: Motion) -> None:
    np.save(tmp_path / "positions.npy", motion.joints.reshape(-1, 72))
    np.save(tmp_path / "angles.npy", angles(motion).reshape(-1, 72))
    assert "positions" in read_all(tmp_path / "positions.npy").kind
    assert "pose parameters" in read_all(tmp_path / "angles.npy").kind
    np.save(tmp_path / "rotations.npy", matrices(angles(motion)))
    assert "pose parameters" in read_all(tmp_path / "rotations.npy").kind


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transl": np.zeros((5, 3))}, "array 'transl': has shape [5, 3]; poses ask for [4, 3]"),
        ({"global_orient": np.zeros((5, 3))}, "array 'global_orient': has shape [5, 3]"),
        (
            {"body_pose": np.zeros((4, 30))},
            "array 'body_pose': has shape [4, 30]; [T, 63] or [T, 69] is known",
        ),
        ({"body_pose": np.full((4, 63), np.nan)}, "array 'body_pose': nan at [0, 0]"),
        ({"body_pose": np.ones((4, 21, 3, 3))}, "array 'body_pose': holds no rotation matrices"),
        ({"fps": np.array(0.0)}, "array 'fps': must be one positive number"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, changes: dict[str, np.ndarray], message: str) -> None:
    arrays = {"global_orient": np.zeros((4, 3)), "body_pose": np.zeros((4, 63)), "transl": np.zeros((4, 3))}
    np.savez(tmp_path / "a.npz", **{**arrays, **changes})
    assert message in refused(read_motion_file, tmp_path / "a.npz")


def test_damaged_files_are_read_or_refused(tmp_path: Path, motion: Motion) -> None:
    vectors, translation = in_world(motion, Y_UP, PELVIS)
    np.savez(tmp_path / "a.npz", **LAYOUTS["matrices"](vectors[:3], translation[:3]))
    np.save(tmp_path / "a.npy", vectors[:3].reshape(3, 72))
    for suffix in (".npz", ".npy"):
        content = (tmp_path / f"a{suffix}").read_bytes()
        for seed in range(60):
            harmed = damaged(content[:300], seed) + content[300:] if seed % 2 else damaged(content, seed)
            read_or_refuse(lambda path: read_motion_file(path, up="y"), tmp_path / f"b{suffix}", harmed)


def test_real_cases() -> None:
    for name, kind in (("smplx_names.npz", "pose parameters of SMPL-X"), ("amass_no_rate.npz", "AMASS")):
        file = read_all(real_case(name))
        person = file.scene.people[0]
        assert file.kind == kind
        assert any(doubt.word == "source_fps" for doubt in file.doubts)
        head, foot = (person.joints[:, SMPL24.index(joint), 1] for joint in ("head", "left_foot"))
        assert 1.0 < np.median(head - foot) < 1.7
        assert read_one(real_case(name), source_fps=20).fps == 20
