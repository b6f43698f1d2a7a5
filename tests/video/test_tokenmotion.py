from dataclasses import replace

import pytest
import torch
from tests.video import tiny

from kinema.papers.tokenmotion import TokenMotionAdapter
from kinema.video.adapters.attach import (
    attach,
    detach,
)
from kinema.video.adapters.context import ATTENTION_KEY
from kinema.video.adapters.rope import apply_rope, axis_positions, rope_table, split_head


def run(transformer, tokens=None):
    kwargs = {} if tokens is None else {"attention_kwargs": {ATTENTION_KEY: {"tokenmotion": tokens}}}
    with torch.no_grad():
        return transformer(**tiny.transformer_inputs(), **kwargs).sample


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
