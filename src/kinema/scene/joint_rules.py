"""How SMPL-24 follows from the joint tree of any program, once it is known which joint is which.

The rules for CMU and Bandai-Namco trees are those our motion library was made with; spines of other counts
are cut by arc length at the heights of SMPL-24's (ours).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from kinema.scene.joint_names import NEEDED, SMPL_NAMES, cmu_names, is_tail, labels, named_parts
from kinema.scene.joint_shape import shaped_parts
from kinema.scene.skeleton import SMPL24, Skeleton

Rule = tuple[dict[str, float], float]
"""Weights of source joints by name, and the confidence of the result."""

MEASURED, INTERPOLATED, EXTRAPOLATED = 1.0, 0.5, 0.25

# Heights of spine1, spine2 and spine3 on the way from pelvis to neck, from SMPL24's rest pose.
_SPINE_HEIGHTS = tuple(np.cumsum(SMPL24.bone_lengths[[3, 6, 9]]) / SMPL24.bone_lengths[[3, 6, 9, 12]].sum())

_EXAMPLE = '{"left_hip": "Bone.004", "left_knee": "Bone.005"}'


def tree_rules(source: Skeleton) -> dict[str, Rule]:
    """How each SMPL-24 joint follows from the joints of a tree, by their names and else by the shape of the tree.

    Joints that only the shape tells have at most the confidence of interpolated ones.

    Raises:
        ValueError: not a human skeleton; the message says what was found and what was not.
    """
    cmu = cmu_names(source)
    return _cmu_rules(source, cmu) if cmu else _general_rules(source)


def human_parts(
    source: Skeleton, said: Mapping[str, str] | None = None
) -> tuple[dict[str, str], frozenset[str]]:
    """Which joint is which part of a person.

    Args:
        source: the tree.
        said: joint by part, where somebody knows.

    Returns:
        Joint by part, such as "hips" or "left knee"; and the parts that the shape of the tree told.

    Raises:
        ValueError: not a human skeleton; the message says what was found and what was not.
    """
    said = dict(said or {})
    named = {part: name for part, name in named_parts(source).items() if name not in said.values()} | said
    parts = dict(named)
    needed = [f"{side} {part}" for part in NEEDED for side in ("left", "right")]
    if not set(needed) <= set(parts):
        parts = shaped_parts(source, labels(source.names)) | named
    guessed = frozenset(set(parts) - set(named))
    missing = [part for part in needed if part not in parts]
    if missing:
        there = ", ".join(f"{part} ({name})" for part, name in named.items()) or "nothing by name"
        raise ValueError(
            f"no human skeleton: found {there}; not found {', '.join(missing)} among "
            f"{len(source)} joints ({', '.join(source.names[:12])}{', ...' if len(source) > 12 else ''}). "
            f"If it is a person, say which joint is which with --joints map.json, e.g. {_EXAMPLE}"
        )
    for part, above in (("left toe", "left ankle"), ("right toe", "right ankle"), ("head", "neck")):
        _take_end(source, parts, part, above)
    if not said and parts["left knee"] != SMPL_NAMES["left knee"]:  # else somebody said so
        _check_upright(source, parts)
    return parts, guessed


def lacking(source: Skeleton) -> str:
    """Which limbs of a tree are too short for a person's, whatever their joints are called, e.g. "its legs have 1 joint,
    not hip, knee and ankle"; "" where limbs are long enough or names tell nothing of them.
    """
    parts = named_parts(source)
    wanted = {"legs": "hip, knee and ankle", "arms": "shoulder, elbow and wrist"}
    short = []
    for limb, needed in (("legs", NEEDED[:3]), ("arms", NEEDED[3:])):
        known = [
            parts[f"{side} {part}"]
            for part in needed
            for side in ("left", "right")
            if f"{side} {part}" in parts
        ]
        longest = max((_limb_length(source, source.index(name)) for name in known), default=3)
        if longest < 3:
            short.append(f"its {limb} have {longest} joint{'s' * (longest > 1)}, not {wanted[limb]}")
    return ", ".join(short)


def _limb_length(source: Skeleton, joint: int) -> int:
    """Joints of the limb in which a joint is: up to where others branch off, and down to its end."""
    above, top = 0, joint
    while source.parents[top] >= 0 and len(source.children[source.parents[top]]) == 1:
        above, top = above + 1, source.parents[top]
    below, ends = 0, [joint]
    while ends:
        below, ends = below + 1, [child for end in ends for child in source.children[end]]
    return above + below


def _cmu_rules(source: Skeleton, name: dict[str, str]) -> dict[str, Rule]:
    def at(joint: str) -> Rule:
        return {name[joint]: 1.0}, MEASURED

    def on(share: float, low: str, high: str) -> Rule:
        return {name[low]: 1 - share, name[high]: share}, INTERPOLATED

    needed = {"Hips", "Spine", "Spine1", "Neck", "Neck1", "Head"} | {
        f"{side}{part}"
        for side in ("Left", "Right")
        for part in ("UpLeg", "Leg", "Foot", "ToeBase", "Shoulder", "Arm", "ForeArm", "Hand", "FingerBase")
    }
    if not needed <= set(name):
        raise ValueError(f"a CMU skeleton without {', '.join(sorted(needed - set(name)))}")
    rules = {
        "pelvis": at("Hips"),
        "spine1": at("Spine"),
        "spine2": at("Spine1"),
        "spine3": on(0.4, "Spine1", "Neck"),
        "neck": on(0.35, "Neck", "Neck1"),
        "head": on(0.5, "Neck1", "Head"),
    }
    for side, cgspeed in (("left", "Left"), ("right", "Right")):
        rules |= {
            f"{side}_hip": at(f"{cgspeed}UpLeg"),
            f"{side}_knee": at(f"{cgspeed}Leg"),
            f"{side}_ankle": at(f"{cgspeed}Foot"),
            f"{side}_foot": at(f"{cgspeed}ToeBase"),
            f"{side}_collar": on(0.4, f"{cgspeed}Shoulder", f"{cgspeed}Arm"),
            f"{side}_shoulder": at(f"{cgspeed}Arm"),
            f"{side}_elbow": at(f"{cgspeed}ForeArm"),
            f"{side}_wrist": at(f"{cgspeed}FingerBase"),
        }
        index = name.get(f"{cgspeed}HandIndex1")
        if index is not None and source.bone_lengths[source.index(index)] > 1e-6:
            rules[f"{side}_hand"] = ({index: 1.0}, MEASURED)
        else:
            rules[f"{side}_hand"] = beyond(name[f"{cgspeed}ForeArm"], name[f"{cgspeed}FingerBase"])
    return rules


def _general_rules(source: Skeleton) -> dict[str, Rule]:
    part, guessed = human_parts(source)
    hips = _hips(source, part)
    shoulders = {part["left arm"]: 0.5, part["right arm"]: 0.5}
    neck: Rule = ({part["neck"]: 1.0}, MEASURED) if "neck" in part else (shoulders, INTERPOLATED)
    rules: dict[str, Rule] = {"pelvis": hips, "neck": neck}
    rules |= _spine(source, hips[0], part.get("neck") or _fork(source, part, "arm"), neck[0])
    rules["head"] = ({part["head"]: 1.0}, MEASURED) if "head" in part else _above(hips[0], neck[0])
    for side in ("left", "right"):
        direct = {"hip": "upleg", "knee": "knee", "ankle": "ankle", "shoulder": "arm", "elbow": "elbow"}
        rules |= {
            f"{side}_{joint}": ({part[f"{side} {name}"]: 1.0}, MEASURED) for joint, name in direct.items()
        }
        elbow, wrist, arm = (part[f"{side} {name}"] for name in ("elbow", "wrist", "arm"))
        rules[f"{side}_wrist"] = ({wrist: 1.0}, MEASURED)
        if f"{side} toe" in part:
            rules[f"{side}_foot"] = ({part[f"{side} toe"]: 1.0}, MEASURED)
        hand = part.get(f"{side} hand")
        rules[f"{side}_hand"] = ({hand: 1.0}, MEASURED) if hand else beyond(elbow, wrist)
        if f"{side} collar" in part:
            rules[f"{side}_collar"] = ({part[f"{side} collar"]: 1.0}, MEASURED)
        else:
            rules[f"{side}_collar"] = (_between(neck[0], {arm: 1.0}, 0.43), INTERPOLATED)
    for spine in {"spine1", "spine2", "spine3"} & set(source.names) if "pelvis" in source.names else ():
        rules[spine] = ({spine: 1.0}, MEASURED)
    for name in guessed & set(SMPL_NAMES):
        weights, own = rules[SMPL_NAMES[name]]
        rules[SMPL_NAMES[name]] = (weights, min(own, INTERPOLATED))
    return rules


def beyond(elbow: str, wrist: str) -> Rule:
    """The hand joint on the line of the forearm, at SMPL-24's rest proportions."""
    share = float(SMPL24.bone_lengths[22] / SMPL24.bone_lengths[20])
    return {wrist: 1 + share, elbow: -share}, EXTRAPOLATED


def _above(hips: dict[str, float], neck: dict[str, float]) -> Rule:
    """The head joint on the line of the trunk, at SMPL-24's rest proportions."""
    share = float(SMPL24.bone_lengths[15] / (SMPL24.rest[12] - SMPL24.rest[0])[1])
    return _between(hips, neck, 1 + share), EXTRAPOLATED


def _take_end(source: Skeleton, role: dict[str, str], part: str, above: str) -> None:
    """Without a joint for `part`, the first child (an end site) of the joint above it will do."""
    if part in role or above not in role:
        return
    for child in source.children[source.index(role[above])]:
        if source.bone_lengths[child] > 1e-6:
            role[part] = source.names[child]
            return


def _hips(source: Skeleton, part: dict[str, str]) -> Rule:
    """The pelvis: by name if both thighs hang on it, else where the thighs meet, else the middle of the thighs."""
    named = part.get("hips")
    thighs = [part["left upleg"], part["right upleg"]]
    if named is not None and all(named in _way_up(source, thigh) for thigh in thighs):
        return {named: 1.0}, MEASURED
    fork = _fork(source, part, "upleg")
    at, knees = (
        source.rest[[source.index(part[f"{side} {name}"]) for side in ("left", "right")]]
        for name in ("upleg", "knee")
    )
    near = np.linalg.norm(source.rest[source.index(fork)] - at.mean(0))
    if fork not in thighs and near < np.linalg.norm(knees - at, axis=1).mean():
        return {fork: 1.0}, MEASURED
    return dict.fromkeys(thighs, 0.5), INTERPOLATED


def _way_up(source: Skeleton, name: str) -> list[str]:
    """A joint and those above it, up to the root."""
    joint, way = source.index(name), []
    while joint >= 0:
        way.append(source.names[joint])
        joint = source.parents[joint]
    return way


def _fork(source: Skeleton, part: dict[str, str], limb: str) -> str:
    """The joint on which both limbs hang."""
    right = set(_way_up(source, part[f"right {limb}"]))
    return next(name for name in _way_up(source, part[f"left {limb}"]) if name in right)


def _check_upright(source: Skeleton, part: dict[str, str]) -> None:
    """Refuses what stands on four legs in its rest pose, or has a tail and does not stand upright."""

    def at(name: str) -> np.ndarray:
        return np.mean([source.rest[source.index(part[f"{side} {name}"])] for side in ("left", "right")], 0)

    legs, arms, trunk = at("ankle") - at("upleg"), at("wrist") - at("arm"), at("arm") - at("upleg")
    length = np.linalg.norm(legs)
    if not length or not np.linalg.norm(trunk):
        return
    down = legs / length
    slant = float(down @ trunk / np.linalg.norm(trunk))
    gap = abs(float((at("wrist") - at("ankle")) @ down))
    level = -0.57 < slant < 0.7  # the trunk within 35 to 45 degrees of level (ours)
    if level and down @ arms > 0.7 * np.linalg.norm(arms) and gap < 0.35 * length:
        raise ValueError("no human skeleton: its names are a person's, but it stands on four legs")
    tails = [name for name, label in zip(source.names, labels(source.names), strict=True) if is_tail(label)]
    if tails and slant > -0.57:
        raise ValueError(f"no human skeleton: it has a tail ({tails[0]}) and does not stand upright")


def _spine(source: Skeleton, hips: dict[str, float], top: str, neck: dict[str, float]) -> dict[str, Rule]:
    """spine1 to spine3 from the joints between hips and neck, whatever their number."""
    below = {name for part in hips for name in _way_up(source, part)}
    chain = [name for name in _way_up(source, top) if name not in below]
    nodes = [hips, *({name: 1.0} for name in reversed(chain))]
    if nodes[-1] != neck:
        nodes.append(neck)
    at = [
        np.sum([weight * source.rest[source.index(n)] for n, weight in node.items()], axis=0)
        for node in nodes
    ]
    steps = [np.inf, *(float(np.linalg.norm(b - a)) for a, b in pairwise(at))]
    nodes = [node for node, step in zip(nodes, steps, strict=True) if step > 1e-6]
    way = np.cumsum([0.0, *(step for step in steps[1:] if step > 1e-6)])
    if len(nodes) == 5:
        return {f"spine{k}": (nodes[k], MEASURED) for k in (1, 2, 3)}
    if len(nodes) == 4:  # hips, spine, chest, neck
        return {
            "spine1": (_between(nodes[0], nodes[1], 0.7), INTERPOLATED),
            "spine2": (_between(nodes[1], nodes[2], 0.5), INTERPOLATED),
            "spine3": (nodes[2], MEASURED),
        }
    if len(nodes) < 2:
        raise ValueError(f"joints {', '.join(hips)} and {top} are in one place: no spine")
    rules: dict[str, Rule] = {}
    for number, height in enumerate(_SPINE_HEIGHTS, start=1):
        high = int(np.clip(np.searchsorted(way, height * way[-1]), 1, len(nodes) - 1))
        share = float((height * way[-1] - way[high - 1]) / (way[high] - way[high - 1]))
        rules[f"spine{number}"] = (_between(nodes[high - 1], nodes[high], share), INTERPOLATED)
    return rules


def _between(low: dict[str, float], high: dict[str, float], share: float) -> dict[str, float]:
    mixed = {name: (1 - share) * weight for name, weight in low.items()}
    for name, weight in high.items():
        mixed[name] = mixed.get(name, 0.0) + share * weight
    return mixed
