"""How fast a run goes: seconds a step, how much of them it waits for data, samples and tokens a second, MFU, memory."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch

from kinema.training import ranks


@dataclass(frozen=True)
class Work:
    """What a sample costs.

    Args:
        tokens: video tokens of a sample.
        flops: floating-point operations of a training step for a sample, forward and backward.
        peak: of one device, operations a second in the type that is computed in; None where nobody knows.
    """

    tokens: int
    flops: float
    peak: float | None = None


@dataclass
class Speed:
    """Measures between two readings.

    Args:
        work: of a sample; without it there are no tokens and no MFU.
    """

    work: Work | None = None
    _steps: int = 0
    _samples: int = 0
    _waited: float = 0.0
    _begun: float = field(default_factory=time.monotonic)

    def step(self, samples: int, waited: float) -> None:
        """Counts a step.

        Args:
            samples: of all processes; 0 where batches are not of samples.
            waited: seconds for its batch.
        """
        self._steps += 1
        self._samples += samples
        self._waited += waited

    def read(self) -> dict[str, float]:
        """Means since the last reading, by name.

        MFU is the share of the devices' peak that the model's own operations are (PaLM, 2204.02311, appendix B);
        operations that checkpointing repeats do not count.
        """
        now = time.monotonic()
        seconds, steps, samples, waited = now - self._begun, self._steps, self._samples, self._waited
        self._begun, self._steps, self._samples, self._waited = now, 0, 0, 0.0
        if not steps:
            return {}
        found = {
            "seconds_per_step": seconds / steps,
            "waiting_for_data": min(1.0, waited / seconds),
        }
        if samples:
            found["samples_per_second"] = samples / seconds
        if samples and self.work is not None:
            found["tokens_per_second"] = samples * self.work.tokens / seconds
            found["tflops"] = samples * self.work.flops / seconds / 1e12
            if self.work.peak:
                found["mfu"] = samples * self.work.flops / seconds / (self.work.peak * ranks.world())
        if torch.cuda.is_available():
            found["memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
        return found
