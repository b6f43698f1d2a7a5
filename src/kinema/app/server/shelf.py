"""The files of a server, all under one root: uploads by their content, and a folder for each finished result.

A result is made in `work/`, renamed into `results/` and only then named in the job table, so what the table names is
always whole. What it does not name is swept away when the server starts.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import time
from collections.abc import Iterable
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


class Shelf:
    """Where files lie.

    Args:
        root: the folder; made where it is not there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.results, self.work, self.uploads = root / "results", root / "work", root / "uploads"
        for folder in (self.results, self.work, self.uploads):
            folder.mkdir(parents=True, exist_ok=True)

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

    def sweep(self, named: Iterable[str]) -> int:
        """Removes results that no job names, left by processes that were killed between two steps.

        Args:
            named: folders of results that jobs name.

        Returns:
            How many folders were removed.
        """
        kept = set(named)
        before = time.time() - _YOUNG
        stale = [
            path for path in self.results.iterdir() if path.name not in kept and path.stat().st_mtime < before
        ]
        for path in stale:
            shutil.rmtree(path, ignore_errors=True)
        return len(stale)

    def _bench(self, job: Job) -> Path:
        return self.work / _worker(job) / _folder(job)

    # Uploads

    def put(self, content: BinaryIO, name: str) -> StoredFile:
        """Keeps an uploaded file; equal content is kept once.

        Args:
            content: read to its end.
            name: as the client calls it; its suffix says what it is, the rest is never part of a path.

        Raises:
            ValueError: a kind of file that nothing here reads.
        """
        kind, suffix = kind_of(name)
        digest = hashlib.sha256()
        partial = self.uploads / f"partial-{secrets.token_hex(8)}"
        try:
            with partial.open("wb") as file:
                while piece := content.read(1 << 20):
                    digest.update(piece)
                    file.write(piece)
            size = partial.stat().st_size
            number = digest.hexdigest()[:24]
            partial.replace(self.uploads / f"{number}{suffix}")
        finally:
            partial.unlink(missing_ok=True)
        return StoredFile(f"file_{number}", kind, Path(name).name[-_NAME_LENGTH:], size, time.time())

    def upload(self, file: StoredFile) -> Path:
        """Where an uploaded file lies."""
        return self.uploads / f"{file.id.removeprefix('file_')}{kind_of(file.name)[1]}"

    def check(self, file: StoredFile, max_pixels: int, max_seconds: float) -> None:
        """Reads an uploaded file as it will be read later; of pictures and videos the size comes first.

        Raises:
            ValueError: it is not what its name says, or it is too large; the message does not name the path.
        """
        from kinema.app.keypoints import is_keypoints, keypoints_of
        from kinema.media.decoding import open_video
        from kinema.media.pictures import read_picture
        from kinema.puppet.marks import is_marks, read_marks
        from kinema.scene.formats import read_scene

        path = self.upload(file)
        try:
            if file.kind == "picture":
                _check_pixels(path, max_pixels)
                read_picture(path)
            elif file.kind == "motion" and is_marks(path):
                read_marks(path)
            elif file.kind == "motion":
                keypoints_of(path) if is_keypoints(path) else read_scene(path)
            else:
                with open_video(path) as video:
                    width, height = video.file_size
                    if width * height > max_pixels or video.duration > max_seconds:
                        raise ValueError(
                            f"the video has {width}x{height} pixels and {video.duration:.0f} s; at most {max_pixels} "
                            f"pixels and {max_seconds:g} s are read"
                        )
        except (ValueError, OSError) as error:
            raise ValueError(str(error).replace(str(path), file.name)) from None


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


def _check_pixels(path: Path, most: int) -> None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:  # reads the header alone
            pixels = picture.width * picture.height
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        raise ValueError("it is not a picture, or damaged") from None
    if pixels > most:
        raise ValueError(f"the picture has {pixels} pixels; at most {most} are read")


def _folder(job: Job) -> str:
    return f"{job.id}.{job.claim}"


def _worker(job: Job) -> str:
    return (job.worker or "nobody").replace(":", "-")
