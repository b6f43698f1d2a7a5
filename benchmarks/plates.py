#!/usr/bin/env python
"""How far the backdrop plate carries mini's camera: the plate alone, and videos as they are drawn and before it.

    python benchmarks/backdrop.py --takes 16 --seed 0

Takes and judges are those of `kinema evaluate control` (motion library needed). Degrees by which the camera's rotation
is off, over the takes whose camera turns, by both judges; PCK@0.1H and IoU of people beside; and in how many first
pictures the pattern of the floor is found (period within 3 %, angle within 1.5 degrees). The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from kinema.control.backdrop import Backdrop
from kinema.control.signals import control_signals
from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.judges.camera import JUDGES
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.metrics.iou import silhouette_iou
from kinema.evaluation.metrics.pck import pck
from kinema.evaluation.protocols.control_camera import Cameras, turning
from kinema.evaluation.protocols.control_clips import ControlClip, choose_clips
from kinema.evaluation.protocols.pipelines import generate, mini_pipeline

ALPHA = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--takes", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--control", default="tokenmotion")
    parser.add_argument("--backbone", default="mini", help="an embedded model or a folder of weights")
    arguments = parser.parse_args()
    pipe = mini_pipeline(arguments.backbone, arguments.control)
    form: dict[str, Any] = {"size": pipe.size, "fps": pipe.fps, "frames": pipe.video_format.frames}
    clips = choose_clips(MotionLibrary.open(), arguments.takes, seed=arguments.seed, progress=False, **form)
    judge = KeypointNetworkJudge()
    masks = [clip.mask for clip in clips]
    render = Cameras.find([clip.video for clip in clips], masks, clips).errors(clips)
    turns = turning(clips, render)
    figures: dict[str, dict[str, float]] = {
        "plate": _camera([_plate(clip, form) for clip in clips], masks, clips, turns)
    }
    for name, composes in (("drawn", False), ("before it", True)):
        pipe.video_model.composes = composes
        videos = generate(pipe, clips, None)
        seen = [judge.watch_all(video) for video in videos]
        figures[name] = _camera(videos, [mask for _, mask in seen], clips, turns)
        pairs = list(zip(seen, clips, strict=True))
        figures[name]["pck"] = float(np.mean([pck(at.points, clip.truth, ALPHA) for (at, _), clip in pairs]))
        figures[name]["iou"] = float(np.mean([silhouette_iou(mask, clip.mask) for (_, mask), clip in pairs]))
    for name, row in figures.items():
        print(f"{name:<10}", ", ".join(f"{key} {value:.3f}" for key, value in row.items()))
    found = sum(_pattern_found(clip) for clip in clips)
    print(f"the floor's pattern is found in {found} of {len(clips)} pictures")
    print(json.dumps({"takes": len(clips), "turning": int(turns.sum()), "patterns": found, **figures}))


def _plate(clip: ControlClip, form: dict[str, Any]) -> np.ndarray:
    """The plate as a video, uint8 [T, H, W, 3]."""
    plate = control_signals(clip.film.scene, picture=clip.film.reference, **form).backdrop
    assert plate is not None
    return (plate[0, :, :3] * 255).round().byte().permute(0, 2, 3, 1).numpy()


def _pattern_found(clip: ControlClip) -> bool:
    """Whether the pattern is that of the studio; a chequer repeats along its diagonals."""
    scene, world = clip.film.scene, clip.film.world
    standing = np.stack([person.joints[0] for person in scene.people])
    pattern = Backdrop.of(clip.film.reference, scene.camera, standing).pattern
    if pattern is None:
        return False
    period = world.spacing * (np.sqrt(2) if world.checker else 1)
    angle = np.degrees(np.arctan2(*pattern.wave[::-1])) - world.turn - (45 if world.checker else 0)
    return bool(abs(1 / np.hypot(*pattern.wave) / period - 1) < 0.03 and abs((angle + 45) % 90 - 45) < 1.5)


def _camera(
    videos: Sequence[np.ndarray], masks: Sequence[np.ndarray], clips: Sequence[ControlClip], turns: np.ndarray
) -> dict[str, float]:
    errors = Cameras.find(list(videos), list(masks), clips).errors(clips)
    return {
        f"{judge.name}_deg": float(
            np.mean([e.rotation_deg for e, turn in zip(errors[judge.name], turns, strict=True) if turn and e])
        )
        for judge in JUDGES
    }


if __name__ == "__main__":
    main()
