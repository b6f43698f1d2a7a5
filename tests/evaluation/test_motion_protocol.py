"""`kinema evaluate motion`: its measures on motion whose truth is known, and the whole of it at tiny size."""

import json

import numpy as np
import pytest
import torch
from tests.motion.test_text_to_motion import Letters, part
from tests.motion.walking import walk

from kinema.evaluation.judges.motion_matcher import MotionMatcherJudge
from kinema.evaluation.protocols import motion_constraints, motion_prompts, motion_retrieval
from kinema.evaluation.protocols.motion import evaluate_motion
from kinema.evaluation.protocols.motion_report import gates, table
from kinema.motion.constraints import Known, RootPath
from kinema.motion.motion_matcher import MotionMatcher
from kinema.motion.motion_pipeline import TextToMotionPipeline
from kinema.motion.normalise import Normaliser
from kinema.motion.representation import SMPL24_MOTION
from kinema.motion.transformer import MotionTransformer


@pytest.fixture(scope="module")
def pipe():
    torch.manual_seed(0)
    network = MotionTransformer(width=32, layers=1, heads=2)
    features = torch.cat(
        [SMPL24_MOTION.encode(walk(80, speed, turn))[0] for speed in (0.5, 1.5) for turn in (-0.5, 0.5)]
    )
    return TextToMotionPipeline(network, Normaliser.fit(features), Letters(), steps=1, guidance=1.0)


@pytest.fixture
def judge(tmp_path):
    torch.manual_seed(0)
    MotionMatcher(width=16, heads=2, embedding=8).save_pretrained(tmp_path / "judge")
    return tmp_path / "judge"


def ask(kind, wanted, motion):
    return motion_prompts.Question(kind, "", wanted).answer(motion)


def test_turns_must_be_real_and_to_the_right_side():
    left = walk(61, turn=0.5)
    degrees, right = ask("turn", "left", left)
    assert degrees > 40
    assert right
    assert not ask("turn", "right", left)[1]
    assert ask("turn", "right", left.mirror())[1]
    assert not ask("turn", "left", walk(61, turn=0.05))[1]


def test_metres_may_be_a_quarter_off():
    motion = walk(61, speed=1.0)  # three metres
    assert ask("metres", 3.0, motion)[1]
    assert ask("metres", 2.5, motion)[1]
    assert not ask("metres", 5.0, motion)[1]
    assert not ask("metres", 2.0, motion)[1]


def test_angles_may_be_25_degrees_off():
    motion = walk(61, turn=0.5)  # 86 degrees to the left
    assert ask("angle", 90.0, motion)[1]
    assert not ask("angle", 45.0, motion)[1]
    assert not ask("angle", -90.0, motion)[1]


def test_questions_ask_both_sides_alike():
    asked = list(motion_prompts.questions())
    for kind in ("turn", "hand"):
        sides = [question.wanted for question in asked if question.kind == kind]
        assert sides.count("left") == sides.count("right") > 0
    assert all(
        str(question.wanted) in question.prompt for question in asked if question.kind in ("turn", "hand")
    )


class Deaf:
    """A pipeline that takes no constraint: what it makes is not what was asked for."""

    def __call__(self, prompt, seconds, seed, constraints):
        if any(isinstance(constraint, RootPath) for constraint in constraints):
            raise ValueError("no paths here")
        moved = walk(round(20 * seconds) + 1).translate([0.5, 0, 0])
        first = next((c.motion for c in constraints if isinstance(c, Known)), None)
        return moved if first is None else moved.translate([0.1, 0, 0])


def test_missed_constraints_show_and_refused_ones_are_counted():
    examples = [motion_constraints.Example("clip", "walks", walk(81)),
                motion_constraints.Example("short", "walks", walk(41))]  # fmt: skip
    (row,) = motion_constraints.constrained(Deaf(), examples, lambda: None)
    assert row["between_cm"] == pytest.approx(60, abs=1)
    assert row["path_cm"] == "no paths here"
    assert row["joint_cm"] == pytest.approx(50, abs=1)


def test_the_mean_pose_stands_still(pipe):
    still = motion_retrieval.mean_pose(pipe.representation, pipe.mean_features(), 31)
    assert still.frames == 31
    assert np.abs(still.joints - still.joints[0]).max() < 1e-6


def test_the_judge_reads_any_length_and_is_named_by_its_hash(judge):
    judging = MotionMatcherJudge(judge, Letters())
    long = walk(300)
    vectors = judging.motions([walk(21), long, part(long, 0, 200)])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[1], vectors[2], atol=1e-5)
    assert np.allclose(vectors[0], judging.motions([walk(21)])[0], atol=1e-5)  # whatever stands beside it
    assert judging.texts(["walks", "runs far away"]).shape == (2, 8)
    assert len(judging.settings()["sha256"]) == 64


def test_missing_judge_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no motion judge in .*kinema train motion_judge"):
        MotionMatcherJudge(tmp_path)


def test_the_whole_protocol(pipe, judge, motion_library_dir, tmp_path):
    options = {"clips": 3, "seeds": 2, "constrained": 1, "library": motion_library_dir, "text_encoder": Letters(),
               "progress": False}  # fmt: skip
    figures = evaluate_motion(pipe, judge=judge, out=tmp_path, **options)
    report = json.loads((tmp_path / "motion.json").read_text(), parse_constant=pytest.fail)  # no NaN
    assert report["figures"] == json.loads(json.dumps(figures))
    assert [len(report["clips"][split]) for split in ("test", "test_combo")] == [3, 3]
    assert len(report["clips"]["test"][0]["generated"]) == 2
    assert {"r3", "r3_real", "turn_sign", "laterality", "distance_within_25", "path_error_cm", "slide_ratio",
            "jerk_ratio", "penetration_cm", "transition_ratio", "r3_combo"} <= set(figures)  # fmt: skip
    ranks = [clip["generated"]["rank"] for clip in report["judged"]["test"].values()]
    assert figures["r3"] == pytest.approx(np.mean(np.array(ranks) < 3), abs=1e-4)
    assert figures["bone_spread_cm"] < 0.01
    assert figures["turn_sign_real"] > 0.9
    assert figures["laterality_real"] > 0.9
    assert len(report["gates"]) == len(gates(figures))
    assert "R@3 against 0.8 of real" in table(figures)


def test_without_a_judge_everything_else_is_measured(pipe, motion_library_dir, tmp_path):
    options = {"clips": 2, "seeds": 1, "constrained": 0, "library": motion_library_dir, "progress": False}
    unjudged = evaluate_motion(pipe, judge=tmp_path / "none", text_encoder=Letters(), **options)
    assert unjudged["judge"].startswith("skipped: no motion judge in")
    assert unjudged["r3"] is None
    assert unjudged["jerk_ratio"] > 0
    assert unjudged["constraints_asked"] == 0
    assert "skipped: no motion judge" in table(unjudged)


def test_impossible_sizes_are_explained(pipe):
    with pytest.raises(ValueError, match="at least two clips and one seed"):
        evaluate_motion(pipe, clips=1)
