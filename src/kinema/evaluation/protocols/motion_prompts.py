"""Prompts whose truth can be measured without a judge: which way it turns, which hand goes up, how far it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinema.data.motion_library import MotionClip
from kinema.motion.generator import MotionGenerator
from kinema.scene.deeds import metres_walked, raised_hand, turn_degrees
from kinema.scene.motion import Motion

LEAST_TURN = 20.0
"""Degrees; who turns less has not turned (ours)."""

NEAR = 0.25
"""Share by which the metres walked may differ from those asked for."""

TURNS = (
    "a person walks and turns {side}",
    "a person makes a {side} turn",
    "someone walks forward and turns to the {side}",
    "a man takes a {side} turn while walking",
    "an exhausted person walks and turns {side}",
    "turn {side}",
)
HANDS = (
    "a person raises the {side} hand",
    "a person waves the {side} hand",
    "someone puts the {side} hand up",
    "a woman lifts her {side} arm",
    "a happy person waves with the {side} arm",
    "wave hello with the {side} hand",
)
METRES = (
    ("a person walks forward for about three metres", 3.0),
    ("a person walks forward for about four metres", 4.0),
    ("someone walks forward for about five metres", 5.0),
    ("a man walks for 6 metres", 6.0),
    ("an elderly person walks forward for about four metres", 4.0),
    ("a person walks forward energetically for about seven metres", 7.0),
    ("a person runs forward for about seven metres", 7.0),
    ("she runs for about ten metres", 10.0),
)
ANGLES = (
    "a person turns {degrees} degrees to the {side}",
    "a person walks and turns {side} by {degrees} degrees",
)
ANGLE_NEAR = 25.0
"""Degrees by which an asked angle may be missed."""

_SIDES = ("left", "right")


@dataclass(frozen=True)
class Question:
    """A prompt, and what its motion must show.

    Args:
        kind: "turn", "hand", "metres" or "angle".
        prompt: for the generator.
        wanted: a side, metres, or degrees to the left.
    """

    kind: str
    prompt: str
    wanted: str | float

    def answer(self, motion: Motion) -> tuple[str | float, bool]:
        """What the motion shows (degrees to the left, the raised hand, metres walked), and whether it is right."""
        return _MEASURES[self.kind](motion, self.wanted)


def questions() -> Iterator[Question]:
    """All questions; both sides are asked in the same words."""
    for kind, templates in (("turn", TURNS), ("hand", HANDS)):
        for template in templates:
            for side in _SIDES:
                yield Question(kind, template.format(side=side), side)
    for prompt, metres in METRES:
        yield Question("metres", prompt, metres)
    for template in ANGLES:
        for degrees in (45, 90, 180):
            for side, sign in zip(_SIDES, (1.0, -1.0), strict=True):
                yield Question("angle", template.format(degrees=degrees, side=side), sign * degrees)


def ask(generator: MotionGenerator, seeds: int, tick: Callable[[], object]) -> list[dict[str, Any]]:
    """The pipeline's motion of every question and seed, at the generator's own length, measured.

    Returns:
        kind, prompt, seed, wanted, shown and right of each.
    """
    rows = []
    for number, question in enumerate(questions()):
        for seed in (1000 * index + number for index in range(seeds)):
            shown, right = question.answer(generator(question.prompt, seed=seed))
            rows.append({**vars(question), "seed": seed, "shown": shown, "right": right})
            tick()
    return rows


def ask_real(clips: Iterable[MotionClip]) -> dict[str, list[bool]]:
    """The same measures on captured clips whose labels say the answer, per kind: what the measures are worth."""
    right: dict[str, list[bool]] = {"turn": [], "hand": []}
    for clip in clips:
        content = clip.labels.get("content", "")
        side = next((side for side in _SIDES if side in content.split("-")), None)
        kind = "turn" if content.startswith("walk-turn") else "hand" if content.endswith("hand") else None
        if side is not None and kind is not None:
            right[kind].append(Question(kind, "", side).answer(clip.motion())[1])
    return right


def by_prompt(rows: list[dict[str, Any]], kind: str) -> np.ndarray:
    """Share of right answers of each prompt of a kind, over its seeds: what intervals are made of."""
    prompts = dict.fromkeys(row["prompt"] for row in rows if row["kind"] == kind)
    return np.array(
        [np.mean([row["right"] for row in rows if row["prompt"] == prompt]) for prompt in prompts]
    )


def _turned(motion: Motion, side: str | float) -> tuple[float, bool]:
    degrees = turn_degrees(motion)
    return round(degrees, 1), (degrees if side == "left" else -degrees) > LEAST_TURN


def _raised(motion: Motion, side: str | float) -> tuple[str, bool]:
    hand = raised_hand(motion)
    return hand, hand == side


def _walked(motion: Motion, metres: str | float) -> tuple[float, bool]:
    walked = metres_walked(motion)
    return round(walked, 2), abs(walked - float(metres)) <= NEAR * float(metres)


def _turned_by(motion: Motion, degrees: str | float) -> tuple[float, bool]:
    turned = turn_degrees(motion)
    return round(turned, 1), abs(turned - float(degrees)) < ANGLE_NEAR


_MEASURES: dict[str, Callable[[Motion, str | float], tuple[str | float, bool]]] = {
    "turn": _turned,
    "hand": _raised,
    "metres": _walked,
    "angle": _turned_by,
}
