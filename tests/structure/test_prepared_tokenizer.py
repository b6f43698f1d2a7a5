"""What makes a prepared tokenizer quick must change no code."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kinema.structure.nearest_code import NearestCode, half_norms, nearest_in_full
from kinema.structure.tokenizer import MotionTokenizer
from kinema.structure.winograd import can_prepare, convolve, filters_of


@pytest.mark.parametrize(("height", "width"), [(2, 24), (3, 24), (5, 7), (1, 1)])
def test_winograds_convolution_is_the_convolution(height, width):
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 10, 3, padding=1)
    x = torch.randn(3, 6, height, width)
    with torch.no_grad():
        ours = convolve(x, filters_of(conv.weight), conv.bias)
        assert torch.allclose(ours, conv(x), atol=1e-5)
    assert can_prepare(conv)
    assert not can_prepare(nn.Conv2d(6, 10, 3, padding=2, dilation=2))


def near_a_plane(count: int, spread: float) -> torch.Tensor:
    """Vectors of 96 numbers close to eight dimensions."""
    plane = torch.linalg.qr(torch.randn(96, 8, generator=torch.Generator().manual_seed(1)))[0]
    return torch.randn(count, 8) @ plane.T + spread * torch.randn(count, 96) + 3.0


@pytest.mark.parametrize("spread", [0.0, 0.02, 0.5, 5.0], ids=str)
def test_the_bounded_search_finds_what_the_full_one_finds(spread):
    torch.manual_seed(0)
    codebook, vectors = near_a_plane(700, spread), near_a_plane(300, spread)
    wanted = nearest_in_full(vectors, codebook, half_norms(codebook))
    assert torch.equal(NearestCode(codebook, rank=8)(vectors), wanted)


def test_of_equal_codes_the_first_is_found():
    torch.manual_seed(0)
    codes = near_a_plane(50, 0.02)
    search = NearestCode(torch.cat([codes, codes, codes[:10]]), rank=8)
    assert torch.equal(search(codes), torch.arange(50))


def test_preparing_changes_no_code_and_is_undone_when_weights_change():
    torch.manual_seed(0)
    model = MotionTokenizer((32, 128), code_dim=32, codes=64).eval()
    model.vq.codebook.normal_()
    joints = torch.randn(2, 25, 24, 3)
    with torch.no_grad():
        wanted = model.encode(joints)
        assert torch.equal(model.prepare().encode(joints), wanted)
        assert model.vq.search is not None
        assert model.encoder.conv_out.filters is not None

        other = MotionTokenizer((32, 128), code_dim=32, codes=64).state_dict()
        model.load_state_dict(other)
        fresh = MotionTokenizer((32, 128), code_dim=32, codes=64).eval()
        fresh.load_state_dict(other)
        assert torch.equal(model.encode(joints), fresh.encode(joints))
    model.prepare().train()
    assert model.vq.search is None
    assert model.encoder.conv_out.filters is None
    with pytest.raises(ValueError, match=r"float32 on the CPU; the weights are torch\.bfloat16"):
        MotionTokenizer((32, 32), code_dim=8, codes=8).to(torch.bfloat16).prepare()
