"""What a transformer with adapters does besides: takes tokens out of its arguments and keeps diffusers' features right.

The class of a transformer changes with that of its blocks, so that all of it is undone by changing it back; hooks
would have to be found and removed one by one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.hooks.group_offloading import _is_group_offload_enabled
from diffusers.loaders.peft import PeftAdapterMixin
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from kinema.video.adapters.adapter import ControlTokens
from kinema.video.adapters.context import ATTENTION_KEY, SITES, current_tokens, published

Checkpoint = Callable[..., Any]


def known_as(original: type[nn.Module]) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Class decorator: gives a subclass the name by which diffusers looks up `original`.

    Saved configs, regional compilation, LoRA scales and device maps go by `__name__`; pickle goes by `__qualname__`
    and still finds the subclass.
    """

    def rename(cls: type[nn.Module]) -> type[nn.Module]:
        cls.__name__ = original.__name__
        return cls

    return rename


class ControlledTransformer(ModelMixin, PeftAdapterMixin):
    """Stands before the diffusers class in the bases of a controlled transformer, whose `forward` it serves."""

    attached_adapters: tuple[str, ...] = ()
    lora_beside_sites: frozenset[str] = frozenset()
    blocks_name: str

    def take_tokens(
        self, batch: int, attention_kwargs: dict[str, Any] | None
    ) -> tuple[Mapping[str, Any] | None, dict[str, Any] | None]:
        """Splits attention_kwargs into the adapters' tokens, as the blocks of this rank read them, and the rest.

        Args:
            batch: samples in this call.
            attention_kwargs: as diffusers has them, with our tokens by adapter name under "kinema".

        Raises:
            KeyError: tokens for an adapter that is not attached.
            ValueError: tokens of another batch, or of an adapter that cannot run under context parallelism.
            TypeError: something else than a dictionary of tokens.
            RuntimeError: PEFT was let loose on the sites.
        """
        rest = dict(attention_kwargs or {})
        given = rest.pop(ATTENTION_KEY, current_tokens())
        if given is None:
            return None, rest or None
        if not isinstance(given, Mapping):
            raise TypeError(
                f"attention_kwargs[{ATTENTION_KEY!r}] is a dictionary of tokens by adapter name, "
                f"not {type(given).__name__}; attached: {', '.join(self.attached_adapters)}"
            )
        self._require_untuned_sites()
        return {name: self._tokens_of_rank(name, each, batch) for name, each in given.items()}, rest or None

    def _tokens_of_rank(self, name: str, tokens: Any, batch: int) -> Any:
        if name not in self.attached_adapters:
            raise KeyError(
                f"tokens for an adapter {name!r} that is not attached; attached: {', '.join(self.attached_adapters)}"
            )
        if isinstance(tokens, ControlTokens) and tokens.batch not in (None, batch):
            raise ValueError(
                f"the tokens of {name!r} are of {tokens.batch} samples, the video batch has {batch}: "
                "use tokens.repeat for guidance passes stacked on the batch axis"
            )
        parallel = getattr(self._parallel_config, "context_parallel_config", None)
        if parallel is None:
            return tokens
        if not isinstance(tokens, ControlTokens):
            raise TypeError(
                f"under context parallelism tokens are ControlTokens, not {type(tokens).__name__}"
            )
        mesh = parallel._flattened_mesh
        return tokens.shard(mesh.get_local_rank(), mesh.size())

    def remember_lora(self) -> None:
        """Takes note of the LoRA layers that came before the sites, or beside them."""
        self.lora_beside_sites = frozenset(getattr(self, "peft_config", ()))

    def _require_untuned_sites(self) -> None:
        unknown = set(getattr(self, "peft_config", ())) - self.lora_beside_sites
        if unknown:
            raise RuntimeError(
                f"PEFT has gone through the sites of an attached adapter to put in {', '.join(sorted(unknown))}, and has "
                "frozen or changed them: use add_adapter or load_lora_adapter of the transformer, or attach afterwards"
            )

    @property
    def _gradient_checkpointing_func(self) -> Checkpoint | None:
        """The function that diffusers or the caller has set, which runs blocks again when the tokens are gone."""
        function = self.__dict__["_gradient_checkpointing_func"]
        return None if function is None else _keeping_tokens(function)

    @_gradient_checkpointing_func.setter
    def _gradient_checkpointing_func(self, function: Checkpoint | None) -> None:
        self.__dict__["_gradient_checkpointing_func"] = function

    def compile_repeated_blocks(self, *args: Any, **kwargs: Any) -> None:
        """As in diffusers. Each site has a graph of its own, which can be more than torch's limit of 8 per function."""
        if "recompile_limit" in inspect.signature(torch.compile).parameters:
            kwargs.setdefault("recompile_limit", 8 + len(getattr(self, self.blocks_name)))
        super().compile_repeated_blocks(*args, **kwargs)

    def enable_group_offload(self, *args: Any, **kwargs: Any) -> None:
        """As in diffusers, but for whole blocks on disk: `encode` reads weights of the sites between two calls.

        Raises:
            ValueError: block level with a folder on disk.
        """
        given = inspect.signature(super().enable_group_offload).bind(*args, **kwargs).arguments
        if given.get("offload_type", "block_level") == "block_level" and given.get("offload_to_disk_path"):
            raise ValueError(
                "group offloading of blocks to disk with an adapter attached is not supported, because the adapter's "
                "encode would find empty weights in its sites: use offload_type='leaf_level', or offload to memory"
            )
        super().enable_group_offload(*args, **kwargs)

    def add_adapter(self, *args: Any, **kwargs: Any) -> None:
        """As in diffusers: new LoRA layers in the backbone. Sites neither get any nor are frozen."""
        with self._without_sites():
            super().add_adapter(*args, **kwargs)

    def load_lora_adapter(self, *args: Any, **kwargs: Any) -> None:
        """As in diffusers: LoRA layers for the backbone from a file. Sites neither get any nor are frozen."""
        with self._without_sites():
            super().load_lora_adapter(*args, **kwargs)

    @contextmanager
    def _without_sites(self) -> Iterator[None]:
        """PEFT goes through all modules by name; ours step aside for the time."""
        if _is_group_offload_enabled(self):
            raise ValueError(
                "LoRA beside an attached adapter under group offloading is not supported: "
                "load LoRA first, then attach, then enable_group_offload"
            )
        blocks = getattr(self, self.blocks_name)
        held = [dict(getattr(block, SITES)) for block in blocks]
        for block in blocks:
            getattr(block, SITES).clear()
        try:
            yield
        finally:
            for block, sites in zip(blocks, held, strict=True):
                getattr(block, SITES).update(sites)
            self.remember_lora()


def _keeping_tokens(checkpoint: Checkpoint) -> Checkpoint:
    """A checkpointing function that shows the blocks the same tokens whenever it runs them."""

    def run(block: nn.Module, *inputs: Any) -> Any:
        tokens = current_tokens()

        def run_block(*again: Any) -> Any:
            if not torch.is_grad_enabled():
                raise ValueError(
                    "reentrant checkpointing with an adapter attached is not supported, because blocks with a frozen "
                    "backbone would get no gradient: use enable_gradient_checkpointing() or use_reentrant=False"
                )
            with published(tokens):
                return block(*again)

        return checkpoint(run_block, *inputs)

    return run
