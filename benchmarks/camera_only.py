"""Do camera rays alone move mini's room? TokenMotion without pose, without the backdrop plate, in empty rooms.

    OMP_NUM_THREADS=1 python benchmarks/camera_only.py --minutes 90 --out runs/camera_only

mini (all weights) and TokenMotion train together on films of empty studios whose cameras turn, with
`MiniVideo.plates = False`: what the network sees of the room is the first picture, and what it is told of the camera
are rays. Held-out rooms say, every few steps, how much lower the denoising loss is with the right rays than with those
of a camera that stands still (`rays`), and of another room's camera (`others`). At the end the cameras of generated
videos are read by the judge `align`, beside the exact film, a still picture, and the shipped model with its plate.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinema.data.filming import frame_subject
from kinema.data.motion_library import MotionLibrary
from kinema.data.sample import Sample
from kinema.data.takes import Reservoir
from kinema.evaluation.judges.camera import AlignedCamera
from kinema.evaluation.judges.studio import Studio
from kinema.evaluation.metrics.camera_error import camera_error
from kinema.media.video import write_video
from kinema.scene import CameraPath, Motion, Scene
from kinema.stage import World, photo_studio, shoot
from kinema.training.trainer import Trainer, TrainerConfig
from kinema.training.validation import generated
from kinema.training.video_task import Conditions, VideoTask
from kinema.video.adapters.attach import attach
from kinema.video.model_loading import load_model
from kinema.video.registry import adapter_class

TIMES = (0.8, 0.9, 0.97)
MOVES = ("pan left {a}deg", "pan right {a}deg", "arc left {b}deg", "arc right {b}deg")


@dataclass
class EmptyRooms:
    """Films of studios without anybody, by number; the camera pans or arcs by 8 to 40 degrees."""

    size: tuple[int, int]
    fps: float
    frames: int
    seed: int
    split: str = "train"

    def __call__(self, number: int) -> Sample:
        return self.film(number)[0]

    def film(self, number: int) -> tuple[Sample, World]:
        rng = np.random.default_rng([self.seed, number, self.split == "train"])
        person = _anybody()
        a, b = rng.uniform(8, 30), rng.uniform(12, 40)
        text = MOVES[int(rng.integers(len(MOVES)))].format(a=round(a, 1), b=round(b, 1))
        still = {
            "size": self.size,
            "fps": self.fps,
            "azimuth": float(rng.uniform(-180, 180)),
            "fill": float(rng.uniform(0.5, 0.7)),
        }
        path = frame_subject(person, f"{text} over {(self.frames - 1) / self.fps:.2f}s", **still)
        path = replace(path, c2w=path.c2w[: self.frames], intrinsics=path.intrinsics[: self.frames])
        root = person.joints[0, 0]
        world = photo_studio(rng, centre=(float(root[0]), float(root[2])))
        scene = Scene((), path, self.fps, "an empty room")
        rgb = shoot(scene, [], world, antialias=2).rgb
        sample = Sample(
            caption="an empty room",
            scene=scene,
            start=0,
            frames=self.frames,
            size=self.size,
            fps=self.fps,
            picture=rgb[0],
            video=rgb,
        )
        return sample, world


def _anybody() -> Motion:
    """Somebody whom the camera is set up for, and who is then left out."""
    global _PERSON
    if _PERSON is None:
        _PERSON = MotionLibrary.open(None).split("train")[0].motion()
    return _PERSON


_PERSON: Motion | None = None


class Held:
    """Held-out rooms: losses with right, still and others' rays; videos and their cameras."""

    def __init__(self, task: VideoTask, rooms: EmptyRooms, count: int) -> None:
        films = [replace(rooms, split="val").film(number) for number in range(count)]
        self.samples = [sample for sample, _ in films]
        self.worlds = [world for _, world in films]
        self.task = task

    @torch.no_grad()
    def losses(self, step: int) -> dict[str, float]:
        right = self.samples
        still = [_seen_by(sample, _still(_camera(sample))) for sample in right]
        others = [
            _seen_by(s, _from(_camera(s), _camera(o)))
            for s, o in zip(right, right[1:] + right[:1], strict=True)
        ]
        found = {"right": self._loss(right), "still": self._loss(still), "others": self._loss(others)}
        return found | {"rays": 1 - found["right"] / found["still"]}

    def _loss(self, samples: list[Sample]) -> float:
        each = []
        for start in range(0, len(samples), 8):
            for number, share in enumerate(TIMES):
                generator = torch.Generator().manual_seed(1000 * start + number)
                term = self.task.loss_at(samples[start : start + 8], share, generator)["denoising"]
                each.append(float(term))
        return float(np.mean(each))

    @torch.no_grad()
    def cameras(self, count: int, folder: Path | None = None) -> dict[str, float]:
        """Mean degrees between the camera found by `align` and the commanded one; `turn` is how far that turns."""
        errors: dict[str, list[float]] = {"generated": [], "film": [], "still": [], "turn": []}
        judge = AlignedCamera()
        for number, (sample, world) in enumerate(zip(self.samples[:count], self.worlds[:count], strict=True)):
            camera = _camera(sample)
            made = generated(self.task, sample, number)
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                write_video(folder / f"room{number:02d}.mp4", np.concatenate([sample.video, made], 1), 6)
            frozen = np.repeat(sample.video[:1], len(sample.video), 0)
            empty = np.zeros(sample.video.shape[:3], bool)
            for name, video in (("generated", made), ("film", sample.video), ("still", frozen)):
                path = judge.watch(
                    video, empty, Studio(world, camera.size), camera.intrinsics, camera.c2w[0].astype(float)
                )
                errors[name].append(camera_error(path, camera.c2w).rotation_deg)
            errors["turn"].append(camera_error(camera.c2w, camera.c2w).extent_deg)
        return {f"{name}_deg": float(np.mean(values)) for name, values in errors.items()}


def _camera(sample: Sample) -> CameraPath:
    camera = sample.scene.camera
    assert camera is not None
    return camera


def _still(camera: CameraPath) -> CameraPath:
    return replace(camera, c2w=np.repeat(camera.c2w[:1], len(camera.c2w), 0))


def _from(own: CameraPath, other: CameraPath) -> CameraPath:
    """The way of another camera, from where this one begins."""
    way = np.linalg.inv(other.c2w[0].astype(float)) @ other.c2w
    return replace(own, c2w=(own.c2w[0] @ way).astype(own.c2w.dtype))


def _seen_by(sample: Sample, camera: CameraPath) -> Sample:
    return replace(sample, scene=replace(sample.scene, camera=camera))


def curve(rows: list[tuple[int, float]], batch: int) -> dict[str, float]:
    """rays = c * samples^p fitted to the later half, and samples until rays explain half of a still camera's loss."""
    late = [(step * batch, value) for step, value in rows[len(rows) // 2 :] if value > 0]
    if len(late) < 3:
        return {}
    x, y = np.log([a for a, _ in late]), np.log([b for _, b in late])
    power, constant = np.polyfit(x, y, 1)
    half = float(np.exp((np.log(0.5) - constant) / power)) if power > 0 else float("inf")
    return {"power": float(power), "samples_to_half": half}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--steps", type=int, default=4000, help="planned, for the learning rate")
    parser.add_argument("--every", type=int, default=100, help="steps between measurements")
    parser.add_argument("--rooms", type=int, default=16, help="held out")
    parser.add_argument("--judge-only", action="store_true", help="measure what lies in --out")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model: Any = load_model("mini", torch.float32, {})
    model.plates = False
    model.transformer.requires_grad_(True)
    method = adapter_class("tokenmotion")
    folder = Path(model_folder()) / "tokenmotion"
    adapter = method.from_pretrained(folder, dtype=torch.float32)
    attach(model.transformer, adapter)
    model.transformer.train()
    told = Conditions(
        drop_text=1.0, drop_pose=0.0, drop_camera=0.1, drop_both=0.0, given=0.0, people=1.0, shift=10.0
    )
    task = VideoTask(model, {"tokenmotion": adapter}, told)
    rooms = EmptyRooms(model.form.size, 6.0, 9, 0)
    held = Held(task, rooms, args.rooms)
    args.out.mkdir(parents=True, exist_ok=True)
    config = TrainerConfig(
        args.steps,
        args.rate,
        warmup=100,
        validate_steps=args.every,
        guard_steps=0,
        ema=0.995,
        save_seconds=300,
    )
    trainer = Trainer(task, task, config, args.out, validate=held.losses)
    trainer.resume()
    begun = time.process_time()
    if not args.judge_only:
        if trainer.step == 0:
            before = held.losses(0) | held.cameras(args.rooms, args.out / "before")
            model.plates = True
            before["with_plate_deg"] = held.cameras(args.rooms, args.out / "plate")["generated_deg"]
            model.plates = False
            (args.out / "before.json").write_text(json.dumps(before, indent=1))
            print("before", before, flush=True)
        reservoir = Reservoir(rooms, 512, args.batch, 6.0, 0, 0)
        trainer.run(reservoir.batches(trainer.step), args.minutes)
    trainer.averaged()
    task.eval()
    rows = [
        (int(row["step"]), float(row["rays"]))
        for row in csv.DictReader((args.out / "validation.csv").read_text().splitlines())
        if row["step"].isdigit()
    ]
    found = {
        "steps": trainer.step,
        "samples": trainer.step * args.batch,
        "cpu_minutes": (time.process_time() - begun) / 60,
        **held.losses(trainer.step),
        **held.cameras(args.rooms, args.out / "after"),
        **curve(rows, args.batch),
    }
    (args.out / "after.json").write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


def model_folder() -> str:
    import kinema

    return str(Path(kinema.__file__).parent / "weights" / "mini")


if __name__ == "__main__":
    main()
