"""One process or many: the same training code runs alone or under torchrun, one process per device.

A batch is divided into equal rows, rank 0 taking the first ones. Random numbers are drawn for the whole batch by every
rank, which keeps its own rows, so that many processes train on exactly what one process would; and so does a process
that goes through its rows in parts.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor

from kinema.training import whereabouts

if TYPE_CHECKING:
    from kinema.video.adapters.adapter import ControlAdapter


_PATIENCE = timedelta(minutes=30)
"""How long a collective waits. Long work ends in `wait`, which has no limit and says for whom it waits."""


@dataclass(frozen=True)
class Parallel:
    """How several processes share a model.

    Args:
        shard: `all` divides its weights over all processes; `node` over those of a machine (HSDP), so that weights
            travel inside a machine only, and gradients between machines.
    """

    shard: Literal["all", "node"] = "all"

    def mesh(self, device: str) -> DeviceMesh:
        """The processes as FSDP2 sees them, of one dimension, or (replicate, shard).

        Raises:
            ValueError: machines with different numbers of processes.
        """
        kind, local = torch.device(device).type, int(os.environ.get("LOCAL_WORLD_SIZE", world()))
        if self.shard == "all" or local == world():
            return init_device_mesh(kind, (world(),), mesh_dim_names=("shard",))
        if world() % local:
            raise ValueError(
                f"parallel.shard=node: {world()} processes are no whole number of machines with {local} each; give every "
                "machine as many, or parallel.shard=all"
            )
        shape = (world() // local, local)
        return init_device_mesh(kind, shape, mesh_dim_names=("replicate", "shard"))


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
    backend = "gloo"
    if device == "cuda":
        device = f"cuda:{int(os.environ['LOCAL_RANK'])}"
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"  # checkpoints and averages lie in main memory
    dist.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield device
    finally:
        whereabouts.close()
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process, 0 where it is alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


_PART = (0, 1)


@contextmanager
def part(number: int, parts: int) -> Iterator[None]:
    """For the length of a block, `rows` are those of one of so many equal parts of this rank's rows."""
    global _PART
    _PART = number, parts
    try:
        yield
    finally:
        _PART = 0, 1


def count_of(own: int) -> int:
    """Samples of the whole batch, of which this rank, in this part, has `own`."""
    return own * world() * _PART[1]


def rows(whole: torch.Tensor) -> torch.Tensor:
    """What of a tensor that was drawn for the whole batch is this rank's, in this part, on the first axis."""
    number, parts = _PART
    count = world() * parts
    return whole.tensor_split(count)[rank() * parts + number] if count > 1 else whole


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
    device = "cpu" if "gloo" in dist.get_backend_config() else "cuda"
    decision = torch.tensor(flags, dtype=torch.int32, device=device)
    dist.broadcast(decision, 0)
    return tuple(bool(flag) for flag in decision)


def leads_machine() -> bool:
    """Whether this is the first process of its machine."""
    return int(os.environ.get("LOCAL_RANK", rank())) == 0


@dataclass(frozen=True)
class Prepared:
    """A transformer and its attached adapter, ready to be trained by one process or by many.

    Of several processes each holds its shards alone. `skeleton` is both as they were, without any numbers.
    """

    transformer: Any
    adapter: ControlAdapter | None
    skeleton: tuple[Any, ControlAdapter | None] | None = None

    @torch.no_grad()
    def gathered(self, frozen: bool = True) -> tuple[Any, ControlAdapter | None]:
        """Both as they are now, whole, in the first process's main memory, and detached from each other, to be saved.

        All processes must ask. In the others, and where it is frozen and not asked for, a parameter is a meta tensor.

        Args:
            frozen: with what of the transformer is not trained.
        """
        from kinema.video.adapters.attach import detach

        transformer, adapter = self.skeleton or (self.transformer, self.adapter)
        if self.skeleton is not None:
            for model, like in ((self.transformer, transformer), (self.adapter, adapter)):
                if model is not None:
                    _gather(model, like, frozen or model is self.adapter)
        if adapter is not None:
            detach(transformer)
        return transformer, adapter


def prepare(
    transformer: Any,
    adapter: ControlAdapter | None,
    device: str,
    compile: bool = False,
    parallel: Parallel | None = None,
    dtype: torch.dtype | None = None,
) -> Prepared:
    """Puts both models on their device, compiles the blocks where asked to, and shards both by FSDP2 where there are
    several processes.

    A transformer in main memory is moved block by block, so that no process ever holds all of it: weights that are
    mapped from files, as they are where their type is asked for, are in memory once per machine.

    Args:
        transformer: with `adapter` alone attached, if any.
        adapter: what is attached.
        device: of this process.
        compile: compile each block.
        parallel: how several processes share them.
        dtype: the transformer's floating-point weights become this, block by block; as they are where None.
    """
    skeleton = _without_numbers(transformer, adapter) if world() > 1 else None
    if skeleton is None:
        transformer.to(device, dtype)
        if adapter is not None:
            adapter.to(device)
    if compile:
        from torch._functorch import config

        from kinema.video.models.spec import spec_of

        # The gradient guard goes backward through a graph that training goes through again.
        config.donated_buffer = False
        for block in spec_of(transformer).block_list(transformer):
            block.compile()
    if skeleton is not None:
        from kinema.video.adapters.shard import shard

        # Wan's output is a view; nobody changes it in place.
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
        mesh = (parallel or Parallel()).mesh(device)
        shard(transformer, adapter, mesh, first=lambda unit: unit.to(device, dtype))
    return Prepared(transformer, adapter, skeleton)


def _without_numbers(*models: nn.Module | None) -> tuple[Any, ...]:
    """Copies of modules that hold each other, with meta tensors in the place of their parameters and buffers."""
    memo: dict[int, Any] = {}
    for model in models:
        if model is None:
            continue
        for parameter in model.parameters():
            memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
        for buffer in model.buffers():
            memo[id(buffer)] = buffer.detach().clone()
    return tuple(deepcopy(models, memo))


def _gather(model: nn.Module, skeleton: nn.Module, frozen: bool) -> None:
    """Fills a skeleton in the first process, one parameter after the other."""
    for name, parameter in model.named_parameters():
        if not (frozen or parameter.requires_grad):
            continue
        value = whole(parameter.detach())
        if rank() == 0:
            owner, _, own = name.rpartition(".")
            fresh = nn.Parameter(value.cpu().clone(), parameter.requires_grad)
            setattr(skeleton.get_submodule(owner), own, fresh)


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
