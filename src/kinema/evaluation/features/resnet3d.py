"""The 3D ResNet-50 of Hara et al. (CVPR 2018) that FID-VID takes its 2048 features from; weights are the user's."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_BLOCKS = (3, 4, 6, 3)


class Bottleneck3d(nn.Module):
    """1x1x1, 3x3x3 and 1x1x1 convolutions around a skip (type B: a convolution where sizes change)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or channels != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv3d(channels, 4 * width, 1, stride=stride, bias=False), nn.BatchNorm3d(4 * width)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = functional.relu(self.bn1(self.conv1(x)))
        hidden = functional.relu(self.bn2(self.conv2(hidden)))
        hidden = self.bn3(self.conv3(hidden))
        return functional.relu(hidden + (x if self.downsample is None else self.downsample(x)))


class ResNet3d50(nn.Module):
    """Keys are those of resnet-50-kinetics.pth without its "module." prefix.

    Args:
        width: channels of the first stage; 64 as published.
        classes: of the last layer, which is loaded but not used.
    """

    def __init__(self, width: int = 64, classes: int = 400) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, width, 7, stride=(1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        channels = width
        for stage, count in enumerate(_BLOCKS):
            wide = width * 2**stage
            blocks = []
            for number in range(count):
                blocks.append(Bottleneck3d(channels, wide, 2 if stage and not number else 1))
                channels = 4 * wide
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features [B, 32 * width] of segments [B, 3, 16, 112, 112], levels minus the mean colour."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool3d(x, 3, stride=2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3, 4))
