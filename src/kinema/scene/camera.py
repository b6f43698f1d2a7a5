"""A camera over time: pose, intrinsics, projection.

Poses are camera-to-world with OpenCV axes (x right, y down, z forward) in a world of metres with Y up.
Pixel centres lie at +0.5: pixel (row i, column j) covers [j, j+1] x [i, i+1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

MAX_SIDE = 65536
MAX_FRAMES = 200_000  # over two hours at 24 fps
NEAR = 1e-6  # metres; a point nearer than this to the image plane has no pixel


@dataclass(frozen=True, eq=False)
class CameraPath:
    """A pinhole camera over time.

    Args:
        c2w: camera-to-world, OpenCV axes (x right, y down, z forward), metres, [T, 4, 4].
        intrinsics: fx, fy, cx, cy in pixels, [T, 4], or [4] for all frames.
        size: (width, height) in pixels.
        fps: frames per second.

    The arrays are kept as read-only float64 copies; every method returns a new path.

    Raises:
        ValueError: a shape does not fit, a number is not finite, a pose is not a rigid motion, or a focal
            length, the size or fps is not positive.

    Example:
        >>> path = kinema.camera("arc left 90deg", size=(96, 128), fps=12, frames=13)
        >>> path.duration, path.c2w.shape
        (1.0, (13, 4, 4))
    """

    c2w: np.ndarray
    intrinsics: np.ndarray
    size: tuple[int, int]
    fps: float

    def __post_init__(self) -> None:
        c2w = _frozen_floats(self.c2w, "c2w")
        if c2w.ndim != 3 or c2w.shape[1:] != (4, 4) or not 1 <= len(c2w) <= MAX_FRAMES:
            raise ValueError(f"c2w must have shape [T, 4, 4] with at least one frame, got {list(c2w.shape)}")
        _check_rigid(c2w)
        intrinsics = np.asarray(self.intrinsics)
        if intrinsics.shape == (4,):
            intrinsics = np.broadcast_to(intrinsics, (len(c2w), 4))
        intrinsics = _frozen_floats(intrinsics, "intrinsics")
        if intrinsics.shape != (len(c2w), 4):
            raise ValueError(
                f"intrinsics must have shape [{len(c2w)}, 4] (fx, fy, cx, cy per frame of c2w), "
                f"got {list(intrinsics.shape)}"
            )
        flat = np.flatnonzero((intrinsics[:, :2] <= 0).any(axis=1))
        if flat.size:
            raise ValueError(f"intrinsics: the focal length of frame {flat[0]} is not positive")
        object.__setattr__(self, "c2w", c2w)
        object.__setattr__(self, "intrinsics", intrinsics)
        object.__setattr__(self, "size", _check_size(self.size))
        object.__setattr__(self, "fps", _check_fps(self.fps))

    @classmethod
    def static(
        cls,
        c2w: np.ndarray,
        intrinsics: Sequence[float] | np.ndarray,
        size: tuple[int, int],
        fps: float,
        frames: int,
    ) -> CameraPath:
        """A camera that does not move: one pose [4, 4] and one fx, fy, cx, cy for `frames` frames."""
        if not 1 <= frames <= MAX_FRAMES:
            raise ValueError(f"frames must be from 1 to {MAX_FRAMES}, got {frames}")
        pose = np.asarray(c2w, dtype=np.float64)
        if pose.shape != (4, 4):
            raise ValueError(f"c2w must have shape [4, 4] for a static camera, got {list(pose.shape)}")
        return cls(np.broadcast_to(pose, (frames, 4, 4)), np.asarray(intrinsics), size, fps)

    @classmethod
    def from_times(
        cls,
        times: np.ndarray,
        c2w: np.ndarray,
        intrinsics: np.ndarray,
        size: tuple[int, int],
        fps: float,
    ) -> CameraPath:
        """A path from poses at uneven moments, resampled by time (slerp, linear) at `fps`.

        Args:
            times: seconds, strictly ascending, [N], N at least 2; the path starts at the first of them.
            c2w, intrinsics: at those moments, [N, 4, 4] and [N, 4].
        """
        given = cls(c2w, intrinsics, size, fps)
        times = np.asarray(times, dtype=np.float64)
        if times.shape != (given.frames,) or given.frames < 2 or not (np.diff(times) > 0).all():
            raise ValueError("times must be strictly ascending seconds, one per pose, at least two")
        times = times - times[0]
        count = int(min(np.floor(times[-1] * given.fps + 1e-6) + 1, MAX_FRAMES + 1))
        if count > MAX_FRAMES:
            raise ValueError(f"{times[-1]:.0f} s at {fps:g} fps are more than {MAX_FRAMES} frames")
        wanted = np.minimum(np.arange(count) / given.fps, times[-1])
        poses = _interpolate_poses(wanted, times, given.c2w, cubic=False)
        return cls(poses, _interpolate(wanted, times, given.intrinsics), size, fps)

    @property
    def frames(self) -> int:
        """Number of frames, T."""
        return len(self.c2w)

    @property
    def duration(self) -> float:
        """Seconds from the first to the last frame, (T - 1) / fps."""
        return (self.frames - 1) / self.fps

    @property
    def times(self) -> np.ndarray:
        """Time of each frame in seconds, [T]."""
        return np.arange(self.frames) / self.fps

    @property
    def w2c(self) -> np.ndarray:
        """World-to-camera, [T, 4, 4]."""
        return invert_rigid(self.c2w)

    @property
    def K(self) -> np.ndarray:
        """Intrinsic matrices, [T, 3, 3]."""
        matrices = np.zeros((self.frames, 3, 3))
        matrices[:, 0, 0], matrices[:, 1, 1] = self.intrinsics[:, 0], self.intrinsics[:, 1]
        matrices[:, :2, 2] = self.intrinsics[:, 2:]
        matrices[:, 2, 2] = 1.0
        return matrices

    @property
    def positions(self) -> np.ndarray:
        """Camera centres in the world, metres, [T, 3]."""
        return self.c2w[:, :3, 3]

    @property
    def fov_y(self) -> np.ndarray:
        """Vertical field of view in degrees, [T] (of a principal point in the middle of the picture)."""
        return np.degrees(2 * np.arctan(self.size[1] / 2 / self.intrinsics[:, 1]))

    @property
    def moves(self) -> bool:
        """Whether it turns, zooms or leaves its place, by more than rounding."""
        return bool(
            max(np.ptp(self.c2w, axis=0).max(), np.ptp(self.intrinsics / self.size[1], axis=0).max()) > 1e-4
        )

    def resize(self, width: int, height: int) -> CameraPath:
        """The same camera for pictures that were scaled to fill width x height and cropped in the middle.

        This is CameraCtrl's rule (scale by the larger of the two ratios, crop what sticks out), in pixels
        and with the principal point carried along.
        """
        width, height = _check_size((width, height))
        old = np.array(self.size, dtype=np.float64)
        new = np.array([width, height], dtype=np.float64)
        scale = float((new / old).max())
        intrinsics = self.intrinsics * scale
        intrinsics[:, 2:] = (self.intrinsics[:, 2:] - old / 2) * scale + new / 2
        return CameraPath(self.c2w, intrinsics, (width, height), self.fps)

    def resample(
        self, fps: float, times: np.ndarray | None = None, *, interpolation: str = "linear"
    ) -> CameraPath:
        """The path at other moments: rotations by slerp, positions and intrinsics linearly.

        Args:
            fps: frame rate of the result.
            times: seconds on this path, [N], ascending order not needed; by default 0, 1/fps, ... as far as
                the path goes. Moments outside the path are refused.
            interpolation: "linear", or "cubic" for a path without corners (cubic splines for positions and
                rotations; falls back to linear under four frames).
        """
        fps = _check_fps(fps)
        if interpolation not in ("linear", "cubic"):
            raise ValueError(f'interpolation must be "linear" or "cubic", got {interpolation!r}')
        if times is None:
            count = int(np.floor(self.duration * fps + 1e-6)) + 1
            if count > MAX_FRAMES:
                raise ValueError(f"resampling to {fps} fps would make {count} frames (limit {MAX_FRAMES})")
            times = np.arange(count) / fps
        times = np.asarray(times, dtype=np.float64)
        if times.ndim != 1 or times.size == 0 or not np.isfinite(times).all():
            raise ValueError(f"times must be a list of finite seconds, got shape {list(times.shape)}")
        slack = 1e-6 + 1e-9 * self.duration
        if times.min() < -slack or times.max() > self.duration + slack:
            raise ValueError(
                f"times go from {times.min():.3f} s to {times.max():.3f} s, "
                f"but the path lasts from 0 s to {self.duration:.3f} s"
            )
        times = np.clip(times, 0.0, self.duration)
        if self.frames == 1:
            picked = np.zeros(len(times), dtype=int)
            return CameraPath(self.c2w[picked], self.intrinsics[picked], self.size, fps)
        c2w = _interpolate_poses(times, self.times, self.c2w, cubic=interpolation == "cubic")
        return CameraPath(c2w, _interpolate(times, self.times, self.intrinsics), self.size, fps)

    def crop(self, start_s: float, end_s: float | None = None) -> CameraPath:
        """The part from start_s to end_s (both included, seconds; to the end by default), starting at 0."""
        end_s = self.duration if end_s is None else end_s
        if not 0 <= start_s <= end_s <= self.duration + 1e-6:
            raise ValueError(
                f"cannot crop from {start_s} s to {end_s} s: the path lasts from 0 s to {self.duration:.3f} s"
            )
        count = int(np.floor((end_s - start_s) * self.fps + 1e-6)) + 1
        return self.resample(self.fps, start_s + np.arange(count) / self.fps)

    def _repr_html_(self) -> str:
        """What notebooks show."""
        from kinema.scene.showing import camera_html

        return camera_html(self)

    def relative(self) -> CameraPath:
        """The same path seen from its first camera: the first pose becomes the identity."""
        return replace(self, c2w=invert_rigid(self.c2w[0]) @ self.c2w)

    def transform(self, matrix: np.ndarray) -> CameraPath:
        """The path carried along by a rigid motion of the world, [4, 4]."""
        return replace(self, c2w=np.asarray(matrix, dtype=np.float64) @ self.c2w)

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points in each frame's camera axes: [N, 3] or [T, ..., 3] -> [T, N, 3] or [T, ..., 3]."""
        points = np.asarray(points, dtype=np.float64)
        if points.ndim < 2 or points.shape[-1] != 3:
            raise ValueError(f"points must have shape [N, 3] or [T, ..., 3], got {list(points.shape)}")
        if points.ndim == 2:
            points = np.broadcast_to(points, (self.frames, *points.shape))
        if len(points) != self.frames:
            raise ValueError(f"points have {len(points)} frames, the camera has {self.frames}")
        shape = points.shape
        centred = points.reshape(self.frames, -1, 3) - self.positions[:, None]
        return (centred @ self.c2w[:, :3, :3]).reshape(shape)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where world points fall in the picture.

        Args:
            points: metres, [N, 3] (still) or [T, ..., 3] (moving); NaN where missing.

        Returns:
            pixels [T, N, 2] or [T, ..., 2]: x to the right, y down, NaN for points that are missing or not
            in front of the camera; depth [T, N] or [T, ...]: metres along the lens axis, negative behind.
        """
        in_camera = self.to_camera(points)
        depth = in_camera[..., 2]
        safe = np.where(depth > NEAR, depth, np.nan)
        per_frame = (self.frames, *([1] * (in_camera.ndim - 2)), 2)
        focal = self.intrinsics[:, :2].reshape(per_frame)
        centre = self.intrinsics[:, 2:].reshape(per_frame)
        return in_camera[..., :2] / safe[..., None] * focal + centre, depth

    def visible(
        self, points: np.ndarray, depth_maps: np.ndarray | None = None, *, tolerance: float = 0.05
    ) -> np.ndarray:
        """Which points are in the picture and in front of the camera; [T, N] or [T, ...], bool.

        Args:
            points: as for `project`.
            depth_maps: what the camera sees, metres along the lens axis, [T, H, W], inf where nothing is.
                Where given, a point is hidden when something lies more than `tolerance` in front of it.
            tolerance: metres.
        """
        pixels, depth = self.project(points)
        width, height = self.size
        with np.errstate(invalid="ignore"):
            inside = (pixels >= 0).all(axis=-1) & (pixels[..., 0] < width) & (pixels[..., 1] < height)
        if depth_maps is None:
            return inside
        depth_maps = np.asarray(depth_maps)
        if depth_maps.shape != (self.frames, height, width):
            raise ValueError(
                f"depth_maps must have shape {[self.frames, height, width]}, got {list(depth_maps.shape)}"
            )
        frame, *place = np.nonzero(inside)
        column, row = pixels[inside].astype(int).T
        seen = inside.copy()
        seen[frame, *place] = depth[inside] <= depth_maps[frame, row, column] + tolerance
        return seen


def look_at(
    eye: np.ndarray | Sequence[float],
    target: np.ndarray | Sequence[float],
    up: np.ndarray | Sequence[float] = (0.0, 1.0, 0.0),
) -> np.ndarray:
    """Camera-to-world pose(s) at `eye` with the lens on `target` and the horizon level.

    Args:
        eye, target, up: [..., 3], broadcast against each other.

    Returns:
        [..., 4, 4]. Where the camera looks along `up`, the top of its picture points to -Z (or, should that
        be `up` itself, to -X): a map with north up.

    Raises:
        ValueError: eye and target coincide.
    """
    eye, target, up = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (eye, target, up)))
    forward = target - eye
    distance = np.linalg.norm(forward, axis=-1, keepdims=True)
    if not (distance > 1e-9).all():
        raise ValueError("look_at: the camera stands on the point it should look at")
    forward = forward / distance
    right = np.cross(forward, up)
    for spare in ((0.0, 0.0, -1.0), (-1.0, 0.0, 0.0)):
        lost = np.linalg.norm(right, axis=-1, keepdims=True) < 1e-6
        right = np.where(lost, np.cross(forward, spare), right)
    right = right / np.linalg.norm(right, axis=-1, keepdims=True)
    pose = np.zeros((*eye.shape[:-1], 4, 4))
    pose[..., :3, 0] = right
    pose[..., :3, 1] = np.cross(forward, right)
    pose[..., :3, 2] = forward
    pose[..., :3, 3] = eye
    pose[..., 3, 3] = 1.0
    return pose


def intrinsics_from_fov(fov_y_degrees: float, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy in pixels of a vertical field of view: square pixels, principal point in the middle."""
    width, height = _check_size(size)
    if not 0 < fov_y_degrees < 180:
        raise ValueError(
            f"the vertical field of view must lie between 0 and 180 degrees, got {fov_y_degrees}"
        )
    focal = height / 2 / np.tan(np.radians(fov_y_degrees) / 2)
    return float(focal), float(focal), width / 2, height / 2


def invert_rigid(pose: np.ndarray) -> np.ndarray:
    """Inverse of rigid motions [..., 4, 4], by transposing the rotation."""
    inverse = np.zeros_like(pose)
    rotation = np.swapaxes(pose[..., :3, :3], -1, -2)
    inverse[..., :3, :3] = rotation
    inverse[..., :3, 3] = -(rotation @ pose[..., :3, 3:])[..., 0]
    inverse[..., 3, 3] = 1.0
    return inverse


def _interpolate_poses(times: np.ndarray, known: np.ndarray, c2w: np.ndarray, *, cubic: bool) -> np.ndarray:
    from scipy.interpolate import CubicSpline  # half a second that most scenes do not need
    from scipy.spatial.transform import Rotation, RotationSpline, Slerp

    rotations = Rotation.from_matrix(c2w[:, :3, :3])
    result = np.tile(np.eye(4), (len(times), 1, 1))
    if cubic and len(c2w) >= 4:
        result[:, :3, :3] = RotationSpline(known, rotations)(times).as_matrix()
        result[:, :3, 3] = CubicSpline(known, c2w[:, :3, 3])(times)
    else:
        result[:, :3, :3] = Slerp(known, rotations)(times).as_matrix()
        result[:, :3, 3] = _interpolate(times, known, c2w[:, :3, 3])
    return result


def _interpolate(times: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(times, known, column) for column in values.T], axis=1)


def _frozen_floats(values: np.ndarray, name: str) -> np.ndarray:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from error
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        raise ValueError(f"{name} has a number that is not finite at index {bad[0].tolist()}")
    array.setflags(write=False)
    return array


def _check_rigid(c2w: np.ndarray) -> None:
    rotation = c2w[:, :3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        gram = rotation.transpose(0, 2, 1) @ rotation
        skew = np.abs(gram - np.eye(3)).max(axis=(1, 2))
        turned = np.linalg.det(rotation) > 0
    wrong = np.flatnonzero(~((skew < 1e-3) & turned))
    if wrong.size:
        raise ValueError(
            f"c2w: the upper left 3x3 of frame {wrong[0]} is not a rotation "
            "(its columns must be orthonormal and right-handed)"
        )
    wrong = np.flatnonzero((np.abs(c2w[:, 3] - [0, 0, 0, 1]) > 1e-6).any(axis=1))
    if wrong.size:
        raise ValueError(f"c2w: the last row of frame {wrong[0]} must be 0 0 0 1")


def _check_size(size: tuple[int, int]) -> tuple[int, int]:
    if len(size) != 2 or any(int(side) != side or not 1 <= side <= MAX_SIDE for side in size):
        raise ValueError(f"size must be (width, height), whole pixels from 1 to {MAX_SIDE}, got {size!r}")
    return int(size[0]), int(size[1])


def _check_fps(fps: float) -> float:
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be positive, got {fps}")
    return float(fps)
