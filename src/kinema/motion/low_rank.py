"""Low-rank adapters (Hu et al. 2021, LoRA) of the motion transformer: W + strength * up @ down on its linear layers."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrize

ATTENTION = ("query_key_value", "self_out", "query", "key_value", "cross_out")
"""Linear layers of attention in each block."""


class LowRank(nn.Module):
    """What is added to the weights of one layer. It is registered as a parametrization of `weight`.

    Args:
        rows, columns: of the weights.
        rank: of what is added.
        strength: by which it is multiplied, once; 0 is the layer as it was.
    """

    def __init__(self, rows: int, columns: int, rank: int, strength: float = 1.0) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, columns) / columns**0.5)
        self.up = nn.Parameter(torch.zeros(rows, rank))
        self.strength = strength

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.strength * (self.up @ self.down).to(weight)


def add_low_rank(network: nn.Module, rank: int, layers: tuple[str, ...] = ATTENTION) -> list[nn.Parameter]:
    """Freezes a network and puts adapters on its layers of these names; they say nothing at first.

    Returns:
        The adapters' parameters.

    Raises:
        ValueError: a rank below one, or no layer of these names.
    """
    if rank < 1:
        raise ValueError(f"an adapter of rank {rank}: give 1 or more")
    network.requires_grad_(False)
    parameters: list[nn.Parameter] = []
    for name, layer in list(network.named_modules()):
        if name.rpartition(".")[2] in layers and isinstance(layer, nn.Linear):
            added = LowRank(layer.out_features, layer.in_features, rank)
            parametrize.register_parametrization(layer, "weight", added)
            parameters += added.parameters()
    if not parameters:
        raise ValueError(f"the network has no layers named {', '.join(layers)}")
    return parameters


def save_low_rank(network: nn.Module, file: Path) -> None:
    """Writes the adapters of a network, bfloat16 safetensors."""
    state = {
        f"{name}.{key}": value.detach().to(torch.bfloat16).contiguous()
        for name, each in _adapters(network).items()
        for key, value in each.named_parameters()
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, file, {"kind": "low-rank", "layers": json.dumps(sorted(_adapters(network)))})


@torch.no_grad()
def merge_low_rank(network: nn.Module, file: Path, strength: float = 1.0) -> None:
    """Adds what a file of `save_low_rank` holds to the weights of a network.

    Several files may be added one after the other.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is none of this kind, or of another network.
    """
    if not file.is_file():
        raise FileNotFoundError(f"no adapter {file}")
    try:
        with safe_open(file, "pt") as opened:
            said = opened.metadata() or {}
            state = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118  # no dictionary
    except Exception as error:  # safetensors has an error of its own kind
        raise ValueError(f"{file} is no adapter of a motion model: {error}") from None
    if said.get("kind") != "low-rank":
        raise ValueError(f"{file} is no adapter of a motion model")
    layers = dict(network.named_modules())
    for name in json.loads(said["layers"]):
        up, down = state[f"{name}.up"].float(), state[f"{name}.down"].float()
        weight = getattr(layers.get(name), "weight", None)
        if weight is None or weight.shape != (len(up), down.shape[1]):
            raise ValueError(
                f"{file} is of another motion model: it has {(len(up), down.shape[1])} for {name}"
            )
        weight += (strength * (up @ down)).to(weight)


def _adapters(network: nn.Module) -> dict[str, LowRank]:
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, LowRank):
            found[name.removesuffix(".parametrizations.weight.0")] = module
    return found
