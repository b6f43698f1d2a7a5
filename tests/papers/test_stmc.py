"""STMC: who owns what, when; the authors' text files; and that a part follows its own prompt."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from kinema.app.cli import app
from kinema.diffusion.guider import Pass
from kinema.diffusion.loop import Step
from kinema.motion.generator import load_motion_generator
from kinema.motion.representation import SMPL24_MOTION
from kinema.motion.timeline import Block, Timeline
from kinema.papers.stmc import Collage, make_collage
from kinema.scene import Motion
from kinema.scene.deeds import hand_heights, metres_walked
from kinema.scene.formats.errors import FormatError

WALK_AND_WAVE = Timeline(
    (
        Block("a person walks forward", 0.0, 6.0),
        Block("a person waves with the left hand", 2.0, 4.0, ("left_arm",)),
        Block("a person turns left", 6.0, 8.0),
    )
)


def words(texts):
    return torch.ones(len(texts), 2, 384)


def owned(collage):
    """How often each part of each token is counted, less how often it is taken off, [L, P]."""
    total = torch.zeros(max(crop.end for crop in collage.crops), collage.crops[0].owns.shape[1])
    for crop in collage.crops:
        total[crop.begin : crop.end] += crop.owns.float() * (1 if crop.told else -1)
    return total


SHORT = Timeline((Block("x", 0, 4), Block("y", 3.6, 4.6), Block("z", 4.4, 5.4)))


@pytest.mark.parametrize("timeline", [WALK_AND_WAVE, SHORT])
def test_every_part_of_every_token_counts_once(timeline):
    assert (owned(Collage.of(timeline, SMPL24_MOTION, words)) == 1).all()


def test_stretches_reach_into_each_other_and_their_common_part_is_taken_off():
    collage = Collage.of(WALK_AND_WAVE, SMPL24_MOTION, words)
    arm = list(SMPL24_MOTION.parts).index("left_arm")
    walk, turn, wave = (crop for crop in collage.crops if crop.told)
    assert (walk.begin, walk.end, turn.begin, turn.end) == (0, 31, 29, 41)  # 6 s and 8 s, tokens of 0.2 s
    assert (wave.begin, wave.end) == (9, 21)
    assert wave.owns[:, arm].all()
    assert wave.owns.sum() == len(wave.owns)
    assert walk.owns[:10, arm].all()
    assert walk.owns[11:19, arm].sum() == 0
    assert [(crop.begin, crop.end) for crop in collage.crops if not crop.told] == [
        (9, 11),
        (19, 21),
        (29, 31),
    ]


def test_predictions_are_put_together_by_parts():
    """A + B - the common part, by hand, of predictions that are the number of their crop."""
    collage = Collage.of(WALK_AND_WAVE, SMPL24_MOTION, words, scale=1.0)
    step = Step(0, 1, 1.0, 1.0, 0.0)
    passes = collage.passes(step, frozenset(("text",)))
    width = len(SMPL24_MOTION.part_of_column)
    made = collage.combine(
        [torch.full((41, width), float(10**number)) for number in range(len(passes))], passes, step
    )
    arm = int((SMPL24_MOTION.part_of_column == list(SMPL24_MOTION.parts).index("left_arm")).nonzero()[0])
    assert made[5, arm] == 1  # walks
    assert made[15, arm] == 100  # waves
    assert made[9, arm] == 1 + 100 - 1000  # both, less the transition
    assert made[15, 0] == 1
    assert made[35, arm] == 10
    assert all(isinstance(each, Pass) for each in passes)


def test_the_arm_waves_while_the_body_walks_and_seeds_repeat():
    generator = load_motion_generator()
    motion = make_collage(generator, WALK_AND_WAVE, seed=1)
    assert motion.duration == pytest.approx(8.0, abs=0.06)
    part = Motion(motion.joints[50:80], motion.fps, motion.skeleton)
    left, right = hand_heights(part)
    assert left > 0 > right
    assert metres_walked(Motion(motion.joints[:120], motion.fps, motion.skeleton)) > 2
    assert np.array_equal(motion.joints, make_collage(generator, WALK_AND_WAVE, seed=1).joints)


def test_the_text_of_the_authors_is_read(tmp_path):
    file = tmp_path / "walk.txt"
    file.write_text(
        "a person walks forward # 0.0 # 6.0 # legs, spine, head\n\n"
        "a person waves with the left hand # 1.5 # 4.0 # left arm\n"
    )
    walk, wave = Timeline.load(file).blocks
    assert (walk.text, walk.start, walk.end, walk.parts) == (
        "a person walks forward",
        0,
        6,
        ("lower_body", "torso"),
    )
    assert wave.parts == ("left_arm",)
    file.write_text("a person walks # 0 # 6 # tail")
    with pytest.raises(FormatError, match=r"line 1: has no part 'tail': legs, spine"):
        Timeline.load(file)
    file.write_text("a person walks # 0 # 6")
    with pytest.raises(FormatError, match="is no `text # start # end # part, part`"):
        Timeline.load(file)


def test_the_command_takes_it_by_name(tmp_path):
    def kinema(*words):
        return CliRunner().invoke(app, list(map(str, words)))

    (tmp_path / "t.json").write_text(json.dumps(WALK_AND_WAVE.document()))
    made = kinema(
        "motion", "--timeline", tmp_path / "t.json", "--blend", "stmc", "-o", tmp_path / "out.bvh", "--json"
    )
    assert made.exit_code == 0, made.output
    refused = kinema("motion", "--timeline", tmp_path / "t.json", "--blend", "no", "-o", tmp_path / "b.bvh")
    assert "there are stmc" in str(refused.exception or refused.output)
