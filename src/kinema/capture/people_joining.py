"""Pieces of people joined into whole ones: by what they wear, where they could have gone, and who met whom (ours).

Two people who meet may be confused while one hides the other. So pieces are cut where people meet, and all ends and
beginnings are matched again at once, with the looks of a second before and a second after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from kinema.capture.detectors.looks import look_distance
from kinema.capture.observation import Observation

LONGEST_ABSENCE = 30.0
"""Seconds after which somebody who comes back is somebody new."""

_MEETING = 0.15  # overlap of boxes from which two people meet
_CONTEXT = 1.0  # seconds of looks that are compared
_MOVING = 0.5  # seconds over which a speed is measured, and for which it is expected to last
_CLEAR = 0.05  # overlap with anybody below which a look is one person's own
_STRIDES = 2.0  # body sizes that a person can go in a second
_FORGET = 0.1  # share of the newest look in a piece's running one
_DEAREST = 0.4  # cost of a join, beyond which it is somebody else
_SAME_PLACE = 0.15  # body sizes between two who are one person seen twice


@dataclass(eq=False)
class Piece:
    """A part of a person's way.

    Args:
        frames: numbers of the frames in which the person was seen, rising.
        seen: the observation in each.
        speed: pixels a frame, [2].
        look: running mean of looks.
    """

    frames: list[int]
    seen: list[Observation]
    speed: np.ndarray = field(default_factory=lambda: np.zeros(2))
    look: np.ndarray | None = None

    def __post_init__(self) -> None:
        for seen in self.seen:
            self.wear(seen.look)

    def wear(self, look: np.ndarray | None) -> None:
        """Takes in what was just worn, region by region."""
        if look is None:
            return
        if self.look is None:
            self.look = look.copy()
            return
        parts = np.split(self.look, 2)
        for old, new in zip(parts, np.split(look, 2), strict=True):
            if new.any():
                old[:] = new if not old.any() else _unit((1 - _FORGET) * old + _FORGET * new)


def join(pieces: Sequence[Piece], fps: float) -> list[Piece]:
    """Whole people.

    Args:
        pieces: parts without long gaps, in any order.
        fps: frames per second.
    """
    parts = [part for piece in pieces for part in _cut(piece, _meetings(piece, pieces, fps))]
    ends = [
        (_End.of(part, clear, fps, last=False), _End.of(part, clear, fps, last=True))
        for part, clear in zip(parts, _clear(parts), strict=True)
    ]
    cost = np.full((len(parts), len(parts)), np.inf)
    for a, (_, end) in enumerate(ends):
        for b, (begin, _) in enumerate(ends):
            if end.frame < begin.frame <= end.frame + LONGEST_ABSENCE * fps:
                cost[a, b] = _join_cost(end, begin, fps)
    allowed = cost <= _DEAREST
    rows, columns = linear_sum_assignment(np.where(allowed, cost - 1, 0.0))  # a join is always worth having
    after = {int(a): int(b) for a, b in zip(rows, columns, strict=True) if allowed[a, b]}
    people = []
    for start in sorted(set(range(len(parts))) - set(after.values())):
        person, step = Piece(list(parts[start].frames), list(parts[start].seen)), start
        while step in after:
            step = after[step]
            person.frames += parts[step].frames
            person.seen += parts[step].seen
        people.append(person)
    return _without_doubles(people)


def spread(box: np.ndarray) -> float:
    """The size of a person: the square root of the box's area, in pixels."""
    return float(np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 0.0)))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes [4]."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, float(width)) * max(0.0, float(height))
    whole = spread(a) ** 2 + spread(b) ** 2 - shared
    return shared / whole if whole > 0 else 0.0


def _meetings(piece: Piece, others: Sequence[Piece], fps: float) -> list[int]:
    """Frames at which a piece is cut: where it is nearest to somebody, and where somebody beside it comes or goes."""
    at: list[tuple[float, int]] = []
    where = dict(zip(piece.frames, piece.seen, strict=True))
    for other in others:
        if other is piece:
            continue
        near = [
            (overlap(where[frame].box, seen.box), frame)
            for frame, seen in zip(other.frames, other.seen, strict=True)
            if frame in where
        ]
        run: list[tuple[float, int]] = []
        for shared, frame in [*near, (0.0, -1)]:
            if shared > _MEETING:
                run.append((shared, frame))
            elif run:
                at.append(max(run))
                run = []
        for end in (0, -1):
            frame, box = other.frames[end], other.seen[end].box
            close = [f for f in range(frame - 2, frame + 3) if f in where]
            if close and frame not in (piece.frames[0], piece.frames[-1]):
                shared = max(overlap(where[f].box, box) for f in close)
                if shared > _MEETING / 2:
                    at.append((shared, close[len(close) // 2]))
    cuts: list[int] = []
    for _, frame in sorted(at, reverse=True):
        if all(abs(frame - cut) > 0.5 * fps for cut in cuts):
            cuts.append(frame)
    return sorted(cuts)


def _cut(piece: Piece, cuts: Sequence[int]) -> list[Piece]:
    bounds = [0, *(int(np.searchsorted(piece.frames, cut)) for cut in cuts), len(piece.frames)]
    parts = []
    for low, high in pairwise(bounds):
        if high > low:
            parts.append(Piece(piece.frames[low:high], piece.seen[low:high], piece.speed))
    return parts


def _clear(parts: Sequence[Piece]) -> list[np.ndarray]:
    """For each part, which of its frames show nobody else nearby, [frames] bool."""
    boxes: dict[int, list[tuple[int, np.ndarray]]] = {}
    for number, part in enumerate(parts):
        for frame, seen in zip(part.frames, part.seen, strict=True):
            boxes.setdefault(frame, []).append((number, seen.box))
    return [
        np.array(
            [
                all(other == number or overlap(seen.box, box) < _CLEAR for other, box in boxes[frame])
                for frame, seen in zip(part.frames, part.seen, strict=True)
            ]
        )
        for number, part in enumerate(parts)
    ]


@dataclass(frozen=True, eq=False)
class _End:
    """The first or last moments of a piece: when, where (pixels [2]), how large, how fast (pixels a second), in what."""

    frame: int
    centre: np.ndarray
    size: float
    speed: np.ndarray
    look: np.ndarray | None

    @classmethod
    def of(cls, piece: Piece, clear: np.ndarray, fps: float, *, last: bool) -> _End:
        """`clear` says which frames show nobody else nearby, [frames]; they are preferred."""
        at = np.array(piece.frames)
        here = -1 if last else 0
        away = np.abs(at - at[here]) / fps
        chosen = np.flatnonzero((away < 3 * _CONTEXT) & clear)
        if len(chosen) < 3:
            chosen = np.flatnonzero(away < 3 * _CONTEXT)
        nearest = chosen[np.argsort(away[chosen], kind="stable")][: max(3, round(_CONTEXT * fps))]
        looks = [look for k in nearest if (look := piece.seen[k].look) is not None]
        mean = None
        if looks:
            parts = [np.stack(part) for part in zip(*(np.split(look, 2) for look in looks), strict=True)]
            mean = np.concatenate([_unit(part.sum(axis=0)) for part in parts])
        moving = np.flatnonzero(away <= _MOVING)
        centres = np.array([_centre(piece.seen[k]) for k in moving])
        speed = np.zeros(2)
        if len(moving) >= 4:
            time = at[moving] / fps
            speed = np.polyfit(time - time.mean(), centres, 1)[0]
        return cls(int(at[here]), _centre(piece.seen[here]), spread(piece.seen[here].box), speed, mean)


def _join_cost(end: _End, begin: _End, fps: float) -> float:
    """0 (goes on, in the same clothes) to 1; infinite where it cannot be."""
    gap = (begin.frame - end.frame) / fps
    size = max((end.size + begin.size) / 2, 1e-6)
    reach = 0.3 + _STRIDES * gap
    straight = begin.centre - end.centre
    if float(np.linalg.norm(straight)) / size > 1.5 * reach:
        return np.inf
    going = min(gap, _MOVING) * (end.speed + begin.speed) / 2
    far = float(np.linalg.norm(straight - going)) / size
    turn = float(np.linalg.norm(end.speed - begin.speed)) / size / (1 + gap)  # body sizes a second
    growth = abs(np.log(max(begin.size, 1e-6) / max(end.size, 1e-6))) / (0.5 + gap)
    way = min(1.0, 0.4 * far / reach + 0.4 * turn + 0.2 * growth)
    look = look_distance(end.look, begin.look)
    if look is None:
        return 0.5 * way if gap < 0.5 else np.inf
    return 0.65 * min(1.0, look / 0.6) + 0.35 * way


def _centre(seen: Observation) -> np.ndarray:
    """The median of the points, or the middle of the box: pixels [2]."""
    there = seen.points[np.isfinite(seen.points).all(axis=1)]
    return np.median(there, axis=0) if len(there) >= 4 else (seen.box[:2] + seen.box[2:]) / 2


def _without_doubles(people: list[Piece]) -> list[Piece]:
    """People less those who are somebody else seen twice; the one seen longer stays and takes frames it lacks."""
    kept: list[Piece] = []
    for person in sorted(people, key=lambda person: -len(person.frames)):
        double = next((other for other in kept if _same_place(person, other)), None)
        if double is None:
            kept.append(person)
            continue
        lacking = dict(zip(person.frames, person.seen, strict=True))
        whole = lacking | dict(zip(double.frames, double.seen, strict=True))
        double.frames[:] = sorted(whole)
        double.seen[:] = [whole[frame] for frame in double.frames]
    return kept


def _same_place(a: Piece, b: Piece) -> bool:
    there = dict(zip(b.frames, b.seen, strict=True))
    shared = [(seen, there[frame]) for frame, seen in zip(a.frames, a.seen, strict=True) if frame in there]
    if len(shared) < 0.5 * len(a.frames):
        return False
    apart = []
    for one, other in shared:
        both = np.isfinite(one.points).all(axis=1) & np.isfinite(other.points).all(axis=1)
        size = max(spread(one.box), 1e-6)
        distance = np.linalg.norm(one.points[both] - other.points[both], axis=1)
        apart.append(distance.mean() / size if both.any() else np.inf)
    return float(np.median(apart)) < _SAME_PLACE


def _unit(vector: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector
