"""A small convolutional network that names the part of a body at each pixel, for the loss on its features (ours).

It is trained on renders by `kinema train parts` and used while other networks are trained, never to judge them: the
judges (`capture.keypoint_network`, MediaPipe) know nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from kinema.capture.keypoint_network import Down, ResidualBlock, Up
from kinema.diffusion.module import Module

CLASSES = 1 + 2 * 24
"""Nobody; the back of SMPL segment j at 1 + 2 j, and its front after it."""
STRIDE = 2  # pixels per cell of the answer


@dataclass(frozen=True)
class PartMaps:
    """What `PartNetwork` makes of pictures.

    Args:
        logits: of the classes, [B, 49, H / 2, W / 2].
        features: what it saw on the way, finest first: [B, C, H / s, W / s] for s = 2, 4, 8, 16, and then, going back,
            8, 4 and 2.
    """

    logits: torch.Tensor
    features: tuple[torch.Tensor, ...]


class PartNetwork(Module):
    """An hourglass over four scales.

    Args:
        channels: channels at strides 2, 4, 8 and 16.
    """

    def __init__(self, channels: tuple[int, int, int, int] = (24, 48, 80, 112)) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = channels
        self.down2 = Down(3, half)
        self.down4 = Down(half, quarter)
        self.block4 = ResidualBlock(quarter)
        self.down8 = Down(quarter, eighth)
        self.block8 = ResidualBlock(eighth)
        self.down16 = Down(eighth, sixteenth)
        self.block16 = nn.Sequential(ResidualBlock(sixteenth), ResidualBlock(sixteenth))
        self.up8 = Up(sixteenth, eighth)
        self.up4 = Up(eighth, quarter)
        self.up2 = Up(quarter, half)
        self.head = nn.Conv2d(half, CLASSES, 1)

    def forward(self, pixels: torch.Tensor) -> PartMaps:
        """Names parts.

        Args:
            pixels: pictures in [-1, 1], [B, 3, H, W] with H and W multiples of 16.
        """
        x2 = self.down2(pixels)
        x4 = self.block4(self.down4(x2))
        x8 = self.block8(self.down8(x4))
        x16 = self.block16(self.down16(x8))
        y8 = self.up8(x16, x8)
        y4 = self.up4(y8, x4)
        y2 = self.up2(y4, x2)
        return PartMaps(self.head(y2), (x2, x4, x8, x16, y8, y4, y2))
