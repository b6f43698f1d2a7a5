"""The renderer: from a posed mesh, a world and a camera to a picture and its visibility buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kinema.stage import rasterize as R
from kinema.stage.shading import shade
from kinema.stage.world import World

NEAR = 0.05
_TONE = (255.0 * np.linspace(0.0, 1.0, 4096) ** (1 / 2.2) + 0.5).astype(np.uint8)


@dataclass(frozen=True)
class Stage:
    """What does not change during a take: triangles and how they are painted; props come after people.

    Args:
        triangles: int32 [F, 3]; chart: float32 [V, 3].
        material, owner, parts, people, two_sided: per triangle, see kinema.stage.shading and wardrobe; people is
            0 for a prop, p + 1 for person p; parts is 0 for a prop, j + 1 for SMPL joint j.
        moving_vertices, moving_triangles: how many, from the start, belong to people.
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
    palettes: np.ndarray
    cuts: np.ndarray
    world: World
    reach: float


@dataclass(frozen=True)
class Picture:
    """One frame: rgb uint8 [H, W, 3]; ids int32 [H, W], the triangle at each pixel centre or -1; depth float32 [H, W]."""

    rgb: np.ndarray
    ids: np.ndarray
    inverse_depth: np.ndarray


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
    """

    def __init__(self, size: tuple[int, int], shadows: bool = True, antialias: int = 1) -> None:
        width, height = size
        if width < 1 or height < 1 or width * height * antialias**2 > 2**28:
            raise ValueError(f"a picture of {width} x {height} with antialias {antialias} cannot be filmed")
        self.size, self.shadows, self.samples = (width, height), shadows, antialias
        self._fine_ids = np.empty((height * antialias, width * antialias), np.int32)
        self._fine_depth = np.empty(self._fine_ids.shape, np.float32)
        cells = int(np.clip(1.5 * max(size), 192, 1024))
        self._moving, self._still = (
            np.empty((cells, cells) if shadows else (4, 4), np.float32) for _ in range(2)
        )
        self._still_for: Stage | None = None
        self._still_frame = np.zeros(3, np.float32)

    def render(
        self, stage: Stage, vertices: np.ndarray, normals: np.ndarray, c2w: np.ndarray, lens: np.ndarray
    ) -> Picture:
        """Film one frame, see `Renderer`."""
        width, height = self.size
        c2w = np.ascontiguousarray(c2w, np.float64)
        rotation = c2w[:3, :3].T
        w2c = np.concatenate([rotation, -rotation @ c2w[:3, 3:]], axis=1)
        camera_points = np.empty((len(vertices), 3))
        R.to_camera(vertices, w2c, camera_points)
        planes = np.empty((len(stage.triangles), 9), np.float32)
        lens = np.asarray(lens, np.float64)
        samples = self.samples
        R.rasterize(
            camera_points,
            stage.triangles,
            stage.two_sided,
            lens * samples,
            NEAR,
            self._fine_ids,
            self._fine_depth,
            planes,
        )
        light = stage.world.towards_light()
        basis = light_basis(light)
        moving_frame = self._cast(stage, vertices, basis)
        rgb = np.empty((height, width, 3), np.uint8)
        shade(
            rgb,
            self._fine_ids,
            planes,
            stage.triangles,
            vertices,
            normals,
            stage.chart,
            stage.material,
            stage.owner,
            stage.palettes,
            stage.cuts,
            lens.astype(np.float32),
            c2w.astype(np.float32),
            stage.world.colours(),
            light.astype(np.float32),
            stage.world.ground(),
            self._moving,
            moving_frame,
            self._still,
            self._still_frame,
            basis,
            _TONE,
            samples,
        )
        if samples == 1:
            return Picture(rgb, self._fine_ids.copy(), self._fine_depth.copy())
        ids, inverse_depth = np.empty((height, width), np.int32), np.empty((height, width), np.float32)
        R.rasterize(camera_points, stage.triangles, stage.two_sided, lens, NEAR, ids, inverse_depth, planes)
        return Picture(rgb, ids, inverse_depth)

    def _cast(self, stage: Stage, vertices: np.ndarray, basis: np.ndarray) -> np.ndarray:
        """Draw the people's shadow map, and once a take that of the props; returns the first one's frame."""
        if not self.shadows:
            return np.zeros(3, np.float32)
        people, props = vertices[: stage.moving_vertices], vertices[stage.moving_vertices :]
        if self._still_for is not stage:
            self._still_for = stage
            self._still_frame = np.zeros(3, np.float32)
            if len(props):
                self._still_frame = _frame(props, basis, None, self._still.shape[0])
                R.shadow_map(
                    vertices,
                    stage.triangles[stage.moving_triangles :],
                    basis,
                    self._still_frame,
                    self._still_frame[2],
                    self._still,
                )
        if not len(people):
            return np.zeros(3, np.float32)
        frame = _frame(people, basis, stage.reach, self._moving.shape[0])
        R.shadow_map(people, stage.triangles[: stage.moving_triangles], basis, frame, frame[2], self._moving)
        return frame


def light_basis(light: np.ndarray) -> np.ndarray:
    """Rows: two axes across the light and its direction of travel, float32 [3, 3]."""
    travel = -np.asarray(light, np.float64)
    side = np.cross(travel, (0.0, 0.0, 1.0) if abs(travel[2]) < 0.9 else (1.0, 0.0, 0.0))
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(travel, side), travel]).astype(np.float32)


def _frame(points: np.ndarray, basis: np.ndarray, reach: float | None, cells: int) -> np.ndarray:
    """Corner and cell size of a shadow map round points; the corner moves by whole cells so that edges do not swim."""
    flat = points @ basis[:2].T
    low, high = flat.min(0), flat.max(0)
    edge = float((high - low).max()) if reach is None else reach
    texel = edge / (cells - 12)
    corner = np.floor(((low + high) / 2 - edge / 2) / texel) * texel - 6 * texel
    return np.array([corner[0], corner[1], texel], np.float32)
