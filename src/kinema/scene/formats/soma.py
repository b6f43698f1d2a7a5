"""The joint trees of NVIDIA's Kimodo beside SMPL-X: SOMA with 30 and 77 joints, Unitree's G1 with 34.

Files have no names; orders are those of Kimodo's documentation ("Skeletons"). Where it calls the thigh a leg and the
shin a shin, and G1's joints after their motors, we give the names that map to SMPL-24 whoever reads them. Rest poses
come from the files, so that here they are empty.
"""

from __future__ import annotations

import numpy as np

from kinema.scene.skeleton import Skeleton

_FINGERS = ("Index", "Middle", "Ring", "Pinky")


def _tree(tree: dict[str, str]) -> Skeleton:
    return Skeleton.from_names(tuple(tree), tuple(tree.values()), np.zeros((len(tree), 3)))


def _chain(first: str, *names: str) -> dict[str, str]:
    """Joints that hang on each other, the first on `first`."""
    return dict(zip(names, [first, *names[:-1]], strict=True))


def _soma_leg(side: str, *ends: str) -> dict[str, str]:
    names = [f"{side}{part}" for part in ("UpLeg", "Leg", "Foot", "ToeBase", *ends)]
    return _chain("Hips", *names)


def _soma_arm(side: str, ends: tuple[str, ...] = ()) -> dict[str, str]:
    """An arm with all its fingers, or with `ends` of some."""
    hand = f"{side}Hand"
    arm = _chain("Chest", *(f"{side}{part}" for part in ("Shoulder", "Arm", "ForeArm", "Hand")))
    if ends:
        return {**arm, **dict.fromkeys([f"{hand}{end}" for end in ends], hand)}
    arm |= _chain(hand, *(f"{hand}Thumb{part}" for part in ("1", "2", "3", "End")))
    for finger in _FINGERS:
        arm |= _chain(hand, *(f"{hand}{finger}{part}" for part in ("1", "2", "3", "4", "End")))
    return arm


def _soma(head: tuple[str, ...], ends: tuple[str, ...], toes: tuple[str, ...]) -> Skeleton:
    return _tree(
        {
            "Hips": "",
            **_chain("Hips", "Spine1", "Spine2", "Chest", "Neck1", "Neck2", "Head"),
            **dict.fromkeys([*head, "Jaw", "LeftEye", "RightEye"], "Head"),
            **_soma_arm("Left", ends),
            **_soma_arm("Right", ends),
            **_soma_leg("Left", *toes),
            **_soma_leg("Right", *toes),
        }
    )


def _g1_leg(side: str) -> dict[str, str]:
    parts = ("hip", "hip_roll", "hip_yaw", "knee", "ankle_pitch", "ankle", "foot")
    return _chain("pelvis", *(f"{side}_{part}" for part in parts))


def _g1_arm(side: str) -> dict[str, str]:
    parts = (
        "shoulder_pitch",
        "shoulder",
        "shoulder_yaw",
        "elbow",
        "wrist_roll",
        "wrist_pitch",
        "wrist",
        "hand",
    )
    return _chain("waist_pitch", *(f"{side}_{part}" for part in parts))


SOMA30 = _soma((), ("ThumbEnd", "MiddleEnd"), ())
"""SOMA's small tree, which Kimodo's models work on."""

SOMA77 = _soma(("HeadEnd",), (), ("ToeEnd",))
"""SOMA's tree with fingers, which Kimodo writes."""

G1 = _tree(
    {
        "pelvis": "",
        **_g1_leg("left"),
        **_g1_leg("right"),
        **_chain("pelvis", "waist_yaw", "waist_roll", "waist_pitch"),
        **_g1_arm("left"),
        **_g1_arm("right"),
    }
)
"""Unitree G1, a robot of 1.3 m without a head joint; its motors, and toes."""
