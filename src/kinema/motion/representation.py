"""Motion as numbers a network can make: some features a frame, in groups, on one body that stays the same.

Everything is relative to where the body is and faces in the frame before, so place and heading of the start
are free. Differences to HumanML3D's 263 numbers (Guo et al. 2022): no redundant positions or velocities, which
a generator would have to keep consistent; forward kinematics gives them in the losses (ours).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from kinema.motion.body import (
    compose,
    matrices_from_6d,
    matrices_from_quaternions,
    matrices_to_6d,
    matrices_to_quaternions,
    turn_y,
)
from kinema.motion.features import HEIGHT, PATH, TILT, MotionFeatures
from kinema.scene import body_frame
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

_CONTACT_SPEED = 0.25  # m/s; central differences at 20 fps see lift-off early (ours)


@dataclass(frozen=True)
class Stance:
    """Where a motion starts.

    Args:
        x, z: of the root on the floor, metres.
        yaw: of the facing about +Y, radians; 0 is +Z, a quarter turn +X.
    """

    x: float = 0.0
    z: float = 0.0
    yaw: float = 0.0


@dataclass(frozen=True)
class Placed:
    """Features put into the world, as tensors of any batch shape. J joints, C feet.

    Args:
        joints: metres, [..., T, J, 3].
        local: rotations relative to the parent, the root's in the world, [..., T, J, 3, 3].
        yaw: heading, radians, [..., T].
        contacts: of the feet, about 0 to 1, [..., T, C].
    """

    joints: torch.Tensor
    local: torch.Tensor
    yaw: torch.Tensor
    contacts: torch.Tensor


class MotionRepresentation(MotionFeatures):
    """The motion of one body as features, and back. See `MotionFeatures` for its arguments."""

    # From motion to features

    def encode(self, motion: Motion) -> tuple[torch.Tensor, Stance]:
        """A motion as features.

        Args:
            motion: of this joint tree, or any human motion where it is SMPL-24's; what is missing must be filled
                first. See `on_neutral_body`.

        Returns:
            Features [T, W], float32, and where the motion starts. In frame 0, which has no frame before it, the
            path repeats that of frame 1.
        """
        motion = self.on_neutral_body(motion)
        assert motion.rotations is not None
        root = motion.joints[:, self.skeleton.root]
        local = matrices_from_quaternions(motion.rotations)
        yaw = np.unwrap(body_frame.yaw(motion.facing()))
        features = torch.empty(motion.frames, self.width)
        features[:, self.parts[PATH]] = path_features(root[:, [0, 2]], yaw)
        features[:, HEIGHT] = torch.from_numpy(root[:, 1].astype(np.float32))
        heading = turn_y(torch.from_numpy(yaw.astype(np.float32)))
        features[:, TILT] = matrices_to_6d(compose(heading.mT, local[:, self.skeleton.root]))
        features[:, self.rotation_columns] = matrices_to_6d(local[:, list(self.turned)])
        features[:, self.contact_columns] = torch.from_numpy(self.stands(motion).astype(np.float32))
        return features, Stance(float(root[0, 0]), float(root[0, 2]), float(yaw[0]))

    def on_neutral_body(self, motion: Motion) -> Motion:
        """The motion as this body does it, with rotations, at this frame rate.

        Limbs keep their directions. What is rigid, as a pelvis, takes this body's shape, and each frame is lifted so
        that its lowest joint is where `Motion.retarget` puts it.

        Raises:
            ValueError: another joint tree, not a human one where this is SMPL-24, or joints are missing.
        """
        motion = motion if motion.fps == self.fps else motion.resample(self.fps)
        if motion.skeleton == self.skeleton and motion.rotations is not None:
            return motion
        if self.skeleton.same_tree(SMPL24):
            motion = motion.to_smpl24()
        if motion.missing.any():
            joint = motion.skeleton.names[int(np.argwhere(motion.missing)[0, 1])]
            raise ValueError(f"joint {joint!r} is missing in some frames; use fill_missing() first")
        if motion.rotations is None:
            motion = motion.with_rotations()
        moved = motion.retarget(self.skeleton)
        assert moved.rotations is not None
        root = moved.joints[:, self.skeleton.root]
        rigid = Motion.from_rotations(moved.rotations, root, moved.fps, self.skeleton)
        lift = body_frame.lowest(moved.joints) - body_frame.lowest(rigid.joints)
        root = rigid.joints[:, self.skeleton.root] + lift[:, None] * np.array([0.0, 1.0, 0.0])
        return Motion.from_rotations(moved.rotations, root, moved.fps, self.skeleton)

    def stands(self, motion: Motion) -> np.ndarray:
        """Whether each of the feet stands, of a motion on this body, [T, C] bool."""
        feet = list(self.feet)
        speed = np.linalg.norm(motion.velocities()[:, feet], axis=-1)
        return (motion.joints[:, feet, 1] < self.contact_heights) & (speed < _CONTACT_SPEED)

    # From features to motion

    def decode(self, features: torch.Tensor, stance: Stance | None = None) -> Motion:
        """The motion of features [T, W] on this body, with rotations."""
        placed = self.place(features.detach().float().cpu(), stance)
        return Motion(placed.joints.numpy(), self.fps, self.skeleton, matrices_to_quaternions(placed.local))

    def place(self, features: torch.Tensor, stance: Stance | None = None) -> Placed:
        """Forward kinematics of features [..., T, W], from a stance (the origin, facing +Z, by default)."""
        stance = stance or Stance()
        turns = features[..., 1:, 2].cumsum(-1)
        yaw = stance.yaw + torch.cat([torch.zeros_like(features[..., :1, 2]), turns], dim=-1)
        cosine, sine = yaw[..., :-1].cos(), yaw[..., :-1].sin()
        left, ahead = features[..., 1:, 0], features[..., 1:, 1]
        step = torch.stack([cosine * left + sine * ahead, cosine * ahead - sine * left], dim=-1)
        floor = torch.cat([torch.zeros_like(features[..., :1, :2]), step.cumsum(-2)], dim=-2)
        height = features[..., HEIGHT]
        position = torch.stack([floor[..., 0] + stance.x, height, floor[..., 1] + stance.z], dim=-1)
        local, root = self.local_rotations(features), self.skeleton.root
        world = compose(turn_y(yaw), local[..., root, :, :]).unsqueeze(-3)
        local = torch.cat([local[..., :root, :, :], world, local[..., root + 1 :, :, :]], dim=-3)
        joints = self.forward_kinematics(local, position)
        return Placed(joints, local, yaw, self.contacts_of(features))

    def seen_from_heading(self, features: torch.Tensor) -> torch.Tensor:
        """Joints with the root above the origin and the heading along +Z, metres, [..., W] -> [..., J, 3]."""
        root = torch.zeros_like(features[..., :3])
        root[..., 1] = features[..., HEIGHT]
        return self.forward_kinematics(self.local_rotations(features), root)

    def local_rotations(self, features: torch.Tensor) -> torch.Tensor:
        """Local rotation of each joint, the root's relative to the heading, [..., W] -> [..., J, 3, 3]."""
        identity = torch.eye(3, dtype=features.dtype, device=features.device)
        local = identity.expand(*features.shape[:-1], len(self.skeleton), 3, 3).clone()
        six = torch.cat([features[..., None, TILT], features[..., self.rotation_columns]], dim=-2)
        local[..., [self.skeleton.root, *self.turned], :, :] = matrices_from_6d(six)
        return local

    def contacts_of(self, features: torch.Tensor) -> torch.Tensor:
        """Contact of each of the feet, about 0 to 1, [..., W] -> [..., C]."""
        return features[..., self.contact_columns]

    # From features to features

    def set_rotations(
        self, features: torch.Tensor, local: torch.Tensor, joints: Sequence[int]
    ) -> torch.Tensor:
        """Features [..., W] in which these joints, but not the root, have other local rotations.

        Args:
            features: raw.
            local: of all joints, [..., J, 3, 3].
            joints: which of them, in `turned`.
        """
        columns = self.rotation_columns[[self.turned.index(joint) for joint in joints]]
        features = features.clone()
        features[..., columns] = matrices_to_6d(local[..., list(joints), :, :])
        return features

    def mirror(self, features: torch.Tensor) -> torch.Tensor:
        """Features of the mirrored motion, [..., W]: left and right swapped; twice is the motion itself."""
        columns, signs = self.mirrored_columns
        return features[..., columns] * signs.to(features)

    def renormalise(self, features: torch.Tensor) -> torch.Tensor:
        """Features [..., W] whose 6D rotations are true ones again, after blending or averaging."""
        features = features.clone()
        for columns in (TILT, self.rotation_columns):
            features[..., columns] = matrices_to_6d(matrices_from_6d(features[..., columns]))
        return features


def path_features(floor: np.ndarray, yaw: np.ndarray) -> torch.Tensor:
    """The features of a path: each step seen from the frame before, and each turn.

    Args:
        floor: x and z of the root, metres, [T, 2].
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


SMPL24_MOTION = MotionRepresentation(
    SMPL24,
    fps=20.0,
    patch=4,
    limbs={
        "torso": (3, 6, 9, 12, 15),
        "left_leg": (1, 4, 7, 10),
        "right_leg": (2, 5, 8, 11),
        "left_arm": (13, 16, 18, 20, 22),
        "right_arm": (14, 17, 19, 21, 23),
    },
    contact_heights=(0.10, 0.10, 0.05, 0.05),  # of ankles and feet; a flat foot has its ankle at 6 cm
    floor_heights=(0.04, 0.04, 0.0, 0.0),
)
"""What the embedded generator speaks: 122 features in seven groups, on the neutral SMPL-24 body at 20 fps."""
