"""Who of a scene plays: people by their numbers, on the joints that stage and signals read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Literal

import numpy as np

from kinema.scene.keypoints import DetectedPeople
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.skeleton import SMPL24

People = Sequence[int] | Literal["all"] | None
"""Who of a scene is meant, counted from 0; None for the first, an empty sequence for nobody."""


def for_stage(scene: Scene, *, others: bool = False) -> Scene:
    """The scene with every person on SMPL-24 joints, as stage and signals read them.

    Args:
        scene: any.
        others: let animals, robots and parts of bodies be as they are; the stage films them as sticks.

    Raises:
        ValueError: a person whose joints have no known mapping to SMPL-24.
    """
    people = []
    for number, person in enumerate(scene.people):
        try:
            people.append(person.to_smpl24())
        except ValueError as error:
            if not others:
                who = f"person {number}: " if len(scene.people) > 1 else ""
                raise ValueError(f"{who}{error}; `kinema preview` films any tree, as sticks") from error
            people.append(person)
    return replace(scene, people=tuple(people))


def is_person(motion: Motion) -> bool:
    """Whether the stage has an actor for it: it is on SMPL-24."""
    return motion.skeleton.same_tree(SMPL24)


def check_drawn(scene: Scene) -> None:
    """Whether anybody of a scene for the stage can be drawn: an actor needs all joints at once.

    Raises:
        ValueError: there are people, and nobody can; the message says which joints are missing.
    """
    never = []
    for number, person in enumerate(scene.people):
        there = np.isfinite(person.joints).all(axis=-1)
        if there.all(axis=1).any() or (not is_person(person) and there.any()):
            return
        names = [
            name for name, seen in zip(person.skeleton.names, there.any(axis=0), strict=True) if not seen
        ]
        missing = f"no {', no '.join(names)}" if names else "in each frame a joint is missing"
        never.append(f"person {number}: {missing}")
    if never:
        raise ValueError(
            f"nobody can be drawn ({'; '.join(never)}); `kinema capture --fill all` fills in what a video does not show"
        )


def chosen(scene: Scene, people: People = None) -> Scene:
    """The scene with some of its people, in the order in which they are named.

    Raises:
        ValueError: no such person, or somebody twice.
    """
    numbers = _numbers(scene, people)
    if not numbers and scene.camera is None:
        raise ValueError("nobody of the scene is there, and it has no camera: there is nothing to show")
    keypoints = None if scene.keypoints is None else tuple(scene.keypoints[number] for number in numbers)
    return replace(scene, people=tuple(scene.people[number] for number in numbers), keypoints=keypoints)


def is_nobody(people: People) -> bool:
    """Whether nobody of a scene is meant."""
    return isinstance(people, Sequence) and not people


def chosen_keypoints(detected: DetectedPeople, people: People = None) -> DetectedPeople:
    """Some of the people who were detected in pictures, in the order in which they are named.

    Raises:
        ValueError: no such person, somebody twice, or nobody.
    """
    people = _numbers(detected, people)
    if not people:
        raise ValueError(
            "nobody of the keypoints is there, and they have no camera: there is nothing to show"
        )
    return DetectedPeople(tuple(detected.people[number] for number in people))


def check_person(scene: Scene | DetectedPeople, number: int) -> None:
    """Whether a scene, or keypoints, have a person of that number.

    Raises:
        ValueError: they have not, or that is no number.
    """
    if not isinstance(number, Integral):
        raise ValueError(f"person {number!r}: give a number, counted from 0")
    if not 0 <= number < len(scene.people):
        there = "the scene has" if isinstance(scene, Scene) else "the keypoints have"
        raise ValueError(f"person {number}: {there} {len(scene.people)} people, counted from 0")


def _numbers(scene: Scene | DetectedPeople, people: People) -> Sequence[int]:
    """The numbers of the people who are meant, each of whom is there and named once."""
    if people is None:
        return range(min(1, len(scene.people)))
    if isinstance(people, Sequence) and people == "all":
        return range(len(scene.people))
    if not isinstance(people, Sequence) or isinstance(people, str):
        raise ValueError(f'people {people!r}: give numbers like (0, 1), "all", or () for nobody')
    for number in people:
        check_person(scene, number)
    if len(set(people)) != len(people):
        raise ValueError(f"person {', '.join(map(str, people))}: name each person once")
    return people
