"""Weights of the reference fixtures: every tensor follows from its key and shape."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import torch


def reference_weights(shapes: Mapping[str, Iterable[int]]) -> dict[str, torch.Tensor]:
    """The weights the fixtures were made with.

    Args:
        shapes: shape of each tensor by its original key name (`mtvcraft_state_dict_shapes.json`).
    """
    return {key: _tensor(key, torch.Size(shape)) for key, shape in shapes.items()}


def _tensor(key: str, shape: torch.Size) -> torch.Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(key.encode())))
    if key.endswith("codebook"):
        return values * 0.35
    if len(shape) >= 2:
        return values / (shape.numel() / shape[0]) ** 0.5
    return 1 + 0.1 * values if key.endswith("weight") else 0.1 * values
