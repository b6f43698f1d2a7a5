"""Which part of a picture a video of another shape shows: round whom, never over its edges."""

from __future__ import annotations

Window = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""

HEADROOM = 0.04
"""Of the window's height, kept above a figure that is taller than the window (ours)."""


def window_round(
    size: tuple[int, int], shape: tuple[int, int], figure: tuple[float, float, float, float] | None = None
) -> Window:
    """The largest window of a shape, round a figure as well as the picture allows; at its middle where there is none.

    A figure that is too wide is cut on both sides alike; of one that is too tall the head is kept.

    Args:
        size: (width, height) of the picture, pixels.
        shape: (width, height) of what is to be shown; their ratio counts.
        figure: left, top, right, bottom of whom it shall show.

    Returns:
        Whole pixels within the picture, at least one each way.
    """
    (width, height), (across, down) = size, shape
    if width * down > height * across:
        width = min(width, max(1, round(height * across / down)))
    else:
        height = min(height, max(1, round(width * down / across)))
    middle, upper = size[0] / 2, size[1] / 2
    if figure is not None:
        middle, upper = (figure[0] + figure[2]) / 2, (figure[1] + figure[3]) / 2
        if figure[3] - figure[1] > height:
            upper = figure[1] + (0.5 - HEADROOM) * height
    left = min(max(round(middle - width / 2), 0), size[0] - width)
    top = min(max(round(upper - height / 2), 0), size[1] - height)
    return left, top, left + width, top + height


def share_within(figure: tuple[float, float, float, float], window: Window) -> float:
    """How much of a figure's box a window shows, 0 to 1."""
    shown = 1.0
    for low, high, first, last in zip(figure[:2], figure[2:], window[:2], window[2:], strict=True):
        shown *= max(0.0, min(high, last) - max(low, first)) / max(high - low, 1e-9)
    return shown
