"""The completion mask: known frames come back, the rest goes on, and the switch lets an end settle."""

import numpy as np
import pytest
import torch
from tests.motion.walking import walk

from kinema.diffusion.guider import Run
from kinema.diffusion.loop import EulerSolver
from kinema.motion.constraints import Known
from kinema.motion.generator import load_motion_generator
from kinema.motion.sampling import MOTION_PATH, SHIFT
from kinema.papers.humanmac import CompletionMask, complete


def test_known_numbers_are_as_noisy_as_the_step_and_clean_at_the_end():
    known = torch.full((4, 6), 5.0)
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[0], mask[3] = True, True
    solver = EulerSolver(10, SHIFT, MOTION_PATH)
    guider = CompletionMask(known, mask, released=2)
    x = torch.zeros(4, 6)
    guider.begin(x, Run(frozenset(("text",)), solver, 16, generator=torch.Generator().manual_seed(0)))
    steps = solver.steps()
    early, late = guider.after(x, steps[0]), guider.after(x, steps[-1])
    assert torch.equal(early[1:3], x[1:3])
    assert early[0].std() > 0.3
    assert not torch.equal(early[3], x[3])
    assert torch.equal(late[0], known[0])
    assert torch.equal(late[3], x[3])  # released


def test_what_was_observed_comes_back_and_goes_on():
    generator = load_motion_generator()
    begun = walk(41).translate([1.0, 0.0, 2.0])
    made = complete(generator, [Known(begun)], "a person walks forward", 5.0, seed=1, steps=10)
    assert made.frames == 101
    seen = generator.representation.on_neutral_body(begun)
    assert np.linalg.norm(made.joints[:36] - seen.joints[:36], axis=-1).mean() < 0.05
    assert np.linalg.norm(made.joints[-1, 0] - made.joints[40, 0]) > 1.0
    again = complete(generator, [Known(begun)], "a person walks forward", 5.0, seed=1, steps=10)
    assert np.array_equal(made.joints, again.joints)
    other = complete(generator, [Known(begun)], "a person walks forward", 5.0, seed=2, steps=10)
    assert np.abs(other.joints[-20:] - made.joints[-20:]).max() > 0.05


def test_parts_of_the_body_are_held():
    generator = load_motion_generator()
    arm = generator("a person raises the left hand", 3.0, 1)
    made = complete(generator, [Known(arm, parts=("left_arm",))], "a person walks forward", 3.0, 1, steps=10)
    columns = generator.representation.parts["left_arm"]
    apart = [generator.representation.encode(each)[0][:60, columns] for each in (made, arm)]
    assert (apart[0] - apart[1]).abs().mean() < 0.02
    with pytest.raises(ValueError, match="-1 released"):
        complete(generator, [Known(arm)], released=-1)


def test_the_command(tmp_path):
    from typer.testing import CliRunner

    from kinema.app.cli import app
    from kinema.scene.formats import read_motion, write_motion

    write_motion(tmp_path / "walk.bvh", walk(41))
    words = [
        "motion",
        "--after",
        str(tmp_path / "walk.bvh"),
        "--seconds",
        "4",
        "-o",
        str(tmp_path / "on.bvh"),
    ]
    done = CliRunner().invoke(app, [*words, "--completion", "humanmac"])
    assert done.exit_code == 0, done.output
    assert read_motion(tmp_path / "on.bvh").frames == 81
    wrong = CliRunner().invoke(
        app, ["motion", "a person walks", "-o", str(tmp_path / "x.bvh"), "--completion", "humanmac"]
    )
    assert wrong.exit_code != 0
    assert "--after" in str(wrong.exception)
