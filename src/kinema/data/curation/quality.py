"""What can be said of a clip's pictures without a network: sharpness, light, black bars, and how much moves.

Thresholds are ours. They leave out what no model should learn from: stills, slides, black pictures, mush.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from kinema.data.curation.clip_folder import ClipFolder, Judged
from kinema.data.curation.stage import Needs

_SIDE = 256  # pixels of the longer side on which everything is measured
_RATE = 4.0  # frames per second that are looked at
_BLACK = 0.06  # brightness of a bar, 0 to 1


@dataclass(frozen=True)
class Quality:
    """Leaves out clips whose pictures are bad.

    Args:
        least_side: pixels of the shorter side.
        least_sharpness: variance of the Laplacian of the brightness (0 to 255) at 256 pixels, of the median frame.
        darkest, brightest: mean brightness, 0 to 1.
        most_bars: share of the picture that is black at its edges in every frame.
        least_movement, most_movement: mean optical flow in diagonals of the picture a second, of the median pair.
        measure_only: leave nothing out.
    """

    name: ClassVar[str] = "quality"
    needs: ClassVar[Needs] = "processor"
    reads: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1

    least_side: int = 128
    least_sharpness: float = 10.0
    darkest: float = 0.04
    brightest: float = 0.97
    most_bars: float = 0.06
    least_movement: float = 0.002
    most_movement: float = 1.0
    measure_only: bool = False

    def __call__(self, clip: ClipFolder) -> Judged:
        facts = {"side": min(clip.facts["size"]), **measured(clip)}
        checks = [
            (facts["side"] < self.least_side, "small", f"{facts['side']} pixels, at least {self.least_side}"),
            (facts["brightness"] < self.darkest, "dark", f"brightness {facts['brightness']:.3f}"),
            (facts["brightness"] > self.brightest, "white", f"brightness {facts['brightness']:.3f}"),
            (facts["bars"] > self.most_bars, "black bars", f"{facts['bars']:.0%} of the picture"),
            (facts["sharpness"] < self.least_sharpness, "blurred", f"sharpness {facts['sharpness']:.1f}"),
            (facts["movement"] < self.least_movement, "still", f"{facts['movement']:.4f} diagonals a second"),
            (facts["movement"] > self.most_movement, "hectic", f"{facts['movement']:.2f} diagonals a second"),
        ]
        why = next((f"{word} ({figure})" for bad, word, figure in checks if bad), "")
        return Judged("" if self.measure_only else why, facts)


def measured(clip: ClipFolder) -> dict[str, Any]:
    """sharpness, brightness, bars and movement of a clip, see `Quality`."""
    import cv2

    from kinema.media.decoding import open_video

    flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    grey: list[np.ndarray] = []
    with open_video(clip.video, fps=min(_RATE, clip.facts["fps"]), max_side=_SIDE) as frames:
        for chunk in frames.chunks(16):
            grey += [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in chunk]
    rate = min(_RATE, clip.facts["fps"])
    sharp = [cv2.Laplacian(picture, cv2.CV_32F).var() for picture in grey]
    moved = []
    for before, after in pairwise(grey):
        vectors = flow.calc(before, after, None)
        moved.append(float(np.linalg.norm(vectors, axis=-1).mean()) / float(np.hypot(*before.shape)) * rate)
    return {
        "sharpness": round(float(np.median(sharp)), 3),
        "brightness": round(float(np.mean([picture.mean() for picture in grey])) / 255, 4),
        "bars": round(_bars(np.max(grey, axis=0)), 4),
        "movement": round(float(np.median(moved)) if moved else 0.0, 5),
    }


def _bars(brightest: np.ndarray) -> float:
    """Share of black rows and columns at the edges of the brightest values of all frames, [H, W]."""
    shares = []
    for axis in (1, 0):
        lit = np.flatnonzero(np.quantile(brightest, 0.98, axis=axis) > 255 * _BLACK)
        length = brightest.shape[1 - axis]
        shares.append(1.0 if not len(lit) else (lit[0] + length - 1 - lit[-1]) / length)
    return float(max(shares))
