"""mini: diffusers' Wan transformer at a size that two CPU cores can train and run (ours).

It reads, on channels: noisy latents, the latents of the reference picture repeated over time, and a mask that is 1
where a latent frame is known already (the last frame of the previous window). It predicts the clean sample as what
it draws itself plus what it keeps of the reference picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import WanTransformer3DModel
from torch import nn

from kinema.appearance.backbones.video_model import VideoFormat


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
    that the first prediction is the reference picture. diffusers' own random modulation learns more slowly.
    """
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=heads,
        attention_head_dim=width // heads,
        in_channels=2 * latent_channels + 1,
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


def mini_output(raw: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The clean sample [B, C, F, h, w] from what the transformer returns [B, C + 1, F, h, w].

    The last channel says how much of the reference each latent position keeps: a backdrop need not be drawn again,
    and fine detail does not have to pass through tokens of a few hundred numbers.
    """
    keep = torch.sigmoid(raw[:, -1:] + 2.0)  # a new network keeps most of the picture
    return raw[:, :-1] + keep * reference


def mini_input(
    noisy: torch.Tensor, t: torch.Tensor, reference: torch.Tensor, known: torch.Tensor
) -> torch.Tensor:
    """Puts together what the transformer reads, [B, 2C + 1, F, h, w].

    Noisy latents are scaled by 1 - t: where there is nothing but noise the network sees none of it.

    Args:
        noisy: latents [B, C, F, h, w], with known frames already in place.
        t: times [B].
        reference: latent of the reference picture [B, C, 1, h, w].
        known: True where the first latent frame is known, bool [B].
    """
    batch, _, frames, height, width = noisy.shape
    mask = noisy.new_zeros(batch, 1, frames, height, width)
    mask[:, :, 0] = known.to(noisy)[:, None, None, None]
    seen = noisy * torch.maximum(1 - t.to(noisy).view(-1, 1, 1, 1, 1), mask)
    return torch.cat([seen, reference.expand(-1, -1, frames, -1, -1), mask], dim=1)
