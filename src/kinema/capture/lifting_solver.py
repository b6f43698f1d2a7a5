"""The optimisation behind `lift`: damped Gauss-Newton over bone directions, the root path and bone lengths (ours).

A body is its root, a direction for each bone and lengths that hold for the whole clip, so bones cannot stretch. Frames
hang together with two neighbours each way at most: the normal equations are banded and cost time linear in the clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded

from kinema.capture.lifting_body import BONE_SUMS, PARENTS
from kinema.capture.lifting_terms import Beliefs, Problem, Quadratic, Terms
from kinema.scene.skeleton import SMPL24

_LENGTH_SPREAD = np.full(24, 0.08)  # of the logarithm of bone lengths between people of one stature
_LENGTH_SPREAD[[1, 2, 13, 14, 15, 10, 11, 22, 23]] = 0.15
_LENGTH_SPREAD[[4, 5, 7, 8]] = 0.04
_FRAMES = 10.0  # neighbouring frames err alike: so many count as one against the prior of lengths
_UNKNOWNS = 3 + 2 * 23  # of a frame: the root, two turns of each bone
_ENOUGH = 1e-4  # relative decrease of the energy at which it stops


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
    iterations: int = 12,
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
    rest = SMPL24.bone_lengths * problem.size if lengths is None else lengths
    sides = _Sides(len(problem.root), learned=lengths is None)
    body = _Body(problem.root, bones, np.zeros(24))
    energy, damping = np.inf, 1e-3
    for _ in range(iterations):
        joints, own = _joints(body, rest)
        near = terms.near(joints, own)
        before = near.energy + sides.energy(body.growth)
        while True:
            moved = _step(body, own, near, sides, damping)
            energy = terms.energy(*_joints(moved, rest)) + sides.energy(moved.growth)
            if energy <= before or damping > 1e6:
                break
            damping *= 8
        if energy > before:
            break
        body, damping = moved, max(damping / 5, 1e-9)
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
            change = (reach * SMPL24.bone_lengths) @ basis
            keeps = np.linalg.svd(change[None])[2][1:]  # all but what changes the stature
            basis = basis @ keeps.T
        self.basis = basis
        self.weight = frames / _FRAMES / _LENGTH_SPREAD**2

    def energy(self, growth: np.ndarray) -> float:
        return 0.5 * float((self.weight * growth**2).sum())


def _joints(body: _Body, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lengths = rest * np.exp(body.growth)
    bones = np.concatenate([body.root[:, None], body.unit * lengths[1:, None]], axis=1)
    return BONE_SUMS @ bones, lengths


def _step(body: _Body, lengths: np.ndarray, near: Quadratic, sides: _Sides, damping: float) -> _Body:
    """One damped step: banded equations for the frames, bordered by those of the lengths."""
    frames = len(body.root)
    tangent = _tangents(body.unit)
    moves = np.zeros((frames, 24, 3, _UNKNOWNS))  # of joints by unknowns
    moves[:, :, :, :3] = np.eye(3)
    turned = np.einsum("jk,k,tkia->tjika", BONE_SUMS[:, 1:], lengths[1:], tangent)
    moves[..., 3:] = turned.reshape(frames, 24, 3, -1)
    grown = np.einsum("jk,k,tki,kg->tjig", BONE_SUMS[:, 1:], lengths[1:], body.unit, sides.basis[1:])
    flat = moves.reshape(frames, 72, _UNKNOWNS)
    growing = grown.reshape(frames, 72, -1)
    curvature = near.curvature.reshape(frames, 72, 72)

    def across(a: np.ndarray, weight: np.ndarray, b: np.ndarray) -> np.ndarray:
        """a^T diag(weight) b for weights by joint."""
        return np.asarray(a.swapaxes(1, 2) @ (np.repeat(weight, 3, axis=1)[..., None] * b))

    bent = curvature @ flat
    own = flat.swapaxes(1, 2) @ bent
    following = across(flat[1:], near.next, flat[:-1])
    later = across(flat[2:], near.after, flat[:-2])
    diagonal = np.arange(_UNKNOWNS)
    own[:, diagonal, diagonal] += damping * own[:, diagonal, diagonal] + 1e-6
    band = _band(own, following, later)
    gradient = near.gradient.reshape(frames, 72)
    right = (gradient[:, None] @ flat)[:, 0]
    columns = [right.reshape(-1, 1)]
    count = growing.shape[-1]
    if count:
        pulled = curvature @ growing
        pulled[1:] += np.repeat(near.next, 3, axis=1)[..., None] * growing[:-1]
        pulled[:-1] += np.repeat(near.next, 3, axis=1)[..., None] * growing[1:]
        if frames > 2:
            pulled[2:] += np.repeat(near.after, 3, axis=1)[..., None] * growing[:-2]
            pulled[:-2] += np.repeat(near.after, 3, axis=1)[..., None] * growing[2:]
        border = flat.swapaxes(1, 2) @ pulled
        columns.append(border.reshape(-1, count))
    solved = cho_solve_banded((cholesky_banded(band, lower=True), True), np.concatenate(columns, axis=1))
    step, growth = solved[:, 0], body.growth
    if count:
        corner = np.einsum("tig,tih->gh", growing, pulled) + (sides.basis.T * sides.weight) @ sides.basis
        corner += damping * np.diag(np.diag(corner))
        slope = np.einsum("ti,tig->g", gradient, growing) + (sides.weight * body.growth) @ sides.basis
        edge = columns[1]
        lengthened = np.linalg.solve(corner - edge.T @ solved[:, 1:], slope - edge.T @ step)
        step = step - solved[:, 1:] @ lengthened
        growth = body.growth - sides.basis @ lengthened
    step = step.reshape(frames, _UNKNOWNS)
    turn = (tangent @ step[:, 3:].reshape(frames, 23, 2, 1))[..., 0]
    unit = body.unit - turn
    unit /= np.linalg.norm(unit, axis=-1, keepdims=True)
    return _Body(body.root - step[:, :3], unit, growth)


def _tangents(unit: np.ndarray) -> np.ndarray:
    """Two directions at right angles to each unit vector, as columns, [..., 3] -> [..., 3, 2]."""
    helper = np.where(np.abs(unit[..., :1]) < 0.7, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    first = np.cross(unit, helper)
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    return np.stack([first, np.cross(unit, first)], axis=-1)


def _band(own: np.ndarray, following: np.ndarray, later: np.ndarray) -> np.ndarray:
    """LAPACK's lower band of the matrix with blocks on the diagonal [T, N, N] and one and two below it."""
    frames, count = own.shape[:2]
    band = np.zeros((min(3, frames) * count, frames * count))
    row, column = np.indices((count, count))
    for offset, blocks in enumerate((own, following, later)):
        if len(blocks) == 0:
            continue
        below = offset * count + row - column
        kept = below >= 0
        start = np.arange(len(blocks))[:, None] * count
        band[below[kept][None], start + column[kept][None]] = blocks[:, row[kept], column[kept]]
    return band
