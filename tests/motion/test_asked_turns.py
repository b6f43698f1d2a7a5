"""Degrees in a prompt: read from the words, and kept by the path."""

import numpy as np
import pytest
import torch
from tests.motion.walking import walk

from kinema.motion.features import PATH
from kinema.motion.generator import load_motion_generator
from kinema.motion.paths import go_as_far
from kinema.motion.prompt_steps import Step, plan_steps
from kinema.motion.representation import SMPL24_MOTION
from kinema.scene.deeds import turn_degrees


@pytest.mark.parametrize(
    ("text", "degrees", "either"),
    [
        ("a person turns 90 degrees to the left", 90.0, False),
        ("turns right by 45 degrees", -45.0, False),
        ("a man walks and makes a quarter turn clockwise", -90.0, False),
        ("someone turns around", 180.0, True),
        ("turning 30.5° left", 30.5, False),
        ("turns left", None, False),
        ("raises the arm by 90 degrees", None, False),
        ("turns 120 degrees left, then right", 120.0, False),
    ],
)
def test_degrees_are_read(text, degrees, either):
    step = plan_steps(text)[0]
    assert (step.degrees, step.either_way) == (degrees, either)
    assert step.measured == (degrees is not None)


@pytest.mark.parametrize("wanted", [45.0, 180.0, -90.0, 0.0])
@pytest.mark.parametrize("turn", [0.5, -0.2, 0.0])
def test_a_path_turns_as_far_as_it_is_asked(wanted, turn):
    features, _ = SMPL24_MOTION.encode(walk(81, turn=turn))
    steps = [Step("stands", 1.0), Step("turns", 3.0, None, wanted)]
    path = go_as_far(features, steps, SMPL24_MOTION)
    before = features[:, SMPL24_MOTION.parts[PATH]]
    assert torch.equal(path[:20], before[:20])
    assert np.degrees(float(path[21:, 2].sum())) == pytest.approx(wanted, abs=4)


def test_without_a_side_the_draft_decides_it():
    features, _ = SMPL24_MOTION.encode(walk(81, turn=-0.3))
    path = go_as_far(features, [Step("turns around", 4.0, None, 180.0, True)], SMPL24_MOTION)
    assert np.degrees(float(path[1:, 2].sum())) == pytest.approx(-180, abs=4)


@pytest.mark.parametrize("degrees", [45, -90])
def test_the_embedded_generator_turns_as_it_is_told(degrees):
    side = "left" if degrees > 0 else "right"
    motion = load_motion_generator()(f"a person turns {abs(degrees)} degrees to the {side}", 3.0, seed=1)
    assert turn_degrees(motion) == pytest.approx(degrees, abs=12)
