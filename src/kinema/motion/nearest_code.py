"""The nearest code of a vector, exactly, without measuring most distances (ours).

Codes of a trained codebook lie close to a space of far fewer dimensions than they have numbers. There all codes are
compared, in whole numbers of eight bits, and what that leaves out is bounded by its length alone: with z = [u, z'] and
c = [v, c'], and p and q for u and v in whole numbers,

    |z.c - p.q| <= |u - p| |v| + |p| |v - q| + |z'| |c'| .

Only codes that may be nearest by this bound are measured in full.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import njit

_ROWS_AT_ONCE = 256  # 8 MB of products at 8192 codes
_MANY = 0.02  # share of the codes from which measuring all at once is quicker than picking them out
_SLACK = 1e-5  # of the squared lengths: what rounding may do to a bound
_APART = (
    128  # of codes so far apart bounds are looked at one by one only if the least of them is small enough
)


class NearestCode:
    """Search in one codebook, float32 on the CPU.

    Args:
        codebook: [K, D].
        rank: R, dimensions of the space in which every code is compared.

    Attributes:
        centre, basis: [D] and [D, D]. Vectors z are searched for in the coordinates (z - centre) @ basis, a turn of
            the space after which its first R numbers are those that all codes are compared in.
    """

    def __init__(self, codebook: torch.Tensor, rank: int = 1024) -> None:
        rows = np.ascontiguousarray(codebook.numpy())
        bytes_ = rows.view(np.dtype((np.void, rows.strides[0])))
        self.original = torch.from_numpy(
            np.sort(np.unique(bytes_, return_index=True)[1])
        )  # of equals the first
        codes = codebook[self.original]
        self.centre = codes.mean(0)
        codes = codes - self.centre
        rank = min(rank, *codes.shape)
        with torch.random.fork_rng(devices=[]):  # any basis gives the same answer, some give it sooner
            torch.manual_seed(0)
            inside = torch.svd_lowrank(codes, q=rank, niter=1)[2]
            # Mixed, so that no coordinate is much longer than others: all share the step of the whole numbers.
            inside = inside @ torch.linalg.qr(torch.randn(rank, rank))[0]
        self.basis = torch.linalg.qr(inside, mode="complete")[0]
        self.codes = codes @ self.basis
        self.halves = half_norms(self.codes)
        whole, lengths = _in_whole_numbers(self.codes.numpy(), rank)
        self.table = torch.from_numpy(whole).T.contiguous()
        self.lengths = np.ascontiguousarray(lengths.T)

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """The index of the nearest code of each vector in the coordinates above, [N, D] -> [N]; of equals the first."""
        products = torch.empty(min(_ROWS_AT_ONCE, len(vectors)), len(self.codes), dtype=torch.int32)
        nearest = [self._search(part, products[: len(part)]) for part in vectors.split(_ROWS_AT_ONCE)]
        return self.original[torch.cat(nearest)]

    def _search(self, vectors: torch.Tensor, products: torch.Tensor) -> torch.Tensor:
        whole, lengths = _in_whole_numbers(vectors.numpy(), len(self.table))
        torch._int_mm(torch.from_numpy(whole), self.table, out=products)
        codes, halves = self.codes.numpy(), self.halves.numpy()
        slack = _SLACK * (half_norms(vectors) + self.halves.max()).numpy()
        nearest = torch.from_numpy(
            _nearest(vectors.numpy(), lengths, slack, products.numpy(), codes, halves, self.lengths)
        )
        unclear = (nearest < 0).nonzero()[:, 0]
        if len(unclear):
            nearest[unclear] = nearest_in_full(vectors[unclear], self.codes, self.halves)
        return nearest


def nearest_in_full(vectors: torch.Tensor, codebook: torch.Tensor, halves: torch.Tensor) -> torch.Tensor:
    """The index of the nearest code of each vector, [N, D] -> [N], from every distance; of equals the first."""
    # |z - c|^2 is |c|^2 - 2 z.c up to a constant, so one fused matrix product ranks the codes.
    return torch.addmm(halves, vectors, codebook.T, alpha=-1).argmin(1)


def half_norms(vectors: torch.Tensor) -> torch.Tensor:
    """Half the squared length of each vector, [N, D] -> [N]."""
    return torch.linalg.vector_norm(vectors, dim=1).square() / 2


@njit(fastmath=True, error_model="numpy", cache=True, nogil=True)
def _in_whole_numbers(vectors, rank):  # type: ignore[no-untyped-def]
    """The first `rank` numbers of each vector in steps of its own, int8; and of each vector the step, the length of
    those numbers (exact or in steps, whichever is more), of what the steps miss, and of the numbers after them."""
    whole = np.empty((len(vectors), rank), np.int8)
    lengths = np.empty((len(vectors), 4), np.float32)
    for n in range(len(vectors)):
        largest = np.float32(1e-30)
        for d in range(rank):
            largest = max(largest, abs(vectors[n, d]))
        step = largest / np.float32(127)
        per_step = np.float32(1) / step
        inside, missed, rest = np.float32(0), np.float32(0), np.float32(0)
        for d in range(rank):
            value = vectors[n, d]
            number = np.rint(value * per_step)
            whole[n, d] = np.int8(number)
            inside += value * value
            missed += (value - number * step) ** 2
        for d in range(rank, vectors.shape[1]):
            rest += vectors[n, d] * vectors[n, d]
        lengths[n, 0] = step
        lengths[n, 1] = np.sqrt(inside) + np.sqrt(missed)
        lengths[n, 2] = np.sqrt(missed)
        lengths[n, 3] = np.sqrt(rest)
    return whole, lengths


@njit(fastmath=True, error_model="numpy", cache=True, nogil=True)
def _nearest(vectors, lengths, slack, products, codes, halves, code_lengths):  # type: ignore[no-untyped-def]
    """The nearest code of each vector, or -1 where too many may be."""
    count = len(codes)
    bounds, least = np.empty(count, np.float32), np.empty(_APART, np.float32)
    chosen = np.empty(count + 1, np.int64)
    steps, insides, misses, rests = code_lengths
    nearest = np.empty(len(vectors), np.int64)
    for n in range(len(vectors)):
        step, inside, missed, rest = lengths[n]
        row = products[n]
        for k in range(count):
            bounds[k] = halves[k] - step * steps[k] * np.float32(row[k])
            bounds[k] -= missed * insides[k] + inside * misses[k] + rest * rests[k]
        least[:] = 3e38
        for begin in range(0, count, _APART):
            for k in range(min(_APART, count - begin)):
                least[k] = min(least[k], bounds[begin + k])
        lowest = np.argmin(least)
        guess = lowest + _APART * np.argmin(bounds[lowest::_APART])
        shortest = halves[guess] - _dot(codes[guess], vectors[n])
        limit = shortest + slack[n]
        candidates = 0
        for first in range(_APART):
            if least[first] <= limit:
                for k in range(first, count, _APART):
                    chosen[candidates] = k
                    candidates += bounds[k] <= limit
        if candidates > _MANY * count:
            nearest[n] = -1
            continue
        best = guess
        for k in chosen[:candidates]:
            if k != guess:
                distance = halves[k] - _dot(codes[k], vectors[n])
                if distance < shortest or (distance == shortest and k < best):
                    shortest, best = distance, k
        nearest[n] = best
    return nearest


@njit(fastmath=True, error_model="numpy", cache=True, nogil=True)
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for d in range(len(a)):
        total += a[d] * b[d]
    return total
