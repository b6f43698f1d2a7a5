"""What MTVCraft's CogVideoX model reads besides motion: the reference picture.

Facts of the public code (see docs/mtvcraft.md). Shapes: B batch, T = 4k + 1 frames, F = k + 1 latent frames, latents
of h x w.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKLCogVideoX, CogVideoXTransformer3DModel

from kinema.papers.mtvcraft.positions import head_shares, video_table


def reference_latents(
    vae: AutoencoderKLCogVideoX, picture: torch.Tensor, frames: int, generator: torch.Generator | None = None
) -> torch.Tensor:
    """The reference input of the CogVideoX model: the picture repeated over time, as latents [B, C, F, h, w].

    A sample of the autoencoder's posterior, not multiplied by its scaling factor, unlike the latents that are denoised:
    so the model was trained. It stands on the channels after the noise, in every guidance pass.

    Args:
        vae: CogVideoX's.
        picture: pixels in [-1, 1], [B, 3, 1, H, W].
        frames: T, of the video; 49 as published.
        generator: of the sample.
    """
    video = picture.to(vae.dtype).expand(-1, -1, frames, -1, -1)
    return vae.encode(video).latent_dist.sample(generator)


def patch_positions(
    transformer: CogVideoXTransformer3DModel, frames: int, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The rotary table of the CogVideoX model as diffusers wants it, one angle per channel, [f * h * w, d] each.

    Plain indices of patches, time slowest; diffusers' own pipelines stretch and crop theirs.

    Args:
        transformer: as loaded by `load_published_cogvideox`.
        frames, height, width: of the latents.
    """
    patch = transformer.config.patch_size
    shares, _ = head_shares("cogvideox", transformer.config.attention_head_dim)
    cos, sin = video_table((frames, height // patch, width // patch), shares, "full")
    return cos.repeat_interleave(2, -1), sin.repeat_interleave(2, -1)
