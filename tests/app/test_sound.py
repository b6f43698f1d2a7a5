"""The sound of a driving video under the pictures of another: in step, and the pictures untouched."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from kinema.media.sound import RATE, Sound
from kinema.media.video import read_settings, read_video, write_video
from kinema.scene.formats.errors import FormatError

EVERY = 0.5
"""Seconds from one beep of the driver to the next."""


def beeping(path: Path, fps: float = 29.97, seconds: float = 3.0, sound: bool = True) -> Path:
    """A video that lights up and beeps together."""
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        heard = out.add_stream("aac", rate=44100, layout="mono") if sound else None
        for number in range(int(seconds * fps)):
            lit = (number / fps) % EVERY < 0.1
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 255 * lit, np.uint8))
            frame.pts = number
            out.mux(pictures.encode(frame))
        out.mux(pictures.encode(None))
        if heard is not None:
            times = np.arange(int(44100 * seconds)) / 44100
            wave = 0.5 * np.sin(2 * np.pi * 880 * times) * (times % EVERY < 0.1)
            block = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
            block.sample_rate, block.pts = 44100, 0
            out.mux(heard.encode(block))
            out.mux(heard.encode(None))
    return path


def beeps(path: Path) -> tuple[np.ndarray, float]:
    """Seconds at which beeps begin, and how long the sound is."""
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
    with av.open(str(path)) as opened:
        blocks = [b.to_ndarray()[0] for f in opened.decode(audio=0) for b in resampler.resample(f)]
    wave = np.concatenate(blocks)
    loud = np.flatnonzero(np.abs(wave) > 0.1)
    return loud[np.diff(loud, prepend=-RATE) > RATE // 10] / RATE, len(wave) / RATE


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> Path:
    return beeping(tmp_path_factory.mktemp("driver") / "driver.mp4")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
@pytest.mark.parametrize("start", [0.0, 0.25])
def test_sound_begins_where_the_pictures_do(driver, tmp_path, suffix, start):
    out, silent = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    frames = np.random.default_rng(0).integers(0, 255, (45, 32, 32, 3), np.uint8)
    write_video(out, frames, 30, {"seed": 1}, sound=Sound(driver, start))
    write_video(silent, frames, 30, {"seed": 1})
    begins, lasts = beeps(out)
    first = 0.0 if start == 0 else EVERY - start
    assert np.allclose(begins, np.arange(first, 1.5, EVERY)[: len(begins)], atol=0.005)
    assert len(begins) == 3
    assert lasts == pytest.approx(1.5, abs=0.05)
    assert read_settings(out) == {"seed": 1}
    assert (read_video(out).frames == read_video(silent).frames).all()
    assert read_video(out).fps == pytest.approx(30)


def test_silence_follows_where_the_sound_ends(driver, tmp_path):
    write_video(tmp_path / "a.mp4", np.zeros((90, 32, 32, 3), np.uint8), 30, sound=Sound(driver, 2.0))
    begins, lasts = beeps(tmp_path / "a.mp4")
    assert np.allclose(begins, [0, 0.5], atol=0.005)
    assert lasts == pytest.approx(3.0, abs=0.05)


def test_what_has_no_sound_says_so(driver, cli_error, tmp_path):
    frames = np.zeros((3, 32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match=r"no sound in animated GIF; .mp4, .mov, .webm"):
        write_video(tmp_path / "a.gif", frames, 10, sound=Sound(driver))
    mute = beeping(tmp_path / "mute.mp4", seconds=0.5, sound=False)
    with pytest.raises(FormatError, match="has no sound"):
        write_video(tmp_path / "a.mp4", frames, 10, sound=Sound(mute))
    assert [path.name for path in tmp_path.iterdir()] == ["mute.mp4"]
    for motion, output, said in (
        (mute, "a.mp4", "has no sound"),
        (driver, "a.gif", "no sound in"),
        ("walk.bvh", "a.mp4", "there is none"),
    ):
        words = ["animate", "--motion", motion, "-o", tmp_path / output, "--audio"]
        assert said in cli_error(*words)
    assert "another speed" in cli_error(
        "animate", "--motion", driver, "-o", tmp_path / "a.mp4", "--audio", "--source-fps", 12
    )
