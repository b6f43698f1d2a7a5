"""Finger joints of any skeleton as the 21 points that OpenPose has on a hand.

Fingers are found by their names below the wrist, whatever motion files call them: SMPL-H and SMPL-X, Mixamo, Biped,
Unreal, VRM, DAZ, MakeHuman, Rokoko. A finger's joints are its knuckles in order; most files end with the last one, so
the tip is put where a finger of the rest proportions has it (ours).
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from kinema.scene.joint_rules import EXTRAPOLATED, INTERPOLATED, MEASURED, Rule
from kinema.scene.mappings import JointMapping, smpl24_mapping
from kinema.scene.skeleton import DWPOSE134, SMPL24, Skeleton

POINTS = 21
"""Of a hand: the wrist, then four of each finger from knuckle to tip, thumb first."""

_FIRST = DWPOSE134.index("left_hand_root")
_FINGERS = ("thumb", "index", "middle", "ring", "little")
_WORDS = (
    ("thumb", "thumb"),
    ("index", "index"),
    ("mid", "middle"),
    ("pink", "little"),
    ("little", "little"),
    ("ring", "ring"),
)
_NUMBERED = re.compile(r"finger(\d)")  # Biped counts from 0, Rokoko from 1
_PALM = re.compile(r"metacarp|carpal|inhand|^__")  # bones of the palm; OpenPose's first point is the knuckle
_END = re.compile(r"(end|nub|tip|site)$")
_FEWEST = 3  # joints of a finger, and fingers of a hand: less is a mitten (ours)


def hand_points(joints: np.ndarray, source: Skeleton) -> np.ndarray | None:
    """The hands of a body whose skeleton has fingers.

    Args:
        joints: metres, [..., J, 3], NaN where missing.
        source: its skeleton.

    Returns:
        left and right hand, [..., 2, 21, 3], NaN where the skeleton does not tell; None where it has no fingers.

    Raises:
        ValueError: not a human skeleton.
    """
    mapping = hand_mapping(source)
    if mapping is None:
        return None
    points, _ = mapping.apply(joints)
    return points[..., _FIRST:, :].reshape(*points.shape[:-2], 2, POINTS, 3)


@lru_cache(maxsize=64)
def hand_mapping(source: Skeleton) -> JointMapping | None:
    """How the hand points of DWPose-134 follow from a skeleton's joints; None where it has no fingers.

    Raises:
        ValueError: not a human skeleton.
    """
    rules: dict[str, Rule] = {}
    for side in ("left", "right"):
        wrist = _wrist(source, side)
        fingers = {} if wrist is None else _fingers(source, wrist)
        if wrist is None or len(fingers) < _FEWEST:
            continue
        rules[f"{side}_hand_root"] = ({source.names[wrist]: 1.0}, MEASURED)
        for finger, chain in fingers.items():
            rules |= _finger_rules(f"{side}_{finger}", [source.names[joint] for joint in chain])
    if not rules:
        return None
    weights, confidence = np.zeros((len(DWPOSE134), len(source))), np.zeros(len(DWPOSE134))
    for name, (parts, own) in rules.items():
        row = DWPOSE134.index(name)
        confidence[row] = own
        for part, weight in parts.items():
            weights[row, source.index(part)] += weight
    return JointMapping(source, DWPOSE134, ((weights, confidence),))


def _wrist(source: Skeleton, side: str) -> int | None:
    """The joint that is the wrist; None where it lies between joints or is not there."""
    weights, _ = smpl24_mapping(source).stages[0]
    used = np.flatnonzero(weights[SMPL24.index(f"{side}_wrist")])
    return int(used[0]) if len(used) == 1 else None


def _fingers(source: Skeleton, wrist: int) -> dict[str, list[int]]:
    """Joints of each finger below a wrist, knuckle first."""
    named: dict[str, list[int]] = {}
    below = {wrist}
    for joint in source.order:
        if source.parents[joint] in below:
            below.add(joint)
            finger = _finger(source.names[joint])
            if finger is not None:
                named.setdefault(finger, []).append(joint)
    if "finger0" in named:
        numbers = {f"finger{k}": name for k, name in enumerate(_FINGERS)}
    else:
        numbers = {f"finger{k + 1}": name for k, name in enumerate(_FINGERS)}
    chains = {numbers.get(finger, finger): _chain(source, group) for finger, group in named.items()}
    return {name: chain for name, chain in chains.items() if name in _FINGERS and len(chain) >= _FEWEST}


def _finger(name: str) -> str | None:
    """The finger that a joint belongs to, by its name; None for the palm and what is no finger."""
    plain = re.sub(r"[ .:-]", "", name.rpartition(":")[2]).lower()
    known = next((finger for word, finger in _WORDS if word in plain), None)
    if known is None:
        number = _NUMBERED.search(plain.replace("_", ""))
        known = None if number is None else number.group()
    in_palm = known not in ("thumb", "finger0") and _PALM.search(plain) is not None
    return None if in_palm else known


def _chain(source: Skeleton, group: list[int]) -> list[int]:
    """The path from the first joint of a finger to its deepest one, at most four joints from its end."""
    joint, chain = group[-1], []
    while joint in group:
        chain.append(joint)
        joint = source.parents[joint]
    chain.reverse()
    if source.bone_lengths[chain[-1]] < 1e-6:
        chain.pop()
    return chain[-4:]


def _finger_rules(finger: str, chain: list[str]) -> dict[str, Rule]:
    rules: dict[str, Rule] = {f"{finger}_{k + 1}": ({name: 1.0}, MEASURED) for k, name in enumerate(chain)}
    if len(chain) == 4:
        return rules
    second, last = chain[1:]
    if _END.search(last.lower()):  # two bones and the tip
        rules[f"{finger}_3"] = ({second: 0.5, last: 0.5}, INTERPOLATED)
        rules[f"{finger}_4"] = ({last: 1.0}, MEASURED)
        return rules
    lengths = DWPOSE134.bone_lengths
    share = float(lengths[DWPOSE134.index(f"{finger}_4")] / lengths[DWPOSE134.index(f"{finger}_3")])
    rules[f"{finger}_4"] = ({last: 1 + share, second: -share}, EXTRAPOLATED)
    return rules
