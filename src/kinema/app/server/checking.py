"""Reads an upload in a process of its own, with limits on memory and time, before it is kept.

`python -m kinema.app.server.checking FILE KIND MAX_PIXELS MAX_SECONDS` prints nothing for a good file, or a line of JSON
that says what is wrong. A file made to take a reader's memory or time takes this process with it, and nothing else.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

from kinema.app.server.config import TOKEN_VARIABLE

MEMORY = 3 << 30
"""Bytes of address space of the process that reads (ours); the largest picture with 16 bits takes 2 GB of it."""
SECONDS = 30.0
"""That reading may take (ours)."""
_LONGEST_SIDE = 1 << 15  # pixels (ours): what is longer is a line, not a picture
_ONE_AT_A_TIME = threading.Lock()
_MOST = 24  # uploads that are read or wait for it; each holds one of the server's 40 threads
_IN_LINE = threading.BoundedSemaphore(_MOST)
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class TooMany(Exception):
    """Too many uploads are being read."""


def check(path: Path, kind: str, name: str, max_pixels: int, max_seconds: float) -> None:
    """Reads a file as it will be read later; one at a time.

    Args:
        path: the file, with the suffix that says what it is.
        kind: see shelf.KINDS.
        name: as the user calls it.
        max_pixels, max_seconds: see ServerConfig.

    Raises:
        ValueError: it is not what its name says, or too large; the message names the file as the user does.
        TooMany: too many others wait.
    """
    if not _IN_LINE.acquire(blocking=False):
        raise TooMany
    try:
        _check(path, kind, name, max_pixels, max_seconds)
    finally:
        _IN_LINE.release()


def _check(path: Path, kind: str, name: str, max_pixels: int, max_seconds: float) -> None:
    words = [str(path), kind, str(max_pixels), str(max_seconds)]
    environment = {key: value for key, value in os.environ.items() if key != TOKEN_VARIABLE}
    with _ONE_AT_A_TIME:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "kinema.app.server.checking", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**environment, **_THREADS},
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise ValueError(f"{name}: reading it takes longer than {SECONDS:g} s; make it smaller") from None
    if done.stdout:
        said = json.loads(done.stdout.splitlines()[-1])["wrong"]
        raise ValueError(said.replace(str(path), name).replace(path.name, name))
    if done.returncode:
        raise ValueError(f"{name}: it cannot be read, or takes more memory than there is; make it smaller")


def _read(path: Path, kind: str, max_pixels: int, max_seconds: float) -> None:
    if kind == "picture":
        _read_picture(path, max_pixels)
    elif kind == "motion":
        _read_motion(path)
    else:
        from kinema.media.decoding import open_video

        with open_video(path) as video:
            width, height = video.file_size
            if width * height > max_pixels or video.duration > max_seconds:
                raise ValueError(
                    f"the video has {width}x{height} pixels and {video.duration:.0f} s; at most {max_pixels} "
                    f"pixels and {max_seconds:g} s are read"
                )


def _read_picture(path: Path, max_pixels: int) -> None:
    from PIL import Image, UnidentifiedImageError

    from kinema.media.picture_files import picture_formats, read_picture_file

    try:
        with Image.open(path, formats=picture_formats()) as picture:  # reads the header alone
            width, height = picture.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        width = height = 0  # the reader says what it is
    if width * height > max_pixels:
        raise ValueError(f"the picture has {width * height} pixels; at most {max_pixels} are read")
    if max(width, height) > _LONGEST_SIDE:
        raise ValueError(f"the picture has {width}x{height} pixels; a side has at most {_LONGEST_SIDE}")
    read_picture_file(path)


def _read_motion(path: Path) -> None:
    import numpy as np

    from kinema.app.keypoints import is_keypoints, keypoints_of
    from kinema.puppet.marks import is_marks, read_marks
    from kinema.scene.formats import read_scene

    if is_marks(path):
        read_marks(path)
        return
    if is_keypoints(path):
        keypoints_of(path)
        return
    for person in read_scene(path).people:
        if not np.isfinite(person.joints).any():
            raise ValueError(f"{path}: not one joint is known at any time; nothing moves in it")


def main(file: str, kind: str, max_pixels: str, max_seconds: str) -> int:
    """The process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        _read(Path(file), kind, int(max_pixels), float(max_seconds))
    except MemoryError:
        return 1
    except (ValueError, OSError) as error:
        print(json.dumps({"wrong": str(error)[:2000]}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
