"""Sampling speed of the embedded model, and proof that control is encoded once per window of video, not once per step.

Counts the calls of the adapter's encoder over whole sampling runs, and weighs their cost against that of a step: the
last figure is what encoding at every step, as a plain conditional forward does, would multiply the time by (computed
from the measured parts). Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import median

import numpy as np
import torch

from kinema.diffusion.guider import Guidance
from kinema.scene import Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.skeleton import SMPL24
from kinema.video import KinemaPipeline, load_pipeline


def gliding_scene(pipeline: KinemaPipeline) -> Scene:
    """A person in the rest pose gliding forwards, one window long, under an arc."""
    frames = pipeline.video_format.frames
    joints = np.repeat(SMPL24.rest[None], frames, axis=0)
    joints[:, :, 2] += np.linspace(0, 0.4, frames)[:, None]
    motion = Motion(joints, pipeline.fps, SMPL24)
    camera = camera_path(
        "arc left 30deg", size=pipeline.size, fps=pipeline.fps, frames=frames, subject=motion
    )
    return Scene((motion,), camera, pipeline.fps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = load_pipeline()
    pipeline.set_progress_bar_config(disable=True)
    scene = gliding_scene(pipeline)
    picture = np.full((pipeline.size[1], pipeline.size[0], 3), 128, np.uint8)
    adapter = pipeline.adapter
    encode, spent = adapter.encode, []

    def counted(*inputs: object, **options: object) -> object:
        begin = time.process_time()
        tokens = encode(*inputs, **options)
        spent.append(time.process_time() - begin)
        return tokens

    adapter.encode = counted
    totals = []
    for _ in range(arguments.repeats + 1):
        spent.clear()
        begin = time.process_time()
        pipeline("", picture, scene, steps=arguments.steps, guidance=Guidance())
        totals.append(time.process_time() - begin)
    window, encoding, calls = median(totals[1:]), median(spent), len(spent)  # the first run warms up
    result = {
        "encode_calls_per_window": calls,
        "steps": arguments.steps,
        "window_seconds": round(window, 3),
        "encode_ms": round(1000 * encoding, 1),
        "step_ms": round(1000 * (window - calls * encoding) / arguments.steps, 1),
        "factor_if_encoded_per_step": round((window + (arguments.steps - calls) * encoding) / window, 3),
    }
    for name, value in result.items():
        print(f"{name:36} {value}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
