"""Recipe `control` on every family: forward, backward, an exact resume, and the adapter alone as its result."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.data.videos import gliding, make_video
from tests.video import mtvcraft_tiny, published_tiny, tiny
from tests.video.test_video_models import PICTURE

from kinema import papers
from kinema.data.sample import Sample
from kinema.diffusion.objective import Objective
from kinema.papers.mosa import MaskLoss
from kinema.training import video_task
from kinema.training.checkpoint import read_checkpoint
from kinema.training.config import configure
from kinema.training.objectives import Objectives
from kinema.training.recipes import run_recipe
from kinema.training.video_task import Conditions, VideoTask
from kinema.video import load_pipeline
from kinema.video.adapters.attach import attach
from kinema.video.model_loading import load_model
from kinema.video.registry import adapter_class

BACKBONES = {
    "cogvideox": lambda: published_tiny.cogvideox_pipeline(rotary=False),
    "cogvideox-i2v": lambda: published_tiny.cogvideox_pipeline(picture=True),
    "wan": published_tiny.wan_pipeline,
    "wan-i2v": lambda: published_tiny.wan_pipeline(picture=True),
}
SIZES = {
    "tokenmotion": {"motion_width": 32, "heads": 2, "first_width": 8, "rank": 4},
    "mosa": {"depth": 2, "control_width": 16},
    "mtvcraft": {"tokenizer": mtvcraft_tiny.tokenizer()},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for name, build in BACKBONES.items():
        made[name] = tmp_path_factory.mktemp("backbones") / name
        build().save_pretrained(made[name])
    return made


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for number in range(3):
        make_video(folder / f"{number}.mp4", frames=15, size=(32, 48), seed=number)
        (folder / f"{number}.txt").write_text("a person walks")
        if number:
            gliding(15, (32, 48)).save(folder / f"{number}.npz")
    return folder


def sample(number: int, frames: int = 9) -> Sample:
    video = np.random.default_rng(number).integers(0, 255, (frames, 48, 32, 3), dtype=np.uint8)
    scene = tiny.scene(frames)
    return Sample("a person walks", scene, 0, frames, (32, 48), 8.0, video[0], video)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("method", SIZES)
@pytest.mark.parametrize("precise", [True, False], ids=["float32", "bfloat16"])
def test_gradients_reach_the_adapter_alone(folders, name, method, precise):
    dtype = torch.float32 if precise else torch.bfloat16
    model = load_model(folders[name], dtype, {"width": 32, "height": 48, "frames": 9})
    model.transformer.requires_grad_(False)
    torch.manual_seed(1)
    adapter = adapter_class(method).for_transformer(model.transformer, **SIZES[method]).float()
    attach(model.transformer, adapter)
    model.transformer.enable_gradient_checkpointing()
    told = Conditions(0, 0, 0, 0)
    task = VideoTask(model, {method: adapter}, told, objectives=(), autocast=not precise)
    for _ in range(2):  # what begins at zero passes no gradient on in the first step
        terms = task([sample(0), sample(1)], torch.Generator().manual_seed(0))
        assert set(terms) == {"denoising"}
        assert torch.isfinite(terms["denoising"])
        task.zero_grad()
        terms["denoising"].backward()
        with torch.no_grad():
            for parameter in adapter.parameters():
                assert parameter.dtype == torch.float32
                if parameter.grad is not None:
                    parameter -= 0.05 * parameter.grad.sign()
    given = {key for key, parameter in task.named_parameters() if parameter.grad is not None}
    assert given
    assert all(key.startswith("adapters.") or ".kinema_sites." in key for key in given)


@pytest.mark.parametrize("name", ["cogvideox", "wan"])
def test_mosas_mask_loss_trains_beside_a_backbone_in_sixteen_bits(folders, name):
    model = load_model(folders[name], torch.bfloat16, {"width": 32, "height": 48, "frames": 9})
    adapter = adapter_class("mosa").for_transformer(model.transformer, **SIZES["mosa"]).float()
    attach(model.transformer, adapter)
    objectives = Objectives().build("cpu")
    task = VideoTask(model, {"mosa": adapter}, Conditions(0, 0, 0, 0), objectives=objectives, autocast=True)
    terms = task([sample(0)], torch.Generator().manual_seed(0))
    terms["mask"].backward()
    assert adapter.mask_heads[0].conv_in.weight.grad is not None
    assert torch.isfinite(terms["mask"])


def test_without_text_the_states_are_those_of_the_empty_prompt(folders):
    model = load_model(folders["wan"], None, {"width": 32, "height": 48, "frames": 9})
    silent = VideoTask(model, {}, Conditions(drop_text=1.0))
    told = VideoTask(model, {}, Conditions(drop_text=0.0))
    empty = replace(sample(0), caption="")
    losses = [
        task([each], torch.Generator().manual_seed(0))["denoising"]
        for task, each in ((silent, sample(0)), (told, empty), (told, sample(0)))
    ]
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])


def test_captions_are_forgotten_and_read_again(folders, monkeypatch):
    """More captions than are kept: those of a batch stay, however long ago they came."""
    monkeypatch.setattr(video_task, "_PROMPTS", 2)
    told = VideoTask(load_model(folders["wan"], None, {"width": 32, "height": 48, "frames": 9}), {})
    first = told._texts([replace(sample(0), caption="a")])
    for captions in ("bcd", "ae", "af", "ba"):
        states = told._texts([replace(sample(0), caption=caption) for caption in captions])
        assert len(told._prompts) <= 2 + len(captions)
    assert torch.equal(states[1], first[0])


def test_masks_train_where_an_adapter_has_them(folders):
    model = load_model(folders["wan"], None, {"width": 32, "height": 48, "frames": 9})
    model.transformer.requires_grad_(False)
    adapter = adapter_class("mosa").for_transformer(model.transformer, **SIZES["mosa"])
    attach(model.transformer, adapter)
    task = VideoTask(model, {"mosa": adapter}, Conditions(0, 0, 0, 0), objectives=(MaskLoss(),))
    assert set(task([sample(0)], torch.Generator().manual_seed(0))) == {"mask"}


class Bright(Objective):
    """Predicted latents must be large."""

    def __call__(self, step):
        return {"low": -step.predicted.mean(), "flat": -step.predicted.square().mean()}


def test_a_papers_objective_is_weighed_by_its_name(folders, monkeypatch):
    monkeypatch.setattr(papers, "find", lambda kind, name: {"objective bright": Bright}[f"{kind} {name}"])
    objectives = configure(Objectives, {"mask.weight": "0", "papers": '{"bright": 0.25}'})
    assert objectives.weights["bright"] == 0.25
    model = load_model(folders["wan"], None, {"width": 32, "height": 48, "frames": 9})
    task = VideoTask(model, {}, objectives=objectives.build("cpu"))
    terms = task([sample(0)], torch.Generator().manual_seed(0))
    assert terms.keys() == {"denoising", "bright"}
    assert torch.isfinite(terms["bright"])


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_the_recipe_runs_resumes_exactly_and_exports_the_adapter_alone(folders, videos, tmp_path, name):
    options = {
        "model.adapter": "tokenmotion",
        "model.weights": str(folders[name]),
        "model.options": json.dumps(SIZES["tokenmotion"]),
        "model.checkpointing": "true",
        "data.videos": str(videos),
        "data.cache": str(tmp_path / "cache"),
        "data.size": "32,48",
        "data.frames": "9",
        "data.batch": "2",
        "data.workers": "0",
        "trainer.warmup": "1",
        "trainer.decay": "0",
        "trainer.accumulate": "2",
        "trainer.log_steps": "1",
    }

    def train(out, steps):
        return run_recipe("control", tmp_path / out, 5, "cpu", 0, {**options, "trainer.steps": str(steps)})

    train("whole", 3)
    train("parts", 2)
    made = train("parts", 3)
    whole, parts = (tmp_path / out for out in ("whole", "parts"))
    assert (whole / "log.csv").read_bytes() == (parts / "log.csv").read_bytes()
    expected, resumed = (read_checkpoint(out / "checkpoint")[0] for out in (whole, parts))
    assert all(torch.equal(resumed[key], expected[key]) for key in expected)
    assert [path.name for path in made.iterdir()] == ["tokenmotion"]
    facts = json.loads((made / "tokenmotion" / "config.json").read_text())
    assert facts["_kinema_backbone"] == name
    pipeline = load_pipeline(
        folders[name], ("tokenmotion",), adapter_weights=made, size=(32, 48), frames=9, device="cpu"
    )
    picture = PICTURE if name.endswith("i2v") else None
    video = pipeline("a person walks", picture, tiny.scene(9), frames=9, steps=1).frames
    assert video.shape == (9, 48, 32, 3)
