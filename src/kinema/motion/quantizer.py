"""Vector quantisation with a codebook that follows its vectors by moving averages (VQ-VAE, van den Oord et al. 2017).

Differences from the published code, which has these as bugs (ours): the codebook moves in training mode only; a code
is judged dead by its recent use, not by whether it was ever used; a reset code resets its averages too, so that stale
ones do not undo the reset.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from kinema.motion.nearest_code import half_norms, nearest_in_full

_SCORES_AT_ONCE = 1 << 24  # 64 MB of float32 distances at a time, however many vectors come


@dataclass(frozen=True)
class CodebookUse:
    """How much of a codebook a set of indices uses.

    Args:
        used: share of the codes that occur.
        perplexity: exp of the entropy of the codes' frequencies; the number of codes if all are equally frequent.
    """

    used: float
    perplexity: float


def codebook_use(indices: torch.Tensor, codes: int) -> CodebookUse:
    """Statistics of indices, any shape, into a codebook of so many codes."""
    counts = torch.bincount(indices.flatten(), minlength=codes).double()
    frequency = counts / counts.sum()
    entropy = -(frequency * frequency.clamp(min=1e-12).log()).sum()
    return CodebookUse(float((counts > 0).double().mean()), float(entropy.exp()))


class VectorQuantizer(nn.Module):
    """A codebook, and the nearest code of each vector.

    Its state dict is the codebook alone, as published. The averages that move it exist only where it is trained
    (`averages`), and belong into the training checkpoint.

    Args:
        codes: K, vectors in the codebook.
        dim: D, numbers in each.
        decay: of the moving averages, per step.
        dead: a code used less than this share of the even use is replaced by a vector of the batch.
    """

    codebook: torch.Tensor

    def __init__(self, codes: int, dim: int, decay: float = 0.99, dead: float = 0.1) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.randn(codes, dim) / dim**0.5)
        self.decay = decay
        self.dead = dead
        self._averages: dict[str, torch.Tensor] = {}

    def indices(self, vectors: torch.Tensor) -> torch.Tensor:
        """The nearest code of each vector by L2 distance, [..., D] -> [...], int64; of equals the first."""
        flat = vectors.reshape(-1, vectors.shape[-1]).float()
        codebook = self.codebook.float()
        halves = half_norms(codebook)
        rows = max(1, _SCORES_AT_ONCE // len(codebook))
        nearest = [nearest_in_full(part, codebook, halves) for part in flat.split(rows)]
        return torch.cat(nearest).reshape(vectors.shape[:-1])

    def lookup(self, indices: torch.Tensor) -> torch.Tensor:
        """The codes at indices, [...] -> [..., D]."""
        return self.codebook[indices]

    def forward(
        self, vectors: torch.Tensor, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Quantises vectors; gradients pass straight through. In training mode the codebook then moves.

        Args:
            vectors: [..., D].
            generator: of the choice of vectors for dead codes, on the CPU.

        Returns:
            Codes [..., D] and indices [...].
        """
        indices = self.indices(vectors.detach())
        quantized = self.lookup(indices).to(vectors)
        if self.training:
            self._move(vectors.detach().flatten(0, -2).float(), indices.flatten(), generator)
        return vectors + (quantized - vectors).detach(), indices

    def averages(self) -> dict[str, torch.Tensor]:
        """What training changes beside parameters, by name: the codebook, and averages of use [K] and sums [K, D].

        The tensors are the living ones: copy into them to resume.
        """
        if not self._averages or self._averages["sums"].device != self.codebook.device:
            self._averages = {"use": torch.ones_like(self.codebook[:, 0]), "sums": self.codebook.clone()}
        return {"codebook": self.codebook, **self._averages}

    @torch.no_grad()
    def restart(
        self, vectors: torch.Tensor, rounds: int = 0, generator: torch.Generator | None = None
    ) -> None:
        """Begins anew with codes that are randomly chosen vectors of [..., D], then so many rounds of k-means."""
        flat = vectors.reshape(-1, vectors.shape[-1])
        self.codebook.copy_(_pick(flat, len(self.codebook), generator))
        for _ in range(rounds):
            counts, sums = self._totals(flat, self.indices(flat))
            self.codebook.copy_(torch.where(counts[:, None] > 0, sums / counts[:, None], self.codebook))
        averages = self.averages()
        averages["use"].fill_(len(flat) / len(self.codebook))
        averages["sums"].copy_(self.codebook * averages["use"][:, None])

    @torch.no_grad()
    def _move(self, vectors: torch.Tensor, indices: torch.Tensor, generator: torch.Generator | None) -> None:
        averages = self.averages()
        use, sums = averages["use"], averages["sums"]
        new_use, new_sums = self._totals(vectors, indices)
        use.lerp_(new_use, 1 - self.decay)
        sums.lerp_(new_sums, 1 - self.decay)
        even = len(vectors) / len(use)
        dead = use < self.dead * even
        if dead.any():
            fresh = _pick(vectors, int(dead.sum()), generator)
            use[dead] = even
            sums[dead] = fresh * even
        self.codebook.copy_(sums / use[:, None])

    def _totals(self, vectors: torch.Tensor, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """How many of the vectors [N, D] go to each code, [K], and their sums, [K, D]."""
        counts = torch.zeros_like(self.codebook[:, 0]).index_add_(0, indices, torch.ones_like(vectors[:, 0]))
        return counts, torch.zeros_like(self.codebook).index_add_(0, indices, vectors)


def _pick(vectors: torch.Tensor, count: int, generator: torch.Generator | None) -> torch.Tensor:
    """Randomly chosen vectors, [count, D]; each at most once while there are enough."""
    rounds = -(-count // len(vectors))
    order = torch.cat([torch.randperm(len(vectors), generator=generator) for _ in range(rounds)])
    return vectors[order[:count].to(vectors.device)]
