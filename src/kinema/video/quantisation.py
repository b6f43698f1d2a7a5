"""Weights in fewer bits, as diffusers offers it: which packages do it, on which devices, and what is missing here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Quantisation:
    """One way to keep a transformer's weights.

    Args:
        bits: of a weight.
        package: that does it.
        module: of the package, to see whether it is here.
        devices: kinds of device that it works on; any where empty.
        config: (dtype of the work) -> diffusers' configuration.
    """

    bits: int
    package: str
    module: str
    devices: tuple[str, ...]
    config: Callable[[torch.dtype], Any]

    def check(self, name: str, device: torch.device) -> None:
        """Says before anything is loaded that it cannot work here.

        Raises:
            ModuleNotFoundError: the package is not installed.
            ValueError: another device.
        """
        if find_spec(self.module.partition(".")[0]) is None or find_spec(self.module) is None:
            raise ModuleNotFoundError(f"--quantise {name} needs `pip install {self.package}`")
        if self.devices and device.type not in self.devices:
            raise ValueError(
                f"--quantise {name} works on {' and '.join(self.devices)}, not on {device.type}: there is "
                f"{', '.join(ways_for(device)) or 'no other way'}"
            )


def _torchao(kind: str) -> Callable[[torch.dtype], Any]:
    def config(dtype: torch.dtype) -> Any:
        import torchao.quantization
        from diffusers import TorchAoConfig

        return TorchAoConfig(getattr(torchao.quantization, kind)())

    return config


def _bitsandbytes(**options: Any) -> Callable[[torch.dtype], Any]:
    def config(dtype: torch.dtype) -> Any:
        from diffusers import BitsAndBytesConfig

        own = {"bnb_4bit_compute_dtype": dtype} if "load_in_4bit" in options else {}
        return BitsAndBytesConfig(**options, **own)

    return config


def _quanto(kind: str) -> Callable[[torch.dtype], Any]:
    def config(dtype: torch.dtype) -> Any:
        from diffusers import QuantoConfig

        return QuantoConfig(weights_dtype=kind)

    return config


WAYS: dict[str, Quantisation] = {
    "int8": Quantisation(8, "torchao==0.18.0", "torchao", (), _torchao("Int8WeightOnlyConfig")),
    "fp8": Quantisation(8, "torchao==0.18.0", "torchao", (), _torchao("Float8WeightOnlyConfig")),
    "int4": Quantisation(4, "torchao==0.18.0", "torchao", ("cuda", "xpu"), _torchao("Int4WeightOnlyConfig")),
    "bnb-int8": Quantisation(
        8, "bitsandbytes==0.50.2", "bitsandbytes", ("cuda", "xpu"), _bitsandbytes(load_in_8bit=True)
    ),
    "nf4": Quantisation(
        4,
        "bitsandbytes==0.50.2",
        "bitsandbytes",
        ("cuda", "xpu"),
        _bitsandbytes(load_in_4bit=True, bnb_4bit_quant_type="nf4"),
    ),
    "quanto-int8": Quantisation(8, "optimum-quanto==0.2.7", "optimum.quanto", (), _quanto("int8")),
    "quanto-int4": Quantisation(4, "optimum-quanto==0.2.7", "optimum.quanto", ("cuda",), _quanto("int4")),
}
"""Names for `--quantise`."""


def ways_for(device: torch.device) -> list[str]:
    """Names of the ways that work on a kind of device."""
    return [name for name, way in WAYS.items() if not way.devices or device.type in way.devices]


def quantisation(name: str, device: torch.device) -> Quantisation:
    """A way by its name, checked to work here.

    Raises:
        ValueError: no such way, or not on this device.
        ModuleNotFoundError: its package is not installed.
    """
    if name not in WAYS:
        raise ValueError(f"--quantise {name}: there are {', '.join(WAYS)}")
    WAYS[name].check(name, device)
    return WAYS[name]


def is_quantised(transformer: nn.Module) -> bool:
    """Whether a transformer's weights are kept in fewer bits by a quantiser, also those of a GGUF."""
    return getattr(transformer, "hf_quantizer", None) is not None
