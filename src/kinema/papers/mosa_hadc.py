"""MoSA's Human-Aware Dynamic Control (arXiv 2508.17404): structure enters the video where and as much as w says.

    w = P(s, a_in)        a_out = a_in + w * s        L_m = mean (U(w) - human mask)^2

The paper leaves P and U open; their layers here are ours. Shapes: B batch, N = f x h x w tokens, D backbone width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import nn

from kinema.video.adapters.adapter import ControlTokens


@dataclass(frozen=True, eq=False)
class StructureTokens(ControlTokens):
    """What the sites read.

    Args:
        structure: s^k of each site, [B, N, D] each.
        prepared: of each site, what depends on s^k alone, so that no step computes it again.
        present: whether a sample has a structure, bool [B].
        grid: tokens along time, rows and columns.
    """

    shared = ("grid",)

    structure: tuple[torch.Tensor, ...]
    prepared: tuple[torch.Tensor, ...]
    present: torch.Tensor
    grid: tuple[int, int, int]

    @cached_property
    def weights(self) -> dict[int, torch.Tensor]:
        """w of each site, [B, N, 1], from the last run of the transformer with these very tokens."""
        return {}


class ControlSite(nn.Module):
    """HADC: P predicts one weight per token, with no activation, so that structure may also be subtracted.

    P is a 1x1x1 layer (2D -> width), SiLU, a depthwise 3x3x3 convolution, SiLU, and a 1x1x1 layer to one channel,
    which is zero at first: step 0 is the untouched backbone. Its first layer is split in two; the structure's half is
    computed once per video. Both halves are normalised: some channels of a large backbone's residual stream are
    hundreds of times larger than the others.
    """

    def __init__(self, index: int, hidden_size: int, width: int) -> None:
        super().__init__()
        self.index = index
        self.norm = nn.LayerNorm(hidden_size, elementwise_affine=False)
        self.from_structure = nn.Linear(hidden_size, width)
        self.from_video = nn.Linear(hidden_size, width, bias=False)
        self.mix = nn.Conv3d(width, width, 3, padding=1, groups=width)
        self.to_weight = nn.Linear(width, 1)
        nn.init.zeros_(self.to_weight.weight)
        nn.init.zeros_(self.to_weight.bias)

    def prepare(self, structure: torch.Tensor) -> torch.Tensor:
        """The structure's half of P's first layer, [B, N, width]."""
        return self.from_structure(self.norm(structure))

    def forward(self, hidden_states: torch.Tensor, tokens: StructureTokens) -> torch.Tensor:
        """What is added to the video tokens [B, N, D]; exactly nothing for samples without structure."""
        x = F.silu(tokens.prepared[self.index] + self.from_video(self.norm(hidden_states)))
        x = self.mix(x.transpose(1, 2).unflatten(2, tokens.grid))
        weight = self.to_weight(F.silu(x).flatten(2).transpose(1, 2))
        weight = weight * tokens.present.to(weight)[:, None, None]
        tokens.weights[self.index] = weight
        return weight * tokens.structure[self.index]


class AdditionSite(nn.Module):
    """The paper's ablation without HADC: a_out = a_in + Z s, where the linear layer Z is zero at first (ours)."""

    def __init__(self, index: int, hidden_size: int) -> None:
        super().__init__()
        self.index = index
        self.project = nn.Linear(hidden_size, hidden_size)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def prepare(self, structure: torch.Tensor) -> torch.Tensor:
        return self.project(structure)

    def forward(self, hidden_states: torch.Tensor, tokens: StructureTokens) -> torch.Tensor:
        """What is added to the video tokens [B, N, D]; exactly nothing for samples without structure."""
        added = tokens.prepared[self.index]
        return added * tokens.present.to(added)[:, None, None]


class MaskHead(nn.Module):
    """U: from weights on the token grid to where people are on the latent grid, three 3x3x3 convolutions.

    Args:
        patch: latents per token along time, rows and columns; the head enlarges by it.
        width: channels in between.
    """

    def __init__(self, patch: Sequence[int], width: int = 32) -> None:
        super().__init__()
        self.patch = tuple(float(side) for side in patch)
        self.conv_in = nn.Conv3d(1, width, 3, padding=1)
        self.conv_mid = nn.Conv3d(width, width, 3, padding=1)
        self.conv_out = nn.Conv3d(width, 1, 3, padding=1)

    def forward(self, weight: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        """Maps w [B, N, 1] to a mask [B, 1, F, h, w]: values for a squared loss, not logits."""
        x = F.silu(self.conv_in(weight.transpose(1, 2).unflatten(2, grid)))
        x = F.interpolate(x, scale_factor=self.patch, mode="nearest")
        return self.conv_out(F.silu(self.conv_mid(x)))
