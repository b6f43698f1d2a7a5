"""3x3 convolutions with a third of the multiplications: Winograd's minimal filtering, F(2 x 4, 3 x 3).

Lavin and Gray 2016, with tiles of two frames by four joints, which divide the maps of the motion tokenizer evenly. The
sums are the same up to the rounding of float32 (about 3e-6 of the largest value).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_ROWS, _COLUMNS = 2, 4  # outputs of a tile; it reads two more along each axis

_POINTS = 24  # multiplications of a tile and pair of channels, instead of 9 * 8

# Per axis: Y = output [(filter g) * (input d)] for 2 outputs of 4 inputs, and for 4 outputs of 6 inputs.
_INPUT_2 = [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]
_FILTER_2 = [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]]
_OUTPUT_2 = [[1, 1, 1, 0], [0, 1, -1, -1]]
_INPUT_4 = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
_FILTER_4 = [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]
_OUTPUT_4 = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


def can_prepare(conv: nn.Module) -> bool:
    """Whether a layer is a convolution that `filters_of` understands: 3x3, padded by 1, not dilated."""
    return (
        isinstance(conv, nn.Conv2d)
        and conv.kernel_size == (3, 3)
        and conv.padding == (1, 1)
        and conv.dilation == conv.stride == (1, 1)
        and conv.groups == 1
    )


def filters_of(weight: torch.Tensor) -> torch.Tensor:
    """Filters [O, C, 3, 3] in the form that `convolve` reads, [24, C, O]: 24 / 9 of their size."""
    rows, columns = (torch.tensor(each, dtype=torch.float64) for each in (_FILTER_2, _FILTER_4))
    filters = torch.einsum("ir,ocrs,js->ijco", rows, weight.detach().cpu().double(), columns)
    return filters.flatten(0, 1).float().contiguous()


def convolve(x: torch.Tensor, filters: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """The convolution of maps [B, C, H, W], zero-padded by one: [B, O, H, W], channels last.

    For float32 on the CPU; carries no gradients.

    Args:
        x: the maps.
        filters: from `filters_of`.
        bias: [O].
    """
    batch, channels, height, width = x.shape
    down, across = -(-height // _ROWS), -(-width // _COLUMNS)
    padding = (0, 0, 1, across * _COLUMNS - width + 1, 1, down * _ROWS - height + 1)
    padded = functional.pad(x.permute(0, 2, 3, 1), padding)
    tiles = padded.unfold(1, _ROWS + 2, _ROWS).unfold(2, _COLUMNS + 2, _COLUMNS)  # [B, down, across, C, 4, 6]
    tiles = tiles.permute(4, 5, 0, 1, 2, 3).reshape(_POINTS, -1)
    points = (_kron(_INPUT_2, _INPUT_4) @ tiles).view(_POINTS, -1, channels)
    products = points.new_empty(*points.shape[:2], filters.shape[2])
    for one, filter_, product in zip(points, filters, products, strict=True):
        torch.mm(one, filter_, out=product)
    outputs = _kron(_OUTPUT_2, _OUTPUT_4) @ products.view(_POINTS, -1)
    outputs = outputs.view(_ROWS, _COLUMNS, batch, down, across, -1).permute(2, 3, 0, 4, 1, 5)
    maps = outputs.reshape(batch, down * _ROWS, across * _COLUMNS, -1)[:, :height, :width] + bias
    return maps.permute(0, 3, 1, 2)


def _kron(rows: list[list[int]], columns: list[list[int]]) -> torch.Tensor:
    return torch.kron(torch.tensor(rows, dtype=torch.float32), torch.tensor(columns, dtype=torch.float32))
