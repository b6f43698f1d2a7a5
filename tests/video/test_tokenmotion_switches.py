"""The rows of the paper's ablation: each switch changes what its name says, and none touches the backbone at first."""

from dataclasses import replace

import pytest
import torch
from tests.video import tiny
from torch import nn

from kinema.papers.tokenmotion import FusedFeatures, FusionSite, TokenMotionAdapter
from kinema.video.adapters.attach import attach
from kinema.video.adapters.context import ATTENTION_KEY

SWITCHES = [
    {},
    {"conditioning": "controlnet"},
    {"mask": "learnable"},
    {"mask": "prior"},
    {"decouple_and_fuse": False},
    {"conditioning": "controlnet", "decouple_and_fuse": False},
    {"prior_strength": 1.0, "learn_prior": False},
    {"unconditional": "nothing"},
]


def awake(adapter: TokenMotionAdapter) -> TokenMotionAdapter:
    torch.manual_seed(7)
    for site in adapter.sites:
        nn.init.normal_((site.lora_up if hasattr(site, "lora_up") else site.to_out).weight, std=0.3)
    return adapter


def signals(seed: int = 0):
    """With a person in the first row of tokens, or for other seeds in the last."""
    mask = torch.zeros(2, tiny.FORM.frames, tiny.FORM.height, tiny.FORM.width, dtype=torch.bool)
    mask[:, :, 0 if seed == 0 else -1] = True
    return replace(tiny.signals(seed=seed), person_mask=mask)


def run(transformer, tokens=None):
    kwargs = {} if tokens is None else {"attention_kwargs": {ATTENTION_KEY: {"tokenmotion": tokens}}}
    return transformer(**tiny.transformer_inputs(), **kwargs).sample


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_every_variant_starts_silent_trains_whole_and_comes_back_from_disk(switches, tmp_path):
    transformer = tiny.transformer().requires_grad_(False)
    plain = run(transformer)
    adapter = tiny.adapter(**switches)
    attach(transformer, adapter)
    assert torch.equal(run(transformer, adapter.encode(signals())), plain)

    awake(adapter).train()
    present = {"pose": torch.tensor([True, False]), "camera": torch.tensor([True, False])}
    if switches.get("unconditional") == "nothing":
        present = {"pose": torch.tensor([True, False]), "camera": torch.tensor([False, True])}
    output = run(transformer, adapter.encode(signals(), present))
    assert not torch.allclose(output, plain, atol=1e-3)
    output.square().mean().backward()
    assert not [name for name, p in adapter.named_parameters() if p.grad is None]

    adapter.save_pretrained(tmp_path)
    loaded, report = TokenMotionAdapter.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    tokens = loaded.encode(signals(), present)
    assert torch.equal(
        loaded.sites[0](torch.ones(2, 12, 64), tokens), adapter.sites[0](torch.ones(2, 12, 64), tokens)
    )


@pytest.mark.parametrize("switches", SWITCHES[:5], ids=str)
def test_a_single_signal_is_routed_exactly_under_every_switch(switches):
    adapter = awake(tiny.adapter(**switches))
    video = torch.randn(2, 12, 64, generator=torch.Generator().manual_seed(2))
    for absent in ("pose", "camera"):
        present = {absent: torch.tensor([True, False])}
        here, elsewhere = signals(seed=0), signals(seed=1)
        names = ("skeletons", "person_mask") if absent == "pose" else ("rays",)
        changed = replace(here, **{name: getattr(elsewhere, name) for name in names})
        first = adapter.sites[1](video, adapter.encode(here, present))
        second = adapter.sites[1](video, adapter.encode(changed, present))
        assert torch.equal(first[1], second[1])
        assert not torch.equal(first[0], second[0])


def shares(**switches) -> tuple[torch.Tensor, torch.Tensor]:
    """Pose shares where the prior is 1 and where it is 0, of streams that LayerNorm finds alike."""
    options = {"mask": "hybrid", "prior_strength": 4.0, "learn_prior": True, **switches}
    site = FusionSite(8, 1, **options)
    if options["mask"] != "prior":
        site.camera_mask.load_state_dict(site.pose_mask.state_dict())
    stream = torch.randn(1, 2, 8)
    weight = site.pose_weight(stream, stream, torch.tensor([[1.0, 0.0]]))
    return weight[0, 0], weight[0, 1]


def test_each_mask_weighs_the_prior_as_its_name_says():
    for switches, inside, outside in (
        ({}, 0.982, 0.5),
        ({"prior_strength": 1.0, "learn_prior": False}, 0.731, 0.5),
        ({"mask": "learnable"}, 0.5, 0.5),
        ({"mask": "prior"}, 1.0, 0.0),
    ):
        here, there = shares(**switches)
        torch.testing.assert_close(here, torch.full((8,), inside), atol=1e-3, rtol=0)
        torch.testing.assert_close(there, torch.full((8,), outside), atol=1e-3, rtol=0)


def test_the_literal_strength_cannot_be_thawed_and_is_saved():
    adapter = tiny.adapter(prior_strength=1.0, learn_prior=False).requires_grad_(True)
    assert not any("prior_strength" in name for name, _ in adapter.named_parameters())
    assert adapter.state_dict()["fusion.0.prior_strength"] == 1.0
    assert any("prior_strength" in name for name, _ in tiny.adapter().named_parameters())


def test_the_controlnet_style_adds_features_where_they_lie_whatever_the_video_holds():
    adapter = awake(tiny.adapter(conditioning="controlnet"))
    tokens = adapter.encode(signals())
    assert isinstance(tokens, FusedFeatures)
    video = torch.randn(2, 12, 64)
    added = adapter.sites[0](video, tokens)
    assert torch.equal(added, adapter.sites[0](torch.zeros_like(video), tokens))
    features = tokens.features[0].clone()
    features[:, 5] += 1
    moved = adapter.sites[0](video, FusedFeatures((features,), tokens.grid)) - added
    assert moved[:, 5].abs().sum() > 0
    assert moved.abs().sum() == moved[:, 5].abs().sum()

    patchified = awake(tiny.adapter())
    tokens = patchified.encode(signals())
    assert not torch.allclose(patchified.sites[0](video, tokens), patchified.sites[0](0 * video, tokens))


def test_a_still_video_has_the_same_token_in_every_frame():
    """Of a new adapter; weights whose configuration does not say were trained with the other padding."""
    still = tiny.signals().skeletons[:, :1].expand(-1, 13, -1, -1, -1)
    new, old = (
        TokenMotionAdapter.for_transformer(tiny.transformer(), motion_width=32, heads=2),
        tiny.adapter(),
    )
    assert (new.config.causal_padding, old.config.causal_padding) == ("activated", "input")
    tokens = new.pose_encoder(still)
    torch.testing.assert_close(tokens, tokens[:, :, :1].expand_as(tokens))
    tokens = old.pose_encoder(still)
    assert not torch.allclose(tokens[:, :, 0], tokens[:, :, -1], atol=1e-3)


def test_without_decouple_and_fuse_there_is_one_stream_and_no_mask():
    joint, full = tiny.adapter(decouple_and_fuse=False), tiny.adapter()
    assert not any("mask" in name or "prior" in name for name in joint.state_dict())
    elsewhere = replace(signals(), person_mask=signals(seed=1).person_mask)
    for adapter, same in ((joint, True), (full, False)):
        first, second = adapter.encode(signals()).values[0], adapter.encode(elsewhere).values[0]
        assert torch.equal(first, second) is same


@pytest.mark.parametrize(
    "switches", [{}, {"conditioning": "controlnet"}, {"decouple_and_fuse": False}], ids=str
)
def test_silence_without_signals_is_exact_under_every_injection(switches):
    adapter = awake(tiny.adapter(unconditional="nothing", **switches))
    neither = dict.fromkeys(("pose", "camera"), torch.tensor([True, False]))
    added = adapter.sites[0](torch.randn(2, 12, 64), adapter.encode(signals(), neither))
    assert added[0].abs().sum() > 0
    assert torch.equal(added[1], torch.zeros(12, 64))
