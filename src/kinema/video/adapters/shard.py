"""FSDP2 for a transformer and its attached adapter, for training on several devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.adapters.attach import attached
from kinema.video.models.spec import spec_of


def shard(
    transformer: nn.Module,
    adapter: ControlAdapter | None,
    mesh: DeviceMesh,
    first: Callable[[nn.Module], object] = lambda unit: None,
    **options: Any,
) -> None:
    """Shards the parameters of both, after attaching and after caches and checkpointing are switched on.

    Blocks are gathered one at a time. The adapter is one unit, gathered by `encode` and kept until the backward pass
    has gone through the tokens, because `encode` and the sites share weights and run at different times: every
    training step encodes anew. FSDP2 hands the transformer a copy of tokens that come as arguments; for a method with
    a loss on its masks, put `with published({name: tokens})` around the call instead.

    Args:
        transformer: with `adapter` alone attached, if any.
        adapter: its sites belong to the transformer's blocks.
        mesh: of one dimension, over which weights are divided, or (replicate, shard). Samples are divided over all of
            it; gradients are means over it.
        first: called with each block, the transformer and the adapter before it is sharded, to move it.
        options: of `fully_shard`, such as `mp_policy`.

    Raises:
        ValueError: not exactly this adapter is attached.
        RuntimeError: an older torch.
    """
    if torch.__version__ < "2.13":
        raise RuntimeError(
            f"sharding wants torch 2.13 or later, this is {torch.__version__}: FSDP2 has to find tensors in dataclasses, "
            "or it never reduces the gradients of the adapter"
        )
    if len(attached(transformer)) != (adapter is not None):
        names = ", ".join(attached(transformer)) or "none"
        raise ValueError(f"sharding wants one attached adapter at most, and is told which; attached: {names}")
    of_adapter = set() if adapter is None else set(adapter.parameters())
    for block in spec_of(transformer).block_list(transformer):
        first(block)
        fully_shard(block, mesh=mesh, ignored_params=of_adapter, **options)
    first(transformer)
    fully_shard(transformer, mesh=mesh, ignored_params=of_adapter, **options)
    if adapter is None:
        return
    numbers = {
        parameter for parameter in of_adapter if parameter.ndim == 0
    }  # FSDP2 does not take single numbers
    for number in numbers:
        number.register_post_accumulate_grad_hook(_average)
    first(adapter)
    fully_shard(adapter, mesh=mesh, reshard_after_forward=False, ignored_params=numbers, **options)
    register_fsdp_forward_method(adapter, "encode")


def _average(parameter: torch.Tensor) -> None:
    assert parameter.grad is not None
    dist.all_reduce(parameter.grad)
    parameter.grad /= dist.get_world_size()
