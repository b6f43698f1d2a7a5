"""Timelines: blocks are checked against each other, and a block changes its own parts in its own time."""

import json

import numpy as np
import pytest
from tests.motion.test_text_to_motion import pipe  # noqa: F401

from kinema.motion.timeline import STANDING, Block, Timeline
from kinema.motion.timeline_motion import make_timeline
from kinema.scene.formats import FormatError
from kinema.scene.skeleton import SMPL24

WALK = Block("a person walks forward", 0, 4)
WAVE = Block("waves with the left hand", 1.5, 3, ("left_arm",))
ARM = [SMPL24.index(name) for name in ("left_elbow", "left_wrist", "left_hand")]


def test_an_arm_is_made_within_the_walk(pipe):  # noqa: F811
    base = pipe(["a person walks forward"], [4.0], 3)
    motion = make_timeline(pipe, Timeline((WAVE, WALK)), seed=3)
    assert motion.frames == 81
    others = [joint for joint in range(24) if SMPL24.names[joint] not in
              ("left_collar", "left_shoulder", "left_elbow", "left_wrist", "left_hand")]  # fmt: skip
    assert np.abs(motion.joints[:, others] - base.joints[:, others]).max() < 1e-4
    changed = np.abs(motion.joints[:, ARM] - base.joints[:, ARM]).max(axis=(1, 2))
    assert changed[34:56].max() > 0.01
    assert changed[:21].max() < 1e-4
    assert changed[76:].max() < 1e-4
    steps = np.linalg.norm(np.diff(motion.joints, axis=0), axis=-1).max(axis=1)
    assert steps[[21, 22, 73, 74, 75]].max() < 3 * np.percentile(steps, 95), "no jump at the borders"
    assert np.array_equal(motion.joints, make_timeline(pipe, Timeline((WALK, WAVE)), seed=3).joints)


def test_blocks_become_steps_that_fill_the_time():
    sit = Block("sits down", 3, 6)
    assert Timeline((WALK, sit)).steps() == [("a person walks forward", 3.5), ("sits down", 2.5)]
    gaps = Timeline((Block("bows", 1, 2), Block("walks", 2.2, 4), Block("waves", 4, 7, ("arms",))))
    assert gaps.steps() == [
        (STANDING, 1.0),
        ("bows", pytest.approx(1.2)),
        ("walks", pytest.approx(1.8)),
        (STANDING, 3.0),
    ]
    assert Timeline((Block("waves", 0, 2, ("arms",)),)).steps() == [(STANDING, 2.0)]


def test_parts_may_overlap_and_progress_is_told(pipe):  # noqa: F811
    blocks = (
        WALK,
        WAVE,
        Block("raises the left arm", 2.5, 4, ("left_arm",)),
        Block("nods", 0, 4, ("torso",)),
    )
    done = []
    motion = make_timeline(pipe, Timeline(blocks), progress=lambda *counts: done.append(counts))
    assert motion.frames == 81
    assert done[-1] == (4, 4)


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ((WALK, Block("runs", 1, 4)), "where the person goes"),
        ((WALK, Block("dances", 0, 4, ("lower_body",))), "where the person goes"),
        ((WAVE, Block("raises the left arm", 1.5, 3, ("arms",))), "left_arm"),
        ((), "0 blocks"),
    ],
)
def test_contradictions_are_said(blocks, words):
    with pytest.raises(ValueError, match=words):
        Timeline(blocks)


def test_a_file_is_what_it_says(tmp_path):
    file = tmp_path / "plan.json"
    timeline = Timeline((WALK, WAVE))
    file.write_text(json.dumps(timeline.document()))
    assert Timeline.load(file) == timeline

    def error(content: object) -> str:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        with pytest.raises(FormatError) as caught:
            Timeline.load(file)
        return str(caught.value)

    good = {"text": "walks", "start": 0, "end": 2}
    assert "line 1" in error("{blocks")
    assert "blocks" in error([good])
    assert "format" in error({"format": "other", "blocks": [good]})
    assert "block 1: has no 'end'" in error({"blocks": [good, {"text": "a", "start": 1}]})
    assert "'left_arm'" in error({"blocks": [good | {"parts": ["left_arn"]}]})
    assert "seconds" in error({"blocks": [good | {"start": "0"}]})
    assert "0.4" in error({"blocks": [good | {"end": 0.1}]})
    assert "no field 'until'" in error({"blocks": [good | {"until": 3}]})
    assert "no text" in error({"blocks": [good | {"text": " "}]})
    assert "begins at" in error('{"blocks": [{"text": "a", "start": NaN, "end": 2}]}')
    assert "where the person goes" in error({"blocks": [good, good]})
