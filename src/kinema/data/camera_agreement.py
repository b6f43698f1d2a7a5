"""A camera path against what the background does in its video: as it was read, or the other way round.

Camera-to-world and world-to-camera hold the same numbers in the same places, so nothing in a file tells which one it
is; read wrongly, the camera turns left where the picture shows that it turns right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kinema.data.video_clips import VideoClip, open_clip
from kinema.scene import CameraPath
from kinema.scene.camera import invert_rigid

_SIDE = 320  # pixels of the frames that are watched (all of these are ours)
_FPS = 12.0
_FRAMES = 48
_TURNS = 3.0  # degrees from which a turn tells the two apart
_MOVES = 0.02  # of the way to the middle of what is seen, from which a way does
_BETTER = 0.5  # the better one is at most so much as far off as the other

Verdict = Literal["agrees", "inverse", "neither", "unknown"]


@dataclass(frozen=True)
class Agreement:
    """How a camera path and a picture agree.

    Args:
        verdict: `inverse` where the path agrees once it is inverted; `unknown` where the picture does not tell.
        told: degrees by which the path as it was read is off.
        inverse: degrees by which the inverted one is.
    """

    verdict: Verdict
    told: float = float("nan")
    inverse: float = float("nan")

    @property
    def text(self) -> str:
        return f"{self.told:.0f} degrees off as read, {self.inverse:.0f} inverted"


def camera_agreement(clip: VideoClip) -> Agreement:
    """Compares a clip's camera with its first four seconds.

    Raises:
        FormatError: the video cannot be read.
    """
    from kinema.capture.camera_watch import CameraWatch

    assert clip.camera is not None
    with open_clip(clip, fps=min(_FPS, clip.fps), max_side=_SIDE) as frames:
        fps, (width, height) = frames.fps, frames.size
        camera = clip.camera.resize(width, height).resample(fps)
        watch = CameraWatch((width, height), fps, focal=float(camera.intrinsics[0, 0]))
        seen = 0
        for chunk in frames.chunks(16):
            watch.add(chunk, [_boxes(clip, seen + n, fps, (width, height)) for n in range(len(chunk))])
            seen += len(chunk)
            if seen >= min(_FRAMES, camera.frames):
                break
    solution = watch.solve()
    count = min(len(solution.c2w), camera.frames)
    if solution.kind not in ("turning", "moving") or count < 2:
        return Agreement("unknown")
    told = camera.relative().c2w[:count]
    other = (
        CameraPath(invert_rigid(camera.c2w), camera.intrinsics, camera.size, camera.fps)
        .relative()
        .c2w[:count]
    )
    return _judged(solution.c2w[:count], told, other, solution.kind == "moving")


def _judged(seen: np.ndarray, told: np.ndarray, other: np.ndarray, moves: bool) -> Agreement:
    """Of poses relative to the first one, [T, 4, 4]: by turns where there are any, else by the ways."""
    if max(_angles(seen, np.eye(4)[None]).max(), _angles(told, np.eye(4)[None]).max()) >= _TURNS:
        errors = _angles(seen, told).mean(), _angles(seen, other).mean()
    elif moves and np.linalg.norm(seen[:, :3, 3], axis=-1).max() >= _MOVES:
        errors = _ways(seen, told), _ways(seen, other)
    else:
        return Agreement("unknown")
    right, wrong = (float(each) for each in errors)
    if right <= _BETTER * wrong:
        return Agreement("agrees", right, wrong)
    if wrong <= _BETTER * right:
        return Agreement("inverse", right, wrong)
    return Agreement("neither", right, wrong)


def _angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angles between rotations of poses, degrees, [T]."""
    turned = np.swapaxes(a[..., :3, :3], -1, -2) @ b[..., :3, :3]
    return np.degrees(np.arccos(np.clip((np.trace(turned, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))


def _ways(a: np.ndarray, b: np.ndarray) -> float:
    """Angle between where two cameras go, degrees: weighed by how far, so that trembling at the start does not count."""
    here, there = a[:, :3, 3], b[:, :3, 3]
    lengths = np.linalg.norm(here) * np.linalg.norm(there)
    if lengths < 1e-9:
        return 90.0
    return float(np.degrees(np.arccos(np.clip((here * there).sum() / lengths, -1, 1))))


def _boxes(clip: VideoClip, frame: int, fps: float, size: tuple[int, int]) -> np.ndarray:
    """Boxes of the scene's people in a frame, [P, 4]; none where nobody is known."""
    scene = clip.scene
    if scene is None or scene.camera is None or not scene.people:
        return np.zeros((0, 4))
    camera = scene.camera.resize(*size)
    boxes = []
    for person in scene.people:
        at = min(round(frame / fps * person.fps), person.frames - 1, camera.frames - 1)
        pixels, depth = camera.project(
            np.broadcast_to(person.joints[at], (camera.frames, *person.joints[at].shape))
        )
        points = pixels[at][np.isfinite(pixels[at]).all(-1) & (depth[at] > 0)]
        if len(points):
            boxes.append([*points.min(0), *points.max(0)])
    return np.array(boxes).reshape(-1, 4)
