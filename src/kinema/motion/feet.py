"""Feet that stand still: contacts are pinned to the floor and the legs follow by two-bone inverse kinematics.

Closed form, about a millisecond a second of motion (ours; the usual clean-up, e.g. Kovar et al. 2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter1d, maximum_filter1d

from kinema.motion.anatomy import Leg
from kinema.motion.body import compose, rotate
from kinema.motion.features import HEIGHT
from kinema.motion.representation import MotionRepresentation, Placed, Stance

_STANDS = 0.5  # contact above which a foot stands
_LEAST = 0.15  # seconds; shorter contacts are noise
_EASE = 0.25  # seconds in which a pinned foot comes free
_LIFT = (0.35, 0.1)  # seconds: around a lifted frame that are lifted as well, and spread of the smoothing
_STRETCH = 0.9995  # of the leg's length at most, so that the knee keeps its side


def clean_feet(features: torch.Tensor, stance: Stance, representation: MotionRepresentation) -> torch.Tensor:
    """A motion whose standing feet stay where they are and above the floor.

    Args:
        features: raw, [T, W].
        stance: where it starts.
        representation: of the features; its legs are bent, and a body without legs is lifted alone.

    Returns:
        Features of the same path; height and legs differ.
    """
    features = features.clone()
    placed = representation.place(features, stance)
    features[:, HEIGHT] += torch.from_numpy(_lift(placed.joints.numpy(), representation.fps))
    placed = representation.place(features, stance)
    local = placed.local.clone()
    for leg in representation.legs:
        points = [leg.ankle, leg.ankle if leg.toe is None else leg.toe]
        feet = [representation.feet.index(joint) for joint in points]
        goal = _pinned(
            placed.joints[:, points].numpy(),
            placed.contacts[:, feet].numpy() > _STANDS,
            [representation.floor_heights[foot] for foot in feet],
            representation,
        )
        _bend_leg(local, placed, leg, torch.from_numpy(goal), representation)
    bent = [joint for leg in representation.legs for joint in (leg.hip, leg.knee, leg.ankle)]
    return representation.set_rotations(
        features, local, [joint for joint in bent if joint in representation.turned]
    )


def _lift(joints: np.ndarray, fps: float) -> np.ndarray:
    """How much to raise each frame so that nothing lies under the floor, smooth in time, [T]."""
    under = np.maximum(0.0, -joints[..., 1].min(axis=-1))
    if not under.any():
        return under.astype(np.float32)
    around, spread = max(1, round(_LIFT[0] * fps)), _LIFT[1] * fps
    return gaussian_filter1d(maximum_filter1d(under, around), spread, mode="nearest").astype(np.float32)


def _pinned(
    points: np.ndarray,
    standing: np.ndarray,
    floor: Sequence[float],
    representation: MotionRepresentation,
) -> np.ndarray:
    """Where the ankle should be, [T, 3]: the standing one of ankle and foot stays at its mean place.

    Args:
        points: ankle and foot, [T, 2, 3].
        standing: of both, [T, 2].
        floor: least height of both, metres.
        representation: for its frame rate.
    """
    shifts, weights = np.zeros_like(points[:, 0]), np.zeros(len(points))
    for which in (1, 0):  # the foot, then the ankle, which decides where both stand
        for begin, end in _runs(standing[:, which], representation.frames_in(_LEAST)):
            place = points[begin:end, which]
            anchor = np.median(place, axis=0)
            anchor[1] = np.maximum(anchor[1], floor[which])
            shift = anchor - place
            shift[:, 1] = np.maximum(0.0, floor[which] - place[:, 1])
            shifts[begin:end], weights[begin:end] = shift, 1.0
    eased = _eased(shifts, weights > 0, representation.frames_in(_EASE))
    goal = points[:, 0] + eased
    under = np.minimum((points[:, 1] + eased)[:, 1], 0.0)
    goal[:, 1] -= under
    return goal


def _runs(flags: np.ndarray, least: int) -> list[tuple[int, int]]:
    """(begin, end) of the stretches of True that last at least so many frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(b, e) for b, e in edges.reshape(-1, 2).tolist() if e - b >= least]


def _eased(shifts: np.ndarray, pinned: np.ndarray, ease: int) -> np.ndarray:
    """Shifts that run out smoothly within `ease` frames beside pinned ones, [T, 3]."""
    if not pinned.any():
        return shifts
    frames, known = np.arange(len(shifts)), np.flatnonzero(pinned)
    line = np.stack([np.interp(frames, known, shifts[known, axis]) for axis in range(3)], axis=1)
    away = distance_transform_edt(~pinned)
    share = np.clip(1 - away / (ease + 1), 0, 1)[:, None]
    between = (frames > known[0]) & (frames < known[-1])
    share = np.where(between[:, None], np.maximum(share, _bridge(pinned, ease)[:, None]), share)
    share = share * share * (3 - 2 * share)
    return np.where(pinned[:, None], shifts, share * line).astype(np.float32)


def _bridge(pinned: np.ndarray, ease: int) -> np.ndarray:
    """1 in gaps shorter than two eases, where letting go would only wobble, [T]."""
    bridged = np.zeros(len(pinned))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (~pinned).astype(int), [0]])))
    for begin, end in edges.reshape(-1, 2).tolist():
        if end - begin <= 2 * ease:
            bridged[begin:end] = 1.0
    return bridged


def _bend_leg(
    local: torch.Tensor, placed: Placed, leg: Leg, goal: torch.Tensor, representation: MotionRepresentation
) -> None:
    """Turns hip and knee so that the ankle is at its goal, in place; the sole keeps its direction in the world."""
    tree, hip, knee, ankle = representation.skeleton, leg.hip, leg.knee, leg.ankle
    root, middle, end = (placed.joints[:, joint] for joint in (hip, knee, ankle))
    thigh, shin = float(tree.bone_lengths[knee]), float(tree.bone_lengths[ankle])
    way = goal - root
    far = way.norm(dim=-1, keepdim=True)
    goal = root + way / far * far.clamp(max=_STRETCH * (thigh + shin))
    above = [hip]
    while above[0] != tree.root:
        above.insert(0, tree.parents[above[0]])
    turned = _global(local, (*above, knee, ankle))

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
    local[:, hip] = compose(turned[tree.parents[hip]].mT, new_hip)
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
