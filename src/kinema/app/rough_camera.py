"""What a rough take shows: its camera begins where the picture was taken from, in a frame of any size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kinema.app.progress import Progress
from kinema.puppet.placing import FOV, Placed, follow_camera
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.camera_laying import lay
from kinema.scene.formats.camera_reading import CameraFile, FromCameraFile
from kinema.scene.framing import Camera, fit_camera, given_camera

_ROOM = 0.06  # of a person's height and width, left free round them where the frame has another shape (ours)
_PERSON = 0.5  # of a pixel, from which on it is the person's


@dataclass(frozen=True)
class Framing:
    """Which part of a picture a frame shows.

    Args:
        size: (width, height) of the frame.
        scale: pixels of the frame for each of the picture.
        left, top: of the picture, where the frame begins; below 0 where it shows more than the picture.
    """

    size: tuple[int, int]
    scale: float = 1.0
    left: float = 0.0
    top: float = 0.0

    def of(self, path: CameraPath) -> CameraPath:
        """A camera of the picture's size as the frame's."""
        lens = path.intrinsics - [0.0, 0.0, self.left, self.top]
        return replace(path, intrinsics=lens * self.scale, size=self.size)

    def beyond(self, picture: tuple[int, int]) -> bool:
        """Whether the frame shows more than there is of a picture of that size."""
        return any(
            start < -0.5 or start + side / self.scale > there + 0.5
            for start, side, there in zip((self.left, self.top), self.size, picture, strict=True)
        )


def framing_of(alpha: np.ndarray, size: tuple[int, int], place: Placed | None = None) -> Framing:
    """A frame of another shape: filled by the picture, unless the person would be cut off; then it shows more than that.

    Args:
        alpha: how much of each pixel is a person who moves, [H, W].
        size: (width, height) of the frame.
        place: of the people who move; nothing is cut off of them that the picture itself would show, and of several
            nothing that the widest frame would.
    """
    there = np.array(alpha.shape[::-1], dtype=np.float64)
    frame = np.array(size, dtype=np.float64)
    shares = frame / there
    beyond = np.maximum(frame / shares.min() - there, 0) / 2
    beyond = beyond if place is not None and len(place.motions) > 1 else np.zeros(2)
    rows, columns = np.nonzero(alpha > _PERSON)
    if not rows.size:
        rows, columns = np.array([0, there[1] - 1]), np.array([0, there[0] - 1])
    low = np.array([columns.min(), rows.min()], dtype=np.float64)
    high = np.array([columns.max(), rows.max()], dtype=np.float64) + 1
    if place is not None and place.motion.frames > 1:
        still = CameraPath.static(place.camera, place.lens, place.size, place.motion.fps, place.motion.frames)
        joints = np.concatenate([motion.joints for motion in place.motions], axis=1)
        points = still.project(joints)[0].reshape(-1, 2)
        points = points[np.isfinite(points).all(axis=1)]
        low = np.maximum(np.min([low, *points], axis=0), -beyond)
        high = np.minimum(np.max([high, *points], axis=0), there + beyond)
    room = _ROOM * (high - low)
    low, high = np.maximum(low - room, -beyond), np.minimum(high + room, there + beyond)
    scale = float(np.clip((frame / (high - low)).min(), shares.min(), shares.max()))
    span = frame / scale
    start = np.where(span > there, (there - span) / 2, np.clip((low + high - span) / 2, 0, there - span))
    return Framing(size, scale, float(start[0]), float(start[1]))


@dataclass(frozen=True)
class Shot:
    """What a rough take's camera is told.

    Args:
        framing: of the picture.
        fps, frames: of the result.
        tracking: how a camera in words keeps the person in view; auto leaves it where it is.
    """

    framing: Framing
    fps: float
    frames: int
    tracking: str = "auto"

    @property
    def words(self) -> str:
        """How a camera in words keeps the person in view."""
        return "none" if self.tracking == "auto" else self.tracking


def rough_camera(
    camera: Camera | None,
    place: Placed,
    before: Motion | None,
    own: CameraPath | None,
    shot: Shot,
    progress: Progress,
) -> CameraPath:
    """The camera of a rough take, at the frame's size.

    Words begin where the picture was taken from. Camera files and the scene's own camera are followed in proportion
    from there; a path, and a file that is said to be absolute, is taken as it stands in the scene.

    Args:
        camera: that is asked for; the scene's own, or a still one, where None.
        place: of the person, in step with the result.
        before: the motion as the scene had it, in step with the result; None where nobody moves.
        own: the scene's own camera, in step with the result.
        shot: what it is told.
        progress: takes what was assumed of a file.

    Raises:
        ValueError, FormatError: as `camera_path` and `given_camera`.
    """
    fps, frames, framing = shot.fps, shot.frames, shot.framing
    if camera is None and own is not None and own.frames > 1 and shot.tracking in ("auto", "none"):
        return framing.of(_in_proportion(own, place, before))
    given = "static" if camera is None else given_camera(camera)
    if isinstance(given, CameraPath):
        return fit_camera(given, size=framing.size, fps=fps, frames=frames)
    if isinstance(given, CameraFile):
        absolute = isinstance(camera, FromCameraFile) and camera.absolute is True
        laid = lay(
            given,
            Scene((place.subject,), None, fps),
            size=framing.size if absolute else place.size,
            fps=fps,
            frames=frames,
            fov=FOV,
            carried=shot.tracking == "follow",
        )
        for doubt in laid.doubts:
            progress.note(f"{given.kind}: {doubt}")
        return laid.path if absolute else framing.of(_in_proportion(laid.path, place, place.motion))
    path = camera_path(
        given,
        size=place.size,
        fps=fps,
        frames=frames,
        subject=place.subject,
        fov=FOV,
        start=place.camera,
        tracking=shot.words,  # type: ignore[arg-type]  # checked there
    )
    return framing.of(path)


def _in_proportion(path: CameraPath, place: Placed, before: Motion | None) -> CameraPath:
    """A camera's movement, begun where the picture was taken from and with its lens."""
    return follow_camera(place, before or place.motion, path)
