"""TokenMotion on every backbone it is meant for, as diffusers builds them, at a size that tests can afford."""

import pytest
import torch
from tests.video import tiny

from kinema.papers.tokenmotion import TokenMotionAdapter
from kinema.video.adapters.attach import attach, detach
from kinema.video.adapters.context import ATTENTION_KEY

SMALL = {"motion_width": 32, "heads": 2, "first_width": 8, "rank": 4}


def cogvideox_2b():
    """Text to video, sine positions added to the tokens."""
    inputs = tiny.cogvideox_inputs() | {"image_rotary_emb": None}
    return tiny.cogvideox(use_rotary_positional_embeddings=False), inputs


def cogvideox_5b():
    """Text to video, rotary positions."""
    return tiny.cogvideox(), tiny.cogvideox_inputs()


def cogvideox_5b_i2v():
    """Picture latents on channels behind the noise, learned positions beside the rotary ones."""
    inputs = tiny.cogvideox_inputs()
    inputs["hidden_states"] = torch.cat([inputs["hidden_states"], torch.randn(2, 2, 4, 6, 4)], dim=2)
    return tiny.cogvideox(in_channels=8, use_learned_positional_embeddings=True), inputs


def wan_t2v():
    return tiny.wan(), tiny.wan_inputs()


def wan_i2v():
    """Noise, mask and picture latents on channels, and the picture's CLIP tokens beside 512 of text."""
    inputs = tiny.wan_inputs()
    inputs["hidden_states"] = torch.cat([inputs["hidden_states"], torch.randn(2, 5, 2, 6, 4)], dim=1)
    inputs["encoder_hidden_states"] = torch.randn(2, 512, 16)
    inputs["encoder_hidden_states_image"] = torch.randn(2, 7, 20)
    return tiny.wan(in_channels=9, image_dim=20, added_kv_proj_dim=64), inputs


BACKBONES = [cogvideox_2b, cogvideox_5b_i2v, wan_i2v]
"""Beside the three of the contract (tests/papers/test_contract.py)."""


def run(transformer, inputs, tokens=None):
    kwargs = {} if tokens is None else {"attention_kwargs": {ATTENTION_KEY: {"tokenmotion": tokens}}}
    with torch.no_grad():
        return transformer(**inputs, **kwargs, return_dict=False)[0]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_silent_at_first_then_every_signal_counts_then_gone_without_a_trace(backbone):
    transformer, inputs = backbone()
    plain = run(transformer, inputs)
    adapter = TokenMotionAdapter.for_transformer(transformer, **SMALL).eval()
    assert adapter.config.blocks == (0, 2)
    attach(transformer, adapter)
    assert torch.equal(run(transformer, inputs, adapter.encode(tiny.signals())), plain)

    tiny.awake(adapter)
    both = run(transformer, inputs, adapter.encode(tiny.signals()))
    for absent in ("pose", "camera"):
        alone = run(
            transformer, inputs, adapter.encode(tiny.signals(), {absent: torch.tensor([True, False])})
        )
        assert torch.equal(alone[0], both[0])
        assert not torch.allclose(alone[1], both[1], atol=1e-3)
    detach(transformer)
    assert torch.equal(run(transformer, inputs), plain)


@pytest.mark.parametrize("conditioning", ["patchified", "controlnet"])
@pytest.mark.parametrize("backbone", [cogvideox_5b, wan_t2v])
def test_signals_of_another_size_than_the_video_are_refused(backbone, conditioning):
    transformer, inputs = backbone()
    adapter = TokenMotionAdapter.for_transformer(transformer, conditioning=conditioning, **SMALL)
    attach(transformer, adapter)
    signals = tiny.signals()
    wide = type(signals)(rays=signals.rays.repeat(1, 1, 1, 1, 2))
    with pytest.raises(ValueError, match="2 x 3 x 4 = 24 tokens, the video has 12"):
        run(transformer, inputs, adapter.encode(wide))
    single = type(signals)(rays=signals.rays[:, :1, :, :16, :16])
    with pytest.raises(ValueError, match="1 x 1 x 1 = 1 tokens, the video has 12"):
        run(transformer, inputs, adapter.encode(single))


@pytest.mark.parametrize("cut", [{"frames": 4}, {"rows": 40}, {"columns": 24}], ids=str)
def test_signals_that_fill_no_grid_are_refused(cut):
    size = {"frames": 5, "rows": 48, "columns": 32, **cut}
    rays = tiny.signals().rays[:, : size["frames"], :, : size["rows"], : size["columns"]]
    with pytest.raises(
        ValueError, match=f"not {size['frames']} frames of {size['columns']} x {size['rows']}"
    ):
        tiny.adapter().encode(type(tiny.signals())(rays=rays))


def test_a_backbone_with_larger_tokens_is_refused():
    transformer = tiny.cogvideox(patch_size_t=2, patch_bias=False)
    with pytest.raises(ValueError, match="this cogvideox transformer one of 2 x 2 x 2"):
        TokenMotionAdapter.for_transformer(transformer)


def test_by_default_it_has_the_papers_size():
    with torch.device("meta"):
        transformer = tiny.cogvideox(num_attention_heads=30, attention_head_dim=64, num_layers=4)
        adapter = TokenMotionAdapter.for_transformer(transformer)
    assert adapter.config.hidden_size == 1920
    assert adapter.sites[0].to_q.weight.shape == (512, 1920)
    assert adapter.sites[0].lora_up.weight.shape == (1920, 64)
