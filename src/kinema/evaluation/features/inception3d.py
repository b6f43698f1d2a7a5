"""I3D (Carreira and Zisserman, CVPR 2017) in the layout of i3d_pretrained_400.pt; weights are the user's."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
# What is pooled before a layer: kernel and stride.
_POOLS = {
    "Conv3d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}
_ORDER = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3", *_MIXED)


def same_padded(x: torch.Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
    """Zeros around the last three axes as TensorFlow's "SAME" has it: the odd one behind."""
    pads: list[int] = []
    for size, extent, step in reversed(list(zip(x.shape[2:], kernel, stride, strict=True))):
        total = max((extent - step) if size % step == 0 else extent - size % step, 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads)


class Unit3d(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, channels: int, out_channels: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = (kernel,) * 3, (stride,) * 3
        self.conv3d = nn.Conv3d(channels, out_channels, kernel, stride=stride, bias=False)
        self.bn = nn.BatchNorm3d(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.bn(self.conv3d(same_padded(x, self.kernel, self.stride))))


class Mixed3d(nn.Module):
    """Inception block: four branches side by side."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.b0 = Unit3d(channels, widths[0])
        self.b1a, self.b1b = Unit3d(channels, widths[1]), Unit3d(widths[1], widths[2], 3)
        self.b2a, self.b2b = Unit3d(channels, widths[3]), Unit3d(widths[3], widths[4], 3)
        self.b3b = Unit3d(channels, widths[5])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = functional.max_pool3d(same_padded(x, (3, 3, 3), (1, 1, 1)), 3, stride=1)
        branches = [self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)]
        return torch.cat(branches, dim=1)


class _Logits(nn.Module):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(channels, classes, 1)


class InceptionI3d(nn.Module):
    """I3D up to its 400 logits, averaged over time.

    Args:
        classes: logits; 400 for Kinetics.
        shrink: divides every width; 1 as published.
    """

    def __init__(self, classes: int = 400, shrink: int = 1) -> None:
        super().__init__()
        channels = 64 // shrink
        self.Conv3d_1a_7x7 = Unit3d(3, channels, 7, 2)
        self.Conv3d_2b_1x1 = Unit3d(channels, channels)
        self.Conv3d_2c_3x3 = Unit3d(channels, 192 // shrink, 3)
        channels = 192 // shrink
        for name, published in _MIXED.items():
            widths = tuple(width // shrink for width in published)
            setattr(self, name, Mixed3d(channels, widths))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        self.logits = _Logits(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [B, classes] of videos [B, 3, T >= 9, 224, 224] in [-1, 1]."""
        for name in _ORDER:
            if name in _POOLS:
                kernel, stride = _POOLS[name]
                x = functional.max_pool3d(same_padded(x, kernel, stride), kernel, stride=stride)
            x = getattr(self, name)(x)
        x = functional.avg_pool3d(x, (2, 7, 7), stride=1)
        return self.logits.conv3d(x).flatten(2).mean(dim=2)
