"""Two steps of a model on this machine: what a plan only counts, measured."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from kinema.app.fulfil import fulfil
from kinema.app.progress import Progress
from kinema.app.request import Direction, ModelChoice, Sampling, VideoRequest
from kinema.scene import Motion
from kinema.scene.skeleton import SMPL24

STEPS = 2


@dataclass(frozen=True)
class Probe:
    """What was measured.

    Args:
        memory: bytes of the accelerator at the worst moment; of main memory, the whole process, where there is none.
        step: seconds of one denoising step, all its passes.
        rest: seconds of everything else, loading left out.
    """

    memory: float
    step: float
    rest: float

    def seconds(self, steps: int, windows: int) -> float:
        """Of a whole video."""
        return windows * (steps * self.step + self.rest)


class _Clock(Progress):
    """When each denoising step was done."""

    def __init__(self, to: Progress) -> None:
        self.to = to
        self.began = 0.0
        self.steps: list[float] = []

    def stage(self, name: str) -> None:
        self.to.stage(name)
        self.began = time.perf_counter()

    def step(self, name: str, done: int, total: int) -> None:
        self.to.step(name, done, total)
        if name == "sampling":
            self.steps.append(time.perf_counter())

    def note(self, line: str) -> None:
        """What a standing figure is not followed in is no news."""


def probe(choice: ModelChoice, progress: Progress) -> Probe:
    """Makes one window of somebody who stands, in two steps, and measures it.

    Args:
        choice: the model and how it is placed.
        progress: told how far it is.

    Raises:
        FileNotFoundError: the model's files are not here.
        ValueError, OSError: as `fulfil`.
    """
    import torch

    clock = _Clock(progress)
    joints = np.repeat(np.asarray(SMPL24.rest)[None], 2, axis=0)
    joints[..., 1] -= joints[..., 1].min()
    stands = Motion(joints, 1.0, SMPL24)
    request = VideoRequest(
        motion=stands,
        camera="static",
        prompt="a person stands",
        direction=Direction(seconds=0.1, beyond="hold"),
        model=choice,
        sampling=Sampling(steps=STEPS),
    )
    counts = torch.accelerator.is_available()
    if counts:
        torch.accelerator.reset_peak_memory_stats()
    fulfil(request, clock)
    ended = time.perf_counter()
    peak = float(torch.accelerator.max_memory_allocated()) if counts else _resident_peak()
    step = clock.steps[-1] - clock.steps[-2]
    return Probe(peak, step, ended - clock.began - STEPS * step)


def _resident_peak() -> float:
    """Most main memory that this process has held, bytes."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) * (1 if sys.platform == "darwin" else 1024)
