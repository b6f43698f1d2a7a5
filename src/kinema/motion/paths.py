"""Paths over the floor as features: drawn through waypoints, or bent to meet given places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from kinema.motion.constraints import MOST_SPEED, RootPath
from kinema.motion.features import PATH
from kinema.motion.prompt_steps import Step
from kinema.motion.representation import MotionRepresentation, Stance, path_features

_STRIDES = (0.5, 2.0)  # how much strides are scaled at most: nobody crawls or flies to keep a number (ours)
_TURNED = (0.25, 2.0)  # how much turns are scaled at most; what is missing is turned besides (ours)
_STILL = 0.25  # m/s; slower than that nobody turns the way they drift (ours)


def draw_path(
    path: RootPath, frames: int, fps: float, start: Stance | None = None
) -> tuple[torch.Tensor, Stance]:
    """The path features of a path through waypoints.

    Places between waypoints follow monotone cubic curves (Fritsch and Carlson 1980), which never overshoot.

    Args:
        path: points, with times and headings if given.
        frames: of the motion, at `fps`; before the first and after the last point the person stays there.
        start: where a motion that is known before the path stands.

    Returns:
        Path features, [frames, 3], and the stance they start from.

    Raises:
        ValueError: the path is longer than a person can run in that time.
    """
    from scipy.interpolate import PchipInterpolator

    points, times = path.points, path.times
    end = (frames - 1) / fps
    if len(points) == 1 or start is not None:
        origin = np.array([[start.x, start.z]]) if start is not None else np.zeros((1, 2))
        if times is None or times[0] > 1e-6:
            points = np.concatenate([origin, points])
            times = None if times is None else [0.0, *times]
    if times is None:
        way = np.concatenate([[0.0], np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum()])
        if way[-1] > MOST_SPEED * end:
            raise ValueError(
                f"the root path is {way[-1]:.1f} m long, more than a person runs in {end:.1f} s; give more seconds"
            )
        rising = np.concatenate([[True], np.diff(way) > 1e-6])
        points, way = points[rising], way[rising]
        times = way / way[-1] * end if way[-1] > 0 else [0.0]
    now = np.arange(frames) / fps
    if len(times) == 1:
        floor = np.repeat(points[:1], frames, axis=0)
    else:
        floor = PchipInterpolator(times, points, axis=0)(np.clip(now, times[0], times[-1]))
    if path.headings is not None and len(path.headings) == len(times) > 1:
        turns = np.unwrap(np.radians(path.headings))
        yaw = PchipInterpolator(times, turns)(np.clip(now, times[0], times[-1]))
    elif path.headings is not None and len(path.headings) == 1:
        yaw = np.full(frames, np.radians(path.headings[0]))
    else:
        yaw = _facing_ahead(floor, fps, start)
    return path_features(floor, yaw), Stance(float(floor[0, 0]), float(floor[0, 1]), float(yaw[0]))


def bend_path(
    floor: np.ndarray, yaw: np.ndarray, frames: Sequence[int], places: np.ndarray, headings: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A path moved, with as little change of its steps as possible, so that it meets given places.

    Args:
        floor: x and z, metres, [T, 2].
        yaw: radians, unwrapped, [T].
        frames: when it is given, rising, [N].
        places: where, [N, 2].
        headings: which way, radians, [N].

    Returns:
        floor [T, 2] and yaw [T]; exact at the given frames, the change in between smooth and never larger.
    """
    from scipy.interpolate import PchipInterpolator

    knots = np.asarray(frames)
    shift = places - floor[knots]
    turn = np.unwrap(headings - yaw[knots])
    turn = turn - 2 * np.pi * np.round(turn[0] / (2 * np.pi))
    now = np.clip(np.arange(len(floor)), knots[0], knots[-1])
    if len(knots) == 1:
        return floor + shift, yaw + turn
    return floor + PchipInterpolator(knots, shift, axis=0)(now), yaw + PchipInterpolator(knots, turn)(now)


def go_as_far(
    features: torch.Tensor, steps: Sequence[Step], representation: MotionRepresentation
) -> torch.Tensor:
    """The path of a draft that goes and turns as far as its texts say: strides and turns are scaled.

    Args:
        features: of the draft, raw, [T, W].
        steps: of the prompt; those that name no metres keep their strides, those without degrees their turns.
        representation: of the features.

    Returns:
        Path features, [T, 3].
    """
    path = features[:, representation.parts[PATH]].clone()
    path[:, 2] += torch.from_numpy(
        _more_turn(path[:, 2].double().numpy(), steps, representation).astype(np.float32)
    )
    factor, begin = np.ones(len(path)), 0
    for step in steps:
        end = min(len(path), begin + representation.frames_in(step.seconds))
        strides = gaussian_filter1d(
            path[begin:end, :2].numpy(), 0.1 * representation.fps, axis=0, mode="nearest"
        )  # without its sway
        gone = float(np.linalg.norm(strides, axis=1).sum())
        if step.metres is not None and gone > 0.1:
            factor[begin:end] = np.clip(step.metres / gone, *_STRIDES)
        begin = end
    factor = gaussian_filter1d(factor, 0.15 * representation.fps, mode="nearest")
    path[:, :2] *= torch.from_numpy(factor.astype(np.float32))[:, None]
    return path


def _more_turn(turns: np.ndarray, steps: Sequence[Step], representation: MotionRepresentation) -> np.ndarray:
    """What is added to the turns between frames, radians [T], so that each step turns as far as it says.

    What a draft turns already is scaled, within limits; what is still missing is spread smoothly over the step.
    """
    yaw = gaussian_filter1d(np.cumsum(turns), 0.25 * representation.fps, mode="nearest")  # without its sway
    added, begin = np.zeros_like(turns), 0
    for step in steps:
        end = min(len(turns), begin + representation.frames_in(step.seconds))
        if step.degrees is not None and end - begin > 2:
            course = yaw[begin:end] - yaw[begin]
            wanted = np.radians(step.degrees)
            if step.either_way and course[-1] < 0:
                wanted = -wanted
            scale = np.clip(wanted / course[-1], *_TURNED) if wanted * course[-1] > 0 else 0.0
            share = np.linspace(0.0, 1.0, end - begin)
            rest = wanted - scale * course[-1]
            meant = scale * course + rest * share * share * (3 - 2 * share)
            added[begin + 1 : end] = np.diff(meant - course)
        begin = end
    return added


def _facing_ahead(floor: np.ndarray, fps: float, start: Stance | None) -> np.ndarray:
    """The way someone faces who follows a path, radians, [T]: ahead, smoothed; held while standing."""
    step = (
        gaussian_filter1d(np.gradient(floor, axis=0) * fps, 0.2 * fps, axis=0, mode="nearest")
        if len(floor) > 1
        else floor
    )
    moving = np.linalg.norm(step, axis=1) > _STILL
    first = start.yaw if start is not None else 0.0
    if not moving.any():
        return np.full(len(floor), first)
    known = np.flatnonzero(moving)
    ahead = np.unwrap(np.arctan2(step[known, 0], step[known, 1]))
    yaw = np.interp(np.arange(len(floor)), known, ahead)
    if start is not None:  # turn from the known facing within a second
        begin = start.yaw + 2 * np.pi * np.round((yaw[0] - start.yaw) / (2 * np.pi))
        yaw = yaw + (begin - yaw[0]) * np.clip(1 - np.arange(len(floor)) / fps, 0, 1) ** 2
    return gaussian_filter1d(yaw, 0.15 * fps, mode="nearest") if start is None else yaw
