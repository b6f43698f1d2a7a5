from dataclasses import replace

import pytest
import torch
from tests.appearance import tiny
from tests.appearance.mosa_tiny import Backbone, awake

from kinema.appearance.adapters.attach import attach

FAMILIES = ["mini", "wan", "cogvideox"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hadc", [True, False])
@torch.no_grad()
def test_a_fresh_adapter_leaves_the_backbone_bit_identical_and_an_awake_one_does_not(family, hadc):
    backbone = Backbone(family)
    before, adapter = backbone.run(), backbone.adapter(hadc=hadc)
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


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_the_structure_branch_starts_as_the_backbone_at_t_0(family):
    """On video latents the first tap is what the backbone's own first block makes of them."""
    backbone = Backbone(family)
    adapter, seen = backbone.adapter(), []
    blocks = adapter.structure.blocks
    inputs = {**backbone.inputs, "timestep": torch.zeros(2)}
    latents = inputs["hidden_states"]
    if family == "mini":  # the branch reads the first picture only
        latents[:, adapter.structure.patch_embedding.in_channels :] = 0
        latents = latents[:, : adapter.structure.patch_embedding.in_channels]
    if family == "cogvideox":
        latents = latents.transpose(1, 2)
        inputs["image_rotary_emb"] = adapter.structure._rotary_table(latents)
    block = getattr(backbone.transformer, "blocks", None) or backbone.transformer.transformer_blocks
    hook = block[0].register_forward_hook(
        lambda module, args, output: seen.append(output[0] if isinstance(output, tuple) else output)
    )
    backbone.transformer(**inputs)
    hook.remove()
    taps = adapter.structure(latents, backbone.text)
    assert len(taps) == len(blocks)
    assert torch.allclose(taps[0], seen[0], atol=1e-5)


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
def test_cogvideox_rotary_positions_are_those_of_its_pipeline():
    from diffusers.models.embeddings import get_3d_rotary_pos_embed
    from diffusers.pipelines.cogvideo.pipeline_cogvideox import get_resize_crop_region_for_grid

    backbone = Backbone("cogvideox", sample_width=90, sample_height=60)
    branch = backbone.adapter().structure
    for height, width in ((60, 90), (40, 90), (60, 50), (30, 44)):
        grid = (height // 2, width // 2)
        crop = get_resize_crop_region_for_grid(grid, 45, 30)
        theirs = get_3d_rotary_pos_embed(32, crop, grid, 3)
        ours = branch._rotary_table(torch.zeros(1, 4, 3, height, width))
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True)), (height, width)


def test_black_is_zero_and_the_empty_prompt_is_zeros():
    backbone = Backbone("wan")
    adapter = backbone.adapter()
    signals = tiny.signals()
    black = replace(signals, skeletons=torch.zeros_like(signals.skeletons))
    assert not adapter._latents(black.skeletons, backbone.to_latents).any()
    a = adapter.encode(signals, to_latents=backbone.to_latents)
    b = adapter.encode(signals, text=torch.zeros(2, 7, 16), to_latents=backbone.to_latents)
    assert torch.allclose(a.structure[-1], b.structure[-1], atol=1e-5)


def test_what_cannot_be_encoded_is_said():
    backbone = Backbone("wan")
    adapter = backbone.adapter()
    with pytest.raises(ValueError, match="nobody in it"):
        backbone.encode(adapter, tiny.signals().drop("skeletons"))
    with pytest.raises(ValueError, match="to_latents"):
        adapter.encode(tiny.signals())
