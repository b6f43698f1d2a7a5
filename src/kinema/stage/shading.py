"""Numba kernels: what colour a pixel is. Cloth is cut in chart coordinates, so seams and faces are sharp at any size."""

from __future__ import annotations

import numpy as np
from numba import njit

SKIN, SHIRT, STRIPE, TROUSERS, SHOES, HAIR, DARK, MOUTH, COAT, SOLE, SOCK, WHITE, SKIRT = range(13)
"""Rows of a palette."""
SLEEVE, HEM, WAIST, NECK, SHOE_TOP, STRIPE_PERIOD, STRIPE_SHARE, HAIR_FRONT, HAIR_SIDE, HAIR_NAPE = range(10)
COAT_OPEN, SOCK_TOP, GLOVE, BELT, COAT_HEM, LEG_STRIPE = range(10, 16)
"""Entries of a cutting pattern, metres in the chart."""

CUTS = 16
FLOOR_A, FLOOR_B, LINE, HORIZON, ZENITH, LIGHT, SKY, BOUNCE = range(8)
"""Rows of a world's colours, linear light."""


@njit(cache=True, nogil=True, fastmath=True)
def garment(x, y, z, cut):
    """The palette row of a point of the body, given in chart coordinates (metres)."""
    ax = abs(x)
    if y > 1.47 and ax < 0.15:
        return _head(ax, y - 1.605, z - 0.01, cut)
    coat = cut[COAT_OPEN] >= 0.0
    if ax > 0.185 and y > 1.2:
        if ax > cut[GLOVE]:
            return SHOES
        if ax > cut[SLEEVE]:
            return SKIN
        if coat:
            return COAT
        if cut[STRIPE_PERIOD] > 0.0 and (ax / cut[STRIPE_PERIOD]) % 1.0 < cut[STRIPE_SHARE]:
            return STRIPE
        return SHIRT
    if y > cut[NECK] - (0.075 - ax) * 0.8 * (1.0 if z > 0.0 else 0.0) and ax < 0.075 and y > 1.36:
        return SKIN
    if coat and y > cut[COAT_HEM] and (z < 0.0 or ax > cut[COAT_OPEN]):
        return COAT
    if y > cut[WAIST]:
        if cut[STRIPE_PERIOD] > 0.0 and (y / cut[STRIPE_PERIOD]) % 1.0 < cut[STRIPE_SHARE]:
            return STRIPE
        return SHIRT
    if y > cut[WAIST] - cut[BELT]:
        return DARK
    if y > cut[HEM]:
        if cut[LEG_STRIPE] > 0.0 and ax > 0.1 and abs(z + 0.005) < cut[LEG_STRIPE]:
            return STRIPE
        return TROUSERS
    if y < cut[SHOE_TOP]:
        return SOLE if y < 0.014 else SHOES
    if y < cut[SOCK_TOP]:
        return SOCK
    return SKIN


@njit(cache=True, nogil=True, fastmath=True)
def hairline(y, z, cut):
    """Height above the hairline, metres; positive where hair grows. Head coordinates, origin between the ears."""
    t = min(1.0, max(0.0, (z - cut[HAIR_SIDE] + 0.03) / 0.08))
    t = t * t * (3.0 - 2.0 * t)
    return y - (cut[HAIR_NAPE] + (cut[HAIR_FRONT] - cut[HAIR_NAPE]) * t)


@njit(cache=True, nogil=True, fastmath=True)
def _head(ax, y, z, cut):
    if hairline(y, z, cut) > 0.0:
        return HAIR
    if z > 0.03:
        ex, ey = ax - 0.034, y - 0.004
        if ex * ex / 0.0136**2 + ey * ey / 0.0085**2 < 1.0:
            return DARK if ex * ex + ey * ey < 0.0072**2 else WHITE
        if abs(ex) < 0.017 and abs(y - 0.027 + 8.0 * ex * ex) < 0.0038:
            return HAIR if cut[HAIR_FRONT] < 0.2 else DARK
        if ax * ax / 0.022**2 + (y + 0.066) * (y + 0.066) / 0.006**2 < 1.0:
            return MOUTH
    return SKIN


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _lines(at, footprint, width):
    """Share of a footprint (in line periods) that lies on a line of the given width (share of the period)."""
    footprint = max(footprint, 1e-4)
    low, high = at - 0.5 * footprint, at + 0.5 * footprint
    low_floor, high_floor = np.floor(low), np.floor(high)
    a = low_floor * width + min(low - low_floor, width)
    b = high_floor * width + min(high - high_floor, width)
    return (b - a) / footprint


@njit(cache=True, nogil=True, fastmath=True)
def _checker(u, v, du, dv):
    """Filtered checkerboard in 0..1 (triangle-wave integral along each axis)."""
    du, dv = max(du, 1e-4), max(dv, 1e-4)
    a = 2.0 * (abs(((u - 0.5 * du) * 0.5 % 1.0) - 0.5) - abs(((u + 0.5 * du) * 0.5 % 1.0) - 0.5)) / du
    b = 2.0 * (abs(((v - 0.5 * dv) * 0.5 % 1.0) - 0.5) - abs(((v + 0.5 * dv) * 0.5 % 1.0) - 0.5)) / dv
    return 0.5 + 0.5 * a * b


@njit(cache=True, nogil=True, fastmath=True)
def lit_share(x, y, z, depth, basis, origin, texel, bias):
    """Share of the light that reaches a point: a 3 x 3 tent over the shadow map."""
    size = depth.shape[0]
    u = (basis[0, 0] * x + basis[0, 1] * y + basis[0, 2] * z - origin[0]) / texel - 0.5
    v = (basis[1, 0] * x + basis[1, 1] * y + basis[1, 2] * z - origin[1]) / texel - 0.5
    j, i = int(np.floor(u)), int(np.floor(v))
    if j < 1 or i < 1 or j > size - 3 or i > size - 3:
        return np.float32(1.0)
    d = basis[2, 0] * x + basis[2, 1] * y + basis[2, 2] * z - bias
    fu, fv = u - j, v - i
    total = np.float32(0.0)
    for r in range(4):
        row = np.float32(0.0)
        if depth[i - 1 + r, j - 1] > d:
            row += 1.0 - fu
        if depth[i - 1 + r, j] > d:
            row += 1.0
        if depth[i - 1 + r, j + 1] > d:
            row += 1.0
        if depth[i - 1 + r, j + 2] > d:
            row += fu
        if r == 0:
            row *= 1.0 - fv
        elif r == 3:
            row *= fv
        total += row
    return total / np.float32(9.0)


@njit(cache=True, nogil=True, fastmath=True)
def shade(
    rgb,
    ids,
    planes,
    triangles,
    vertices,
    normals,
    chart,
    material,
    owner,
    palettes,
    cuts,
    lens,
    c2w,
    colours,
    light,
    floor,
    moving,
    moving_frame,
    still,
    still_frame,
    basis,
    tone,
    samples,
):
    """Colour every pixel.

    Args:
        rgb: out, uint8 [H, W, 3].
        ids, planes: visibility at `samples` times the resolution, from `rasterize`.
        material: per triangle, palette row, or -1 where the body's cutting pattern decides, [F].
        owner: per triangle, row of palettes and cuts (0: props), [F].
        lens: fx, fy, cx, cy of the final picture.
        light: unit vector towards the light.
        floor: spacing, line width, origin x, origin z, cos, sin, fade start, fade end, checker strength.
        moving, still: shadow maps of people and of props; their frames are corner x, corner y, texel (0: none).
        tone: linear light (4095 = 1) to 8 bit.
    """
    height, width = rgb.shape[:2]
    fx, fy, cx, cy = lens
    ox, oy, oz = c2w[0, 3], c2w[1, 3], c2w[2, 3]
    lx, ly, lz = light
    share = np.float32(1.0 / (samples * samples))
    for i in range(height):
        dy = (i + 0.5 - cy) / fy
        for j in range(width):
            r = g = b = np.float32(0.0)
            empty = 0
            for s in range(samples * samples):
                si, sj = i * samples + s // samples, j * samples + s % samples
                t = ids[si, sj]
                if t < 0:
                    empty += 1
                    continue
                px, py = sj + np.float32(0.5), si + np.float32(0.5)
                w0 = planes[t, 0] * px + planes[t, 1] * py + planes[t, 2]
                w1 = planes[t, 3] * px + planes[t, 4] * py + planes[t, 5]
                w2 = planes[t, 6] * px + planes[t, 7] * py + planes[t, 8]
                z = np.float32(1.0) / (w0 + w1 + w2)
                w0 *= z
                w1 *= z
                w2 *= z
                p, q, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                nx = w0 * normals[p, 0] + w1 * normals[q, 0] + w2 * normals[k, 0]
                ny = w0 * normals[p, 1] + w1 * normals[q, 1] + w2 * normals[k, 1]
                nz = w0 * normals[p, 2] + w1 * normals[q, 2] + w2 * normals[k, 2]
                x = w0 * vertices[p, 0] + w1 * vertices[q, 0] + w2 * vertices[k, 0]
                y = w0 * vertices[p, 1] + w1 * vertices[q, 1] + w2 * vertices[k, 1]
                zz = w0 * vertices[p, 2] + w1 * vertices[q, 2] + w2 * vertices[k, 2]
                scale = np.float32(1.0) / np.sqrt(nx * nx + ny * ny + nz * nz + np.float32(1e-12))
                toward = nx * (ox - x) + ny * (oy - y) + nz * (oz - zz)
                if toward < 0.0 and material[t] >= 0:
                    scale = -scale
                nx *= scale
                ny *= scale
                nz *= scale
                m = material[t]
                o = owner[t]
                if m < 0:
                    m = garment(
                        w0 * chart[p, 0] + w1 * chart[q, 0] + w2 * chart[k, 0],
                        w0 * chart[p, 1] + w1 * chart[q, 1] + w2 * chart[k, 1],
                        w0 * chart[p, 2] + w1 * chart[q, 2] + w2 * chart[k, 2],
                        cuts[o],
                    )
                facing = nx * lx + ny * ly + nz * lz
                direct = max(np.float32(0.0), facing * np.float32(0.85) + np.float32(0.15))
                if direct > 0.0:
                    if moving_frame[2] > 0.0:
                        e = np.float32(1.5) * moving_frame[2]
                        direct *= lit_share(
                            x + nx * e,
                            y + ny * e,
                            zz + nz * e,
                            moving,
                            basis,
                            moving_frame,
                            moving_frame[2],
                            e,
                        )
                    if still_frame[2] > 0.0:
                        e = np.float32(1.5) * still_frame[2]
                        direct *= lit_share(
                            x + nx * e, y + ny * e, zz + nz * e, still, basis, still_frame, still_frame[2], e
                        )
                up = np.float32(0.5) + np.float32(0.5) * ny
                r += palettes[o, m, 0] * (
                    colours[LIGHT, 0] * direct + colours[SKY, 0] * up + colours[BOUNCE, 0] * (1 - up)
                )
                g += palettes[o, m, 1] * (
                    colours[LIGHT, 1] * direct + colours[SKY, 1] * up + colours[BOUNCE, 1] * (1 - up)
                )
                b += palettes[o, m, 2] * (
                    colours[LIGHT, 2] * direct + colours[SKY, 2] * up + colours[BOUNCE, 2] * (1 - up)
                )
            if empty > 0:
                dx = (j + 0.5 - cx) / fx
                vx = c2w[0, 0] * dx + c2w[0, 1] * dy + c2w[0, 2]
                vy = c2w[1, 0] * dx + c2w[1, 1] * dy + c2w[1, 2]
                vz = c2w[2, 0] * dx + c2w[2, 1] * dy + c2w[2, 2]
                up = vy / np.sqrt(vx * vx + vy * vy + vz * vz)
                up = min(1.0, max(0.0, up * 1.6))
                br = colours[HORIZON, 0] + up * (colours[ZENITH, 0] - colours[HORIZON, 0])
                bg = colours[HORIZON, 1] + up * (colours[ZENITH, 1] - colours[HORIZON, 1])
                bb = colours[HORIZON, 2] + up * (colours[ZENITH, 2] - colours[HORIZON, 2])
                if vy < -1e-4 and oy > 0.0:
                    t1 = -oy / vy
                    hx, hz = ox + t1 * vx, oz + t1 * vz
                    ex, ez = hx - floor[2], hz - floor[3]
                    fade = (np.sqrt(ex * ex + ez * ez) - floor[6]) / (floor[7] - floor[6])
                    if fade < 1.0:
                        fade = max(0.0, fade)
                        fade = 1.0 - fade * fade * (3.0 - 2.0 * fade)
                        # how far the hit moves over one pixel, along both picture axes
                        vy_x, vy_y = vy + c2w[1, 0] / fx, vy + c2w[1, 1] / fy
                        t_x = -oy / min(vy_x, -1e-5)
                        t_y = -oy / min(vy_y, -1e-5)
                        x_x = t_x * (vx + c2w[0, 0] / fx) - t1 * vx
                        z_x = t_x * (vz + c2w[2, 0] / fx) - t1 * vz
                        x_y = t_y * (vx + c2w[0, 1] / fy) - t1 * vx
                        z_y = t_y * (vz + c2w[2, 1] / fy) - t1 * vz
                        inverse = 1.0 / floor[0]
                        u = (ex * floor[4] + ez * floor[5]) * inverse
                        v = (ez * floor[4] - ex * floor[5]) * inverse
                        du = abs(x_x * floor[4] + z_x * floor[5]) + abs(x_y * floor[4] + z_y * floor[5])
                        dv = abs(z_x * floor[4] - x_x * floor[5]) + abs(z_y * floor[4] - x_y * floor[5])
                        du *= inverse
                        dv *= inverse
                        line_u = _lines(u + 0.5 * floor[1], du, floor[1])
                        line_v = _lines(v + 0.5 * floor[1], dv, floor[1])
                        line = (1.0 - (1.0 - line_u) * (1.0 - line_v)) * fade
                        mix = 0.0
                        if floor[8] > 0.0:
                            mix = _checker(u, v, du, dv) * floor[8]
                        mix = 0.5 * floor[8] + (mix - 0.5 * floor[8]) * fade
                        direct = max(0.0, ly)
                        if moving_frame[2] > 0.0:
                            direct *= lit_share(
                                hx, 0.0, hz, moving, basis, moving_frame, moving_frame[2], 0.02
                            )
                        if still_frame[2] > 0.0:
                            direct *= lit_share(hx, 0.0, hz, still, basis, still_frame, still_frame[2], 0.02)
                        fr = colours[FLOOR_A, 0] + mix * (colours[FLOOR_B, 0] - colours[FLOOR_A, 0])
                        fg = colours[FLOOR_A, 1] + mix * (colours[FLOOR_B, 1] - colours[FLOOR_A, 1])
                        fb = colours[FLOOR_A, 2] + mix * (colours[FLOOR_B, 2] - colours[FLOOR_A, 2])
                        fr += line * (colours[LINE, 0] - fr)
                        fg += line * (colours[LINE, 1] - fg)
                        fb += line * (colours[LINE, 2] - fb)
                        fr *= colours[LIGHT, 0] * direct + colours[SKY, 0]
                        fg *= colours[LIGHT, 1] * direct + colours[SKY, 1]
                        fb *= colours[LIGHT, 2] * direct + colours[SKY, 2]
                        br += fade * (fr - br)
                        bg += fade * (fg - bg)
                        bb += fade * (fb - bb)
                r += empty * br
                g += empty * bg
                b += empty * bb
            rgb[i, j, 0] = tone[min(4095, int(r * share * 4095.0))]
            rgb[i, j, 1] = tone[min(4095, int(g * share * 4095.0))]
            rgb[i, j, 2] = tone[min(4095, int(b * share * 4095.0))]
