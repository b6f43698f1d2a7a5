"""The real recipes on real motion, small enough for two cores."""

import json
from pathlib import Path

import pytest
import torch

from kinema.training.recipes import RECIPES, run_recipe

FEW = {
    "data.batch": "2",
    "data.capacity": "4",
    "data.frames": "5",
    "data.workers": "0",
    "trainer.warmup": "2",
}
SMALL = {
    **FEW,
    "model.width": "64",
    "model.layers": "2",
    "model.motion_width": "32",
    "model.rank": "8",
}


EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def autoencoder(motion_library_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp("autoencoder")
    options = {
        "data.takes": "3",
        "model.channels": "16",
        "data.workers": "0",
        "data.library": str(motion_library_dir),
    }
    run_recipe("autoencoder", out, minutes=5, device="cpu", options=options)
    return out


OPTIONS = '{"motion_width": 32, "heads": 2, "first_width": 8, "rank": 4}'


@pytest.mark.slow
def test_mini_then_control_on_the_frozen_transformer(autoencoder, motion_library_dir, tmp_path, capsys):
    from safetensors.torch import load_file

    from kinema.video import load_pipeline

    def weights(folder, part):
        return load_file(folder / part / "diffusion_pytorch_model.safetensors")

    library = {"data.library": str(motion_library_dir)}
    mini = run_recipe(
        "mini",
        tmp_path / "joint",
        5,
        "cpu",
        0,
        {**SMALL, **library, "model.weights": str(autoencoder), "trainer.steps": "3"},
    )
    first = {
        **FEW,
        **library,
        "model.weights": str(mini),
        "model.adapter": "tokenmotion",
        "model.options": OPTIONS,
        "trainer.steps": "2",
    }
    made = run_recipe("control", tmp_path / "control", 5, "cpu", 0, first)
    before, after = weights(mini, "transformer"), weights(made, "transformer")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert load_pipeline(made, adapters=("tokenmotion",)).adapter.config.motion_width == 32

    further = {
        **first,
        "model.start_from": str(made),
        "objectives.track.weight": "0.01",
        "objectives.track.every": "1",
    }
    again = run_recipe("control", tmp_path / "again", 5, "cpu", 0, further)
    before, after = weights(made, "tokenmotion"), weights(again, "tokenmotion")
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert "track=" in capsys.readouterr().err


def test_a_few_takes_can_be_learned_by_heart(capsys, tmp_path):
    options = {
        "model.adapter": "tokenmotion",
        "data.motions": str(EXAMPLES),
        "data.takes": "2",
        "data.batch": "2",
        "trainer.steps": "2",
        "model.options": OPTIONS,
    }
    folder = run_recipe("overfit", tmp_path, 5, "cpu", 0, options)
    losses = json.loads((tmp_path / "losses.json").read_text())
    assert losses["steps"] == 2
    assert losses["own"] == pytest.approx(losses["none"], rel=0.2)  # it has hardly begun
    assert "loss with own signals" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} >= {"transformer", "autoencoder", "tokenmotion"}


@pytest.mark.slow
def test_a_stopped_recipe_goes_on_exactly(autoencoder, motion_library_dir, tmp_path):
    from kinema.training.checkpoint import read_checkpoint

    options = {
        **SMALL,
        "model.weights": str(autoencoder),
        "data.library": str(motion_library_dir),
        "trainer.decay": "0",
    }
    run_recipe("mini", tmp_path / "whole", 5, "cpu", 0, {**options, "trainer.steps": "4"})
    run_recipe("mini", tmp_path / "parts", 5, "cpu", 0, {**options, "trainer.steps": "2"})
    run_recipe("mini", tmp_path / "parts", 5, "cpu", 0, {**options, "trainer.steps": "4"})
    whole, parts = (read_checkpoint(tmp_path / name / "checkpoint")[0] for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_unknown_recipes_and_options_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no recipe 'magic'"):
        run_recipe("magic", tmp_path, 1)
    with pytest.raises(ValueError, match=r"needs --set model.adapter=.*, --set model.weights="):
        run_recipe("control", tmp_path, 1)
    with pytest.raises(ValueError, match="expected JSON"):
        run_recipe(
            "overfit", tmp_path, 1, options={"model.adapter": "tokenmotion", "model.options": "rank=4"}
        )
    with pytest.raises(ValueError, match=r"tokenmotion has no option speed; it has .*rank"):
        run_recipe(
            "overfit", tmp_path, 1, options={"model.adapter": "tokenmotion", "model.options": '{"speed": 4}'}
        )
    options = {"model.adapter": "tokenmotion", "model.weights": "mini", "data.frames": "6"}
    with pytest.raises(ValueError, match=r"data\.frames=6: give 4k \+ 1 frames"):
        run_recipe("control", tmp_path, 1, options=options)
    with pytest.raises(ValueError, match="mtvcraft reads motion tokens"):
        run_recipe("overfit", tmp_path, 1, options={"model.adapter": "mtvcraft"})
    with pytest.raises(ValueError, match="mosa reads no motion tokens"):
        run_recipe("overfit", tmp_path, 1, options={"model.adapter": "mosa", "model.tokenizer": "somewhere"})
    with pytest.raises(FileNotFoundError, match="is no backbone"):
        run_recipe(
            "control", tmp_path, 1, options={"model.adapter": "tokenmotion", "model.weights": str(tmp_path)}
        )
    assert {"autoencoder", "mini", "control", "overfit"} <= set(RECIPES)
