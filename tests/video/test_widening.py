"""Transformers that read more channels than they were made for."""

import pytest
import torch
from tests.video import tiny

from kinema.papers.tokenmotion import TokenMotionAdapter
from kinema.video.adapters.attach import attach
from kinema.video.adapters.context import ATTENTION_KEY
from kinema.video.adapters.widening import widen_patch_embedding


def cogvideox_2b():
    inputs = tiny.cogvideox_inputs() | {"image_rotary_emb": None}
    return tiny.cogvideox(use_rotary_positional_embeddings=False), inputs, 2


def cogvideox_1_5():
    inputs = tiny.cogvideox_inputs()
    angles = torch.rand(1 * 3 * 2, 32)
    inputs["image_rotary_emb"] = (angles.cos(), angles.sin())
    return tiny.cogvideox(patch_size_t=2), inputs, 2


BACKBONES = [
    cogvideox_2b,
    lambda: (tiny.cogvideox(), tiny.cogvideox_inputs(), 2),
    cogvideox_1_5,
    lambda: (tiny.wan(), tiny.wan_inputs(), 1),
]
"""A transformer, its inputs, and the axis of their channels."""


def beside(inputs, fill, axis):
    """The latents of the inputs with as many channels again."""
    latents = inputs["hidden_states"]
    return torch.cat([latents, fill(latents)], dim=axis)


@pytest.mark.parametrize("backbone", BACKBONES, ids=["2b", "5b", "1.5", "wan"])
@torch.no_grad()
def test_a_widened_transformer_says_what_it_said_whatever_the_new_channels_hold(backbone, tmp_path):
    transformer, inputs, axis = backbone()
    before = transformer(**inputs, return_dict=False)[0]
    widen_patch_embedding(transformer, 8)
    assert transformer.config.in_channels == 8
    wider = {
        **inputs,
        "hidden_states": beside(inputs, torch.zeros_like, axis),
    }
    assert torch.equal(transformer(**wider, return_dict=False)[0], before)
    wider["hidden_states"] = beside(inputs, torch.randn_like, axis)
    after = transformer(**wider, return_dict=False)[0]
    torch.testing.assert_close(after, before, atol=1e-6, rtol=0)
    transformer.save_pretrained(tmp_path)
    loaded = type(transformer).from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert torch.equal(loaded(**wider, return_dict=False)[0], after)


def test_the_new_channels_train_and_fewer_are_refused():
    transformer, inputs, axis = cogvideox_2b()
    widen_patch_embedding(transformer, 8)
    hidden_states = beside(inputs, torch.randn_like, axis)
    transformer(**inputs | {"hidden_states": hidden_states}, return_dict=False)[0].square().mean().backward()
    assert transformer.patch_embed.proj.weight.grad[:, 4:].abs().sum() > 0
    with pytest.raises(ValueError, match="reads 8 channels: it cannot be widened to 4"):
        widen_patch_embedding(transformer, 4)


def test_tokenmotion_steers_an_image_to_video_2b():
    transformer, inputs, axis = cogvideox_2b()
    widen_patch_embedding(transformer, 8)
    inputs["hidden_states"] = beside(inputs, torch.randn_like, axis)
    adapter = TokenMotionAdapter.for_transformer(transformer, motion_width=32, heads=2, first_width=8, rank=4)
    attach(transformer, tiny.awake(adapter))
    with torch.no_grad():
        plain = transformer(**inputs, return_dict=False)[0]
        tokens = {ATTENTION_KEY: {"tokenmotion": adapter.encode(tiny.signals())}}
        assert not torch.allclose(transformer(**inputs, attention_kwargs=tokens, return_dict=False)[0], plain)
