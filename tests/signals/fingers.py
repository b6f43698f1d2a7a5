"""Bodies with finger joints, under the names that motion files use."""

from __future__ import annotations

import numpy as np

from kinema.scene import Skeleton
from kinema.scene.skeleton import DWPOSE134, SMPL24

FINGERS = ("thumb", "index", "middle", "ring", "little")


def body_with_fingers(naming: str = "smplx", tips: bool = False) -> Skeleton:
    """SMPL-24 whose hands have the finger joints of DWPose-134's rest, knuckle to last joint or to the tip.

    Args:
        naming: "smplx" (left_index1), "mixamo" (LeftHandIndex1), "unreal" (index_01_l), "biped" (L Finger1, L Finger11)
            or "rokoko" (LeftFinger2Proximal).
        tips: whether the tip is a joint too.
    """
    names, parents = list(SMPL24.names), [SMPL24.names[p] if p >= 0 else "" for p in SMPL24.parents]
    rest = list(SMPL24.rest)
    for side in ("left", "right"):
        for number, finger in enumerate(FINGERS):
            above = f"{side}_wrist"
            for k in range(4 if tips else 3):
                name = _name(naming, side, number, finger, k)
                names.append(name)
                parents.append(above)
                rest.append(DWPOSE134.rest[DWPOSE134.index(f"{side}_{finger}_{k + 1}")])
                above = name
    return Skeleton.from_names(names, parents, np.array(rest))


def _name(naming: str, side: str, number: int, finger: str, k: int) -> str:
    pinky = "pinky" if finger == "little" else finger
    if naming == "smplx":
        return f"{side}_{pinky}{k + 1}"
    if naming == "mixamo":
        return f"mixamorig:{side.title()}Hand{pinky.title()}{k + 1}"
    if naming == "unreal":
        return f"{pinky}_0{k + 1}_{side[0]}"
    if naming == "biped":
        return f"Bip01 {side[0].upper()} Finger{number}{k or ''}"
    return f"{side.title()}Finger{number + 1}{('Proximal', 'Medial', 'Distal', 'Tip')[k]}"
