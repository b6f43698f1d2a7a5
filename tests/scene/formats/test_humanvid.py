"""HumanVid camera files: conventions, the intrinsics rule, and broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tests.scene.formats.camera_cases import assert_same, broken_bytes, random_path, refused

from kinema.scene.camera import CameraPath
from kinema.scene.formats import humanvid

LANDSCAPE, PORTRAIT = (96, 64), (64, 96)
LINE = "{n} {x} 0 0 0 0 0 1 0.8 1.1"


def read(path: Path) -> CameraPath:
    return humanvid.read(path, convention="c2w", size=LANDSCAPE, fps=24)


def good(frames: int = 4) -> str:
    return "\n".join(LINE.format(n=index, x=index) for index in range(frames)) + "\n"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(1, 8), st.sampled_from(["w2c", "c2w"]), st.floats(0.01, 50))
def test_reads_both_conventions(
    tmp_path: Path, seed: int, frames: int, convention: str, scale: float
) -> None:
    camera = random_path(seed, frames, scale=1.0)
    poses = camera.w2c if convention == "w2c" else camera.c2w
    lines = [
        " ".join(
            map(repr, [index, *pose[:3, 3].tolist(), *Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()])
        )
        + f" 0.8 1.1 {scale!r}"
        for index, pose in enumerate(poses)
    ]
    path = tmp_path / "camera.txt"
    path.write_text("\n".join(lines))
    wanted = np.array(camera.c2w)
    wanted[:, :3, 3] *= scale
    result = humanvid.read(path, convention=convention, size=LANDSCAPE, fps=24)
    assert_same(result, CameraPath(wanted, camera.intrinsics, LANDSCAPE, 24), intrinsics=False)


def test_intrinsics_rule(tmp_path: Path) -> None:
    path = tmp_path / "camera.txt"
    path.write_text(good())
    for size, focal in ((LANDSCAPE, 0.8 * 96), (PORTRAIT, 1.1 * 96), ((80, 80), 0.8 * 80)):
        camera = humanvid.read(path, convention="w2c", size=size, fps=24)
        np.testing.assert_allclose(camera.intrinsics[0], [focal, focal, size[0] / 2, size[1] / 2])


def test_left_out_frames_are_filled_by_time(tmp_path: Path) -> None:
    path = tmp_path / "camera.txt"
    path.write_text("\n".join(LINE.format(n=n, x=n) for n in (3, 4, 7, 9)))
    np.testing.assert_allclose(read(path).positions[:, 0], np.arange(3, 10), atol=1e-9)


def test_the_convention_must_be_said(tmp_path: Path) -> None:
    path = tmp_path / "camera.txt"
    path.write_text(good())
    with pytest.raises(TypeError):
        humanvid.read(path, size=LANDSCAPE, fps=24)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="convention"):
        humanvid.read(path, convention="opencv", size=LANDSCAPE, fps=24)  # type: ignore[arg-type]


def lines(*changed: str) -> str:
    return LINE.format(n=0, x=0) + "\n" + "\n".join(changed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n\n", "no camera pose"),
        (good()[:-9], "line 4: 8 numbers where 10 or 11"),
        (lines("1 2 3"), "line 2: 3 numbers"),
        (lines(LINE.format(n=1, x=0) + " 1 1"), "line 2: 12 numbers"),
        (lines(LINE.format(n=1, x="NaN")), "line 2: tx"),
        (lines(LINE.format(n=1, x=0) + " nan"), "line 2: scale"),
        (lines(LINE.format(n=1, x=0) + " -1"), "line 2: scale is -1"),
        (lines(LINE.format(n=1, x="1e40")), "line 2: the translation"),
        (lines(LINE.format(n=1, x=1) + " 1e300"), "line 2: the translation"),
        (lines(LINE.format(n=1, x=0).replace("0.8", "0")), "line 2: fx is 0"),
        (lines(LINE.format(n=1, x=0).replace("0 1 0.8", "0 0 0.8")), "line 2: qx"),
        (lines(LINE.format(n=0, x=0)), "line 2: the frame number"),
        (lines(LINE.format(n=1e12, x=0)), "gap"),
    ],
)
def test_broken_files_name_the_place(tmp_path: Path, content: str, message: str) -> None:
    assert message in refused(read, tmp_path / "broken.txt", content)


@pytest.mark.parametrize("damage", list(broken_bytes(b"")))
def test_damaged_files(tmp_path: Path, damage: str) -> None:
    refused(read, tmp_path / "broken.txt", broken_bytes(good().encode())[damage])
