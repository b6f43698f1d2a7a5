"""Feet that stand still: contacts are pinned to the floor and the legs follow by two-bone inverse kinematics.

Closed form, about a millisecond a second of motion (ours; the usual clean-up, e.g. Kovar et al. 2002).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter1d, maximum_filter1d

from kinema.motion.body import compose, rotate
from kinema.motion.representation import Placed, Stance, place, set_rotations
from kinema.scene.skeleton import SMPL24

_STANDS = 0.5  # contact above which a foot stands
_LEAST = 3  # frames; shorter contacts are noise
_EASE = 5  # frames over which a pinned foot comes free
_LEGS = ((1, 4, 7, 10), (2, 5, 8, 11))  # hip, knee, ankle, foot
_FLOOR = {"ankle": 0.04, "foot": 0.0}
_STRETCH = 0.9995  # of the leg's length at most, so that the knee keeps its side


def clean_feet(features: torch.Tensor, stance: Stance) -> torch.Tensor:
    """A motion whose standing feet stay where they are and above the floor.

    Args:
        features: raw, [T, 122].
        stance: where it starts.

    Returns:
        Features of the same path; height and legs differ.
    """
    features = features.clone()
    placed = place(features, stance)
    features[:, 3] += torch.from_numpy(_lift(placed.joints.numpy()))
    placed = place(features, stance)
    local = placed.local.clone()
    for side, (hip, knee, ankle, foot) in enumerate(_LEGS):
        standing = placed.contacts[:, [side, 2 + side]].numpy() > _STANDS
        goal = _pinned(placed.joints[:, [ankle, foot]].numpy(), standing)
        _bend_leg(local, placed, (hip, knee, ankle), torch.from_numpy(goal))
    return set_rotations(features, local, [joint for leg in _LEGS for joint in leg[:3]])


def _lift(joints: np.ndarray) -> np.ndarray:
    """How much to raise each frame so that nothing lies under the floor, smooth in time, [T]."""
    under = np.maximum(0.0, -joints[..., 1].min(axis=-1))
    if not under.any():
        return under.astype(np.float32)
    return gaussian_filter1d(maximum_filter1d(under, 7), 2.0, mode="nearest").astype(np.float32)


def _pinned(points: np.ndarray, standing: np.ndarray) -> np.ndarray:
    """Where the ankle should be, [T, 3]: the standing one of ankle and foot stays at its mean place.

    Args:
        points: ankle and foot, [T, 2, 3].
        standing: of both, [T, 2].
    """
    shifts, weights = np.zeros_like(points[:, 0]), np.zeros(len(points))
    for which in (1, 0):  # the foot, then the ankle, which decides where both stand
        for begin, end in _runs(standing[:, which]):
            place = points[begin:end, which]
            anchor = np.median(place, axis=0)
            anchor[1] = np.maximum(anchor[1], _FLOOR["foot" if which else "ankle"])
            shift = anchor - place
            shift[:, 1] = np.maximum(0.0, _FLOOR["foot" if which else "ankle"] - place[:, 1])
            shifts[begin:end], weights[begin:end] = shift, 1.0
    eased = _eased(shifts, weights > 0)
    goal = points[:, 0] + eased
    under = np.minimum((points[:, 1] + eased)[:, 1], 0.0)
    goal[:, 1] -= under
    return goal


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """(begin, end) of the stretches of True that last long enough."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(b, e) for b, e in edges.reshape(-1, 2).tolist() if e - b >= _LEAST]


def _eased(shifts: np.ndarray, pinned: np.ndarray) -> np.ndarray:
    """Shifts that run out smoothly beside pinned frames, [T, 3]."""
    if not pinned.any():
        return shifts
    frames, known = np.arange(len(shifts)), np.flatnonzero(pinned)
    line = np.stack([np.interp(frames, known, shifts[known, axis]) for axis in range(3)], axis=1)
    away = distance_transform_edt(~pinned)
    share = np.clip(1 - away / (_EASE + 1), 0, 1)[:, None]
    between = (frames > known[0]) & (frames < known[-1])
    share = np.where(between[:, None], np.maximum(share, _bridge(pinned)[:, None]), share)
    share = share * share * (3 - 2 * share)
    return np.where(pinned[:, None], shifts, share * line).astype(np.float32)


def _bridge(pinned: np.ndarray) -> np.ndarray:
    """1 in gaps shorter than two eases, where letting go would only wobble, [T]."""
    bridged = np.zeros(len(pinned))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (~pinned).astype(int), [0]])))
    for begin, end in edges.reshape(-1, 2).tolist():
        if end - begin <= 2 * _EASE:
            bridged[begin:end] = 1.0
    return bridged


def _bend_leg(local: torch.Tensor, placed: Placed, leg: tuple[int, int, int], goal: torch.Tensor) -> None:
    """Turns hip and knee so that the ankle is at its goal, in place; the sole keeps its direction in the world."""
    hip, knee, ankle = leg
    root, middle, end = (placed.joints[:, joint] for joint in leg)
    thigh, shin = float(SMPL24.bone_lengths[knee]), float(SMPL24.bone_lengths[ankle])
    way = goal - root
    far = way.norm(dim=-1, keepdim=True)
    goal = root + way / far * far.clamp(max=_STRETCH * (thigh + shin))
    turned = _global(local, (0, hip, knee, ankle))

    # The knee first: its angle decides how far hip and ankle are apart.
    before, after = _angle(root - middle, end - middle), _corner(thigh, shin, (goal - root).norm(dim=-1))
    axis = torch.linalg.cross(end - middle, root - middle)
    straight = axis.norm(dim=-1, keepdim=True) < 1e-4
    side = rotate(turned[hip], torch.tensor([-1.0, 0.0, 0.0]).expand_as(axis))
    axis = torch.where(straight, side, axis)
    axis = axis / axis.norm(dim=-1, keepdim=True)
    bend = _about(axis, before - after)
    shifted_end = middle + rotate(bend, end - middle)
    # Then the hip, by the shortest way.
    swing = _between(shifted_end - root, goal - root)

    new_hip = compose(swing, turned[hip])
    new_knee = compose(swing, compose(bend, turned[knee]))
    local[:, hip] = compose(turned[0].mT, new_hip)
    local[:, knee] = compose(new_hip.mT, new_knee)
    local[:, ankle] = compose(new_knee.mT, turned[ankle])


def _global(local: torch.Tensor, chain: tuple[int, ...]) -> dict[int, torch.Tensor]:
    turned = {chain[0]: local[:, chain[0]]}
    for above, joint in pairwise(chain):
        turned[joint] = compose(turned[above], local[:, joint])
    return turned


def _angle(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Angle between vectors [T, 3], radians [T]."""
    return torch.atan2(torch.linalg.cross(a, b).norm(dim=-1), (a * b).sum(-1))


def _corner(a: float, b: float, c: torch.Tensor) -> torch.Tensor:
    """The angle opposite side c in a triangle of sides a, b, c, by the law of cosines."""
    return ((a * a + b * b - c * c) / (2 * a * b)).clamp(-1, 1).acos()


def _about(axis: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Rotation matrices about unit axes [T, 3] by angles [T] (Rodrigues)."""
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    return torch.eye(3) + sine * cross + (1 - cosine) * compose(cross, cross)


def _between(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The shortest rotations of directions a onto b, [T, 3] -> [T, 3, 3]."""
    axis = torch.linalg.cross(a, b)
    length = axis.norm(dim=-1, keepdim=True)
    axis = torch.where(length > 1e-9, axis / length.clamp(min=1e-9), torch.tensor([1.0, 0.0, 0.0]))
    return _about(axis, _angle(a, b))
