"""What MTVCraft's two models read besides motion: the reference picture, and known frames of a long video.

Facts of the public code (see docs/mtvcraft.md). Shapes: B batch, T = 4k + 1 frames, F = k + 1 latent frames, latents
of h x w.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import AutoencoderKLCogVideoX, CogVideoXTransformer3DModel

from kinema.appearance.adapters.mtvcraft_positions import head_shares, video_table

Latents = Callable[[torch.Tensor], torch.Tensor]

_LATENT = 4  # frames per latent frame
_MASK = 4  # channels of Wan's mask: one for each frame of a latent frame


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


def wan_condition(known: torch.Tensor, frames: int, to_latents: Latents) -> torch.Tensor:
    """What the Wan model reads after the noise: 4 channels of mask and the latents of the known frames, [B, 20, F, h, w].

    The first window of a video knows its reference picture, a later one the last nine frames of the window before.

    Args:
        known: the first frames of the video, [B, 3, K, H, W] in [-1, 1], K = 4n + 1; the others are grey (0).
        frames: T, of the window.
        to_latents: video [B, 3, T, H, W] to normalised latents (the mode, with the autoencoder's mean and deviation).

    Raises:
        ValueError: K or T is not 4n + 1, or more frames are known than the window has.
    """
    count = known.shape[2]
    _check_length(count)
    _check_length(frames)
    if count > frames:
        raise ValueError(f"{count} known frames do not fit in a window of {frames}")
    video = known.new_zeros(*known.shape[:2], frames, *known.shape[3:])
    video[:, :, :count] = known
    latents = to_latents(video)
    mask = latents.new_zeros(len(latents), _MASK, *latents.shape[2:])
    mask[:, :, : latent_length(count)] = 1
    return torch.cat([mask, latents], dim=1)


def wan_input(noisy: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
    """The 36 channels of the Wan model: noise 16, mask 4, known frames 16."""
    return torch.cat([noisy, condition.to(noisy)], dim=1)


def renoise_known(
    latents: torch.Tensor, condition: torch.Tensor, noise: torch.Tensor, t: float, known: int
) -> torch.Tensor:
    """Puts the known frames, as noisy as the rest, in place of what a denoising step made of them.

    Published for the later windows of a long video: after each step, at the next time t (1 is noise, 0 the sample),
    known latents become (1 - t) * clean + t * noise.

    Args:
        latents: after the step, [B, 16, F, h, w].
        condition: of `wan_condition`; its last channels are the clean latents. The autoencoder is causal, so grey
            frames after the known ones do not reach them.
        noise: that the window started from, [B, 16, F, h, w].
        t: next time.
        known: known frames, 4n + 1.
    """
    count = latent_length(known)
    clean = condition[:, _MASK:, :count].to(latents)
    return torch.cat([(1 - t) * clean + t * noise[:, :, :count], latents[:, :, count:]], dim=2)


def latent_length(frames: int) -> int:
    """Latent frames of 4k + 1 frames."""
    return 1 + (frames - 1) // _LATENT


def _check_length(frames: int) -> None:
    if frames < 1 or frames % _LATENT != 1:
        raise ValueError(f"windows and their known parts have 4k + 1 frames, not {frames}")
