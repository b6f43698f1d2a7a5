"""Writes the example motions: authored with sines, not captured, so that they are free of any licence.

python examples/make_motions.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene import Motion
from kinema.scene.formats import write_motion
from kinema.scene.rotations import joints_from_rotations
from kinema.scene.skeleton import SMPL24

FPS = 30
Angles = dict[str, tuple[np.ndarray | float, np.ndarray | float, np.ndarray | float]]
"""Degrees about X (bend forward +), Y (turn left +) and Z (tilt to the person's right +) of named joints, over time."""


def jumping_jacks(seconds: float = 3.2) -> Motion:
    """Four jumping jacks: arms from the sides to overhead, legs apart and together, two hops each."""
    t = np.arange(round(seconds * FPS) + 1) / FPS
    open_ = 0.5 - 0.5 * np.cos(2 * np.pi * t / 0.8)
    landing = 0.5 + 0.5 * np.cos(4 * np.pi * t / 0.8)
    arm = -74 + 142 * open_
    bend = 22 * landing
    angles: Angles = {
        "left_shoulder": (0, 0, arm),
        "right_shoulder": (0, 0, -arm),
        "left_elbow": (0, -18, 12 * open_),
        "right_elbow": (0, 18, -12 * open_),
        "left_hip": (-bend, 0, 24 * open_),
        "right_hip": (-bend, 0, -24 * open_),
        "left_knee": (1.8 * bend, 0, 0),
        "right_knee": (1.8 * bend, 0, 0),
        "left_ankle": (-0.8 * bend, 0, -16 * open_),
        "right_ankle": (-0.8 * bend, 0, 16 * open_),
        "spine1": (0.3 * bend, 0, 0),
    }
    hop = 0.11 * np.abs(np.sin(2 * np.pi * t / 0.8)) ** 1.2
    return _perform(angles, np.zeros((len(t), 2)), hop)


def walk_and_wave(seconds: float = 4.0, speed: float = 1.0) -> Motion:
    """Walking forwards at a metre per second; the left hand is raised and waves from the first second on."""
    t = np.arange(round(seconds * FPS) + 1) / FPS
    stride = 2 * np.pi * t / 1.15
    raised = np.clip((t - 0.6) / 0.8, 0, 1) ** 2 * (3 - 2 * np.clip((t - 0.6) / 0.8, 0, 1))
    wave = raised * np.sin(2 * np.pi * 1.6 * t)

    def knee(phase: np.ndarray) -> np.ndarray:
        return 8 + 46 * np.clip(np.sin(phase + 0.4), 0, None) ** 2

    left, right = stride, stride + np.pi
    swing = np.sin(stride)
    angles: Angles = {
        "left_hip": (-4 - 25 * np.cos(left + 0.9), 0, 0),
        "right_hip": (-4 - 25 * np.cos(right + 0.9), 0, 0),
        "left_knee": (knee(left - 0.9), 0, 0),
        "right_knee": (knee(right - 0.9), 0, 0),
        "left_ankle": (-6 + 12 * np.sin(left - 1.2), 0, 0),
        "right_ankle": (-6 + 12 * np.sin(right - 1.2), 0, 0),
        "pelvis": (0, 5 * swing, 2 * np.cos(stride)),
        "spine2": (2, -8 * swing, -2 * np.cos(stride)),
        "left_shoulder": ((1 - raised) * 22 * swing, 0, -74 + raised * 78),
        "left_elbow": (0, -16, raised * (68 + 26 * wave)),
        "right_shoulder": (-22 * swing, 0, 74),
        "right_elbow": (0, 22, 0),
        "head": (0, 4 * swing, 0),
    }
    path = np.stack([np.zeros_like(t), speed * t], axis=1)
    return _perform(angles, path, np.zeros_like(t))


def _perform(angles: Angles, path: np.ndarray, lift: np.ndarray) -> Motion:
    """Poses SMPL-24's rest figure, moves it along path (x, z), and puts its lower foot `lift` above the floor."""
    frames = len(path)
    rotations = np.zeros((frames, len(SMPL24.names), 4))
    rotations[..., 0] = 1
    for name, parts in angles.items():
        euler = np.stack([np.broadcast_to(part, frames) for part in parts], axis=1)
        turned = Rotation.from_euler("ZYX", euler[:, ::-1], degrees=True)
        rotations[:, SMPL24.names.index(name)] = turned.as_quat(scalar_first=True)
    root = np.stack([path[:, 0], np.zeros(frames), path[:, 1]], axis=1)
    joints = joints_from_rotations(rotations, SMPL24, root)
    joints[..., 1] += (lift - joints[..., 1].min(axis=1))[:, None]
    return Motion(joints, FPS, SMPL24, rotations)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for make in (jumping_jacks, walk_and_wave):
        path = folder / f"{make.__name__}.bvh"
        write_motion(path, make())
        print(path)


if __name__ == "__main__":
    main()
