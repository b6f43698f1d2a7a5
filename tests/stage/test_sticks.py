"""Animals, robots and parts of bodies on the stage: a capsule along each bone."""

from __future__ import annotations

import numpy as np
import pytest
from tests.scene.bodies import dog, moving, random_tree
from tests.stage.scenes import FRAMES, circling, swinging

from kinema.scene import Motion, Scene
from kinema.scene.cast import check_drawn, for_stage
from kinema.scene.framing import direct
from kinema.scene.skeleton import SMPL24
from kinema.stage import Sticks, World, random_actor, shoot
from kinema.stage.filming import casting, film


def standing(tree=None, size: float = 1.0) -> Motion:
    tree = dog() if tree is None else tree
    return Motion(np.repeat(size * tree.rest[None], FRAMES, axis=0), 10.0, tree)


def test_bones_are_where_joints_are():
    camera = circling()
    take = shoot(Scene((standing(),), camera, 10.0), [Sticks.of(standing())], World(), antialias=2)
    pixels, depth = camera.project(standing().joints)
    seen = 0
    for joint, (x, y) in enumerate(pixels[0]):
        if take.person_ids[0, int(y), int(x)]:
            seen += 1
            assert take.depth[0, int(y), int(x)] < depth[0, joint] + 0.05
    assert seen > 12
    assert take.part_ids.max() == 0
    assert not take.visibility.any()
    assert 0.01 < take.person_mask.mean() < 0.2
    assert np.isfinite(take.flow).all()


def test_sides_have_colours():
    """Left of the dog, which faces the camera, is right in the picture: blue there, red on the other side."""
    take = shoot(
        Scene((standing(),), circling(degrees=0.0), 10.0), [Sticks.of(standing())], World(), antialias=1
    )
    rows, columns = np.nonzero(take.person_mask[0])
    colour = take.rgb[0, rows, columns].astype(int)
    blue, red = colour[:, 2] - colour[:, 0] > 20, colour[:, 0] - colour[:, 2] > 60
    assert columns[blue].mean() > columns[red].mean() + 4


@pytest.mark.parametrize("seed", range(8))
def test_any_tree_is_filmed(seed):
    motion = moving(seed, random_tree(seed), frames=5)
    directed = direct(Scene((motion,), None, motion.fps), size=(64, 64), fps=motion.fps, others=True)
    takes = list(film(directed, *casting(0, directed)))
    shown = np.concatenate([take.person_mask for take in takes])
    assert shown.any() or not Sticks.of(motion).bones.size


@pytest.mark.parametrize("size", [0.05, 1.0, 60.0])
def test_the_camera_frames_a_figure_of_any_size(size):
    directed = direct(Scene((standing(size=size),), None, 10.0), size=(96, 96), fps=10.0, others=True)
    take = next(film(directed, *casting(0, directed)))
    rows, columns = np.nonzero(take.person_mask[0])
    assert 40 < np.ptp(rows) < 92 or 40 < np.ptp(columns) < 92
    assert min(rows.min(), columns.min()) > 0
    assert max(rows.max(), columns.max()) < 95


def test_missing_joints_leave_out_their_bones():
    motion = standing()
    joints = motion.joints.copy()
    joints[:, motion.skeleton.index("Head")] = np.nan
    partly = Motion(joints, 10.0, motion.skeleton)
    whole, less = (
        shoot(Scene((each,), circling(), 10.0), [Sticks.of(each)], World()).person_mask.sum()
        for each in (motion, partly)
    )
    assert 0 < less < whole


def test_people_and_animals_stand_together():
    rng = np.random.default_rng(0)
    person = swinging(at=(0.8, 0.0))
    scene = Scene((standing(), person), circling(), 10.0)
    take = shoot(scene, [Sticks.of(standing()), random_actor(rng)], World())
    assert set(np.unique(take.person_ids)) == {0, 1, 2}
    assert take.visibility[1].any()
    assert not take.visibility[0].any()


def test_for_models_animals_are_refused():
    scene = Scene((standing(),), None, 10.0)
    with pytest.raises(ValueError, match=r"no human skeleton.*`kinema preview` films any tree"):
        for_stage(scene)
    assert for_stage(scene, others=True).people == scene.people


def test_an_empty_stage_is_an_error():
    joints = swinging().joints.copy()
    joints[:, SMPL24.index("left_foot")] = np.nan
    with pytest.raises(ValueError, match=r"nobody can be drawn \(person 0: no left_foot\)"):
        check_drawn(Scene((Motion(joints, 10.0, SMPL24),), None, 10.0))
    check_drawn(Scene((Motion(joints, 10.0, SMPL24), swinging()), None, 10.0))
    check_drawn(Scene((), circling(), 10.0))
