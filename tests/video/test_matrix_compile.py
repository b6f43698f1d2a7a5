"""Compiled blocks with adapters: one piece, the same result, and never the tokens of an earlier call."""

import pytest
import torch
from tests.video import tiny
from tests.video.matrix_cases import ADAPTERS, Cell

from kinema.video.adapters.attach import attach
from kinema.video.adapters.context import ATTENTION_KEY


@pytest.fixture(autouse=True)
def _nothing_compiled_before():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("family", ["cogvideox", "wan"])  # mini is Wan
@pytest.mark.parametrize("adapter_name", ADAPTERS)
@torch.no_grad()
def test_blocks_compile_without_a_break_and_read_the_tokens_of_the_call(adapter_name, family):
    cell = Cell(adapter_name, family).attach()
    tokens = cell.encode()
    others = tokens.map(lambda tensor: tensor.flip(0))
    expected = [cell.run(each) for each in (tokens, others)]
    cell.transformer.compile_repeated_blocks(backend="eager", fullgraph=True)
    for each, reference in zip((tokens, others), expected, strict=True):
        torch.testing.assert_close(cell.run(each), reference, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(*expected)


@torch.no_grad()
def test_more_sites_than_torch_recompiles_for_by_default():
    transformer = tiny.wan(num_layers=4)
    adapter = tiny.awake(tiny.adapter(blocks=(0, 1, 2, 3)))
    attach(transformer, adapter)
    given = {"attention_kwargs": {ATTENTION_KEY: {"tokenmotion": adapter.encode(tiny.signals())}}}
    expected = transformer(**tiny.wan_inputs(), **given).sample
    with torch._dynamo.config.patch(recompile_limit=2):
        transformer.compile_repeated_blocks(
            backend="eager", fullgraph=True
        )  # fullgraph: at the limit it raises
        torch.testing.assert_close(transformer(**tiny.wan_inputs(), **given).sample, expected)
