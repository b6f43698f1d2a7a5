"""The empty studio of a film, seen from any camera: what the camera judges compare a video with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene import CameraPath, Scene
from kinema.stage import NumbaRenderer, World
from kinema.stage.assemble import assemble

BACKDROP, FLOOR, PROP = 0, 1, 2
KINDS = ("backdrop", "floor", "props")
_SAME = 0.15  # share by which depths of one surface differ from pixel to pixel


@dataclass(frozen=True)
class StudioView:
    """The studio without people from one camera.

    Args:
        rgb: uint8 [H, W, 3].
        nearness: 1 / metres along the optical axis, 0 for the backdrop, which is infinitely far, [H, W].
        kind: BACKDROP, FLOOR or PROP, uint8 [H, W].
    """

    rgb: np.ndarray
    nearness: np.ndarray
    kind: np.ndarray


@dataclass(frozen=True)
class Shown:
    """What a first picture shows, to be asked from other cameras.

    Args:
        nearness: 1 / metres along its optical axis, 0 where it shows nothing that is near, [H, W].
        pose: its camera, camera-to-world, [4, 4].
        lens: fx, fy, cx, cy in pixels, [4].
    """

    nearness: np.ndarray
    pose: np.ndarray
    lens: np.ndarray

    def holds(self, points: np.ndarray) -> np.ndarray:
        """Which points of surfaces, metres [N, 3], it shows: inside of it and not behind anything, bool [N]."""
        local = (points - self.pose[:3, 3]) @ self.pose[:3, :3]
        depth = np.maximum(local[:, 2], 1e-3)
        fx, fy, cx, cy = self.lens
        column = np.floor(local[:, 0] / depth * fx + cx).astype(int)
        row = np.floor(local[:, 1] / depth * fy + cy).astype(int)
        height, width = self.nearness.shape
        inside = (local[:, 2] > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
        there = self.nearness[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
        return inside & (np.abs(there * depth - 1) < _SAME)


class Studio:
    """A world without people, ready to be looked at.

    Args:
        world: the studio.
        size: (width, height) in pixels.
    """

    def __init__(self, world: World, size: tuple[int, int]) -> None:
        self.world, self.size = world, size
        nobody = Scene((), CameraPath.static(np.eye(4), (1.0, 1.0, 0.0, 0.0), size, 1.0, 1), 1.0)
        self._stage, vertices, normals, _ = assemble(nobody, [], world)
        self._vertices, self._normals = vertices[0], normals[0]
        self._renderer = NumbaRenderer(size, antialias=2)
        width, height = size
        self._u, self._v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)

    def view(self, c2w: np.ndarray, lens: np.ndarray) -> StudioView:
        """The studio from a pose (camera-to-world, [4, 4]) through a lens (fx, fy, cx, cy in pixels, [4])."""
        picture = self._renderer.render(self._stage, self._vertices, self._normals, c2w, lens)
        x, y = self.directions(lens)
        falls = -(x * c2w[1, 0] + y * c2w[1, 1] + c2w[1, 2])  # metres that a ray falls per metre of depth
        height = c2w[1, 3]
        floor = (falls > 1e-4) & (height > 0.05)
        nearness = np.where(floor, falls / max(height, 0.05), 0.0)
        prop = picture.ids >= 0
        nearness[prop] = picture.inverse_depth[prop]
        kind = np.where(prop, PROP, np.where(floor, FLOOR, BACKDROP)).astype(np.uint8)
        return StudioView(picture.rgb, nearness, kind)

    def smaller(self, factor: int) -> Studio:
        """The same studio for pictures of 1 / factor the size; itself where the factor is 1."""
        return self if factor == 1 else Studio(self.world, (self.size[0] // factor, self.size[1] // factor))

    def places(self, pixels: np.ndarray, c2w: np.ndarray, lens: np.ndarray) -> np.ndarray:
        """What pixels [N, 2] show, as homogeneous points of the world [N, 4]; the last is 0 for the backdrop."""
        column, row = np.clip(pixels, 0, np.array(self.size) - 1).astype(int).T
        x, y = (pixels[:, 0] - lens[2]) / lens[0], (pixels[:, 1] - lens[3]) / lens[1]
        rays = np.stack([x, y, np.ones_like(x)], -1) @ c2w[:3, :3].T
        nearness = self.view(c2w, lens).nearness[row, column]
        return np.concatenate([rays + nearness[:, None] * c2w[:3, 3], nearness[:, None]], -1)

    def shown_to(self, start: np.ndarray, lens: np.ndarray, blind: np.ndarray) -> Shown:
        """What a first picture shows of the things in the studio.

        Args:
            start: pose of its camera, [4, 4].
            lens: fx, fy, cx, cy in pixels, [4].
            blind: pixels that show people, bool [H, W].
        """
        nearness = np.where(blind, 0.0, self.view(start, lens).nearness)
        return Shown(nearness, np.asarray(start, np.float64), lens)

    def strange(self, view: StudioView, c2w: np.ndarray, lens: np.ndarray, shown: Shown) -> np.ndarray:
        """Where a view from a pose shows things that a first picture did not, bool [H, W].

        A video made from that picture cannot have them. Floor and backdrop go on as they are and are never strange.
        """
        strange = view.kind == PROP
        x, y = (each[strange] for each in self.directions(lens))
        rays = np.stack([x, y, np.ones_like(x)], -1) @ c2w[:3, :3].T
        strange[strange] = ~shown.holds(c2w[:3, 3] + rays / view.nearness[strange, None])
        return strange

    def directions(self, lens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x / z and y / z of the ray through each pixel's centre, [H, W] each."""
        fx, fy, cx, cy = lens
        return (self._u - cx) / fx, (self._v - cy) / fy


def motion_field(x: np.ndarray, y: np.ndarray, nearness: np.ndarray, lens: np.ndarray) -> np.ndarray:
    """How still points move in the picture per unit of camera motion, pixels, [..., 2, 6].

    Longuet-Higgins and Prazdny (1980), for c2w' = c2w exp(t, w): columns are translations along and rotations
    about the camera's own axes, metres and radians.

    Args:
        x, y: x / z and y / z of the points, [...].
        nearness: 1 / depth in metres, [...].
        lens: fx, fy, cx, cy in pixels, [4].
    """
    field = np.zeros((*x.shape, 2, 6))
    field[..., 0, 0], field[..., 0, 2] = -nearness, x * nearness
    field[..., 1, 1], field[..., 1, 2] = -nearness, y * nearness
    field[..., 0, 3], field[..., 0, 4], field[..., 0, 5] = x * y, -(1 + x * x), y
    field[..., 1, 3], field[..., 1, 4], field[..., 1, 5] = 1 + y * y, -x * y, -x
    field[..., 0, :] *= lens[0]
    field[..., 1, :] *= lens[1]
    return field


def moved(c2w: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """A pose after a motion (translation, rotation vector; [6]) along its own axes, [4, 4]."""
    step = np.eye(4)
    step[:3, :3] = Rotation.from_rotvec(motion[3:]).as_matrix()
    step[:3, 3] = motion[:3]
    return c2w @ step
