"""IRG-MotionLLM (arXiv 2512.10730): a motion is assessed against its prompt and mended, in rounds.

The paper's language model writes plan, assessment and refinement itself. Here the assessment is measured (`facts_of`:
sides and degrees of turns, metres, raised hands, standing still) and the refinement is the cheapest that exists: another
path for turns and metres, other arms for a hand, another seed where nothing else helps. The trace says what was found and
done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kinema.motion.constraints import Known
from kinema.motion.features import PATH
from kinema.motion.generator import MotionGenerator
from kinema.motion.paths import go_as_far
from kinema.motion.prompt_steps import Step, plan_steps
from kinema.papers.paper import Paper
from kinema.scene.deeds import hand_heights, metres_walked, turn_degrees
from kinema.scene.motion import Motion

DEGREES_OFF = 20.0
"""Degrees by which an asked angle may be missed; who turns less has not turned."""

METRES_OFF = 0.25
"""Share by which metres may be missed."""

_USUAL_TURN = 90.0
_STILL = 0.7  # metres that one who stands still may move
_TURN = re.compile(r"\bturn(?:s|ing)?\b(?P<rest>[^,;.]*)", re.IGNORECASE)
_SIDE = re.compile(r"\b(left|right)\b", re.IGNORECASE)
_HAND = re.compile(
    r"\b(?:rais|lift|wav|put)\w*\b(?P<rest>[^,;.]*?\b(?:hands?|arms?)\b[^,;.]*?)(?= and | while |[,;.]|$)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"\b(?:and|while)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Fact:
    """Something that a step of a prompt says and a motion shows or not.

    Args:
        step: number of the step.
        kind: "turn", "metres", "hand" or "still".
        said: what the prompt says: degrees to the left, metres, or left, right, both.
        sided: of turns, whether only the side is said.
    """

    step: int
    kind: str
    said: float | str
    sided: bool = False

    def shown(self, motion: Motion) -> tuple[float | str, bool]:
        """What a motion of the step shows, and whether that is what is said."""
        if self.kind == "turn":
            turned, said = turn_degrees(motion), float(self.said)
            enough = turned * np.sign(said) > DEGREES_OFF
            return round(turned, 1), bool(enough if self.sided else abs(turned - said) < DEGREES_OFF)
        if self.kind == "hand":
            heights = dict(zip(("left", "right"), hand_heights(motion), strict=True))
            up = [side for side, height in heights.items() if height > -0.1]
            wanted = ["left", "right"] if self.said == "both" else [str(self.said)]
            return " and ".join(up) or "none", up == wanted
        walked = metres_walked(motion)
        if self.kind == "still":
            return round(walked, 2), walked < _STILL
        return round(walked, 2), abs(walked - float(self.said)) < METRES_OFF * float(self.said)

    def words(self) -> str:
        """What is said, for people."""
        if self.kind == "turn":
            side = "left" if float(self.said) > 0 else "right"
            return f"turns {side}" if self.sided else f"turns {abs(float(self.said)):g} degrees {side}"
        if self.kind == "hand":
            return "both hands up" if self.said == "both" else f"{self.said} hand up"
        return "stands still" if self.kind == "still" else f"goes {float(self.said):g} metres"


@dataclass(frozen=True)
class Round:
    """One round of the trace.

    Args:
        facts: each with what is shown and whether it holds.
        repair: what was done before the motion was measured again; empty in the last round.
    """

    facts: tuple[tuple[Fact, float | str, bool], ...]
    repair: str = ""

    @property
    def wrong(self) -> tuple[Fact, ...]:
        """The facts that do not hold."""
        return tuple(fact for fact, _, holds in self.facts if not holds)

    def words(self) -> str:
        """The round in a line."""
        said = [f"{fact.words()}: {shown} {'ok' if holds else 'WRONG'}" for fact, shown, holds in self.facts]
        return "; ".join(said) + (f" -> {self.repair}" if self.repair else "")


def facts_of(steps: Sequence[Step]) -> list[Fact]:
    """What steps say that can be measured."""
    found: list[Fact] = []
    for number, step in enumerate(steps):
        sides = [
            side.lower()
            for turn in _TURN.finditer(step.text)
            for side in _SIDE.findall(_clause(turn["rest"]))
        ]
        if step.degrees is not None and not step.either_way:
            found.append(Fact(number, "turn", step.degrees))
        elif len(sides) == 1:
            found.append(
                Fact(number, "turn", _USUAL_TURN if sides[0] == "left" else -_USUAL_TURN, sided=True)
            )
        if step.metres is not None:
            found.append(Fact(number, "metres", step.metres))
        for hand in _HAND.finditer(step.text):
            named = {side.lower() for side in _SIDE.findall(hand["rest"])}
            both = re.search(r"\bboth\b|\bhands\b|\barms\b", hand["rest"], re.IGNORECASE)
            if len(named) == 1 or both:
                found.append(Fact(number, "hand", "both" if both else named.pop()))
        if re.search(r"\bstand(?:s|ing)? still\b", step.text, re.IGNORECASE):
            found.append(Fact(number, "still", 0.0))
    return found


def refine(
    generator: MotionGenerator,
    prompt: str | Sequence[str],
    seconds: float | Sequence[float] | None = None,
    seed: int = 0,
    rounds: int = 3,
    begin: Motion | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> tuple[Motion, tuple[Round, ...]]:
    """A motion that is assessed and mended.

    Args:
        generator: of people, which hears words.
        prompt, seconds, seed, options: see `MotionGenerator.__call__`.
        rounds: of assessing and mending, at most.
        begin: the first draft; made where None.
        progress: called with (rounds done, rounds in all).

    Returns:
        The motion in which most facts hold, the first of them, and the trace. A prompt of which nothing can be
        measured is made once.

    Raises:
        ValueError: no rounds, or what was asked for cannot be made.
    """
    if rounds < 0:
        raise ValueError(f"{rounds} rounds: give 0 or more")
    steps = plan_steps(prompt, seconds)
    facts = facts_of(steps)
    motion = begin or generator(prompt, seconds, seed, **options)
    trace: list[Round] = []
    drafts: list[Motion] = []
    for number in range(rounds + 1):
        found = Round(tuple((fact, *fact.shown(part_of(motion, steps, fact.step))) for fact in facts))
        drafts.append(motion)
        if not found.wrong or number == rounds:
            trace.append(found)
            break
        motion, told = _mended(generator, motion, prompt, steps, found.wrong, seed + number, options)
        trace.append(replace(found, repair=told))
        if progress is not None:
            progress(number + 1, rounds)
    best = min(range(len(drafts)), key=lambda each: len(trace[each].wrong))
    return drafts[best], tuple(trace)


def _mended(
    generator: MotionGenerator,
    motion: Motion,
    prompt: str | Sequence[str],
    steps: Sequence[Step],
    wrong: Sequence[Fact],
    seed: int,
    options: dict[str, Any],
) -> tuple[Motion, str]:
    """The motion after the cheapest repair of what is wrong, and what that was."""
    lengths = [step.seconds for step in steps]
    texts = [step.text for step in steps]
    moved = [fact for fact in wrong if fact.kind in ("turn", "metres")]
    if moved:
        asked = list(steps)
        for fact in moved:
            step, said = asked[fact.step], float(fact.said)
            asked[fact.step] = (
                replace(step, degrees=said) if fact.kind == "turn" else replace(step, metres=said)
            )
        path = Known(_on_other_path(generator, motion, asked), parts=(PATH,))
        made = generator(texts, lengths, seed, constraints=[path], **options)
        return made, "another path: " + ", ".join(fact.words() for fact in moved)
    hand = next((fact for fact in wrong if fact.kind == "hand"), None)
    if hand is not None:
        arms = tuple(name for name in generator.representation.parts if name.endswith("_arm"))
        kept: list[Any] = [
            Known(motion, parts=tuple(name for name in generator.representation.parts if name not in arms))
        ]
        begin, end = sum(lengths[: hand.step]), sum(lengths[: hand.step + 1])
        if begin > 0:
            kept.append(Known(motion.crop(0.0, begin), parts=arms))
        if end < motion.duration - 0.1:
            kept.append(Known(motion.crop(end), at=end, parts=arms))
        does = _HAND.search(texts[hand.step])
        assert does is not None
        texts[hand.step] = f"a person {does[0].strip()}"
        return generator(texts, lengths, seed + 1, constraints=kept, **options), f"other arms: {hand.words()}"
    return generator(prompt, lengths, seed + 101, **options), "another seed"


def _on_other_path(generator: MotionGenerator, motion: Motion, steps: Sequence[Step]) -> Motion:
    """The motion on a path that goes and turns as far as steps say."""
    representation = generator.representation
    features, stance = representation.encode(motion)
    features[:, representation.parts[PATH]] = go_as_far(features, steps, representation)
    return representation.decode(features, stance)


def part_of(motion: Motion, steps: Sequence[Step], number: int) -> Motion:
    """What a motion shows of one step."""
    if len(steps) == 1:
        return motion
    begin = sum(step.seconds for step in steps[:number])
    return motion.crop(begin, min(begin + steps[number].seconds, motion.duration))


def _clause(text: str) -> str:
    """A text up to what is done besides."""
    return _CLAUSE.split(text)[0]


PAPER = Paper(
    "irg-motionllm",
    title="IRG-MotionLLM: Interleaving Motion Generation, Assessment and Refinement for Text-to-Motion Generation",
    arxiv="2512.10730",
    parts={"repair.motion": refine},
    ours=(
        "no language model: facts are measured, and repairs are those of the embedded generator",
        "only what can be measured is assessed: turns, metres, raised hands, standing still",
    ),
    verdict=(
        "helps: of 120 prompts of two facts all hold in 98 % after two rounds, in 89 % of the best of four drafts "
        "(interval of the difference 4 to 15 points) and 87 % of one; 8.2 passes of the network for 26.8; jerk and slide "
        "alike. Begun with another prompt's motion 78 %: what is not measured is not mended"
    ),
    command='kinema motion "a person turns left and raises the right hand" --rounds 3 --explain -o out.bvh',
)
