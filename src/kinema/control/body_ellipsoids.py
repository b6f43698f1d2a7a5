"""A body as some hundred ellipsoids on SMPL-24 joints, as thick as people are (ours); how cameras see them.

Sizes are metres on SMPL-24's rest pose; a person who is taller or smaller than that is so in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kinema.scene.camera import NEAR, CameraPath
from kinema.scene.skeleton import SMPL24

_LOWERED = np.radians(72.0)  # arms that hang, from a T-pose
_ARMS = ((16, (18, 20, 22), -1.0), (17, (19, 21, 23), 1.0))
_CHAIN = ((15, 12), (12, 9), (9, 6), (6, 3), (3, 0), (1, 4), (4, 7))  # from the head to an ankle


@dataclass(frozen=True)
class _Limb:
    """Ellipsoids in a row from one joint towards another: `count` of them, from `near` to `far` metres thick (radius),
    the row `reach` times as long as the bone."""

    joints: tuple[int, int]
    near: float
    far: float
    count: int
    reach: float = 1.0


_LIMBS = (
    *(_Limb(bone, 0.094, 0.068, 7) for bone in ((1, 4), (2, 5))),
    *(_Limb(bone, 0.064, 0.046, 7) for bone in ((4, 7), (5, 8))),
    *(_Limb(bone, 0.050, 0.050, 2, 1.35) for bone in ((7, 10), (8, 11))),
    *(_Limb(bone, 0.068, 0.062, 2) for bone in ((13, 16), (14, 17))),
    *(_Limb(bone, 0.059, 0.048, 5) for bone in ((16, 18), (17, 19))),
    *(_Limb(bone, 0.046, 0.035, 5) for bone in ((18, 20), (19, 21))),
    *(_Limb(bone, 0.040, 0.037, 1, 2.0) for bone in ((20, 22), (21, 23))),
    _Limb((12, 15), 0.061, 0.055, 1),
)
_TRUNK = (  # joints in whose middle a cross-section lies; its half width and depth in metres
    ((1, 2), 0.185, 0.119),
    ((0,), 0.182, 0.116),
    ((0, 3), 0.163, 0.110),
    ((3,), 0.154, 0.110),
    ((6,), 0.160, 0.119),
    ((9,), 0.171, 0.123),
    ((9, 16, 17), 0.178, 0.116),
    ((16, 17), 0.165, 0.094),
)
_SLICES = 32
"""Ellipsoids that the trunk is cut into, between these cross-sections;"""
_SLICE = 0.028
"""half as high as each is, metres;"""
_PANEL = np.array([0.4, 1.0, 0.25])
"""as wide, high and deep as what each has in front, in its own sizes,"""
_AHEAD = 0.8
"""and how far ahead that lies."""
_BLEND = np.maximum(1 - np.abs(np.linspace(0, len(_TRUNK) - 1, _SLICES)[:, None] - np.arange(len(_TRUNK))), 0)
_HEAD = (  # from the head's joint: metres up and forward; half width, height and depth
    (0.105, -0.030, 0.088, 0.115, 0.085),
    (0.185, -0.005, 0.070, 0.048, 0.085),
    (0.085, 0.032, 0.066, 0.085, 0.070),
)
_SKIRT = tuple(
    (share, 0.185 + 0.065 * share, 0.10 + 0.09 * share) for share in (0.15, 0.35, 0.55, 0.75, 0.95, 1.15)
)
"""Slices of a wide garment: how far down from the hips to the knees, half width and depth."""
_ENDS = np.cumsum([0, sum(limb.count for limb in _LIMBS), _SLICES, _SLICES, len(_HEAD), len(_SKIRT)]).tolist()
LIMBS, TRUNK, FRONT, HEAD, SKIRT = (slice(*ends) for ends in pairwise(_ENDS))
"""Which ellipsoids are which: arms, legs and neck; slices of the trunk, and as many of what it has in front; back, top
and face of the head; slices of a wide garment, which not everybody wears."""
HANDS = slice(LIMBS.stop - 3, LIMBS.stop - 1)
PIECES = SKIRT.stop


def _mirrored() -> np.ndarray:
    """For each ellipsoid the same one of the other side; itself where there is none."""
    other = np.arange(PIECES)
    start = 0
    for left, right in zip(_LIMBS[:-1:2], _LIMBS[1:-1:2], strict=True):
        ours, theirs = start + np.arange(left.count), start + left.count + np.arange(right.count)
        other[ours], other[theirs] = theirs, ours
        start += left.count + right.count
    return other


OTHER_SIDE = _mirrored()
"""For each ellipsoid its number on the other side of the body."""


def standing_joints(motion: np.ndarray, facing: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Somebody standing relaxed where their motion starts, SMPL-24, metres, [N, 24, 3].

    Args:
        motion: SMPL-24 joints, metres, [T, 24, 3], NaN where missing; bones are as long as there (median).
        facing: the point [3] that the person looks at,
        turns: and N angles to their left from there, radians.

    Returns:
        NaN everywhere for a person whose pelvis is never there.
    """
    there = motion[np.isfinite(motion[:, 0]).all(-1)]
    if not len(there):
        return np.full((len(turns), 24, 3), np.nan)
    rest = SMPL24.rest.copy()
    for shoulder, arm, side in _ARMS:
        cos, sin = np.cos(_LOWERED), side * np.sin(_LOWERED)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        rest[list(arm)] = rest[shoulder] + (rest[list(arm)] - rest[shoulder]) @ turn.T
    joints = np.zeros((24, 3))
    for joint in SMPL24.order[1:]:
        parent = SMPL24.parents[joint]
        bone = rest[joint] - rest[parent]
        joints[joint] = joints[parent] + bone * (_bone(motion, joint, parent) / np.linalg.norm(bone))
    joints[:, 1] -= joints[:, 1].min()
    towards = np.asarray(facing) - there[0, 0]
    angle = np.arctan2(towards[0], towards[2]) + turns
    turn = np.zeros((len(turns), 3, 3))
    turn[:, 0, 0] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 0, 2], turn[:, 2, 0], turn[:, 1, 1] = np.sin(angle), -np.sin(angle), 1.0
    return np.einsum("nij,kj->nki", turn, joints) + there[0, 0] * [1.0, 0.0, 1.0]


def _bone(motion: np.ndarray, joint: int, parent: int) -> float:
    """Median length of a bone, that of the rest pose where it is never there."""
    lengths = np.linalg.norm(motion[:, joint] - motion[:, parent], axis=-1)
    known = lengths[np.isfinite(lengths)]
    rest = np.linalg.norm(SMPL24.rest[joint] - SMPL24.rest[parent])
    return float(np.median(known) if len(known) else rest)


def stature(motion: np.ndarray) -> float:
    """How tall somebody is beside SMPL-24's rest pose, measured along the bones from head to ankle.

    Args:
        motion: SMPL-24 joints, metres, [T, 24, 3], NaN where missing.
    """
    own = sum(float(np.linalg.norm(SMPL24.rest[a] - SMPL24.rest[b])) for a, b in _CHAIN)
    return sum(_bone(motion, a, b) for a, b in _CHAIN) / own


def ellipsoids(joints: np.ndarray, stature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ellipsoids of bodies: what everybody has, then slices of a skirt.

    Args:
        joints: SMPL-24, metres, [T, P, 24, 3]; NaN where missing.
        stature: of each, see `stature`, [P].

    Returns:
        centres [T, P, K, 3] and their spread, the sum over the semi-axes of a aᵀ, [T, P, K, 3, 3]; NaN where a joint is
        missing.
    """
    tall = stature[:, None]
    bodies = (
        _arms_and_legs(joints, tall),
        *_trunk(joints, tall),
        _head(joints, tall),
        _skirt(joints, tall),
    )
    centres, spreads = zip(*bodies, strict=True)
    return np.concatenate(centres, axis=2), np.concatenate(spreads, axis=2)


_Pieces = tuple[np.ndarray, np.ndarray]
"""Centres [T, P, k, 3] and spreads [T, P, k, 3, 3]."""


def _arms_and_legs(joints: np.ndarray, tall: np.ndarray) -> _Pieces:
    centres, spreads = [], []
    for limb in _LIMBS:
        start, end = joints[..., limb.joints[0], :], joints[..., limb.joints[1], :]
        bone = (end - start) * limb.reach
        outer = _unit(bone)[..., :, None] * _unit(bone)[..., None, :]
        for k in range(limb.count):
            share = (k + 0.5) / limb.count
            radius = tall * (limb.near + share * (limb.far - limb.near))
            length = np.linalg.norm(bone, axis=-1, keepdims=True) / (2 * limb.count) + 0.4 * radius
            across = (radius**2)[..., None]
            centres.append(start + share * bone)
            spreads.append(((length**2)[..., None] - across) * outer + across * np.eye(3))
    return np.stack(centres, axis=2), np.stack(spreads, axis=2)


def _trunk(joints: np.ndarray, tall: np.ndarray) -> tuple[_Pieces, _Pieces]:
    """Slices, and what they have in front."""
    sections = np.stack([joints[..., list(at), :].mean(-2) for at, *_ in _TRUNK], axis=2)
    middle = _BLEND @ sections
    hips, shoulders = (_unit(joints[..., a, :] - joints[..., b, :]) for a, b in ((1, 2), (16, 17)))
    share = np.linspace(0, 1, _SLICES)[:, None]
    left = (1 - share) * hips[..., None, :] + share * shoulders[..., None, :]
    up = np.gradient(middle, axis=2)
    width, depth = (_BLEND @ np.array([row[k] for row in _TRUNK]) for k in (1, 2))
    sizes = np.stack([width, np.full_like(width, _SLICE), depth], axis=-1) * tall[..., None]
    axes = _axes(left, up)
    panel = middle + _AHEAD * sizes[..., 2:] * axes[..., 2, :]
    return (middle, _spread(axes, sizes)), (panel, _spread(axes, sizes * _PANEL))


def _head(joints: np.ndarray, tall: np.ndarray) -> _Pieces:
    up = _unit(joints[..., 15, :] - joints[..., 12, :])
    axes = _axes(_level(joints[..., 16, :] - joints[..., 17, :], up), up)[..., None, :, :]
    rise, ahead, *sizes = np.array(_HEAD).T[..., None] * tall[..., 0]
    offset = rise.T[..., None] * axes[..., 1, :] + ahead.T[..., None] * axes[..., 2, :]
    return joints[..., 15:16, :] + offset, _spread(axes, np.stack(sizes, axis=-1).swapaxes(0, 1))


def _skirt(joints: np.ndarray, tall: np.ndarray) -> _Pieces:
    waist, knees = joints[..., [1, 2], :].mean(-2), joints[..., [4, 5], :].mean(-2)
    fall = (knees - waist)[..., None, :]
    share, width, depth = np.array(_SKIRT).T
    sizes = np.stack([width, np.full_like(width, 0.06), depth], axis=-1) * tall[..., None]
    axes = _axes((joints[..., 1, :] - joints[..., 2, :])[..., None, :], -fall)
    return waist[..., None, :] + share[:, None] * fall, _spread(axes, sizes)


def _axes(left: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Directions to the left, straight up from there, and forward, [..., 3, 3]."""
    left, up = np.broadcast_arrays(_unit(left), up)
    straight = _unit(up - (up * left).sum(-1, keepdims=True) * left)
    return np.stack([left, straight, np.cross(left, straight)], axis=-2)


def _level(across: np.ndarray, up: np.ndarray) -> np.ndarray:
    """A direction without what points up."""
    return across - (across * up).sum(-1, keepdims=True) * up


def _spread(axes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Spread of ellipsoids with semi-axes of these directions [..., 3, 3] and lengths [..., 3]."""
    axes = axes * sizes[..., None]
    return axes.swapaxes(-1, -2) @ axes


def ellipses(
    centres: np.ndarray, spread: np.ndarray, camera: CameraPath
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ellipsoids as a camera sees them (to first order): middles [T, P, K, 2] and semi-axes [T, P, K, 2, 2], the
    longer one first, in pixels; depth [T, P, K]. NaN where not in front of the camera."""
    middle, depth = camera.project(centres)
    rotation = camera.c2w[:, :3, :3]
    inside = np.einsum("tji,tpkjl,tlm->tpkim", rotation, spread, rotation)
    depth = np.where(depth > NEAR, depth, np.nan)
    focal = camera.intrinsics[:, None, None, :2] / depth[..., None]
    offset = (middle - camera.intrinsics[:, None, None, 2:]) / depth[..., None]
    slope = np.zeros((*depth.shape, 2, 3))
    slope[..., 0, 0], slope[..., 1, 1] = focal[..., 0], focal[..., 1]
    slope[..., 2] = -offset
    flat = np.einsum("tpkai,tpkij,tpkbj->tpkab", slope, inside, slope)
    seen = np.isfinite(flat).all((-1, -2)) & np.isfinite(middle).all(-1)
    values, vectors = np.linalg.eigh(np.where(seen[..., None, None], flat, np.eye(2)))
    axes = vectors.swapaxes(-1, -2) * np.sqrt(np.maximum(values, 1e-6))[..., None]
    axes = np.where(seen[..., None, None], axes[..., ::-1, :], np.nan)
    return middle, axes, np.where(seen, depth, np.nan)


def outlines(middle: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ellipses with these middles [..., 2] and semi-axes [..., 2, 2] as `raster.paint` takes them: their shape [..., 6]
    and radius [...]."""
    shape = np.zeros((*middle.shape[:-1], 6))
    shape[..., :2], shape[..., 2:4] = middle - axes[..., 0, :], middle + axes[..., 0, :]
    return shape, np.linalg.norm(axes[..., 1, :], axis=-1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
