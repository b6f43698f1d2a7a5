"""People and camera of a clip, read off its video by `kinema.capture`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kinema.data.curation.clip_folder import ClipFolder, Judged
from kinema.data.curation.stage import Needs

SCENE = "scene.npz"


@dataclass(frozen=True)
class Captured:
    """Writes `scene.npz`; leaves out clips in which nobody is found.

    Args:
        follow: who becomes a person of the scene, as for `capture`.
        camera: as for `capture`.
        detector, model: as for `capture`.
    """

    name: ClassVar[str] = "capture"
    needs: ClassVar[Needs] = "processor"
    reads: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1

    follow: str = "largest"
    camera: str = "auto"
    detector: str = "mediapipe"
    model: str | None = None

    def __call__(self, clip: ClipFolder) -> Judged:
        from kinema.capture.capture import NobodyFoundError, capture

        how: Any = {"camera": self.camera, "detector": self.detector, "model": self.model}
        try:
            made = capture(clip.video, follow=self.follow, fill="body", **how)
        except NobodyFoundError:
            return Judged("nobody is found by the capture")
        made.scene.save(clip.path / SCENE)
        residuals = [
            value
            for name, value in made.figures.items()
            if name.startswith("residual") and np.isfinite(value)
        ]
        facts = {
            "people": len(made.scene.people),
            "seen": round(float(np.mean([track.seen.mean() for track in made.tracks])), 4),
            "residual": round(max(residuals, default=0.0) / max(made.tracks[0].size), 6),
            "camera": made.camera.kind,
            "notes": list(made.notes),
        }
        return Judged("", facts, (SCENE,))
