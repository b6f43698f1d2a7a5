"""Speed and memory of capture: one person at 512 px and 30 frames per second, for 10 seconds and for 60.

The clip is a person who moves before an arcing camera, filmed on the stage; the longer one is the same film played
forth and back. Every capture runs in a process of its own, so that its peak of memory is its own. Run:
    python benchmarks/capture.py
The last line is JSON; the gates are fps >= 15, seconds <= 30 for 10 s, and memory that grows by less than a quarter.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FPS, SIDE, SECONDS, LONG = 30.0, 512, 10, 60
GATES = {"fps": 15.0, "seconds": 30.0, "memory_growth": 1.25}


def film(folder: Path, seconds: int, repeats: int) -> Path:
    """A video of the stage, `seconds` long, played forth and back until it is `repeats` times as long."""
    from kinema.media.video import open_video
    from kinema.scene import Motion, Scene
    from kinema.scene.camera_language import camera_path
    from kinema.scene.skeleton import SMPL24
    from kinema.stage import busy_world
    from kinema.stage.filming import casting
    from kinema.stage.filming import film as takes
    from kinema.stage.rig import CHART_JOINTS

    frames = int(seconds * FPS)
    joints = np.repeat(CHART_JOINTS[None], frames, axis=0)
    swing = np.sin(2 * np.pi * np.arange(frames) / FPS)
    for sign, arm, leg in ((1, (16, 18, 20, 22), (1, 4, 7, 10)), (-1, (17, 19, 21, 23), (2, 5, 8, 11))):
        reach = np.abs(joints[:, arm[1:], 0] - joints[:, arm[0], 0, None])
        angle = sign * 0.5 * swing[:, None]
        joints[:, arm[1:], 0] = joints[:, arm[0], 0, None] + sign * 0.3 * reach
        joints[:, arm[1:], 1] = joints[:, arm[0], 1, None] - 0.9 * reach * np.cos(angle)
        joints[:, arm[1:], 2] += 0.9 * reach * np.sin(angle)
        drop = joints[:, leg[0], 1, None] - joints[:, leg[1:], 1]
        joints[:, leg[1:], 2] -= sign * 0.25 * swing[:, None] * drop
    motion = Motion(joints, FPS, SMPL24)
    camera = camera_path("arc left 40deg", size=(SIDE, SIDE), fps=FPS, frames=frames, subject=motion)
    scene = Scene((motion,), camera, FPS)
    cast, _ = casting(0, scene)
    rgb = np.concatenate(
        [t.rgb for t in takes(scene, cast, busy_world(np.random.default_rng(0)), antialias=1)]
    )
    path = folder / f"{seconds * repeats}s.mp4"
    with open_video(path, FPS) as writer:
        for repeat in range(repeats):
            writer.write(rgb[::-1] if repeat % 2 else rgb)
    return path


def measure(video: Path) -> dict[str, float]:
    """Captures a video in this process: seconds by stage, and the peak of memory above what the imports need."""
    from kinema.capture.capture import capture

    began, worked = time.perf_counter(), time.process_time()
    made = capture(video)
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    stages = {name: value for name, value in made.figures.items() if name.startswith("seconds_")}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    frames = made.figures["frames"]
    return {
        "frames": frames,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "fps": frames / seconds,
        "fps_cpu": frames / cpu,
        "peak_mb": peak,
        **stages,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--short-only", action="store_true", help="leave out the 60-second clip")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        results = {}
        for repeats in (1,) if options.short_only else (1, LONG // SECONDS):
            video = film(Path(folder), SECONDS, repeats)
            command = [sys.executable, __file__, "--measure", str(video)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results[f"{SECONDS * repeats}s"] = made = json.loads(done.stdout.splitlines()[-1])
            print(f"{SECONDS * repeats} s: " + ", ".join(f"{k} {v:.2f}" for k, v in made.items()))
    short = results[f"{SECONDS}s"]
    figures = {**{k: round(v, 3) for k, v in short.items()}, "gates": GATES}
    if not options.short_only:
        long = results[f"{LONG}s"]
        figures["memory_growth"] = round(long["peak_mb"] / short["peak_mb"], 3)
        figures["peak_mb_60s"] = round(long["peak_mb"], 1)
        figures["fps_60s"] = round(long["fps"], 2)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
