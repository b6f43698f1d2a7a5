"""What a motion file does not say, decided in one place: its unit, which way is up, the floor, the rate.

Everything is measured on the figure as it moves, not on offsets, which many programs fill with what is replaced later.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.figure import AXES, Figure
from kinema.scene.formats.grounding import floor_height
from kinema.scene.formats.joint_map import with_joints
from kinema.scene.formats.kinematics import reorder
from kinema.scene.formats.reading import UNITS, UPS, Assumption, Clip, Contents, MotionFile, MotionReading
from kinema.scene.joint_rules import human_parts
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.skeleton import Skeleton

DEFAULT_FPS = 30.0
"""Where a file does not say (ours): what cameras and most models that make motion have."""

_FIGURE = (0.3, 4.0)  # metres that a figure may measure whose unit is guessed
_ADULT = (1.06, 2.7)  # metres that are believed at once of m, cm and mm
_USUAL = (0.9, 2.2)  # metres that are believed of rarer units
_STATED = {
    True: (0.2, 6.0),
    False: (0.02, 30.0),
}  # metres of a person, of others, where the file says the unit
_CMU = {"LHipJoint", "LowerBack", "LeftFingerBase"}  # joints that only CMU's trees have
_ABSURD = 1e15  # units of a file; beyond it arithmetic overflows (ours)
_FARTHEST = 1e7  # metres; beyond it float rounding alone breaks the promised millimetre (ours)
_SLOW = 5.0  # frames per second below which a rate is doubted (ours)

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

    Figures of one file share unit, axes and floor: those of the largest person decide, or of the largest figure.

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
    clips = with_joints(path, contents.clips, reading.joints)
    clips = _started(path, clips, reading, assumed)
    for clip in clips:
        if not (np.abs(np.nan_to_num(clip.joints, posinf=np.inf)) < _ABSURD).all():
            raise FormatError(
                path, f"a joint is further than {_ABSURD:g} units away", hint="it may be damaged"
            )
    figures = [Figure(clip) for clip in clips]
    leading = max(figures, key=lambda figure: (figure.is_person, np.nan_to_num(figure.size)))
    _by_shape(leading, assumed)
    unit = _unit(path, leading, reading, assumed)
    up = _up(contents.kind, leading, reading, assumed)
    vertical, level = _levelled(leading, up, reading, assumed)
    floor = floor_height(figures, unit, vertical, reading, assumed)
    people = [
        _motion(path, clip, unit, _TURNS[up], level, floor, _rate(clip, reading, assumed)) for clip in clips
    ]
    return MotionFile(
        os.fspath(path),
        contents.kind,
        Scene(tuple(people), None, people[0].fps),
        tuple(clip.name for clip in clips),
        _named(unit),
        up,
        contents.animations,
        tuple(dict.fromkeys(assumed)),
    )


def _by_shape(figure: Figure, assumed: list[Assumption]) -> None:
    """Says where names do not tell which joint is which."""
    if not figure.is_person:
        return
    try:
        guessed = human_parts(figure.clip.skeleton)[1]
    except ValueError:  # of a joint set that is known as a whole
        return
    if guessed:
        assumed.append(
            Assumption(
                "joints", "told by the shape of the tree", "names do not say which is which", doubtful=True
            )
        )


def _started(
    path: str | os.PathLike[str],
    clips: tuple[Clip, ...],
    reading: MotionReading,
    assumed: list[Assumption],
) -> tuple[Clip, ...]:
    """The clips without the frames that are no part of the motion."""
    skip = reading.skip_frames
    if skip is None:
        certain = any(clip.is_certain for clip in clips)
        skip = 0 if certain else min(Figure(clip).t_pose_frames() for clip in clips)
        if skip:
            what, why = "frame 0 is left out", "it is a T-pose before the motion"
            if skip > 1:
                what, why = f"frames 0 to {skip - 1} are left out", "a T-pose that goes over into the motion"
            assumed.append(Assumption("skip_frames", what, why, doubtful=True))
    shortest = min(len(clip.joints) for clip in clips)
    if skip >= shortest:
        raise FormatError(path, f"has {shortest} frames; skip_frames={skip} leaves none")
    if not skip:
        return clips
    return tuple(
        replace(
            clip,
            joints=clip.joints[skip:],
            rotations=None if clip.rotations is None else clip.rotations[skip:],
            confidence=None if clip.confidence is None else clip.confidence[skip:],
        )
        for clip in clips
    )


def _unit(
    path: str | os.PathLike[str], figure: Figure, reading: MotionReading, assumed: list[Assumption]
) -> float:
    """Metres per unit."""
    said = figure.clip.unit
    if reading.metres is not None:
        return reading.metres
    if said is not None and (
        figure.clip.is_certain or _within(figure.size * said, _STATED[figure.is_person])
    ):
        return said
    unit, doubtful = _guessed(figure)
    if unit is None:
        if said is not None:
            return said
        size = (
            f"the figure measures {figure.size:.4g} units, which is 0.3 to 4 m in none of {', '.join(UNITS)}"
        )
        raise FormatError(
            path,
            size if np.isfinite(figure.size) else "has no bones, whose length would tell the unit",
            hint="say how many metres a unit is: --unit 0.5 (unit=0.5 in Python)",
        )
    size = f"the figure is then {figure.size * unit:.2f} m {'tall' if figure.is_person else 'across'}"
    why = size if said is None else f"not {_named(said)} as the file says; {size}"
    assumed.append(Assumption("unit", _named(unit), why, doubtful or said is not None))
    return unit


def _guessed(figure: Figure) -> tuple[float | None, bool]:
    """The unit that makes a figure of 0.3 to 4 m, and whether that is doubtful; None where none does."""
    size = figure.size

    def fitting(limits: tuple[float, float], *names: str) -> float | None:
        return next((UNITS[name] for name in names if _within(size * UNITS[name], limits)), None)

    if figure.is_person:
        if unit := fitting(_ADULT, "m", "cm", "mm"):
            return unit, False
        if unit := fitting(_USUAL, "dm", "cgspeed", "inch"):
            return unit, unit != UNITS["cgspeed"] or not set(figure.clip.skeleton.names) >= _CMU
    return fitting(_FIGURE, "m", "cm", "mm", "dm"), True


def _up(kind: str, figure: Figure, reading: MotionReading, assumed: list[Assumption]) -> str:
    """The axis of the file that points up: the usual one of its kind, unless the figure stands along another."""
    if reading.up != "auto":
        return reading.up
    clip = figure.clip
    if clip.up is not None:
        return clip.up
    turn = _TURNS[clip.usual_up]
    turned = figure if clip.usual_up == "y" else Figure(replace(clip, joints=clip.joints @ turn.T))
    found, why = turned.stands_along()
    up = next(axis for axis in UPS if np.allclose(turn @ AXES[axis], AXES[found]))
    if clip.usual_up == "y":
        said = why or ("so the figure stands" if figure.is_person else "as in most files")
    elif up != clip.usual_up:
        said = f"so the figure stands, though {kind} has {clip.usual_up.upper()} up"
    else:
        said = (
            f"the figure never stands along {up}: it lies, or another axis is up"
            if why
            else f"as {kind} has it"
        )
    assumed.append(Assumption("up", up, said, doubtful=bool(why)))
    return up


def _levelled(
    figure: Figure, up: str, reading: MotionReading, assumed: list[Assumption]
) -> tuple[np.ndarray, np.ndarray]:
    """What is vertical in the file's axes [3], and the turn [3, 3] in ours that levels a tilted world.

    Files in the axes of a camera that looks down, or of a tilted capture, have figures that stand along no axis.
    """
    level = np.eye(3)
    if reading.up != "auto" or figure.clip.up is not None:
        return AXES[up], level
    along, degrees = figure.tilt(AXES[up])
    if degrees:
        level = Rotation.align_vectors([[0.0, 1.0, 0.0]], [_TURNS[up] @ along])[0].as_matrix()
        why = f"the figure always stands {degrees:.0f} degrees off {up}"
        assumed.append(Assumption("up", "the tilted world is levelled", why, doubtful=True))
    return along, level


def _rate(clip: Clip, reading: MotionReading, assumed: list[Assumption]) -> float:
    """Frames per second."""
    if reading.source_fps is not None:
        return reading.source_fps
    if clip.fps is None:
        assumed.append(
            Assumption("source_fps", f"{DEFAULT_FPS:g} fps", "the file does not say", doubtful=True)
        )
        return DEFAULT_FPS
    if clip.fps < _SLOW and len(clip.joints) > 1 and not clip.is_certain:
        assumed.append(
            Assumption("source_fps", f"{clip.fps:g} fps", "so the file says, which is rare", doubtful=True)
        )
    return clip.fps


def _motion(
    path: str | os.PathLike[str],
    clip: Clip,
    unit: float,
    turn: np.ndarray,
    level: np.ndarray,
    floor: float | np.ndarray,
    fps: float,
) -> Motion:
    """The figure in metres, Y up, the floor at 0; its rest pose stands on the floor."""
    with np.errstate(over="ignore", invalid="ignore"):
        joints = clip.joints * unit @ turn.T @ level.T
        joints[..., 1] -= np.reshape(floor, (-1, 1))
    if not (np.abs(np.nan_to_num(joints, posinf=np.inf)) < _FARTHEST).all():
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
    if rotations is not None and not np.array_equal(level, np.eye(3)):
        rotations, root = rotations.copy(), clip.skeleton.root
        turned = Rotation.from_matrix(level) * Rotation.from_quat(rotations[:, root], scalar_first=True)
        rotations[:, root] = turned.as_quat(scalar_first=True)
    try:
        skeleton = Skeleton(clip.skeleton.names, clip.skeleton.parents, rest)
        return reorder(Motion(joints, fps, skeleton, rotations, clip.confidence))
    except ValueError as error:
        raise FormatError(path, str(error)) from error


def _within(size: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= size <= limits[1]


def _named(metres: float) -> str:
    """The name of a unit, or its length in metres."""
    return next((name for name, size in UNITS.items() if size == metres), f"{metres:g} m")
