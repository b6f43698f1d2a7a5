"""The room behind the person: filled in where they stood, on a floor and a wall that turn with the camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit, prange

from kinema.puppet.inpaint import continued, push_pull

SHOWN, INVENTED = 255, 0
"""How surely a pixel of the room is the picture's own."""

_HOLE = 0.024  # of the person's height: how far round the cut-out the room is made up (ours)
_WALL = 2.5  # metres behind the person (ours)
_BEYOND = 0.5  # of the picture's sides: how far the room goes on beyond each edge (ours)
_SHADOW = 0.35  # metres over which a shadow fades with height (ours)


@dataclass(frozen=True, eq=False)
class Room:
    """A plate wider than the picture, on a floor and a wall.

    Args:
        plate: colours and how surely they are the picture's own, uint8 [A, B, 4].
        corner: of the picture in the plate, (left, top).
        wall: metres from the picture's camera to the wall.
    """

    plate: np.ndarray
    corner: tuple[int, int]
    wall: float


def room_of(picture: np.ndarray, alpha: np.ndarray, tall: float, distance: float) -> Room:
    """The room of a picture without its person.

    Args:
        picture: uint8 [H, W, 3].
        alpha: how much of each pixel is the person, float32 [H, W].
        tall: the person's height in pixels.
        distance: metres from the camera to the person.
    """
    height, width = alpha.shape
    grow = max(2, round(_HOLE * tall))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
    known = cv2.dilate((alpha > 0.05).astype(np.uint8), kernel) == 0
    clean = filled(picture, known)
    side, up = round(_BEYOND * width), round(_BEYOND * height)
    wide = cv2.copyMakeBorder(clean, up, up, side, side, cv2.BORDER_REFLECT_101)
    inside = np.zeros(wide.shape[:2], np.float32)
    inside[up : up + height, side : side + width] = 1
    edge = cv2.copyMakeBorder(clean, up, up, side, side, cv2.BORDER_REPLICATE).astype(np.float32)
    soft = max(2.0, 0.04 * width)
    low = cv2.GaussianBlur(wide, (0, 0), soft).astype(np.float32)
    flat = cv2.GaussianBlur(edge, (0, 0), soft)
    beyond = np.clip(flat + 0.5 * (wide.astype(np.float32) - low), 0, 255)
    fade = np.clip(cv2.GaussianBlur(inside, (0, 0), max(1.0, 0.01 * width)) * 2 - 1, 0, 1)[..., None]
    fade = np.where(inside[..., None] > 0, np.maximum(fade, (inside > 0)[..., None]), 0)
    plate = np.zeros((*wide.shape[:2], 4), np.uint8)
    plate[..., :3] = fade * wide + (1 - fade) * beyond
    sure = np.where(known, SHOWN, INVENTED).astype(np.uint8)
    plate[up : up + height, side : side + width, 3] = sure
    return Room(plate, (side, up), distance + _WALL)


def filled(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """A picture whose unknown pixels are filled in: smooth colours with the grain of what is around."""
    if known.all():
        return picture.copy()
    if not known.any():
        return np.full_like(picture, 128)
    smooth = push_pull(picture.astype(np.float32), known.astype(np.float32))
    near = continued(picture, known, max(2, picture.shape[1] // 60)).astype(np.float32)
    grain = picture.astype(np.float32) - cv2.GaussianBlur(picture, (0, 0), 2.0)
    strength = float(np.std(grain[known]))
    noise = np.random.default_rng(0).normal(0, min(strength, 6.0), picture.shape[:2])[..., None]
    result = np.where(known[..., None], picture, 0.5 * smooth + 0.5 * near + noise)
    return np.clip(result, 0, 255).astype(np.uint8)


@njit(cache=True, nogil=True, fastmath=True, parallel=True)
def draw_room(
    plate: np.ndarray,
    corner: np.ndarray,
    wall: float,
    first_w2c: np.ndarray,
    first_lens: np.ndarray,
    c2w: np.ndarray,
    lens: np.ndarray,
    colours: np.ndarray,
    known: np.ndarray,
) -> None:
    """The room seen by another camera.

    Args:
        plate, corner, wall: of `Room`.
        first_w2c, first_lens: the camera that took the picture, [4, 4] and [4].
        c2w, lens: the camera that looks now.
        colours: out, float32 [H, W, 3].
        known: out, uint8 [H, W].
    """
    height, width = known.shape
    rows, columns = plate.shape[0], plate.shape[1]
    fx, fy, cx, cy = first_lens
    eye = np.empty(3)
    for k in range(3):
        eye[k] = (
            first_w2c[k, 0] * c2w[0, 3]
            + first_w2c[k, 1] * c2w[1, 3]
            + first_w2c[k, 2] * c2w[2, 3]
            + first_w2c[k, 3]
        )
    turn = np.empty((3, 3))
    down = np.empty(3)
    for a in range(3):
        down[a] = -first_w2c[a, 1]
        for b in range(3):
            turn[a, b] = (
                first_w2c[a, 0] * c2w[0, b] + first_w2c[a, 1] * c2w[1, b] + first_w2c[a, 2] * c2w[2, b]
            )
    floor = 0.0  # along `down` from the first camera to the floor
    floor = -(
        first_w2c[0, 3] * first_w2c[0, 1]
        + first_w2c[1, 3] * first_w2c[1, 1]
        + first_w2c[2, 3] * first_w2c[2, 1]
    )
    height_above = floor
    for i in prange(height):
        for j in range(width):
            u, v = (j + 0.5 - lens[2]) / lens[0], (i + 0.5 - lens[3]) / lens[1]
            dx = turn[0, 0] * u + turn[0, 1] * v + turn[0, 2]
            dy = turn[1, 0] * u + turn[1, 1] * v + turn[1, 2]
            dz = turn[2, 0] * u + turn[2, 1] * v + turn[2, 2]
            way = 1e9
            if dz > 1e-6 and wall > eye[2]:
                way = (wall - eye[2]) / dz
            sink = dx * down[0] + dy * down[1] + dz * down[2]
            if sink > 1e-6:
                drop = (height_above - (eye[0] * down[0] + eye[1] * down[1] + eye[2] * down[2])) / sink
                if 0 < drop < way:
                    way = drop
            if way >= 1e9:
                way = 1e4
            x, y, z = eye[0] + way * dx, eye[1] + way * dy, eye[2] + way * dz
            if z < 0.05:
                z = 0.05
            s = fx * x / z + cx - 0.5 + corner[0]
            t = fy * y / z + cy - 0.5 + corner[1]
            inside = corner[0] <= s <= columns - 1 - corner[0] and corner[1] <= t <= rows - 1 - corner[1]
            s = min(max(s, 0.0), columns - 1.001)
            t = min(max(t, 0.0), rows - 1.001)
            a, b = int(t), int(s)
            p, q = t - a, s - b
            for k in range(3):
                colours[i, j, k] = (1 - p) * ((1 - q) * plate[a, b, k] + q * plate[a, b + 1, k]) + p * (
                    (1 - q) * plate[a + 1, b, k] + q * plate[a + 1, b + 1, k]
                )
            known[i, j] = plate[a, b, 3] if inside else 0


def shade(colours: np.ndarray, ground: np.ndarray, heights: np.ndarray, metre: float) -> None:
    """Darkens the floor beneath a person, in place.

    Args:
        colours: float32 [H, W, 3].
        ground: pixels beneath the vertices, [V, 2].
        heights: of the vertices over the floor, metres, [V].
        metre: pixels per metre at the person.
    """
    height, width = colours.shape[:2]
    weight = np.exp(-np.maximum(heights, 0.0) / _SHADOW).astype(np.float32)
    at = np.round(ground / 4).astype(int)
    inside = (at >= 0).all(1) & (at[:, 0] < width // 4) & (at[:, 1] < height // 4)
    if not inside.any():
        return
    dark = np.zeros((height // 4, width // 4), np.float32)
    np.maximum.at(dark, (at[inside, 1], at[inside, 0]), weight[inside])
    wide = max(1.0, 0.055 * metre / 4)
    dark = cv2.dilate(dark, np.ones((3, 3), np.uint8))
    dark = cv2.GaussianBlur(dark, (0, 0), wide, sigmaY=max(0.7, 0.35 * wide))
    dark = cv2.resize(np.clip(dark * 1.2, 0, 1), (width, height), interpolation=cv2.INTER_LINEAR)
    colours *= 1 - 0.42 * dark[..., None]
