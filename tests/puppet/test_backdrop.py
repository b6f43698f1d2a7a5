"""The room: its own camera sees the picture, others see it go on, and none finds a hole in it."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.puppet.backdrop import Room, draw_room, light_of, room_of, room_with, shadow_of
from kinema.puppet.plate import floor_line
from kinema.puppet.walls import Walls, walls_of

SIZE = (120, 160)
LENS = np.array([220.0, 220.0, 60.0, 80.0])
DISTANCE = 4.0


def first_camera(height: float = 1.0) -> np.ndarray:
    c2w = np.eye(4)
    c2w[:3, :3] = np.diag([1.0, -1.0, -1.0])
    c2w[:3, 3] = (0.0, height, DISTANCE)
    return c2w


def textured() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(60, 200, (20, 15, 3)), np.ones((8, 8, 1))).astype(np.uint8)


def room(feet: bool = True) -> Room:
    alpha = np.zeros(SIZE[::-1], np.float32)
    alpha[40:135, 50:70] = 1
    at = np.array([[55.0, 133.0], [65.0, 133.0]]) if feet else np.zeros((0, 2))
    return room_of(textured(), alpha, 95.0, at)


def seen(
    own: Room, c2w: np.ndarray, shadow: bool = False, lens: np.ndarray = LENS, size: tuple[int, int] = SIZE
) -> tuple[np.ndarray, np.ndarray]:
    first = first_camera()
    colours, known = np.empty((*size[::-1], 3), np.float32), np.empty(size[::-1], np.uint8)
    person = np.random.default_rng(0).uniform((-0.2, 0.0, -0.1), (0.2, 1.6, 0.1), (2000, 3))
    dark = shadow_of(person, own, first) if shadow else None
    draw_room(own, walls(own, c2w[None], lens), first, (c2w, lens), dark, colours, known)
    return colours, known


def walls(own: Room, cameras: np.ndarray, lens: np.ndarray = LENS, behind: float = 0.0) -> Walls:
    views = np.repeat(lens[None], len(cameras), axis=0)
    return walls_of(own.stage, first_camera(), LENS, (cameras, views), np.array([0.0, 0.9, 0.0]), behind)


def turned(degrees: float, radius: float = DISTANCE) -> np.ndarray:
    """The first camera carried round the person."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    c2w = first_camera()
    c2w[2, 3] = radius
    c2w[:3] = turn @ c2w[:3]
    return c2w


def test_the_pictures_own_camera_sees_the_picture() -> None:
    own, picture = room(), textured().astype(float)
    colours, known = seen(own, first_camera())
    surely = known == 255
    assert 0.5 < surely.mean() < 0.95
    assert not surely[40:135, 50:70].any()
    assert np.abs(colours - picture)[surely].max() < 0.1


def test_what_no_picture_shows_is_marked_and_looks_like_what_it_shows() -> None:
    own = room()
    colours, known = seen(own, turned(40))
    assert set(np.unique(known)) <= {0, 255}
    assert 0.1 < (known == 0).mean() < 0.9
    new, old = colours[known == 0], colours[known == 255]
    assert np.abs(new.mean(axis=0) - old.mean(axis=0)).max() < 25
    steps = np.abs(np.diff(colours, axis=1)).mean(axis=2)
    both = (known[:, 1:] == 0) & (known[:, :-1] == 0)
    shown = (known[:, 1:] == 255) & (known[:, :-1] == 255)
    assert 0.4 < steps[both].mean() / steps[shown].mean() < 1.5


def test_the_room_goes_all_the_way_round_without_a_jump() -> None:
    own = room()
    cameras = np.stack([turned(degrees) for degrees in (0, 90, 178, 182, 270)])
    around = walls(own, cameras)
    jumps = []
    for c2w in cameras[[0, 2, 3]]:
        colours, known = np.empty((*SIZE[::-1], 3), np.float32), np.empty(SIZE[::-1], np.uint8)
        draw_room(own, around, first_camera(), (c2w, LENS), None, colours, known)
        steps = np.abs(np.diff(colours, axis=1)).mean(axis=2)
        jumps.append(steps.mean(axis=0).max())
    assert max(jumps[1:]) < 1.2 * jumps[0]
    total = around.right[0] + around.right[3] * (np.pi - around.right[1])
    total -= around.left[0] - around.left[3] * (np.pi + around.left[1])
    assert total / own.plate.period == pytest.approx(round(total / own.plate.period))


def test_the_wall_stands_behind_whoever_moves_and_round_every_ray() -> None:
    own = room()
    near = walls(own, turned(30)[None])
    assert near.round[1] == pytest.approx(DISTANCE)
    assert walls(own, turned(30)[None], behind=5.0).round[2] > 5.0
    aside = turned(0)
    aside[0, 3] = 30.0
    assert walls(own, aside[None]).round[2] > near.round[2] + 10


def test_a_floor_that_is_seen_to_end_says_where_the_wall_is() -> None:
    picture = np.full((160, 120, 3), 200, np.uint8)
    picture[120:] = (90, 60, 40)
    known = np.ones((160, 120), bool)
    known[:, 40:70] = False
    line = floor_line(picture, known, (90.0, 140.0))
    assert line == pytest.approx(120, abs=1)
    assert floor_line(picture, known, (20.0, 100.0)) is None
    alpha = np.zeros(SIZE[::-1], np.float32)
    alpha[40:135, 50:70] = 1
    own = room_of(picture, alpha, 95.0, np.array([[55.0, 133.0], [65.0, 133.0]]))
    wall = walls(own, first_camera()[None])
    assert wall.round[1] + wall.round[2] == pytest.approx(LENS[1] / (120 - LENS[3]), abs=0.2)


def test_a_person_cut_off_above_the_feet_has_no_floor_in_the_picture() -> None:
    around = walls(room(feet=False), first_camera()[None])
    assert LENS[3] + LENS[1] * around.floor / (around.round[1] + around.round[2]) > SIZE[1]


def test_there_is_no_seam_where_the_picture_ends() -> None:
    own = room()
    wide = LENS * [0.5, 0.5, 1, 1]  # sees twice as much
    colours, known = seen(own, first_camera(), lens=wide)
    row = colours[60].mean(axis=1)
    border = np.flatnonzero(np.diff(known[60].astype(int)) != 0)[[0, -1]]
    steps = np.abs(np.diff(row))
    assert steps[border].max() <= steps.max() * 0.8


@pytest.mark.parametrize(
    "eye",
    [(0, 1, -2.7), (0, 1, -9), (0, -3, 4), (50, 1, 4), (0, 90, 4), (0, 1, 60), (0, 1, 0), (-3, 0.01, -2)],
)
@pytest.mark.parametrize("roll", [0, 180])
@pytest.mark.parametrize("turn", [0, 90, 200])
def test_no_camera_finds_a_hole(eye: tuple[float, float, float], roll: float, turn: float) -> None:
    """In the wall, behind it, below the floor, far off, upside down: colours of the picture all over."""
    c2w = turned(turn)
    c2w[:3, 3] = eye
    c2w[:3, :2] *= np.cos(np.radians(roll))
    colours, _ = seen(room(), c2w, shadow=True)
    assert np.isfinite(colours).all()
    assert colours.min() > 10
    assert colours.max() < 245


def test_a_shadow_lies_at_the_feet_only() -> None:
    own = room()
    clear, _ = seen(own, first_camera())
    dark, _ = seen(own, first_camera(), shadow=True)
    loss = (dark / np.maximum(clear, 1)).mean(axis=2)
    feet = int(LENS[3] + LENS[1] * 1.0 / DISTANCE)
    assert loss[feet - 2 : feet + 3, 55:66].mean() < 0.75
    assert loss[:100].min() > 0.999
    assert not room(feet=False).shadow


def test_light_from_the_right_is_told_from_light_from_the_left() -> None:
    rows, columns = np.indices((160, 120))
    x, y = (columns - 60) / 30, (rows - 80) / 60
    inside = x**2 + y**2 < 1
    bright = np.where(inside, 120 + 70 * x, 200)[..., None].repeat(3, axis=2).astype(np.uint8)
    alpha = inside.astype(np.float32)
    right, left = light_of(bright, alpha), light_of(bright[:, ::-1].copy(), alpha)
    assert right > 0.4
    assert left < -0.4
    assert abs(light_of(np.full_like(bright, 90), alpha)) < 0.05


def test_another_picture_covers_the_frame() -> None:
    other = np.zeros((50, 200, 3), np.uint8)
    other[:, 80:120] = (10, 200, 30)
    own = room_with(other, SIZE, room())
    colours, known = seen(own, first_camera())
    assert np.abs(colours[:, 5:115] - (10, 200, 30)).max() < 60
    assert (known == 255).all()
