"""The person's pixels: the cut-out's own soft edge, no rims, and how surely they are the picture's own."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.puppet.render import Painter, Skin, posed, shown_now

SIDE = 64
LENS = np.array([64.0, 64.0, 32.0, 32.0])
QUAD = np.array([[-0.5, -0.5, 1], [0.5, -0.5, 1], [0.5, 0.5, 1], [-0.5, 0.5, 1]], np.float32)
TRIANGLES = np.array([[0, 2, 1], [0, 3, 2]], np.int32)
UV = np.array([[-0.5, -0.5], [63.5, -0.5], [63.5, 63.5], [-0.5, 63.5]], np.float32)
ONES = np.ones(4, np.float32)


def surface(alpha: np.ndarray, colour: tuple[int, int, int] = (200, 80, 40)) -> Skin:
    atlas = np.empty((SIDE, SIDE, 4), np.uint8)
    atlas[..., :3], atlas[..., 3] = colour, 255
    return Skin(TRIANGLES, UV, atlas, alpha)


def drawn(
    skin: Skin, vertices: np.ndarray = QUAD, samples: int = 2, shown: np.ndarray = ONES, ground: float = 100
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    colours = np.full((SIDE, SIDE, 3), ground, np.float32)
    known = np.full((SIDE, SIDE), 7, np.uint8)
    painter = Painter((SIDE, SIDE), skin, samples)
    painter.draw(vertices, shown, np.eye(4), LENS, colours, known)
    return colours, painter.coverage, known


def disc(soft: float = 3.0) -> np.ndarray:
    rows, columns = np.indices((SIDE, SIDE))
    away = np.hypot(rows - 31.5, columns - 31.5)
    return np.asarray(np.clip((20 - away) / soft + 0.5, 0, 1) * 255, np.uint8)


@pytest.mark.parametrize("samples", [2, 3])
def test_coverage_follows_the_cut_outs_alpha(samples: int) -> None:
    alpha = disc()
    _, coverage, _ = drawn(surface(alpha), samples=samples)
    assert abs(coverage.sum() - alpha.sum() / 255) < 0.02 * coverage.sum()
    assert ((coverage > 0) & (coverage < 1)).any()
    assert np.abs(coverage - alpha / 255).max() < 0.35


def test_edges_mix_the_two_colours_and_nothing_else() -> None:
    colours, coverage, _ = drawn(surface(disc()))
    expected = coverage[..., None] * [200, 80, 40] + (1 - coverage[..., None]) * 100
    assert np.abs(colours - expected).max() < 1.0


def test_what_shines_through_a_clear_texel_is_what_lies_behind() -> None:
    """A second sheet behind the first one, not the ground."""
    behind = QUAD + np.array([0, 0, 0.2], np.float32)
    atlas = np.zeros((2 * SIDE, SIDE, 4), np.uint8)
    atlas[:SIDE, :, 0], atlas[SIDE:, :, 1] = 250, 250
    alpha = np.concatenate([disc(), np.full((SIDE, SIDE), 255, np.uint8)])
    both = Skin(
        np.concatenate([TRIANGLES, TRIANGLES + 4]),
        np.concatenate([UV, UV + np.array([0, SIDE], np.float32)]),
        atlas,
        alpha,
    )
    colours, coverage, _ = drawn(both, np.concatenate([QUAD, behind]), shown=np.ones(8, np.float32), ground=0)
    inner = coverage[8:-8, 8:-8]
    assert inner.min() == 1
    assert np.abs(colours[8:-8, 8:-8, :2].sum(axis=2) - 250).max() < 3


def test_what_is_known_is_the_texels_own_times_how_it_is_seen() -> None:
    solid = np.full((SIDE, SIDE), 255, np.uint8)
    _, coverage, known = drawn(surface(solid), shown=np.full(4, 0.6, np.float32))
    assert np.abs(known[coverage > 0.5].astype(int) - 153).max() <= 1
    assert (known[coverage == 0] == 7).all()


def test_the_angle_between_the_pictures_view_and_now() -> None:
    bones, weights = np.zeros((1, 4), np.int32), np.array([[1, 0, 0, 0]], np.float32)
    vertex, ray = np.zeros((1, 3), np.float32), np.array([[0, 0, -1]], np.float32)
    maps = np.zeros((24, 3, 4))
    maps[:, :, :3] = np.eye(3)
    for degrees, expected in ((0, 1.0), (40, np.cos(np.radians(40))), (61, 0.0), (180, 0.0)):
        angle = np.radians(degrees)
        eye = 3 * np.array([np.sin(angle), 0, np.cos(angle)])
        assert abs(shown_now(ray, bones, weights, maps, vertex, eye)[0] - expected) < 1e-5


def test_nothing_behind_the_camera_or_out_of_view_is_drawn() -> None:
    solid = surface(np.full((SIDE, SIDE), 255, np.uint8))
    for moved in ((0, 0, -3), (9, 0, 0), (0, 0, -1), (np.nan, 0, 0)):
        colours, coverage, _ = drawn(solid, QUAD + np.array(moved, np.float32))
        assert coverage.max() == 0
        assert (colours == 100).all()


def test_half_the_atlas_shows_the_same() -> None:
    full = surface(disc(6.0))
    small = full.halved()
    assert small.atlas.shape[:2] == (SIDE // 2, SIDE // 2)
    one, two = drawn(full)[1], drawn(small)[1]
    assert np.abs(one - two).mean() < 0.02


def test_samples_are_few() -> None:
    with pytest.raises(ValueError, match="samples"):
        Painter((8, 8), surface(disc()), 5)


def test_skinning_moves_vertices_by_their_bones() -> None:
    maps = np.zeros((24, 3, 4))
    maps[:, :, :3] = np.eye(3)
    maps[3, :, 3] = (1, 2, 3)
    bones, weights = np.tile([3, 0, 0, 0], (4, 1)).astype(np.int32), np.tile([0.5, 0.5, 0, 0], (4, 1))
    moved = posed(QUAD, bones, weights.astype(np.float32), maps)
    assert np.allclose(moved - QUAD, [0.5, 1, 1.5])
