import numpy as np
import pytest

from kinema.data.corruption import (
    CORRUPTIONS,
    check_corruptions,
    dropped_frames,
    jitter,
    missing_joints,
    swapped_people,
)
from kinema.scene import Motion, Scene
from kinema.scene.skeleton import SMPL24


def standing_at(x: float, frames: int = 20) -> Motion:
    joints = np.repeat(SMPL24.rest[None], frames, axis=0)
    joints[..., 0] += x
    return Motion(joints, 12.0, SMPL24)


ALONE = Scene((standing_at(0.0),), None, 12.0)
PAIR = Scene((standing_at(-1.0), standing_at(1.0)), None, 12.0)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("scene", [ALONE, PAIR])
def test_a_corruption_is_fixed_by_its_seed_and_keeps_the_scene_as_it_was(name, scene):
    before = [person.joints.copy() for person in scene.people]
    first, again = (CORRUPTIONS[name](scene, np.random.default_rng(3)) for _ in range(2))
    for person, same, kept, old in zip(first.people, again.people, before, scene.people, strict=True):
        assert np.array_equal(person.joints, same.joints)
        assert np.array_equal(old.joints, kept)
        assert person.joints.shape == old.joints.shape
        assert person.confidence is None or set(np.unique(person.confidence)) <= {0.0, 1.0}


def test_strengths_are_what_they_say():
    rng = np.random.default_rng(0)
    lost = missing_joints(ALONE, 0.25, rng).people[0].confidence == 0
    assert lost.mean() == pytest.approx(0.25, abs=0.05)
    frames = (dropped_frames(ALONE, 0.5, rng).people[0].confidence == 0).all(axis=1)
    assert 4 <= frames.sum() <= 16
    assert not frames[0]
    assert np.std(jitter(ALONE, 0.03, rng).people[0].joints - ALONE.people[0].joints) == pytest.approx(
        0.03, rel=0.05
    )


def test_people_are_taken_for_each_other_and_one_alone_left_for_right():
    swapped = swapped_people(PAIR, 0.5, np.random.default_rng(1))
    wrong = swapped.people[0].joints[:, 0, 0] > 0
    assert wrong.sum() == 10
    assert np.array_equal(wrong, swapped.people[1].joints[:, 0, 0] < 0)
    assert np.diff(np.flatnonzero(wrong)).max() == 1
    mirrored = swapped_people(ALONE, 1.0, np.random.default_rng(1)).people[0].joints[0]
    left, right = SMPL24.names.index("left_wrist"), SMPL24.names.index("right_wrist")
    assert np.array_equal(mirrored[left], SMPL24.rest[right])
    assert np.array_equal(mirrored[0], SMPL24.rest[0])


def test_unknown_corruptions_are_refused():
    assert check_corruptions("all") == tuple(CORRUPTIONS)
    assert check_corruptions("jitter, swap") == ("jitter", "swap")
    with pytest.raises(ValueError, match="no corruption 'fog'; there are careless"):
        check_corruptions("jitter,fog")
