"""Numba kernels: skinning, vertex normals, the z-buffer rasteriser and the shadow map.

Coverage uses homogeneous edge functions: each w_i(x, y) is linear over the picture, their sum is 1/depth, and
w_i * depth are the perspective-correct barycentrics; triangles that cross the camera plane need no clipping.
"""

from __future__ import annotations

import numpy as np
from numba import njit

Array = np.ndarray


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def skin(vertices: Array, bones: Array, weights: Array, affine: Array, out: Array) -> None:
    """Linear blend skinning: vertices [V, 3], bones/weights [V, 4], affine [24, 3, 4] -> out [V, 3]."""
    for v in range(vertices.shape[0]):
        x, y, z = vertices[v, 0], vertices[v, 1], vertices[v, 2]
        ox = oy = oz = np.float32(0.0)
        for k in range(4):
            w = weights[v, k]
            if w <= 0.0:
                continue
            a = affine[bones[v, k]]
            ox += w * (a[0, 0] * x + a[0, 1] * y + a[0, 2] * z + a[0, 3])
            oy += w * (a[1, 0] * x + a[1, 1] * y + a[1, 2] * z + a[1, 3])
            oz += w * (a[2, 0] * x + a[2, 1] * y + a[2, 2] * z + a[2, 3])
        out[v, 0] = ox
        out[v, 1] = oy
        out[v, 2] = oz


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def vertex_normals(vertices: Array, triangles: Array, out: Array) -> None:
    """Area-weighted unit normals, [V, 3]."""
    out[:] = 0.0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux = vertices[b, 0] - vertices[a, 0]
        uy = vertices[b, 1] - vertices[a, 1]
        uz = vertices[b, 2] - vertices[a, 2]
        vx = vertices[c, 0] - vertices[a, 0]
        vy = vertices[c, 1] - vertices[a, 1]
        vz = vertices[c, 2] - vertices[a, 2]
        nx = uy * vz - uz * vy
        ny = uz * vx - ux * vz
        nz = ux * vy - uy * vx
        for i in (a, b, c):
            out[i, 0] += nx
            out[i, 1] += ny
            out[i, 2] += nz
    for v in range(vertices.shape[0]):
        n = np.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2)
        if n > 0.0:
            out[v, 0] /= n
            out[v, 1] /= n
            out[v, 2] /= n


@njit(cache=True, nogil=True, error_model="numpy")
def to_camera(vertices: Array, w2c: Array, out: Array) -> None:
    """World points into camera axes, [V, 3] float64."""
    for v in range(vertices.shape[0]):
        x, y, z = vertices[v, 0], vertices[v, 1], vertices[v, 2]
        for i in range(3):
            out[v, i] = w2c[i, 0] * x + w2c[i, 1] * y + w2c[i, 2] * z + w2c[i, 3]


@njit(cache=True, nogil=True, error_model="numpy")
def edge_functions(points: Array, a: int, b: int, c: int, lens: Array, plane: Array) -> float:
    """How a triangle covers the picture.

    Args:
        points: [V, 3], camera axes, metres.
        a, b, c: its corners.
        lens: fx, fy, cx, cy in pixels.
        plane: out, coefficients of w_i(x, y) = a x + b y + c for each corner i, [9]; the pixels where all are at least 0
            are covered, and their sum is 1 / depth.

    Returns:
        Below 0 where it is seen from its front, above from its back; 0 where edge on, and `plane` is left as it is.
    """
    fx, fy, cx, cy = lens
    x0, y0, z0 = points[a, 0], points[a, 1], points[a, 2]
    x1, y1, z1 = points[b, 0], points[b, 1], points[b, 2]
    x2, y2, z2 = points[c, 0], points[c, 1], points[c, 2]
    n0x, n0y, n0z = y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2
    det = x0 * n0x + y0 * n0y + z0 * n0z
    if abs(det) < 1e-14:
        return 0.0
    scale = 1.0 / det
    sx, sy = scale / fx, scale / fy
    n1x, n1y, n1z = y2 * z0 - z2 * y0, z2 * x0 - x2 * z0, x2 * y0 - y2 * x0
    n2x, n2y, n2z = y0 * z1 - z0 * y1, z0 * x1 - x0 * z1, x0 * y1 - y0 * x1
    plane[0], plane[1] = n0x * sx, n0y * sy
    plane[3], plane[4] = n1x * sx, n1y * sy
    plane[6], plane[7] = n2x * sx, n2y * sy
    plane[2] = n0z * scale - plane[0] * cx - plane[1] * cy
    plane[5] = n1z * scale - plane[3] * cx - plane[4] * cy
    plane[8] = n2z * scale - plane[6] * cx - plane[7] * cy
    return det


@njit(cache=True, nogil=True, error_model="numpy")
def pixel_box(points: Array, a: int, b: int, c: int, lens: Array) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the pixels whose centres a triangle before the camera may cover."""
    fx, fy, cx, cy = lens
    u0, u1, u2 = (
        fx * points[a, 0] / points[a, 2],
        fx * points[b, 0] / points[b, 2],
        fx * points[c, 0] / points[c, 2],
    )
    v0, v1, v2 = (
        fy * points[a, 1] / points[a, 2],
        fy * points[b, 1] / points[b, 2],
        fy * points[c, 1] / points[c, 2],
    )
    return (
        int(np.ceil(min(u0, u1, u2) + cx - 0.5)),
        int(np.ceil(min(v0, v1, v2) + cy - 0.5)),
        int(np.floor(max(u0, u1, u2) + cx - 0.5)),
        int(np.floor(max(v0, v1, v2) + cy - 0.5)),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def rasterize(
    camera_points: Array,
    triangles: Array,
    two_sided: Array,
    lens: Array,
    near: float,
    ids: Array,
    inverse_depth: Array,
    planes: Array,
) -> None:
    """Nearest triangle at every pixel centre.

    Args:
        camera_points: [V, 3] float64, camera axes, metres.
        two_sided: bool [F]; other triangles are drawn only from their front.
        lens: fx, fy, cx, cy in pixels of this picture.
        near: metres; nothing nearer than this is drawn.
        ids: out, triangle number or -1, int32 [H, W].
        inverse_depth: out, 1 / depth, 0 where nothing, float32 [H, W].
        planes: out, coefficients of each drawn triangle's w_i(x, y) = a x + b y + c, float32 [F, 9].
    """
    height, width = ids.shape
    ids[:] = -1
    inverse_depth[:] = 0.0
    furthest = 1.0 / near
    plane = np.empty(9)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        z0, z1, z2 = camera_points[a, 2], camera_points[b, 2], camera_points[c, 2]
        if z0 < near and z1 < near and z2 < near:
            continue
        det = edge_functions(camera_points, a, b, c, lens, plane)
        if det == 0.0 or (det > 0.0 and not two_sided[t]):
            continue
        left, top, right, bottom = 0, 0, width - 1, height - 1
        if z0 >= near and z1 >= near and z2 >= near:
            x, y, far_x, far_y = pixel_box(camera_points, a, b, c, lens)
            left, top, right, bottom = max(left, x), max(top, y), min(right, far_x), min(bottom, far_y)
        if left > right or top > bottom:
            continue
        a0, b0, c0, a1, b1, c1, a2, b2, c2 = plane
        drawn = False
        for i in range(top, bottom + 1):
            y = i + 0.5
            x = left + 0.5
            w0 = a0 * x + b0 * y + c0
            w1 = a1 * x + b1 * y + c1
            w2 = a2 * x + b2 * y + c2
            for j in range(left, right + 1):
                if w0 >= 0.0 and w1 >= 0.0 and w2 >= 0.0:
                    inverse = w0 + w1 + w2
                    if inverse > inverse_depth[i, j] and inverse <= furthest:
                        inverse_depth[i, j] = inverse
                        ids[i, j] = t
                        drawn = True
                w0 += a0
                w1 += a1
                w2 += a2
        if drawn:
            planes[t] = plane


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def shadow_map(
    vertices: Array, triangles: Array, basis: Array, origin: Array, texel: float, depth: Array
) -> None:
    """Depth along the light of the nearest surface, float32 [S, S]; 1e9 where nothing.

    Args:
        basis: rows: the map's x, its y and the direction of travel of the light, [3, 3].
        origin: light-plane coordinates of the map's corner, [2].
        texel: edge of one cell, metres.
    """
    size = depth.shape[0]
    depth[:] = 1e9
    count = vertices.shape[0]
    flat = np.empty((count, 3), np.float32)
    inverse = np.float32(1.0 / texel)
    for v in range(count):
        x, y, z = vertices[v, 0], vertices[v, 1], vertices[v, 2]
        flat[v, 0] = (basis[0, 0] * x + basis[0, 1] * y + basis[0, 2] * z - origin[0]) * inverse
        flat[v, 1] = (basis[1, 0] * x + basis[1, 1] * y + basis[1, 2] * z - origin[1]) * inverse
        flat[v, 2] = basis[2, 0] * x + basis[2, 1] * y + basis[2, 2] * z
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, z0 = flat[a, 0], flat[a, 1], flat[a, 2]
        x1, y1, z1 = flat[b, 0] - x0, flat[b, 1] - y0, flat[b, 2] - z0
        x2, y2, z2 = flat[c, 0] - x0, flat[c, 1] - y0, flat[c, 2] - z0
        area = x1 * y2 - x2 * y1
        if abs(area) < 1e-12:
            continue
        left = max(0, int(np.ceil(x0 + min(0.0, x1, x2) - 0.5)))
        right = min(size - 1, int(np.floor(x0 + max(0.0, x1, x2) - 0.5)))
        top = max(0, int(np.ceil(y0 + min(0.0, y1, y2) - 0.5)))
        bottom = min(size - 1, int(np.floor(y0 + max(0.0, y1, y2) - 0.5)))
        one = np.float32(1.0) / area
        for i in range(top, bottom + 1):
            py = i + np.float32(0.5) - y0
            for j in range(left, right + 1):
                px = j + np.float32(0.5) - x0
                u = (px * y2 - py * x2) * one
                v = (py * x1 - px * y1) * one
                if u >= 0.0 and v >= 0.0 and u + v <= 1.0:
                    z = z0 + u * z1 + v * z2
                    if z < depth[i, j]:
                        depth[i, j] = z


@njit(cache=True, nogil=True, error_model="numpy")
def coarse_minimum(depth: Array, tiles: Array) -> None:
    """Least depth within reach (3 cells) of each block of 8 x 8 cells, [S // 8 + 1, S // 8 + 1]."""
    size = depth.shape[0]
    tiles[:] = 1e9
    for i in range(size):
        first_row, last_row = max(0, i - 3) >> 3, min(size - 1, i + 3) >> 3
        for j in range(size):
            d = depth[i, j]
            if d < 1e8:
                for a in range(first_row, last_row + 1):
                    for b in range(max(0, j - 3) >> 3, (min(size - 1, j + 3) >> 3) + 1):
                        if d < tiles[a, b]:
                            tiles[a, b] = d


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def light_extent(vertices: Array, basis: Array) -> Array:
    """Least x, y and greatest x, y across the light of vertices above y = -1000 m, float32 [4]."""
    out = np.array([np.inf, np.inf, -np.inf, -np.inf], np.float32)
    for v in range(vertices.shape[0]):
        x, y, z = vertices[v, 0], vertices[v, 1], vertices[v, 2]
        if y < -1e3:
            continue
        a = basis[0, 0] * x + basis[0, 1] * y + basis[0, 2] * z
        b = basis[1, 0] * x + basis[1, 1] * y + basis[1, 2] * z
        out[0], out[1] = min(out[0], a), min(out[1], b)
        out[2], out[3] = max(out[2], a), max(out[3], b)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def truth(
    ids: Array,
    inverse_depth: Array,
    triangle_part: Array,
    triangle_person: Array,
    depth: Array,
    parts: Array,
    people: Array,
) -> None:
    """Depth (inf = nothing), part ids and person ids from a visibility buffer."""
    height, width = ids.shape
    for i in range(height):
        for j in range(width):
            t = ids[i, j]
            if t < 0:
                depth[i, j] = np.inf
                parts[i, j] = 0
                people[i, j] = 0
            else:
                depth[i, j] = 1.0 / inverse_depth[i, j]
                parts[i, j] = triangle_part[t]
                people[i, j] = triangle_person[t]
