"""The base of every control method: signals in, tokens out, sites in the backbone's blocks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from kinema.video.work import Activations, Tokens, Work

if TYPE_CHECKING:
    from kinema.signals.control_signals import ControlSignals

Place = Literal["after_attention", "after_block"]
"""Where in a block a site stands: between the attention layers and the feed-forward layer, or after all of it."""


@dataclass(frozen=True, eq=False)
class ControlTokens:
    """What the sites of an adapter read: tensors, tuples of tensors, and plain values, made once per video.

    Every tensor has the batch on its first axis, except those of the fields named in `shared`.

    Context parallelism gives each rank a slice of the video tokens. `by_video_token` names the fields that have one
    entry per video token (on the first axis if shared, else on the second), so that a rank's sites get the same slice
    of them; an adapter whose sites must see all video tokens at once leaves it None and is refused there.
    """

    shared: ClassVar[tuple[str, ...]] = ()
    by_video_token: ClassVar[tuple[str, ...] | None] = None

    @property
    def batch(self) -> int | None:
        """Samples in these tokens; None where no field has a batch axis."""
        for field in fields(self):
            tensor = None if field.name in self.shared else _first(getattr(self, field.name))
            if tensor is not None:
                return tensor.shape[0]
        return None

    def shard(self, rank: int, ranks: int) -> Self:
        """What the sites of one of several ranks read, each of which has its share of the video tokens.

        Raises:
            ValueError: the sites need all video tokens.
        """
        if self.by_video_token is None:
            raise ValueError(
                f"{type(self).__name__} under context parallelism is not supported: the sites of this adapter read "
                "all video tokens at once, a rank has only its share of them"
            )
        changed = {}
        for name in self.by_video_token:
            share = partial(_share, axis=0 if name in self.shared else 1, rank=rank, ranks=ranks)
            changed[name] = _map(getattr(self, name), share)
        return replace(self, **changed)

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Self:
        """With every tensor that has a batch axis changed."""
        batched = [field.name for field in fields(self) if field.name not in self.shared]
        return replace(self, **{name: _map(getattr(self, name), change) for name in batched})

    def repeat(self, times: int) -> Self:
        """The batch repeated, for guidance that stacks its passes on the batch axis."""
        return self.map(lambda tensor: tensor.repeat(times, *([1] * (tensor.ndim - 1))))

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """On another device; `dtype` is for floating-point tensors. Shared fields move too and keep their type."""
        moved = self.map(lambda tensor: tensor.to(device, dtype if tensor.is_floating_point() else None))
        shared = {name: _map(getattr(self, name), lambda tensor: tensor.to(device)) for name in self.shared}
        return replace(moved, **shared)

    @classmethod
    def cat(cls, parts: Sequence[Self]) -> Self:
        """One batch from several; shared fields are those of the first."""
        first = parts[0]
        batched = [field.name for field in fields(first) if field.name not in first.shared]
        return replace(first, **{name: _cat([getattr(part, name) for part in parts]) for name in batched})


class ControlAdapter(ModelMixin, ConfigMixin):
    """A published control method, saved apart from the backbone that it steers.

    Subclasses declare the signals that they read (nothing else is computed or handed to them), turn them into tokens
    once per video (`encode`), and own one site per controlled block. A site is a module called with (video tokens
    [B, N, D], tokens) that returns what is added; its class says where in the block it stands (`place`, by default
    after the block). Where `reads_text` is False, the tokens are the same for every prompt, and guidance on the text
    need not encode twice. Where `works_on_shares` is False, sites read all video tokens at once, and context parallelism,
    which gives each process a share of them, is refused. Where `uses_autoencoder` is True, `encode` looks at signals
    through the backbone's autoencoder.
    """

    config_name = "config.json"
    adapter_name: ClassVar[str]
    signals: ClassVar[tuple[str, ...]]
    reads_text: ClassVar[bool] = True
    works_on_shares: ClassVar[bool] = True
    uses_autoencoder: ClassVar[bool] = False

    sites: nn.ModuleList

    @property
    def skeleton_parts(self) -> tuple[str, ...]:
        """What skeleton maps show these weights: of `body`, `hands` and `face`, the body alone where they do not say.

        Weights that were trained on hands and faces say so in their config; others would be shown what they never saw.
        """
        return tuple(self.config.get("skeleton_parts", ("body",)))

    @classmethod
    @abstractmethod
    def for_transformer(cls, transformer: nn.Module, **options: Any) -> Self:
        """A new, untrained adapter laid out for a transformer as the paper does it; attaching it changes nothing yet.

        Args:
            transformer: of any known backbone.
            options: arguments of the adapter that shall differ.
        """

    @abstractmethod
    def encode(
        self,
        signals: ControlSignals,
        present: dict[str, torch.Tensor] | None = None,
        *,
        text: torch.Tensor | None = None,
        to_latents: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> ControlTokens:
        """Turns signals into the tokens that the sites read; called once per video, not per step.

        Args:
            signals: the control signals of a batch.
            present: what each sample has, bool [B] per name: `pose` (who moves how) and `camera`. By default all that
                `signals` holds.
            text: token states of the prompt as the transformer is given them, [B, L, text width]; for methods whose
                structure stream reads the prompt.
            to_latents: video [B, 3, T, H, W] in [-1, 1] to the latents that the transformer denoises,
                [B, C, F, h, w]; for methods that read pictures through the backbone's autoencoder.
        """

    @abstractmethod
    def sites_by_block(self) -> dict[int, nn.Module]:
        """Block index -> site."""

    def work(self, tokens: Tokens) -> Work:
        """Operations of `encode` and of all sites for one sample, forward; without the backbone's autoencoder.

        By default two for each weight and video token, which holds for methods of linear layers on the token grid and
        leaves attention out; methods that know better say so. `training/cost.py` adds it to the backbone's.

        Args:
            tokens: of the sample.
        """
        return Work(linear=2.0 * tokens.video * sum(each.numel() for each in self.parameters()))

    def activations(self, tokens: Tokens, checkpointing: bool) -> Activations:
        """What `encode` and the sites keep of one sample for the backward pass, computed in 16 bits (bytes).

        By default sixteen numbers of the backbone's width for each site and video token (ours); methods that know better
        say so.

        Args:
            tokens: of the sample.
            checkpointing: whether blocks, with their sites, are run again.
        """
        return Activations(32.0 * tokens.video * float(self.config.hidden_size) * len(self.sites))

    def notes(self, signals: ControlSignals) -> list[str]:
        """What of its signals will not be followed well, as plain sentences for people; none for most methods."""
        return []

    def masks(self, tokens: ControlTokens) -> tuple[torch.Tensor, ...]:
        """Where the sites say people are, after the transformer ran with these tokens; none for most methods.

        Returns:
            Per site, logits or values as the method's mask loss wants them, [B, 1, F, h, w].
        """
        return ()


def _share(tensor: torch.Tensor, axis: int, rank: int, ranks: int) -> torch.Tensor:
    return tensor.tensor_split(ranks, axis)[rank]


def _first(value: Any) -> torch.Tensor | None:
    if isinstance(value, tuple):
        return next((tensor for tensor in map(_first, value) if tensor is not None), None)
    return value if isinstance(value, torch.Tensor) else None


def _map(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return change(value)
    return tuple(_map(each, change) for each in value) if isinstance(value, tuple) else value


def _cat(values: list[Any]) -> Any:
    if isinstance(values[0], torch.Tensor):
        return torch.cat(values)
    if isinstance(values[0], tuple):
        return tuple(_cat(list(each)) for each in zip(*values, strict=True))
    return values[0]
