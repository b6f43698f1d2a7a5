"""What a motion representation takes from a joint tree: its limbs, its legs and the joints that stand on the floor.

Limbs follow from which joints have one on the other side; legs and feet from the rest pose (ours).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kinema.scene import body_frame
from kinema.scene.skeleton import Skeleton


@dataclass(frozen=True)
class Leg:
    """Joints of a leg, by index.

    Args:
        hip, knee, ankle: ends of its two long bones.
        toe: end of the foot; None where the leg ends at its ankle, as a paw does.
    """

    hip: int
    knee: int
    ankle: int
    toe: int | None


def limbs_of(skeleton: Skeleton) -> dict[str, tuple[int, ...]]:
    """All joints but the root in groups, named after their first joint.

    A limb begins at each child of the root, and where a joint that has another on the other side hangs on one that has
    none: legs, arms, the trunk with its head, a tail.
    """
    mirror = skeleton.mirror_index
    begin: dict[int, int] = {}
    limbs: dict[int, list[int]] = {}
    for joint in skeleton.order[1:]:
        parent = skeleton.parents[joint]
        begins = parent == skeleton.root or (mirror[joint] != joint and mirror[parent] == parent)
        begin[joint] = joint if begins else begin[parent]
        limbs.setdefault(begin[joint], []).append(joint)
    return {skeleton.names[first]: tuple(joints) for first, joints in limbs.items()}


def legs_of(skeleton: Skeleton, limbs: Mapping[str, Sequence[int]]) -> tuple[Leg, ...]:
    """Limbs of two or more bones that end on the floor, on both sides of the body.

    Hip, knee and ankle are the ends of the two neighbouring bones that are longest together.
    """
    legs: dict[int, Leg] = {}
    for end in body_frame.feet(skeleton):
        limb = next((joints for joints in limbs.values() if end in joints), ())
        if skeleton.mirror_index[end] == end:
            continue
        chain = _chain(skeleton, limb, end)
        if len(chain) < 3:
            continue
        hip, knee, ankle = _long_bones(skeleton, chain)
        legs.setdefault(ankle, Leg(hip, knee, ankle, None if ankle == end else end))
    return tuple(legs.values())


def shoulders_of(skeleton: Skeleton, limbs: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    """Where the long bones of limbs begin that reach about: on both sides of the body, and on no floor."""
    feet, shoulders = set(body_frame.feet(skeleton)), []
    for joints in limbs.values():
        if skeleton.mirror_index[joints[0]] == joints[0] or feet & set(joints):
            continue
        end = max((joint for joint in joints if not skeleton.children[joint]), key=joints.index)
        chain = _chain(skeleton, joints, end)
        if len(chain) >= 3:
            shoulders.append(_long_bones(skeleton, chain)[0])
    return tuple(shoulders)


def _chain(skeleton: Skeleton, limb: Sequence[int], end: int) -> list[int]:
    """Joints from the beginning of a limb to one of its ends."""
    chain = [end]
    while skeleton.parents[chain[0]] in limb:
        chain.insert(0, skeleton.parents[chain[0]])
    return chain


def _long_bones(skeleton: Skeleton, chain: list[int]) -> tuple[int, int, int]:
    """Ends of the two neighbouring bones of a chain that are longest together."""
    bones = skeleton.bone_lengths
    first = max(range(len(chain) - 2), key=lambda i: bones[chain[i + 1]] + bones[chain[i + 2]])
    return chain[first], chain[first + 1], chain[first + 2]


def feet_of(skeleton: Skeleton, legs: tuple[Leg, ...]) -> tuple[int, ...]:
    """Joints that stand on the floor: all ankles, then all toes; without legs, the lowest ends of the tree."""
    ankles = tuple(leg.ankle for leg in legs)
    toes = tuple(leg.toe for leg in legs if leg.toe is not None)
    return ankles + toes or body_frame.feet(skeleton)
