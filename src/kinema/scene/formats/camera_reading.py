"""How a camera file is read: what may be said about it, what it holds, and what had to be assumed.

As with motion (`reading`), a reader leaves open what its file does not say (`CameraTrack`), `camera_settling` decides
it in one place, and `scene.camera_laying` lays a path from another world on the shot.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.scene.formats.reading import UPS, Assumption


@dataclass(frozen=True, kw_only=True)
class CameraReading:
    """What is said about a camera file, where it does not say it itself or says it wrong.

    Args:
        format: a name of `CAMERA_FORMATS`; by default the content decides.
        name: of several cameras, its name or number from 0; by default the first.
        fps: frames per second, every pose being a frame; by default the file's time stamps, and where it has none its
            poses are spread over the shot.
        fov: vertical field of view in degrees; by default the file's own.
        up: the axis of the file that points up, of `UPS`, or auto: what the format says, or as the cameras stand.
        scale: metres per unit of the file, or auto: metres stay, other units are fitted to the shot.
        absolute: take the poses where they are in the world of the shot, instead of laying the first one in front of
            the person; by default so for files that are made for the shot (Kinema's own, glTF).

    Raises:
        ValueError: no such axis, or a number out of range.

    Example:
        >>> kinema.CameraReading(scale=0.5).up
        'auto'
    """

    format: str | None = None
    name: str | int | None = None
    fps: float | None = None
    fov: float | None = None
    up: str = "auto"
    scale: float | str = "auto"
    absolute: bool | None = None

    def __post_init__(self) -> None:
        if self.up not in ("auto", *UPS):
            raise ValueError(f"camera up={self.up!r}; give one of auto, {', '.join(UPS)}")
        if self.fps is not None and not (np.isfinite(self.fps) and 0 < self.fps <= 1e5):
            raise ValueError(f"camera fps={self.fps}; give a positive number of frames per second")
        if self.fov is not None and not 1 <= self.fov <= 170:
            raise ValueError(f"camera fov={self.fov}; give 1 to 170 degrees")
        if self.scale != "auto":
            object.__setattr__(self, "scale", _positive(self.scale))
        if isinstance(self.name, str) and self.name.isdecimal():
            object.__setattr__(self, "name", int(self.name))

    @property
    def metres(self) -> float | None:
        """Metres per unit; None where it is to be found out."""
        return None if self.scale == "auto" else float(self.scale)


@dataclass(frozen=True, kw_only=True)
class FromCameraFile(CameraReading):
    """A camera path of a file.

    Args:
        path: any camera file, or a folder of COLMAP or nerfstudio.
        scale, up, absolute, ...: what the file does not say, as `CameraReading` has them.

    Example:
        >>> kinema.FromCameraFile(path="transforms.json", scale=0.5).scale
        0.5
    """

    path: str | os.PathLike[str]

    @classmethod
    def read_as(cls, path: str | os.PathLike[str], reading: CameraReading) -> FromCameraFile:
        """The file at `path`, read as is said there."""
        return cls(path=path, **vars(reading))


@dataclass(frozen=True, eq=False)
class CameraTrack:
    """One camera as a file has it, before anything is assumed.

    Args:
        c2w: camera-to-world, OpenCV axes, in the file's own world and unit, [N, 4, 4].
        intrinsics: fx, fy, cx, cy in pixels of `size`, [N, 4]; None where the file has no field of view.
        size: (width, height) of those pixels.
        times: seconds, [N], as the file has them; None where there are none.
        fps: None where the file does not say.
        unit: metres per unit; None where it is arbitrary.
        up: the axis that points up, of `UPS`, where the format says so.
        likely_up: the same where the format mostly has it so, but not always.
        axis_up: whether one of the axes points up, though it is not said which.
        placed: whether the file is made for the world of the shot.
    """

    c2w: np.ndarray
    intrinsics: np.ndarray | None = None
    size: tuple[int, int] | None = None
    times: np.ndarray | None = None
    fps: float | None = None
    unit: float | None = None
    up: str | None = None
    likely_up: str | None = None
    axis_up: bool = False
    placed: bool = False


@dataclass(frozen=True, eq=False)
class CameraContents:
    """What a reader found in a file.

    Args:
        kind: what the file is, in words, e.g. "COLMAP (text)".
        track: the camera that was asked for.
        names: of all cameras of the file; empty where there is but one without a name.
        assumed: what the reader itself assumed.
        no_lens: why there is no field of view, where there is none.
    """

    kind: str
    track: CameraTrack
    names: tuple[str, ...] = ()
    assumed: tuple[Assumption, ...] = ()
    no_lens: str = "the file has no lens"


@dataclass(frozen=True, eq=False)
class CameraFile:
    """A camera file that was read.

    Args:
        path: of the file.
        kind: what it is, in words.
        camera: the path, Y up; in metres where `metric`, else in the file's unit.
        timed: whether the frame rate is known; else the poses are spread over whatever shot they are laid on.
        lens: whether the field of view is the file's own.
        metric: whether lengths are known to be metres.
        placed: whether the path is in the world of the shot.
        up: the axis that was taken to point up, in words.
        scale: what was said of metres per unit.
        fov: what was said of the field of view.
        names: of all cameras of the file.
        assumed: what had to be assumed, each under the word that overrules it.
    """

    path: str
    kind: str
    camera: CameraPath
    timed: bool
    lens: bool
    metric: bool
    placed: bool
    up: str
    scale: float | None = None
    fov: float | None = None
    names: tuple[str, ...] = ()
    assumed: tuple[Assumption, ...] = ()

    @property
    def doubts(self) -> tuple[Assumption, ...]:
        """What a user should be told without asking."""
        return tuple(each for each in self.assumed if each.doubtful)

    @property
    def extent(self) -> float:
        """How far the camera goes from where it starts, in metres or the file's unit."""
        places = self.camera.positions
        return float(np.linalg.norm(places - places[0], axis=1).max())


def _positive(scale: float | str) -> float:
    try:
        number = float(scale)
    except ValueError:
        number = float("nan")
    if not (np.isfinite(number) and 0 < number <= 1e9):
        raise ValueError(f"camera scale={scale!r}; give auto, or metres per unit as a positive number")
    return number
