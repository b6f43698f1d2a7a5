"""The lifter: what it is trained on, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.motion.walking import walk

from kinema.capture.lifter import LIFTER_JOINTS, Lifter, guess_depth, normalise
from kinema.training.recipes.lifter import LiftTask
from kinema.training.recipes.lifter_views import ViewSamples


@pytest.fixture(scope="module")
def samples() -> ViewSamples:
    clips = [walk(60, 1.0, 0.0).joints, walk(90, 2.0, 0.3).joints, walk(20, 0.5, 0.0).joints]
    return ViewSamples(clips, ["one", "one", "other"], batch=6, frames=30, seed=0)


def test_batches_depend_on_the_step_alone(samples: ViewSamples) -> None:
    one, again, other = samples.at(3), samples.at(3), samples.at(4)
    assert torch.equal(one.channels, again.channels)
    assert torch.equal(one.joints, again.joints)
    assert not torch.equal(one.channels, other.channels)


def test_targets_are_bodies_of_one_size_in_front_of_the_camera(samples: ViewSamples) -> None:
    views = samples.at(0)
    assert views.channels.shape == (6, 52, 30)
    assert torch.isfinite(views.channels).all()
    assert torch.allclose(views.up.norm(dim=-1), torch.ones(()), atol=1e-5)
    assert (
        views.up[..., 1] < -0.4
    ).all()  # cameras stand more or less upright: up is against the picture's y
    assert (views.joints[:, :, 0] == 0).all()
    assert 0.8 < views.joints[:, :, [7, 8]].norm(dim=-1).max() < 1.3


def test_the_lifter_learns(samples: ViewSamples) -> None:
    torch.manual_seed(0)
    task = LiftTask(Lifter(width=24, dilations=(1, 2)))
    optimiser = torch.optim.AdamW(task.parameters(), lr=5e-3)

    def loss(step: int) -> torch.Tensor:
        return torch.stack(list(task(samples.at(step), torch.Generator()).values())).sum()

    with torch.no_grad():
        before = np.mean([loss(step).item() for step in range(100, 103)])
    for step in range(30):
        optimiser.zero_grad()
        loss(step).backward()
        optimiser.step()
    with torch.no_grad():
        assert np.mean([loss(step).item() for step in range(100, 103)]) < 0.6 * before


def test_what_is_read_does_not_hang_on_place_size_or_lens() -> None:
    rng = np.random.default_rng(0)
    joints = walk(30, 1.0, 0.0).joints[:, list(LIFTER_JOINTS)] - [0, 0.9, 0]
    seen = torch.ones(1, 30, 17, dtype=torch.float64)

    def read(distance: float) -> torch.Tensor:
        local = joints * [1, -1, -1] + [0, 0, distance]
        return normalise(torch.from_numpy(local[..., :2] / local[..., 2:])[None], seen).channels

    near, far = read(60.0), read(120.0)
    assert torch.allclose(near[:, :-1], far[:, :-1], atol=0.05)
    assert torch.allclose(near[:, -1] - far[:, -1], torch.tensor(np.log(2)), atol=0.05)

    points = torch.from_numpy(rng.uniform(-0.3, 0.3, (1, 30, 17, 2)))
    hidden = seen.clone()
    hidden[:, 10:20, 3] = 0
    other = points.clone()
    other[:, 10:20, 3] = float("nan")
    assert torch.equal(normalise(points, hidden).channels, normalise(other, hidden).channels)


@pytest.mark.parametrize(("frames", "fps"), [(1, 30.0), (7, 12.0), (50, 60.0)])
def test_any_length_and_rate_gets_an_answer_for_each_frame(frames: int, fps: float) -> None:
    slopes = np.random.default_rng(0).uniform(-0.2, 0.2, (frames, 24, 2))
    confidence = np.ones((frames, 24))
    slopes[:, 20], confidence[:, 20] = np.nan, 0.0
    hints = guess_depth(slopes, confidence, fps, Lifter(width=16, dilations=(1,)).eval())
    assert hints.joints.shape == (frames, 24, 3)
    assert np.isfinite(hints.joints).all()
    assert np.allclose(np.linalg.norm(hints.up, axis=-1), 1)
    assert ((hints.standing >= 0) & (hints.standing <= 1)).all()
