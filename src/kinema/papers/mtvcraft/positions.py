"""4D positions of motion tokens (MTVCraft's "4D RoPE"): a latent frame and a place in space for every joint.

Space is the mean skeleton of the data set, in millimetres, the same for every frame and person. The other variants
are those of the paper's ablation (FVD: full 317, dynamic 383, learnable 398, time 458, none 548), and one of ours,
`picture`: where the camera sees each joint, in video tokens, so that near in the picture is near for attention. A
network of a few million parameters does not learn from its few samples how millimetres become places in a picture.
"""

from __future__ import annotations

from typing import Literal

import torch

from kinema.video.adapters.rope import axis_positions, rope_table, split_head

Form = Literal["cogvideox", "wan", "wan_published"]
Variant = Literal["full", "dynamic", "learnable", "time", "none", "picture"]
RopeTable = tuple[torch.Tensor, torch.Tensor]

_TURNING_AXES = {"full": 4, "dynamic": 4, "learnable": 4, "time": 1, "none": 0, "picture": 4}


def head_shares(form: Form, head_dim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How a head is divided among the axes: (t, row, column) of video tokens and (t, x, y, z) of motion tokens.

    Video tokens are divided as the backbone itself divides them: 16/24/24 of 64 in CogVideoX, 44/42/42 of 128 in Wan.
    Motion tokens have the same share of time, the rest goes to x, y, z in even parts: 16/16/16/16 and 44/28/28/28. For
    heads of other widths the parts may differ by 2, x first (ours).
    """
    if form == "cogvideox":
        side = 2 * (3 * head_dim // 16)
        video = (head_dim - 2 * side, side, side)
    else:
        video = split_head(head_dim)
    pairs = (head_dim - video[0]) // 2
    space = tuple(2 * ((pairs + 2 - axis) // 3) for axis in range(3))
    return video, (video[0], *space)


def video_table(grid: tuple[int, int, int], shares: tuple[int, ...], variant: Variant) -> RopeTable:
    """Rotary table of video tokens at their plain indices on the grid, [f * h * w, d / 2] each.

    Without positions in space among the keys there is nothing for rows and columns to meet: they turn no further than
    the variant's axes (ours; the paper does not say).
    """
    return rope_table(axis_positions(grid) * _turning(3, variant), shares)


def motion_table(frames: int, space: torch.Tensor, shares: tuple[int, ...], variant: Variant) -> RopeTable:
    """Rotary table of motion tokens, row = latent frame * 24 + joint.

    Args:
        frames: latent frames f.
        space: place of each joint in millimetres, [24, 3], or [B, f, 24, 3] where every sample has its own (`dynamic`);
            for `picture` its row and column in video tokens, [B, f, 24, 2].
        shares: of t, x, y, z; for `picture` those of video tokens.
        variant: which axes turn.

    Returns:
        (cos, sin), each [f * 24, d / 2], or [B, 1, f * 24, d / 2] per sample.
    """
    joints, axes = space.shape[-2:]
    batched = space.expand(*space.shape[:-3], frames, joints, axes).flatten(-3, -2)
    time = torch.arange(frames, device=space.device).repeat_interleave(joints)
    time = time[:, None].to(space).expand(*batched.shape[:-1], 1)
    positions = torch.cat([time, batched], dim=-1) * _turning(1 + axes, variant).to(space)
    table = rope_table(positions.flatten(0, -2), shares)
    if positions.ndim == 2:
        return table
    cos, sin = (each.unflatten(0, positions.shape[:2]).unsqueeze(1) for each in table)
    return cos, sin


def around_centre(joints_mm: torch.Tensor) -> torch.Tensor:
    """Joints [..., 24, 3] minus their mean over joints."""
    return joints_mm - joints_mm.mean(dim=-2, keepdim=True)


def _turning(axes: int, variant: Variant) -> torch.Tensor:
    """1 for the axes that turn, 0 for the others: the first `n` of them, time before space."""
    return (torch.arange(axes) < _TURNING_AXES[variant]).float()
