"""Recipe `keypoints`: the in-domain pose judge, trained on degraded renders (never used as a loss).

    kinema train keypoints --minutes 25 --out runs/keypoints

One thread films and trains: 200 000 pictures in about 30 minutes on one core.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kinema.capture.keypoint_network import KEYPOINT_JOINTS, KeypointNetwork
from kinema.data.filming import TRACKINGS, frame_subject
from kinema.data.motion_library import MotionLibrary
from kinema.scene import Motion, Scene
from kinema.scene.camera_language import random_camera
from kinema.stage import photo_studio, random_actor, shoot
from kinema.training.config import Run
from kinema.training.data_groups import FilmedData
from kinema.training.recipes.keypoint_pictures import FilmedPerson, heatmaps, make_sample
from kinema.training.trainer import Trainer, TrainerConfig

SIZE = (96, 128)  # of the films, width and height
_CELLS = 2 * np.pi  # the sum of a heatmap with one keypoint: a Gaussian of one cell
_EMPTY = -5.0  # logit of an empty heatmap before training: almost every cell is empty


@dataclass(frozen=True)
class PersonFilm:
    """Films one person of the train split; film number i depends on (settings, seed, i) alone.

    Args:
        size: (width, height) in pixels.
        frames: of each film.
        fps: frames per second.
        seed: of every choice.
        choice: of so many random parts the liveliest is filmed, so that rare poses are seen more often.
        library: folder of the motion library; the default place where None.
        licence: `any` or `commercial`, see MotionLibrary.licensed.
    """

    size: tuple[int, int]
    frames: int
    fps: float
    seed: int
    choice: int = 3
    library: str | None = None
    licence: str = "any"

    @cached_property
    def clips(self) -> MotionLibrary:
        return MotionLibrary.open(self.library).split("train").licensed(self.licence)

    def _part(self, rng: np.random.Generator) -> Motion:
        """A random part of a random clip."""
        motion = self.clips[int(rng.integers(len(self.clips)))].motion()
        begin = rng.uniform(0, max(0.0, motion.duration - (self.frames - 1) / self.fps))
        times = np.minimum(begin + np.arange(self.frames) / self.fps, motion.duration)
        return motion.resample(self.fps, times=times)

    def __call__(self, number: int) -> FilmedPerson:
        rng = np.random.default_rng([self.seed, number])
        motion = max((self._part(rng) for _ in range(self.choice)), key=_liveliness)
        camera = frame_subject(
            motion,
            random_camera(rng),
            size=self.size,
            fps=self.fps,
            azimuth=float(rng.uniform(-180, 180)),
            fill=float(rng.uniform(0.5, 0.76)),
            tracking=TRACKINGS[int(rng.choice(3))],
            seed=int(rng.integers(1 << 31)),
        )
        root = motion.joints[0, 0]
        world = photo_studio(rng, centre=(float(root[0]), float(root[2])))
        cast = [random_actor(rng)]
        antialias = int(rng.integers(1, 3))
        take = shoot(Scene((motion,), camera, self.fps), cast, world, antialias=antialias)
        # A person without joints is left out: the same place, empty, at some moment of the film.
        moment = slice(int(rng.integers(self.frames)), None)
        still = replace(camera, c2w=camera.c2w[moment][:1], intrinsics=camera.intrinsics[moment][:1])
        nobody = replace(motion, joints=np.full((1, 24, 3), np.nan), rotations=None, confidence=None)
        plate = shoot(Scene((nobody,), still, self.fps), cast, world, antialias=antialias).rgb[0]
        return FilmedPerson(
            rgb=take.rgb,
            mask=take.person_mask,
            points=take.keypoints[0][:, list(KEYPOINT_JOINTS)],
            hidden=~take.visibility[0][:, list(KEYPOINT_JOINTS)],
            plate=plate,
        )


def _liveliness(motion: Motion) -> float:
    """How far the joints move about their mean places, metres."""
    return float(np.linalg.norm(motion.joints - motion.joints.mean(axis=0), axis=-1).mean())


class KeypointTask(nn.Module):
    """Cross-entropy of heatmaps and silhouettes with soft targets.

    Args:
        network: what is trained.
        peak: how much more a cell that holds a keypoint counts than an empty one (ours: they are few).
    """

    def __init__(self, network: KeypointNetwork, peak: float = 10.0) -> None:
        super().__init__()
        self.network = network
        self.peak = peak

    def forward(self, films: list[FilmedPerson], generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Named loss terms of one picture from each film."""
        rng = np.random.default_rng(int(torch.randint(1 << 62, (1,), generator=generator)))
        samples = [make_sample(film, rng) for film in films]
        device = self.network.device
        targets, known = zip(*[heatmaps(sample) for sample in samples], strict=True)
        target, known = (torch.from_numpy(np.stack(x)).to(device) for x in (targets, known))
        pixels = torch.from_numpy(np.stack([sample.pixels for sample in samples])).to(device)
        silhouette = torch.from_numpy(np.stack([sample.silhouette for sample in samples])).to(device)
        maps = self.network(pixels.permute(0, 3, 1, 2))
        cells = functional.binary_cross_entropy_with_logits(maps.heatmaps, target, reduction="none")
        # The least possible cross-entropy of a soft target is not 0: without it the log shows errors.
        cells = cells - functional.binary_cross_entropy(target, target, reduction="none")
        weight = (1 + self.peak * target) * known[:, :, None, None]
        return {
            "heatmap": (cells * weight).sum() / known.sum() / (_CELLS * (1 + self.peak)),
            "silhouette": functional.binary_cross_entropy_with_logits(
                maps.silhouette, silhouette.clamp(0, 1)
            ),
        }


@dataclass(frozen=True)
class Recipe:
    """The keypoint network; 6000 steps take about 30 minutes on one core.

    Args:
        compile: compile the network (needs a C++ compiler on the CPU).
    """

    data: FilmedData = FilmedData(reuse=100.0)
    trainer: TrainerConfig = TrainerConfig(steps=6000, learning_rate=1.5e-3)
    compile: bool = False


def run(recipe: Recipe, run: Run) -> Path:
    """Trains the keypoint network on the train split.

    Returns:
        `out/keypoints`, weights in bf16.
    """
    torch.manual_seed(run.seed)
    data = recipe.data
    network = KeypointNetwork()
    nn.init.constant_(network.heatmap_head.bias, _EMPTY)
    task = KeypointTask(network).to(run.device)
    if recipe.compile:
        network.compile()
    trainer = Trainer(task, task, replace(recipe.trainer, seed=run.seed), run.out)
    trainer.resume()
    film = PersonFilm(SIZE, data.frames, data.fps, run.seed, library=data.library, licence=data.licence)
    trainer.run(data.reservoir(film, run.seed).batches(trainer.step), run.minutes)
    trainer.averaged()
    network.to(torch.bfloat16).save_pretrained(run.out / "keypoints")
    return run.out / "keypoints"
