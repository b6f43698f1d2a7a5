"""Edits of a motion that rules make exactly: its speed, its sides, how it turns, and which way time runs.

Nothing is learned and nothing else changes. What arms do besides is made by a motion generator, which keeps everything
else as it is. What a text asks beyond that is given back as the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kinema.motion.constraints import Known
from kinema.motion.generator import MotionGenerator
from kinema.scene import body_frame
from kinema.scene import quaternions as quat
from kinema.scene.motion import Motion

Rule = Callable[[Motion], Motion]

_SMOOTH = 1.0  # seconds over which a heading is averaged, so that a turn is changed and no step's sway (ours)
_FASTEST = 10.0
_UP = np.array([0.0, 1.0, 0.0])

_WORDS = {"twice": 2.0, "double": 2.0, "half": 0.5, "three times": 3.0, "a third": 1 / 3}
_MUCH = r"(?:(?P<much>much|a lot|far) |(?:a bit|a little|slightly) )?"
_JOIN = re.compile(r"\s*(?:,|;|\band\b|\bbut\b|\bthen\b)\s*")
_SIDES = re.compile(r"\b(left|right) and (right|left)\b", re.IGNORECASE)
_DO = re.compile(
    r"^(?:please |now |make (?:it|him|her|them) |do it |let (?:him|her|them) |play it |walk |go |be |move )+"
)


@dataclass(frozen=True)
class EditPlan:
    """What a text asks for.

    Args:
        rules: what is made exactly, in order.
        told: each of them in words.
        arms: texts of what arms do besides, e.g. "waves with the left hand".
        rest: of the text, for a model; empty where rules do all.
    """

    rules: tuple[Rule, ...] = ()
    told: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    rest: str = ""

    def __call__(self, motion: Motion) -> Motion:
        """The motion with what rules make."""
        for rule in self.rules:
            motion = rule(motion)
        return motion


def plan_edit(text: str) -> EditPlan:
    """Divides an edit into what rules make and the rest.

    Args:
        text: e.g. "slower", "twice as fast and mirrored", "in a straight line, like an old man".

    Raises:
        ValueError: an empty text, or a speed that is none.
    """
    if not text.strip():
        raise ValueError('say what shall be changed, e.g. "slower", "mirrored", "turn the other way"')
    plan = EditPlan()
    rest = []
    for phrase in _JOIN.split(_SIDES.sub(r"\1/\2", text.strip().strip(".!"))):
        found = _rule(_DO.sub("", phrase.lower().strip())) if phrase.strip() else None
        if found is not None:
            plan = replace(plan, rules=(*plan.rules, found[0]), told=(*plan.told, found[1]))
        elif phrase.strip() and (arm := _arm_action(phrase.lower().strip())) is not None:
            plan = replace(plan, arms=(*plan.arms, arm))
        elif phrase.strip():
            rest.append(phrase.strip())
    return replace(plan, rest=" and ".join(rest))


def _rule(phrase: str) -> tuple[Rule, str] | None:
    if (factor := _speed(phrase)) is not None:
        if not 1 / _FASTEST <= factor <= _FASTEST:
            raise ValueError(f"{factor:g} times the speed: give {1 / _FASTEST:g} to {_FASTEST:g}")
        return (lambda motion: retime(motion, factor)), f"{factor:.3g} times as fast"
    if re.fullmatch(
        r"mirrored?|with left/right swapped|swap left/right|(?:the )?other way (?:a?round)"
        r"|(?:with|to|on) the other (?:side|hand|arm|leg|foot)|turn the other way",
        phrase,
    ):
        return Motion.mirror, "mirrored"
    if re.fullmatch(r"backwards? in time|in reverse|reversed?|(?:played )?backwards?", phrase):
        return reverse, "reversed"
    factors = {
        0.0: r"straight(?: ahead| on)?|without turning|in a straight line|do(?: not|n't) turn",
        0.5: r"turn(?:ing)? (?:less|half as (?:much|far))|in a wider (?:curve|circle|arc)",
        1.5: r"turn(?:ing)? more|in a (?:tighter|narrower) (?:curve|circle|arc)",
        2.0: r"turn(?:ing)? twice as (?:much|far)",
    }
    for factor, said in factors.items():
        if re.fullmatch(said, phrase):
            return (lambda motion, by=factor: scale_turn(motion, by)), f"turns {factor:g} times as far"
    return None


_ARM_VERBS = {
    "wav": "waves",
    "rais": "raises",
    "lift": "lifts",
    "clap": "claps",
    "point": "points",
}
_ARM = re.compile(
    r"(?:also |while |additionally )*(?P<verb>wav|rais|lift|clapp?|point)(?:e|es|s|ing)? ?"
    r"(?P<rest>.*\b(?:arms?|hands?)\b.*|goodbye|hello)?"
)


def _arm_action(phrase: str) -> str | None:
    """What arms do besides, as a predicate, e.g. of "also wave with the left hand"; or None."""
    found = _ARM.fullmatch(phrase)
    if found is None:
        return None
    return f"{_ARM_VERBS[found['verb'].replace('pp', 'p')]} {found['rest'] or ''}".strip()


def parts_of(action: str) -> tuple[str, ...]:
    """The arms that an action of `EditPlan.arms` moves; both where it names no side."""
    sides = [side for side in ("left", "right") if re.search(rf"\b{side}\b", action)]
    return tuple(f"{side}_arm" for side in sides) or ("left_arm", "right_arm")


def add_arms(generator: MotionGenerator, motion: Motion, action: str, **options: Any) -> Motion:
    """The motion with arms that do something besides; legs, trunk and path stay as they are.

    Args:
        generator: of motion, which hears words.
        motion: of a human body.
        action: see `EditPlan.arms`.
        options: of the generator, such as `seed`.
    """
    kept = [name for name in generator.representation.parts if name not in parts_of(action)]
    return generator(
        f"a person {action}", motion.duration, constraints=[Known(motion, parts=kept)], clean=False, **options
    )


def _speed(phrase: str) -> float | None:
    """The factor of a speed in words, or None."""
    if found := re.fullmatch(_MUCH + r"(?:more )?(?P<way>slower|slowly|faster|quicker|quickly)", phrase):
        slow = found["way"].startswith("slow")
        return (0.5 if slow else 2.0) if found["much"] else (0.7 if slow else 1.4)
    if phrase in ("slow down", "speed up"):
        return 0.7 if phrase == "slow down" else 1.4
    names = "|".join(_WORDS)
    number = r"(?P<number>\d+(?:\.\d+)?)"
    if found := re.fullmatch(rf"at (?:the )?(?P<word>{names})(?: the| of the)? speed", phrase):
        return _WORDS[found["word"]]
    if found := re.fullmatch(rf"at {number} ?(?:%|percent|per cent)(?: (?:of the )?speed)?", phrase):
        return float(found["number"]) / 100
    if found := re.fullmatch(
        rf"(?:(?P<word>{names})|{number} times) (?:as |the )?(?P<way>fast|slow|speed)(?:er)?", phrase
    ):
        factor = _WORDS[found["word"]] if found["word"] else float(found["number"])
        if factor == 0:
            raise ValueError("no motion is 0 times as fast")
        return 1 / factor if found["way"] == "slow" else factor
    return None


def retime(motion: Motion, factor: float) -> Motion:
    """The motion played `factor` times as fast, at its frame rate."""
    played = motion.resample(motion.fps / factor)
    return replace(played, fps=motion.fps)


def reverse(motion: Motion) -> Motion:
    """The motion from its end to its beginning."""
    rotations, confidence = (
        None if given is None else given[::-1] for given in (motion.rotations, motion.confidence)
    )
    return replace(motion, joints=motion.joints[::-1], rotations=rotations, confidence=confidence)


def scale_turn(motion: Motion, factor: float) -> Motion:
    """The motion with turns `factor` times as large; every step stays as long, from where the motion begins.

    Raises:
        ValueError: joints are missing.
    """
    if motion.missing.any():
        raise ValueError("turns of a motion with missing joints cannot be changed; fill them first")
    yaw = _smoothed(np.unwrap(body_frame.yaw(motion.facing())), max(1, round(_SMOOTH * motion.fps)))
    turned = quat.about_axis(_UP, (factor - 1) * (yaw - yaw[0]))
    root = motion.joints[:, motion.skeleton.root]
    steps = quat.rotate(turned[:-1], np.diff(root, axis=0))
    placed = np.concatenate([root[:1], root[:1] + np.cumsum(steps, axis=0)])
    joints = placed[:, None] + quat.rotate(turned[:, None], motion.joints - root[:, None])
    rotations = motion.rotations
    if rotations is not None:
        rotations = rotations.copy()
        rotations[:, motion.skeleton.root] = quat.multiply(turned, rotations[:, motion.skeleton.root])
    return replace(motion, joints=joints, rotations=rotations)


def _smoothed(values: np.ndarray, width: int) -> np.ndarray:
    """A moving average of about `width` values, whose window shrinks at the ends."""
    half = width // 2
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    reach = np.minimum(np.minimum(at, len(values) - 1 - at), half)
    return (sums[at + reach + 1] - sums[at - reach]) / (2 * reach + 1)
