"""Training on videos of one's own: encoded once, validated on those held out, resumed exactly."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from pkgutil import walk_packages

import numpy as np
import pytest
import torch
from tests.data.videos import gliding, make_video

import kinema.training
from kinema.media.decoding import open_video
from kinema.training.checkpoint import read_checkpoint
from kinema.training.recipes import run_recipe
from kinema.training.sources import VideoData, source_of
from kinema.video.loading import load_pipeline

MINI = Path(kinema.__file__).parent / "weights" / "mini"
OPTIONS = {
    "model.adapter": "tokenmotion",
    "model.weights": str(MINI),
    "model.options": '{"motion_width": 32, "heads": 2, "first_width": 8, "rank": 4}',
    "data.batch": "2",
    "data.frames": "5",
    "data.held_out": "1",
    "data.workers": "0",
    "trainer.warmup": "1",
    "trainer.decay": "0",
    "trainer.log_steps": "1",
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
    """Trains on the videos, with one cache for all runs."""
    cache = tmp_path_factory.mktemp("latents")

    def run(out: Path, steps: int, **options: str) -> Path:
        given = {"data.videos": str(videos), "data.cache": str(cache), "trainer.steps": str(steps)}
        return run_recipe("control", out, 5, "cpu", 0, {**OPTIONS, **given, **options})

    return run


VALIDATED = {"trainer.validate_steps": "2"}


@pytest.mark.slow
def test_a_run_on_videos_goes_on_exactly_and_validation_does_not_disturb_it(train, tmp_path):
    train(tmp_path / "whole", 4)
    train(tmp_path / "parts", 2, **VALIDATED)
    train(tmp_path / "parts", 4, **VALIDATED)
    whole, parts = (tmp_path / name for name in ("whole", "parts"))
    assert (whole / "log.csv").read_bytes() == (parts / "log.csv").read_bytes()
    expected, made = (read_checkpoint(out / "checkpoint")[0] for out in (whole, parts))
    assert all(torch.equal(made[name], expected[name]) for name in expected)
    names, *rows = (parts / "validation.csv").read_text().splitlines()
    assert names == "step,denoising_0.5,denoising_0.75,denoising_0.9,denoising_1,denoising"
    assert [row.split(",")[0] for row in rows] == ["2", "4"]
    assert np.isfinite([float(cell) for row in rows for cell in row.split(",")]).all()
    shown = sorted((parts / "validation").glob("*.mp4"))
    assert [path.name for path in shown] == [f"step000000{step}_take0.mp4" for step in (2, 4)]
    with open_video(shown[0]) as video:
        assert (video.size, video.fps) == ((96, 256), 12.0)


@pytest.mark.slow
def test_a_validation_video_is_what_a_user_of_the_export_gets(tmp_path, videos):
    """With the pipeline's own steps and guidance: the file's lower half, but for the codec and 16-bit weights."""
    given = {"data.videos": str(videos), "trainer.steps": "2", "data.cache": str(tmp_path / "cache")}
    out = tmp_path / "run"
    run_recipe("control", out, 5, "cpu", 0, {**OPTIONS, **VALIDATED, **given})
    (file,) = (out / "validation").glob("*.mp4")
    with open_video(file) as video:
        shown = np.concatenate(list(video.chunks()))[:, 128:].astype(int)
    pipeline = load_pipeline(out / "export", ["tokenmotion"])
    data = VideoData(batch=2, frames=5, videos=str(videos), cache=str(tmp_path / "cache"))
    (take,) = source_of(data, pipeline.video_model, out, 0).held_out(1)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.video_model.form = replace(pipeline.video_model.form, frames=5, fps=take.fps)
    made = pipeline(take.caption, take.picture, take.scene, frames=5).frames.astype(int)
    assert made.shape == shown.shape
    assert np.abs(made - shown).mean() < 4
    assert np.abs(made[:, ::-1] - shown).mean() > 8  # which another video does not pass


def test_training_imports_neither_codec_nor_detector():
    """They are found when videos are read or written, and not before."""
    names = [module.name for module in walk_packages(kinema.training.__path__, "kinema.training.")]
    script = f"import sys, importlib; [importlib.import_module(name) for name in {names}]; "
    script += "print([name for name in ('av', 'mediapipe') if name in sys.modules])"
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "[]"


def test_options_that_do_not_fit_are_refused(videos, tmp_path):
    options = {**OPTIONS, "data.videos": str(videos)}
    tracked = {"objectives.track.weight": "0.01", "objectives.track.tracker": "cotracker3.pt"}
    with pytest.raises(FileNotFoundError, match=r"cotracker3.pt: there is no such tracker"):
        run_recipe("control", tmp_path, 1, "cpu", 0, {**options, **tracked})
    with pytest.raises(ModuleNotFoundError, match="adamw8bit needs the package bitsandbytes"):
        run_recipe("control", tmp_path, 1, "cpu", 0, {**options, "trainer.optimiser": "adamw8bit"})
    with pytest.raises(ValueError, match="no corruption 'fog'"):
        run_recipe("control", tmp_path, 1, "cpu", 0, {**OPTIONS, "data.corruptions": "fog"})
