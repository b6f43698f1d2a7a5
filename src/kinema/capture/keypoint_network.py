"""A small convolutional network that finds one person's keypoints and silhouette in a picture (ours).

It knows the stage's world, a photo studio with stylised people, and is trained there by `kinema train keypoints`.
Its confidence says how much of a person is there: where pictures are blended, the targets are blended
with the same weights, so a ghost at 30 % opacity is worth 0.3 and a smear of many poses next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kinema.diffusion.module import Module

# SMPL-24 joints in the order of the network's heatmaps.
KEYPOINT_JOINTS = (0, 1, 2, 4, 5, 7, 8, 10, 11, 9, 12, 15, 16, 17, 18, 19, 20, 21)
KEYPOINT_NAMES = (
    "pelvis",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "left_foot",
    "right_foot",
    "spine3",
    "neck",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
)
STRIDE = 4  # pixels per heatmap cell
MULTIPLE = 16  # picture sides must be multiples of this
PIXELS = 96 * 128  # pictures are resized to about this many pixels, the size the network was trained at
_WINDOW = 2  # cells around the peak that the soft-argmax averages over


@dataclass(frozen=True)
class KeypointMaps:
    """The raw output of `KeypointNetwork`.

    Args:
        heatmaps: logits, [B, 18, H / 4, W / 4].
        silhouette: logits, [B, H, W].
    """

    heatmaps: torch.Tensor
    silhouette: torch.Tensor


@dataclass(frozen=True)
class DetectedKeypoints:
    """Keypoints and silhouettes read off pictures.

    Args:
        points: pixels of the given pictures, pixel centres at +0.5, float32 [T, 18, 2].
        confidence: 0 to 1, float32 [T, 18].
        silhouette: probability that a pixel shows the person, float32 [T, H, W].
    """

    points: np.ndarray
    confidence: np.ndarray
    silhouette: np.ndarray


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(8, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(8, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(x + self.norm2(self.conv2(hidden)))


class Down(nn.Module):
    """A strided 3x3 convolution that halves the resolution."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out_channels, 3, stride=2, padding=1, bias=False)
        self.norm = nn.GroupNorm(8, out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.norm(self.conv(x)))


class Up(nn.Module):
    """Doubles the resolution and adds the skip."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.norm = nn.GroupNorm(8, out_channels)
        self.block = ResidualBlock(out_channels)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        x = functional.interpolate(self.norm(self.conv(x)), scale_factor=2, mode="nearest")
        return self.block(functional.relu(x + skip))


class KeypointNetwork(Module):
    """An hourglass over four scales (strides 2 to 16) with heatmaps at stride 4 and a silhouette.

    Args:
        channels: channels at strides 2, 4, 8 and 16.
        keypoints: number of heatmaps.
        blocks: residual blocks at strides 4, 8 and 16 on the way down.
    """

    def __init__(
        self,
        channels: tuple[int, int, int, int] = (16, 32, 64, 96),
        keypoints: int = len(KEYPOINT_JOINTS),
        blocks: tuple[int, int, int] = (1, 1, 2),
    ) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = channels
        self.down2 = Down(3, half)
        self.down4 = Down(half, quarter)
        self.blocks4 = nn.Sequential(*[ResidualBlock(quarter) for _ in range(blocks[0])])
        self.down8 = Down(quarter, eighth)
        self.blocks8 = nn.Sequential(*[ResidualBlock(eighth) for _ in range(blocks[1])])
        self.down16 = Down(eighth, sixteenth)
        self.blocks16 = nn.Sequential(*[ResidualBlock(sixteenth) for _ in range(blocks[2])])
        self.up8 = Up(sixteenth, eighth)
        self.up4 = Up(eighth, quarter)
        self.heatmap_head = nn.Conv2d(quarter, keypoints, 1)
        self.silhouette_head = nn.Conv2d(quarter, STRIDE**2, 1)

    def forward(self, pixels: torch.Tensor) -> KeypointMaps:
        """Finds keypoints.

        Args:
            pixels: pictures in [0, 1], [B, 3, H, W] with H and W multiples of 16.
        """
        x4 = self.blocks4(self.down4(self.down2(pixels * 2 - 1)))
        x8 = self.blocks8(self.down8(x4))
        x16 = self.blocks16(self.down16(x8))
        x8 = self.up8(x16, x8)
        x4 = self.up4(x8, x4)
        silhouette = functional.pixel_shuffle(self.silhouette_head(x4), STRIDE)
        return KeypointMaps(self.heatmap_head(x4), silhouette[:, 0])


def peaks(heatmaps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Soft-argmax around the highest cell.

    Args:
        heatmaps: probabilities, [B, K, h, w].

    Returns:
        Cell coordinates with centres at +0.5, [B, K, 2], and the highest probability, [B, K].
    """
    rows, columns = heatmaps.shape[2:]
    confidence, index = heatmaps.flatten(2).max(dim=2)
    row, column = index // columns, index % columns
    offsets = torch.arange(-_WINDOW, _WINDOW + 1, device=heatmaps.device)
    near_rows = row[..., None] + offsets  # [B, K, 5]
    near_columns = column[..., None] + offsets
    inside = ((near_rows >= 0) & (near_rows < rows))[..., :, None]
    inside = inside & ((near_columns >= 0) & (near_columns < columns))[..., None, :]
    flat = (
        near_rows.clamp(0, rows - 1)[..., :, None] * columns
        + near_columns.clamp(0, columns - 1)[..., None, :]
    )
    window = heatmaps.flatten(2).gather(2, flat.flatten(2)).reshape(inside.shape) * inside
    weight = window.sum(dim=(2, 3)).clamp(min=1e-9)
    x = (window.sum(dim=2) * (near_columns + 0.5)).sum(dim=2) / weight
    y = (window.sum(dim=3) * (near_rows + 0.5)).sum(dim=2) / weight
    return torch.stack([x, y], dim=-1), confidence


def working_size(width: int, height: int) -> tuple[int, int]:
    """The size (width, height) a picture is resized to: about 96x128 pixels, sides multiples of 16."""
    scale = (PIXELS / (width * height)) ** 0.5
    return tuple(max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (width, height))  # type: ignore[return-value]


@torch.no_grad()
def detect_keypoints(network: KeypointNetwork, frames: np.ndarray, batch_size: int = 32) -> DetectedKeypoints:
    """Reads keypoints and silhouettes off pictures of any size.

    Args:
        network: in evaluation mode.
        frames: uint8 [T, H, W, 3].
        batch_size: frames at a time.

    Raises:
        ValueError: frames of another shape or type.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"expected uint8 frames [T, H, W, 3], got {frames.dtype} {list(frames.shape)}")
    height, width = frames.shape[1:3]
    columns, rows = working_size(width, height)
    points, confidences, silhouettes = [], [], []
    for start in range(0, len(frames), batch_size):
        pixels = torch.from_numpy(np.ascontiguousarray(frames[start : start + batch_size]))
        pixels = pixels.to(network.device).permute(0, 3, 1, 2).to(network.dtype) / 255
        if (rows, columns) != (height, width):
            pixels = functional.interpolate(pixels, (rows, columns), mode="bilinear", antialias=True)
        maps = network(pixels)
        cells, confidence = peaks(maps.heatmaps.float().sigmoid())
        points.append(
            cells * torch.tensor([STRIDE * width / columns, STRIDE * height / rows], device=cells.device)
        )
        confidences.append(confidence)
        silhouette = maps.silhouette.float()[:, None]
        if (rows, columns) != (height, width):
            silhouette = functional.interpolate(silhouette, (height, width), mode="bilinear")
        silhouettes.append(silhouette[:, 0].sigmoid())
    return DetectedKeypoints(*(torch.cat(part).cpu().numpy() for part in (points, confidences, silhouettes)))
