"""Motion attention (MTVCraft's MV-DiT): video tokens ask, 4D motion tokens answer; one module per site.

    h += Wo . softmax(R_v(N(Wq h)) . R_m(N(Wk m))^T / sqrt(d)) . Wv m

CogVideoX and Wan differ in the norms, and in a detail of the published Wan weights. Keys and values do not depend on
the video, so they are made once per video. Shapes: B batch, N video tokens, S motion tokens, D width, H heads of d.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from kinema.papers.mtvcraft.positions import Form, RopeTable
from kinema.video.adapters.adapter import ControlTokens
from kinema.video.adapters.rope import apply_rope

_EPS = 1e-6


@dataclass(frozen=True, eq=False)
class MotionTokens(ControlTokens):
    """What the sites read.

    Args:
        keys, values: of every site, [B, H, S, d] each; keys are rotated already.
        gate: 1 where a sample has motion, 0 where the sites shall add nothing, [B, 1, 1].
        audible: False for the tokens of people who are not there, bool [B, 1, 1, S]; None where nobody can be missing,
            because a mask rules out the fastest attention kernels.
        rope: rotary table of the video tokens.
    """

    shared = ("rope",)
    by_video_token = ("rope",)

    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]
    gate: torch.Tensor
    audible: torch.Tensor | None
    rope: RopeTable


class MotionAttention(nn.Module, ABC):
    """One site, between a block's attention and its feed-forward layer; untrained it adds exactly nothing."""

    place = "after_attention"

    def __init__(self, index: int, hidden_size: int, heads: int, code_dim: int) -> None:
        super().__init__()
        self.index = index
        self.heads = heads
        self.to_q = nn.Linear(hidden_size, hidden_size)
        self.to_k = nn.Linear(code_dim, hidden_size)
        self.to_v = nn.Linear(code_dim, hidden_size)
        self.to_out = nn.Linear(hidden_size, hidden_size)
        nn.init.zeros_(self.to_out.weight)  # step 0 is the untouched backbone
        nn.init.zeros_(self.to_out.bias)

    def look_nearby(self) -> None:
        """Query and key biases become one constant vector, so that under rotary positions of the picture a video token
        first asks the joints near it (ours, as TokenMotion's sites do)."""
        for linear in (self.to_q, self.to_k):
            nn.init.normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)
            with torch.no_grad():
                linear.bias[::2] = 1.0

    @abstractmethod
    def queries(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """[B, N, D] to [B, H, N, d]."""

    @abstractmethod
    def keys(self, motion: torch.Tensor) -> torch.Tensor:
        """[B, S, C] to [B, H, S, d]."""

    def keys_and_values(self, motion: torch.Tensor, rope: RopeTable) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotated keys and plain values of one person's tokens [B, S, C]."""
        return apply_rope(self.keys(motion), rope), self.split(self.to_v(motion))

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """[B, L, D] to [B, H, L, d]."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, hidden_states: torch.Tensor, tokens: MotionTokens) -> torch.Tensor:
        """What is added to the video tokens [B, N, D]."""
        attended = F.scaled_dot_product_attention(
            apply_rope(self.queries(hidden_states), tokens.rope),
            tokens.keys[self.index],
            tokens.values[self.index],
            attn_mask=tokens.audible,
        )
        return tokens.gate * self.to_out(attended.transpose(1, 2).flatten(2))


class CogVideoXMotionAttention(MotionAttention):
    """The form of the CogVideoX model: queries and keys are normalised per head; the video tokens come as they are."""

    def __init__(self, index: int, hidden_size: int, heads: int, code_dim: int) -> None:
        super().__init__(index, hidden_size, heads, code_dim)
        self.norm_q = nn.LayerNorm(hidden_size // heads, eps=_EPS)
        self.norm_k = nn.LayerNorm(hidden_size // heads, eps=_EPS)

    def queries(self, hidden_states: torch.Tensor) -> torch.Tensor:
        # Normalised before heads and tokens change places: afterwards it would copy the video's queries once more.
        return self.norm_q(self.to_q(hidden_states).unflatten(-1, (self.heads, -1))).transpose(1, 2)

    def keys(self, motion: torch.Tensor) -> torch.Tensor:
        return self.norm_k(self.split(self.to_k(motion)))


class WanMotionAttention(MotionAttention):
    """The form of the Wan model: a norm before, and RMS norms over all channels of queries and keys.

    Published tokens are padded with zeros to the backbone's width first; here Wk and Wv read the tokens alone, which
    is the same.
    """

    def __init__(self, index: int, hidden_size: int, heads: int, code_dim: int) -> None:
        super().__init__(index, hidden_size, heads, code_dim)
        self.norm = nn.LayerNorm(hidden_size, eps=_EPS)
        self.norm_q = nn.RMSNorm(hidden_size, eps=_EPS)
        self.norm_k = nn.RMSNorm(hidden_size, eps=_EPS)

    def queries(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.split(self.norm_q(self.to_q(self.norm(hidden_states))))

    def keys(self, motion: torch.Tensor) -> torch.Tensor:
        return self.split(self.norm_k(self.to_k(motion)))


class PublishedWanMotionAttention(WanMotionAttention):
    """What the published Wan weights were trained with, and nothing else should be.

    Their keys [S, H * d] are read as [H, S, d] without transposing: head h finds at position s a slice of token
    (h * S + s) // H. Positions keep their rotation, values their place. So the weights depend on S.
    """

    def keys(self, motion: torch.Tensor) -> torch.Tensor:
        keys = self.norm_k(self.to_k(motion))
        return keys.reshape(len(keys), self.heads, keys.shape[1], -1)


MOTION_ATTENTION: dict[Form, type[MotionAttention]] = {
    "cogvideox": CogVideoXMotionAttention,
    "wan": WanMotionAttention,
    "wan_published": PublishedWanMotionAttention,
}
