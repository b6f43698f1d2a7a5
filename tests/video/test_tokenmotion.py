from dataclasses import replace

import pytest
import torch
from diffusers import FirstBlockCacheConfig
from peft import LoraConfig
from tests.video import tiny

from kinema.papers.tokenmotion import TokenMotionAdapter
from kinema.video.adapters.attach import (
    attach,
    attached,
    detach,
    enable_gradient_checkpointing,
)
from kinema.video.adapters.context import ATTENTION_KEY
from kinema.video.adapters.rope import apply_rope, axis_positions, rope_table, split_head


def run(transformer, tokens=None):
    kwargs = {} if tokens is None else {"attention_kwargs": {ATTENTION_KEY: {"tokenmotion": tokens}}}
    with torch.no_grad():
        return transformer(**tiny.transformer_inputs(), **kwargs).sample


def test_a_fresh_adapter_leaves_the_backbone_bit_identical():
    transformer, adapter = tiny.transformer(), tiny.adapter()
    before = run(transformer)
    attach(transformer, adapter)
    assert torch.equal(run(transformer, adapter.encode(tiny.signals())), before)


def test_an_awake_adapter_changes_the_output_only_when_tokens_are_given():
    transformer, adapter = tiny.transformer(), tiny.awake(tiny.adapter())
    before = run(transformer)
    attach(transformer, adapter)
    assert torch.equal(run(transformer), before)
    assert not torch.allclose(run(transformer, adapter.encode(tiny.signals())), before)


def test_detach_restores_classes_and_state_dict():
    transformer, adapter = tiny.transformer(), tiny.awake(tiny.adapter())
    keys, block_class, before = list(transformer.state_dict()), type(transformer.blocks[0]), run(transformer)
    attach(transformer, adapter)
    assert attached(transformer) == ("tokenmotion",)
    detach(transformer)
    assert attached(transformer) == ()
    assert list(transformer.state_dict()) == keys
    assert type(transformer.blocks[0]) is block_class
    assert torch.equal(run(transformer), before)


def test_attach_twice_wrong_width_and_wrong_depth_are_refused():
    transformer, adapter = tiny.transformer(), tiny.adapter()
    attach(transformer, adapter)
    with pytest.raises(ValueError, match="attached already"):
        attach(transformer, adapter)
    with pytest.raises(ValueError, match="width 32"):
        attach(transformer, tiny.adapter(hidden_size=32), name="other")
    with pytest.raises(ValueError, match="block 9 of 3"):
        attach(transformer, tiny.adapter(blocks=(0, 9)), name="other")
    with pytest.raises(ValueError, match="no adapter named"):
        detach(transformer, "absent")


def test_tokens_do_not_outlive_the_call_even_when_it_fails():
    transformer, adapter = tiny.transformer(), tiny.awake(tiny.adapter())
    before = run(transformer)
    attach(transformer, adapter)
    wrong = adapter.encode(tiny.signals(batch=1)).repeat(3)
    with pytest.raises((RuntimeError, ValueError)):
        run(transformer, wrong)
    assert torch.equal(run(transformer), before)


@pytest.mark.parametrize("absent", ["pose", "camera"])
def test_not_a_bit_depends_on_an_absent_signal(absent):
    """Sample 0 of the batch has both signals, sample 1 lacks one; what it lacks is then another person or camera."""
    transformer, adapter = tiny.transformer(), tiny.awake(tiny.adapter())
    attach(transformer, adapter)
    here, elsewhere = tiny.signals(seed=0), tiny.signals(seed=1)
    names = ("skeletons", "person_mask") if absent == "pose" else ("rays",)
    changed = replace(here, **{name: getattr(elsewhere, name) for name in names})
    present = {absent: torch.tensor([True, False])}
    first, second = (run(transformer, adapter.encode(signals, present)) for signals in (here, changed))
    assert torch.equal(first[1], second[1])
    assert not torch.allclose(first[0], second[0], atol=1e-3)


@pytest.mark.parametrize(("absent", "names"), [("pose", ("skeletons", "person_mask")), ("camera", ("rays",))])
def test_an_absent_signal_is_no_signal(absent, names):
    adapter = tiny.awake(tiny.adapter())
    signals = tiny.signals()
    marked = adapter.encode(signals, {absent: torch.tensor([False, False])})
    dropped = adapter.encode(replace(signals, **dict.fromkeys(names)))
    for a, b in zip((*marked.keys, *marked.values), (*dropped.keys, *dropped.values), strict=True):
        assert torch.equal(a, b)


def test_what_is_present_is_followed_alone_as_well():
    transformer, adapter = tiny.transformer(), tiny.awake(tiny.adapter())
    attach(transformer, adapter)
    here, elsewhere = tiny.signals(seed=0), tiny.signals(seed=1)
    for absent, name in (("pose", "rays"), ("camera", "skeletons")):
        changed = replace(here, **{name: getattr(elsewhere, name)})
        present = {absent: torch.tensor([False, False])}
        first, second = (run(transformer, adapter.encode(signals, present)) for signals in (here, changed))
        assert not torch.allclose(first, second, atol=1e-3)


def test_with_neither_signal_the_null_tokens_speak_or_nothing_does():
    neither = {"pose": torch.tensor([True, False]), "camera": torch.tensor([False, False])}
    outputs = {}
    for unconditional in ("null", "nothing"):
        transformer = tiny.transformer()
        plain = run(transformer)
        adapter = tiny.awake(tiny.adapter(unconditional=unconditional))
        attach(transformer, adapter)
        outputs[unconditional] = run(transformer, adapter.encode(tiny.signals(), neither))
        other = run(transformer, adapter.encode(tiny.signals(seed=1), neither))
        assert torch.equal(outputs[unconditional][1], other[1])  # whatever the absent signals hold
    assert torch.equal(outputs["null"][0], outputs["nothing"][0])
    assert torch.equal(outputs["nothing"][1], plain[1])
    assert not torch.allclose(outputs["null"][1], plain[1], atol=1e-4)


def test_no_signal_at_all_is_an_error():
    empty = tiny.signals().drop("rays").drop("skeletons")
    with pytest.raises(ValueError, match="needs skeletons or rays"):
        tiny.adapter().encode(empty)


def test_presence_per_sample_equals_separate_batches():
    adapter = tiny.awake(tiny.adapter())
    signals = tiny.signals()
    together = adapter.encode(signals, {"pose": torch.tensor([True, False])})
    alone = adapter.encode(signals, {"pose": torch.tensor([False, False])})
    assert torch.allclose(together.values[1][1], alone.values[1][1], atol=1e-5)
    assert not torch.allclose(together.values[1][0], alone.values[1][0], atol=1e-3)


def test_gradients_reach_every_trained_parameter():
    transformer, adapter = tiny.transformer().train(), tiny.awake(tiny.adapter()).train()
    transformer.requires_grad_(False)
    attach(transformer, adapter)
    adapter.requires_grad_(True)
    present = {"pose": torch.tensor([True, False]), "camera": torch.tensor([True, False])}
    tokens = adapter.encode(tiny.signals(), present)
    output = transformer(
        **tiny.transformer_inputs(), attention_kwargs={ATTENTION_KEY: {"tokenmotion": tokens}}
    ).sample
    output.square().mean().backward()
    untouched = [name for name, p in adapter.named_parameters() if p.grad is None]
    assert not untouched


def test_save_and_load_apart_from_the_backbone(tmp_path):
    adapter = tiny.awake(tiny.adapter())
    adapter.save_pretrained(tmp_path)
    loaded = TokenMotionAdapter.from_pretrained(tmp_path)
    for a, b in zip(adapter.encode(tiny.signals()).values, loaded.encode(tiny.signals()).values, strict=True):
        assert torch.equal(a, b)


def test_first_frame_tokens_are_causal():
    adapter = tiny.adapter()
    signals = tiny.signals()
    later = signals.skeletons.clone()
    later[:, 1:] = 0
    a = adapter.pose_encoder(signals.skeletons)
    b = adapter.pose_encoder(later)
    assert torch.equal(a[:, :, 0], b[:, :, 0])
    assert a.shape[2:] == (2, 3, 2)


def test_cross_attention_starts_local():
    adapter = TokenMotionAdapter(hidden_size=64, blocks=(0,), motion_width=32, heads=1, first_width=8, rank=4)
    grid = (5, 8, 6)
    positions = axis_positions(grid)
    rope = rope_table(positions, split_head(32))
    site = adapter.sites[0]
    keys, _ = site.keys_and_values(torch.randn(1, 240, 32), rope)
    query = apply_rope(site.to_q(site.norm(torch.randn(1, 240, 64)))[:, None], rope)
    weights = torch.softmax(query @ keys.transpose(-1, -2) / 32**0.5, dim=-1)[0, 0]
    near = torch.cdist(positions, positions) < 1.5
    assert (weights * near).sum(-1).mean() > 0.5


def test_gradient_checkpointing_gives_the_same_gradients():
    gradients = []
    for checkpointed in (False, True):
        transformer, adapter = tiny.transformer().train(), tiny.awake(tiny.adapter()).train()
        transformer.requires_grad_(False)
        attach(transformer, adapter)
        adapter.requires_grad_(True)
        if checkpointed:
            enable_gradient_checkpointing(transformer)
        tokens = adapter.encode(tiny.signals())
        attention_kwargs = {ATTENTION_KEY: {"tokenmotion": tokens}}
        transformer(
            **tiny.transformer_inputs(), attention_kwargs=attention_kwargs
        ).sample.square().mean().backward()
        gradients.append([p.grad for p in adapter.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1])
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(*gradients, strict=True))


def test_caches_of_diffusers_know_our_blocks():
    transformer, adapter = tiny.transformer(), tiny.awake(tiny.adapter())
    attach(transformer, adapter)
    tokens = adapter.encode(tiny.signals())
    plain = run(transformer, tokens)
    transformer.enable_cache(FirstBlockCacheConfig(threshold=0.0))
    with transformer.cache_context("cond"):
        assert torch.allclose(run(transformer, tokens), plain, atol=1e-6)


def test_lora_loads_under_its_own_names_beside_an_adapter():
    transformer = tiny.transformer()
    transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    with_lora = run(transformer)
    attach(transformer, tiny.adapter())
    assert torch.equal(run(transformer, tiny.adapter().encode(tiny.signals())), with_lora)
    detach(transformer)
    assert torch.equal(run(transformer), with_lora)
