"""Joint trees: legality, mirror partners, proportions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scene.bodies import dog, random_tree, seeds

from kinema.scene.skeleton import SKELETONS, SMPL24, Skeleton, skeleton

COUNTS = {
    "smpl24": 24,
    "humanml3d22": 22,
    "openpose18": 18,
    "body25": 25,
    "coco17": 17,
    "coco_wholebody133": 133,
    "dwpose134": 134,
    "mediapipe33": 33,
    "cmu31": 31,
}


def test_named_sets_have_their_joints_and_are_symmetric():
    assert {name: len(known) for name, known in SKELETONS.items()} == COUNTS
    for known in SKELETONS.values():
        assert np.allclose(known.rest[known.mirror_index] * [-1, 1, 1], known.rest)
        assert 1.4 < np.ptp(known.rest[:, 1]) < 1.7 or len(known) == 18


def test_smpl24_is_the_published_tree_and_an_adult():
    parents = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
    assert SMPL24.parents == parents
    assert SMPL24.names[20:] == ("left_wrist", "right_wrist", "left_hand", "right_hand")
    assert SMPL24.rest[SMPL24.index("left_hand"), 0] > 0.7  # left is +X
    assert SMPL24.rest[SMPL24.index("left_foot"), 2] > 0.1  # the feet point to +Z
    assert 0 <= SMPL24.rest[:, 1].min() < 0.03


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["Hips", "LeftUpLeg", "RightUpLeg"], [(1, 2)]),
        (["root", "lfemur", "rfemur", "lowerback"], [(1, 2)]),
        (["Hips", "UpperLeg_L", "UpperLeg_R"], [(1, 2)]),
        (["mixamorig:Hips", "mixamorig:LeftArm", "mixamorig:RightArm"], [(1, 2)]),
        (["Hips", "LHipJoint", "RHipJoint", "LThumb", "RThumb"], [(1, 2), (3, 4)]),
        (["Bip01", "Bip01 L Thigh", "Bip01 R Thigh"], [(1, 2)]),
        (["nose", "mouth_left", "mouth_right"], [(1, 2)]),
        (["pelvis", "thigh.L", "thigh.R"], [(1, 2)]),
    ],
)
def test_mirror_partners_are_found_by_name(names, pairs):
    tree = Skeleton(tuple(names), (-1, *[0] * (len(names) - 1)), np.zeros((len(names), 3)))
    expected = np.arange(len(names))
    for a, b in pairs:
        expected[[a, b]] = b, a
    assert tree.mirror_index.tolist() == expected.tolist()


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_any_tree_is_legal_and_walked_parents_first(seed):
    tree = random_tree(seed)
    place = {joint: k for k, joint in enumerate(tree.order)}
    assert sorted(tree.order) == list(range(len(tree)))
    assert all(place[parent] < place[child] for parent, child in tree.bones)
    assert np.allclose(tree.with_offsets(tree.offsets).rest, tree.rest)
    assert (tree.mirror_index[tree.mirror_index] == np.arange(len(tree))).all()


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(0.2, 3.0))
def test_bone_lengths_change_and_directions_stay(seed, factor):
    tree = random_tree(seed)
    lengths = tree.bone_lengths * np.random.default_rng(seed).uniform(0.5, 2.0, len(tree))
    resized = tree.with_bone_lengths(lengths)
    assert np.allclose(resized.bone_lengths, lengths)
    children = [child for _, child in tree.bones]
    cosine = (resized.offsets * tree.offsets).sum(-1)[children]
    assert np.allclose(cosine, (lengths * tree.bone_lengths)[children])
    assert np.isclose(resized.rest[:, 1].min(), tree.rest[:, 1].min())
    assert np.allclose(tree.scaled(factor).bone_lengths, factor * tree.bone_lengths)


@pytest.mark.parametrize(
    ("names", "parents", "rest", "message"),
    [
        ((), (), np.zeros((0, 3)), "at least one joint"),
        (("a", "b"), (-1,), np.zeros((2, 3)), "do not agree"),
        (("a", "b"), (-1, 0), np.zeros((2, 2)), "do not agree"),
        (("a", "a"), (-1, 0), np.zeros((2, 3)), "'a' appears twice"),
        (("a", "b"), (-1, 7), np.zeros((2, 3)), "'b' has parent 7"),
        (("a", "b"), (-1, -1), np.zeros((2, 3)), "2 joints have no parent"),
        (("a", "b", "c"), (-1, 2, 1), np.zeros((3, 3)), "'b' hangs on a cycle"),
        (("a",), (0,), np.zeros((1, 3)), "cycle"),
        (("a", "b"), (-1, 0), np.array([[0, 0, 0], [0, np.nan, 0]]), "'b' is not finite"),
    ],
)
def test_what_is_no_tree_is_refused_by_name(names, parents, rest, message):
    with pytest.raises(ValueError, match=message):
        Skeleton(names, parents, rest)


def test_skeletons_are_looked_up_by_name_and_compared_by_value():
    assert skeleton("SMPL-24") is SMPL24
    assert skeleton("coco_wholebody133") is skeleton("COCO WholeBody 133")
    with pytest.raises(ValueError, match=r"no skeleton 'smpl99'; there are smpl24"):
        skeleton("smpl99")
    with pytest.raises(ValueError, match="no joint 'nose'"):
        SMPL24.index("nose")
    twin = Skeleton(SMPL24.names, SMPL24.parents, SMPL24.rest)
    assert twin == SMPL24
    assert hash(twin) == hash(SMPL24)
    assert SMPL24.scaled(1.1) != SMPL24
    assert SMPL24.scaled(1.1).same_tree(SMPL24)
    with pytest.raises(ValueError, match="read-only"):
        SMPL24.rest[0] = 0


def test_bad_bone_lengths_are_refused():
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        SMPL24.with_bone_lengths(np.ones(3))
    with pytest.raises(ValueError, match="not negative"):
        SMPL24.with_bone_lengths(-np.ones(24))
    flat = Skeleton(("a", "b"), (-1, 0), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="no direction to grow in"):
        flat.with_bone_lengths(np.ones(2))
    with pytest.raises(ValueError, match="positive"):
        dog().scaled(0)
