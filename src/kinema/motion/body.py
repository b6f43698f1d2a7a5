"""Bodies of learned motion in torch: rotations, and forward kinematics of a joint tree with fixed bones.

Rotations are 6D, the first two columns of the matrix (Zhou et al. 2019, "On the Continuity of Rotation
Representations"); joints come out of forward kinematics, so bone lengths hold by construction.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from kinema.scene.skeleton import Skeleton


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


class Kinematics:
    """Forward kinematics of a joint tree, level by level.

    Args:
        skeleton: any tree; its rest pose gives the bones.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self.joints = len(skeleton)
        self.root = skeleton.root
        self._offsets = torch.from_numpy(skeleton.offsets.copy()).float()
        self._offsets[self.root] = 0.0
        depth = [0] * self.joints
        for joint in skeleton.order[1:]:
            depth[joint] = depth[skeleton.parents[joint]] + 1
        above, by_depth = [self.root], [self.root]
        self._levels: list[
            tuple[list[int], list[int]]
        ] = []  # joints, and where their parents are in the level above
        for level in range(1, max(depth) + 1):
            joints = [joint for joint in range(self.joints) if depth[joint] == level]
            self._levels.append((joints, [above.index(skeleton.parents[joint]) for joint in joints]))
            by_depth += joints
            above = joints
        self._in_order = torch.tensor(by_depth).argsort()

    def __call__(self, local: torch.Tensor, root: torch.Tensor) -> torch.Tensor:
        """Where the joints are.

        Args:
            local: rotation of each joint relative to its parent, the root's in the world, [..., J, 3, 3].
            root: position of the root, metres, [..., 3].

        Returns:
            Joint positions, metres, [..., J, 3].
        """
        offsets = self._offsets.to(local)
        turn, place = local[..., self.root : self.root + 1, :, :], root.unsqueeze(-2)
        placed = [place]
        for joints, parents in self._levels:
            turn, place = turn[..., parents, :, :], place[..., parents, :]
            place = place + rotate(turn, offsets[joints])
            turn = compose(turn, local[..., joints, :, :])
            placed.append(place)
        return torch.cat(placed, dim=-2)[..., self._in_order, :]
