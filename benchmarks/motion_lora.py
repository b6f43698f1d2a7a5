"""What a low-rank adapter learns from five clips of a rare movement, and what it makes the generator forget.

    OMP_NUM_THREADS=1 python benchmarks/motion_lora.py --out runs/lora [--minutes 3]

Five clips each of three rare contents of the train split train an adapter, with and without a fifth of ordinary clips.
Figures: `like`, share of 12 motions whose nearest other clip of the library (joints, aligned, two clips of each content;
none of the five) shows the content; `facts`, share of twelve ordinary prompts that do what they say; jerk of both. Rival:
the generator without it, which has seen the five clips among 2,636. Differences have a paired bootstrap interval over
motions.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.metrics.motion import jerk
from kinema.motion.motion_pipeline import TextToMotionPipeline
from kinema.papers.david import with_lora
from kinema.scene import Motion
from kinema.scene.formats import write_motion
from kinema.training.recipes import run_recipe
from motion_hooks import PROMPTS, compared

CONTENTS = {
    "sneak2StepsLStart": "a person sneaks",
    "rotateArmsBothBackward1Reps": "a person rotates both arms backward",
    "kickLFront1Reps": "a person kicks forward with the left leg",
}
STRENGTHS = (0.5, 1.0)
SAMPLES, OF_EACH, SHOWN = 12, 2, 5


def shape(motion: Motion) -> np.ndarray:
    """Joints seen from the pelvis of the first frame and its heading, 60 frames at 20 fps, the last one held."""
    joints = (motion if motion.fps == 20.0 else motion.resample(20.0)).align().joints
    joints = joints[np.minimum(np.arange(60), len(joints) - 1)]
    return joints - joints[:, :1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=3.0)
    args = parser.parse_args()
    train, test = (list(MotionLibrary.open().split(split)) for split in ("train", "test"))
    others: dict[str, list[np.ndarray]] = {}
    chosen = {
        content: [clip for clip in train if clip.labels.get("content") == content] for content in CONTENTS
    }
    held = {clip.id for clips in chosen.values() for clip in clips[:SHOWN]}
    for clip in [*test, *train]:
        content = clip.labels.get("content", "")
        if clip.id not in held and len(others.setdefault(content, [])) < OF_EACH:
            others[content].append(shape(clip.motion()))
    names = [content for content, shapes in others.items() for _ in shapes]
    shapes = np.stack([each for group in others.values() for each in group])
    rows: list[dict[str, Any]] = []
    for content, prompt in CONTENTS.items():
        folder = args.out / content
        folder.mkdir(parents=True, exist_ok=True)
        for number, clip in enumerate(chosen[content][:SHOWN]):
            write_motion(folder / f"{number}.bvh", clip.motion())
            (folder / f"{number}.txt").write_text(f"{prompt}\n")
        ways: dict[str, list[tuple[Path, float]]] = {"generator": []}
        for name, share in (("adapter", "0"), ("adapter, ordinary clips", "0.2")):
            run = args.out / f"{content}-{share}"
            if not (run / "motion-lora.safetensors").is_file():
                options = {"data.motions": str(folder), "data.ordinary": share}
                run_recipe("motion-lora", run, args.minutes, "cpu", 0, options)
            ways |= {f"{name} x {by:g}": [(run / "motion-lora.safetensors", by)] for by in STRENGTHS}
        for way, adapters in ways.items():
            generator = with_lora(TextToMotionPipeline.from_pretrained(), adapters)
            for seed in range(SAMPLES):
                motion = generator(prompt, 3.0, seed)
                apart = np.linalg.norm(shapes - shape(motion), axis=-1).mean((1, 2))
                ordinary, holds = list(PROMPTS.items())[seed % len(PROMPTS)]
                other = generator(ordinary, 4.0, 100 + seed)
                rows.append(
                    {
                        "case": f"{content} {seed}",
                        "way": way,
                        "like": float(names[int(apart.argmin())] == content),
                        "jerk": jerk(motion),
                        "facts": float(holds(other)),
                        "ordinary jerk": jerk(other),
                    }
                )
        mine = [row for row in rows if row["case"].startswith(content)]
        print(json.dumps({content: compared(mine, "generator")}, indent=1), flush=True)
    print(json.dumps({"all": compared(rows, "generator")}, indent=1))


if __name__ == "__main__":
    main()
