"""The neutral body of learned motion: SMPL-24 with fixed bones, in torch.

Rotations are 6D, the first two columns of the matrix (Zhou et al. 2019, "On the Continuity of Rotation
Representations"); joints come out of forward kinematics, so bone lengths hold by construction.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from kinema.scene.skeleton import SMPL24

ENDS = (10, 11, 15, 22, 23)
"""Feet, head and hands: ends of the tree, whose rotation moves no joint. They are not represented."""

TURNED = tuple(joint for joint in range(1, 24) if joint not in ENDS)
"""The 18 joints whose local rotation is represented; the pelvis has its own place."""

FEET = (7, 8, 10, 11)
"""Left and right ankle, left and right foot: what stands on the floor."""

_OFFSETS = torch.from_numpy(SMPL24.offsets.copy()).float()
_OFFSETS[0] = 0.0


def _levels() -> list[tuple[list[int], list[int]]]:
    """Joints by depth below the root, each level with its parents."""
    depth = [0] * 24
    for joint in range(1, 24):
        depth[joint] = depth[SMPL24.parents[joint]] + 1
    levels = []
    for level in range(1, max(depth) + 1):
        joints = [joint for joint in range(24) if depth[joint] == level]
        levels.append((joints, [SMPL24.parents[joint] for joint in joints]))
    return levels


_LEVELS = _levels()
_BY_DEPTH = [0] + [joint for joints, _ in _LEVELS for joint in joints]
_PLACE = {joint: place for place, joint in enumerate(_BY_DEPTH)}
_CANONICAL = torch.tensor([_PLACE[joint] for joint in range(24)])


def matrices_from_6d(six: torch.Tensor) -> torch.Tensor:
    """Rotation matrices [..., 3, 3] of 6D rotations [..., 6] by Gram-Schmidt; any numbers are legal."""
    first = functional.normalize(six[..., :3], dim=-1)
    second = six[..., 3:] - (first * six[..., 3:]).sum(-1, keepdim=True) * first
    second = functional.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def matrices_to_6d(matrices: torch.Tensor) -> torch.Tensor:
    """The first two columns of rotation matrices, [..., 3, 3] -> [..., 6]."""
    return torch.cat([matrices[..., 0], matrices[..., 1]], dim=-1)


def matrices_from_quaternions(quaternions: np.ndarray) -> torch.Tensor:
    """Rotation matrices of unit quaternions wxyz, [..., 4] -> float32 [..., 3, 3]."""
    w, x, y, z = torch.from_numpy(np.array(quaternions, dtype=np.float32)).unbind(-1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], dim=-1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], dim=-1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], dim=-1),
    ]
    return torch.stack(rows, dim=-2)


def matrices_to_quaternions(matrices: torch.Tensor) -> np.ndarray:
    """Unit quaternions wxyz of rotation matrices, [..., 3, 3] -> float64 [..., 4].

    Shepperd's method (1978): of four formulas, each by its own component, the one that divides by the largest.
    """
    m = matrices.detach().double().cpu().numpy()
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, yz, zx = m[..., 1, 0] + m[..., 0, 1], m[..., 2, 1] + m[..., 1, 2], m[..., 0, 2] + m[..., 2, 0]
    rows = [
        np.stack([1 + xx + yy + zz, wx, wy, wz], axis=-1),
        np.stack([wx, 1 + xx - yy - zz, xy, zx], axis=-1),
        np.stack([wy, xy, 1 - xx + yy - zz, yz], axis=-1),
        np.stack([wz, zx, yz, 1 - xx - yy + zz], axis=-1),
    ]
    table = np.stack(rows, axis=-2)
    best = np.einsum("...ii->...i", table).argmax(axis=-1)
    chosen = np.take_along_axis(table, best[..., None, None], axis=-2)[..., 0, :]
    return chosen / np.linalg.norm(chosen, axis=-1, keepdims=True)


def turn_y(angle: torch.Tensor) -> torch.Tensor:
    """Rotation matrices about +Y by `angle` radians, [...] -> [..., 3, 3]; a quarter turn takes +Z to +X."""
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    one = torch.ones_like(angle)
    rows = [
        torch.stack([cosine, zero, sine], dim=-1),
        torch.stack([zero, one, zero], dim=-1),
        torch.stack([-sine, zero, cosine], dim=-1),
    ]
    return torch.stack(rows, dim=-2)


def compose(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The matrix product, [..., 3, 3]: written out, because batched 3x3 products are slow on CPUs."""
    return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)


def rotate(matrices: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Vectors [..., 3] turned by matrices [..., 3, 3]."""
    return (matrices * vectors.unsqueeze(-2)).sum(-1)


def forward_kinematics(local: torch.Tensor, root: torch.Tensor) -> torch.Tensor:
    """Where the joints of the neutral body are.

    Args:
        local: rotation of each joint relative to its parent, the pelvis' in the world, [..., 24, 3, 3].
        root: position of the pelvis, metres, [..., 3].

    Returns:
        Joint positions, metres, [..., 24, 3].
    """
    offsets = _OFFSETS.to(local)
    turned, placed = [local[..., :1, :, :]], [root.unsqueeze(-2)]
    above = [0]
    for joints, parents in _LEVELS:
        rows = [above.index(parent) for parent in parents]
        turn, place = turned[-1][..., rows, :, :], placed[-1][..., rows, :]
        placed.append(place + rotate(turn, offsets[joints]))
        turned.append(compose(turn, local[..., joints, :, :]))
        above = joints
    return torch.cat(placed, dim=-2)[..., _CANONICAL, :]
