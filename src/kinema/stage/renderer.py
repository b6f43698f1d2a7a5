"""The renderer: from a posed mesh, a world and a camera to a picture and its visibility buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kinema.stage import rasterize as R
from kinema.stage import shading as S
from kinema.stage.world import World, texture

NEAR = 0.05
_TONE = (255.0 * np.linspace(0.0, 1.0, 4096) ** (1 / 2.2) + 0.5).astype(np.uint8)


@dataclass(frozen=True)
class Stage:
    """What does not change during a take: triangles and how they are painted; props come after people.

    Args:
        triangles: int32 [F, 3]; chart: float32 [V, 3].
        material, owner, two_sided: per triangle, see kinema.stage.shading and kinema.stage.wardrobe.
        parts: per triangle, 0 for a prop or sticks, j + 1 for SMPL joint j; people: 0 for a prop, p + 1 for person p.
        moving_vertices, moving_triangles: how many, from the start, belong to people.
        shading_props: how many of the triangles after them cast shadows.
        palettes: float32 [1 + P, K, 3]; cuts: float32 [1 + P, 16]; row 0 is for props.
        world: floor, backdrop and light.
        reach: edge of the square that the people's shadow map must cover, metres.
    """

    triangles: np.ndarray
    chart: np.ndarray
    material: np.ndarray
    owner: np.ndarray
    parts: np.ndarray
    people: np.ndarray
    two_sided: np.ndarray
    moving_vertices: int
    moving_triangles: int
    shading_props: int
    palettes: np.ndarray
    cuts: np.ndarray
    world: World
    reach: float


@dataclass(frozen=True)
class Picture:
    """One frame.

    Args:
        rgb: uint8 [H, W, 3].
        ids: the triangle at each pixel centre or -1, int32 [H, W].
        inverse_depth: 1 / metres, 0 where nothing, float32 [H, W].
        alpha: without a backdrop, the share of each pixel that shows something, uint8 [H, W]; else None.
    """

    rgb: np.ndarray
    ids: np.ndarray
    inverse_depth: np.ndarray
    alpha: np.ndarray | None = None


class Renderer(Protocol):
    """Anything that can film a stage."""

    def render(
        self, stage: Stage, vertices: np.ndarray, normals: np.ndarray, c2w: np.ndarray, lens: np.ndarray
    ) -> Picture:
        """Film one frame: vertices and normals float32 [V, 3], c2w [4, 4], lens fx, fy, cx, cy in pixels."""
        ...


class NumbaRenderer:
    """The default: one thread, no system library.

    Args:
        size: (width, height) in pixels.
        shadows: whether people and props cast shadows.
        antialias: samples along each axis of a pixel.
        backdrop: whether floor and sky are painted; else pictures have an alpha, which is not multiplied into the
            colours.
    """

    def __init__(
        self, size: tuple[int, int], shadows: bool = True, antialias: int = 1, backdrop: bool = True
    ) -> None:
        width, height = size
        if width < 1 or height < 1 or antialias < 1 or width * height * antialias**2 > 2**28:
            raise ValueError(f"a picture of {width} x {height} with antialias {antialias} cannot be filmed")
        self.size, self.shadows, self.samples, self.backdrop = (width, height), shadows, antialias, backdrop
        self._fine_ids = np.empty((height * antialias, width * antialias), np.int32)
        self._fine_depth = np.empty(self._fine_ids.shape, np.float32)
        self._light = np.empty((height, width, 4), np.float32)
        cells = int(np.clip(1.5 * max(size), 192, 1024)) if shadows else 8
        self._moving, self._still = _ShadowMap(cells), _ShadowMap(cells)
        self._still_for: Stage | None = None

    def render(
        self, stage: Stage, vertices: np.ndarray, normals: np.ndarray, c2w: np.ndarray, lens: np.ndarray
    ) -> Picture:
        """Film one frame, see `Renderer`."""
        width, height = self.size
        c2w, lens = np.asarray(c2w, np.float64), np.asarray(lens, np.float64)
        rotation = c2w[:3, :3].T
        camera_points = np.empty((len(vertices), 3))
        R.to_camera(vertices, np.concatenate([rotation, -rotation @ c2w[:3, 3:]], axis=1), camera_points)
        planes = np.empty((len(stage.triangles), 9), np.float32)
        solids = (camera_points, stage.triangles, stage.two_sided)
        R.rasterize(*solids, lens * self.samples, NEAR, self._fine_ids, self._fine_depth, planes)
        world = stage.world
        light = world.towards_light()
        basis = light_basis(light)
        if self.shadows:
            self._cast(stage, vertices, basis)
        shadows = (*self._moving.arrays, *self._still.arrays, basis)
        colours, pyramid = world.colours(), texture(world.texture_seed)
        toward_light = light.astype(np.float32)
        pose, camera = c2w.astype(np.float32), lens.astype(np.float32)
        mesh = (stage.triangles, vertices, normals, stage.chart, stage.material, stage.owner)
        paint = (stage.palettes, stage.cuts, colours, world.prop_textures(), pyramid)
        S.shade_surfaces(
            self._light, self._fine_ids, planes, *mesh, *paint, toward_light, pose[:3, 3].copy(),
            1 / camera[1], *shadows, self.samples,
        )  # fmt: skip
        alpha = None
        if self.backdrop:
            S.shade_backdrop(
                self._light, camera, pose, world.ground(), colours, pyramid, toward_light, *shadows
            )
        else:
            alpha = self._cut_out()
        rgb = np.empty((height, width, 3), np.uint8)
        S.tone_map(self._light, _TONE, self.samples, rgb)
        if self.samples == 1:
            return Picture(rgb, self._fine_ids.copy(), self._fine_depth.copy(), alpha)
        ids, inverse_depth = np.empty((height, width), np.int32), np.empty((height, width), np.float32)
        R.rasterize(*solids, lens, NEAR, ids, inverse_depth, planes)
        return Picture(rgb, ids, inverse_depth, alpha)

    def _cut_out(self) -> np.ndarray:
        """Makes each pixel's light that of what it shows alone, and gives the share that it shows, uint8 [H, W]."""
        samples = self.samples**2
        shown = samples - self._light[..., 3]
        self._light[..., :3] *= (samples / np.maximum(shown, 1))[..., None]
        return (shown * (255 / samples) + 0.5).astype(np.uint8)

    def _cast(self, stage: Stage, vertices: np.ndarray, basis: np.ndarray) -> None:
        """Draw the people's shadow map, and once a take that of the props."""
        people = vertices[: stage.moving_vertices]
        self._moving.draw(people, people, stage.triangles[: stage.moving_triangles], basis, stage.reach)
        if self._still_for is not stage:
            self._still_for = stage
            props = stage.triangles[stage.moving_triangles : stage.moving_triangles + stage.shading_props]
            used = vertices[stage.moving_vertices : int(props.max()) + 1] if len(props) else vertices[:0]
            self._still.draw(vertices, used, props, basis, None)


class _ShadowMap:
    """Depth seen from the light in a square of cells."""

    def __init__(self, cells: int) -> None:
        self.depth = np.empty((cells, cells), np.float32)
        self.tiles = np.empty((cells // 8 + 1, cells // 8 + 1), np.float32)
        self.frame = np.zeros(3, np.float32)

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.depth, self.tiles, self.frame

    def draw(
        self,
        vertices: np.ndarray,
        used: np.ndarray,
        triangles: np.ndarray,
        basis: np.ndarray,
        reach: float | None,
    ) -> None:
        """Cover the used vertices; the corner moves by whole cells so that edges do not swim."""
        self.frame[:] = 0.0
        low_high = R.light_extent(used, basis) if len(used) else np.full(4, np.inf)
        if not np.isfinite(low_high).all():
            return
        low, high = low_high[:2].astype(np.float64), low_high[2:].astype(np.float64)
        edge = float((high - low).max()) if reach is None else reach
        texel = edge / (len(self.depth) - 12)
        self.frame[:2] = np.floor(((low + high) / 2 - edge / 2) / texel) * texel - 6 * texel
        self.frame[2] = texel
        R.shadow_map(vertices, triangles, basis, self.frame, self.frame[2], self.depth)
        R.coarse_minimum(self.depth, self.tiles)


def light_basis(light: np.ndarray) -> np.ndarray:
    """Rows: two axes across the light and its direction of travel, float32 [3, 3]."""
    travel = -np.asarray(light, np.float64)
    side = np.cross(travel, (0.0, 0.0, 1.0) if abs(travel[2]) < 0.9 else (1.0, 0.0, 0.0))
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(travel, side), travel]).astype(np.float32)
