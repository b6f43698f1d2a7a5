"""Adapters beside diffusers' features in one process: same result, or a clear refusal (docs/compatibility.md)."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from diffusers import DiffusionPipeline, FirstBlockCacheConfig
from diffusers.hooks import apply_group_offloading
from diffusers.models.modeling_utils import ModelMixin
from tests.video.matrix_cases import Cell, assert_same, every_cell

from kinema.video.adapters.attach import attach, attached, detach
from kinema.video.adapters.context import ATTENTION_KEY, published


@every_cell
def test_tokens_change_the_output_and_nothing_else_does(adapter_name, family):
    cell = Cell(adapter_name, family)
    before = cell.plain()
    cell.attach()
    assert torch.equal(cell.plain(), before)
    assert not torch.allclose(cell.controlled(), before)
    detach(cell.transformer)
    assert torch.equal(cell.plain(), before)


@every_cell
def test_tokens_that_nobody_would_read_are_an_error(adapter_name, family):
    cell = Cell(adapter_name, family).attach()
    tokens = cell.encode()
    with pytest.raises(KeyError, match=f"'typo' that is not attached; attached: {adapter_name}"):
        cell.transformer(**cell.inputs, attention_kwargs={ATTENTION_KEY: {"typo": tokens}})
    with pytest.raises(TypeError, match="is a dictionary of tokens by adapter name"):
        cell.transformer(**cell.inputs, attention_kwargs={ATTENTION_KEY: tokens})


@every_cell
def test_tokens_of_another_batch_are_an_error(adapter_name, family):
    cell = Cell(adapter_name, family).attach()
    with pytest.raises(ValueError, match="are of 4 samples, the video batch has 2"):
        cell.run(cell.encode().repeat(2))


@every_cell
def test_tokens_published_around_the_call_are_read(adapter_name, family):
    cell = Cell(adapter_name, family).attach()
    with torch.no_grad(), published({adapter_name: cell.encode()}):
        around = cell.run()
    assert torch.equal(around, cell.controlled())
    assert not torch.allclose(around, cell.plain())


@every_cell
@pytest.mark.parametrize("order", ["attach first", "checkpointing first"])
def test_gradient_checkpointing_gives_the_same_gradients(adapter_name, family, order):
    expected = Cell(adapter_name, family).attach().gradients()
    cell = Cell(adapter_name, family)
    if order == "attach first":
        cell.attach().transformer.enable_gradient_checkpointing()
    else:
        cell.transformer.enable_gradient_checkpointing()
        cell.attach()
    assert_same(cell.gradients(), expected)


@every_cell
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")  # torch says so, too, and goes on
def test_reentrant_checkpointing_is_refused(adapter_name, family):
    cell = Cell(adapter_name, family).attach()

    def reentrant(block, *inputs):
        return torch.utils.checkpoint.checkpoint(block, *inputs, use_reentrant=True)

    cell.transformer.enable_gradient_checkpointing(reentrant)
    with pytest.raises(ValueError, match="reentrant checkpointing with an adapter attached is not supported"):
        cell.gradients()


@every_cell
def test_first_block_cache_that_skips_nothing_changes_nothing(adapter_name, family):
    cell = Cell(adapter_name, family).attach()
    expected = cell.controlled()
    cell.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.0))
    with cell.transformer.cache_context("cond"):
        assert torch.equal(cell.controlled(), expected)
        cell.inputs["hidden_states"] += 0.1  # a step on: nothing is the same, so nothing is skipped
        on = cell.controlled()
    cell.transformer.disable_cache()
    assert torch.equal(cell.controlled(), on)
    detach(cell.transformer)  # a cache that is off again hinders nothing
    assert attached(cell.transformer) == ()


@every_cell
def test_a_skipped_step_of_first_block_cache_repeats_what_the_later_sites_said(adapter_name, family):
    cell = Cell(adapter_name, family).attach()
    calls = []
    cell.adapter.sites_by_block()[2].register_forward_hook(lambda *_: calls.append(1))
    cell.transformer.enable_cache(FirstBlockCacheConfig(threshold=1e6))
    with cell.transformer.cache_context("cond"):
        first = cell.controlled()
        second = cell.controlled()
    assert len(calls) == 1  # the site in the last block ran once
    torch.testing.assert_close(second, first, atol=1e-4, rtol=1e-4)


@every_cell
def test_attach_and_detach_while_a_cache_is_on_are_refused(adapter_name, family):
    cell = Cell(adapter_name, family)
    cell.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.0))
    with pytest.raises(ValueError, match="cannot attach while fbc_leader_block_hook wraps"):
        cell.attach()
    cell.transformer.disable_cache()
    cell.attach()  # and the hook's remains do not hide the sites
    assert not torch.allclose(cell.controlled(), cell.plain())
    cell.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.0))
    with pytest.raises(ValueError, match="cannot detach while fbc_leader_block_hook wraps"):
        detach(cell.transformer)


@every_cell
@pytest.mark.parametrize("level", ["block_level", "leaf_level"])
def test_group_offloading_moves_the_sites_with_their_blocks(adapter_name, family, level, tmp_path):
    cell = Cell(adapter_name, family).attach()
    expected = cell.controlled()
    tokens = cell.encode()
    # On disk, weights are empty between calls: of a site that is not brought back, the numbers below would be seen.
    disk = {"offload_to_disk_path": str(tmp_path), "offload_type": level, "num_blocks_per_group": 1}
    apply_group_offloading(cell.transformer, torch.device("cpu"), **disk)
    for _ in range(2):
        for parameter in cell.adapter.sites_by_block()[2].parameters():
            parameter.data.fill_(torch.nan)
        with torch.no_grad():
            assert torch.equal(cell.run(tokens), expected)
    if level == "leaf_level":
        assert torch.equal(cell.controlled(), expected)  # encode brings the layers that it uses
    with pytest.raises(ValueError, match="cannot detach under group offloading"):
        detach(cell.transformer)


@every_cell
@pytest.mark.parametrize("level", ["block_level", "leaf_level"])
def test_group_offloading_to_memory_changes_nothing(adapter_name, family, level):
    cell = Cell(adapter_name, family).attach()
    expected = cell.controlled()
    cell.transformer.enable_group_offload(torch.device("cpu"), offload_type=level, num_blocks_per_group=1)
    assert torch.equal(cell.controlled(), expected)


@every_cell
def test_blocks_on_disk_are_refused_because_encode_reads_the_sites(adapter_name, family, tmp_path):
    cell = Cell(adapter_name, family).attach()
    with pytest.raises(
        ValueError, match="group offloading of blocks to disk with an adapter attached is not supported"
    ):
        cell.transformer.enable_group_offload(
            torch.device("cpu"), num_blocks_per_group=1, offload_to_disk_path=str(tmp_path)
        )


@every_cell
def test_layerwise_casting_leaves_sites_alone(adapter_name, family):
    cell = Cell(adapter_name, family).attach()
    before = cell.controlled()
    cell.transformer.enable_layerwise_casting(torch.float8_e4m3fn, torch.float32)
    kept = {parameter.dtype for parameter in cell.adapter.parameters()}
    cast = {parameter.dtype for parameter in cell.transformer.parameters()}
    assert kept == {torch.float32}
    assert torch.float8_e4m3fn in cast
    assert torch.nn.functional.cosine_similarity(cell.controlled().flatten(), before.flatten(), dim=0) > 0.9


@every_cell
def test_a_transformer_is_saved_as_if_nothing_were_attached(adapter_name, family, tmp_path):
    cell = Cell(adapter_name, family)
    names, original = list(cell.transformer.state_dict()), type(cell.transformer)
    cell.attach()
    assert list(cell.transformer.state_dict()) == names
    cell.transformer.save_pretrained(tmp_path / "transformer")
    cell.adapter.save_pretrained(tmp_path / "adapter")
    assert original.load_config(tmp_path / "transformer")["_class_name"] == original.__name__
    loaded = original.from_pretrained(tmp_path / "transformer", dtype=torch.float32).eval()
    assert torch.equal(cell.plain(loaded), cell.plain())
    adapter = type(cell.adapter).from_pretrained(tmp_path / "adapter", dtype=torch.float32).eval()
    attach(loaded, adapter, adapter_name)
    assert torch.equal(cell.controlled(loaded), cell.controlled())


class Pipeline(DiffusionPipeline):
    def __init__(self, transformer: ModelMixin) -> None:
        super().__init__()
        self.register_modules(transformer=transformer)


@every_cell
def test_a_pipeline_saves_a_transformer_that_was_attached_before_it_was_made(adapter_name, family, tmp_path):
    cell = Cell(adapter_name, family).attach()
    Pipeline(cell.transformer).save_pretrained(tmp_path)
    loaded = Pipeline.from_pretrained(tmp_path).transformer.eval()
    assert attached(loaded) == ()
    assert torch.equal(cell.plain(loaded), cell.plain())


@every_cell
def test_two_threads_do_not_hear_each_other(adapter_name, family):
    cell = Cell(adapter_name, family).attach()
    given = [cell.encode(), cell.encode().map(lambda tensor: tensor.flip(0))]
    alone = [cell.run(tokens) for tokens in given]
    assert not torch.equal(*alone)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            for together, expected in zip(pool.map(cell.run, given), alone, strict=True):
                assert torch.equal(together, expected)


@every_cell
def test_weights_load_into_a_transformer_with_an_adapter(adapter_name, family):
    cell = Cell(adapter_name, family).attach()
    expected = cell.controlled()
    weights = {name: tensor.clone() for name, tensor in cell.transformer.state_dict().items()}
    for parameter in cell.transformer.parameters():
        if not any(parameter is each for each in cell.adapter.parameters()):
            parameter.data.zero_()
    cell.transformer.load_state_dict(weights)
    assert torch.equal(cell.controlled(), expected)


@every_cell
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copy_is_controlled_too_and_stands_alone(adapter_name, family, duplicate):
    cell = Cell(adapter_name, family).attach()
    expected, plain = cell.controlled(), cell.plain()
    copied = duplicate(cell.transformer)
    assert attached(copied) == (adapter_name,)
    assert torch.equal(cell.controlled(copied), expected)
    detach(copied)
    assert torch.equal(cell.plain(copied), plain)
    assert torch.equal(cell.controlled(), expected)


@every_cell
def test_an_offloaded_or_foreign_transformer_is_refused(adapter_name, family):
    cell = Cell(adapter_name, family)
    cell.transformer.enable_group_offload(torch.device("cpu"), offload_type="leaf_level")
    with pytest.raises(ValueError, match="cannot attach under group offloading"):
        cell.attach()
    cell = Cell(adapter_name, family)
    cell.transformer.__class__ = type("Own", (type(cell.transformer),), {})
    with pytest.raises(ValueError, match="a Own stands where a"):
        attach(cell.transformer, cell.adapter)
