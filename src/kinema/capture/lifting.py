"""From keypoints in pictures to a body in the world: SMPL-24 in metres, one optimisation over the clip.

The lifter (lifter.py) says roughly how far each joint is; `lifting_solver` finds the body with constant bones that
meets keypoints, hints, joint limits, floor and smoothness best. What was not seen stays missing unless asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from kinema.capture.filling import Fill, left_filled
from kinema.capture.lifting_body import STATURE
from kinema.capture.lifting_guess import FirstGuess, first_guess
from kinema.capture.lifting_solver import Solved, solve
from kinema.capture.lifting_terms import Beliefs, Problem
from kinema.capture.observation import PersonTrack
from kinema.scene.camera import CameraPath
from kinema.scene.motion import FILLED, Motion
from kinema.scene.skeleton import SMPL24

_APART = 1e-3  # from the confidence that marks what is filled
_WINDOW, _OVERLAP = 600, 60  # frames solved at once, and shared by neighbours


@dataclass(frozen=True, eq=False)
class LiftedPerson:
    """One person in the world.

    Args:
        motion: SMPL-24, metres, on a skeleton of the person's own bone lengths; NaN with confidence 0 where a joint
            was not seen, confidence `motion.FILLED` where it was filled.
        id: of the track.
        lengths: of the bone above each joint, metres, [24].
        residual: median distance of keypoints and projected joints, pixels.
        notes: sentences for people: what was assumed, what is doubtful.
    """

    motion: Motion
    id: int
    lengths: np.ndarray
    residual: float
    notes: tuple[str, ...] = ()


def lift(
    track: PersonTrack,
    camera: CameraPath,
    *,
    stature: float | None = None,
    fill: Fill = "none",
    beliefs: Beliefs | None = None,
    iterations: int = 16,
) -> LiftedPerson:
    """A tracked person as a motion in the world.

    Args:
        track: keypoints over time.
        camera: in the world (see `placing.place`), one frame for each of the track, floor at y = 0.
        stature: metres; 1.70 where None, since a picture does not tell size from distance.
        fill: what becomes of joints that were not seen, see `Fill`. What is filled has confidence `motion.FILLED`.
        beliefs: spreads of the optimisation's terms.
        iterations: of the optimisation.

    Raises:
        ValueError: camera and track differ in length or size, the stature is no height of a person, `fill` is
            unknown, or the person is never seen with four joints or both shoulders at once.
    """
    if camera.frames != track.frames or camera.size != tuple(track.size):
        raise ValueError(
            f"the camera has {camera.frames} frames of {camera.size} pixels, the track {track.frames} of "
            f"{tuple(track.size)}; place the camera of the same video"
        )
    if fill not in get_args(Fill):
        raise ValueError(f"fill {fill!r}; give {', '.join(get_args(Fill))}")
    guess = first_guess(track, camera.intrinsics, stature)
    problem = _problem(guess, track, camera, (stature or STATURE) / STATURE)
    solved = _solve_windows(problem, beliefs, iterations)
    confidence = np.where(guess.placed[:, None], guess.keypoints.confidence, 0.0)
    seen = np.where(np.isclose(confidence, FILLED), FILLED + _APART, confidence)
    skeleton = SMPL24.with_bone_lengths(solved.lengths)
    whole = Motion(solved.joints, track.fps, skeleton, confidence=np.where(seen > 0, seen, FILLED))
    residual = _residual(solved.joints, guess, camera)
    return LiftedPerson(
        left_filled(whole, fill),
        track.id,
        solved.lengths,
        residual,
        _notes(track, guess, camera, residual, stature),
    )


def _problem(guess: FirstGuess, track: PersonTrack, camera: CameraPath, size: float) -> Problem:
    axes = camera.c2w[:, :3, :3]
    slopes = (guess.keypoints.points - camera.intrinsics[:, None, 2:]) / camera.intrinsics[:, None, :2]
    hints = guess.joints @ axes.swapaxes(1, 2)
    weight = np.where(np.isfinite(slopes).all(-1), guess.keypoints.weight, 0.0)
    return Problem(
        points=np.where(weight[..., None] > 0, slopes, 0.0),
        weight=weight,
        hints=hints,
        hint_weight=np.ones(hints.shape[:2]),
        root=(axes @ guess.root[..., None])[..., 0] + camera.positions,
        c2w=np.array(camera.c2w),
        standing=guess.standing * guess.placed[:, None],
        fps=track.fps,
        size=size,
    )


def _solve_windows(problem: Problem, beliefs: Beliefs | None, iterations: int) -> Solved:
    """The whole clip at once, or windows that fade into each other, with the bones of the best seen one."""
    frames = len(problem.root)
    if frames <= _WINDOW + _OVERLAP:
        return solve(problem, None, beliefs, iterations)
    starts = range(0, frames - _OVERLAP, _WINDOW - _OVERLAP)
    parts = [slice(start, min(start + _WINDOW, frames)) for start in starts]
    best = max(parts, key=lambda part: float(problem.weight[part].sum()))
    first = solve(problem.part(best), None, beliefs, iterations)
    joints = np.zeros((frames, 24, 3))
    for part in parts:
        own = first if part == best else solve(problem.part(part), first.lengths, beliefs, iterations)
        share = np.ones(part.stop - part.start)
        if part.start:
            share[:_OVERLAP] = (np.arange(_OVERLAP) + 0.5) / _OVERLAP
        faded = share[:, None, None]
        joints[part] = (1 - faded) * joints[part] + faded * own.joints
    return Solved(joints, first.lengths)


def _residual(joints: np.ndarray, guess: FirstGuess, camera: CameraPath) -> float:
    pixels, _ = camera.project(joints)
    missed = np.linalg.norm(pixels - guess.keypoints.points, axis=-1)[guess.keypoints.weight > 0]
    missed = missed[np.isfinite(missed)]
    return float(np.median(missed)) if missed.size else float("nan")


def _notes(
    track: PersonTrack, guess: FirstGuess, camera: CameraPath, residual: float, stature: float | None
) -> tuple[str, ...]:
    notes = []
    if stature is None:
        notes.append(
            f"person {track.id}: stature unknown, {STATURE:.2f} m assumed; sizes and distances scale with it"
        )
    if track.joints is None and len(guess.placed) < 9:
        notes.append(f"person {track.id}: only {len(guess.placed)} frames, so depth is a guess")
    heights = np.nanmax(track.boxes[:, 3] - track.boxes[:, 1]) if track.seen.any() else np.nan
    if residual > 0.04 * heights:
        notes.append(
            f"person {track.id}: the body misses the keypoints by {residual:.1f} pixels in the middle; the pose is "
            "doubtful"
        )
    lower = (guess.keypoints.weight[:, [4, 5, 7, 8]] > 0).any(1)
    if lower.mean() < 0.3:
        notes.append(f"person {track.id}: legs hardly seen, so height and floor are guesses")
    return tuple(notes)
