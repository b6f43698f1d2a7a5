"""What MTVCraft's two models read besides motion: reference picture, known frames, windows of a long video.

Facts of the public code (see docs/mtvcraft.md). Shapes: B batch, T = 4k + 1 frames, F = k + 1 latent frames, latents
of h x w.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKLCogVideoX, CogVideoXTransformer3DModel

from kinema.appearance.adapters.mtvcraft_positions import head_shares, video_table

Latents = Callable[[torch.Tensor], torch.Tensor]

_LATENT = 4  # frames per latent frame
_MASK = 4  # channels of Wan's mask: one for each frame of a latent frame


def reference_latents(
    autoencoder: AutoencoderKLCogVideoX,
    picture: torch.Tensor,
    frames: int,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """The reference input of the CogVideoX model: the picture repeated over time, as latents [B, F, 16, h, w].

    A sample of the autoencoder's posterior, and not multiplied by its scaling factor, unlike the latents that are
    denoised: so the model was trained. The same in all guidance passes.

    Args:
        autoencoder: CogVideoX's.
        picture: [B, 3, H, W] in [-1, 1].
        frames: T, of the video; 49 as published.
        generator: of the sample.
    """
    video = picture.unsqueeze(2).expand(-1, -1, frames, -1, -1)
    sample = autoencoder.encode(video.to(autoencoder.dtype)).latent_dist.sample(generator)
    return sample.transpose(1, 2)


def cogvideox_inputs(
    transformer: CogVideoXTransformer3DModel, noisy: torch.Tensor, reference: torch.Tensor
) -> dict[str, Any]:
    """Arguments of the CogVideoX model, apart from the time step and the motion.

    Channels are noise, then reference; text has length 0; rotary positions are plain indices of patches, time
    slowest, unlike the resized grid of diffusers' own pipeline.

    Args:
        transformer: as loaded by `load_published_cogvideox`.
        noisy, reference: latents [B, F, C, h, w].
    """
    config = transformer.config
    frames, height, width = noisy.shape[1], *noisy.shape[-2:]
    grid = (frames, height // config.patch_size, width // config.patch_size)
    cos, sin = video_table(grid, head_shares("cogvideox", config.attention_head_dim)[0], "full")
    return {
        "hidden_states": torch.cat([noisy, reference.to(noisy)], dim=2),
        "encoder_hidden_states": noisy.new_zeros(len(noisy), 0, config.text_embed_dim),
        # diffusers wants one angle per channel, both of a pair alike
        "image_rotary_emb": tuple(each.repeat_interleave(2, -1).to(noisy.device) for each in (cos, sin)),
    }


def wan_condition(known: torch.Tensor, frames: int, to_latents: Latents) -> torch.Tensor:
    """What the Wan model reads after the noise: 4 channels of mask and the latents of the known frames, [B, 20, F, h, w].

    The first window knows its reference picture, a later one the last frames of the window before (`windows`).

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


def windows(frames: int, window: int = 49, overlap: int = 9) -> list[int]:
    """First frames of the windows that cover a video; each shares `overlap` frames with the one before.

    The last window may end after the video: hold the last frame up to there (`last start + window` frames in all).

    Raises:
        ValueError: window or overlap is not 4n + 1, or the overlap leaves no step.
    """
    _check_length(window)
    _check_length(overlap)
    if not overlap < window:
        raise ValueError(f"windows of {window} frames cannot overlap by {overlap}")
    step = window - overlap
    count = 1 + max(0, -(-(frames - window) // step))
    return [index * step for index in range(count)]


def latent_length(frames: int) -> int:
    """Latent frames of 4k + 1 frames."""
    return 1 + (frames - 1) // _LATENT


def _check_length(frames: int) -> None:
    if frames < 1 or frames % _LATENT != 1:
        raise ValueError(f"windows and overlaps have 4k + 1 frames, not {frames}")
