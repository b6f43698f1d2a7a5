"""mini: diffusers' Wan transformer at a size that two CPU cores can train and run (ours).

It reads, on channels: noisy latents, the latents of the reference picture repeated over time, a mask that is 1 where
a latent frame is known already (the last frame of the previous window), and the backdrop plate: what a moving camera
will see of the picture's background (control/backdrop.py). It predicts the clean sample as what it draws itself plus
what it keeps of the plate; decoded, its people stand before the plate's own pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import WanTransformer3DModel
from torch import nn

from kinema.video.models.video_model import SPATIAL_COMPRESSION, TEMPORAL_COMPRESSION, VideoFormat

_DRAWN = (6.0, 16.0)  # grey levels from the backdrop between which pixels pass from backdrop to drawing,
_DRAWN_AWAY = (30.0, 80.0)  # and where nobody shall be;
_SHADE = 0.5  # there, how much of what is merely darker counts


@dataclass(frozen=True)
class MiniFormat(VideoFormat):
    """The video format that mini was trained on."""

    width: int = 96
    height: int = 128
    frames: int = 17
    fps: float = 12.0
    text_tokens: int = 24


def make_mini(
    latent_channels: int = 192, width: int = 256, layers: int = 6, heads: int = 4, text_dim: int = 384
) -> WanTransformer3DModel:
    """A freshly initialised mini transformer.

    Ours: blocks start as plain transformer blocks (no modulation by time, gates of one) and the output at zero, so
    that the first prediction is the backdrop plate. diffusers' own random modulation learns more slowly.
    """
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=heads,
        attention_head_dim=width // heads,
        in_channels=3 * latent_channels + 2,
        out_channels=latent_channels + 1,
        text_dim=text_dim,
        freq_dim=128,
        ffn_dim=3 * width,
        num_layers=layers,
        rope_max_seq_len=256,
    )
    for parameter in transformer.condition_embedder.time_proj.parameters():
        nn.init.zeros_(parameter)
    for parameter in transformer.proj_out.parameters():
        nn.init.zeros_(parameter)
    for block in transformer.blocks:
        nn.init.zeros_(block.scale_shift_table)
        with torch.no_grad():
            block.scale_shift_table[:, [2, 5]] = 1.0  # the gates of attention and feed-forward
    return transformer


@dataclass(frozen=True)
class Plate:
    """The background as the camera will see it.

    Args:
        latents: of the backdrop plate, [B, C, F, h, w].
        seen: how much of each latent position the reference picture shows, 0 to 1, [B, 1, F, h, w].
    """

    latents: torch.Tensor
    seen: torch.Tensor

    @classmethod
    def still(cls, reference: torch.Tensor, frames: int) -> Plate:
        """The reference picture itself, for a camera that nobody knows; latents [B, C, 1, h, w], F frames."""
        latents = reference.expand(-1, -1, frames, -1, -1)
        return cls(latents, torch.ones_like(latents[:, :1]))

    @classmethod
    def seen_by(cls, backdrop: torch.Tensor, to_latents: Callable[[torch.Tensor], torch.Tensor]) -> Plate:
        """What a camera sees of a picture's background.

        Args:
            backdrop: as in ControlSignals, [B, 4F - 3, 4, H, W].
            to_latents: the video encoder.
        """
        colours, seen = backdrop.transpose(1, 2).split((3, 1), dim=1)
        cells = nn.functional.avg_pool3d(seen, (1, SPATIAL_COMPRESSION, SPATIAL_COMPRESSION))
        groups = cells[:, :, 1:].unflatten(2, (-1, TEMPORAL_COMPRESSION)).mean(3)
        return cls(to_latents(2 * colours - 1), torch.cat([cells[:, :, :1], groups], dim=2))

    def where(self, known: torch.Tensor, other: Plate) -> Plate:
        """This one in the samples for which `known` [B] is true, the other one elsewhere."""
        picked = known.view(-1, 1, 1, 1, 1)
        return Plate(
            torch.where(picked, self.latents, other.latents), torch.where(picked, self.seen, other.seen)
        )


def mini_output(raw: torch.Tensor, plate: Plate) -> torch.Tensor:
    """The clean sample [B, C, F, h, w] from what the transformer returns [B, C + 1, F, h, w].

    The last channel says how much of the plate each latent position keeps: a backdrop need not be drawn again,
    and fine detail does not have to pass through tokens of a few hundred numbers.
    """
    keep = torch.sigmoid(raw[:, -1:] + 2.0)  # a new network keeps most of the plate
    return raw[:, :-1] + keep * plate.latents


def before_plate(video: torch.Tensor, backdrop: torch.Tensor, people: torch.Tensor | None) -> torch.Tensor:
    """Decoded pixels before the backdrop itself.

    A squared error makes an uncertain network wash the backdrop out wherever somebody could be. So its pixels are
    shown as far as they differ from the backdrop: a little where people shall be, elsewhere by more than blur does
    (wide clothes, things that come into view). Elsewhere what is the backdrop's colour, but darker, counts half:
    shadows are drawn as dark streaks, which hide the room and are no use as shadows.

    Args:
        video: pixels in [-1, 1], [B, 3, T, H, W].
        backdrop: as in ControlSignals, [B, T, 4, H, W].
        people: the human-aware mask, bool [B, T, H, W]; None where nobody says where people shall be.
    """
    plate = 2 * backdrop[:, :, :3].transpose(1, 2) - 1
    share = _ramp(_difference(video, plate), _DRAWN)
    if people is not None:
        away = _ramp(_difference(video, _shaded(plate, video)), _DRAWN_AWAY)
        share = torch.where(people, share, away)
    return torch.lerp(plate, video, _blurred(share, 0.7)[:, None])


def _difference(video: torch.Tensor, plate: torch.Tensor) -> torch.Tensor:
    """Largest difference of the three colours in grey levels, blurred, [B, T, H, W]."""
    return 127.5 * _blurred((video - plate).abs().amax(1), 1.0)


def _shaded(plate: torch.Tensor, video: torch.Tensor) -> torch.Tensor:
    """The plate, darkened by a part of what would bring it nearest to the video; pixels in [-1, 1]."""
    light, seen = plate + 1, video + 1
    brightness = (light * seen).sum(1, keepdim=True) / light.square().sum(1, keepdim=True).clamp(min=1e-3)
    return light * torch.lerp(torch.ones_like(brightness), brightness.clamp(0, 1), _SHADE) - 1


def _ramp(values: torch.Tensor, ends: tuple[float, float]) -> torch.Tensor:
    """0 below the first end, 1 above the second, linear between."""
    low, high = ends
    return ((values - low) / (high - low)).clamp(0, 1)


def _blurred(values: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur of pictures [B, T, H, W], held at the edges."""
    reach = math.ceil(3 * sigma)
    at = torch.arange(-reach, reach + 1, device=values.device, dtype=values.dtype)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = kernel / kernel.sum()
    held = nn.functional.pad(values.flatten(0, 1)[:, None], (reach,) * 4, mode="replicate")
    across = nn.functional.conv2d(held, kernel.view(1, 1, 1, -1))
    return nn.functional.conv2d(across, kernel.view(1, 1, -1, 1))[:, 0].unflatten(0, values.shape[:2])


def mini_input(
    noisy: torch.Tensor, t: torch.Tensor, reference: torch.Tensor, known: torch.Tensor, plate: Plate
) -> torch.Tensor:
    """Puts together what the transformer reads, [B, 3C + 2, F, h, w].

    Noisy latents are scaled by 1 - t: where there is nothing but noise the network sees none of it.

    Args:
        noisy: latents [B, C, F, h, w], with known frames already in place.
        t: times [B].
        reference: latent of the reference picture [B, C, 1, h, w].
        known: True where the first latent frame is known, bool [B].
        plate: the background as the camera will see it.
    """
    batch, _, frames, height, width = noisy.shape
    mask = noisy.new_zeros(batch, 1, frames, height, width)
    mask[:, :, 0] = known.to(noisy)[:, None, None, None]
    seen = noisy * torch.maximum(1 - t.to(noisy).view(-1, 1, 1, 1, 1), mask)
    picture = reference.expand(-1, -1, frames, -1, -1)
    return torch.cat([seen, picture, mask, plate.latents.to(noisy), plate.seen.to(noisy)], dim=1)
