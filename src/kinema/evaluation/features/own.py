"""Two feature extractors that need no download, for Fréchet distances named `frechet[...]`, never FVD (ours).

`space-time` knows nothing: fixed random projections of colours and of their change. `keypoint-trunk` knows the
stage's world: what the embedded keypoint network sees, and how it changes.
"""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
import torch

from kinema.capture.keypoint_network import KeypointNetwork, working_size
from kinema.evaluation.features.extractor import WINDOW, windows
from kinema.evaluation.metrics.image import cielab

_SIDE = 32
_SEED = 20_240
_VERSION = 1


class SpaceTimeFeatures:
    """Fixed random projections of windows of 16 frames: colours, edges in space and change in time.

    Each window is shrunk to 32 x 32 by area, in CIELAB. Of the lightness and both colours, of the lightness'
    gradients along both sides, and of the change from frame to frame, random filters of 4 frames x 8 x 8 pixels
    take products at every fourth place; features are the mean sizes of these products (a random-filter energy,
    which does not depend on where something happens), and the window's colours on a 4 x 4 grid, averaged in time.

    Args:
        filters: random filters of each of the six channels.
    """

    metric = "frechet"
    name = "space-time"
    covariance: Literal["n-1"] = "n-1"

    def __init__(self, filters: int = 24) -> None:
        self.filters = filters
        rng = np.random.default_rng(_SEED)
        kernels = rng.standard_normal((6, filters, 4, 8, 8)).astype(np.float32)
        kernels -= kernels.mean(axis=(2, 3, 4), keepdims=True)
        kernels /= np.linalg.norm(kernels.reshape(6, filters, -1), axis=-1)[..., None, None, None]
        self._kernels = torch.from_numpy(kernels.reshape(6 * filters, 1, 4, 8, 8))

    def settings(self) -> dict[str, Any]:
        """All that the features depend on."""
        return {
            "features": self.name,
            "version": _VERSION,
            "window": WINDOW,
            "stride": WINDOW,
            "side": _SIDE,
            "filters": self.filters,
            "seed": _SEED,
            "covariance": self.covariance,
        }

    @torch.no_grad()
    def __call__(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """Features [windows, 6 * filters + 48] of a video, uint8 [T, H, W, 3]."""
        parts = windows(len(frames))
        if not parts:
            return np.zeros((0, 6 * self.filters + 48))
        small = np.stack([cv2.resize(x, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA) for x in frames])
        lab = cielab(small) / 100
        light = lab[..., 0]
        change = np.diff(light, axis=0, prepend=light[:1])
        along, down = np.gradient(light, axis=2), np.gradient(light, axis=1)
        channels = np.stack([light, lab[..., 1], lab[..., 2], along, down, 4 * change])  # [6, T, 32, 32]
        batch = torch.from_numpy(
            np.stack([channels[:, part] for part in parts]).astype(np.float32)
        )  # [windows, 6, 16, 32, 32]
        energy = torch.nn.functional.conv3d(batch, self._kernels, stride=(2, 4, 4), groups=6)
        energy = energy.abs().mean(dim=(2, 3, 4)).double().numpy()
        grid = np.stack([_grid(lab[part].mean(axis=0)) for part in parts])
        return np.concatenate([energy, grid], axis=1)


class KeypointTrunkFeatures:
    """The keypoint network's coarsest features over windows of 16 frames: their mean, spread and change.

    Per window: the mean over pixels and frames of the 96 channels at stride 16, the standard deviation in time of
    each frame's mean, and the mean size of the change from frame to frame. It was trained to find people on the
    stage: on other videos it is a fixed convolutional descriptor, no more.

    Args:
        network: in evaluation mode.
        sha256: of its weights.
    """

    metric = "frechet"
    name = "keypoint-trunk"
    covariance: Literal["n-1"] = "n-1"

    def __init__(self, network: KeypointNetwork, sha256: str) -> None:
        self.network, self.sha256 = network, sha256

    def settings(self) -> dict[str, Any]:
        """All that the features depend on."""
        return {
            "features": self.name,
            "version": _VERSION,
            "window": WINDOW,
            "stride": WINDOW,
            "weights": self.sha256,
            "covariance": self.covariance,
        }

    @torch.no_grad()
    def __call__(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """Features [windows, 3 * channels] of a video, uint8 [T, H, W, 3]."""
        parts = windows(len(frames))
        channels = self.network.config.channels[-1]
        if not parts:
            return np.zeros((0, 3 * channels))
        size = working_size(frames.shape[2], frames.shape[1])
        rows = []
        for part in parts:
            small = np.stack([cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in frames[part]])
            net = self.network
            x4 = net.blocks4(
                net.down4(net.down2(torch.from_numpy(small).permute(0, 3, 1, 2).float() / 127.5 - 1))
            )
            x16 = net.blocks16(net.down16(net.blocks8(net.down8(x4))))
            change = (x16[1:] - x16[:-1]).abs().mean(dim=(0, 2, 3))
            mean = x16.mean(dim=(2, 3))
            rows.append(torch.cat([mean.mean(dim=0), mean.std(dim=0), change]).double().numpy())
        return np.stack(rows)


def _grid(picture: np.ndarray) -> np.ndarray:
    """Means of a picture [32, 32, 3] on a 4 x 4 grid, [48]."""
    return picture.reshape(4, 8, 4, 8, 3).mean(axis=(1, 3)).ravel().astype(np.float64)
