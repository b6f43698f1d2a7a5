"""What sampling without training does for motion: a collage of prompts, guidance by oneself, a search of the noise, and
people sampled together.

    OMP_NUM_THREADS=1 python benchmarks/motion_hooks.py timelines [--seeds 2]
    OMP_NUM_THREADS=1 python benchmarks/motion_hooks.py guidance
    OMP_NUM_THREADS=1 python benchmarks/motion_hooks.py search
    OMP_NUM_THREADS=1 python benchmarks/motion_hooks.py people
    OMP_NUM_THREADS=1 python benchmarks/motion_hooks.py repair
    OMP_NUM_THREADS=1 python benchmarks/motion_hooks.py completion
    OMP_NUM_THREADS=1 python benchmarks/motion_hooks.py drift
    OMP_NUM_THREADS=1 python benchmarks/motion_hooks.py turns

Each compares a published method with what Kinema did without it, on the same prompts and seeds; differences have a paired
bootstrap interval over prompts (10,000 draws). A method helps where 0 lies outside of it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unittest import mock

import numpy as np

from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.metrics.motion import border_jerk, jerk, penetration, slide_share
from kinema.motion.constraints import JointTarget, Known
from kinema.motion.generator import load_motion_generator
from kinema.motion.motion_pipeline import TextToMotionPipeline
from kinema.motion.people import JointPair
from kinema.motion.prompt_steps import Step, plan_steps
from kinema.motion.timeline import Block, Timeline
from kinema.motion.timeline_motion import make_timeline
from kinema.motion.together import Role, Together, make_together
from kinema.papers.dart import NoiseSearch
from kinema.papers.humanmac import complete
from kinema.papers.intercontrol import make_jointly
from kinema.papers.irg_motionllm import facts_of, part_of, refine
from kinema.papers.motionduet import AutoGuidance
from kinema.papers.stmc import make_collage
from kinema.scene import Motion
from kinema.scene.deeds import hand_heights, metres_walked, turn_degrees

LEADS = {
    "a person walks forward": lambda motion: metres_walked(motion) > 2.0,
    "a person walks slowly forward": lambda motion: metres_walked(motion) > 1.0,
    "a person turns left": lambda motion: turn_degrees(motion) > 30,
    "a person turns right": lambda motion: turn_degrees(motion) < -30,
    "a person stands still": lambda motion: metres_walked(motion) < 0.7,
}
HANDS = {
    ("a person waves with the left hand", "left_arm"): (0, 1),
    ("a person waves with the right hand", "right_arm"): (1, 0),
    ("a person raises both hands", "arms"): (0, None),
}


def raised(motion: Motion, begin: float, end: float, which: tuple[int, int | None]) -> bool:
    """Whether the hand comes above its shoulder in an interval, and, for one hand, above the other."""
    first, last = round(begin * motion.fps), round(end * motion.fps)
    part = Motion(motion.joints[first:last], motion.fps, motion.skeleton)
    heights = hand_heights(part)
    up = heights[which[0]] > 0.0
    return bool(up and (which[1] is None or heights[which[0]] > heights[which[1]] + 0.1))


def timelines(seeds: int) -> list[dict[str, Any]]:
    """30 timelines of 8 s: something leads, a hand does something from 2.5 to 5.5 s; half of them change what leads."""
    generator = load_motion_generator()
    cases = [(lead, hand) for lead in LEADS for hand in HANDS]
    ways: dict[str, Callable[..., Motion]] = {
        "sequential": lambda line, text, seed: make_timeline(generator, line, seed),
        "collage": lambda line, text, seed: make_collage(generator, line, seed, guidance=2.0),
        "collage without the transitions' term": lambda line, text, seed: make_collage(
            generator, line, seed, guidance=2.0, transitions=False
        ),
        "one text": lambda line, text, seed: generator(text, 8.0, seed),
    }
    rows = []
    for number, (lead, (hand, part)) in enumerate([*cases, *cases]):
        second = list(LEADS)[(number + 2) % len(LEADS)] if number >= len(cases) else None
        blocks = [Block(lead, 0.0, 8.0 if second is None else 4.0), Block(hand, 2.5, 5.5, (part,))]
        blocks += [] if second is None else [Block(second, 4.0, 8.0)]
        line = Timeline(tuple(blocks))
        text = f"{lead} while {hand.replace('a person', 'the person')}"
        for seed in range(seeds):
            for name, make in ways.items():
                begun = time.process_time()
                motion = make(line, text, 1000 * number + seed)
                spent = time.process_time() - begun
                half = Motion(motion.joints[: round(4 * motion.fps)], motion.fps, motion.skeleton)
                rows.append(
                    {
                        "case": number,
                        "way": name,
                        "hand": float(raised(motion, 3.0, 5.0, HANDS[hand, part])),
                        "lead": float(LEADS[lead](half if second else motion)),
                        "border": float(np.mean([border_jerk(motion, at) for at in (2.5, 5.5)])),
                        "jerk": jerk(motion),
                        "slide": slide_share(motion),
                        "ms": 1000 * spent,
                    }
                )
    return rows


PROMPTS = {
    "a person turns left": lambda motion: turn_degrees(motion) > 30,
    "a person turns right": lambda motion: turn_degrees(motion) < -30,
    "someone turns around to the left": lambda motion: turn_degrees(motion) > 60,
    "a person walks and turns right": lambda motion: turn_degrees(motion) < -20,
    "a person walks forward": lambda motion: metres_walked(motion) > 2.0,
    "someone runs forward": lambda motion: metres_walked(motion) > 4.0,
    "a person stands still": lambda motion: metres_walked(motion) < 0.7,
    "a person waves with the left hand": lambda motion: raised(motion, 0.5, 3.5, (0, 1)),
    "a person waves with the right hand": lambda motion: raised(motion, 0.5, 3.5, (1, 0)),
    "a person raises the left hand": lambda motion: raised(motion, 0.5, 3.5, (0, 1)),
    "a person raises the right hand": lambda motion: raised(motion, 0.5, 3.5, (1, 0)),
    "a person raises both hands": lambda motion: raised(motion, 0.5, 3.5, (0, None)),
}


def guidance(seeds: int) -> list[dict[str, Any]]:
    """Facts and roughness of twelve prompts, guided away from no text, or from oneself with dropout."""
    generator = load_motion_generator()
    ways: dict[str, Any] = {
        "no text, 2": 2.0,
        "none": 1.0,
        "oneself, .1": AutoGuidance(1.0, 0.1),
        "oneself, .3": AutoGuidance(1.0, 0.3),
        "oneself, .6": AutoGuidance(1.0, 0.6),
    }
    rows = []
    for number, (prompt, holds) in enumerate(PROMPTS.items()):
        for seed in range(seeds):
            for name, way in ways.items():
                motion = generator(prompt, 4.0, 1000 * number + seed, guidance=way)
                rows.append(
                    {
                        "case": number,
                        "way": name,
                        "facts": float(holds(motion)),
                        "jerk": jerk(motion),
                        "slide": slide_share(motion),
                    }
                )
    return rows


def search(seeds: int) -> list[dict[str, Any]]:
    """Wrists and heads that shall be somewhere in the middle of a motion, within reach of where they are; what it costs.

    Each target is at .35 of the way from where the joint is without it to another place within the body's reach.
    """
    generator = load_motion_generator()
    prompts = list(PROMPTS)[:8]
    joints = ("left_wrist", "right_wrist", "head", "left_ankle")
    ways: dict[str, Any] = {"moved predictions": None, "searched noise": NoiseSearch()}
    rows = []
    for number, (prompt, joint) in enumerate((p, j) for p in prompts for j in joints):
        for seed in range(seeds):
            free = generator(prompt, 4.0, 1000 * number + seed)
            rng, frame = np.random.default_rng([number, seed]), free.frames // 2
            here = free.joints[frame, free.skeleton.index(joint)]
            place = here + rng.normal(0, 0.2, 3)
            place[1] = np.clip(place[1], 0.1, 1.9)
            target = JointTarget(joint, frame / free.fps, place.tolist())
            told: dict[str, Any] = {"constraints": [target]}
            made, spent = {}, {}
            for name, way in ways.items():
                begun = time.process_time()
                with suppress(ValueError):  # out of reach
                    made[name] = generator(prompt, 4.0, 1000 * number + seed, search=way, **told)
                spent[name] = time.process_time() - begun
            if len(made) < len(ways):
                print(f"{prompt}, {joint}: missed by {', '.join(set(ways) - set(made))}", file=sys.stderr)
                continue
            for name, motion in made.items():
                off = np.linalg.norm(motion.joints[frame, motion.skeleton.index(joint)] - place)
                rows.append(
                    {
                        "case": number,
                        "way": name,
                        "cm": 100 * float(off),
                        "jerk": jerk(motion),
                        "border": border_jerk(motion, frame / free.fps),
                        "slide": slide_share(motion),
                        "facts": float(PROMPTS[prompt](motion)),
                        "seconds": spent[name],
                    }
                )
    return rows


SCRIPTS: dict[str, tuple[tuple[str, str], float, tuple[JointPair, ...]]] = {
    "high five": (
        ("a person waves with the right hand",) * 2,
        0.9,
        (JointPair((0, "right_wrist"), (1, "right_wrist"), 1.8, 2.0, 0.05),),
    ),
    "hand on shoulder": (
        ("a person raises the right hand", "a person stands still"),
        0.8,
        (JointPair((0, "right_wrist"), (1, "left_shoulder"), 1.5, 2.5, 0.1),),
    ),
    "both hands meet": (
        ("a person raises both hands",) * 2,
        0.8,
        (
            JointPair((0, "right_wrist"), (1, "left_wrist"), 1.6, 2.2, 0.05),
            JointPair((0, "left_wrist"), (1, "right_wrist"), 1.6, 2.2, 0.05),
        ),
    ),
    "side by side": (
        ("a person walks forward", "a person walks slowly forward"),
        0.0,
        (JointPair((0, "pelvis"), (1, "pelvis"), 0.0, 4.0, 0.8),),
    ),
    "hand in hand": (
        ("a person walks forward",) * 2,
        0.0,
        (JointPair((0, "left_wrist"), (1, "right_wrist"), 0.5, 3.5, 0.08),),
    ),
    "keep away": (
        ("a person walks forward", "a person stands still"),
        2.5,
        (JointPair((0, "pelvis"), (1, "pelvis"), 0.0, 4.0, 1.2, at_least=True),),
    ),
}
"""Texts of two people, how far the second one stands in front of the first (0: beside them), and what must hold."""


def people(seeds: int) -> list[dict[str, Any]]:
    """Six scripts of two people, at four distances each: jerk, slide, and how far a pair is off before the last step."""
    generator = load_motion_generator()
    ways: dict[str, Callable[[Together, int], list[Motion]]] = {
        "one by one": lambda plan, seed: make_together(generator, plan, seed),
        "jointly": lambda plan, seed: make_jointly(generator, plan, seed),
        "jointly, last two steps": lambda plan, seed: make_jointly(generator, plan, seed, guided=2),
        "jointly, no guidance": lambda plan, seed: make_jointly(generator, plan, seed, guided=0),
    }
    rows = []
    for number, (name, (texts, before, pairs)) in enumerate(
        (name, script) for name, script in SCRIPTS.items() for _ in range(4)
    ):
        more = 0.15 * (number % 4)
        facing = Role(texts[1], (0.0, before + more), 180.0) if before else Role(texts[1], (0.8 + more, 0.0))
        plan = Together((Role(texts[0]), facing), 4.0, pairs)
        for seed in range(seeds):
            made, spent = {}, {}
            for way, make in ways.items():
                begun = time.process_time()
                with suppress(ValueError):  # out of reach
                    made[way] = make(plan, 1000 * number + 10 * seed)
                spent[way] = time.process_time() - begun
            if len(made) < len(ways):
                print(f"{name}, +{more:g} m: missed by {', '.join(set(ways) - set(made))}", file=sys.stderr)
                continue
            for way, motions in made.items():
                rows.append(
                    {
                        "case": number,
                        "way": way,
                        "jerk": float(np.mean([jerk(motion) for motion in motions])),
                        "slide": float(np.mean([slide_share(motion) for motion in motions])),
                        "moved_cm": 100
                        * float(
                            np.mean(
                                [
                                    np.linalg.norm(motion.joints[0, 0, [0, 2]] - np.array(role.at))
                                    for motion, role in zip(motions, plan.people, strict=True)
                                ]
                            )
                        ),
                        "facts": float(
                            np.mean(
                                [
                                    PROMPTS[text](motion) if text in PROMPTS else LEADS[text](motion)
                                    for text, motion in zip(texts, motions, strict=True)
                                ]
                            )
                        ),
                        "seconds": spent[way],
                    }
                )
    return rows


GOES = ("turns left", "turns right", "walks forward for three metres", "walks forward for five metres", "stands still",
        "turns 90 degrees to the left", "turns 45 degrees to the right", "turns around to the right")  # fmt: skip
DOES = ("raises the left hand", "raises the right hand", "waves with both hands", "waves with the left hand",
        "waves with the right hand")  # fmt: skip
PASSES = 3


def repair(seeds: int) -> list[dict[str, Any]]:
    """120 prompts of one or two facts: one draft, the best of four drafts by the same measures, rounds of mending.

    Passes of the network are counted: three rounds may need as many as four drafts.
    """
    generator = load_motion_generator()
    counted = [0]
    generator.networks()["transformer"].register_forward_hook(
        lambda *_: counted.__setitem__(0, counted[0] + 1)
    )
    prompts = [f"a person {goes} and {does}" for goes in GOES for does in DOES]
    prompts += [f"a person {goes}, then {does}" for goes in GOES for does in DOES]
    prompts += [f"a person {goes}, then {other}" for goes in GOES for other in GOES[:5]]
    rows = []
    for number, prompt in enumerate(prompts):
        steps = plan_steps(prompt)
        facts = facts_of(steps)

        def wrong(motion: Motion, steps: Any = steps, facts: Any = facts) -> int:
            return sum(not fact.shown(part_of(motion, steps, fact.step))[1] for fact in facts)

        for seed in range(seeds):
            first = 1000 * number + 10 * seed
            made: dict[str, tuple[Motion, int]] = {}
            counted[0] = 0
            drafts = [generator(prompt, seed=first)]
            made["one draft"] = drafts[0], counted[0]
            drafts += [generator(prompt, seed=first + more) for more in range(1, PASSES + 1)]
            made["best of 4"] = min(drafts, key=wrong), counted[0]
            for rounds in (1, 2, 3):
                counted[0] = 0
                motion, _ = refine(generator, prompt, seed=first, rounds=rounds)
                made[f"{rounds} rounds"] = motion, counted[0]
            counted[0] = 0
            other = generator(prompts[(number + 7) % len(prompts)], seed=first)
            begun = refine(generator, prompt, seed=first, rounds=3, begin=_as_long(other, drafts[0]))
            made["3 rounds from another prompt's motion"] = begun[0], counted[0]
            for way, (motion, passes) in made.items():
                rows.append(
                    {
                        "case": number,
                        "way": way,
                        "all facts": float(wrong(motion) == 0),
                        "jerk": jerk(motion),
                        "slide": slide_share(motion),
                        "passes": float(passes),
                    }
                )
    return rows


OBSERVED, WHOLE = 1.0, 4.0
"""Seconds of a clip that are known, and of the motion."""


WAYS = {"told": 4, "told, 10 steps": 10, "mask": 4, "mask, 10 steps": 10, "mask, 50 steps": 50}


def completion(seeds: int) -> list[dict[str, Any]]:
    """40 clips of the test split gone on with after a second: known to the model, or put into every step by the mask.

    `seen_mm`: joints of what was observed; `best_mm`: joints of the rest from the clip's own, the best of the seeds;
    `border`: jerk where they meet, against the whole; `apart_mm`: how far the seeds are from each other.
    """
    generator = load_motion_generator()
    assert isinstance(generator, TextToMotionPipeline)
    clips = [clip for clip in MotionLibrary.open().split("test") if clip.length / clip.fps >= WHOLE + 0.1]
    chosen = np.random.default_rng(0).permutation(len(clips))[:40]
    rows = []
    for number in chosen.tolist():
        clip, representation = clips[number], generator.representation
        whole = representation.on_neutral_body(clip.motion()).crop(0.0, WHOLE)
        begun = whole.crop(0.0, OBSERVED)
        kept = begun.frames
        for name, steps in (
            ("told", 4),
            ("told, 10 steps", 10),
            ("mask", 4),
            ("mask, 10 steps", 10),
            ("mask, 50 steps", 50),
        ):
            made = []
            for seed in range(seeds):
                if name.startswith("told"):
                    motion = generator("", WHOLE, seed, steps=steps, constraints=[Known(begun)])
                else:
                    motion = complete(generator, [Known(begun)], "", WHOLE, seed, steps)
                made.append(motion)
            frames = min(whole.frames, made[0].frames)
            joints = np.stack([motion.joints[:frames] for motion in made])
            off = 1000 * np.linalg.norm(joints - whole.joints[:frames], axis=-1).mean(-1)
            spread = 1000 * np.linalg.norm(joints - joints.mean(0), axis=-1).mean()
            rows.append(
                {
                    "case": clip.id,
                    "way": name,
                    "seen_mm": float(off[:, :kept].mean()),
                    "best_mm": float(off[:, kept:].mean(1).min()),
                    "apart_mm": float(spread),
                    "border": float(np.mean([border_jerk(motion, OBSERVED) for motion in made])),
                    "jerk": float(np.mean([jerk(motion) for motion in made])),
                }
            )
    return rows


STREAMS = ("a person walks forward", "a person runs", "a person stands still", "a person waves with the left hand",
           "a person walks and turns left", "an old man walks")  # fmt: skip
MINUTES = 10


def drift(seeds: int) -> list[dict[str, Any]]:
    """Streams of ten minutes: is the last minute as good as the first one?"""
    generator = load_motion_generator()
    rows = []
    for number, prompt in enumerate(STREAMS):
        for seed in range(seeds):
            chunks = itertools.takewhile(
                lambda each, ended=60.0 * MINUTES: each[0] * 1.6 < ended,
                enumerate(generator.stream(prompt, 1.6, seed)),
            )
            whole = [motion for _, motion in chunks]
            a_minute = len(whole) // MINUTES
            for name, some in (("first minute", whole[:a_minute]), ("last minute", whole[-a_minute:])):
                motion = Motion(np.concatenate([each.joints for each in some]), some[0].fps, some[0].skeleton)
                rows.append(
                    {
                        "case": f"{number} {seed}",
                        "way": name,
                        "jerk": jerk(motion),
                        "slide": slide_share(motion),
                        "metres": metres_walked(motion),
                        "pelvis_cm": 100 * float(motion.joints[:, 0, 1].mean()),
                        "hands_cm": 100 * float(max(hand_heights(motion))),
                        "under_floor_cm": 100 * penetration(motion),
                    }
                )
    return rows


ANGLES = (
    "a person turns {degrees} degrees to the {side}",
    "a person walks and turns {side} by {degrees} degrees",
    "someone turns {side} {degrees} degrees",
)


def turns(seeds: int) -> list[dict[str, Any]]:
    """Asked angles of 45, 90 and 180 degrees to both sides: the generator, and its first draft alone."""
    generator = load_motion_generator()
    rows = []
    for number, template in enumerate(ANGLES):
        for degrees in (45, 90, 180):
            for side, sign in (("left", 1), ("right", -1)):
                prompt = template.format(degrees=degrees, side=side)
                for seed in range(seeds):
                    ways = {
                        "kept": generator(prompt, 4.0, seed),
                        "first draft": first_draft(generator, prompt, seed),
                    }
                    for way, motion in ways.items():
                        rows.append(
                            {
                                "case": f"{number} {degrees} {side}",
                                "way": way,
                                "off_degrees": abs(turn_degrees(motion) - sign * degrees),
                                "jerk": jerk(motion),
                                "slide": slide_share(motion),
                            }
                        )
    return rows


def first_draft(generator: Any, prompt: str, seed: int) -> Motion:
    """What the generator makes before it keeps the numbers of a prompt."""
    with mock.patch.object(Step, "measured", False):
        return generator(prompt, 4.0, seed)


def _as_long(motion: Motion, other: Motion) -> Motion:
    """A motion of the length of another, its end cut or its last pose held."""
    frames = np.minimum(np.arange(other.frames), motion.frames - 1)
    assert motion.rotations is not None
    return Motion(motion.joints[frames], motion.fps, motion.skeleton, motion.rotations[frames])


def compared(rows: list[dict[str, Any]], rival: str) -> dict[str, Any]:
    """Means of each way, and differences to the rival with 95 % intervals, paired by case."""
    figures = [name for name in rows[0] if name not in ("case", "way")]
    ways = list(dict.fromkeys(row["way"] for row in rows))
    cases = sorted({row["case"] for row in rows})
    table = {
        way: {
            name: np.array(
                [
                    np.nanmean([r[name] for r in rows if r["way"] == way and r["case"] == case])
                    for case in cases
                ]
            )
            for name in figures
        }
        for way in ways
    }
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(cases), (10_000, len(cases)))
    found: dict[str, Any] = {}
    for way in ways:
        found[way] = {name: round(float(np.nanmean(table[way][name])), 4) for name in figures}
        if way == rival:
            continue
        for name in figures:
            apart = table[way][name] - table[rival][name]
            low, high = np.nanpercentile(np.nanmean(apart[draws], axis=1), [2.5, 97.5])
            found[way][f"{name} - {rival}"] = [round(float(low), 4), round(float(high), 4)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what",
        choices=("timelines", "guidance", "search", "people", "repair", "completion", "drift", "turns"),
    )
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    measure, rival = {
        "timelines": (timelines, "sequential"),
        "guidance": (guidance, "no text, 2"),
        "repair": (repair, "best of 4"),
        "completion": (completion, "told"),
        "drift": (drift, "first minute"),
        "turns": (turns, "first draft"),
        "search": (search, "moved predictions"),
        "people": (people, "one by one"),
    }[args.what]
    rows = measure(args.seeds)
    print(json.dumps(compared(rows, rival), indent=1))


if __name__ == "__main__":
    main()
