"""Named mappings between joint sets, and the names that motion files use."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from tests.scene.bodies import dog, moving, random_rotations, seeds

from kinema.scene.mappings import (
    OPENPOSE18_CONFIDENCE,
    joint_mapping,
    restore_cmu_branches,
    smpl24_mapping,
    smpl24_to_openpose18,
    to_smpl24,
)
from kinema.scene.motion import Motion
from kinema.scene.rotations import joints_from_rotations
from kinema.scene.skeleton import CMU31, COCO_WHOLEBODY133, DWPOSE134, OPENPOSE18, SKELETONS, SMPL24, Skeleton


def smpl(name: str) -> tuple[float, ...]:
    return tuple(SMPL24.rest[SMPL24.index(name)])


def mixamo(prefix: str = "mixamorig:") -> Skeleton:
    """The usual Mixamo tree, with the end sites that a BVH reader may add."""
    tree = {
        "Hips": ("", smpl("pelvis")),
        "Spine": ("Hips", smpl("spine1")),
        "Spine1": ("Spine", smpl("spine2")),
        "Spine2": ("Spine1", smpl("spine3")),
        "Neck": ("Spine2", smpl("neck")),
        "Head": ("Neck", smpl("head")),
        "HeadTop_End": ("Head", (0, 1.7, 0)),
    }
    for side, name in (("left", "Left"), ("right", "Right")):
        tree |= {
            f"{name}Shoulder": ("Spine2", smpl(f"{side}_collar")),
            f"{name}Arm": (f"{name}Shoulder", smpl(f"{side}_shoulder")),
            f"{name}ForeArm": (f"{name}Arm", smpl(f"{side}_elbow")),
            f"{name}Hand": (f"{name}ForeArm", smpl(f"{side}_wrist")),
            f"{name}HandThumb1": (f"{name}Hand", smpl(f"{side}_wrist")),
            f"{name}HandMiddle1": (f"{name}Hand", smpl(f"{side}_hand")),
            f"{name}UpLeg": ("Hips", smpl(f"{side}_hip")),
            f"{name}Leg": (f"{name}UpLeg", smpl(f"{side}_knee")),
            f"{name}Foot": (f"{name}Leg", smpl(f"{side}_ankle")),
            f"{name}ToeBase": (f"{name}Foot", smpl(f"{side}_foot")),
        }
    return build(tree, prefix)


def build(tree: dict[str, tuple[str, tuple[float, ...]]], prefix: str = "") -> Skeleton:
    parents = [prefix + parent if parent else "" for parent, _ in tree.values()]
    return Skeleton.from_names([prefix + n for n in tree], parents, np.array([x for _, x in tree.values()]))


def renamed(tree: Skeleton, names: dict[str, str]) -> Skeleton:
    return Skeleton(tuple(names.get(name, name) for name in tree.names), tree.parents, tree.rest)


def bandai() -> Skeleton:
    """Bandai-Namco's names: a root above the hips, two spine joints, sides as a suffix."""
    tree = {
        "joint_Root": ("", (0, 0, 0)),
        "Hips": ("joint_Root", smpl("pelvis")),
        "Spine": ("Hips", (0, 1.1, 0)),
        "Chest": ("Spine", (0, 1.225, 0)),
        "Neck": ("Chest", smpl("neck")),
        "Head": ("Neck", smpl("head")),
    }
    for side, end in (("left", "_L"), ("right", "_R")):
        tree |= {
            f"Shoulder{end}": ("Chest", smpl(f"{side}_collar")),
            f"UpperArm{end}": (f"Shoulder{end}", smpl(f"{side}_shoulder")),
            f"LowerArm{end}": (f"UpperArm{end}", smpl(f"{side}_elbow")),
            f"Hand{end}": (f"LowerArm{end}", smpl(f"{side}_wrist")),
            f"UpperLeg{end}": ("Hips", smpl(f"{side}_hip")),
            f"LowerLeg{end}": (f"UpperLeg{end}", smpl(f"{side}_knee")),
            f"Foot{end}": (f"LowerLeg{end}", smpl(f"{side}_ankle")),
            f"Toes{end}": (f"Foot{end}", smpl(f"{side}_foot")),
        }
    return build(tree)


def biped() -> Skeleton:
    names = {"Spine2": "Spine2", "ToeBase": "Toe0", "Arm": "UpperArm", "UpLeg": "Thigh", "Leg": "Calf"}
    changed = {}
    for name in mixamo("").names:
        for side, letter in (("Left", "L"), ("Right", "R")):
            if name.startswith(side):
                part = name.removeprefix(side)
                part = {"Shoulder": "Clavicle", "HandMiddle1": "Finger1", **names}.get(part, part)
                changed[name] = f"Bip01 {letter} {part}"
        if name not in changed:
            changed[name] = f"Bip01 {name}"
    return renamed(mixamo(""), changed | {"Hips": "Bip01 Pelvis"})


def smpl_file_names() -> Skeleton:
    short = {n: n.replace("left_", "L_").replace("right_", "R_").title() for n in SMPL24.names}
    return renamed(SMPL24, short)


@pytest.mark.parametrize("name", sorted(SKELETONS))
def test_rest_poses_fall_on_smpl24(name):
    mapped, confidence = smpl24_mapping(name).apply(SKELETONS[name].rest)
    known = confidence > 0
    assert known.sum() >= 22
    assert np.isnan(mapped[~known]).all()
    distance = np.linalg.norm(mapped - SMPL24.rest, axis=-1)[known]
    assert distance.max() < (0.04 if name == "cmu31" else 0.02)


@pytest.mark.parametrize(
    "tree",
    [mixamo(), mixamo(""), mixamo("Character1_"), biped(), smpl_file_names()],
    ids=["mixamo", "generic", "character", "biped", "smpl"],
)
def test_motion_file_names_map_joint_by_joint(tree):
    mapping = smpl24_mapping(tree)
    mapped, confidence = mapping.apply(tree.rest)
    assert np.allclose(mapped, SMPL24.rest)
    assert (confidence == 1).all()


def test_bandai_names_follow_the_rule_of_the_motion_library():
    tree = bandai()
    mapped, confidence = smpl24_mapping(tree).apply(tree.rest)
    at = {name: mapped[SMPL24.index(name)] for name in SMPL24.names}
    rest = {name: tree.rest[tree.index(name)] for name in tree.names}
    assert np.allclose(at["spine1"], 0.3 * rest["Hips"] + 0.7 * rest["Spine"])
    assert np.allclose(at["spine2"], 0.5 * rest["Spine"] + 0.5 * rest["Chest"])
    assert np.allclose(at["left_collar"], rest["Shoulder_L"])
    assert np.allclose(at["right_foot"], rest["Toes_R"])
    assert confidence[SMPL24.index("spine1")] == 0.5
    assert confidence[SMPL24.index("left_hand")] == 0.25


def test_trees_without_collars_neck_or_toes_still_map():
    tree = {
        "Hips": ("", smpl("pelvis")),
        "Chest": ("Hips", smpl("spine3")),
        "Head": ("Chest", smpl("head")),
    }
    for side, name in (("left", "Left"), ("right", "Right")):
        tree |= {
            f"{name}Shoulder": ("Chest", smpl(f"{side}_shoulder")),
            f"{name}Elbow": (f"{name}Shoulder", smpl(f"{side}_elbow")),
            f"{name}Wrist": (f"{name}Elbow", smpl(f"{side}_wrist")),
            f"{name}Hip": ("Hips", smpl(f"{side}_hip")),
            f"{name}Knee": (f"{name}Hip", smpl(f"{side}_knee")),
            f"{name}Ankle": (f"{name}Knee", smpl(f"{side}_ankle")),
        }
    mapped, confidence = smpl24_mapping(build(tree)).apply(build(tree).rest)
    made_up = [SMPL24.names[j] for j in np.flatnonzero(confidence == 0.25)]
    assert {"left_foot", "right_foot"} <= set(made_up)
    assert np.nanmax(np.linalg.norm(mapped - SMPL24.rest, axis=-1)) < 0.07


def asf() -> Skeleton:
    """CMU's own bone names on the tree of CMU31."""
    body = {"LowerBack": "lowerback", "Spine": "upperback", "Spine1": "thorax", "Neck": "lowerneck"}
    body |= {"Neck1": "upperneck", "Head": "head", "Hips": "root"}
    parts = {"UpLeg": "femur", "Leg": "tibia", "Foot": "foot", "ToeBase": "toes", "Shoulder": "clavicle"}
    parts |= {
        "Arm": "humerus",
        "ForeArm": "radius",
        "Hand": "wrist",
        "FingerBase": "hand",
        "HandIndex1": "fingers",
    }
    for side in ("Left", "Right"):
        body |= {f"{side}{part}": side[0].lower() + bone for part, bone in parts.items()}
    return renamed(CMU31, body)


def test_both_cmu_namings_agree():
    assert np.allclose(to_smpl24(asf().rest, asf()), to_smpl24(CMU31.rest, CMU31))


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_bones_lost_by_the_cmu_conversion_come_back(seed):
    """cgspeed's files have no thorax and no wrist bone; mapping a motion with rotations restores them."""
    offsets = CMU31.offsets.copy()
    names = ["Neck", "LeftShoulder", "RightShoulder", "LeftFingerBase", "RightFingerBase", "LThumb", "RThumb"]
    lost = [CMU31.index(name) for name in names]
    offsets[lost] = 0.0
    collapsed = CMU31.with_offsets(offsets)
    restored = restore_cmu_branches(collapsed)
    assert (restored.bone_lengths[lost] > 0.05).all()
    assert restore_cmu_branches(restored) is restored
    rng = np.random.default_rng(seed)
    rotations = random_rotations(rng, 4, len(CMU31))
    root = rng.normal(size=(4, 3))
    mapped = Motion.from_rotations(rotations, root, 30, collapsed).to_smpl24()
    expected = to_smpl24(joints_from_rotations(rotations, restored, root), restored)
    assert np.allclose(mapped.joints, expected)


def test_animals_are_refused_with_what_is_missing():
    with pytest.raises(ValueError, match=r"no human skeleton: found hips .* not found left knee"):
        smpl24_mapping(dog())
    with pytest.raises(ValueError, match=r"give \[..., 22, 3\]"):
        to_smpl24(SMPL24.rest, "humanml3d22")


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_openpose_points_move_with_the_body(seed):
    motion = moving(seed, frames=5)
    points = smpl24_to_openpose18(motion.joints)
    assert points.shape == (5, 18, 3)
    measured = OPENPOSE18_CONFIDENCE == 1
    names = [OPENPOSE18.names[j] for j in np.flatnonzero(measured)]
    assert np.allclose(points[:, measured], motion.joints[:, [SMPL24.index(name) for name in names]])
    turned = smpl24_to_openpose18(motion.rotate_y(70).translate([1, 2, 3]).joints)
    assert np.allclose(turned, Motion(points, 30, OPENPOSE18).rotate_y(70).translate([1, 2, 3]).joints)
    nose, ears = points[:, 0], points[:, [16, 17]]
    assert np.allclose(np.linalg.norm(nose - motion.joints[:, 15], axis=-1), 0.1373, atol=1e-3)
    assert np.allclose(np.linalg.norm(ears[:, 0] - ears[:, 1], axis=-1), 0.152, atol=1e-3)


def test_openpose_rest_face_looks_forward_and_follows_the_head():
    points = smpl24_to_openpose18(SMPL24.rest)
    assert np.allclose(points, OPENPOSE18.rest)
    quarter = np.array(
        [np.cos(np.pi / 4), 0, np.sin(np.pi / 4), 0]
    )  # the head looks left, the shoulders stay
    nose = smpl24_to_openpose18(SMPL24.rest, head_rotation=quarter)[0]
    assert np.allclose(nose, [0.115, 1.575, 0])
    headless = SMPL24.rest.copy()
    headless[15] = np.nan
    assert np.isnan(smpl24_to_openpose18(headless)[[0, 14, 15, 16, 17]]).all()
    assert np.isfinite(smpl24_to_openpose18(headless)[1:14]).all()


def test_wholebody_becomes_dwpose_with_a_neck_between_the_shoulders():
    mapping = joint_mapping("coco_wholebody133", "dwpose134")
    keypoints = np.random.default_rng(0).uniform(0, 500, (3, 133, 2))
    mapped, confidence = mapping.apply(keypoints)
    neck = DWPOSE134.index("neck")
    assert np.allclose(mapped[:, neck], keypoints[:, [5, 6]].mean(1))
    assert np.allclose(mapped[:, 24:92], keypoints[:, 23:91])
    assert np.allclose(mapped[:, 92:134], keypoints[:, 91:133])
    assert np.allclose(mapped[:, 2], keypoints[:, COCO_WHOLEBODY133.index("right_shoulder")])
    assert (confidence > 0).all()


def test_confidence_is_the_lowest_of_what_was_used_and_missing_stays_missing():
    joints = OPENPOSE18.rest.copy()
    confidence = np.full(18, 0.8)
    confidence[OPENPOSE18.index("left_wrist")] = 0.4
    joints[OPENPOSE18.index("right_ankle")] = np.nan
    confidence[OPENPOSE18.index("right_elbow")] = 0
    mapped, sure = smpl24_mapping("openpose18").apply(joints, confidence)
    at = {name: sure[SMPL24.index(name)] for name in SMPL24.names}
    assert at["left_shoulder"] == 0.8
    assert at["pelvis"] == 0.4
    assert at["left_wrist"] == 0.4
    assert at["left_hand"] == 0.1
    for name in ("right_ankle", "right_elbow", "right_hand", "left_foot"):
        assert at[name] == 0
        assert np.isnan(mapped[SMPL24.index(name)]).all()


def test_a_hidden_ear_leaves_the_head_to_nose_and_neck():
    joints = OPENPOSE18.rest.copy()
    joints[OPENPOSE18.index("left_ear")] = np.nan
    mapped, sure = smpl24_mapping("openpose18").apply(joints)
    assert np.linalg.norm(mapped[15] - SMPL24.rest[15]) < 0.08
    assert 0 < sure[15] < 0.5
