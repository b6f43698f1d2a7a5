"""Limbs as lit cylinders in three dimensions, near ones before far ones: the pose film of SCAIL (2512.05905).

Facts of its code (zai-org/SCAIL-Pose: render_3d/taichi_cylinder.py, NLFPoseExtract/nlf_render.py). It marches rays
through a distance field; here each ray is met with each limb in closed form, which gives the same surface.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from kinema.scene.camera import CameraPath
from kinema.scene.checks import check_shape

RADIUS = 21.5
"""Of a limb, mm, with round ends."""

_JOINTS = {0: 15, 1: 12, 2: 17, 3: 19, 4: 21, 5: 16, 6: 18, 7: 20, 8: 2, 9: 5, 10: 8, 11: 1, 12: 4, 13: 7}
"""OpenPose-18 number -> SMPL-24 joint; the nose is the head's joint."""

LIMBS = (
    (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
)  # fmt: skip
"""Between OpenPose-18 keypoints, in the order in which they are drawn."""

ALONE = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (0, 255, 255), (0, 170, 255), (0, 85, 255), (180, 255, 0), (0, 255, 0),
    (0, 255, 85), (0, 0, 255), (85, 0, 255), (170, 0, 255), (150, 150, 150),
)  # fmt: skip
"""Colours of the limbs of somebody who is alone."""

FIRST = (
    (255, 150, 150), (255, 180, 140), (255, 215, 150), (180, 230, 240), (160, 200, 255), (100, 120, 255),
    (200, 255, 100), (100, 255, 100), (140, 255, 180), (120, 140, 255), (180, 90, 255), (190, 120, 255),
    (210, 210, 210),
)  # fmt: skip
SECOND = (
    (255, 20, 20), (255, 60, 0), (255, 110, 0), (0, 230, 255), (0, 130, 255), (0, 70, 255), (160, 255, 40),
    (0, 255, 50), (0, 255, 100), (0, 0, 255), (80, 0, 255), (160, 0, 255), (130, 130, 130),
)  # fmt: skip
"""Colours of two people."""

PEOPLE = 2
"""So many people have colours of their own."""


def cylinder_map(joints: np.ndarray, camera: CameraPath, *, radius: float = RADIUS) -> np.ndarray:
    """Cylinders on black, uint8 [T, H, W, 3].

    Light falls along the camera's axis: (.3 + .7 diffuse) of the colour and a highlight of .5 (n.h)^32, both fading with
    depth from the nearest joint of the film to 6 m behind the farthest.

    Args:
        joints: SMPL-24 in the world, metres, NaN where missing, [T, P, 24, 3]; at most `PEOPLE`.
        camera: T frames.
        radius: of a limb, mm.

    Raises:
        ValueError: more people, or another number of frames.
    """
    joints = check_shape("joints", joints, (camera.frames, None, 24, 3))
    if joints.shape[1] > PEOPLE:
        raise ValueError(f"cylinders have colours for {PEOPLE} people, not for {joints.shape[1]}")
    w2c = camera.w2c
    local = 1000.0 * (np.einsum("tij,tpkj->tpki", w2c[:, :3, :3], joints) + w2c[:, None, None, :3, 3])
    points = local[:, :, [_JOINTS[k] for k in range(14)]]
    ends = np.array(LIMBS)
    limbs = np.concatenate([points[:, :, ends[:, 0]], points[:, :, ends[:, 1]]], axis=-1)
    palettes = (ALONE,) if joints.shape[1] < 2 else (FIRST, SECOND)
    colours = np.concatenate([np.array(palette) for palette in palettes]) / 300.0 + 0.15
    limbs = limbs.reshape(camera.frames, -1, 6)
    width, height = camera.size
    canvas = np.zeros((camera.frames, height, width, 3), np.uint8)
    depths = limbs[..., [2, 5]]
    known = depths[np.isfinite(depths)]
    if known.size:
        near, far = max(float(known.min()), 0.1), min(float(known.max()) + 6000.0, 20000.0)
        lens = np.ascontiguousarray(camera.intrinsics, np.float64)
        there = np.isfinite(limbs).all(axis=-1) & (depths.max(axis=-1) > 2 * radius)
        limbs = np.ascontiguousarray(np.where(there[..., None], limbs, 0.0))
        _draw(canvas, limbs, there, colours, lens, float(radius), near, far)
    return canvas


@njit(cache=True, nogil=True, error_model="numpy")
def _draw(canvas, limbs, there, colours, lens, radius, near, far):
    frames, height, width, _ = canvas.shape
    depth = np.empty((height, width))
    for t in range(frames):
        depth[:] = np.inf
        fx, fy, cx, cy = lens[t, 0], lens[t, 1], lens[t, 2], lens[t, 3]
        for k in range(limbs.shape[1]):
            if not there[t, k]:
                continue
            ax, ay, az = limbs[t, k, 0], limbs[t, k, 1], limbs[t, k, 2]
            bx, by, bz = limbs[t, k, 3], limbs[t, k, 4], limbs[t, k, 5]
            left, right, top, bottom = _box(ax, ay, az, bx, by, bz, fx, fy, cx, cy, radius, width, height)
            for i in range(top, bottom):
                for j in range(left, right):
                    dx, dy = (j + 0.5 - cx) / fx, (i + 0.5 - cy) / fy
                    long = math.sqrt(dx * dx + dy * dy + 1.0)
                    dx, dy, dz = dx / long, dy / long, 1.0 / long
                    hit, nx, ny, nz = _meet(dx, dy, dz, ax, ay, az, bx, by, bz, radius)
                    z = hit * dz
                    if hit > 0 and hit < depth[i, j]:
                        depth[i, j] = hit
                        _shade(canvas[t, i, j], colours[k], nx, ny, nz, dx, dy, dz, z, near, far)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _shade(pixel, colour, nx, ny, nz, dx, dy, dz, z, near, far):
    fade = 1.0 - (z - near) / (far - 0.1)
    fade = min(max(fade, 0.0), 1.0)
    diffuse = 0.3 + 0.7 * max(-nz, 0.0)
    hx, hy, hz = -dx, -dy, -dz - 1.0  # half way between the view and the light, which falls along z
    length = math.sqrt(hx * hx + hy * hy + hz * hz)
    shine = 0.5 * max((nx * hx + ny * hy + nz * hz) / length, 0.0) ** 32
    for c in range(3):
        value = (colour[c] * diffuse + shine) * fade
        pixel[c] = np.uint8(min(max(value, 0.0), 1.0) * 255.0)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _box(ax, ay, az, bx, by, bz, fx, fy, cx, cy, radius, width, height):
    """Pixels that a limb can cover: columns left to right, rows top to bottom; all of them where it is very near."""
    if min(az, bz) <= 2 * radius:
        return 0, width, 0, height
    left, top, right, low = width, height, -1.0, -1.0
    for end in range(2):
        x, y, z = (ax, ay, az) if end == 0 else (bx, by, bz)
        for side in range(2):  # the box round each ball, seen from its nearer and its farther face
            face = z - radius if side == 0 else z + radius
            left, right = min(left, (x - radius) / face * fx + cx), max(right, (x + radius) / face * fx + cx)
            top, low = min(top, (y - radius) / face * fy + cy), max(low, (y + radius) / face * fy + cy)
    return (
        min(max(int(left) - 1, 0), width),
        min(max(int(right) + 2, 0), width),
        min(max(int(top) - 1, 0), height),
        min(max(int(low) + 2, 0), height),
    )


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _meet(dx, dy, dz, ax, ay, az, bx, by, bz, radius):
    """Where a ray from the camera first meets a limb with round ends: distance (-1 for never) and outward normal."""
    ux, uy, uz = bx - ax, by - ay, bz - az
    uu = ux * ux + uy * uy + uz * uz
    ud, ua = ux * dx + uy * dy + uz * dz, -(ux * ax + uy * ay + uz * az)
    da, aa = -(dx * ax + dy * ay + dz * az), ax * ax + ay * ay + az * az
    a = uu - ud * ud
    b = uu * da - ua * ud
    c = uu * aa - ua * ua - radius * radius * uu
    best = -1.0
    along = 0.0
    if a > 1e-9:
        root = b * b - a * c
        if root >= 0.0:
            t = (-b - math.sqrt(root)) / a
            along = ua + t * ud
            if 0.0 < along < uu and t > 0:
                best = t
    if best < 0:
        for end in range(2):
            ex, ey, ez = (ax, ay, az) if end == 0 else (bx, by, bz)
            de = dx * ex + dy * ey + dz * ez
            root = de * de - (ex * ex + ey * ey + ez * ez) + radius * radius
            if root >= 0.0:
                t = de - math.sqrt(root)
                if t > 0 and (best < 0 or t < best):
                    best = t
                    along = 0.0 if end == 0 else uu
    if best < 0:
        return -1.0, 0.0, 0.0, 0.0
    share = along / uu if uu > 1e-9 else 0.0
    nx = (best * dx - ax - share * ux) / radius
    ny = (best * dy - ay - share * uy) / radius
    nz = (best * dz - az - share * uz) / radius
    return best, nx, ny, nz
