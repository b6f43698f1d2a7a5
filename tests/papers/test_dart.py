"""DART's search: the noise that is found leads to the target, alone and through the command."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from kinema.app.cli import app
from kinema.app.inputs import parse_target
from kinema.motion.constraints import JointTarget
from kinema.motion.generator import load_motion_generator
from kinema.papers.dart import NoiseSearch
from kinema.scene.formats import read_motion


def test_the_least_miss_is_kept_and_the_noise_stays_as_long_as_noise_is():
    goal = torch.linspace(-1, 1, 12).reshape(4, 3)

    def miss(x):
        return (x - goal).square().sum()

    noise = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    found = NoiseSearch(200, rate=0.1)(lambda z: 0.5 * z, noise, miss)
    assert miss(0.5 * found) < 0.1 * miss(0.5 * noise)
    strict = NoiseSearch(200, rate=0.1, stray=100.0)(lambda z: 0.5 * z, noise, miss)
    assert abs(strict.square().mean() - 1) < 0.1
    with pytest.raises(ValueError, match="iterations"):
        NoiseSearch(0)


def test_noise_alone_leads_to_a_target():
    """Before the refinement that every target ends with, the motion comes nearer by the search alone."""
    from kinema.motion import motion_pipeline

    generator = load_motion_generator()
    free = generator("a person stands still", 2.0, seed=1)
    frame = 20
    place = free.joints[frame, free.skeleton.index("left_wrist")] + [0.1, 0.3, 0.15]
    target = JointTarget("left_wrist", frame / free.fps, place.tolist())
    apart = {}

    def last(person, targets, held):
        joints = person.joints()
        apart["cm"] = 100 * float(
            (joints[frame, person.representation.skeleton.index("left_wrist")])
            .sub(torch.tensor(place, dtype=torch.float32))
            .norm()
        )
        return person

    reach, motion_pipeline.reach = motion_pipeline.reach, last
    try:
        generator("a person stands still", 2.0, seed=1, constraints=[target], search=NoiseSearch(30))
    finally:
        motion_pipeline.reach = reach
    assert apart["cm"] < 10, "of 35"
    made = [
        generator("a person stands still", 2.0, seed=1, constraints=[target], search=NoiseSearch(8))
        for _ in range(2)
    ]
    assert np.array_equal(made[0].joints, made[1].joints)
    assert np.linalg.norm(made[0].joints[frame, made[0].skeleton.index("left_wrist")] - place) < 0.03


@pytest.mark.parametrize("words", [[], ["--search", "dart"]])
def test_the_command(tmp_path, words):
    out = tmp_path / "a.npz"
    asked = [
        "motion",
        "a person stands still",
        "--seconds",
        "2",
        "--reach",
        "right_wrist@1s:-0.4,1.5,0.2",
        *words,
    ]
    done = CliRunner().invoke(app, [*asked, "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[-1])["reach"] == ["right_wrist@1s:-0.4,1.5,0.2"]
    motion = read_motion(out)
    place = motion.joints[round(motion.fps), motion.skeleton.index("right_wrist")]
    assert np.linalg.norm(place - [-0.4, 1.5, 0.2]) < 0.035


def test_what_is_asked_wrongly_is_said():
    for text in ("head", "head@1s", "head@1s:0,1", "@1s:0,1,2", "head@soon:0,1,2"):
        with pytest.raises(ValueError, match="JOINT@SECONDS"):
            parse_target(text)
    done = CliRunner().invoke(app, ["motion", "a person walks", "--search", "dart", "-o", "a.bvh"])
    assert done.exit_code != 0
