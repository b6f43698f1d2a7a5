"""The script in plain diffusers reads a folder of passes as it was written, and makes a film of it."""

from __future__ import annotations

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers.pipelines.wan import pipeline_wan_vace
from tests.passes.shots import EXAMPLES, PICTURE
from tests.video import vace_tiny

import kinema
from kinema.media.video import read_video

SCRIPT = EXAMPLES / "vace_from_passes.py"
SIZE, FRAMES = (64, 64), 5


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("vace_from_passes", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def passes():
    return kinema.make_passes(
        EXAMPLES / "walk_and_wave.bvh",
        "vace",
        size=SIZE,
        seconds=(FRAMES - 1) / 16,
        picture=PICTURE,
        extra={"recipe": "first-frame"},
        progress=kinema.Progress(),
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    vace_tiny.pipeline().save_pretrained(folder)
    return folder


def test_forty_lines_without_kinema():
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert "import kinema" not in text


@pytest.mark.parametrize("kind", ["mp4", "lossless", "png"])
def test_it_reads_what_was_written(script, passes, tmp_path, kind):
    passes.save(tmp_path, kind)
    control, mask = (
        np.stack([np.asarray(f) for f in script.film(tmp_path, name)]) for name in ("control", "mask")
    )
    assert control.shape == (FRAMES, SIZE[1], SIZE[0], 3)
    far = np.abs(control.astype(int) - passes["control"])
    assert far.mean() < (4 if kind == "mp4" else 0.01)
    # WanVACEPipeline: white is made anew, black is kept; the first frame alone is kept.
    assert ((mask > 127) == (passes["mask"] > 127)[..., None]).all()
    assert not (mask[0] > 127).any()
    assert (mask[1:] > 127).all()


def test_it_makes_a_film(script, passes, model, tmp_path, monkeypatch):
    """The whole script with a tiny model; the pipeline is given the folder's control, size and number of frames."""
    # ftfy, which the pipeline cleans prompts with, is not installed with Kinema.
    monkeypatch.setattr(pipeline_wan_vace, "ftfy", SimpleNamespace(fix_text=str), raising=False)
    asked = {}
    call = script.WanVACEPipeline.__call__

    def seen(pipe, prompt, **options):
        asked.update(options, prompt=prompt, shift=pipe.scheduler.config.flow_shift)
        return call(pipe, prompt, generator=torch.Generator().manual_seed(3), **options)

    monkeypatch.setattr(script.WanVACEPipeline, "__call__", seen)
    passes.save(tmp_path / "passes", "lossless")
    film = tmp_path / "film.mp4"
    script.main(tmp_path / "passes", str(model), "a person walks", str(film), steps="2")
    made = read_video(film)
    facts = json.loads((tmp_path / "passes" / "passes.json").read_text())
    assert made.frames.shape == (FRAMES, SIZE[1], SIZE[0], 3)
    assert made.fps == facts["fps"] == 16
    assert (asked["height"], asked["width"], asked["num_frames"]) == (SIZE[1], SIZE[0], FRAMES)
    assert (np.asarray(asked["reference_images"][0]) == passes["reference"]).all()
    assert (np.asarray(asked["video"][0]) == passes["control"][0]).all()
    assert (asked["prompt"], asked["shift"]) == ("a person walks", 3.0)
