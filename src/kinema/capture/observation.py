"""What the parts of capture tell one another: people seen in a frame, a person followed, the camera's own
movement; and what it tells others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from kinema.scene.scene import Scene

CameraKind = Literal["static", "turning", "moving", "unknown"]
"""How a camera moves: not at all, about its own centre only, in space, or nobody could tell."""

CameraChoice = Literal["auto", "static", "turning", "moving"]
"""What is asked for: to find out, or one kind of movement whatever else might explain what is seen."""


@dataclass(frozen=True, eq=False)
class Observation:
    """One person in one frame.

    Args:
        points: keypoints in pixels (x right, y down, the first pixel's centre at 0.5), [K, 2]; NaN where not seen.
        confidence: 0 (not seen) to 1, [K].
        box: left, top, right, bottom in pixels, [4].
        score: how sure the detector is that this is a person, 0 to 1.
        joints: SMPL-24 joints relative to the pelvis, metres, axes of the camera (x right, y down, z forward),
            [24, 3], NaN where the detector knows nothing; None from a detector without depth. A hint, not the truth.
        look: the colours the person wears, see `kinema.capture.detectors.looks`; None where they were not seen.
    """

    points: np.ndarray
    confidence: np.ndarray
    box: np.ndarray
    score: float
    joints: np.ndarray | None = None
    look: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class PersonTrack:
    """One person through a video: what was seen, frame by frame, nothing filled in.

    Args:
        id: number of the person, stable through the video; 0 is whoever was followed first.
        layout: name of the keypoint set, one of `kinema.scene.skeleton.skeleton(name)`.
        fps: frames per second; frame t stands at t / fps seconds.
        size: (width, height) of the frames.
        points: pixels, [T, K, 2], NaN where not seen.
        confidence: [T, K], 0 where not seen.
        boxes: [T, 4], NaN in frames in which the person was not seen.
        joints: SMPL-24 joints relative to the pelvis in the camera's axes, metres, [T, 24, 3], NaN where unknown;
            None from a detector without depth.
    """

    id: int
    layout: str
    fps: float
    size: tuple[int, int]
    points: np.ndarray
    confidence: np.ndarray
    boxes: np.ndarray
    joints: np.ndarray | None = None

    @property
    def frames(self) -> int:
        """Number of frames of the video, T."""
        return len(self.points)

    @property
    def seen(self) -> np.ndarray:
        """Frames in which the person was seen, [T] bool."""
        return np.isfinite(self.boxes).all(axis=1)


@dataclass(frozen=True, eq=False)
class CameraSolution:
    """How the camera moved, from the background alone: not yet placed in the world.

    Args:
        kind: see CameraKind.
        c2w: camera to the first frame's camera, OpenCV axes, [T, 4, 4]; the identity throughout where `static` or
            `unknown`, without translation where `turning`.
        intrinsics: fx, fy, cx, cy in pixels, [T, 4].
        scaled: whether translations are metres. Structure from motion alone does not know.
        points: points of the background in the first frame's camera, in the units of `c2w`, [N, 3]; may be empty.
        figures: what the solver measured, for the report (registered share, pixels of residual, inliers, ...).
        notes: sentences for people: what failed, what was assumed.
    """

    kind: CameraKind
    c2w: np.ndarray
    intrinsics: np.ndarray
    scaled: bool = False
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    figures: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Capture:
    """What was read off a video.

    Args:
        scene: people on SMPL-24 joints in metres and the camera, frame t at t / fps seconds after the part's start;
            of somebody who is never seen well enough all joints are missing. It keeps everybody's keypoints in the
            pictures, hands and face where the detector gives them.
        tracks: what was seen of the scene's people, in their order, nothing filled in.
        camera: how the camera moved by the background alone, before it was placed in the world.
        settings: what the capture was asked for, JSON types; with the same file it is made again from these.
        notes: sentences for people: what failed, what was assumed.
        figures: what was measured on the way: frames, seconds by stage, pixels of residual by person.
    """

    scene: Scene
    tracks: tuple[PersonTrack, ...]
    camera: CameraSolution
    settings: dict[str, Any]
    notes: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
