"""Features to zero mean and about unit spread, and back; frames to tokens, and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from kinema.motion.features import PATH, PELVIS
from kinema.motion.representation import SMPL24_MOTION, MotionRepresentation

FILE = "statistics.safetensors"
_LEAST = {PATH: 0.01, PELVIS: 0.03}  # metres and radians a frame; metres and 6D
_LEAST_ROTATION = 0.05  # about three degrees: a joint that hardly turns is not blown up (ours)


@dataclass(frozen=True)
class Normaliser:
    """Statistics of a representation's W features over a training set.

    Args:
        mean, spread: float32, [W].
        representation: whose features they are.
    """

    mean: torch.Tensor
    spread: torch.Tensor
    representation: MotionRepresentation = SMPL24_MOTION

    @classmethod
    def fit(cls, features: torch.Tensor, representation: MotionRepresentation = SMPL24_MOTION) -> Normaliser:
        """Statistics of all frames of a training set, [N, W]."""
        spread = features.std(dim=0)
        for name, part in representation.parts.items():
            spread[part] = spread[part].clamp(min=_LEAST.get(name, _LEAST_ROTATION))
        return cls(features.mean(dim=0), spread, representation)

    @classmethod
    def load(cls, folder: Path, representation: MotionRepresentation = SMPL24_MOTION) -> Normaliser:
        """The statistics of a folder of weights.

        Raises:
            ValueError: the file does not hold a mean and spread of every feature.
        """
        found = load_file(folder / FILE)
        width = representation.width
        if set(found) != {"mean", "spread"} or any(x.shape != (width,) for x in found.values()):
            raise ValueError(f"{folder / FILE} should hold mean and spread of {width} features")
        return cls(found["mean"], found["spread"], representation)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"mean": self.mean.contiguous(), "spread": self.spread.contiguous()}, folder / FILE)

    def to_tokens(self, features: torch.Tensor) -> torch.Tensor:
        """Raw features [..., T, W] as normalised tokens [..., L, patch W]; T = patch L."""
        scaled = (features - self.mean.to(features)) / self.spread.to(features)
        return scaled.unflatten(-2, (-1, self.representation.patch)).flatten(-2)

    def to_features(self, tokens: torch.Tensor) -> torch.Tensor:
        """Normalised tokens [..., L, patch W] as raw features [..., T, W]; T = patch L."""
        scaled = tokens.unflatten(-1, (self.representation.patch, self.representation.width)).flatten(-3, -2)
        return scaled * self.spread.to(tokens) + self.mean.to(tokens)
