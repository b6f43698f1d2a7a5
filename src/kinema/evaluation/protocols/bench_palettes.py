"""The second judge of identity and background: which colours there are, whatever shows them.

It knows no body parts, no surfaces, no camera and not which pixel belongs to which; it is told where people are.
"""

from __future__ import annotations

import numpy as np

from kinema.evaluation.judges.camera import wide
from kinema.evaluation.metrics.image import cielab

LEAST_PIXELS = 40  # that colours are read from, over the whole video
_RANKS = 5
_EDGE = 1  # pixels of the silhouette's border, where the background shines through


def palettes(video: np.ndarray, silhouette: np.ndarray) -> dict[str, np.ndarray]:
    """`identity by palette` and `background by palette`: the colours within a silhouette and well outside it.

    Args:
        video: uint8 [T, H, W, 3].
        silhouette: bool [T, H, W].

    Returns:
        What `palette` gives for either.
    """
    colours = cielab(video)
    return {
        "identity by palette": palette(colours, ~wide(~silhouette, _EDGE)),
        "background by palette": palette(colours, ~wide(silhouette)),
    }


def palette(colours: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The colours of masked pixels of all frames by rank, above and below.

    Pixels are told apart by whether they lie in the upper or the lower half of the rows that the mask spans in their
    frame; of either half and each channel the values are sorted, and the means of their fifths taken: the darkest,
    the next, and so on (the quantile function of one-dimensional optimal transport, coarsely; ours).

    Args:
        colours: CIELAB [T, H, W, 3].
        mask: bool [T, H, W].

    Returns:
        [30]: halves, fifths, channels; NaN for a half of less than LEAST_PIXELS.
    """
    below = _below(mask)
    found = []
    for half in (mask & ~below, mask & below):
        values = np.sort(colours[half].astype(np.float64), axis=0)
        enough = len(values) >= LEAST_PIXELS
        found += [
            part.mean(axis=0) if enough else np.full(3, np.nan) for part in np.array_split(values, _RANKS)
        ]
    return np.concatenate(found)


def _below(mask: np.ndarray) -> np.ndarray:
    """The rows in the lower half of those that a mask spans, bool [T, H, 1]; a stray hundredth at either end is left
    out of the span.
    """
    share = np.cumsum(mask.sum(axis=2), axis=1)
    first = (share <= 0.01 * share[:, -1:]).sum(axis=1)
    last = (share < 0.99 * share[:, -1:]).sum(axis=1)
    middle = (first + last + 1) / 2
    return (np.arange(mask.shape[1]) + 0.5 > middle[:, None])[..., None]
