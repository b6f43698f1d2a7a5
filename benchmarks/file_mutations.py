"""Ways in which files go wrong, each decided by a seed: bytes, lines and numbers of text, JSON values, arrays."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from typing import Any

import numpy as np

Rng = np.random.Generator

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
_ODD_WORDS = (
    b"nan", b"inf", b"-inf", b"1e308", b"-1e308", b"1e999", b"1e-320", b"-1", b"0", b"1", b"2147483648", b"-0.0",
    b"99999999999999999999", b"9" * 5000, b"", b"1,5", b"--1", b"0x10", b"None", b"true", "\u0664".encode(), b"\0", b"{",
)  # fmt: skip
_ODD_VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2**31, 2**40, 10**30, -(2**63), 0.5, -0.5, 1e308, -1e308, 1e-320, 5e8,
    "", "a", "0", "nan", "\u0000", "../../etc/passwd", "data:application/octet-stream;base64,AAAA",
    [], {}, [[]], [None], [0], [[0, 0, 0]], {"a": 1},
)  # fmt: skip
_ODD_FLOATS = (np.nan, np.inf, -np.inf, 1e308, -1e308, 1e30, 1e9, 1e-320, -1.0, 0.0)
_TYPES = ["f2", "f4", "f8", "i1", "i4", "u8", "c16", "?", "S3", "U5", ">f8", "M8[s]"]


def mutated(content: bytes, other: bytes, rng: Rng) -> bytes:
    """The file with one thing wrong, or a few.

    Args:
        content: of the file.
        other: of a file of the same kind, from which blocks are taken.
        rng: decides all.
    """
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        ways = [_bytes, _blocks, _blocks]
        if content[:4] == b"glTF":
            ways += [_glb] * 9
        elif content[:4] == b"PK\3\4":
            ways += [_npz] * 9
        elif content[:6] == b"\x93NUMPY":
            ways += [_npy] * 6
        elif content.lstrip()[:1] in (b"{", b"["):
            ways += [_json] * 7 + [_words] * 2
        elif b"\0" not in content[:512]:
            ways += [_words] * 4 + [_lines] * 3
        with np.errstate(all="ignore"):
            content = ways[int(rng.integers(len(ways)))](content, other, rng)
        if not content:
            break
    return content


def _bytes(content: bytes, other: bytes, rng: Rng) -> bytes:
    data = bytearray(content)
    for place in rng.integers(0, len(data), int(rng.integers(1, 9))):
        data[place] = (
            int(rng.integers(256)) if rng.random() < 0.5 else data[place] ^ (1 << int(rng.integers(8)))
        )
    return bytes(data)


def _blocks(content: bytes, other: bytes, rng: Rng) -> bytes:
    """A piece cut out, doubled, filled or taken from another file; or the end is missing."""
    start = int(rng.integers(len(content)))
    size = min(int(2 ** rng.uniform(0, 14)), len(content) - start)
    way = int(rng.integers(6))
    if way == 0:
        return content[: int(rng.integers(len(content) + 1))]
    if way == 1:
        return content[:start] + content[start + size :]
    if way == 2:
        return (
            content[:start]
            + content[start : start + size] * int(rng.integers(2, 5))
            + content[start + size :]
        )
    if way == 3:
        return content[:start] + bytes([int(rng.choice([0, 32, 255]))]) * size + content[start + size :]
    if way == 4:
        return content[:start] + rng.bytes(size) + content[start + size :]
    place = int(rng.integers(len(other) + 1))
    return content[:start] + other[place : place + size] + content[start + size :]


def _words(content: bytes, other: bytes, rng: Rng) -> bytes:
    """Numbers become others, or none."""
    numbers = list(_NUMBER.finditer(content))
    if not numbers:
        return content
    for number in sorted(
        {int(rng.integers(len(numbers))) for _ in range(int(rng.integers(1, 4)))}, reverse=True
    ):
        first, last = numbers[number].span()
        word = f"{rng.normal() * 10.0 ** rng.integers(-3, 6):.6g}".encode()
        if rng.random() < 0.5:
            word = _ODD_WORDS[int(rng.integers(len(_ODD_WORDS)))]
        content = content[:first] + word + content[last:]
    return content


def _lines(content: bytes, other: bytes, rng: Rng) -> bytes:
    """Lines change places, are doubled, left out, cut, or come from another file."""
    lines = content.split(b"\n")
    here, there = (int(rng.integers(len(lines))) for _ in range(2))
    way = int(rng.integers(6))
    if way == 0:
        lines[here], lines[there] = lines[there], lines[here]
    elif way == 1:
        first, last = sorted((here, there))
        lines[last:last] = lines[first:last][:5000]
    elif way == 2:
        del lines[here : here + int(rng.integers(1, 5))]
    elif way == 3:
        lines[here] = lines[here][: int(rng.integers(len(lines[here]) + 1))]
    elif way == 4:
        foreign = other.split(b"\n")
        lines[here] = foreign[int(rng.integers(len(foreign)))]
    else:
        lines[here] = lines[here] * int(rng.integers(2, 200))
    return b"\n".join(lines)


def _json(content: bytes, other: bytes, rng: Rng) -> bytes:
    """Values become others, change places, are left out or doubled."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return _words(content, other, rng)
    return json.dumps(_json_value(document, rng)).encode()


def _json_value(document: Any, rng: Rng) -> Any:
    for _ in range(int(rng.integers(1, 4))):
        places = _places(document)
        if not places:
            return _odd(rng)
        owner, key = places[int(rng.integers(len(places)))]
        if not _has(owner, key):
            continue
        other_owner, other_key = places[int(rng.integers(len(places)))]
        way = int(rng.integers(6))
        if way <= 2:
            owner[key] = _odd(rng)
        elif way == 3 and _has(other_owner, other_key):
            owner[key] = json.loads(json.dumps(other_owner[other_key]))
        elif way == 4:
            del owner[key]
        elif isinstance(owner, list):
            owner[key:key] = [json.loads(json.dumps(owner[key]))] * int(rng.integers(1, 50))
        elif isinstance(owner[key], int | float):
            owner[key] = owner[key] * int(rng.integers(-3, 1000))
    return document


def _odd(rng: Rng) -> Any:
    return json.loads(json.dumps(_ODD_VALUES[int(rng.integers(len(_ODD_VALUES)))]))


def _has(owner: Any, key: Any) -> bool:
    return key in owner if isinstance(owner, dict) else key < len(owner)


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Where values stand: few of each long list, so that its owner is met as often."""
    found: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting and len(found) < 20_000:
        owner = waiting.pop()
        if isinstance(owner, dict):
            keys: Any = list(owner)
        elif isinstance(owner, list):
            keys = range(len(owner)) if len(owner) < 12 else (*range(8), len(owner) // 2, len(owner) - 1)
        else:
            continue
        found += [(owner, key) for key in keys]
        waiting += [owner[key] for key in keys]
    return found


def _glb(content: bytes, other: bytes, rng: Rng) -> bytes:
    """The JSON or the numbers of a GLB file, packed again; now and then with wrong sizes."""
    try:
        size = struct.unpack_from("<I", content, 12)[0]
        document, binary = json.loads(content[20 : 20 + size]), content[28 + size :]
    except (struct.error, ValueError, RecursionError):
        return _bytes(content, other, rng)
    if rng.random() < 0.7:
        document = _json_value(document, rng)
    elif binary:
        binary = _floats(binary, rng)
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    sizes = [12 + 8 + len(text) + 8 + len(binary), len(text), len(binary)]
    if rng.random() < 0.05:
        sizes[int(rng.integers(3))] = int(rng.choice([0, 1, 2**31, 2**32 - 1]))
    packed = struct.pack("<4sII", b"glTF", 2, sizes[0]) + struct.pack("<II", sizes[1], 0x4E4F534A) + text
    return packed + struct.pack("<II", sizes[2], 0x004E4942) + binary


def _floats(binary: bytes, rng: Rng) -> bytes:
    numbers = np.frombuffer(binary[: len(binary) // 4 * 4], dtype="<f4").copy()
    if len(numbers):
        numbers[rng.integers(0, len(numbers), int(rng.integers(1, 9)))] = rng.choice(_ODD_FLOATS)
    return numbers.tobytes() + binary[len(numbers) * 4 :]


def _npz(content: bytes, other: bytes, rng: Rng) -> bytes:
    """Members of an archive changed, left out, renamed, doubled or taken from another, with right checksums."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(io.BytesIO(other)) as archive:
            foreign = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # broken archives fail in a dozen ways
        return _bytes(content, other, rng)
    if not members or not foreign:
        return content
    name = list(members)[int(rng.integers(len(members)))]
    given = list(foreign)[int(rng.integers(len(foreign)))]
    way = int(rng.integers(8))
    if way <= 3:
        members[name] = _npy(members[name], foreign[given], rng)
    elif way == 4:
        del members[name]
    elif way == 5:
        members[given] = members.pop(name)
    elif way == 6:
        members[given] = foreign[given]
    else:
        members[name] = _blocks(members[name], foreign[given], rng) if members[name] else b""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", int(rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as archive:
        for key, value in members.items():
            archive.writestr(key, value)
    return out.getvalue()


def _npy(content: bytes, other: bytes, rng: Rng) -> bytes:
    """Another type or shape, odd numbers, or a header that says more than is there."""
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception:  # a header is parsed as Python and fails in a dozen ways
        return _bytes(content, other, rng) if content else b""
    way = int(rng.integers(9))
    if way == 0 and array.ndim:
        size, claimed = (b"(%d" % number for number in (array.shape[0], 10 ** int(rng.integers(1, 19))))
        return content.replace(size, claimed, 1)
    if way == 1 and array.dtype.kind in "fiub":
        array = array.astype(rng.choice(_TYPES), casting="unsafe")
    elif way == 2:
        array = array.reshape(-1)
    elif way == 3:
        array = array[None] if rng.random() < 0.5 else array[..., None]
    elif way == 4:
        array = array.T
    elif way == 5 and array.ndim:
        axis = int(rng.integers(array.ndim))
        array = np.take(array, range(int(rng.integers(array.shape[axis] + 1))), axis)
    elif way == 6 and array.ndim:
        axis = int(rng.integers(array.ndim))
        array = np.concatenate([array] * int(rng.integers(2, 4)), axis)
    elif array.dtype.kind == "f" and array.size:
        array = array.copy()
        array.reshape(-1)[rng.integers(0, array.size, int(rng.integers(1, 9)))] = rng.choice(_ODD_FLOATS)
        if rng.random() < 0.3:
            array = array * 10.0 ** int(rng.integers(-12, 13))
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()
