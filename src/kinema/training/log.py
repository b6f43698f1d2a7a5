"""What a run writes down: plain CSV files, and TensorBoard or Weights & Biases where they are asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kinema.scene.formats.files import atomic_write
from kinema.training.ranks import rank


class Log:
    """Rows of named numbers by step, each written whole or cut off by a crash, never lost in a buffer.

    A resumed run begins by forgetting what was written after its checkpoint, so that its files are those of a run
    that was never stopped. Only rank 0 writes.

    Args:
        folder: of the files.
        step: rows after this one are of a run that was cut off, and go.
        tensorboard: also write events for TensorBoard to `folder/tensorboard`.
        wandb: also send them to this project of Weights & Biases, or write them beside where it is offline.

    Raises:
        OSError: the folder cannot be written.
        ValueError: TensorBoard or Weights & Biases are asked for and not installed.
    """

    def __init__(self, folder: Path, step: int, tensorboard: bool = False, wandb: str | None = None) -> None:
        self.folder = folder
        self.step = step
        self._columns: dict[str, list[str]] = {}
        self._curves: list[Curves] = []
        if rank() > 0:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file in folder.glob("*.csv"):
                self._forget(file)
            (folder / "log.csv").touch()
        except OSError as error:
            raise OSError(f"cannot write to {folder}: {error.strerror}; choose another --out") from error
        if tensorboard:
            self._curves.append(_tensorboard(folder / "tensorboard", step))
        if wandb is not None:
            self._curves.append(_wandb(folder, wandb))

    def write(self, step: int, values: Mapping[str, float], file: str = "log.csv") -> None:
        """Appends a row to a CSV file; a row of names comes before it wherever these change.

        Raises:
            OSError: no room, or not writable.
        """
        if rank() > 0:
            return
        names = list(values)
        lines = [] if self._columns.get(file) == names else [",".join(["step", *names])]
        lines.append(",".join([str(step), *(f"{value:.6f}" for value in values.values())]))
        path = self.folder / file
        try:
            with open(path, "a", encoding="utf-8") as opened:
                opened.write("\n".join(lines) + "\n")
        except OSError as error:
            raise OSError(
                f"cannot write {path}: {error.strerror}; the last checkpoint is still good: make room, and go on from "
                "it with --resume"
            ) from error
        self._columns[file] = names

    def show(self, step: int, values: Mapping[str, float], group: str) -> None:
        """Numbers for whoever draws curves, as `group/name`."""
        for curves in self._curves:
            curves.add({f"{group}/{name}": value for name, value in values.items()}, step)

    def close(self) -> None:
        for curves in self._curves:
            curves.close()

    def _forget(self, file: Path) -> None:
        """Drops the rows of steps to come, a row cut off in the middle, and names without a row after them."""
        columns: list[str] = []
        kept: list[list[str]] = []
        text = file.read_text(encoding="utf-8", errors="replace")
        for line in text[: text.rfind("\n") + 1].splitlines():
            cells = line.split(",")
            if cells[0] == "step":
                columns = cells[1:]
            elif len(cells) == len(columns) + 1 and cells[0].isdigit() and int(cells[0]) <= self.step:
                if self._columns.get(file.name) != columns:
                    kept.append(["step", *columns])
                    self._columns[file.name] = columns
                kept.append(cells)
        wanted = _text(kept)
        if wanted != text:
            with atomic_write(file) as temporary:
                temporary.write_text(wanted, encoding="utf-8")


def _text(rows: Sequence[Sequence[str]]) -> str:
    return "".join(",".join(row) + "\n" for row in rows)


class Curves(Protocol):
    """Whoever draws curves of numbers by step."""

    def add(self, values: Mapping[str, float], step: int) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class _TensorBoard:
    writer: Any

    def add(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


@dataclass(frozen=True)
class _Wandb:
    run: Any

    def add(self, values: Mapping[str, float], step: int) -> None:
        self.run.log({**values, "step": step})

    def close(self) -> None:
        self.run.finish()


def _wandb(folder: Path, project: str) -> Curves:
    """One run for one folder, however often it is resumed; its steps are curves' own axis, so that they may repeat."""
    try:
        import wandb
    except ImportError as error:
        raise ValueError(
            f"wandb={project}: Weights & Biases is not installed; pip install wandb, or trainer.tensorboard=true"
        ) from error
    own = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    run = wandb.init(project=project, name=folder.name, dir=str(folder), id=own, resume="allow")
    run.define_metric("step")
    run.define_metric("*", step_metric="step")
    return _Wandb(run)


def _tensorboard(folder: Path, step: int) -> Curves:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError("tensorboard=true: TensorBoard is not installed; pip install tensorboard") from error
    return _TensorBoard(SummaryWriter(str(folder), purge_step=step + 1))
