"""Rotary positions against their definition."""

import torch

from kinema.video.adapters.rope import apply_rope, axis_positions, rope_table, split_head


def test_rope_depends_on_differences_only():
    x, y = torch.randn(2, 1, 24)
    shares = split_head(24)
    here = (
        rope_table(torch.tensor([[1.0, 2.0, 3.0]]), shares),
        rope_table(torch.tensor([[2.0, 5.0, 1.0]]), shares),
    )
    there = (
        rope_table(torch.tensor([[4.0, 4.0, 9.0]]), shares),
        rope_table(torch.tensor([[5.0, 7.0, 7.0]]), shares),
    )
    products = [(apply_rope(x, a) * apply_rope(y, b)).sum() for a, b in (here, there)]
    assert torch.allclose(products[0], products[1], atol=1e-4)


def test_every_pair_of_channels_turns_by_its_angle():
    x = torch.randn(2, 3, 12, 24)
    cos, sin = rope_table(axis_positions((2, 3, 2)), split_head(24))
    turned = apply_rope(x, (cos, sin))
    for token in range(12):
        for pair in range(12):
            c, s = cos[token, pair], sin[token, pair]
            expected = x[:, :, token, 2 * pair : 2 * pair + 2] @ torch.tensor([[c, s], [-s, c]])
            torch.testing.assert_close(turned[:, :, token, 2 * pair : 2 * pair + 2], expected)


def test_compiled_and_in_half_precision_it_is_the_same():
    x = torch.randn(2, 3, 12, 24)
    table = rope_table(axis_positions((2, 3, 2)), split_head(24))
    compiled = torch.compile(apply_rope, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, table), apply_rope(x, table))
    half = apply_rope(x.bfloat16(), table)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), apply_rope(x, table), atol=0.03, rtol=0.02)
