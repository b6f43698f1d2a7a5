"""Puts adapters on an unmodified diffusers transformer, and takes them off again.

A block becomes an instance of its own subclass that calls `super().forward` and then its sites: hooks or wrappers
would rename parameters and break caches, offloading or LoRA loading. Order that works with diffusers' own features:
LoRA, attach, cache / offload / context parallel, compile / shard (docs/compatibility.md).
"""

from __future__ import annotations

from diffusers.hooks.group_offloading import _is_group_offload_enabled
from torch import nn

from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.adapters.context import SITES, Sites
from kinema.video.models.spec import BackboneSpec, spec_of


def attach(transformer: nn.Module, adapter: ControlAdapter, name: str | None = None) -> None:
    """Attaches an adapter under a name (by default the adapter's own).

    Raises:
        ValueError: the adapter was made for another width or depth, the name is taken, or a feature is switched on
            that has to come after attaching.
    """
    spec = spec_of(transformer)
    blocks = spec.block_list(transformer)
    name = name or adapter.adapter_name
    sites = adapter.sites_by_block()
    if not name.isidentifier() or hasattr(Sites, name):
        raise ValueError(
            f"an adapter cannot be named {name!r}: a name is a Python identifier, such as 'pose'"
        )
    if adapter.config.hidden_size != spec.width:
        raise ValueError(
            f"adapter {name!r} is made for tokens of width {adapter.config.hidden_size}, "
            f"this {spec.name} transformer has {spec.width}"
        )
    if max(sites) >= len(blocks):
        raise ValueError(f"adapter {name!r} has a site at block {max(sites)} of {len(blocks)}")
    if name in attached(transformer):
        raise ValueError(f"an adapter named {name!r} is attached already: detach it first")
    _require_bare(transformer, spec, "attach")
    if not attached(transformer):
        _open(transformer, spec)
    for index, site in sites.items():
        getattr(blocks[index], SITES)[name] = site
    transformer.attached_adapters = (*attached(transformer), name)


def detach(transformer: nn.Module, name: str | None = None) -> None:
    """Takes one adapter off, or all; with the last one the transformer is exactly what it was.

    Raises:
        ValueError: no such adapter, or a feature is still switched on that came after attaching.
    """
    spec = spec_of(transformer)
    names = attached(transformer)
    if name is not None and name not in names:
        raise ValueError(f"no adapter named {name!r} is attached; attached: {', '.join(names) or 'none'}")
    if not names:
        return
    _require_bare(transformer, spec, "detach")
    leaving = names if name is None else (name,)
    for block in spec.block_list(transformer):
        sites = getattr(block, SITES)
        for each in set(leaving) & set(sites):
            del sites[each]
    transformer.attached_adapters = tuple(each for each in names if each not in leaving)
    if not transformer.attached_adapters:
        _close(transformer, spec)


def attached(transformer: nn.Module) -> tuple[str, ...]:
    """Names of the attached adapters, in the order in which they were attached."""
    return getattr(transformer, "attached_adapters", ())


def enable_gradient_checkpointing(transformer: nn.Module) -> None:
    """Trades time for memory in training, with adapters attached or not; diffusers' own switch does the same."""
    transformer.enable_gradient_checkpointing()


def _open(transformer: nn.Module, spec: BackboneSpec) -> None:
    transformer.__class__ = spec.transformer_class
    transformer.__module__ = _plain(spec.transformer_class).__module__  # pipelines note where a part is from
    for block in spec.block_list(transformer):
        block.__class__ = spec.block_class
        setattr(block, SITES, Sites())
    transformer.remember_lora()


def _close(transformer: nn.Module, spec: BackboneSpec) -> None:
    for block in spec.block_list(transformer):
        delattr(block, SITES)
        block.__class__ = _plain(spec.block_class)
    del transformer.attached_adapters, transformer.lora_beside_sites, transformer.__module__
    transformer.__class__ = _plain(spec.transformer_class)


def _plain(controlled: type[nn.Module]) -> type[nn.Module]:
    """The diffusers class that a controlled class extends."""
    return controlled.__bases__[-1]


def _require_bare(transformer: nn.Module, spec: BackboneSpec, verb: str) -> None:
    """Refuses modules whose class or forward somebody else has changed: the change of class would go unnoticed."""
    order = (
        "the order is LoRA, attach, cache / offload / context parallel, compile / shard; detach in reverse"
    )
    if _is_group_offload_enabled(transformer):
        raise ValueError(f"cannot {verb} under group offloading; {order}")
    expected = [(transformer, spec.transformer_class)]
    expected += [(block, spec.block_class) for block in spec.block_list(transformer)]
    for module, controlled in expected:
        if type(module) not in (controlled, _plain(controlled)):
            raise ValueError(
                f"cannot {verb}: a {type(module).__name__} stands where a {controlled.__name__} is expected, "
                f"by subclassing or fully_shard; {order}"
            )
        _forget_removed_hooks(module)
        if "forward" in vars(module):
            hooks = getattr(getattr(module, "_diffusers_hook", None), "hooks", {})
            names = ", ".join(hooks) or "another library's hook"
            raise ValueError(f"cannot {verb} while {names} wraps a {controlled.__name__}; {order}")


def _forget_removed_hooks(module: nn.Module) -> None:
    """A hook that was removed leaves the forward of the class that the module then had, on the module itself."""
    left = vars(module).get("forward")
    if getattr(left, "__func__", None) is type(module).forward and left.__self__ is module:
        del module.forward
