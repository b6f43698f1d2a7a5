from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKLCogVideoX
from tests.appearance import tiny

from kinema.appearance.adapters.mtvcraft_inputs import (
    cogvideox_inputs,
    reference_latents,
    renoise_known,
    wan_condition,
    wan_input,
    windows,
)


def autoencoder() -> AutoencoderKLCogVideoX:
    torch.manual_seed(0)
    return AutoencoderKLCogVideoX(
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, latent_channels=2, norm_num_groups=2
    ).eval()


def to_latents(video: torch.Tensor) -> torch.Tensor:
    """A stand-in for a causal autoencoder that can be read off: frame 0, then means of four frames, 8 x 8 pixels."""
    small = torch.nn.functional.avg_pool3d(video, (1, 8, 8))
    return torch.cat([small[:, :, :1], small[:, :, 1:].unflatten(2, (-1, 4)).mean(3)], dim=2)


def test_the_reference_is_an_unscaled_sample_of_the_repeated_picture():
    vae = autoencoder()
    picture = torch.rand(1, 3, 16, 24) * 2 - 1
    made = reference_latents(vae, picture, 9, torch.Generator().manual_seed(5))
    assert made.shape == (1, 3, 2, 2, 3)
    posterior = vae.encode(picture[:, :, None].repeat(1, 1, 9, 1, 1)).latent_dist
    sample = posterior.sample(torch.Generator().manual_seed(5))
    assert torch.equal(made, sample.transpose(1, 2))
    assert not torch.equal(made, posterior.mode().transpose(1, 2))


def test_cogvideox_reads_noise_then_reference_and_no_text():
    transformer = tiny.cogvideox(in_channels=8)
    noisy, reference = torch.randn(2, 1, 2, 4, 6, 4).unbind(0)
    inputs = cogvideox_inputs(transformer, noisy, reference)
    assert torch.equal(inputs["hidden_states"], torch.cat([noisy, reference], 2))
    assert inputs["encoder_hidden_states"].shape == (1, 0, 16)
    cos, sin = inputs["image_rotary_emb"]
    assert cos.shape == sin.shape == (2 * 3 * 2, 32)
    assert torch.allclose(cos[0], torch.ones(32))
    row = 1  # the second column of the first row of patches: only the last axis turns
    assert torch.equal(cos[row, :20], torch.ones(20))
    assert torch.allclose(cos[row, 20:22], torch.cos(torch.ones(2)))
    with torch.no_grad():
        made = transformer(**inputs, timestep=torch.tensor([500]), return_dict=False)[0]
    assert made.shape == noisy.shape


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


@pytest.mark.parametrize(
    ("frames", "starts"), [(1, [0]), (49, [0]), (50, [0, 40]), (89, [0, 40]), (90, [0, 40, 80])]
)
def test_windows_cover_the_video_and_overlap_by_nine(frames, starts):
    assert windows(frames) == starts
    assert starts[-1] + 49 >= frames


def test_impossible_windows_are_refused():
    with pytest.raises(ValueError, match="4k \\+ 1 frames, not 48"):
        windows(100, window=48)
    with pytest.raises(ValueError, match="cannot overlap by 49"):
        windows(100, overlap=49)
    with pytest.raises(ValueError, match="9 known frames do not fit in a window of 5"):
        wan_condition(torch.rand(1, 3, 9, 16, 16), 5, to_latents)
