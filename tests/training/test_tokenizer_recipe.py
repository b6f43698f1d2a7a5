"""The tokenizer recipe on real motion, small enough for two cores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.data.motion_windows import CameraWindows
from kinema.motion.round_trip import round_trip
from kinema.motion.tokenizer import MotionTokenizer
from kinema.scene.skeleton import SMPL24
from kinema.training.recipes import run_recipe
from kinema.training.recipes.tokenizer import TokenizerTask, linear_start, statistics

SMALL = {"data.batch": "2", "data.frames": "9", "data.capacity": "4", "data.measured": "4", "data.test_windows": "4",
         "model.fine": "32", "model.coarse": "32", "model.code_dim": "8", "model.codes": "32",
         "trainer.warmup": "2"}  # fmt: skip


@pytest.fixture(scope="module")
def windows(motion_library_dir: Path) -> CameraWindows:
    return CameraWindows(17, 12.0, 0, library=str(motion_library_dir))


def test_a_window_is_what_a_camera_sees(windows: CameraWindows):
    joints = windows(3)
    assert joints.shape == (17, 24, 3)
    assert np.array_equal(joints, windows(3))
    assert not np.array_equal(joints, windows(4))
    assert np.array_equal(joints[0, 0], np.zeros(3))  # the root of the first frame
    height = joints[:, [7, 8], 1].max(axis=1) - joints[:, 15, 1]  # ankles below the head: y points down
    assert (height > 300).mean() > 0.9


def test_windows_are_left_where_the_camera_sees_them_or_moved_to_the_root(windows: CameraWindows):
    seen, rooted = replace(windows, rooted=False)(3), windows(3)
    assert 1500 < seen[0, 0, 2] < 8000  # a few metres before the camera
    assert np.allclose(seen - seen[0, 0], rooted, atol=1e-3)
    neutral = replace(windows, body="neutral")(3)
    thighs = np.linalg.norm(neutral[:, 4] - neutral[:, 1], axis=-1)  # hip to knee
    rest = SMPL24.rest
    assert np.allclose(thighs, 1000 * np.linalg.norm(rest[4] - rest[1]), atol=1)
    with pytest.raises(ValueError, match="body='tall'"):
        replace(windows, body="tall")


def test_a_parity_tokenizer_is_trained_where_it_is_used(tmp_path: Path, motion_library_dir: Path):
    options = {**SMALL, "trainer.steps": "2", "model.form": "parity", "data.library": str(motion_library_dir)}
    run_recipe("tokenizer", tmp_path, minutes=1, device="cpu", seed=0, options=options)
    tokenizer = MotionTokenizer.from_pretrained(tmp_path / "tokenizer")
    assert 1500 < tokenizer.config.mean[0][2] < 8000  # the root, metres before the camera


def smooth(batch: int = 4, frames: int = 17) -> torch.Tensor:
    """Slow joint paths, millimetres."""
    generator = torch.Generator().manual_seed(0)
    pose, speed = (torch.randn(batch, 1, 24, 3, generator=generator) for _ in range(2))
    return 300 * pose + 400 * torch.arange(frames).view(1, -1, 1, 1) / 12 * speed


@pytest.mark.parametrize("form", ["parity", "differential"])
def test_a_linear_start_hands_motion_through(form: str):
    joints = smooth()
    mean, std = statistics(joints, form)
    tokenizer = MotionTokenizer((32, 64), 16, 64, 24, mean, std, form, dilations=(3, 1))
    linear_start(tokenizer)
    measured = round_trip(tokenizer.eval(), joints)
    assert measured.unquantized.absolute < 0.2 * measured.held.absolute


def test_a_few_steps_on_one_batch_help():
    torch.manual_seed(0)
    joints = smooth()
    mean, std = statistics(joints, "differential")
    tokenizer = MotionTokenizer((32, 32), 8, 64, 24, mean, std, "differential", dilations=(3, 1))
    linear_start(tokenizer)
    with torch.no_grad():
        tokenizer.vq.restart(tokenizer.latents(joints))
    task = TokenizerTask(tokenizer).train()
    optimiser = torch.optim.AdamW(tokenizer.parameters(), lr=1e-3)
    losses = []
    for step in range(60):
        loss = sum(task(list(joints.numpy()), torch.Generator().manual_seed(step)).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.slow
def test_the_recipe_stops_and_goes_on_exactly(motion_library_dir: Path, tmp_path: Path):
    options = {**SMALL, "data.library": str(motion_library_dir)}
    # A rate that does not fall: the plan is longer than either part.
    whole = run_recipe("tokenizer", tmp_path / "whole", 5, "cpu", 0, {**options, "trainer.steps": "4"})
    run_recipe("tokenizer", tmp_path / "parts", 5, "cpu", 0, {**options, "trainer.steps": "3"})
    parts = run_recipe("tokenizer", tmp_path / "parts", 5, "cpu", 0, {**options, "trainer.steps": "4"})
    first, second = (MotionTokenizer.from_pretrained(folder).state_dict() for folder in (whole, parts))
    assert all(torch.equal(first[name], second[name]) for name in first)
    report = json.loads((tmp_path / "whole" / "report.json").read_text())
    assert report["split"] == "test"
    assert 0 < report["tokens"]["relative"] < report["tokens"]["absolute"]
