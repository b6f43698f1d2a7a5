"""Reading the joint names of motion files: CMU (cgspeed and ASF), Mixamo, Bandai-Namco, Biped, SMPL, generic.

The rules for CMU and Bandai-Namco trees are those our motion library was made with; spines of other counts
are cut by arc length at the heights of SMPL-24's (ours).
"""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from kinema.scene.skeleton import SMPL24, Skeleton

Rule = tuple[dict[str, float], float]
"""Weights of source joints by name, and the confidence of the result."""

MEASURED, INTERPOLATED, EXTRAPOLATED = 1.0, 0.5, 0.25

_PREFIX = re.compile(
    r"^(?:.*:|mixamorig\d*_?|character\d+_|bip\d+[ _]|joint_|jnt_|def[-_]|b_|j_)", re.IGNORECASE
)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

# Roles by name, the first that a tree has wins; `_fits` decides on names that can mean two joints.
_ALIASES: dict[str, tuple[str, ...]] = {
    "upleg": ("upleg", "upperleg", "thigh", "femur", "hip", "hipjoint", "legupper"),
    "knee": ("knee", "lowerleg", "shin", "calf", "tibia", "lowleg", "leglower", "leg"),
    "ankle": ("ankle", "foot"),
    "toe": ("toebase", "toe", "toes", "toe0", "ball", "foot"),
    "collar": ("collar", "clavicle", "collarbone", "shoulder"),
    "arm": ("arm", "upperarm", "uparm", "humerus", "shldr", "armupper", "shoulder"),
    "elbow": ("elbow", "forearm", "lowerarm", "lowarm", "armlower", "radius"),
    "wrist": ("wrist", "hand"),
    "hand": (
        "handmiddle1",
        "middle1",
        "middle01",
        "handindex1",
        "index1",
        "index01",
        "fingerbase",
        "finger1",
        "hand",
    ),
    "hips": ("hips", "pelvis", "hip"),
    "neck": ("neck", "neck1"),
    "head": ("head",),
}
_SIDED = ("upleg", "knee", "ankle", "toe", "collar", "arm", "elbow", "wrist", "hand")
_NEEDED = ("upleg", "knee", "ankle", "arm", "elbow", "wrist")

# Heights of spine1, spine2 and spine3 on the way from pelvis to neck, from SMPL24's rest pose.
_SPINE_HEIGHTS = tuple(np.cumsum(SMPL24.bone_lengths[[3, 6, 9]]) / SMPL24.bone_lengths[[3, 6, 9, 12]].sum())

# ASF bones, whose joints are where the bone starts, under their cgspeed names.
_ASF = {
    "root": "Hips",
    "lowerback": "LowerBack",
    "upperback": "Spine",
    "thorax": "Spine1",
    "lowerneck": "Neck",
    "upperneck": "Neck1",
    "head": "Head",
    **{
        f"{s.lower()[0]}{bone}": f"{s}{joint}"
        for s in ("Left", "Right")
        for bone, joint in (
            ("femur", "UpLeg"),
            ("tibia", "Leg"),
            ("foot", "Foot"),
            ("toes", "ToeBase"),
            ("clavicle", "Shoulder"),
            ("humerus", "Arm"),
            ("radius", "ForeArm"),
            ("wrist", "Hand"),
            ("hand", "FingerBase"),
            ("fingers", "HandIndex1"),
        )
    },
}


def bvh_rules(source: Skeleton) -> dict[str, Rule]:
    """How each SMPL-24 joint follows from the joints of a tree with the names that motion files use.

    Raises:
        ValueError: not a human skeleton; the message names what was not found.
    """
    cmu = cmu_names(source)
    return _cmu_rules(source, cmu) if cmu else _general_rules(source)


def cmu_names(source: Skeleton) -> dict[str, str]:
    """The joints of a CMU tree by their cgspeed names; empty if it is not one."""
    plain = {_PREFIX.sub("", name): name for name in source.names}
    if {"upperback", "thorax", "lhumerus", "lfemur"} <= set(plain):
        return {cgspeed: plain[asf] for asf, cgspeed in _ASF.items() if asf in plain}
    if {"LHipJoint", "LowerBack", "Spine1", "Neck1", "LeftFingerBase", "RightFingerBase"} <= set(plain):
        return plain
    return {}


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
    role = _roles(source)
    missing = [
        f"{side} {part}" for part in _NEEDED for side in ("left", "right") if f"{side} {part}" not in role
    ]
    if "hips" not in role:
        missing.insert(0, "hips")
    if missing:
        raise ValueError(
            f"no human skeleton by name: no {', no '.join(missing)} among {', '.join(source.names[:40])}"
        )
    shoulders = {role["left arm"]: 0.5, role["right arm"]: 0.5}
    neck: Rule = ({role["neck"]: 1.0}, MEASURED) if "neck" in role else (shoulders, INTERPOLATED)
    rules: dict[str, Rule] = {"pelvis": ({role["hips"]: 1.0}, MEASURED), "neck": neck}
    rules |= _spine(source, role["hips"], role.get("neck") or _fork(source, role), neck[0])
    if "head" in role:
        rules["head"] = ({role["head"]: 1.0}, MEASURED)
    for side in ("left", "right"):
        direct = {"hip": "upleg", "knee": "knee", "ankle": "ankle", "shoulder": "arm", "elbow": "elbow"}
        rules |= {
            f"{side}_{joint}": ({role[f"{side} {part}"]: 1.0}, MEASURED) for joint, part in direct.items()
        }
        elbow, wrist, arm = (role[f"{side} {part}"] for part in ("elbow", "wrist", "arm"))
        rules[f"{side}_wrist"] = ({wrist: 1.0}, MEASURED)
        if f"{side} toe" in role:
            rules[f"{side}_foot"] = ({role[f"{side} toe"]: 1.0}, MEASURED)
        hand = role.get(f"{side} hand")
        rules[f"{side}_hand"] = ({hand: 1.0}, MEASURED) if hand else beyond(elbow, wrist)
        if f"{side} collar" in role:
            rules[f"{side}_collar"] = ({role[f"{side} collar"]: 1.0}, MEASURED)
        else:
            rules[f"{side}_collar"] = (_between(neck[0], {arm: 1.0}, 0.43), INTERPOLATED)
    return rules


def beyond(elbow: str, wrist: str) -> Rule:
    """The hand joint on the line of the forearm, at SMPL-24's rest proportions."""
    share = float(SMPL24.bone_lengths[22] / SMPL24.bone_lengths[20])
    return {wrist: 1 + share, elbow: -share}, EXTRAPOLATED


def _roles(source: Skeleton) -> dict[str, str]:
    """Joint name by role, such as "hips" or "left knee"."""
    keys: dict[tuple[str, str], str] = {}
    for joint in source.order:
        side, key = _key(source.names[joint])
        keys.setdefault((side, key), source.names[joint])
    has = {key for side, key in keys if side}
    role: dict[str, str] = {}
    for part in ("hips", "neck", "head"):
        found = next((keys["", alias] for alias in _ALIASES[part] if ("", alias) in keys), None)
        if found is not None:
            role[part] = found
    for part in _SIDED:
        for alias in _ALIASES[part]:
            if alias in has and _fits(part, alias, has):
                for side in ("left", "right"):
                    if (side, alias) in keys:
                        role.setdefault(f"{side} {part}", keys[side, alias])
    for side in ("left", "right"):
        _take_end(source, role, f"{side} toe", f"{side} ankle")
    _take_end(source, role, "head", "neck")
    return role


def _fits(part: str, alias: str, has: set[str]) -> bool:
    """Whether a name that can mean two joints means this one here."""
    if alias == "shoulder":
        return (part == "collar") == bool(has & set(_ALIASES["arm"][:-1]))
    if alias == "foot":
        return (part == "toe") == ("ankle" in has)
    if alias == "hand":
        return (part == "hand") == ("wrist" in has)
    return True


def _take_end(source: Skeleton, role: dict[str, str], part: str, above: str) -> None:
    """Without a joint for `part`, the first child (an end site) of the joint above it will do."""
    if part in role or above not in role:
        return
    for child in source.children[source.index(role[above])]:
        if source.bone_lengths[child] > 1e-6:
            role[part] = source.names[child]
            return


def _key(name: str) -> tuple[str, str]:
    """Side ("left", "right" or "") and the rest of a joint name in lower case without separators."""
    words = [word.lower() for word in _WORDS.findall(_PREFIX.sub("", name))]
    sides = {"left": "left", "l": "left", "right": "right", "r": "right"}
    side = next((sides[word] for word in words if word in sides), "")
    if side:
        words.remove(next(word for word in words if word in sides))
    key = "".join(words)
    if not side and key[:1] in ("l", "r") and key[1:] in _GLUED:
        return sides[key[0]], key[1:]
    return side, key


_GLUED = {alias for part in _SIDED for alias in _ALIASES[part]} - {"leg", "arm"}


def _fork(source: Skeleton, role: dict[str, str]) -> str:
    """The joint from which both arms hang."""
    above: list[set[int]] = []
    for side in ("left", "right"):
        joint, seen = source.index(role[f"{side} arm"]), set()
        while joint >= 0:
            seen.add(joint)
            joint = source.parents[joint]
        above.append(seen)
    return source.names[max(above[0] & above[1], key=source.order.index)]


def _spine(source: Skeleton, hips: str, top: str, neck: dict[str, float]) -> dict[str, Rule]:
    """spine1 to spine3 from the joints between hips and neck, whatever their number."""
    chain = []
    joint = source.index(top)
    while joint >= 0 and source.names[joint] != hips:
        chain.append(source.names[joint])
        joint = source.parents[joint]
    if joint < 0:
        raise ValueError(f"joint {top!r} does not hang on {hips!r}: no spine")
    nodes = [{name: 1.0} for name in (hips, *reversed(chain))]
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
        raise ValueError(f"joints {hips!r} and {top!r} are in one place: no spine")
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
