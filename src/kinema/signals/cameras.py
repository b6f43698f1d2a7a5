"""Cameras: where the picture is taken from; with them joints can be seen from the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinema.signals.frames import SceneFrames
from kinema.signals.signal import Signal, register

if TYPE_CHECKING:
    import torch


@register
class Cameras(Signal):
    """Camera-to-world poses, OpenCV axes, metres, float32."""

    name = "cameras"
    shape = ("B", "T", 4, 4)
    exact = True
    common = True

    def of(self, frames: SceneFrames) -> torch.Tensor | None:
        if frames.camera is None:
            return None
        import torch

        return torch.from_numpy(frames.camera.c2w.astype(np.float32))[None]
