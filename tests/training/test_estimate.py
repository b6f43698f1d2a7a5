"""Memory and time on paper: terms that are counted, what sharding divides, and `kinema train --estimate`."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from kinema.app.cli import app
from kinema.training.estimate import MACHINES, best_of, cache_bytes, estimate, estimates, layout_of
from kinema.training.memory import Layout
from kinema.training.planned import planned
from kinema.training.recipes import preset_options, settings
from kinema.video.shapes import SHAPES
from kinema.video.work import Tokens, transformer_activations

H100 = MACHINES["h100"]


def recipe(name, preset="8x80gb", **options):
    chosen = preset_options(preset, name, {key.replace("__", "."): text for key, text in options.items()})
    return settings(name, chosen)


@pytest.fixture(scope="module")
def tokenmotion():
    return planned(recipe("tokenmotion"))


def test_weights_gradients_moments_and_averages_are_counted(tokenmotion):
    memory, cost = tokenmotion.memory(Layout()), tokenmotion.cost(True)
    assert memory.weights == 2 * cost.parameters == pytest.approx(3.39e9, rel=0.001)
    assert memory.adapter == memory.gradients == memory.averages == 4 * cost.trained
    assert memory.moments == 8 * cost.trained
    eight = tokenmotion.memory(Layout(optimiser="adamw8bit", averages_on_host=True))
    assert eight.moments < 0.3 * memory.moments
    assert eight.averages == 0


def test_sharding_divides_what_rests_and_gathers_two_blocks(tokenmotion):
    whole, shared = tokenmotion.memory(Layout(gpus=8)), tokenmotion.memory(Layout(gpus=8, shard=8))
    for term in ("weights", "adapter", "moments", "averages"):
        assert getattr(shared, term) == getattr(whole, term) / 8
    assert whole.gathered == 0
    assert 0 < shared.gathered < whole.weights
    assert shared.total < whole.total


def test_checkpointing_keeps_the_inputs_of_blocks_alone(tokenmotion):
    again, kept = tokenmotion.memory(Layout()), tokenmotion.memory(Layout(checkpointing=False))
    assert kept.activations > 2.5 * again.activations
    twice = tokenmotion.memory(Layout(samples=2))
    assert twice.activations == 2 * again.activations
    assert twice.weights == again.weights


def test_a_whole_backbone_trains_in_32_bits():
    model = planned(recipe("mtvcraft", model__train_backbone="all"))
    memory, cost = model.memory(Layout()), model.cost(True)
    assert memory.weights == 4 * cost.parameters
    assert memory.gradients == pytest.approx(4 * cost.trained)
    assert cost.trained == cost.parameters + cost.adapter


@pytest.mark.parametrize("name", ["cogvideox-2b", "wan2.1-1.3b"])
def test_what_a_block_keeps_is_what_autograd_saves(name):
    """One block of the real class at a smaller width, in bfloat16, against the bytes that autograd saves."""
    import diffusers

    shape = SHAPES[name]
    cog = shape.transformer.startswith("Cog")
    small = {"num_attention_heads": 4, "num_layers": 3, **({} if cog else {"ffn_dim": 1536})}
    config = {**shape.full_config, **small, "sample_width": 24, "sample_height": 16, "sample_frames": 9}
    config = {key: value for key, value in config.items() if key in shape.full_config}
    torch.manual_seed(0)
    model = getattr(diffusers, shape.transformer)(**config).to(torch.bfloat16).requires_grad_(False)
    video = torch.randn((1, 3, 16, 16, 24) if cog else (1, 16, 3, 16, 24), requires_grad=True)
    text = 226 if cog else 512
    words = torch.randn(1, text, 4096)
    own = {each.untyped_storage().data_ptr() for each in model.parameters()}
    saved: dict[int, torch.Tensor] = {}

    def keep(tensor):
        if tensor.untyped_storage().data_ptr() not in own:
            saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with (
        torch.autocast("cpu", torch.bfloat16),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        model(video, encoder_hidden_states=words, timestep=torch.tensor([500]), return_dict=False)
    bytes_saved = sum(each.untyped_storage().nbytes() for each in saved.values())
    tokens = Tokens((3, 8, 12), text, 9)
    kept = transformer_activations(shape.transformer, config, tokens, 2.0, checkpointing=False).kept
    assert kept == pytest.approx(bytes_saved, rel=0.06)


def test_more_gpus_take_less_time_and_the_links_count(tokenmotion):
    layout = Layout(gpus=8, shard=8)
    near = estimate(tokenmotion, "fsdp", layout, 1, H100)
    slow = estimate(tokenmotion, "fsdp", layout, 1, replace(H100, inside=1e9))
    assert slow.step > near.step
    assert near.step == pytest.approx(max(near.compute, near.gather) + near.reduce)
    assert near.mfu < 0.4
    assert near.tokens_per_second == pytest.approx(8 * 4992 / near.step)
    # Over a thousand GPUs hops of the ring make plain FSDP slower than shards of a node.
    flat = estimate(tokenmotion, "fsdp", Layout(gpus=1024, shard=1024), 1, H100)
    nodes = estimate(tokenmotion, "hsdp", Layout(gpus=1024, shard=8), 1, H100)
    assert flat.gather > 4 * nodes.gather


def test_what_fits_is_chosen_and_what_does_not_says_why():
    made = estimates(recipe("mosa", model__weights="wan2.1-14b"), 8, H100)
    assert [each.way for each in made] == ["whole", "fsdp"]
    whole, shared = made
    assert not whole.fits
    assert "weights" in whole.why or "moments" in whole.why
    assert shared.memory.total < whole.memory.total
    assert best_of(made).fits or best_of(made).memory.total == min(each.memory.total for each in made)


def test_a_batch_that_cannot_be_divided_is_refused():
    with pytest.raises(ValueError, match=r"batch of 16 cannot be divided among 7 GPUs.*data.batch=14"):
        layout_of(settings("tokenmotion", {}), 7)


def test_a_window_in_the_cache(tokenmotion):
    latents = 16 * 13 * 32 * 48 * 2
    assert latents < cache_bytes(tokenmotion) < latents + 2 * 384 * 256 + 60e3


def test_a_lora_and_a_picture_input_are_planned():
    plain = planned(recipe("lora", model__weights="wan2.1-1.3b"))
    assert not plain.adapters
    assert plain.cost(True).trained == plain.cost(True).adapter > 1e7
    pictured = planned(recipe("tokenmotion", model__picture="first")).cost(True)
    bare = planned(recipe("tokenmotion")).cost(True)
    assert pictured.trained > bare.trained  # the patch embedding, too
    assert pictured.flops > bare.flops


def run(*arguments):
    return CliRunner().invoke(app, ["train", *arguments])


def test_the_command_prints_a_table_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = ("--preset", "8x80gb", "--set", "trainer.accumulate=1")
    shown = run("tokenmotion", *chosen, "--estimate", "--gpus", "16", "--gpu", "h100")
    assert shown.exit_code == 0, shown.output
    assert "94 million trained" in shown.output
    assert "hsdp" in shown.output
    assert not list(tmp_path.iterdir())
    facts = json.loads(run("tokenmotion", "--preset", "8x80gb", "--estimate", "--gpus", "8", "--json").stdout)
    assert facts["best"] in {"whole", "fsdp"}
    assert facts["cost"]["tokens"] == 4992


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["motion"], "on a published backbone"),
        (["tokenmotion", "--gpu", "abacus"], "there are h100"),
        (["tokenmotion", "--backbone", "mini"], "nothing is known of the size"),
        (["control", "--set", "model.adapter=mosa", "--backbone", "vace-1.3b"], "estimates are made for"),
    ],
)
def test_what_cannot_be_estimated_is_said(arguments, said):
    shown = run(*arguments, "--estimate")
    assert shown.exit_code != 0
    assert said in shown.output + str(shown.exception)


def test_the_tables_of_the_docs_are_those_that_the_benchmark_prints():
    root = Path(__file__).parents[2]
    spec = importlib.util.spec_from_file_location("scale", root / "benchmarks/scale.py")
    scale = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scale)
    page = set((root / "docs/scale.md").read_text(encoding="utf-8").splitlines())
    for table in (scale.costs(H100), scale.ways(8, H100), scale.ways(1024, H100), scale.storage(H100)):
        assert set(table) <= page, "run python benchmarks/scale.py and put its tables into docs/scale.md"
