"""Several people by a plan: its file, people where they are put, pairs that hold, one by one and jointly."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from kinema.app.cli import app
from kinema.motion.generator import load_motion_generator
from kinema.motion.people import JointPair
from kinema.motion.together import Role, Together, make_together
from kinema.papers.intercontrol import make_jointly
from kinema.scene import Scene
from kinema.scene.formats.errors import FormatError

WAVE = "a person waves with the right hand"
HIGH_FIVE = Together(
    (Role(WAVE, (0.0, 0.0), 0.0), Role(WAVE, (0.0, 0.9), 180.0)),
    3.0,
    (JointPair((0, "right_wrist"), (1, "right_wrist"), 1.4, 1.6, 0.05),),
)


def apart(motions, pair: JointPair) -> np.ndarray:
    """Metres between the joints of a pair while it holds."""
    frames = slice(round(pair.start * motions[0].fps), round(pair.end * motions[0].fps) + 1)
    a, b = (
        motions[person].joints[frames, motions[person].skeleton.index(name)]
        for person, name in (pair.first, pair.second)
    )
    return np.linalg.norm(a - b, axis=-1)


@pytest.mark.parametrize("make", [make_together, make_jointly])
def test_hands_meet_and_people_stand_where_they_are_put(make):
    generator = load_motion_generator()
    made = make(generator, HIGH_FIVE, seed=2)
    assert np.allclose(apart(made, HIGH_FIVE.pairs[0]), 0.05, atol=0.03)
    for motion, role in zip(made, HIGH_FIVE.people, strict=True):
        assert np.linalg.norm(motion.joints[0, 0, [0, 2]] - np.array(role.at)) < 0.4
        facing = np.degrees(np.arctan2(*motion.facing()[0, [0, 2]]))
        assert abs((facing - role.facing + 180) % 360 - 180) < 40
    again = make(generator, HIGH_FIVE, seed=2)
    assert all(np.array_equal(a.joints, b.joints) for a, b in zip(made, again, strict=True))


def test_guidance_alone_brings_hands_together_and_none_leaves_people_alone():
    generator = load_motion_generator()
    free = make_jointly(generator, HIGH_FIVE, seed=2, guided=0, finish=False)
    guided = make_jointly(generator, HIGH_FIVE, seed=2, finish=False)
    assert apart(guided, HIGH_FIVE.pairs[0]).mean() < 0.2
    assert apart(guided, HIGH_FIVE.pairs[0]).mean() < 0.5 * apart(free, HIGH_FIVE.pairs[0]).mean()
    single = make_jointly(generator, Together(HIGH_FIVE.people, 3.0), seed=2)
    assert all(np.allclose(a.joints, b.joints) for a, b in zip(free, single, strict=True))


def test_what_is_too_long_is_said():
    with pytest.raises(ValueError, match="at most"):
        make_jointly(load_motion_generator(), Together(HIGH_FIVE.people, 30.0))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ([], "no plan"),
        ({"people": [{"text": "walks"}]}, "1 people"),
        ({"people": [{"text": "walks"}, {"at": [0, 1]}]}, r"people\[1\].*text"),
        ({"people": [{"text": "walks"}, {"text": "walks", "face": 1}]}, r"people\[1\].*face"),
        ({"people": [{"text": "walks"}] * 2, "pairs": [{"joints": [[0, "head"]]}]}, r"pairs\[0\]"),
        ({"people": [{"text": "walks"}] * 2, "seconds": "long"}, "long"),
        ({"people": [{"text": "walks"}] * 2, "who": 1}, "who"),
    ],
)
def test_a_wrong_plan_is_named(tmp_path, told, message):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(told))
    with pytest.raises(FormatError, match=message):
        Together.load(path)


@pytest.mark.parametrize("words", [[], ["--jointly", "intercontrol"]])
def test_the_command(tmp_path, words):
    plan, out = tmp_path / "plan.json", tmp_path / "pair.npz"
    plan.write_text(
        json.dumps(
            {
                "seconds": 2,
                "people": [{"text": WAVE}, {"text": "a person stands still", "at": [0.3, 1.2]}],
                "pairs": [
                    {
                        "joints": [[0, "pelvis"], [1, "pelvis"]],
                        "from": 0,
                        "to": 2,
                        "distance": 1,
                        "apart": True,
                    }
                ],
            }
        )
    )
    done = CliRunner().invoke(app, ["motion", "--together", str(plan), *words, "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    scene = Scene.load(out)
    assert len(scene.people) == 2
    assert np.linalg.norm(scene.people[1].joints[0, 0, [0, 2]] - [0.3, 1.2]) < 0.5


def test_one_person_files_and_other_options_are_refused(tmp_path):
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"people": [{"text": WAVE}, {"text": WAVE}]}))
    for words in (
        ["-o", "a.bvh"],
        ["-o", "a.npz", "--seconds", "2"],
        ["-o", "a.npz", "--reach", "head@1s:0,1,0"],
    ):
        assert CliRunner().invoke(app, ["motion", "--together", str(plan), *words]).exit_code != 0
    assert (
        CliRunner().invoke(app, ["motion", WAVE, "--jointly", "intercontrol", "-o", "a.npz"]).exit_code != 0
    )
