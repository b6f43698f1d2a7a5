"""What a camera file does not say, decided in one place: which way is up, how fast it runs, its unit and lens."""

from __future__ import annotations

import os

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.camera import CameraPath, intrinsics_from_fov
from kinema.scene.formats.camera_reading import CameraContents, CameraFile, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import frame_rate
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.reading import UPS, Assumption

DEFAULT_FPS = 24.0
"""Where nothing says it (ours): that of films."""

DEFAULT_FOV = 40.0
"""Degrees, vertical, where nothing says it: that of the camera language."""

_NEAR_AXIS = np.radians(10)  # an estimate so near to an axis of the file is meant to be that axis (ours)
_LIKELY = np.radians(30)  # how far the first camera may lean from what the format mostly has (ours)
_TURNS_ENOUGH = np.radians(3) ** 2  # spread of the horizon lines from which on they tell the vertical (ours)
_JUMP = 40.0  # degrees between two frames that no film has (ours)
_AXES = dict(
    zip(UPS, np.array([[0, 1, 0], [0, 0, 1], [0, -1, 0], [0, 0, -1], [1, 0, 0], [-1, 0, 0]]), strict=True)
)


def settle(path: str | os.PathLike[str], contents: CameraContents, reading: CameraReading) -> CameraFile:
    """What a reader found, as a path with Y up, with all that was assumed.

    Raises:
        FormatError: what was found is no camera path.
    """
    track, assumed = contents.track, list(contents.assumed)
    turn, up = _upright(track, reading, assumed)
    c2w = track.c2w.copy()
    c2w[:, :3, :3] = turn @ c2w[:, :3, :3]
    c2w[:, :3, 3] = c2w[:, :3, 3] @ turn.T * (track.unit or 1.0)
    lens = track.intrinsics is not None and reading.fov is None
    if lens:
        assert track.intrinsics is not None
        assert track.size is not None
        intrinsics, size = track.intrinsics, track.size
    else:
        size = track.size or (512, 512)
        fov = DEFAULT_FOV if reading.fov is None else reading.fov
        intrinsics = np.tile(intrinsics_from_fov(fov, size), (len(c2w), 1))
        if reading.fov is None:
            assumed.append(Assumption("camera_fov", f"{fov:g} degrees from top to bottom", contents.no_lens))
    _doubt_jumps(c2w, assumed)
    try:
        camera, timed = _timed(track, reading, c2w, intrinsics, size, assumed)
    except ValueError as error:
        raise FormatError(path, str(error)) from None
    return CameraFile(
        os.fspath(path),
        contents.kind,
        camera,
        timed=timed,
        lens=lens,
        metric=track.unit is not None,
        placed=track.placed if reading.absolute is None else reading.absolute,
        up=up,
        scale=reading.metres,
        fov=reading.fov,
        names=contents.names,
        assumed=tuple(assumed),
    )


def _upright(track: CameraTrack, reading: CameraReading, assumed: list[Assumption]) -> tuple[np.ndarray, str]:
    """The rotation of the file's world that makes Y point up, and the file's up in words."""
    standing = -track.c2w[:, :3, 1].mean(axis=0)  # where the pictures' top is
    if reading.up != "auto":
        return _turn_to_y(_AXES[reading.up]), reading.up
    if track.up is not None:
        if track.placed or standing @ _AXES[track.up] > -0.1 * np.linalg.norm(standing):
            return _turn_to_y(_AXES[track.up]), track.up
    elif track.likely_up is not None and -track.c2w[0, :3, 1] @ _AXES[track.likely_up] > np.cos(_LIKELY):
        assumed.append(Assumption("camera_up", f"{track.likely_up} is up", "as such files mostly have it"))
        return _turn_to_y(_AXES[track.likely_up]), track.likely_up
    vertical = _level(track.c2w, standing, np.radians(50) if track.axis_up else _LIKELY)
    axis, away = _nearest_axis(vertical)
    if away < _NEAR_AXIS:
        vertical = _AXES[axis].astype(float)
    up = axis if away < _NEAR_AXIS else "x {:.2f}, y {:.2f}, z {:.2f}".format(*vertical)
    assumed.append(
        Assumption("camera_up", f"{up} is up", "so the cameras stand", doubtful=track.up is not None)
    )
    return _turn_to_y(vertical), up


def _level(c2w: np.ndarray, standing: np.ndarray, snap: float) -> np.ndarray:
    """The vertical of the world: square to all horizon lines where these turn enough, else the mean top of the pictures.

    Whoever films keeps the horizon level, so the vertical is square to every camera's x axis, however far they look
    down. A camera that hardly turns leaves open how far it looks down; then it is taken to look straight ahead,
    or, where an axis of the file lies within `snap` radians of that, square to this one.
    """
    length = np.linalg.norm(standing)
    standing = standing / length if length > 1e-6 else -c2w[0, :3, 1]
    right = c2w[:, :3, 0]
    spread, axes = np.linalg.eigh(right.T @ right / len(right))
    vertical = axes[:, 0] * np.sign(axes[:, 0] @ standing or 1.0)
    if spread[1] > _TURNS_ENOUGH and spread[0] < 0.1 * spread[1] and vertical @ standing > 0.35:
        return vertical
    axis, away = _nearest_axis(standing)
    return _AXES[axis].astype(float) if away < snap else standing


def _nearest_axis(direction: np.ndarray) -> tuple[str, float]:
    """The axis of a file that a direction is nearest to, and how far it is from it in radians."""
    name = max(_AXES, key=lambda each: float(_AXES[each] @ direction))
    return name, float(np.arccos(np.clip(_AXES[name] @ direction, -1, 1)))


def _turn_to_y(up: np.ndarray) -> np.ndarray:
    """A rotation [3, 3] that takes `up` to +Y; of whole axes one that swaps axes and loses no digit."""
    if np.array_equal(up, [0, 1, 0]):
        return np.eye(3)
    if np.array_equal(up, [0, -1, 0]):
        return np.diag([1.0, -1.0, -1.0])
    axis = np.cross(up, [0, 1, 0])
    sine, cosine = float(np.linalg.norm(axis)), float(up[1])
    if sine < 1e-9:
        return np.eye(3) if cosine > 0 else np.diag([1.0, -1.0, -1.0])
    turn = Rotation.from_rotvec(axis / sine * np.arctan2(sine, cosine)).as_matrix()
    return np.round(turn) if np.abs(turn - np.round(turn)).max() < 1e-12 else turn


def _timed(
    track: CameraTrack,
    reading: CameraReading,
    c2w: np.ndarray,
    intrinsics: np.ndarray,
    size: tuple[int, int],
    assumed: list[Assumption],
) -> tuple[CameraPath, bool]:
    """The path at an even rate, and whether that rate is known."""
    if reading.fps is not None:
        return CameraPath(c2w, intrinsics, size, reading.fps), True
    kept, times = (None, None) if track.times is None else _seconds(track.times, assumed)
    if times is not None and kept is not None:
        step = float(np.median(np.diff(times)))
        rate = frame_rate(times, 1e-6)
        even = np.abs(times - times[0] - np.arange(len(times)) / rate).max() <= max(2e-6, 0.1 / rate)
        if even:
            return CameraPath(c2w[kept], intrinsics[kept], size, rate), True
        wanted = 1 / step if times[-1] - times[0] < 1e5 * step else (len(times) - 1) / (times[-1] - times[0])
        return CameraPath.from_times(times, c2w[kept], intrinsics[kept], size, wanted), True
    if track.fps is not None:
        return CameraPath(c2w, intrinsics, size, track.fps), True
    if len(c2w) > 1:
        assumed.append(
            Assumption(
                "camera_fps", f"its {len(c2w)} poses are spread over the shot", "the file has no times"
            )
        )
    return CameraPath(c2w, intrinsics, size, DEFAULT_FPS), len(c2w) == 1


def _seconds(stamps: np.ndarray, assumed: list[Assumption]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Which poses have a moment later than the one before, and these moments in seconds; None where stamps are none.

    Stamps may be numbers of frames, or count milli-, micro- or nanoseconds.
    """
    kept = np.concatenate([[True], stamps[1:] > np.maximum.accumulate(stamps)[:-1]])
    if kept.sum() < 2 or kept.mean() < 0.5:
        return None, None
    if not kept.all():
        assumed.append(
            Assumption("", f"{(~kept).sum()} poses left out", "not later than the one before", doubtful=True)
        )
    times = stamps[kept] - stamps[0]
    step = float(np.median(np.diff(times)))
    counted = np.abs(times - np.round(times)).max() == 0 and step == 1
    if counted or step < 1e-4:  # numbers of frames, as seconds or as microseconds
        return None, None
    for name, second in (
        ("seconds", 1.0),
        ("milliseconds", 1e-3),
        ("microseconds", 1e-6),
        ("nanoseconds", 1e-9),
    ):
        if step * second <= (30.0 if second == 1.0 else 5.0):
            if second != 1.0:
                assumed.append(
                    Assumption("camera_fps", f"time stamps are {name}", "else it would be too slow")
                )
            return kept, times * second
    assumed.append(
        Assumption("camera_fps", "time stamps are not read", f"they lie {step:g} s apart", doubtful=True)
    )
    return None, None


def _doubt_jumps(c2w: np.ndarray, assumed: list[Assumption]) -> None:
    """Says where poses follow each other as in no film."""
    if len(c2w) < 3:
        return
    between = c2w[:-1, :3, :3].transpose(0, 2, 1) @ c2w[1:, :3, :3]
    turns = np.degrees(Rotation.from_matrix(between).magnitude())
    if np.median(turns) > _JUMP / 2 or turns.max() > 2 * _JUMP:
        assumed.append(
            Assumption(
                "",
                "the poses are taken for a film, in this order",
                f"though the camera turns by up to {turns.max():.0f} degrees from one to the next: photographs?",
                doubtful=True,
            )
        )
