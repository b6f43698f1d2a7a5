"""Search with the embedded encoder where it is, and composition of clips with their captions."""

import numpy as np
import pytest
from tests.motion.walking import walk

from kinema.data.motion_composition import at_once, in_sequence
from kinema.data.motion_library import MotionClip
from kinema.data.motion_search import MotionSearch
from kinema.scene import quaternions as quat
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24


def clip(name: str, *captions: str) -> MotionClip:
    motion = walk(20)
    return MotionClip(name, "train", captions, "ours", 20.0, 20, {}, {}, _read=lambda: motion.joints)


CLIPS = [
    clip("walk", "a person walks forward", "someone strolls along"),
    clip("wave-left", "a person waves with the left hand"),
    clip("wave-both", "a person waves with both hands"),
    clip("kick-right", "a person kicks with the right leg"),
    clip("sit", "a person sits down on a chair"),
]


@pytest.fixture(scope="module")
def search():
    try:
        return MotionSearch(CLIPS)
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("query", "name", "mirrored"),
    [
        ("waves left hand", "wave-left", False),
        ("he waves his right hand", "wave-left", True),
        ("waving both arms", "wave-both", False),
        ("a left kick", "kick-right", True),
        ("take a seat", "sit", False),
        ("going for a walk", "walk", False),
    ],
)
def test_the_clip_that_is_meant_comes_first(search, query, name, mirrored):
    best = search(query)[0]
    assert (best.clip.id, best.mirrored) == (name, mirrored)
    if mirrored:
        side = "right" if "right" in query else "left"
        assert side in best.caption
        assert np.allclose(best.motion().joints[:, 20, 0], -best.clip.motion().joints[:, 21, 0])


def test_results_are_ordered_and_counted(search):
    found = search("a person waves", top=3)
    assert len(found) == 3
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert {one.clip.id for one in found[:2]} == {"wave-left", "wave-both"}
    with pytest.raises(ValueError, match="empty"):
        search(" ")
    with pytest.raises(ValueError, match="at least 1"):
        search("walks", top=0)


def raised_arm(frames: int) -> Motion:
    """Standing with the left arm up."""
    motion = walk(frames, speed=0, turn=0, stride=0)
    rotations = motion.rotations.copy()
    rotations[:, 16] = quat.about_axis(np.array([0.0, 0.0, 1.0]), 1.3)
    return Motion.from_rotations(rotations, motion.joints[:, 0], 20.0, SMPL24)


def test_clips_in_a_row_go_on_from_each_other():
    made = in_sequence([(walk(40), "a person walks"), (raised_arm(30), "a person raises the left arm")])
    assert made.caption == "a person walks, then raises the left arm"
    assert made.motion.frames == 40 + 30 - 8
    assert [text for _, _, text in made.parts] == ["a person walks", "a person raises the left arm"]
    assert made.parts[0][1] == made.parts[1][0] == pytest.approx(1.8)
    steps = np.linalg.norm(np.diff(made.motion.joints[:, 0], axis=0), axis=1)
    assert steps.max() < 0.08
    assert made.motion.joints[-1, 20, 1] > made.motion.joints[-1, 15, 1], "the wrist ends over the head"


def test_an_arm_does_another_thing():
    made = at_once(
        (walk(60), "a person walks"), (raised_arm(20), "he waves with the left hand"), ["left_arm"], 1.0
    )
    assert made.caption == "a person walks while waving with the left hand"
    plain = walk(60)
    legs = [1, 2, 4, 5, 7, 8, 10, 11]
    assert np.abs(made.motion.joints[:, legs] - plain.joints[:, legs]).max() < 1e-3
    wrist, head = made.motion.joints[:, 20, 1], made.motion.joints[:, 15, 1]
    assert (wrist > head)[30].item()
    assert not (wrist > head)[[5, 55]].any()
    assert np.abs(np.diff(made.motion.joints[:, 20], axis=0)).max() < 0.35


def test_what_cannot_be_composed_is_said():
    walking = (walk(40), "a person walks")
    with pytest.raises(ValueError, match="where the person goes"):
        at_once(walking, walking, ["lower_body"])
    with pytest.raises(ValueError, match="left_arm"):
        at_once(walking, walking, ["wing"])
    with pytest.raises(ValueError, match="lasts"):
        at_once(walking, walking, ["arms"], start=9)
    with pytest.raises(ValueError, match="no clips"):
        in_sequence([])
