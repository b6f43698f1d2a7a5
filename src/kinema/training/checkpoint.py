"""Checkpoints that are whole or not there: a folder written beside its place and renamed into it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

_WEIGHTS = "weights.safetensors"
_AVERAGES = "ema.safetensors"
_OPTIMISER = "optimiser.pt"
_STATE = "state.json"


def save_checkpoint(
    folder: Path,
    weights: dict[str, torch.Tensor],
    averages: dict[str, torch.Tensor],
    optimiser: dict[str, Any],
    state: dict[str, Any],
) -> None:
    """Writes a checkpoint; an interrupted write leaves the previous one as it was."""
    fresh = folder.with_name(folder.name + ".new")
    previous = folder.with_name(folder.name + ".old")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_file({key: value.contiguous() for key, value in weights.items()}, fresh / _WEIGHTS)
    save_file({key: value.contiguous() for key, value in averages.items()}, fresh / _AVERAGES)
    torch.save(optimiser, fresh / _OPTIMISER)
    (fresh / _STATE).write_text(json.dumps(state, indent=1))
    shutil.rmtree(previous, ignore_errors=True)
    if folder.exists():
        os.replace(folder, previous)
    os.replace(fresh, folder)
    shutil.rmtree(previous, ignore_errors=True)


def load_checkpoint(
    folder: Path,
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, Any], dict[str, Any]] | None:
    """(weights, averages, optimiser, state) of the checkpoint, or None where there is none."""
    previous = folder.with_name(folder.name + ".old")
    if not folder.exists() and previous.exists():
        os.replace(previous, folder)  # the last write was cut off between its two renames
    if not folder.exists():
        return None
    return (
        load_file(folder / _WEIGHTS),
        load_file(folder / _AVERAGES),
        torch.load(folder / _OPTIMISER, weights_only=True),
        json.loads((folder / _STATE).read_text()),
    )
