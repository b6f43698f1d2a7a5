from types import SimpleNamespace

import pytest
import torch
from tests.video import tiny

from kinema.video.adapters.attach import attach, detach
from kinema.video.models.spec import spec_of


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


def test_the_description_of_a_cogvideox_transformer():
    transformer = tiny.cogvideox()
    spec = spec_of(transformer)
    assert (spec.name, spec.width, spec.heads, spec.patch) == ("cogvideox", 64, 2, (1, 2, 2))
    assert spec.block_list(transformer) is transformer.transformer_blocks


class Whisper(torch.nn.Module):
    """A site between attention and feed-forward that adds a constant."""

    place = "after_attention"

    def forward(self, hidden_states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        return tokens


class Whisperer(torch.nn.Module):
    adapter_name = "whisperer"

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(hidden_size=64)
        self.site = Whisper()

    def sites_by_block(self) -> dict[int, torch.nn.Module]:
        return {0: self.site, 2: self.site}


@pytest.mark.parametrize("family", ["cogvideox", "wan"])
def test_sites_between_attention_and_feed_forward_leave_the_block_as_diffusers_wrote_it(family):
    transformer = getattr(tiny, family)()
    inputs = getattr(tiny, f"{family}_inputs")()

    def run(tokens: torch.Tensor | None) -> torch.Tensor:
        kwargs = {} if tokens is None else {"attention_kwargs": {"kinema": {"whisperer": tokens}}}
        with torch.no_grad():
            return transformer(**inputs, **kwargs, return_dict=False)[0]

    plain = run(None)
    attach(transformer, Whisperer())
    assert torch.equal(run(torch.zeros(1)), plain)
    assert torch.equal(run(None), plain)
    assert not torch.allclose(run(torch.ones(64)), plain)
    detach(transformer)
    assert torch.equal(run(None), plain)


def test_each_token_of_wan_may_have_its_own_time():
    transformer = tiny.wan()
    inputs = tiny.wan_inputs() | {"timestep": torch.full((2, 12), 500)}
    with torch.no_grad():
        plain = transformer(**inputs, return_dict=False)[0]
        attach(transformer, Whisperer())
        silent = {"attention_kwargs": {"kinema": {"whisperer": torch.zeros(1)}}}
        assert torch.equal(transformer(**inputs, **silent, return_dict=False)[0], plain)


def test_an_unknown_backbone_is_refused():
    with pytest.raises(TypeError, match="Linear is not a known backbone"):
        spec_of(torch.nn.Linear(1, 1))
