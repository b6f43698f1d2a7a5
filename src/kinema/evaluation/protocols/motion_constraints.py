"""Do constraints hold, and does one movement go over into the next? Errors in centimetres, roughness against the rest.

What is asked for comes from captured test clips, so that it can be done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from kinema.data.motion_library import MotionClip
from kinema.evaluation.metrics.motion import border_jerk, slide_share
from kinema.motion.constraints import JointTarget, Known, RootPath
from kinema.motion.generator import MotionGenerator
from kinema.motion.representation import SMPL24_MOTION
from kinema.motion.timeline import Block, Timeline
from kinema.motion.timeline_motion import make_timeline
from kinema.scene.motion import Motion

SEQUENCES = (
    ("a person walks forward", "a person waves with the left hand"),
    ("a person waves the right hand", "a person walks forward"),
    ("someone runs forward", "someone walks forward"),
    ("a person walks forward", "a person raises both hands"),
    ("a person bows", "a person walks forward"),
    ("a person walks and turns left", "a person squats down and stands up again"),
)
STEP_SECONDS = 3.0
TRACKS = (
    ("a person walks forward", "a person waves with the left hand", "left_arm"),
    ("a person walks forward", "a person raises both hands", "arms"),
)
"""What leads for six seconds, and what parts of the body do besides from the second to the fifth one."""
CHUNK_SECONDS = 1.6
BORDER = 0.3
"""Seconds to both sides of a border in which jerk is measured."""

_FPS = SMPL24_MOTION.fps
_END = 20  # frames, one second, that are given at both ends
_EVERY = 10  # frames between points of a path
_TARGETS = ("left_wrist", "right_wrist")
_LEAST_SECONDS = 3.5


@dataclass(frozen=True)
class Example:
    """A captured motion on the neutral body, 20 fps, and a text that is true of it."""

    clip: str
    text: str
    motion: Motion


def constrained(
    generator: MotionGenerator, examples: Sequence[Example], tick: Callable[[], object]
) -> list[dict[str, Any]]:
    """In-betweens, root paths and joint targets taken from examples of at least 3.5 s; shorter ones are left out.

    Returns:
        One row an example: `between_cm` (largest error of a joint in the given frames), `between_jerk` and
        `between_jerk_real` (at the borders, relative to the whole motion), `path_cm` (largest error at a given point),
        `path_slide` and `path_slide_real`, `joint_cm` (of a wrist). An error that the generator raises is a string in
        the place of its figure.
    """
    rows = []
    for seed, example in enumerate(example for example in examples if long_enough(example.motion)):
        row: dict[str, Any] = {"clip": example.clip, "text": example.text}
        for name, measure in (("between", _between), ("path", _path), ("joint", _joint)):
            try:
                row |= measure(generator, example, seed)
            except ValueError as error:  # what the generator says it cannot do counts as not done
                row[f"{name}_cm"] = str(error)
            tick()
        rows.append(row)
    return rows


def long_enough(motion: Motion) -> bool:
    """Whether a motion is long enough to be an example of constraints."""
    return motion.duration >= _LEAST_SECONDS


def transitions(generator: MotionGenerator, seeds: int, tick: Callable[[], object]) -> list[dict[str, Any]]:
    """Jerk where two prompts meet, relative to that of the whole motion: 1 is as smooth as the rest.

    Returns:
        texts, seed and ratio of each sequence.
    """
    rows = []
    for texts in SEQUENCES:
        for seed in range(seeds):
            motion = generator(texts, seconds=[STEP_SECONDS, STEP_SECONDS], seed=seed)
            rows.append({"texts": texts, "seed": seed, "ratio": border_jerk(motion, STEP_SECONDS, BORDER)})
            tick()
    return rows


def tracks(generator: MotionGenerator, seeds: int, tick: Callable[[], object]) -> list[dict[str, Any]]:
    """The same where a part of the body begins and ends to do something else, mean of both borders.

    Returns:
        texts, seed and ratio of each timeline.
    """
    rows = []
    for leads, besides, part in TRACKS:
        timeline = Timeline((Block(leads, 0.0, 6.0), Block(besides, 2.0, 5.0, (part,))))
        for seed in range(seeds):
            motion = make_timeline(generator, timeline, seed)
            ratio = float(np.mean([border_jerk(motion, border) for border in (2.0, 5.0)]))
            rows.append({"texts": (leads, besides), "seed": seed, "ratio": ratio})
            tick()
    return rows


def captured_transitions(clips: Iterable[MotionClip]) -> list[float]:
    """The same where captured people go over from one exercise to the next, for each border of the clips' timelines."""
    found = []
    for clip in clips:
        for block in clip.timeline[1:]:
            border = block["start"] / clip.fps
            if BORDER <= border <= clip.seconds - BORDER:
                found.append(border_jerk(clip.motion(), border))
    return found


def streamed(
    generator: MotionGenerator, prompt: str = "a person walks forward", chunks: int = 8
) -> list[float]:
    """Jerk where the chunks of a stream meet, relative to that of the whole, for each border."""
    parts = list(islice(generator.stream(prompt, chunk_seconds=CHUNK_SECONDS), chunks))
    whole = Motion(np.concatenate([part.joints for part in parts]), _FPS, parts[0].skeleton)
    ends = np.cumsum([part.frames for part in parts])[:-1]
    return [border_jerk(whole, (end - 0.5) / _FPS) for end in ends]


def _between(generator: MotionGenerator, example: Example, seed: int) -> dict[str, float]:
    real, last = example.motion, example.motion.frames - _END
    start, end = _part(real, 0, _END), _part(real, last, real.frames)
    known = [Known(start), Known(end, at=last / _FPS)]
    made = generator([example.text], seconds=real.duration, seed=seed, constraints=known)
    off = [
        np.linalg.norm(made.joints[s] - real.joints[s], axis=-1).max()
        for s in (slice(_END), slice(last, None))
    ]
    borders = ((_END - 0.5) / _FPS, (last - 0.5) / _FPS)
    return {
        "between_cm": 100 * float(max(off)),
        "between_jerk": float(np.mean([border_jerk(made, border) for border in borders])),
        "between_jerk_real": float(np.mean([border_jerk(real, border) for border in borders])),
    }


def _path(generator: MotionGenerator, example: Example, seed: int) -> dict[str, float]:
    real = example.motion
    points = real.joints[::_EVERY, 0][:, [0, 2]]
    facing = real.facing()[::_EVERY]
    path = RootPath(
        points,
        times=[float(frame / _FPS) for frame in range(0, real.frames, _EVERY)],
        headings=np.degrees(np.unwrap(np.arctan2(facing[:, 0], facing[:, 2]))).tolist(),
    )
    made = generator([example.text], seconds=real.duration, seed=seed, constraints=[path])
    off = np.linalg.norm(made.joints[::_EVERY, 0][:, [0, 2]] - points, axis=-1)
    return {
        "path_cm": 100 * float(off.max()),
        "path_slide": slide_share(made),
        "path_slide_real": slide_share(real),
    }


def _joint(generator: MotionGenerator, example: Example, seed: int) -> dict[str, float]:
    real, joint = example.motion, _TARGETS[seed % 2]
    frame = int(0.6 * real.frames)
    place = real.joints[frame, real.skeleton.index(joint)]
    target = JointTarget(joint, frame / _FPS, place.tolist())
    made = generator([example.text], seconds=real.duration, seed=seed, constraints=[target])
    return {"joint_cm": 100 * float(np.linalg.norm(made.joints[frame, made.skeleton.index(joint)] - place))}


def _part(motion: Motion, begin: int, end: int) -> Motion:
    """Frames begin to end, where they are."""
    rotations = None if motion.rotations is None else motion.rotations[begin:end]
    return Motion(motion.joints[begin:end], motion.fps, motion.skeleton, rotations)
