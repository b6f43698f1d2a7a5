"""Set features by the user's weights: FVD, FID-VID and FID as their public scripts compute them.

Videos are cut into windows of 16 frames that do not overlap, unless a script does otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from kinema.evaluation.features.extractor import WINDOW, windows
from kinema.evaluation.features.inception3d import InceptionI3d
from kinema.evaluation.features.resnet3d import ResNet3d50
from kinema.evaluation.features.weights import Weights
from kinema.motion.checkpoints import load_exactly, read_state_dict

MEAN_COLOUR = (114.7748, 107.7354, 99.4750)
"""What DisCo subtracts from RGB levels before the 3D ResNet."""


class NetworkFeatures:
    """A network on a video made ready as one public script does it.

    Args:
        metric: `fvd`, `fid-vid` or `fid`.
        name: the variant.
        prepare: frames uint8 [T, H, W, 3] -> batches for the network, see the functions below.
        network: what turns a batch into features [N, D].
        weights: where it comes from.
        covariance: of the Fréchet distance.
        averaged: one vector a video, the mean over its batches.
        says: how the frames are made ready, for the report.
    """

    def __init__(
        self,
        metric: str,
        name: str,
        prepare: Any,
        network: Any,
        weights: Weights,
        covariance: Literal["n-1", "n"],
        says: str,
        averaged: bool = False,
    ) -> None:
        self.metric, self.name, self.covariance = metric, name, covariance
        self.prepare, self.network, self.weights = prepare, network, weights
        self.says, self.averaged = says, averaged

    def settings(self) -> dict[str, Any]:
        """All that the features depend on."""
        return {
            "features": self.name,
            "weights": self.weights.sha256,
            "frames": self.says,
            "covariance": self.covariance,
        }

    @torch.no_grad()
    def __call__(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """Features [N, D] of a video, uint8 [T, H, W, 3]; no rows where it is too short."""
        rows = [self.network(batch).double().numpy() for batch in self.prepare(frames)]
        if not rows:
            return np.zeros((0, 0))
        features = np.concatenate(rows)
        return features.mean(axis=0, keepdims=True) if self.averaged else features


def set_features(given: Mapping[str, Weights]) -> list[NetworkFeatures]:
    """The extractors that the given weights make possible."""
    found = []
    if "i3d-torchscript" in given:
        weights = given["i3d-torchscript"]
        net = torch.jit.load(str(weights.path), map_location="cpu").eval()
        found += [
            NetworkFeatures(
                "fvd",
                "styleganv-i3d",
                raw_windows,
                lambda x: net(x, rescale=True, resize=True, return_features=True),
                weights,
                "n",
                "levels as they are, resized inside the network; windows of 16",
            ),
            NetworkFeatures(
                "fvd",
                "common-metrics-i3d",
                cropped_windows,
                lambda x: net(x, rescale=False, resize=False, return_features=True),
                weights,
                "n-1",
                "shorter side to 224 bilinear, centre crop, [-1, 1]; windows of 16",
            ),
        ]
    if "i3d-400" in given:
        weights = given["i3d-400"]
        i3d = loaded(InceptionI3d(), weights)
        found += [
            NetworkFeatures(
                "fvd",
                "cd-fvd-i3d",
                squashed_windows,
                i3d,
                weights,
                "n",
                "squashed to 224 x 224 bilinear, [-1, 1]; windows of 16; logits",
            ),
            NetworkFeatures(
                "fvd",
                "disco-i3d-logits",
                disco_whole,
                i3d,
                weights,
                "n-1",
                "squashed to 224 x 224 by PIL's bicubic, / 127.5 - 1; the whole video at once; logits",
            ),
        ]
    if "resnet3d-50" in given:
        weights = given["resnet3d-50"]
        found.append(
            NetworkFeatures(
                "fid-vid",
                "disco-resnet3d-50",
                disco_segments,
                loaded(ResNet3d50(), weights),
                weights,
                "n-1",
                "squashed to 112 x 112 by PIL's bicubic, minus the mean colour; segments of 16, the last one filled "
                "with its last frame; mean over segments",
                averaged=True,
            )
        )
    if "inception-torchscript" in given:
        weights = given["inception-torchscript"]
        inception = torch.jit.load(str(weights.path), map_location="cpu").eval()
        found.append(
            NetworkFeatures(
                "fid",
                "inception-2015",
                single_frames,
                lambda x: inception(x, return_features=True),
                weights,
                "n-1",
                "every frame, levels as they are, resized inside the network",
            )
        )
    return found


def loaded(network: nn.Module, weights: Weights) -> nn.Module:
    """The network with the weights of a file, all keys and shapes checked, in evaluation mode."""
    state = {key.removeprefix("module."): value for key, value in read_state_dict(weights.path).items()}
    load_exactly(network, state, weights.path)
    return network.eval()


def raw_windows(frames: np.ndarray) -> list[torch.Tensor]:
    """Windows [1, 3, 16, H, W] of levels 0 to 255, as float."""
    return [_channels_first(frames[part].astype(np.float32))[None] for part in windows(len(frames))]


def squashed_windows(frames: np.ndarray) -> list[torch.Tensor]:
    """Windows [1, 3, 16, 224, 224] in [-1, 1], without regard to the aspect."""
    return [_resized(x, (224, 224)) for x in raw_windows(frames)]


def cropped_windows(frames: np.ndarray) -> list[torch.Tensor]:
    """Windows [1, 3, 16, 224, 224] in [-1, 1]: the shorter side to 224, then the centre."""
    height, width = frames.shape[1:3]
    scale = 224 / min(height, width)
    size = (224, math.ceil(width * scale)) if height < width else (math.ceil(height * scale), 224)
    top, left = (size[0] - 224) // 2, (size[1] - 224) // 2
    return [_resized(x, size)[..., top : top + 224, left : left + 224] for x in raw_windows(frames)]


def disco_whole(frames: np.ndarray) -> list[torch.Tensor]:
    """The whole video, [1, 3, T, 224, 224] in [-1, 1]; nothing under nine frames, which I3D cannot take."""
    return [_channels_first(_pil(frames, 224) / 127.5 - 1)[None]] if len(frames) >= 9 else []


def disco_segments(frames: np.ndarray) -> list[torch.Tensor]:
    """Segments [1, 3, 16, 112, 112] of levels minus MEAN_COLOUR, the last one filled with its last frame."""
    small = _pil(frames, 112) - np.array(MEAN_COLOUR, np.float32)
    short = -len(small) % WINDOW
    small = np.concatenate([small, np.repeat(small[-1:], short, axis=0)])
    return [_channels_first(small[part])[None] for part in windows(len(small))]


def single_frames(frames: np.ndarray) -> list[torch.Tensor]:
    """Frames, uint8 [up to 16, 3, H, W]."""
    return [
        torch.from_numpy(np.ascontiguousarray(frames[begin : begin + WINDOW])).permute(0, 3, 1, 2)
        for begin in range(0, len(frames), WINDOW)
    ]


def _pil(frames: np.ndarray, side: int) -> np.ndarray:
    """Frames squashed to side x side by PIL's bicubic on float channels, not rounded, [T, side, side, 3]."""

    def resize(channel: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(channel.astype(np.float32))
        return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))

    return np.stack([np.stack([resize(frame[..., c]) for c in range(3)], axis=-1) for frame in frames])


def _resized(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """[1, 3, T, H, W] levels -> [-1, 1] at another size, bilinear."""
    flat = functional.interpolate(x[0].transpose(0, 1), size=size, mode="bilinear", align_corners=False)
    return (2 * flat / 255 - 1).transpose(0, 1)[None]


def _channels_first(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(3, 0, 1, 2).float()
