"""Floors whose tiles are known, as the stage draws them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinema.scene import CameraPath, Scene
from kinema.scene.camera import look_at
from kinema.stage import World, shoot
from kinema.video.models.mini.backdrop import Backdrop

CAMERA = CameraPath(
    look_at(np.array([[0.4, 0.9, 3.2]]), np.array([[0.0, 0.8, 0.0]])),
    np.array([[130.0, 130.0, 48.0, 64.0]]),
    (96, 128),
    8.0,
)


def pattern_of(world: World):
    return Backdrop.of(shoot(Scene((), CAMERA, 8.0), [], world).rgb[0], CAMERA).pattern


@pytest.mark.parametrize("spacing", [0.5, 0.75, 1.0])
@pytest.mark.parametrize("turn", [0.0, 20.0, 64.0])
def test_the_grid_of_a_floor_is_found(spacing, turn):
    pattern = pattern_of(World(spacing=spacing, turn=turn))
    assert pattern is not None
    assert 1 / np.hypot(*pattern.wave) == pytest.approx(spacing, rel=0.02)
    angle = (np.degrees(np.arctan2(pattern.wave[1], pattern.wave[0])) - turn + 45) % 90 - 45
    assert abs(angle) < 1.5


def test_a_chequer_repeats_along_its_diagonals():
    pattern = pattern_of(World(spacing=0.5, checker=1.0, floor_alternate=(0.5, 0.5, 0.52)))
    assert pattern is not None
    assert 1 / np.hypot(*pattern.wave) == pytest.approx(0.5 * np.sqrt(2), rel=0.02)
    assert pattern.tile.std() > 10  # grey levels


def test_a_tile_is_dark_along_its_lines_and_even_elsewhere():
    pattern = pattern_of(World(spacing=0.5))
    assert pattern is not None
    grey = pattern.tile.mean(2)
    assert grey.min() < -20
    assert np.abs(grey - np.median(grey) < 8).mean() > 0.75


def test_a_floor_without_pattern_has_none():
    world = World()
    assert pattern_of(replace(world, line=world.floor)) is None
    noise = np.random.default_rng(1).integers(0, 255, (128, 96, 3)).astype(np.uint8)
    assert Backdrop.of(noise, CAMERA).pattern is None
