"""A little rig as other tools write it, and the files around it."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from kinema.scene.formats import read_motion_file
from kinema.scene.motion import Motion

QUARTER = [0.0, 0.0, float(np.sqrt(0.5)), float(np.sqrt(0.5))]  # 90 degrees about Z, xyzw


def read(path: Path, **words: Any) -> Motion:
    """The first figure of a file."""
    return read_motion_file(path, format="glb", **words).scene.people[0]


def pack(content: object, binary: bytes = b"") -> bytes:
    """A GLB file."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    if binary:
        chunks += struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def unpack(content: bytes) -> tuple[Any, bytes]:
    """The JSON and the numbers of a GLB file."""
    length = struct.unpack_from("<I", content, 12)[0]
    return json.loads(content[20 : 20 + length]), content[28 + length :]


class Arm:
    """A little rig as other tools write it: joints below an armature node, numbers in one buffer."""

    def __init__(self) -> None:
        self.binary = b""
        self.json: dict[str, Any] = {
            "asset": {"version": "2.0"},
            "nodes": [
                {"name": "Armature", "children": [1]},
                {"name": "upper", "translation": [0, 1, 0], "children": [2]},
                {"name": "lower", "translation": [0, 2, 0]},
            ],
            "skins": [{"joints": [1, 2]}],
            "animations": [{"channels": [], "samplers": []}],
            "accessors": [],
            "bufferViews": [],
            "buffers": [{"byteLength": 0}],
        }

    def numbers(self, values: object, dtype: type = np.float32, kind: str = "SCALAR", **more: object) -> int:
        array = np.asarray(values, dtype=dtype)
        code = {"f4": 5126, "i2": 5122, "u1": 5121}[array.dtype.str[1:]]
        views, accessors = self.json["bufferViews"], self.json["accessors"]
        views.append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": array.nbytes})
        accessors.append(
            {"bufferView": len(views) - 1, "componentType": code, "count": len(array), "type": kind, **more}
        )
        self.binary += array.tobytes() + b"\0" * (-array.nbytes % 4)
        self.json["buffers"][0]["byteLength"] = len(self.binary)
        return len(accessors) - 1

    def animate(
        self, node: int, path: str, times: object, values: object, how: str = "LINEAR", **more: Any
    ) -> Arm:
        animation = self.json["animations"][0]
        kind = "VEC4" if path == "rotation" else "VEC3"
        sampler = {"input": self.numbers(times), "output": self.numbers(values, kind=kind, **more)}
        animation["samplers"].append({**sampler, "interpolation": how})
        target = {"node": node, "path": path}
        animation["channels"].append({"sampler": len(animation["samplers"]) - 1, "target": target})
        return self

    def bytes(self) -> bytes:
        return pack(self.json, self.binary)

    def read(self, folder: Path, **options: Any) -> Motion:
        (folder / "arm.glb").write_bytes(self.bytes())
        return read(folder / "arm.glb", **{"unit": "m", **options})

    def assumed(self, folder: Path, **words: Any) -> str:
        """All that was assumed about the file."""
        (folder / "arm.glb").write_bytes(self.bytes())
        return "; ".join(map(str, read_motion_file(folder / "arm.glb", unit="m", **words).assumed))
