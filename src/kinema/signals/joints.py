"""Joints: where people's bodies are in the world."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinema.signals.frames import SceneFrames
from kinema.signals.signal import Signal, register

if TYPE_CHECKING:
    import torch


@register
class Joints(Signal):
    """SMPL-24 joints in the world, metres, NaN where missing, float32."""

    name = "joints"
    shape = ("B", "P", "T", 24, 3)
    exact = True
    common = True

    def of(self, frames: SceneFrames) -> torch.Tensor | None:
        if frames.joints is None:
            return None
        import torch

        return torch.from_numpy(frames.joints.astype(np.float32)).permute(1, 0, 2, 3)[None].contiguous()
