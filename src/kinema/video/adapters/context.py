"""How a condition reaches the blocks: published for the length of one transformer call.

The root takes `attention_kwargs={"kinema": {adapter name: tokens}}`, so plain diffusers pipelines can pass it; blocks
read it from a scope of the running thread. A block keeps its sites in `kinema_sites`, one per attached adapter.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

ATTENTION_KEY = "kinema"
SITES = "kinema_sites"


class _Scope(threading.local):
    """One per thread, so that two videos may be made at once. torch.compile traces it; a ContextVar it does not."""

    tokens: Mapping[str, Any] | None = None


_scope = _Scope()


@contextmanager
def published(tokens: Mapping[str, Any] | None) -> Iterator[None]:
    """Makes tokens visible to the blocks; nested calls restore the outer ones."""
    previous = _scope.tokens
    _scope.tokens = tokens
    try:
        yield
    finally:
        _scope.tokens = previous


def current_tokens() -> Mapping[str, Any] | None:
    return _scope.tokens


class Sites(nn.ModuleDict):
    """The sites of one block by adapter name.

    They belong to the block's tree, so that they move, train and are offloaded with it, but not to its state dict:
    an adapter is saved by itself, and a transformer is saved and loaded as if nothing were attached.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_load_state_dict_post_hook(_miss_no_sites)

    def state_dict(
        self, *args: Any, destination: dict[str, Any] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        return {} if destination is None else destination


def _miss_no_sites(sites: nn.Module, incompatible: Any) -> None:
    missing = incompatible.missing_keys
    missing[:] = [key for key in missing if f"{SITES}." not in key]


def inject(block: nn.Module, hidden_states: torch.Tensor, place: str) -> torch.Tensor:
    """Adds to the video tokens [B, N, D] what each site that stands at this place of the block has to say."""
    tokens = current_tokens()
    if not tokens:
        return hidden_states
    for name, site in getattr(block, SITES).items():
        if name in tokens and place_of(site) == place:
            said = site(hidden_states, tokens[name])  # float32 where an adapter trains beside a bf16 backbone
            hidden_states = hidden_states + said.to(hidden_states.dtype)
    return hidden_states


def has_sites(block: nn.Module, place: str) -> bool:
    """Whether an attached adapter has a site at this place of the block."""
    return any(place_of(site) == place for site in getattr(block, SITES).values())


def place_of(site: nn.Module) -> str:
    return getattr(site, "place", "after_block")
