"""Trees of any program become SMPL-24, by names, by shape, and as somebody says."""

from __future__ import annotations

import numpy as np
import pytest
from tests.scene.bodies import dog
from tests.scene.conventions import CONVENTIONS, tree

from kinema.scene.joint_rules import human_parts, lacking
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.skeleton import SMPL24, Skeleton

NEEDED = [
    f"{side}_{part}"
    for side in ("left", "right")
    for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_names_of_a_program_map_joint_by_joint(convention):
    source, names = tree(convention)
    mapped, confidence = smpl24_mapping(source).apply(source.rest)
    for joint in {"pelvis", "neck", "head", *NEEDED, *names} - {"spine1", "spine2", "spine3"}:
        at = SMPL24.index(joint)
        if joint in names or joint == "pelvis":
            assert np.allclose(mapped[at], SMPL24.rest[at]), joint
            assert joint == "neck" or confidence[at] == 1, joint
    assert np.isfinite(mapped).all()
    assert np.abs(mapped - SMPL24.rest).max() < 0.11  # feet and hands that a convention lacks are made up


def renamed(source: Skeleton, names: list[str]) -> Skeleton:
    return Skeleton(tuple(names), source.parents, source.rest)


def test_without_names_the_shape_of_the_tree_tells():
    source, names = tree("unreal")
    plain = renamed(source, [f"Bone.{k:03}" for k in range(len(source))])
    mapped, confidence = smpl24_mapping(plain).apply(plain.rest)
    for joint in set(names) - {"spine1", "spine2", "spine3", "neck"}:
        at = SMPL24.index(joint)
        assert np.allclose(mapped[at], SMPL24.rest[at]), joint
        assert 0 < confidence[at] <= 0.5, joint


@pytest.mark.parametrize("degrees", [0, 90, 180])
def test_sides_follow_from_where_the_feet_point(degrees):
    source, _ = tree("unreal")
    turn = np.radians(degrees)
    about_y = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    turned = Skeleton(tuple(f"b{k}" for k in range(len(source))), source.parents, source.rest @ about_y.T)
    mapped, _ = smpl24_mapping(turned).apply(turned.rest)
    at = SMPL24.index("left_wrist")
    assert np.allclose(mapped[at], about_y @ SMPL24.rest[at])


def test_sides_follow_from_names_where_only_they_are_understood():
    source, names = tree("unreal")
    sides = {
        name: "Right" if part.startswith("left") else "Left" for part, name in names.items() if "_" in part
    }
    odd = renamed(source, [f"{sides.get(n, 'Mid')} thing {k}" for k, n in enumerate(source.names)])
    mapped, _ = smpl24_mapping(odd).apply(odd.rest)
    assert np.allclose(mapped[SMPL24.index("left_wrist")], SMPL24.rest[SMPL24.index("right_wrist")])


def test_some_names_and_the_shape_complete_each_other():
    source, _ = tree("unreal")
    some = renamed(
        source,
        [n if "thigh" in n or "hand" in n or n == "head" else f"x{k}" for k, n in enumerate(source.names)],
    )
    parts, guessed = human_parts(some)
    assert parts["left upleg"] == "thigh_l"
    assert "left knee" in guessed
    assert "left wrist" not in guessed
    mapped, _ = smpl24_mapping(some).apply(some.rest)
    assert np.allclose(mapped[SMPL24.index("right_knee")], SMPL24.rest[SMPL24.index("right_knee")])


def cut(source: Skeleton, keep: set[str]) -> Skeleton:
    """The joints that are named, each on the nearest of them above it."""
    kept = [name for name in source.names if name in keep]
    parents = []
    for name in kept:
        joint = source.parents[source.index(name)]
        while joint >= 0 and source.names[joint] not in keep:
            joint = source.parents[joint]
        parents.append(source.names[joint] if joint >= 0 else "")
    return Skeleton.from_names(kept, parents, source.rest[[source.index(name) for name in kept]])


@pytest.mark.parametrize("named", [True, False])
def test_parts_of_bodies_are_refused(named):
    source, names = tree("mixamo")
    hand = {names["left_wrist"], names["left_hand"], "mixamorig:LeftHandThumb1"}
    upper = {"World"} | {
        name for part, name in names.items() if not part.endswith(("hip", "knee", "ankle", "foot"))
    }
    for part in (hand, upper):
        tree_of_part = cut(source, part)
        if not named:
            tree_of_part = renamed(tree_of_part, [f"b{k}" for k in range(len(tree_of_part))])
        with pytest.raises(ValueError, match=r"no human skeleton: .* --joints map.json"):
            smpl24_mapping(tree_of_part)


def quadruped() -> Skeleton:
    """A dog with a person's names, as many have."""
    source = dog()
    names = {"HindKnee": "Leg", "HindPaw": "Foot", "ForeKnee": "ForeArm", "ForePaw": "Hand", "Thigh": "UpLeg"}
    changed = []
    for name in source.names:
        for theirs, ours in names.items():
            name = name.replace(theirs, ours)
        changed.append(name)
    return renamed(source, changed)


def test_four_legs_are_no_person_whatever_their_names():
    with pytest.raises(ValueError, match="stands on four legs"):
        smpl24_mapping(quadruped())
    nameless = renamed(quadruped(), [f"b{k}" for k in range(17)])
    with pytest.raises(ValueError, match="no human skeleton"):
        smpl24_mapping(nameless)


def test_who_has_no_head_and_no_feet_is_whole():
    source, names = tree("mixamo")
    headless = cut(
        source, {"World", *names.values()} - {names[j] for j in ("head", "neck", "left_foot", "right_foot")}
    )
    mapped, confidence = smpl24_mapping(headless).apply(headless.rest)
    assert np.isfinite(mapped).all()
    for joint in ("head", "left_foot", "right_foot"):
        assert np.linalg.norm(mapped[SMPL24.index(joint)] - SMPL24.rest[SMPL24.index(joint)]) < 0.12
        assert confidence[SMPL24.index(joint)] == 0.25


def test_legs_on_a_root_far_away_meet_between_the_thighs():
    source, names = tree("unity humanoid")
    parents = list(source.parents)
    for side in ("left", "right"):
        parents[source.index(names[f"{side}_hip"])] = source.index("World")
    loose = Skeleton(source.names, tuple(parents), source.rest)
    mapped, _ = smpl24_mapping(loose).apply(loose.rest)
    middle = SMPL24.rest[[SMPL24.index("left_hip"), SMPL24.index("right_hip")]].mean(0)
    assert np.allclose(mapped[0], middle)


def test_short_limbs_are_said():
    names = ("root", "spine", "head", "arm.L", "lower.arm.L", "arm.R", "lower.arm.R", "leg.L", "leg.R")
    toy = Skeleton(names, (-1, 0, 1, 1, 3, 1, 5, 0, 0), np.random.default_rng(0).normal(size=(9, 3)))
    assert (
        lacking(toy)
        == "its legs have 1 joint, not hip, knee and ankle, its arms have 2 joints, not shoulder, elbow and wrist"
    )
    assert lacking(SMPL24) == ""
    assert lacking(Skeleton(("a", "b"), (-1, 0), np.eye(3)[:2])) == ""
