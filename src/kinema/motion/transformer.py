"""The motion generator: a rectified-flow transformer that predicts clean motion, with a time for every part.

One token is a few frames. Every group of features of every token has its own flow time (after Diffusion Forcing,
Chen et al. 2024, and PRISM): 0 is known, 1 is noise. So one network does text to motion, prediction, in-betweening,
editing of body parts, root paths and streaming.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from kinema.diffusion.module import Module
from kinema.motion.context import Context, Heard
from kinema.motion.features import MotionFeatures

# B batch, L tokens in time, F numbers of a token, D width, S text states, P parts, H heads.


class MotionTransformer(Module):
    """Noisy motion tokens, times and text in; clean motion tokens out.

    Blocks: self-attention over time with rotary positions, cross-attention to text states, feed-forward; scaled
    and shifted by one modulation shared by all blocks plus a table of each (PixArt-alpha, Chen et al. 2023).

    Args:
        width: of the tokens inside.
        layers: number of blocks.
        heads: of attention.
        text_width: of the text states.
        styles: names of the styles known; style 0 is none.
        features: of a frame.
        patch: frames per token.
        parts: groups of features that have a time of their own.
    """

    def __init__(
        self,
        width: int = 256,
        layers: int = 4,
        heads: int = 4,
        text_width: int = 384,
        styles: tuple[str, ...] = (),
        features: int = 122,
        patch: int = 4,
        parts: int = 7,
    ) -> None:
        super().__init__()
        self.tokens_in = nn.Linear(patch * features, width)
        self.times_in = nn.Linear(parts * 2 * _WAVES, width)
        self.clock_in = nn.Linear(2 * 2 * _WAVES, width)
        self.style_in = nn.Embedding(1 + len(styles), width)
        self.condition = nn.Sequential(
            nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 6 * width)
        )
        self.text_in = nn.Linear(text_width, width)
        self.text_norm = nn.LayerNorm(width)
        self.no_text = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm_out = nn.LayerNorm(width)
        self.tokens_out = nn.Linear(width, patch * features)
        nn.init.normal_(self.no_text, std=0.02)
        nn.init.normal_(self.style_in.weight, std=0.02)
        nn.init.zeros_(self.tokens_out.weight)

    @classmethod
    def of(cls, features: MotionFeatures, **config: Any) -> MotionTransformer:
        """A new network of the sizes that a representation asks for; `config` are the other arguments."""
        return cls(features=features.width, patch=features.patch, parts=len(features.parts), **config)

    def forward(
        self,
        noisy_BLF: torch.Tensor,
        times_BLP: torch.Tensor,
        clock_BL2: torch.Tensor,
        style_BL: torch.Tensor,
        text_BSC: torch.Tensor,
        sees_BLS: torch.Tensor,
        kept_BSD: torch.Tensor | None = None,
        context: Context | None = None,
    ) -> torch.Tensor:
        """Predicts the clean tokens.

        Args:
            noisy_BLF: normalised features of each token's frames, [B, L, F]; clean where the time is 0.
            times_BLP: flow time of each part, 0 (known) to 1 (noise), in the order of the representation, [B, L, P].
            clock_BL2: seconds since the prompt of a token began and until it ends; NaN where not told.
            style_BL: index into (none, *styles).
            text_BSC: text states, [B, S, 384].
            sees_BLS: which text states each token attends to, bool; or how much of each, 0 to 1: the share by which
                its weight is multiplied, so that texts can fade into each other.
            kept_BSD: what the text states are multiplied by after they are normalised, [B, S, D]; 1 where None.
            context: a second motion that is read beside the text.

        Returns:
            Clean normalised features, [B, L, F].
        """
        text = self.text_norm(self.text_in(text_BSC))
        if kept_BSD is not None:
            text = text * kept_BSD
        text = torch.cat([self.no_text.expand(len(text), 1, -1), text], dim=1)
        sees = functional.pad(sees_BLS, (1, 0), value=True).unsqueeze(1)
        if sees.is_floating_point():
            sees = sees.log()  # added to the logits of attention
        condition = (
            self.times_in(_waves(times_BLP, 1.0).flatten(2))
            + self.clock_in(_clock(clock_BL2))
            + self.style_in(style_BL)
        )
        context = context or Context()
        hidden = self.tokens_in(noisy_BLF) + condition
        if context.added is not None:
            hidden = hidden + context.added
        modulation = self.condition(condition).unflatten(-1, (6, -1))
        rotary = rotary_positions(hidden.shape[1], hidden.shape[2] // self.config.heads, hidden)
        for number, block in enumerate(self.blocks):
            heard = context.heard[number] if context.heard else None
            hidden = block(hidden, modulation, rotary, text, sees, heard)
        return self.tokens_out(self.norm_out(hidden))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_self = nn.LayerNorm(width, elementwise_affine=False)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.self_out = nn.Linear(width, width)
        self.norm_cross = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.cross_out = nn.Linear(width, width)
        self.norm_feed = nn.LayerNorm(width, elementwise_affine=False)
        self.feed_in = nn.Linear(width, 4 * width)
        self.feed_out = nn.Linear(4 * width, width)
        table = torch.zeros(6, width)
        table[[2, 5]] = 1.0  # gates: a plain transformer at first
        self.table = nn.Parameter(table)

    def forward(
        self,
        hidden: torch.Tensor,
        modulation: torch.Tensor,
        rotary: tuple[torch.Tensor, torch.Tensor],
        text: torch.Tensor,
        sees: torch.Tensor,
        heard: Heard | None = None,
    ) -> torch.Tensor:
        shift_self, scale_self, gate_self, shift_feed, scale_feed, gate_feed = (
            modulation + self.table
        ).unbind(2)

        x = self.norm_self(hidden) * (1 + scale_self) + shift_self
        query, key, value = self.query_key_value(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query = turned(query, rotary)
        x = functional.scaled_dot_product_attention(query, turned(key, rotary), value)
        x = x.transpose(1, 2).flatten(2)
        if heard is not None:
            other = functional.scaled_dot_product_attention(
                query, heard.key, heard.value, attn_mask=heard.sees
            )
            x = x + heard.gate * other.transpose(1, 2).flatten(2)
        hidden = hidden + gate_self * self.self_out(x)

        query = self.query(self.norm_cross(hidden)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key, value = self.key_value(text).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = functional.scaled_dot_product_attention(query, key, value, attn_mask=sees)
        hidden = hidden + self.cross_out(x.transpose(1, 2).flatten(2))

        x = self.norm_feed(hidden) * (1 + scale_feed) + shift_feed
        return hidden + gate_feed * self.feed_out(functional.gelu(self.feed_in(x), approximate="tanh"))


_WAVES = 8


def _waves(x: torch.Tensor, longest: float) -> torch.Tensor:
    """Sines and cosines of x [...] at eight wavelengths from four times `longest` downwards, [..., 16]."""
    rates = (0.5 * math.pi / longest) * 2.0 ** torch.arange(_WAVES, device=x.device, dtype=x.dtype)
    phases = x.unsqueeze(-1) * rates
    return torch.cat([phases.sin(), phases.cos()], dim=-1)


def _clock(clock: torch.Tensor) -> torch.Tensor:
    """The clock [B, L, 2] as waves [B, L, 32]; zeros where it is not told."""
    known = ~clock.isnan()
    waves = _waves(clock.nan_to_num().clamp(max=_LONGEST_SECONDS), _LONGEST_SECONDS)
    return (waves * known.unsqueeze(-1)).flatten(2)


_LONGEST_SECONDS = 16.0  # of a clock; longer prompts read as that long


def rotary_positions(tokens: int, size: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of rotary positions, [tokens, size] each; wavelengths up to 1000 tokens."""
    rates = 160.0 ** (-torch.arange(0, size, 2, device=like.device, dtype=torch.float32) / size)
    angles = torch.arange(tokens, device=like.device)[:, None] * rates
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos().to(like), angles.sin().to(like)


def turned(x: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotary positions (Su et al. 2021) on x [B, H, L, D]."""
    cosine, sine = rotary
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-second, first], dim=-1) * sine
