"""Ray maps: one Plücker ray per pixel and frame, the camera signal of CameraCtrl and TokenMotion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from kinema.scene.camera import CameraPath
from kinema.scene.checks import check_size
from kinema.signals.frames import SceneFrames
from kinema.signals.signal import Signal, register

if TYPE_CHECKING:
    import torch

ORDERS = ("moment_direction", "direction_moment")
SCALES = ("metric", "raw", "unit")


@register
class Rays(Signal):
    """Plücker rays, moment first, relative to the first frame, float32."""

    name = "rays"
    shape = ("B", "T", 6, "H", "W")
    common = True

    def of(self, frames: SceneFrames) -> torch.Tensor | None:
        if frames.camera is None:
            return None
        import torch

        return torch.from_numpy(ray_map(frames.camera, scale=frames.options.scale))[None]

    def window(
        self, tensor: torch.Tensor, start: int, frames: int, reference: torch.Tensor | None = None
    ) -> torch.Tensor:
        part = super().window(tensor, start, frames)
        return part if reference is None else rereference_rays(part, reference)


def ray_map(
    camera: CameraPath,
    *,
    size: tuple[int, int] | None = None,
    order: str = "moment_direction",
    scale: str = "metric",
    relative: bool = True,
) -> np.ndarray:
    """The Plücker coordinates [o × d, d] of every pixel's ray, float32 [T, 6, H, W].

    d is the unit direction of the ray through the pixel's centre (+0.5), o the camera's position, both in the
    frame of the first camera (as CameraCtrl's public code has them).

    Args:
        camera: T frames.
        size: (width, height) of the map; the camera is resized to it by crop-to-fill. None: the camera's own.
        order: "moment_direction" (public code) or "direction_moment".
        scale: of the translations: "metric" and "raw" leave them as they are (the words say whether they are
            metres or of unknown scale); "unit" divides them by the largest distance from the first frame, so
            that it becomes 1 (a camera that does not move stays as it is).
        relative: to the first frame. False: in the world.

    Raises:
        ValueError: an unknown order or scale, or a size that is none.
    """
    if order not in ORDERS:
        raise ValueError(f"unknown order {order!r}: use one of {', '.join(ORDERS)}")
    if scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}: use one of {', '.join(SCALES)}")
    if size is not None:
        camera = camera.resize(*check_size(size))
    if relative:
        camera = camera.relative()
    width, height = camera.size
    c2w, origins = camera.c2w, camera.positions
    if scale == "unit":
        reach = np.linalg.norm(origins - origins[0], axis=-1).max()
        origins = origins / reach if reach > 1e-9 else origins

    # d is linear in the pixel: before normalisation, d = x * right + y * down + corner (columns of c2w K⁻¹).
    fx, fy, cx, cy = camera.intrinsics.T[:, :, None]
    right, down, forward = c2w[:, :3, 0] / fx, c2w[:, :3, 1] / fy, c2w[:, :3, 2]
    corner = forward + (0.5 - cx) * right + (0.5 - cy) * down
    rays = np.empty((len(c2w), 6, height, width), np.float32)
    moment = 0 if order == "moment_direction" else 3
    _fill(rays, right, down, corner, origins, moment, 3 - moment)
    return rays


def rereference_rays(rays: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Rays (moment first) expressed in another camera: d' = Rᵀ d, m' = Rᵀ (m − t × d).

    Args:
        rays: [B, T, 6, H, W].
        reference: that camera's pose [R | t] in the present frame of the rays, [4, 4] or [B, 4, 4].
    """
    import torch

    pose = torch.as_tensor(reference).to(rays)
    pose = pose.expand(rays.shape[0], 4, 4)
    rotation, position = pose[:, :3, :3], pose[:, :3, 3]
    moment, direction = rays[:, :, :3], rays[:, :, 3:]
    shift = position[:, None, :, None, None].expand_as(direction)
    moment = moment - torch.linalg.cross(shift, direction, dim=2)
    return torch.cat(
        [torch.einsum("bji,btjhw->btihw", rotation, part) for part in (moment, direction)], dim=2
    )


@njit(cache=True, nogil=True, fastmath=True)
def _fill(rays, right, down, corner, origins, moment, direction):
    frames, _, height, width = rays.shape
    for t in range(frames):
        ax, ay, az = np.float32(right[t, 0]), np.float32(right[t, 1]), np.float32(right[t, 2])
        ox, oy, oz = np.float32(origins[t, 0]), np.float32(origins[t, 1]), np.float32(origins[t, 2])
        for i in range(height):
            bx = np.float32(corner[t, 0] + i * down[t, 0])
            by = np.float32(corner[t, 1] + i * down[t, 1])
            bz = np.float32(corner[t, 2] + i * down[t, 2])
            for j in range(width):
                x = np.float32(j)
                dx, dy, dz = bx + x * ax, by + x * ay, bz + x * az
                inverse = np.float32(1.0) / np.sqrt(dx * dx + dy * dy + dz * dz)
                dx, dy, dz = dx * inverse, dy * inverse, dz * inverse
                rays[t, direction, i, j] = dx
                rays[t, direction + 1, i, j] = dy
                rays[t, direction + 2, i, j] = dz
                rays[t, moment, i, j] = oy * dz - oz * dy
                rays[t, moment + 1, i, j] = oz * dx - ox * dz
                rays[t, moment + 2, i, j] = ox * dy - oy * dx
