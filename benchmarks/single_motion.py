"""SinMDM on clips of the library and on a fox: what four minutes learn, beside cross-faded pieces of the same clip.

    OMP_NUM_THREADS=1 python benchmarks/single_motion.py --minutes 4 --out DIR [--fox fox.glb]

For each clip eight motions of its length. Coverage: share of the clip's one-second windows that some made window is near
to (joints seen from the root within 2 % of the body's height on average). Verbatim: longest run of frames that stay
within 2 cm of one unbroken part of the clip, as a share of the motion. Diversity: mean distance between the motions,
over the spread of the clip. Jerk as a ratio to the clip.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.metrics.motion import jerk, slide_share
from kinema.motion.generator import load_motion_generator
from kinema.motion.representation import MotionRepresentation
from kinema.scene import Motion
from kinema.scene.formats import read_motion, write_motion
from kinema.training.recipes import run_recipe

SAMPLES, FPS = 8, 20.0


def clips(count: int) -> list[tuple[str, Motion]]:
    """The longest clips of the train split, of different contents."""
    found, seen = [], set()
    for clip in sorted(MotionLibrary.open().split("train"), key=lambda each: -each.seconds):
        name = clip.captions[0].split()[-1]
        if 15 <= clip.seconds <= 40 and name not in seen:
            seen.add(name)
            found.append((clip.id.replace("/", "_"), clip.motion()))
        if len(found) == count:
            break
    return found


def seen_from_root(motion: Motion) -> np.ndarray:
    """Joints from the root's place on the floor and heading, [T, J, 3]."""
    root = motion.joints[:, motion.skeleton.root].copy()
    root[:, 1] = 0
    yaw = np.arctan2(*motion.facing()[:, [0, 2]].T)
    away = motion.joints - root[:, None]
    cosine, sine = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    turned = np.stack(
        [
            cosine * away[..., 0] - sine * away[..., 2],
            away[..., 1],
            sine * away[..., 0] + cosine * away[..., 2],
        ],
        -1,
    )
    return turned.astype(np.float32)


def distances(made: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Mean distance of joints between every two frames, metres, [T, S]."""
    return np.stack([np.linalg.norm(frame - source, axis=-1).mean(-1) for frame in made])


def coverage(apart: np.ndarray, near: float) -> float:
    """Share of the source's windows of a second that some window of the motion is near to."""
    length, frames = apart.shape[0], round(FPS)
    nearest = [
        np.mean([apart[i : length - frames + i, start + i] for i in range(frames)], axis=0).min()
        for start in range(0, apart.shape[1] - frames, frames // 2)
    ]
    return float(np.mean(np.array(nearest) < near))


def verbatim(apart: np.ndarray, near: float = 0.02) -> float:
    """Longest run along one diagonal that is near, as a share of the motion."""
    longest = 0
    for offset in range(-apart.shape[0] + 1, apart.shape[1]):
        run = 0
        for each in np.diagonal(apart, offset) < near:
            run = run + 1 if each else 0
            longest = max(longest, run)
    return longest / apart.shape[0]


def crossfaded(motion: Motion, representation: MotionRepresentation, seed: int) -> Motion:
    """Pieces of a second of the clip in random order, cross-faded over a fifth of one: no learning."""
    rng, features = np.random.default_rng(seed), representation.encode(motion)[0]
    piece, fade = round(FPS), round(0.2 * FPS)
    made = features[:1]
    while len(made) < len(features):
        begin = int(rng.integers(0, len(features) - piece))
        part = features[begin : begin + piece].clone()
        if len(made) > fade:
            weight = (np.arange(fade) + 1.0) / (fade + 1)
            share = features.new_tensor(weight)[:, None]
            part[:fade] = (1 - share) * made[-fade:] + share * part[:fade]
            made = made[:-fade]
        made = torch.cat([made, part])
    return representation.decode(representation.renormalise(made[: len(features)]))


def measured(source: Motion, motions: list[Motion]) -> dict[str, float]:
    """The figures of several motions made of one clip."""
    seen, height = seen_from_root(source), float(np.ptp(source.joints[..., 1]))
    parts = [seen_from_root(motion) for motion in motions]
    apart = [distances(part, seen) for part in parts]
    spread = float(np.linalg.norm(seen - seen.mean(0), axis=-1).mean())
    pairs = [
        np.linalg.norm(a[: len(b)] - b[: len(a)], axis=-1).mean()
        for i, a in enumerate(parts)
        for b in parts[:i]
    ]
    return {
        "coverage": float(np.mean([coverage(each, 0.02 * height) for each in apart])),
        "verbatim": float(np.mean([verbatim(each) for each in apart])),
        "diversity": float(np.mean(pairs)) / spread,
        "jerk": float(np.mean([jerk(motion) for motion in motions])) / jerk(source),
        "slide": float(np.mean([slide_share(motion) for motion in motions])),
        "slide_of_clip": slide_share(source),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--clips", type=int, default=5)
    parser.add_argument("--fox", type=Path, help="a motion file of another skeleton")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    sources = clips(asked.clips) + ([("fox", read_motion(asked.fox))] if asked.fox else [])
    table: dict[str, Any] = {}
    for name, motion in sources:
        file = asked.out / f"{name}.bvh"
        write_motion(file, motion)
        folder = asked.out / name
        if not (folder / "single").is_dir():
            run_recipe("single", folder, asked.minutes, "cpu", 0, {"data.motion": str(file)})
        generator = load_motion_generator(folder / "single")
        source = read_motion(file).resample(FPS)
        learned = [generator(seed=seed) for seed in range(SAMPLES)]
        pieces = [crossfaded(source, generator.representation, seed) for seed in range(SAMPLES)]
        write_motion(asked.out / f"{name}_made.bvh", learned[0])
        table[name] = {
            "sinmdm": measured(source, learned),
            "cross-faded": measured(source, pieces),
            "copy": measured(source, [source] * 2),
        }
        print(json.dumps({name: table[name]}), flush=True)
    (asked.out / "single.json").write_text(json.dumps(table, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
