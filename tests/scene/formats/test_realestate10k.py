"""RealEstate10K: round trips, units, and broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.scene.formats.camera_cases import SIZE, assert_same, broken_bytes, random_path, refused

from kinema.scene.formats import realestate10k
from kinema.scene.formats.errors import FormatError

LINE = "{t} 0.5 0.9 0.5 0.5 0 0 1 0 0 {x} 0 1 0 0 0 0 1 0"


def read(path: Path) -> object:
    return realestate10k.read(path, size=SIZE)


def good(frames: int = 4) -> str:
    lines = [LINE.format(t=index * 40_000, x=index) for index in range(frames)]
    return "\n".join(["https://example.org/video", *lines]) + "\n"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 10_000), st.integers(2, 9), st.sampled_from([8.0, 23.976, 24.0, 25.0, 29.97, 30.0, 12.5])
)
def test_round_trip(tmp_path: Path, seed: int, frames: int, fps: float) -> None:
    camera = random_path(seed, frames, fps)
    realestate10k.write(tmp_path / "camera.txt", camera)
    assert_same(realestate10k.read(tmp_path / "camera.txt", size=SIZE), camera)
    assert_same(realestate10k.read(tmp_path / "camera.txt", size=SIZE, fps=fps), camera)


def test_reads_what_the_format_says(tmp_path: Path) -> None:
    path = tmp_path / "clip.txt"
    path.write_text(good())
    camera = realestate10k.read(path, size=(1280, 720), scale=2.0)
    assert camera.fps == 25
    np.testing.assert_allclose(camera.intrinsics[0], [640, 648, 640, 360])
    np.testing.assert_allclose(camera.positions[:, 0], [0, -2, -4, -6])  # world-to-camera moves by +x


def test_uneven_stamps_are_resampled_by_time(tmp_path: Path) -> None:
    path = tmp_path / "clip.txt"
    stamps = [0, 40_000, 80_000, 200_000, 240_000]
    path.write_text("url\n" + "\n".join(LINE.format(t=t, x=t / 40_000) for t in stamps))
    camera = realestate10k.read(path, size=SIZE)
    np.testing.assert_allclose(camera.positions[:, 0], -np.arange(7), atol=1e-9)
    assert realestate10k.read(path, size=SIZE, fps=10).frames == 5  # told that lines are frames


def lines(*changed: str) -> str:
    return "url\n" + LINE.format(t=0, x=0) + "\n" + "\n".join(changed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("url\n", "no camera pose"),
        (good()[:-30], "line 5"),
        (good().partition("\n")[2], "the first line is a frame"),
        (lines("1 2 3"), "line 3: 3 numbers where 19"),
        (lines(LINE.format(t=40_000, x=1) + " 7"), "line 3: 20 numbers"),
        (lines(LINE.format(t=40_000, x="nan")), "line 3: m03 is 'nan'"),
        (lines(LINE.format(t=40_000, x="inf")), "m03"),
        (lines(LINE.format(t=40_000, x="1e400")), "m03"),
        (lines(LINE.format(t=40_000, x="1e300")), "translation"),
        (lines(LINE.format(t=40_000, x="left")), "'left'"),
        (lines(LINE.format(t=40_000, x="1_0")), "'1_0'"),
        (lines(LINE.format(t=40_000, x=1).replace("0.5 0.9", "0 0.9")), "line 3: fx"),
        (lines(LINE.format(t=40_000, x=1).replace("0.5 0.9", "0.5 -1")), "line 3: fy"),
        (lines(LINE.format(t=40_000, x=1).replace("0.5 0.9", "0.5 1e200")), "line 3: fy"),
        (lines(LINE.format(t=40_000, x=1).replace("0.5 0.5", "0.5 1e9")), "cx cy"),
        (lines(LINE.format(t=40_000, x=1).replace("0 0 1 0 0", "0.1 0 1 0 0")), "distorts"),
        (lines(LINE.format(t=40_000, x=1).replace("0 0 1 0 0", "0 0 2 0 0")), "line 3: the 3x3"),
        (lines(LINE.format(t=40_000, x=1).replace("0 0 1 0 0", "0 0 -1 0 0")), "line 3: the 3x3"),
        (lines(LINE.format(t=40_000, x=1).replace("0 0 1 0 0", "0 0 1e200 0 0")), "line 3: the 3x3"),
        (lines(LINE.format(t=0, x=1)), "line 3: the time stamp"),
        (lines(LINE.format(t=-5, x=1)), "line 3: the time stamp"),
        (lines(LINE.format(t=1e300, x=1)), "apart"),
        (lines(LINE.format(t=1e-300, x=1)), "apart"),
        (lines(LINE.format(t=40_000, x=1), LINE.format(t=80_000, x=1), LINE.format(t=1e15, x=1)), "gap"),
        (lines(), "frame rate"),
    ],
)
def test_broken_files_name_the_place(tmp_path: Path, content: str, message: str) -> None:
    assert message in refused(read, tmp_path / "broken.txt", content)


@pytest.mark.parametrize("damage", list(broken_bytes(b"")))
def test_damaged_files(tmp_path: Path, damage: str) -> None:
    refused(read, tmp_path / "broken.txt", broken_bytes(good().encode())[damage])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_cut_or_changed_anywhere_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(good().encode())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "fuzzed.txt"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read(path)
    except FormatError as error:
        message = str(error)
    else:
        message = str(path)
    assert str(path) in message


def test_arguments_are_the_callers_own_mistake(tmp_path: Path) -> None:
    path = tmp_path / "clip.txt"
    path.write_text(good())
    for options, message in (
        ({"size": (0, 1)}, "size"),
        ({"size": SIZE, "fps": 0}, "fps"),
        ({"size": SIZE, "scale": -1}, "scale"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            realestate10k.read(path, **options)
        assert str(path) not in str(caught.value)
    with pytest.raises(ValueError, match="one line"):
        realestate10k.write(path, random_path(0, 2), url="two\nlines")
    assert path.read_text() == good()  # nothing was written


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nowhere.txt")
