"""Kinema's own motion file: exact round trips and broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scene.formats.motion_cases import (
    FEW,
    RATES,
    SEEDS,
    damaged,
    npz_bomb,
    random_motion,
    read_or_refuse,
    refused,
)

from kinema.scene.formats import kinema_npz, read_motion
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene


def read(path: Path) -> Motion:
    return read_motion(path, format="kinema")


@FEW
@given(SEEDS, RATES, st.booleans(), st.booleans())
def test_every_bit_comes_back(tmp_path: Path, seed: int, fps: float, turns: bool, certain: bool) -> None:
    motion = random_motion(seed, fps)
    rng = np.random.default_rng(seed)
    joints = np.where(rng.random((*motion.joints.shape[:2], 1)) < 0.1, np.nan, motion.joints)
    confidence = None if certain else rng.random(joints.shape[:2])
    motion = Motion(joints, fps, motion.skeleton, motion.rotations if turns else None, confidence)
    kinema_npz.write(tmp_path / "a.npz", motion)
    again = read(tmp_path / "a.npz")
    assert again.skeleton == motion.skeleton
    assert again.fps == motion.fps
    for name in ("joints", "rotations", "confidence"):
        np.testing.assert_array_equal(getattr(again, name), getattr(motion, name))


def test_prefixes_hold_several_people(tmp_path: Path) -> None:
    motions = [random_motion(seed) for seed in (1, 2)]
    arrays: dict[str, np.ndarray] = {}
    for number, motion in enumerate(motions):
        arrays |= kinema_npz.motion_to_arrays(motion, f"person{number}.")
    for number, motion in enumerate(motions):
        read = kinema_npz.motion_from_arrays(arrays, "scene.npz", f"person{number}.")
        np.testing.assert_array_equal(read.joints, motion.joints)
    del arrays["person1.rest"]
    with pytest.raises(ValueError, match=r"scene.npz: array 'person1.rest': is missing"):
        kinema_npz.motion_from_arrays(arrays, "scene.npz", "person1.")


def test_a_person_of_a_scene(tmp_path: Path) -> None:
    people = (random_motion(1), random_motion(2))
    Scene(people, None, 30.0).save(tmp_path / "scene.npz")
    second = read_motion(tmp_path / "scene.npz", person=1)
    np.testing.assert_array_equal(second.joints, people[1].joints)
    np.testing.assert_array_equal(read(tmp_path / "scene.npz").joints, people[0].joints)
    assert "no person 2" in refused(lambda path: read_motion(path, person=2), tmp_path / "scene.npz")
    Scene(people[:1], None, 30.0).save(tmp_path / "scene.npz")
    np.testing.assert_array_equal(read(tmp_path / "scene.npz").joints, people[0].joints)


BROKEN = {
    "no format": ({"format": None}, "array 'format': is no Kinema motion file"),
    "other format": ({"format": np.array("kinema.plan")}, "is 'kinema.plan', not 'kinema.motion'"),
    "newer": ({"version": np.array(2)}, "array 'version': version 2; this reader knows 1"),
    "no joints": ({"joints": None}, "array 'joints': is missing"),
    "flat joints": ({"joints": np.zeros((4, 3))}, "array 'joints': must hold numbers of shape [any, any, 3]"),
    "other count": ({"joints": np.zeros((4, 5, 3))}, "array 'names': must hold 5 texts"),
    "no frames": ({"joints": np.zeros((0, 2, 3))}, "no frames"),
    "infinite": ({"joints": np.full((4, 2, 3), np.inf)}, "is infinite"),
    "text": ({"joints": np.full((4, 2, 3), "x")}, "array 'joints': must hold numbers"),
    "number names": ({"names": np.arange(2)}, "array 'names': must hold 2 texts"),
    "same names": ({"names": np.array(["a", "a"])}, "the joint name 'a' appears twice"),
    "cycle": ({"parents": np.array([1, 0])}, "hangs on a cycle"),
    "own parent": ({"parents": np.array([-1, 1])}, "hangs on a cycle"),
    "two roots": ({"parents": np.array([-1, -1])}, "2 joints have no parent"),
    "far parent": ({"parents": np.array([-1, 7])}, "has parent 7"),
    "half parent": ({"parents": np.array([-1, 0.5])}, "array 'parents': must hold 2 whole numbers"),
    "nan rest": ({"rest": np.full((2, 3), np.nan)}, "is not finite"),
    "short rest": ({"rest": np.zeros((1, 3))}, "array 'rest': must hold numbers of shape [2, 3]"),
    "no rate": ({"fps": np.array(0.0)}, "fps is 0.0"),
    "nan rate": ({"fps": np.array(np.nan)}, "fps is nan"),
    "rates": ({"fps": np.array([30.0, 30.0])}, "array 'fps': must hold one number"),
    "short turns": ({"rotations": np.zeros((4, 2, 3))}, "array 'rotations': must hold numbers of sh"),
    "zero turns": ({"rotations": np.zeros((4, 2, 4))}, "has length 0"),
    "certainty": ({"confidence": np.full((4, 2), 2.0)}, "give numbers from 0 to 1"),
    "pickle": ({"names": np.array(["a", None])}, "array 'names': holds pickled Python objects"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_arrays(tmp_path: Path, name: str) -> None:
    changes, message = BROKEN[name]
    arrays: dict[str, object] = {
        "format": np.array("kinema.motion"),
        "version": np.array(1),
        "joints": np.zeros((4, 2, 3)),
        "fps": np.array(30.0),
        "names": np.array(["a", "b"]),
        "parents": np.array([-1, 0]),
        "rest": np.zeros((2, 3)),
    }
    arrays.update(changes)
    np.savez(tmp_path / "broken.npz", **{key: array for key, array in arrays.items() if array is not None})
    assert message in refused(read, tmp_path / "broken.npz")


def test_truncated(tmp_path: Path) -> None:
    kinema_npz.write(tmp_path / "a.npz", random_motion(1))
    content = (tmp_path / "a.npz").read_bytes()
    for length in range(0, len(content), len(content) // 25):
        refused(read, tmp_path / "broken.npz", content[:length])


def test_zip_bombs(tmp_path: Path) -> None:
    npz_bomb(tmp_path / "bomb.npz", "joints", "(4000000, 24, 3)", 1 << 30)
    refused(read, tmp_path / "bomb.npz")


@FEW
@given(SEEDS)
def test_damaged_files_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    kinema_npz.write(tmp_path / "a.npz", random_motion(seed % 20))
    content = (tmp_path / "a.npz").read_bytes()
    for part in range(4):
        again = read_or_refuse(read, tmp_path / "b.npz", damaged(content, seed + part))
        assert again is None or isinstance(again, Motion)
