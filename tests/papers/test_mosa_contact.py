"""The contact term on feet whose heights and speeds are known."""

import pytest
import torch

from kinema.papers.mosa import FEET, contact_loss

FPS = 10.0


def standing(height: float = 0.0, speed: float = 0.0, frames: int = 5) -> torch.Tensor:
    """Joints [1, T, 24, 3] a metre up, the two feet at a height and sliding along x."""
    joints = torch.zeros(1, frames, 24, 3)
    joints[..., 1] = 1.0
    for foot in FEET:
        joints[:, :, foot, 1] = height
        joints[:, :, foot, 0] = speed * torch.arange(frames) / FPS
    return joints


@pytest.mark.parametrize(
    ("height", "speed", "expected"),
    [
        (0.0, 0.0, 0.0),
        (0.04, 0.0, 2 * 0.04**2),
        (-0.04, 0.0, 2 * 2 * 0.04**2),  # below the floor counts twice: penetration and gap
        (-0.3, 0.0, 2 * 2 * 0.3**2),
        (0.0, 0.1, 2 * 0.1**2),
        (0.03, 0.1, 2 * (0.03**2 + 0.1**2)),
        (0.06, 0.0, 0.0),  # in the air
        (0.0, 0.2, 0.0),  # stepping
    ],
)
def test_hand_computed_values(height, speed, expected):
    assert contact_loss(standing(height, speed), FPS)["contact"].item() == pytest.approx(expected, abs=1e-6)


def test_the_floor_may_lie_elsewhere():
    assert contact_loss(standing(1.0), FPS, floor=1.0)["contact"] == 0


def test_a_reference_says_when_there_is_contact():
    lifted = standing(0.5)
    assert contact_loss(lifted, FPS)["contact"] == 0
    assert contact_loss(lifted, FPS, reference=standing())["contact"].item() == pytest.approx(2 * 0.25)


def test_descent_puts_sliding_sunken_feet_on_the_floor():
    joints = (standing(-0.03, 0.1) + 0.001 * torch.randn(1, 5, 24, 3)).requires_grad_()
    before = contact_loss(joints, FPS)["contact"]
    optimiser = torch.optim.SGD([joints], lr=0.02)
    for _ in range(300):
        optimiser.zero_grad()
        contact_loss(joints, FPS)["contact"].backward()
        assert torch.isfinite(joints.grad).all()
        optimiser.step()
    assert contact_loss(joints, FPS)["contact"] < 0.02 * before
    assert joints[:, :, list(FEET), 1].abs().max() < 0.01


def test_hands_stay_on_an_object():
    def sphere(points: torch.Tensor) -> torch.Tensor:
        return points.norm(dim=-1) - 1.0

    joints = torch.full((1, 3, 24, 3), 5.0)
    joints[:, :, 22] = torch.tensor([1.02, 0.0, 0.0])
    loss = contact_loss(joints, FPS, object_distance=sphere)["contact"]
    assert loss.item() == pytest.approx(0.02**2, rel=1e-3)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="at least 2 frames"):
        contact_loss(torch.zeros(1, 1, 24, 3), FPS)
    with pytest.raises(ValueError, match="expected joints"):
        contact_loss(torch.zeros(4, 24, 3), FPS)
