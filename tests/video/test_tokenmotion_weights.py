"""Saved TokenMotion weights stay readable and mean what they meant: names, config keys and arithmetic are pinned."""

import zlib
from importlib.resources import files

import torch
from tests.video import tiny

from kinema.papers.tokenmotion import TokenMotionAdapter

NAMES_PER_SITE = {
    "fusion.0.camera_attention.norm.bias",
    "fusion.0.camera_attention.norm.weight",
    "fusion.0.camera_attention.to_out.bias",
    "fusion.0.camera_attention.to_out.weight",
    "fusion.0.camera_attention.to_qkv.bias",
    "fusion.0.camera_attention.to_qkv.weight",
    "fusion.0.camera_mask.0.bias",
    "fusion.0.camera_mask.0.weight",
    "fusion.0.camera_mask.1.bias",
    "fusion.0.camera_mask.1.weight",
    "fusion.0.pose_attention.norm.bias",
    "fusion.0.pose_attention.norm.weight",
    "fusion.0.pose_attention.to_out.bias",
    "fusion.0.pose_attention.to_out.weight",
    "fusion.0.pose_attention.to_qkv.bias",
    "fusion.0.pose_attention.to_qkv.weight",
    "fusion.0.pose_mask.0.bias",
    "fusion.0.pose_mask.0.weight",
    "fusion.0.pose_mask.1.bias",
    "fusion.0.pose_mask.1.weight",
    "fusion.0.prior_strength",
    "sites.0.lora_down.weight",
    "sites.0.lora_up.weight",
    "sites.0.norm_fused.bias",
    "sites.0.norm_fused.weight",
    "sites.0.to_k.bias",
    "sites.0.to_k.weight",
    "sites.0.to_q.bias",
    "sites.0.to_q.weight",
    "sites.0.to_v.bias",
    "sites.0.to_v.weight",
}
NAMES_OF_ENCODERS = {
    f"{encoder}.{layer}.{kind}"
    for encoder in ("pose_encoder", "camera_encoder")
    for layer in ("conv_in", "to_tokens", "time.0", "time.1")
    for kind in ("weight", "bias")
}


def filled(adapter: TokenMotionAdapter) -> TokenMotionAdapter:
    """Weights that depend on nothing but their names and shapes."""
    with torch.no_grad():
        for name, tensor in adapter.state_dict().items():
            noise = torch.randn(
                tensor.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode()))
            )
            if tensor.ndim > 1:
                tensor.copy_(noise / (tensor.numel() / tensor.shape[0]) ** 0.5)
            else:
                tensor.add_(0.1 * noise)
    return adapter


def test_the_shipped_adapter_loads_whole():
    folder = files("kinema") / "weights" / "mini" / "tokenmotion"
    adapter, report = TokenMotionAdapter.from_pretrained(str(folder), output_loading_info=True)
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    defaults = {
        "conditioning": "patchified",
        "mask": "hybrid",
        "decouple_and_fuse": True,
        "unconditional": "null",
        "causal_padding": "input",
    }
    assert {name: adapter.config[name] for name in defaults} == defaults


def test_weights_from_before_a_switch_mean_what_they_meant():
    config = {name: value for name, value in tiny.adapter().config.items() if name != "causal_padding"}
    assert TokenMotionAdapter.from_config(config).pose_encoder.causal_padding == "input"


def test_names_in_the_state_dict():
    names = set(tiny.adapter(blocks=(0,)).state_dict())
    assert names == NAMES_PER_SITE | NAMES_OF_ENCODERS | {"null_pose", "null_camera"}


def test_the_same_weights_give_the_numbers_of_the_first_release():
    adapter = filled(tiny.adapter())
    tokens = adapter.encode(tiny.signals(), {"pose": torch.tensor([True, False])})
    hidden_states = torch.randn(2, 12, 64, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        added = [site(hidden_states, tokens)[:, 7, 3:6] for site in adapter.sites]
    expected = [
        [[-0.039388, -0.249770, -0.086976], [0.257936, 0.924099, 0.063056]],
        [[-1.461277, 2.220242, -0.145328], [0.080578, 0.246339, 1.339400]],
    ]
    torch.testing.assert_close(torch.stack(added), torch.tensor(expected), atol=1e-4, rtol=0)
