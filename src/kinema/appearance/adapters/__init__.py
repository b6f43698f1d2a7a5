"""Control methods: one module per published system, all attached to a backbone in the same way."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinema.appearance.adapters.adapter import ControlAdapter

ADAPTERS: dict[str, str] = {
    "tokenmotion": "TokenMotionAdapter",
    "mtvcraft": "MTVCraftAdapter",
    "mosa": "MoSAAdapter",
}
"""Name of each adapter, which is also its module here, and its class."""


def adapter_class(name: str) -> type[ControlAdapter]:
    """The class of a control method.

    Raises:
        ValueError: no method of that name.
    """
    if name not in ADAPTERS:
        raise ValueError(f"no control method {name!r}: there are {', '.join(ADAPTERS)}")
    return getattr(import_module(f"kinema.appearance.adapters.{name}"), ADAPTERS[name])
