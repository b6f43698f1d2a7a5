"""Intrinsics: the lens of the cameras."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinema.signals.frames import SceneFrames
from kinema.signals.signal import Signal, register

if TYPE_CHECKING:
    import torch


@register
class Intrinsics(Signal):
    """fx, fy, cx, cy of the cameras in pixels of the picture, float32."""

    name = "intrinsics"
    shape = ("B", "T", 4)
    exact = True
    common = True

    def of(self, frames: SceneFrames) -> torch.Tensor | None:
        if frames.camera is None:
            return None
        import torch

        return torch.from_numpy(frames.camera.intrinsics.astype(np.float32))[None]
