"""How well motions are edited: by rules, by the generator without learning, and by trained editors.

    OMP_NUM_THREADS=1 python benchmarks/motion_edits.py umo=runs/umo/edit motionlab=runs/motionlab/edit [--edits 16]

Edits are made of clips of the test split, so many of each kind; targets of speed, mirror, turn and `no arms` are exact.
Figures: `error`, cm of the joints from the target (exact kinds); `kept`, cm of the joints that shall stay (arms: all but
the arm; styles: the pelvis); `done`, share in which the wrists come as high as in the target or, of styles, in which the
new style is among the three that the matcher finds most like; jerk and slide. `unchanged` is the source itself, `target`
the truth, `rules` what needs no learned editor: styles are generated anew, from the clip's name and the style, on the
source's path. Differences to `rules` have a paired bootstrap interval over edits.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from kinema.data.motion_captions import PHRASES, STYLES
from kinema.data.motion_edits import KINDS, Edit, MotionEdits
from kinema.data.motion_library import MotionLibrary
from kinema.data.motion_samples import encode_clips
from kinema.evaluation.judges.motion_matcher import MotionMatcherJudge
from kinema.evaluation.metrics.motion import jerk, slide_share
from kinema.motion.constraints import Known
from kinema.motion.edit_rules import add_arms, parts_of, plan_edit
from kinema.motion.editor import MotionEditor
from kinema.motion.generator import load_motion_generator
from kinema.motion.representation import SMPL24_MOTION
from kinema.motion.text import default_text_encoder
from kinema.scene import Motion
from motion_hooks import compared

SECONDS = 4.0
EXACT = ("speed", "mirror", "turn", "no arms")


def by_rules(generator: Any) -> Callable[[Edit, Motion, int], Motion]:
    """What needs no learning."""

    def make(edit: Edit, source: Motion, seed: int) -> Motion:
        plan = plan_edit(edit.text)
        motion = plan(source)
        for action in plan.arms:
            motion = add_arms(generator, motion, action, seed=seed)
        if edit.kind == "style":
            phrase = PHRASES.get(edit.content, (edit.content,))[0]
            kept = Known(motion, parts=("path",))
            style = STYLES[int(edit.changed)]
            style = style if style in generator.styles else None
            motion = generator(f"a person {phrase}", motion.duration, seed, style, constraints=[kept])
        return motion

    return make


def error(a: Motion, b: Motion) -> float:
    """Mean distance of joints over what both have, centimetres."""
    frames = min(a.frames, b.frames)
    return 100 * float(np.linalg.norm(a.joints[:frames] - b.joints[:frames], axis=-1).mean())


def kept(edit: Edit, made: Motion, source: Motion) -> float:
    """How far joints that shall stay have moved, centimetres."""
    plan = plan_edit(edit.text)
    arms = [joint for action in plan.arms for part in parts_of(action) for joint in SMPL24_MOTION.limbs[part]]
    stay = [joint for joint in range(24) if joint not in arms]
    frames = min(made.frames, source.frames)
    return 100 * float(
        np.linalg.norm(made.joints[:frames, stay] - source.joints[:frames, stay], axis=-1).mean()
    )


def raised(edit: Edit, made: Motion, target: Motion) -> float:
    """Whether the wrists come about as high as in the target, within 15 cm."""
    wrists = {"left_arm": 20, "right_arm": 21}
    which = [wrists[part] for action in plan_edit(edit.text).arms for part in parts_of(action)]
    return float(
        all(made.joints[:, wrist, 1].max() > target.joints[:, wrist, 1].max() - 0.15 for wrist in which)
    )


def in_style(judge: MotionMatcherJudge, motion: Motion, content: str, style: int) -> float:
    """Whether the style asked for is among the three that the matcher finds most like a motion."""
    phrase = PHRASES.get(content, (content,))[0]
    scores = (
        judge.motions([motion]) @ judge.texts([f"a person {phrase} in a {each} way" for each in STYLES]).T
    )
    return float(style in np.argsort(scores[0])[::-1][:3])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("editors", nargs="*", help="NAME=FOLDER of each trained editor")
    parser.add_argument("--edits", type=int, default=16, help="of each kind")
    parser.add_argument("--kinds", nargs="*", default=KINDS[1:], choices=KINDS[1:])
    args = parser.parse_args()
    generator = load_motion_generator()
    ways: dict[str, Callable[[Edit, Motion, int], Motion]] = {
        "rules": by_rules(generator),
        "unchanged": lambda edit, source, seed: source,
    }
    for named in args.editors:
        name, _, folder = named.partition("=")
        editor = MotionEditor.from_pretrained(folder)
        ways[name] = lambda edit, source, seed, by=editor: by(source, edit.text, seed, keep=())
        ways[f"{name}, path kept"] = lambda edit, source, seed, by=editor: by(source, edit.text, seed)
    library = MotionLibrary.open().split("test")
    clips = encode_clips(list(library))
    edits = MotionEdits(clips, None, 1, 0)
    judge = MotionMatcherJudge(None, default_text_encoder())
    found: dict[str, Any] = {}
    for kind in args.kinds:
        rows = []
        for number in range(args.edits):
            rng = np.random.default_rng([7, KINDS.index(kind), number])
            edit = edits.draw(rng, round(SECONDS * SMPL24_MOTION.fps), (kind,))
            source, target = (SMPL24_MOTION.decode(torch.from_numpy(x)) for x in (edit.source, edit.target))
            made = {way: make(edit, source, number) for way, make in ways.items()} | {"target": target}
            for way, motion in made.items():
                row: dict[str, Any] = {
                    "case": number,
                    "way": way,
                    "jerk": jerk(motion),
                    "slide": slide_share(motion),
                }
                if kind in EXACT:
                    row["error"] = error(motion, target)
                if kind == "arms":
                    row |= {"kept": kept(edit, motion, source), "done": raised(edit, motion, target)}
                if kind == "style":
                    row["done"] = in_style(judge, motion, edit.content, int(edit.changed))
                    frames = min(motion.frames, source.frames)
                    apart = motion.joints[:frames, 0] - source.joints[:frames, 0]
                    row["kept"] = 100 * float(np.linalg.norm(apart, axis=-1).mean())
                rows.append(row)
        found[kind] = compared(rows, "rules")
        print(json.dumps({kind: found[kind]}, indent=1), flush=True)


if __name__ == "__main__":
    main()
