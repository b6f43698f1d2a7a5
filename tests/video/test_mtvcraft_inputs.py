from __future__ import annotations

import pytest
import torch
from tests.video import published_tiny, tiny

from kinema.papers.mtvcraft.inputs import patch_positions, reference_latents
from kinema.video.models.wan_condition import renoise_known, wan_condition, wan_input


def to_latents(video: torch.Tensor) -> torch.Tensor:
    """A stand-in for a causal autoencoder that can be read off: frame 0, then means of four frames, 8 x 8 pixels."""
    small = torch.nn.functional.avg_pool3d(video, (1, 8, 8))
    return torch.cat([small[:, :, :1], small[:, :, 1:].unflatten(2, (-1, 4)).mean(3)], dim=2)


def test_the_reference_is_an_unscaled_sample_of_the_repeated_picture():
    vae = published_tiny.cogvideox_pipeline().vae
    picture = torch.rand(1, 3, 1, 16, 24) * 2 - 1
    with torch.no_grad():
        made = reference_latents(vae, picture, 9, torch.Generator().manual_seed(5))
        posterior = vae.encode(picture.repeat(1, 1, 9, 1, 1)).latent_dist
    assert made.shape == (1, 4, 3, 2, 3)
    assert torch.equal(made, posterior.sample(torch.Generator().manual_seed(5)))
    assert not torch.equal(made, posterior.mode())


def test_positions_of_cogvideox_are_plain_indices():
    cos, sin = patch_positions(tiny.cogvideox(), 2, 6, 4)
    assert cos.shape == sin.shape == (2 * 3 * 2, 32)
    assert torch.equal(cos[0], torch.ones(32))
    assert torch.equal(
        cos[1, :20], torch.ones(20)
    )  # the second column of the first row: only the last axis turns
    assert torch.allclose(cos[1, 20:22], torch.cos(torch.ones(2)))
    assert torch.allclose(sin[2 * 3, :2], torch.sin(torch.ones(2)))  # the second frame


def test_wan_reads_noise_mask_and_known_frames():
    known = torch.rand(1, 3, 9, 16, 16)
    condition = wan_condition(known, 17, to_latents)
    assert condition.shape == (1, 4 + 3, 5, 2, 2)
    mask, latents = condition[:, :4], condition[:, 4:]
    assert mask[:, :, :3].eq(1).all()
    assert mask[:, :, 3:].eq(0).all()
    assert torch.equal(latents[:, :, :3], to_latents(known))
    assert latents[:, :, 3:].eq(0).all()
    noisy = torch.randn(1, 3, 5, 2, 2)
    assert torch.equal(wan_input(noisy, condition), torch.cat([noisy, mask, latents], 1))
    picture = wan_condition(known[:, :, :1], 17, to_latents)
    assert picture[:, :4].sum(dim=(0, 1, 3, 4)).tolist() == [16, 0, 0, 0, 0]


def test_known_frames_are_as_noisy_as_the_rest():
    known = torch.rand(1, 3, 9, 16, 16)
    condition = wan_condition(known, 17, to_latents)
    latents, noise = torch.randn(2, 1, 3, 5, 2, 2).unbind(0)
    after = renoise_known(latents, condition, noise, 0.25, 9)
    assert torch.allclose(after[:, :, :3], 0.75 * to_latents(known) + 0.25 * noise[:, :, :3])
    assert torch.equal(after[:, :, 3:], latents[:, :, 3:])
    assert torch.equal(renoise_known(latents, condition, noise, 0.0, 9)[:, :, :3], to_latents(known))


def test_impossible_windows_are_refused():
    with pytest.raises(ValueError, match="4k \\+ 1 frames, not 16"):
        wan_condition(torch.rand(1, 3, 9, 16, 16), 16, to_latents)
    with pytest.raises(ValueError, match="4k \\+ 1 frames, not 8"):
        wan_condition(torch.rand(1, 3, 8, 16, 16), 17, to_latents)
    with pytest.raises(ValueError, match="9 known frames do not fit in a window of 5"):
        wan_condition(torch.rand(1, 3, 9, 16, 16), 5, to_latents)
