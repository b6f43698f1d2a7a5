"""How a motion file is read: what may be said about it, what it holds, and what had to be assumed.

Few motion files say their unit, which way is up, where the floor is or how fast they run. Readers leave open what a
file does not say (`Clip`), `settling` decides it in one place, and everything decided is written down as an
`Assumption` under the word that overrules it: `unit="cm"` in Python is `--unit cm` on the command line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.skeleton import Skeleton

UNITS = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "cgspeed": 0.0254 / 0.45}
"""Metres per unit. `cgspeed` is the common BVH conversion of the CMU library (ASF units of 1/0.45 inch)."""

UPS = ("y", "z", "-y", "-z", "x", "-x")
"""Axes of a file that may point up."""

GROUNDS = ("auto", "keep", "lowest")
"""What is done about the floor: as the file has it, or the lowest foot of the clip on it."""


_SUBJECTS = {"ground": "floor", "source_fps": "rate", "skip_frames": "start"}
"""What a word is about, where it does not say so itself."""


class AssumptionWarning(UserWarning):
    """Something about a file was assumed that may well be wrong; the text names the word that overrules it."""


@dataclass(frozen=True, kw_only=True)
class MotionReading:
    """What is said about a motion file, where it does not say it itself or says it wrong.

    Args:
        format: a name of `MOTION_FORMATS`; by default the content decides.
        unit: of lengths: a name of `UNITS`, metres per unit as a number, or auto: what makes a person of the figure.
        up: the axis of the file that points up, of `UPS`, or auto: as the figure stands.
        ground: keep the heights of the file, or put the lowest foot of the clip on the floor (lowest); auto does so
            where the file's floor cannot be meant.
        source_fps: frames per second of the file; by default what it says.
        joints: which joint is which: a .json file or a mapping from SMPL-24's names to the file's; by default names and
            the shape of the tree tell.
        animation: of several, its name or number from 0; by default the first.
        stats: a folder with Mean.npy and Std.npy, by which features were normalised.
        positions: whether position channels of BVH "replace" OFFSET (as in Blender and most data sets) or "add" to it;
            auto replaces, unless they are zero where bones have a length.
        skip_frames: frames to leave out at the start; by default 1 where a T-pose was put before the motion.

    Raises:
        ValueError: no such unit, axis or ground, or a number out of range.

    Example:
        >>> kinema.read_motion("examples/walk_and_wave.bvh", unit="m", ground="keep").fps
        30.0
    """

    format: str | None = None
    unit: str | float = "auto"
    up: str = "auto"
    ground: str = "auto"
    source_fps: float | None = None
    joints: str | os.PathLike[str] | Mapping[str, str] | None = None
    animation: str | int | None = None
    stats: str | os.PathLike[str] | None = None
    positions: str = "auto"
    skip_frames: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", _checked_unit(self.unit))
        _one_of("up", self.up, ("auto", *UPS))
        _one_of("ground", self.ground, GROUNDS)
        _one_of("positions", self.positions, ("auto", "replace", "add"))
        rate = self.source_fps
        if rate is not None and not (np.isfinite(rate) and 0 < rate <= 1e5):
            raise ValueError(f"source_fps={rate}; give a positive number of frames per second")
        if self.skip_frames is not None and self.skip_frames < 0:
            raise ValueError(f"skip_frames={self.skip_frames}; give 0 or more")

    @property
    def metres(self) -> float | None:
        """Metres per unit; None where the figure has to tell."""
        if self.unit == "auto":
            return None
        return UNITS[self.unit] if isinstance(self.unit, str) else self.unit


@dataclass(frozen=True)
class Assumption:
    """One thing that a file does not say, or that was not taken as it says.

    Args:
        word: the option that overrules it, e.g. "unit"; "" where nothing can.
        value: what was taken, e.g. "cm".
        why: what speaks for it, or follows, e.g. "the figure is then 1.78 m tall".
        doubtful: whether a user should be told without asking.
    """

    word: str
    value: str
    why: str
    doubtful: bool = False

    @property
    def option(self) -> str:
        """The option of the command line that overrules it; "" where nothing can."""
        return f"--{self.word.replace('_', '-')}" if self.word else ""

    def __str__(self) -> str:
        said = ", ".join(part for part in (self.value, self.why) if part)
        if not self.word:
            return said
        return f"{_SUBJECTS.get(self.word, self.word)}: {said} ({self.option})"


@dataclass(frozen=True, eq=False)
class Clip:
    """One figure as a file has it, before anything is assumed.

    Args:
        joints: [T, J, 3] in the file's unit and axes, NaN where missing.
        skeleton: the tree, its rest pose in the same unit and axes.
        rotations: local, relative to that rest pose, wxyz [T, J, 4].
        confidence: [T, J].
        fps: None where the file does not say.
        unit: metres per unit, None where the file does not say.
        up: one of `UPS`, None where the file does not say.
        usual_up: what up usually is in files of the kind, where the file does not say.
        grounded: whether the file's floor is known to be at height 0.
        upright: whether the rest pose is that of a body model or named skeleton, metres and Y up whatever the file's
            unit and axes; rotations are then relative to it, and only the root's turns with the file's axes.
        name: of the figure, if the file has several.
    """

    joints: np.ndarray
    skeleton: Skeleton
    rotations: np.ndarray | None = None
    confidence: np.ndarray | None = None
    fps: float | None = None
    unit: float | None = None
    up: str | None = None
    grounded: bool = False
    upright: bool = False
    name: str = ""
    usual_up: str = "y"

    @property
    def is_certain(self) -> bool:
        """Whether unit, axis and floor are known, as of what Kinema wrote; else a unit is believed only if it makes a
        figure of a sensible size."""
        return self.unit is not None and self.up is not None and self.grounded

    @classmethod
    def of(cls, motion: Motion) -> Clip:
        """A motion whose rate, unit and axes are known for certain and whose floor is kept."""
        return cls(
            motion.joints,
            motion.skeleton,
            motion.rotations,
            motion.confidence,
            fps=motion.fps,
            unit=1.0,
            up="y",
            grounded=True,
            upright=True,
        )


@dataclass(frozen=True)
class Animation:
    """One of the animations of a file.

    Args:
        name: as the file has it.
        seconds: its length.
    """

    name: str
    seconds: float


@dataclass(frozen=True, eq=False)
class Contents:
    """What a reader found in a file.

    Args:
        kind: what the file is, in words, e.g. "BVH of MotionBuilder".
        clips: one per figure.
        animations: all that the file has; empty where there is but one without a name.
        assumed: what the reader itself assumed.
        scene: of a scene file: the whole of it, with its camera.
    """

    kind: str
    clips: tuple[Clip, ...]
    animations: tuple[Animation, ...] = ()
    assumed: tuple[Assumption, ...] = ()
    scene: Scene | None = None


@dataclass(frozen=True, eq=False)
class MotionFile:
    """A motion file that was read.

    Args:
        path: of the file.
        kind: what it is, in words.
        scene: its people, and its camera where it has one.
        names: of the people; "" where the file does not say.
        unit, up: what lengths and axes of the file were taken for, in words.
        animations: all that the file has.
        assumed: what had to be assumed, each under the word that overrules it.
    """

    path: str
    kind: str
    scene: Scene
    names: tuple[str, ...]
    unit: str
    up: str
    animations: tuple[Animation, ...] = ()
    assumed: tuple[Assumption, ...] = ()

    @property
    def doubts(self) -> tuple[Assumption, ...]:
        """What a user should be told without asking."""
        return tuple(each for each in self.assumed if each.doubtful)


def _checked_unit(unit: str | float) -> str | float:
    if isinstance(unit, str) and (unit == "auto" or unit in UNITS):
        return unit
    try:
        metres = float(unit)
    except ValueError:
        metres = float("nan")
    if not (np.isfinite(metres) and metres > 0):
        raise ValueError(f"unit={unit!r}; give auto, one of {', '.join(UNITS)}, or metres per unit")
    return metres


def _one_of(word: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{word}={value!r}; give one of {', '.join(known)}")
