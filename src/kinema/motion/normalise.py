"""Features to zero mean and about unit spread, and back; frames to tokens, and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from kinema.motion.representation import PARTS, PATCH, WIDTH

FILE = "statistics.safetensors"
_LEAST = {"path": 0.01, "pelvis": 0.03}  # metres and radians a frame; metres and 6D
_LEAST_ROTATION = 0.05  # about three degrees: a joint that hardly turns is not blown up (ours)


@dataclass(frozen=True)
class Normaliser:
    """Mean and spread of the 122 features over the train split, float32 [122] each."""

    mean: torch.Tensor
    spread: torch.Tensor

    @classmethod
    def fit(cls, features: torch.Tensor) -> Normaliser:
        """Statistics of all frames of a training set, [N, 122]."""
        spread = features.std(dim=0)
        for name, part in PARTS.items():
            spread[part] = spread[part].clamp(min=_LEAST.get(name, _LEAST_ROTATION))
        return cls(features.mean(dim=0), spread)

    @classmethod
    def load(cls, folder: Path) -> Normaliser:
        """The statistics of a folder of weights.

        Raises:
            ValueError: the file does not hold 122 means and spreads.
        """
        found = load_file(folder / FILE)
        if set(found) != {"mean", "spread"} or any(x.shape != (WIDTH,) for x in found.values()):
            raise ValueError(f"{folder / FILE} should hold mean and spread of {WIDTH} features")
        return cls(found["mean"], found["spread"])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"mean": self.mean.contiguous(), "spread": self.spread.contiguous()}, folder / FILE)

    def to_tokens(self, features: torch.Tensor) -> torch.Tensor:
        """Raw features [..., 4 L, 122] as normalised tokens [..., L, 488]."""
        scaled = (features - self.mean.to(features)) / self.spread.to(features)
        return scaled.unflatten(-2, (-1, PATCH)).flatten(-2)

    def to_features(self, tokens: torch.Tensor) -> torch.Tensor:
        """Normalised tokens [..., L, 488] as raw features [..., 4 L, 122]."""
        scaled = tokens.unflatten(-1, (PATCH, WIDTH)).flatten(-3, -2)
        return scaled * self.spread.to(tokens) + self.mean.to(tokens)


def columns_of_parts() -> torch.Tensor:
    """For each of the 488 numbers of a token the index of its part, [488]."""
    frame = torch.empty(WIDTH, dtype=torch.long)
    for index, part in enumerate(PARTS.values()):
        frame[part] = index
    return frame.repeat(PATCH)
