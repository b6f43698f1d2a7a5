"""Arrays of the field made of one motion, and reading them with their heights kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kinema.scene.formats import read_motion_file
from kinema.scene.formats.reading import MotionFile
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

REPOSITORY = Path(__file__).resolve().parents[3]


def walker() -> Motion:
    """Our example, SMPL-24 with rotations: 1.7 m, walks 4 m along +Z at 30 fps."""
    file = read_motion_file(REPOSITORY / "examples" / "walk_and_wave.bvh", unit="m", up="y", ground="keep")
    motion = file.scene.people[0].to_smpl24()
    return Motion(motion.joints, motion.fps, SMPL24).with_rotations()


def read_one(path: Path, **words: Any) -> Motion:
    """The only person of a file, heights as they are."""
    (person,) = read_motion_file(path, **{"ground": "keep", **words}).scene.people
    return person


def read_all(path: Path, **words: Any) -> MotionFile:
    return read_motion_file(path, **{"ground": "keep", **words})


def angles(motion: Motion) -> np.ndarray:
    """Axis-angle of SMPL-24, [T, 24, 3]."""
    assert motion.rotations is not None
    flat = motion.rotations.reshape(-1, 4)
    return Rotation.from_quat(flat, scalar_first=True).as_rotvec().reshape(motion.frames, 24, 3)


def in_world(motion: Motion, turn: Rotation, pelvis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axis-angle [T, 24, 3] and translation [T, 3] of a motion in a world with other axes.

    Args:
        motion: SMPL-24 with rotations.
        turn: from our axes to the file's.
        pelvis: of the model's template.
    """
    vectors = angles(motion)
    vectors[:, 0] = (turn * Rotation.from_rotvec(vectors[:, 0])).as_rotvec()
    return vectors, turn.apply(motion.joints[:, 0].copy()) - pelvis


def real_case(name: str) -> Path:
    """A small file that nobody here wrote; the test is skipped where it is absent."""
    path = REPOSITORY.parent / "shared" / "real_cases" / "motion" / name
    if not path.is_file():
        pytest.skip("the real cases are not on this machine (../shared/real_cases)")
    return path
