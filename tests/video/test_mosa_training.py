import pytest
import torch
from tests.video import tiny
from tests.video.mosa_tiny import Backbone, awake

from kinema.papers.mosa import mask_loss
from kinema.video.adapters.attach import attach, attached, detach, enable_gradient_checkpointing
from kinema.video.registry import adapter_class


def masks_and_output(backbone, adapter):
    tokens = backbone.encode(adapter)
    output = backbone.run(tokens)
    return adapter.masks(tokens), output


def gradients(backbone, adapter) -> dict[str, torch.Tensor]:
    """Of the sample and of the mask loss together, as in training."""
    masks, output = masks_and_output(backbone, adapter)
    loss = output.square().mean() + mask_loss(masks, tiny.signals().person_mask).get("mask", 0.0)
    loss.backward()
    return {name: p.grad for name, p in adapter.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("family", ["wan", "cogvideox"])
def test_masks_come_on_the_latent_grid_of_the_run_that_these_tokens_made(family):
    backbone = Backbone(family)
    adapter = awake(backbone.adapter())
    attach(backbone.transformer, adapter)
    first, second = backbone.encode(adapter), backbone.encode(adapter, tiny.signals(seed=1))
    with torch.no_grad():
        backbone.run(first)
        before = adapter.masks(first)
        backbone.run(second)
        assert [mask.shape for mask in before] == 3 * [(2, 1, 2, 6, 4)]
        assert all(torch.equal(a, b) for a, b in zip(adapter.masks(first), before, strict=True))
        assert not torch.allclose(adapter.masks(second)[0], before[0])


@pytest.mark.parametrize("options", [{"hadc": False}, {"mask_head": False}])
def test_no_masks_without_hadc_or_without_their_heads(options):
    backbone = Backbone("wan")
    adapter = backbone.adapter(**options)
    attach(backbone.transformer, adapter)
    assert masks_and_output(backbone, adapter)[0] == ()
    assert not any("mask" in name for name in adapter.state_dict())


@pytest.mark.parametrize("family", ["mini", "wan", "cogvideox"])
def test_without_hadc_too_gradients_reach_every_parameter_and_none_of_the_backbone(family):
    backbone = Backbone(family)
    backbone.transformer.requires_grad_(False)
    adapter = awake(backbone.adapter(hadc=False)).train()
    attach(backbone.transformer, adapter)
    given = gradients(backbone, adapter)
    own = [name for name, _ in backbone.transformer.named_parameters() if "kinema_sites" not in name]
    assert given.keys() == dict(adapter.named_parameters()).keys()
    assert all(backbone.transformer.get_parameter(name).grad is None for name in own)


def test_a_new_adapter_learns_through_its_last_layer_first():
    backbone = Backbone("wan")
    backbone.transformer.requires_grad_(False)
    adapter = backbone.adapter().train()
    attach(backbone.transformer, adapter)
    backbone.run(backbone.encode(adapter)).square().mean().backward()
    assert adapter.sites[0].to_weight.weight.grad.abs().sum() > 0
    assert not adapter.structure.patch_embedding.weight.grad.any()


@pytest.mark.parametrize("family", ["wan", "cogvideox"])
def test_gradient_checkpointing_of_backbone_and_branch_changes_no_gradient(family):
    given = []
    for checkpointed in (False, True):
        backbone = Backbone(family)
        backbone.transformer.requires_grad_(False).train()
        adapter = awake(backbone.adapter()).train()
        attach(backbone.transformer, adapter)
        if checkpointed:
            enable_gradient_checkpointing(backbone.transformer)
            adapter.enable_gradient_checkpointing()
        given.append(gradients(backbone, adapter))
    assert given[0].keys() == given[1].keys()
    assert all(torch.allclose(given[0][name], given[1][name], atol=1e-6) for name in given[0])


@torch.no_grad()
def test_tokens_can_be_stacked_repeated_and_moved():
    backbone = Backbone("cogvideox")
    adapter = awake(backbone.adapter())
    attach(backbone.transformer, adapter)
    tokens = backbone.encode(adapter, present={"pose": torch.tensor([True, False])})
    whole = backbone.run(tokens)
    assert torch.equal(backbone.run(tokens.to(dtype=torch.float32)), whole)
    halves = [tokens.map(lambda tensor, i=i: tensor[i : i + 1]) for i in range(2)]
    assert torch.allclose(backbone.run(type(tokens).cat(halves)), whole, atol=1e-6)
    doubled = tokens.repeat(2)
    backbone.inputs = {
        name: torch.cat([part, part]) if isinstance(part, torch.Tensor) else part
        for name, part in backbone.inputs.items()
    }
    assert torch.allclose(backbone.run(doubled), torch.cat([whole, whole]), atol=1e-5)
    assert adapter.masks(doubled)[0].shape[0] == 4


@torch.no_grad()
def test_beside_tokenmotion_and_off_again_without_a_trace():
    backbone = Backbone("mini")
    keys, block, plain = (
        list(backbone.transformer.state_dict()),
        type(backbone.transformer.blocks[0]),
        backbone.run(),
    )
    mosa, tokenmotion = awake(backbone.adapter()), tiny.awake(tiny.adapter())
    attach(backbone.transformer, tokenmotion)
    other = tokenmotion.encode(tiny.signals())
    alone = backbone.run(tokenmotion=other)
    attach(backbone.transformer, mosa)
    assert torch.equal(backbone.run(tokenmotion=other), alone)
    assert not torch.allclose(backbone.run(backbone.encode(mosa), tokenmotion=other), alone)
    copied = backbone.adapter()  # made from a backbone with adapters on it
    assert copied.state_dict().keys() == mosa.state_dict().keys()
    detach(backbone.transformer, "mosa")
    assert attached(backbone.transformer) == ("tokenmotion",)
    assert torch.equal(backbone.run(tokenmotion=other), alone)
    detach(backbone.transformer)
    assert list(backbone.transformer.state_dict()) == keys
    assert type(backbone.transformer.blocks[0]) is block
    assert torch.equal(backbone.run(), plain)


@pytest.mark.parametrize("family", ["wan", "cogvideox"])
@torch.no_grad()
def test_it_loads_and_runs_in_bfloat16(family, tmp_path):
    backbone = Backbone(family)
    awake(backbone.adapter()).save_pretrained(tmp_path / "adapter")
    backbone.transformer.save_pretrained(tmp_path / "transformer")
    half = {"dtype": torch.bfloat16}
    adapter = adapter_class("mosa").from_pretrained(tmp_path / "adapter", **half).eval()
    backbone.transformer = type(backbone.transformer).from_pretrained(tmp_path / "transformer", **half).eval()
    for name in ("hidden_states", "encoder_hidden_states"):
        backbone.inputs[name] = backbone.inputs[name].bfloat16()
    attach(backbone.transformer, adapter)
    tokens = backbone.encode(adapter)
    assert backbone.run(tokens).dtype == adapter.masks(tokens)[0].dtype == torch.bfloat16
