"""What a published method says of itself: one `PAPER` at the end of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Paper:
    """One published method.

    Args:
        name: as commands name it.
        title: of the paper.
        arxiv: number on arXiv, or another address.
        parts: what it plugs in, by kind: adapter, objective, guider, guider.film (a guider that is made of a film of what
            shall happen), generator, check, recipe.
        reads: signals that it reads.
        ours: every choice that the paper does not make, or makes otherwise, with the reason.
        verdict: what was reproduced here, in one sentence.
        command: how it is run.
    """

    name: str
    title: str
    arxiv: str
    parts: Mapping[str, Any]
    reads: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    verdict: str = ""
    command: str = ""
