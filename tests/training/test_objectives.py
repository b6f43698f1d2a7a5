"""Denoising terms against diffusers' own schedulers and against values worked out by hand."""

import pytest
import torch
from diffusers import CogVideoXDPMScheduler, FlowMatchEulerDiscreteScheduler

from kinema.training.objectives import (
    flow_matching,
    flow_velocity,
    mask_loss,
    pool_to_latents,
    training_times,
    v_prediction,
)


@pytest.fixture
def latents():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(3, 4, 2, 3, 2, generator=generator) for _ in range(3)]


def test_flow_matching_weighs_positions():
    clean, predicted = torch.zeros(1, 4, 1, 1, 2), torch.zeros(1, 4, 1, 1, 2)
    predicted[..., 1] = 1
    assert flow_matching(predicted, clean)["flow"] == 0.5
    weight = torch.tensor([1.0, 3.0]).view(1, 1, 1, 1, 2)
    assert flow_matching(predicted, clean, weight)["flow"] == 0.75


def test_flow_velocity_is_what_the_euler_scheduler_integrates(latents):
    clean, noise, _ = latents
    scheduler = FlowMatchEulerDiscreteScheduler(shift=5.0)
    scheduler.set_timesteps(4)
    assert flow_velocity(noise - clean, clean, noise)["flow"] == 0
    noisy = scheduler.sigmas[1] * noise + (1 - scheduler.sigmas[1]) * clean
    scheduler.set_begin_index(1)
    for timestep in scheduler.timesteps[1:]:
        noisy = scheduler.step(noise - clean, timestep, noisy).prev_sample
    torch.testing.assert_close(noisy, clean)
    assert flow_velocity(noise - clean + 0.5, clean, noise)["flow"] == pytest.approx(0.25)


@pytest.mark.parametrize("timestep", [0, 400, 999])
def test_v_prediction_is_cogvideox_training_loss(latents, timestep):
    clean, noise, predicted = latents
    scheduler = CogVideoXDPMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        snr_shift_scale=3.0,
        prediction_type="v_prediction",
    )
    timesteps = torch.full((3,), timestep)
    a = scheduler.alphas_cumprod[timesteps]
    exact = scheduler.get_velocity(clean, noise, timesteps)
    assert v_prediction(exact, clean, noise, a)["v"] < 1e-10

    noisy = scheduler.add_noise(clean, noise, timesteps)
    sample = scheduler.get_velocity(predicted, noisy, timesteps)  # the identity that training code uses
    weighted = ((sample - clean).square().flatten(1).mean(1) / (1 - a)).mean()
    loss = v_prediction(predicted, clean, noise, a)["v"]
    assert loss.item() == pytest.approx(weighted.item(), rel=2e-3)


def test_v_prediction_survives_the_ends_of_the_schedule(latents):
    clean, noise, predicted = latents
    predicted.requires_grad_()
    loss = v_prediction(predicted, clean, noise, torch.tensor([0.0, 1.0, 0.5]))["v"]
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(predicted.grad).all()


def test_masks_are_pooled_over_the_frame_groups_of_the_autoencoder():
    mask = torch.zeros(1, 9, 4, 4, dtype=torch.bool)
    mask[:, 0, :2, :2] = True  # the first frame stands alone
    mask[:, 3, 2:, 2:] = True  # one of frames 1 to 4
    mask[:, 5:9, 0, 0] = True  # a quarter of a cell, in all of frames 5 to 8
    pooled = pool_to_latents(mask, (3, 2, 2))
    assert pooled.shape == (1, 1, 3, 2, 2)
    assert pooled[0, 0, 0].tolist() == [[1, 0], [0, 0]]
    assert pooled[0, 0, 1].tolist() == [[0, 0], [0, 0.25]]
    assert pooled[0, 0, 2].tolist() == [[0.25, 0], [0, 0]]
    for grid in ((2, 3, 2), (4, 2, 2), (1, 2, 2)):
        with pytest.raises(ValueError, match="cannot be pooled"):
            pool_to_latents(mask, grid)


def test_mask_loss_is_the_mean_over_sites_and_over_samples_that_have_a_structure():
    people = torch.ones(2, 5, 4, 4, dtype=torch.bool)
    right = torch.ones(2, 1, 2, 2, 2)
    wrong = torch.zeros(2, 1, 2, 2, 2, requires_grad=True)
    assert mask_loss((right, wrong), people)["mask"] == 0.5
    assert mask_loss((), people) == {}
    half = torch.stack([right[0], torch.full_like(right[1], 0.5)])
    assert mask_loss((half,), people)["mask"] == 0.125
    assert mask_loss((half,), people, torch.tensor([True, False]))["mask"] == 0
    assert mask_loss((half,), people, torch.tensor([False, False]))["mask"] == 0
    mask_loss((wrong,), people)["mask"].backward()
    assert (wrong.grad < 0).all()


def test_training_times_cover_the_path_and_lean_towards_noise():
    times = training_times(512, 3.0, torch.Generator().manual_seed(0))
    assert times.min() > 0
    assert times.max() <= 1
    assert times.median() == pytest.approx(0.75, abs=0.02)
