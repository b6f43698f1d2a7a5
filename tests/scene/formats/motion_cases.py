"""Motions to write, and ways to break the files that hold them."""

from __future__ import annotations

import struct
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.reading import AssumptionWarning
from kinema.scene.motion import Motion
from kinema.scene.rotations import joints_from_rotations
from kinema.scene.skeleton import SMPL24, Skeleton

SECONDS, MEGABYTES = 5.0, 96
FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SEEDS = st.integers(0, 2**32 - 1)
RATES = st.sampled_from([20.0, 24.0, 29.97, 30.0, 59.94, 120.0, 33.3])


def random_skeleton(rng: np.random.Generator) -> Skeleton:
    """Any tree: chains, stars, joints on top of each other."""
    count = int(rng.integers(1, 9))
    parents = [-1] + [int(rng.integers(0, joint)) for joint in range(1, count)]
    offsets = rng.normal(size=(count, 3)) * 0.3
    offsets[rng.random(count) < 0.15] = 0.0
    names = tuple(f"joint{number}" for number in rng.permutation(count))
    return Skeleton(names, tuple(parents), np.zeros((count, 3))).with_offsets(offsets)


def random_motion(
    seed: int, fps: float = 30.0, skeleton: Skeleton | None = None, *, frames: int | None = None
) -> Motion:
    """Wild rotations (gimbal lock among them) along a wild path."""
    rng = np.random.default_rng(seed)
    skeleton = skeleton or random_skeleton(rng)
    frames = frames or int(rng.integers(1, 7))
    turns = Rotation.random(frames * len(skeleton), random_state=seed).as_quat(scalar_first=True)
    turns = turns.reshape(frames, len(skeleton), 4)
    locked = Rotation.from_euler("ZXY", [[40.0, 90.0, 20.0]], degrees=True).as_quat(scalar_first=True)
    turns[rng.random(turns.shape[:2]) < 0.1] = locked[0]
    path = rng.normal(size=(frames, 3)) * 3
    return Motion(joints_from_rotations(turns, skeleton, path), fps, skeleton, rotations=turns)


def gentle_motion(seed: int, frames: int = 12, fps: float = 30.0) -> Motion:
    """SMPL-24 swaying about its rest pose."""
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 2 * np.pi, (24, 3))
    angles = 0.4 * np.sin(np.arange(frames)[:, None, None] / 5 + phases)
    turns = Rotation.from_rotvec(angles.reshape(-1, 3)).as_quat(scalar_first=True).reshape(frames, 24, 4)
    path = np.array([0.0, 0.945, 0.0]) + np.linspace(0, 1, frames)[:, None] * rng.normal(size=3) * [1, 0, 1]
    return Motion(joints_from_rotations(turns, SMPL24, path), fps, SMPL24, rotations=turns)


def stretched(motion: Motion, seed: int, metres: float = 0.02) -> Motion:
    """Positions alone, of bones that change length."""
    noise = np.random.default_rng(seed).normal(size=motion.joints.shape) * metres
    return Motion(motion.joints + noise, motion.fps, motion.skeleton)


def degrees_apart(a: np.ndarray, b: np.ndarray) -> float:
    """The largest angle between rotations, quaternions wxyz."""
    between = Rotation.from_quat(a.reshape(-1, 4), scalar_first=True).inv()
    between = between * Rotation.from_quat(b.reshape(-1, 4), scalar_first=True)
    return float(np.degrees(between.magnitude()).max())


def assert_same(
    read: Motion, wanted: Motion, *, millimetres: float = 1.0, rotations: bool = True, rate: float = 1e-6
) -> None:
    """The same tree, joints within a millimetre, rotations within a hundredth of a degree."""
    assert set(read.skeleton.names) == set(wanted.skeleton.names)
    order = [read.skeleton.names.index(name) for name in wanted.skeleton.names]
    for name, parent in zip(wanted.skeleton.names, wanted.skeleton.parents, strict=True):
        above = read.skeleton.parents[read.skeleton.names.index(name)]
        assert (read.skeleton.names[above] if above >= 0 else None) == (
            wanted.skeleton.names[parent] if parent >= 0 else None
        )
    assert read.fps == pytest.approx(wanted.fps, rel=rate)
    assert read.joints.shape == wanted.joints.shape
    assert np.linalg.norm(read.joints[:, order] - wanted.joints, axis=-1).max() * 1000 <= millimetres
    if rotations:
        assert read.rotations is not None
        assert wanted.rotations is not None
        assert degrees_apart(read.rotations[:, order], wanted.rotations) < 0.01


def refused(read: Callable[[Path], object], path: Path, content: bytes | None = None) -> str:
    """The one clear error a broken file ends in, soon and without taking much memory; it names the file."""
    if content is not None:
        path.write_bytes(content)
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(FormatError) as caught:
            read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < SECONDS
    assert peak < MEGABYTES * 2**20
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < len(str(path)) + 500
    return str(caught.value)


def read_or_refuse(read: Callable[[Path], object], path: Path, content: bytes) -> object | None:
    """What a damaged file gives: a result, or None for a FormatError. Anything else is a failure."""
    path.write_bytes(content)
    started = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message=".*joints outside the figure")
            warnings.simplefilter("ignore", AssumptionWarning)
            return read(path)
    except FormatError as error:
        if not str(error).startswith(f"{path}: "):
            pytest.fail(f"does not name the file: {error}")
        return None
    finally:
        assert time.process_time() - started < SECONDS


def damaged(content: bytes, seed: int) -> bytes:
    """The file with a few random bytes changed, or a piece cut out, doubled, or filled."""
    rng = np.random.default_rng(seed)
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        start = int(rng.integers(0, len(data)))
        length = int(rng.integers(1, 40))
        kind = rng.integers(0, 6)
        if kind <= 1:
            data[start] = int(rng.integers(0, 256))
        elif kind == 2:
            data[start] = int(rng.choice(list(b'0123456789-.eE"[]{}, \n')))
        elif kind == 3:
            del data[start : start + length]
        elif kind == 4:
            data[start:start] = data[start : start + length]
        else:
            data[start : start + length] = bytes(rng.integers(0, 256, length, dtype=np.uint8))
        if not data:
            break
    return bytes(data[: int(rng.integers(0, len(data) + 1))] if rng.random() < 0.15 else data)


def npz_bomb(path: Path, name: str, header_shape: str, unpacked: int, *, admitted: int | None = None) -> None:
    """A .npz whose array unpacks to far more bytes than the file has, and may admit to fewer than that."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {header_shape}, }}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(start) + deflate.flush(zlib.Z_FULL_FLUSH)
    megabyte = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    packed += megabyte * (unpacked >> 20) + deflate.flush()
    file_name = f"{name}.npy".encode()
    sizes = (len(packed), len(start) + unpacked if admitted is None else admitted, len(file_name))
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0x21, 0, *sizes, 0)
    local = b"PK\x03\x04" + common + file_name + packed
    central = (
        b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + file_name
    )
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    path.write_bytes(local + central + end)
