"""Which joint of a tree is which part of a person, by the names that programs give.

A name is read as words: what most joints share (`Bob_`, `mixamorig:`, `_bind_JNT`, running numbers) is left out, a
side is recognised in every usual place (`LeftArm`, `arm.L`, `lShldr`, `HipLeft`, `左腕`), and the rest is looked up.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kinema.scene.skeleton import Skeleton

_NAMESPACE = re.compile(r"^.*[:|]")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\dA-Za-z_]+")
_SHARED = 0.6  # share of the joints that make a word a prefix or suffix of the file's (ours)
_NOISE = {"def", "jnt", "joint", "bind", "bone", "bn", "bip", "bend", "stretch", "fk", "c", "x"}
_SIDES = {
    "left": ("left", "l", "lf", "lft", "izq", "izquierda", "izquierdo", "gauche", "links", "左"),
    "right": ("right", "r", "rt", "rgt", "der", "derecha", "derecho", "droite", "droit", "rechts", "右"),
}
_SIDE = {word: side for side, words in _SIDES.items() for word in words}

PARTS: dict[str, tuple[str, ...]] = {
    "hips": ("hips", "pelvis", "hip", "hipcenter", "centerhip", "hipscenter", "spinebase", "下半身"),
    "neck": ("neck", "neck1", "necklower", "necktwist", "shouldercenter", "spineshoulder", "t1c7", "首"),
    "head": ("head", "c1head", "頭"),
    "upleg": (
        *("upleg", "upperleg", "thigh", "femur", "hip", "hipjoint", "legupper", "uleg", "legup"),
        *("leg", "足", "太もも"),
    ),
    "knee": (
        *("knee", "lowerleg", "shin", "calf", "tibia", "lowleg", "leglower", "loleg", "legdown"),
        *("leg", "ひざ", "膝"),
    ),
    "ankle": ("ankle", "foot", "足首"),
    "toe": ("toebase", "toe", "toes", "toe0", "toesbase", "ball", "ballfoot", "foot", "つま先", "足先"),
    "collar": ("collar", "clavicle", "collarbone", "clav", "scapula", "t4shoulder", "shoulder", "肩"),
    "arm": (
        *("arm", "upperarm", "uparm", "humerus", "shldr", "armupper", "uarm", "armup"),
        *("shoulder", "腕"),
    ),
    "elbow": (
        *("elbow", "forearm", "lowerarm", "lowarm", "armlower", "radius", "loarm", "farm", "armdown"),
        *("arm", "ひじ", "肘"),
    ),
    "wrist": ("wrist", "hand", "手首", "palm"),
    "hand": (
        *("handmiddle1", "middle1", "mid1", "handindex1", "index1", "fingerbase", "finger1"),
        *("middlefinger1", "middleproximal", "fmiddle1", "finger31", "中指1", "hand"),
    ),
}
"""Words for each part of a person, the first that a tree has wins; `_fits` decides on words that can mean two parts."""

SIDED = ("upleg", "knee", "ankle", "toe", "collar", "arm", "elbow", "wrist", "hand")
NEEDED = ("upleg", "knee", "ankle", "arm", "elbow", "wrist")
"""Parts, on both sides, without which a tree is not taken for a person."""

SMPL_NAMES: dict[str, str] = {
    "hips": "pelvis",
    "neck": "neck",
    "head": "head",
    **{
        f"{side} {part}": f"{side}_{joint}"
        for side in ("left", "right")
        for part, joint in {
            "upleg": "hip",
            "knee": "knee",
            "ankle": "ankle",
            "toe": "foot",
            "collar": "collar",
            "arm": "shoulder",
            "elbow": "elbow",
            "wrist": "wrist",
            "hand": "hand",
        }.items()
    },
}
"""SMPL-24's name of each part."""

_BODY = {word for part in PARTS.values() for word in part} | set(_SIDE)
_BODY |= {"finger", "thumb", "index", "middle", "ring", "pinky", "spine", "tail", "upper", "lower", "eye"}
_GLUED = {alias for part in SIDED for alias in PARTS[part]} - {"leg", "arm"}
# What two numbered joints of one word are where no other word is there for either: leg1 and leg2 are thigh and shin.
_PAIRS = {"leg": (("upleg", "knee"),), "arm": (("arm", "elbow"),), "foot": (("ankle", "toe"),)}
# Words with two meanings: the first part where another word is there for the second, else the second.
_EITHER = {
    "shoulder": ("collar", set(PARTS["arm"]) - {"shoulder"}),
    "foot": ("toe", {"ankle", "足首"}),
    "hand": ("hand", {"wrist", "手首"}),
}

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


@dataclass(frozen=True)
class Label:
    """A joint's name as it is understood.

    Args:
        side: "left", "right" or "".
        full: the other words in lower case without separators, numbers without leading zeros.
        key: the same without words that say nothing, such as "joint".
        base: the key without numbers at its end.
        number: those numbers.
    """

    side: str
    full: str
    key: str
    base: str
    number: tuple[int, ...]


def cmu_names(source: Skeleton) -> dict[str, str]:
    """The joints of a CMU tree by their cgspeed names; empty if it is not one."""
    plain = {_NAMESPACE.sub("", name): name for name in source.names}
    if {"upperback", "thorax", "lhumerus", "lfemur"} <= set(plain):
        return {cgspeed: plain[asf] for asf, cgspeed in _ASF.items() if asf in plain}
    if {"LHipJoint", "LowerBack", "Spine1", "Neck1", "LeftFingerBase", "RightFingerBase"} <= set(plain):
        return plain
    return {}


def labels(names: Sequence[str]) -> list[Label]:
    """What each name says, without what most of them share."""
    return [_label(words) for words in _without_shared([_words(name) for name in names])]


def named_parts(source: Skeleton) -> dict[str, str]:
    """Joint by part, such as "hips" or "left knee", as far as names tell."""
    exact = {part: name for part, name in SMPL_NAMES.items() if name in source.names}
    if {f"{side} {part}" for part in NEEDED for side in ("left", "right")} <= set(exact):
        return exact
    understood = labels(source.names)
    order = sorted(source.order, key=lambda joint: source.names[joint].startswith("_"))
    keys: dict[tuple[str, str], int] = {}
    for joint in order:
        keys.setdefault((understood[joint].side, understood[joint].full), joint)
    for joint in order:
        keys.setdefault((understood[joint].side, understood[joint].key), joint)
    numbered: dict[tuple[str, str], list[int]] = {}
    for joint in sorted(order, key=lambda joint: understood[joint].number):
        if understood[joint].number and (understood[joint].side, understood[joint].base) not in keys:
            numbered.setdefault((understood[joint].side, understood[joint].base), []).append(joint)
    has = {key for side, key in (*keys, *numbered) if side}
    found: dict[str, int] = {}
    for (side, word), joints in numbered.items():
        keys[side, word] = joints[0]
        for first, second in _PAIRS.get(word, ()) if len(joints) > 1 else ():
            if side and not has & (set(PARTS[first]) | set(PARTS[second])) - {word, "shoulder"}:
                found |= {f"{side} {first}": joints[0], f"{side} {second}": joints[1]}
    for part in ("hips", "neck", "head"):
        alias = next((alias for alias in PARTS[part] if ("", alias) in keys), None)
        if alias is not None:
            found[part] = keys["", alias]
    for part in SIDED:
        for alias in PARTS[part]:
            if alias in has and _fits(part, alias, has):
                for side in ("left", "right"):
                    if (side, alias) in keys:
                        found.setdefault(f"{side} {part}", keys[side, alias])
    return {part: source.names[joint] for part, joint in found.items()}


def is_tail(label: Label) -> bool:
    """Whether a joint is of an animal's tail."""
    return not label.side and label.base.startswith("tail")


def _fits(part: str, alias: str, has: set[str]) -> bool:
    """Whether a word that can mean two parts means this one here."""
    if alias == "arm":  # beside a word for the upper arm and none for the elbow it is the lower one
        upper = has & set(PARTS["arm"]) - {"arm", "shoulder"}
        return (part == "elbow") == (bool(upper) and not has & set(PARTS["elbow"]) - {"arm"})
    if alias == "leg":
        upper, lower = (has & set(PARTS[each]) - {"leg"} for each in ("upleg", "knee"))
        return (part == "upleg") == (bool(lower) and not upper)
    if alias in _EITHER:
        first, others = _EITHER[alias]
        return (part == first) == bool(has & others)
    return True


def _words(name: str) -> list[str]:
    """The words of a name, lower case, numbers as they are."""
    plain = _NAMESPACE.sub("", unicodedata.normalize("NFKC", name)) or name
    words = []
    for word in _WORDS.findall(plain):
        if re.fullmatch("[LR][A-Z]", word):  # LUArm
            words += [word[0], word[1]]
        elif word[0] in "左右" and len(word) > 1:
            words += [word[0], word[1:]]
        else:
            words.append(word)
    return [word.lower() for word in words]


def _without_shared(names: list[list[str]]) -> list[list[str]]:
    """The words of all names without those at the front and at the end that most of them have.

    Numbers that hardly any two names share at their end are running numbers, and go as well.
    """
    numbers = [words[-1] for words in names if len(words) > 1 and words[-1].isdigit()]
    if len(numbers) > _SHARED * len(names) and len(set(numbers)) > 0.9 * len(numbers):
        names = [words[:-1] if len(words) > 1 and words[-1].isdigit() else words for words in names]
    for end in (0, -1):
        while True:
            counts = Counter(words[end] for words in names if len(words) > 1)
            word, count = counts.most_common(1)[0] if counts else ("", 0)
            if count < max(_SHARED * len(names), 4) or word in _BODY:
                break
            cut = slice(1, None) if end == 0 else slice(None, -1)
            names = [words[cut] if len(words) > 1 and words[end] == word else words for words in names]
    return names


def _label(words: list[str]) -> Label:
    side = next((_SIDE[word] for word in words if word in _SIDE), "")
    if side:
        words = list(words)
        words.remove(next(word for word in words if word in _SIDE))
    full = _joined(words)
    if not side:
        side, full = _glued(full)
        words = [full] if side else words
    words = [word for word in words if word not in _NOISE] or words
    plain = list(words)
    while len(plain) > 1 and plain[-1].isdecimal():
        plain.pop()
    number = tuple(int(word) for word in words[len(plain) :])
    return Label(side, full, _joined(words), _joined(plain), number)


def _joined(words: list[str]) -> str:
    return "".join(str(int(word)) if word.isdecimal() else word for word in words)


def _glued(key: str) -> tuple[str, str]:
    """The side that a word begins or ends with, and the rest of it."""
    for side in ("left", "right"):
        if key.startswith(side) and key != side:
            return side, key.removeprefix(side)
        if key.endswith(side) and key != side:
            return side, key.removesuffix(side)
    if key[:1] in ("l", "r") and key[1:] in _GLUED:
        return _SIDE[key[0]], key[1:]
    return "", key
