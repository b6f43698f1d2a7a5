from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.video import mtvcraft_tiny, tiny
from tests.video.mtvcraft_tiny import run

from kinema.papers.mtvcraft.adapter import MTVCraftAdapter
from kinema.papers.mtvcraft.motion import on_neutral_bodies
from kinema.video.adapters.attach import attach, attached, detach
from kinema.video.adapters.context import ATTENTION_KEY
from kinema.video.adapters.rope import apply_rope
from kinema.video.registry import adapter_class

VARIANTS = ("full", "dynamic", "learnable", "time", "none", "picture")


def tokens_equal(a, b, **tolerance):
    pairs = zip((*a.keys, *a.values, a.gate), (*b.keys, *b.values, b.gate), strict=True)
    return all(torch.allclose(x, y, **tolerance) for x, y in pairs)


@pytest.mark.parametrize("rope", VARIANTS)
def test_under_every_rope_a_new_adapter_says_nothing_and_an_awake_one_something(rope):
    transformer, inputs = tiny.wan(), tiny.wan_inputs
    before = run(transformer, **inputs())
    adapter = mtvcraft_tiny.adapter(transformer, rope=rope)
    attach(transformer, adapter)
    assert torch.equal(run(transformer, adapter.encode(mtvcraft_tiny.signals()), **inputs()), before)
    mtvcraft_tiny.awake(adapter)
    assert torch.equal(run(transformer, **inputs()), before)
    after = run(transformer, adapter.encode(mtvcraft_tiny.signals()), **inputs())
    assert not torch.allclose(after, before)
    detach(transformer)
    assert attached(transformer) == ()
    assert torch.equal(run(transformer, **inputs()), before)


def test_sites_stand_where_the_paper_has_them():
    assert mtvcraft_tiny.adapter(tiny.cogvideox()).config.blocks == (0, 1, 2)
    assert mtvcraft_tiny.adapter(tiny.wan()).config.blocks == (0, 2)
    deep = tiny.wan(num_layers=14)
    assert mtvcraft_tiny.adapter(deep).config.blocks == (0, 4, 8, 12)
    assert adapter_class("mtvcraft") is MTVCraftAdapter


def test_a_transformer_with_long_tokens_is_refused():
    transformer = tiny.wan(patch_size=(2, 2, 2))
    with pytest.raises(ValueError, match="hold 2 latent frames"):
        MTVCraftAdapter.for_transformer(transformer)


@pytest.mark.parametrize("null_frames", [0, 2])
def test_an_absent_motion_cannot_be_seen(null_frames):
    adapter = mtvcraft_tiny.awake(mtvcraft_tiny.adapter(null_frames=null_frames))
    nobody = {"pose": torch.tensor([False, False])}
    here = adapter.encode(mtvcraft_tiny.signals(seed=0), nobody)
    elsewhere = adapter.encode(mtvcraft_tiny.signals(seed=1), nobody)
    dropped = adapter.encode(mtvcraft_tiny.signals().drop("joints"))
    for other in (elsewhere, dropped):
        outputs = []
        for tokens in (here, other):
            transformer = tiny.transformer()
            attach(transformer, adapter)
            outputs.append(run(transformer, tokens))
            detach(transformer)
        assert torch.equal(*outputs)


def test_without_tokens_of_no_motion_an_absent_pose_is_the_untouched_backbone():
    transformer = tiny.transformer()
    before = run(transformer)
    adapter = mtvcraft_tiny.awake(mtvcraft_tiny.adapter(transformer, null_frames=0))
    attach(transformer, adapter)
    tokens = adapter.encode(mtvcraft_tiny.signals(), {"pose": torch.tensor([False, True])})
    after = run(transformer, tokens)
    assert torch.equal(after[0], before[0])
    assert not torch.allclose(after[1], before[1])


def test_the_tokens_of_no_motion_stretch_to_the_video():
    adapter = mtvcraft_tiny.adapter(null_frames=2)
    signals = mtvcraft_tiny.signals(frames=13).drop("joints")
    assert adapter.encode(signals).keys[0].shape[2] == 4 * 24
    short = mtvcraft_tiny.signals(frames=1).drop("joints")
    assert adapter.encode(short).keys[0].shape[2] == 24


@pytest.mark.parametrize("frames", [1, 5, 9, 13, 17, 49])
def test_any_4k_plus_1_frames_have_the_latent_frames_of_the_video(frames):
    tokens = mtvcraft_tiny.adapter().encode(mtvcraft_tiny.signals(batch=1, frames=frames))
    assert tokens.keys[0].shape[2] == 24 * (1 + frames // 4)
    assert torch.isfinite(tokens.keys[0]).all()


def test_a_strange_length_and_an_unknown_size_are_errors():
    adapter = mtvcraft_tiny.adapter()
    with pytest.raises(ValueError, match="4k \\+ 1 frames, not 6"):
        adapter.encode(mtvcraft_tiny.signals(frames=6))
    with pytest.raises(ValueError, match="size of the video"):
        adapter.encode(replace(mtvcraft_tiny.signals().drop("person_mask"), size=None))
    with pytest.raises(ValueError, match="no cameras"):
        adapter.encode(mtvcraft_tiny.signals().drop("cameras"))


def test_weights_tied_to_a_window_refuse_other_lengths():
    adapter = mtvcraft_tiny.adapter(window=9)
    adapter.encode(mtvcraft_tiny.signals(frames=9))
    with pytest.raises(ValueError, match="windows of 9 frames only, not 5"):
        adapter.encode(mtvcraft_tiny.signals(frames=5))


def test_only_what_the_camera_sees_counts():
    adapter = mtvcraft_tiny.awake(mtvcraft_tiny.adapter())
    signals = mtvcraft_tiny.signals()
    turn = torch.eye(4)
    turn[:3, :3] = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    turn[:3, 3] = torch.tensor([3.0, 1.0, -2.0])
    elsewhere = replace(
        signals,
        joints=signals.joints @ turn[:3, :3].T + turn[:3, 3],
        cameras=turn @ signals.cameras,
    )
    assert tokens_equal(adapter.encode(signals), adapter.encode(elsewhere), atol=1e-4)


def test_a_second_person_is_heard_and_the_first_stays_as_alone():
    adapter = mtvcraft_tiny.adapter()
    two = mtvcraft_tiny.signals(people=2)
    alone = replace(two, joints=two.joints[:, :1])
    gone = two.joints.clone()
    gone[:, 1] = torch.nan
    outputs = []
    for each in (alone, replace(two, joints=gone), two):
        transformer = tiny.transformer()
        attach(transformer, mtvcraft_tiny.awake(adapter))
        outputs.append(run(transformer, adapter.encode(each)))
        detach(transformer)
    assert torch.allclose(outputs[0], outputs[1], atol=1e-5)
    assert not torch.allclose(outputs[0], outputs[2], atol=1e-4)


def test_people_are_told_apart_and_counted():
    adapter = mtvcraft_tiny.adapter()
    signals = mtvcraft_tiny.signals(people=2)
    same = replace(signals, joints=signals.joints[:, :1].repeat(1, 2, 1, 1, 1))
    first, second = adapter.encode(same).values[0].chunk(2, dim=2)
    assert torch.equal(first, second)
    first, second = mtvcraft_tiny.awake(adapter).encode(same).values[0].chunk(2, dim=2)
    assert not torch.allclose(first, second)
    with pytest.raises(ValueError, match="5 people, this adapter tells 4 apart"):
        adapter.encode(mtvcraft_tiny.signals(people=5))


def test_on_the_neutral_body_proportions_say_nothing():
    """A child's motion is the same motion; where it takes place stays."""
    signals = mtvcraft_tiny.signals(frames=9)
    root = signals.joints[..., :1, :]
    small = replace(signals, joints=root + 0.7 * (signals.joints - root))
    own, neutral = mtvcraft_tiny.adapter(), mtvcraft_tiny.adapter(body="neutral")
    assert not tokens_equal(own.encode(signals), own.encode(small), atol=1e-4)
    both = [on_neutral_bodies(each.joints) for each in (signals, small)]
    assert torch.allclose(*both, atol=1e-3)
    assert torch.allclose(both[0][..., 0, :], signals.joints[..., 0, :])
    assert tokens_equal(neutral.encode(signals), neutral.encode(small), atol=1e-2)
    nobody = torch.full_like(signals.joints, torch.nan)
    assert on_neutral_bodies(nobody).isnan().all()
    one = mtvcraft_tiny.signals(frames=1)
    assert on_neutral_bodies(one.joints).isfinite().all()


def test_missing_joints_are_filled():
    adapter = mtvcraft_tiny.adapter()
    signals = mtvcraft_tiny.signals(frames=9)
    holes = signals.joints.clone()
    holes[:, :, 3, 20] = torch.nan
    holes[:, :, :, 23] = torch.nan
    assert torch.isfinite(adapter.encode(replace(signals, joints=holes)).keys[0]).all()


def test_dynamic_positions_follow_the_motion_and_full_ones_do_not():
    moving, still = mtvcraft_tiny.joints(frames=9), mtvcraft_tiny.joints(frames=9, seed=4)
    motion = torch.randn(2, 1, 3 * 24, mtvcraft_tiny.CODE_DIM)
    spaces = [1000 * each.squeeze(1)[:, ::4] for each in (moving, still)]
    keys = {
        rope: [
            mtvcraft_tiny.adapter(rope=rope)
            .encode_tokens(motion, (3, 3, 2), space=space if rope == "dynamic" else None)
            .keys[0]
            for space in spaces
        ]
        for rope in ("dynamic", "full")
    }
    assert not torch.allclose(*keys["dynamic"])
    assert torch.equal(*keys["full"])


def test_in_the_picture_a_new_site_asks_the_joints_that_are_near():
    adapter = mtvcraft_tiny.adapter(rope="picture")
    grid, (row, column) = (2, 6, 4), (4.0, 1.0)
    space = torch.full((1, 2, 24, 2), -20.0)
    space[:, :, 7] = torch.tensor([row, column])
    motion = torch.randn(1, 1, 2 * 24, mtvcraft_tiny.CODE_DIM)
    made = adapter.encode_tokens(motion, grid, space=space)
    queries = apply_rope(adapter.sites[0].queries(torch.randn(1, 48, adapter.config.hidden_size)), made.rope)
    strength = (queries @ made.keys[0].transpose(-1, -2)).mean(1)[0].unflatten(0, grid)  # [2, 6, 4, S]
    asked = strength[0, :, :, 7].flatten().argmax()
    assert divmod(int(asked), 4) == (row, column)
    without = replace(mtvcraft_tiny.signals(), intrinsics=None)
    with pytest.raises(ValueError, match="no intrinsics"):
        adapter.encode(without)


def test_the_published_wan_keys_are_slices_of_other_tokens():
    adapter = mtvcraft_tiny.adapter(form="wan_published", rope="none")
    motion = torch.randn(1, 1, 2 * 24, mtvcraft_tiny.CODE_DIM)
    made = adapter.encode_tokens(motion, (2, 3, 2)).keys[0][0]
    site = adapter.sites[0]
    plain = site.split(site.norm_k(site.to_k(motion[0])))[0]
    heads, length = made.shape[:2]
    for head, position in ((0, 0), (0, 5), (1, 0), (1, 47)):
        token, part = divmod(head * length + position, heads)
        assert torch.equal(made[head, position], plain[part, token])


def test_gradients_reach_every_parameter_but_the_tokenizer():
    transformer = tiny.transformer()
    adapter = mtvcraft_tiny.awake(mtvcraft_tiny.adapter(transformer, rope="learnable"))
    attach(transformer, adapter)
    transformer.requires_grad_(False)
    adapter.requires_grad_(True)
    tokens = adapter.encode(mtvcraft_tiny.signals(people=2), {"pose": torch.tensor([True, False])})
    output = transformer(
        **tiny.transformer_inputs(), attention_kwargs={ATTENTION_KEY: {"mtvcraft": tokens}}
    ).sample
    output.square().mean().backward()
    assert not [name for name, p in adapter.named_parameters() if p.grad is None]
    assert adapter.learned_space.grad.abs().max() > 0
    assert adapter.null_motion.grad.abs().max() > 0
    assert adapter.person_embedding.grad[0].abs().max() > 0
    assert not any(p.requires_grad for p in adapter.tokenizer.parameters())


def test_the_tokenizer_travels_with_the_adapter(tmp_path):
    adapter = mtvcraft_tiny.awake(mtvcraft_tiny.adapter())
    adapter.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list((tmp_path / "tokenizer").glob("*.safetensors"))) > 1
    loaded = MTVCraftAdapter.from_pretrained(tmp_path)
    signals = mtvcraft_tiny.signals()
    assert tokens_equal(adapter.encode(signals), loaded.encode(signals))
    assert not [key for key in adapter.state_dict() if "codebook" in key]


def test_in_half_precision_the_tokenizer_and_the_positions_stay_exact(tmp_path):
    mtvcraft_tiny.awake(mtvcraft_tiny.adapter()).save_pretrained(tmp_path)
    half = MTVCraftAdapter.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert half.tokenizer.dtype == torch.float32
    exact = MTVCraftAdapter.from_pretrained(tmp_path).encode(mtvcraft_tiny.signals())
    tokens = half.encode(mtvcraft_tiny.signals())
    assert tokens.keys[0].dtype == torch.bfloat16
    assert torch.allclose(tokens.keys[1].float(), exact.keys[1], atol=0.05)


def test_an_adapter_without_a_tokenizer_says_so(tmp_path):
    adapter = MTVCraftAdapter.for_transformer(tiny.transformer(), code_dim=8)
    adapter.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="no motion tokenizer"):
        MTVCraftAdapter.from_pretrained(tmp_path).encode(mtvcraft_tiny.signals())
    with pytest.raises(ValueError, match="tokens of width 8, this tokenizer makes them 16 wide"):
        adapter.with_tokenizer(mtvcraft_tiny.tokenizer())


def test_displacements_say_nothing_of_the_mean_skeleton():
    of_places = MTVCraftAdapter.for_transformer(tiny.transformer(), mtvcraft_tiny.tokenizer())
    of_poses = MTVCraftAdapter.for_transformer(tiny.transformer(), mtvcraft_tiny.tokenizer(form="centred"))
    of_moves = MTVCraftAdapter.for_transformer(
        tiny.transformer(), mtvcraft_tiny.tokenizer(form="differential")
    )
    assert of_places.config.mean_joints_mm == of_poses.config.mean_joints_mm == mtvcraft_tiny.MEAN.tolist()
    assert of_moves.config.mean_joints_mm is None


def test_beside_tokenmotion():
    transformer = tiny.transformer()
    motion, pictures = mtvcraft_tiny.adapter(transformer), tiny.awake(tiny.adapter())
    attach(transformer, motion)
    attach(transformer, pictures)
    tokens = {
        "mtvcraft": mtvcraft_tiny.awake(motion).encode(mtvcraft_tiny.signals()),
        "tokenmotion": pictures.encode(tiny.signals()),
    }
    outputs = []
    for names in ((), ("mtvcraft",), ("tokenmotion",), ("mtvcraft", "tokenmotion")):
        kwargs = {"attention_kwargs": {ATTENTION_KEY: {name: tokens[name] for name in names}}}
        with torch.no_grad():
            outputs.append(transformer(**tiny.transformer_inputs(), **kwargs).sample)
    for index, one in enumerate(outputs):
        assert not any(torch.allclose(one, other) for other in outputs[index + 1 :])
    detach(transformer)
    assert torch.equal(run(transformer), outputs[0])
