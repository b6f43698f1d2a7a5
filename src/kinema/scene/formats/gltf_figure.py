"""The writing side of GLB: a skinned mesh, its joints and their curves, laid out with pygltflib."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from kinema.scene.skeleton import Skeleton

if TYPE_CHECKING:
    from pygltflib import GLTF2

GENERATOR = "kinema"
"""What our own files say wrote them."""

_CLAY = (0.72, 0.66, 0.60, 1.0)  # linear RGBA
_THICKEST = 0.11  # metres
_PROFILE = ((0.0, 0.0), (0.06, 0.6), (0.3, 1.0), (0.8, 0.7), (1.0, 0.0))  # along a bone: share, width


@dataclass(frozen=True, eq=False)
class SkinnedMesh:
    """A surface that follows joints.

    Args:
        vertices: in the rest pose of the motion's skeleton, metres, [V, 3].
        faces: vertex indices, counter-clockwise from outside, [F, 3].
        joints: up to four joints that move a vertex, [V, 4].
        weights: their shares, summing to one, [V, 4].
    """

    vertices: np.ndarray
    faces: np.ndarray
    joints: np.ndarray
    weights: np.ndarray


def bone_figure(skeleton: Skeleton) -> SkinnedMesh:
    """A plain figure: a spindle along every bone, a short one at every end, a head where one is named so."""
    height = float(np.ptp(skeleton.rest[:, 1])) or 0.3
    triangles = []
    owners = []
    for joint, children in enumerate(skeleton.children):
        start = skeleton.rest[joint]
        bones = [skeleton.rest[c] - start for c in children if skeleton.bone_lengths[c] > 1e-3]
        spindles = [_spindle(start, bone, 0.16 * float(np.linalg.norm(bone))) for bone in bones]
        if not bones and "head" in skeleton.names[joint].lower():
            spindles = [
                _spindle(start - [0, 0.01 * height, 0], np.array([0, 0.13 * height, 0]), 0.055 * height)
            ]
        elif not bones:
            spindles = [_spindle(start, np.array([0.0, 0.02 * height, 0.0]), 0.01 * height)]
        triangles += spindles
        owners += [joint] * len(spindles)
    vertices = np.concatenate(triangles).reshape(-1, 3)
    joints = np.zeros((len(vertices), 4), dtype=np.uint16)
    joints[:, 0] = np.repeat(owners, len(vertices) // len(owners))
    weights = np.zeros((len(vertices), 4))
    weights[:, 0] = 1.0
    return SkinnedMesh(vertices, np.arange(len(vertices)).reshape(-1, 3), joints, weights)


def _spindle(start: np.ndarray, along: np.ndarray, radius: float) -> np.ndarray:
    """A closed, tapered body of eight sides whose tips lie at both ends. Triangles of their own corners, so that
    edges stay sharp: [48, 3, 3]."""
    length = float(np.linalg.norm(along))
    side = np.cross(along, np.eye(3)[np.argmin(np.abs(along))])
    side /= np.linalg.norm(side)
    other = np.cross(along / length, side)
    angles = np.arange(8) * np.pi / 4
    circle = np.cos(angles)[:, None] * side + np.sin(angles)[:, None] * other
    radius = min(radius, _THICKEST)
    rings = [start + share * along + wide * radius * circle for share, wide in _PROFILE]
    faces = []
    for below, above in pairwise(rings):
        for k in range(8):
            corners = below[k], below[(k + 1) % 8], above[(k + 1) % 8], above[k]
            if below is not rings[0]:
                faces.append((corners[0], corners[1], corners[2]))
            if above is not rings[-1]:
                faces.append((corners[0], corners[2], corners[3]))
    return np.array(faces)


def check_mesh(mesh: SkinnedMesh, joints: int) -> None:
    """Raise ValueError where a mesh has wrong shapes or points to joints that are not there."""
    count = len(mesh.vertices)
    for name, array, shape in (
        ("vertices", mesh.vertices, (count, 3)),
        ("faces", mesh.faces, (len(mesh.faces), 3)),
        ("joints", mesh.joints, (count, 4)),
        ("weights", mesh.weights, (count, 4)),
    ):
        if np.shape(array) != shape or not np.isfinite(array).all():
            raise ValueError(
                f"mesh.{name} has shape {list(np.shape(array))} or is not finite; give {list(shape)}"
            )
    for name, array, limit in (("faces", mesh.faces, count), ("joints", mesh.joints, joints)):
        if np.size(array) and not 0 <= np.min(array) <= np.max(array) < limit:
            raise ValueError(f"mesh.{name} points outside of 0 to {limit - 1}")


class FigureBuilder:
    """Collects a figure and its animation, then hands out the glTF document.

    Args:
        name: of the figure.
    """

    def __init__(self, name: str) -> None:
        import pygltflib  # here, so that reading motions does not pay for it

        self.lib = pygltflib
        self.gltf = pygltflib.GLTF2(scene=0, asset=pygltflib.Asset(version="2.0", generator=GENERATOR))
        self.name = name
        self.blob = bytearray()
        self.first_joint = 1  # node 0 carries the mesh

    def add_figure(self, skeleton: Skeleton, bones: np.ndarray, mesh: SkinnedMesh) -> None:
        """The mesh, its skin and a node per joint.

        Args:
            skeleton: whose rest pose the mesh is made for.
            bones: each joint relative to its parent while nothing moves, metres, [J, 3].
            mesh: the surface.
        """
        lib, gltf = self.lib, self.gltf
        wide = np.uint8 if len(skeleton) <= 256 else np.uint16
        attributes = lib.Attributes(
            POSITION=self._accessor(mesh.vertices, np.float32, "VEC3", bounds=True, target=lib.ARRAY_BUFFER),
            NORMAL=self._accessor(_normals(mesh), np.float32, "VEC3", target=lib.ARRAY_BUFFER),
            JOINTS_0=self._accessor(mesh.joints, wide, "VEC4", target=lib.ARRAY_BUFFER),
            WEIGHTS_0=self._accessor(mesh.weights, np.float32, "VEC4", target=lib.ARRAY_BUFFER),
        )
        faces = np.asarray(mesh.faces).reshape(-1)
        indices = self._accessor(faces, np.uint32, "SCALAR", target=lib.ELEMENT_ARRAY_BUFFER)
        gltf.materials = [
            lib.Material(
                name="clay",
                pbrMetallicRoughness=lib.PbrMetallicRoughness(
                    baseColorFactor=list(_CLAY), metallicFactor=0.0, roughnessFactor=0.9
                ),
            )
        ]
        primitive = lib.Primitive(attributes=attributes, indices=indices, material=0)
        gltf.meshes = [lib.Mesh(name=self.name, primitives=[primitive])]
        bind = np.tile(np.eye(4), (len(skeleton), 1, 1))
        bind[:, 3, :3] = -skeleton.rest  # columns first, as glTF stores matrices
        joints = [self.first_joint + joint for joint in range(len(skeleton))]
        root = self.first_joint + skeleton.root
        gltf.skins = [
            lib.Skin(
                joints=joints,
                skeleton=root,
                inverseBindMatrices=self._accessor(bind.reshape(-1, 16), np.float32, "MAT4"),
            )
        ]
        places = np.array(bones, dtype=np.float64)
        places[skeleton.root] = skeleton.rest[skeleton.root]
        gltf.nodes = [lib.Node(name=self.name, mesh=0, skin=0)]
        for joint, name in enumerate(skeleton.names):
            children = [self.first_joint + child for child in skeleton.children[joint]]
            gltf.nodes.append(lib.Node(name=name, translation=places[joint].tolist(), children=children))
        gltf.scenes = [lib.Scene(name=self.name, nodes=[0, root])]

    def add_animation(self, fps: float, rotations: np.ndarray, positions: dict[int, np.ndarray]) -> None:
        """Curves for every joint's rotation and some joints' translation.

        Args:
            fps: frames per second.
            rotations: local, quaternions wxyz, [T, J, 4].
            positions: in the parent's frame, metres, [T, 3] by joint.
        """
        lib = self.lib
        times = np.arange(len(rotations)) / fps
        clock = self._accessor(times, np.float32, "SCALAR", bounds=True)
        curves = [
            (joint, "rotation", _short_way(rotations[:, joint])[:, [1, 2, 3, 0]], "VEC4")
            for joint in range(rotations.shape[1])
        ]
        curves += [(joint, "translation", values, "VEC3") for joint, values in positions.items()]
        animation = lib.Animation(name=self.name, extras={"fps": fps}, channels=[], samplers=[])
        for number, (joint, path, values, kind) in enumerate(curves):
            output = self._accessor(values, np.float32, kind)
            animation.samplers.append(
                lib.AnimationSampler(input=clock, output=output, interpolation="LINEAR")
            )
            target = lib.AnimationChannelTarget(node=self.first_joint + joint, path=path)
            animation.channels.append(lib.AnimationChannel(sampler=number, target=target))
        self.gltf.animations = [animation]

    def document(self) -> GLTF2:
        """The finished document, its numbers in one buffer."""
        self.gltf.buffers = [self.lib.Buffer(byteLength=len(self.blob))]
        self.gltf.set_binary_blob(bytes(self.blob))
        return self.gltf

    def _accessor(
        self,
        values: np.ndarray,
        dtype: type[np.generic],
        kind: str,
        bounds: bool = False,
        target: int | None = None,
    ) -> int:
        """Append numbers to the buffer; the index of their accessor."""
        array = np.ascontiguousarray(values, dtype=dtype)
        self.blob += b"\0" * (-len(self.blob) % 4)
        view = self.lib.BufferView(
            buffer=0, byteOffset=len(self.blob), byteLength=array.nbytes, target=target
        )
        self.blob += array.tobytes()
        self.gltf.bufferViews.append(view)
        component = {"f4": 5126, "u1": 5121, "u2": 5123, "u4": 5125}[array.dtype.str[1:]]
        rows = array.reshape(len(array), -1)
        self.gltf.accessors.append(
            self.lib.Accessor(
                bufferView=len(self.gltf.bufferViews) - 1,
                componentType=component,
                count=len(array),
                type=kind,
                min=rows.min(axis=0).tolist() if bounds else None,
                max=rows.max(axis=0).tolist() if bounds else None,
            )
        )
        return len(self.gltf.accessors) - 1


def _normals(mesh: SkinnedMesh) -> np.ndarray:
    """Unit normals of the vertices, averaged by area over the faces that meet there, [V, 3]."""
    corners = np.asarray(mesh.vertices, dtype=np.float64)[mesh.faces]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(mesh.vertices), 3))
    for corner in range(3):
        np.add.at(normals, np.asarray(mesh.faces)[:, corner], facing)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-12, normals / np.maximum(length, 1e-12), [0.0, 1.0, 0.0])


def _short_way(quaternions: np.ndarray) -> np.ndarray:
    """The same rotations with signs chosen so that neighbours in time lie close."""
    flips = np.einsum("tq,tq->t", quaternions[1:], quaternions[:-1]) < 0
    signs = np.concatenate([[1.0], np.where(np.cumsum(flips) % 2, -1.0, 1.0)])
    return quaternions * signs[:, None]
