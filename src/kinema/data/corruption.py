"""Scenes as careless detectors and trackers see them: joints and frames lost, trembling, people exchanged (ours).

Training sees some of its takes so, and evaluation asks how fast control gets worse with them. What is lost gets the
confidence 0; nothing is invented in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kinema.scene import Motion, Scene
from kinema.scene.skeleton import SMPL24

_OTHER_SIDE = {"left": "right", "right": "left"}
_MIRRORED = [
    SMPL24.names.index("_".join(_OTHER_SIDE.get(part, part) for part in name.split("_")))
    for name in SMPL24.names
]


def careless(scene: Scene, rng: np.random.Generator) -> Scene:
    """Joints lost for good (6 %), joints lost for moments (3 %), and a tremble of 1.5 cm, for everybody."""

    def change(motion: Motion) -> Motion:
        shape = motion.joints.shape[:2]
        lost = np.broadcast_to(rng.random((1, shape[1])) < 0.06, shape) | (rng.random(shape) < 0.03)
        joints = motion.joints + rng.normal(0, 0.015, motion.joints.shape)
        return replace(motion, joints=joints, confidence=np.where(lost, 0.0, 1.0))

    return _everybody(scene, change)


def missing_joints(scene: Scene, share: float, rng: np.random.Generator) -> Scene:
    """Each joint is lost in each frame with the probability `share`."""
    return _everybody(scene, lambda motion: _lose(motion, rng.random(motion.joints.shape[:2]) < share))


def dropped_frames(scene: Scene, share: float, rng: np.random.Generator) -> Scene:
    """Whole frames of a person are lost with the probability `share`; nobody loses the first one."""

    def change(motion: Motion) -> Motion:
        lost = rng.random(motion.frames) < share
        lost[0] = False
        return _lose(motion, np.broadcast_to(lost[:, None], motion.joints.shape[:2]))

    return _everybody(scene, change)


def jitter(scene: Scene, metres: float, rng: np.random.Generator) -> Scene:
    """Every joint trembles by this standard deviation in each direction, anew in every frame."""
    return _everybody(
        scene,
        lambda motion: replace(
            motion, joints=motion.joints + rng.normal(0, metres, motion.joints.shape), rotations=None
        ),
    )


def swapped_people(scene: Scene, share: float, rng: np.random.Generator) -> Scene:
    """For a stretch of `share` of the frames two people are taken for each other; of one alone, left for right."""
    people = [replace(person, rotations=None) for person in scene.people]
    if not people:
        return scene
    frames = min(person.frames for person in people)
    length = min(frames, round(share * frames))
    start = int(rng.integers(frames - length + 1))
    rows = slice(start, start + length)
    if len(people) == 1:
        people = [people[0].to_smpl24()]
        confidence = _confidence(people[0])[:, _MIRRORED]
        source = [replace(people[0], joints=people[0].joints[:, _MIRRORED], confidence=confidence)]
        chosen = [0]
    else:
        first, second = (int(i) for i in rng.choice(len(people), size=2, replace=False))
        source, chosen = [people[second], people[first]], [first, second]
    for index, other in zip(chosen, source, strict=True):
        joints, confidence = people[index].joints.copy(), _confidence(people[index]).copy()
        joints[rows], confidence[rows] = other.joints[rows], _confidence(other)[rows]
        people[index] = replace(people[index], joints=joints, confidence=confidence)
    return replace(scene, people=tuple(people))


CORRUPTIONS: dict[str, Callable[[Scene, np.random.Generator], Scene]] = {
    "careless": careless,
    "missing": lambda scene, rng: missing_joints(scene, rng.uniform(0.05, 0.4), rng),
    "frames": lambda scene, rng: dropped_frames(scene, rng.uniform(0.1, 0.5), rng),
    "jitter": lambda scene, rng: jitter(scene, rng.uniform(0.01, 0.06), rng),
    "swap": lambda scene, rng: swapped_people(scene, rng.uniform(0.1, 0.5), rng),
}
"""What training may do to a scene, by name; strengths are drawn."""


def check_corruptions(names: str) -> tuple[str, ...]:
    """The names in a comma-separated list; `all` stands for all of them.

    Raises:
        ValueError: a name that is none.
    """
    chosen = tuple(CORRUPTIONS) if names == "all" else tuple(name.strip() for name in names.split(","))
    unknown = [name for name in chosen if name not in CORRUPTIONS]
    if unknown:
        raise ValueError(f"no corruption {unknown[0]!r}; there are {', '.join(CORRUPTIONS)}, and all")
    return chosen


def _everybody(scene: Scene, change: Callable[[Motion], Motion]) -> Scene:
    return replace(scene, people=tuple(change(person) for person in scene.people))


def _confidence(motion: Motion) -> np.ndarray:
    return np.ones(motion.joints.shape[:2]) if motion.confidence is None else motion.confidence


def _lose(motion: Motion, lost: np.ndarray) -> Motion:
    return replace(motion, confidence=np.where(lost, 0.0, _confidence(motion)))
