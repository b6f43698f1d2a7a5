"""Rays as VideoX-Fun's camera models read them: four frames of a latent frame beside each other on the channels.

Facts of its code: pipeline_wan2_2_fun_control.py (grouping), data/utils.py (the rays, which `ray_map` gives), asset/*.txt
(how far its example paths go).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.signals.ray_map import ray_map

GROUP = 4
"""Frames of a latent frame; the first latent frame holds the first frame four times."""

EXAMPLE_REACH = 1.5
"""How far the published example paths go from where they start, in the units that the models were trained with (asset/
Pan_Left.txt). Those are RealEstate10K's, whose scale differs from clip to clip: not metres."""

SHORTEST = 0.5
"""Metres: shorter paths are not blown up to a long one's reach, they keep their share of this one's (ours)."""


def grouped_rays(camera: CameraPath) -> np.ndarray:
    """Plücker rays [o x d, d] relative to the first camera, float32 [24, F, H, W]; channel = component * 4 + time.

    Args:
        camera: T = 4k + 1 frames, positions in the model's units, see `in_model_units`.

    Raises:
        ValueError: another number of frames.
    """
    if camera.frames % GROUP != 1:
        raise ValueError(f"rays are grouped for 4k + 1 frames, not {camera.frames}")
    rays = ray_map(camera, scale="raw")
    filled = np.concatenate([np.repeat(rays[:1], GROUP - 1, axis=0), rays])
    frames, components, height, width = filled.shape
    grouped = filled.reshape(frames // GROUP, GROUP, components, height, width).transpose(2, 1, 0, 3, 4)
    return np.ascontiguousarray(grouped.reshape(components * GROUP, frames // GROUP, height, width))


def in_model_units(camera: CameraPath, strength: float = 1.0) -> CameraPath:
    """A path in metres in the units of VideoX-Fun's camera models, as long as its examples: the farthest point counts.

    Args:
        camera: a whole path; windows of it are cut afterwards, so that all have one scale.
        strength: times that reach.

    Raises:
        ValueError: no finite strength above 0.
    """
    if not (np.isfinite(strength) and strength > 0):
        raise ValueError(f"the strength of a camera path is above 0, not {strength:g}")
    away = camera.positions - camera.positions[0]
    reach = float(np.linalg.norm(away, axis=-1).max())
    c2w = camera.c2w.copy()
    c2w[:, :3, 3] = away * (strength * EXAMPLE_REACH / max(reach, SHORTEST))
    return replace(camera, c2w=c2w)
