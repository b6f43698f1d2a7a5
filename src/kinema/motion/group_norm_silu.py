"""Group normalisation and SiLU in one pass over maps that lie channels last, on the CPU."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from torch import nn


class GroupNormSilu:
    """What `nn.GroupNorm` and `nn.SiLU` do one after the other, for float32 maps [M, H, J, C]; without gradients."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        self.groups, self.eps = norm.num_groups, norm.eps
        self.weight, self.bias = (each.detach().numpy() for each in (norm.weight, norm.bias))

    def __call__(self, x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """Writes into `out`, which may be `x` itself."""
        shape = (len(x), -1, x.shape[-1])
        _normalise(
            x.view(shape).numpy(),
            self.weight,
            self.bias,
            self.groups,
            np.float32(self.eps),
            out.view(shape).numpy(),
        )
        return out


@njit(fastmath=True, error_model="numpy", cache=True, nogil=True)
def _normalise(x, weight, bias, groups, eps, out):  # type: ignore[no-untyped-def]
    maps, places, channels = x.shape
    size = channels // groups
    mean, line = np.empty(channels, np.float32), np.empty(channels, np.float32)
    scale, shift = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for m in range(maps):
        scale[:] = 0
        for place in range(places):
            for c in range(channels):
                scale[c] += x[m, place, c]
        for group in range(groups):
            mean[group * size : (group + 1) * size] = scale[group * size : (group + 1) * size].sum() / (
                places * size
            )
        scale[:] = 0
        for place in range(places):
            for c in range(channels):
                scale[c] += (x[m, place, c] - mean[c]) ** 2
        for group in range(groups):
            variance = scale[group * size : (group + 1) * size].sum() / (places * size)
            scale[group * size : (group + 1) * size] = 1 / np.sqrt(variance + eps)
        for c in range(channels):
            scale[c] *= weight[c]
            shift[c] = bias[c] - mean[c] * scale[c]
        for place in range(places):
            for c in range(channels):
                value = x[m, place, c] * scale[c] + shift[c]
                # exp(-value) = 2^whole * 2^part: the whole by the exponent's bits, the part by its series, which is
                # as exact as float32 and, unlike a call of exp, is done for many numbers at once.
                power = max(min(value * np.float32(-1.442695), np.float32(126)), np.float32(-126))
                whole = np.int32(power + np.float32(127.5))
                part = power - np.float32(whole - np.int32(127))
                series = np.float32(1.5353362e-4)
                series = series * part + np.float32(1.3398874e-3)
                series = series * part + np.float32(9.6184370e-3)
                series = series * part + np.float32(5.5503324e-2)
                series = series * part + np.float32(2.4022648e-1)
                series = series * part + np.float32(6.9314720e-1)
                series = series * part + np.float32(1)
                exponential = series * np.int32(whole << np.int32(23)).view(np.float32)
                line[c] = value / (np.float32(1) + exponential)
            for c in range(channels):  # apart, since `out` may be `x`
                out[m, place, c] = line[c]
