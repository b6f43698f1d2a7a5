"""The nearest code of a vector, exactly, without measuring most distances (ours).

Codes of a trained codebook lie close to a space of far fewer dimensions than they have numbers. Within that space
distances are cheap, and what is left out of it is bounded by its length alone: with z = [u, z'], c = [v, c'],

    |z - c|^2 >= |u - v|^2 + (|z'| - |c'|)^2 .

Only codes whose bound is below the distance of the best guess are measured in full.
"""

from __future__ import annotations

import numpy as np
import torch

_ROWS_AT_ONCE = 128  # 4 MB of bounds at 8192 codes: they stay in the processor's cache
_MANY = 0.05  # share of the codes from which measuring all at once is quicker than picking them out
_SLACK = 1e-5  # of the squared lengths: what rounding may do to a bound


class NearestCode:
    """Search in one codebook, which must not change.

    Args:
        codebook: [K, D], float32, on the CPU.
        rank: dimensions of the space in which every code is compared.
    """

    def __init__(self, codebook: torch.Tensor, rank: int = 768) -> None:
        self.codebook = codebook
        self.half_norms = half_norms(codebook)
        self.centre = codebook.mean(0)
        centred = codebook - self.centre
        rank = min(rank, *codebook.shape)
        with torch.random.fork_rng(devices=[]):  # any basis gives the same answer, some give it sooner
            torch.manual_seed(0)
            self.basis = torch.svd_lowrank(centred, q=rank, niter=1)[2]
        self.half_centred = half_norms(centred)
        self.table = _with_rest(centred, self.basis).T.contiguous()

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """The index of the nearest code of each vector, [N, D] -> [N]; of equals the first."""
        return torch.cat([self._search(part) for part in vectors.detach().split(_ROWS_AT_ONCE)])

    def _search(self, vectors: torch.Tensor) -> torch.Tensor:
        centred = vectors - self.centre
        # Up to a constant per vector, half the squared distance is |c|^2 / 2 - z.c; the bound is of the same form,
        # with centred vectors, which changes the constant.
        bounds = torch.addmm(self.half_centred, _with_rest(centred, self.basis), self.table, alpha=-1)
        lengths = centred.square().sum(1)
        constant = (vectors.square().sum(1) - lengths) / 2
        slack = _SLACK * (lengths + 2 * self.half_centred.max())
        nearest, unclear = self._measure(*(each.numpy() for each in (vectors, bounds, constant + slack)))
        indices = torch.from_numpy(nearest)
        if unclear:
            indices[unclear] = nearest_in_full(vectors[unclear], self.codebook, self.half_norms)
        return indices

    def _measure(
        self, vectors: np.ndarray, bounds: np.ndarray, allowance: np.ndarray
    ) -> tuple[np.ndarray, list[int]]:
        """The nearest code of each row, and the rows that have too many candidates. In NumPy, whose calls are
        short, and without its BLAS, whose threads are not torch's: this happens once per vector."""
        codebook, halves = self.codebook.numpy(), self.half_norms.numpy()
        nearest = bounds.argmin(1)
        unclear = []
        for row, (vector, bound) in enumerate(zip(vectors, bounds, strict=True)):
            guess = nearest[row]
            distance = halves[guess] - np.einsum("d,d", codebook[guess], vector)
            candidates = np.flatnonzero(bound <= distance + allowance[row])
            if len(candidates) > _MANY * len(codebook):
                unclear.append(row)
            elif len(candidates) > 1:
                scores = halves[candidates] - np.einsum("cd,d->c", codebook[candidates], vector)
                nearest[row] = candidates[scores.argmin()]
        return nearest, unclear


def nearest_in_full(vectors: torch.Tensor, codebook: torch.Tensor, halves: torch.Tensor) -> torch.Tensor:
    """The index of the nearest code of each vector, [N, D] -> [N], from every distance; of equals the first."""
    # |z - c|^2 is |c|^2 - 2 z.c up to a constant, so one fused matrix product ranks the codes.
    return torch.addmm(halves, vectors, codebook.T, alpha=-1).argmin(1)


def half_norms(vectors: torch.Tensor) -> torch.Tensor:
    """Half the squared length of each vector, [N, D] -> [N]."""
    return torch.linalg.vector_norm(vectors, dim=1).square() / 2


def _with_rest(vectors: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
    """Coordinates in the basis [D, R], and the length of what lies outside of it: [N, R + 1]."""
    inside = vectors @ basis
    rest = (vectors.square().sum(1) - inside.square().sum(1)).clamp(min=0).sqrt()
    return torch.cat([inside, rest[:, None]], dim=1)
