"""How TokenMotion's fused tokens reach the video tokens (arXiv 2504.08181, Sec. 3.3), and the ControlNet-style ablation.

Shapes: B batch, N tokens, M motion width, D backbone width, r rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from kinema.papers.tokenmotion_streams import RopeTable
from kinema.video.adapters.adapter import ControlTokens
from kinema.video.adapters.rope import apply_rope


@dataclass(frozen=True, eq=False)
class FusedTokens(ControlTokens):
    """What the cross-attention sites read.

    Args:
        keys, values: of every site, [B, heads, N, d] each.
        rope: rotary table of the token grid.
        grid: tokens along time, rows and columns.
    """

    shared = ("rope",)
    by_video_token = ("rope",)  # each rank of context parallelism asks for its own share, and reads all

    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]
    rope: RopeTable
    grid: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class FusedFeatures(ControlTokens):
    """What the ControlNet-style sites read.

    Args:
        features: of every site, [B, N, M] each.
        grid: tokens along time, rows and columns.
    """

    by_video_token = ("features",)

    features: tuple[torch.Tensor, ...]
    grid: tuple[int, int, int]


class TokenMotionSite(nn.Module):
    """Injection: z_visual += LoRA(CrossAttn(Q = z_visual, K = z_fused, V = z_fused)).

    LoRA is the rank of the output projection: B A with A [r, M], B [D, r], and B = 0 at the start, so that step 0 is
    the untouched backbone. It is a layer of this site; no weight of the backbone is changed or replaced (ours: the
    paper does not say what its LoRA wraps).

    Args:
        index: which of the adapter's sites this is.
        locality: ours; query and key biases start as one constant vector of this size, so that under rotary
            positions a token first looks at its own place and its neighbours instead of everywhere.
    """

    def __init__(
        self, index: int, hidden_size: int, width: int, heads: int, rank: int, locality: float
    ) -> None:
        super().__init__()
        self.index = index
        self.heads = heads
        self.norm = nn.LayerNorm(hidden_size, elementwise_affine=False)
        self.to_q = nn.Linear(hidden_size, width)
        self.norm_fused = nn.LayerNorm(width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.lora_down = nn.Linear(width, rank, bias=False)
        self.lora_up = nn.Linear(rank, hidden_size, bias=False)
        nn.init.zeros_(self.lora_up.weight)
        for linear in (self.to_q, self.to_k):
            nn.init.normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)
            with torch.no_grad():
                linear.bias[::2] = locality

    def keys_and_values(self, fused: torch.Tensor, rope: RopeTable) -> tuple[torch.Tensor, torch.Tensor]:
        """What z_fused [B, N, M] is to the attention, [B, heads, N, d] each; made once per video."""
        fused = self.norm_fused(fused)
        key = self.to_k(fused).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        value = self.to_v(fused).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return apply_rope(key, rope), value

    def forward(self, hidden_states: torch.Tensor, tokens: FusedTokens) -> torch.Tensor:
        """What is added to the video tokens [B, N, D]."""
        check_grid(hidden_states, len(tokens.rope[0]), tokens.grid)
        query = self.to_q(self.norm(hidden_states)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        attended = F.scaled_dot_product_attention(
            apply_rope(query, tokens.rope), tokens.keys[self.index], tokens.values[self.index]
        )
        return self.lora_up(self.lora_down(attended.transpose(1, 2).flatten(2)))


class ResidualSite(nn.Module):
    """ControlNet-style injection (the paper's ablation "no patchification"): z_visual += Linear(LN(z_fused)).

    Features are added where they lie, through a projection that starts at zero; video tokens do not choose what they
    read. Encoders and fusion stay what they are, so that only the injection differs (ours: the paper says no more).
    """

    def __init__(self, index: int, hidden_size: int, width: int) -> None:
        super().__init__()
        self.index = index
        self.norm_fused = nn.LayerNorm(width)
        self.to_out = nn.Linear(width, hidden_size, bias=False)
        nn.init.zeros_(self.to_out.weight)

    def forward(self, hidden_states: torch.Tensor, tokens: FusedFeatures) -> torch.Tensor:
        """What is added to the video tokens [B, N, D]."""
        features = tokens.features[self.index]
        check_grid(hidden_states, features.shape[1], tokens.grid)
        return self.to_out(features)


def check_grid(hidden_states: torch.Tensor, expected: int, grid: tuple[int, int, int]) -> None:
    """Cross-attention would read any number of tokens, wherever they lie: signals of another size must not pass.

    Args:
        hidden_states: video tokens [B, N, D].
        expected: N as the signals have it; the grid's, or this rank's share of them.
        grid: tokens along time, rows and columns, for the message.

    Raises:
        ValueError: another N.
    """
    if hidden_states.shape[1] != expected:
        raise ValueError(
            f"the signals fill a grid of {' x '.join(map(str, grid))} = {expected} tokens, "
            f"the video has {hidden_states.shape[1]}: make the signals at the video's size and length"
        )
