"""The papers' recipes on tiny backbones of the real classes, on a made-up HumanVid with RealEstate10K."""

import json

import numpy as np
import pytest
import torch
from diffusers import CogVideoXPipeline, WanPipeline
from safetensors.torch import load_file
from tests.data import made_sets
from tests.training.test_control_backbones import BACKBONES, SIZES
from tests.video import mtvcraft_tiny, published_tiny, tiny
from tests.video.test_video_models import PICTURE

from kinema.training.checkpoint import read_checkpoint
from kinema.training.recipes import preset_options, run_recipe, settings
from kinema.video import load_pipeline


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    rotary = {"cogvideox-5b": published_tiny.cogvideox_pipeline}
    for name, build in {**BACKBONES, **rotary}.items():
        made[name] = tmp_path_factory.mktemp("backbones") / name
        build().save_pretrained(made[name])
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    made_sets.humanvid(folder / "HumanVid", ("a", "b"), size=(32, 48))
    made_sets.re10k(folder / "RealEstate10K", ("c", "d"), size=(32, 48))
    return made_sets.data_file(folder)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    mtvcraft_tiny.tokenizer().save_pretrained(folder)
    return folder


def train(recipe, out, folder, data, steps, **options):
    """Runs a recipe with its own settings but for size and length."""
    small = {
        "model.weights": str(folder),
        "data.videos": str(data),
        "data.cache": str(out.parent / "cache"),
        "data.check": "false",
        "data.size": "32,48",
        "data.frames": "9",
        "data.batch": "4",
        "data.workers": "0",
        "trainer.steps": str(steps),
        "trainer.warmup": "1",
        "trainer.decay": "0",
        "trainer.log_steps": "1",
        **options,
    }
    return run_recipe(recipe, out, 5, "cpu", 0, small)


def adapter_options(method):
    return json.dumps({key: value for key, value in SIZES[method].items() if key != "tokenizer"})


CASES = {
    "tokenmotion-t2v": ("tokenmotion", "cogvideox", {}),
    "tokenmotion-i2v": ("tokenmotion", "cogvideox", {"model.picture": "first"}),
    "mtvcraft-lora": ("mtvcraft", "wan-i2v", {"model.train_backbone": "lora", "model.lora_rank": "2"}),
    "mtvcraft-all": ("mtvcraft", "cogvideox-i2v", {"model.train_backbone": "all"}),
    "mtvcraft-repeat": (
        "mtvcraft",
        "cogvideox-5b",
        {"model.train_backbone": "lora", "model.lora_rank": "2", "model.picture": "repeat"},
    ),
    "mosa": ("mosa", "wan", {"objectives.track.every": "1", "objectives.track.points": "6"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_papers_recipe_runs_resumes_digit_by_digit_and_is_read_back(
    case, folders, data, tokenizer, tmp_path
):
    recipe, name, options = CASES[case]
    options = {"model.options": adapter_options(recipe), **options}
    if recipe == "mtvcraft":
        options["model.tokenizer"] = str(tokenizer)
    train(recipe, tmp_path / "whole", folders[name], data, 3, **options)
    train(recipe, tmp_path / "parts", folders[name], data, 2, **options)
    made = train(recipe, tmp_path / "parts", folders[name], data, 3, **options)
    whole, parts = (tmp_path / out for out in ("whole", "parts"))
    assert (whole / "log.csv").read_bytes() == (parts / "log.csv").read_bytes()
    names, *rows = [line.split(",") for line in (whole / "log.csv").read_text().splitlines()]
    assert {"mosa": {"mask", "track"}}.get(recipe, set()) <= set(names)
    assert np.isfinite([float(cell) for row in rows for cell in row if row[0] != "step"]).all()
    expected, resumed = (read_checkpoint(out / "checkpoint")[0] for out in (whole, parts))
    assert all(torch.equal(resumed[key], expected[key]) for key in expected)
    written = {path.name for path in made.iterdir()}
    changed, lora = "backbone.safetensors", "lora.safetensors"
    extra = {
        "tokenmotion-i2v": {changed},
        "mtvcraft-all": {changed},
        "mtvcraft-lora": {lora},
        "mtvcraft-repeat": {changed, lora},
    }.get(case, set())
    assert written == {recipe} | extra
    pipeline = load_pipeline(
        folders[name], (recipe,), adapter_weights=made, size=(32, 48), frames=9, device="cpu"
    )
    trained = pipeline.transformer.state_dict()
    for key, value in load_file(made / changed).items() if changed in extra else ():
        assert torch.equal(trained[key].to(value), value)
    if case == "tokenmotion-i2v":
        assert trained["patch_embed.proj.weight"][:, 4:].abs().sum() > 0
    picture = PICTURE if "i2v" in case + name or "repeat" in case else None
    assert pipeline.video_model.reads_picture == (picture is not None)
    video = pipeline(
        "" if "repeat" in case else "a person walks", picture, tiny.scene(9), frames=9, steps=1
    ).frames
    assert video.shape == (9, 48, 32, 3)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pipeline"), [("cogvideox", CogVideoXPipeline), ("wan", WanPipeline)])
def test_a_lora_is_read_by_plain_diffusers(name, pipeline, folders, data, tmp_path):
    made = train("lora", tmp_path / "run", folders[name], data, 3, **{"model.rank": "2"})
    assert [path.name for path in made.iterdir()] == ["lora.safetensors"]
    plain = pipeline.from_pretrained(folders[name])
    before = {key: value.clone() for key, value in plain.transformer.state_dict().items()}
    plain.load_lora_weights(made / "lora.safetensors")
    written = load_file(made / "lora.safetensors")
    loaded = {key: value for key, value in plain.transformer.named_parameters() if "lora_" in key}
    assert written
    assert len(loaded) == len(written)
    assert any(value.abs().sum() > 0 for key, value in loaded.items() if "lora_B" in key)
    plain.fuse_lora()
    plain.unload_lora_weights()
    changed = [
        key for key, value in plain.transformer.state_dict().items() if not torch.equal(value, before[key])
    ]
    assert changed
    assert all(".to_" in key for key in changed)


def test_defaults_are_the_papers():
    """TokenMotion (2504.08181): 49 frames of 256 x 384 on CogVideoX-2B. MTVCraft's public code (4DMoT): 8192 codes of
    3072 numbers, batches of 32 at 2e-4 with betas 0.9 and 0.99, 5,000 steps of warm-up."""
    token = settings("tokenmotion", {})
    assert (token.data.frames, token.data.size, token.model.weights) == (49, (384, 256), "cogvideox-2b")
    assert token.model.train_backbone == "false"
    motion = settings("mtvcraft-tokenizer", {})
    assert (motion.model.codes, motion.model.code_dim, motion.model.form) == (8192, 3072, "differential")
    assert (motion.data.batch, motion.trainer.learning_rate, motion.trainer.warmup) == (32, 2e-4, 5000)
    assert motion.trainer.betas == (0.9, 0.99)
    assert settings("mosa", {}).objectives.track.tau == 2.0


def test_presets_keep_the_batch_and_are_overruled():
    made = preset_options("24gb", "tokenmotion", {})
    assert (made["trainer.accumulate"], made["model.checkpointing"]) == ("16", "true")
    assert settings("tokenmotion", made).data.batch == 16
    told = preset_options("24gb", "tokenmotion", {"trainer.optimiser": "adamw", "data.batch": "4"})
    assert (told["trainer.optimiser"], told["trainer.accumulate"]) == ("adamw", "4")
    with pytest.raises(ValueError, match="no preset '16gb'; there are 24gb"):
        preset_options("16gb", "tokenmotion", {})
    with pytest.raises(ValueError, match="fits on any machine"):
        preset_options("24gb", "mtvcraft-tokenizer", {})
