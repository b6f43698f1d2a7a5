"""Worlds: a floor, a backdrop, props in fixed places and one directional light."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from kinema.stage.wardrobe import Colour, linear

PROP_KINDS = ("box", "sphere", "cylinder", "cone")


@dataclass(frozen=True)
class Prop:
    """A simple solid that stands on the floor; also the walls of a room.

    Args:
        kind: one of PROP_KINDS.
        position: centre of its foot, metres, (x, y, z).
        size: width, height, depth, metres.
        turn: degrees about Y.
        colour: sRGB in 0..1.
        texture: how strongly the world's texture shows, 0 to 1.
        casts: whether it casts a shadow.
    """

    kind: str
    position: tuple[float, float, float]
    size: tuple[float, float, float]
    turn: float = 0.0
    colour: Colour = (0.7, 0.7, 0.7)
    texture: float = 0.0
    casts: bool = True

    def __post_init__(self) -> None:
        if self.kind not in PROP_KINDS:
            raise ValueError(f"Prop.kind is {self.kind!r}; choose one of {', '.join(PROP_KINDS)}")


@dataclass(frozen=True)
class World:
    """All a take shows besides people; colours are sRGB in 0..1, lengths metres, Y up, the floor at y = 0.

    Args:
        floor, floor_alternate: tile colours; checker: how much the second shows, 0 (a plain floor) to 1.
        line: colour of the floor's grid lines; spacing: between lines; line_width: of a line.
        origin: a grid crossing (x, z) and the centre of the backdrop; turn: degrees the grid is turned.
        horizon, zenith: backdrop colours; the floor fades into the first between the radii in `fade`.
        light_direction: towards the light.
        light, sky, bounce: linear strengths of the light, of what comes from above and from below.
        props: solids; those that cast no shadow last.
        texture_seed: which texture floor and props show; floor_texture: how strongly the floor does, 0 to 1.
    """

    floor: Colour = (0.78, 0.78, 0.79)
    floor_alternate: Colour = (0.70, 0.70, 0.72)
    checker: float = 0.0
    line: Colour = (0.45, 0.46, 0.5)
    spacing: float = 0.5
    line_width: float = 0.025
    origin: tuple[float, float] = (0.0, 0.0)
    turn: float = 0.0
    horizon: Colour = (0.80, 0.81, 0.83)
    zenith: Colour = (0.55, 0.58, 0.65)
    fade: tuple[float, float] = (4.0, 9.0)
    light_direction: tuple[float, float, float] = (0.5, 1.0, 0.6)
    light: Colour = (0.75, 0.73, 0.70)
    sky: Colour = (0.42, 0.44, 0.47)
    bounce: Colour = (0.22, 0.21, 0.20)
    props: tuple[Prop, ...] = field(default=())
    texture_seed: int = 0
    floor_texture: float = 0.0

    def __post_init__(self) -> None:
        if self.light_direction[1] <= 0:
            raise ValueError(f"World.light_direction is {self.light_direction}; its y must be above 0")
        if self.spacing <= 0 or self.fade[1] <= self.fade[0]:
            raise ValueError("World.spacing must be above 0 and World.fade must grow")
        if any(b.casts and not a.casts for a, b in zip(self.props, self.props[1:], strict=False)):
            raise ValueError("World.props: those that cast no shadow must come last")

    def scaled(self, factor: float) -> World:
        """The same floor and backdrop `factor` times as large about the origin; props stay as they are."""
        low, high = self.fade
        return replace(
            self,
            spacing=self.spacing * factor,
            line_width=self.line_width * factor,
            fade=(low * factor, high * factor),
        )

    def colours(self) -> np.ndarray:
        """Linear colours in the renderer's row order, float32 [8, 3]."""
        paint = linear(np.array([self.floor, self.floor_alternate, self.line, self.horizon, self.zenith]))
        return np.concatenate([paint, np.array([self.light, self.sky, self.bounce], np.float32)])

    def towards_light(self) -> np.ndarray:
        """Unit vector, [3]."""
        direction = np.array(self.light_direction, np.float64)
        return direction / np.linalg.norm(direction)

    def ground(self) -> np.ndarray:
        """The floor's numbers in the renderer's order, float32 [10]."""
        angle = np.radians(self.turn)
        values = (
            self.spacing,
            self.line_width / self.spacing,
            *self.origin,
            np.cos(angle),
            np.sin(angle),
            *self.fade,
        )
        return np.array((*values, self.checker, self.floor_texture), np.float32)

    def prop_textures(self) -> np.ndarray:
        """Texture strength of each prop, float32 [max(1, N)]."""
        return np.array([p.texture for p in self.props] or [0.0], np.float32)

    def mesh(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """All props: vertices [V, 3], normals [V, 3], triangles [F, 3], each triangle's prop [F]."""
        vertices, normals, triangles, owner = (
            [np.zeros((0, 3))],
            [np.zeros((0, 3))],
            [np.zeros((0, 3), int)],
            [],
        )
        start = 0
        for number, prop in enumerate(self.props):
            v, n, t = _solid(prop.kind)
            angle = np.radians(prop.turn)
            rotation = np.array(
                [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
            )
            size = np.array(prop.size)
            vertices.append((v * size) @ rotation.T + prop.position)
            n = (n / size) @ rotation.T
            normals.append(n / np.linalg.norm(n, axis=1, keepdims=True))
            triangles.append(t + start)
            owner += [number] * len(t)
            start += len(v)
        return (
            np.concatenate(vertices).astype(np.float32),
            np.concatenate(normals).astype(np.float32),
            np.concatenate(triangles).astype(np.int32),
            np.array(owner, np.int16),
        )


def photo_studio(rng: np.random.Generator, centre: tuple[float, float] = (0.0, 0.0)) -> World:
    """A seamless backdrop over a grid floor with a few plain props round the stage; what embedded models are trained on.

    Args:
        rng: source of every choice.
        centre: x and z of the middle of the stage, metres.
    """
    hue, saturation = rng.random(), rng.uniform(0.0, 0.16)
    value = rng.uniform(0.62, 0.92)
    back = colorsys.hsv_to_rgb(hue, saturation, value)
    top = colorsys.hsv_to_rgb(hue, min(1.0, saturation * 1.3), value * rng.uniform(0.6, 0.85))
    floor = colorsys.hsv_to_rgb(hue, saturation * 0.9, value * rng.uniform(0.88, 1.0))
    dark = rng.uniform(0.45, 0.7)
    line = _darker(floor, dark)
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.6)
    props = []
    count = int(rng.integers(3, 7))
    first = rng.uniform(0, 2 * np.pi)
    for k in range(count):
        angle = first + 2 * np.pi * (k + rng.uniform(-0.25, 0.25)) / count
        radius = rng.uniform(2.0, 3.6)
        kind = PROP_KINDS[rng.integers(4)]
        width, tall = rng.uniform(0.22, 0.5), rng.uniform(0.25, 0.75)
        tall = width if kind == "sphere" else tall
        colour = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.3, 0.75), rng.uniform(0.45, 0.9))
        at = (centre[0] + radius * np.cos(angle), 0.0, centre[1] + radius * np.sin(angle))
        props.append(Prop(kind, at, (width, tall, width), float(rng.uniform(0, 90)), colour))
    return World(
        floor=floor,
        floor_alternate=_darker(floor, 0.86),
        checker=float(rng.random() < 0.4),
        line=line,
        spacing=float(rng.choice((0.5, 0.75, 1.0))),
        line_width=float(rng.uniform(0.02, 0.035)),
        origin=(float(centre[0]), float(centre[1])),
        turn=float(rng.uniform(0, 90)) if rng.random() < 0.5 else 0.0,
        horizon=back,
        zenith=top,
        light_direction=(float(np.cos(azimuth)), float(height), float(np.sin(azimuth))),
        props=tuple(props),
    )


def busy_world(rng: np.random.Generator, centre: tuple[float, float] = (0.0, 0.0)) -> World:
    """A textured room or yard full of things: for judging cameras and for people who need a harder world.

    Args:
        rng: source of every choice.
        centre: x and z of the middle of the stage, metres.
    """
    studio = photo_studio(rng, centre)
    half = rng.uniform(4.5, 6.5)
    tall = rng.uniform(1.2, 3.2)
    props = [
        Prop(p.kind, p.position, p.size, p.turn, p.colour, texture=float(rng.uniform(0.3, 1.0)))
        for p in (*studio.props, *photo_studio(rng, centre).props)
    ]
    for k in range(4):
        angle = np.pi / 2 * k
        at = (centre[0] + half * np.sin(angle), 0.0, centre[1] + half * np.cos(angle))
        colour = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.4), rng.uniform(0.6, 0.9))
        props.append(Prop("box", at, (2 * half, tall, 0.2), 90.0 * k, colour, texture=1.0, casts=False))
    ground = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.35), rng.uniform(0.55, 0.85))
    return World(
        floor=ground,
        floor_alternate=ground,
        line=_darker(ground, 0.8),
        spacing=studio.spacing,
        line_width=0.015,
        origin=studio.origin,
        turn=studio.turn,
        horizon=(0.80, 0.87, 0.94),
        zenith=(0.38, 0.56, 0.84),
        fade=(14.0, 30.0),
        light_direction=studio.light_direction,
        props=tuple(props),
        texture_seed=int(rng.integers(1, 1 << 16)),
        floor_texture=float(rng.uniform(0.6, 1.0)),
    )


@lru_cache(maxsize=4)
def texture(seed: int, size: int = 512) -> np.ndarray:
    """A tiling texture of overlapping patches and speckles as a mip-map; its mean is about 1.

    Returns:
        float32 [levels, size, size, 3]; level k fills its first size >> k cells. Seed 0: one white cell.
    """
    if seed == 0:
        return np.ones((1, 1, 1, 3), np.float32)
    rng = np.random.default_rng(seed)
    full = np.ones((size, size, 3), np.float32)
    for extent, count in ((160, 30), (60, 150), (20, 900), (6, 4000)):
        tint = rng.normal(1.0, 0.22, (count, 1)) + rng.normal(0.0, 0.07, (count, 3))
        corner, edge = rng.integers(0, size, (count, 2)), rng.integers(extent // 3, extent + 1, (count, 2))
        for (i, j), (h, w), t in zip(corner, edge, tint, strict=True):
            rows, columns = np.arange(i, i + h) % size, np.arange(j, j + w) % size
            full[np.ix_(rows, columns)] = 0.35 * full[np.ix_(rows, columns)] + 0.65 * t
    full = np.clip(full / full.mean(), 0.2, 1.8)
    levels = int(np.log2(size)) + 1
    pyramid = np.zeros((levels, size, size, 3), np.float32)
    for k in range(levels):
        n = size >> k
        pyramid[k, :n, :n] = full.reshape(n, 1 << k, n, 1 << k, 3).mean((1, 3))
    return pyramid


def _darker(colour: Colour, factor: float) -> Colour:
    red, green, blue = colour
    return red * factor, green * factor, blue * factor


def _solid(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A unit solid on the floor: vertices, normals, triangles (counter-clockwise from outside)."""
    if kind == "box":
        corners: list[np.ndarray] = []
        sides: list[np.ndarray] = []
        faces: list[tuple[int, int, int]] = []
        for axis in range(3):
            for sign in (-1.0, 1.0):
                n = np.zeros(3)
                n[axis] = sign
                u = np.roll(n, 1) * sign
                v = np.cross(n, u)
                base = len(corners)
                corners += [n - u - v, n + u - v, n + u + v, n - u + v]
                sides += [n] * 4
                faces += [(base, base + 1, base + 2), (base, base + 2, base + 3)]
        return np.array(corners) / 2 + (0, 0.5, 0), np.array(sides), np.array(faces)
    around = 24
    turn = np.linspace(0, 2 * np.pi, around + 1)
    if kind == "sphere":
        polar = np.linspace(0.0, np.pi, 13)
        profile = [(0.5 * np.sin(p), 0.5 + 0.5 * np.cos(p), np.sin(p), np.cos(p)) for p in polar]
    elif kind == "cylinder":
        profile = [(0, 1, 0, 1), (0.5, 1, 0, 1), (0.5, 1, 1, 0), (0.5, 0, 1, 0)]
    else:
        profile = [(0.0, 1, 0.9, 0.45), (0.25, 0.5, 0.9, 0.45), (0.5, 0, 0.9, 0.45)]
    vertices = np.array([(r * np.sin(a), y, r * np.cos(a)) for r, y, _, _ in profile for a in turn])
    normals = np.array([(nr * np.sin(a), ny, nr * np.cos(a)) for _, _, nr, ny in profile for a in turn])
    index = np.arange(len(vertices)).reshape(len(profile), around + 1)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    triangles = np.concatenate(
        [np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)]
    )
    return vertices, normals, triangles
