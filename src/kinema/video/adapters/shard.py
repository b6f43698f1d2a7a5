"""FSDP2 for a transformer and its attached adapter, for training on several devices."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.adapters.attach import attached
from kinema.video.models.spec import spec_of


def shard(transformer: nn.Module, adapter: ControlAdapter, mesh: DeviceMesh, **options: Any) -> None:
    """Shards the parameters of both, after attaching and after caches and checkpointing are switched on.

    Blocks are gathered one at a time. The adapter is one unit, gathered by `encode` and kept until the backward pass
    has gone through the tokens, because `encode` and the sites share weights and run at different times: every
    training step encodes anew. FSDP2 hands the transformer a copy of tokens that come as arguments; for a method with
    a loss on its masks, put `with published({name: tokens})` around the call instead.

    Args:
        transformer: with `adapter` alone attached.
        adapter: its sites belong to the transformer's blocks.
        mesh: of one dimension, over which samples are divided; gradients are means over it.
        options: of `fully_shard`, such as `mp_policy`.

    Raises:
        ValueError: not exactly one adapter is attached.
        RuntimeError: an older torch.
    """
    if torch.__version__ < "2.13":
        raise RuntimeError(
            f"sharding wants torch 2.13 or later, this is {torch.__version__}: FSDP2 has to find tensors in dataclasses, "
            "or it never reduces the gradients of the adapter"
        )
    if len(attached(transformer)) != 1:
        names = ", ".join(attached(transformer)) or "none"
        raise ValueError(f"sharding wants exactly one attached adapter; attached: {names}")
    of_adapter = set(adapter.parameters())
    for block in spec_of(transformer).block_list(transformer):
        fully_shard(block, mesh=mesh, ignored_params=of_adapter, **options)
    fully_shard(transformer, mesh=mesh, ignored_params=of_adapter, **options)

    numbers = {
        parameter for parameter in of_adapter if parameter.ndim == 0
    }  # FSDP2 does not take single numbers
    for number in numbers:
        _average_gradient(number, mesh)
    fully_shard(adapter, mesh=mesh, reshard_after_forward=False, ignored_params=numbers, **options)
    register_fsdp_forward_method(adapter, "encode")


def _average_gradient(number: nn.Parameter, mesh: DeviceMesh) -> None:
    def average(parameter: torch.Tensor) -> None:
        assert parameter.grad is not None
        dist.all_reduce(parameter.grad, group=mesh.get_group())
        parameter.grad /= mesh.size()

    number.register_post_accumulate_grad_hook(average)
