"""GLB: round trips, what other tools write, and broken files."""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pygltflib
import pytest
from hypothesis import given
from scipy.spatial.transform import Rotation
from tests.scene.formats.gltf_cases import QUARTER, Arm, pack, read
from tests.scene.formats.motion_cases import (
    FEW,
    RATES,
    SEEDS,
    assert_same,
    damaged,
    gentle_motion,
    random_motion,
    read_or_refuse,
    refused,
    stretched,
)

from kinema.scene.formats import glb
from kinema.scene.formats.gltf_figure import SkinnedMesh, bone_figure
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24


@FEW
@given(SEEDS, RATES)
def test_round_trip(tmp_path: Path, seed: int, fps: float) -> None:
    motion = random_motion(seed, fps)
    glb.write(tmp_path / "a.glb", motion)
    back = read(tmp_path / "a.glb")
    assert_same(back, motion)
    order = [back.skeleton.names.index(name) for name in motion.skeleton.names]
    floor = [0.0, motion.skeleton.rest[:, 1].min(), 0.0]
    np.testing.assert_allclose(back.skeleton.rest[order], motion.skeleton.rest - floor, atol=1e-6)


@FEW
@given(SEEDS)
def test_round_trip_of_positions_whose_bones_change_length(tmp_path: Path, seed: int) -> None:
    motion = stretched(random_motion(seed), seed)
    glb.write(tmp_path / "a.glb", motion)
    assert_same(read(tmp_path / "a.glb"), motion, rotations=False)


def test_real_motions(tmp_path: Path, motion_library) -> None:
    for index in range(0, len(motion_library), len(motion_library) // 4):
        motion = motion_library[index].motion()
        glb.write(tmp_path / "a.glb", motion)
        back = read(tmp_path / "a.glb")
        assert back.skeleton.same_tree(SMPL24)
        assert_same(back, motion, rotations=False)


def test_the_figure_follows_the_joints(tmp_path: Path) -> None:
    """Skinned as a viewer would, from what pygltflib reads."""
    motion = gentle_motion(3)
    mesh = bone_figure(SMPL24)
    glb.write(tmp_path / "a.glb", motion, mesh=mesh)
    document = pygltflib.GLTF2().load(str(tmp_path / "a.glb"))
    blob = document.binary_blob()

    def numbers(index: int, dtype: type, width: int) -> np.ndarray:
        accessor = document.accessors[index]
        view = document.bufferViews[accessor.bufferView]
        return np.frombuffer(blob, dtype, accessor.count * width, view.byteOffset).reshape(-1, width)

    attributes = document.meshes[0].primitives[0].attributes
    vertices = numbers(attributes.POSITION, np.float32, 3)
    owners = numbers(attributes.JOINTS_0, np.uint8, 4)[:, 0]
    normals = numbers(attributes.NORMAL, np.float32, 3)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    bind = numbers(document.skins[0].inverseBindMatrices, np.float32, 16).reshape(-1, 4, 4).transpose(0, 2, 1)
    outputs = {
        (channel.target.node, channel.target.path): document.animations[0].samplers[channel.sampler].output
        for channel in document.animations[0].channels
    }
    frame = 7
    world: dict[int, np.ndarray] = {}

    def visit(node: int, above: np.ndarray) -> None:
        own = np.eye(4)
        own[:3, 3] = document.nodes[node].translation
        if (node, "translation") in outputs:
            own[:3, 3] = numbers(outputs[node, "translation"], np.float32, 3)[frame]
        own[:3, :3] = Rotation.from_quat(numbers(outputs[node, "rotation"], np.float32, 4)[frame]).as_matrix()
        world[node] = above @ own
        for child in document.nodes[node].children:
            visit(child, world[node])

    visit(document.skins[0].skeleton, np.eye(4))
    places = np.array([world[node] for node in document.skins[0].joints])
    np.testing.assert_allclose(places[:, :3, 3], motion.joints[frame], atol=1e-5)
    skin = (places @ bind)[owners]
    skinned = (skin[:, :3, :3] @ vertices[..., None])[..., 0] + skin[:, :3, 3]
    for joint, parent in enumerate(SMPL24.parents):  # the tip of every bone lies on its joint
        if parent >= 0:
            tips = skinned[owners == parent]
            assert np.linalg.norm(tips - motion.joints[frame, joint], axis=1).min() < 1e-4


def test_a_mesh_of_ones_own(tmp_path: Path) -> None:
    mesh = SkinnedMesh(
        vertices=np.eye(3),
        faces=np.array([[0, 1, 2]]),
        joints=np.zeros((3, 4), int),
        weights=np.eye(4)[[0, 0, 0]],
    )
    glb.write(tmp_path / "a.glb", gentle_motion(0), mesh=mesh)
    assert pygltflib.GLTF2().load(str(tmp_path / "a.glb")).accessors[0].count == 3
    for change, message in (
        ({"faces": [[0, 1, 3]]}, r"mesh\.faces points"),
        ({"joints": [[24] * 4] * 3}, r"mesh\.joints"),
    ):
        wrong = SkinnedMesh(**{**vars(mesh), **{name: np.array(value) for name, value in change.items()}})
        with pytest.raises(ValueError, match=message):
            glb.write(tmp_path / "b.glb", gentle_motion(0), mesh=wrong)
    with pytest.raises(ValueError, match=r"mesh\.weights has shape"):
        glb.write(
            tmp_path / "b.glb", gentle_motion(0), mesh=SkinnedMesh(**{**vars(mesh), "weights": np.eye(3)})
        )


def test_a_missing_joint_cannot_be_written(tmp_path: Path) -> None:
    joints = gentle_motion(0).joints.copy()
    joints[3, 5] = np.nan
    message = refused(lambda path: glb.write(path, Motion(joints, 30.0, SMPL24)), tmp_path / "a.glb")
    assert "'right_knee' is missing in frame 3, which glTF cannot say" in message


def test_rotations_are_relative_to_the_rest_pose(tmp_path: Path) -> None:
    arm = Arm()
    arm.json["nodes"][0] |= {"rotation": QUARTER, "scale": [0.01, 0.01, 0.01]}
    arm.json["nodes"][1]["rotation"] = QUARTER
    motion = arm.animate(2, "rotation", [0.0], [QUARTER]).read(tmp_path)
    assert motion.skeleton.names == ("upper", "lower")
    np.testing.assert_allclose(motion.skeleton.rest, [[-0.01, 0.02, 0], [-0.01, 0, 0]], atol=1e-9)
    np.testing.assert_allclose(motion.joints[0], [[-0.01, 0, 0], [-0.01, -0.02, 0]], atol=1e-9)
    turned = Rotation.from_quat(motion.rotations[0], scalar_first=True).as_rotvec(degrees=True)
    np.testing.assert_allclose(turned, [[0, 0, 0], [0, 0, 90]], atol=1e-5)


def test_matrices_and_joints_without_a_skin(tmp_path: Path) -> None:
    arm = Arm()
    del arm.json["skins"]
    matrix = np.eye(4)
    matrix[:3, :3] = 2 * Rotation.from_quat(QUARTER).as_matrix()
    arm.json["nodes"][1] = {"name": "upper", "matrix": matrix.T.ravel().tolist(), "children": [2]}
    arm.animate(1, "scale", [0.0], [[3, 3, 3]]).animate(2, "translation", [0.0], [[0, 1, 0]])
    motion = arm.read(tmp_path)
    np.testing.assert_allclose(motion.joints[0], [[0, 0, 0], [-3, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(motion.skeleton.rest, [[0, 0, 0], [-4, 0, 0]], atol=1e-6)


def test_interpolation(tmp_path: Path) -> None:
    times, values = [0.0, 1.0], [[0, 0, 0], [4, 0, 0]]
    for how, wanted in (("LINEAR", [0, 1, 2, 3, 4]), ("STEP", [0, 0, 0, 0, 4])):
        motion = Arm().animate(1, "translation", times, values, how).read(tmp_path, source_fps=4.0)
        np.testing.assert_allclose(motion.joints[:, 0, 0], wanted, atol=1e-6)
    cubic = [[0, 0, 0], [0, 0, 0], [8, 0, 0], [0, 0, 0], [4, 0, 0], [0, 0, 0]]
    motion = Arm().animate(1, "translation", times, cubic, "CUBICSPLINE").read(tmp_path, source_fps=4.0)
    s = np.arange(5) / 4
    np.testing.assert_allclose(
        motion.joints[:, 0, 0], 8 * (s**3 - 2 * s**2 + s) + 4 * (3 * s**2 - 2 * s**3), atol=1e-6
    )
    motion = Arm().animate(1, "rotation", times, [[0, 0, 0, 1], QUARTER]).read(tmp_path, source_fps=2.0)
    angles = Rotation.from_quat(motion.rotations[:, 0], scalar_first=True).magnitude()
    np.testing.assert_allclose(np.degrees(angles), [0, 45, 90], atol=1e-4)


def test_frame_rates(tmp_path: Path) -> None:
    for fps in (12.0, 23.976, 24.0, 30.0, 60.0):
        times = 0.5 + np.arange(25) / fps
        motion = Arm().animate(1, "translation", times, np.zeros((25, 3))).read(tmp_path)
        assert motion.fps == pytest.approx(fps, rel=1e-5)
        assert motion.frames == 25
    sparse = Arm().animate(1, "translation", [0, 0.4, 2.0], np.zeros((3, 3))).read(tmp_path)
    assert (sparse.fps, sparse.frames) == (30.0, 61)


def test_whole_numbers_stand_for_fractions(tmp_path: Path) -> None:
    arm = Arm()
    values = np.round(np.array([QUARTER]) * 32767)
    output = arm.numbers(values, np.int16, "VEC4", normalized=True)
    arm.json["animations"][0] = {
        "channels": [{"sampler": 0, "target": {"node": 1, "path": "rotation"}}],
        "samplers": [{"input": arm.numbers([0.0]), "output": output}],
    }
    motion = arm.read(tmp_path)
    np.testing.assert_allclose(motion.joints[0, 1], [-2, 1, 0], atol=1e-3)


def broken(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A good file with one thing wrong."""
    arm = (
        Arm()
        .animate(1, "rotation", [0.0, 0.5], [QUARTER, QUARTER])
        .animate(2, "translation", [0], [[0, 1, 0]])
    )
    content = copy.deepcopy(arm.json)
    change(content)
    return pack(content, arm.binary)


def put(*keys: object) -> Callable[[dict[str, Any]], object]:
    """Set the value at a path of keys, e.g. put("nodes", 1, "children", [5])."""

    def change(content: dict[str, Any]) -> None:
        place: Any = content
        for key in keys[:-2]:
            place = place[key]
        place[keys[-2]] = keys[-1]

    return change


def packed(content: dict[str, Any]) -> None:
    content["bufferViews"][1] |= {"extensions": {"EXT_meshopt_compression": {}}, "buffer": 1}


NAN = float("nan")
BOX = Arm().animate(0, "translation", [0], [[0, 1, 0]])
BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "byte 0: does not begin like a GLB file"),
    "junk": (bytes(range(256)), "byte 0"),
    "other": (b"glTF", "byte 0"),
    "version 1": (struct.pack("<4sII", b"glTF", 1, 20) + bytes(8), "byte 4: is glTF version 1; 2 is read; convert it"),
    "length": (broken(lambda c: None)[:-8], "byte 8: says"),
    "chunk": (struct.pack("<4sIIII", b"glTF", 2, 20, 0xFFFFFFFF, 0x4E4F534A), "byte 12: a chunk of 4294967295"),
    "chunk kind": (struct.pack("<4sIIII", b"glTF", 2, 20, 0, 0x004E4942), "byte 12: the first chunk is not JSON"),
    "no json": (struct.pack("<4sIIII", b"glTF", 2, 20, 0, 0x4E4F534A), "JSON chunk: not JSON"),
    "bad json": (pack(b'{"nodes": ['), "JSON chunk: not JSON"),
    "bad text": (pack(b'{"a": "\xff"}'), "JSON chunk: JSON is not UTF-8"),
    "deep": (pack(b"[" * 1_000_000), "JSON chunk: is nested too deeply"),
    "list": (pack(b"[]"), "JSON chunk: is no object"),
    "nothing": (pack(b"{}"), "is empty and no figure: neither a skin nor an animation"),
    "nan": (broken(put("nodes", 1, "translation", [0, NAN, 0])), "NaN is not allowed"),
    "nodes": (broken(put("nodes", 5)), "nodes: must be a list of objects"),
    "node": (broken(put("nodes", 0, 5)), "nodes: must be a list of objects"),
    "child": (broken(put("nodes", 1, "children", [7])), "nodes[1].children: points to 7, but there are 3"),
    "half child": (broken(put("nodes", 1, "children", [2.5])), "nodes[1].children: must be a list of whole"),
    "cycle": (broken(put("nodes", 2, "children", [0])), "is its own ancestor"),
    "own child": (broken(put("nodes", 0, "children", [0])), "is its own ancestor"),
    "two parents": (broken(put("nodes", 0, "children", [1, 2])), "nodes[1].children: node 2 has two parents"),
    "translation": (broken(put("nodes", 1, "translation", [1, 2])), "nodes[1].translation: must be 3 finite"),
    "far": (broken(put("nodes", 1, "translation", [1e300, 0, 0])), "nodes[1].translation"),
    "rotation": (broken(put("nodes", 1, "rotation", [0, 0, 0, 0])), "nodes[1].rotation: is zero"),
    "matrix": (broken(put("nodes", 1, "matrix", [0] * 16)), "nodes[1].matrix: is flat"),
    "glTF 1": (pack({"asset": {"version": "1.0"}}), "is glTF 1.0; 2.0 is read"),
    "glTF 0.8": (pack({"nodes": {}}), "is glTF 1.0; 2.0 is read"),
    "no figure": (pack({"meshes": [{}], "nodes": [{"mesh": 0}]}), "holds 1 shape and no figure: neither a skin"),
    "shapes change": (pack({"meshes": [{}], "animations": [{}]}), "its animations move no nodes"),
    "one thing": (pack({**BOX.json, "skins": []}, BOX.binary), "has no figure: what moves, moves as a whole"),
    "no joints": (broken(put("skins", 0, "joints", [])), "skins[0].joints: is empty"),
    "joint": (broken(put("skins", 0, "joints", [1, 9])), "skins[0].joints: points to 9"),
    "double joint": (broken(put("skins", 0, "joints", [1, 1])), "skins[0].joints: names a joint twice"),
    "target": (broken(put("animations", 0, "channels", 0, "target", 3)), "animations[0].channels[0]: has no target"),
    "target node": (broken(put("animations", 0, "channels", 0, "target", "node", 9)), "target.node: points to 9"),
    "sampler": (broken(put("animations", 0, "channels", 0, "sampler", 9)), "channels[0].sampler: points to 9"),
    "input": (broken(put("animations", 0, "samplers", 0, "input", 9)), "samplers[0].input: points to 9"),
    "input list": (broken(put("animations", 0, "samplers", 0, "input", [0])), "input: points to [0]"),
    "counts": (broken(put("animations", 0, "samplers", 0, "input", 2)), "has 1 times but 2 values"),
    "how": (broken(put("animations", 0, "samplers", 0, "interpolation", "MAGIC")), "unknown interpolation 'MAGIC'"),
    "huge count": (broken(put("accessors", 1, "count", 2**40)), "accessors[1]: 1099511627776 elements do not fit"),
    "minus count": (broken(put("accessors", 1, "count", -1)), "accessors[1].count: -1 is no count"),
    "no count": (broken(put("accessors", 1, "count", None)), "accessors[1].count: None is no count"),
    "yes count": (broken(put("accessors", 1, "count", True)), "accessors[1].count: True is no count"),
    "offset": (broken(put("accessors", 1, "byteOffset", 2**50)), "accessors[1]: 2 elements do not fit"),
    "type": (broken(put("accessors", 1, "type", "VEC2")), "accessors[1]: has type 'VEC2'; 4 numbers"),
    "component": (broken(put("accessors", 1, "componentType", 1)), "accessors[1]: unknown componentType 1"),
    "sparse": (broken(put("accessors", 1, "sparse", {})), "accessors[1].sparse: must have indices"),
    "view": (broken(put("accessors", 1, "bufferView", 99)), "accessors[1].bufferView: points to 99"),
    "view length": (broken(put("bufferViews", 1, "byteLength", 8)), "do not fit into the 8 bytes"),
    "view lies": (broken(put("bufferViews", 1, "byteLength", 2**40)), "do not fit"),
    "view offset": (broken(put("bufferViews", 1, "byteOffset", 2**40)), "do not fit"),
    "stride": (broken(put("bufferViews", 1, "byteStride", 1)), "do not fit"),
    "other buffer": (broken(put("bufferViews", 1, "buffer", 1)), "buffers[1]: is not there"),
    "compressed": (broken(packed), "bufferViews[1]: is compressed (meshopt), which is not read; unpack it with"),
    "times fall": (Arm().animate(1, "rotation", [1, 0.5], [QUARTER] * 2).bytes(), "accessors[0]: times do not rise"),
    "times minus": (Arm().animate(1, "rotation", [-1, 0.5], [QUARTER] * 2).bytes(), "times do not rise"),
    "times nan": (Arm().animate(1, "rotation", [0, NAN], [QUARTER] * 2).bytes(), "accessors[0]: holds a number"),
    "endless": (Arm().animate(1, "rotation", [0, 1e8], [QUARTER] * 2).bytes(), "frames, too many"),
    "no turn": (Arm().animate(1, "rotation", [0], [[0, 0, 0, 0]]).bytes(), "has a rotation of zero length"),
    "infinite": (Arm().animate(1, "translation", [0], [[np.inf, 0, 0]]).bytes(), "holds a number"),
    "away": (Arm().animate(1, "translation", [0], [[1e8, 0, 0]]).bytes(), "nodes[1]: is absurdly far away"),
    "twice": (
        Arm().animate(1, "scale", [0], [[1, 1, 1]]).animate(1, "scale", [0], [[1, 1, 1]]).bytes(), "animated twice"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_files(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    assert message in refused(read, tmp_path / "broken.glb", content)


def test_long_chains_are_bounded(tmp_path: Path) -> None:
    arm = Arm().animate(1, "rotation", [0.0], [QUARTER])
    arm.json["nodes"] = [{"children": [n + 1]} for n in range(5000)] + [{}]
    arm.json["skins"] = [{"joints": list(range(5001))}]
    assert "5001 joints, more than 4096" in refused(read, tmp_path / "long.glb", arm.bytes())


@FEW
@given(SEEDS)
def test_damaged_files_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    arm = Arm().animate(1, "rotation", [0.0, 0.5], [QUARTER, QUARTER], "STEP")
    content = arm.animate(2, "translation", [0, 1], [[0, 1, 0]] * 6, "CUBICSPLINE").bytes()
    for part in range(6):
        back = read_or_refuse(read, tmp_path / "b.glb", damaged(content, seed + part))
        assert back is None or isinstance(back, Motion)
