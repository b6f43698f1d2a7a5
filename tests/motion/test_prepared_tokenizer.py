"""What makes a prepared tokenizer quick must change no code."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from kinema.motion.group_norm_silu import GroupNormSilu
from kinema.motion.nearest_code import NearestCode, half_norms, nearest_in_full
from kinema.motion.tokenizer import MotionTokenizer
from kinema.motion.winograd import BY_FOURS, EACH_ALONE, FEW_FRAMES, Convolution


@pytest.mark.parametrize("joints", [24, 7, 1])
@pytest.mark.parametrize(
    ("rows", "heights"), [(BY_FOURS, (4, 5)), (FEW_FRAMES, (2, 3)), (EACH_ALONE, (2, 5))]
)
def test_winograds_convolution_is_the_convolution(rows, heights, joints):
    torch.manual_seed(0)
    kernel = (10, 130, 3) if rows is EACH_ALONE else (10, 130, 3, 3)
    weight, bias = torch.randn(kernel) / 30, torch.randn(10)
    maps = [torch.randn(3, heights[0], joints, 130), torch.randn(2, heights[1], joints, 130)]
    for x, ours in zip(maps, Convolution(weight, bias, rows)(maps), strict=True):
        full = weight if rows is not EACH_ALONE else functional.pad(weight[:, :, None], (0, 0, 1, 1))
        wanted = functional.conv2d(x.permute(0, 3, 1, 2), full, bias, padding=1).permute(0, 2, 3, 1)
        torch.testing.assert_close(ours, wanted, atol=5e-5, rtol=0)


def test_group_norm_and_silu_in_one_pass_and_in_place():
    torch.manual_seed(0)
    norm = nn.GroupNorm(32, 96, eps=1e-6).requires_grad_(False)
    norm.weight.normal_()
    norm.bias.normal_()
    x = torch.randn(3, 5, 24, 96) * torch.tensor([0.03, 1.0, 300.0]).view(3, 1, 1, 1) + 2
    ours = GroupNormSilu(norm)
    wanted = functional.silu(norm.double()(x.double().permute(0, 3, 1, 2))).permute(0, 2, 3, 1).float()
    torch.testing.assert_close(ours(x, torch.empty_like(x)), wanted, atol=1e-4, rtol=0)
    torch.testing.assert_close(ours(x, x), wanted, atol=1e-4, rtol=0)


def near_a_plane(count: int, spread: float) -> torch.Tensor:
    """Vectors of 96 numbers close to eight dimensions."""
    plane = torch.linalg.qr(torch.randn(96, 8, generator=torch.Generator().manual_seed(1)))[0]
    return torch.randn(count, 8) @ plane.T + spread * torch.randn(count, 96) + 3.0


def found(search: NearestCode, vectors: torch.Tensor) -> torch.Tensor:
    return search((vectors - search.centre) @ search.basis)


@pytest.mark.parametrize("rank", [8, 96])
@pytest.mark.parametrize("spread", [0.0, 0.02, 0.5, 5.0], ids=str)
def test_the_bounded_search_finds_what_the_full_one_finds(spread, rank):
    torch.manual_seed(0)
    codebook, vectors = near_a_plane(700, spread), near_a_plane(300, spread)
    wanted = nearest_in_full(vectors, codebook, half_norms(codebook))
    assert torch.equal(found(NearestCode(codebook, rank), vectors), wanted)


def test_one_vector_and_one_code():
    torch.manual_seed(0)
    codebook, vectors = near_a_plane(1, 1.0), near_a_plane(3, 1.0)
    assert torch.equal(found(NearestCode(codebook), vectors), torch.zeros(3, dtype=torch.int64))
    codebook = near_a_plane(130, 1.0)
    assert found(NearestCode(codebook, 8), codebook[129:]).tolist() == [129]


def test_of_equal_codes_the_first_is_found():
    torch.manual_seed(0)
    codes = near_a_plane(50, 0.02)
    search = NearestCode(torch.cat([codes, codes, codes[:10]]), rank=8)
    assert torch.equal(found(search, codes), torch.arange(50))


@pytest.mark.parametrize("dilations", [None, (3, 1)], ids=["published", "small"])
@pytest.mark.parametrize("frames", [8, 9, 25, 40])
@torch.no_grad()
def test_preparing_changes_no_code(dilations, frames):
    torch.manual_seed(0)
    model = MotionTokenizer((32, 128), code_dim=32, codes=64, dilations=dilations).eval()
    model.vq.codebook.normal_()
    joints = torch.randn(2, frames, 24, 3)
    wanted = model.encode(joints)
    assert torch.equal(model.prepare().encode(joints), wanted)


@torch.no_grad()
def test_long_motions_and_many_of_them():
    torch.manual_seed(0)
    model = MotionTokenizer((32, 64), code_dim=16, codes=32, dilations=(3, 1)).eval()
    model.vq.codebook.normal_()
    for joints in (torch.randn(1, 8 * 150 + 1, 24, 3), torch.randn(70, 17, 24, 3)):
        wanted = model.encode(joints)
        assert torch.equal(model.prepare().encode(joints), wanted)
        model.eval()


def test_what_was_prepared_is_undone_when_weights_change():
    torch.manual_seed(0)
    model = MotionTokenizer((32, 64), code_dim=32, codes=64).eval().prepare()
    fresh = MotionTokenizer((32, 64), code_dim=32, codes=64).eval()
    joints = torch.randn(2, 17, 24, 3)
    model.load_state_dict(fresh.state_dict())
    with torch.no_grad():
        assert torch.equal(model.encode(joints), fresh.encode(joints))
    with pytest.raises(ValueError, match=r"float32 on the CPU; the weights are torch\.bfloat16"):
        MotionTokenizer((32, 32), code_dim=8, codes=8).to(torch.bfloat16).prepare()
