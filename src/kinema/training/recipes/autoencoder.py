"""Recipe `autoencoder`: fits the patch components of mini's video autoencoder on filmed takes (minutes, no gradients)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from kinema.data.takes import take_stream
from kinema.training.config import Run
from kinema.training.data_groups import LibraryData
from kinema.training.filmed import TakeFilm
from kinema.video.models.mini.autoencoder import PatchStatistics, fit
from kinema.video.models.mini.network import MiniFormat
from kinema.video.pixels import from_uint8


@dataclass(frozen=True)
class Data(LibraryData):
    """What is filmed.

    Args:
        takes: how many at most.
        workers: filming processes; 0 for none beside this one.
    """

    takes: int = 1500
    workers: int = 1


@dataclass(frozen=True)
class Model:
    """What is kept of a patch.

    Args:
        channels: components kept.
        people: how much more a patch with a person in it counts (ours: backdrops are easy and many).
    """

    channels: int = 192
    people: float = 4.0


@dataclass(frozen=True)
class Recipe:
    """The patch components of the video autoencoder."""

    data: Data = Data()
    model: Model = Model()


def run(recipe: Recipe, run: Run) -> Path:
    """Films takes until the time is over, collects the second moments of their patches, keeps the leading components.

    The fit is a small matrix on the CPU, whatever the device.

    Returns:
        `out/autoencoder`.
    """
    end = time.monotonic() + run.minutes * 60
    data = recipe.data
    film = TakeFilm(MiniFormat(), run.seed, data.library, data.licence)
    moving = PatchStatistics(4)
    stream = take_stream(film, workers=data.workers)
    for _ in tqdm(range(data.takes), unit="take"):
        take = next(stream)
        video = from_uint8(take.video)
        mask = torch.from_numpy(take.silhouette)[None].float()
        cells = torch.nn.functional.max_pool2d(mask, 8)
        weight = 1 + (recipe.model.people - 1) * cells
        groups = weight[:, 1:].unflatten(1, (-1, 4)).amax(2)
        moving.add(video[:, :, 1:], groups)
        if time.monotonic() > end:
            break
    fit(moving, recipe.model.channels).save_pretrained(run.out / "autoencoder")
    return run.out / "autoencoder"
