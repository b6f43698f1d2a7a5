"""Who is who: observations of single frames become people, through crossings and gaps (ours).

Frame by frame, people and observations are matched one to one (Hungarian method) by where a person should be by now
and by what they wear. The pieces that come of it are joined into people in `people_joining`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from kinema.capture.detectors.looks import look_distance
from kinema.capture.observation import Observation, PersonTrack
from kinema.capture.people_joining import Piece, join, overlap, spread

PATIENCE = 0.4
"""Seconds for which a person who is not seen is expected where they were going."""

SHORTEST = 0.25
"""Seconds that somebody must be seen to count as a person."""

_FARTHEST = 1.2  # body sizes between expected and seen points, beyond which it is somebody else
_DEAREST = 0.75  # cost of a match, beyond which it is somebody else
_HABIT = 0.3  # share of the new step in the speed that is expected to go on


class People:
    """Collects what a detector saw and tells people apart.

    Args:
        layout: the detector's keypoint set.
        max_people: how many people to return at most, those seen longest; everybody by default.
        shortest: seconds that somebody must be seen to count as a person; shorter videos ask for half their length.
    """

    def __init__(self, layout: str, max_people: int | None = None, shortest: float = SHORTEST) -> None:
        if max_people is not None and max_people < 1:
            raise ValueError(f"at least one person must be allowed, not {max_people}")
        self.layout, self.max_people, self.shortest = layout, max_people, shortest
        self._frames: list[list[Observation]] = []

    @property
    def frames(self) -> int:
        """Number of frames added so far."""
        return len(self._frames)

    def add(self, observations: Sequence[Sequence[Observation]]) -> None:
        """Adds what was seen in the next frames, as returned by `Detector.detect`."""
        self._frames.extend([list(seen) for seen in observations])

    def finish(self, fps: float, size: tuple[int, int]) -> list[PersonTrack]:
        """The people in order of their first appearance, numbered from 0.

        Args:
            fps: frames per second.
            size: (width, height) of the frames.
        """
        pieces = _follow(self._frames, fps)
        people = join(pieces, fps)
        least = max(1, min(round(self.shortest * fps), len(self._frames) // 2))
        people = [person for person in people if len(person.frames) >= least]
        if self.max_people is not None:
            people = sorted(people, key=lambda person: -len(person.frames))[: self.max_people]
        people.sort(key=lambda person: (person.frames[0], -len(person.frames)))
        return [self._track(number, person, fps, size) for number, person in enumerate(people)]

    def _track(self, number: int, person: Piece, fps: float, size: tuple[int, int]) -> PersonTrack:
        frames, count = len(self._frames), len(person.seen[0].points)
        points, confidence = np.full((frames, count, 2), np.nan), np.zeros((frames, count))
        boxes = np.full((frames, 4), np.nan)
        deep = next((seen.joints for seen in person.seen if seen.joints is not None), None)
        joints = None if deep is None else np.full((frames, *deep.shape), np.nan)
        for frame, seen in zip(person.frames, person.seen, strict=True):
            points[frame], confidence[frame], boxes[frame] = seen.points, seen.confidence, seen.box
            if joints is not None and seen.joints is not None:
                joints[frame] = seen.joints
        return PersonTrack(number, self.layout, fps, size, points, confidence, boxes, joints)


def choose(tracks: Sequence[PersonTrack], who: str | int = "largest") -> PersonTrack:
    """One person of several.

    Args:
        tracks: the people of one video.
        who: "largest" (the most picture, summed over time), "longest" (seen in most frames), "centre" (nearest to
            the middle of the picture, over the frames in which they are seen), or a person's number.

    Raises:
        ValueError: nobody was found, or no such person.
    """
    if not tracks:
        raise ValueError("nobody was found in the video")
    if isinstance(who, int):
        for track in tracks:
            if track.id == who:
                return track
        numbers = ", ".join(str(track.id) for track in tracks)
        raise ValueError(f"there is no person {who}; there are {numbers}")
    if who == "largest":
        return max(tracks, key=lambda track: (float(np.nansum(_areas(track))), -track.id))
    if who == "longest":
        return max(tracks, key=lambda track: (int(track.seen.sum()), -track.id))
    if who == "centre":
        return min(tracks, key=lambda track: (_off_centre(track), track.id))
    raise ValueError(f"cannot follow {who!r}; choose largest, longest, centre or a person's number")


def _areas(track: PersonTrack) -> np.ndarray:
    return np.prod(track.boxes[:, 2:] - track.boxes[:, :2], axis=1)


def _off_centre(track: PersonTrack) -> float:
    middle = (track.boxes[:, :2] + track.boxes[:, 2:]) / 2 - np.array(track.size) / 2
    return float(np.nanmedian(np.linalg.norm(middle, axis=1)))


def _follow(frames: Sequence[Sequence[Observation]], fps: float) -> list[Piece]:
    """Pieces of people without long gaps."""
    done: list[Piece] = []
    current: list[Piece] = []
    patience = max(1, round(PATIENCE * fps))
    for number, seen in enumerate(frames):
        lost = [piece for piece in current if number - piece.frames[-1] > patience]
        done += lost
        current = [piece for piece in current if number - piece.frames[-1] <= patience]
        rows, columns, cost = _matched(current, seen, number, fps)
        taken = set()
        for row, column in zip(rows, columns, strict=True):
            if cost[row, column] <= _DEAREST:
                _extend(current[row], number, seen[column])
                taken.add(int(column))
        current += [Piece([number], [one]) for k, one in enumerate(seen) if k not in taken]
    return sorted(done + current, key=lambda piece: piece.frames[0])


def _matched(
    pieces: Sequence[Piece], seen: Sequence[Observation], number: int, fps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cheapest one-to-one match: rows, columns and the whole matrix of costs."""
    cost = np.array([[_cost(piece, one, number, fps) for one in seen] for piece in pieces])
    cost = cost.reshape(len(pieces), len(seen))
    rows, columns = linear_sum_assignment(cost)
    return rows, columns, cost


def _cost(piece: Piece, seen: Observation, number: int, fps: float) -> float:
    """0 (where expected, the same clothes) to 1 (elsewhere, other clothes); more where it cannot be."""
    last = piece.seen[-1]
    gap = number - piece.frames[-1]
    shift = piece.speed * min(gap, 0.3 * fps)
    size = (spread(last.box) + spread(seen.box)) / 2
    far = _distance(last, seen, shift) / max(size, 1e-6)
    room = _FARTHEST * (1 + 0.5 * (gap - 1) / fps / PATIENCE)
    if far > room:
        return 10.0
    moved = last.box + np.concatenate([shift, shift])
    place = 0.5 * (1 - overlap(moved, seen.box)) + 0.5 * min(1.0, far / room)
    look = look_distance(piece.look, seen.look)
    return place if look is None else 0.65 * place + 0.35 * min(1.0, look / 0.6)


def _distance(a: Observation, b: Observation, shift: np.ndarray) -> float:
    """Mean pixels between the points seen in both, or between box centres where there are few."""
    shared = (a.confidence > 0.2) & (b.confidence > 0.2)
    shared &= np.isfinite(a.points).all(axis=1) & np.isfinite(b.points).all(axis=1)
    if shared.sum() >= 4:
        return float(np.linalg.norm(a.points[shared] + shift - b.points[shared], axis=1).mean())
    centre_a, centre_b = ((box[:2] + box[2:]) / 2 for box in (a.box, b.box))
    return float(np.linalg.norm(centre_a + shift - centre_b))


def _extend(piece: Piece, number: int, seen: Observation) -> None:
    last, gap = piece.seen[-1], number - piece.frames[-1]
    step = ((seen.box[:2] + seen.box[2:]) - (last.box[:2] + last.box[2:])) / 2 / gap
    piece.speed = (1 - _HABIT) * piece.speed + _HABIT * step
    piece.frames.append(number)
    piece.seen.append(seen)
    piece.wear(seen.look)
