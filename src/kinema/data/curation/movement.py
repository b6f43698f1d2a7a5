"""Whether a captured motion is one to learn from: seen, plausible, and moving. Thresholds are ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kinema.data.curation.capturing import SCENE
from kinema.data.curation.clip_folder import ClipFolder, Judged
from kinema.data.curation.stage import Needs
from kinema.scene import Scene


@dataclass(frozen=True)
class Movement:
    """Leaves out clips whose capture is doubtful, or in which nobody moves.

    Args:
        least_seen: share of the frames in which the person was seen.
        most_residual: distance of the captured joints from what was seen, as a share of the picture's longer side.
        least_speed, most_speed: mean speed of all joints in the world, m/s.
        known_camera: also leave out clips whose camera could not be solved.
        measure_only: leave nothing out.
    """

    name: ClassVar[str] = "motion"
    needs: ClassVar[Needs] = "processor"
    reads: ClassVar[tuple[str, ...]] = ("capture",)
    version: ClassVar[int] = 1

    least_seen: float = 0.8
    most_residual: float = 0.05
    least_speed: float = 0.03
    most_speed: float = 8.0
    known_camera: bool = False
    measure_only: bool = False

    def __call__(self, clip: ClipFolder) -> Judged:
        record = clip.record("capture")
        if record is None:
            raise ValueError("there is no capture of this clip")
        told, scene = record.facts, Scene.load(clip.path / SCENE)
        speeds = [
            float(np.nanmean(np.linalg.norm(np.diff(person.joints, axis=0), axis=-1))) * scene.fps
            for person in scene.people
            if person.frames > 1 and np.isfinite(person.joints).any()
        ]
        facts = {"speed": round(max(speeds, default=0.0), 4)}
        checks = [
            (told["seen"] < self.least_seen, "seldom seen", f"in {told['seen']:.0%} of the frames"),
            (
                told["residual"] > self.most_residual,
                "badly captured",
                f"{told['residual']:.1%} of the picture off",
            ),
            (facts["speed"] < self.least_speed, "nobody moves", f"{facts['speed']:.3f} m/s"),
            (facts["speed"] > self.most_speed, "no person moves so fast", f"{facts['speed']:.1f} m/s"),
            (self.known_camera and told["camera"] == "unknown", "the camera", "could not be solved"),
        ]
        why = next((f"{word} ({figure})" for bad, word, figure in checks if bad), "")
        return Judged("" if self.measure_only else why, facts)
