"""Drawn figures, on which networks for photographs see nonsense: their own mask, and joints placed to be dragged."""

from __future__ import annotations

from itertools import combinations, pairwise

import cv2
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from kinema.puppet.body import body_of
from kinema.puppet.find import Found
from kinema.puppet.marks import Marks
from kinema.scene.skeleton import SMPL24

_SIDE = 110  # pixels of the longer side at which extremities are looked for (ours)
_PAPER = 0.8  # share of a picture's border that is of one light colour where it is paper (ours)
_NEAR = 40  # grey levels that paper's colours lie apart at most (ours)
_FIGURE = (0.02, 0.75)  # share of the picture that a figure covers (ours)
_LIGHT = 110  # least grey level of paper (ours)
# Agreement of the two networks below which a figure on paper is a drawing; or, a little higher, where what they take for
# a person shares less than a quarter with the figure on the paper (ours).
_DOUBTED, _TRUSTED, _ELSEWHERE = 0.6, 0.9, 0.25
# Agreement, and heights of the figure on paper, within which the networks' joints may be those of the figure (ours).
_HALF_SURE, _AS_TALL = 0.4, (0.75, 1.4)
_ROOTS = [11, 12, 23, 24]  # shoulders and hips among MediaPipe's 33
_STROKE = 0.01  # of the longer side: a stroke's width (ours)
_DARKER = 35.0  # grey levels by which a stroke is darker than what it encloses (ours)
_THIN, _HEADLESS = 0.35, 0.7  # how wide for their length limbs are, and a head, at most (ours)
_SKULL = 0.33  # of the way from the neck to the crown: where the head turns, as in SMPL-24 (ours)
_WIDER = 1.7  # how much thicker than a limb the trunk is where the limb begins (ours)


def drawing_mask(picture: np.ndarray) -> np.ndarray:
    """The figure of a drawing on paper: closed strokes and all they enclose, float32 [H, W].

    After the recipe that AnimatedDrawings publishes (Smith et al. 2023): adaptive threshold, closing, dilation, a flood
    from outside, the largest piece.
    """
    height, width = picture.shape[:2]
    grey = picture.min(axis=2)
    ink = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, 115, 8)
    strokes = cv2.bitwise_not(ink)
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))
    strokes = cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, kernel, iterations=4)
    strokes = cv2.dilate(strokes, kernel, iterations=2)
    room = cv2.copyMakeBorder(strokes, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    outside = room.copy()
    cv2.floodFill(outside, None, (0, 0), 255)
    filled = (room > 0) | (outside == 0)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(filled[1:-1, 1:-1].astype(np.uint8))
    if count < 2:
        return np.zeros((height, width), np.float32)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    mask = cv2.erode((labels == largest).astype(np.uint8), kernel, iterations=2)
    return mask.astype(np.float32)


def is_drawing(picture: np.ndarray, found: Found | None) -> bool:
    """Whether this is a figure drawn on light paper, which the networks for photographs do not see or mistake.

    Args:
        picture: uint8 [H, W, 3].
        found: what the networks take for a person; one of several may well be elsewhere than the largest figure.
    """
    if not _on_paper(picture):
        return False
    mask = drawing_mask(picture) > 0.5
    if not _FIGURE[0] < mask.mean() < _FIGURE[1]:
        return False
    if found is None:
        return _outlined(picture, mask) or _limbed(mask)
    if found.agreement < _DOUBTED:
        return True
    taken = found.probability > 0.5
    common = float((mask & taken).sum()) / max(1, int((mask | taken).sum()))
    return found.people == 1 and found.agreement < _TRUSTED and common < _ELSEWHERE


def joints_fit(picture: np.ndarray, found: Found | None) -> bool:
    """Whether the networks' joints are those of the figure on the paper, even if they see its outline badly.

    They see figures and game art so. On children's drawings they see a small body somewhere within.

    Args:
        picture: uint8 [H, W, 3].
        found: what the networks take for a person.
    """
    if found is None or found.agreement < _HALF_SURE or found.confidence[_ROOTS].min() < _TRUSTED:
        return False
    mask = drawing_mask(picture) > 0.5
    height, width = mask.shape
    sure = found.points[(found.confidence > 0.5) & np.isfinite(found.points).all(axis=1)]
    at = np.clip(np.round(sure).astype(int), 0, [width - 1, height - 1])
    tall = body_of(found).height / max(int(mask.any(axis=1).sum()), 1)
    return bool(mask[at[:, 1], at[:, 0]].mean() > _TRUSTED and _AS_TALL[0] < tall < _AS_TALL[1])


def _outlined(picture: np.ndarray, mask: np.ndarray) -> bool:
    """Whether a figure's rim is a stroke of the pen: darker than what it encloses, as no photographed thing's is."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    side = max(mask.shape)
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1] / side
    wide = 2 * max(1, round(_STROKE * side)) + 1
    darkest = cv2.erode(grey, np.ones((wide, wide), np.uint8))
    rim, within = mask & (depth <= _STROKE), mask & (depth > 2 * _STROKE) & (depth <= 4 * _STROKE)
    return bool(within.any() and np.median(grey[within]) - np.median(darkest[rim]) > _DARKER)


def _limbed(mask: np.ndarray) -> bool:
    """Whether a figure without outline has two thin arms, two thin legs and a head: stick figures, flat colours."""
    small = _shrunk(mask)
    if small is None:
        return False
    cells, thick, head, hands, feet, paths = _parts(small)
    if len(hands) < 2 or len(feet) < 2:
        return False

    def stout(end: int) -> float:
        way = paths[end][: max(2, _root(paths[end], thick))]
        long = np.hypot(*np.diff(cells[way], axis=0).T).sum()
        return float(2 * np.median(thick[way]) / max(long, 1.0))

    return max(stout(end) for end in (*hands, *feet)) < _THIN and stout(head) < _HEADLESS


def _on_paper(picture: np.ndarray) -> bool:
    """Whether the picture's border is of one light colour."""
    border = max(2, round(0.02 * max(picture.shape[:2])))
    sides = (picture[:border], picture[-border:], picture[:, :border], picture[:, -border:])
    edge = np.concatenate([side.reshape(-1, 3) for side in sides]).astype(int)
    middle = np.median(edge, axis=0)
    near = np.abs(edge - middle).max(axis=1) < _NEAR
    return bool(middle.min() > _LIGHT and near.mean() > _PAPER)


def preset_marks(mask: np.ndarray) -> Marks:
    """Where the joints of a figure that faces us may be, from its outline alone: a start, to be dragged.

    Extremities are the points farthest along the middle of the figure from its thickest place and from each other.

    Args:
        mask: how much of each pixel is the figure, [H, W].

    Raises:
        ValueError: the mask is empty.
    """
    height, width = mask.shape
    small = _shrunk(mask)
    if small is None:
        raise ValueError("there is nobody in the mask; give another mask")
    points = _skeleton(small)
    scale = np.array([width / small.shape[1], height / small.shape[0]])
    return Marks.of((points + 0.5) * scale - 0.5, (width, height))


def _shrunk(mask: np.ndarray) -> np.ndarray | None:
    """The largest piece of a mask at the size at which extremities are looked for, bool [h, w]; None where empty."""
    height, width = mask.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    count, labels, stats, _ = cv2.connectedComponentsWithStats(small.astype(np.uint8))
    return None if count < 2 else labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def _parts(
    mask: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, int, list[int], list[int], dict[int, list[int]]]:
    """Cells of a small mask [N, 2], their distance to its rim, head, hands, feet, and the ways to them from the trunk."""
    cells = np.argwhere(mask)
    inner = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    low, high = cells[:, 0].min(), cells[:, 0].max()
    down = (cells[:, 0] - low) / max(high - low, 1)
    thick = inner[cells[:, 0], cells[:, 1]]
    start = int(np.argmax(np.where((down > 0.35) & (down < 0.75), thick, 0)))
    ends, paths = _extremities(_graph(mask, cells, inner), cells, start)
    head, hands, feet = _named(cells, ends)
    return cells, thick, head, hands, feet, paths


def _skeleton(mask: np.ndarray) -> np.ndarray:
    """SMPL-24's joints of a small mask, (x, y), [24, 2]."""
    cells, thick, head, hands, feet, paths = _parts(mask)
    points = _template(cells)
    xy = cells[:, ::-1].astype(float)
    top, crown = xy[paths[head][-1]], xy[head]
    neck_path = paths[head]
    roots = {end: _root(paths[end], thick) for end in (*hands, *feet)}
    shoulders = [xy[paths[end][roots[end]]] for end in hands]
    hips = [xy[paths[end][roots[end]]] for end in feet]
    neck = xy[neck_path[_narrowest(neck_path, thick)]]
    if len(shoulders) == 2:
        neck = np.array([neck[0], min(neck[1], max(shoulders[0][1], shoulders[1][1]))])
    pelvis = (
        np.mean(hips, axis=0) if len(hips) == 2 else np.array([top[0], 0.4 * top[1] + 0.6 * xy[:, 1].max()])
    )
    points[0], points[12] = pelvis, neck
    points[15] = neck + _SKULL * (crown - neck)
    for joint, share in ((3, 0.25), (6, 0.5), (9, 0.75)):
        points[joint] = pelvis + share * (neck - pelvis)
    for chain, end in zip(((1, 4, 7, 10), (2, 5, 8, 11)), feet, strict=False):
        _along(points, chain, paths[end], roots[end], xy, (0.0, 0.47, 0.9, 1.0))
    for chain, end in zip(((16, 18, 20, 22), (17, 19, 21, 23)), hands, strict=False):
        _along(points, chain, paths[end], roots[end], xy, (0.0, 0.45, 0.86, 0.97))
    for collar, shoulder in ((13, 16), (14, 17)):
        points[collar] = points[12] + 0.35 * (points[shoulder] - points[12])
    return points


def _graph(mask: np.ndarray, cells: np.ndarray, inner: np.ndarray) -> coo_matrix:
    """Neighbouring cells; ways along the middle of the figure are short."""
    number = np.full(mask.shape, -1)
    number[cells[:, 0], cells[:, 1]] = np.arange(len(cells))
    padded = np.pad(number, 1, constant_values=-1)
    rows, columns, costs = [], [], []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        other = padded[cells[:, 0] + 1 + dy, cells[:, 1] + 1 + dx]
        there = np.flatnonzero(other >= 0)
        near = inner[cells[there, 0], cells[there, 1]] + inner[cells[other[there], 0], cells[other[there], 1]]
        rows.append(there)
        columns.append(other[there])
        costs.append(np.hypot(dy, dx) * (1 + 4 / np.maximum(near, 1.0)))
    count = len(cells)
    return coo_matrix(
        (np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count)
    ).tocsr()


def _extremities(graph: coo_matrix, cells: np.ndarray, start: int) -> tuple[list[int], dict[int, list[int]]]:
    """Seven cells, each the farthest from the thickest place and those before it, and their ways from it."""
    away, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    nearest = away.copy()
    ends: list[int] = []
    for _ in range(7):
        end = int(np.argmax(np.where(np.isfinite(nearest), nearest, -1)))
        ends.append(end)
        nearest = np.minimum(nearest, dijkstra(graph, directed=False, indices=end))
    top = int(np.lexsort((np.abs(cells[:, 1] - cells[start, 1]), cells[:, 0]))[0])
    ends.append(top)
    paths = {}
    for end in ends:
        way = [end]
        while way[-1] != start and before[way[-1]] >= 0:
            way.append(int(before[way[-1]]))
        paths[end] = way
    return ends, paths


def _named(cells: np.ndarray, ends: list[int]) -> tuple[int, list[int], list[int]]:
    """Head, hands (left, right) and feet (left, right) among extremities, as those of somebody who faces us."""
    y, x = cells[:, 0].astype(float), cells[:, 1].astype(float)
    tall = max(float(np.ptp(y)), 1.0)
    middle = float(np.median(x))
    head = min(ends, key=lambda end: y[end] + 0.7 * abs(x[end] - middle))
    others = [
        end for end in dict.fromkeys(ends) if np.hypot(x[end] - x[head], y[end] - y[head]) > 0.15 * tall
    ]
    low = [end for end in others if y[end] > y.max() - 0.25 * tall]
    feet = max(
        combinations(low, 2),
        key=lambda pair: abs(x[pair[0]] - x[pair[1]]) + y[pair[0]] + y[pair[1]],
        default=(),
    )
    rest = [end for end in others if end not in feet and y[end] <= y.max() - 0.2 * tall]
    hands = max(combinations(rest, 2), key=lambda pair: abs(x[pair[0]] - x[pair[1]]), default=())
    return head, sorted(hands, key=lambda end: -x[end]), sorted(feet, key=lambda end: -x[end])


def _root(path: list[int], thick: np.ndarray) -> int:
    """Where along a way, from its tip inwards, a limb ends in the trunk."""
    widths = thick[path]
    outer = widths[: max(2, round(0.6 * len(path)))]
    usual = max(float(np.median(outer)), 1.0)
    wide = np.flatnonzero(widths[len(outer) // 2 :] > _WIDER * usual)
    return int(wide[0]) + len(outer) // 2 if len(wide) else round(0.8 * (len(path) - 1))


def _narrowest(path: list[int], thick: np.ndarray) -> int:
    """The neck on the way from the crown to the trunk: the thinnest place behind the head's thickest."""
    widths = thick[path]
    half = max(2, len(widths) // 2)
    head = int(np.argmax(widths[:half]))
    return head + int(np.argmin(widths[head : max(head + 1, round(0.8 * len(widths)))]))


def _along(
    points: np.ndarray,
    chain: tuple[int, ...],
    path: list[int],
    root: int,
    xy: np.ndarray,
    shares: tuple[float, ...],
) -> None:
    """Joints at shares of the way from a limb's root to its tip."""
    way = xy[path[root::-1]]
    steps = np.concatenate([[0.0], np.cumsum([np.hypot(*(b - a)) for a, b in pairwise(way)])])
    for joint, share in zip(chain, shares, strict=True):
        at = share * steps[-1]
        points[joint] = [np.interp(at, steps, way[:, axis]) for axis in range(2)]


def _template(cells: np.ndarray) -> np.ndarray:
    """SMPL-24's rest pose stretched over the figure, [24, 2]: what no extremity tells."""
    rest = SMPL24.rest[:, :2] * [1.0, -1.0]
    low, high = rest.min(axis=0), rest.max(axis=0)
    low[1] -= 0.12  # the crown above the head's joint, metres
    box = cells.min(axis=0)[::-1], cells.max(axis=0)[::-1]
    return np.asarray(box[0] + (rest - low) / (high - low) * (box[1] - box[0]))
