"""Numba kernels: what colour a pixel is.

Cloth is cut in chart coordinates, so seams and faces are sharp at any size. The floor is cast by rays and its
pattern is averaged over the pixel by its integral, so grids do not alias.
"""

from __future__ import annotations

import numpy as np
from numba import njit

Array = np.ndarray

SKIN, SHIRT, STRIPE, TROUSERS, SHOES, HAIR, DARK, MOUTH, COAT, SOLE, SOCK, WHITE, SKIRT = range(13)
"""Rows of a palette."""
SLEEVE, HEM, WAIST, NECK, SHOE_TOP, STRIPE_PERIOD, STRIPE_SHARE, HAIR_FRONT, HAIR_SIDE, HAIR_NAPE = range(10)
COAT_OPEN, SOCK_TOP, GLOVE, BELT, COAT_HEM, LEG_STRIPE = range(10, 16)
"""Entries of a cutting pattern, metres in the chart."""

CUTS = 16
FLOOR_A, FLOOR_B, LINE, HORIZON, ZENITH, LIGHT, SKY, BOUNCE = range(8)
"""Rows of a world's colours, linear light."""
TILE = np.float32(3.0)
"""Edge of one repeat of a texture, metres."""


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def garment(x: float, y: float, z: float, cuts: Array, o: int) -> int:
    """The palette row of a point of the body, given in chart coordinates (metres)."""
    ax = abs(x)
    if y > 1.47 and ax < 0.15:
        return _head(ax, y - 1.605, z - 0.01, cuts, o)
    coat = cuts[o, COAT_OPEN] >= 0.0
    if ax > 0.185 and y > 1.2:
        if ax > cuts[o, GLOVE]:
            return SHOES
        if ax > cuts[o, SLEEVE]:
            return SKIN
        if coat:
            return COAT
        if cuts[o, STRIPE_PERIOD] > 0.0 and (ax / cuts[o, STRIPE_PERIOD]) % 1.0 < cuts[o, STRIPE_SHARE]:
            return STRIPE
        return SHIRT
    if y > cuts[o, NECK] - (0.075 - ax) * 0.8 * (1.0 if z > 0.0 else 0.0) and ax < 0.075 and y > 1.36:
        return SKIN
    if coat and y > cuts[o, COAT_HEM] and (z < 0.0 or ax > cuts[o, COAT_OPEN]):
        return COAT
    if y > cuts[o, WAIST]:
        if cuts[o, STRIPE_PERIOD] > 0.0 and (y / cuts[o, STRIPE_PERIOD]) % 1.0 < cuts[o, STRIPE_SHARE]:
            return STRIPE
        return SHIRT
    if y > cuts[o, WAIST] - cuts[o, BELT]:
        return DARK
    if y > cuts[o, HEM]:
        if cuts[o, LEG_STRIPE] > 0.0 and ax > 0.1 and abs(z + 0.005) < cuts[o, LEG_STRIPE]:
            return STRIPE
        return TROUSERS
    if y < cuts[o, SHOE_TOP]:
        return SOLE if y < 0.014 else SHOES
    if y < cuts[o, SOCK_TOP]:
        return SOCK
    return SKIN


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def hairline(y: float, z: float, front: float, side: float, nape: float) -> float:
    """Height above the hairline in metres, above 0 where hair grows; origin between the ears."""
    t = min(1.0, max(0.0, (z - side + 0.03) / 0.08))
    t = t * t * (3.0 - 2.0 * t)
    return y - (nape + (front - nape) * t)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _head(ax, y, z, cuts, o):
    if hairline(y, z, cuts[o, HAIR_FRONT], cuts[o, HAIR_SIDE], cuts[o, HAIR_NAPE]) > 0.0:
        return HAIR
    if z > 0.03:
        ex, ey = ax - 0.034, y - 0.004
        if ex * ex / 0.0136**2 + ey * ey / 0.0085**2 < 1.0:
            return DARK if ex * ex + ey * ey < 0.0072**2 else WHITE
        if abs(ex) < 0.017 and abs(y - 0.027 + 8.0 * ex * ex) < 0.0038:
            return HAIR if cuts[o, HAIR_FRONT] < 0.2 else DARK
        if ax * ax / 0.022**2 + (y + 0.066) * (y + 0.066) / 0.006**2 < 1.0:
            return MOUTH
    return SKIN


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", inline="always")
def _lines(at, footprint, width):
    """Share of a footprint (in line periods) that lies on a line of the given width (share of the period)."""
    footprint = max(footprint, 1e-4)
    low, high = at - 0.5 * footprint, at + 0.5 * footprint
    low_floor, high_floor = np.floor(low), np.floor(high)
    a = low_floor * width + min(low - low_floor, width)
    b = high_floor * width + min(high - high_floor, width)
    return (b - a) / footprint


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", inline="always")
def _wave(x):
    half = x * 0.5
    return abs(half - np.floor(half) - 0.5)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", inline="always")
def _checker(u, v, du, dv):
    """Filtered checkerboard in 0..1 (triangle-wave integral along each axis)."""
    du, dv = max(du, 1e-4), max(dv, 1e-4)
    a = 2.0 * (_wave(u - 0.5 * du) - _wave(u + 0.5 * du)) / du
    b = 2.0 * (_wave(v - 0.5 * dv) - _wave(v + 0.5 * dv)) / dv
    return 0.5 + 0.5 * a * b


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", inline="always")
def _texture(pyramid, u, v, footprint):
    """Trilinear look-up in a tiling mip-map, see kinema.stage.world.texture; u, v in tiles."""
    size = pyramid.shape[1]
    level = np.log2(max(footprint * size, 1.0))
    level = min(level, pyramid.shape[0] - 1.001)
    first = int(level)
    mix = level - first
    r = g = b = np.float32(0.0)
    for k in range(2):
        share = mix if k == 1 else 1.0 - mix
        n = size >> (first + k)
        x, y = u * n - 0.5, v * n - 0.5
        j, i = int(np.floor(x)), int(np.floor(y))
        fx, fy = x - j, y - i
        for q in range(4):
            a, c = (i + q // 2) % n, (j + q % 2) % n
            w = share * (fy if q // 2 else 1.0 - fy) * (fx if q % 2 else 1.0 - fx)
            r += w * pyramid[first + k, a, c, 0]
            g += w * pyramid[first + k, a, c, 1]
            b += w * pyramid[first + k, a, c, 2]
    return r, g, b


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", inline="always")
def lit_share(
    x: float, y: float, z: float, bias: float, depth: Array, tiles: Array, frame: Array, basis: Array
) -> np.float32:
    """Share of the light that reaches a point: a 3 x 3 tent over a shadow map; 1 outside it."""
    texel = frame[2]
    if texel <= 0.0:
        return np.float32(1.0)
    size = depth.shape[0]
    u = (basis[0, 0] * x + basis[0, 1] * y + basis[0, 2] * z - frame[0]) / texel - np.float32(0.5)
    v = (basis[1, 0] * x + basis[1, 1] * y + basis[1, 2] * z - frame[1]) / texel - np.float32(0.5)
    if u < 1.0 or v < 1.0 or u > size - 4 or v > size - 4:
        return np.float32(1.0)
    j, i = int(u), int(v)
    d = basis[2, 0] * x + basis[2, 1] * y + basis[2, 2] * z - bias
    if tiles[i >> 3, j >> 3] > d:
        return np.float32(1.0)
    fu, fv = u - np.float32(j), v - np.float32(i)
    total = np.float32(0.0)
    for r in range(4):
        row = np.float32(0.0)
        if depth[i - 1 + r, j - 1] > d:
            row += np.float32(1.0) - fu
        if depth[i - 1 + r, j] > d:
            row += np.float32(1.0)
        if depth[i - 1 + r, j + 1] > d:
            row += np.float32(1.0)
        if depth[i - 1 + r, j + 2] > d:
            row += fu
        if r == 0:
            row *= np.float32(1.0) - fv
        elif r == 3:
            row *= fv
        total += row
    return total * np.float32(1.0 / 9.0)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def shade_surfaces(
    light_sum: Array,
    ids: Array,
    planes: Array,
    triangles: Array,
    vertices: Array,
    normals: Array,
    chart: Array,
    material: Array,
    owner: Array,
    palettes: Array,
    cuts: Array,
    colours: Array,
    textured: Array,
    pyramid: Array,
    light: Array,
    eye: Array,
    pixel: float,
    moving: Array,
    moving_tiles: Array,
    moving_frame: Array,
    still: Array,
    still_tiles: Array,
    still_frame: Array,
    basis: Array,
    samples: int,
) -> None:
    """Add the colour of people and props to each pixel, once a sample.

    Arguments are flat because numba counts references whenever arrays travel in tuples or inner calls.

    Args:
        light_sum: out, linear colour summed over samples and the number of samples that show nothing,
            float32 [H, W, 4].
        ids, planes: visibility at `samples` times the resolution, from `rasterize`.
        material: per triangle, palette row, or -1 where the cutting pattern decides.
        owner: per triangle, row of palettes and cuts (0: props).
        colours: the world's, rows named above; textured: texture strength of each prop; pyramid: mip-map.
        light: unit vector towards the light; eye: the camera; pixel: its size at a depth of 1.
        moving, still: shadow maps of people and of props, with coarse minima and frames (corner x, y, texel).
        basis: axes of the light, see `shadow_map`.
    """
    height, width = light_sum.shape[:2]
    ex, ey, ez = eye[0], eye[1], eye[2]
    half = np.float32(0.5)
    for i in range(height):
        for j in range(width):
            r = g = b = np.float32(0.0)
            empty = 0
            for s in range(samples * samples):
                si, sj = i * samples + s // samples, j * samples + s % samples
                t = ids[si, sj]
                if t < 0:
                    empty += 1
                    continue
                px, py = np.float32(sj) + half, np.float32(si) + half
                w0 = planes[t, 0] * px + planes[t, 1] * py + planes[t, 2]
                w1 = planes[t, 3] * px + planes[t, 4] * py + planes[t, 5]
                w2 = planes[t, 6] * px + planes[t, 7] * py + planes[t, 8]
                depth = np.float32(1.0) / (w0 + w1 + w2)
                w0 *= depth
                w1 *= depth
                w2 *= depth
                p, q, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                nx = w0 * normals[p, 0] + w1 * normals[q, 0] + w2 * normals[k, 0]
                ny = w0 * normals[p, 1] + w1 * normals[q, 1] + w2 * normals[k, 1]
                nz = w0 * normals[p, 2] + w1 * normals[q, 2] + w2 * normals[k, 2]
                x = w0 * vertices[p, 0] + w1 * vertices[q, 0] + w2 * vertices[k, 0]
                y = w0 * vertices[p, 1] + w1 * vertices[q, 1] + w2 * vertices[k, 1]
                z = w0 * vertices[p, 2] + w1 * vertices[q, 2] + w2 * vertices[k, 2]
                scale = np.float32(1.0) / np.sqrt(nx * nx + ny * ny + nz * nz + np.float32(1e-12))
                m, o = material[t], owner[t]
                toward = (nx * (ex - x) + ny * (ey - y) + nz * (ez - z)) * scale
                if toward < 0.0 and m >= 0:
                    scale = -scale
                nx *= scale
                ny *= scale
                nz *= scale
                if m < 0:
                    m = garment(
                        w0 * chart[p, 0] + w1 * chart[q, 0] + w2 * chart[k, 0],
                        w0 * chart[p, 1] + w1 * chart[q, 1] + w2 * chart[k, 1],
                        w0 * chart[p, 2] + w1 * chart[q, 2] + w2 * chart[k, 2],
                        cuts,
                        o,
                    )
                facing = nx * light[0] + ny * light[1] + nz * light[2]
                direct = max(np.float32(0.0), facing * np.float32(0.85) + np.float32(0.15))
                if direct > 0.0:
                    e = np.float32(1.5) * moving_frame[2]
                    direct *= lit_share(
                        x + nx * e, y + ny * e, z + nz * e, e, moving, moving_tiles, moving_frame, basis
                    )
                    e = np.float32(1.5) * still_frame[2]
                    direct *= lit_share(
                        x + nx * e, y + ny * e, z + nz * e, e, still, still_tiles, still_frame, basis
                    )
                up = np.float32(0.5) + np.float32(0.5) * ny
                down = np.float32(1.0) - up
                red = palettes[o, m, 0]
                green = palettes[o, m, 1]
                blue = palettes[o, m, 2]
                if o == 0 and textured[m] > 0.0:
                    if abs(nx) > abs(ny) and abs(nx) > abs(nz):
                        u, v = z, y
                    elif abs(ny) > abs(nz):
                        u, v = x, z
                    else:
                        u, v = x, y
                    slant = (
                        pixel
                        * depth
                        / max(abs(toward * scale) / max(np.float32(1e-6), depth), np.float32(0.25))
                    )
                    tile = np.float32(1.0) / TILE
                    tr, tg, tb = _texture(pyramid, u * tile + m * np.float32(0.37), v * tile, slant * tile)
                    share = textured[m]
                    red *= 1.0 + share * (tr - 1.0)
                    green *= 1.0 + share * (tg - 1.0)
                    blue *= 1.0 + share * (tb - 1.0)
                r += red * (colours[LIGHT, 0] * direct + colours[SKY, 0] * up + colours[BOUNCE, 0] * down)
                g += green * (colours[LIGHT, 1] * direct + colours[SKY, 1] * up + colours[BOUNCE, 1] * down)
                b += blue * (colours[LIGHT, 2] * direct + colours[SKY, 2] * up + colours[BOUNCE, 2] * down)
            light_sum[i, j, 0] = r
            light_sum[i, j, 1] = g
            light_sum[i, j, 2] = b
            light_sum[i, j, 3] = empty


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def shade_backdrop(
    light_sum: Array,
    lens: Array,
    c2w: Array,
    floor: Array,
    colours: Array,
    pyramid: Array,
    light: Array,
    moving: Array,
    moving_tiles: Array,
    moving_frame: Array,
    still: Array,
    still_tiles: Array,
    still_frame: Array,
    basis: Array,
) -> None:
    """Fill the samples that show nothing with floor and backdrop, averaged over about one pixel.

    Args:
        light_sum: from `shade_surfaces`; its fourth channel says how much is to be filled.
        lens: fx, fy, cx, cy of the final picture; c2w: [4, 4].
        floor: spacing, line width (share of it), origin x, z, cos, sin, fade start, end, checker, texture.
        colours ... basis: as in `shade_surfaces`.
    """
    height, width = light_sum.shape[:2]
    ox, oy, oz = c2w[0, 3], c2w[1, 3], c2w[2, 3]
    half = np.float32(0.5)
    for i in range(height):
        dy = (np.float32(i) + half - lens[3]) / lens[1]
        for j in range(width):
            empty = light_sum[i, j, 3]
            if empty == 0.0:
                continue
            dx = (np.float32(j) + half - lens[2]) / lens[0]
            vx = c2w[0, 0] * dx + c2w[0, 1] * dy + c2w[0, 2]
            vy = c2w[1, 0] * dx + c2w[1, 1] * dy + c2w[1, 2]
            vz = c2w[2, 0] * dx + c2w[2, 1] * dy + c2w[2, 2]
            up = vy / np.sqrt(vx * vx + vy * vy + vz * vz)
            up = min(np.float32(1.0), max(np.float32(0.0), up * np.float32(1.6)))
            r = colours[HORIZON, 0] + up * (colours[ZENITH, 0] - colours[HORIZON, 0])
            g = colours[HORIZON, 1] + up * (colours[ZENITH, 1] - colours[HORIZON, 1])
            b = colours[HORIZON, 2] + up * (colours[ZENITH, 2] - colours[HORIZON, 2])
            t = -oy / min(vy, np.float32(-1e-5))
            hx, hz = ox + t * vx, oz + t * vz
            ex, ez = hx - floor[2], hz - floor[3]
            fade = (np.sqrt(ex * ex + ez * ez) - floor[6]) / (floor[7] - floor[6])
            if fade < 1.0 and vy < -1e-4 and oy > 0.0:
                fade = max(np.float32(0.0), fade)
                fade = np.float32(1.0) - fade * fade * (np.float32(3.0) - np.float32(2.0) * fade)
                # how far the hit moves over one pixel, along both picture axes
                t_x = -oy / min(vy + c2w[1, 0] / lens[0], np.float32(-1e-5))
                t_y = -oy / min(vy + c2w[1, 1] / lens[1], np.float32(-1e-5))
                x_x = t_x * (vx + c2w[0, 0] / lens[0]) - t * vx
                z_x = t_x * (vz + c2w[2, 0] / lens[0]) - t * vz
                x_y = t_y * (vx + c2w[0, 1] / lens[1]) - t * vx
                z_y = t_y * (vz + c2w[2, 1] / lens[1]) - t * vz
                inverse = np.float32(1.0) / floor[0]
                u = (ex * floor[4] + ez * floor[5]) * inverse
                v = (ez * floor[4] - ex * floor[5]) * inverse
                du = (abs(x_x * floor[4] + z_x * floor[5]) + abs(x_y * floor[4] + z_y * floor[5])) * inverse
                dv = (abs(z_x * floor[4] - x_x * floor[5]) + abs(z_y * floor[4] - x_y * floor[5])) * inverse
                line_u = _lines(u + np.float32(0.5) * floor[1], du, floor[1])
                line_v = _lines(v + np.float32(0.5) * floor[1], dv, floor[1])
                line = (np.float32(1.0) - (np.float32(1.0) - line_u) * (np.float32(1.0) - line_v)) * fade
                mix = np.float32(0.0)
                if floor[8] > 0.0:
                    mix = floor[8] * (np.float32(0.5) + (_checker(u, v, du, dv) - np.float32(0.5)) * fade)
                fr = colours[FLOOR_A, 0] + mix * (colours[FLOOR_B, 0] - colours[FLOOR_A, 0])
                fg = colours[FLOOR_A, 1] + mix * (colours[FLOOR_B, 1] - colours[FLOOR_A, 1])
                fb = colours[FLOOR_A, 2] + mix * (colours[FLOOR_B, 2] - colours[FLOOR_A, 2])
                if floor[9] > 0.0:
                    tile = np.float32(1.0) / TILE
                    tr, tg, tb = _texture(
                        pyramid, ex * tile, ez * tile, np.float32(0.5) * (du + dv) * floor[0] * tile
                    )
                    fr *= 1.0 + floor[9] * (tr - 1.0)
                    fg *= 1.0 + floor[9] * (tg - 1.0)
                    fb *= 1.0 + floor[9] * (tb - 1.0)
                fr += line * (colours[LINE, 0] - fr)
                fg += line * (colours[LINE, 1] - fg)
                fb += line * (colours[LINE, 2] - fb)
                direct = max(np.float32(0.0), light[1])
                zero, bias = np.float32(0.0), np.float32(0.02)
                direct *= lit_share(hx, zero, hz, bias, moving, moving_tiles, moving_frame, basis)
                direct *= lit_share(hx, zero, hz, bias, still, still_tiles, still_frame, basis)
                fr *= colours[LIGHT, 0] * direct + colours[SKY, 0]
                fg *= colours[LIGHT, 1] * direct + colours[SKY, 1]
                fb *= colours[LIGHT, 2] * direct + colours[SKY, 2]
                r += fade * (fr - r)
                g += fade * (fg - g)
                b += fade * (fb - b)
            light_sum[i, j, 0] += empty * r
            light_sum[i, j, 1] += empty * g
            light_sum[i, j, 2] += empty * b


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def tone_map(light_sum: Array, tone: Array, samples: int, rgb: Array) -> None:
    """Linear light summed over samples x samples to 8 bit, by a table of 4096 entries."""
    height, width = rgb.shape[:2]
    share = np.float32(4095.0 / (samples * samples))
    for i in range(height):
        for j in range(width):
            for k in range(3):
                rgb[i, j, k] = tone[min(4095, int(light_sum[i, j, k] * share))]
