"""What we rely on in diffusers: when one of these fails after an upgrade, read docs/compatibility.md first."""

import inspect

import pytest
from diffusers.hooks._helpers import TransformerBlockRegistry
from tests.video import tiny

from kinema.video.models.spec import spec_of

BACKBONES = [tiny.cogvideox, tiny.wan]


def parameters(function) -> list[tuple[str, object, object]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("make", BACKBONES)
def test_blocks_and_transformers_are_called_as_when_this_was_written(make):
    transformer = make()
    spec = spec_of(transformer)
    assert parameters(spec.block_class.forward) == parameters(type(spec.block_list(transformer)[0]).forward)
    assert parameters(spec.transformer_class.forward) == parameters(type(transformer).forward)


@pytest.mark.parametrize("make", BACKBONES)
def test_caches_read_our_blocks_as_they_read_those_of_diffusers(make):
    transformer = make()
    spec = spec_of(transformer)
    ours = TransformerBlockRegistry.get(spec.block_class)
    theirs = TransformerBlockRegistry.get(type(spec.block_list(transformer)[0]))
    for name in (
        "return_hidden_states_index",
        "return_encoder_hidden_states_index",
        "hidden_states_argument_name",
    ):
        assert getattr(ours, name) == getattr(theirs, name)


@pytest.mark.parametrize("make", BACKBONES)
def test_diffusers_finds_controlled_classes_by_the_names_it_knows(make):
    transformer = make()
    spec = spec_of(transformer)
    block = type(spec.block_list(transformer)[0])
    assert spec.block_class.__name__ == block.__name__
    assert spec.transformer_class.__name__ == type(transformer).__name__
    assert block.__name__ in spec.transformer_class._no_split_modules
    assert block.__name__ in spec.transformer_class._repeated_blocks
