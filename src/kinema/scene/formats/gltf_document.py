"""What a glTF file holds, each field checked before it is believed: nodes, skins, animation curves, numbers.

Read by hand rather than through pygltflib, which trusts counts and fails in a dozen ways on broken files.
Source: the glTF 2.0 specification (Khronos).
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.gltf_curves import Curve
from kinema.scene.formats.gltf_file import Buffers, read_json
from kinema.scene.formats.kinematics import as_floats

_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_LARGEST = 1e9
_MAX_NUMBERS = 1 << 26  # of an accessor that has no bytes in the file
_COMPRESSED = ("EXT_meshopt_compression", "KHR_meshopt_compression")


class GltfDocument:
    """A .glb or .gltf file whose fields are checked as they are asked for.

    Args:
        path: the file.

    Raises:
        FormatError: not a glTF 2.0 file, truncated, or its JSON cannot be read.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self.json, binary = read_json(path)
        self.binary = bool(binary)
        self._buffers = Buffers(path, self.json, binary)
        self._objects: dict[str, list[dict[str, Any]]] = {}
        self._moments: dict[int, np.ndarray] = {}

    @property
    def generator(self) -> str:
        """The program that wrote the file, as it says; empty where it does not."""
        asset = self.json.get("asset")
        name = asset.get("generator") if isinstance(asset, dict) else None
        return " ".join(name.split())[:60] if isinstance(name, str) else ""

    def extension(self, name: str) -> dict[str, Any]:
        """A top-level extension; empty where the file does not have it."""
        extensions = self.json.get("extensions")
        value = extensions.get(name) if isinstance(extensions, dict) else None
        return value if isinstance(value, dict) else {}

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
            size = np.linalg.det(matrix[:3, :3])
            if (scale < 1e-12).any() or abs(size) < 1e-6 * scale.prod():
                raise FormatError(self.path, "is flat", f"{where}.matrix")
            scale = scale * [np.sign(size), 1.0, 1.0]
            return matrix[:3, 3], Rotation.from_matrix(matrix[:3, :3] / scale).as_quat(), scale
        rotation = self._vector(node, "rotation", where, [0.0, 0.0, 0.0, 1.0])
        norm = float(np.linalg.norm(rotation))
        if norm < 1e-6:
            raise FormatError(self.path, "is zero", f"{where}.rotation")
        scale = self._vector(node, "scale", where, [1.0, 1.0, 1.0])
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
            curves.append(self._curve(node, path, self._times(key), sampler, where))
        return curves

    def seconds(self, number: int) -> float:
        """The length of one animation, from its first to its last key."""
        place = f"animations[{number}]"
        starts, ends = [], []
        for index, sampler in enumerate(self._dicts(self.objects("animations")[number], "samplers", place)):
            where = f"{place}.samplers[{index}].input"
            times = self._times(self._index(sampler.get("input"), self.objects("accessors"), where))
            starts.append(float(times[0]))
            ends.append(float(times[-1]))
        return max(ends) - min(starts) if ends else 0.0

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
        kind = accessor.get("type")
        if not isinstance(kind, str) or _WIDTHS.get(kind) != width:
            raise FormatError(self.path, f"has type {str(kind)[:20]!r}; {width} numbers are needed", where)
        dtype = self._component(accessor, where)
        count = self._size(accessor, "count", where)
        if "bufferView" in accessor:
            raw = self._rows(accessor, count, width, dtype, where)
        elif count * width <= _MAX_NUMBERS and count:
            raw = np.zeros((count, width), dtype)
        else:
            raise FormatError(self.path, f"{count} elements without numbers", where)
        values = as_floats(raw)
        if "sparse" in accessor:
            self._replace(values, accessor["sparse"], dtype, f"{where}.sparse")
        if dtype.kind != "f" and accessor.get("normalized") is True:
            values = np.maximum(values / np.iinfo(dtype).max, -1.0)
        if not (np.abs(values) < _LARGEST).all():
            raise FormatError(self.path, "holds a number that is not finite or absurd", where)
        return values

    def _replace(self, values: np.ndarray, sparse: object, dtype: np.dtype[Any], where: str) -> None:
        """Put the numbers of a sparse accessor in their places."""
        if not isinstance(sparse, dict) or not all(
            isinstance(sparse.get(part), dict) for part in ("indices", "values")
        ):
            raise FormatError(self.path, "must have indices and values", where)
        count = self._size(sparse, "count", where)
        at = sparse["indices"]
        places = self._rows(at, count, 1, self._component(at, f"{where}.indices"), f"{where}.indices")[:, 0]
        if places.dtype.kind == "f" or (places >= len(values)).any() or (places < 0).any():
            raise FormatError(self.path, f"points outside of its {len(values)} elements", f"{where}.indices")
        rows = self._rows(sparse["values"], count, values.shape[1], dtype, f"{where}.values")
        values[places] = as_floats(rows)

    def _component(self, owner: dict[str, Any], where: str) -> np.dtype[Any]:
        component = owner.get("componentType")
        if not isinstance(component, int) or component not in _COMPONENTS:
            raise FormatError(self.path, f"unknown componentType {str(component)[:20]}", where)
        return np.dtype(_COMPONENTS[component])

    def _rows(
        self, owner: dict[str, Any], count: int, width: int, dtype: np.dtype[Any], where: str
    ) -> np.ndarray:
        """The numbers as they are in a buffer, [count, width]."""
        views = self.objects("bufferViews")
        number = self._index(owner.get("bufferView"), views, f"{where}.bufferView")
        view, view_where = views[number], f"bufferViews[{number}]"
        buffer = self._bytes(view, view_where)
        start = self._size(view, "byteOffset", view_where, 0)
        length = self._size(view, "byteLength", view_where)
        row = dtype.itemsize * width
        stride = self._size(view, "byteStride", view_where, row)
        offset = self._size(owner, "byteOffset", where, 0)
        end = offset + (count - 1) * stride + row
        if count < 1 or stride < row or end > length or start + length > len(buffer):
            raise FormatError(
                self.path,
                f"{count} elements do not fit into the {min(length, len(buffer))} bytes that are there",
                where,
                "it may be truncated",
            )
        return np.ndarray(
            (count, width), dtype, buffer=buffer, offset=start + offset, strides=(stride, dtype.itemsize)
        )

    def _bytes(self, view: dict[str, Any], where: str) -> bytes:
        """The buffer of a view; of a compressed view only where the plain numbers are there as well."""
        number = self._size(view, "buffer", where, 0)
        end = self._size(view, "byteOffset", where, 0) + self._size(view, "byteLength", where)
        extensions = view.get("extensions")
        if isinstance(extensions, dict) and any(name in extensions for name in _COMPRESSED):
            try:
                buffer = self._buffers.numbers(number)
            except FormatError:
                buffer = b""
            if end > len(buffer):
                raise FormatError(
                    self.path,
                    "is compressed (meshopt), which is not read",
                    where,
                    "unpack it with: npx @gltf-transform/cli copy packed.glb plain.glb",
                )
        return self._buffers.numbers(number)

    def _times(self, number: int) -> np.ndarray:
        """When the keys of an animation are, seconds, [K]."""
        if number not in self._moments:
            times = self.accessor(number, 1, "times")[:, 0]
            if times[0] < 0 or (np.diff(times) < 0).any():
                raise FormatError(self.path, "times do not rise", f"accessors[{number}]")
            self._moments[number] = times
        return self._moments[number]

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
        last = np.append(np.diff(times) > 0, True)  # of several keys at one time
        return Curve(node, path, times[last], values[last], interpolation)

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
