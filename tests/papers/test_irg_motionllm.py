"""What prompts say is measured and mended, in rounds that are told."""

import numpy as np
import pytest
from tests.motion.walking import walk

from kinema.motion.generator import load_motion_generator
from kinema.motion.prompt_steps import plan_steps
from kinema.papers.irg_motionllm import Fact, facts_of, refine


@pytest.mark.parametrize(
    ("prompt", "facts"),
    [
        ("a person turns left and raises the right hand", [(0, "turn", 90.0), (0, "hand", "right")]),
        ("turns 45 degrees to the right", [(0, "turn", -45.0)]),
        ("a person walks three times", []),
        (
            "walks for three metres, then waves both hands",
            [(0, "metres", 3.0), (1, "hand", "both")],
        ),
        ("a person stands still", [(0, "still", 0.0)]),
        ("a person raises a hand", []),
    ],
)
def test_facts_are_what_can_be_measured(prompt, facts):
    assert [(fact.step, fact.kind, fact.said) for fact in facts_of(plan_steps(prompt))] == facts


def test_facts_hold_or_not():
    left = walk(81, turn=0.4)  # 92 degrees, four metres or so
    assert Fact(0, "turn", 90.0).shown(left)[1]
    assert Fact(0, "turn", 20.0, sided=True).shown(left)[1]
    assert not Fact(0, "turn", 45.0).shown(left)[1]
    assert not Fact(0, "turn", -90.0, sided=True).shown(left)[1]
    assert not Fact(0, "still", 0.0).shown(left)[1]
    assert Fact(0, "hand", "left").shown(left) == ("none", False)


def test_what_is_wrong_is_mended_and_told():
    generator = load_motion_generator()
    prompt = "a person turns left and raises the right hand"
    motion, trace = refine(generator, prompt, seed=2, begin=walk(81, turn=-0.4))
    assert [fact.kind for fact in trace[0].wrong] == ["turn", "hand"]
    assert trace[0].repair == "another path: turns left"
    assert "WRONG" in trace[0].words()
    assert trace[1].repair == "other arms: right hand up"
    assert not trace[-1].wrong
    assert len(trace) == 3
    again, _ = refine(generator, prompt, seed=2, begin=walk(81, turn=-0.4))
    assert np.array_equal(again.joints, motion.joints)


def test_a_hand_is_mended_in_its_step_alone():
    generator = load_motion_generator()
    begin = walk(161)
    motion, trace = refine(
        generator, ["a person walks forward", "a person raises the left hand"], [4.0, 4.0], 1, 1, begin
    )
    assert trace[0].repair == "other arms: left hand up"
    apart = np.abs(motion.joints - begin.joints)
    assert apart[:72].max() < 0.03
    assert apart[90:].max() > 0.2


def test_without_facts_there_is_one_draft():
    generator = load_motion_generator()
    motion, trace = refine(generator, "a person runs", 2.0, seed=4)
    assert len(trace) == 1
    assert not trace[0].facts
    assert np.array_equal(motion.joints, generator("a person runs", 2.0, 4).joints)
    with pytest.raises(ValueError, match="-1 rounds"):
        refine(generator, "a person runs", rounds=-1)
