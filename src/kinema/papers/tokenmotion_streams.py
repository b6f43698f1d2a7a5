"""TokenMotion's motion streams (arXiv 2504.08181, Sec. 3.1 and 3.2): patchification, then attention within a stream.

Shapes: B batch, N tokens on the grid (f, h, w), M motion width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from kinema.video.adapters.rope import apply_rope

RopeTable = tuple[torch.Tensor, torch.Tensor]


def motion_grid(frames: int, height: int, width: int, unshuffle: int) -> tuple[int, int, int]:
    """Tokens along time, rows and columns that MotionEncoder makes of a video.

    Args:
        frames, height, width: of the signals; pixels.
        unshuffle: pixels per latent.

    Raises:
        ValueError: a video of another size than 4k + 1 frames of whole tokens.
    """
    token = 2 * unshuffle
    if frames % 4 != 1 or height % token or width % token:
        raise ValueError(
            f"TokenMotion reads 4k + 1 frames with sides in multiples of {token} pixels, "
            f"not {frames} frames of {width} x {height}"
        )
    return 1 + (frames - 1) // 4, height // token, width // token


class MotionEncoder(nn.Module):
    """Patchification: 2D convolutions over space, then causal 3D convolutions over time (Sec. 3.1).

    Layer shapes are ours: unshuffle to the latent grid, a 3x3 convolution, a 2x2 stride to the token grid, and two
    causal convolutions with stride 2 in time (49 frames -> 25 -> 13).
    """

    def __init__(self, in_channels: int, unshuffle: int, first_width: int, width: int) -> None:
        super().__init__()
        self.unshuffle = nn.PixelUnshuffle(unshuffle)
        self.conv_in = nn.Conv2d(in_channels * unshuffle**2, first_width, 3, padding=1)
        self.to_tokens = nn.Conv2d(first_width, width, 2, stride=2)
        self.time = nn.ModuleList(
            [nn.Conv3d(width, width, 3, stride=(2, 1, 1), padding=(0, 1, 1)) for _ in range(2)]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [B, T, C, H, W] to [B, M, f, h, w] with f = 1 + (T - 1) / 4."""
        batch = x.shape[0]
        x = self.conv_in(self.unshuffle(x.flatten(0, 1)))
        x = self.to_tokens(F.silu(x))
        x = x.unflatten(0, (batch, -1)).transpose(1, 2)
        for conv in self.time:
            first = x[:, :, :1].expand(-1, -1, 2, -1, -1)  # causal: the first frame is repeated before itself
            x = conv(torch.cat([first, F.silu(x)], dim=2))
        return x


class StreamAttention(nn.Module):
    """Self-attention of one motion stream, residual, with rotary positions (Sec. 3.2)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)

    def forward(self, z: torch.Tensor, rope: RopeTable) -> torch.Tensor:
        """Updates tokens [B, N, M]."""
        query, key, value = (
            self.to_qkv(self.norm(z)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        )
        attended = F.scaled_dot_product_attention(apply_rope(query, rope), apply_rope(key, rope), value)
        return z + self.to_out(attended.transpose(1, 2).flatten(2))
