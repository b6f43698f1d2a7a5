"""What a generated motion must obey: known frames or body parts, paths and waypoints, joint targets.

All are checked against each other and against the body before anything is sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from kinema.motion.representation import FPS, PARTS
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

MOST_SPEED = 9.0
"""m/s; no person is asked to be faster."""

_REACH = 1.35  # metres from the pelvis to an outstretched hand of the neutral body, and a little


@dataclass(frozen=True)
class Known:
    """Frames that are given: the start of a motion to go on with, its end, or some parts of the body.

    Args:
        motion: any human motion, in the world of the result.
        at: seconds in the result at which it begins.
        parts: the groups of PARTS that are kept; by default all.
    """

    motion: Motion
    at: float = 0.0
    parts: Sequence[str] = tuple(PARTS)

    def __post_init__(self) -> None:
        unknown = set(self.parts) - set(PARTS)
        if unknown or not self.parts:
            raise ValueError(f"parts {sorted(unknown) or '()'}: give some of {', '.join(PARTS)}")
        _check_time(self.at, "a known motion begins")

    @property
    def end(self) -> float:
        """Seconds in the result at which it ends."""
        return self.at + self.motion.duration


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
        joint: name in SMPL-24, for example "left_wrist".
        time: seconds in the result.
        position: in the world, metres, [3].
    """

    joint: str
    time: float
    position: Sequence[float]
    index: int = field(init=False, repr=False)
    frame: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", SMPL24.index(self.joint))
        _check_time(self.time, f"the target of {self.joint} lies")
        object.__setattr__(self, "frame", round(self.time * FPS))
        position = tuple(float(value) for value in self.position)
        if len(position) != 3 or not np.isfinite(position).all():
            raise ValueError(f"the target of {self.joint} is {self.position}; give x, y, z in metres")
        highest = _highest(self.index)
        if not -0.05 <= position[1] <= highest:
            raise ValueError(
                f"the target of {self.joint} is {position[1]:g} m high; the floor is 0, and the body reaches "
                f"{highest:.1f} m with a jump"
            )
        object.__setattr__(self, "position", position)


Constraint = Known | RootPath | JointTarget


def check_constraints(constraints: Sequence[Constraint], seconds: float) -> None:
    """Whether the constraints can hold together in a motion of that length.

    Raises:
        ValueError: one lies outside the motion, or two contradict each other.
    """
    known = [c for c in constraints if isinstance(c, Known)]
    paths = [c for c in constraints if isinstance(c, RootPath)]
    targets = [c for c in constraints if isinstance(c, JointTarget)]
    if len(known) + len(paths) + len(targets) != len(constraints):
        raise ValueError("constraints are Known, RootPath or JointTarget")
    for end, what in [
        *((c.end, "a known motion ends") for c in known),
        *((path.times[-1], "the root path ends") for path in paths if path.times is not None),
        *((c.time, f"the target of {c.joint} lies") for c in targets),
    ]:
        if end > seconds + 1 / FPS:
            raise ValueError(f"{what} at {end:g} s, but the motion lasts {seconds:g} s")
    if len(paths) > 1:
        raise ValueError("there are two root paths; join them into one with times")
    for first, a in enumerate(known):
        for b in known[first + 1 :]:
            shared = set(a.parts) & set(b.parts)
            if shared and a.at < b.end and b.at < a.end:
                raise ValueError(
                    f"two known motions both give {sorted(shared)} between {max(a.at, b.at):g} s and "
                    f"{min(a.end, b.end):g} s"
                )
        if paths and "path" in a.parts and a.motion.duration > 0.5:
            raise ValueError(
                "a known motion and a root path both say where the person goes; leave 'path' out of its parts"
            )
    for first, target in enumerate(targets):
        for other in targets[first + 1 :]:
            if target.frame != other.frame:
                continue
            apart = float(np.linalg.norm(np.subtract(target.position, other.position)))
            most = 0.03 if target.index == other.index else 2 * _REACH
            if apart > most:
                raise ValueError(
                    f"at {target.time:g} s {target.joint} and {other.joint} are asked to be {apart:.2f} m apart; "
                    + (
                        "one joint has one place"
                        if target.index == other.index
                        else f"a body spans {most:.1f} m"
                    )
                )


def _highest(joint: int) -> float:
    """How high a joint can come with a jump of 0.6 m and arms straight up, metres."""
    height, above = float(SMPL24.rest[joint, 1]), joint
    while above > 0 and SMPL24.parents[above] not in (13, 14):  # up to a shoulder
        above = SMPL24.parents[above]
    if above > 0:
        height = float(SMPL24.rest[above, 1] + np.linalg.norm(SMPL24.rest[joint] - SMPL24.rest[above]))
    return height + 0.6


def _check_time(seconds: float, what: str) -> None:
    if not 0 <= seconds < np.inf:
        raise ValueError(f"{what} at {seconds} s; give seconds from 0")
