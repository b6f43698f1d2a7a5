"""The real recipes on real motion, small enough for two cores."""

import pytest
import torch

from kinema.training.recipes import RECIPES, run_recipe

SMALL = {"batch": "2", "capacity": "4", "frames": "5", "workers": "0", "width": "64", "layers": "2",
         "motion_width": "32", "rank": "8", "warmup": "2"}  # fmt: skip


@pytest.fixture(scope="module")
def autoencoder(motion_library_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp("autoencoder")
    options = {"takes": "3", "channels": "16", "workers": "0", "library": str(motion_library_dir)}
    run_recipe("autoencoder", out, minutes=5, device="cpu", options=options)
    return out


@pytest.mark.slow
def test_mini_then_tokenmotion_on_the_frozen_transformer(autoencoder, motion_library_dir, tmp_path):
    from safetensors.torch import load_file

    from kinema.appearance import load_pipeline

    options = {**SMALL, "weights": str(autoencoder), "library": str(motion_library_dir)}
    joint = run_recipe("mini", tmp_path / "joint", 5, "cpu", 0, {**options, "steps": "3"})
    frozen = run_recipe(
        "tokenmotion", tmp_path / "frozen", 5, "cpu", 0, {**options, "steps": "2", "weights": str(joint)}
    )
    first, second = (
        load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")
        for folder in (joint, frozen)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    first, second = (
        load_file(folder / "tokenmotion" / "diffusion_pytorch_model.safetensors")
        for folder in (joint, frozen)
    )
    assert any(not torch.equal(first[name], second[name]) for name in first)
    assert load_pipeline(frozen).adapter.adapter_name == "tokenmotion"


@pytest.mark.slow
def test_a_stopped_recipe_goes_on_exactly(autoencoder, motion_library_dir, tmp_path):
    from kinema.training.checkpoint import load_checkpoint

    options = {**SMALL, "weights": str(autoencoder), "library": str(motion_library_dir), "decay": "0"}
    run_recipe("mini", tmp_path / "whole", 5, "cpu", 0, {**options, "steps": "4"})
    run_recipe("mini", tmp_path / "parts", 5, "cpu", 0, {**options, "steps": "2"})
    run_recipe("mini", tmp_path / "parts", 5, "cpu", 0, {**options, "steps": "4"})
    whole, parts = (load_checkpoint(tmp_path / name / "checkpoint")[0] for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_unknown_recipes_and_options_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no recipe 'magic'"):
        run_recipe("magic", tmp_path, 1)
    with pytest.raises(ValueError, match="has no option 'speed'"):
        run_recipe("autoencoder", tmp_path, 1, options={"speed": "9"})
    with pytest.raises(ValueError, match="takes='many'"):
        run_recipe("autoencoder", tmp_path, 1, options={"takes": "many"})
    assert {"autoencoder", "mini", "tokenmotion"} <= set(RECIPES)
