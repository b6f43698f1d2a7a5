"""The arithmetic around MediaPipe's networks: anchors, weighted suppression, regions turned with the body, landmarks.

After the public graphs of MediaPipe (Apache-2.0; modules/pose_detection, modules/pose_landmark) and Bazarevsky et
al., "BlazePose" (2020). Crops begin at pixel centres, as MediaPipe's do: with crops half a pixel further, landmarks
differ from its own by several pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

DETECTOR_SIDE = 224
ENLARGED = 1.25
"""Side of a body's region in diameters of the circle around the body, MediaPipe's own."""

_LAYERS = ((8, 2), (16, 2), (32, 6))  # stride, anchors per cell: three layers of stride 32 share their cells
_IOU = 0.3  # of head boxes that count as one person, MediaPipe's own

_REFINED_OVER = 7  # heatmap cells, MediaPipe's own
_REFINED_FROM = 0.5  # least heat that refines a landmark, MediaPipe's own
_INVERSE = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


@dataclass(frozen=True)
class Region:
    """A turned square of a picture.

    Args:
        centre: pixels, [2].
        side: pixels.
        angle: radians, clockwise as seen on the screen; 0 is upright.
    """

    centre: np.ndarray
    side: float
    angle: float

    def matrix(self, side: int) -> np.ndarray:
        """From the pixels of a crop with `side` pixels a side to those of the picture, [2, 3]."""
        scale = self.side / side
        cos, sin = scale * np.cos(self.angle), scale * np.sin(self.angle)
        turn = np.array([[cos, -sin], [sin, cos]])
        return np.concatenate([turn, (self.centre - turn @ [side / 2, side / 2])[:, None]], axis=1)

    def crop(self, frame: np.ndarray, side: int) -> np.ndarray:
        """The region as a picture of floats from 0 to 1, [side, side, 3]; outside the frame its edge goes on."""
        pixels = cv2.warpAffine(
            frame, self.matrix(side), (side, side), flags=_INVERSE, borderMode=cv2.BORDER_REPLICATE
        )
        return np.multiply(pixels, np.float32(1 / 255), dtype=np.float32)

    def to_picture(self, unit: np.ndarray) -> np.ndarray:
        """Points from 0 to 1 across the region, [..., 2], as pixels of the picture."""
        matrix = self.matrix(1)
        return unit @ matrix[:, :2].T + matrix[:, 2]


@dataclass(frozen=True, eq=False)
class Body:
    """What the landmark network says of one region.

    Args:
        points: pixels, [39, 2]; the last six tell where to look in the next frame.
        visibility: whether a landmark is in the picture and not hidden, 0 to 1, [39].
        presence: whether it is in the picture, 0 to 1, [39].
        world: metres from the middle of the hips, axes of the camera, [39, 3].
        score: whether this is a person, 0 to 1.
        region: where was looked.
    """

    points: np.ndarray
    visibility: np.ndarray
    presence: np.ndarray
    world: np.ndarray
    score: float
    region: Region

    @property
    def next_region(self) -> Region:
        """Where to look in the next frame, from the two landmarks made for it (33: hips, 34: the circle)."""
        return region_around(self.points[33], self.points[34])


def region_around(hips: np.ndarray, rim: np.ndarray) -> Region:
    """The region of a body from the middle of its hips and a point on the circle around it, above its head."""
    across, down = rim - hips
    return Region(
        np.asarray(hips, np.float64),
        float(2 * np.hypot(across, down) * ENLARGED),
        float(np.arctan2(across, -down)),
    )


def steadied(before: Region, now: Region) -> Region:
    """The newer region with a size and a turn half way from the older one's: landmarks tremble less."""
    turn = (now.angle - before.angle + np.pi) % (2 * np.pi) - np.pi
    return Region(now.centre, float(np.sqrt(before.side * now.side)), before.angle + float(turn) / 2)


def letterbox(frame: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """The whole frame inside a black square for the person detector.

    Returns:
        floats from -1 to 1, [224, 224, 3]; frame pixels per square pixel; the square's corner in frame pixels, [2].
    """
    height, width = frame.shape[:2]
    scale = max(height, width) / DETECTOR_SIDE
    corner = np.array([width - max(height, width), height - max(height, width)]) / 2
    if scale > 2:  # a linear filter would skip pixels
        step = int(scale)
        small = max(1, width // step), max(1, height // step)
        frame = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
        shrink = np.array([frame.shape[1] / width, frame.shape[0] / height])
    else:
        shrink = np.ones(2)
    to_frame = np.concatenate([np.diag(shrink * scale), (shrink * corner)[:, None]], axis=1)
    pixels = cv2.warpAffine(frame, to_frame, (DETECTOR_SIDE, DETECTOR_SIDE), flags=_INVERSE)
    return np.multiply(pixels, np.float32(2 / 255), dtype=np.float32) - 1, scale, corner


def decode_people(
    boxes: np.ndarray, logits: np.ndarray, scale: float, corner: np.ndarray, least: float
) -> list[tuple[float, Region]]:
    """People in the detector's output, the surest first.

    Args:
        boxes: [2254, 12]: x, y, w, h of the head and x, y of four points (hips, circle, shoulders, circle of the
            upper body), in pixels of the square from each anchor.
        logits: [2254].
        scale, corner: of `letterbox`.
        least: least score.

    Returns:
        (score, region of the whole body in frame pixels) for each.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
    kept = np.flatnonzero(scores >= least)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    anchors = _ANCHORS[kept]
    centres, sizes = boxes[kept, :2] + anchors, boxes[kept, 2:4]
    corners = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
    points = boxes[kept, 4:].reshape(-1, 4, 2) + anchors[:, None]
    people = []
    left = np.arange(len(kept))
    while len(left):
        same = box_iou(corners[left[:1]], corners[left])[0] > _IOU
        same[0] = True
        group = left[same]
        weights = scores[kept[group]]
        mean = (points[group] * weights[:, None, None]).sum(0) / weights.sum() * scale + corner
        people.append((float(weights[0]), region_around(mean[0], mean[1])))
        left = left[~same]
    return people


def decode_body(
    landmarks: np.ndarray, flag: float, heat: np.ndarray | None, world: np.ndarray, region: Region, side: int
) -> Body:
    """The landmark network's output in pixels and metres.

    Args:
        landmarks: [39, 5]: x, y, z in pixels of the crop, logits of visibility and presence.
        flag: whether this is a person, 0 to 1.
        heat: logits of a heatmap for each landmark, [h, w, 39]; None to leave landmarks as they are.
        world: [39, 3], metres in the axes of the crop.
        region: what was cropped.
        side: pixels of the crop.
    """
    unit = landmarks[:, :2] / side
    if heat is not None:
        unit = _refined(unit, heat)
    turn = region.matrix(1)[:, :2] / region.side
    placed = world.astype(np.float64)
    placed[:, :2] = placed[:, :2] @ turn.T
    visibility, presence = 1 / (1 + np.exp(-np.clip(landmarks[:, 3:5].T.astype(np.float64), -100, 100)))
    return Body(region.to_picture(unit), visibility, presence, placed, flag, region)


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (left, top, right, bottom), [A, 4] and [B, 4] -> [A, B]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inside = np.prod(np.maximum(high - low, 0), axis=-1)
    area_a, area_b = (np.prod(np.maximum(x[:, 2:] - x[:, :2], 0), axis=-1) for x in (a, b))
    return inside / np.maximum(area_a[:, None] + area_b[None] - inside, 1e-9)


def _refined(unit: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Landmarks moved to the centre of heat around them, where there is enough of it."""
    rows, columns, count = heat.shape
    reach = _REFINED_OVER // 2
    cells = np.floor(unit * [columns, rows]).astype(int)
    inside = ((cells >= 0) & (cells < [columns, rows])).all(axis=1)
    offsets = np.arange(-reach, reach + 1)
    row, column = cells[:, 1, None] + offsets, cells[:, 0, None] + offsets  # [39, 7]
    legal = ((row >= 0) & (row < rows))[:, :, None] & ((column >= 0) & (column < columns))[:, None, :]
    window = heat[
        np.clip(row, 0, rows - 1)[:, :, None],
        np.clip(column, 0, columns - 1)[:, None, :],
        np.arange(count)[:, None, None],
    ]
    warmth = np.where(legal, 1 / (1 + np.exp(-np.clip(window, -50, 50))), 0.0)
    total = np.maximum(warmth.sum(axis=(1, 2)), 1e-9)
    x = (warmth.sum(axis=1) * column).sum(axis=1) / total / columns
    y = (warmth.sum(axis=2) * row).sum(axis=1) / total / rows
    use = inside & (warmth.max(axis=(1, 2)) >= _REFINED_FROM)
    return np.where(use[:, None], np.stack([x, y], axis=1), unit)


def _anchors() -> np.ndarray:
    """Centres of the anchors in pixels of the square, [2254, 2]."""
    layers = []
    for stride, each in _LAYERS:
        cells = np.arange(DETECTOR_SIDE // stride) * stride + stride / 2
        grid = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)
        layers.append(np.repeat(grid, each, axis=0))
    return np.concatenate(layers)


_ANCHORS = _anchors()
