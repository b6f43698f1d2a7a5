"""A camera program: steps one after the other, each with one or several moves at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kinema.scene.camera_vocabulary import (
    CURVES,
    IMAGINED_DISTANCE,
    MAX_SECONDS,
    SPEEDS,
    UNIT_NAMES,
    VERBS,
)

MAX_MOVES = 64


@dataclass(frozen=True)
class Move:
    """One move of the camera.

    Args:
        verb: a key of `camera_vocabulary.VERBS`, e.g. "arc" or "follow side".
        direction: one of the verb's directions, None where it has none.
        amount: degrees, metres or a factor, as the verb counts; None for the default.
        seconds: how long it takes; None for a share of the clip.
        curve: how the speed changes: "linear", "ease" (in and out), "ease-in", "ease-out".
        speed: "slow" or "fast"; halves or doubles the default amount, or where an amount is given the
            share of the clip's time (slow: twice the time).

    Raises:
        ValueError: the verb does not take this direction, amount, speed or duration.
    """

    verb: str
    direction: str | None = None
    amount: float | None = None
    seconds: float | None = None
    curve: str = "linear"
    speed: str | None = None

    def __post_init__(self) -> None:
        if self.verb not in VERBS:
            raise ValueError(f"there is no move {self.verb!r}")
        verb = VERBS[self.verb]
        if verb.directions and self.direction not in verb.directions:
            raise ValueError(f"{self.verb} needs a direction: {' or '.join(verb.directions)}")
        if not verb.directions and self.direction is not None:
            raise ValueError(f"{self.verb} has no direction")
        if self.amount is not None:
            self._check_amount(self.amount)
        if self.seconds is not None and not 0 < self.seconds <= MAX_SECONDS:
            raise ValueError(f"a duration must be more than 0 s and at most {MAX_SECONDS:g} s")
        if self.curve not in CURVES:
            raise ValueError(f"the speed curve must be one of {', '.join(CURVES)}")
        if self.speed is not None:
            self._check_speed(self.speed)

    def _check_amount(self, amount: float) -> None:
        verb = VERBS[self.verb]
        if verb.unit is None:
            raise ValueError(f"{self.verb} takes no amount")
        if verb.unit == "x" and amount < 1:
            raise ValueError(f"{self.verb} takes a factor of 1x or more: choose in or out for the direction")
        if not 0 < amount <= verb.limit:
            raise ValueError(
                f"{self.verb} takes {UNIT_NAMES[verb.unit]} above 0 and at most {verb.limit:g}; "
                "the other way is the other direction, not a minus"
            )

    def _check_speed(self, speed: str) -> None:
        if speed not in SPEEDS:
            raise ValueError(f"the speed must be one of {', '.join(SPEEDS)}")
        if not self.paced:
            raise ValueError(f"{self.verb} cannot be slow or fast")
        if self.amount is not None and self.seconds is not None:
            raise ValueError(f"{speed} contradicts an amount with a duration: leave one of the three out")

    @property
    def paced(self) -> bool:
        """Whether the move has an amount to cover, so that slow and fast mean something."""
        unit = VERBS[self.verb].unit
        return unit is not None and not (self.verb.startswith("follow") and unit == "m")

    @property
    def weight(self) -> float:
        """The move's claim on time that nobody has spoken for: its amount over the default amount."""
        weight = 1.0
        if self.amount is not None and self.paced:
            verb = VERBS[self.verb]
            if verb.unit == "x":
                weight = math.log(self.amount) / math.log(verb.default)
            else:
                weight = self.amount / (verb.default * (IMAGINED_DISTANCE if verb.of_distance else 1.0))
            weight *= {"slow": 2.0, "fast": 0.5, None: 1.0}[self.speed]
        return max(weight, 1e-3)

    def describe(self, *, curve: bool) -> str:
        """The move in words; with its speed curve where `curve` is set."""
        words = [self.verb]
        if self.direction is not None:
            words.append(self.direction)
        if self.amount is not None:
            words.append(_number(self.amount) + str(VERBS[self.verb].unit))
        if self.seconds is not None:
            words.append(("" if self.verb == "hold" else "over ") + _number(self.seconds) + "s")
        words.extend(word for word in (self.speed, self.curve if curve else None) if word)
        return " ".join(words)


@dataclass(frozen=True)
class Step:
    """Moves that happen at once.

    Raises:
        ValueError: no move, a hold beside another move, or two follow shots.
    """

    moves: tuple[Move, ...]

    def __post_init__(self) -> None:
        if not self.moves:
            raise ValueError("a step needs a move")
        if len(self.moves) > 1 and any(move.verb == "hold" for move in self.moves):
            raise ValueError("hold cannot happen together with another move")
        if sum(move.verb.startswith("follow") for move in self.moves) > 1:
            raise ValueError("there can be only one follow shot at a time")

    @property
    def seconds(self) -> float | None:
        """The longest duration of its moves, None where none has one."""
        return max((move.seconds for move in self.moves if move.seconds is not None), default=None)

    @property
    def carried(self) -> bool:
        """Whether the camera moves along with a walking subject: arcs, dolly-zooms, most follow shots."""
        alone = ("follow pan", "follow tilt")
        return any(
            move.verb in ("arc", "dolly-zoom") or (move.verb.startswith("follow") and move.verb not in alone)
            for move in self.moves
        )

    @property
    def weight(self) -> float:
        """The step's claim on the time that is left over."""
        return max(move.weight for move in self.moves)


@dataclass(frozen=True)
class CameraProgram:
    """Steps one after the other, and whether the camera is held by a shaky hand.

    `describe()` (and `str`) writes the program in words that parse back to an equal program.
    """

    steps: tuple[Step, ...]
    shaky: bool = False

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("a camera program needs a step")
        if sum(len(step.moves) for step in self.steps) > MAX_MOVES:
            raise ValueError(f"a camera program has at most {MAX_MOVES} moves")

    def describe(self) -> str:
        """The program in words, e.g. "arc left 60deg ease with pedestal up 0.3m ease then hold 1s"."""
        # A curve at the very end of a text holds for the whole text: then every move says its own.
        every = self.steps[-1].moves[-1].curve != "linear"
        text = " then ".join(
            " with ".join(
                move.describe(curve=move.verb != "hold" and (every or move.curve != "linear"))
                for move in step.moves
            )
            for step in self.steps
        )
        return text + (" shaky" if self.shaky else "")

    def __str__(self) -> str:
        return self.describe()

    def schedule(self, duration: float, *, slack: float = 0.0) -> np.ndarray:
        """Start time of each step and the end of the last, seconds, [steps + 1].

        Steps without a duration share what the others leave, in proportion to their weights.

        Args:
            duration: seconds of the clip.
            slack: seconds by which the spoken durations may exceed the clip (one frame, usually).

        Raises:
            ValueError: the durations do not fit into the clip.
        """
        spoken = sum(step.seconds for step in self.steps if step.seconds is not None)
        free = [step.weight for step in self.steps if step.seconds is None]
        if duration > 0 and spoken > duration + slack + 1e-9:
            raise ValueError(f"the camera moves last {spoken:g} s, but the clip only {duration:.3g} s")
        left = max(duration - spoken, 0.0)
        if duration > 0 and free and left <= 0:
            raise ValueError(
                f"the camera moves with a duration fill the whole clip ({duration:.3g} s) and leave no time "
                "for those without one"
            )
        lengths = [
            step.seconds if step.seconds is not None else left * step.weight / sum(free)
            for step in self.steps
        ]
        return np.concatenate([[0.0], np.cumsum(lengths)])


def _number(value: float) -> str:
    return np.format_float_positional(value, trim="-")
