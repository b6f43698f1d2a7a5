"""Camera moves in words: `camera_path("arc left 60deg with pedestal up 0.3m then hold 1s ease", ...)`.

The vocabulary is CameraBench's (camera_vocabulary.py); docs/camera_language.md explains it for users.
"""

from __future__ import annotations

import numpy as np

from kinema.scene.camera import MAX_FRAMES, CameraPath, intrinsics_from_fov, look_at
from kinema.scene.camera_framing import distance_to_keep, framing_distance, still_track, subject_track
from kinema.scene.camera_parser import CameraLanguageError, parse_camera
from kinema.scene.camera_program import CameraProgram, Move, Step
from kinema.scene.camera_rig import Rig, Tracking, drive, follow_start, shake
from kinema.scene.camera_vocabulary import DEFAULT_FOV, IMAGINED_DISTANCE
from kinema.scene.motion import Motion

__all__ = [
    "CameraLanguageError",
    "CameraProgram",
    "Move",
    "Step",
    "camera_path",
    "parse_camera",
    "random_camera",
]


def camera_path(
    text: str | CameraProgram,
    *,
    size: tuple[int, int],
    fps: float,
    frames: int,
    subject: Motion | None = None,
    fov: float = DEFAULT_FOV,
    start: np.ndarray | None = None,
    fill: float = 2 / 3,
    tracking: Tracking = "none",
    keep_in_frame: bool = False,
    seed: int = 0,
) -> CameraPath:
    """The camera path a text describes.

    Without `start` the camera stands in front of the subject, as it faces in the first frame, level with the
    middle of the figure (about the hip), so far away that the standing figure fills `fill` of the picture's
    height. A text that begins with a follow shot starts in the follow shot's place. Without a subject the
    camera does the same for a person of 1.7 m imagined at the origin, facing +Z.

    Args:
        text: the moves, e.g. "arc left 60deg with pedestal up 0.3m then hold 1s ease", or a parsed program.
        size: (width, height) in pixels.
        fps: frames per second.
        frames: T.
        subject: the person that arcs turn round, cranes and follow shots look at, and dolly-zooms hold.
        fov: vertical field of view in degrees at the start.
        start: camera-to-world pose of the first frame, [4, 4].
        fill: share of the picture's height that the standing figure fills in the default framing.
        tracking: "none": the camera moves only as the text says; "pan": it also turns to keep a walking
            subject where it is in the picture; "follow": it also moves along with a walking subject.
            Arcs, dolly-zooms and follow shots always move along.
        keep_in_frame: stand further back, where needed, so that a still camera would see every joint of the
            clip (default framing only).
        seed: of the shaky hand.

    Returns:
        A path of `frames` frames, continuous over the whole text.

    Raises:
        CameraLanguageError: the text cannot be read.
        ValueError: the spoken durations do not fit into the clip, a dolly-zoom would run into the subject, or
            an argument is out of range.
    """
    program = parse_camera(text) if isinstance(text, str) else text
    if not 1 <= frames <= MAX_FRAMES:
        raise ValueError(f"frames must be from 1 to {MAX_FRAMES}, got {frames}")
    if not 0 < fill <= 10:
        raise ValueError(f"fill must be a share of the picture's height above 0, such as 0.67, got {fill}")
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be positive, got {fps}")
    if tracking not in ("none", "pan", "follow"):
        raise ValueError(f'tracking must be "none", "pan" or "follow", got {tracking!r}')
    intrinsics = np.array(intrinsics_from_fov(fov, size))
    times = np.arange(frames) / fps
    if start is not None:
        pose = CameraPath.static(start, intrinsics, size, fps, 1).c2w[0]  # checks that it is a pose
        ahead = pose[:3, 3] + IMAGINED_DISTANCE * pose[:3, 2]
        track = still_track(ahead) if subject is None else subject_track(subject)
        rig = Rig.from_pose(pose)
    else:
        track = still_track(np.array([0.0, 0.85, 0.0])) if subject is None else subject_track(subject)
        distance = framing_distance(track, intrinsics, size, fill)
        if keep_in_frame:
            carried = tracking == "follow" or all(step.carried for step in program.steps)
            distance = max(
                distance, distance_to_keep(track, intrinsics, size, float(times[-1]), carried=carried)
            )
        pivot = track.pivot(np.zeros(1))[0]
        front = np.array([np.sin(track.heading[0]), 0.0, np.cos(track.heading[0])])
        rig = follow_start(program, Rig.from_pose(look_at(pivot + distance * front, pivot)), track)
    moved = drive(program, rig, track, times, tracking=tracking)
    if program.shaky:
        moved = shake(moved, times, seed)
    values = np.tile(intrinsics, (frames, 1))
    values[:, :2] *= np.asarray(moved.zoom)[:, None]
    return CameraPath(moved.poses(), values, size, fps)


def random_camera(rng: np.random.Generator) -> str:
    """A random camera text for training: one move, two at once, or two after the other.

    Angles come from the lower part of the practice ranges of camera_vocabulary.py and translations from 1/10
    to 2/5 of a default distance of 3.5 m, so that the person mostly stays in the picture (ours). Half of the
    texts run at constant speed, half are eased.
    """
    kind = rng.choice(["static", "one", "with", "then"], p=[0.15, 0.5, 0.2, 0.15])
    if kind == "static":
        text = "static"
    elif kind == "one":
        text = _random_move(rng)
    else:
        first, second = rng.choice(len(_MOVES), size=2, replace=False, p=_WEIGHTS)
        while kind == "with" and {_MOVES[first], _MOVES[second]} == {"arc", "follow"}:
            first, second = rng.choice(len(_MOVES), size=2, replace=False, p=_WEIGHTS)
        text = f" {kind} ".join(_random_move(rng, _MOVES[index]) for index in (first, second))
    if text != "static" and rng.random() < 0.5:
        text += " " + str(rng.choice(["ease", "ease-in", "ease-out"], p=[0.6, 0.2, 0.2]))
    return text + (" shaky" if rng.random() < 0.05 else "")


_MOVES = ("arc", "dolly", "truck", "pedestal", "pan", "tilt", "zoom", "crane", "roll", "follow")
_WEIGHTS = np.array([0.24, 0.18, 0.1, 0.1, 0.1, 0.06, 0.08, 0.05, 0.02, 0.07])


def _random_move(rng: np.random.Generator, verb: str | None = None) -> str:
    verb = str(rng.choice(_MOVES, p=_WEIGHTS)) if verb is None else verb
    if verb == "follow":
        return "follow " + str(rng.choice(["lead", "side left", "side right", "pan"]))
    low, high, unit, directions = {
        "arc": (15, 75, "deg", ("left", "right")),
        "dolly": (0.35, 1.4, "m", ("in", "out")),
        "truck": (0.35, 1.0, "m", ("left", "right")),
        "pedestal": (0.2, 0.7, "m", ("up", "down")),
        "crane": (0.35, 1.4, "m", ("up",)),
        "pan": (5, 18, "deg", ("left", "right")),
        "tilt": (5, 12, "deg", ("up", "down")),
        "roll": (3, 15, "deg", ("cw", "ccw")),
        "zoom": (1.1, 1.6, "x", ("in", "out")),
    }[verb]
    amount = float(rng.uniform(low, high))
    number = f"{amount:.0f}" if unit == "deg" else f"{amount:.2f}"
    return f"{verb} {rng.choice(directions)} {number}{unit}"
