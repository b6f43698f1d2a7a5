"""Outfits: colours, a cutting pattern in the body's chart, and the few pieces with a shape of their own."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kinema.stage import shading as S
from kinema.stage.body import Body, triangle_parts

Colour = tuple[float, float, float]

HAIR_STYLES = ("bald", "short", "bob", "long", "bun", "ponytail")
_HAIRLINES = {  # front height, where the sides begin, nape height, thickness; metres from the ears' line
    "bald": (0.3, -0.3, 0.3, 0.0),
    "short": (0.074, -0.022, -0.045, 0.011),
    "bob": (0.068, 0.03, -0.085, 0.017),
    "long": (0.070, 0.03, -0.10, 0.016),
    "bun": (0.070, 0.02, -0.06, 0.008),
    "ponytail": (0.072, 0.02, -0.055, 0.009),
}
SKINS = ("#f6d7bf", "#edc09c", "#d9a077", "#b97a50", "#8d5a3a", "#5f3b27")
HAIRS = ("#17120f", "#33211a", "#5a3a24", "#8a5a2e", "#c89a55", "#a8432a", "#8d8d92", "#e6dfd2")


@dataclass(frozen=True)
class Outfit:
    """What a figure wears. Colours are sRGB in 0..1; lengths are metres on the template (1.72 m tall).

    Args:
        skin, hair, shirt, trousers, shoes: colours.
        stripe: colour of the shirt's stripes.
        stripe_period: height of one stripe and its gap; 0 for plain cloth.
        sleeve: where sleeves end: 0 at the shoulder, 1 at the wrist.
        leg: where trousers end: 0 at the crotch, 1 at the ankle.
        hair_style: one of HAIR_STYLES.
        skirt: its length, 0 for none.
        skirt_colour: colour of the skirt.
        coat: length of an open coat below the waist, 0 for none.
        coat_colour: colour of the coat.
        gloves: whether hands are covered (in the colour of the shoes).
        belt: whether a dark belt shows.
        leg_stripe: whether trousers have a stripe down the side.
    """

    skin: Colour = (0.93, 0.76, 0.62)
    hair: Colour = (0.2, 0.13, 0.1)
    shirt: Colour = (0.8, 0.25, 0.2)
    trousers: Colour = (0.18, 0.25, 0.45)
    shoes: Colour = (0.12, 0.12, 0.13)
    stripe: Colour = (0.95, 0.95, 0.92)
    stripe_period: float = 0.0
    sleeve: float = 0.35
    leg: float = 1.0
    hair_style: str = "short"
    skirt: float = 0.0
    skirt_colour: Colour = (0.3, 0.3, 0.5)
    coat: float = 0.0
    coat_colour: Colour = (0.4, 0.33, 0.25)
    gloves: bool = False
    belt: bool = False
    leg_stripe: bool = False

    def __post_init__(self) -> None:
        if self.hair_style not in HAIR_STYLES:
            raise ValueError(
                f"Outfit.hair_style is {self.hair_style!r}; choose one of {', '.join(HAIR_STYLES)}"
            )

    def palette(self) -> np.ndarray:
        """Linear-light colours, float32 [13, 3], rows as in kinema.stage.shading."""
        dark = tuple(0.35 * c for c in self.hair) if self.hair_style != "bald" else (0.1, 0.08, 0.07)
        trousers = self.skirt_colour if self.skirt > 0 else self.trousers
        mouth = (0.55 * self.skin[0] + 0.2, 0.5 * self.skin[1], 0.5 * self.skin[2])
        rows = [self.skin, self.shirt, self.stripe, trousers, self.shoes, self.hair, dark, mouth]
        rows += [
            self.coat_colour,
            (0.85, 0.85, 0.83),
            (0.9, 0.9, 0.88),
            (0.96, 0.96, 0.95),
            self.skirt_colour,
        ]
        return linear(np.array(rows))

    def cuts(self) -> np.ndarray:
        """The cutting pattern, metres in the chart, float32 [16]."""
        cut = np.zeros(S.CUTS, np.float32)
        cut[S.SLEEVE] = 0.7 if self.coat > 0 else 0.19 + self.sleeve * (0.695 - 0.19)
        cut[S.HEM] = 0.84 - self.leg * (0.84 - 0.09)
        cut[S.WAIST] = 0.985
        cut[S.NECK] = 1.452
        cut[S.SHOE_TOP] = 0.098
        cut[S.SOCK_TOP] = 0.0 if self.leg > 0.9 else 0.13
        cut[S.STRIPE_PERIOD], cut[S.STRIPE_SHARE] = self.stripe_period, 0.5
        front, side, nape, _ = _HAIRLINES[self.hair_style]
        cut[S.HAIR_FRONT], cut[S.HAIR_SIDE], cut[S.HAIR_NAPE] = front, side, nape
        cut[S.COAT_OPEN] = 0.045 if self.coat > 0 else -1.0
        cut[S.COAT_HEM] = 0.985 - self.coat
        cut[S.GLOVE] = 0.705 if self.gloves else 9.0
        cut[S.BELT] = 0.028 if self.belt else 0.0
        cut[S.LEG_STRIPE] = 0.016 if self.leg_stripe else 0.0
        return cut


@dataclass(frozen=True)
class Figure:
    """A dressed body: one mesh with everything the renderer needs.

    Args:
        vertices, chart: A-pose and chart coordinates, float32 [V, 3].
        triangles: int32 [F, 3].
        material: palette row, or -1 where the cutting pattern decides, int16 [F].
        two_sided: whether a triangle is seen from both sides, bool [F].
        parts: SMPL joint of each triangle, uint8 [F].
        bones, weights: skinning, [V, 4].
    """

    vertices: np.ndarray
    chart: np.ndarray
    triangles: np.ndarray
    material: np.ndarray
    two_sided: np.ndarray
    parts: np.ndarray
    bones: np.ndarray
    weights: np.ndarray


class _Piece(NamedTuple):
    """One mesh of an outfit, see `Figure`."""

    vertices: np.ndarray
    chart: np.ndarray
    triangles: np.ndarray
    material: np.ndarray
    bones: np.ndarray
    weights: np.ndarray
    two_sided: bool


def dress(body: Body, outfit: Outfit) -> Figure:
    """Put an outfit on a body: cloth and hair are given thickness, skirt, coat and long hair are added."""
    cut, chart = outfit.cuts(), body.chart
    x, y, z = chart.T.astype(np.float64)
    thickness = np.zeros(len(chart))
    grown = np.array(
        [
            S.hairline(b - 1.605, c - 0.01, *_HAIRLINES[outfit.hair_style][:3])
            if b > 1.47 and abs(a) < 0.15
            else -1.0
            for a, b, c in zip(x, y, z, strict=True)
        ]
    )
    thickness += _HAIRLINES[outfit.hair_style][3] * np.clip(grown / 0.02 + 0.5, 0, 1)
    legs = np.clip((0.99 - y) / 0.03, 0, 1) * (np.abs(x) < 0.185)
    if outfit.skirt == 0:
        thickness += 0.007 * np.clip((y - cut[S.HEM]) / 0.01, 0, 1) * legs
    sleeve = (np.abs(x) > 0.185) & (y > 1.2)
    thickness += 0.006 * np.clip((cut[S.SLEEVE] - np.abs(x)) / 0.01, 0, 1) * sleeve
    if outfit.coat > 0:
        shell = ((y > 0.96) & (y < 1.40) & ~sleeve) | sleeve
        thickness += 0.012 * shell
    vertices = body.vertices + (thickness[:, None] * body.normals).astype(np.float32)
    cut_by_pattern = np.full(len(body.triangles), -1, np.int16)
    parts = [_Piece(vertices, chart, body.triangles, cut_by_pattern, body.bones, body.weights, False)]
    if outfit.skirt > 0:
        parts.append(_skirt(body, 0.99, outfit.skirt, 0.012, 0.0, S.SKIRT))
    if outfit.coat > 0:
        parts.append(_skirt(body, 1.0, outfit.coat + 0.015, 0.022, 0.5, S.COAT))
    if outfit.hair_style == "bun":
        parts.append(_ball(body, (0.0, 1.70, -0.085), (0.045, 0.042, 0.042)))
    if outfit.hair_style == "ponytail":
        parts.append(_ball(body, (0.0, 1.575, -0.108), (0.034, 0.115, 0.036)))
    if outfit.hair_style == "long":
        parts.append(_ball(body, (0.0, 1.525, -0.055), (0.098, 0.17, 0.062)))
    return _merge(parts)


def linear(colours: np.ndarray) -> np.ndarray:
    """sRGB in 0..1 to linear light, float32."""
    return (np.clip(colours, 0.0, 1.0) ** 2.2).astype(np.float32)


def hex_colour(text: str) -> Colour:
    """'#rrggbb' to sRGB in 0..1."""
    red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def random_outfit(rng: np.random.Generator, plain: bool = True) -> Outfit:
    """An outfit drawn from an even spread of colours and cuts.

    Args:
        rng: source of every choice.
        plain: two or three flat colours and no stripes (what small models learn best from).
    """
    hue = rng.random()
    shirt = _cloth(rng, hue)
    trousers = _cloth(rng, hue + rng.uniform(0.25, 0.75), dark=True)
    style = HAIR_STYLES[rng.choice(len(HAIR_STYLES), p=(0.05, 0.4, 0.15, 0.15, 0.1, 0.15))]
    lower = rng.random()
    skirt = float(rng.uniform(0.35, 0.6)) if lower < 0.15 else 0.0
    coat = float(rng.uniform(0.25, 0.5)) if lower > 0.9 else 0.0
    striped = not plain and rng.random() < 0.4
    return Outfit(
        skin=hex_colour(SKINS[rng.integers(len(SKINS))]),
        hair=hex_colour(HAIRS[rng.integers(len(HAIRS))]),
        shirt=shirt,
        trousers=trousers,
        shoes=_cloth(rng, rng.random(), dark=True) if rng.random() < 0.5 else (0.1, 0.1, 0.11),
        stripe=_cloth(rng, hue + 0.5),
        stripe_period=float(rng.uniform(0.05, 0.12)) if striped else 0.0,
        sleeve=float(rng.choice((0.0, 0.35, 0.45, 1.0), p=(0.1, 0.35, 0.15, 0.4))),
        leg=float(rng.choice((0.5, 0.75, 1.0), p=(0.15, 0.1, 0.75))) if skirt == 0 else 0.1,
        hair_style=style,
        skirt=skirt,
        skirt_colour=trousers,
        coat=coat,
        coat_colour=_cloth(rng, hue + 0.1, dark=True),
        gloves=bool(not plain and rng.random() < 0.1),
        belt=bool(skirt == 0 and rng.random() < 0.3),
        leg_stripe=bool(not plain and rng.random() < 0.3),
    )


def _cloth(rng: np.random.Generator, hue: float, dark: bool = False) -> Colour:
    saturation = rng.uniform(0.35, 0.78) if rng.random() < 0.8 else rng.uniform(0.0, 0.15)
    value = rng.uniform(0.22, 0.6) if dark else rng.uniform(0.55, 0.98)
    hue = hue % 1.0
    if 0.01 < hue < 0.12:  # skin tones: clothes there look like none
        hue += 0.12
    return colorsys.hsv_to_rgb(float(hue), float(saturation), float(value))


def _skirt(body: Body, top: float, length: float, gap: float, opening: float, material: int) -> _Piece:
    """A cone of cloth that hangs from the waist and follows the thighs, open in front by an angle."""
    rings, around = max(5, round(length / 0.05)), 28
    angle = np.linspace(opening / 2, 2 * np.pi - opening / 2, around)
    sine, cosine = np.sin(angle), np.cos(angle)
    rows = []
    for r in range(rings):
        t = r / (rings - 1)
        y = top - t * length
        hip = np.clip((top - y) / 0.12, 0, 1)
        flare = max(0.0, t - 0.2) * length / 0.5
        rx = 0.150 + 0.03 * hip + gap + 0.09 * flare
        rz = 0.103 + 0.025 * hip + gap + 0.13 * flare
        rows.append(np.stack([rx * sine, np.full(around, y), rz * cosine - 0.012], -1))
    chart = np.concatenate(rows)
    weights = np.zeros((len(chart), 24))
    drop = np.clip((0.93 - chart[:, 1]) / 0.2, 0, 1) * 0.85
    side = np.clip(chart[:, 0] / 0.16, -1, 1) * 0.5 + 0.5
    side = side * side * (3 - 2 * side)
    knee = np.clip((0.50 - chart[:, 1]) / 0.2, 0, 0.5)
    weights[:, 0] = 1 - drop
    weights[:, 1], weights[:, 2] = drop * side * (1 - knee), drop * (1 - side) * (1 - knee)
    weights[:, 4], weights[:, 5] = drop * side * knee, drop * (1 - side) * knee
    return _piece(body, chart, _grid(rings, around), weights, material, two_sided=True)


def _ball(body: Body, centre: Colour, radii: Colour) -> _Piece:
    """An ellipsoid of hair that follows the head, and the chest where it hangs low."""
    rings, around = 9, 14
    polar = np.linspace(0.02, np.pi - 0.02, rings)[:, None]
    turn = np.linspace(0, 2 * np.pi, around)[None]
    unit = np.stack(
        [np.sin(polar) * np.sin(turn), np.cos(polar) + 0 * turn, np.sin(polar) * np.cos(turn)], -1
    )
    chart = unit.reshape(-1, 3) * radii + centre
    weights = np.zeros((len(chart), 24))
    low = np.clip((1.50 - chart[:, 1]) / 0.12, 0, 0.7)
    weights[:, 15], weights[:, 9] = 1 - low, low
    return _piece(body, chart, _grid(rings, around), weights, S.HAIR, two_sided=False)


def _grid(rings: int, around: int) -> np.ndarray:
    index = np.arange(rings * around).reshape(rings, around)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    return np.concatenate(
        [np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)]
    ).astype(np.int32)


def _piece(
    body: Body, chart: np.ndarray, triangles: np.ndarray, weights: np.ndarray, material: int, two_sided: bool
) -> _Piece:
    """A piece given in the chart, moved into the A-pose that all vertices are stored in."""
    bones = np.argsort(-weights, axis=1, kind="stable")[:, :4].astype(np.int32)
    shares = np.take_along_axis(weights, bones, axis=1)
    shares = shares / shares.sum(1, keepdims=True)
    blended = np.einsum("vk,vkij->vij", shares, body.unpose[bones])
    vertices = np.linalg.solve(blended, np.concatenate([chart, np.ones((len(chart), 1))], 1)[..., None])[
        :, :3, 0
    ]
    kind = np.full(len(triangles), material, np.int16)
    shares = shares.astype(np.float32)
    return _Piece(
        vertices.astype(np.float32), chart.astype(np.float32), triangles, kind, bones, shares, two_sided
    )


def _merge(parts: list[_Piece]) -> Figure:
    start = np.cumsum([0] + [len(p.vertices) for p in parts])
    triangles = np.concatenate([p.triangles + s for p, s in zip(parts, start, strict=False)]).astype(np.int32)
    bones, weights = np.concatenate([p.bones for p in parts]), np.concatenate([p.weights for p in parts])
    return Figure(
        vertices=np.concatenate([p.vertices for p in parts]),
        chart=np.concatenate([p.chart for p in parts]),
        triangles=triangles,
        material=np.concatenate([p.material for p in parts]),
        two_sided=np.concatenate([np.full(len(p.triangles), p.two_sided) for p in parts]),
        parts=triangle_parts(triangles, bones, weights),
        bones=bones,
        weights=weights,
    )
