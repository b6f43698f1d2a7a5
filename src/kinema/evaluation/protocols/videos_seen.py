"""What is read off one video, once: keypoints, silhouette, colours of parts, motion, features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinema.capture.keypoint_network import detect_keypoints
from kinema.evaluation.features.extractor import FeatureExtractor
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.judges.people import PeopleJudge, PeopleSeen
from kinema.evaluation.judges.solved_camera import CameraSolver, SolvedCamera
from kinema.evaluation.metrics import temporal
from kinema.evaluation.metrics.keypoint_error import COUNTED_CONFIDENCE, figure_height
from kinema.evaluation.metrics.part_colours import part_looks, parts_of_segments, parts_of_silhouette
from kinema.evaluation.protocols.videos_manifest import NOTHING, Known

VideoFigure = Callable[[np.ndarray, float, str | None], float]


@dataclass(frozen=True)
class Seen:
    """One video as the metrics see it.

    Args:
        frames: gives uint8 [T, H, W, 3]; decoded again where memory is short.
        fps: frames per second.
        points: the keypoint network's, pixels, [T, 18, 2].
        confidence: [T, 18].
        silhouettes: rows of packed bits of bool [T, H, W].
        size: (width, height).
        height: of the person, pixels; NaN where nobody is seen.
        looks: colour and texture of body parts, cut by the video's own keypoints, [6, 4].
        flicker: levels.
        jerk: body heights per s^3.
        speeds: see `temporal.fast_flow`.
        features: extractor -> [N, D].
        figures: of the user's networks: name -> figure.
        people: by a judge of people; None where there is none.
        camera: by structure from motion; None where nobody asked.
    """

    frames: Callable[[], np.ndarray]
    fps: float
    points: np.ndarray
    confidence: np.ndarray
    silhouettes: np.ndarray
    size: tuple[int, int]
    height: float
    looks: np.ndarray
    flicker: float
    jerk: float
    speeds: np.ndarray
    features: dict[str, np.ndarray]
    figures: dict[str, float]
    people: PeopleSeen | None = None
    camera: SolvedCamera | None = None

    @property
    def silhouette(self) -> np.ndarray:
        """Pixels that show the person by the keypoint network, bool [T, H, W]."""
        width, height = self.size
        bits = np.unpackbits(self.silhouettes, axis=1, count=width * height)
        return bits.reshape(-1, height, width).astype(bool)

    def found(self, threshold: float) -> np.ndarray:
        """Keypoints at least that sure, bool [T, 18]."""
        return self.confidence >= threshold


class Watcher:
    """Looks at videos.

    Args:
        judge: the keypoint network.
        extractors: features for set metrics.
        figures: of single videos, by the user's networks.
        people: judge of people on film, where one is asked for.
        cameras: structure from motion, where it is asked for.
    """

    def __init__(
        self,
        judge: KeypointNetworkJudge,
        extractors: Sequence[FeatureExtractor],
        figures: Mapping[str, VideoFigure],
        people: PeopleJudge | None = None,
        cameras: CameraSolver | None = None,
    ) -> None:
        self.judge, self.extractors, self.figures = judge, extractors, figures
        self.people, self.cameras = people, cameras

    def settings(self) -> dict[str, Any]:
        """What the report records of it."""
        return {"keypoints": self.judge.sha256, "features": [e.settings() for e in self.extractors]}

    def _camera(self, video: np.ndarray, known: Known, people: PeopleSeen | None) -> Any:
        if self.cameras is None:
            return None
        told = None if known.scene is None or known.scene.camera is None else known.scene.camera.intrinsics
        focal = None if told is None else float(told[0, 0])
        return self.cameras.solve(video, focal=focal, boxes=None if people is None else people.boxes)

    def watch(self, frames: Callable[[], np.ndarray], fps: float, known: Known = NOTHING) -> Seen:
        """Looks at one video.

        Args:
            frames: gives uint8 [T, H, W, 3].
            fps: frames per second.
            known: the prompt is passed to the user's networks.
        """
        video = frames()
        seen = detect_keypoints(self.judge.network, video)
        silhouette = seen.silhouette > 0.5
        points = seen.points.astype(np.float64)
        sure = np.where((seen.confidence >= COUNTED_CONFIDENCE)[..., None], points, np.nan)
        height = figure_height(points, seen.confidence)
        people = None if self.people is None else self.people.watch(video)
        return Seen(
            frames=frames,
            fps=fps,
            points=points,
            confidence=seen.confidence.astype(np.float64),
            silhouettes=np.packbits(silhouette.reshape(len(video), -1), axis=1),
            size=(video.shape[2], video.shape[1]),
            height=height,
            looks=part_looks(video, parts_of_silhouette(silhouette, sure)),
            flicker=temporal.flicker(video),
            jerk=temporal.keypoint_jerk(sure, fps, height),
            speeds=temporal.fast_flow(video, fps) if min(video.shape[1:3]) >= 32 else np.zeros(0),
            features={each.name: each(video, fps) for each in self.extractors},
            figures={name: figure(video, fps, known.prompt) for name, figure in self.figures.items()},
            people=people,
            camera=self._camera(video, known, people),
        )


def looks_in_masks(seen: Seen, parts: np.ndarray) -> np.ndarray:
    """Colour and texture of body parts inside exact part ids [T, H, W] instead of its own."""
    return part_looks(seen.frames(), parts_of_segments(parts))
