#!/usr/bin/env python
"""How denoising steps and the guidance scale of the pose change how surely a model's people follow.

    python benchmarks/pose_guidance.py --takes 24 --seed 3

Takes and judge are those of `kinema evaluate control` (motion library needed), with another seed than its figures.
Per (steps, scale): PCK@0.1H, the same where left and right may be exchanged, and IoU, by the keypoint network, and
PCK@0.1H by MediaPipe, which knows nothing of the stage; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import numpy as np

from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.judges.mediapipe_pose import MediaPipePose
from kinema.evaluation.metrics.iou import silhouette_iou
from kinema.evaluation.metrics.pck import pck, pck_of_either_side
from kinema.evaluation.protocols.control_clips import ControlClip, choose_clips
from kinema.evaluation.protocols.pipelines import film_form, generate, load_system, round_trip
from kinema.video.registry import EMBEDDED

ROWS = ((2, 1.0), (8, 1.0), (4, 2.0), (8, 2.0), (8, 2.5), (8, 3.0), (8, 4.0))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--takes", type=int, default=24)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--control", default="tokenmotion")
    parser.add_argument(
        "--backbone", default=EMBEDDED, help="a name that `kinema models` lists, or a folder of weights"
    )
    arguments = parser.parse_args()
    system = load_system(arguments.backbone, arguments.control)
    model = system.video_model
    clips = choose_clips(
        MotionLibrary.open(), arguments.takes, seed=arguments.seed, progress=False, **film_form(model)
    )
    judges = KeypointNetworkJudge(), MediaPipePose()
    passed = [round_trip(model, clip.video) for clip in clips]
    rows = [{"name": "round trip"} | figures(passed, clips, *judges)]
    chosen = model.defaults
    for steps, scale in ROWS:
        guidance = chosen.guidance.replace(pose=scale)
        model.defaults = replace(chosen, steps=steps, guidance=guidance)
        rows.append(
            {"name": f"{steps} steps, pose {scale:g}"}
            | figures(generate(system, clips, None), clips, *judges)
        )
    for row in rows:
        print(
            f"{row['name']:<18} PCK {row['pck']:.3f}  either side {row['either_side']:.3f}  IoU {row['iou']:.3f}"
            f"  MediaPipe {row['mediapipe']:.3f}"
        )
    print(
        json.dumps({"control": arguments.control, "takes": len(clips), "seed": arguments.seed, "rows": rows})
    )


def figures(
    videos: list[np.ndarray], clips: list[ControlClip], judge: KeypointNetworkJudge, mediapipe: MediaPipePose
) -> dict[str, float]:
    """Means over takes of PCK, PCK of either side, IoU, and PCK by MediaPipe."""
    seen = [judge.watch_all(video) for video in videos]
    scores = [
        (
            pck(sighting.points, clip.truth),
            pck_of_either_side(sighting.points, clip.truth),
            silhouette_iou(mask, clip.mask),
            pck(mediapipe.watch(video).points, clip.truth),
        )
        for video, (sighting, mask), clip in zip(videos, seen, clips, strict=True)
    ]
    names = ("pck", "either_side", "iou", "mediapipe")
    return {name: round(float(value), 4) for name, value in zip(names, np.nanmean(scores, 0), strict=True)}


if __name__ == "__main__":
    main()
