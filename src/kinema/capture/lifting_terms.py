"""What a lifted body should agree with: terms on joint positions, each with its energy, gradient and curvature (ours).

Every residual is divided by its spread, so that a weight says what is believed: pixels by the noise of keypoints,
accelerations by those of captured people, and so on. Keypoints and hints count straight beyond a few spreads
(pseudo-Huber); smoothness and standing feet hardly count there (Cauchy), so that what is clearly fast stays fast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kinema.capture.lifter import STANDING
from kinema.capture.lifting_body import BONE_SUMS, PARENTS, STANDING_HEIGHT
from kinema.scene.skeleton import SMPL24

# Mean accelerations of captured people in m/s^2 (motion library, train split), by joint.
_ACCELERATION = np.array(
    [
        1.2,
        1.2,
        1.2,
        1.2,
        2.5,
        2.5,
        1.3,
        3.0,
        3.0,
        1.2,
        3.5,
        3.5,
        1.3,
        1.3,
        1.3,
        1.5,
        1.7,
        1.7,
        3.4,
        3.4,
        6,
        6,
        7.5,
        7.5,
    ]
)
_TOGETHER = 0.1  # seconds over which accelerations hang together
_RIGID = ((1, 2), (1, 3), (2, 3), (12, 13), (12, 14), (13, 14), (16, 17))  # pelvis, chest, shoulders
_RIGID_SPREAD = np.array([0.005, 0.01, 0.01, 0.015, 0.015, 0.015, 0.03])  # metres
_SHAPE_SPREAD = 0.25  # of those distances between people, as a share
_STRAIGHT = ((3, 6), (6, 9), (9, 12), (12, 15))  # bones of the spine and the neck, above one another
_FOLDING = ((4, 7), (5, 8), (18, 20), (19, 21))  # bones above and below knees and elbows
_KNEES = ((4, 7), (5, 8))


NEIGHBOURS = 10.0
"""Neighbouring frames err alike: so many count as one against what is believed of people in general."""


@dataclass(frozen=True)
class Beliefs:
    """Spreads of the terms, metres unless said otherwise (ours).

    Args:
        keypoint: of a keypoint that the detector is sure of, measured at the person's distance.
        hint: of the depth hints' joints relative to the pelvis.
        slide: speed of a standing foot, m/s.
        floor: height of a standing foot about its rest height.
        limit: what a joint limit may be overstepped by, as a cosine.
    """

    keypoint: float = 0.018
    hint: float = 0.06
    slide: float = 0.02
    floor: float = 0.015
    limit: float = 0.1


@dataclass(frozen=True, eq=False)
class Problem:
    """What is known of one person in one window of T frames; arrays are float64.

    Args:
        points: slopes of keypoints in the camera's axes, [T, 24, 2], any number where the weight is 0.
        weight: of the keypoints, [T, 24].
        hints: joints relative to the pelvis in the world's axes, metres, [T, 24, 3]; hint_weight: [T, 24].
        root: a first guess in the world, metres, [T, 3].
        c2w: camera-to-world, [T, 4, 4].
        standing: probability that ankles and feet stand, [T, 4].
        fps: frames per second.
        size: of the body, 1 for 1.70 m.
    """

    points: np.ndarray
    weight: np.ndarray
    hints: np.ndarray
    hint_weight: np.ndarray
    root: np.ndarray
    c2w: np.ndarray
    standing: np.ndarray
    fps: float
    size: float

    def part(self, frames: slice) -> Problem:
        """Some of the frames."""
        cut: dict[str, Any] = {
            name: value[frames] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        return replace(self, **cut)


@dataclass(frozen=True, eq=False)
class Quadratic:
    """The sum of all terms near a body: energy, and its derivatives by the joints' positions.

    Args:
        energy: of the body itself.
        gradient: [T, 24, 3].
        curvature: within a frame (Gauss-Newton), [T, 24, 3, 24, 3].
        next, after: curvature between a joint and itself one and two frames later, times the identity, [T - 1, 24] and
            [T - 2, 24].
    """

    energy: float
    gradient: np.ndarray
    curvature: np.ndarray
    next: np.ndarray
    after: np.ndarray


class Terms:
    """All terms of a problem."""

    def __init__(self, problem: Problem, beliefs: Beliefs) -> None:
        self.given, self.beliefs = problem, beliefs
        self.axes = problem.c2w[:, :3, :3]
        self.eye = problem.c2w[:, :3, 3]
        depth = np.einsum("ti,ti->t", problem.root - self.eye, self.axes[:, :, 2])
        self.distance = np.maximum(depth, 0.3)
        # The finite difference of white accelerations grows with the square root of the frame rate.
        self.second = _ACCELERATION * np.sqrt(_TOGETHER * problem.fps) / problem.fps**2
        self.height = STANDING_HEIGHT * problem.size
        rest = BONE_SUMS @ SMPL24.offsets
        self.apart = np.array([np.linalg.norm(rest[a] - rest[b]) for a, b in _RIGID]) * problem.size
        self.shape = self.apart

    def energy(self, joints: np.ndarray) -> float:
        """The sum of all terms, [T, 24, 3] -> number; comparable until `near` looks at another body."""
        return self._all(joints, None)

    def near(self, joints: np.ndarray) -> Quadratic:
        """Energy and derivatives at a body, whose mean trunk becomes the shape that the trunk should keep."""
        ends = np.array(_RIGID)
        self.shape = np.linalg.norm(joints[:, ends[:, 0]] - joints[:, ends[:, 1]], axis=-1).mean(0)
        into = _Sums(len(joints))
        energy = self._all(joints, into)
        return Quadratic(energy, into.gradient, into.curvature, into.next, into.after)

    def _all(self, joints: np.ndarray, into: _Sums | None) -> float:
        total = self._keypoints(joints, into) + self._hints(joints, into)
        total += self._smooth(joints, into) + self._feet(joints, into)
        return total + self._trunk(joints, into) + self._limits(joints, into)

    def _keypoints(self, joints: np.ndarray, into: _Sums | None) -> float:
        local = (joints - self.eye[:, None]) @ self.axes
        depth = np.maximum(local[..., 2], 0.1)
        unit = (self.distance / self.beliefs.keypoint)[:, None]
        missed = (local[..., :2] / depth[..., None] - self.given.points) * unit[..., None]
        energy, weight = _robust((missed**2).sum(-1), self.given.weight, 2.0)
        if into is not None:
            slope = np.zeros((*missed.shape, 3))
            slope[..., 0, 0] = slope[..., 1, 1] = unit / depth
            slope[..., 2] = -local[..., :2] / depth[..., None] ** 2 * unit[..., None]
            slope = slope @ self.axes.swapaxes(1, 2)[:, None]
            weighted = slope * weight[..., None, None]
            into.gradient += (missed[..., None, :] @ weighted)[..., 0, :]
            own = np.arange(24)
            into.curvature[:, own, :, own] += (weighted.swapaxes(-1, -2) @ slope).swapaxes(0, 1)
        return energy

    def _hints(self, joints: np.ndarray, into: _Sums | None) -> float:
        missed = (joints - joints[:, :1] - self.given.hints) / self.beliefs.hint
        energy, weight = _robust((missed**2).sum(-1), self.given.hint_weight, 1.5)
        if into is not None:
            weight = weight / self.beliefs.hint**2
            pull = missed * weight[..., None] * self.beliefs.hint
            into.gradient += pull
            into.gradient[:, 0] -= pull.sum(1)
            for axis in range(3):
                diagonal = into.curvature[:, :, axis, :, axis]
                own = np.arange(24)
                diagonal[:, own, own] += weight
                diagonal[:, 0, :] -= weight
                diagonal[:, :, 0] -= weight
                diagonal[:, 0, 0] += weight.sum(1)
        return energy

    def _smooth(self, joints: np.ndarray, into: _Sums | None) -> float:
        if len(joints) < 3:
            return 0.0
        bend = (joints[2:] - 2 * joints[1:-1] + joints[:-2]) / self.second[:, None]
        energy, weight = _forgiving((bend**2).sum(-1), np.ones(bend.shape[:2]), 1.5)
        if into is not None:
            weight = weight / self.second**2
            pull = bend * (weight * self.second)[..., None]
            into.gradient[2:] += pull
            into.gradient[1:-1] -= 2 * pull
            into.gradient[:-2] += pull
            into.on_joints(slice(2, None), weight)
            into.on_joints(slice(1, -1), 4 * weight)
            into.on_joints(slice(None, -2), weight)
            into.next[1:] -= 2 * weight
            into.next[:-1] -= 2 * weight
            into.after += weight
        return energy

    def _feet(self, joints: np.ndarray, into: _Sums | None) -> float:
        """Standing feet stay where they are, at their height; nothing is under the floor."""
        feet = joints[:, STANDING]
        spread = self.beliefs.floor
        above = (feet[..., 1] - self.height) / spread
        energy, weight = _forgiving(above**2, self.given.standing, 2.0)
        under = np.minimum(above + 0.6 * self.height / spread, 0.0)
        energy += 0.5 * float((under**2).sum())
        if into is not None:
            for place, joint in enumerate(STANDING):
                into.gradient[:, joint, 1] += (above * weight + under)[:, place] / spread
                into.curvature[:, joint, 1, joint, 1] += (weight + (under < 0))[:, place] / spread**2
        if len(joints) < 2:
            return energy
        both = self.given.standing[1:] * self.given.standing[:-1] * min(1.0, 30 / self.given.fps)
        unit = self.given.fps / self.beliefs.slide
        step = (feet[1:] - feet[:-1]) * unit
        sliding, weight = _forgiving((step**2).sum(-1), both, 2.0)
        if into is not None:
            columns = list(STANDING)
            pull = step * weight[..., None] * unit
            into.gradient[1:, columns] += pull
            into.gradient[:-1, columns] -= pull
            weight = weight * unit**2
            whole = np.zeros((len(weight), 24))
            whole[:, columns] = weight
            into.on_joints(slice(1, None), whole)
            into.on_joints(slice(None, -1), whole)
            into.next -= whole
        return energy + sliding

    def _trunk(self, joints: np.ndarray, into: _Sums | None) -> float:
        """Pelvis and chest keep their shape through the clip, whatever shape that is, and it is about the usual one."""
        energy = 0.0
        for place, (a, b) in enumerate(_RIGID):
            way = joints[:, a] - joints[:, b]
            length = np.maximum(np.linalg.norm(way, axis=-1), 1e-6)
            usual = _SHAPE_SPREAD * self.apart[place] * np.sqrt(NEIGHBOURS)
            for wanted, spread in ((self.shape[place], _RIGID_SPREAD[place]), (self.apart[place], usual)):
                missed = (length - wanted) / spread
                energy += 0.5 * float((missed**2).sum())
                if into is not None:
                    slope = way / (length * spread)[:, None]
                    into.pairs(missed, ((a, slope), (b, -slope)))
        return energy

    def _limits(self, joints: np.ndarray, into: _Sums | None) -> float:
        """Knees bend backwards only, no limb folds onto itself, the spine and the neck bend little at each joint."""
        bones = joints - joints[:, PARENTS]
        length = np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-6)
        unit = bones / length
        hips = joints[:, 1] - joints[:, 2]
        width = np.maximum(np.linalg.norm(hips, axis=-1, keepdims=True), 1e-6)
        left = hips / width

        def limit(over: np.ndarray, slopes: tuple[tuple[int, int, np.ndarray], ...]) -> float:
            """A residual of unit vectors with its slopes: each from one joint to another."""
            missed = over / self.beliefs.limit
            if into is not None and missed.any():
                parts: dict[int, np.ndarray] = {}
                for start, end, slope in slopes:
                    way, far = (left, width) if (start, end) == (2, 1) else (unit[:, end], length[:, end])
                    across = slope - (slope * way).sum(-1, keepdims=True) * way
                    across = across * (over < 0)[:, None] / (far * self.beliefs.limit)
                    parts[end] = parts.get(end, 0.0) + across
                    parts[start] = parts.get(start, 0.0) - across
                into.pairs(missed, tuple(parts.items()))
            return 0.5 * float((missed**2).sum())

        energy = 0.0
        for upper, lower in _KNEES:
            first, second = unit[:, upper], unit[:, lower]
            axis = np.cross(first, second)
            bend = (int(PARENTS[upper]), upper, np.cross(second, left)), (upper, lower, np.cross(left, first))
            energy += limit(np.minimum((axis * left).sum(-1) + 0.05, 0.0), (*bend, (2, 1, axis)))
        for pairs, least in ((_FOLDING, -0.87), (_STRAIGHT, 0.75)):
            for upper, lower in pairs:
                first, second = unit[:, upper], unit[:, lower]
                over = np.minimum((first * second).sum(-1) - least, 0.0)
                energy += limit(over, ((int(PARENTS[upper]), upper, second), (upper, lower, first)))
        return energy


class _Sums:
    """Where terms add their derivatives."""

    def __init__(self, frames: int) -> None:
        self.gradient = np.zeros((frames, 24, 3))
        self.curvature = np.zeros((frames, 24, 3, 24, 3))
        self.next = np.zeros((max(frames - 1, 0), 24))
        self.after = np.zeros((max(frames - 2, 0), 24))

    def on_joints(self, frames: slice, weight: np.ndarray) -> None:
        """Adds weights [t, 24] times the identity to the curvature of each joint with itself."""
        own = np.arange(24)
        for axis in range(3):
            self.curvature[frames, own, axis, own, axis] += weight

    def pairs(self, missed: np.ndarray, slopes: tuple[tuple[int, np.ndarray], ...]) -> None:
        """Adds half a squared residual [T] with its slopes [T, 3] by a few joints."""
        for joint, slope in slopes:
            self.gradient[:, joint] += missed[:, None] * slope
            for other, across in slopes:
                self.curvature[:, joint, :, other] += slope[:, :, None] * across[:, None, :]


def _robust(squared: np.ndarray, weight: np.ndarray, knee: float) -> tuple[float, np.ndarray]:
    """Energy of residuals and the weights with which least squares has the same gradient."""
    bent = np.sqrt(1 + squared / knee**2)
    return float((weight * knee**2 * (bent - 1)).sum()), weight / bent


def _forgiving(squared: np.ndarray, weight: np.ndarray, knee: float) -> tuple[float, np.ndarray]:
    """The same with energies that grow like a logarithm beyond `knee` spreads (Cauchy)."""
    grown = 1 + squared / knee**2
    return float((weight * 0.5 * knee**2 * np.log(grown)).sum()), weight / grown
