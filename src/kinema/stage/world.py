"""Worlds: a floor, a backdrop, props in fixed places and one directional light."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, field

import numpy as np

from kinema.stage.wardrobe import Colour, linear

PROP_KINDS = ("box", "sphere", "cylinder", "cone")


@dataclass(frozen=True)
class Prop:
    """A simple solid that stands on the floor.

    Args:
        kind: one of PROP_KINDS.
        position: centre of its foot, metres, (x, y, z).
        size: width, height, depth, metres.
        turn: degrees about Y.
        colour: sRGB in 0..1.
    """

    kind: str
    position: tuple[float, float, float]
    size: tuple[float, float, float]
    turn: float = 0.0
    colour: Colour = (0.7, 0.7, 0.7)

    def __post_init__(self) -> None:
        if self.kind not in PROP_KINDS:
            raise ValueError(f"Prop.kind is {self.kind!r}; choose one of {', '.join(PROP_KINDS)}")


@dataclass(frozen=True)
class World:
    """Everything a take shows besides people. Colours are sRGB in 0..1, lengths metres, Y up, the floor at y = 0.

    Args:
        floor, floor_alternate: tile colours (equal for a plain floor); checker: how much the second shows, 0 to 1.
        line: colour of the floor's grid lines; spacing: between lines; line_width: of a line.
        origin: a grid crossing (x, z) and the centre of the backdrop; turn: degrees the grid is turned.
        horizon, zenith: backdrop colours; the floor fades into the first between the radii in `fade`.
        light_direction: towards the light; light, sky, bounce: linear strengths of sun, of light from above and below.
        props: solids.
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

    def __post_init__(self) -> None:
        if self.light_direction[1] <= 0:
            raise ValueError(f"World.light_direction is {self.light_direction}; its y must be above 0")
        if self.spacing <= 0 or self.fade[1] <= self.fade[0]:
            raise ValueError("World.spacing must be above 0 and World.fade must grow")

    def colours(self) -> np.ndarray:
        """Linear colours in the renderer's row order, float32 [8, 3]."""
        paint = linear(np.array([self.floor, self.floor_alternate, self.line, self.horizon, self.zenith]))
        return np.concatenate([paint, np.array([self.light, self.sky, self.bounce], np.float32)])

    def towards_light(self) -> np.ndarray:
        """Unit vector, [3]."""
        direction = np.array(self.light_direction, np.float64)
        return direction / np.linalg.norm(direction)

    def ground(self) -> np.ndarray:
        """The floor's numbers in the renderer's order, float32 [9]."""
        angle = np.radians(self.turn)
        values = (
            self.spacing,
            self.line_width / self.spacing,
            *self.origin,
            np.cos(angle),
            np.sin(angle),
            *self.fade,
        )
        return np.array((*values, self.checker), np.float32)

    def mesh(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """All props: vertices [V, 3], normals [V, 3], triangles [F, 3], number of the prop of each triangle [F]."""
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
    """A seamless backdrop over a grid floor with a few plain props round the stage; what mini is trained on.

    Args:
        rng: source of every choice.
        centre: x and z of the middle of the stage, metres.
    """
    hue, saturation = rng.random(), rng.uniform(0.0, 0.28)
    value = rng.uniform(0.62, 0.92)
    back = colorsys.hsv_to_rgb(hue, saturation, value)
    top = colorsys.hsv_to_rgb(hue, min(1.0, saturation * 1.3), value * rng.uniform(0.6, 0.85))
    floor = colorsys.hsv_to_rgb(hue, saturation * 0.9, value * rng.uniform(0.88, 1.0))
    dark = rng.uniform(0.45, 0.7)
    line = tuple(c * dark for c in floor)
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.6)
    props = []
    count = int(rng.integers(3, 7))
    first = rng.uniform(0, 2 * np.pi)
    for k in range(count):
        angle = first + 2 * np.pi * (k + rng.uniform(-0.25, 0.25)) / count
        radius = rng.uniform(1.7, 3.2)
        kind = PROP_KINDS[rng.integers(4)]
        width, tall = rng.uniform(0.25, 0.55), rng.uniform(0.25, 0.9)
        tall = width if kind == "sphere" else tall
        colour = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.3, 0.75), rng.uniform(0.45, 0.9))
        at = (centre[0] + radius * np.cos(angle), 0.0, centre[1] + radius * np.sin(angle))
        props.append(Prop(kind, at, (width, tall, width), float(rng.uniform(0, 90)), colour))
    return World(
        floor=floor,
        floor_alternate=tuple(c * 0.86 for c in floor),
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


def _solid(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A unit solid on the floor: vertices, normals, triangles (counter-clockwise from outside)."""
    if kind == "box":
        vertices, normals, triangles = [], [], []
        for axis in range(3):
            for sign in (-1.0, 1.0):
                n = np.zeros(3)
                n[axis] = sign
                u = np.roll(n, 1) * sign
                v = np.cross(n, u)
                base = len(vertices)
                vertices += [n - u - v, n + u - v, n + u + v, n - u + v]
                normals += [n] * 4
                triangles += [(base, base + 1, base + 2), (base, base + 2, base + 3)]
        return np.array(vertices) / 2 + (0, 0.5, 0), np.array(normals), np.array(triangles)
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
