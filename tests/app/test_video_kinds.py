"""Every kind of video that is written: number of frames, rate, colours and alpha at named pixels, settings."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from kinema.media.video import open_video, read_settings, read_video, write_video
from kinema.media.video_kinds import KINDS, video_target

RED, BLUE, GREEN = (230, 40, 30), (30, 60, 220), (40, 130, 70)
FILMS = (".mp4", ".mov", ".webm")
ANIMATED = (".gif", ".apng", ".webp")


def moving(transparent: bool, frames: int = 9) -> np.ndarray:
    """A red square and a half-transparent blue one that move right, uint8 [T, 48, 64, 3 or 4]."""
    made = np.zeros((frames, 48, 64, 4), np.uint8)
    made[..., :3] = (0, 0, 0) if transparent else GREEN
    for number, frame in enumerate(made):
        frame[8:24, 4 + 4 * number : 20 + 4 * number] = (*RED, 255)
        frame[28:44, 4 + 4 * number : 20 + 4 * number] = (*BLUE, 128)
    return made if transparent else made[..., :3]


def decoded(path: Path) -> list[np.ndarray]:
    """Frames with alpha, uint8 [H, W, 4]."""
    if path.suffix in ANIMATED:
        with Image.open(path) as picture:
            return [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(picture)]
    if path.is_dir():
        return [np.asarray(Image.open(each).convert("RGBA")) for each in sorted(path.glob("*.png"))]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if path.suffix != ".webm":
            return [frame.to_ndarray(format="rgba") for frame in container.decode(stream)]
        decoder = av.CodecContext.create("libvpx-vp9", "r")  # FFmpeg's own decoder passes over alpha
        packets = [packet if packet.size else None for packet in container.demux(stream)]
        return [frame.to_ndarray(format="rgba") for packet in packets for frame in decoder.decode(packet)]


def milliseconds(path: Path) -> list[float]:
    """How long each picture of an animated file is shown."""
    with Image.open(path) as picture:
        shown = []
        for frame in ImageSequence.Iterator(picture):
            frame.load()
            shown.append(frame.info["duration"])
        return shown


@pytest.mark.parametrize("suffix", [*FILMS, ".gif", ".apng"])
def test_frames_rate_colours_and_settings_come_back(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_video(path, moving(False), 25, {"seed": 3}, crf=8)
    back = read_video(path)
    assert len(back.frames) == 9
    assert back.fps == pytest.approx(25)
    assert back.settings == read_settings(path) == {"seed": 3}
    for number in (0, 8):
        for place, colour in (((16, 12), RED), ((36, 12), BLUE), ((2, 32), GREEN)):
            row, column = place[0], place[1] + (0 if colour == GREEN else 4 * number)
            assert np.abs(back.frames[number, row, column].astype(int) - colour).max() <= 6, (number, colour)


@pytest.mark.parametrize("name", ["a.mov", "a.webm", "a.gif", "a.apng", "a.webp", "a/", "b/%03d.png"])
def test_transparent_ones_are_seen_through(tmp_path, name):
    write_video(f"{tmp_path}/{name}", moving(True), 25, {"seed": 3}, crf=8)
    frames = decoded(video_target(f"{tmp_path}/{name}").path)
    assert len(frames) == 9
    for number in (0, 4, 8):
        red, blue, nothing = (frames[number][row, 12 + 4 * number] for row in (16, 36, 2))
        assert np.abs(red.astype(int) - (*RED, 255)).max() <= 10
        assert np.abs(blue[:3].astype(int) - BLUE).max() <= 10
        assert nothing[3] == 0
        if name != "a.gif":  # which knows only yes and no
            assert abs(int(blue[3]) - 128) <= 3


@pytest.mark.parametrize("suffix", ANIMATED)
@pytest.mark.parametrize("fps", [12, 30, 50, 120])
def test_animated_pictures_last_as_long_as_they_should_and_repeat(tmp_path, suffix, fps):
    path = tmp_path / f"a{suffix}"
    write_video(path, np.concatenate([moving(False)] * 4), fps)
    shown = milliseconds(path)
    assert sum(shown) == pytest.approx(36000 / fps, abs=40)
    if suffix == ".gif":
        assert min(shown) >= 20, "browsers slow down what is shorter"
    with Image.open(path) as picture:
        assert picture.info["loop"] == 0
        assert picture.n_frames == (36 if fps <= 50 or suffix != ".gif" else 15)


def test_a_gif_of_many_colours_is_near_them(tmp_path):
    y, x = np.mgrid[:96, :128]
    made = np.stack([2 * x, 2 * y, 255 - x - y], axis=-1).clip(0, 255).astype(np.uint8)
    write_video(tmp_path / "a.gif", np.stack([made, made[::-1]]), 10)
    for back, frame in zip(decoded(tmp_path / "a.gif"), (made, made[::-1]), strict=True):
        assert np.abs(back[..., :3].astype(int) - frame).mean() < 8


def test_a_folder_holds_the_pictures_exactly_and_the_settings(tmp_path):
    made = moving(False)
    write_video(f"{tmp_path}/frames/", made, 25, {"seed": 3}, scale=1)
    assert [path.name for path in sorted((tmp_path / "frames").glob("*.png"))] == [
        f"{number:05d}.png" for number in range(9)
    ]
    assert (np.stack(decoded(tmp_path / "frames"))[..., :3] == made).all()
    facts = json.loads((tmp_path / "frames" / "settings.json").read_text())
    assert (facts["fps"], facts["settings"]) == (25, {"seed": 3})
    write_video(tmp_path / "frames", made[:2], 25)
    assert len(list((tmp_path / "frames").iterdir())) == 3, "an earlier video in it is replaced"


def test_a_folder_with_anything_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").touch()
    (tmp_path / "00000.png").touch()
    for name in (f"{tmp_path}/", f"{tmp_path}/%05d.png"):
        with pytest.raises(FileExistsError, match=r"holds other files \(mine.txt\)"):
            write_video(name, moving(False), 25)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "00000.png"}


@pytest.mark.parametrize("name", ["a.mov", "a.webm", "a.gif", "a.apng", "a.webp", "a/"])
def test_what_is_stopped_leaves_nothing(tmp_path, name):
    with pytest.raises(KeyboardInterrupt), open_video(f"{tmp_path}/new/{name}", 24) as video:  # noqa: PT012
        video.write(moving(False))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_transparent_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"\.mp4 cannot be transparent; \.mov, \.webm"):
        write_video(tmp_path / "a.mp4", moving(True), 25)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="frame 1 is"), open_video(tmp_path / "a.mov", 24) as video:  # noqa: PT012
        video.write(moving(True)[0])
        video.write(moving(False)[0])


@pytest.mark.parametrize("suffix", FILMS)
def test_odd_sides_come_back_at_their_size(tmp_path, suffix):
    write_video(tmp_path / f"a{suffix}", moving(False)[:, :45, :61], 25)
    assert read_video(tmp_path / f"a{suffix}").frames.shape == (9, 45, 61, 3)


@pytest.mark.parametrize("suffix", [*KINDS, "/"])
@pytest.mark.parametrize("name", ["two words", "tänzer 舞 🎥", "-dash", "take: one", "100%", "é" * 100])
def test_any_name_will_do(tmp_path, monkeypatch, name, suffix):
    monkeypatch.chdir(tmp_path)
    write_video(f"{name}{suffix}", moving(False, 3), 25)
    path = video_target(f"{name}{suffix}").path
    assert path.exists()
    if suffix in FILMS:
        assert len(read_video(path).frames) == 3


@pytest.mark.parametrize("suffix", [".webm", ".mov", ".gif"])
def test_equal_frames_make_equal_files(tmp_path, suffix):
    made = set()
    for number in range(3):
        path = tmp_path / f"{number}{suffix}"
        write_video(path, moving(suffix != ".gif"), 25)
        made.add(path.read_bytes())
    assert len(made) == 1
