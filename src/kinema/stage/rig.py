"""From joint positions to one affine map per body segment.

A motion may hold nothing but joint positions, so each segment's rotation is found from geometry: pelvis and
chest from their left-right axes, limbs by the smallest swing from their parent, with the twist of a leg read
off the knee and the foot. Lengths come from the motion, so that the body's joints coincide with the captured
ones; all ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from kinema.stage.footing import Footing

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
"""SMPL-24 parents, see kinema.scene."""

LONG_CHILD = (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, -1, -1, 15, 16, 17, -1, 18, 19, 20, 21, 22, 23, -1, -1)
"""The joint that each segment points at; -1: the segment goes on where its parent does."""

_LEFT = [
    (0.0, 0.95, 0.0),
    (0.085, 0.88, 0.0),
    (-0.085, 0.88, 0.0),
    (0.0, 1.06, 0.0),
    (0.085, 0.475, 0.0),
    (-0.085, 0.475, 0.0),
    (0.0, 1.17, 0.0),
    (0.085, 0.08, -0.015),
    (-0.085, 0.08, -0.015),
    (0.0, 1.25, 0.0),
    (0.085, 0.025, 0.105),
    (-0.085, 0.025, 0.105),
    (0.0, 1.415, -0.01),
    (0.06, 1.375, -0.01),
    (-0.06, 1.375, -0.01),
    (0.0, 1.505, 0.01),
    (0.17, 1.39, -0.01),
    (-0.17, 1.39, -0.01),
    (0.435, 1.39, -0.015),
    (-0.435, 1.39, -0.015),
    (0.685, 1.39, -0.01),
    (-0.685, 1.39, -0.01),
    (0.76, 1.39, -0.005),
    (-0.76, 1.39, -0.005),
]
CHART_JOINTS = np.array(_LEFT)
"""The template's joints in its chart: a T-pose facing +Z with its soles at y = 0, metres, [24, 3]."""

SOLE = -0.009
"""Height of the template's soles in its chart, metres."""

_LEGS = (1, 2, 4, 5)
_FEET = ((7, 10), (8, 11))
_NEAR_FLOOR = (
    0.08  # metres of a body of size 1, above standing height, up to which a foot keeps to the floor (ours)
)
_LIMBS = (1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21)


def segment_transforms(
    joints: np.ndarray, girth: np.ndarray | None = None, footing: Footing | None = None
) -> np.ndarray:
    """The affine map of every segment from the chart into the world.

    Args:
        joints: SMPL-24 positions in the world, finite, [T, 24, 3].
        girth: thickness of each segment relative to the template, [24] (default 1).
        footing: how the feet stand on the floor y = 0; None for the template's feet and no floor.

    Returns:
        [T, 24, 3, 4]; a chart point x of segment j goes to A[:, j, :, :3] @ x + A[:, j, :, 3].
    """
    joints = np.asarray(joints, dtype=np.float64)
    girth = np.ones(24) if girth is None else np.asarray(girth, dtype=np.float64)
    rotation = segment_rotations(joints)
    stretch = _stretch(joints) * np.ones((1, 1, 3))
    scale = body_scale(joints)
    long_scale = stretch[..., 1]
    widths = np.broadcast_to(_widths(joints, scale, long_scale) * girth[None, :, None], (len(joints), 24, 2))
    affine = np.empty((len(joints), 24, 3, 4))
    for j in range(24):
        frame = _CHART_FRAMES[j]
        amount = np.stack([widths[:, j, 0], long_scale[:, j], widths[:, j, 1]], axis=-1)
        linear = rotation[:, j] @ (frame * amount[:, None, :]) @ frame.T
        affine[:, j, :, :3] = linear
        affine[:, j, :, 3] = joints[:, j] - linear @ CHART_JOINTS[j]
    if footing is not None:
        _stand(affine, joints, rotation, widths[..., 0], footing, scale)
    return affine


def _stand(
    affine: np.ndarray,
    joints: np.ndarray,
    rotation: np.ndarray,
    widths: np.ndarray,
    footing: Footing,
    scale: float,
) -> None:
    """Feet whose soles are level and on the floor where they stand, in place; the toes of a rising heel bend."""
    template = CHART_JOINTS[10] - CHART_JOINTS[7]
    tall = CHART_JOINTS[7, 1] - SOLE
    height = float(np.clip(footing.ankle / tall, 0.75 * scale, 1.25 * scale))
    length = float(np.clip(footing.length / template[2], 0.5 * scale, 1.6 * scale))
    for ankle, toe in _FEET:
        near = _near_floor(joints[:, toe, 1] - footing.toe, scale)
        foot = _level(_toes_down(rotation, ankle, joints, footing), near)
        amount = np.stack([widths[:, ankle], np.full(len(joints), height), np.full(len(joints), length)], -1)
        linear = foot * amount[:, None, :]
        sunk = foot[:, :, 1] * (footing.ankle - tall * height)
        affine[:, ankle, :, :3] = linear
        affine[:, ankle, :, 3] = joints[:, ankle] - sunk - linear @ CHART_JOINTS[ankle]
        hinge = linear @ CHART_JOINTS[toe] + affine[:, ankle, :, 3]
        linear = _bent(foot, near) * amount[:, None, :]
        affine[:, toe, :, :3] = linear
        affine[:, toe, :, 3] = hinge - linear @ CHART_JOINTS[toe]


def body_scale(joints: np.ndarray) -> float:
    """Size of a captured body relative to the template: the mean of its legs' and its trunk's ratio."""
    length = _median_lengths(joints)
    rest = _CHART_LENGTHS
    legs = length[[4, 5, 7, 8]].sum() / rest[[4, 5, 7, 8]].sum()
    trunk = length[[3, 6, 9, 12]].sum() / rest[[3, 6, 9, 12]].sum()
    return float(np.clip(0.6 * legs + 0.4 * trunk, 0.2, 5.0))


def segment_rotations(joints: np.ndarray) -> np.ndarray:
    """World rotation of each segment relative to the chart's T-pose, [T, 24, 3, 3]."""
    joints = np.asarray(joints, dtype=np.float64)
    count = len(joints)
    out = np.empty((count, 24, 3, 3))
    hips = _unit(joints[:, 1] - joints[:, 2], (1.0, 0.0, 0.0))
    shoulders = _unit(
        _unit(joints[:, 13] - joints[:, 14], (0, 0, 0)) + _unit(joints[:, 16] - joints[:, 17], (0, 0, 0)),
        hips,
    )
    middle = (joints[:, 1] + joints[:, 2]) / 2
    up = np.array((0.0, 1.0, 0.0))
    out[:, 0] = _frame(joints[:, 3] - middle, hips, up)
    for j, share in ((3, 0.3), (6, 0.7), (9, 1.0)):
        across = _unit((1 - share) * hips + share * shoulders, hips)
        chart = _frame((CHART_JOINTS[LONG_CHILD[j]] - CHART_JOINTS[j])[None], np.array([[1.0, 0.0, 0.0]]), up)
        out[:, j] = _frame(joints[:, LONG_CHILD[j]] - joints[:, j], across, up) @ chart[0].T
    for j in (12, 13, 14, 1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21):
        child, parent = LONG_CHILD[j], PARENTS[j]
        rest = out[:, parent] @ _unit(CHART_JOINTS[child] - CHART_JOINTS[j], up)
        aim = _unit(joints[:, child] - joints[:, j], rest)
        out[:, j] = _swing(rest, aim) @ out[:, parent]
        if j in _LEGS:
            foot = LONG_CHILD[child]
            bend = _unit(joints[:, foot] - joints[:, child], aim)
            hint = bend if j in (4, 5) else -bend
            out[:, j] = _twist_towards(out[:, j], aim, hint)
    for j in (10, 11, 15, 22, 23):
        out[:, j] = out[:, PARENTS[j]]
    return out


def _toes_down(rotation: np.ndarray, ankle: int, joints: np.ndarray, footing: Footing) -> np.ndarray:
    """World rotation of a foot whose way from ankle to toe slopes as `footing` says when the sole is level."""
    shin, child = rotation[:, PARENTS[ankle]], LONG_CHILD[ankle]
    rest = shin @ np.array((0.0, -np.sin(footing.pitch), np.cos(footing.pitch)))
    aim = _unit(joints[:, child] - joints[:, ankle], rest)
    return _swing(rest, aim) @ shin


def _near_floor(above: np.ndarray, scale: float) -> np.ndarray:
    """How much a foot keeps to the floor, 1 where it stands and 0 in the air, [T]."""
    share = np.clip(1.0 - above / (_NEAR_FLOOR * scale), 0.0, 1.0)
    return share * share * (3 - 2 * share)


def _level(foot: np.ndarray, near: np.ndarray) -> np.ndarray:
    """A foot rolled about its length until its sole is level from side to side, where it is about so and near."""
    ahead = foot[:, :, 2]
    up = np.array((0.0, 1.0, 0.0)) - ahead[:, 1:2] * ahead
    angle = np.arctan2((ahead * np.cross(foot[:, :, 1], up)).sum(-1), (foot[:, :, 1] * up).sum(-1))
    upright = np.clip((foot[:, 1, 1] - 0.4) / 0.3, 0.0, 1.0)  # not of who lies on the side
    angle = angle * near * upright
    return _axis_angle(ahead, np.cos(angle), np.sin(angle)) @ foot


def _bent(foot: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The toes of a foot: along the floor where its heel is up and they are near."""
    across = foot[:, :, 0]
    down = np.arcsin(np.clip(-foot[:, 1, 2], 0.0, 1.0))
    angle = -np.minimum(down, 1.2) * near * (foot[:, 1, 1] > 0)
    return _axis_angle(across, np.cos(angle), np.sin(angle)) @ foot


def _twist_towards(rotation: np.ndarray, axis: np.ndarray, hint: np.ndarray) -> np.ndarray:
    """Turn a segment about its axis so that its front (+Z in the chart) looks along a clear hint."""
    hint = hint - (hint * axis).sum(-1, keepdims=True) * axis
    clear = np.linalg.norm(hint, axis=-1)
    front = rotation[..., :, 2]
    front = front - (front * axis).sum(-1, keepdims=True) * axis
    angle = np.arctan2((axis * np.cross(front, hint)).sum(-1), (front * hint).sum(-1))
    sure = np.clip((clear - 0.2) / 0.4, 0.0, 1.0)
    angle = np.clip(angle, -1.0, 1.0) * sure * sure * (3 - 2 * sure)
    return _axis_angle(axis, np.cos(angle), np.sin(angle)) @ rotation


def _swing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation taking unit vectors a to b, [..., 3, 3]."""
    cosine = np.clip((a * b).sum(-1), -1.0, 1.0)
    axis = np.cross(a, b)
    sine = np.linalg.norm(axis, axis=-1)
    fallback = np.cross(a, np.where(np.abs(a[..., :1]) < 0.7, (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    axis = np.where(sine[..., None] > 1e-9, axis, fallback)
    return _axis_angle(_unit(axis, (1.0, 0.0, 0.0)), cosine, sine)


def _axis_angle(axis: np.ndarray, cosine: np.ndarray, sine: np.ndarray) -> np.ndarray:
    x, y, z = axis[..., 0], axis[..., 1], axis[..., 2]
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    outer = axis[..., :, None] * axis[..., None, :]
    c = cosine[..., None, None]
    return c * np.eye(3) + sine[..., None, None] * cross + (1 - c) * outer


def _unit(vector: ArrayLike, fallback: ArrayLike) -> np.ndarray:
    vector = np.asarray(vector, dtype=np.float64)
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return np.where(length > 1e-6, vector / np.maximum(length, 1e-12), np.asarray(fallback, dtype=np.float64))


def _frame(long: np.ndarray, across: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """Rotation whose y column is `long` and whose x column is `across` made orthogonal to it, [..., 3, 3]."""
    y = _unit(long, fallback)
    x = _unit(across - (across * y).sum(-1, keepdims=True) * y, (1.0, 0.0, 0.0))
    x = _unit(x - (x * y).sum(-1, keepdims=True) * y, (0.0, 0.0, 1.0))
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def _chart_frames() -> np.ndarray:
    """Own axes of each segment in the chart: x across, y along, z to the front, [24, 3, 3]."""
    frames = np.empty((24, 3, 3))
    for j in range(24):
        k = j if LONG_CHILD[j] >= 0 else PARENTS[j]
        long = CHART_JOINTS[LONG_CHILD[k]] - CHART_JOINTS[k]
        if j in (0, 15):
            long = np.array((0.0, 1.0, 0.0))
        across = np.array((0.0, 1.0, 0.0)) if k >= 13 and k != 15 else np.array((1.0, 0.0, 0.0))
        frames[j] = _frame(long[None], across[None], np.array((0.0, 1.0, 0.0)))[0]
    return frames


def _median_lengths(joints: np.ndarray) -> np.ndarray:
    bones = joints - joints[:, [max(p, 0) for p in PARENTS]]
    return np.median(np.linalg.norm(bones, axis=-1), axis=0)


def _stretch(joints: np.ndarray) -> np.ndarray:
    """Length of each segment relative to the chart, frame by frame, [T, 24, 1]."""
    out = np.ones((len(joints), 24, 1))
    scale = body_scale(joints)
    for j in range(24):
        child = LONG_CHILD[j]
        if child < 0:
            out[:, j, 0] = scale
            continue
        ratio = np.linalg.norm(joints[:, child] - joints[:, j], axis=-1) / _CHART_LENGTHS[child]
        if j == 0:
            ratio = np.clip(ratio, 0.8 * scale, 1.25 * scale)
        out[:, j, 0] = np.clip(ratio, 0.2 * scale, 4.0 * scale)
    return out


def _widths(joints: np.ndarray, scale: float, long_scale: np.ndarray) -> np.ndarray:
    """Thickness (across, front to back): the body's scale, leaning towards the limb's own, [1, 24, 2]."""
    out = np.full((1, 24, 2), scale)
    for j in _LIMBS:
        own = np.median(long_scale[:, j])
        out[0, j] = scale * np.clip(own / scale, 0.5, 1.5) ** 0.35
    for leaf in (10, 11, 22, 23):
        out[0, leaf] = out[0, PARENTS[leaf]]
    shoulder = np.median(np.linalg.norm(joints[:, 16] - joints[:, 17], axis=-1)) / 0.34
    hip = np.median(np.linalg.norm(joints[:, 1] - joints[:, 2], axis=-1)) / 0.17
    shoulder = scale * np.clip(shoulder / scale, 0.72, 1.2)
    hip = scale * np.clip(hip / scale, 0.82, 1.2)
    out[0, 0, 0] = hip
    out[0, 3, 0] = (2 * hip + shoulder) / 3
    out[0, 6, 0] = (hip + 2 * shoulder) / 3
    out[0, 9, 0] = shoulder
    return out


_CHART_LENGTHS = np.linalg.norm(CHART_JOINTS - CHART_JOINTS[[max(p, 0) for p in PARENTS]], axis=-1)
_CHART_FRAMES = _chart_frames()
