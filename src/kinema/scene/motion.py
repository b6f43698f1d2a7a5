"""One person's motion: joint positions over time, and what can be done with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.scene.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Motion:
    """The motion of one person (or animal). Methods return new motions; arrays are read-only float64.

    Args:
        joints: joint positions in the world, metres, Y up, [T, J, 3]; NaN where missing (all three numbers).
        fps: frames per second.
        skeleton: the joint tree, J joints.
        rotations: local rotation of each joint relative to its parent, quaternions wxyz, [T, J, 4]; all
            identity is the skeleton's rest pose; NaN where unknown.
        confidence: 0 (missing) to 1, [T, J].

    Raises:
        ValueError: a shape does not fit the skeleton, fps is not positive, a position is infinite or partly
            NaN, a quaternion is not of unit length, or a confidence lies outside 0 to 1.
    """

    joints: np.ndarray
    fps: float
    skeleton: Skeleton
    rotations: np.ndarray | None = None
    confidence: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.skeleton, Skeleton):
            raise ValueError(f"skeleton is a {type(self.skeleton).__name__}; give a Skeleton, e.g. SMPL24")
        if not (np.isscalar(self.fps) and np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"fps is {self.fps!r}; give a positive number of frames per second")
        object.__setattr__(self, "fps", float(self.fps))
        joints = _floats(self.joints, "joints", (None, len(self.skeleton), 3))
        _check_missing(joints, "joints", self.skeleton)
        object.__setattr__(self, "joints", _read_only(joints))
        if self.rotations is not None:
            rotations = _floats(self.rotations, "rotations", (len(joints), len(self.skeleton), 4))
            _check_missing(rotations, "rotations", self.skeleton)
            object.__setattr__(self, "rotations", _read_only(_unit(rotations, self.skeleton)))
        if self.confidence is not None:
            confidence = _floats(self.confidence, "confidence", (len(joints), len(self.skeleton)))
            wrong = ~((confidence >= 0) & (confidence <= 1))
            if wrong.any():
                place = _place(wrong, self.skeleton)
                raise ValueError(f"confidence at {place} is {confidence[wrong][0]}; give numbers from 0 to 1")
            object.__setattr__(self, "confidence", _read_only(confidence))

    @property
    def frames(self) -> int:
        """Number of frames, T."""
        return len(self.joints)

    @property
    def duration(self) -> float:
        """Seconds from the first to the last frame, (T - 1) / fps."""
        return (self.frames - 1) / self.fps

    @property
    def times(self) -> np.ndarray:
        """Time of each frame, seconds, [T]."""
        return np.arange(self.frames) / self.fps

    @property
    def missing(self) -> np.ndarray:
        """Where a joint is missing (NaN, or confidence 0), [T, J] bool."""
        missing = np.isnan(self.joints[..., 0])
        return missing if self.confidence is None else missing | (self.confidence == 0)


def _floats(values: object, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """A float64 copy of the expected shape (None: any size of at least one)."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of numbers ({error})") from None
    wanted = "[" + ", ".join("T" if size is None else str(size) for size in shape) + "]"
    if array.ndim != len(shape) or any(
        size is not None and size != n for size, n in zip(shape, array.shape, strict=True)
    ):
        raise ValueError(f"{name} has shape {list(array.shape)}; the skeleton and frames ask for {wanted}")
    if len(array) == 0:
        raise ValueError(f"{name} has no frames; give at least one")
    return array


def _check_missing(values: np.ndarray, name: str, skeleton: Skeleton) -> None:
    """Infinite numbers and half-missing joints are mistakes, not missing data."""
    infinite = np.isinf(values).any(-1)
    if infinite.any():
        raise ValueError(f"{name} at {_place(infinite, skeleton)} is infinite; mark missing joints by NaN")
    nan = np.isnan(values)
    partly = nan.any(-1) & ~nan.all(-1)
    if partly.any():
        raise ValueError(
            f"{name} at {_place(partly, skeleton)} is NaN in some numbers only; a missing joint is NaN in all"
        )


def _unit(rotations: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    norm = np.linalg.norm(rotations, axis=-1)
    wrong = np.abs(norm - 1) > 1e-2
    if wrong.any():
        raise ValueError(
            f"the quaternion at {_place(wrong, skeleton)} has length {norm[wrong][0]:.4g}; give unit "
            "quaternions wxyz"
        )
    off = np.abs(norm - 1) > 1e-9  # leaves exact ones as they are, so that files round-trip bit for bit
    return np.where(off[..., None], rotations / norm[..., None], rotations)


def _place(where: np.ndarray, skeleton: Skeleton) -> str:
    frame, joint = np.argwhere(where)[0]
    return f"frame {frame}, joint {skeleton.names[joint]!r}"


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
