"""The pipeline with random weights: whatever the model makes, constraints hold and errors are clear."""

from copy import deepcopy
from importlib.resources import files
from itertools import permutations

import numpy as np
import pytest
import torch
from tests.motion.walking import walk

from kinema.diffusion.guider import Guidance, Scale
from kinema.evaluation.metrics.motion import border_jerk, jerk
from kinema.motion.constraints import JointTarget, Known, RootPath
from kinema.motion.motion_pipeline import TextToMotionPipeline
from kinema.motion.normalise import Normaliser
from kinema.motion.people import JointPair, meet
from kinema.motion.prompt_steps import Step, plan_steps
from kinema.motion.representation import SMPL24_MOTION
from kinema.motion.sampling import shares_of
from kinema.motion.transformer import MotionTransformer
from kinema.scene.deeds import metres_walked
from kinema.scene.formats import read_motion, write_motion
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

_WEIGHTS = files("kinema") / "weights" / "motion" / "transformer"


class Letters:
    """A text encoder as simple as can be: one state per word, from its letters."""

    @staticmethod
    def length(text):
        return len(text.split())

    def __call__(self, prompts, tokens=24):
        states = torch.zeros(len(prompts), tokens, 384)
        for row, prompt in enumerate(prompts):
            for column, word in enumerate(prompt.split()[:tokens]):
                states[row, column] = torch.randn(
                    384, generator=torch.Generator().manual_seed(sum(map(ord, word)))
                )
        return states


@pytest.fixture(scope="module")
def pipe():
    torch.manual_seed(0)
    network = MotionTransformer(width=32, layers=2, heads=2, styles=("happy", "sad"))
    torch.nn.init.normal_(network.tokens_out.weight, std=0.02)
    features = torch.cat(
        [SMPL24_MOTION.encode(walk(80, speed, turn))[0] for speed in (0.5, 1.5) for turn in (-0.5, 0.5)]
    )
    return TextToMotionPipeline(network, Normaliser.fit(features), Letters(), steps=2)


def part(motion, begin, end):
    cut = motion.joints[begin:end], motion.fps, motion.skeleton, motion.rotations[begin:end]
    return type(motion)(*cut)


def test_length_seed_and_files(pipe, tmp_path):
    motion = pipe("a person walks", seconds=3, seed=5)
    assert motion.frames == 61
    assert np.array_equal(motion.joints, pipe("a person walks", seconds=3, seed=5).joints)
    assert not np.array_equal(motion.joints, pipe("a person walks", seconds=3, seed=6).joints)
    assert np.allclose(motion.joints[0, 0, [0, 2]], 0)
    write_motion(tmp_path / "walk.bvh", motion)
    assert np.abs(read_motion(tmp_path / "walk.bvh").joints - motion.joints).max() < 1e-3


def test_text_style_and_order_of_steps_reach_the_network(pipe):
    plain = pipe("walks", seconds=2).joints
    assert not np.array_equal(plain, pipe("runs", seconds=2).joints)
    assert not np.array_equal(plain, pipe("walks", seconds=2, style="happy").joints)
    assert not np.array_equal(pipe(["walks", "runs"], 4).joints, pipe(["runs", "walks"], 4).joints)
    assert np.array_equal(pipe("walks, then runs", 4).joints, pipe(["walks", "runs"], 4).joints)


def test_texts_fade_into_each_other_and_short_steps_are_told_theirs():
    steps = [Step("walks", 3.0), Step("bows", 0.4), Step("waves", 3.0)]
    shares = shares_of(steps, (torch.arange(32) + 0.5) * 0.2)
    assert torch.allclose(shares.sum(-1), torch.ones(32), atol=3e-3)
    assert shares.argmax(-1).tolist() == [0] * 15 + [1] * 2 + [2] * 15
    assert shares[15:17, 1].min() > 0.7
    assert torch.equal(shares[:10], torch.tensor([[1.0, 0.0, 0.0]]).expand(10, 3))
    assert torch.equal(shares_of(steps[:1], torch.rand(4)), torch.ones(4, 1))
    long = shares_of([Step("walks", 3.0), Step("waves", 3.0)], (torch.arange(30) + 0.5) * 0.2)
    assert long.diff(dim=0).abs().max() < 0.6
    assert torch.allclose(long, long.flip(0, 1))


def test_shares_of_none_and_all_are_what_is_not_seen_and_seen(pipe):
    network, sees = pipe.transformer, torch.rand(1, 6, 4) > 0.5
    rest = (
        torch.ones(1, 6, 7),
        torch.zeros(1, 6, 2),
        torch.zeros(1, 6, dtype=torch.long),
        torch.randn(1, 4, 384),
    )
    noisy = torch.randn(1, 6, network.tokens_in.in_features)
    with torch.no_grad():
        seen, shared = (network(noisy, *rest, mask) for mask in (sees, sees.float()))
        half = network(noisy, *rest, 0.5 * sees)
    assert torch.allclose(seen, shared, atol=1e-6)
    assert not torch.allclose(seen, half, atol=1e-6)


@pytest.mark.skipif(not _WEIGHTS.is_dir(), reason="the motion model is not there")
def test_one_step_goes_over_into_the_next_without_a_jump():
    shipped = TextToMotionPipeline.from_pretrained()
    prompts = ("a person walks forward", "a person waves with the left hand", "a person bows")
    rough = [
        border_jerk(shipped([first, second], seconds=[3.0, 3.0], seed=seed), 3.0)
        for first, second in permutations(prompts, 2)
        for seed in range(2)
    ]
    assert np.mean(rough) < 1.2  # 1.6 where one text gave way to the next at once


@pytest.mark.skipif(not _WEIGHTS.is_dir(), reason="the motion model is not there")
@pytest.mark.parametrize("seed", [0, 1])
def test_words_do_what_they_say_standing_and_two_things_at_once(seed):
    shipped = TextToMotionPipeline.from_pretrained()

    def way(motion):
        return float(np.linalg.norm(motion.joints[-1, 0, [0, 2]] - motion.joints[0, 0, [0, 2]]))

    def raised(motion, side):
        wrist, shoulder = (motion.skeleton.index(f"{side}_{joint}") for joint in ("wrist", "shoulder"))
        return float((motion.joints[:, wrist, 1] - motion.joints[:, shoulder, 1]).max())

    for still in ("a person stands still", "a person is standing"):
        assert way(shipped(still, seconds=4.0, seed=seed)) < 0.25
    both = shipped("a person walks forward and waves with the right hand", seconds=4.0, seed=seed)
    assert way(both) > 2.0
    assert raised(both, "right") > 0.1 > raised(both, "left")


def test_any_guider_of_the_text_guides(pipe):
    plain = pipe("walks", seconds=2).joints
    same = pipe("walks", seconds=2, guidance=Guidance(text=pipe.guidance)).joints
    assert np.abs(same - plain).max() < 1e-4
    early = pipe("walks", seconds=2, guidance=Guidance(text=Scale(pipe.guidance, (0.0, 0.1)))).joints
    assert np.abs(early - plain).max() > 1e-4
    known = part(walk(), 0, 20)

    class Late(Guidance):
        """Starts after the first step, and pushes every sample, what is known as well."""

        def begin(self, noise, run):
            return 0.5 * noise, 1

        def after(self, x, step):
            return x + 0.1

    late = pipe("walks", seconds=2, guidance=Late(text=1.0), constraints=[Known(known)]).joints
    assert np.abs(late[:20] - known.joints).max() < 1e-3
    assert not np.array_equal(late, pipe("walks", seconds=2, guidance=1.0, constraints=[Known(known)]).joints)


def test_damaged_weights_are_an_error_and_no_motion(pipe):
    broken = deepcopy(pipe)
    torch.nn.init.constant_(broken.transformer.tokens_out.bias, torch.nan)
    with pytest.raises(FloatingPointError, match="not finite; its weights are damaged"):
        broken("walks", seconds=1)


def test_long_motion_is_made_in_windows_that_join(pipe):
    done = []
    motion = pipe("walks", seconds=25, progress=lambda *counts: done.append(counts))
    assert motion.frames == 501
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    steps = np.linalg.norm(np.diff(motion.joints, axis=0), axis=-1).max(axis=1)
    assert steps.max() < 3 * np.percentile(steps, 95)


def test_a_known_start_is_continued_where_it_stands(pipe):
    start = part(walk().rotate_y(40).translate([2, 0, 1]), 0, 22)
    motion = pipe("walks", seconds=3, constraints=[Known(start)])
    assert np.abs(motion.joints[:22] - start.joints).max() < 1e-3
    assert np.linalg.norm(motion.joints[22] - motion.joints[21], axis=-1).max() < 0.3


def test_in_betweening_meets_both_ends(pipe):
    start, end = part(walk(), 0, 17), part(walk().rotate_y(120).translate([1.5, 0, 1]), 0, 15)
    motion = pipe("walks", seconds=4, constraints=[Known(start), Known(end, at=3.3)])
    assert np.abs(motion.joints[:17] - start.joints).max() < 1e-3
    assert np.abs(motion.joints[66:81] - end.joints).max() < 1e-3


def test_a_single_pose_in_the_middle_is_met(pipe):
    pose = part(walk().translate([0.4, 0, 0.8]), 9, 10)
    motion = pipe("walks", seconds=3, constraints=[Known(pose, at=1.5)])
    assert np.abs(motion.joints[30] - pose.joints[0]).max() < 1e-3


def test_body_parts_are_kept_while_the_rest_is_made_anew(pipe):
    given = walk(41)
    motion = pipe("waves", seconds=2, constraints=[Known(given, parts=("path", "left_leg"))])
    assert np.abs(motion.joints[:, 0, [0, 2]] - given.joints[:, 0, [0, 2]]).max() < 1e-3
    leg, torso = [1, 4, 7], [3, 6, 9]
    assert np.abs(motion.rotations[:, leg] - given.rotations[:, leg]).max() < 1e-3
    assert np.abs(motion.rotations[:, torso] - given.rotations[:, torso]).max() > 1e-2


def test_root_paths_and_waypoints_are_met(pipe):
    path = RootPath([[0, 0], [1, 1.5], [2, 2]], times=[0, 1.5, 3])
    motion = pipe("walks", seconds=3, constraints=[path])
    for point, frame in zip(path.points, (0, 30, 60), strict=True):
        assert np.linalg.norm(motion.joints[frame, 0, [0, 2]] - point) < 0.03
    evenly = pipe("walks", seconds=3, constraints=[RootPath([[1.0, 2.0]])])
    assert np.linalg.norm(evenly.joints[-1, 0, [0, 2]] - [1, 2]) < 0.03
    turned = pipe("walks", seconds=3, constraints=[RootPath([[0, 0], [0, 2]], headings=[90, 90])])
    assert turned.facing()[30] @ [1, 0, 0] > 0.98


def test_joint_targets_are_met(pipe):
    targets = [
        JointTarget("left_wrist", 1.0, (0.3, 1.2, 0.4)),
        JointTarget("right_wrist", 2.0, (-0.3, 1.1, 0.4)),
    ]
    motion = pipe("reaches", seconds=3, constraints=targets)
    for target in targets:
        assert (
            np.linalg.norm(
                motion.joints[round(20 * target.time), SMPL24.index(target.joint)] - target.position
            )
            < 0.03
        )


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ([JointTarget("left_wrist", 9.0, (0, 1, 0))], "lies at 9 s, but the motion lasts 3 s"),
        ([JointTarget("left_wrist", 1, (0, 1, 0)), JointTarget("left_wrist", 1, (0, 1.5, 0))], "one joint has one place"),
        ([JointTarget("head", 1, (0, 1, 0)), JointTarget("left_foot", 1, (4, 0, 0))], "a body spans"),
        ([Known(walk(61)), JointTarget("left_wrist", 1.0, (0, 2, 1.4))], "stays .* cm from its target"),
        ([RootPath([[0, 0], [0, 100]])], r"more than a person runs in 3.0 s"),
        ([RootPath([[0, 0]]), RootPath([[1, 1]])], "two root paths"),
        ([Known(walk(30)), Known(walk(30), at=1.0)], "two known motions both give"),
        ([Known(walk(30)), RootPath([[0, 0], [1, 1]])], "both say where"),
        ([Known(walk(40), at=2.0)], "known motion ends at 3.95 s"),
        ([JointTarget("left_wrist", 0.2, (20, 1, 0))], "would move at"),
        (["walk"], "constraints are Known"),
    ],
)  # fmt: skip
def test_constraints_that_cannot_hold_are_explained(pipe, constraints, message):
    with pytest.raises(ValueError, match=message):
        pipe("walks", seconds=3, constraints=constraints)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Known(walk(), parts=("tail",)), "give some of path"),
        (lambda: RootPath([[0, np.nan]]), "give finite x and z"),
        (lambda: RootPath([[0, 0], [0, 1]], times=[1, 1]), "must rise"),
        (lambda: RootPath([[0, 0], [0, 30]], times=[0, 1]), "people reach 9 m/s"),
        (lambda: RootPath([[0, 0], [0, 1]], headings=[0]), "a number for each point"),
        (lambda: JointTarget("tail", 1, (0, 1, 0)), "no joint 'tail'"),
        (lambda: JointTarget("head", -1, (0, 1, 0)), "give seconds from 0"),
        (lambda: JointTarget("head", 1, (0, -1, 0)), "the floor is 0"),
        (lambda: JointTarget("head", 1, (0, 2.9, 0)), "the body reaches 2.1 m"),
        (lambda: JointTarget("head", 1, (0, np.inf, 0)), "give x, y, z"),
    ],
)
def test_constraints_that_mean_nothing_are_refused(pipe, make, message):
    with pytest.raises(ValueError, match=message):
        pipe("walks", seconds=3, constraints=[make()])


@pytest.mark.parametrize(
    ("prompt", "options", "message"),
    [
        ("x" * 10_000, {}, "10000 characters, at most 1000"),
        ("人が歩く", {}, "reads English only"),
        (3, {}, "not iterable|is a text"),
        ([], {}, "list of prompts is empty"),
        ("walk", {"seconds": 0}, "give 0.4 to 600 s"),
        ("walk", {"seconds": 601}, "use stream"),
        ("walk", {"seconds": float("nan")}, "give 0.4 to 600 s"),
        ("walk for 9000 seconds", {}, "use stream"),
        (["walk", "run"], {"seconds": [1]}, "1 durations were given for 2 steps"),
        (["walk"] * 65, {"seconds": 100}, "65 steps"),
        ("walk", {"style": "blue"}, "no style 'blue'; there are happy, sad"),
        ("walk", {"steps": 0}, "give 1 to 200"),
    ],
)
def test_bad_prompts_and_lengths_are_explained(pipe, prompt, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        pipe(prompt, **options)


def test_empty_and_dirty_prompts_have_a_stated_meaning(pipe):
    assert pipe("", seconds=1).frames == 21
    assert np.array_equal(pipe("a\x00 man\twalks\n", 1).joints, pipe("a man walks", 1).joints)


def test_prompts_are_divided_into_steps_with_lengths():
    steps = plan_steps("A man walks forward for 3 seconds, then waves. Then he runs for ten metres")
    assert [step.text for step in steps] == [
        "A man walks forward for 3 seconds",
        "waves",
        "he runs for ten metres",
    ]
    assert [step.seconds for step in steps] == [3.0, 4.0, 4.0]
    assert [step.seconds for step in plan_steps("walks, then waves", seconds=6)] == [3.0, 3.0]
    assert len(plan_steps(["walks, then waves"])) == 1


def test_metres_in_the_text_are_kept(pipe):
    before = metres_walked(pipe("a person walks forward", seconds=4))
    motion = pipe("a person walks forward for about five metres", seconds=4)
    wanted = np.clip(5, 0.4 * before, 2.2 * before)
    assert abs(metres_walked(motion) / wanted - 1) < 0.35


def test_streams_go_on_without_a_seam_and_without_end(pipe):
    chunks = [next(stream) for stream in [pipe.stream("walks")] for _ in range(6)]
    joints = np.concatenate([chunk.joints for chunk in chunks])
    assert [chunk.frames for chunk in chunks] == [32] * 6
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(axis=1)
    assert steps[31::32].max() < 3 * np.percentile(steps, 95)
    assert len(list(pipe.stream(iter(["walks", "runs"]), chunk_seconds=1.0))) == 2
    with pytest.raises(ValueError, match=r"at most 6\.4 s"):
        next(pipe.stream("walks", chunk_seconds=9))


def test_saved_pipelines_come_back(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    again = TextToMotionPipeline.from_pretrained(tmp_path)
    again._text_encoder = Letters()
    assert again.styles == ("happy", "sad")
    assert np.abs(again("walks", 2).joints - pipe("walks", 2).joints).max() < 1e-5
    with pytest.raises(FileNotFoundError, match="kinema train motion"):
        TextToMotionPipeline.from_pretrained(tmp_path / "nowhere")


def test_people_meet_and_keep_their_distance(pipe):
    first, second = walk(41, turn=0.0), walk(41, turn=0.0).rotate_y(180).translate([0.1, 0, 3.4])
    touch = JointPair((0, "right_wrist"), (1, "right_wrist"), 1.5, 1.5, 0.0)
    apart = JointPair((0, "pelvis"), (1, "pelvis"), 0.0, 2.0, 0.6, at_least=True)
    people = meet([first, second], [touch, apart])
    gap = people[0].joints[30, 21] - people[1].joints[30, 21]
    assert np.linalg.norm(gap) < 0.03
    between = np.linalg.norm(people[0].joints[:, 0] - people[1].joints[:, 0], axis=-1)
    assert between.min() > 0.57
    with pytest.raises(ValueError, match="there are 2 people"):
        meet([first, second], [JointPair((0, "head"), (2, "head"), 0, 1, 0.0)])
    with pytest.raises(ValueError, match="stay"):
        meet([first, second], [JointPair((0, "pelvis"), (1, "pelvis"), 1, 1, 0.0), apart])  # fmt: skip


def test_a_stream_of_two_minutes_ends_as_well_as_it_began():
    stream = TextToMotionPipeline.from_pretrained().stream("a person walks forward", 4.0, seed=3)
    chunks = [next(stream) for _ in range(30)]
    first, last = (
        Motion(np.concatenate([chunk.joints for chunk in some]), 20.0, SMPL24)
        for some in (chunks[:4], chunks[-4:])
    )
    assert jerk(last) < 1.3 * jerk(first)
    assert metres_walked(last) == pytest.approx(metres_walked(first), rel=0.35)
    assert np.abs(last.joints[:, 0, 1].mean() - first.joints[:, 0, 1].mean()) < 0.05
