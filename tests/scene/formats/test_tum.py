"""TUM trajectories: round trips and broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.scene.formats.camera_cases import SIZE, assert_same, broken_bytes, random_path, refused

from kinema.scene.camera import intrinsics_from_fov
from kinema.scene.formats import camera_text, tum

LINE = "{t} {x} 0 0 0 0 0 1"


def read(path: Path) -> object:
    return tum.read(path, size=SIZE)


def good(frames: int = 4, start: float = 1305031102.175) -> str:
    lines = [LINE.format(t=f"{start + index / 10:.6f}", x=index) for index in range(frames)]
    return "# timestamp tx ty tz qx qy qz qw\n\n" + "\n".join(lines) + "\n"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(2, 9), st.sampled_from([8.0, 23.976, 24.0, 29.97, 30.0, 60.0]))
def test_round_trip(tmp_path: Path, seed: int, frames: int, fps: float) -> None:
    camera = random_path(seed, frames, fps)
    tum.write(tmp_path / "camera.txt", camera)
    assert_same(tum.read(tmp_path / "camera.txt", size=SIZE), camera, intrinsics=False)
    read_back = tum.read(tmp_path / "camera.txt", size=SIZE, fps=fps, intrinsics=camera.intrinsics[0])
    np.testing.assert_allclose(read_back.intrinsics, camera.intrinsics[:1].repeat(frames, 0))


def test_reads_what_the_format_says(tmp_path: Path) -> None:
    path = tmp_path / "groundtruth.txt"
    path.write_text(good())
    camera = tum.read(path, size=SIZE, fov=50)
    assert camera.fps == pytest.approx(10)
    np.testing.assert_allclose(camera.positions[:, 0], np.arange(4))  # camera-to-world
    np.testing.assert_allclose(camera.intrinsics[0], intrinsics_from_fov(50, SIZE))


def test_quaternions_are_x_y_z_w(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    half = np.sqrt(0.5)
    path.write_text(f"0 0 0 0 0 {half} 0 {half}\n1 0 0 0 0 0 0 1\n")
    np.testing.assert_allclose(tum.read(path, size=SIZE).c2w[0, :3, 2], [1, 0, 0], atol=1e-9)


def lines(*changed: str) -> str:
    return LINE.format(t=0, x=0) + "\n" + "\n".join(changed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# only a comment\n", "no camera pose"),
        (good()[:-12], "line 6"),
        (lines("1 2 3"), "line 2: 3 numbers where 8"),
        (lines(LINE.format(t=1, x="nan")), "line 2: tx is 'nan'"),
        (lines(LINE.format(t=1, x="-inf")), "tx"),
        (lines(LINE.format(t=1, x="1e200")), "translation"),
        (lines("1 0 0 0 0 0 0 0"), "line 2: qx qy qz qw have length 0"),
        (lines("1 0 0 0 0 0 0 2"), "length 2"),
        (lines("1 0 0 0 0 0 0 1e200"), "line 2: qx"),
        (lines(LINE.format(t=0, x=0)), "line 2: the time stamp"),
        (lines(LINE.format(t=1e9, x=0)), "apart"),
        (lines(LINE.format(t=0.1, x=0), LINE.format(t=0.2, x=0), LINE.format(t=1e9, x=0)), "gap"),
        (lines(), "frame rate"),
    ],
)
def test_broken_files_name_the_place(tmp_path: Path, content: str, message: str) -> None:
    assert message in refused(read, tmp_path / "broken.txt", content)


@pytest.mark.parametrize("damage", list(broken_bytes(b"")))
def test_damaged_files(tmp_path: Path, damage: str) -> None:
    refused(read, tmp_path / "broken.txt", broken_bytes(good().encode())[damage])


def test_too_long_files_are_refused_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_text, "MAX_FRAMES", 100)
    monkeypatch.setattr(camera_text, "MAX_LINES", 1000)
    assert "line 103: more than 100 frames" in refused(read, tmp_path / "long.txt", good(200))
    assert "more than 1000 lines" in refused(read, tmp_path / "long.txt", "\n" * 2000)


def test_bad_intrinsics_are_the_callers_own_mistake(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text(good())
    with pytest.raises(ValueError, match="focal length") as caught:
        tum.read(path, size=SIZE, intrinsics=(0, 1, 2, 3))
    assert str(path) not in str(caught.value)
