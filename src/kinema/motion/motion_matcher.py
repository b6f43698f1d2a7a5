"""Text and motion in one space: how well a text says what a motion does.

Two small transformers trained to agree (contrastive, after TMR, Petrovich et al. 2023). It judges and never teaches: it
is used by `kinema evaluate motion` and nowhere as a loss.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from kinema.diffusion.module import Module
from kinema.motion.features import PATH
from kinema.motion.representation import SMPL24_MOTION

# B batch, T frames, L tokens of 4 frames, S text states, D width.

_FPS, _PATCH = SMPL24_MOTION.fps, SMPL24_MOTION.patch

SEEN = 2 * 72 + 3 + 4
"""Numbers that the matcher sees of a frame: joints and their velocities, speed of the path, place since the start."""

MOST_FRAMES = 200
"""Frames at 20 fps, just under 10 s: longer motion is not judged."""


def see(features: torch.Tensor) -> torch.Tensor:
    """What the matcher sees of a motion, from where it starts.

    Args:
        features: of a motion, raw, [T, 122]; see `SMPL24_MOTION.encode`.

    Returns:
        [T, 151], float32: joints with the pelvis above the origin and the heading along +Z, metres; their velocities,
        m/s; speed of the path, m/s and rad/s; x, z, cosine and sine of the heading since the first frame.
    """
    joints = SMPL24_MOTION.seen_from_heading(features).flatten(-2)
    velocities = functional.pad(joints.diff(dim=-2), (0, 0, 1, 0)) * _FPS
    placed = SMPL24_MOTION.place(features)
    since = torch.stack(
        [placed.joints[..., 0, 0], placed.joints[..., 0, 2], placed.yaw.cos(), placed.yaw.sin()], dim=-1
    )
    return torch.cat([joints, velocities, features[..., SMPL24_MOTION.parts[PATH]] * _FPS, since], dim=-1)


def pad_motions(motions: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Motions [T, 151] of any length as one batch, with zeros to a multiple of 4 frames, and their lengths [B]."""
    frames = torch.tensor([len(motion) for motion in motions])
    padded = nn.utils.rnn.pad_sequence(list(motions), batch_first=True)
    return functional.pad(padded, (0, 0, 0, -padded.shape[1] % _PATCH)), frames


class MotionMatcher(Module):
    """Texts and motions as unit vectors that are near where they belong together.

    Args:
        width: of both transformers.
        motion_layers, text_layers: of the two.
        heads: of attention.
        embedding: length of the vectors.
        text_width: of the text states.
        dropout: in training.
    """

    def __init__(
        self,
        width: int = 128,
        motion_layers: int = 2,
        text_layers: int = 1,
        heads: int = 4,
        embedding: int = 128,
        text_width: int = 384,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(SEEN))
        self.register_buffer("spread", torch.ones(SEEN))
        self.motion_in = nn.Linear(_PATCH * SEEN, width)
        self.motion = _Reader(width, motion_layers, heads, MOST_FRAMES // _PATCH, embedding, dropout)
        self.text_in = nn.Linear(text_width, width)
        self.text = _Reader(width, text_layers, heads, 24, embedding, dropout)
        self.log_scale = nn.Parameter(torch.tensor(2.66))  # 1 / 0.07, as in CLIP

    def fit(self, seen: torch.Tensor) -> None:
        """Takes mean and spread of what is seen from all frames of a training set, [N, 151]."""
        self.mean.copy_(seen.float().mean(dim=0))
        self.spread.copy_(seen.float().std(dim=0).clamp(min=0.02))

    def embed_motion(self, seen: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """Unit vectors of motions.

        Args:
            seen: see `see`, padded at the end to a multiple of 4 frames, [B, T, 151], T <= 200.
            frames: how many frames each has, [B].

        Returns:
            [B, embedding].
        """
        x = ((seen - self.mean) / self.spread).clamp(-5, 5)
        tokens = self.motion_in(x.unflatten(1, (-1, _PATCH)).flatten(2))
        place = torch.arange(tokens.shape[1], device=frames.device)
        return self.motion(tokens, place * _PATCH < frames[:, None])

    def embed_text(self, states: torch.Tensor) -> torch.Tensor:
        """Unit vectors [B, embedding] of token states [B, S, 384], S <= 24; zeros are no token."""
        return self.text(self.text_in(states), (states != 0).any(-1))

    def forward(self, seen: torch.Tensor, frames: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """Scaled cosine of every motion (rows) with every text (columns), [B, B]."""
        scale = self.log_scale.exp().clamp(max=100.0)
        return scale * self.embed_motion(seen, frames) @ self.embed_text(states).T


class _Reader(nn.Module):
    """Tokens [B, L, D] and which of them count to unit vectors [B, embedding], through a summary token."""

    def __init__(
        self, width: int, layers: int, heads: int, longest: int, embedding: int, dropout: float
    ) -> None:
        super().__init__()
        self.summary = nn.Parameter(torch.zeros(width))
        self.places = nn.Parameter(0.02 * torch.randn(longest, width))
        block = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(
            block, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.out = nn.Linear(width, embedding)

    def forward(self, tokens: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.places[: tokens.shape[1]]
        tokens = torch.cat([self.summary.expand(len(tokens), 1, -1), tokens], dim=1)
        ignored = functional.pad(~counts, (1, 0), value=False)
        read = self.blocks(tokens, src_key_padding_mask=ignored)[:, 0]
        return functional.normalize(self.out(read), dim=-1)
