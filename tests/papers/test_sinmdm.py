"""SinMDM: what its attention computes, what a short training learns of a clip, and what it is asked for."""

import json

import numpy as np
import pytest
import torch
from tests.motion.walking import walk
from tests.scene.bodies import dog, moving
from typer.testing import CliRunner

from kinema.app.cli import app
from kinema.motion.constraints import JointTarget, Known
from kinema.motion.generator import load_motion_generator
from kinema.papers.sinmdm import ClipNetwork, LocalAttention, harmonised, trained_on, windows_of
from kinema.scene.formats import read_motion, write_motion
from kinema.scene.motion import Motion
from kinema.training.recipes import run_recipe


def test_attention_is_a_softmax_over_the_neighbours():
    torch.manual_seed(0)
    layer = LocalAttention(8, 2, 5)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(1, 9, 8)
    keys, values = layer.keys_values(x).unflatten(-1, (2, 2, 4)).unbind(2)
    mixed = torch.zeros(9, 2, 4)
    for place in range(9):
        for head in range(2):
            seen = range(max(0, place - 2), min(9, place + 3))
            scores = torch.stack(
                [keys[0, j, head] @ layer.query[head] + layer.bias[head, j - place + 2] for j in seen]
            )
            mixed[place, head] = torch.softmax(scores, 0) @ values[0, list(seen), head]
    assert torch.allclose(layer(x)[0], layer.out(mixed.flatten(1)), atol=1e-5)


def test_nothing_further_than_the_windows_is_seen():
    torch.manual_seed(0)
    network = ClipNetwork(6, width=16, layers=3, heads=2).eval()
    x, time = torch.randn(1, 20, 6), torch.tensor([0.5])
    other = x.clone()
    other[0, 10] += 1
    differs = (network(x, time) != network(other, time)).any(-1)[0]
    assert differs.nonzero().flatten().tolist() == list(range(7, 14))


def test_pieces_are_stretched_and_keep_their_speed():
    made, features = trained_on(walk(), 20.0, width=16, layers=2, heads=2)
    windows = windows_of(features, made.representation, 24, 8, seed=1)
    (first, pieces), (second, _) = (next(windows.batches(step)) for step in (0, 1))
    assert (first, second, pieces.shape) == (0, 1, (8, 24, features.shape[1]))
    assert torch.equal(pieces, next(windows.batches(0))[1])
    places = made.representation.place(pieces).joints[:, :, made.representation.skeleton.root]
    speed = (places[:, -1] - places[:, 0]).norm(dim=-1)
    whole = made.representation.place(features).joints[:, made.representation.skeleton.root]
    usual = (whole[-1] - whole[0]).norm() / (len(whole) - 1) * 23
    assert (speed / usual).min() > 0.7
    assert (speed / usual).max() < 1.35


def test_harmonising_takes_the_course_and_keeps_the_rest():
    slow = torch.linspace(0, 8, 64)[:, None]
    fast = torch.tensor([1.0, -1.0]).repeat(32)[:, None]
    mixed = harmonised(fast.clone(), slow)
    assert torch.allclose(mixed[4:-4], (slow + fast)[4:-4], atol=0.15)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of a walking person's BVH, trained for some seconds."""
    place = tmp_path_factory.mktemp("single")
    write_motion(place / "walk.bvh", walk(120))
    options = {"data.motion": str(place / "walk.bvh"), "model.width": "48", "model.layers": "4"}
    options |= {"trainer.steps": "150", "data.batch": "8", "data.frames": "48"}
    return run_recipe("single", place / "run", 5.0, "cpu", 0, options)


def test_a_short_training_walks_like_the_clip(folder):
    generator = load_motion_generator(folder)
    source = read_motion(folder.parent.parent / "walk.bvh").resample(20.0)
    made = generator("", seconds=8.0, seed=3)
    assert made.skeleton.names == source.skeleton.names
    assert made.frames == 161
    speeds = [
        np.linalg.norm(np.diff(m.joints[:, m.skeleton.root][:, [0, 2]], axis=0), axis=1).mean()
        for m in (made, source)
    ]
    assert 0.6 < speeds[0] / speeds[1] < 1.5
    assert np.array_equal(made.joints, generator("", seconds=8.0, seed=3).joints)
    assert not np.allclose(made.joints, generator("", seconds=8.0, seed=4).joints)
    assert generator().frames == source.frames


def test_known_frames_come_back_and_words_are_refused(folder):
    generator = load_motion_generator(folder)
    source = read_motion(folder.parent.parent / "walk.bvh").resample(20.0)
    start = Motion(source.joints[:10], 20.0, source.skeleton, source.rotations[:10])
    made = generator(seconds=4.0, constraints=[Known(start)])
    assert np.abs(made.joints[:10] - start.joints).max() < 1e-3
    with pytest.raises(ValueError, match="no words"):
        generator("a person walks")
    with pytest.raises(ValueError, match="no words"):
        generator(guidance=3.0)
    with pytest.raises(ValueError, match="JointTarget"):
        generator(seconds=2.0, constraints=[JointTarget(source.skeleton.names[0], 1.0, (0, 1, 0))])


def test_a_stream_goes_on_in_one_world(folder):
    parts = [part for part, _ in zip(load_motion_generator(folder).stream(), range(4), strict=False)]
    whole = np.concatenate([part.joints for part in parts])
    steps = np.linalg.norm(np.diff(whole[:, 0], axis=0), axis=-1)
    assert steps.max() < 0.3, "nobody jumps between chunks"
    assert sum(part.frames for part in parts) == 4 * 32


def test_the_command_and_an_animal(tmp_path, folder):
    out = tmp_path / "more.bvh"
    done = CliRunner().invoke(
        app, ["motion", "--model", str(folder), "--seconds", "3", "-o", str(out), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert read_motion(out).frames == 61
    assert json.loads(done.stdout.splitlines()[-1])["model"] == "single"
    walker = read_motion(folder.parent.parent / "walk.bvh")
    write_motion(tmp_path / "like.bvh", walker)
    words = [
        "motion",
        "--model",
        str(folder),
        "--like",
        str(tmp_path / "like.bvh"),
        "-o",
        str(tmp_path / "l.bvh"),
    ]
    assert CliRunner().invoke(app, words).exit_code == 0
    for words in (
        ["a person walks", "--like", "like.bvh"],
        ["--model", str(folder), "--reach", "head@1s:0,1.6,0"],
    ):
        said = CliRunner().invoke(app, ["motion", *words, "-o", str(tmp_path / "no.bvh")])
        assert isinstance(said.exception, (ValueError, SystemExit)), "said, and no crash"
    made, features = trained_on(moving(0, dog(), 80, 30.0), 30.0, width=16, layers=2, heads=2)
    assert features.shape == (80, made.representation.width)
    assert made(seconds=1.0).skeleton.names == dog().names


def test_clips_that_are_too_short_are_said(tmp_path):
    with pytest.raises(ValueError, match="2 s at least"):
        trained_on(walk(20), 20.0)
