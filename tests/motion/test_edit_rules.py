"""Edits that rules make: what a text is divided into, and that each does what it says and nothing else."""

import numpy as np
import pytest
from tests.motion.walking import walk

from kinema.motion.edit_rules import add_arms, parts_of, plan_edit
from kinema.motion.generator import load_motion_generator
from kinema.scene.deeds import hand_heights, metres_walked, turn_degrees


@pytest.mark.parametrize(
    ("text", "told", "arms", "rest"),
    [
        ("slower", ("0.7 times as fast",), (), ""),
        ("Make it much faster.", ("2 times as fast",), (), ""),
        ("at 80 % speed", ("0.8 times as fast",), (), ""),
        ("twice as slow and mirrored", ("0.5 times as fast", "mirrored"), (), ""),
        ("3 times as fast, like an old man", ("3 times as fast",), (), "like an old man"),
        ("turn half as much", ("turns 0.5 times as far",), (), ""),
        ("walk in a straight line", ("turns 0 times as far",), (), ""),
        ("with left and right swapped", ("mirrored",), (), ""),
        ("played backwards", ("reversed",), (), ""),
        ("also wave with the left hand", (), ("waves with the left hand",), ""),
        ("while raising both arms", (), ("raises both arms",), ""),
        ("jump over a wall and slower", ("0.7 times as fast",), (), "jump over a wall"),
    ],
)
def test_a_text_is_divided_into_rules_and_the_rest(text, told, arms, rest):
    plan = plan_edit(text)
    assert (plan.told, plan.arms, plan.rest) == (told, arms, rest)


@pytest.mark.parametrize(("text", "says"), [("  ", "say what"), ("50 times as fast", "50 times the speed")])
def test_what_cannot_be_done_is_said(text, says):
    with pytest.raises(ValueError, match=says):
        plan_edit(text)


def test_speed_keeps_the_way_and_the_rate():
    motion = walk(81, speed=1.0)
    slow = plan_edit("at half speed")(motion)
    assert slow.fps == motion.fps
    assert slow.duration == pytest.approx(2 * motion.duration, abs=0.1)
    assert metres_walked(slow) == pytest.approx(metres_walked(motion), rel=0.05)


def test_turns_are_scaled_and_steps_keep_their_length():
    motion = walk(81, turn=0.4)
    whole = turn_degrees(motion)
    for text, factor in (("turn less", 0.5), ("turn twice as much", 2.0), ("straight ahead", 0.0)):
        changed = plan_edit(text)(motion)
        assert turn_degrees(changed) == pytest.approx(factor * whole, abs=8)
        assert metres_walked(changed) == pytest.approx(metres_walked(motion), rel=0.02)
        assert np.allclose(changed.bone_lengths(), motion.bone_lengths(), atol=1e-6)
        assert np.allclose(changed.joints[0], motion.joints[0])


def test_there_and_back_is_the_motion_again():
    motion = walk(41, turn=0.4)
    for text in ("in reverse", "mirrored"):
        assert np.allclose(plan_edit(f"{text} and {text}")(motion).joints, motion.joints, atol=1e-6)


def test_arms_move_and_nothing_else_does():
    motion = walk(61)
    generator = load_motion_generator()
    (action,) = plan_edit("also raise the left hand").arms
    assert parts_of(action) == ("left_arm",)
    made = add_arms(generator, motion, action, seed=3)
    arm = [generator.representation.skeleton.index(f"left_{name}") for name in ("elbow", "wrist", "hand")]
    rest = [joint for joint in range(24) if joint not in generator.representation.limbs["left_arm"]]
    assert np.abs(made.joints[:, rest] - motion.joints[:, rest]).max() < 0.02
    assert np.abs(made.joints[:, arm] - motion.joints[:, arm]).max() > 0.2
    assert hand_heights(made)[0] > hand_heights(motion)[0] + 0.2
