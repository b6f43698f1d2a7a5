"""What a GLB file holds, each field checked before it is believed: nodes, skins, animation curves, numbers.

Read by hand rather than through pygltflib, which trusts counts and fails in a dozen ways on broken files.
Source: the glTF 2.0 specification (Khronos).
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_bytes
from kinema.scene.formats.gltf_curves import Curve
from kinema.scene.formats.kinematics import as_floats

MAX_BYTES = 1 << 29
_MAX_JSON = 1 << 26
_JSON, _BIN = 0x4E4F534A, 0x004E4942
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_LARGEST = 1e9


class GltfDocument:
    """A GLB file whose fields are checked as they are asked for.

    Args:
        path: the file.

    Raises:
        FormatError: not a GLB file, truncated, or its JSON cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        text, self.binary = _chunks(path, read_bytes(path, MAX_BYTES))
        try:
            self.json = json.loads(text.decode("utf-8"), parse_constant=_no_constant)
        except UnicodeDecodeError as error:
            raise FormatError(path, f"JSON is not UTF-8 (byte {error.start})", "JSON chunk") from None
        except RecursionError:
            raise FormatError(path, "is nested too deeply", "JSON chunk") from None
        except ValueError as error:
            raise FormatError(path, f"not JSON ({error})", "JSON chunk") from None
        if not isinstance(self.json, dict):
            raise FormatError(path, "is no object", "JSON chunk")
        self._objects: dict[str, list[dict[str, Any]]] = {}

    def objects(self, name: str) -> list[dict[str, Any]]:
        """A top-level list of objects; empty where the file has none."""
        if name not in self._objects:
            self._objects[name] = self._dicts(self.json, name, name)
        return self._objects[name]

    def parents(self) -> list[int]:
        """Parent of every node, -1 for those without.

        Raises:
            FormatError: a child does not exist, has two parents, or is its own ancestor.
        """
        nodes = self.objects("nodes")
        parents = [-1] * len(nodes)
        for number, node in enumerate(nodes):
            where = f"nodes[{number}].children"
            for child in self._ints(node, "children", where):
                self._index(child, nodes, where)
                if parents[child] >= 0:
                    raise FormatError(self.path, f"node {child} has two parents", where)
                parents[child] = number
        settled = [False] * len(nodes)  # known to lead to a root
        for start in range(len(nodes)):
            way: list[int] = []
            above = start
            while above >= 0 and not settled[above]:
                settled[above] = True
                way.append(above)
                above = parents[above]
            if above in way:
                raise FormatError(self.path, "is its own ancestor", f"nodes[{above}]")
        return parents

    def name(self, node: int) -> str:
        """The name of a node, or a made-up one."""
        name = self.objects("nodes")[node].get("name")
        return name if isinstance(name, str) and name else f"node{node}"

    def placement(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A node's own translation [3], rotation (quaternion xyzw) [4] and scale [3] at rest."""
        node = self.objects("nodes")[number]
        where = f"nodes[{number}]"
        if "matrix" in node:
            matrix = self._vector(node, "matrix", where, [*np.eye(4).ravel()]).reshape(4, 4).T
            scale = np.linalg.norm(matrix[:3, :3], axis=0)
            if (scale < 1e-12).any() or np.linalg.det(matrix[:3, :3]) <= 0:
                raise FormatError(self.path, "is flat or mirrored", f"{where}.matrix")
            return matrix[:3, 3], Rotation.from_matrix(matrix[:3, :3] / scale).as_quat(), scale
        scale = self._vector(node, "scale", where, [1.0, 1.0, 1.0])
        rotation = self._vector(node, "rotation", where, [0.0, 0.0, 0.0, 1.0])
        norm = float(np.linalg.norm(rotation))
        if (scale <= 0).any() or norm < 1e-6:
            field = "rotation" if norm < 1e-6 else "scale"
            raise FormatError(
                self.path, "must be positive" if norm >= 1e-6 else "is zero", f"{where}.{field}"
            )
        return self._vector(node, "translation", where, [0.0, 0.0, 0.0]), rotation / norm, scale

    def skin_joints(self, number: int) -> list[int]:
        """The nodes that are the joints of a skin."""
        skins = self.objects("skins")
        where = f"skins[{self._index(number, skins, 'skins')}].joints"
        joints = self._ints(skins[number], "joints", where)
        nodes = self.objects("nodes")
        for joint in joints:
            self._index(joint, nodes, where)
        if len(set(joints)) != len(joints) or not joints:
            raise FormatError(self.path, "names a joint twice" if joints else "is empty", where)
        return joints

    def curves(self, number: int) -> list[Curve]:
        """The curves of one animation that move nodes; morph weights are left out."""
        animations = self.objects("animations")
        place = f"animations[{self._index(number, animations, 'animations')}]"
        channels = self._dicts(animations[number], "channels", f"{place}.channels")
        samplers = self._dicts(animations[number], "samplers", f"{place}.samplers")
        times: dict[int, np.ndarray] = {}
        curves = []
        seen = set()
        for index, channel in enumerate(channels):
            where = f"{place}.channels[{index}]"
            target = channel.get("target")
            if not isinstance(target, dict):
                raise FormatError(self.path, "has no target", where)
            path, node = target.get("path"), target.get("node")
            if path not in ("translation", "rotation", "scale") or node is None:
                continue
            self._index(node, self.objects("nodes"), f"{where}.target.node")
            if (node, path) in seen:
                raise FormatError(self.path, f"{path} of node {node} is animated twice", where)
            seen.add((node, path))
            sampler = samplers[self._index(channel.get("sampler"), samplers, f"{where}.sampler")]
            key = self._index(sampler.get("input"), self.objects("accessors"), f"{where} input")
            if key not in times:
                times[key] = self._times(key)
            curves.append(self._curve(node, path, times[key], sampler, where))
        return curves

    def fps_note(self, number: int) -> float | None:
        """Frames per second as our writer notes them beside the animation."""
        extras = self.objects("animations")[number].get("extras")
        fps = extras.get("fps") if isinstance(extras, dict) else None
        if isinstance(fps, bool) or not isinstance(fps, (int, float)) or not 1e-3 <= fps <= 1e5:
            return None
        return float(fps)

    def accessor(self, number: object, width: int, where: str) -> np.ndarray:
        """The numbers of an accessor, [count, width] float64, scaled where it is marked as normalised."""
        accessor = self.objects("accessors")[self._index(number, self.objects("accessors"), where)]
        where = f"accessors[{number}]"
        if "sparse" in accessor or "bufferView" not in accessor:
            raise FormatError(self.path, "is sparse or has no bufferView, which is not supported", where)
        kind, component = accessor.get("type"), accessor.get("componentType")
        if not isinstance(kind, str) or _WIDTHS.get(kind) != width:
            raise FormatError(self.path, f"has type {str(kind)[:20]!r}; {width} numbers are needed", where)
        if not isinstance(component, int) or component not in _COMPONENTS:
            raise FormatError(self.path, f"unknown componentType {str(component)[:20]}", where)
        dtype = np.dtype(_COMPONENTS[component])
        count = self._size(accessor, "count", where)
        views = self.objects("bufferViews")
        view = views[self._index(accessor["bufferView"], views, f"{where}.bufferView")]
        view_where = f"bufferViews[{accessor['bufferView']}]"
        if "extensions" in view or self._size(view, "buffer", view_where, 0) != 0:
            raise FormatError(
                self.path, "is compressed or outside of this file, which is not supported", view_where
            )
        start, length = (
            self._size(view, "byteOffset", view_where, 0),
            self._size(view, "byteLength", view_where),
        )
        row = dtype.itemsize * width
        stride = self._size(view, "byteStride", view_where, row)
        offset = self._size(accessor, "byteOffset", where, 0)
        end = offset + (count - 1) * stride + row
        if count < 1 or stride < row or end > length or start + length > len(self.binary):
            raise FormatError(
                self.path,
                f"{count} elements do not fit into the {min(length, len(self.binary))} bytes that are there",
                where,
                "it may be truncated",
            )
        raw = np.ndarray(
            (count, width), dtype, buffer=self.binary, offset=start + offset, strides=(stride, dtype.itemsize)
        )
        values = as_floats(raw)
        if dtype.kind != "f" and accessor.get("normalized") is True:
            values = np.maximum(values / np.iinfo(dtype).max, -1.0)
        if not (np.abs(values) < _LARGEST).all():
            raise FormatError(self.path, "holds a number that is not finite or absurd", where)
        return values

    def _times(self, number: int) -> np.ndarray:
        times = self.accessor(number, 1, "times")[:, 0]
        if times[0] < 0 or (np.diff(times) <= 0).any():
            raise FormatError(self.path, "times do not rise", f"accessors[{number}]")
        return times

    def _curve(self, node: int, path: str, times: np.ndarray, sampler: dict[str, Any], where: str) -> Curve:
        interpolation = sampler.get("interpolation", "LINEAR")
        if interpolation not in ("LINEAR", "STEP", "CUBICSPLINE"):
            raise FormatError(self.path, f"unknown interpolation {str(interpolation)[:20]!r}", where)
        width = 4 if path == "rotation" else 3
        values = self.accessor(sampler.get("output"), width, f"{where} output")
        each = 3 if interpolation == "CUBICSPLINE" else 1
        if len(values) != each * len(times):
            raise FormatError(self.path, f"has {len(times)} times but {len(values)} values", where)
        if each == 3:
            values = values.reshape(len(times), 3, width)
        keys = values[:, 1] if each == 3 else values
        if path == "rotation" and (np.linalg.norm(keys, axis=-1) < 1e-3).any():
            raise FormatError(self.path, "has a rotation of zero length", where)
        if path == "scale" and (keys <= 0).any():
            raise FormatError(self.path, "has a scale that is not positive", where)
        return Curve(node, path, times, values, interpolation)

    def _dicts(self, owner: dict[str, Any], name: str, where: str) -> list[dict[str, Any]]:
        values = owner.get(name, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise FormatError(self.path, "must be a list of objects", where)
        return values

    def _ints(self, owner: dict[str, Any], name: str, where: str) -> list[int]:
        values = owner.get(name, [])
        if not isinstance(values, list) or not all(type(value) is int for value in values):
            raise FormatError(self.path, "must be a list of whole numbers", where)
        return values

    def _index(self, value: object, items: list[Any], where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < len(items):
            raise FormatError(self.path, f"points to {str(value)[:20]}, but there are {len(items)}", where)
        return value

    def _size(self, owner: dict[str, Any], name: str, where: str, default: int | None = None) -> int:
        value = owner.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
            raise FormatError(self.path, f"{str(value)[:20]} is no count", f"{where}.{name}")
        return value

    def _vector(self, node: dict[str, Any], name: str, where: str, default: list[float]) -> np.ndarray:
        values = node.get(name, default)
        sound = (
            isinstance(values, list)
            and len(values) == len(default)
            and all(type(v) in (int, float) and abs(v) < _LARGEST for v in values)
        )
        if not sound:
            raise FormatError(self.path, f"must be {len(default)} finite numbers", f"{where}.{name}")
        return np.array(values, dtype=np.float64)


def _chunks(path: str | os.PathLike[str], data: bytes) -> tuple[bytes, bytes]:
    """The JSON and the binary chunk."""
    if len(data) < 20 or data[:4] != b"glTF":
        raise FormatError(path, "does not begin like a GLB file", "byte 0", "is it binary glTF 2.0?")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise FormatError(path, f"is glTF version {version}; 2 is known", "byte 4")
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
    if len(found.get(_JSON, b"")) > _MAX_JSON:
        raise FormatError(path, f"more than {_MAX_JSON} bytes of JSON", "JSON chunk")
    if _JSON not in found:
        raise FormatError(path, "has no JSON chunk", "byte 12")
    return found[_JSON], found.get(_BIN, b"")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not allowed")
