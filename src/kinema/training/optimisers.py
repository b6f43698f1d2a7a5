"""AdamW, and AdamW with moments in 8 bits (bitsandbytes), with states that are there before the first step."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from kinema.training import ranks

if TYPE_CHECKING:
    from kinema.training.trainer import TrainerConfig


def make_optimiser(config: TrainerConfig, groups: list[dict[str, Any]]) -> Any:
    """The optimiser of a run.

    Raises:
        ModuleNotFoundError: 8 bits without the package bitsandbytes.
        ValueError: 8 bits in several processes.
    """
    told: dict[str, Any] = {
        "lr": config.learning_rate,
        "betas": config.betas,
        "weight_decay": config.weight_decay,
    }
    if config.optimiser == "adamw":
        return torch.optim.AdamW(groups, **told)
    check_optimiser(config)
    import bitsandbytes

    return bitsandbytes.optim.AdamW8bit(groups, **told)


def check_optimiser(config: TrainerConfig) -> None:
    """Says before a model is loaded that an optimiser cannot be had; raises as `make_optimiser`."""
    if config.optimiser == "adamw":
        return
    if find_spec("bitsandbytes") is None:
        raise ModuleNotFoundError(
            "trainer.optimiser=adamw8bit needs the package bitsandbytes: pip install bitsandbytes, or "
            "--set trainer.optimiser=adamw, whose moments take four times the memory"
        )
    if ranks.world() > 1:
        raise ValueError(
            "trainer.optimiser=adamw8bit works in one process: FSDP2 divides the moments already"
        )


@torch.no_grad()
def begin_moments(optimiser: Any, parameter: torch.Tensor) -> None:
    """Gives a parameter without a state the one that the optimiser begins with."""
    state = optimiser.state[parameter]
    if isinstance(optimiser, torch.optim.AdamW):
        state |= {"step": torch.tensor(0.0)}
        state |= {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
        return
    optimiser.check_overrides()
    for number, group in enumerate(optimiser.param_groups):
        for place, each in enumerate(group["params"]):
            if each is parameter:
                optimiser.init_state(group, parameter, number, place)


def resumed(optimiser: Any, step: int) -> None:
    """Tells an optimiser that counts steps as plain numbers where it is."""
    for state in optimiser.state.values():
        if isinstance(state.get("step"), int):
            state["step"] = step
