"""Several people in one scene: who does what, where they stand, and what of them touches or stays apart.

A plan is a small file:

    {"seconds": 4,
     "people": [{"text": "a person waves with the right hand", "at": [0, 0], "facing": 0},
                {"text": "a person stands still", "at": [0, 1.2], "facing": 180}],
     "pairs": [{"joints": [[0, "right_wrist"], [1, "right_wrist"]], "from": 1.5, "to": 2.0, "distance": 0.05}]}

Metres, seconds and degrees; somebody at [0, 0] who faces 0 looks along Z. `"apart": true` makes a distance the least
that is allowed. The form follows InterControl's plans of joint pairs (arXiv 2311.15864).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kinema.motion.generator import MotionGenerator
from kinema.motion.people import JointPair, check_pairs, meet
from kinema.motion.prompt_steps import check_seconds, clean_text
from kinema.motion.representation import MotionRepresentation, Stance
from kinema.scene import Motion
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_text

MOST_PEOPLE = 8
_MAX_FILE = 1 << 20
_APART = 1.5  # metres between people whose places nobody says (ours)


@dataclass(frozen=True)
class Role:
    """What one of the people does.

    Args:
        text: what.
        at: x and z where they start, metres.
        facing: degrees about +Y: 0 looks along Z, 90 along X.
        style: one of the generator's, or None.
    """

    text: str
    at: tuple[float, float] = (0.0, 0.0)
    facing: float = 0.0
    style: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", clean_text(self.text))
        if not self.text:
            raise ValueError("one of the people has no text; say what they do")
        numbers = (*self.at, self.facing)
        if len(numbers) != 3 or not np.isfinite(numbers).all():
            raise ValueError(
                f"{self.text[:40]!r} stands at {self.at}, facing {self.facing}; give x, z and degrees"
            )

    @property
    def stance(self) -> Stance:
        return Stance(*self.at, float(np.radians(self.facing)))


@dataclass(frozen=True)
class Together:
    """A plan for several people.

    Args:
        people: two at least.
        seconds: of all of them.
        pairs: what must hold between them.

    Raises:
        ValueError: too few or too many people, an impossible length, or a pair of people who are not there.
    """

    people: tuple[Role, ...]
    seconds: float
    pairs: tuple[JointPair, ...] = ()

    def __post_init__(self) -> None:
        if not 2 <= len(self.people) <= MOST_PEOPLE:
            raise ValueError(f"{len(self.people)} people; give 2 to {MOST_PEOPLE}")
        check_seconds(self.seconds, "the plan")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Together:
        """A plan's file.

        Raises:
            FormatError: naming the field that is wrong.
        """
        try:
            told = json.loads(read_text(path, _MAX_FILE))
        except json.JSONDecodeError as error:
            raise FormatError(path, f"not JSON ({error.msg})", f"line {error.lineno}") from None
        if not isinstance(told, dict) or not isinstance(told.get("people"), list):
            raise FormatError(
                path, "is no plan of people", hint='{"seconds": 4, "people": [{"text": ...}, ...]}'
            )
        if unknown := set(told) - {"people", "seconds", "pairs"}:
            raise FormatError(path, f"has no place for {', '.join(sorted(unknown))}")
        roles = [_read(path, f"people[{n}]", each, _role, n) for n, each in enumerate(told["people"])]
        pairs = [_read(path, f"pairs[{n}]", each, _pair, n) for n, each in enumerate(told.get("pairs") or [])]
        try:
            return cls(tuple(roles), float(told.get("seconds", 4.0)), tuple(pairs))
        except (TypeError, ValueError) as error:
            raise FormatError(path, str(error)) from None

    def document(self) -> dict[str, Any]:
        """The plan, JSON types."""
        return asdict(self)

    def check(self, representation: MotionRepresentation) -> None:
        """Whether the pairs name what is there.

        Raises:
            ValueError: they do not.
        """
        frames = representation.frames_in(self.seconds) + 1
        check_pairs(self.pairs, [frames] * len(self.people), representation)


def make_together(
    generator: MotionGenerator,
    plan: Together,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> list[Motion]:
    """The people of a plan, made one by one and then moved so that their pairs hold.

    Args:
        generator: of the motions.
        plan: who does what.
        seed: of the noise; each of the people has another one.
        progress: called with (people made, people).
        options: steps and guidance, as the generator takes them.

    Raises:
        ValueError: a pair cannot hold; the message says which. Or a generator without rotations to bend.
    """
    representation = getattr(generator, "representation", None)
    if not isinstance(representation, MotionRepresentation):
        raise ValueError("people are put together by a generator with rotations, such as the embedded one")
    plan.check(representation)
    made = []
    for number, role in enumerate(plan.people):
        motion = generator(role.text, plan.seconds, seed + number, style=role.style, **options)
        made.append(placed(motion, role, representation))
        if progress is not None:
            progress(number + 1, len(plan.people))
    return meet(made, plan.pairs, representation) if plan.pairs else made


def placed(motion: Motion, role: Role, representation: MotionRepresentation) -> Motion:
    """A motion put where its person starts."""
    features, _ = representation.encode(motion)
    return representation.decode(features, role.stance)


def _read(
    path: str | os.PathLike[str], where: str, told: Any, make: Callable[[Any, int], Any], number: int
) -> Any:
    if not isinstance(told, dict):
        raise FormatError(path, "is no object", where)
    try:
        return make(told, number)
    except KeyError as missing:
        raise FormatError(path, f"has no {missing.args[0]}", where) from None
    except (TypeError, ValueError) as error:
        raise FormatError(path, str(error), where) from None


def _role(told: dict[str, Any], number: int) -> Role:
    if unknown := set(told) - {"text", "at", "facing", "style"}:
        raise ValueError(f"has no place for {', '.join(sorted(unknown))}; it has text, at, facing, style")
    x, z = told.get("at", (0.0, number * _APART))
    facing = float(told.get("facing", 180.0 * (number % 2)))
    return Role(str(told["text"]), (float(x), float(z)), facing, told.get("style"))


def _pair(told: dict[str, Any], number: int) -> JointPair:
    if unknown := set(told) - {"joints", "from", "to", "distance", "apart"}:
        raise ValueError(
            f"has no place for {', '.join(sorted(unknown))}; it has joints, from, to, distance, apart"
        )
    (one, first), (other, second) = told["joints"]
    return JointPair(
        (int(one), str(first)),
        (int(other), str(second)),
        float(told["from"]),
        float(told["to"]),
        float(told.get("distance", 0.0)),
        bool(told.get("apart", False)),
    )
