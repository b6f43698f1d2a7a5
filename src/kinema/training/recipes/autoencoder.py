"""Recipe `autoencoder`: fits the patch components of mini's video autoencoder on filmed takes (minutes, no gradients)."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from tqdm import tqdm

from kinema.data.takes import take_stream
from kinema.training.filmed import TakeFilm, batch_video
from kinema.video.models.mini.autoencoder import PatchStatistics, fit
from kinema.video.models.mini.network import MiniFormat


def run(
    out: Path,
    minutes: float,
    device: str,
    seed: int,
    *,
    takes: int = 1500,
    channels: int = 192,
    people: float = 4.0,
    library: str | None = None,
    licence: str = "any",
    workers: int = 1,
) -> Path:
    """Films takes, collects the second moments of their patches, and keeps the leading components.

    Args:
        out: folder; the autoencoder is saved in `out/autoencoder`.
        minutes: stops filming after that time.
        device: unused; the fit is a small matrix on the CPU.
        seed: of the takes.
        takes: how many at most.
        channels: components kept.
        people: how much more a patch with a person in it counts (ours: backdrops are easy and many).
    """
    end = time.monotonic() + minutes * 60
    film = TakeFilm(MiniFormat(), seed, library, licence)
    moving = PatchStatistics(4)
    stream = take_stream(film, workers=workers)
    for _ in tqdm(range(takes), unit="take"):
        take = next(stream)
        video, _ = batch_video([take])
        mask = torch.from_numpy(take["silhouette"])[None].float()
        cells = torch.nn.functional.max_pool2d(mask, 8)
        weight = 1 + (people - 1) * cells
        groups = weight[:, 1:].unflatten(1, (-1, 4)).amax(2)
        moving.add(video[:, :, 1:], groups)
        if time.monotonic() > end:
            break
    model = fit(moving, channels)
    model.save_pretrained(out / "autoencoder")
    return out / "autoencoder"
