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
from kinema.scene.formats.joint_map import with_joints
from kinema.scene.formats.kinematics import reorder
from kinema.scene.formats.reading import UNITS, Assumption, Clip, Contents, MotionFile, MotionReading
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
_OFF_FLOOR = 0.15 / 1.7  # of the figure's size that its lowest foot may be off the floor
_PLANTED = 0.15  # share of frames in which who stands above the floor touches its own
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
    up = _up(leading, reading, assumed)
    floor = _floor(figures, unit, up, reading, assumed)
    people = [_motion(path, clip, unit, _TURNS[up], floor, _rate(clip, reading, assumed)) for clip in clips]
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
        skip = int(
            not any(clip.is_certain for clip in clips) and all(Figure(c).starts_in_t_pose() for c in clips)
        )
        if skip:
            assumed.append(
                Assumption(
                    "skip_frames", "frame 0 is left out", "it is a T-pose before the motion", doubtful=True
                )
            )
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


def _up(figure: Figure, reading: MotionReading, assumed: list[Assumption]) -> str:
    """The axis of the file that points up."""
    if reading.up != "auto":
        return reading.up
    if figure.clip.up is not None:
        return figure.clip.up
    up, why = figure.stands_along()
    usual = "so the figure stands" if figure.is_person else "as in most files"
    assumed.append(Assumption("up", up, why or usual, doubtful=bool(why)))
    return up


def _floor(
    figures: list[Figure], unit: float, up: str, reading: MotionReading, assumed: list[Assumption]
) -> float:
    """How high the floor is in the file, metres: 0, or where the lowest foot of the clip is.

    Who floats is put down only if the clip has feet on a floor, so that who jumps or hangs all the time stays where
    the file has them.
    """
    if reading.ground == "keep" or (reading.ground == "auto" and all(f.clip.grounded for f in figures)):
        return 0.0
    lows = [figure.lowest(AXES[up]) * unit for figure in figures]
    lows = [low[np.isfinite(low)] for low in lows]
    floors = [float(np.percentile(low, 1)) if len(low) else 0.0 for low in lows]
    number = int(np.argmin(floors))
    floor, figure, low = floors[number], figures[number], lows[number]
    if reading.ground == "lowest":
        return floor
    size = figure.size * unit
    moved = abs(floor) > _OFF_FLOOR * size
    if floor > 0:
        moved &= figure.is_person and float((low < floor + 0.02 * size).mean()) > _PLANTED
    where = "above" if floor > 0 else "below"
    assumed.append(
        Assumption(
            "ground",
            "the lowest foot stands on it" if moved else "at height 0 of the file",
            f"in the file it is {abs(floor):.2f} m {where} height 0"
            if moved
            else f"feet come down to {floor + 0.0:.2f} m".replace("-0.00", "0.00"),
            doubtful=moved,
        )
    )
    return floor if moved else 0.0


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
    path: str | os.PathLike[str], clip: Clip, unit: float, turn: np.ndarray, floor: float, fps: float
) -> Motion:
    """The figure in metres, Y up, the floor at 0; its rest pose stands on the floor."""
    with np.errstate(over="ignore", invalid="ignore"):
        joints = clip.joints * unit @ turn.T - [0.0, floor, 0.0]
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
