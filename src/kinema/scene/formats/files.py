"""Reading bounded before it allocates and never unpickling; writing that leaves the old file if it fails."""

from __future__ import annotations

import math
import os
import re
import secrets
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from kinema.scene.formats.errors import FormatError

MAX_BYTES = 1 << 30
"""Default limit on what a reader takes in, 1 GiB (ours): hours of motion in one file."""

_MAX_MEMBERS = 100_000
_MAX_DIRECTORY = 1 << 24
_END_BYTES = 22 + (1 << 16) + 20  # the end record, the longest comment, the locator of a 64-bit directory
_CHUNK = 1 << 20
_LOOKED_AT = 1 << 16  # bytes that tell whether a file is text
_RUNS = 1000  # words that tell which encoding it has
# A word that may be East Asian: the second of two bytes may be a letter, but never a blank.
_HIGH_RUNS = re.compile(rb"[\x80-\xff][^\x00-\x2f]*")
_SHIFTED = re.compile(rb"[\x81-\x9f]")  # where Shift-JIS has its usual signs, and Latin-1 none
# Kana, ideographs and full-width signs; not the half-width kana that other encodings look like in Shift-JIS.
_EAST_ASIAN = re.compile("[\u3000-\u30ff\u3400-\u9fff\uff01-\uff5e\u2010-\u266f]")
# What zipfile and zlib raise on damaged files; names that are not UTF-8 end in a ValueError.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError, OSError)
# What NumPy raises on damaged .npy headers, which it parses as Python literals.
_BAD_HEADER = (ValueError, TypeError, SyntaxError, TokenError, MemoryError, RecursionError, OverflowError)


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file completely or not at all; missing folders above it are made.

    Yields the path of a temporary file in the same folder with the same suffix. When the block ends without
    an error the temporary file replaces `path` in one step; otherwise it is removed, with the folders that were
    made, and `path` stays.

    Raises:
        IsADirectoryError: `path` is a folder.
        NotADirectoryError: what should be a folder above it is a file.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; give a file name")
    with _folders_above(target):
        temporary = _beside(target)
        with open(temporary, "xb"):
            pass
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a folder completely or not at all; missing folders above it are made.

    Yields the path of an empty temporary folder beside it. When the block ends without an error it takes the
    place of `path`, and what was there is deleted: the caller has made sure that it may be. Otherwise the temporary
    folder is removed and `path` stays.

    Raises:
        NotADirectoryError: `path`, or what should be a folder above it, is a file.
    """
    target = Path(path)
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"{target} is a file; give the name of a folder")
    with _folders_above(target):
        temporary, old = _beside(target), _beside(target)
        temporary.mkdir()
        try:
            yield temporary
            if target.exists():
                os.replace(target, old)
            os.replace(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            if old.exists() and not target.exists():
                os.replace(old, target)
            shutil.rmtree(old, ignore_errors=True)


def _beside(target: Path) -> Path:
    """A name beside a file or folder that is not taken; short, whatever the target's is."""
    stem = target.stem.encode("utf-8", "ignore")[:60].decode("utf-8", "ignore")
    return target.with_name(f".{stem}.{secrets.token_hex(8)}{target.suffix}")


@contextmanager
def _folders_above(target: Path) -> Iterator[None]:
    """Makes the folders above a file, and takes them away again if the block fails and they are still empty."""
    made = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(f"{target}: {target.parent} is a file, not a folder") from None
    try:
        yield
    except BaseException:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


def read_bytes(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> bytes:
    """The whole file, at most `max_bytes` long.

    Raises:
        FormatError: the file is larger than `max_bytes`, or is not a regular file.
        FileNotFoundError: there is no such file.
    """
    with _open(path, max_bytes) as file:
        # Asking for max_bytes would reserve a buffer of that size however small the file is.
        return file.read(min(max_bytes, os.fstat(file.fileno()).st_size))


def read_text(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES, encoding: str = "utf-8") -> str:
    """The whole text file, at most `max_bytes` long; a byte order mark is dropped.

    Raises:
        FormatError: the file is too large, or is not text in `encoding` (the line is named).
        FileNotFoundError: there is no such file.
    """
    data = read_bytes(path, max_bytes)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) and encoding == "utf-8":
        encoding = "utf-16"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError(
            path,
            f"not {encoding} text (byte {error.start} is 0x{data[error.start]:02x})",
            where=f"line {line}",
            hint=f"save it as {encoding}",
        ) from None
    return text.removeprefix("\ufeff")


def read_any_text(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> tuple[str, str]:
    """The whole text file in whatever encoding it is, and that encoding; a byte order mark is dropped.

    UTF-8 and UTF-16 are told by what they are. Of the others two-byte encodings of Japanese and Chinese are tried
    where bytes above 127 come in pairs, and what is left is taken for Windows' Latin-1, which fits anything.

    Raises:
        FormatError: the file is too large, or is no text.
        FileNotFoundError: there is no such file.
    """
    data = read_bytes(path, max_bytes)
    start = data[:_LOOKED_AT]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif start.count(b"\0") * 3 > len(start):
        encodings = ["utf-16-le" if start[1:2] == b"\0" else "utf-16-be"]
    elif b"\0" in start:
        raise FormatError(path, "is no text", f"byte {start.index(0)}", "is it the right file?")
    else:
        encodings = ["utf-8", *_two_byte_encodings(data), "cp1252", "latin-1"]
    for encoding in encodings:
        try:
            return data.decode(encoding).removeprefix("\ufeff"), encoding
        except UnicodeDecodeError as error:
            problem = error
    raise FormatError(path, f"is no {problem.encoding} text", f"byte {problem.start}", "it may be truncated")


def _two_byte_encodings(data: bytes) -> list[str]:
    """Encodings of Japanese and Chinese that make words of the bytes above 127, the likeliest first."""
    runs = list(dict.fromkeys(_HIGH_RUNS.findall(data)))[:_RUNS]
    likely = []
    if any(_SHIFTED.search(run) for run in runs):
        likely.append("cp932")
    if all(len(high) % 2 == 0 for run in runs for high in re.findall(rb"[\x80-\xff]+", run)):
        likely.append("gb18030")
    return [encoding for encoding in likely if _is_east_asian(runs, encoding)]


def _is_east_asian(runs: list[bytes], encoding: str) -> bool:
    try:
        text = "".join(run.decode(encoding) for run in runs)
    except UnicodeDecodeError:
        return False
    return all(_EAST_ASIAN.match(sign) for sign in text if ord(sign) > 127)


def read_npy(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> np.ndarray:
    """The array in a .npy file, without unpickling.

    Raises:
        FormatError: not a .npy file, truncated, larger than `max_bytes`, or holding Python objects.
        FileNotFoundError: there is no such file.
    """
    with _open(path, max_bytes) as file:
        return _read_array(path, None, file, os.fstat(file.fileno()).st_size)


def read_npz(
    path: str | os.PathLike[str], max_bytes: int = MAX_BYTES, names: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """The arrays in a .npz file, without unpickling; sizes are checked before anything is allocated.

    Args:
        path: the file.
        max_bytes: limit on the file and on the sum of its arrays once unpacked.
        names: read only these arrays (those that are there); all of them by default.

    Raises:
        FormatError: not a zip file, truncated, corrupt, encrypted, unpacking to more than `max_bytes`,
            or holding Python objects.
        FileNotFoundError: there is no such file.
    """
    with _open(path, max_bytes) as file:
        _check_directory(path, file)
        try:
            with zipfile.ZipFile(file) as archive:
                members = _members(path, archive, max_bytes, names)
                return {name: _read_member(path, archive, name, info) for name, info in members.items()}
        except FormatError:
            raise
        except _UNREADABLE as error:
            raise FormatError(path, f"not a readable .npz file ({error})", hint="it may be damaged") from None


def is_npz(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as a zip archive does.

    Raises:
        FormatError: not a regular file.
        FileNotFoundError: there is no such file.
    """
    with _open(path, 1 << 62) as file:
        return file.read(4) == b"PK\3\4"


def npy_shape(path: str | os.PathLike[str]) -> tuple[tuple[int, ...], str]:
    """Shape and NumPy kind ("f" numbers, "U" text, "O" pickled objects) of a .npy; its numbers are not loaded.

    Raises:
        FormatError: not a .npy file.
        FileNotFoundError: there is no such file.
    """
    with _open(path, MAX_BYTES) as file:
        shape, _, dtype = _header(path, None, file, os.fstat(file.fileno()).st_size)
    return shape, dtype.kind if not dtype.hasobject else "O"


def npz_shapes(path: str | os.PathLike[str]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and NumPy kind ("f" numbers, "U" text, "O" pickled objects) of each array of a .npz; none is loaded.

    Raises:
        FormatError: as `read_npz`.
        FileNotFoundError: there is no such file.
    """
    shapes: dict[str, tuple[tuple[int, ...], str]] = {}
    with _open(path, MAX_BYTES) as file:
        _check_directory(path, file)
        try:
            with zipfile.ZipFile(file) as archive:
                for name, info in _members(path, archive, 1 << 62, None).items():
                    with archive.open(info) as member:
                        shape, _, dtype = _header(path, f"array {name!r}", member, info.file_size)
                    shapes[name] = shape, dtype.kind if not dtype.hasobject else "O"
        except FormatError:
            raise
        except _UNREADABLE as error:
            raise FormatError(path, f"not a readable .npz file ({error})", hint="it may be damaged") from None
    return shapes


@contextmanager
def _open(path: str | os.PathLike[str], max_bytes: int) -> Iterator[IO[bytes]]:
    if Path(path).is_dir():
        raise FormatError(path, "is a folder, not a file")
    if Path(path).exists() and not stat.S_ISREG(os.stat(path).st_mode):
        raise FormatError(path, "is not a regular file")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise FormatError(
                path, f"{size} bytes, more than the limit of {max_bytes}", hint="is it the right file?"
            )
        yield file


def _check_directory(path: str | os.PathLike[str], file: IO[bytes]) -> None:
    """Refuse a zip directory too large to be one of arrays, before zipfile builds an object an entry."""
    size = file.seek(0, os.SEEK_END)
    tail_start = file.seek(max(0, size - _END_BYTES))
    tail = file.read(_END_BYTES)
    file.seek(0)
    plain = len(tail) - 22  # of a record without comment
    end = plain if plain >= 0 and tail[plain:].startswith(b"PK\5\6") else tail.rfind(b"PK\5\6")
    if end < 0 or end + 22 > len(tail):
        raise FormatError(path, "not a readable .npz file (no zip directory)", hint="it may be truncated")
    directory = int.from_bytes(tail[end + 12 : end + 16], "little")
    if directory > _MAX_DIRECTORY or tail[max(0, end - 20) : end].startswith(b"PK\6\7"):
        raise FormatError(path, f"has a zip directory of more than {_MAX_DIRECTORY} bytes or 4 GiB of data")
    if tail_start + end < directory:
        raise FormatError(path, "has a zip directory larger than the file", hint="it may be truncated")


def _members(
    path: str | os.PathLike[str], archive: zipfile.ZipFile, max_bytes: int, names: Collection[str] | None
) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > _MAX_MEMBERS:
        raise FormatError(path, f"{len(infos)} arrays, more than the limit of {_MAX_MEMBERS}")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if names is not None and name not in names:
            continue
        if name in members:
            raise FormatError(path, "appears twice", where=f"array {name!r}")
        if info.flag_bits & 1:
            raise FormatError(path, "is encrypted", where=f"array {name!r}")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormatError(path, "uses a compression other than deflate", where=f"array {name!r}")
        members[name] = info
    total = sum(info.file_size for info in members.values())
    if total > max_bytes:
        raise FormatError(path, f"unpacks to {total} bytes, more than the limit of {max_bytes}")
    return members


def _read_member(
    path: str | os.PathLike[str], archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo
) -> np.ndarray:
    with archive.open(info) as member:
        array = _read_array(path, f"array {name!r}", member, info.file_size)
        while member.read(_CHUNK):  # to the end, so that the checksum is compared
            pass
    return array


def _read_array(
    path: str | os.PathLike[str], where: str | None, file: IO[bytes], file_size: int
) -> np.ndarray:
    """One .npy stream of at most `file_size` bytes."""
    shape, fortran, dtype = _header(path, where, file, file_size)
    if dtype.hasobject:
        raise FormatError(
            path,
            "holds pickled Python objects, which are never loaded",
            where=where,
            hint="save plain numbers or text",
        )
    count = math.prod(int(extent) for extent in shape)
    expected = count * dtype.itemsize
    data = file.read(expected)
    if len(data) != expected:
        raise FormatError(
            path, f"ends after {len(data)} of {expected} bytes", where=where, hint="it is truncated"
        )
    try:
        flat = np.frombuffer(bytearray(data), dtype=dtype, count=count)
        return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
    except ValueError as error:
        raise FormatError(path, f"cannot be read as {dtype} {shape} ({error})", where=where) from None


def _header(
    path: str | os.PathLike[str], where: str | None, file: IO[bytes], file_size: int
) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether it is in Fortran's order, and type of a .npy stream; believed only if the size agrees."""
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            header = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            header = np.lib.format.read_array_header_2_0(file)
        else:
            raise FormatError(path, f"unknown .npy version {version}", where=where)
    except FormatError:
        raise
    except _BAD_HEADER as error:
        raise FormatError(path, f"not a .npy array ({str(error)[:120]})", where=where) from None
    if any(extent < 0 for extent in header[0]):
        raise FormatError(path, f"negative size in shape {header[0]}", where=where)
    shape, fortran, dtype = header
    expected, present = math.prod(shape) * dtype.itemsize, file_size - file.tell()
    if expected > present and not dtype.hasobject:
        raise FormatError(
            path, f"shape {shape} needs {expected} bytes, but only {present} are there", where=where
        )
    return shape, fortran, dtype
