"""The paths' own losses against diffusers' schedulers and what published training code computes."""

import pytest
import torch
from diffusers import CogVideoXDPMScheduler, FlowMatchEulerDiscreteScheduler

from kinema.diffusion.objective import Denoising, TrainingStep
from kinema.diffusion.path import DiffusionPath, FlowPath


@pytest.fixture
def latents():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(3, 4, 2, 3, 2, generator=generator) for _ in range(3)]


def loss(path, clean, noise, prediction, time, weight=None):
    step = TrainingStep(
        samples=(),
        clean=clean,
        noise=noise,
        x=path.noisy(clean, noise, time),
        time=time,
        prediction=prediction,
        path=path,
        present={},
        tokens={},
        adapters={},
        weight=weight,
        decode=lambda latents: latents,
        generator=torch.Generator(),
    )
    return Denoising()(step)["denoising"]


def test_positions_are_weighed():
    clean, predicted = torch.zeros(1, 4, 1, 1, 2), torch.zeros(1, 4, 1, 1, 2)
    predicted[..., 1] = 1
    path, time = FlowPath("clean"), torch.tensor([0.5])
    assert loss(path, clean, clean, predicted, time) == 0.5
    weight = torch.tensor([1.0, 3.0]).view(1, 1, 1, 1, 2)
    assert loss(path, clean, clean, predicted, time, weight) == 0.75


def test_the_velocity_is_what_the_euler_scheduler_integrates(latents):
    clean, noise, _ = latents
    scheduler = FlowMatchEulerDiscreteScheduler(shift=5.0)
    scheduler.set_timesteps(4)
    path, time = FlowPath(), torch.full((3,), 0.3)
    velocity = noise - clean
    assert loss(path, clean, noise, velocity, time) == 0
    noisy = path.noisy(clean, noise, scheduler.sigmas[1])
    scheduler.set_begin_index(1)
    for timestep in scheduler.timesteps[1:]:
        noisy = scheduler.step(velocity, timestep, noisy).prev_sample
    torch.testing.assert_close(noisy, clean)
    assert loss(path, clean, noise, velocity + 0.5, time) == pytest.approx(0.25)


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
    path = DiffusionPath.of_scheduler(scheduler)
    exact = scheduler.get_velocity(clean, noise, timesteps)
    assert loss(path, clean, noise, exact, timesteps) < 1e-10

    noisy = scheduler.add_noise(clean, noise, timesteps)
    sample = scheduler.get_velocity(predicted, noisy, timesteps)  # the identity that training code uses
    a = scheduler.alphas_cumprod[timesteps]
    weighted = ((sample - clean).square().flatten(1).mean(1) / (1 - a)).mean()
    assert loss(path, clean, noise, predicted, timesteps).item() == pytest.approx(weighted.item(), rel=2e-3)


def test_v_prediction_survives_the_ends_of_the_schedule(latents):
    clean, noise, predicted = latents
    predicted.requires_grad_()
    path = DiffusionPath(torch.tensor([1.0, 0.5, 0.0]))
    value = loss(path, clean, noise, predicted, torch.tensor([2, 0, 1]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(predicted.grad).all()
