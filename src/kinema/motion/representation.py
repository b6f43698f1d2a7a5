"""Motion as numbers a network can make: 122 a frame at 20 fps, in seven groups, on the neutral body.

Everything is relative to where the person is and faces in the frame before, so place and heading of the start
are free. Differences to HumanML3D's 263 numbers (Guo et al. 2022): no redundant positions or velocities, which
a generator would have to keep consistent; forward kinematics gives them in the losses (ours).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from kinema.motion.body import (
    FEET,
    TURNED,
    compose,
    forward_kinematics,
    matrices_from_6d,
    matrices_from_quaternions,
    matrices_to_6d,
    matrices_to_quaternions,
    turn_y,
)
from kinema.scene import body_frame
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

FPS = 20.0
PATCH = 4
"""Frames per token."""

_LIMBS: dict[str, tuple[int, ...]] = {
    "torso": (3, 6, 9, 12),
    "left_leg": (1, 4, 7),
    "right_leg": (2, 5, 8),
    "left_arm": (13, 16, 18, 20),
    "right_arm": (14, 17, 19, 21),
}


def _groups() -> dict[str, slice]:
    groups = {"path": slice(0, 3), "pelvis": slice(3, 10)}
    end = 10
    for name, joints in _LIMBS.items():
        size = 6 * len(joints) + (2 if name.endswith("leg") else 0)
        groups[name] = slice(end, end + size)
        end += size
    return groups


PARTS = _groups()
"""The columns of each group: `path` (sideways and forward step in metres, turn in radians), `pelvis` (height
in metres, 6D tilt), `torso`, `left_leg`, `right_leg` (each with contact of ankle and foot), `left_arm`,
`right_arm`; rotations are 6D and local."""

WIDTH = max(part.stop for part in PARTS.values())

BODY = tuple(name for name in PARTS if name != "path")
"""All groups but the path."""

_CONTACT_HEIGHT = (0.10, 0.10, 0.05, 0.05)  # metres, of ankles and feet; a flat foot has its ankle at 6 cm
_CONTACT_SPEED = 0.25  # m/s; central differences at 20 fps see lift-off early (ours)


@lru_cache(maxsize=1)
def _columns() -> tuple[torch.Tensor, torch.Tensor]:
    """Columns of the 18 rotations, [18, 6] in the order of TURNED, and of the contacts in that of FEET, [4]."""
    where: dict[int, list[int]] = {}
    for name, joints in _LIMBS.items():
        for place, joint in enumerate(joints):
            begin = PARTS[name].start + 6 * place
            where[joint] = list(range(begin, begin + 6))
    contacts = [
        PARTS[leg].stop - 2 + below for below in (0, 1) for leg in ("left_leg", "right_leg")
    ]  # left ankle, right ankle, left foot, right foot
    return torch.tensor([where[joint] for joint in TURNED]), torch.tensor(contacts)


@dataclass(frozen=True)
class Stance:
    """Where a motion starts.

    Args:
        x, z: of the pelvis on the floor, metres.
        yaw: of the facing about +Y, radians; 0 is +Z, a quarter turn +X.
    """

    x: float = 0.0
    z: float = 0.0
    yaw: float = 0.0


@dataclass(frozen=True)
class Placed:
    """Features put into the world, as tensors of any batch shape.

    Args:
        joints: metres, [..., T, 24, 3].
        local: rotations relative to the parent, the pelvis' in the world, [..., T, 24, 3, 3].
        yaw: heading, radians, [..., T].
        contacts: of FEET, about 0 to 1, [..., T, 4].
    """

    joints: torch.Tensor
    local: torch.Tensor
    yaw: torch.Tensor
    contacts: torch.Tensor


def encode(motion: Motion) -> tuple[torch.Tensor, Stance]:
    """A motion as features.

    Args:
        motion: any human motion; what is missing must be filled first. See `on_neutral_body`.

    Returns:
        Features [T, 122], float32, and where the motion starts. In frame 0, which has no frame before it, the
        path repeats that of frame 1.
    """
    motion = on_neutral_body(motion)
    assert motion.rotations is not None
    local = matrices_from_quaternions(motion.rotations)
    yaw = np.unwrap(body_frame.yaw(motion.facing()))
    features = torch.empty(motion.frames, WIDTH)
    features[:, PARTS["path"]] = path_features(motion.joints[:, 0, [0, 2]], yaw)
    features[:, 3] = torch.from_numpy(motion.joints[:, 0, 1].astype(np.float32))
    heading = turn_y(torch.from_numpy(yaw.astype(np.float32)))
    features[:, 4:10] = matrices_to_6d(compose(heading.mT, local[:, 0]))
    rotations, contacts = _columns()
    features[:, rotations] = matrices_to_6d(local[:, list(TURNED)])
    features[:, contacts] = torch.from_numpy(stands(motion).astype(np.float32))
    return features, Stance(float(motion.joints[0, 0, 0]), float(motion.joints[0, 0, 2]), float(yaw[0]))


def path_features(floor: np.ndarray, yaw: np.ndarray) -> torch.Tensor:
    """The features of a path: each step seen from the frame before, and each turn.

    Args:
        floor: x and z of the pelvis, metres, [T, 2].
        yaw: heading, radians, unwrapped, [T].

    Returns:
        Steps to the left and forward, metres, and turns, radians, [T, 3], float32.
    """
    path = np.zeros((len(floor), 3), dtype=np.float32)
    if len(floor) > 1:
        step, before = np.diff(floor, axis=0), yaw[:-1]
        path[1:, 0] = np.cos(before) * step[:, 0] - np.sin(before) * step[:, 1]
        path[1:, 1] = np.sin(before) * step[:, 0] + np.cos(before) * step[:, 1]
        path[1:, 2] = np.diff(yaw)
        path[0] = path[1]
    return torch.from_numpy(path)


def place(features: torch.Tensor, stance: Stance | None = None) -> Placed:
    """Forward kinematics of features [..., T, 122], from a stance (the origin, facing +Z, by default)."""
    stance = stance or Stance()
    turns = features[..., 1:, 2].cumsum(-1)
    yaw = stance.yaw + torch.cat([torch.zeros_like(features[..., :1, 2]), turns], dim=-1)
    cosine, sine = yaw[..., :-1].cos(), yaw[..., :-1].sin()
    left, ahead = features[..., 1:, 0], features[..., 1:, 1]
    step = torch.stack([cosine * left + sine * ahead, cosine * ahead - sine * left], dim=-1)
    floor = torch.cat([torch.zeros_like(features[..., :1, :2]), step.cumsum(-2)], dim=-2)
    root = torch.stack([floor[..., 0] + stance.x, features[..., 3], floor[..., 1] + stance.z], dim=-1)
    local = local_rotations(features)
    pelvis = compose(turn_y(yaw), local[..., 0, :, :])
    local = torch.cat([pelvis.unsqueeze(-3), local[..., 1:, :, :]], dim=-3)
    return Placed(forward_kinematics(local, root), local, yaw, contacts_of(features))


def local_rotations(features: torch.Tensor) -> torch.Tensor:
    """Local rotation of each joint, the pelvis' relative to the heading, [..., 122] -> [..., 24, 3, 3]."""
    rotations, _ = _columns()
    identity = torch.eye(3, dtype=features.dtype, device=features.device)
    local = identity.expand(*features.shape[:-1], 24, 3, 3).clone()
    six = torch.cat([features[..., None, 4:10], features[..., rotations]], dim=-2)
    local[..., [0, *TURNED], :, :] = matrices_from_6d(six)
    return local


def set_rotations(features: torch.Tensor, local: torch.Tensor, joints: Sequence[int]) -> torch.Tensor:
    """Features [..., 122] in which these joints, but not the pelvis, have other local rotations.

    Args:
        features: raw.
        local: of all joints, [..., 24, 3, 3].
        joints: which of them, in TURNED.
    """
    rotations, _ = _columns()
    features = features.clone()
    features[..., rotations[[TURNED.index(joint) for joint in joints]]] = matrices_to_6d(
        local[..., list(joints), :, :]
    )
    return features


def contacts_of(features: torch.Tensor) -> torch.Tensor:
    """Contact of each of FEET, about 0 to 1, [..., 122] -> [..., 4]."""
    return features[..., _columns()[1]]


def decode(features: torch.Tensor, stance: Stance | None = None) -> Motion:
    """The motion of features [T, 122]: SMPL-24 on the neutral body with rotations, 20 fps."""
    placed = place(features.detach().float().cpu(), stance)
    return Motion(placed.joints.numpy(), FPS, SMPL24, matrices_to_quaternions(placed.local))


def mirror(features: torch.Tensor) -> torch.Tensor:
    """Features of the mirrored motion, [..., 122]: left and right swapped; twice is the motion itself."""
    columns, signs = _mirrored_columns()
    return features[..., columns] * signs.to(features)


def renormalise(features: torch.Tensor) -> torch.Tensor:
    """Features [..., 122] whose 6D rotations are true ones again, after blending or averaging."""
    rotations, _ = _columns()
    features = features.clone()
    features[..., 4:10] = matrices_to_6d(matrices_from_6d(features[..., 4:10]))
    features[..., rotations] = matrices_to_6d(matrices_from_6d(features[..., rotations]))
    return features


@lru_cache(maxsize=1)
def _mirrored_columns() -> tuple[torch.Tensor, torch.Tensor]:
    """Where each column of the mirrored features comes from, and its sign, [122] each.

    Reflecting x turns the columns (a, b) of a rotation into (a_x, -a_y, -a_z), (-b_x, b_y, b_z).
    """
    columns, signs = torch.arange(WIDTH), torch.ones(WIDTH)
    for side in ("leg", "arm"):
        left, right = PARTS[f"left_{side}"], PARTS[f"right_{side}"]
        columns[left], columns[right] = columns[right].clone(), columns[left].clone()
    signs[[0, 2]] = -1.0
    six = torch.tensor([1.0, -1.0, -1.0, -1.0, 1.0, 1.0])
    signs[4:10] = six
    signs[_columns()[0]] = six
    return columns, signs


def on_neutral_body(motion: Motion) -> Motion:
    """The motion as the neutral body does it: SMPL-24 with rotations at 20 fps.

    Limbs keep their directions. Pelvis and shoulder girdle take the neutral body's rigid shape, and each frame
    is lifted so that its lowest joint is where `Motion.retarget` puts it.

    Raises:
        ValueError: not a human skeleton, or joints are missing.
    """
    motion = motion if motion.fps == FPS else motion.resample(FPS)
    if motion.skeleton == SMPL24 and motion.rotations is not None:
        return motion
    motion = motion.to_smpl24()
    if motion.missing.any():
        joint = SMPL24.names[int(np.argwhere(motion.missing)[0, 1])]
        raise ValueError(f"joint {joint!r} is missing in some frames; use fill_missing() first")
    if motion.rotations is None:
        motion = motion.with_rotations()
    moved = motion.retarget(SMPL24)
    assert moved.rotations is not None
    rigid = Motion.from_rotations(moved.rotations, moved.joints[:, 0], moved.fps, SMPL24)
    lift = body_frame.lowest(moved.joints) - body_frame.lowest(rigid.joints)
    root = rigid.joints[:, 0] + lift[:, None] * np.array([0.0, 1.0, 0.0])
    return Motion.from_rotations(moved.rotations, root, moved.fps, SMPL24)


def stands(motion: Motion) -> np.ndarray:
    """Whether each of FEET stands, of a motion on the neutral body, [T, 4] bool."""
    speed = np.linalg.norm(motion.velocities()[:, list(FEET)], axis=-1)
    return (motion.joints[:, list(FEET), 1] < _CONTACT_HEIGHT) & (speed < _CONTACT_SPEED)
