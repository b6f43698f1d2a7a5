"""Two people of two texts: the second may do its own thing, or answer the first by a rule that holds exactly.

Rules are read from the second text: it mirrors or copies the first with a delay, follows at a distance, steps back when
the first comes near, or turns to face them. Words of touch in either text ("shakes hands", "high five") become hands that
meet. Nothing is learned of how people answer each other: there is no motion of two people to learn from.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kinema.motion.constraints import JointTarget, RootPath
from kinema.motion.generator import MotionGenerator
from kinema.motion.people import JointPair, meet
from kinema.motion.representation import MotionRepresentation, Stance
from kinema.scene import body_frame
from kinema.scene.motion import Motion

LAG = 0.4
"""Seconds after which an answer comes."""

BEHIND = 1.0
"""Metres along the way by which one who follows is behind."""

NEAR = 0.8
"""Metres within which one who steps back lets nobody."""

_FACING = 1.5  # metres between two people of whom nothing else is said (ours)
_CLEAR = 0.7  # metres between pelvises that mirrored people keep at least (ours)
_REACH = 0.9  # metres between two people whose hands meet (ours)

_RULES = {
    "mirrors": r"\bmirror(?:s|ing)?\b",
    "copies": r"\b(?:cop(?:y|ies|ying)|imitat(?:es?|ing)|does the same|do the same)\b",
    "follows": r"\bfollow(?:s|ing)?\b(?!.*\bthen\b)",
    "steps back": r"\b(?:steps? back|backs? (?:away|off)|retreats?)\b",
    "faces": r"\b(?:turns? to (?:face )?(?:the )?(?:first|other|them|him|her)|"
    r"(?:looks?|watch(?:es)?|faces?|keeps? facing)(?: at)? (?:the )?(?:first|other|them|him|her))\b",
}
_TOUCHES = {
    r"\bshak(?:es?|ing) hands\b": ("right_hand", "right_hand", 1.05),
    r"\bhigh[- ]fives?\b": ("right_hand", "right_hand", 1.6),
    r"\bholds? hands\b": ("left_hand", "right_hand", 0.95),
}
"""Words of touch: the joints of the first and of the second that meet, and how high, metres."""


@dataclass(frozen=True)
class Answer:
    """How the second person answers.

    Args:
        rule: one of mirrors, copies, follows, steps back, faces; empty where they do their own thing.
        lag: seconds after which they do.
    """

    rule: str = ""
    lag: float = LAG


def answer_of(text: str) -> Answer:
    """The rule that a second text names; "after 0.8 seconds" says the lag."""
    rule = next((name for name, said in _RULES.items() if re.search(said, text, re.IGNORECASE)), "")
    lag = re.search(r"\bafter (\d+(?:\.\d+)?) ?(?:s|seconds?)\b", text, re.IGNORECASE)
    return Answer(rule, float(lag[1]) if lag else LAG)


@dataclass(frozen=True)
class Touch:
    """Hands that meet.

    Args:
        joints: of the first and of the second.
        height: metres.
        start, end: seconds.
    """

    joints: tuple[str, str]
    height: float
    start: float
    end: float

    @property
    def pair(self) -> JointPair:
        """As what shall hold between them."""
        return JointPair((0, self.joints[0]), (1, self.joints[1]), self.start, self.end, 0.03)

    def targets(self, joint: str, distance: float) -> list[JointTarget]:
        """Where the hand of one who stands at the origin reaches towards one so far away."""
        place = (0.0, self.height, 0.5 * distance)
        return [JointTarget(joint, moment, place) for moment in (self.start, self.end)]


def touch_of(first: str, second: str, seconds: float) -> Touch | None:
    """Hands that meet in the middle of what two texts say; None where neither speaks of touch."""
    for said, (one, other, height) in _TOUCHES.items():
        if re.search(said, f"{first}; {second}", re.IGNORECASE):
            return Touch((one, other), height, 0.45 * seconds, 0.6 * seconds)
    return None


def make_pair(
    generator: MotionGenerator,
    first: str,
    second: str,
    seconds: float = 4.0,
    seed: int = 0,
    distance: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> list[Motion]:
    """Two people of two texts.

    Args:
        generator: of people, which hears words.
        first, second: what each does; see `answer_of` and `touch_of` for what is understood between them.
        seconds: of both.
        seed: of the noise.
        distance: metres between them at the start; by default what their texts need.
        progress: called with (people made, people).
        options: of the generator.

    Returns:
        Both, on the generator's body; the first starts at the origin and looks along Z.

    Raises:
        ValueError: what was asked for cannot be made.
    """
    representation, touch = generator.representation, touch_of(first, second, seconds)
    if touch is not None:
        apart = _REACH if distance is None else distance
        made = [
            generator(
                "a person stands still",
                seconds,
                seed + number,
                constraints=touch.targets(joint, apart),
                **options,
            )
            for number, joint in enumerate(touch.joints)
        ]
        made[1] = representation.decode(representation.encode(made[1])[0], Stance(0.0, apart, np.pi))
        made = meet(made, (touch.pair,), representation)
    elif answer_of(second).rule:
        one = generator(first, seconds, seed, **options)
        made = [one, react(generator, one, second, seed + 1, distance, **options)]
    else:
        one, other = (generator(text, seconds, seed + n, **options) for n, text in enumerate((first, second)))
        features, _ = representation.encode(other)
        near = representation.decode(features, Stance(0.0, 0.0, np.pi))
        away = _distance(one, near, np.array([0.0, 1.0]), distance)
        made = [one, near.translate([0.0, 0.0, away])]
    if progress is not None:
        progress(2, 2)
    return made


def react(
    generator: MotionGenerator,
    actor: Motion,
    text: str,
    seed: int = 0,
    distance: float | None = None,
    **options: Any,
) -> Motion:
    """The motion of one who answers another.

    Args:
        generator: see `make_pair`.
        actor: whom they answer, of a human body.
        text: that names a rule, see `answer_of`.
        seed, options: of the generator, where something is generated.
        distance: metres in front of the actor at which they start; behind them for who follows.

    Returns:
        As long as the actor's motion, in the actor's world.

    Raises:
        ValueError: the text names no rule.
    """
    representation = generator.representation
    features, stance = representation.encode(actor)
    actor = representation.decode(features, stance)
    answer = answer_of(text)
    if answer.rule in ("mirrors", "copies"):
        return _mirroring(actor, answer, distance, representation)
    if answer.rule == "follows":
        path = _behind(actor, BEHIND if distance is None else distance)
        ways = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
        does = "runs" if ways / max(actor.duration, 0.1) > 2.2 else "walks"
        return _along(generator, f"a person {does} forward", actor, path, None, seed, options)
    if answer.rule == "steps back":
        place = _in_front(stance, _FACING if distance is None else distance)
        path = _stepping_back(actor, place)
        facing = _towards(path, actor)
        return _along(generator, "a person walks backwards", actor, path, facing, seed, options)
    if answer.rule == "faces":
        still = replace(actor, joints=np.broadcast_to(actor.joints[:1], actor.joints.shape))
        away = _distance(actor, still, _ahead(stance), distance)
        path = np.repeat(_in_front(stance, away)[None], actor.frames, axis=0)
        return _along(generator, "a person stands still", actor, path, _towards(path, actor), seed, options)
    raise ValueError(
        f'"{text}" names no answer: the second person mirrors, copies or follows the first, steps back from them, or '
        "turns to face them"
    )


def _distance(actor: Motion, other: Motion, ahead: np.ndarray, given: float | None) -> float:
    """How far ahead somebody is put who begins where the actor does: far enough not to collide, if nothing is given."""
    gap = (other.joints - actor.joints)[:, 0, [0, 2]]
    wanted = _FACING if given is None else given
    while given is None and np.linalg.norm(gap + wanted * ahead, axis=-1).min() < _CLEAR:
        wanted += 0.25
    return wanted


def _ahead(stance: Stance) -> np.ndarray:
    """Where one looks, x and z."""
    return np.array([np.sin(stance.yaw), np.cos(stance.yaw)])


def _in_front(stance: Stance, distance: float) -> np.ndarray:
    return np.array([stance.x, stance.z]) + distance * _ahead(stance)


def _delayed(motion: Motion, lag: float) -> Motion:
    """The motion after a time in its first pose, as long as before."""
    frames = np.maximum(np.arange(motion.frames) - round(lag * motion.fps), 0)
    assert motion.rotations is not None
    return replace(motion, joints=motion.joints[frames], rotations=motion.rotations[frames])


def _mirroring(
    actor: Motion, answer: Answer, distance: float | None, representation: MotionRepresentation
) -> Motion:
    """The actor's own motion, mirrored or not, delayed, from in front; farther where they would collide."""
    features, stance = representation.encode(actor)
    if answer.rule == "mirrors":
        features = representation.mirror(features)
    near = representation.decode(features, Stance(stance.x, stance.z, stance.yaw + np.pi))
    near = _delayed(near, answer.lag)
    x, z = _distance(actor, near, _ahead(stance), distance) * _ahead(stance)
    return near.translate([x, 0.0, z])


def _behind(actor: Motion, distance: float) -> np.ndarray:
    """Places a distance behind the actor along their way, [T, 2]; before the way begins, straight behind its start."""
    floor = _smooth(actor.joints[:, 0][:, [0, 2]], actor.fps)
    way = np.concatenate([[0.0], np.linalg.norm(np.diff(floor, axis=0), axis=1).cumsum()])
    yaw = float(body_frame.yaw(actor.facing())[0])
    back = _ahead(Stance(yaw=yaw))
    at = way - distance
    on = np.stack([np.interp(at, way, floor[:, axis]) for axis in range(2)], axis=-1)
    return np.where(at[:, None] < 0, floor[0] + at[:, None] * back, on)


def _stepping_back(actor: Motion, place: np.ndarray) -> np.ndarray:
    """Places of one who stands until the actor is near and then keeps that distance, [T, 2]."""
    floor = _smooth(actor.joints[:, 0][:, [0, 2]], actor.fps)
    path = np.empty_like(floor)
    for frame, other in enumerate(floor):
        away = place - other
        apart = float(np.linalg.norm(away))
        if apart < NEAR:
            place = other + away / max(apart, 1e-6) * NEAR
        path[frame] = place
    return path


def _towards(path: np.ndarray, actor: Motion) -> np.ndarray:
    """Headings from places [T, 2] to the actor, degrees, [T]."""
    apart = _smooth(actor.joints[:, 0][:, [0, 2]], actor.fps) - path
    return np.degrees(np.unwrap(np.arctan2(apart[:, 0], apart[:, 1])))


def _smooth(floor: np.ndarray, fps: float) -> np.ndarray:
    """A way over the floor without the sway of steps."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(floor, 0.2 * fps, axis=0, mode="nearest")


def _along(
    generator: MotionGenerator,
    text: str,
    actor: Motion,
    path: np.ndarray,
    headings: np.ndarray | None,
    seed: int,
    options: dict[str, Any],
) -> Motion:
    """A motion whose pelvis goes over given places, a quarter of a second apart."""
    steps = np.unique(np.append(np.arange(0, len(path), max(1, round(0.25 * actor.fps))), len(path) - 1))
    where = RootPath(
        path[steps],
        times=(steps / actor.fps).tolist(),
        headings=None if headings is None else headings[steps],
    )
    return generator(text, actor.duration, seed, constraints=[where], **options)
