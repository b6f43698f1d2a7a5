"""Which joint of a tree is which part of a person, by the shape of its rest pose: where names do not tell.

An approximation (ours). Taken for a person is only what has exactly two pairs of like limbs on a trunk, one of them
going on where the trunk comes from (legs), and a head between the others (arms); all else is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from kinema.scene.joint_names import Label
from kinema.scene.skeleton import Skeleton

_LIKE = 0.15  # relative difference of two limbs of a pair
_LIMB = 0.45  # shortest limb relative to the longest
_AWAY, _ASIDE = -0.7, -0.5  # cosine to the trunk: legs go on where it comes from, arms do not
_MANY = 32  # joints of a limb, or limbs on one joint, beyond which nothing is looked for
_HEAD = 0.08  # a head's height above the shoulders, of the leg
_LEG_TO_ARM, _TRUNK_TO_LEG = (0.8, 2.6), (0.2, 1.3)


def shaped_parts(source: Skeleton, names: Sequence[Label]) -> dict[str, str]:
    """Joint by part, such as "hips" or "left knee"; empty where the shape is not clearly that of a person.

    Args:
        source: the tree; its rest pose is looked at, not its names.
        names: what the joint names say; only their sides are used.
    """
    limbs = _pairs(source)
    if len(limbs) != 2 or limbs[0][0] == limbs[1][0]:
        return {}
    both = [_legs_of(source, first, second) for first, second in (limbs, limbs[::-1])]
    if both[0] == both[1]:
        return {}
    legs, arms = limbs if both[0] else limbs[::-1]
    trunk = source.rest[arms[0]] - source.rest[legs[0]]
    left = np.cross(trunk, _forward(source, legs))
    joints = _limb(source, _left_first(source, names, legs, left), _LEGS)
    joints |= _limb(source, _left_first(source, names, arms, left), _ARMS)
    if len(joints) < 12:
        return {}
    leg, arm = (
        np.mean([_length(source, [joints[f"{side} {part}"] for part in parts]) for side in ("left", "right")])
        for parts in (("upleg", "knee", "ankle"), ("arm", "elbow", "wrist"))
    )
    if not (
        _LEG_TO_ARM[0] < leg / arm < _LEG_TO_ARM[1]
        and _TRUNK_TO_LEG[0] < np.linalg.norm(trunk) / leg < _TRUNK_TO_LEG[1]
    ):
        return {}
    top = _head(source, arms, trunk / np.linalg.norm(trunk), _HEAD * float(leg))
    if not top:
        return {}
    joints |= {"hips": legs[0], "head": top[-1]} | ({"neck": top[0]} if len(top) > 1 else {})
    return {part: source.names[joint] for part, joint in joints.items()}


Pair = tuple[int, int, int]
"""The joint on which two limbs hang, and the first joint of each."""


def _pairs(source: Skeleton) -> list[Pair]:
    """Pairs of like limbs, the longest first; what hangs on a limb is none."""
    total, reach = source.bone_lengths.copy(), source.bone_lengths.copy()
    for joint in reversed(source.order):
        if source.children[joint]:
            reach[joint] += max(reach[child] for child in source.children[joint])
            total[joint] += sum(total[child] for child in source.children[joint])
    likely: list[tuple[float, Pair]] = []
    for fork in range(len(source)):
        longest = sorted(source.children[fork], key=lambda child: -reach[child])[:_MANY]
        for one, other in combinations(longest, 2):
            alike = all(
                abs(measure[one] - measure[other]) <= _LIKE * max(measure[one], measure[other])
                for measure in (total, reach)
            )
            if alike and source.children[one] and source.children[other]:
                likely.append((min(reach[one], reach[other]), (fork, one, other)))
    likely.sort(reverse=True)
    taken: list[Pair] = []
    inside: set[int] = set()
    for length, pair in likely:
        if pair[0] in inside or length < _LIMB * likely[0][0]:
            continue
        taken.append(pair)
        for limb in pair[1:]:
            inside |= _below(source, limb)
    return taken


def _below(source: Skeleton, joint: int) -> set[int]:
    below = [joint]
    for each in below:  # grows while it is walked
        below.extend(source.children[each])
    return set(below)


def _legs_of(source: Skeleton, pair: Pair, other: Pair) -> bool:
    """Whether limbs go on where the trunk between two forks comes from, and the others do not."""

    def along(limbs: Pair, trunk: np.ndarray) -> float:
        ways = np.array([source.rest[_chain(source, limb)[-1]] - source.rest[limb] for limb in limbs[1:]])
        lengths = np.linalg.norm(ways, axis=1) * np.linalg.norm(trunk)
        return float(np.mean(ways @ trunk / np.maximum(lengths, 1e-9)))

    trunk = source.rest[other[0]] - source.rest[pair[0]]
    return along(pair, trunk) < _AWAY and along(other, -trunk) > _ASIDE


def _chain(source: Skeleton, joint: int) -> list[int]:
    """A limb along its longest way, without joints in one place."""
    reach = np.zeros(len(source))
    for each in reversed(source.order):
        reach[each] = source.bone_lengths[each] + max((reach[c] for c in source.children[each]), default=0.0)
    chain = [joint]
    while source.children[chain[-1]]:
        chain.append(max(source.children[chain[-1]], key=lambda child: reach[child]))
    return [each for place, each in enumerate(chain) if not place or source.bone_lengths[each] > 1e-6]


@dataclass(frozen=True)
class _Limb:
    """What a limb is like: lengths are relative to its two long bones, from SMPL-24.

    Args:
        parts: what comes before the long bones ("" for nothing), their three joints, and what comes after.
        before, after: from the fork to the long bones, and after them; each with how much it may differ.
        ratio: of the first long bone to the second.
        fingers: whether the long bones end where three or more chains leave, if they do anywhere.
    """

    parts: tuple[str, str, str, str, str]
    before: tuple[float, float]
    after: tuple[float, float]
    ratio: float
    fingers: bool = False


_LEGS = _Limb(("", "upleg", "knee", "ankle", "toe"), (0.2, 0.3), (0.25, 0.2), 0.96)
_ARMS = _Limb(("collar", "arm", "elbow", "wrist", "hand"), (0.5, 0.35), (0.25, 0.3), 1.06, fingers=True)


def _limb(source: Skeleton, pair: Pair, like: _Limb) -> dict[str, int]:
    """The joints of two limbs, the left one first, by part; none where they are too few."""
    found: dict[str, int] = {}
    for side, start in zip(("left", "right"), pair[1:], strict=True):
        chain = [pair[0], *_chain(source, start)][:_MANY]
        spread = None
        if like.fingers:
            spread = next((place for place in range(3, len(chain)) if _spreads(source, chain[place])), None)
        last = len(chain) if spread is None else spread + 1
        places = [each for each in combinations(range(1, last), 3) if spread in (None, each[2])]
        best = min(places, key=lambda joints: _misfit(source, chain, joints, like), default=None)
        if best is None:
            return {}
        where = dict(zip(like.parts[1:4], best, strict=True))
        if like.parts[0] and best[0] > 1:
            where[like.parts[0]] = best[0] - 1
        if best[2] + 1 < len(chain):
            where[like.parts[4]] = best[2] + 1
        found |= {f"{side} {part}": chain[place] for part, place in where.items()}
    return found


def _spreads(source: Skeleton, joint: int) -> bool:
    """Whether three or more like chains leave a joint, as fingers do."""
    lengths = [_length(source, [joint, *_chain(source, child)]) for child in source.children[joint]]
    return sum(length > 0.4 * max(lengths) for length in lengths) > 2


def _misfit(source: Skeleton, chain: list[int], joints: tuple[int, ...], like: _Limb) -> float:
    """How far three joints of a chain that begins at the fork are from being those of the two long bones."""
    first, second, third = joints
    upper, lower = (_length(source, [chain[a], chain[b]]) for a, b in ((first, second), (second, third)))
    if min(upper, lower) < 1e-6:
        return np.inf
    long = upper + lower
    shares = (_length(source, part) / long for part in (chain[: first + 1], chain[third:]))
    off = [
        (share - usual) / may for share, (usual, may) in zip(shares, (like.before, like.after), strict=True)
    ]
    return 10 * float(np.log(upper / lower / like.ratio)) ** 2 + off[0] ** 2 + off[1] ** 2


def _forward(source: Skeleton, legs: Pair) -> np.ndarray:
    """Where the feet point; without any, where a rest pose should face."""
    joints = _limb(source, legs, _LEGS)
    toes = [
        source.rest[joints[f"{side} toe"]] - source.rest[joints[f"{side} ankle"]]
        for side in ("left", "right")
        if f"{side} toe" in joints
    ]
    return np.mean(toes, axis=0) if toes else np.array([0.0, 0.0, 1.0])


def _length(source: Skeleton, joints: Sequence[int]) -> float:
    return float(np.linalg.norm(np.diff(source.rest[list(joints)], axis=0), axis=1).sum())


def _head(source: Skeleton, arms: Pair, up: np.ndarray, least: float) -> list[int]:
    """Joints from neck to head between the arms; none where nothing rises there."""
    height = (source.rest - source.rest[arms[0]]) @ up
    others = [child for child in source.children[arms[0]] if child not in arms[1:]]
    rising = {child: float(height[list(_below(source, child))].max()) for child in others}
    start = max(rising, key=lambda child: rising[child], default=None)
    if start is None or rising[start] < least:
        return []
    way = [start]
    while len(source.children[way[-1]]) == 1:
        way.append(source.children[way[-1]][0])
    return way[:-1] if not source.children[way[-1]] and len(way) > 2 else way


def _left_first(source: Skeleton, names: Sequence[Label], pair: Pair, left: np.ndarray) -> Pair:
    """The pair with the left limb before the right one: by the sides in names where they have any."""
    said = 0
    for limb, sign in ((pair[1], 1), (pair[2], -1)):
        for joint in _below(source, limb):
            said += sign * {"left": 1, "right": -1, "": 0}[names[joint].side]
    middles = [source.rest[_chain(source, limb)].mean(0) for limb in pair[1:]]
    across = float((middles[0] - middles[1]) @ left)
    return pair if (said or across) > 0 else (pair[0], pair[2], pair[1])
