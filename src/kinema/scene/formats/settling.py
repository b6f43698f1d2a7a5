"""What a motion file does not say, decided in one place: its unit, which way is up, the floor, the rate.

Everything is measured on the figure as it moves, not on offsets, which many programs fill with what is replaced later.
"""

from __future__ import annotations

import math
import os
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.joint_map import with_joints
from kinema.scene.formats.kinematics import reorder
from kinema.scene.formats.reading import UNITS, Assumption, Clip, Contents, MotionFile, MotionReading
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.skeleton import Skeleton

DEFAULT_FPS = 30.0
"""Where a file does not say (ours): what cameras and most models that make motion have."""

_ADULT = 2.3  # metres from toe to fingertip along the bones of an adult (ours)
_SMALLEST, _LARGEST = 0.3 * _ADULT / 1.7, 4.0 * _ADULT / 1.7  # the same of figures of 0.3 and 4 m
_LIKELY = math.log(1.6)  # how far from an adult metres, cm and mm are believed at once (ours)
_FARTHEST = 1e7  # metres; beyond it float rounding alone breaks the promised millimetre (ours)
_SLOW = 5.0  # frames per second below which a rate is doubted (ours)
_SAMPLES = 64  # frames that are looked at (ours)

_TURNS = {  # rows: our x, y, z in the axes of a file whose up is so
    "y": np.eye(3),
    "z": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "-y": np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1]]),
    "-z": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "x": np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    "-x": np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]]),
}


def settle(path: str | os.PathLike[str], contents: Contents, reading: MotionReading) -> MotionFile:
    """What a reader found, as people in metres, Y up, on the floor, with all that was assumed.

    Figures of one file share unit, axes and floor: those of the largest decide.

    Raises:
        FormatError: a figure of no sensible size, or what was found is no motion.
    """
    if contents.scene is not None:
        scene = contents.scene
        return MotionFile(
            os.fspath(path),
            contents.kind,
            replace(scene, people=with_joints(path, scene.people, reading.joints)),
            tuple("" for _ in contents.scene.people),
            "m",
            "y",
            contents.animations,
            contents.assumed,
        )
    assumed = list(contents.assumed)
    clips = contents.clips
    unit, unit_name = _unit(path, clips, reading, assumed)
    up = _up(clips, reading, assumed)
    turn = _TURNS[up]
    people = []
    for clip in clips:
        fps = _rate(clip, reading, assumed)
        people.append(_motion(path, clip, unit, turn, fps))
    people = _grounded(clips, people, reading, assumed)
    return MotionFile(
        os.fspath(path),
        contents.kind,
        Scene(with_joints(path, people, reading.joints), None, people[0].fps),
        tuple(clip.name for clip in clips),
        unit_name,
        up,
        contents.animations,
        tuple(dict.fromkeys(assumed)),
    )


def _unit(
    path: str | os.PathLike[str],
    clips: tuple[Clip, ...],
    reading: MotionReading,
    assumed: list[Assumption],
) -> tuple[float, str]:
    """Metres per unit and its name."""
    if reading.metres is not None:
        return reading.metres, _named(reading.metres)
    said = next((clip.unit for clip in clips if clip.unit is not None), None)
    if said is not None:
        return said, _named(said)
    span = max(_span(clip) for clip in clips)
    unit = _fitting(span)
    if unit is None:
        raise FormatError(
            path,
            f"the figure measures {span:g} units along its bones, which fits a person in none of {', '.join(UNITS)}",
            hint="say how many metres a unit is: --unit 0.5 (unit=0.5 in Python)",
        )
    assumed.append(
        Assumption("unit", f"lengths are in {_named(unit)}", f"so the figure spans {span * unit:.2f} m")
    )
    return unit, _named(unit)


def _fitting(span: float) -> float | None:
    """The unit that makes a person of a figure that measures so much along its bones."""
    if not 0 < span < 1e30:
        return None
    for units in (("m", "cm", "mm"), tuple(UNITS)):
        misfit = {name: abs(math.log(span * UNITS[name] / _ADULT)) for name in units}
        best = min(misfit, key=lambda name: misfit[name])
        if misfit[best] < _LIKELY or (len(units) > 3 and _SMALLEST <= span * UNITS[best] <= _LARGEST):
            return UNITS[best]
    return None


def _span(clip: Clip) -> float:
    """The longest way along the bones of the figure, as long as they are while it moves.

    What lies between the root and the first joint from which several bones leave is no part of the figure: many
    programs put the world's origin there.
    """
    rows = _sampled(clip)
    parents = np.array(clip.skeleton.parents)
    lengths = np.zeros(len(parents))
    inner = parents >= 0
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.linalg.norm(clip.joints[rows][:, inner] - clip.joints[rows][:, parents[inner]], axis=-1)
    known = np.isfinite(steps).any(axis=0)
    lengths[np.flatnonzero(inner)[known]] = np.nanmedian(steps[:, known], axis=0)
    top = clip.skeleton.root
    while len(clip.skeleton.children[top]) == 1:
        top = clip.skeleton.children[top][0]
    below = {top}
    reach = np.zeros(len(parents))
    span = 0.0
    order = clip.skeleton.order
    for joint in order:
        if parents[joint] in below:
            below.add(joint)
    for joint in reversed(order):
        if joint in below and joint != top:
            way = float(reach[joint] + lengths[joint])
            span = max(span, reach[parents[joint]] + way)
            reach[parents[joint]] = max(reach[parents[joint]], way)
    return span


def _sampled(clip: Clip) -> np.ndarray:
    """Numbers of some frames, evenly spread."""
    frames = len(clip.joints)
    return np.unique(np.linspace(0, frames - 1, min(frames, _SAMPLES)).round().astype(int))


def _up(clips: tuple[Clip, ...], reading: MotionReading, assumed: list[Assumption]) -> str:
    """The axis of the file that points up."""
    if reading.up != "auto":
        return reading.up
    return next((clip.up for clip in clips if clip.up is not None), "y")


def _rate(clip: Clip, reading: MotionReading, assumed: list[Assumption]) -> float:
    """Frames per second."""
    if reading.source_fps is not None:
        return reading.source_fps
    if clip.fps is None:
        assumed.append(
            Assumption(
                "source_fps", f"{DEFAULT_FPS:g} frames per second", "the file does not say", doubtful=True
            )
        )
        return DEFAULT_FPS
    if clip.fps < _SLOW and len(clip.joints) > 1:
        assumed.append(
            Assumption(
                "source_fps",
                f"{clip.fps:g} frames per second",
                "so the file says, which is rare",
                doubtful=True,
            )
        )
    return clip.fps


def _motion(path: str | os.PathLike[str], clip: Clip, unit: float, turn: np.ndarray, fps: float) -> Motion:
    """The figure in metres, Y up; its rest pose stands on the floor."""
    joints = clip.joints * unit @ turn.T
    if not (np.abs(np.nan_to_num(joints)) < _FARTHEST).all():
        raise FormatError(
            path, f"a joint is further than {_FARTHEST:g} m away", hint="is the unit right? (--unit)"
        )
    rest = clip.skeleton.rest
    if not clip.upright:
        rest = rest * unit @ turn.T
        rest = rest - [0.0, rest[:, 1].min(), 0.0]
    rotations = clip.rotations
    if rotations is not None and not np.array_equal(turn, np.eye(3)):
        rotations = rotations.copy()
        if clip.upright:
            root = clip.skeleton.root
            turned = Rotation.from_matrix(turn) * Rotation.from_quat(rotations[:, root], scalar_first=True)
            rotations[:, root] = turned.as_quat(scalar_first=True)
        else:
            rotations[..., 1:] = rotations[..., 1:] @ turn.T  # the same turn about an axis that turned along
    try:
        skeleton = Skeleton(clip.skeleton.names, clip.skeleton.parents, rest)
        return reorder(Motion(joints, fps, skeleton, rotations, clip.confidence))
    except ValueError as error:
        raise FormatError(path, str(error)) from error


def _grounded(
    clips: tuple[Clip, ...], people: list[Motion], reading: MotionReading, assumed: list[Assumption]
) -> list[Motion]:
    """People on the floor, all moved by as much."""
    return people


def _named(metres: float) -> str:
    """The name of a unit, or its length in metres."""
    return next((name for name, size in UNITS.items() if size == metres), f"{metres:g} m")
