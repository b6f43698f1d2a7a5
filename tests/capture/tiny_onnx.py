"""The smallest ONNX files with the interfaces of DWPose and YOLOX, written by hand: no `onnx` package is needed.

Field numbers are those of the public onnx.proto (Apache-2.0).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_simcc(
    path: Path, keypoints: int = 133, height: int = 64, width: int = 48, batch: str | int = "n"
) -> None:
    """A pose network that finds the reddest pixel: every keypoint is there, and its bins are the red channel."""
    weights = np.zeros((keypoints, 3, 1, 1), np.float32)
    weights[:, 0] = 1 / 2.3  # the brightest red comes out near 1 after normalisation
    nodes = [
        _node("Conv", ["input", "weights"], ["heat"]),
        _node("ReduceMax", ["heat"], ["simcc_x"], _ints("axes", [2]), _int("keepdims", 0)),
        _node("ReduceMax", ["heat"], ["simcc_y"], _ints("axes", [3]), _int("keepdims", 0)),
    ]
    outputs = [
        _value("simcc_x", [batch, keypoints, width]),
        _value("simcc_y", [batch, keypoints, height]),
    ]
    _save(path, nodes, [_tensor("weights", weights)], [_value("input", [batch, 3, height, width])], outputs)


def write_constant(path: Path, outputs: dict[str, np.ndarray], side: int = 64) -> None:
    """A network that says the same of every picture, [1, 3, side, side]."""
    nodes = [_node("Identity", [f"{name}_given"], [name]) for name in outputs]
    tensors = [_tensor(f"{name}_given", array) for name, array in outputs.items()]
    values = [_value(name, list(array.shape), array.dtype) for name, array in outputs.items()]
    _save(path, nodes, tensors, [_value("images", [1, 3, side, side])], values)


_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}


def _save(
    path: Path, nodes: list[bytes], tensors: list[bytes], inputs: list[bytes], outputs: list[bytes]
) -> None:
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, b"graph")
    graph += b"".join(_field(5, tensor) for tensor in tensors)
    graph += b"".join(_field(11, value) for value in inputs) + b"".join(
        _field(12, value) for value in outputs
    )
    path.write_bytes(_number(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, 13)))


def _node(kind: str, inputs: list[str], outputs: list[str], *attributes: bytes) -> bytes:
    parts = [_field(1, name.encode()) for name in inputs] + [_field(2, name.encode()) for name in outputs]
    return b"".join(parts) + _field(4, kind.encode()) + b"".join(_field(5, one) for one in attributes)


def _int(name: str, value: int) -> bytes:
    return _field(1, name.encode()) + _number(3, value) + _number(20, 2)


def _ints(name: str, values: list[int]) -> bytes:
    return _field(1, name.encode()) + b"".join(_number(8, value) for value in values) + _number(20, 7)


def _tensor(name: str, array: np.ndarray) -> bytes:
    dims = b"".join(_number(1, extent) for extent in array.shape)
    return dims + _number(2, _TYPES[array.dtype]) + _field(8, name.encode()) + _field(9, array.tobytes())


def _value(name: str, shape: list[int | str], dtype: type | np.dtype = np.float32) -> bytes:
    dims = b"".join(
        _field(1, _number(1, extent) if isinstance(extent, int) else _field(2, extent.encode()))
        for extent in shape
    )
    kind = _field(1, _number(1, _TYPES[np.dtype(dtype)]) + _field(2, dims))
    return _field(1, name.encode()) + _field(2, kind)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
