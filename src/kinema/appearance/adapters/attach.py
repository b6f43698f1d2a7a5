"""Puts adapters on an unmodified diffusers transformer, and takes them off again.

A block becomes an instance of its own subclass that calls `super().forward` and then its sites: hooks or wrappers
would rename parameters and break caches, offloading or LoRA loading. Order that works with diffusers' own features:
LoRA, attach, cache / offload / context parallel, compile / shard.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from kinema.appearance.adapters.adapter import ControlAdapter
from kinema.appearance.adapters.context import ATTENTION_KEY, SITES, current_tokens, published
from kinema.appearance.backbones.spec import spec_of


def attach(transformer: nn.Module, adapter: ControlAdapter, name: str | None = None) -> None:
    """Attaches an adapter under a name (by default the adapter's own).

    Raises:
        ValueError: the adapter was made for another width or depth, or the name is taken.
    """
    spec = spec_of(transformer)
    blocks = spec.block_list(transformer)
    name = name or adapter.adapter_name
    sites = adapter.sites_by_block()
    if adapter.config.hidden_size != spec.width:
        raise ValueError(
            f"adapter {name!r} is made for tokens of width {adapter.config.hidden_size}, "
            f"this {spec.name} transformer has {spec.width}"
        )
    if max(sites) >= len(blocks):
        raise ValueError(f"adapter {name!r} has a site at block {max(sites)} of {len(blocks)}")
    if name in attached(transformer):
        raise ValueError(f"an adapter named {name!r} is attached already: detach it first")
    if not attached(transformer):
        _open(transformer, blocks, spec.block_class)
    for index, site in sites.items():
        getattr(blocks[index], SITES)[name] = site


def detach(transformer: nn.Module, name: str | None = None) -> None:
    """Takes one adapter off, or all; with the last one the transformer is exactly what it was."""
    blocks = spec_of(transformer).block_list(transformer)
    names = attached(transformer)
    if name is not None and name not in names:
        raise ValueError(f"no adapter named {name!r} is attached; attached: {', '.join(names) or 'none'}")
    for each in names if name is None else (name,):
        for block in blocks:
            if each in getattr(block, SITES):
                del getattr(block, SITES)[each]
    if not attached(transformer):
        _close(transformer, blocks)


def attached(transformer: nn.Module) -> tuple[str, ...]:
    """Names of the attached adapters, in the order in which they were attached."""
    names: dict[str, None] = {}
    for block in spec_of(transformer).block_list(transformer):
        names.update(dict.fromkeys(getattr(block, SITES, {})))
    return tuple(names)


def enable_gradient_checkpointing(transformer: nn.Module) -> None:
    """Trades time for memory in training, with adapters attached or not.

    diffusers' own switch would run the blocks again in the backward pass, when the tokens are gone; here they are
    kept with the block's inputs.
    """
    transformer.enable_gradient_checkpointing(_checkpoint)


def _checkpoint(block: nn.Module, *inputs: Any) -> Any:
    tokens = current_tokens()

    def run(*again: Any) -> Any:
        with published(tokens):
            return block(*again)

    return checkpoint(run, *inputs, use_reentrant=False)


def _open(transformer: nn.Module, blocks: nn.ModuleList, block_class: type[nn.Module]) -> None:
    for block in blocks:
        block.__class__ = block_class
        setattr(block, SITES, nn.ModuleDict())
    before = transformer.register_forward_pre_hook(_publish, with_kwargs=True)
    after = transformer.register_forward_hook(_withdraw, always_call=True)
    transformer._kinema_hooks = (before, after)


def _close(transformer: nn.Module, blocks: nn.ModuleList) -> None:
    for block in blocks:
        delattr(block, SITES)
        block.__class__ = type(block).__mro__[1]
    for hook in transformer._kinema_hooks:
        hook.remove()
    del transformer._kinema_hooks


def _publish(transformer: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """Takes our tokens out of attention_kwargs and shows them to the blocks until the call ends."""
    attention_kwargs = dict(kwargs.get("attention_kwargs") or {})
    tokens = attention_kwargs.pop(ATTENTION_KEY, current_tokens())
    scope = published(tokens)
    scope.__enter__()
    transformer._kinema_scopes = (*getattr(transformer, "_kinema_scopes", ()), scope)
    return args, {**kwargs, "attention_kwargs": attention_kwargs or None}


def _withdraw(transformer: nn.Module, args: tuple, output: Any) -> None:
    *outer, scope = transformer._kinema_scopes
    transformer._kinema_scopes = tuple(outer)
    scope.__exit__(None, None, None)
