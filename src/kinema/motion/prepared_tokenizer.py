"""Motion tokens for many motions on a CPU: the same codes as `MotionTokenizer.encode` at full length, in less time.

Maps lie channels last throughout, [M, H, J, C]: those of first chunks (9 frames) beside those of the others (8), so
that both share the matrix products.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

import torch
from torch import nn
from torch.nn import functional

from kinema.motion.group_norm_silu import GroupNormSilu
from kinema.motion.nearest_code import NearestCode
from kinema.motion.tokenizer_blocks import ENCODER_CHUNK, Downsample, Encoder, ResBlock
from kinema.motion.winograd import BY_FOURS, EACH_ALONE, FEW_FRAMES, Convolution

_AT_ONCE = 64  # chunks, so that memory does not grow with the length of a motion

Maps = list[torch.Tensor]


class PreparedTokenizer:
    """Frames to indices, float32 on the CPU; weights and codebook must not change meanwhile.

    Args:
        encoder: of the tokenizer.
        codebook: [K, D].
    """

    def __init__(self, encoder: Encoder, codebook: torch.Tensor) -> None:
        self.search = NearestCode(codebook)
        self.encoder = PreparedEncoder(encoder, self.search.centre, self.search.basis)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised joints [B, N, J, 3], N = 8k or 8k + 1, to indices [B, f * J]."""
        x = x.detach()
        frames, joints = x.shape[1:3]
        first = ENCODER_CHUNK + 1 if frames % ENCODER_CHUNK else 0
        heads, rest = x[:, :first].contiguous(), x[:, first:].reshape(-1, ENCODER_CHUNK, joints, 3)
        found: list[Maps] = [[], []]
        for portion in zip_longest(heads.split(_AT_ONCE) if first else [], rest.split(_AT_ONCE)):
            kinds = [kind for kind, maps in enumerate(portion) if maps is not None and len(maps)]
            latents = self.encoder([portion[kind] for kind in kinds])
            for kind, part in zip(kinds, latents, strict=True):
                found[kind].append(self.search(part.flatten(0, 2)).view(part.shape[:3]))
        return torch.cat([torch.cat(each).view(len(x), -1) for each in found if each], dim=1)


class PreparedEncoder:
    """Chunks of frames to latents z, in the coordinates (z - centre) @ basis of a search: the turn is part of the last
    weights, and costs nothing.

    Args:
        encoder: of the tokenizer.
        centre, basis: [D] and [D, D].
    """

    def __init__(self, encoder: Encoder, centre: torch.Tensor, basis: torch.Tensor) -> None:
        self.conv_in = _Plain(encoder.conv_in)
        self.fine = [_Block(block) for block in encoder.resnet1]
        self.downsample1 = _Halving(encoder.downsample1)
        self.coarse = [_Block(block) for block in (encoder.resnet2, *encoder.resnet3)]
        self.downsample2 = _Halving(encoder.downsample2)
        weight, bias = encoder.conv_out.weight.detach(), encoder.conv_out.bias.detach()
        turned = (basis.T @ weight.flatten(1)).view_as(weight)
        self.conv_out = Convolution(turned, (bias - centre) @ basis, FEW_FRAMES)

    def __call__(self, maps: Maps) -> Maps:
        """Maps of 8 or 9 frames [M, n, J, 3] to [M, 2 or 3, J, D]."""
        maps = self.conv_in(maps)
        for block in self.fine:
            maps = block(maps)
        maps = self.downsample1(maps)
        for block in self.coarse:
            maps = block(maps)
        return self.conv_out(self.downsample2(maps))


class _Plain:
    def __init__(self, conv: nn.Conv2d) -> None:
        self.weight = conv.weight.detach().contiguous(memory_format=torch.channels_last)
        self.bias, self.padding, self.dilation = conv.bias.detach(), conv.padding, conv.dilation

    def __call__(self, maps: Maps) -> Maps:
        maps = [
            functional.conv2d(x.permute(0, 3, 1, 2), self.weight, self.bias, 1, self.padding, self.dilation)
            for x in maps
        ]
        return [y.permute(0, 2, 3, 1).contiguous() for y in maps]


class _Block:
    """A `ResBlock`, which may change the maps that it is given."""

    def __init__(self, block: ResBlock) -> None:
        norm1, _, conv, norm2, _, last = block.block
        self.norm1, self.norm2 = GroupNormSilu(norm1), GroupNormSilu(norm2)
        self.conv: Callable[[Maps], Maps] = (
            Convolution(conv.weight, conv.bias, BY_FOURS) if conv.dilation == (1, 1) else _Plain(conv)
        )
        self.last, self.bias = _matrix(last), last.bias.detach()
        self.shortcut = _matrix(block.conv_short) if block.changes else None
        if block.changes:
            self.bias = self.bias + block.conv_short.bias.detach()

    def __call__(self, maps: Maps) -> Maps:
        inner = self.conv([self.norm1(x, torch.empty_like(x)) for x in maps])
        results = maps if self.shortcut is None else [x @ self.shortcut for x in maps]
        for y, x in zip(inner, results, strict=True):
            x.flatten(0, 2).addmm_(self.norm2(y, y).flatten(0, 2), self.last).add_(self.bias)
        return results


class _Halving:
    def __init__(self, layer: Downsample) -> None:
        self.conv = Convolution(layer.joint_downsample.weight, layer.joint_downsample.bias, EACH_ALONE)

    def __call__(self, maps: Maps) -> Maps:
        halves = []
        for x in maps:
            alone = x.shape[1] % 2
            pooled = (x[:, alone::2] + x[:, 1 + alone :: 2]).mul_(0.5)
            halves.append(torch.cat([x[:, :alone], pooled], dim=1))
        return self.conv(halves)


def _matrix(conv: nn.Conv2d) -> torch.Tensor:
    """The weights of a 1x1 convolution as a matrix for maps that lie channels last, [C, O]."""
    return conv.weight.detach()[:, :, 0, 0].T.contiguous()
