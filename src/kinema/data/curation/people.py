"""How many people a clip shows, by a detector at a few frames a second: most methods learn from one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from kinema.data.curation.clip_folder import ClipFolder, Judged
from kinema.data.curation.stage import Needs

_RATE = 2.0  # frames per second that are looked at
_LOOKED_FOR = 3  # people at most
_BESIDE = 0.5  # share of the tallest person's height from which on another one counts


@dataclass(frozen=True)
class People:
    """Leaves out clips without people, with several, or with people too small to be captured. Thresholds are ours.

    Args:
        number: one person, or any number.
        share: of the frames looked at in which it must be so.
        least_height: of the person's box, as a share of the picture's height; the median of the frames.
        detector, model: as for `capture`.
    """

    name: ClassVar[str] = "people"
    needs: ClassVar[Needs] = "processor"
    reads: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1

    number: Literal["one", "some"] = "one"
    share: float = 0.8
    least_height: float = 0.25
    detector: str = "mediapipe"
    model: str | None = None

    def __call__(self, clip: ClipFolder) -> Judged:
        from kinema.capture.detectors import open_detector
        from kinema.media.decoding import open_video

        counts, heights = [], []
        rate = min(_RATE, clip.facts["fps"])
        with (
            open_video(clip.video, fps=rate, max_side=640) as frames,
            open_detector(self.detector, model=self.model, people=_LOOKED_FOR) as detector,
        ):
            for chunk in frames.chunks(8):
                for seen in detector.detect(chunk):
                    tall = sorted((float(each.box[3] - each.box[1]) for each in seen), reverse=True)
                    counts.append(sum(height >= _BESIDE * tall[0] for height in tall) if tall else 0)
                    heights += tall[:1]
            height = frames.size[1]
        facts: dict[str, Any] = {
            "one": round(float(np.mean(np.array(counts) == 1)), 4),
            "some": round(float(np.mean(np.array(counts) >= 1)), 4),
            "height": round(float(np.median(heights)) / height, 4) if heights else 0.0,
        }
        return Judged(self._why(facts), facts)

    def _why(self, facts: dict[str, Any]) -> str:
        if facts["some"] < self.share:
            return f"nobody (a person in {facts['some']:.0%} of the frames)"
        if self.number == "one" and facts["one"] < self.share:
            return f"several people (one alone in {facts['one']:.0%} of the frames)"
        if facts["height"] < self.least_height:
            return f"the person is small ({facts['height']:.0%} of the picture's height)"
        return ""
