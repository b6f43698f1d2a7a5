"""Skeleton maps: 2D keypoints as the coloured stick figures that pose-conditioned video models know.

The "dwpose" style follows the table that public pose extractors share (OpenPose-18 limbs and colours); the
"depth" style is ours: the same colours, far parts first and darker, because our skeletons are 3D. Published models
were trained on drawings of other widths and channel orders: a `SkeletonStyle` states those.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kinema.scene.checks import check_shape, check_size
from kinema.signals.frames import SceneFrames
from kinema.signals.raster import CAPSULE, ELLIPSE, paint
from kinema.signals.signal import Signal, register

if TYPE_CHECKING:
    import torch

LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Limbs between OpenPose-18 keypoints, in drawing order."""

COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0),
    (0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255),
    (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""RGB: limb i and keypoint i share colour i; the last is keypoint 17's."""

TOE_LIMBS = ((13, 18), (10, 19))
"""Further limbs where toes are drawn: left ankle to left toe, right ankle to right toe, see `SkeletonStyle.toes`."""


HAND_EDGES = tuple(
    (0 if k == 0 else 4 * finger + k, 4 * finger + k + 1) for finger in range(5) for k in range(4)
)
"""The 20 edges of a 21-point hand, wrist to finger tips, thumb first."""

LIMB_BRIGHTNESS = 0.6
REFERENCE_HEIGHT = 512
"""Limb semi-axis and joint radius are 4 px, face points 3 px, hand lines 2 px at this picture height."""
NEAREST_SHADE, FARTHEST_SHADE = 1.0, 0.35  # ours: the farthest part stays visible on black

_HAND_COLOURS = tuple(tuple(round(255 * c) for c in colorsys.hsv_to_rgb(i / 20, 1, 1)) for i in range(20))
# Public code draws polygons and lines on whole pixels, edges included, which makes them this much larger
# (pixels, fitted to OpenCV's): at the ends of limbs, on their sides, and on the sides of lines.
_LIMB_END, _LIMB_SIDE, _LINE_SIDE = 1.0, 0.6, 0.5
_THIN = 1.0  # pixels: lines up to this are drawn one pixel wide, from whole pixel to whole pixel
# Its discs are centred on whole pixels; the smallest covers five of them, the area of this radius.
_SMALLEST_DISC = 1.26
_SHRUNK_SAMPLES = 4  # along each side of a pixel (ours): stands for the mean over the larger drawing's pixels


@dataclass(frozen=True)
class Toes:
    """Colours of toes, RGB, left and right; as Wan2.2's human_visualization.py has them (`draw_aapose_new`).

    Args:
        limbs: from the ankles.
        points: of the toes.
    """

    limbs: tuple[tuple[int, int, int], ...] = ((255, 0, 85), (200, 200, 0))
    points: tuple[tuple[int, int, int], ...] = ((200, 200, 0), (100, 100, 0))


@dataclass(frozen=True)
class SkeletonStyle:
    """How one published model's skeletons are drawn; widths in pixels of the picture that public code draws.

    Args:
        limb: semi-axis of the limbs' ellipses.
        joint: radius of the keypoints' discs.
        hand_line: thickness of the lines of hands.
        hand_point: radius of the points of hands.
        face_point: radius of face points.
        swapped: red and blue change places, as where public code wrote its drawing as BGR.
        shrunk: by how much public code shrinks its drawing, averaging areas, to the video's size; 1 draws hard edges.
        toes: their colours, where they are drawn.

    Raises:
        ValueError: a width that is not positive.
    """

    limb: float
    joint: float
    hand_line: float
    hand_point: float
    face_point: float
    swapped: bool = False
    shrunk: float = 1.0
    toes: Toes = Toes()

    def __post_init__(self) -> None:
        widths = (self.limb, self.joint, self.hand_line, self.hand_point, self.face_point, self.shrunk)
        if not all(np.isfinite(width) and width > 0 for width in widths):
            raise ValueError(f"widths of a skeleton style must be positive numbers of pixels, got {self}")

    @classmethod
    def dwpose(
        cls, line_width: float, *, swapped: bool = False, shrunk: float = 1.0, toes: Toes | None = None
    ) -> SkeletonStyle:
        """DWPose's proportions: limbs and keypoints of one width, face points 3/4, hand lines 1/2 of it.

        Args:
            line_width: semi-axis of the limbs; DWPose draws 4.
            swapped, shrunk, toes: see the class.
        """
        return cls(
            line_width,
            line_width,
            line_width / 2,
            line_width,
            0.75 * line_width,
            swapped=swapped,
            shrunk=shrunk,
            toes=toes or Toes(),
        )


@register
class Skeletons(Signal):
    """Skeleton maps, RGB in 0 to 1; hands and faces where the source has them and the options show them."""

    name = "skeletons"
    shape = ("B", "T", 3, "H", "W")
    common = True

    def of(self, frames: SceneFrames) -> torch.Tensor | None:
        if frames.keypoints is None:
            return None
        import torch

        options = frames.options
        shown = frames.keypoints if "body" in options.parts else np.full_like(frames.keypoints, np.nan)
        maps = skeleton_map(
            shown,
            None,
            frames.size,
            style=options.style,
            depth=frames.keypoint_depth,
            hands=frames.hands if "hands" in options.parts else None,
            face=frames.face if "face" in options.parts else None,
            supersample=options.supersample or (4 if frames.size[1] < 256 else 1),
        )
        return torch.from_numpy(maps).permute(0, 3, 1, 2)[None].float().div_(255)


def skeleton_map(
    keypoints: np.ndarray,
    confidence: np.ndarray | None,
    size: tuple[int, int],
    *,
    style: str | SkeletonStyle = "dwpose",
    depth: np.ndarray | None = None,
    depth_range: tuple[float, float] | None = None,
    hands: np.ndarray | None = None,
    face: np.ndarray | None = None,
    toes: np.ndarray | None = None,
    threshold: float = 0.3,
    line_width: float | None = None,
    supersample: int = 1,
) -> np.ndarray:
    """Draw OpenPose-18 skeletons on black, RGB uint8 [T, H, W, 3].

    "dwpose": limbs as ellipses of semi-axis `line_width` at 0.6 brightness in the order of `LIMBS`, then
    keypoints as discs of the same radius at full brightness; later ones overwrite earlier ones, each limb for
    all people before the next.
    "depth" (ours): limbs and keypoints of all people are sorted together, far first, and shaded by depth.

    Args:
        keypoints: pixels (pixel centres at +0.5), [T, P, 18, 2]. NaN keypoints and their limbs are not drawn.
        confidence: 0 to 1, [T, P, 18]; below `threshold` counts as missing. None: all finite ones are drawn.
        size: (width, height) in pixels.
        style: "dwpose" or "depth"; or a published model's, drawn as "dwpose" in its widths and channel order.
        depth: distance along the camera's axis in metres, [T, P, 18]; needed by the depth style.
        depth_range: (near, far) in metres for the shading. None: the range of what is drawn, over all frames.
        hands: left and right hand of each person, [T, P, 2, 21, 2], NaN where missing; drawn over the body.
        face: face points of each person, [T, P, 68, 2], NaN where missing; drawn last.
        toes: left and right toe of each person, [T, P, 2, 2], NaN where missing; limbs from the ankles, drawn with the
            body.
        threshold: confidence below which a keypoint is missing.
        line_width: limb semi-axis and keypoint radius in pixels; face points and hand lines keep proportion.
            None: 4 px at a height of 512, in proportion at other heights, at least 1 px. Not with a `SkeletonStyle`.
        supersample: 1 draws hard edges as public code does; n > 1 anti-aliases (for small maps). A style that is shrunk
            is anti-aliased in any case.

    Raises:
        ValueError: shapes that do not fit each other, an unknown style, a depth style without depth or with toes, or
            two statements of the width.
    """
    width, height = check_size(size)
    keypoints = check_shape("keypoints", keypoints, (None, None, 18, 2))
    frames, people = keypoints.shape[:2]
    drawn = np.isfinite(keypoints).all(axis=-1)
    if confidence is not None:
        drawn &= check_shape("confidence", confidence, (frames, people, 18)) >= threshold
    keypoints = np.where(drawn[..., None], keypoints, np.nan)
    pen, supersample = _pen(style, line_width, height, supersample)
    if toes is not None:
        keypoints = np.concatenate([keypoints, check_shape("toes", toes, (frames, people, 2, 2))], axis=2)

    layers = [_body(keypoints, pen)]
    if style == "depth":
        if depth is None or toes is not None:
            raise ValueError(
                'style "depth" needs depth [T, P, 18], the keypoints\' distance from the camera, and has no toes'
            )
        depth = np.where(drawn, check_shape("depth", depth, (frames, people, 18)), np.nan)
        layers[0] = _by_depth(layers[0], depth, depth_range)
    if hands is not None:
        layers.append(_hands(check_shape("hands", hands, (frames, people, 2, 21, 2)), pen))
    if face is not None:
        face = check_shape("face", face, (frames, people, 68, 2)).reshape(frames, -1, 2)
        layers.append(_Layer(np.array(CAPSULE), *_discs(face, pen.face_point, pen), np.full(3, 255.0)))

    canvas = np.zeros((frames, height, width, 3), np.uint8)
    for layer in layers:
        shape = np.zeros((*layer.segments.shape[:2], 6))
        shape[..., :4] = layer.segments
        colours = layer.colours[..., ::-1] if pen.swapped else layer.colours
        paint(canvas, layer.kinds, shape, layer.radii, np.rint(colours), supersample)
    return canvas


def _pen(
    style: str | SkeletonStyle, line_width: float | None, height: int, supersample: int
) -> tuple[_Pen, int]:
    """Widths in pixels of the video, and the supersampling that goes with them.

    Raises:
        ValueError: an unknown style, a width that is none, or stated twice.
    """
    if isinstance(style, SkeletonStyle):
        if line_width is not None:
            raise ValueError("the style states how wide lines are: leave line_width out")
        smooth = supersample if style.shrunk == 1 else max(supersample, _SHRUNK_SAMPLES)
        return _Pen.of(style, hard=smooth == 1), smooth
    if style not in ("dwpose", "depth"):
        raise ValueError(f'unknown style {style!r}: use "dwpose" or "depth"')
    if line_width is None:
        line_width = max(1.0, 4.0 * height / REFERENCE_HEIGHT)
    elif not (np.isfinite(line_width) and line_width > 0):
        raise ValueError(f"line_width must be a positive number of pixels, got {line_width}")
    return _Pen.of(SkeletonStyle.dwpose(line_width), hard=supersample == 1), supersample


class _Pen(NamedTuple):
    """Widths in pixels of the video; `end`, `side` and `line` are what public code's whole pixels add to them."""

    limb: float
    joint: float
    hand_line: float
    hand_point: float
    face_point: float
    end: float
    side: float
    line: float
    hard: bool
    swapped: bool
    toes: Toes = Toes()

    @classmethod
    def of(cls, style: SkeletonStyle, *, hard: bool) -> _Pen:
        line = 0.0 if style.hand_line <= _THIN else _LINE_SIDE
        return cls(
            limb=style.limb / style.shrunk,
            joint=style.joint / style.shrunk,
            hand_line=style.hand_line / style.shrunk,
            hand_point=style.hand_point / style.shrunk,
            face_point=style.face_point / style.shrunk,
            end=_LIMB_END / style.shrunk,
            side=_LIMB_SIDE / style.shrunk,
            line=line / style.shrunk,
            hard=hard,
            swapped=style.swapped,
            toes=style.toes,
        )


class _Layer(NamedTuple):
    """N shapes per frame in drawing order; all but the segments broadcast to [T, N, ...]."""

    kinds: np.ndarray
    segments: np.ndarray
    radii: np.ndarray
    colours: np.ndarray


def _body(keypoints: np.ndarray, pen: _Pen) -> _Layer:
    """The limbs, then the keypoints, each for all people before the next; [T, P, 18 or 20, 2], the last two toes."""
    frames, people, count = keypoints.shape[:3]
    toes = count > len(COLOURS)
    ends = np.array((*LIMBS, *TOE_LIMBS) if toes else LIMBS)
    limb_colours = (*COLOURS[:17], *pen.toes.limbs) if toes else COLOURS[:17]
    starts, stops = keypoints[:, :, ends[:, 0]], keypoints[:, :, ends[:, 1]]
    length = np.linalg.norm(stops - starts, axis=-1, keepdims=True)
    more = pen.end * (stops - starts) / np.maximum(length, 1e-9)
    limbs = np.concatenate([starts - more, stops + more], axis=-1)
    discs, disc_radii = _discs(keypoints, pen.joint, pen)
    segments = np.concatenate([limbs, discs], axis=2).swapaxes(1, 2).reshape(frames, -1, 4)
    kinds = np.repeat([ELLIPSE] * len(ends) + [CAPSULE] * count, people)
    radii = np.repeat(np.concatenate([np.full(len(ends), pen.limb + pen.side), disc_radii]), people)
    points = (*COLOURS, *pen.toes.points) if toes else COLOURS
    colours = np.concatenate([LIMB_BRIGHTNESS * np.array(limb_colours), np.array(points)])
    return _Layer(kinds, segments, radii, colours.repeat(people, axis=0))


def _by_depth(body: _Layer, depth: np.ndarray, depth_range: tuple[float, float] | None) -> _Layer:
    """The body's shapes shaded, and sorted so that near ones lie on top."""
    frames, ends = len(depth), np.array(LIMBS)
    parts = np.concatenate([0.5 * (depth[:, :, ends[:, 0]] + depth[:, :, ends[:, 1]]), depth], axis=2)
    parts = parts.swapaxes(1, 2).reshape(frames, -1)
    # Stable, so that a keypoint stays above a limb at the same depth.
    order = np.argsort(-parts, axis=1, kind="stable")
    colours = body.colours * _shade(parts, depth_range)[..., None]
    return _Layer(
        body.kinds[order],
        np.take_along_axis(body.segments, order[..., None], axis=1),
        body.radii[order],
        np.take_along_axis(colours, order[..., None], axis=1),
    )


def _hands(hands: np.ndarray, pen: _Pen) -> _Layer:
    """Per hand: 20 coloured lines, then 21 blue discs."""
    frames = hands.shape[0]
    hands = hands.reshape(frames, -1, 21, 2)
    ends = np.array(HAND_EDGES)
    placed = np.floor(hands) + 0.5 if pen.hard and pen.hand_line <= _THIN else hands
    lines = np.concatenate([placed[:, :, ends[:, 0]], placed[:, :, ends[:, 1]]], axis=-1)
    discs, disc_radii = _discs(hands, pen.hand_point, pen)
    count = hands.shape[1]
    radii = np.concatenate([np.full(20, 0.5 * pen.hand_line + pen.line), disc_radii])
    colours = np.array([*_HAND_COLOURS, *[(0, 0, 255)] * 21])
    segments = np.concatenate([lines, discs], axis=2).reshape(frames, -1, 4)
    return _Layer(np.array(CAPSULE), segments, np.tile(radii, count), np.tile(colours, (count, 1)))


def _discs(points: np.ndarray, radius: float, pen: _Pen) -> tuple[np.ndarray, np.ndarray]:
    """Segments [..., N, 4] of no length and their radii [N]."""
    if pen.hard:
        points, radius = np.floor(points) + 0.5, radius + 1e-6
    else:
        radius = max(radius, _SMALLEST_DISC)
    return np.concatenate([points, points], axis=-1), np.full(points.shape[-2], radius)


def _shade(parts: np.ndarray, depth_range: tuple[float, float] | None) -> np.ndarray:
    """Brightness by depth, linear from near to far; parts of unknown depth are not drawn and get any."""
    known = parts[np.isfinite(parts)]
    if depth_range is not None:
        near, far = depth_range
        if not near < far:
            raise ValueError(f"depth_range must be (near, far) with near < far, got {depth_range!r}")
    elif known.size:
        near, far = float(known.min()), float(known.max())
    else:
        near, far = 0.0, 1.0
    share = np.clip((np.nan_to_num(parts, nan=near) - near) / max(far - near, 1e-6), 0.0, 1.0)
    return NEAREST_SHADE + (FARTHEST_SHADE - NEAREST_SHADE) * share
