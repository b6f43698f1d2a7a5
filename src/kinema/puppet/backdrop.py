"""The room behind the person: the picture's plate on a floor and four walls that turn with the camera, and a shadow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numba import njit

from kinema.puppet.plate import Plate, hole_of, plate_of

_WALL, _DEEP = 2.5, 0.7  # metres behind the person, at least, and in distances of the camera (ours)
_SIDE_WALL, _SIDE_SHARE = 3.0, 1.25  # metres to a side wall, at least, and in half pictures there (ours)
_ROOM = 1.0  # metres that walls which no picture shows keep from every camera (ours)
_CLEAR = 0.3  # metres that a camera keeps from the wall that the picture shows (ours)
_LOW = 0.05  # metres over the floor that it keeps (ours)

_CELLS, _CELL = 128, 0.03  # of the shadow's grid on the floor, and the side of one in metres (ours)
_MOST_CELLS = 512  # of that grid, where several people stand far apart (ours)
_CONTACT, _SOFT = (0.05, 0.035, 0.42), (0.4, 0.13, 0.34)  # fade with height (m), blur (m), darkness (ours)
_SLANT = 0.5  # metres that a shadow moves per metre of height under light from the side (ours)


@dataclass(frozen=True, eq=False)
class Room:
    """What is behind the person.

    Args:
        plate: the picture without them.
        wall: metres from the picture's camera to the wall that it shows.
        light: where light comes from across the picture, -1 (left) to 1 (right); 0 where nobody knows.
        shadow: whether the person casts one: their feet are seen.
    """

    plate: Plate
    wall: float
    light: float = 0.0
    shadow: bool = True

    def smaller(self) -> Room:
        """The same with a plate of half the side, for small pictures."""
        return replace(self, plate=self.plate.halved())


@dataclass(frozen=True, eq=False)
class Walls:
    """The room's box in the axes of the camera that took the picture, metres.

    Args:
        lens: of the picture's camera, fx, fy, cx, cy.
        floor: below that camera.
        wall: before it.
        half: to either side.
        rear: behind it.
    """

    lens: np.ndarray
    floor: float
    wall: float
    half: float
    rear: float

    @property
    def numbers(self) -> np.ndarray:
        return np.array([*self.lens, self.floor, self.wall, self.half, self.rear])


def room_of(
    picture: np.ndarray,
    alpha: np.ndarray,
    tall: float,
    distance: float,
    feet: np.ndarray,
    wall: float | None = None,
) -> Room:
    """The room of a picture without its person.

    Args:
        picture: uint8 [H, W, 3].
        alpha: how much of each pixel is the person, float32 [H, W].
        tall: the person's height in pixels.
        distance: metres from the camera to the person.
        feet: pixels of the feet that are seen, [N, 2]; without any there is no shadow.
        wall: metres from the person to the wall.
    """
    plate = plate_of(picture, hole_of(alpha, tall, feet), tall)
    return Room(plate, wall_of(distance, wall), light_of(picture, alpha), len(feet) > 0)


def room_with(
    background: np.ndarray, size: tuple[int, int], distance: float, like: Room, wall: float | None = None
) -> Room:
    """Another picture as the room: it covers the picture's frame, what stands out is cut off.

    Args:
        background: uint8 [h, w, 3].
        size: (width, height) of the person's picture.
        distance: metres from the camera to the person.
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
    return replace(like, plate=plate, wall=wall_of(distance, wall))


def wall_of(distance: float, wall: float | None = None) -> float:
    """Metres from the camera to the wall: rooms in which one stands back further are deeper."""
    return distance + (max(_WALL, _DEEP * distance) if wall is None else max(wall, 0.5))


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


def walls_of(room: Room, first_c2w: np.ndarray, lens: np.ndarray, cameras: np.ndarray) -> Walls:
    """A box that holds every camera of a film.

    Args:
        room: behind the person.
        first_c2w, lens: the level camera that took the picture, [4, 4] and [4].
        cameras: camera to world, [T, 4, 4].
    """
    half_picture = room.wall * max(lens[2], 1.0) / lens[0]
    eyes = (cameras[:, :3, 3] - first_c2w[:3, 3]) @ first_c2w[:3, :3]
    eyes = np.nan_to_num(eyes)
    half = max(_SIDE_WALL, _SIDE_SHARE * half_picture, float(np.abs(eyes[:, 0]).max()) + _ROOM)
    rear = max(2.0 * room.wall, float(-eyes[:, 2].min()) + _ROOM)
    return Walls(np.asarray(lens, float), max(float(first_c2w[1, 3]), 2 * _LOW), room.wall, half, rear)


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
    eye[0] = np.clip(eye[0], -walls.half + _LOW, walls.half - _LOW)
    eye[1] = min(eye[1], walls.floor - _LOW)
    eye[2] = np.clip(eye[2], -walls.rear + _LOW, walls.wall - _CLEAR)
    turn = np.ascontiguousarray(first_c2w[:3, :3].T @ c2w[:3, :3])
    keep, corner = shadow if shadow is not None else (np.ones((2, 2), np.float32), np.zeros(2))
    to_floor = np.array(
        [*first_c2w[[0, 2], 0], *first_c2w[[0, 2], 2], *(first_c2w[[0, 2], 3] - corner)], np.float64
    )
    _draw(
        plate.near,
        plate.to_near,
        plate.far,
        plate.to_far,
        np.array(plate.size, np.float64),
        walls.numbers,
        eye,
        turn,
        np.asarray(lens, np.float64),
        keep,
        to_floor / _CELL,
        shadow is not None,
        colours,
        known,
    )


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", inline="always")
def _look(values: np.ndarray, row: float, column: float, light: float, colour: np.ndarray) -> None:
    """The colour at a place within a picture [A, B, 3 or more], times a factor."""
    p, q = int(row), int(column)
    r, s = p + 1, q + 1
    f = np.float32(column - q)
    lower = np.float32(light * (row - p))
    upper = np.float32(light) - lower
    c00, c01, c10, c11 = upper * (1 - f), upper * f, lower * (1 - f), lower * f
    colour[0] = c00 * values[p, q, 0] + c01 * values[p, s, 0] + c10 * values[r, q, 0] + c11 * values[r, s, 0]
    colour[1] = c00 * values[p, q, 1] + c01 * values[p, s, 1] + c10 * values[r, q, 1] + c11 * values[r, s, 1]
    colour[2] = c00 * values[p, q, 2] + c01 * values[p, s, 2] + c10 * values[r, q, 2] + c11 * values[r, s, 2]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _draw(
    near: np.ndarray,
    to_near: np.ndarray,
    far: np.ndarray,
    to_far: np.ndarray,
    size: np.ndarray,
    walls: np.ndarray,
    eye: np.ndarray,
    turn: np.ndarray,
    lens: np.ndarray,
    keep: np.ndarray,
    to_floor: np.ndarray,
    shaded: bool,
    colours: np.ndarray,
    known: np.ndarray,
) -> None:
    """Casts a ray through each pixel into the box.

    The floor and the wall before the picture's camera carry what the camera projects on them; the other walls are the
    first one folded on, since no picture shows them.
    """
    height, width = known.shape
    fx, fy, cx, cy, floor, wall, half, rear = walls
    rows, columns = near.shape[0], near.shape[1]
    far_rows, far_columns = far.shape[0], far.shape[1]
    cells = keep.shape[0]
    for i in range(height):
        v = (i + 0.5 - lens[3]) / lens[1]
        for j in range(width):
            u = (j + 0.5 - lens[2]) / lens[0]
            dx = turn[0, 0] * u + turn[0, 1] * v + turn[0, 2]
            dy = turn[1, 0] * u + turn[1, 1] * v + turn[1, 2]
            dz = turn[2, 0] * u + turn[2, 1] * v + turn[2, 2]
            along_z = (wall - eye[2]) / dz if dz > 0 else (-rear - eye[2]) / min(dz, -1e-9)
            along_x = (half - eye[0]) / dx if dx > 0 else (-half - eye[0]) / min(dx, -1e-9)
            way = min(along_z, along_x)
            on_floor = dy * way + eye[1] > floor
            if on_floor:
                way = (floor - eye[1]) / dy
            x, y, z = eye[0] + way * dx, eye[1] + way * dy, eye[2] + way * dz
            light = 1.0
            if on_floor:
                if z < 0.02:
                    s, t = 1e6 if x > 0 else -1e6, 1e6
                else:
                    s, t = fx * x / z + cx - 0.5, fy * y / z + cy - 0.5
                if shaded:
                    a = to_floor[0] * x + to_floor[2] * z + to_floor[4] - 0.5
                    b = to_floor[1] * x + to_floor[3] * z + to_floor[5] - 0.5
                    if 0 <= a < cells - 1 and 0 <= b < cells - 1:
                        p, q = int(b), int(a)
                        e, f = b - p, a - q
                        light = (1 - e) * ((1 - f) * keep[p, q] + f * keep[p, q + 1]) + e * (
                            (1 - f) * keep[p + 1, q] + f * keep[p + 1, q + 1]
                        )
            else:
                across = x
                if along_x < along_z:
                    across = half + wall - z if x > 0 else z - half - wall
                elif dz <= 0:
                    across = 2 * half + wall + rear - x if x > 0 else -2 * half - wall - rear - x
                s, t = fx * across / wall + cx - 0.5, fy * y / wall + cy - 0.5
            known[i, j] = 0
            a, b = t * to_near[1] + to_near[3], s * to_near[0] + to_near[2]
            if 0 <= a < rows - 1 and 0 <= b < columns - 1:
                _look(near, a, b, light, colours[i, j])
                if -0.5 <= s <= size[0] - 0.5 and -0.5 <= t <= size[1] - 0.5:
                    known[i, j] = near[int(a + 0.5), int(b + 0.5), 3]
            else:
                a = min(max(t * to_far[1] + to_far[3], 0.0), far_rows - 1.001)
                b = min(max(s * to_far[0] + to_far[2], 0.0), far_columns - 1.001)
                _look(far, a, b, light, colours[i, j])
