"""Colours that drift from window to window of a long video are led back to those of the window before (ours).

Every window decodes the frames that it shares with the one before once more; what they have changed is undone everywhere.
"""

from __future__ import annotations

import torch

MOST = 1.25
"""By how much contrast is changed at most, either way: more is another content, not another colour (ours)."""
LEAST = 1 / 255
"""Change of mean or deviation, of the range of 2, that is taken back: less lies within what 8 bits round (ours)."""


def matched_colour(pixels: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """A window whose first frames have the mean and deviation of each channel that they had before; the rest goes along.

    Args:
        pixels: of the window, in about [-1, 1], [1, 3, T, H, W].
        known: its first frames as the window before made them, [1, 3, K, H, W].

    Returns:
        As `pixels`; the same tensor where nothing has drifted.
    """
    made = pixels[:, :, : known.shape[2]].float()
    axes = (2, 3, 4)
    std, mean = torch.std_mean(made, axes, correction=0, keepdim=True)
    std_before, mean_before = torch.std_mean(known.float(), axes, correction=0, keepdim=True)
    if max((mean - mean_before).abs().max(), (std - std_before).abs().max()) < LEAST:
        return pixels
    scale = (std_before / std.clamp_min(LEAST)).clamp(1 / MOST, MOST)
    return ((pixels.float() - mean) * scale + mean_before).to(pixels.dtype)
