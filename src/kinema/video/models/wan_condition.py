"""What Wan's image-to-video transformer reads besides noise: a mask and the latents of the frames that are known.

Facts of the public code. Shapes: B batch, T = 4k + 1 frames, F = k + 1 latent frames, latents of h x w.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Latents = Callable[[torch.Tensor], torch.Tensor]

_LATENT = 4  # frames per latent frame
_MASK = 4  # channels of the mask: one for each frame of a latent frame


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
