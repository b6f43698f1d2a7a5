"""What a generated motion must obey: known frames or body parts, paths and waypoints, joint targets.

They are plain wishes, the same for every generator; all are checked against each other and against the body that shall
fulfil them before anything is sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kinema.motion.features import PATH, MotionFeatures
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24, Skeleton

MOST_SPEED = 9.0
"""m/s; no person is asked to be faster."""

_REACH = 1.35  # metres from the pelvis to an outstretched hand of the neutral SMPL-24 body, and a little
_JUMP = 0.6  # metres


@dataclass(frozen=True)
class Known:
    """Frames that are given: the start of a motion to go on with, its end, or some parts of the body.

    Args:
        motion: in the world of the result; any human one for a generator of people.
        at: seconds in the result at which it begins.
        parts: names of the representation's groups that are kept; all where None.
    """

    motion: Motion
    at: float = 0.0
    parts: Sequence[str] | None = None

    def __post_init__(self) -> None:
        _check_time(self.at, "a known motion begins")

    @property
    def end(self) -> float:
        """Seconds in the result at which it ends."""
        return self.at + self.motion.duration

    def kept(self, features: MotionFeatures) -> tuple[str, ...]:
        """Names of the groups that are kept, in the order of the representation."""
        return tuple(name for name in features.parts if self.parts is None or name in self.parts)


@dataclass(frozen=True)
class RootPath:
    """Where the pelvis goes over the floor: a path, or a few waypoints.

    Args:
        points: x and z, metres, [N, 2]; with one point the person ends there, having started at the origin.
        times: seconds, rising, [N]; by default spread along the path at even speed over the whole motion.
        headings: degrees about +Y at the points (0 is +Z, 90 is +X), [N]; by default people face the way they go.
    """

    points: np.ndarray
    times: Sequence[float] | None = None
    headings: Sequence[float] | None = None

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not np.isfinite(points).all():
            raise ValueError(
                f"a root path has shape {list(points.shape)}; give finite x and z of points, [N, 2]"
            )
        object.__setattr__(self, "points", points)
        for name in ("times", "headings"):
            values = getattr(self, name)
            if values is not None and (len(values) != len(points) or not np.isfinite(values).all()):
                raise ValueError(
                    f"{len(points)} points, but {name} {list(values)}; give a number for each point"
                )
        if self.times is not None:
            _check_time(self.times[0], "the root path begins")
            for (before, after), (a, b) in zip(pairwise(self.times), pairwise(points), strict=True):
                if not after > before:
                    raise ValueError(f"the times of a root path must rise; {after:g} s follows {before:g} s")
                speed = float(np.linalg.norm(b - a)) / (after - before)
                if speed > MOST_SPEED:
                    raise ValueError(
                        f"the root path asks for {speed:.1f} m/s between {before:g} s and {after:g} s; people reach "
                        f"{MOST_SPEED:g} m/s: give it more time or nearer points"
                    )


@dataclass(frozen=True)
class JointTarget:
    """Where a joint is at a moment.

    Args:
        joint: name in the body's skeleton, for example "left_wrist".
        time: seconds in the result.
        position: in the world, metres, [3].
    """

    joint: str
    time: float
    position: Sequence[float]

    def __post_init__(self) -> None:
        _check_time(self.time, f"the target of {self.joint} lies")
        position = tuple(float(value) for value in self.position)
        if len(position) != 3 or not np.isfinite(position).all():
            raise ValueError(f"the target of {self.joint} is {self.position}; give x, y, z in metres")
        object.__setattr__(self, "position", position)


Constraint = Known | RootPath | JointTarget


def check_constraints(constraints: Sequence[Constraint], seconds: float, features: MotionFeatures) -> None:
    """Whether the constraints can hold together in a motion of that length.

    Args:
        constraints: what is asked for.
        seconds: length of the motion.
        features: of the body that shall fulfil them.

    Raises:
        ValueError: one lies outside the motion or out of the body's reach, names no group or joint of it, or two
            contradict each other.
    """
    known = [c for c in constraints if isinstance(c, Known)]
    paths = [c for c in constraints if isinstance(c, RootPath)]
    targets = [c for c in constraints if isinstance(c, JointTarget)]
    if len(known) + len(paths) + len(targets) != len(constraints):
        raise ValueError("constraints are Known, RootPath or JointTarget")
    for wish in known:
        unknown = set(wish.parts or ()) - set(features.parts)
        if unknown or not wish.kept(features):
            raise ValueError(f"parts {sorted(unknown) or '()'}: give some of {', '.join(features.parts)}")
    for target in targets:
        highest = _highest(features, features.skeleton.index(target.joint))
        if not -0.05 <= target.position[1] <= highest:
            raise ValueError(
                f"the target of {target.joint} is {target.position[1]:g} m high; the floor is 0, and the body reaches "
                f"{highest:.1f} m with a jump"
            )
    for end, what in [
        *((c.end, "a known motion ends") for c in known),
        *((path.times[-1], "the root path ends") for path in paths if path.times is not None),
        *((c.time, f"the target of {c.joint} lies") for c in targets),
    ]:
        if end > seconds + 1 / features.fps:
            raise ValueError(f"{what} at {end:g} s, but the motion lasts {seconds:g} s")
    if len(paths) > 1:
        raise ValueError("there are two root paths; join them into one with times")
    for first, a in enumerate(known):
        for b in known[first + 1 :]:
            shared = set(a.kept(features)) & set(b.kept(features))
            if shared and a.at < b.end and b.at < a.end:
                raise ValueError(
                    f"two known motions both give {sorted(shared)} between {max(a.at, b.at):g} s and "
                    f"{min(a.end, b.end):g} s"
                )
        if paths and PATH in a.kept(features) and a.motion.duration > 0.5:
            raise ValueError(
                "a known motion and a root path both say where the person goes; leave 'path' out of its parts"
            )
    spans = 2 * _REACH * _longest(features.skeleton) / _longest(SMPL24)
    for first, target in enumerate(targets):
        for other in targets[first + 1 :]:
            if features.frames_in(target.time) != features.frames_in(other.time):
                continue
            apart = float(np.linalg.norm(np.subtract(target.position, other.position)))
            most = 0.03 if target.joint == other.joint else spans
            if apart > most:
                raise ValueError(
                    f"at {target.time:g} s {target.joint} and {other.joint} are asked to be {apart:.2f} m apart; "
                    + (
                        "one joint has one place"
                        if target.joint == other.joint
                        else f"a body spans {most:.1f} m"
                    )
                )


def _highest(features: MotionFeatures, joint: int) -> float:
    """How high a joint can come with a jump and arms straight up, metres."""
    tree, above = features.skeleton, joint
    height = float(tree.rest[joint, 1])
    while above != tree.root and above not in features.shoulders:
        above = tree.parents[above]
    if above != tree.root:
        height = float(tree.rest[above, 1] + np.linalg.norm(tree.rest[joint] - tree.rest[above]))
    return height + _JUMP * features.scale


def _longest(tree: Skeleton) -> float:
    """Metres from the root to the end of the tree that is farthest along its bones."""
    along = np.zeros(len(tree))
    for joint in tree.order[1:]:
        along[joint] = along[tree.parents[joint]] + tree.bone_lengths[joint]
    return float(along.max())


def _check_time(seconds: float, what: str) -> None:
    if not 0 <= seconds < np.inf:
        raise ValueError(f"{what} at {seconds} s; give seconds from 0")
