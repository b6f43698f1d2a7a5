"""The room behind the person: the picture's plate on a floor and a round wall, and a shadow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numba import njit

from kinema.puppet.plate import Plate, floor_line, hole_of, plate_of
from kinema.puppet.walls import COARSE, LOW, Stage, Walls, aim

_LARGE = (
    700  # rows of a frame from which on rays are as far apart as that; in smaller ones they are closer (ours)
)
_LINE = 0.4  # of the person's height above the feet: how high a floor's end is looked for (ours)
_CELLS, _CELL = 128, 0.03  # of the shadow's grid on the floor, and the side of one in metres (ours)
_MOST_CELLS = 512  # of that grid, where several people stand far apart (ours)
_CONTACT, _SOFT = (0.05, 0.035, 0.42), (0.4, 0.13, 0.34)  # fade with height (m), blur (m), darkness (ours)
_SLANT = 0.5  # metres that a shadow moves per metre of height under light from the side (ours)


@dataclass(frozen=True, eq=False)
class Room:
    """What is behind the person.

    Args:
        plate: the picture without them.
        wall: metres from the person to the wall; as deep as suits the picture where None.
        light: where light comes from across the picture, -1 (left) to 1 (right); 0 where nobody knows.
        shadow: whether the person casts one: their feet are seen.
        line: the picture's row in which the floor meets the wall, where one sees it.
    """

    plate: Plate
    wall: float | None = None
    light: float = 0.0
    shadow: bool = True
    line: float | None = None

    @property
    def stage(self) -> Stage:
        """What walls are made of."""
        return Stage(self.plate.size, self.plate.period, self.wall, self.line, self.shadow)

    def smaller(self) -> Room:
        """The same with a plate of half the side, for small pictures."""
        return replace(self, plate=self.plate.halved())


def room_of(
    picture: np.ndarray,
    alpha: np.ndarray,
    tall: float,
    feet: np.ndarray,
    wall: float | None = None,
    others: np.ndarray | None = None,
    hole: np.ndarray | None = None,
) -> Room:
    """The room of a picture without its person.

    Args:
        picture: uint8 [H, W, 3].
        alpha: how much of each pixel is the person, float32 [H, W].
        tall: the person's height in pixels.
        feet: pixels of the feet that are seen, [N, 2]; without any there is no shadow.
        wall: metres from the person to the wall.
        others: who stays in the room, bool [H, W].
        hole: where the room is not seen, bool [H, W]; of several people it is more than one outline tells.
    """
    hole = hole_of(alpha, tall, feet) if hole is None else hole
    line = None
    if len(feet):
        lowest = float(feet[:, 1].max())
        line = floor_line(picture, ~hole, (lowest - _LINE * tall, lowest + 0.02 * tall))
    return Room(plate_of(picture, hole, tall, others), wall, light_of(picture, alpha), len(feet) > 0, line)


def room_with(background: np.ndarray, size: tuple[int, int], like: Room, wall: float | None = None) -> Room:
    """Another picture as the room: it covers the picture's frame, what stands out is cut off.

    Args:
        background: uint8 [h, w, 3].
        size: (width, height) of the person's picture.
        like: the picture's own room: its light and shadow.
        wall: metres from the person to the wall.
    """
    width, height = size
    scale = max(width / background.shape[1], height / background.shape[0])
    wide = max(width, round(background.shape[1] * scale)), max(height, round(background.shape[0] * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(background, wide, interpolation=way)
    left, top = (wide[0] - width) // 2, (wide[1] - height) // 2
    cut = np.ascontiguousarray(resized[top : top + height, left : left + width])
    plate = plate_of(cut, np.zeros((height, width), bool))
    return replace(like, plate=plate, wall=wall, line=None)


def light_of(picture: np.ndarray, alpha: np.ndarray) -> float:
    """From which side light falls: brightness along the outline against its normal, -1 to 1.

    After Johnson and Farid 2005 (lighting from occluding contours), the first order alone.
    """
    scale = min(1.0, 256 / max(alpha.shape))
    size = max(4, round(alpha.shape[1] * scale)), max(4, round(alpha.shape[0] * scale))
    mask = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(mask, (0, 0), 3.0)
    normal = -np.stack([cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)], axis=-1)
    long = np.linalg.norm(normal, axis=-1)
    rim = (mask > 0.9) & (long > 0.2)
    if rim.sum() < 50:
        return 0.0
    unit = normal[rim] / long[rim][:, None]
    system = np.column_stack([unit, np.ones(len(unit))])
    bright = grey[rim].astype(np.float64)
    slope, *_ = np.linalg.lstsq(system, bright, rcond=None)
    return float(np.clip(2.5 * slope[0] / max(float(bright.mean()), 20.0), -1, 1))


def shadow_of(vertices: np.ndarray, room: Room, first_c2w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a person leaves of the floor's light, float32 [N, N], and where its corner lies, x and z in the world.

    Args:
        vertices: of the person in the world, [V, 3].
        room: where light comes from.
        first_c2w: the camera that took the picture, [4, 4].
    """
    heights = np.maximum(vertices[:, 1], 0.0)
    away = -_SLANT * room.light * heights[:, None] * first_c2w[[0, 2], 0]
    ground = (
        vertices[:, [0, 2]] + np.minimum(heights, 0.6)[:, None] / np.maximum(heights, 1e-6)[:, None] * away
    )
    middle, cells = np.median(vertices[:, [0, 2]], axis=0), _CELLS
    low, high = ground.min(axis=0), ground.max(axis=0)
    if (high - low).max() > _CELLS * _CELL / 2:  # several people
        middle = (low + high) / 2
        cells = min(_MOST_CELLS, _CELLS + int((high - low).max() / _CELL))
    corner = middle - cells * _CELL / 2
    at = np.floor((ground - corner) / _CELL).astype(int)
    inside = ((at >= 0) & (at < cells)).all(axis=1)
    keep = np.ones((cells, cells), np.float32)
    for fade, blur, dark in (_CONTACT, _SOFT):
        grid = np.zeros((cells, cells), np.float32)
        weight = np.exp(-heights[inside] / fade).astype(np.float32)
        np.maximum.at(grid, (at[inside, 1], at[inside, 0]), weight)
        closed = cv2.morphologyEx(grid, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        keep *= 1 - dark * np.clip(1.3 * cv2.GaussianBlur(closed, (0, 0), blur / _CELL), 0, 1)
    return keep, corner


def draw_room(
    room: Room,
    walls: Walls,
    first_c2w: np.ndarray,
    camera: tuple[np.ndarray, np.ndarray],
    shadow: tuple[np.ndarray, np.ndarray] | None,
    colours: np.ndarray,
    known: np.ndarray,
) -> None:
    """The room seen by another camera.

    Args:
        room, walls: behind the person.
        first_c2w: the camera that took the picture, [4, 4].
        camera: the one that looks now: camera to world [4, 4] and fx, fy, cx, cy.
        shadow: of `shadow_of`.
        colours: out, float32 [H, W, 3].
        known: out, uint8 [H, W].
    """
    plate = room.plate
    c2w, lens = camera
    eye = (c2w[:3, 3] - first_c2w[:3, 3]) @ first_c2w[:3, :3]
    eye[1] = min(eye[1], walls.floor - LOW)
    turn = np.ascontiguousarray(first_c2w[:3, :3].T @ c2w[:3, :3])
    keep, corner = shadow if shadow is not None else (np.ones((2, 2), np.float32), np.zeros(2))
    to_floor = np.array(
        [*first_c2w[[0, 2], 0], *first_c2w[[0, 2], 2], *(first_c2w[[0, 2], 3] - corner)], np.float64
    )
    height, width = known.shape
    step = max(2, COARSE * min(height, _LARGE) // _LARGE)
    size = np.array(plate.size, np.float64)
    aims = np.empty(((height - 1) // step + 2, (width - 1) // step + 2, 3), np.float32)
    given = walls.numbers, eye, turn, np.asarray(lens, np.float64), size, keep, to_floor / _CELL
    aim(*given, shadow is not None, step, aims)
    _draw(plate.near, plate.to_near, plate.far, plate.to_far, size, plate.period, aims, step, colours, known)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _draw(
    near: np.ndarray,
    to_near: np.ndarray,
    far: np.ndarray,
    to_far: np.ndarray,
    size: np.ndarray,
    period: float,
    aims: np.ndarray,
    step: int,
    colours: np.ndarray,
    known: np.ndarray,
) -> None:
    """The plate looked up at every pixel, between the corners of cells."""
    height, width = known.shape
    rows, columns = near.shape[0], near.shape[1]
    far_rows, far_columns = far.shape[0], far.shape[1]
    per_step = 1.0 / step
    for i in range(height):
        m = i // step
        down = np.float32((i - m * step) * per_step)
        for n in range((width + step - 1) // step):
            first_s = aims[m, n, 0]
            right_s = first_s + _round(aims[m, n + 1, 0] - first_s, period)
            lower_s = first_s + _round(aims[m + 1, n, 0] - first_s, period)
            other_s = first_s + _round(aims[m + 1, n + 1, 0] - first_s, period)
            s = first_s + down * (lower_s - first_s)
            t = aims[m, n, 1] + down * (aims[m + 1, n, 1] - aims[m, n, 1])
            light = aims[m, n, 2] + down * (aims[m + 1, n, 2] - aims[m, n, 2])
            s_step = (right_s + down * (other_s - right_s) - s) * per_step
            t_step = (aims[m, n + 1, 1] + down * (aims[m + 1, n + 1, 1] - aims[m, n + 1, 1]) - t) * per_step
            light_step = (
                aims[m, n + 1, 2] + down * (aims[m + 1, n + 1, 2] - aims[m, n + 1, 2]) - light
            ) * per_step
            for j in range(n * step, min((n + 1) * step, width)):
                a, b = t * to_near[1] + to_near[3], s * to_near[0] + to_near[2]
                surely = 0
                if 0 <= a < rows - 1 and 0 <= b < columns - 1:
                    _look(near, a, b, int(b) + 1, light, colours[i, j])
                    if -0.5 <= s <= size[0] - 0.5 and -0.5 <= t <= size[1] - 0.5:
                        surely = near[int(a + 0.5), int(b + 0.5), 3]
                else:
                    a = min(max(t * to_far[1] + to_far[3], 0.0), far_rows - 1.001)
                    b = (s * to_far[0] + to_far[2]) % far_columns
                    b = min(max(b, 0.0), far_columns - 1e-3)
                    right = int(b) + 1
                    _look(far, a, b, right if right < far_columns else 0, light, colours[i, j])
                known[i, j] = surely
                s += s_step
                t += t_step
                light += light_step


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", inline="always")
def _round(way: float, period: float) -> float:
    """The short way round a circle of this length."""
    return way - period * np.round(way / period)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", inline="always")
def _look(
    values: np.ndarray, row: float, column: float, right: int, light: float, colour: np.ndarray
) -> None:
    """The colour at a place within a picture [A, B, 3 or more], times a factor."""
    p, q = int(row), int(column)
    r = p + 1
    f = np.float32(column - q)
    lower = np.float32(light * (row - p))
    upper = np.float32(light) - lower
    c00, c01, c10, c11 = upper * (1 - f), upper * f, lower * (1 - f), lower * f
    for k in range(3):
        colour[k] = (
            c00 * values[p, q, k]
            + c01 * values[p, right, k]
            + c10 * values[r, q, k]
            + c11 * values[r, right, k]
        )
