"""The base of every control method: signals in, tokens out, sites in the backbone's blocks."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

if TYPE_CHECKING:
    from kinema.control.signals import ControlSignals


class ControlAdapter(ModelMixin, ConfigMixin):
    """A published control method, saved apart from the backbone that it steers.

    Subclasses declare the signals that they read, turn them into tokens once per video (`encode`), and own one site
    per controlled block. A site is a module called with (video tokens [B, N, D], tokens) that returns what is added.
    """

    config_name = "config.json"
    adapter_name: ClassVar[str]
    signals: ClassVar[tuple[str, ...]]

    sites: nn.ModuleList

    @abstractmethod
    def encode(self, signals: ControlSignals, present: dict[str, torch.Tensor] | None = None) -> Any:
        """Turns signals into the tokens that the sites read; called once per video, not per step.

        Args:
            signals: the control signals of a batch.
            present: per signal, which samples have it, bool [B]; by default all that `signals` holds.
        """

    @abstractmethod
    def sites_by_block(self) -> dict[int, nn.Module]:
        """Block index -> site."""
