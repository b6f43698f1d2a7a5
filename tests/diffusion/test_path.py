"""Paths against each other, against diffusers' schedulers, and as one code for all families."""

import pytest
import torch
from diffusers import (
    CogVideoXDDIMScheduler,
    EDMEulerScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)
from hypothesis import given
from hypothesis import strategies as st

from kinema.diffusion.loop import EulerSolver, denoise
from kinema.diffusion.path import (
    DiffusionPath,
    DiscreteTimes,
    FlowPath,
    LogitNormalTimes,
    ShiftedTimes,
    flow_times,
)
from kinema.diffusion.schedulers import SchedulerSolver, scheduler_path

CLEAN, NOISE = torch.randn(2, 2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
SCHEDULER = CogVideoXDDIMScheduler(
    prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing"
)
PATHS = [FlowPath(kind) for kind in ("clean", "velocity", "noise")] + [
    DiffusionPath(SCHEDULER.alphas_cumprod, kind) for kind in ("clean", "velocity", "noise")
]


def times(path, low=0.1, high=0.9):
    t = torch.tensor([low, high])
    return t if isinstance(path, FlowPath) else (1000 * t).long()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{type(path).__name__}-{path.prediction}")
def test_the_target_means_the_clean_sample_and_back(path):
    t = times(path)
    x = path.noisy(CLEAN, NOISE, t)
    target = path.target(CLEAN, NOISE, t)
    assert torch.allclose(path.clean(target, x, t), CLEAN, atol=2e-5)
    assert torch.allclose(path.from_clean(CLEAN, x, t), target, atol=2e-5)


def test_the_diffusion_is_diffusers_own_and_its_end_is_noise_alone():
    path, t = DiffusionPath.of_scheduler(SCHEDULER), torch.tensor([17, 999])
    assert path.prediction == "velocity"
    assert torch.equal(path.noisy(CLEAN, NOISE, t), SCHEDULER.add_noise(CLEAN, NOISE, t))
    assert torch.equal(path.noisy(CLEAN, NOISE, t)[1], NOISE[1])
    assert torch.allclose(path.target(CLEAN, NOISE, t), SCHEDULER.get_velocity(CLEAN, NOISE, t), atol=1e-6)


def test_a_scheduler_tells_its_path():
    flow = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    assert scheduler_path(flow) == FlowPath("velocity")
    assert isinstance(scheduler_path(SCHEDULER), DiffusionPath)


@pytest.mark.parametrize("path", [FlowPath("clean"), FlowPath("velocity")])
@pytest.mark.parametrize("steps", [1, 3, 10])
def test_a_perfect_network_gives_the_sample_in_any_number_of_steps(path, steps):
    made = denoise(NOISE, EulerSolver(steps, 3.0, path), lambda x, step: path.target(CLEAN, NOISE, step.time))
    assert torch.allclose(made, CLEAN, atol=1e-5)


@pytest.mark.parametrize(
    "scheduler",
    [
        SCHEDULER,
        UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
        FlowMatchEulerDiscreteScheduler(shift=5.0),
    ],
    ids=["cogvideox", "wan", "euler"],
)
def test_schedulers_of_diffusers_are_solvers_of_the_same_loop(scheduler):
    solver = SchedulerSolver(
        scheduler, 10, shift=None, generator=torch.Generator(), device=torch.device("cpu")
    )
    seen = []

    def predict(x, step):
        seen.append((x, solver.noised(CLEAN, NOISE, step.index)))
        return solver.path.target(CLEAN, NOISE, step.time)

    made = denoise(NOISE, solver, predict)
    assert torch.allclose(made, CLEAN, atol=1e-3)
    assert all(torch.allclose(x, expected, atol=1e-3) for x, expected in seen)


def test_samples_stay_on_the_path_of_training():
    solver, path = EulerSolver(5, 2.0), FlowPath("clean")
    seen = []

    def predict(x, step):
        seen.append((x, step.time))
        return CLEAN

    denoise(NOISE, solver, predict)
    assert all(torch.allclose(x, path.noisy(CLEAN, NOISE, t), atol=1e-5) for x, t in seen)


@pytest.mark.parametrize("path", [FlowPath("clean"), FlowPath("velocity")])
def test_clean_samples_can_be_edited_whatever_the_network_predicts(path):
    def known(clean, step):
        return torch.cat([torch.full_like(clean[:, :, :1], 7.0), clean[:, :, 1:]], dim=2)

    made = denoise(
        NOISE,
        EulerSolver(4, path=path),
        lambda x, step: path.target(CLEAN, NOISE, step.time),
        edit_clean=known,
    )
    assert torch.allclose(made[:, :, :1], torch.full_like(made[:, :, :1], 7.0), atol=1e-4)
    assert torch.allclose(made[:, :, 1:], CLEAN[:, :, 1:], atol=1e-4)


def test_nan_stops_with_a_message():
    with pytest.raises(FloatingPointError, match="step 2 of 3"):
        denoise(torch.zeros(1), EulerSolver(3), lambda x, step: x / 0 if step.t < 1 else x)


@given(steps=st.integers(1, 60), shift=st.floats(0.5, 8))
def test_times_fall_from_one_to_zero(steps, shift):
    drawn = flow_times(steps, shift)
    assert drawn[0] == pytest.approx(1)
    assert drawn[-1] == 0
    assert (drawn.diff() < 0).all()


def test_no_steps_is_an_error():
    with pytest.raises(ValueError, match="at least one step"):
        flow_times(0, 1.0)


def test_times_of_training_lie_on_their_path_and_repeat_by_seed():
    for drawn in (ShiftedTimes(10.0), LogitNormalTimes(shift=3.0), DiscreteTimes(1000)):
        first, again = (drawn.draw(512, torch.Generator().manual_seed(1)) for _ in range(2))
        assert torch.equal(first, again)
        assert first.shape == (512,)
        if isinstance(drawn, DiscreteTimes):
            assert 0 <= first.min() < 50
            assert 950 < first.max() <= 999
        else:
            assert 0 < first.min() < first.max() <= 1
            assert first.median() > 0.7  # both are shifted towards the noise


def test_what_has_no_path_is_said():
    with pytest.raises(ValueError, match="EDMEulerScheduler steps along no path that is known here"):
        scheduler_path(EDMEulerScheduler())


@pytest.mark.parametrize("shift", [0.0, -1.0, float("nan"), float("inf")])
def test_a_shift_is_above_zero(shift):
    for make in (
        ShiftedTimes,
        lambda shift: LogitNormalTimes(shift=shift),
        lambda shift: EulerSolver(2, shift),
    ):
        with pytest.raises(ValueError, match="a shift of times is a number above 0"):
            make(shift)


def test_a_sampler_begins_at_a_step_that_there_is():
    solver = EulerSolver(2)
    assert solver.steps(2) == []
    for first in (-1, 3):
        with pytest.raises(ValueError, match=f"sampling cannot begin at step {first} of 2"):
            denoise(NOISE, solver, lambda x, step: x, start=(NOISE, first))
        with pytest.raises(ValueError, match=f"sampling cannot begin at step {first} of 2"):
            solver.noised(CLEAN, NOISE, first)


def test_predicted_noise_means_nothing_at_pure_noise():
    with pytest.raises(ValueError, match="says nothing of the sample at t = 1"):
        EulerSolver(2, path=FlowPath("noise"))
    made = denoise(NOISE, EulerSolver.between([0.9, 0.0], FlowPath("noise")), lambda x, step: x)
    assert torch.isfinite(made).all()
