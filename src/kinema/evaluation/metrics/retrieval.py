"""Is the right text the nearest one? Retrieval among a fixed pool, as in Guo et al. 2022, on unit vectors.

Texts here are templates and many clips share one, so a pool holds texts of different meanings only (ours).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def pools(meanings: Sequence[str], size: int = 32, seed: int = 0) -> np.ndarray:
    """For each item the indices of its pool, int [N, size]: itself first, then items of other meanings.

    Every item of a pool has a meaning of its own.

    Raises:
        ValueError: fewer meanings than a pool needs.
    """
    kinds = sorted(set(meanings))
    if len(kinds) < size:
        raise ValueError(f"pools of {size} texts need as many meanings, there are {len(kinds)}")
    members = {kind: np.flatnonzero(np.array(meanings) == kind) for kind in kinds}
    rng = np.random.default_rng(seed)
    result = np.empty((len(meanings), size), dtype=int)
    for item, meaning in enumerate(meanings):
        others = rng.permutation([kind for kind in kinds if kind != meaning])[: size - 1]
        result[item] = [item, *(rng.choice(members[kind]) for kind in others)]
    return result


def strangers(meanings: Sequence[str], seed: int = 0) -> np.ndarray:
    """For each item the index of a random one of another meaning, int [N].

    Raises:
        ValueError: all mean the same.
    """
    kinds = np.array(meanings)
    if len(set(meanings)) < 2:
        raise ValueError("shuffling needs items of at least two meanings")
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(np.flatnonzero(kinds != kind)) for kind in kinds])


def ranks(motions: np.ndarray, texts: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Place of each motion's own text among its pool, 0 the nearest, float [N]; ties count half.

    Args:
        motions: unit vectors, [N, D].
        texts: unit vectors, [M, D].
        pool: indices of texts, the own one first, [N, P].
    """
    likeness = np.einsum("nd,npd->np", motions, texts[pool])
    own, others = likeness[:, :1], likeness[:, 1:]
    return (others > own).sum(axis=1) + 0.5 * (others == own).sum(axis=1)


def told_apart(
    motions: np.ndarray, texts: np.ndarray, groups: Sequence[np.ndarray]
) -> tuple[np.ndarray, float]:
    """Whether the own text is the nearest one of a group of alike texts, and what chance would give.

    Args:
        motions: unit vectors, [N, D].
        texts: unit vectors, [M, D].
        groups: for each motion the indices of texts, the own one first; a group of one asks nothing.

    Returns:
        1, 0 or NaN (nothing asked) for each motion, [N]; the mean of one over the groups' sizes.
    """
    asked = [group for group in groups if len(group) > 1]
    right = [
        float(ranks(motion[None], texts, group[None])[0] < 1) if len(group) > 1 else np.nan
        for motion, group in zip(motions, groups, strict=True)
    ]
    return np.array(right), float(np.mean([1 / len(group) for group in asked])) if asked else float("nan")


def distances(motions: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Euclidean distance of each motion to its own text, [N, D] twice -> [N]; 0 to 2."""
    return np.linalg.norm(motions - texts, axis=-1)


def diversity(motions: np.ndarray, pairs: int = 300, seed: int = 0) -> float:
    """Mean distance of random pairs of motions, [N, D]; that of real motion is what is wanted.

    Raises:
        ValueError: fewer than two motions.
    """
    if len(motions) < 2:
        raise ValueError("diversity needs at least two motions")
    rng = np.random.default_rng(seed)
    first = rng.integers(len(motions), size=pairs)
    second = (first + rng.integers(1, len(motions), size=pairs)) % len(motions)
    return float(distances(motions[first], motions[second]).mean())
