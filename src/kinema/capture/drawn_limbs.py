"""Drawn skeletons read back: the coloured limbs and joints of a skeleton map as OpenPose-18 keypoints (ours).

`signals.skeleton_map` says what is drawn: limb i and keypoint i have hue 20 i degrees, limbs are dark ellipses and
keypoints bright discs over them. Limbs are found by hue, as lines; who belongs to whom by the ends that meet; and a
joint lies where its limbs' lines and its disc agree best.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from kinema.signals.skeleton_map import LIMBS

_HUES = 18
_LIMB, _JOINT = 0, 1
_DRAWN, _SATURATED = 0.2, 0.5  # least brightness and saturation of what is drawn in a colour
_BRIGHT = 0.77  # between limbs (0.6) and discs (1)
_LEAST_AREA = 6  # pixels of a piece of a limb
_MEETS = 2.5  # radii between ends that meet
_HIDES = 14  # radii of a drawn hand or face that may hide an end
_STRAY = 0.35  # of a person's size, within which a limb whose end is hidden belongs to them
_THIN = 0.45  # of the usual thickness, below which a line is a finger's
_LEAST_DRAWN, _MOST_DRAWN = 1e-3, 0.4  # share of a picture that is not black
_EXPLAINED = 0.6  # share of what is drawn dark that limbs must be
_DISCS = 0.6  # share of the keypoints that have discs, below which the colours mean something else
_LEAST_LIMBS, _TRUNK = 4, {0, 1, 6, 9}  # of a person, at least two of the trunk
_EDGE = 1.5  # radii from the picture's edge, within which it cuts limbs off
_LINE, _DISC = 0.7, 0.5  # pixels, how sure the line of a limb and the centre of a disc are
_BY_DISC, _BY_LIMBS, _HIDDEN = 0.95, 0.85, 0.5  # confidence of joints

_SHARED = {
    (i, j): tuple(set(LIMBS[i]) & set(LIMBS[j]))
    for i in range(len(LIMBS))
    for j in range(len(LIMBS))
    if i != j
}


@dataclass(frozen=True, eq=False)
class DrawnPerson:
    """One drawn skeleton.

    Args:
        points: OpenPose-18 in pixels, NaN where not found, [18, 2].
        confidence: [18].
        limbs: how many limbs were found.
    """

    points: np.ndarray
    confidence: np.ndarray
    limbs: int

    @property
    def certain(self) -> float:
        """Share of the keypoints whose own discs were found."""
        return float(np.isclose(self.confidence[self.confidence > 0], _BY_DISC).mean())


@dataclass(eq=False)
class _Limb:
    """A limb as seen: its first end is joint LIMBS[kind][0] once it is turned that way."""

    kind: int
    pixels: np.ndarray
    ends: np.ndarray
    ways: np.ndarray  # unit vectors outward from the ends
    hidden: np.ndarray  # pixels beyond each end in which something else is drawn
    cut: np.ndarray  # whether the picture's edge cuts it off

    def turned(self) -> None:
        self.ends, self.ways = self.ends[::-1], self.ways[::-1]
        self.hidden, self.cut = self.hidden[::-1], self.cut[::-1]

    def places(self, end: int) -> np.ndarray:
        """Where the joint at an end may be, [5, 2]."""
        share = np.linspace(0, self.hidden[end], 5)[:, None]
        return np.asarray(self.ends[end] + share * self.ways[end])

    @property
    def length(self) -> float:
        return float(np.linalg.norm(self.ends[1] - self.ends[0]))


def read_skeletons(frame: np.ndarray) -> list[DrawnPerson]:
    """The skeletons drawn in a picture.

    Args:
        frame: uint8 [H, W, 3].
    """
    return _read(frame)[0]


def _read(frame: np.ndarray) -> tuple[list[DrawnPerson], float]:
    """The skeletons, and the share of the dark coloured pixels that are their limbs."""
    picture = _Picture(frame)
    limbs = [limb for kind in range(len(LIMBS)) for limb in picture.limbs(kind)]
    if len(limbs) < _LEAST_LIMBS:
        return [], 0.0
    discs = [picture.discs(joint) for joint in range(_HUES)]
    for limb in limbs:
        _turn(limb, limbs, discs, picture.radius)
    people = _joined(_grouped(limbs, picture.radius))
    explained = sum(len(limb.pixels) for person in people for limb in person) / max(picture.dark, 1)
    return [_person(person, people, discs, picture.radius) for person in people], explained


def colour_order(frames: np.ndarray) -> tuple[int, int, int] | None:
    """Which channels of pictures are red, green and blue, if they show skeletons on black; None if they do not.

    Some films have red and blue exchanged. Of up to eight pictures, half of those that show anything must show somebody
    with a third of the limbs, with discs where these end, and little else.

    Args:
        frames: uint8 [N, H, W, 3].
    """
    some = frames[np.unique(np.linspace(0, len(frames) - 1, 8).astype(int))]
    share = [(frame.max(axis=-1) > 255 * _DRAWN).mean() for frame in some]
    lit = [frame for frame, drawn in zip(some, share, strict=True) if drawn > _LEAST_DRAWN]
    if not lit or max(share) > _MOST_DRAWN:
        return None
    for order in ((0, 1, 2), (2, 1, 0)):
        good = 0
        for frame in lit:
            people, explained = _read(frame[..., order])
            limbs = max((person.limbs for person in people if person.certain > _DISCS), default=0)
            good += limbs >= len(LIMBS) // 3 and explained > _EXPLAINED
        if good * 2 >= len(lit):
            return order
    return None


class _Picture:
    """A picture by hue, cut to where anything is drawn."""

    def __init__(self, frame: np.ndarray) -> None:
        value = frame.max(axis=-1)
        rows, columns = (
            np.flatnonzero(value.max(axis=1) > 255 * _DRAWN),
            np.flatnonzero(value.max(axis=0) > 255 * _DRAWN),
        )
        top, left = (int(each[0]) if len(each) else 0 for each in (rows, columns))
        bottom, right = (int(each[-1]) + 1 if len(each) else 1 for each in (rows, columns))
        part = frame[top:bottom, left:right]
        colours = cv2.cvtColor(part.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
        self.corner = np.array([left + 0.5, top + 0.5])
        self.size = np.array(value.shape[::-1])
        self.drawn = colours[..., 2] > _DRAWN
        coloured = self.drawn & (colours[..., 1] > _SATURATED)
        hue = np.rint(colours[..., 0] / (360 / _HUES)).astype(np.uint8) % _HUES
        bright = colours[..., 2] > _BRIGHT
        self.dark = int((coloured & ~bright).sum())
        self._hues = [
            np.where(coloured & part_of, hue, _HUES).astype(np.uint8) for part_of in (~bright, bright)
        ]
        self.radius = 4.0
        thick = [
            self._thickness(pixels) for kind in (6, 9, 7, 10) for pixels in self._pieces(_LIMB, kind)[:1]
        ]
        if thick:
            self.radius = float(np.clip(np.median(thick), 1.5, 40.0))

    def _thickness(self, pixels: np.ndarray) -> float:
        """Semi-axis of an ellipse by its area and length, pixels."""
        length = np.linalg.norm(np.ptp(pixels, axis=0)) + 1
        return float(len(pixels) / length * 2 / np.pi)

    def _pieces(self, part: int, kind: int) -> list[np.ndarray]:
        """Connected pixels of one hue, the largest first, [N, 2] each (x, y)."""
        mask = (self._hues[part] == kind).view(np.uint8)
        if not mask.any():
            return []
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        order = sorted(range(1, count), key=lambda k: -stats[k, cv2.CC_STAT_AREA])
        pieces = []
        for k in order:
            left, top, width, height, area = stats[k]
            if area < _LEAST_AREA:
                break
            y, x = np.nonzero(labels[top : top + height, left : left + width] == k)
            pieces.append(np.stack([x + left, y + top], axis=1) + self.corner)
        return pieces

    def discs(self, joint: int) -> np.ndarray:
        """Centres of what may be this joint's disc, [N, 2]."""
        area = np.pi * self.radius**2
        fits = [
            each.mean(axis=0)
            for each in self._pieces(_JOINT, joint)
            if 0.25 * area < len(each) < 2 * area + 8
        ]
        return np.array(fits).reshape(-1, 2)

    def limbs(self, kind: int) -> list[_Limb]:
        """Limbs of one kind; pieces of one that something lies across are put together."""
        limbs: list[_Limb] = []
        for pixels in self._pieces(_LIMB, kind):
            if len(pixels) < 0.4 * self.radius**2 or self._thickness(pixels) < _THIN * self.radius:
                continue
            for number, limb in enumerate(limbs):
                if self._continues(limb, pixels):
                    limbs[number] = self._limb(kind, np.concatenate([limb.pixels, pixels]))
                    break
            else:
                limbs.append(self._limb(kind, pixels))
        return limbs

    def _limb(self, kind: int, pixels: np.ndarray) -> _Limb:
        middle = pixels.mean(axis=0)
        way = np.linalg.eigh(np.cov((pixels - middle).T))[1][:, 1]
        along = (pixels - middle) @ way
        ends = np.array([middle + along.min() * way, middle + along.max() * way])
        ways = np.array([-way, way])
        hidden = np.array([self._hidden(end, out) for end, out in zip(ends, ways, strict=True)])
        near = _EDGE * self.radius + 1
        cut = np.any((ends < near) | (ends > self.size - near), axis=1)
        return _Limb(kind, pixels, ends, ways, hidden, cut)

    def _continues(self, limb: _Limb, pixels: np.ndarray) -> bool:
        """Whether a piece lies on a limb's line, and only drawn pixels between them."""
        way = limb.ways[1]
        off = pixels - limb.ends[0]
        if np.abs(off @ [-way[1], way[0]]).max() > 1.5 * self.radius + 1:
            return False
        along = off @ way
        low, high = sorted([max(0.0, along.min()), min(limb.length, along.max())])
        between = limb.ends[0] + np.linspace(low, high, 24)[:, None] * way
        return bool(self._is_drawn(between).mean() > 0.8) or high - low < 2 * self.radius

    def _hidden(self, end: np.ndarray, way: np.ndarray) -> float:
        """Pixels from an end on in which something is drawn."""
        reach = np.arange(1.0, _HIDES * self.radius)
        drawn = self._is_drawn(end + reach[:, None] * way)
        return float(np.argmin(drawn)) if not drawn.all() else float(len(reach))

    def _is_drawn(self, points: np.ndarray) -> np.ndarray:
        at = np.rint(points - self.corner).astype(int)
        inside = ((at >= 0) & (at < self.drawn.shape[::-1])).all(axis=1)
        at = np.where(inside[:, None], at, 0)
        return np.asarray(self.drawn[at[:, 1], at[:, 0]] & inside)


def _turn(limb: _Limb, limbs: Sequence[_Limb], discs: Sequence[np.ndarray], radius: float) -> None:
    """Makes a limb's first end its first joint: that where the joint's disc, or other limbs that meet there, are."""
    cost = np.zeros(2)
    for turned in (0, 1):
        for end in (0, 1):
            joint, places = LIMBS[limb.kind][end], limb.places(end ^ turned)
            others = [other.ends for other in limbs if other.kind != limb.kind and joint in LIMBS[other.kind]]
            for marks in (discs[joint], np.concatenate(others) if others else np.zeros((0, 2))):
                cost[turned] += min(_nearest(places, marks), 4 * radius)
    if cost[1] < cost[0]:
        limb.turned()


def _nearest(places: np.ndarray, marks: np.ndarray) -> float:
    if not len(marks):
        return float("inf")
    return float(np.linalg.norm(places[:, None] - marks[None], axis=-1).min())


def _grouped(limbs: Sequence[_Limb], radius: float) -> list[list[_Limb]]:
    """Limbs that meet at shared joints, the nearest first; nobody has two of a kind."""
    links = []
    for first in range(len(limbs)):
        for second in range(first):
            for joint in _SHARED.get((limbs[first].kind, limbs[second].kind), ()):
                ends = [limbs[k].places(LIMBS[limbs[k].kind].index(joint)) for k in (first, second)]
                away = _nearest(*ends)
                if away < _MEETS * radius + 1:
                    links.append((away, first, second))
    groups = [[limb] for limb in limbs]
    at = list(range(len(limbs)))
    for _, first, second in sorted(links):
        one, other = at[first], at[second]
        if one != other and not {each.kind for each in groups[one]} & {each.kind for each in groups[other]}:
            groups[one] += groups[other]
            at = [one if each == other else each for each in at]
            groups[other] = []
    return [group for group in groups if group]


def _joined(groups: list[list[_Limb]]) -> list[list[_Limb]]:
    """People: the groups with enough limbs, and near ones whose ends are hidden."""
    groups = sorted(groups, key=len, reverse=True)
    merged: list[list[_Limb]] = []
    for group in groups:
        kinds = {limb.kind for limb in group}
        ends = np.concatenate([limb.ends for limb in group])
        near = []
        for number, person in enumerate(merged):
            if not kinds & {limb.kind for limb in person}:
                theirs = np.concatenate([limb.ends for limb in person])
                near.append((_nearest(ends, theirs) / max(float(np.ptp(theirs, axis=0).max()), 1.0), number))
        if near and min(near)[0] < _STRAY:
            merged[min(near)[1]] += group
        elif len(group) >= _LEAST_LIMBS and len(kinds & _TRUNK) > 1:
            merged.append(list(group))
    return merged


def _person(
    limbs: Sequence[_Limb], people: Sequence[Sequence[_Limb]], discs: Sequence[np.ndarray], radius: float
) -> DrawnPerson:
    points, confidence = np.full((_HUES, 2), np.nan), np.zeros(_HUES)
    for joint in range(_HUES):
        ends = [(limb, LIMBS[limb.kind].index(joint)) for limb in limbs if joint in LIMBS[limb.kind]]
        if ends:
            place, certain = _joint(ends, discs[joint], radius)
            if certain == _BY_DISC or not any(limb.cut[end] for limb, end in ends):
                points[joint], confidence[joint] = place, certain
    alone = len(people) == 1
    for joint in range(_HUES):
        marks = discs[joint]
        if np.isfinite(points[joint, 0]) or not len(marks):
            continue
        parents = [
            k for limb in LIMBS for k in limb if joint in limb and k != joint and np.isfinite(points[k, 0])
        ]
        if joint >= 14 and alone and len(marks) == 1:  # eyes and ears, of which the face hides the limbs
            points[joint], confidence[joint] = marks[0], _BY_LIMBS
        elif parents:  # a limb that points at the camera is hidden under its ends
            away = np.linalg.norm(marks - points[parents[0]], axis=1)
            if away.min() < 3 * radius:
                points[joint], confidence[joint] = marks[away.argmin()], _BY_LIMBS
    return DrawnPerson(points, confidence, len(limbs))


def _joint(ends: Iterable[tuple[_Limb, int]], marks: np.ndarray, radius: float) -> tuple[np.ndarray, float]:
    """Where a joint lies: on the lines of its limbs, at their ends, in its disc; least squares."""
    matrix, right = np.zeros((2, 2)), np.zeros(2)
    places, hidden = [], []
    for limb, end in ends:
        way, run = limb.ways[end], float(limb.hidden[end])
        across = np.array([-way[1], way[0]])
        at = limb.ends[end] + min(run / 2, radius) * way
        sure = _LINE * (1 + 4 * radius / max(limb.length, 1.0))
        for axis, spread in ((across, sure), (way, 0.5 * radius + run / 2)):
            outer = np.outer(axis, axis) / spread**2
            matrix += outer
            right += outer @ at
        places.append(limb.places(end))
        hidden.append(run)
    certain = _BY_LIMBS if min(hidden) < 4 * radius else _HIDDEN
    if len(marks):
        away = np.linalg.norm(marks[:, None] - np.concatenate(places)[None], axis=-1).min(axis=1)
        if away.min() < 1.5 * radius + 1:
            matrix += np.eye(2) / _DISC**2
            right += marks[away.argmin()] / _DISC**2
            certain = _BY_DISC
    return np.linalg.solve(matrix, right), certain
