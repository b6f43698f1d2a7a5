"""Bones and weights of a deforming mesh: smooth skinning decomposition (SSDR, Le and Deng 2012).

Vertices that move alike become a bone; then the bones' rigid motions and each vertex's shares of at most four bones are
solved in turn. Bones hang on each other where they share vertices. Nothing is learned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kinema.scene import quaternions as quat
from kinema.scene.formats.gltf_figure import SkinnedMesh
from kinema.scene.motion import Motion
from kinema.scene.rotations import local_rotations
from kinema.scene.skeleton import Skeleton

_ROUNDS = 6
_FITTED = 48  # frames that bones and weights are solved on; all get transforms (ours)
_BONES_OF_VERTEX = 4
_SIMPLEX_STEPS = 60
_LOOSE = 1e-4  # share by which a joint keeps to the middle of what its bones share (ours)
_MOST_BONES = 128


@dataclass(frozen=True, eq=False)
class Rig:
    """What was found. T frames, V vertices, K bones.

    Args:
        motion: of the bones; its rest is the first frame.
        mesh: the first frame, with its weights.
        weights: share of each bone, [V, K].
        rotations, translations: of each bone from the first frame, [T, K, 3, 3] and [T, K, 3].
        error: root mean square distance of vertices from where they shall be, as a share of the largest extent.
    """

    motion: Motion
    mesh: SkinnedMesh
    weights: np.ndarray
    rotations: np.ndarray
    translations: np.ndarray
    error: float

    def posed(self) -> np.ndarray:
        """The vertices of all frames, [T, V, 3]."""
        return skinned(self.mesh.vertices, self.weights, self.rotations, self.translations)


def find_rig(
    vertices: np.ndarray,
    faces: np.ndarray,
    bones: int = 24,
    fps: float = 24.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Rig:
    """Bones, weights and motion of a mesh sequence.

    Args:
        vertices: of every frame, in the same order, metres, [T, V, 3]; two frames at least.
        faces: vertex indices, [F, 3].
        bones: how many.
        fps: frames per second.
        seed: of the first clusters.
        progress: called with (rounds done, rounds in all).

    Raises:
        ValueError: the arrays have other shapes or are not finite, or more bones than vertices.
    """
    vertices, faces = np.asarray(vertices, dtype=np.float64), np.asarray(faces)
    if vertices.ndim != 3 or vertices.shape[2] != 3 or len(vertices) < 2:
        raise ValueError(
            f"vertices have shape {list(vertices.shape)}; give [frames, vertices, 3], two frames at least"
        )
    if not np.isfinite(vertices).all():
        raise ValueError(
            f"frame {int(np.argwhere(~np.isfinite(vertices))[0, 0])} has vertices that are not finite"
        )
    count = vertices.shape[1]
    if not 1 <= bones <= min(count, _MOST_BONES):
        raise ValueError(f"{bones} bones for {count} vertices; give 1 to {min(count, _MOST_BONES)}")
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.min() < 0 or faces.max() >= count:
        raise ValueError(
            f"faces have shape {list(faces.shape)} or point outside of the {count} vertices; give [F, 3]"
        )
    seen = vertices[np.unique(np.linspace(0, len(vertices) - 1, min(len(vertices), _FITTED)).astype(int))]
    weights = clusters(seen, bones, seed)
    rotations, translations = _rigid(vertices[0], weights, seen)
    for number in range(_ROUNDS):
        weights = _shares(vertices[0], seen, rotations, translations)
        rotations, translations = _refitted(vertices[0], weights, seen, rotations, translations)
        if progress is not None:
            progress(number + 1, _ROUNDS)
    rotations, translations = fit_bones_to(vertices[0], weights, vertices)
    off = skinned(vertices[0], weights, rotations, translations) - vertices
    error = float(np.sqrt(np.square(off).sum(-1).mean()) / np.ptp(vertices[0], axis=0).max())
    motion = _as_motion(vertices[0], weights, rotations, translations, fps)
    chosen = np.argsort(-weights, axis=1, kind="stable")[:, :_BONES_OF_VERTEX]
    chosen = np.pad(chosen, ((0, 0), (0, _BONES_OF_VERTEX - chosen.shape[1])), mode="edge")
    kept = np.take_along_axis(weights, chosen, axis=1)
    kept[:, weights.shape[1] :] = 0.0
    mesh = SkinnedMesh(vertices[0], faces, chosen, kept / kept.sum(axis=1, keepdims=True))
    return Rig(motion, mesh, weights, rotations, translations, error)


def skinned(
    rest: np.ndarray, weights: np.ndarray, rotations: np.ndarray, translations: np.ndarray
) -> np.ndarray:
    """Vertices by linear blend skinning, [T, V, 3].

    Args:
        rest: [V, 3].
        weights: [V, K].
        rotations, translations: [T, K, 3, 3], [T, K, 3].
    """
    made = np.zeros((len(rotations), *rest.shape))
    for bone in range(weights.shape[1]):
        moved = rest @ np.swapaxes(rotations[:, bone], -1, -2) + translations[:, bone, None]
        made += weights[:, bone, None] * moved
    return made


def fit_bones_to(
    rest: np.ndarray, weights: np.ndarray, vertices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The rigid motions of bones with given weights that fit vertices best, [T, K, 3, 3] and [T, K, 3].

    Args:
        rest: [V, 3].
        weights: [V, K].
        vertices: where they shall be, [T, V, 3].
    """
    rotations, translations = _rigid(rest, weights, vertices)
    for _ in range(2):
        rotations, translations = _refitted(rest, weights, vertices, rotations, translations)
    return rotations, translations


def clusters(seen: np.ndarray, bones: int, seed: int) -> np.ndarray:
    """One bone for each vertex, of those that move alike, [V, K]: k-means of what is left of the whole's motion.

    Args:
        seen: vertices of every frame, [T, V, 3].
        bones: how many.
        seed: of the first guess.
    """
    from scipy.cluster.vq import kmeans2

    whole, moved = _rigid(seen[0], np.ones((seen.shape[1], 1)), seen)
    still = np.einsum("tvi,tij->tvj", seen - moved, whole[:, 0])
    features = np.moveaxis(still, 0, 1).reshape(seen.shape[1], -1)
    features = features - features.mean(axis=0)
    left, scale, _ = np.linalg.svd(features, full_matrices=False)
    reduced = left[:, : 3 * bones] * scale[: 3 * bones]
    _, owner = kmeans2(reduced, bones, minit="++", rng=np.random.default_rng(seed), missing="warn")
    found = np.unique(owner)
    return (owner[:, None] == found).astype(np.float64)


def _rigid(rest: np.ndarray, weights: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rigid motion of each bone that fits its vertices best (Kabsch), [T, K, 3, 3] and [T, K, 3].

    Args:
        rest: [V, 3].
        weights: how much a vertex counts for a bone, [V, K].
        targets: where the vertices shall be, [T, V, 3].
    """
    total = weights.sum(axis=0).clip(min=1e-9)
    middle = weights.T @ rest / total[:, None]
    goal = np.einsum("vk,tvi->tki", weights, targets) / total[:, None]
    spread = np.einsum("vk,tvi,vj->tkij", weights, targets, rest, optimize=True)
    spread -= total[:, None, None] * goal[..., :, None] * middle[:, None, :]
    return _turned(spread, middle, goal)


def _turned(spread: np.ndarray, middle: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations next to covariances, and the translations that take a middle to its goal."""
    left, _, right = np.linalg.svd(spread)
    sign = np.sign(np.linalg.det(left @ right))
    left[..., :, 2] *= np.where(sign == 0, 1.0, sign)[..., None]
    rotations = left @ right
    return rotations, goal - np.einsum("...ij,...j->...i", rotations, middle)


def _refitted(
    rest: np.ndarray,
    weights: np.ndarray,
    seen: np.ndarray,
    rotations: np.ndarray,
    translations: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Each bone fitted to what the others leave, one after the other (SSDR, section 4.3)."""
    rotations, translations = rotations.copy(), translations.copy()
    left = seen - skinned(rest, weights, rotations, translations)
    for bone in range(weights.shape[1]):
        own = weights[:, bone]
        inside = own > 1e-6
        if inside.sum() < 3:
            continue
        share, points = own[inside, None], rest[inside]
        moved = points @ np.swapaxes(rotations[:, bone], -1, -2) + translations[:, bone, None]
        goal = left[:, inside] + share * moved  # what w (R p + t) shall be
        square = (share**2).sum()
        middle = (share**2 * points).sum(0) / square
        aim = (share * goal).sum(1) / square
        spread = np.einsum("tvi,vj->tij", goal, share * points) - square * aim[:, :, None] * middle
        rotations[:, bone], translations[:, bone] = _turned(spread, middle, aim)
        again = points @ np.swapaxes(rotations[:, bone], -1, -2) + translations[:, bone, None]
        left[:, inside] = goal - share * again
    return rotations, translations


def _shares(
    rest: np.ndarray, seen: np.ndarray, rotations: np.ndarray, translations: np.ndarray
) -> np.ndarray:
    """Shares of the four bones that fit a vertex best, not negative, adding up to 1, [V, K]."""
    count = rotations.shape[1]
    off = np.stack(
        [
            np.square(rest @ np.swapaxes(rotations[:, bone], -1, -2) + translations[:, bone, None] - seen)
            .sum(-1)
            .mean(0)
            for bone in range(count)
        ],
        axis=1,
    )
    best = np.argsort(off, axis=1)[:, : min(_BONES_OF_VERTEX, count)]
    moved = np.einsum("tvcij,vj->vcti", rotations[:, best], rest) + np.moveaxis(translations[:, best], 0, 2)
    apart = moved.reshape(len(rest), best.shape[1], -1) - np.moveaxis(seen, 1, 0).reshape(len(rest), 1, -1)
    gram = np.einsum("vct,vdt->vcd", apart, apart)  # |sum w (moved - seen)|^2, as the shares add up to 1
    step = 1.0 / np.trace(gram, axis1=1, axis2=2).clip(min=1e-12)[:, None]
    shares = np.full(best.shape, 1.0 / best.shape[1])
    ahead, pace = shares, 1.0
    for _ in range(_SIMPLEX_STEPS):  # accelerated projected gradient
        stepped = _on_simplex(ahead - step * np.einsum("vcd,vd->vc", gram, ahead))
        faster = 0.5 * (1 + np.sqrt(1 + 4 * pace * pace))
        ahead = stepped + (pace - 1) / faster * (stepped - shares)
        shares, pace = stepped, faster
    weights = np.zeros((len(rest), count))
    np.put_along_axis(weights, best, shares, axis=1)
    return weights


def _on_simplex(points: np.ndarray) -> np.ndarray:
    """The nearest points whose numbers are not negative and add up to 1, [V, C] (Duchi et al. 2008)."""
    order = -np.sort(-points, axis=1)
    above = (np.cumsum(order, axis=1) - 1) / np.arange(1, points.shape[1] + 1)
    number = (order > above).sum(axis=1) - 1
    return (points - above[np.arange(len(points)), number][:, None]).clip(min=0)


def _as_motion(
    rest: np.ndarray, weights: np.ndarray, rotations: np.ndarray, translations: np.ndarray, fps: float
) -> Motion:
    """The bones as joints: a tree along shared vertices, each joint where its bone and its parent turn alike."""
    count = weights.shape[1]
    total = weights.sum(axis=0)
    middle = weights.T @ rest / total[:, None].clip(min=1e-9)
    shared = np.minimum(weights[:, :, None], weights[:, None, :]).sum(axis=0)
    near = 1.0 / (1e-3 + np.linalg.norm(middle[:, None] - middle[None], axis=-1))
    bond = shared + 1e-3 * near  # bones that share nothing hang on what is near
    parents = _tree(bond, int(total.argmax()))
    places = middle.copy()
    for bone, parent in enumerate(parents):
        if parent >= 0:
            both = np.minimum(weights[:, bone], weights[:, parent])
            between = both @ rest / both.sum() if both.sum() > 1e-6 else 0.5 * (middle[bone] + middle[parent])
            places[bone] = _pivot(
                rotations[:, bone] - rotations[:, parent],
                translations[:, bone] - translations[:, parent],
                between,
            )
    joints = np.einsum("tkij,kj->tki", rotations, places) + translations
    skeleton = Skeleton(tuple(f"bone_{number:02d}" for number in range(count)), tuple(parents), places)
    return Motion(joints, fps, skeleton, local_rotations(_quaternions(rotations), skeleton))


def _tree(bond: np.ndarray, root: int) -> list[int]:
    """Parents of a tree of the strongest bonds, grown from the root."""
    parents = [-1] * len(bond)
    inside, outside = [root], [bone for bone in range(len(bond)) if bone != root]
    while outside:
        row, column = np.unravel_index(np.argmax(bond[np.ix_(inside, outside)]), (len(inside), len(outside)))
        child = outside.pop(int(column))
        parents[child] = inside[int(row)]
        inside.append(child)
    return parents


def _pivot(turn: np.ndarray, shift: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """The point that two bones move alike, least squares, held to a middle where they hardly turn apart."""
    normal = np.einsum("tij,tik->jk", turn, turn)
    hold = _LOOSE * len(turn)
    right = -np.einsum("tij,ti->j", turn, shift) + hold * middle
    return np.linalg.solve(normal + hold * np.eye(3), right)


def _quaternions(matrices: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    turned = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_quat()[:, [3, 0, 1, 2]]
    return quat.upright(turned.reshape(*matrices.shape[:-2], 4))
