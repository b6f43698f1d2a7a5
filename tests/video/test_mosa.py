from dataclasses import replace

import pytest
import torch
from diffusers.models.embeddings import get_3d_rotary_pos_embed
from diffusers.pipelines.cogvideo.pipeline_cogvideox import get_resize_crop_region_for_grid
from tests.video import tiny
from tests.video.mosa_tiny import Backbone, awake

from kinema.video.adapters.attach import attach
from kinema.video.models.spec import spec_of

FAMILIES = ["mini", "wan", "cogvideox"]


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_without_hadc_too_a_fresh_adapter_is_silent_and_an_awake_one_is_not(family):
    backbone = Backbone(family)
    before, adapter = backbone.run(), backbone.adapter(hadc=False)
    attach(backbone.transformer, adapter)
    assert torch.equal(backbone.run(backbone.encode(adapter)), before)
    awake(adapter)
    assert not torch.allclose(backbone.run(backbone.encode(adapter)), before)
    assert torch.equal(backbone.run(), before)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hadc", [True, False])
@torch.no_grad()
def test_absent_structure_leaves_its_sample_bit_identical(family, hadc):
    backbone = Backbone(family)
    before, adapter = backbone.run(), awake(backbone.adapter(hadc=hadc))
    attach(backbone.transformer, adapter)
    output = backbone.run(backbone.encode(adapter, present={"pose": torch.tensor([False, True])}))
    assert torch.equal(output[0], before[0])
    assert not torch.allclose(output[1], before[1])


def after_first_block(transformer, inputs: dict) -> torch.Tensor:
    """The video tokens that a backbone's own first block returns."""
    seen = []
    block = spec_of(transformer).block_list(transformer)[0]
    hook = block.register_forward_hook(lambda module, args, output: seen.append(output))
    transformer(**inputs)
    hook.remove()
    return seen[0][0] if isinstance(seen[0], tuple) else seen[0]


@pytest.mark.parametrize("family", ["mini", "wan"])
@torch.no_grad()
def test_the_branch_starts_as_the_backbone_at_t_0(family):
    """On video latents the first tap is what the backbone's own first block makes of them."""
    backbone = Backbone(family)
    branch = backbone.adapter().structure
    latents = backbone.inputs["hidden_states"].clone()
    channels = branch.patch_embedding.in_channels
    latents[:, channels:] = 0  # what mini reads beside the video
    inputs = {**backbone.inputs, "hidden_states": latents, "timestep": torch.zeros(2)}
    taps = branch(latents[:, :channels], backbone.text)
    assert len(taps) == 3
    assert torch.allclose(taps[0], after_first_block(backbone.transformer, inputs), atol=1e-5)


@pytest.mark.parametrize("size", [(6, 4), (12, 8), (6, 2), (4, 4), (10, 6)])
@pytest.mark.parametrize("offset", [{}, {"ofs": torch.tensor([2.0])}], ids=["", "ofs"])
@torch.no_grad()
def test_the_branch_starts_as_cogvideox_at_t_0_with_the_positions_of_its_pipeline(size, offset):
    backbone = Backbone("cogvideox", ofs_embed_dim=24 if offset else None)
    latents = torch.randn(2, 2, 4, *size)
    grid = (size[0] // 2, size[1] // 2)
    positions = get_3d_rotary_pos_embed(32, get_resize_crop_region_for_grid(grid, 2, 3), grid, 2)
    inputs = {"hidden_states": latents, "timestep": torch.zeros(2), "image_rotary_emb": positions, **offset}
    tap = backbone.adapter().structure(latents.transpose(1, 2), backbone.text)[0]
    theirs = after_first_block(backbone.transformer, {**backbone.inputs, **inputs})
    assert torch.allclose(tap, theirs, atol=1e-5)


@pytest.mark.parametrize("changes", [{"use_rotary_positional_embeddings": False}, {"patch_size_t": 2}])
@torch.no_grad()
def test_cogvideox_2b_and_1_5_are_read_too(changes):
    backbone = Backbone("cogvideox", **changes)
    if "patch_size_t" in changes:
        angles = torch.rand(1 * 3 * 2, 32)
        backbone.inputs["image_rotary_emb"] = (angles.cos(), angles.sin())
    adapter = awake(backbone.adapter())
    before = backbone.run()
    attach(backbone.transformer, adapter)
    tokens = backbone.encode(adapter)
    assert tokens.grid == ((1, 3, 2) if "patch_size_t" in changes else (2, 3, 2))
    assert not torch.allclose(backbone.run(tokens), before)
    assert adapter.masks(tokens)[0].shape == (2, 1, 2, 6, 4)


@pytest.mark.parametrize("family", ["wan", "cogvideox"])
@torch.no_grad()
def test_image_to_video_backbones_give_the_part_that_reads_video(family):
    changes = {"in_channels": 9 if family == "wan" else 8}
    if family == "wan":
        changes["added_kv_proj_dim"] = 64
    backbone = Backbone(family, **changes)
    adapter = backbone.adapter()
    tokens = backbone.encode(adapter)
    assert tokens.structure[0].shape == (2, 12, 64)
    patch = adapter.structure.patch_embedding if family == "wan" else adapter.structure.patch_embed.proj
    source = getattr(backbone.transformer, "patch_embedding", None) or backbone.transformer.patch_embed.proj
    assert torch.equal(patch.weight, source.weight[:, :4])


@torch.no_grad()
def test_black_is_zero_and_the_empty_prompt_is_zeros():
    backbone = Backbone("wan")
    adapter = backbone.adapter()
    signals = tiny.signals()
    black = replace(signals, skeletons=torch.zeros_like(signals.skeletons))
    nothing = adapter.structure(torch.zeros(2, 4, 2, 6, 4), backbone.text)
    assert torch.equal(backbone.encode(adapter, black).structure[0], nothing[0])
    without = adapter.encode(signals, to_latents=backbone.to_latents)
    zeros = adapter.encode(signals, text=torch.zeros(2, 7, 16), to_latents=backbone.to_latents)
    assert torch.allclose(without.structure[-1], zeros.structure[-1], atol=1e-5)


def test_what_cannot_be_encoded_is_said():
    backbone = Backbone("wan")
    adapter = backbone.adapter()
    with pytest.raises(ValueError, match="nobody in it"):
        backbone.encode(adapter, tiny.signals().drop("skeletons"))
    with pytest.raises(ValueError, match="to_latents"):
        adapter.encode(tiny.signals())
    paired = Backbone("cogvideox", patch_size_t=2)
    with pytest.raises(ValueError, match=r"do not divide into tokens of \(2, 2, 2\)"):
        paired.encode(paired.adapter(), tiny.signals().window(0, 1))
