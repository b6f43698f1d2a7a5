import pytest
import torch
from tests.appearance import tiny

from kinema.appearance.backbones.spec import spec_of


def test_the_description_of_a_wan_transformer():
    transformer = tiny.transformer()
    spec = spec_of(transformer)
    assert (spec.name, spec.width, spec.heads) == ("wan", 64, 2)
    assert spec.block_list(transformer) is transformer.blocks


def test_an_adapter_fills_the_token_grid_of_the_backbone():
    grid = spec_of(tiny.transformer()).token_grid(tiny.FORM.frames, tiny.FORM.height, tiny.FORM.width)
    tokens = tiny.adapter().encode(tiny.signals())
    assert tokens.keys[0].shape[2] == grid[0] * grid[1] * grid[2]
    with pytest.raises(ValueError, match="4k \\+ 1"):
        spec_of(tiny.transformer()).token_grid(4, 48, 32)


def test_an_unknown_backbone_is_refused():
    with pytest.raises(TypeError, match="Linear is not a known backbone"):
        spec_of(torch.nn.Linear(1, 1))
