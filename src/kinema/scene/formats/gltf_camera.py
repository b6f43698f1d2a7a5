"""Cameras of glTF files, moved by their animations: what Blender exports with *Cameras* ticked. Metres, Y up."""

from __future__ import annotations

import os

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.camera import MAX_FRAMES
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import OPENGL, rigid
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.gltf_curves import DEFAULT_FPS, SLOWEST_BAKE, Curve, baked_rate, sample
from kinema.scene.formats.gltf_document import GltfDocument
from kinema.scene.formats.json_numbers import number
from kinema.scene.formats.reading import Assumption
from kinema.scene.formats.recammaster import chosen_camera, one_of

_HEIGHT = 1000  # of the pixels that the field of view is turned into


def load(path: str | os.PathLike[str], reading: CameraReading) -> CameraContents:
    """Read a camera node and how it, or what carries it, is moved.

    Args:
        path: the file.
        reading: of it `name` is used here: the node's name, or its number among the cameras.

    Raises:
        FormatError: no camera, none of that name, one without perspective, or a damaged file.
    """
    document = GltfDocument(path)
    nodes, parents = document.objects("nodes"), document.parents()
    with_camera = [index for index, node in enumerate(nodes) if "camera" in node]
    if not with_camera:
        raise FormatError(path, "has no camera", hint="in Blender's glTF export tick Data > Cameras")
    names = _unique([document.name(node) for node in with_camera])
    name = chosen_camera(path, names, reading)
    node = with_camera[names.index(name)]
    way = [node]
    while parents[way[-1]] >= 0:
        way.append(parents[way[-1]])
    curves = _curves(document, way)
    times, fps = _moments(curves)
    world = np.eye(4)[None]
    for each in reversed(way):
        world = world @ _local(document, each, curves, times)
    c2w = rigid(
        path, np.broadcast_to(world, (len(times), 4, 4))[:, :3], lambda row: f"nodes[{node}]", scaled=True
    )
    lens, size = _lens(document, nodes[node]["camera"])
    track = CameraTrack(
        c2w @ OPENGL,
        np.tile(lens, (len(c2w), 1)),
        size,
        fps=fps,
        unit=1.0,
        up="y",
        placed=True,
    )
    assumed: list[Assumption] = []
    if len(names) > 1 and reading.name is None:
        assumed.append(one_of(names, name))
    moved = "moved by an animation" if len(times) > 1 else "that stands still"
    return CameraContents(f"glTF with a camera {moved}", track, tuple(names), tuple(assumed))


def _curves(document: GltfDocument, way: list[int]) -> list[Curve]:
    """The curves of the first animation that moves one of these nodes."""
    for index in range(len(document.objects("animations"))):
        curves = [curve for curve in document.curves(index) if curve.node in way]
        if curves:
            return curves
    return []


def _moments(curves: list[Curve]) -> tuple[np.ndarray, float]:
    """Even moments from the first to the last key, and their rate: that of the keys where these are even and dense."""
    if not curves:
        return np.zeros(1), DEFAULT_FPS
    start = min(float(curve.times[0]) for curve in curves)
    end = max(float(curve.times[-1]) for curve in curves)
    baked = baked_rate(curves)
    fps = DEFAULT_FPS if baked is None or baked < SLOWEST_BAKE else baked
    frames = min(round((end - start) * fps), MAX_FRAMES - 1) + 1
    return start + np.arange(frames) / fps, fps


def _local(document: GltfDocument, node: int, curves: list[Curve], times: np.ndarray) -> np.ndarray:
    """A node's own transform over time, [T or 1, 4, 4]."""
    own = {curve.path: sample(curve, times) for curve in curves if curve.node == node}
    rest = dict(zip(("translation", "rotation", "scale"), document.placement(node), strict=True))
    translation, rotation, scale = (own.get(path, rest[path][None]) for path in rest)
    local = np.tile(np.eye(4), (max(len(translation), len(rotation), len(scale)), 1, 1))
    local[:, :3, :3] = Rotation.from_quat(rotation).as_matrix() * scale[:, None, :]
    local[:, :3, 3] = translation
    return local


def _lens(document: GltfDocument, index: object) -> tuple[np.ndarray, tuple[int, int]]:
    """fx, fy, cx, cy and the size of the picture they count in."""
    cameras = document.objects("cameras")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(cameras):
        raise FormatError(
            document.path, f"points to {str(index)[:20]}, but there are {len(cameras)}", "camera"
        )
    where = f"cameras[{index}]"
    perspective = cameras[index].get("perspective")
    if not isinstance(perspective, dict):
        raise FormatError(document.path, "is orthographic: a film needs a perspective", where)
    yfov = number(document.path, perspective, "yfov", f"{where}.perspective")
    aspect = number(document.path, perspective, "aspectRatio", f"{where}.perspective") or 1.0
    if yfov is None or not 0.001 < yfov < np.pi - 0.001 or not 0.01 < aspect < 100:
        raise FormatError(document.path, "has no field of view", f"{where}.perspective")
    focal = _HEIGHT / 2 / np.tan(yfov / 2)
    size = (max(round(_HEIGHT * aspect), 1), _HEIGHT)
    return np.array([focal, focal, size[0] / 2, size[1] / 2]), size


def _unique(names: list[str]) -> list[str]:
    """Names of which each is there once."""
    return [name if names.count(name) == 1 else f"{name}#{index}" for index, name in enumerate(names)]
