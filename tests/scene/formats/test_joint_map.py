"""`joints`: which joint of a file is which, as somebody says it; and the joints of real files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.scene.conventions import tree

from kinema.scene import Motion
from kinema.scene.formats import FormatError, read_motion, read_motion_file, write_motion
from kinema.scene.skeleton import SMPL24, Skeleton

ODD = {"left_hip": "Bein1", "left_knee": "Bein2", "left_ankle": "Bein3", "right_shoulder": "Ast"}


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Somebody of whom names leave a leg and a shoulder open, and the shape too: a third leg is there."""
    source, names = tree("ready player me")
    changed = {names[joint]: said for joint, said in ODD.items()} | {"LeftHand": "LeftForeArmTip"}
    points = {changed.get(name, name): place for name, place in zip(source.names, source.rest, strict=True)}
    parents = [changed.get(source.names[p], source.names[p]) if p >= 0 else "" for p in source.parents]
    for name, above in (("Third", "Hips"), ("Third1", "Third"), ("Third2", "Third1"), ("Third3", "Third2")):
        points[name] = points[above] + np.array([0, -0.28, 0.02])
        parents.append(above)
    skeleton = Skeleton.from_names(list(points), parents, np.array(list(points.values())))
    write_motion(tmp_path / "odd.bvh", Motion(np.repeat(skeleton.rest[None], 4, axis=0), 30, skeleton))
    return tmp_path / "odd.bvh"


def test_a_map_says_what_names_and_shape_do_not(odd, tmp_path):
    with pytest.raises(ValueError, match=r"not found left upleg.*--joints map.json"):
        read_motion(odd).to_smpl24()
    said = ODD | {"left_wrist": "LeftForeArmTip"}
    (tmp_path / "map.json").write_text(json.dumps(said))
    motion = read_motion(odd, joints=tmp_path / "map.json")
    mapped = motion.to_smpl24()
    for joint in (
        "left_hip",
        "left_knee",
        "left_ankle",
        "right_shoulder",
        "right_elbow",
        "right_hip",
        "head",
    ):
        at = SMPL24.index(joint)
        assert np.allclose(mapped.joints[0, at], SMPL24.rest[at], atol=1e-3), joint
    assert {"left_hip", "right_shoulder", "head"} <= set(motion.skeleton.names)
    for name in ("again.bvh", "again.npz", "again.glb"):
        write_motion(tmp_path / name, motion)
        again = read_motion(tmp_path / name).to_smpl24()
        assert np.allclose(again.joints, mapped.joints, atol=1e-3)
    assert np.allclose(read_motion(odd, joints=said).joints, motion.joints)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"left_hips": "Bein1"}, "SMPL-24 has no joint 'left_hips'; is it left_hip"),
        ({"left_hip": "Bein"}, "has no joint 'Bein', which left_hip should be; is it Bein"),
        (
            {"left_hip": "Bein1", "right_hip": "Bein1"},
            "left_hip and right_hip cannot both be the joint 'Bein1'",
        ),
        ({"left_hip": "Bein1"}, "no human skeleton: .* not found left knee"),
        ({"left_hip": 3}, "says no joints; give names"),
    ],
)
def test_wrong_maps_are_refused_in_words(odd, said, error):
    with pytest.raises(FormatError, match=error):
        read_motion(odd, joints=said)


def test_damaged_map_files_are_refused(odd, tmp_path):
    (tmp_path / "map.json").write_text("{")
    with pytest.raises(FormatError, match=r"map\.json: line 1: is no JSON"):
        read_motion(odd, joints=tmp_path / "map.json")
    with pytest.raises(FileNotFoundError):
        read_motion(odd, joints=tmp_path / "none.json")


def test_a_joint_that_had_the_name_makes_way(tmp_path):
    source, names = tree("ready player me")
    renamed = Skeleton(
        tuple("head" if name == "HeadTop_End" else name for name in source.names), source.parents, source.rest
    )
    write_motion(tmp_path / "a.npz", Motion(renamed.rest[None], 30, renamed))
    motion = read_motion(tmp_path / "a.npz", joints={"head": names["head"]})
    assert {"head", "head (file)"} <= set(motion.skeleton.names)
    assert np.allclose(motion.to_smpl24().joints[0, 15], SMPL24.rest[15])


@pytest.fixture
def real_motions() -> Path:
    """Small motion files that nobody here wrote."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "real_cases" / "motion"
    if not folder.is_dir():
        pytest.skip("the real files are not on this machine (../shared/real_cases)")
    return folder


REAL = {  # joints of the file for pelvis, left hip, left shoulder, right wrist, head
    "bandai1_bye_giant.bvh": "Hips UpperLeg_L UpperArm_L Hand_R Head",
    "bvhjl_DAZ3D.bvh": "pelvis lThighBend lShldrBend rHand head",
    "motive_new.bvh": "Bob_Hips Bob_LeftUpLeg Bob_LeftArm Bob_RightHand Bob_Head",
    "smpl_maya.bvh": "m_avg_Pelvis m_avg_L_Hip m_avg_L_Shoulder m_avg_R_Wrist m_avg_Head",
    "vroid_vrm.bvh": "J_Bip_C_Hips J_Bip_L_UpperLeg J_Bip_L_UpperArm J_Bip_R_Hand J_Bip_C_Head",
    "mh_walk1.bvh": "Hips UpLeg_L UpArm_L Hand_R Head",
    "threejs_pirouette3.bvh": "hip lthigh lshldr rhand neck_end",
    "zup_dab.bvh": "Hips LeftUpLeg LeftArm RightHand Head",
    "many_animations.glb": "Body UpperLegL UpperArmL Palm2R Head",
    "playcanvas_bitmoji_flip.glb": "C_spine0001_bind_JNT L_legUpper0001_bind_JNT L_armUpper0001_bind_JNT "
    "R_hand0001_bind_JNT C_head0001_bind_JNT",
}


@pytest.mark.parametrize("name", REAL)
def test_real_trees_are_people(real_motions, name):
    motion = read_motion_file(real_motions / name).scene.people[0]
    mapped = motion.to_smpl24()
    assert np.isfinite(mapped.joints).all()
    joints = ("pelvis", "left_hip", "left_shoulder", "right_wrist", "head")
    for joint, theirs in zip(joints, REAL[name].split(), strict=True):
        assert np.allclose(
            mapped.joints[:, SMPL24.index(joint)], motion.joints[:, motion.skeleton.index(theirs)]
        ), joint


def test_a_fox_is_no_person(real_motions):
    fox = read_motion_file(real_motions / "khronos_fox.glb").scene.people[0]
    with pytest.raises(ValueError, match="stands on four legs"):
        fox.to_smpl24()
