"""Checkpoints that are whole or not there: one folder a step, written beside its place and renamed into it.

    checkpoint/step-0012000/    state.json, and the tensors in safetensors shards
    checkpoint/step-0012500/
    checkpoint/step-0013000/    the newest, from which a run goes on

Tensors go through torch.distributed.checkpoint into safetensors (no pickle), each process writing its own shards, so
a run of two processes can be resumed by one and the other way round. Only what is trained is in it.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError, safe_open
from torch.distributed.checkpoint.api import CheckpointException

from kinema.scene.formats.errors import FormatError
from kinema.training import whereabouts
from kinema.training.ranks import decided_by_first, rank, world

_STATE = "state.json"
_UNFINISHED = ".new"


class Checkpoints:
    """The last checkpoints of a run, and writing the next one.

    Args:
        folder: of all of them.
        keep: how many stay; older ones go once a newer one is whole.
        behind: write from a copy in main memory while training goes on.
    """

    def __init__(self, folder: Path, keep: int = 3, behind: bool = False) -> None:
        self.folder = folder
        self.keep = keep
        self.behind = behind
        self._writing: tuple[Future[Any], Path, str] | None = None
        self._beside: Any = None

    def save(self, tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        """Writes a checkpoint, or begins to; an interrupted or failed write leaves those before it as they were.

        Args:
            tensors: by name, whole or sharded; all processes call with the same names.
            state: plain values, with the `step`.

        Raises:
            OSError: one line that says why it, or the one before, could not be written, and what is still there.
        """
        self.finish()
        place = _place(self.folder, state["step"])
        (there,) = decided_by_first((place / _STATE).is_file())
        if there:  # a step has one checkpoint: what led to it is fixed
            return
        fresh, text = place.with_name(place.name + _UNFINISHED), json.dumps(state, indent=1)
        # safetensors refuses other layouts, such as channels last.
        packed = {name: tensor.contiguous() for name, tensor in tensors.items()}
        alone = world() == 1
        try:
            self._by_first(lambda: _emptied(fresh))
            writer = dcp.HuggingFaceStorageWriter(str(fresh), save_distributed=True)
            with _quiet():
                if self.behind:
                    group = self._group()
                    writing: Any = dcp.async_save(
                        packed, storage_writer=writer, process_group=group, no_dist=alone
                    )
                    self._writing = writing, fresh, text
                    return
                dcp.save(packed, storage_writer=writer, no_dist=alone)
            self._by_first(lambda: self._put(fresh, text))
        except _FAILURES as error:
            raise self._failure(fresh, error) from error

    def finish(self) -> None:
        """Until what is being written is in its place; nothing where nothing is.

        Raises:
            OSError: as `save`.
        """
        if self._writing is None:
            return
        (writing, fresh, text), self._writing = self._writing, None
        try:
            writing.result()
            self._by_first(lambda: self._put(fresh, text))
        except _FAILURES as error:
            raise self._failure(fresh, error) from error

    def written(self) -> bool:
        """Whether what was being written behind is whole, so that `finish` need not wait."""
        return self._writing is not None and self._writing[0].done()

    def load(self, tensors: dict[str, torch.Tensor]) -> dict[str, Any] | None:
        """Reads the newest checkpoint into `tensors`, whole or sharded, and returns its state; None without any.

        Raises:
            FormatError: it does not hold these tensors, or is damaged.
        """
        place = newest(self.folder)
        if rank() == 0:
            for cut_off in self.folder.glob(f"step-*{_UNFINISHED}"):
                shutil.rmtree(cut_off, ignore_errors=True)
        if place is None:
            return None
        try:
            state: dict[str, Any] = json.loads((place / _STATE).read_text())
            with _quiet():
                reader = dcp.HuggingFaceStorageReader(str(place))
                dcp.load(tensors, storage_reader=reader, no_dist=world() == 1)
        except (*_FAILURES, RuntimeError, ValueError) as error:
            before = [each.name for each in _whole(self.folder)[:-1]]
            older = f", or remove {place.name} to go on from {before[-1]}" if before else ""
            raise FormatError(
                place,
                f"cannot be resumed by this run ({reason(error)})",
                hint=f"give the options that the run was started with, begin anew in another folder{older}",
            ) from error
        return state

    def _group(self) -> Any:
        """Processes that write behind talk to each other beside those that train."""
        if self._beside is None and world() > 1:
            self._beside = dist.new_group(backend="gloo")
        return self._beside

    def _put(self, fresh: Path, text: str) -> None:
        """Gives a written checkpoint its name, and takes away what is too old."""
        (fresh / _STATE).write_text(text)
        put_in_place(fresh, fresh.with_name(fresh.name.removesuffix(_UNFINISHED)))
        for old in _whole(self.folder)[: -self.keep]:
            shutil.rmtree(old, ignore_errors=True)

    @staticmethod
    def _by_first(action: Callable[[], None]) -> None:
        """The first process does it; where it cannot, all of them stop.

        Raises:
            OSError: it could not.
        """
        problem: OSError | None = None
        if rank() == 0:
            try:
                action()
            except OSError as error:
                problem = error
        whereabouts.wait("the checkpoint")
        (done,) = decided_by_first(problem is None)
        if not done:
            raise problem or OSError("the first process could not write")

    def _failure(self, fresh: Path, error: BaseException) -> OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        left = _whole(self.folder)
        told = "there is none before it"
        if left:
            step = int(left[-1].name.partition("-")[2])
            told = f"the one of step {step} is still good: make room, and go on from it with --resume"
        return OSError(f"cannot write the checkpoint in {self.folder}: {reason(error)}; {told}")


_FAILURES = (OSError, SafetensorError, CheckpointException)


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def newest(folder: Path) -> Path | None:
    """The folder of the newest checkpoint of a run; None where there is none.

    Raises:
        FormatError: it is of a version of Kinema that kept one checkpoint.
    """
    if (folder / _STATE).is_file():
        raise FormatError(folder, "is of an older version of Kinema", hint="finish that run with it")
    return next(reversed(_whole(folder)), None)


def read_checkpoint(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """(tensors, state) of the newest checkpoint of a run of one process.

    Raises:
        FileNotFoundError: there is none.
    """
    place = newest(folder)
    if place is None:
        raise FileNotFoundError(f"{folder} holds no checkpoint")
    tensors = {}
    for path in sorted(place.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            tensors.update({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return tensors, json.loads((place / _STATE).read_text())


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


def _place(folder: Path, step: int) -> Path:
    return folder / f"step-{step:07d}"


def _whole(folder: Path) -> list[Path]:
    """Folders of whole checkpoints, the oldest first."""
    found = [path.parent for path in folder.glob(f"step-*/{_STATE}")]
    return sorted(path for path in found if path.name.partition("-")[2].isdigit())


@contextmanager
def _quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield
