"""Whole pipelines of diffusers stand where ours does: the same call, refusals in sentences, progress, cancelling."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.video import tiny

import kinema
from kinema.diffusion.guider import Guidance, Guider, Scale
from kinema.video.memory import place
from kinema.video.models.video_model import SamplingDefaults, VideoFormat
from kinema.video.whole import Asked, WholeModel, WholePipeline

PICTURE = Image.fromarray(np.full((48, 32, 3), 90, np.uint8))


class Inner:
    """Stands for a pipeline of diffusers: a grey film, a shade lighter with every frame."""

    def __init__(self) -> None:
        self.transformer = torch.nn.Linear(2, 2)
        self.transformer.dtype = torch.float32
        self.components = {"transformer": self.transformer}

    def to(self, device: torch.device) -> None:
        self.device = device

    def set_progress_bar_config(self, **options: Any) -> None:
        self.bar = options


class Model(WholeModel):
    family = "grey"
    size_multiple = 16
    frame_step = 4
    needs_picture = True
    people = 1
    longest = 20

    def __init__(self) -> None:
        self.pipeline = Inner()
        self.name = "grey"
        self.form = VideoFormat(32, 48, 9, 8.0, 4)
        self.follows = frozenset({"pose"})
        self.defaults = SamplingDefaults(3, Guidance(text=2.0))

    def arguments(self, asked: Asked) -> dict[str, Any]:
        self.asked = asked
        return {"frames": asked.shot.frames, "steps": asked.steps}

    def run(self, arguments: Mapping[str, Any], on_step: Callable[[], None]) -> np.ndarray:
        for _ in range(arguments["steps"]):
            on_step()
        return np.linspace(0, 1, arguments["frames"])[:, None, None, None] * np.ones((1, 48, 32, 3))

    def notes(self, asked: Asked) -> list[str]:
        return ["it is grey"]


@pytest.fixture
def pipeline() -> WholePipeline:
    return WholePipeline(Model())


def test_the_call_and_its_result(pipeline):
    steps = []
    made = pipeline("a walk", PICTURE, tiny.scene(9), seed=7, progress=lambda *step: steps.append(step))
    assert made.frames.shape == (9, 48, 32, 3)
    assert made.frames.dtype == np.uint8
    assert made.frames[-1].min() == 255
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert made.notes == ("it is grey",)
    assert made.settings["guidance"] == {"text": 2.0}
    assert (made.settings["seed"], made.settings["size"], made.settings["dtype"]) == (7, [32, 48], "float32")
    asked = pipeline.video_model.asked
    assert (asked.scale, asked.shot.frames, asked.shot.picture.shape) == (2.0, 9, (48, 32, 3))


def test_what_progress_raises_ends_it(pipeline):
    def cancel(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline("", PICTURE, tiny.scene(9), progress=cancel)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": None}, "needs a reference picture"),
        ({"scene": None}, "follows a scene: give a motion or a camera"),
        ({"shift": 3.0}, "no shift that could be set"),
        ({"frames": 0}, "at least one frame"),
        ({"frames": 21}, r"at most 20 frames \(2.5 s\), not 21"),
        ({"guidance": Guidance(text=2.0, pose=3.0)}, "not on pose: leave out guidance on pose"),
        ({"guidance": Guidance(text=Scale(2.0, (0.0, 0.5)))}, "leave out the interval"),
        ({"guidance": Guider()}, "Guider cannot work there"),
    ],
)
def test_what_it_cannot_be_told_is_refused_before_it_runs(pipeline, change, message):
    given = {"image": PICTURE, "scene": tiny.scene(9), **change}
    with pytest.raises(ValueError, match=message):
        pipeline("", **given)
    assert not hasattr(pipeline.video_model, "asked")


def test_nan_is_said(pipeline):
    pipeline.video_model.run = lambda arguments, on_step: np.full((9, 48, 32, 3), np.nan)
    with pytest.raises(FloatingPointError, match="NaN or infinity"):
        pipeline("", PICTURE, tiny.scene(9))


def test_it_is_placed(pipeline):
    place(pipeline, "medium", device=torch.device("cpu"))
    assert pipeline.video_model.pipeline.device == torch.device("cpu")


def test_requests_take_it_where_they_take_ours(pipeline):
    heard = []

    class Heard(kinema.Progress):
        def step(self, name: str, done: int, total: int) -> None:
            heard.append((name, done, total))

    request = kinema.VideoRequest(
        picture=PICTURE,
        motion=tiny.walking(9),
        camera="arc left 20deg",
        model=pipeline,
        direction=kinema.Direction(retarget=False),
        sampling=kinema.Sampling(steps=2),
    )
    made = kinema.fulfil(request, Heard())
    assert made.frames.shape[1:] == (48, 32, 3)
    assert [each for each in heard if each[0] == "sampling"] == [("sampling", 1, 2), ("sampling", 2, 2)]
    assert any("camera" in note and "grey" in note for note in made.notes)
    with pytest.raises(ValueError, match="not on pose"):
        kinema.fulfil(dataclasses.replace(request, sampling=kinema.Sampling(guidance={"pose": 2.0})))
