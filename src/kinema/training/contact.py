"""MoSA's contact constraint L_cont on 3D joints: feet that touch the floor rest on it and stay where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

FEET = (10, 11)
"""SMPL-24's feet (the balls); ankles stand several centimetres above the floor."""

HEIGHT = 0.05
"""Metres below which a slow joint is in contact (ours)."""

SPEED = 0.15
"""Metres per second below which a low joint is in contact (ours)."""

Distance = Callable[[torch.Tensor], torch.Tensor]
"""Points [..., 3] in metres -> signed distances [...] to an object's surface, negative inside."""


def contact_loss(
    joints: torch.Tensor,
    fps: float,
    *,
    reference: torch.Tensor | None = None,
    floor: float = 0.0,
    feet: Sequence[int] = FEET,
    object_distance: Distance | None = None,
    object_joints: Sequence[int] = (20, 21, 22, 23),
) -> dict[str, torch.Tensor]:
    """L_cont = sum over feet of c [relu(-h)^2 + h^2 + |v_horizontal|^2], averaged over batch and frames.

    The paper names the constraint and not its form, which is ours. c = 1 where a foot is lower than HEIGHT and slower
    than SPEED, and has no gradient: otherwise feet would learn to stay away from the floor. For an object, the same
    with its signed distance in the place of h and the whole velocity: what touches it stays where it is.

    Args:
        joints: metres, Y up, [B, T, J, 3], T at least 2.
        fps: frames per second.
        reference: joints that tell when there is contact, where these are to be like them; `joints` where None.
        floor: its height, metres.
        feet: the joints that touch the floor.
        object_distance: signed distance to an object that stands still.
        object_joints: the joints that touch it; SMPL-24's wrists and hands by default.

    Raises:
        ValueError: fewer than two frames, or another shape.
    """
    if joints.ndim != 4 or joints.shape[-1] != 3 or joints.shape[1] < 2:
        raise ValueError(f"expected joints [B, T, J, 3] with at least 2 frames, got {list(joints.shape)}")
    reference = joints if reference is None else reference

    def height(points: torch.Tensor) -> torch.Tensor:
        return points[..., 1] - floor

    loss = _touch(joints[:, :, list(feet)], reference[:, :, list(feet)], fps, height, sliding=(0, 2))
    if object_distance is not None:
        hands = list(object_joints)
        loss = loss + _touch(
            joints[:, :, hands], reference[:, :, hands], fps, object_distance, sliding=(0, 1, 2)
        )
    return {"contact": loss}


def in_contact(points: torch.Tensor, fps: float, distance: Distance) -> torch.Tensor:
    """Where points [B, T, K, 3] are near or below a surface and slow, bool [B, T, K]."""
    return (distance(points) < HEIGHT) & (velocity(points, fps).norm(dim=-1) < SPEED)


def velocity(points: torch.Tensor, fps: float) -> torch.Tensor:
    """Metres per second by central differences, one-sided at the ends, [B, T, K, 3]."""
    (change,) = torch.gradient(points, spacing=1.0 / fps, dim=1)
    return change


def _touch(
    points: torch.Tensor, reference: torch.Tensor, fps: float, distance: Distance, sliding: tuple[int, ...]
) -> torch.Tensor:
    contact = in_contact(reference.detach(), fps, distance).to(points)
    gap = distance(points)
    slip = velocity(points, fps)[..., list(sliding)].square().sum(-1)
    each = contact * (torch.relu(-gap).square() + gap.square() + slip)
    return each.sum(-1).mean()
