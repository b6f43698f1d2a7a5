"""The optimisation behind `lift`: damped Gauss-Newton over bone directions, the root path and bone lengths (ours).

A body is its root, a direction for each bone and lengths that hold for the whole clip, so bones cannot stretch. Frames
hang together with two neighbours each way at most: the normal equations are banded and cost time linear in the clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded

from kinema.capture.lifting_body import BONE_SUMS, LENGTH_SPREAD, PARENTS, USUAL_LENGTHS
from kinema.capture.lifting_terms import NEIGHBOURS, Beliefs, Problem, Quadratic, Terms
from kinema.scene.skeleton import SMPL24

_UNKNOWNS = 3 + 2 * 23  # of a frame: the root, two turns of each bone
_ENOUGH = 2e-3  # relative decrease of the energy at which it stops


@dataclass(frozen=True, eq=False)
class Solved:
    """Joints in the world, metres, [T, 24, 3], and the bone above each joint, metres, [24]."""

    joints: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True, eq=False)
class _Body:
    """Root [T, 3], unit directions of the bones above joints 1 to 23 [T, 23, 3], logarithms of growth [24]."""

    root: np.ndarray
    unit: np.ndarray
    growth: np.ndarray


def solve(
    problem: Problem,
    lengths: np.ndarray | None = None,
    beliefs: Beliefs | None = None,
    iterations: int = 16,
) -> Solved:
    """Minimises the sum of all terms (lifting_terms.py) from the problem's first guess.

    Args:
        problem: what is known.
        lengths: bone lengths, kept; None learns them, the same on both sides, the stature kept.
        beliefs: spreads of the terms.
        iterations: at most.
    """
    terms = Terms(problem, beliefs or Beliefs())
    bones = problem.hints[:, 1:] - problem.hints[:, PARENTS[1:]]
    bones /= np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-6)
    rest = USUAL_LENGTHS * problem.size if lengths is None else lengths
    sides = _Sides(len(problem.root), learned=lengths is None)
    body = _Body(problem.root, bones, np.zeros(24))
    energy, damping = np.inf, 1e-3
    for _ in range(iterations):
        joints, own = _joints(body, rest)
        near = terms.near(joints)
        before = near.energy + sides.energy(body.growth)
        equations = _Equations(body, own, near, sides)
        while True:
            moved = equations.step(damping)
            energy = terms.energy(_joints(moved, rest)[0]) + sides.energy(moved.growth)
            if energy <= before or damping > 1e6:
                break
            damping *= 8
        if energy > before:
            break
        body, damping = moved, max(damping / 4, 1e-9)
        if before - energy < _ENOUGH * before:
            break
    return Solved(*_joints(body, rest))


class _Sides:
    """Which bones grow together: the same on both sides, legs and spine as far as the stature stays."""

    def __init__(self, frames: int, learned: bool) -> None:
        mirror = SMPL24.mirror_index
        groups = [joint for joint in range(1, 24) if mirror[joint] >= joint] if learned else []
        basis = np.zeros((24, len(groups)))
        for column, joint in enumerate(groups):
            basis[[joint, mirror[joint]], column] = 1.0
        if learned:
            reach = np.zeros(24)  # how the body's size changes with each bone
            reach[[4, 5, 7, 8]], reach[[3, 6, 9, 12]] = 0.5, 1.0
            change = (reach * USUAL_LENGTHS) @ basis
            keeps = np.linalg.svd(change[None])[2][1:]  # all but what changes the stature
            basis = basis @ keeps.T
        self.basis = basis
        self.weight = frames / NEIGHBOURS / LENGTH_SPREAD**2

    def energy(self, growth: np.ndarray) -> float:
        return 0.5 * float((self.weight * growth**2).sum())


def _joints(body: _Body, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lengths = rest * np.exp(body.growth)
    bones = np.concatenate([body.root[:, None], body.unit * lengths[1:, None]], axis=1)
    return BONE_SUMS @ bones, lengths


class _Equations:
    """The normal equations near a body: banded for the frames, bordered by those of the lengths."""

    def __init__(self, body: _Body, lengths: np.ndarray, near: Quadratic, sides: _Sides) -> None:
        frames = len(body.root)
        self.body, self.basis = body, sides.basis
        self.tangent = _tangents(body.unit)
        reach = BONE_SUMS[:, 1:] * lengths[1:]
        moves = np.zeros((frames, 24, 3, _UNKNOWNS))  # of joints by unknowns
        moves[..., :3] = np.eye(3)
        turned = moves[..., 3:].reshape(frames, 24, 3, 23, 2)
        np.multiply(reach[:, None, :, None], self.tangent.swapaxes(1, 2)[:, None], out=turned)
        flat = moves.reshape(frames, 72, _UNKNOWNS)
        curvature = near.curvature.reshape(frames, 72, 72)
        following, later = (np.repeat(weight, 3, axis=1)[..., None] for weight in (near.next, near.after))
        transposed = flat.swapaxes(1, 2)
        self.own = transposed @ (curvature @ flat)
        self.band = _band(
            self.own, transposed[1:] @ (following * flat[:-1]), transposed[2:] @ (later * flat[:-2])
        )
        gradient = near.gradient.reshape(frames, 72)
        columns = [(gradient[:, None] @ flat)[:, 0].reshape(-1, 1)]
        count = self.basis.shape[1]
        if count:
            unit = body.unit[..., None] * self.basis[1:][:, None]  # by how the bones grow, [T, 23, 3, G]
            growing = (reach @ unit.reshape(frames, 23, -1)).reshape(frames, 72, count)
            pulled = curvature @ growing
            for step, weight in ((1, following), (2, later)):
                pulled[step:] += weight * growing[:-step]
                pulled[:-step] += weight * growing[step:]
            columns.append((transposed @ pulled).reshape(-1, count))
            self.corner = np.tensordot(growing, pulled, axes=((0, 1), (0, 1)))
            self.corner += (self.basis.T * sides.weight) @ self.basis
            self.slope = np.tensordot(gradient, growing, axes=((0, 1), (0, 1)))
            self.slope += (sides.weight * body.growth) @ self.basis
        self.right = np.concatenate(columns, axis=1)

    def step(self, damping: float) -> _Body:
        """The body after one damped step."""
        band = self.band.copy()
        band[0] += damping * band[0] + 1e-6
        factor = cholesky_banded(band, overwrite_ab=True, lower=True, check_finite=False)
        solved = cho_solve_banded((factor, True), self.right, check_finite=False)
        step, growth = solved[:, 0], self.body.growth
        if self.basis.shape[1]:
            edge = self.right[:, 1:]
            corner = self.corner + damping * np.diag(np.diag(self.corner))
            longer = np.linalg.solve(corner - edge.T @ solved[:, 1:], self.slope - edge.T @ step)
            step = step - solved[:, 1:] @ longer
            growth = growth - self.basis @ longer
        step = step.reshape(-1, _UNKNOWNS)
        turn = (self.tangent @ step[:, 3:].reshape(-1, 23, 2, 1))[..., 0]
        unit = self.body.unit - turn
        unit /= np.linalg.norm(unit, axis=-1, keepdims=True)
        return _Body(self.body.root - step[:, :3], unit, growth)


def _tangents(unit: np.ndarray) -> np.ndarray:
    """Two directions at right angles to each unit vector, as columns, [..., 3] -> [..., 3, 2]."""
    helper = np.where(np.abs(unit[..., :1]) < 0.7, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    first = np.cross(unit, helper)
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    return np.stack([first, np.cross(unit, first)], axis=-1)


def _band(own: np.ndarray, following: np.ndarray, later: np.ndarray) -> np.ndarray:
    """LAPACK's lower band of the matrix with blocks on the diagonal [T, N, N] and one and two below it."""
    frames, count = own.shape[:2]
    band = np.zeros((frames, count, min(3, frames) * count))  # of each column what lies below its diagonal
    for offset, blocks in enumerate((own, following, later)[:frames]):
        for column in range(count):
            place = max(0, offset * count - column)
            first = max(0, column - offset * count)
            band[: len(blocks), column, place : offset * count - column + count] = blocks[:, first:, column]
    return np.ascontiguousarray(band.reshape(frames * count, -1).T)
