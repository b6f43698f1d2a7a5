"""The outside of a glTF file: binary or text, and the buffers of numbers inside of it or beside it.

Source: the glTF 2.0 specification (Khronos), chapters 3.6 (buffers) and 4 (GLB).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_bytes

MAX_BYTES = 1 << 29
_MAX_JSON = 1 << 26
_JSON, _BIN = 0x4E4F534A, 0x004E4942
_CONVERT = "convert it: npx gltf-pipeline -i old.gltf -o new.glb"
_IN_BINARY, _IN_TEXT = "JSON chunk", "JSON"


def read_json(path: str | os.PathLike[str]) -> tuple[dict[str, Any], bytes]:
    """The JSON of a .glb or .gltf file, and the binary chunk (empty in a .gltf).

    Raises:
        FormatError: neither, truncated, its JSON cannot be read, or of another version.
        FileNotFoundError: there is no such file.
    """
    data = read_bytes(path, MAX_BYTES)
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"{":
        place, binary = _IN_TEXT, b""
    else:
        place = _IN_BINARY
        text, binary = _chunks(path, data)
    if len(text) > _MAX_JSON and place == _IN_BINARY:
        raise FormatError(path, f"more than {_MAX_JSON} bytes of JSON", place)
    try:
        content = json.loads(text.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise FormatError(path, f"JSON is not UTF-8 (byte {error.start})", place) from None
    except RecursionError:
        raise FormatError(path, "is nested too deeply", place) from None
    except ValueError as error:
        raise FormatError(path, f"not JSON ({error})", place) from None
    if not isinstance(content, dict):
        raise FormatError(path, "is no object", place)
    asset = content.get("asset")
    version = asset.get("version") if isinstance(asset, dict) else None
    if str(version).startswith(("0.", "1.")) or isinstance(content.get("nodes"), dict):
        raise FormatError(path, "is glTF 1.0; 2.0 is read", hint=_CONVERT)
    return content, binary


class Buffers:
    """The buffers of a glTF file, read when they are first asked for.

    Args:
        path: the file; a buffer beside it must lie in its folder.
        content: its JSON.
        binary: the binary chunk.
    """

    def __init__(self, path: str | os.PathLike[str], content: dict[str, Any], binary: bytes) -> None:
        self._path = path
        self._listed = content.get("buffers")
        self._binary = binary
        self._read: dict[int, bytes] = {}

    def numbers(self, number: int) -> bytes:
        """One buffer.

        Raises:
            FormatError: no such buffer, or its file is absent, elsewhere or unreadable; the field is named.
        """
        if number not in self._read:
            self._read[number] = self._fetch(number)
        return self._read[number]

    def _fetch(self, number: int) -> bytes:
        where = f"buffers[{number}]"
        listed = self._listed if isinstance(self._listed, list) else []
        entry = listed[number] if number < len(listed) else {}
        uri = entry.get("uri") if isinstance(entry, dict) else None
        if uri is None and number == 0:
            return self._binary
        if not isinstance(uri, str):
            raise FormatError(self._path, "is not there", where)
        if uri.startswith("data:"):
            return self._embedded(uri, f"{where}.uri")
        return self._beside(uri, f"{where}.uri")

    def _embedded(self, uri: str, where: str) -> bytes:
        head, comma, text = uri.partition(",")
        if not comma or not head.endswith(";base64"):
            raise FormatError(self._path, "is no base64 data", where)
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise FormatError(self._path, "is damaged base64 data", where, "it may be truncated") from None

    def _beside(self, uri: str, where: str) -> bytes:
        name = unquote(uri)
        shown = name[:80]
        folder = Path(self._path).resolve().parent
        try:
            file = (folder / name).resolve()
            inside = file.is_relative_to(folder)
            there = inside and file.is_file()
        except (OSError, ValueError, RuntimeError):
            inside, there = True, False
        if not inside or "://" in name:
            raise FormatError(
                self._path,
                f"{shown!r} is outside of the file's folder, where nothing is read",
                where,
                "put it beside the file, or export as .glb, which has all in one",
            )
        if not there:
            raise FormatError(
                self._path,
                f"its file {shown!r} is absent",
                where,
                "a .gltf needs the .bin that belongs to it in the same folder; a .glb has all in one",
            )
        return read_bytes(file, MAX_BYTES)


def _chunks(path: str | os.PathLike[str], data: bytes) -> tuple[bytes, bytes]:
    """The JSON and the binary chunk."""
    if len(data) < 20 or data[:4] != b"glTF":
        raise FormatError(path, "does not begin like a GLB file", "byte 0", "is it binary glTF 2.0?")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise FormatError(
            path, f"is glTF version {version}; 2 is read", "byte 4", _CONVERT if version == 1 else None
        )
    if length > len(data):
        raise FormatError(path, f"says {length} bytes, but has {len(data)}", "byte 8", "it may be truncated")
    found: dict[int, bytes] = {}
    position = 12
    while position + 8 <= length:
        size, kind = struct.unpack_from("<II", data, position)
        if position + 8 + size > length:
            raise FormatError(
                path, f"a chunk of {size} bytes does not fit", f"byte {position}", "it may be truncated"
            )
        if not found and kind != _JSON:
            raise FormatError(path, "the first chunk is not JSON", f"byte {position}")
        if kind in (_JSON, _BIN):
            found.setdefault(kind, data[position + 8 : position + 8 + size])
        position += 8 + size
    if _JSON not in found:
        raise FormatError(path, "has no JSON chunk", "byte 12")
    return found[_JSON], found.get(_BIN, b"")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not allowed")
