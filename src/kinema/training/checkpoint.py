"""Checkpoints that are whole or not there: a folder written beside its place and renamed into it.

Tensors go through torch.distributed.checkpoint into safetensors (no pickle), each process writing its own shards, so
a run of two processes can be resumed by one and the other way round. Only what is trained is in it.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError, safe_open
from torch.distributed.checkpoint.api import CheckpointException

from kinema.scene.formats.errors import FormatError
from kinema.training.ranks import rank, wait, world

_STATE = "state.json"
_OF_BEFORE = "weights.safetensors"


def save_checkpoint(folder: Path, tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
    """Writes a checkpoint; an interrupted or failed write leaves the previous one as it was.

    Args:
        folder: its place.
        tensors: by name, whole or sharded; all processes call with the same names.
        state: plain values.

    Raises:
        OSError: one line that says why it could not be written, and what is still there.
    """
    fresh = folder.with_name(folder.name + ".new")
    try:
        if rank() == 0:
            if fresh.exists():
                shutil.rmtree(fresh)
            fresh.mkdir(parents=True)
        wait()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            writer = dcp.HuggingFaceStorageWriter(str(fresh), save_distributed=True)
            # safetensors refuses other layouts, such as channels last.
            packed = {name: tensor.contiguous() for name, tensor in tensors.items()}
            dcp.save(packed, storage_writer=writer, no_dist=world() == 1)
        if rank() == 0:
            (fresh / _STATE).write_text(json.dumps(state, indent=1))
            put_in_place(fresh, folder)
        wait()
    except (OSError, SafetensorError, CheckpointException) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise OSError(
            f"cannot write the checkpoint {folder}: {reason(error)}; {_what_is_left(folder)}"
        ) from error


def load_checkpoint(folder: Path, tensors: dict[str, torch.Tensor]) -> dict[str, Any] | None:
    """Reads the checkpoint's values into `tensors`, whole or sharded, and returns its state; None where there is none.

    Raises:
        FormatError: the checkpoint does not hold these tensors, or is damaged.
    """
    recover(folder)
    if not folder.exists():
        return None
    if (folder / _OF_BEFORE).exists():
        raise FormatError(folder, "is of an older version of Kinema", hint="finish that run with it")
    try:
        state: dict[str, Any] = json.loads((folder / _STATE).read_text())
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            reader = dcp.HuggingFaceStorageReader(str(folder))
            dcp.load(tensors, storage_reader=reader, no_dist=world() == 1)
    except (CheckpointException, SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise FormatError(
            folder,
            f"cannot be resumed by this run ({reason(error)})",
            hint="give the options that the run was started with, or begin anew in another folder",
        ) from error
    return state


def read_checkpoint(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """(tensors, state) of a checkpoint that one process wrote.

    Raises:
        FileNotFoundError: there is none.
    """
    recover(folder)
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            tensors.update({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return tensors, json.loads((folder / _STATE).read_text())


def recover(folder: Path) -> None:
    """Puts the previous checkpoint back where the last write was cut off between its two renames."""
    previous = folder.with_name(folder.name + ".old")
    if rank() == 0 and not folder.exists() and previous.exists():
        os.replace(previous, folder)
    wait()


def put_in_place(fresh: Path, folder: Path) -> None:
    """Replaces a folder by a complete one beside it; cut off in between, `folder.old` is still there."""
    for file in fresh.rglob("*"):
        if file.is_file():
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())
    previous = folder.with_name(folder.name + ".old")
    shutil.rmtree(previous, ignore_errors=True)
    if folder.exists():
        os.replace(folder, previous)
    os.replace(fresh, folder)
    shutil.rmtree(previous, ignore_errors=True)


def reason(error: BaseException) -> str:
    """The first line of what went wrong, in the words of the first process that failed."""
    if isinstance(error, CheckpointException) and error.failures:
        error = next(iter(error.failures.values()))[0]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0]


def _what_is_left(folder: Path) -> str:
    try:
        step = json.loads((folder / _STATE).read_text())["step"]
    except (OSError, ValueError, KeyError):
        return "there is none before it"
    return f"the one of step {step} is still good: make room, and go on from it with --resume"
