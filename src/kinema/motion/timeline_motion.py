"""Motion from a timeline: what leads is made first, as one motion, and every other block within it.

STMC (Petrovich et al. 2024) denoises every block with its own prompt and stitches by body part at each step. Here
(ours) what a block does not own is known to the model, so an arm is made for the walk that it goes with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kinema.motion.constraints import Constraint, Known
from kinema.motion.generator import MotionGenerator
from kinema.motion.prompt_steps import LEAST_SECONDS
from kinema.motion.timeline import Block, Timeline
from kinema.scene.motion import Motion

_AROUND = 1.4  # seconds before and after a block that the model sees when it makes it (ours)
_COME, _GO = 0.4, 0.7  # seconds before and after a block in which its parts are free to come and go (ours)


def make_timeline(
    generator: MotionGenerator,
    timeline: Timeline,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    constraints: Sequence[Constraint] = (),
    **options: Any,
) -> Motion:
    """Makes the motion of a timeline.

    Args:
        generator: of motion.
        timeline: what happens when.
        seed: of the noise.
        progress: called with (passes of the model done, passes in all).
        constraints: what must hold of what leads; a block on other tracks may move the parts that it owns.
        options: style, steps, guidance and clean, as the generator takes them.

    Returns:
        The motion, from 0 to the end of the last block.

    Raises:
        ValueError: a block on a part of the body that the generator's representation has no group for.
    """
    steps = timeline.steps()
    tracks = timeline.parts()
    for block, _, _ in tracks:
        unknown = set(block.groups) - set(generator.representation.parts)
        if unknown:
            raise ValueError(f"{block.named}: this generator's motion has no {', '.join(sorted(unknown))}")
    motion = generator(
        [text for text, _ in steps],
        [seconds for _, seconds in steps],
        seed,
        constraints=constraints,
        **options,
    )
    for number, (block, start, end) in enumerate(tracks):
        if progress is not None:
            progress(number + 1, 1 + len(tracks))
        motion = _within(generator, motion, block, start, end, seed + number + 1, options)
    if progress is not None:
        progress(1 + len(tracks), 1 + len(tracks))
    return motion


def _within(
    generator: MotionGenerator,
    motion: Motion,
    block: Block,
    start: float,
    end: float,
    seed: int,
    options: dict[str, Any],
) -> Motion:
    """The motion with a block's parts made anew between start and end; the rest of it stays as it is."""
    fps, frames_in, parts = motion.fps, generator.representation.frames_in, generator.representation.parts
    come, go = frames_in(_COME), frames_in(_GO)
    begin, stop = frames_in(max(0.0, start - _AROUND)), frames_in(min(motion.duration, end + _AROUND))
    first, last = frames_in(start) - begin, frames_in(min(end, motion.duration)) - begin
    part = _frames(motion, begin, stop + 1)
    own = tuple(group for group in parts if group in block.groups)
    known = [Known(part, parts=tuple(group for group in parts if group not in own))]
    steps = []
    if first > come:
        known.append(Known(_frames(part, 0, first - come), parts=own))
    if first:
        steps.append(("", first / fps))
    steps.append((block.text, (last - first) / fps))
    if last + go < part.frames - 1:
        after = last + go + 1
        known.append(Known(_frames(part, after, part.frames), at=after / fps, parts=own))
    if last < part.frames - 1:
        steps.append(("", (part.frames - 1 - last) / fps))
    steps = _long_enough(steps)
    made = generator(
        [text for text, _ in steps], [seconds for _, seconds in steps], seed, constraints=known, **options
    )
    joints, rotations = motion.joints.copy(), motion.rotations
    assert rotations is not None
    assert made.rotations is not None
    rotations = rotations.copy()
    joints[begin : stop + 1], rotations[begin : stop + 1] = made.joints, made.rotations
    return Motion(joints, motion.fps, motion.skeleton, rotations)


def _long_enough(steps: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Pieces before and after a block that are too short to be steps belong to the block."""
    total = sum(seconds for _, seconds in steps)
    kept = [(text, seconds) for text, seconds in steps if text or seconds >= LEAST_SECONDS]
    lost = total - sum(seconds for _, seconds in kept)
    return [(text, seconds + lost if text else seconds) for text, seconds in kept]


def _frames(motion: Motion, begin: int, end: int) -> Motion:
    rotations = None if motion.rotations is None else motion.rotations[begin:end]
    return Motion(motion.joints[begin:end], motion.fps, motion.skeleton, rotations)
