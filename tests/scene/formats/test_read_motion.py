"""read_motion and write_motion: the right format, options, and writes that are interrupted."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pygltflib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scene.formats.motion_cases import (
    FEW,
    SEEDS,
    assert_same,
    damaged,
    gentle_motion,
    random_motion,
    read_or_refuse,
    refused,
)

from kinema.scene.formats import MOTION_FORMATS, read_motion, write_motion
from kinema.scene.formats.errors import FormatError
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.skeleton import HUMANML3D22, SMPL24

WRITTEN = [name for name in MOTION_FORMATS if name not in ("smpl", "joints", "motionstreamer")]
"""Formats that are not only read."""

RATES_OF = {"kimodo": 30.0}
"""Where a format has a frame rate other than 20."""


@pytest.mark.parametrize("name", WRITTEN)
def test_every_format_there_and_back(tmp_path: Path, name: str) -> None:
    motion = gentle_motion(1, fps=RATES_OF.get(name, 20.0))
    path = tmp_path / f"motion{MOTION_FORMATS[name][0]}"
    write_motion(path, motion, format=name)
    read = read_motion(path)
    if name in ("humanml3d", "kimodo"):
        assert motion.rotations is not None
        motion = Motion(motion.joints[:, :22], motion.fps, HUMANML3D22, motion.rotations[:, :22])
    assert_same(read, motion, rotations=name != "humanml3d")
    assert_same(read_motion(path, format=name), motion, rotations=name != "humanml3d")


@pytest.mark.parametrize("name", sorted(set(MOTION_FORMATS) - set(WRITTEN)))
def test_formats_that_are_only_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is only read; .npy is written as humanml3d"):
        write_motion(tmp_path / f"a{MOTION_FORMATS[name][0]}", gentle_motion(1), format=name)


def test_content_decides(tmp_path: Path) -> None:
    motion = gentle_motion(1)
    write_motion(tmp_path / "a.glb", motion)
    (tmp_path / "a.glb").rename(tmp_path / "a.BVH")
    assert_same(read_motion(tmp_path / "a.BVH"), motion)
    Scene((motion, motion), None, 30.0).save(tmp_path / "scene.npz")
    assert_same(read_motion(tmp_path / "scene.npz", person=1), motion)


def test_words_reach_the_reader(tmp_path: Path) -> None:
    motion = gentle_motion(1)
    write_motion(tmp_path / "a.bvh", motion, unit="cgspeed")
    assert_same(read_motion(tmp_path / "a.bvh", unit="cgspeed"), motion)
    assert read_motion(tmp_path / "a.bvh", source_fps=12).fps == 12
    assert np.ptp(read_motion(tmp_path / "a.bvh", up="z").joints[0, :, 2]) > 1.2
    with pytest.raises(ValueError, match=r"kinema has no option 'unit'; it has none"):
        write_motion(tmp_path / "a.npz", motion, unit=2.0)
    with pytest.raises(ValueError, match=r"no word 'size' about a motion file; there are format, unit, up"):
        read_motion(tmp_path / "a.bvh", size=2.0)
    with pytest.raises(ValueError, match=r"no motion format 'fbx'; there are bvh"):
        read_motion(tmp_path / "a.bvh", format="fbx")


def test_as_smpl24_of_every_format(tmp_path: Path) -> None:
    for name in WRITTEN:
        suffix = MOTION_FORMATS[name][0]
        motion = gentle_motion(1, fps=RATES_OF.get(name, 20.0))
        write_motion(tmp_path / f"{name}{suffix}", motion, format=name)
        read = read_motion(tmp_path / f"{name}{suffix}", as_smpl24=True)
        assert read.skeleton.same_tree(SMPL24)
        np.testing.assert_allclose(read.joints[:, :22], motion.joints[:, :22], atol=1e-3)
    write_motion(tmp_path / "a.npz", random_motion(3))
    assert "joint names" in refused(lambda path: read_motion(path, as_smpl24=True), tmp_path / "a.npz")


@pytest.mark.parametrize("suffix", ["", ".fbx", ".mp4", ".vrm"])
def test_unknown_suffixes_list_the_known_ones(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(FormatError, match=r"motions are written as \.bvh, \.glb, \.npz, \.npy, \.gltf"):
        write_motion(tmp_path / f"motion{suffix}", gentle_motion(1))
    assert not list(tmp_path.iterdir())


def test_folders_and_absent_files(tmp_path: Path) -> None:
    for suffix in (".bvh", ".glb", ".gltf", ".npz", ".npy", ".fbx", ""):
        with pytest.raises(FileNotFoundError):
            read_motion(tmp_path / f"absent{suffix}")
        (tmp_path / f"folder{suffix}").mkdir()
        assert "is a folder" in refused(read_motion, tmp_path / f"folder{suffix}")


@FEW
@given(SEEDS, st.sampled_from([".bvh", ".glb", ".npz", ".npy"]), st.binary(max_size=300))
def test_any_bytes_are_refused(tmp_path: Path, seed: int, suffix: str, content: bytes) -> None:
    starts = [b"", b"glTF\x02\0\0\0", b"PK\x03\x04", b"\x93NUMPY\x01\0", b"HIERARCHY\n"]
    assert read_or_refuse(read_motion, tmp_path / f"a{suffix}", starts[seed % 5] + content) is None


@FEW
@given(SEEDS, st.sampled_from(WRITTEN))
def test_damaged_files_of_every_format(tmp_path: Path, seed: int, name: str) -> None:
    path = tmp_path / f"a{MOTION_FORMATS[name][0]}"
    write_motion(path, gentle_motion(seed % 5, frames=3, fps=20.0), format=name)
    content = path.read_bytes()
    for part in range(2):
        read = read_or_refuse(read_motion, path, damaged(content, seed + part))
        assert read is None or isinstance(read, Motion)


def half_then_fail(data: bytes) -> Callable[..., object]:
    """A writer that gives up in the middle, as on a full disk."""

    def fail(target: object, *_: object, **__: object) -> None:
        if hasattr(target, "write"):
            target.write(data)
        else:
            with open(str(target), "wb") as file:
                file.write(data)
        raise OSError("disk full")

    return fail


@pytest.mark.parametrize("name", WRITTEN)
def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / f"motion{MOTION_FORMATS[name][0]}"
    motion = gentle_motion(1, fps=20.0)
    write_motion(path, motion, format=name)
    before = path.read_bytes()
    fail = half_then_fail(before[: len(before) // 2])
    monkeypatch.setattr(pathlib.Path, "write_text", fail)
    monkeypatch.setattr(np, "savez_compressed", fail)
    monkeypatch.setattr(np, "save", fail)
    monkeypatch.setattr(pygltflib.GLTF2, "save_binary", lambda self, target: fail(target))
    with pytest.raises(OSError, match="disk full"):
        write_motion(path, gentle_motion(2, fps=20.0), format=name)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
