"""Frames per second of the stage on one thread, at several sizes, with and without shadows and anti-aliasing.

What counts is the process's own time, so that other programs on the machine do not. Kernels are compiled
before the clock starts. Run:
    python benchmarks/stage.py
The last line is JSON; the gate is fps_128_shadow >= 100.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.skeleton import SMPL24
from kinema.stage import photo_studio, random_actor, shoot
from kinema.stage.rig import CHART_JOINTS

GATE = 100.0
FPS = 30.0
# name, (width, height), shadows, antialias, detail of the mesh
CASES = (
    ("fps_128", (128, 128), False, 1, "low"),
    ("fps_128_shadow", (128, 128), True, 1, "low"),
    ("fps_128_shadow_aa2", (128, 128), True, 2, "low"),
    ("fps_128x96_shadow_aa2", (128, 96), True, 2, "low"),
    ("fps_256_shadow", (256, 256), True, 1, "high"),
    ("fps_256_shadow_aa2", (256, 256), True, 2, "high"),
    ("fps_512_shadow_aa2", (512, 512), True, 2, "high"),
)


def stepping(frames: int) -> Motion:
    """A person who walks on the spot with swinging arms, SMPL-24."""
    joints = np.repeat(CHART_JOINTS[None], frames, axis=0)
    swing = 0.6 * np.sin(2 * np.pi * np.arange(frames) / FPS)
    for sign, arm, leg in ((1, (16, 18, 20, 22), (1, 4, 7, 10)), (-1, (17, 19, 21, 23), (2, 5, 8, 11))):
        for f in range(frames):
            length = np.abs(joints[f, arm[1:], 0] - joints[f, arm[0], 0])
            joints[f, arm[1:], 0] = joints[f, arm[0], 0] + sign * 0.3 * length
            joints[f, arm[1:], 1] = joints[f, arm[0], 1] - 0.9 * length
            joints[f, arm[1:], 2] += sign * swing[f] * 0.4 * length
            drop = joints[f, leg[0], 1] - joints[f, leg[1:], 1]
            joints[f, leg[1:], 2] -= sign * swing[f] * 0.5 * drop
    return Motion(joints, FPS, SMPL24)


def orbit(frames: int, size: tuple[int, int]) -> CameraPath:
    """A camera that turns by 60 degrees about the person, who fills two thirds of the height."""
    angle = np.linspace(0, np.pi / 3, frames)
    c2w = np.tile(np.diag([1.0, -1.0, -1.0, 1.0]), (frames, 1, 1))
    c2w[:, 0, 0], c2w[:, 2, 0] = np.cos(angle), -np.sin(angle)
    c2w[:, 0, 2], c2w[:, 2, 2] = -np.sin(angle), -np.cos(angle)
    c2w[:, 0, 3], c2w[:, 1, 3], c2w[:, 2, 3] = 3.4 * np.sin(angle), 0.9, 3.4 * np.cos(angle)
    focal = 1.32 * size[1]
    return CameraPath(c2w, np.tile([focal, focal, size[0] / 2, size[1] / 2], (frames, 1)), size, FPS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=33)
    parser.add_argument("--rounds", type=int, default=5, help="the fastest round counts")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    world = photo_studio(rng)
    motion = stepping(arguments.frames)
    result = {}
    print(f"{'case':24} {'frames/s':>9} {'person':>7}")
    for name, size, shadows, antialias, detail in CASES:
        scene = Scene((motion,), orbit(arguments.frames, size), FPS)
        shoot(scene, [random_actor(rng, detail)], world, shadows=shadows, antialias=antialias)
        best, actor_ms = np.inf, np.inf
        for _ in range(arguments.rounds):
            begin = time.process_time()
            actor = random_actor(rng, detail)
            middle = time.process_time()
            take = shoot(scene, [actor], world, shadows=shadows, antialias=antialias)
            best = min(best, time.process_time() - middle)
            actor_ms = min(actor_ms, 1e3 * (middle - begin))
        result[name] = round(arguments.frames / best, 1)
        result[f"actor_ms_{detail}"] = round(actor_ms, 1)
        print(f"{name:24} {result[name]:9.1f} {take.person_mask.mean():7.1%}")
    result["passed"] = result["fps_128_shadow"] >= GATE
    print(json.dumps(result))


if __name__ == "__main__":
    main()
