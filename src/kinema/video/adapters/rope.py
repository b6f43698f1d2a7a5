"""Rotary positions over any number of axes, each with its own share of the head and its own frequencies."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def axis_positions(grid: Sequence[int]) -> torch.Tensor:
    """Positions of a token grid, the first axis slowest: float [prod(grid), len(grid)]."""
    axes = [torch.arange(size, dtype=torch.float32) for size in grid]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(grid))


def split_head(head_dim: int) -> tuple[int, int, int]:
    """Shares of time, rows and columns in a head, as Wan divides it: rows and columns 2 * (d // 6) each."""
    side = 2 * (head_dim // 6)
    return head_dim - 2 * side, side, side


def rope_table(
    positions: torch.Tensor, shares: Sequence[int], theta: float = 10000.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of rotary angles.

    Args:
        positions: [N, A], one column per axis; any unit, fractions allowed.
        shares: channels of each axis, all even; their sum is the head width.
        theta: base of the frequencies.

    Returns:
        (cos, sin), each [N, sum(shares) / 2]: one angle per interleaved pair of channels.
    """
    angles = []
    for axis, share in enumerate(shares):
        frequencies = theta ** -(torch.arange(0, share, 2, dtype=torch.float64) / share)
        angles.append(positions[:, axis, None].double() * frequencies)
    angle = torch.cat(angles, dim=-1)
    return angle.cos().float(), angle.sin().float()


def apply_rope(x: torch.Tensor, table: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotates interleaved pairs of x [..., N, d] by a table ([N, d / 2], [N, d / 2])."""
    if torch.compiler.is_compiling():  # compilers fuse real products and know no complex ones
        cos, sin = (each.to(x) for each in table)
        even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)
    # One complex product passes over memory once, the real ones six times.
    turn = torch.complex(*(each.to(x.device, torch.float32) for each in table))
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)
