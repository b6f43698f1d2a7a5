"""The motion recipe, small: it learns, leaves known parts alone, and goes on exactly."""

import numpy as np
import pytest
import torch
from tests.motion.walking import walk

from kinema.data.motion_samples import MotionBatch
from kinema.motion.normalise import Normaliser
from kinema.motion.representation import SMPL24_MOTION
from kinema.motion.transformer import MotionTransformer
from kinema.training.motion_task import MotionTask, body_losses, draw_times, foot_steps


@pytest.fixture
def batch():
    features = torch.stack([SMPL24_MOTION.encode(walk(24, speed))[0] for speed in (0.5, 1.0, 1.5, 2.0)])
    return MotionBatch(
        features,
        torch.ones(4, 24),
        torch.rand(4, 6, 2),
        torch.zeros(4, 6, dtype=torch.long),
        torch.randn(4, 3, 384, generator=torch.Generator().manual_seed(0)),
        torch.ones(4, 6, 3, dtype=torch.bool),
    )


def test_losses_fall(batch):
    torch.manual_seed(0)
    task = MotionTask(
        MotionTransformer(width=32, layers=1, heads=2), Normaliser.fit(batch.features.flatten(0, 1))
    )
    optimiser = torch.optim.Adam(task.parameters(), 3e-3)
    totals = []
    for step in range(60):
        terms = task(batch, torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        sum(terms.values()).backward()
        optimiser.step()
        totals.append({name: term.item() for name, term in terms.items()})
    for name in ("flow", "position"):
        assert np.mean([t[name] for t in totals[-10:]]) < 0.7 * np.mean([t[name] for t in totals[:10]])


def test_contact_is_a_term_where_it_has_a_weight(batch):
    """MoSA's L_cont: off by default, and then nothing else changes."""
    losses = []
    for contact in (0.0, 0.01):
        torch.manual_seed(0)
        task = MotionTask(
            MotionTransformer(width=32, layers=1, heads=2),
            Normaliser.fit(batch.features.flatten(0, 1)),
            contact=contact,
        )
        losses.append(task(batch, torch.Generator().manual_seed(1)))
    without, with_contact = losses
    assert with_contact.keys() - without.keys() == {"contact"}
    assert all(torch.equal(without[name], with_contact[name]) for name in without)
    assert torch.isfinite(with_contact["contact"])
    with_contact["contact"].backward()
    assert all(torch.isfinite(p.grad).all() for p in task.parameters() if p.grad is not None)


def test_a_perfect_prediction_costs_nothing_but_sliding_feet(batch):
    real = batch.features
    terms = body_losses(real, real, batch.weight, torch.ones(4, 24))
    assert terms["position"] == 0
    assert terms["velocity"] == 0


def test_foot_steps_are_those_of_the_world(batch):
    features = batch.features[1]
    world = SMPL24_MOTION.place(features).joints[:, [7, 8, 10, 11]].diff(dim=0).norm(dim=-1)
    steps = foot_steps(SMPL24_MOTION.seen_from_heading(features[None]), features[None])[0].norm(dim=-1)
    assert torch.allclose(world, steps, atol=1e-4)


def test_times_leave_known_parts_clean():
    times = draw_times(400, 12, 2.5, torch.Generator().manual_seed(0))
    assert times.shape == (400, 12, 7)
    assert times.min() == 0
    assert times.max() <= 1
    known = times == 0
    parts = list(SMPL24_MOTION.parts)
    path, body = parts.index("path"), [parts.index(name) for name in SMPL24_MOTION.body]
    whole = known.all(-1)
    assert (whole[:, 0] & ~whole[:, -1]).sum() > 30  # prediction
    assert (whole[:, 0] & whole[:, -1] & ~whole.all(-1)).sum() > 20  # in-betweening
    assert (known[..., path].all(-1) & ~known[..., body].any(-1).any(-1)).sum() > 20  # paths
    assert not known.all(-1).all(-1).any()
    assert (~known.any(-1).any(-1)).sum() > 120  # nothing but text


@pytest.mark.slow
def test_a_stopped_recipe_goes_on_exactly(motion_library_dir, tmp_path, monkeypatch):
    from kinema.data.motion_library import MotionLibrary
    from kinema.motion.motion_pipeline import TextToMotionPipeline
    from kinema.training.checkpoint import read_checkpoint
    from kinema.training.recipes import run_recipe

    real = MotionLibrary.split
    monkeypatch.setattr(MotionLibrary, "split", lambda self, *names: real(self, *names)[:12])
    options = {
        "data.batch": "4",
        "model.width": "32",
        "model.layers": "1",
        "model.heads": "2",
        "trainer.decay": "0",
        "data.library": str(motion_library_dir),
    }
    run_recipe("motion", tmp_path / "whole", 5, "cpu", 0, {**options, "trainer.steps": "4"})
    run_recipe("motion", tmp_path / "parts", 5, "cpu", 0, {**options, "trainer.steps": "2"})
    made = run_recipe("motion", tmp_path / "parts", 5, "cpu", 0, {**options, "trainer.steps": "4"})
    whole, parts = (read_checkpoint(tmp_path / name / "checkpoint")[0] for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert TextToMotionPipeline.from_pretrained(made)("a person walks", seconds=1).frames == 21
