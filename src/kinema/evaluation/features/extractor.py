"""What every feature extractor has in common, and how a protocol gets the eight letters in a metric's name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

WINDOW = 16
"""Frames of a window, as FVD has it."""


class FeatureExtractor(Protocol):
    """Turns a video into feature vectors of a set metric."""

    metric: str
    """What a Fréchet distance on these features is called: `frechet` for our own, else `fvd`, `fid`, `fid-vid`."""
    name: str
    covariance: Any
    """`n-1` or `n`, see `frechet_distance`."""

    def settings(self) -> dict[str, Any]:
        """All that the features depend on; the name's hash is taken over it."""
        ...

    def __call__(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """Features [N, D] of a video, uint8 [T, H, W, 3]; N is 0 where it is too short."""
        ...


def protocol_hash(settings: Mapping[str, Any]) -> str:
    """The first eight letters of the sha256 over settings as canonical JSON."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:8]


def metric_name(base: str, variant: str, settings: Mapping[str, Any]) -> str:
    """`psnr[rgb@1f2e3d4c]`: the same name is the same measurement, and another measurement has another name."""
    return f"{base}[{variant}@{protocol_hash(settings)}]"


def windows(frames: int, length: int = WINDOW) -> list[slice]:
    """Windows of `length` frames that do not overlap, from the first frame on; what is left over is not used."""
    return [slice(begin, begin + length) for begin in range(0, frames - length + 1, length)]
