#!/usr/bin/env python
"""How far mini's plates carry it: the plates alone, and videos as they are drawn and before the backdrop.

    python benchmarks/plates.py --takes 16 --seed 0
    python benchmarks/plates.py --takes 64 --bases 4

Takes and judges are those of `kinema evaluate control` (motion library needed). Degrees by which the camera's rotation
is off, over the takes whose camera turns, by both judges; PCK@0.1H, by MediaPipe as well, and IoU of people; and in how
many first pictures the pattern of the floor is found (period within 3 %, angle within 1.5 degrees). With `--bases` the
disentanglement matrix of the plates alone. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from kinema.appearance import KinemaPipeline
from kinema.control.backdrop import Backdrop
from kinema.control.signals import ControlSignals, control_signals
from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.judges.camera import JUDGES
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.judges.mediapipe_pose import MediaPipePose
from kinema.evaluation.protocols.bench import Bench, summary, table
from kinema.evaluation.protocols.control_camera import Cameras, turning
from kinema.evaluation.protocols.control_clips import ControlClip, choose_clips
from kinema.evaluation.protocols.pipelines import generate, mini_pipeline
from kinema.scene import Scene
from pose_guidance import figures as people


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--takes", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bases", type=int, default=0, help="films that are edited; 0 for no matrix")
    parser.add_argument("--control", default="tokenmotion")
    parser.add_argument("--backbone", default="mini", help="an embedded model or a folder of weights")
    arguments = parser.parse_args()
    pipe = mini_pipeline(arguments.backbone, arguments.control)
    form: dict[str, Any] = {"size": pipe.size, "fps": pipe.fps, "frames": pipe.video_format.frames}
    clips = choose_clips(MotionLibrary.open(), arguments.takes, seed=arguments.seed, progress=False, **form)
    judges = KeypointNetworkJudge(), MediaPipePose()
    masks = [clip.mask for clip in clips]
    render = Cameras.find([clip.video for clip in clips], masks, clips).errors(clips)
    turns = turning(clips, render)
    plates = _Plates(**form)
    empty = [plates.backdrop(clip.film.reference, clip.film.scene) for clip in clips]
    figures: dict[str, dict[str, float]] = {"backdrop": _camera(empty, masks, clips, turns)}
    made = {"plates": [plates(image=clip.film.reference, scene=clip.film.scene).frames for clip in clips]}
    for name, composes in (("drawn", False), ("before it", True)):
        pipe.video_model.composes = composes
        made[name] = generate(pipe, clips, None)
    for name, videos in made.items():
        seen = [judges[0].silhouette(video) for video in videos]
        figures[name] = _camera(videos, seen, clips, turns) | people(videos, clips, *judges)
    for name, row in figures.items():
        print(f"{name:<10}", ", ".join(f"{key} {value:.3f}" for key, value in row.items()))
    found = sum(_pattern_found(clip) for clip in clips)
    print(f"the floor's pattern is found in {found} of {len(clips)} pictures")
    matrix = _matrix(plates, pipe, arguments.bases, arguments.seed) if arguments.bases else {}
    print(
        json.dumps({"takes": len(clips), "turning": int(turns.sum()), "patterns": found, **figures, **matrix})
    )


@dataclass
class _Plates:
    """The plates as a generator that draws nothing itself."""

    size: tuple[int, int]
    fps: float
    frames: int

    def set_progress_bar_config(self, **options: Any) -> None:
        """What a pipeline has."""

    def __call__(self, *, image: np.ndarray, scene: Scene, **options: Any) -> SimpleNamespace:
        """Backdrop with people, uint8 [T, H, W, 3]."""
        signals = self._signals(image, scene)
        assert signals.backdrop is not None
        assert signals.people_plate is not None
        colours, cover = signals.people_plate.split((3, 1), dim=2)
        return SimpleNamespace(frames=_video(colours + (1 - cover) * signals.backdrop[:, :, :3]))

    def backdrop(self, image: np.ndarray, scene: Scene) -> np.ndarray:
        """The backdrop alone, uint8 [T, H, W, 3]."""
        signals = self._signals(image, scene)
        assert signals.backdrop is not None
        return _video(signals.backdrop[:, :, :3])

    def _signals(self, image: np.ndarray, scene: Scene) -> ControlSignals:
        return control_signals(scene, picture=image, size=self.size, fps=self.fps, frames=self.frames)


def _video(pixels: torch.Tensor) -> np.ndarray:
    return (pixels[0] * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def _matrix(plates: _Plates, pipe: KinemaPipeline, bases: int, seed: int) -> dict[str, Any]:
    """The disentanglement matrix of the plates alone, printed."""
    bench = Bench.prepare(
        MotionLibrary.open(),
        pipe.autoencoder,
        KeypointNetworkJudge(),
        bases=bases,
        seed=seed,
        renders=False,
        **asdict(plates),
    )
    found = summary(bench.judge(plates))
    print(table({"plates": found}))
    return {"matrix": found}


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
