"""Seams between tokens: the frames of a token fit each other better than their neighbours'.

What a step over a seam exceeds its neighbouring steps by is spread over the frames around it (ours; of a generated
motion the seams held four fifths of the jerk, and a general low-pass filter would soften real movement as well).
"""

from __future__ import annotations

import torch

_SHARES = ((1, 0.30, 0.70), (2, 0.10, 0.35), (3, 0.0, 0.10))
"""(frames from the seam, share of the excess they take where both sides are free, and where the other is known)."""


def smooth_seams(features: torch.Tensor, known: torch.Tensor, patch: int) -> torch.Tensor:
    """Features whose steps over token borders are like those beside them.

    Args:
        features: raw, [T, W], whole tokens.
        known: numbers that stay as they are, [T, W] bool.
        patch: frames per token.
    """
    seams = torch.arange(patch, len(features) - 1, patch)
    inside = (features[seams - 1] - features[seams - 2] + features[seams + 1] - features[seams]) / 2
    excess = features[seams] - features[seams - 1] - inside
    smooth = features.clone()
    for away, free, alone in _SHARES[: patch - 1]:
        smooth[seams - away] += torch.where(known[seams], alone, free) * excess
        smooth[seams + away - 1] -= torch.where(known[seams - 1], alone, free) * excess
    return torch.where(known, features, smooth)
