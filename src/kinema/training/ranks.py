"""One process or many: the same training code runs alone or under torchrun, one process per device.

A batch is divided into equal rows, rank 0 taking the first ones. Random numbers are drawn for the whole batch by every
rank, which keeps its own rows, so that many processes train on exactly what one process would.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

if TYPE_CHECKING:
    from kinema.video.adapters.adapter import ControlAdapter


_PATIENCE = timedelta(hours=6)
"""How long processes wait for each other: videos are encoded at different speeds before the first step."""


@contextmanager
def together(device: str) -> Iterator[str]:
    """Joins the processes that torchrun started, if it did, and yields the device of this one.

    Args:
        device: `cpu` or `cuda`; with several processes each gets the GPU of its local rank.
    """
    alone = dist.is_initialized() or int(os.environ.get("WORLD_SIZE", "1")) == 1
    if alone:
        yield device
        return
    if device == "cuda":
        device = f"cuda:{int(os.environ['LOCAL_RANK'])}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=_PATIENCE)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process, 0 where it is alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rows(whole: torch.Tensor) -> torch.Tensor:
    """This rank's part of what was drawn for the whole batch, on the first axis."""
    return whole.tensor_split(world())[rank()] if world() > 1 else whole


def mean(value: torch.Tensor) -> torch.Tensor:
    """The mean over all processes, without gradient; the value itself where there is one process."""
    if world() == 1:
        return value
    value = value.detach().clone()
    dist.all_reduce(value)
    return value / world()


def decided_by_first(*flags: bool) -> tuple[bool, ...]:
    """What rank 0 says: clocks differ, and all must stop and save at the same step."""
    if world() == 1:
        return flags
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    decision = torch.tensor(flags, dtype=torch.int32, device=device)
    dist.broadcast(decision, 0)
    return tuple(bool(flag) for flag in decision)


def wait() -> None:
    """Until every process is here."""
    if world() > 1:
        dist.barrier()


@dataclass(frozen=True)
class Prepared:
    """A transformer and its attached adapter, ready to be trained by one process or by many.

    With many, whole copies wait on the CPU for the weights to be gathered in.
    """

    transformer: Any
    adapter: ControlAdapter
    copies: tuple[Any, ControlAdapter] | None = None

    @torch.no_grad()
    def gathered(self) -> tuple[Any, ControlAdapter]:
        """Both as they are now, whole and detached from each other, to be saved. All processes must ask."""
        from kinema.video.adapters.attach import detach

        transformer, adapter = self.copies or (self.transformer, self.adapter)
        if self.copies is not None:
            for model, copied in ((self.transformer, transformer), (self.adapter, adapter)):
                for parameter, place in zip(model.parameters(), copied.parameters(), strict=True):
                    place.copy_(whole(parameter))
        detach(transformer)
        return transformer, adapter


def prepare(transformer: Any, adapter: ControlAdapter, device: str, compile: bool = False) -> Prepared:
    """Compiles the blocks where asked to, and shards both models by FSDP2 where there are several processes.

    Args:
        transformer: on its device, with `adapter` alone attached.
        adapter: on its device.
        device: of this process.
        compile: compile each block.
    """
    copies = deepcopy((transformer, adapter)) if world() > 1 else None
    if compile:
        from torch._functorch import config

        from kinema.video.models.spec import spec_of

        # The gradient guard goes backward through a graph that training goes through again.
        config.donated_buffer = False
        for block in spec_of(transformer).block_list(transformer):
            block.compile()
    if copies is not None:
        from kinema.video.adapters.shard import shard

        # Wan's output is a view; nobody changes it in place.
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
        shard(transformer, adapter, init_device_mesh(torch.device(device).type, (world(),)))
        copies = tuple(model.to("cpu") for model in copies)
    return Prepared(transformer, adapter, copies)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a sharded tensor; other tensors as they are. All processes must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def average_gradients(parameters: Sequence[torch.Tensor]) -> None:
    """Means over all processes of the gradients that FSDP2 has not averaged: those of whole parameters."""
    if world() == 1:
        return
    for parameter in parameters:
        if not isinstance(parameter, DTensor):
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad.copy_(mean(parameter.grad))


def clip_gradients(parameters: Sequence[torch.Tensor], largest: float) -> float:
    """Scales all gradients down together where their norm is above `largest`; returns the norm before."""
    if world() == 1:
        return float(nn.utils.clip_grad_norm_(list(parameters), largest))
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = [whole(torch.linalg.vector_norm(gradient)) for gradient in gradients]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    scale = (largest / (norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(float(scale))
    return float(norm)
