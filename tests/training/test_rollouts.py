"""Training steps that begin with what the model has drawn."""

import pytest
import torch

from kinema.diffusion.path import FlowPath
from kinema.training.rollouts import Rollouts, roll_out

SHAPE = (2, 3, 2, 4, 4)


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def test_times_fall_from_noise_to_a_drawn_end_with_a_second_pass_where_that_is_far():
    generator = torch.Generator().manual_seed(0)
    drawn = [Rollouts(1.0, 2.5).times(generator) for _ in range(300)]
    ends = torch.stack([times[-1] for times in drawn])
    assert 0.3 <= ends.min() < 0.32
    assert 0.88 < ends.max() <= 0.9
    assert {len(times) - 1 for times in drawn} == {1, 2}
    for times in drawn:
        assert times[0] == 1
        steps = times[:-1] - times[1:]
        assert (steps > 0).all()
        assert (steps[1:] <= 0.3 + 1e-6).all()


def test_one_pass_puts_the_guided_drawing_under_the_same_noise():
    drawn, plain = noise(1), noise(2)
    seen = []

    def predict(x, t, posed):
        seen.append((x.clone(), t.tolist(), posed))
        return drawn if posed else plain

    made = roll_out(noise(), torch.tensor([1.0, 0.6]), predict, pose=2.5)
    expected = FlowPath("clean").noisy(plain + 2.5 * (drawn - plain), noise(), torch.tensor([0.6, 0.6]))
    torch.testing.assert_close(made, expected)
    assert [(times, posed) for _, times, posed in seen] == [([1.0, 1.0], False), ([1.0, 1.0], True)]
    assert all(torch.equal(x, noise()) for x, _, _ in seen)


def test_later_passes_see_what_earlier_ones_have_drawn():
    def predict(x, t, posed):
        return 0.5 * x

    made = roll_out(noise(), torch.tensor([1.0, 0.5, 0.25]), predict, pose=1.0)
    halfway = 0.75 * noise()  # 0.5 x + 0.5 (x - 0.5 x)
    torch.testing.assert_close(made, 0.75 * halfway)


def test_without_guidance_there_are_no_passes_without_the_pose():
    asked = []

    def predict(x, t, posed):
        asked.append(posed)
        return x

    roll_out(noise(), torch.tensor([1.0, 0.7, 0.4]), predict, pose=1.0)
    assert asked == [True, True]


def test_no_gradient_passes_through_a_rollout():
    weight = torch.ones(1, requires_grad=True)
    made = roll_out(noise(), torch.tensor([1.0, 0.5]), lambda x, t, posed: weight * x, pose=2.0)
    assert not made.requires_grad


def test_a_share_is_a_share():
    with pytest.raises(ValueError, match=r"from 0 to 1, not 1\.5"):
        Rollouts(1.5, 2.5)
