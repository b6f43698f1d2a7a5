"""Several people: motions made one by one, then changed together so that pairs of joints touch or stay apart.

After InterControl (Wang et al. 2024), which states interactions as distances of joint pairs; that the motions are
fixed first and only their joints and places are optimised is ours: simple, and as good as the motions are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from kinema.motion.refine import TOLERANCE, Objective, Person, refine
from kinema.motion.representation import SMPL24_MOTION, MotionRepresentation
from kinema.scene.motion import Motion


@dataclass(frozen=True)
class JointPair:
    """Two joints of two people and how far they are apart during a time.

    Args:
        first, second: (person, joint name).
        start, end: seconds, both included.
        distance: metres; 0 is contact.
        at_least: the distance is the least that is allowed, not the one wanted.
    """

    first: tuple[int, str]
    second: tuple[int, str]
    start: float
    end: float
    distance: float
    at_least: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end < np.inf:
            raise ValueError(
                f"a joint pair holds from {self.start} s to {self.end} s; give 0 <= start <= end"
            )
        if not 0 <= self.distance <= 100:
            raise ValueError(f"a joint pair is {self.distance} m apart; give 0 to 100 m")


def meet(
    motions: Sequence[Motion],
    pairs: Sequence[JointPair],
    representation: MotionRepresentation = SMPL24_MOTION,
) -> list[Motion]:
    """Motions that hold the distances of joint pairs, changed as little as possible.

    Args:
        motions: one a person, in one world.
        pairs: what must hold between them.
        representation: in which they are changed.

    Returns:
        The motions on the representation's body, at its frame rate. People may be put elsewhere on the floor; standing
        feet stay put otherwise.

    Raises:
        ValueError: a pair names no person or joint, lies outside a motion, or is missed by more than 3 cm.
    """
    encoded = [Person(*representation.encode(motion), representation) for motion in motions]
    check_pairs(pairs, [len(person.features) for person in encoded], representation)
    objective = pair_objective(pairs, encoded)
    for _ in range(3):
        encoded = refine(encoded, objective, moves=True)
        joints = [person.joints() for person in encoded]
        misses = [float(_misses(pair, joints, representation).abs().max()) for pair in pairs]
        if max(misses, default=0.0) < TOLERANCE / 2:
            break
    for pair, miss in zip(pairs, misses, strict=True):
        if miss > TOLERANCE:
            raise ValueError(
                f"{pair.first[1]} of person {pair.first[0]} and {pair.second[1]} of person {pair.second[0]} stay "
                f"{miss * 100:.0f} cm off what was asked; the pairs contradict each other or are out of reach"
            )
    return [representation.decode(person.features, person.stance) for person in encoded]


def check_pairs(
    pairs: Sequence[JointPair], frames: Sequence[int], representation: MotionRepresentation
) -> None:
    """Whether the pairs name people and joints that are there, in time.

    Args:
        pairs: what must hold.
        frames: of each person.
        representation: of all of them.

    Raises:
        ValueError: a pair names no person or joint, or lies outside a motion.
    """
    fps = representation.fps
    for pair in pairs:
        for person, name in (pair.first, pair.second):
            if not 0 <= person < len(frames):
                raise ValueError(
                    f"a joint pair names person {person}, but there are {len(frames)} people, from 0"
                )
            representation.skeleton.index(name)
            lasts = (frames[person] - 1) / fps
            if pair.end > lasts + 1 / fps:
                raise ValueError(
                    f"{name} of person {person} is asked for until {pair.end:g} s; they move {lasts:g} s"
                )


def pair_objective(pairs: Sequence[JointPair], people: Sequence[Person]) -> Objective:
    """How far pairs are from what they shall be, and how far standing feet have slipped, metres squared.

    Args:
        pairs: what must hold.
        people: as they are before anything is changed.
    """
    representation = people[0].representation
    feet = list(representation.feet)
    start = [representation.place(person.features, person.stance) for person in people]

    def objective(joints: Sequence[torch.Tensor]) -> torch.Tensor:
        total = torch.zeros(())
        for pair in pairs:
            total = total + _misses(pair, joints, representation).square().sum()
        for found, before in zip(joints, start, strict=True):
            steps, once = found[:, feet].diff(dim=0), before.joints[:, feet].diff(dim=0)
            stands = before.contacts[1:].clamp(0, 1).unsqueeze(-1)
            total = total + 0.1 * ((steps - once).square() * stands).sum()
        return total

    return objective


def _misses(
    pair: JointPair, joints: Sequence[torch.Tensor], representation: MotionRepresentation
) -> torch.Tensor:
    """By how much the pair is off in each frame, metres."""
    frames = slice(representation.frames_in(pair.start), representation.frames_in(pair.end) + 1)
    a, b = (
        joints[person][frames, representation.skeleton.index(name)]
        for person, name in (pair.first, pair.second)
    )
    off = ((a - b).square().sum(-1) + 1e-12).sqrt() - pair.distance  # the root of 0 has no gradient
    return off.clamp(max=0) if pair.at_least else off
