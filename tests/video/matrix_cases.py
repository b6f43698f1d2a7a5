"""The table behind the compatibility tests: every adapter on every backbone family.

A new adapter is one function here and one line in ADAPTERS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from diffusers.models.modeling_utils import ModelMixin
from tests.video import mosa_tiny, mtvcraft_tiny, tiny

from kinema.papers.mosa import MoSAAdapter
from kinema.papers.tokenmotion import TokenMotionAdapter
from kinema.signals.control_signals import ControlSignals
from kinema.video.adapters.adapter import ControlAdapter, ControlTokens
from kinema.video.adapters.attach import attach
from kinema.video.adapters.context import ATTENTION_KEY

FAMILIES: dict[str, tuple[Callable[[], ModelMixin], Callable[[], dict[str, Any]]]] = {
    "cogvideox": (tiny.cogvideox, tiny.cogvideox_inputs),
    "wan": (tiny.wan, tiny.wan_inputs),
    "mini": (tiny.transformer, tiny.transformer_inputs),
}
"""Per family: a transformer that is the same at every call, and what it is called with; two samples, 12 tokens each."""


@dataclass(frozen=True)
class Made:
    """A new adapter, how its zero-initialised output is filled, what it is given to read, and a way to its tokens."""

    adapter: ControlAdapter
    awake: Callable[[ControlAdapter], ControlAdapter]
    signals: Callable[[int], ControlSignals]
    reads: dict[str, Any] = field(default_factory=dict)

    def encode(
        self, signals: ControlSignals | None = None, present: dict[str, torch.Tensor] | None = None
    ) -> ControlTokens:
        return self.adapter.encode(self.signals(0) if signals is None else signals, present, **self.reads)


def tokenmotion(transformer: ModelMixin, inputs: dict[str, Any]) -> Made:
    settings = {"motion_width": 32, "heads": 2, "first_width": 8, "rank": 4, "blocks": (0, 2)}
    adapter = TokenMotionAdapter.for_transformer(transformer, **settings)
    return Made(adapter, tiny.awake, lambda seed: tiny.signals(seed=seed))


def mtvcraft(transformer: ModelMixin, inputs: dict[str, Any]) -> Made:
    adapter = mtvcraft_tiny.adapter(transformer)
    return Made(adapter, mtvcraft_tiny.awake, lambda seed: mtvcraft_tiny.signals(seed=seed))


def mosa(transformer: ModelMixin, inputs: dict[str, Any]) -> Made:
    adapter = MoSAAdapter.for_transformer(transformer, control_width=8)

    def to_latents(video: torch.Tensor) -> torch.Tensor:
        if transformer.config.in_channels == 4:
            return mosa_tiny.four_channels(video)
        return tiny.autoencoder().encode(video).latent_dist.mode()

    reads = {"text": inputs.get("encoder_hidden_states"), "to_latents": to_latents}
    return Made(adapter, mosa_tiny.awake, lambda seed: tiny.signals(seed=seed), reads)


ADAPTERS: dict[str, Callable[[ModelMixin, dict[str, Any]], Made]] = {
    "tokenmotion": tokenmotion,
    "mtvcraft": mtvcraft,
    "mosa": mosa,
}

CELLS = [(adapter, family) for adapter in ADAPTERS for family in FAMILIES]

every_cell = pytest.mark.parametrize(
    ("adapter_name", "family"), CELLS, ids=[f"{adapter}-{family}" for adapter, family in CELLS]
)


class Cell:
    """One adapter beside one transformer; not attached yet, always with the same weights and inputs.

    Args:
        adapter_name, family: of ADAPTERS and FAMILIES.
        awake: whether the adapter's zero-initialised output is filled.
    """

    def __init__(self, adapter_name: str, family: str, awake: bool = True) -> None:
        make, inputs = FAMILIES[family]
        self.name, self.transformer, self.inputs = adapter_name, make(), inputs()
        torch.manual_seed(1)
        self.made = ADAPTERS[adapter_name](self.transformer, self.inputs)
        self.adapter, self.encode = self.made.adapter.eval(), self.made.encode
        if awake:
            self.wake()

    def wake(self) -> Cell:
        self.made.awake(self.adapter)
        return self

    def attach(self) -> Cell:
        attach(self.transformer, self.adapter, self.name)
        return self

    def run(self, tokens: ControlTokens | None = None, transformer: ModelMixin | None = None) -> torch.Tensor:
        """The transformer's output, without gradients unless they are switched on around it."""
        kwargs = {} if tokens is None else {"attention_kwargs": {ATTENTION_KEY: {self.name: tokens}}}
        called = self.transformer if transformer is None else transformer
        return called(**self.inputs, **kwargs, return_dict=False)[0]

    def controlled(self, transformer: ModelMixin | None = None) -> torch.Tensor:
        with torch.no_grad():
            return self.run(self.encode(), transformer)

    def plain(self, transformer: ModelMixin | None = None) -> torch.Tensor:
        with torch.no_grad():
            return self.run(None, transformer)

    def gradients(self) -> dict[str, torch.Tensor]:
        """Gradients of the adapter after one backward pass of a loss; the transformer is frozen."""
        self.transformer.train().requires_grad_(False)
        self.adapter.train().requires_grad_(True)
        loss(self.run(self.encode())).backward()
        return {name: p.grad for name, p in self.adapter.named_parameters() if p.grad is not None}


def loss(output: torch.Tensor) -> torch.Tensor:
    return (output - 1).square().mean()


def assert_same(these: dict[str, torch.Tensor], those: dict[str, torch.Tensor], atol: float = 1e-6) -> None:
    assert these
    assert these.keys() == those.keys()
    for name, tensor in these.items():
        torch.testing.assert_close(
            tensor, those[name], atol=atol, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )
