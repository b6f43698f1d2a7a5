"""The files of a server, all under one root: uploads by their content, and a folder for each finished result.

A result is made in `work/`, renamed into `results/` and only then named in the job table, so what the table names is
always whole. What it does not name is an orphan, and is swept away.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kinema.app.server.store import Job, StoredFile
from kinema.media.decoding import VIDEO_SUFFIXES
from kinema.scene.formats import MOTION_SUFFIXES as _MOTIONS

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MOTION_SUFFIXES = (*_MOTIONS, ".json")
"""Of motions and scenes, of keypoints (OpenPose JSON), and of joints marked in a picture."""
KINDS = ("picture", "motion", "video")
_NAME_LENGTH = 120
_YOUNG = 600.0  # seconds; a result that was just published may be named in a moment
_CAPTURES_KEPT = 7 * 86400.0  # seconds without use after which what was read off a video goes
_FOLDERS = re.compile(r"(?<![\w:/.])/(?:[^\s/'\"]+/)+")
_FILE_ID = re.compile(r"file_[0-9a-f]{24}")


@dataclass(frozen=True)
class Received:
    """An upload that is not yet kept: the file and what it would be kept as."""

    path: Path
    file: StoredFile


class Shelf:
    """Where files lie.

    Args:
        root: the folder; made where it is not there, for this user alone.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.results, self.work, self.uploads = root / "results", root / "work", root / "uploads"
        self.captures = root / "captures"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.results, self.work, self.uploads, self.captures):
            folder.mkdir(mode=0o700, exist_ok=True)
            with suppress(PermissionError):
                folder.chmod(0o700)  # of an earlier version

    @property
    def database(self) -> Path:
        return self.root / "jobs.sqlite"

    # Results

    def bench(self, job: Job) -> Path:
        """An empty folder in which a claimed job is made; those of its worker's earlier jobs go."""
        mine = self.work / _worker(job)
        shutil.rmtree(mine, ignore_errors=True)
        folder = mine / _folder(job)
        folder.mkdir(parents=True)
        return folder

    def publish(self, job: Job) -> tuple[str, int]:
        """Moves what a job has made to the results.

        Returns:
            The folder's name, for the job's result, and its size in bytes.
        """
        made = self._bench(job)
        size = sum(path.stat().st_size for path in made.iterdir())
        made.rename(self.results / made.name)
        return made.name, size

    def withdraw(self, job: Job) -> None:
        """Removes what a claim has made, published or not."""
        shutil.rmtree(self._bench(job), ignore_errors=True)
        shutil.rmtree(self.results / _folder(job), ignore_errors=True)

    def result(self, job: Job, name: str) -> Path | None:
        """A file of a job's last result; `name` is one of those that the result lists."""
        if job.result is None or name not in job.result["files"]:
            return None
        path = self.results / job.result["folder"] / name
        return path if path.is_file() else None

    def forget(self, job: Job) -> None:
        """Removes a job's last result."""
        if job.result is not None:
            shutil.rmtree(self.results / job.result["folder"], ignore_errors=True)

    def preview(self, job: Job) -> Path:
        """The picture that shows a job while it is made."""
        return self._bench(job) / "preview.png"

    def sweep(
        self, results: Iterable[str], files: Iterable[StoredFile], claims: Iterable[str]
    ) -> dict[str, int]:
        """Removes what nothing names, left by processes that were killed between two steps, and old captures.

        Args:
            results: folders of results that jobs name.
            files: uploads that the table names.
            claims: `folder_of` of the jobs in progress.

        Returns:
            How many files and folders were removed, by the folder they were in.
        """
        named, working = set(results), set(claims)
        uploads = {self.upload(file).name for file in files}
        benches = [bench for worker in _inside(self.work) for bench in _inside(worker)]
        orphans = {
            "results": [path for path in _inside(self.results) if path.name not in named],
            "uploads": [path for path in _inside(self.uploads) if path.name not in uploads],
            "work": [path for path in benches if path.name not in working],
        }
        removed = {kind: sum(map(_remove, filter(_is_old, paths))) for kind, paths in orphans.items()}
        for worker in _inside(self.work):
            with suppress(OSError):  # it is not empty
                worker.rmdir()
        unused = [path for path in _inside(self.captures) if _age(path) > _CAPTURES_KEPT]
        return {**removed, "captures": sum(map(_remove, unused))}

    def bytes_beside(self) -> int:
        """Of what lies here and is in no table: captures, and what is being made or received."""
        total = 0
        for folder in (self.captures, self.work):
            for path in folder.rglob("*"):
                with suppress(OSError):
                    total += path.stat().st_size
        return total

    def _bench(self, job: Job) -> Path:
        return self.work / _worker(job) / _folder(job)

    # Uploads

    def receive(self, content: BinaryIO, name: str) -> Received:
        """Takes an upload in; it is kept once `accept` is called, and goes with `discard`.

        Args:
            content: read to its end.
            name: as the client calls it; its suffix says what it is, the rest is never part of a path.

        Raises:
            ValueError: a kind of file that nothing here reads.
        """
        kind, suffix = kind_of(name)
        digest = hashlib.sha256()
        partial = self.uploads / f"partial-{secrets.token_hex(8)}{suffix}"
        size = 0
        try:
            with partial.open("wb") as file:
                while piece := content.read(1 << 20):
                    digest.update(piece)
                    size += file.write(piece)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        number = f"file_{digest.hexdigest()[:24]}"
        return Received(partial, StoredFile(number, kind, _plain_name(name), size, time.time()))

    def put(self, content: BinaryIO, name: str) -> StoredFile:
        """Keeps a file that needs no check; see `receive`."""
        received = self.receive(content, name)
        self.accept(received)
        return received.file

    def accept(self, received: Received) -> None:
        """Keeps an upload."""
        received.path.replace(self.upload(received.file))

    def discard(self, received: Received) -> None:
        """Forgets an upload."""
        received.path.unlink(missing_ok=True)

    def upload(self, file: StoredFile) -> Path:
        """Where an uploaded file lies."""
        return self.uploads / f"{file.id.removeprefix('file_')}{kind_of(file.name)[1]}"

    def without_paths(self, text: str, job: Job, file: Callable[[str], StoredFile | None]) -> str:
        """A message for clients: files by the names that users gave them, and nothing of where they lie.

        Args:
            text: the message.
            job: whose request names the files.
            file: looks up an upload.
        """
        for number in set(_FILE_ID.findall(str(job.request))):
            stored = file(number)
            if stored is not None:
                path = self.upload(stored)
                text = text.replace(str(path), stored.name).replace(path.name, stored.name)
        for folder in (self._bench(job), self.work, self.results, self.uploads, self.captures, self.root):
            for written in {str(folder), str(folder.resolve())}:
                text = text.replace(f"{written}{os.sep}", "").replace(written, "the server's folder")
        return _FOLDERS.sub("", text)


def kind_of(name: str) -> tuple[str, str]:
    """The kind (see KINDS) and suffix of a file by its name.

    Raises:
        ValueError: another suffix.
    """
    suffix = Path(name).suffix.lower()
    for kind, suffixes in zip(KINDS, (PICTURE_SUFFIXES, MOTION_SUFFIXES, VIDEO_SUFFIXES), strict=True):
        if suffix in suffixes:
            return kind, suffix
    known = ", ".join(sorted({*PICTURE_SUFFIXES, *MOTION_SUFFIXES, *VIDEO_SUFFIXES}))
    raise ValueError(f"files ending in {suffix or 'nothing'} are not read here; there are {known}")


def folder_of(job: str, claim: int) -> str:
    """Name of the folder in which a claim makes its files."""
    return f"{job}.{claim}"


def _folder(job: Job) -> str:
    return folder_of(job.id, job.claim)


def _worker(job: Job) -> str:
    return (job.worker or "nobody").replace(":", "-")


def _plain_name(name: str) -> str:
    """A file name that can be shown: its last part, without what does not print."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(letter if letter.isprintable() else "?" for letter in last)[-_NAME_LENGTH:]


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # it has just gone, or is a file
        return []


def _age(path: Path) -> float:
    """Seconds since a file or folder was changed; 0 where it has gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _is_old(path: Path) -> bool:
    return _age(path) > _YOUNG


def _remove(path: Path) -> bool:
    """Removes a file or a folder; whether it has gone."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return not path.exists()
