"""Encoder and decoder of 4DMoT, the motion tokenizer of MTVCraft, on maps [B, C, N, J] of N frames and J joints.

Time is halved twice on the way in and doubled twice on the way out; joints stay as they are. Names of modules follow
the published checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

ENCODER_CHUNK = 8  # frames
DECODER_CHUNK = 2  # latent frames
_AT_ONCE = 64  # chunks in a batch, so that memory does not grow with the length of a motion
_GROUPS = 32


def dilation_of(channels: int) -> int:
    """The published dilation of a residual block with so many channels: 3 at 128, 1 at 512 (15 at 32)."""
    return max(1, 512 // channels - 1)


def in_chunks(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, size: int) -> torch.Tensor:
    """Applies a function to chunks of `size` frames, the first of which also takes the remainder.

    Nothing crosses the border of a chunk, so the chunks after the first go through as a batch.

    Args:
        function: maps [B, C, n, J] to [B, C', m, J].
        x: [B, C, N, J] with N at least `size`.
        size: frames of a chunk.

    Returns:
        The results, one behind the other in time.
    """
    batch, channels, frames, joints = x.shape
    first = size + frames % size
    head = function(x[:, :, :first])
    if frames == first:
        return head
    rest = x[:, :, first:].unflatten(2, (-1, size)).transpose(1, 2).reshape(-1, channels, size, joints)
    tail = torch.cat([function(part) for part in rest.split(_AT_ONCE)])
    tail = tail.unflatten(0, (batch, -1)).transpose(1, 2).flatten(2, 3)
    return torch.cat([head, tail], dim=2)


class ResBlock(nn.Module):
    """Norm, SiLU, a dilated 3x3 convolution; norm, SiLU, a 1x1 convolution; around a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.GroupNorm(_GROUPS, in_channels, eps=1e-6),
            nn.SiLU(),
            nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation),
            nn.GroupNorm(_GROUPS, out_channels, eps=1e-6),
            nn.SiLU(),
            nn.Conv2d(out_channels, out_channels, 1),
        )
        if in_channels != out_channels:
            self.conv_short = nn.Conv2d(in_channels, out_channels, 1)
        self.changes = in_channels != out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = self.conv_short(x) if self.changes else x
        return shortcut + self.block(x)


class Downsample(nn.Module):
    """Averages pairs of frames, of an odd number the first stays alone; then a convolution along joints."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.joint_downsample = nn.Conv1d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        alone = x.shape[2] % 2
        pooled = functional.avg_pool2d(x[:, :, alone:], (2, 1))
        return _along_joints(self.joint_downsample, torch.cat([x[:, :, :alone], pooled], dim=2))


class Upsample(nn.Module):
    """Doubles frames linearly, of an odd number the first stays alone; then a convolution along joints."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upsampler = nn.Conv1d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        alone = x.shape[2] % 2
        rest = x[:, :, alone:]
        size = (2 * rest.shape[2], rest.shape[3])
        doubled = functional.interpolate(rest, size, mode="bilinear", align_corners=True)
        return _along_joints(self.upsampler, torch.cat([x[:, :, :alone], doubled], dim=2))


class Encoder(nn.Module):
    """Frames to latents: [B, 3, n, J] to [B, code_dim, n / 4, J], with n = 8 or 9 for one chunk.

    Args:
        widths: channels at the full and at the halved frame rate.
        code_dim: channels of the result.
        dilations: of the residual blocks at the two rates.
    """

    def __init__(self, widths: tuple[int, int], code_dim: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        fine, coarse = widths
        self.conv_in = nn.Conv2d(3, fine, 3, padding=1)
        self.resnet1 = nn.Sequential(*[ResBlock(fine, fine, dilations[0]) for _ in range(3)])
        self.downsample1 = Downsample(fine)
        self.resnet2 = ResBlock(fine, coarse, dilations[1])
        self.resnet3 = nn.Sequential(*[ResBlock(coarse, coarse, dilations[1]) for _ in range(3)])
        self.downsample2 = Downsample(coarse)
        self.conv_out = nn.Conv2d(coarse, code_dim, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv_in(x)
        x = self.downsample1(self.resnet1(x))
        x = self.downsample2(self.resnet3(self.resnet2(x)))
        return self.conv_out(x)


class Decoder(nn.Module):
    """Latents to frames: [B, code_dim, m, J] to [B, 3, 4 m (- 3 where m is odd), J], with m = 2 or 3 for one chunk.

    Not a mirror of the encoder: the residual blocks stand before each doubling.

    Args:
        widths, code_dim, dilations: as for Encoder.
    """

    def __init__(self, widths: tuple[int, int], code_dim: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        fine, coarse = widths
        self.conv_in = nn.Conv2d(code_dim, coarse, 3, padding=1)
        self.resnet1 = nn.Sequential(*[ResBlock(coarse, coarse, dilations[1]) for _ in range(3)])
        self.upsample1 = Upsample(coarse)
        self.resnet2 = ResBlock(coarse, fine, dilations[0])
        self.resnet3 = nn.Sequential(*[ResBlock(fine, fine, dilations[0]) for _ in range(3)])
        self.upsample2 = Upsample(fine)
        self.conv_out = nn.Conv2d(fine, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv_in(x)
        x = self.upsample1(self.resnet1(x))
        x = self.upsample2(self.resnet3(self.resnet2(x)))
        return self.conv_out(x)


def _along_joints(conv: nn.Conv1d, x: torch.Tensor) -> torch.Tensor:
    """A convolution along the joints of each frame, as a 1 x k convolution of the whole map."""
    return functional.conv2d(x, conv.weight.unsqueeze(2), conv.bias, padding=(0, *conv.padding))
