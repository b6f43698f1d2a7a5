"""Averaged weights (EMA) of named parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


class Averages:
    """Moving averages of the trained parameters, which are what is exported and validated.

    Frozen parameters and buffers are not averaged: they are the same in the model whichever weights it holds. The
    decay warms up as n / (n + 10) after n updates, so that the first averages forget the initial weights.

    Args:
        parameters: by name; their values are where the averages begin.
        decay: of the averages, after the warm-up.
    """

    def __init__(self, parameters: Mapping[str, torch.Tensor], decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"the decay of averaged weights lies in [0, 1), not {decay:g}")
        self.parameters = dict(parameters)
        self.decay = decay
        self.values = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Moves the averages towards the parameters; `updates` counts this one."""
        weight = 1 - min(self.decay, updates / (updates + 10))
        kinds: dict[type, list[str]] = {}
        for name, value in self.values.items():  # sharded and whole tensors do not mix in one call
            kinds.setdefault(type(value), []).append(name)
        for names in kinds.values():
            targets = [self.parameters[name].detach() for name in names]
            torch._foreach_lerp_([self.values[name] for name in names], targets, weight)

    @torch.no_grad()
    def put_into_model(self) -> None:
        """Replaces the parameters by their averages."""
        for name, parameter in self.parameters.items():
            parameter.copy_(self.values[name])

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
