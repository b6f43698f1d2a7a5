"""What was seen of people in pictures: 2D keypoints of body, face and hands, beside a scene or without one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kinema.scene import timing
from kinema.scene.checks import check_fps
from kinema.scene.formats.errors import FormatError
from kinema.scene.skeleton import skeleton


@dataclass(frozen=True, eq=False)
class Keypoints:
    """One person's keypoints over time, as a detector saw them: nothing smoothed, nothing filled in.

    They belong to the pictures that were captured. A scene keeps them when its camera is exchanged.

    Args:
        points: pixels (x right, y down, the first pixel's centre at 0.5), [T, K, 2]; NaN where not seen.
        confidence: 0 (not seen) to 1, [T, K].
        layout: name of the keypoint set, one of `kinema.scene.skeleton.skeleton(name)`.
        fps: frames per second.
        size: (width, height) of the pictures.

    Raises:
        ValueError: shapes, layout or numbers that do not fit together.
    """

    points: np.ndarray
    confidence: np.ndarray
    layout: str
    fps: float
    size: tuple[int, int]

    def __post_init__(self) -> None:
        count = len(skeleton(self.layout))
        points = np.array(self.points, dtype=np.float64)
        confidence = np.array(self.confidence, dtype=np.float64)
        if points.ndim != 3 or points.shape[1:] != (count, 2) or len(points) == 0:
            raise ValueError(
                f"keypoints have shape {list(points.shape)}; {self.layout} asks for [T, {count}, 2]"
            )
        if confidence.shape != points.shape[:2]:
            raise ValueError(f"confidence has shape {list(confidence.shape)}, not {list(points.shape[:2])}")
        if np.isinf(points).any():
            raise ValueError("a keypoint is infinite; mark missing ones by NaN")
        if not ((confidence >= 0) & (confidence <= 1)).all():
            raise ValueError("confidence must lie between 0 and 1")
        missing = np.isnan(points).any(-1) | (confidence == 0)
        points[missing], confidence[missing] = np.nan, 0.0
        size = tuple(int(side) for side in self.size)
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"the size of the pictures is {self.size}; give (width, height)")
        for name, array in (("points", points), ("confidence", confidence)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "fps", check_fps(self.fps))

    @property
    def frames(self) -> int:
        """Number of frames, T."""
        return len(self.points)

    @property
    def duration(self) -> float:
        """Seconds from the first to the last frame."""
        return (self.frames - 1) / self.fps

    @property
    def missing(self) -> np.ndarray:
        """Where nothing was seen, [T, K] bool."""
        return self.confidence == 0

    def resample(self, fps: float, times: np.ndarray | Sequence[float] | None = None) -> Keypoints:
        """The keypoints at other moments; beside a missing one, and before and after the pictures, they are missing.

        Args:
            fps: frame rate of the result.
            times: seconds, [N]; by default 0, 1/fps, ... as far as the pictures last.

        Raises:
            ValueError: fps is not positive, or no moments.
        """
        fps = check_fps(fps)
        if times is None:
            times = timing.frame_times(self.duration, fps)
        times = np.asarray(times, dtype=np.float64)
        inside = (times >= -1e-6) & (times <= self.duration + 1e-6)
        at = timing.frame_positions(np.clip(times, 0, self.duration), self.fps, self.frames)
        points = timing.sample_positions(self.points, self.missing, at)
        confidence = timing.sample_confidence(self.confidence, self.missing, at)
        points[~inside], confidence[~inside] = np.nan, 0.0
        return Keypoints(points, confidence, self.layout, fps, self.size)


@dataclass(frozen=True, eq=False)
class DetectedPeople:
    """People of whom only keypoints in pictures are known: no depth, no camera.

    They can stand where a scene stands for models that follow skeleton maps alone.

    Args:
        people: keypoints of each person, all of the same pictures.

    Raises:
        ValueError: nobody, or people of pictures of different sizes or rates.
    """

    people: tuple[Keypoints, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "people", tuple(self.people))
        if not self.people:
            raise ValueError("nobody was detected in any picture")
        for number, person in enumerate(self.people):
            for name in ("size", "fps"):
                first, other = getattr(self.people[0], name), getattr(person, name)
                if first != other:
                    raise ValueError(f"{name} of person {number} is {other}, of person 0 {first}")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures."""
        return self.people[0].size

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.people[0].fps

    @property
    def duration(self) -> float:
        """Seconds from the first picture to the last one of anybody."""
        return max(person.duration for person in self.people)

    @property
    def frames(self) -> int:
        """Number of pictures."""
        return max(person.frames for person in self.people)


_NEW = 1.5  # sizes of a person; further off it is rather somebody who was not there before (ours)


def follow_people(points: np.ndarray) -> np.ndarray:
    """Who is who over time where a detector lists people in any order: each goes on with the nearest.

    Args:
        points: keypoints as listed, NaN where missing, [T, P, K, 2].

    Returns:
        place in the list of each person and frame, [T, P]; the first frame keeps its order.
    """
    from scipy.optimize import linear_sum_assignment

    frames, people = points.shape[:2]
    order = np.tile(np.arange(people), (frames, 1))
    last = points[0].copy() if frames else points
    for frame in range(1, frames):
        slots, places = linear_sum_assignment(_far_apart(last, points[frame]))
        order[frame, slots] = places
        now = points[frame, order[frame]]
        last = np.where(np.isfinite(now), now, last)
    return order


def _far_apart(last: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Mean distance of each person from each, in sizes of the latter, [P, K, 2] twice -> [P, P]."""
    there = np.isfinite(now).all(-1)  # [P, K]
    low = np.where(there[..., None], now, np.inf).min(axis=1)
    high = np.where(there[..., None], now, -np.inf).max(axis=1)
    size = np.where(there.any(axis=1), np.maximum((high - low).max(axis=-1), 1.0), 1.0)
    off = np.linalg.norm(last[:, None] - now[None], axis=-1)  # [P, P, K]
    common = np.isfinite(off)
    mean = np.where(common, off, 0.0).sum(-1) / np.maximum(common.sum(-1), 1) / size
    return np.where(common.any(-1), mean, np.where(there.any(axis=1), _NEW, 0.0))


def keypoints_to_arrays(keypoints: Keypoints, prefix: str) -> dict[str, np.ndarray]:
    """The arrays that hold keypoints in a file, each name starting with `prefix`; pixels as float32."""
    return {
        f"{prefix}points": keypoints.points.astype(np.float32),
        f"{prefix}confidence": keypoints.confidence.astype(np.float32),
        f"{prefix}layout": np.array(keypoints.layout),
        f"{prefix}fps": np.array(keypoints.fps),
        f"{prefix}size": np.array(keypoints.size),
    }


def keypoints_from_arrays(
    arrays: Mapping[str, np.ndarray], path: str | os.PathLike[str], prefix: str
) -> Keypoints | None:
    """The keypoints held by arrays made with `keypoints_to_arrays`; None where there are none.

    Raises:
        FormatError: an array is missing, of the wrong kind, or they do not fit together.
    """
    names = ("points", "confidence", "layout", "fps", "size")
    if not any(prefix + name in arrays for name in names):
        return None
    for name in names:
        array = arrays.get(prefix + name)
        if array is None or (array.dtype.kind == "U") != (name == "layout") or array.dtype.kind not in "Uiuf":
            kind = "a text" if name == "layout" else "numbers"
            raise FormatError(path, f"is missing or holds no {kind}", where=f"array {prefix + name!r}")
    points, confidence, layout, fps, size = (arrays[prefix + name] for name in names)
    if layout.shape or fps.size != 1 or size.shape != (2,):
        raise FormatError(path, "layout, fps or size has a wrong shape", where=f"arrays {prefix!r}")
    try:
        width, height = (int(side) for side in size)
        return Keypoints(points, confidence, str(layout), float(fps.reshape(())), (width, height))
    except (ValueError, OverflowError) as error:
        raise FormatError(path, str(error), where=f"arrays {prefix!r}") from None
