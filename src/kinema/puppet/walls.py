"""The wall and the floor about a picture's person: where a film's rays meet them, in the picture that covers them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

_ROUND, _DEEP = (
    1.3,
    0.45,
)  # metres from the person to the wall, at least, and in distances of the camera (ours)
_DEEPEST = 0.6  # the same at most, where the floor's end says so (ours)
_LEAST = 0.3  # metres from the camera to the person, at least (ours)
_ROOM = 0.6  # metres that the wall keeps from whoever stands there (ours)
_MISS = 1.1  # by how much the wall's radius exceeds the distance at which a ray passes the person (ours)
_MARGIN = 0.02  # of the picture's width: how far beyond its edges the wall is not unrolled yet (ours)
LOW = 0.05
"""Metres over the floor that a camera keeps (ours)."""
COARSE = 8
"""Pixels between rays that are followed in large frames (ours)."""


@dataclass(frozen=True)
class Stage:
    """What a picture says about its room.

    Args:
        size: (width, height) of the picture.
        period: pixels of it after which its continuation to the sides begins again.
        wall: metres from the person to the wall, as told.
        line: the row in which the floor meets the wall, where one sees it.
        stands: whether one sees where the person stands.
    """

    size: tuple[int, int]
    period: float
    wall: float | None
    line: float | None
    stands: bool


@dataclass(frozen=True, eq=False)
class Walls:
    """A round room about the person, in the axes of the camera that took the picture, metres.

    Beyond the picture's edges the wall is unrolled: there a turn about the axis is a step along the plate.

    Args:
        lens: of the picture's camera, fx, fy, cx, cy.
        floor: below that camera.
        round: x and z of the axis, and the radius.
        left, right: where the picture ends: its column, the angle about the axis from straight behind it, the depth of
            the wall, and columns of the plate a radian from there on.
    """

    lens: np.ndarray
    floor: float
    round: np.ndarray
    left: np.ndarray
    right: np.ndarray

    @property
    def numbers(self) -> np.ndarray:
        return np.concatenate([self.lens, [self.floor], self.round, self.left, self.right])


def walls_of(
    stage: Stage,
    first_c2w: np.ndarray,
    lens: np.ndarray,
    cameras: tuple[np.ndarray, np.ndarray],
    subject: np.ndarray,
    behind: float = 0.0,
) -> Walls:
    """A round room about the person in which every ray of a film ends.

    Args:
        stage: of the picture.
        first_c2w, lens: the level camera that took the picture, [4, 4] and [4].
        cameras: camera to world, [T, 4, 4], and fx, fy, cx, cy, [T, 4].
        subject: where the person is in the picture's pose, in the world, [3].
        behind: metres from there to whoever stands furthest behind it.
    """
    to_first = first_c2w[:3, :3]
    axis = ((subject - first_c2w[:3, 3]) @ to_first)[[0, 2]]
    axis[1] = max(axis[1], _LEAST)
    c2w = np.concatenate([first_c2w[None], cameras[0]])
    views = np.concatenate([np.asarray(lens, float)[None], cameras[1]])
    turns = np.einsum("ab,tbc->tac", to_first.T, c2w[:, :3, :3])
    eyes = ((c2w[:, :3, 3] - first_c2w[:3, 3]) @ to_first)[:, [0, 2]] - axis
    height = float(first_c2w[1, 3])
    radius = max(_radius(stage, axis[1], height, lens), behind + _ROOM, _round_every_ray(eyes, turns, views))
    floor = max(height, 2 * LOW)
    width, rows = stage.size
    if not stage.stands:  # nobody sees where they stand: the floor begins below the picture
        floor = max(floor, 1.1 * (rows - lens[3]) / lens[1] * (axis[1] + radius))
    margin = _MARGIN * width + COARSE
    left = _edge(-0.5 - margin, axis, radius, lens)
    right = _edge(width - 0.5 + margin, axis, radius, lens)
    natural = left[3] * (np.pi + left[1]) + right[3] * (np.pi - right[1])
    once = stage.period - width - 2 * margin
    rounds = max(0, round((natural - once) / stage.period))
    for edge in (left, right):  # behind the camera both sides meet on one column of the plate
        edge[3] *= (once + rounds * stage.period) / max(natural, 1e-6)
    return Walls(np.asarray(lens, float), floor, np.array([*axis, radius]), left, right)


def _radius(stage: Stage, distance: float, height: float, lens: np.ndarray) -> float:
    """Metres from the person to the wall: as told, as the floor's end says, or as deep as the picture is far."""
    if stage.wall is not None:
        return max(stage.wall, 0.5)
    if stage.line is not None:
        seen = lens[1] * height / max(stage.line - lens[3], 1.0) - distance
        return float(np.clip(seen, 0.0, _DEEPEST * distance))
    return max(_ROUND, _DEEP * distance)


def _round_every_ray(eyes: np.ndarray, turns: np.ndarray, lenses: np.ndarray) -> float:
    """The least radius of a wall that every ray of a film meets from within or through.

    Args:
        eyes: of the cameras, from the axis, x and z, [T, 2].
        turns: of the cameras, [T, 3, 3].
        lenses: fx, fy, cx, cy, [T, 4].
    """
    need = 0.0
    away = np.linalg.norm(eyes, axis=1)
    for side in (-1.0, 1.0):
        rays = turns[:, [0, 2], 2] + (side * lenses[:, 2] / lenses[:, 0])[:, None] * turns[:, [0, 2], 0]
        rays /= np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-9)
        ahead = -(eyes * rays).sum(axis=1)
        beside = np.sqrt(np.maximum(away**2 - ahead**2, 0))
        each = np.where(ahead > 0, np.minimum(_MISS * beside, away + _ROOM), away + _ROOM)
        need = max(need, float(np.nan_to_num(each).max()))
    return need


def _edge(column: float, axis: np.ndarray, radius: float, lens: np.ndarray) -> np.ndarray:
    """A column of the picture, the wall's angle there, its depth, and columns a radian on from there."""
    ray = np.array([(column + 0.5 - lens[2]) / lens[0], 1.0])
    along = axis @ ray / (ray @ ray)
    half = np.sqrt(max(along**2 - (axis @ axis - radius**2) / (ray @ ray), 0.0))
    x, z = (along + half) * ray
    angle = np.arctan2(x - axis[0], z - axis[1])
    rate = lens[0] * radius * (np.cos(angle) / z + x * np.sin(angle) / z**2)
    return np.array([column, angle, z, rate])


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def aim(
    walls: np.ndarray,
    eye: np.ndarray,
    turn: np.ndarray,
    lens: np.ndarray,
    size: np.ndarray,
    keep: np.ndarray,
    to_floor: np.ndarray,
    shaded: bool,
    step: int,
    aims: np.ndarray,
) -> None:
    """What rays through the corners of cells of `step` pixels meet: column and row of the plate, and light.

    Floor and wall carry what the picture's camera projects on them. Where it sees no more, the wall is unrolled, and
    the floor follows it the more the nearer they are.
    """
    fx, fy, cx, cy, floor, axis_x, axis_z, radius = walls[:8]
    cells = keep.shape[0]
    ex, ez = eye[0] - axis_x, eye[2] - axis_z
    least = 0.2 * axis_z
    for i in range(aims.shape[0]):
        v = (i * step + 0.5 - lens[3]) / lens[1]
        for j in range(aims.shape[1]):
            u = (j * step + 0.5 - lens[2]) / lens[0]
            dx = turn[0, 0] * u + turn[0, 1] * v + turn[0, 2]
            dy = turn[1, 0] * u + turn[1, 1] * v + turn[1, 2]
            dz = turn[2, 0] * u + turn[2, 1] * v + turn[2, 2]
            long = 1.0 / max(dx * dx + dz * dz, 1e-9)
            near = -(ex * dx + ez * dz) * long
            way = near + np.sqrt(max(near * near - (ex * ex + ez * ez - radius * radius) * long, 0.0))
            way = max(way, 1e-3)
            if dy > 1e-6:
                part = way * dy / (floor - eye[1])
                part *= part
                part *= part
                part *= part
                way /= np.sqrt(np.sqrt(np.sqrt(1 + part)))
            x, y, z = eye[0] + way * dx, eye[1] + way * dy, eye[2] + way * dz
            light = 1.0
            high = (floor - y) / 0.15
            if shaded and high < 1:
                a = to_floor[0] * x + to_floor[2] * z + to_floor[4] - 0.5
                b = to_floor[1] * x + to_floor[3] * z + to_floor[5] - 0.5
                if 0 <= a < cells - 1 and 0 <= b < cells - 1:
                    p, q = int(b), int(a)
                    e, f = b - p, a - q
                    light = (1 - e) * ((1 - f) * keep[p, q] + f * keep[p, q + 1]) + e * (
                        (1 - f) * keep[p + 1, q] + f * keep[p + 1, q + 1]
                    )
                    light = 1 - (1 - light) * min(1.0, 2 - 2 * high)
            before = max(z, least)
            s, t = fx * x / before + cx - 0.5, fy * y / before + cy - 0.5
            if s < walls[8] or s > walls[12] or z < least:
                x, z = x - axis_x, z - axis_z
                angle = np.arctan2(x, z)
                at = 8 if angle < 0 else 12
                edge, begin, depth, rate = walls[at], walls[at + 1], walls[at + 2], walls[at + 3]
                beyond = angle - begin
                if (angle > 0 and beyond > 0) or (angle <= 0 and beyond < 0):
                    share = min(1.0, (x * x + z * z) / (radius * radius))
                    share = share * share * share
                    unrolled, level = edge + rate * beyond, fy * y / depth + cy - 0.5
                    if share < 0.999:
                        wall_z = max(axis_z + radius * np.cos(angle), least)
                        wall_x = axis_x + radius * np.sin(angle)
                        s += share * (unrolled - (fx * wall_x / wall_z + cx - 0.5))
                        t += share * (level - (fy * y / wall_z + cy - 0.5))
                    else:
                        s, t = unrolled, level
            aims[i, j, 0], aims[i, j, 1], aims[i, j, 2] = s, t, light
