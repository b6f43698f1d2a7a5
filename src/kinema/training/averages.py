"""Averaged weights (EMA) of named parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor


class Averages:
    """Moving averages of the trained parameters, which are what is exported and validated.

    Frozen parameters and buffers are not averaged: they are the same in the model whichever weights it holds. The
    decay warms up as n / (n + 10) after n updates, so that the first averages forget the initial weights.

    Args:
        parameters: by name; their values are where the averages begin.
        decay: of the averages, a step, after the warm-up.
        offload: keep them in main memory, each process those of its shards.
        every: steps between two updates, whose decay is that of so many steps (ours: the average is a little coarser).

    Raises:
        ValueError: a decay that is none.
    """

    def __init__(
        self, parameters: Mapping[str, torch.Tensor], decay: float, offload: bool = False, every: int = 1
    ) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"the decay of averaged weights lies in [0, 1), not {decay:g}")
        self.parameters = dict(parameters)
        self.decay = decay
        self.every = every
        copied = _in_main_memory if offload else torch.clone
        self.values = {name: copied(parameter.detach()) for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Moves the averages towards the parameters where it is time to; `updates` counts this one."""
        if updates % self.every:
            return
        weight = 1 - min(self.decay, updates / (updates + 10)) ** self.every
        values = [_local(value) for value in self.values.values()]
        targets = [_local(parameter.detach()) for parameter in self.parameters.values()]
        if values and values[0].device == targets[0].device:
            torch._foreach_lerp_(values, targets, weight)
            return
        for value, target in zip(values, targets, strict=True):
            value.lerp_(target.to(value.device), weight)

    @torch.no_grad()
    def put_into_model(self) -> None:
        """Replaces the parameters by their averages."""
        for name, parameter in self.parameters.items():
            _local(parameter.detach()).copy_(_local(self.values[name]))

    @contextmanager
    def in_model(self) -> Iterator[None]:
        """The model with averaged weights for the length of a block."""
        kept = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        self.put_into_model()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, parameter in self.parameters.items():
                    parameter.copy_(kept[name])


def _local(tensor: torch.Tensor) -> torch.Tensor:
    """What this process has of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _in_main_memory(tensor: torch.Tensor) -> torch.Tensor:
    """A copy there, sharded as the tensor is, so that checkpoints know whose part it is."""
    if not isinstance(tensor, DTensor):
        return tensor.to("cpu", copy=True)
    mesh = tensor.device_mesh
    if mesh.device_type != "cpu":
        mesh = DeviceMesh("cpu", mesh.mesh, mesh_dim_names=mesh.mesh_dim_names)
    local = tensor.to_local().to("cpu", copy=True)
    return DTensor.from_local(
        local, mesh, tensor.placements, run_check=False, shape=tensor.shape, stride=tensor.stride()
    )
