"""MoSA on real backbones at a size that tests can afford."""

from __future__ import annotations

from typing import Any

import torch
from tests.video import tiny

from kinema.papers.mosa import MoSAAdapter, StructureTokens
from kinema.signals.control_signals import ControlSignals
from kinema.video.adapters.context import ATTENTION_KEY
from kinema.video.models.mini.autoencoder import AutoencoderPatchPCA


class Backbone:
    """A tiny backbone of a family, with its inputs, a prompt and what stands in for its autoencoder."""

    def __init__(self, family: str, **changes: Any) -> None:
        if family == "mini":
            self.transformer, self.inputs = tiny.transformer(), tiny.transformer_inputs()
            self.to_latents = lambda video: tiny.autoencoder().encode(video).latent_dist.mode()
        else:
            self.transformer = getattr(tiny, family)(**changes)
            self.inputs = getattr(tiny, f"{family}_inputs")()
            self.to_latents = four_channels
        self.text = self.inputs["encoder_hidden_states"]

    def adapter(self, **options: Any) -> MoSAAdapter:
        torch.manual_seed(1)
        return MoSAAdapter.for_transformer(self.transformer, **{"control_width": 8, **options}).eval()

    def encode(
        self,
        adapter: MoSAAdapter,
        signals: ControlSignals | None = None,
        present: dict[str, torch.Tensor] | None = None,
    ) -> StructureTokens:
        return adapter.encode(signals or tiny.signals(), present, text=self.text, to_latents=self.to_latents)

    def run(self, tokens: StructureTokens | None = None, **others: Any) -> torch.Tensor:
        given = {**({} if tokens is None else {"mosa": tokens}), **others}
        kwargs = {"attention_kwargs": {ATTENTION_KEY: given}} if given else {}
        return self.transformer(**self.inputs, **kwargs, return_dict=False)[0]


def four_channels(video: torch.Tensor) -> torch.Tensor:
    """Linear latents of four channels at the layout of the published autoencoders; black is not zero in them."""
    return AutoencoderPatchPCA(latent_channels=4).encode(video).latent_dist.mode() + 0.5


def awake(adapter: MoSAAdapter) -> MoSAAdapter:
    """An adapter whose zero-initialised layers got weights."""
    torch.manual_seed(7)
    for site in adapter.sites:
        last = site.to_weight if adapter.config.hadc else site.project
        torch.nn.init.normal_(last.weight, std=0.3)
        torch.nn.init.normal_(last.bias, std=0.3)
    return adapter
