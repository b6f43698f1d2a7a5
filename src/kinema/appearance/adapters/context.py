"""How a condition reaches the blocks: published for the length of one transformer call.

The root takes `attention_kwargs={"kinema": {adapter name: tokens}}`, so plain diffusers pipelines can pass it; blocks
read it from a context variable. A block keeps its sites in `kinema_sites`, one per attached adapter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import nn

ATTENTION_KEY = "kinema"
SITES = "kinema_sites"

_tokens: ContextVar[Mapping[str, Any] | None] = ContextVar("kinema_tokens", default=None)


@contextmanager
def published(tokens: Mapping[str, Any] | None) -> Iterator[None]:
    """Makes tokens visible to the blocks; nested calls restore the outer ones."""
    previous = _tokens.set(tokens)
    try:
        yield
    finally:
        _tokens.reset(previous)


def current_tokens() -> Mapping[str, Any] | None:
    return _tokens.get()


def inject(block: nn.Module, hidden_states: torch.Tensor, place: str) -> torch.Tensor:
    """Adds to the video tokens [B, N, D] what each site that stands at this place of the block has to say."""
    tokens = current_tokens()
    if not tokens:
        return hidden_states
    for name, site in getattr(block, SITES).items():
        if name in tokens and place_of(site) == place:
            hidden_states = hidden_states + site(hidden_states, tokens[name])
    return hidden_states


def has_sites(block: nn.Module, place: str) -> bool:
    """Whether an attached adapter has a site at this place of the block."""
    return any(place_of(site) == place for site in getattr(block, SITES).values())


def place_of(site: nn.Module) -> str:
    return getattr(site, "place", "after_block")
