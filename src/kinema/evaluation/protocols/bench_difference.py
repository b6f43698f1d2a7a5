"""People by difference: where a video shows something else than its empty studio. No network looks at it (ours)."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from kinema.evaluation.judges.studio import BACKDROP, FLOOR, Studio
from kinema.evaluation.metrics.image import cielab

_BLUR = 0.8  # pixels: an autoencoder's noise
_OTHER = 18.0  # CIE76 from which a pixel shows something else; chosen on films of seed 3
_SHADE = 0.55  # of the floor's lightness that a shadow leaves at least,
_HUE = 5.0  # and how far it may be from the floor's colour at that lightness


def people_by_difference(
    video: np.ndarray, studio: Studio, poses: np.ndarray, lenses: np.ndarray
) -> np.ndarray:
    """Where somebody stands before the studio: the largest patch of each frame that differs from it.

    The studio is compared with its things and without them, since a video may lack what its first picture never
    showed; floor and backdrop in the colours that the video gives them, since repainting a room moves nobody. Pixels
    of floor that are darker and no other colour are shadows.

    Args:
        video: uint8 [T, H, W, 3].
        studio: its studio.
        poses: camera-to-world of its frames, [T, 4, 4].
        lenses: fx, fy, cx, cy in pixels, [T, 4].

    Returns:
        bool [T, H, W]; False where nobody is seen.
    """
    colours = _smooth_lab(video)
    apart = np.full(video.shape[:3], np.inf)
    for each in (studio, Studio(replace(studio.world, props=()), studio.size)):
        views = [each.view(pose, lens) for pose, lens in zip(poses, lenses, strict=True)]
        kinds = np.stack([view.kind for view in views])
        empty = _smooth_lab(np.stack([view.rgb for view in views]))
        for kind in (BACKDROP, FLOOR):
            surface = kinds == kind
            if surface.any():
                empty[surface] += np.median((colours - empty)[surface], axis=0)
        difference = np.linalg.norm(colours - empty, axis=-1)
        difference[_shaded(colours, empty) & (kinds == FLOOR)] = 0.0
        apart = np.minimum(apart, difference)
    return np.stack([_largest_patch(mask) for mask in apart > _OTHER])


def _smooth_lab(video: np.ndarray) -> np.ndarray:
    return cielab(np.stack([cv2.GaussianBlur(frame, (0, 0), _BLUR) for frame in video]))


def _shaded(colours: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Where colours are those of the empty studio in less light, bool [T, H, W]; CIELAB [T, H, W, 3]."""
    light = colours[..., 0] / np.maximum(empty[..., 0], 1.0)
    hue = np.linalg.norm(colours[..., 1:] - light[..., None] * empty[..., 1:], axis=-1)
    return (light > _SHADE) & (light < 1) & (hue < _HUE)


def _largest_patch(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask that lie in its largest patch, gaps of a pixel bridged, bool [H, W]."""
    bridged = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, patches, about, _ = cv2.connectedComponentsWithStats(bridged)
    if count == 1:
        return mask
    return mask & (patches == 1 + np.argmax(about[1:, cv2.CC_STAT_AREA]))
