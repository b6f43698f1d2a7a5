"""The named joint sets as data: names, parents, and where each point lies on a T-posed adult of 1.70 m.

Orders follow the published sets (SMPL, HumanML3D, OpenPose, COCO-WholeBody, DWPose, MediaPipe Pose, cgspeed
CMU BVH). Positions are ours: bone lengths near the medians of real captures (Bandai-Namco, HDM05, CMU),
rounded and made symmetric, on a body 1.70 m tall; hands and faces follow ordinary adult proportions.
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Layout:
    """Joint names, the name of each joint's parent ("" for the root) and rest positions in metres."""

    names: tuple[str, ...]
    parents: tuple[str, ...]
    rest: tuple[Point, ...]


# Rest positions, metres: Y up, facing +Z, left = +X. Right points are the mirror images of the left ones.
_MIDLINE: dict[str, Point] = {
    "pelvis": (0, 0.945, 0),
    "mid_hip": (0, 0.875, 0),
    "spine1": (0, 1.055, 0),
    "spine2": (0, 1.170, 0),
    "spine3": (0, 1.225, 0),
    "neck": (0, 1.400, 0),
    "head": (0, 1.500, 0),
    "nose": (0, 1.575, 0.115),
}
_LEFT: dict[str, Point] = {
    "hip": (0.090, 0.875, 0),
    "knee": (0.090, 0.475, 0),
    "ankle": (0.090, 0.075, 0),
    "foot": (0.090, 0.020, 0.120),
    "heel": (0.090, 0.015, -0.050),
    "big_toe": (0.078, 0.015, 0.180),
    "small_toe": (0.135, 0.015, 0.145),
    "foot_index": (0.090, 0.015, 0.180),
    "collar": (0.075, 1.360, 0),
    "shoulder": (0.175, 1.375, 0),
    "elbow": (0.445, 1.375, 0),
    "wrist": (0.700, 1.375, 0),
    "hand": (0.780, 1.375, 0),
    "thumb": (0.770, 1.370, 0.075),
    "index": (0.795, 1.375, 0.028),
    "pinky": (0.782, 1.375, -0.032),
    "eye_inner": (0.018, 1.612, 0.092),
    "eye": (0.032, 1.612, 0.088),
    "eye_outer": (0.046, 1.611, 0.078),
    "ear": (0.076, 1.595, 0),
    "mouth": (0.025, 1.530, 0.095),
}


def _point(name: str) -> Point:
    """The rest position of a body point by its name, e.g. left_knee or mouth_right."""
    if name in _MIDLINE:
        return _MIDLINE[name]
    parts = name.split("_")
    side = "left" if "left" in parts else "right"
    x, y, z = _LEFT["_".join(part for part in parts if part != side)]
    return (x if side == "left" else -x, y, z)


# OpenPose's neck is the middle of the shoulders, SMPL's the base of the neck.
_OPENPOSE_NECK: dict[str, Point] = {"neck": (0, 1.375, 0)}


def _layout(tree: dict[str, str], rest: dict[str, Point] | None = None) -> Layout:
    points = rest or {}
    return Layout(
        tuple(tree), tuple(tree.values()), tuple(points[n] if n in points else _point(n) for n in tree)
    )


_SMPL_NAMES = tuple(
    name
    for row in (
        "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3",
        "left_foot right_foot neck left_collar right_collar head left_shoulder right_shoulder",
        "left_elbow right_elbow left_wrist right_wrist left_hand right_hand",
    )
    for name in row.split()
)
_SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
_SMPL_TREE = {n: _SMPL_NAMES[p] if p >= 0 else "" for n, p in zip(_SMPL_NAMES, _SMPL_PARENTS, strict=True)}

_OPENPOSE_TREE = {
    "nose": "neck",
    "neck": "",
    "right_shoulder": "neck",
    "right_elbow": "right_shoulder",
    "right_wrist": "right_elbow",
    "left_shoulder": "neck",
    "left_elbow": "left_shoulder",
    "left_wrist": "left_elbow",
    "right_hip": "neck",
    "right_knee": "right_hip",
    "right_ankle": "right_knee",
    "left_hip": "neck",
    "left_knee": "left_hip",
    "left_ankle": "left_knee",
    "right_eye": "nose",
    "left_eye": "nose",
    "right_ear": "right_eye",
    "left_ear": "left_eye",
}
_BODY25_TREE = {
    **{name: _OPENPOSE_TREE[name] for name in list(_OPENPOSE_TREE)[:8]},
    "mid_hip": "neck",
    "right_hip": "mid_hip",
    "right_knee": "right_hip",
    "right_ankle": "right_knee",
    "left_hip": "mid_hip",
    "left_knee": "left_hip",
    "left_ankle": "left_knee",
    **{name: _OPENPOSE_TREE[name] for name in list(_OPENPOSE_TREE)[14:]},
    **{
        f"{side}_{part}": f"{side}_ankle"
        for side in ("left", "right")
        for part in ("big_toe", "small_toe", "heel")
    },
}
_COCO_TREE = {
    "nose": "",
    "left_eye": "nose",
    "right_eye": "nose",
    "left_ear": "left_eye",
    "right_ear": "right_eye",
    "left_shoulder": "nose",
    "right_shoulder": "nose",
    "left_elbow": "left_shoulder",
    "right_elbow": "right_shoulder",
    "left_wrist": "left_elbow",
    "right_wrist": "right_elbow",
    "left_hip": "left_shoulder",
    "right_hip": "right_shoulder",
    "left_knee": "left_hip",
    "right_knee": "right_hip",
    "left_ankle": "left_knee",
    "right_ankle": "right_knee",
}
_FEET_TREE = {name: parent for name, parent in _BODY25_TREE.items() if parent.endswith("ankle")}

# The 68 face points of COCO-WholeBody (iBUG order), named so that left and right swap by name.
_FACE_NAMES = (
    *(f"right_jaw_{i}" for i in range(8)),
    "chin",
    *(f"left_jaw_{i}" for i in reversed(range(8))),
    *(f"right_brow_{i}" for i in range(5)),
    *(f"left_brow_{i}" for i in reversed(range(5))),
    *(f"nose_bridge_{i}" for i in range(4)),
    *("right_nostril_0", "right_nostril_1", "nose_base", "left_nostril_1", "left_nostril_0"),
    *(f"right_lid_{i}" for i in range(6)),
    *(f"left_lid_{i}" for i in (3, 2, 1, 0, 5, 4)),
    *("right_lip_0", "right_lip_1", "right_lip_2", "lip_top", "left_lip_2", "left_lip_1", "left_lip_0"),
    *("left_lip_3", "left_lip_4", "lip_bottom", "right_lip_4", "right_lip_3"),
    *("right_inner_lip_0", "right_inner_lip_1", "inner_lip_top", "left_inner_lip_1", "left_inner_lip_0"),
    *("left_inner_lip_2", "inner_lip_bottom", "right_inner_lip_2"),
)
# Left points, as offsets from the nose tip's height and depth: (x, y, z) metres on the adult above.
_FACE_LEFT: dict[str, Point] = {
    **{
        f"jaw_{i}": (x, 1.600 + y, z)
        for i, (x, y, z) in enumerate(
            [
                (0.072, 0.000, 0.012),
                (0.071, -0.022, 0.016),
                (0.069, -0.044, 0.022),
                (0.064, -0.064, 0.032),
                (0.054, -0.081, 0.046),
                (0.041, -0.094, 0.062),
                (0.027, -0.104, 0.076),
                (0.013, -0.110, 0.086),
            ]
        )
    },
    **{f"brow_{i}": (0.056 - 0.010 * i, 1.628 + 0.003 * min(i, 4 - i), 0.076 + 0.006 * i) for i in range(5)},
    "lid_0": (0.046, 1.611, 0.078),
    "lid_1": (0.038, 1.616, 0.085),
    "lid_2": (0.027, 1.616, 0.090),
    "lid_3": (0.018, 1.612, 0.092),
    "lid_4": (0.027, 1.608, 0.090),
    "lid_5": (0.038, 1.608, 0.085),
    "nostril_0": (0.014, 1.566, 0.099),
    "nostril_1": (0.007, 1.564, 0.104),
    "lip_0": (0.025, 1.530, 0.095),
    "lip_1": (0.016, 1.536, 0.101),
    "lip_2": (0.006, 1.540, 0.105),
    "lip_3": (0.017, 1.523, 0.100),
    "lip_4": (0.008, 1.519, 0.103),
    "inner_lip_0": (0.021, 1.530, 0.097),
    "inner_lip_1": (0.008, 1.532, 0.103),
    "inner_lip_2": (0.008, 1.528, 0.103),
}
_FACE_MIDLINE: dict[str, Point] = {
    "chin": (0, 1.488, 0.090),
    "nose_bridge_0": (0, 1.612, 0.097),
    "nose_bridge_1": (0, 1.600, 0.102),
    "nose_bridge_2": (0, 1.587, 0.109),
    "nose_bridge_3": (0, 1.575, 0.115),
    "nose_base": (0, 1.562, 0.106),
    "lip_top": (0, 1.539, 0.106),
    "lip_bottom": (0, 1.518, 0.104),
    "inner_lip_top": (0, 1.532, 0.104),
    "inner_lip_bottom": (0, 1.528, 0.104),
}

_FINGERS = ("thumb", "index", "middle", "ring", "little")


def _face_points() -> dict[str, Point]:
    points = dict(_FACE_MIDLINE)
    for name, (x, y, z) in _FACE_LEFT.items():
        points[f"left_{name}"] = (x, y, z)
        points[f"right_{name}"] = (-x, y, z)
    return points


def _hand_points(side: str) -> dict[str, Point]:
    """21 points of a hand held out flat, palm down: the wrist, then four points of each finger."""
    sign = 1.0 if side == "left" else -1.0
    wrist_x, y, _ = _LEFT["wrist"]
    points = {f"{side}_hand_root": (sign * wrist_x, y, 0.0)}
    for k, forward in enumerate((0.018, 0.040, 0.062, 0.084)):
        points[f"{side}_thumb_{k + 1}"] = (
            sign * (wrist_x + 0.012 + forward * 0.8),
            y - 0.006,
            0.014 + forward * 0.6,
        )
    sideways = {"index": 0.028, "middle": 0.008, "ring": -0.012, "little": -0.032}
    length = {"index": 0.95, "middle": 1.0, "ring": 0.94, "little": 0.78}
    for finger, z in sideways.items():
        for k, forward in enumerate((0.088, 0.128, 0.154, 0.176)):
            points[f"{side}_{finger}_{k + 1}"] = (sign * (wrist_x + forward * length[finger]), y, z)
    return points


def _hand_tree(side: str) -> dict[str, str]:
    tree = {f"{side}_hand_root": f"{side}_wrist"}
    for finger in _FINGERS:
        for k in range(1, 5):
            tree[f"{side}_{finger}_{k}"] = f"{side}_hand_root" if k == 1 else f"{side}_{finger}_{k - 1}"
    return tree


_EXTRA = {**_face_points(), **_hand_points("left"), **_hand_points("right")}
_WHOLE_TAIL = {
    **_FEET_TREE,
    **dict.fromkeys(_FACE_NAMES, "nose"),
    **_hand_tree("left"),
    **_hand_tree("right"),
}

_MEDIAPIPE_TREE = {
    "nose": "",
    **{
        f"{side}_{eye}": parent.format(side)
        for side in ("left", "right")
        for eye, parent in (("eye_inner", "nose"), ("eye", "{}_eye_inner"), ("eye_outer", "{}_eye"))
    },
    "left_ear": "left_eye_outer",
    "right_ear": "right_eye_outer",
    "mouth_left": "nose",
    "mouth_right": "nose",
    "left_shoulder": "nose",
    "right_shoulder": "nose",
    **{
        f"{side}_{part}": f"{side}_{parent}"
        for part, parent in (
            ("elbow", "shoulder"),
            ("wrist", "elbow"),
            ("pinky", "wrist"),
            ("index", "wrist"),
            ("thumb", "wrist"),
            ("hip", "shoulder"),
            ("knee", "hip"),
            ("ankle", "knee"),
            ("heel", "ankle"),
            ("foot_index", "ankle"),
        )
        for side in ("left", "right")
    },
}

_CMU_BODY = {
    "Hips": ("", (0, 0.945, 0)),
    "LHipJoint": ("Hips", (0, 0.945, 0)),
    "LeftUpLeg": ("LHipJoint", _point("left_hip")),
    "LeftLeg": ("LeftUpLeg", _point("left_knee")),
    "LeftFoot": ("LeftLeg", _point("left_ankle")),
    "LeftToeBase": ("LeftFoot", _point("left_foot")),
    "RHipJoint": ("Hips", (0, 0.945, 0)),
    "RightUpLeg": ("RHipJoint", _point("right_hip")),
    "RightLeg": ("RightUpLeg", _point("right_knee")),
    "RightFoot": ("RightLeg", _point("right_ankle")),
    "RightToeBase": ("RightFoot", _point("right_foot")),
    "LowerBack": ("Hips", (0, 0.945, 0)),
    "Spine": ("LowerBack", _point("spine1")),
    "Spine1": ("Spine", _point("spine2")),
    "Neck": ("Spine1", (0, 1.320, 0)),
    "Neck1": ("Neck", (0, 1.440, 0)),
    "Head": ("Neck1", (0, 1.560, 0)),
    "LeftShoulder": ("Spine1", (0, 1.320, 0)),
    "LeftArm": ("LeftShoulder", _point("left_shoulder")),
    "LeftForeArm": ("LeftArm", _point("left_elbow")),
    "LeftHand": ("LeftForeArm", (0.615, 1.375, 0)),
    "LeftFingerBase": ("LeftHand", _point("left_wrist")),
    "LeftHandIndex1": ("LeftFingerBase", _point("left_hand")),
    "LThumb": ("LeftHand", _point("left_wrist")),
    "RightShoulder": ("Spine1", (0, 1.320, 0)),
    "RightArm": ("RightShoulder", _point("right_shoulder")),
    "RightForeArm": ("RightArm", _point("right_elbow")),
    "RightHand": ("RightForeArm", (-0.615, 1.375, 0)),
    "RightFingerBase": ("RightHand", _point("right_wrist")),
    "RightHandIndex1": ("RightFingerBase", _point("right_hand")),
    "RThumb": ("RightHand", _point("right_wrist")),
}

LAYOUTS: dict[str, Layout] = {
    "smpl24": _layout(_SMPL_TREE),
    "humanml3d22": _layout({name: _SMPL_TREE[name] for name in _SMPL_NAMES[:22]}),
    "openpose18": _layout(_OPENPOSE_TREE, _OPENPOSE_NECK),
    "body25": _layout(_BODY25_TREE, _OPENPOSE_NECK),
    "coco17": _layout(_COCO_TREE),
    "coco_wholebody133": _layout({**_COCO_TREE, **_WHOLE_TAIL}, _EXTRA),
    "dwpose134": _layout({**_OPENPOSE_TREE, **_WHOLE_TAIL}, {**_EXTRA, **_OPENPOSE_NECK}),
    "mediapipe33": _layout(_MEDIAPIPE_TREE),
    "cmu31": _layout(
        {n: p for n, (p, _) in _CMU_BODY.items()}, {n: xyz for n, (_, xyz) in _CMU_BODY.items()}
    ),
}
