"""Who sits, rides, crouches or is cut off by the picture keeps hips and legs as they are; trunk, head and arms move."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from kinema.puppet.body import LEFT_ARM, LEFT_LEG, RIGHT_ARM, RIGHT_LEG, PictureBody
from kinema.puppet.mesh import Mesh
from kinema.scene.camera_follow import about_y
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

Legs = Literal["auto", "move", "stay"]
"""What legs do: as the picture lets them, with the motion, or nothing."""

Why = Literal["asked", "cut off", "hidden", "bent"]
"""Why legs stay: the user says so, the picture ends above the feet, nobody sees them, sitting or crouching."""

# All limits are ours, read off 110 pictures of people.
_SURE = 0.3  # confidence from which on a knee or an ankle counts as seen
_CLEAR = 0.5  # mean confidence of knees and ankles from which on legs can be seen well enough to move
_CUT = 0.06  # of the height: width of a body at the picture's lower edge that cuts it
_LOW, _RAISED = 0.8, 0.5  # of their lengths: how far down ankles and knees are of who does not stand
_BENT, _HALF_RAISED = np.radians(145.0), 0.62  # both knees bent by so much, and a thigh that is raised
_YAW = np.radians(35.0)  # how far a trunk turns on hips that stay
_GIVES_UP = np.radians(90.0)  # turned by more, it comes back: from behind it faces the camera again
_LEAN = np.radians(25.0)
_NOD = np.radians(30.0)
_SWAY = 0.02  # metres
_SLOW = 0.5  # seconds over which a way is smoothed: what is slower is travel
_SHOWN = 0.7  # share of an arm's bones that the picture shows of one that can move
_FOLDED, _HOLDS = np.cos(np.radians([35.0, 60.0]))  # an elbow that hides the arm; that of a hand at the head
_AT_HEAD = 0.18  # heights from the head
_SOFT = 0.035  # of the height: how softly what moves goes over into what stays
_EDGE = (
    0.6  # of the way from the neck to the person's lower edge, over which a body goes over into what stays
)

_SPINE = ((3, 0, 0.0), (6, 3, 1 / 3), (9, 6, 2 / 3), (12, 9, 1.0), (13, 9, 1.0), (14, 9, 1.0))
"""Joint, parent, and how much of the trunk's turn its bone takes part in."""

_SHOULDERS = ((16, 13), (17, 14))
ARMS: tuple[tuple[int, tuple[int, ...]], ...] = ((1, LEFT_ARM[1:]), (2, RIGHT_ARM[1:]))
_ANKLES, _KNEES, _HIPS = [7, 8], [4, 5], [1, 2]


def why_staying(body: PictureBody, alpha: np.ndarray, legs: str = "auto") -> Why | None:
    """Why hips and legs stay where the picture has them; None where they move.

    Args:
        body: joints in the picture.
        alpha: how much of each pixel is the person, float32 [H, W].
        legs: see `Legs`.

    Raises:
        ValueError: other legs.
    """
    if legs not in get_args(Legs):
        raise ValueError(f"legs={legs!r}; give one of {', '.join(get_args(Legs))}")
    if legs != "auto":
        return "asked" if legs == "stay" else None
    below = body.pixels[:, 1] > len(alpha) - 1
    unseen = body.confidence < _SURE
    if below[_ANKLES].all() or below[_KNEES].any() or (below | unseen)[_KNEES].all():
        return "cut off"
    cut = (alpha[-3:].max(axis=0) > 0.5).sum() > _CUT * body.height
    if cut and body.confidence[[10, 11]].max() < _SURE:
        return "cut off"
    if body.confidence[[*_KNEES, *_ANKLES]].mean() < _CLEAR:
        return "hidden"
    joints, lengths = body.joints, np.maximum(body.lengths, 1e-6)
    knees, ankles, angles = [], [], []
    for hip, knee, ankle, _ in (LEFT_LEG, RIGHT_LEG):
        thigh, shin = joints[knee] - joints[hip], joints[ankle] - joints[knee]
        knees.append(thigh[1] / lengths[knee])
        ankles.append((thigh + shin)[1] / (lengths[knee] + lengths[ankle]))
        cosine = -(thigh @ shin) / max(float(np.linalg.norm(thigh) * np.linalg.norm(shin)), 1e-9)
        angles.append(np.arccos(np.clip(cosine, -1, 1)))
    low = max(ankles) < _LOW and min(knees) < _RAISED
    return "bent" if low or (max(angles) < _BENT and min(knees) < _HALF_RAISED) else None


def what_stays(
    labels: np.ndarray, person: np.ndarray, whole: np.ndarray, body: PictureBody, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Legs as a part of the trunk's sheet, so that nothing opens at the waist, and how much of each pixel stays.

    Arms of which the picture shows too little go with the trunk, and so does what somebody sits on.

    Args:
        labels: of `parts_of`, int8 [H, W].
        person: how much of each pixel is the person, float32 [H, W].
        whole: the same with what they sit on.
        body: joints.
        height: of the picture, pixels; the canvas may go on below it.

    Returns:
        labels, and how much stays, 0 to 1, float32 [H, W].
    """
    labels = labels.copy()
    thing = (labels < 0) & (whole > 0.5) & (whole > person + 0.1)
    still = ((labels > 2) | thing).astype(np.float32)
    labels[(labels > 2) | thing] = 0
    for part, chain in ARMS:
        if not arm_shown(person[:height], body, chain):
            labels[labels == part] = 0
    rows = np.arange(len(labels), dtype=np.float32)[:, None]
    hips = float(body.pixels[_HIPS, 1].mean())
    shown = np.flatnonzero((person[:height] > 0.5).any(axis=1))
    edge = float(shown[-1]) if shown.size else height - 1.0
    if hips >= edge:
        neck = float(body.pixels[12, 1])
        share = np.clip((rows - neck) / max(_EDGE * (edge - neck), 1.0) + 1 - 1 / _EDGE, 0, 1)
        still = np.maximum(still, share * share * (3 - 2 * share))
    else:
        still = np.maximum(still, (rows > hips).astype(np.float32))
    return labels, cv2.GaussianBlur(still, (0, 0), max(1.0, _SOFT * body.height))


def arm_shown(alpha: np.ndarray, body: PictureBody, chain: tuple[int, ...]) -> bool:
    """Whether the picture shows enough of an arm to move it, from shoulder to wrist, and its hand is not at the head.

    Args:
        alpha: how much of each pixel is the person, float32 [H, W].
        body: joints.
        chain: shoulder, elbow, wrist, and what follows.
    """
    shoulder, elbow, wrist = (body.pixels[joint] for joint in chain[:3])
    if body.confidence[list(chain[1:3])].max() < _SURE:
        return False
    upper, lower = elbow - shoulder, wrist - elbow
    cosine = -(upper @ lower) / max(float(np.linalg.norm(upper) * np.linalg.norm(lower)), 1e-9)
    head = body.pixels[15] + 0.5 * (body.pixels[15] - body.pixels[12])
    at_head = np.linalg.norm(wrist - head) < _AT_HEAD * body.height
    if cosine > (_HOLDS if at_head else _FOLDED):
        return False
    share = np.linspace(0.05, 1, 20)[:, None]
    points = np.concatenate([shoulder + share * (elbow - shoulder), elbow + share * (wrist - elbow)])
    at = np.floor(points).astype(int)
    inside = ((at >= 0) & (at < alpha.shape[::-1])).all(axis=1)
    return float((alpha[at[inside, 1], at[inside, 0]] > 0.5).sum()) >= _SHOWN * len(points)


def held(mesh: Mesh, still: np.ndarray) -> Mesh:
    """The mesh with what stays bound to the pelvis.

    Args:
        mesh: of the person.
        still: of `what_stays`, float32 [H, W].
    """
    at = np.clip(np.floor(mesh.pixels).astype(int), 0, np.array(still.shape[::-1]) - 1)
    share = still[at[:, 1], at[:, 0]]
    arms = np.isin(mesh.bones, (*LEFT_ARM[2:], *RIGHT_ARM[2:]))
    share = np.where((mesh.weights * arms).sum(axis=1) > 0, 0.0, share)
    full = np.zeros((len(share), 24))
    np.add.at(full, (np.arange(len(share))[:, None], mesh.bones), mesh.weights)
    full *= 1 - share[:, None]
    full[:, 0] += share
    bones = np.argsort(-full, axis=1)[:, :4]
    weights = np.take_along_axis(full, bones, axis=1)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    return replace(mesh, bones=bones.astype(np.int32), weights=weights.astype(np.float32))


def on_still_hips(motion: Motion, joints: np.ndarray, turn: float, arms: tuple[bool, bool]) -> Motion:
    """What a motion does to trunk, head and arms of somebody whose hips and legs stay.

    The trunk leans, turns and sways from where it is in the picture, within limits; arms point where the motion's do.

    Args:
        motion: the scene's, SMPL-24, with the picture's bone lengths.
        joints: in the picture's pose, in the picture's world, [24, 3].
        turn: radians about +Y from the picture's world to the scene's.
        arms: whether the left and the right arm move; else they go with the trunk.

    Returns:
        Joints in the picture's world.
    """
    facing = motion.facing()
    ahead = np.arctan2(facing[:, 0], facing[:, 2])
    known = np.flatnonzero(np.isfinite(ahead))
    away, first = np.zeros(motion.frames), 0.0
    if known.size:
        first = float(ahead[known[0]])
        ahead = np.interp(np.arange(motion.frames), known, np.unwrap(ahead[known]))
        away = (ahead - ahead[known[0]] + np.pi) % (2 * np.pi) - np.pi
    gives_up = np.clip((np.pi - np.abs(away)) / (np.pi - _GIVES_UP), 0, 1)
    yaw = np.clip(away, -_YAW, _YAW) * gives_up
    level = np.stack([about_y(float(angle)) for angle in yaw - away - turn])
    pose = np.einsum("tab,tjb->tja", level, motion.joints - motion.joints[:, :1])
    trunk, neck = pose[:, 12] - pose[:, 0], pose[:, 15] - pose[:, 12]
    turned = Rotation.from_matrix(np.stack([about_y(float(angle)) for angle in yaw]))
    upright = turned * Rotation.from_matrix(about_y(first - turn))
    rest = SMPL24.rest
    lean = _rotations(upright.apply(rest[12] - rest[0]), trunk, _LEAN)
    nod = _rotations((lean * upright).apply(rest[15] - rest[12]), neck, _NOD)
    whole = lean * turned
    out = np.tile(joints, (motion.frames, 1, 1))
    sway = _swaying(motion) @ about_y(-turn).T
    for joint, parent, share in _SPINE:
        part = Rotation.from_rotvec(share * whole.as_rotvec())
        out[:, joint] = out[:, parent] + part.apply(joints[joint] - joints[parent]) + sway * (joint == 6)
    out[:, 15] = out[:, 12] + (nod * whole).apply(joints[15] - joints[12])
    for joint, parent in _SHOULDERS:
        out[:, joint] = out[:, parent] + whole.apply(joints[joint] - joints[parent])
    for moves, chain in zip(arms, (LEFT_ARM, RIGHT_ARM), strict=True):
        for joint, parent in zip(chain[2:], chain[1:], strict=False):
            own = pose[:, joint] - pose[:, parent]
            out[:, joint] = out[:, parent] + (own if moves else whole.apply(joints[joint] - joints[parent]))
    return Motion(out, motion.fps, motion.skeleton)


def _swaying(motion: Motion) -> np.ndarray:
    """What of the root's way is no travel, metres [T, 3]."""
    root = motion.joints[:, 0]
    if motion.frames < 2:
        return np.zeros_like(root)
    slow = gaussian_filter1d(root, _SLOW * motion.fps, axis=0, mode="nearest")
    return np.asarray(_SWAY * np.tanh((root - slow) / _SWAY))


def _rotations(start: np.ndarray, end: np.ndarray, most: float) -> Rotation:
    """The shortest turns from directions to others, both [T, 3], by `most` radians at most (softly)."""
    start = start / np.maximum(np.linalg.norm(start, axis=1, keepdims=True), 1e-9)
    end = end / np.maximum(np.linalg.norm(end, axis=1, keepdims=True), 1e-9)
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis, axis=1)
    angle = np.arctan2(sine, (start * end).sum(axis=1))
    bounded = most * np.tanh(angle / most)
    return Rotation.from_rotvec(axis / np.maximum(sine, 1e-9)[:, None] * bounded[:, None])
