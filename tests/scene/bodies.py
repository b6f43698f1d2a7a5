"""Bodies and movements for the tests of the scene: people, a dog, any tree."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24, Skeleton

seeds = st.integers(0, 2**32 - 1)


def dog() -> Skeleton:
    """Twelve joints on four legs, facing +Z."""
    points = {
        "Hips": ("", (0, 0.6, -0.4)),
        "Spine": ("Hips", (0, 0.65, 0)),
        "Chest": ("Spine", (0, 0.6, 0.4)),
        "Head": ("Chest", (0, 0.85, 0.6)),
        "Tail": ("Hips", (0, 0.7, -0.7)),
    }
    for side, x in (("Left", 0.12), ("Right", -0.12)):
        points |= {
            f"{side}Thigh": ("Hips", (x, 0.55, -0.4)),
            f"{side}HindKnee": (f"{side}Thigh", (x, 0.3, -0.35)),
            f"{side}HindPaw": (f"{side}HindKnee", (x, 0.02, -0.4)),
            f"{side}Arm": ("Chest", (x, 0.5, 0.4)),
            f"{side}ForeKnee": (f"{side}Arm", (x, 0.28, 0.38)),
            f"{side}ForePaw": (f"{side}ForeKnee", (x, 0.02, 0.42)),
        }
    return Skeleton.from_names(
        tuple(points), [p for p, _ in points.values()], np.array([x for _, x in points.values()])
    )


def random_tree(seed: int) -> Skeleton:
    """A tree of 1 to 20 joints in any order, with bones in any direction."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 21))
    parents = [-1, *(int(rng.integers(0, k)) for k in range(1, count))]
    place = rng.permutation(count)
    shuffled = [0] * count
    for joint, parent in enumerate(parents):
        shuffled[place[joint]] = -1 if parent < 0 else int(place[parent])
    names = tuple(f"bone {k}" for k in range(count))
    return Skeleton(names, tuple(shuffled), rng.normal(size=(count, 3)))


def random_rotations(rng: np.random.Generator, frames: int, joints: int, amount: float = 0.5) -> np.ndarray:
    """Smooth random local rotations, quaternions wxyz, [T, J, 4]; `amount` in radians."""
    times = np.linspace(0, 1, frames)[:, None, None]
    wave = np.sin(
        2 * np.pi * rng.uniform(0.2, 1.0, (1, joints, 3)) * times + rng.uniform(0, 6.28, (1, joints, 3))
    )
    vectors = amount * rng.normal(size=(1, joints, 3)) * wave
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    axis = vectors / np.maximum(angle, 1e-12)
    return np.concatenate([np.cos(angle / 2), axis * np.sin(angle / 2)], axis=-1)


def moving(seed: int, skeleton: Skeleton = SMPL24, frames: int = 31, fps: float = 30.0) -> Motion:
    """A body that waves all its limbs and walks about, with rotations."""
    rng = np.random.default_rng(seed)
    rotations = random_rotations(rng, frames, len(skeleton))
    path = np.cumsum(rng.normal(size=3) * 0.02 + rng.normal(size=(frames, 3)) * 0.002, axis=0)
    return Motion.from_rotations(rotations, skeleton.rest[skeleton.root] + path, fps, skeleton)


def walking(speed: float = 1.2, frames: int = 46, fps: float = 30.0, degrees: float = 0.0) -> Motion:
    """SMPL-24 sliding forward at a steady speed while swinging its limbs, without rotations."""
    rng = np.random.default_rng(5)
    rotations = random_rotations(rng, frames, 24, amount=0.2)
    rotations[:, 0] = [1.0, 0.0, 0.0, 0.0]
    path = SMPL24.rest[0] + np.arange(frames)[:, None] / fps * np.array([0.0, 0.0, speed])
    motion = Motion.from_rotations(rotations, path, fps, SMPL24)
    return Motion(motion.joints, fps, SMPL24).rotate_y(degrees)


def with_holes(motion: Motion, seed: int, share: float = 0.2) -> Motion:
    """The motion with joints missing here and there."""
    rng = np.random.default_rng(seed)
    hole = rng.random(motion.joints.shape[:2]) < share
    return Motion(np.where(hole[..., None], np.nan, motion.joints), motion.fps, motion.skeleton)
