"""The codebook: nearest codes, moving averages, dead codes."""

from __future__ import annotations

import pytest
import torch

from kinema.motion import quantizer
from kinema.motion.quantizer import VectorQuantizer, codebook_use


def made(codes: int = 16, dim: int = 4, **options) -> VectorQuantizer:
    torch.manual_seed(0)
    return VectorQuantizer(codes, dim, **options)


def test_the_nearest_code_whatever_the_memory(monkeypatch: pytest.MonkeyPatch):
    vq, vectors = made(), torch.randn(3, 50, 4)
    wanted = torch.cdist(vectors.double(), vq.codebook.double()).argmin(-1)
    assert torch.equal(vq.indices(vectors), wanted)
    monkeypatch.setattr(quantizer, "_SCORES_AT_ONCE", 100)
    assert torch.equal(vq.indices(vectors), wanted)


def test_the_codebook_stands_still_outside_of_training():
    vq = made().eval()
    before = vq.codebook.clone()
    vq(torch.randn(100, 4))
    assert torch.equal(vq.codebook, before)
    vq.train()(torch.randn(100, 4))
    assert not torch.equal(vq.codebook, before)


def test_codes_move_to_the_mean_of_what_they_stand_for():
    vq = made(2, 1, decay=0.5).train()
    vq.restart(torch.tensor([[-1.0], [1.0]]))
    data = torch.tensor([[-3.0], [-5.0], [7.0], [9.0]])
    for _ in range(30):
        vq(data)
    assert torch.allclose(vq.codebook.sort(0).values, torch.tensor([[-4.0], [8.0]]), atol=1e-4)


def test_a_dead_code_is_replaced_and_stays_replaced():
    vq = made(4, 2).train()
    vq.restart(torch.randn(64, 2))
    with torch.no_grad():  # a code far away from everything
        averages = vq.averages()
        averages["codebook"][0] = 1e3
        averages["sums"][0] = 1e3 * averages["use"][0]
    for step in range(400):
        vq(torch.randn(64, 2, generator=torch.Generator().manual_seed(step)))
    assert vq.codebook[0].abs().max() < 10
    vq(torch.randn(64, 2))
    assert vq.codebook[0].abs().max() < 10


def test_a_code_once_used_can_die():
    vq = made(4, 2, decay=0.9).train()
    corners = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    vq.restart(corners)
    assert codebook_use(vq(corners)[1], 4).used == 1
    for step in range(60):  # from now on everything lies around the first corner
        noise = torch.randn(64, 2, generator=torch.Generator().manual_seed(step))
        _, indices = vq(corners[0] + 0.1 * noise)
    assert codebook_use(indices, 4).used == 1
    assert (vq.codebook - corners[0]).abs().max() < 0.5


def test_training_goes_on_from_saved_averages():
    data = [torch.randn(32, 4, generator=torch.Generator().manual_seed(i)) for i in range(6)]
    generators = [torch.Generator().manual_seed(i) for i in range(6)]
    whole, parts = made().train(), made().train()
    for batch, generator in zip(data, generators, strict=True):
        whole(batch, generator)
    for i in range(3):
        parts(data[i], torch.Generator().manual_seed(i))
    saved = {name: value.clone() for name, value in parts.averages().items()}
    resumed = VectorQuantizer(16, 4).train()
    for name, value in resumed.averages().items():
        value.copy_(saved[name])
    for i in range(3, 6):
        resumed(data[i], torch.Generator().manual_seed(i))
    assert torch.equal(resumed.codebook, whole.codebook)


def test_gradients_pass_straight_through():
    vq, vectors = made().train(), torch.randn(10, 4, requires_grad=True)
    codes, indices = vq(vectors)
    assert codes.shape == (10, 4)
    assert indices.shape == (10,)
    codes.sum().backward()
    assert torch.equal(vectors.grad, torch.ones(10, 4))


def test_the_state_dict_is_the_codebook_alone():
    vq = made().train()
    vq(torch.randn(10, 4))
    assert list(vq.state_dict()) == ["codebook"]


def test_use_of_a_codebook():
    assert codebook_use(torch.tensor([0, 0, 0]), 4) == quantizer.CodebookUse(0.25, 1.0)
    even = codebook_use(torch.arange(8).reshape(2, 4), 16)
    assert even.used == 0.5
    assert even.perplexity == pytest.approx(8)


def test_k_means_brings_codes_nearer():
    vectors = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    errors = []
    for rounds in (0, 10):
        vq = made()
        vq.restart(vectors, rounds, torch.Generator().manual_seed(1))
        errors.append((vq.lookup(vq.indices(vectors)) - vectors).square().mean())
    assert errors[1] < 0.85 * errors[0]
