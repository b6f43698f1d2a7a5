"""Training on videos of one's own: encoded once, validated on those held out, resumed exactly."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.videos import gliding, make_video

import kinema
from kinema.data.video_latents import WindowFormat, encode_videos
from kinema.training.checkpoint import read_checkpoint
from kinema.training.recipes import run_recipe

MINI = Path(kinema.__file__).parent / "weights" / "mini"
OPTIONS = {
    "adapter": "tokenmotion",
    "weights": str(MINI),
    "options": '{"motion_width": 32, "heads": 2, "first_width": 8, "rank": 4}',
    "batch": "2",
    "frames": "5",
    "warmup": "1",
    "decay": "0",
    "log_steps": "1",
    "held_out": "1",
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for number in range(3):
        make_video(folder / f"{number}.mp4", frames=10, seed=number)
        if number:
            gliding(10).save(folder / f"{number}.npz")
    return folder


@pytest.fixture(scope="module")
def train(videos, tmp_path_factory):
    """Trains on the videos, in an eighth of mini's size, with one cache for all runs."""
    cache = tmp_path_factory.mktemp("latents")

    def encode(source, folder, autoencoder, form, capture):
        return encode_videos(source, folder, autoencoder, WindowFormat((48, 64), form.frames))

    def run(out: Path, steps: int, **given) -> Path:
        options = {**OPTIONS, "videos": str(videos), "cache": str(cache), "steps": str(steps)}
        options |= {"validate": "2"} if given else {}
        return run_recipe("control", out, 5, "cpu", 0, options, {"encode_videos": encode, **given})

    return run


@pytest.mark.slow
def test_a_run_on_videos_goes_on_exactly_and_validation_does_not_disturb_it(train, tmp_path):
    shown = []

    def write_video(path, frames, fps):
        shown.append((path.name, frames.shape, fps))

    train(tmp_path / "whole", 4)
    train(tmp_path / "parts", 2, write_video=write_video)
    train(tmp_path / "parts", 4, write_video=write_video)
    whole, parts = (tmp_path / name for name in ("whole", "parts"))
    assert (whole / "log.csv").read_bytes() == (parts / "log.csv").read_bytes()
    expected, made = (read_checkpoint(out / "checkpoint")[0] for out in (whole, parts))
    assert all(torch.equal(made[name], expected[name]) for name in expected)
    names, *rows = (parts / "validation.csv").read_text().splitlines()
    assert names == "step,flow_0.5,flow_0.75,flow_0.9,flow_1,flow"
    assert [row.split(",")[0] for row in rows] == ["2", "4"]
    assert np.isfinite([float(cell) for row in rows for cell in row.split(",")]).all()
    assert shown == [(f"step000000{step}_take0.mp4", (5, 128, 48, 3), 12.0) for step in (2, 4)]


@pytest.mark.slow
def test_without_a_codec_validation_draws_strips(train, tmp_path):
    train(tmp_path, 2, write_video=None)
    (strip,) = (tmp_path / "validation").iterdir()
    assert Image.open(strip).size == (5 * 48, 2 * 64)


def test_videos_need_somebody_who_reads_them(videos, tmp_path):
    options = {**OPTIONS, "videos": str(videos)}
    with pytest.raises(ValueError, match="`kinema train` brings what reads videos"):
        run_recipe("control", tmp_path, 1, "cpu", 0, options)
    with pytest.raises(ValueError, match="videos come without exact tracks"):
        run_recipe("control", tmp_path, 1, "cpu", 0, {**options, "track": "0.01"})
    with pytest.raises(ValueError, match="no corruption 'fog'"):
        run_recipe("control", tmp_path, 1, "cpu", 0, {**OPTIONS, "corruptions": "fog"})
