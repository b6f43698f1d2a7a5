"""glTF as other programs write it: several figures and animations, text beside its numbers, VRM and VRMA."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tests.scene.formats.gltf_cases import QUARTER, Arm, pack, read, unpack
from tests.scene.formats.motion_cases import assert_same, gentle_motion, refused

from kinema.scene.formats import glb, read_motion_file
from kinema.scene.skeleton import SMPL24

VRM_BONES = {
    "hips": "pelvis",
    "spine": "spine1",
    "chest": "spine2",
    "upperChest": "spine3",
    "neck": "neck",
    "head": "head",
    **{
        f"{side}{bone}": f"{side}_{joint}"
        for side in ("left", "right")
        for bone, joint in (
            ("UpperLeg", "hip"),
            ("LowerLeg", "knee"),
            ("Foot", "ankle"),
            ("Toes", "foot"),
            ("Shoulder", "collar"),
            ("UpperArm", "shoulder"),
            ("LowerArm", "elbow"),
            ("Hand", "wrist"),
        )
    },
}


def test_joints_of_a_second_root_are_left_out(tmp_path: Path) -> None:
    arm = Arm()
    arm.json["nodes"].append({"name": "stray"})
    arm.json["skins"][0]["joints"].append(3)
    arm.animate(1, "rotation", [0.0], [QUARTER])
    assert arm.read(tmp_path).skeleton.names == ("upper", "lower")
    assert "1 joints left out" in arm.assumed(tmp_path)
    del arm.json["nodes"][0]["name"]
    arm.json["nodes"][0]["children"].append(3)  # what all of one skin hang on joins them
    assert arm.read(tmp_path).skeleton.names == ("node0", "upper", "lower", "stray")


def test_skins_of_one_body_are_one_figure(tmp_path: Path) -> None:
    arm = Arm().animate(1, "rotation", [0.0], [QUARTER])
    arm.json["nodes"][2]["children"] = [3]
    arm.json["nodes"].append({"name": "hand", "translation": [0, 1, 0]})
    arm.json["skins"].append({"joints": [2, 3]})
    motion = arm.read(tmp_path)
    assert motion.skeleton.names == ("upper", "lower", "hand")
    np.testing.assert_allclose(motion.joints[0], [[0, 1, 0], [-2, 1, 0], [-3, 1, 0]], atol=1e-6)


def test_what_moves_below_the_joints_belongs_to_the_figure(tmp_path: Path) -> None:
    arm = Arm().animate(2, "rotation", [0.0], [QUARTER]).animate(1, "rotation", [0.0], [QUARTER])
    arm.json["skins"] = [{"joints": [1]}]
    assert arm.read(tmp_path).skeleton.names == ("upper", "lower")


def test_people_of_one_file_are_a_scene(tmp_path: Path) -> None:
    glb.write(tmp_path / "a.glb", gentle_motion(1))
    content, binary = unpack((tmp_path / "a.glb").read_bytes())
    count = len(content["nodes"])
    second = copy.deepcopy(content["nodes"])
    for node in second:
        node["children"] = [child + count for child in node.get("children", [])]
    content["nodes"] += [*second, {"translation": [2, 0, 0], "children": [count + 1]}]
    content["skins"].append({"joints": [joint + count for joint in content["skins"][0]["joints"]]})
    (tmp_path / "b.glb").write_bytes(pack(content, binary))
    first, other = read_motion_file(tmp_path / "b.glb").scene.people
    assert_same(first, gentle_motion(1))
    assert other.frames == first.frames
    np.testing.assert_allclose(other.joints[5, 0], SMPL24.rest[0] + [2, 0, 0], atol=1e-6)


def test_a_mirrored_armature(tmp_path: Path) -> None:
    arm = Arm()
    arm.json["nodes"][0]["scale"] = [-2, 2, 2]
    motion = arm.animate(1, "rotation", [0.0], [QUARTER]).read(tmp_path)
    np.testing.assert_allclose(motion.joints[0], [[0, 2, 0], [4, 2, 0]], atol=1e-6)
    turned = Rotation.from_quat(motion.rotations[0, 0], scalar_first=True).as_rotvec(degrees=True)
    np.testing.assert_allclose(turned, [0, 0, -90], atol=1e-4)


def test_which_animation(tmp_path: Path) -> None:
    arm = Arm().animate(1, "translation", [0.0, 1.0], [[0, 0, 0], [1, 0, 0]])
    arm.json["animations"][0]["name"] = "Idle"
    arm.json["animations"].insert(0, {"name": "Walk", "channels": [], "samplers": []})
    arm.animate(1, "translation", [0.0, 2.0], [[0, 0, 0], [2, 0, 0]])
    arm.json["animations"].append({"channels": [], "samplers": []})
    for word, end in (("Walk", 2), ("walk", 2), (0, 2), ("0", 2), ("Idle", 1), ("1", 1)):
        assert arm.read(tmp_path, animation=word).joints[-1, 0, 0] == pytest.approx(end)
    found = read_motion_file(tmp_path / "arm.glb", unit="m")
    lengths = [(each.name, each.seconds) for each in found.animations]
    assert lengths == [("Walk", 2.0), ("Idle", 1.0), ("animation 2", 0.0)]
    (doubt,) = found.doubts
    assert (doubt.word, doubt.value) == ("animation", "'Walk' (2.0 s)")
    assert doubt.why == "the first of 3, the others are 'Idle', 'animation 2'"
    for wrong in ("Run", 3, -1, "1.5"):
        listed = (
            f"has no animation '{wrong}'; it has 'Walk', 'Idle', 'animation 2'; choose by name or by number"
        )
        with pytest.raises(ValueError, match=listed):
            arm.read(tmp_path, animation=wrong)
    with pytest.raises(ValueError, match=r"animations\[2\]: moves none of the joints"):
        arm.read(tmp_path, animation=2)


def test_no_animation_is_the_rest_pose(tmp_path: Path) -> None:
    for keys in (["animations"], []):
        arm = Arm()
        for key in keys:
            del arm.json[key]
        motion = arm.read(tmp_path)
        np.testing.assert_allclose(motion.joints, [[[0, 1, 0], [0, 3, 0]]])
        np.testing.assert_allclose(motion.rotations, [[[1, 0, 0, 0]] * 2])
        assert "(a figure of 2 joints in rest)" in arm.assumed(tmp_path)


def test_text_with_its_numbers_beside_it(tmp_path: Path) -> None:
    arm = Arm().animate(1, "rotation", [0.0], [QUARTER])
    folder = tmp_path / "Ünï code"
    folder.mkdir()
    (folder / "a b.bin").write_bytes(arm.binary)
    embedded = base64.b64encode(arm.binary).decode()
    path = folder / "arm.gltf"
    for uri in ("a%20b.bin", "./a b.bin", f"data:application/octet-stream;base64,{embedded}"):
        arm.json["buffers"][0]["uri"] = uri
        path.write_text(json.dumps(arm.json), encoding="utf-8-sig")
        joints = read_motion_file(path, unit="m").scene.people[0].joints
        np.testing.assert_allclose(joints[0], [[0, 1, 0], [-2, 1, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("absent.bin", "buffers[0].uri: its file 'absent.bin' is absent; a .gltf needs the .bin"),
        ("../outside.bin", "buffers[0].uri: '../outside.bin' is outside of the file's folder"),
        ("/outside.bin", "is outside of the file's folder"),
        ("link.bin", "'link.bin' is outside of the file's folder"),
        ("https://example.org/a.bin", "is outside of the file's folder"),
        ("a\0b", "is absent"),
        ("a" * 5000, "is absent"),
        ("data:application/octet-stream;base64,!!", "is damaged base64"),
        ("data:,AAAA", "is no base64 data"),
    ],
)
def test_numbers_elsewhere_are_not_read(tmp_path: Path, uri: str, message: str) -> None:
    arm = Arm().animate(1, "rotation", [0.0], [QUARTER])
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside.bin").write_bytes(arm.binary)
    (folder / "link.bin").symlink_to(tmp_path / "outside.bin")
    arm.json["buffers"][0]["uri"] = uri
    assert message in refused(read, folder / "a.gltf", json.dumps(arm.json).encode())


def test_text_is_written_in_one_file(tmp_path: Path) -> None:
    glb.write(tmp_path / "a.gltf", gentle_motion(2))
    assert json.loads((tmp_path / "a.gltf").read_text())["asset"]["generator"] == "kinema"
    assert_same(read(tmp_path / "a.gltf"), gentle_motion(2))


def test_sparse_numbers(tmp_path: Path) -> None:
    arm = Arm().animate(1, "translation", [0.0, 0.5, 1.0], np.zeros((3, 3)))
    places, values = arm.numbers([2], np.uint8), arm.numbers([[5, 0, 0]], kind="VEC3")
    output = arm.json["accessors"][arm.json["animations"][0]["samplers"][0]["output"]]
    parts = [arm.json["accessors"][number] for number in (places, values)]
    output["sparse"] = {"count": 1, "indices": parts[0], "values": parts[1]}
    for _ in range(2):
        np.testing.assert_allclose(arm.read(tmp_path, source_fps=2.0).joints[:, 0, 0], [0, 0, 5])
        output.pop("bufferView", None)  # zeros then
    output["sparse"]["count"] = 2
    assert "sparse.indices: 2 elements do not fit" in refused(read, tmp_path / "a.glb", arm.bytes())
    output["sparse"]["count"], output["count"] = 1, 2
    assert "sparse.indices: points outside of its 2" in refused(read, tmp_path / "a.glb", arm.bytes())
    output["count"] = 2**40
    assert "1099511627776 elements without numbers" in refused(read, tmp_path / "a.glb", arm.bytes())


def test_keys_at_one_time(tmp_path: Path) -> None:
    arm = Arm().animate(1, "translation", [0.0, 0.5, 0.5, 1.0], [[0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 0, 0]])
    np.testing.assert_allclose(arm.read(tmp_path, source_fps=2.0).joints[:, 0, 0], [0, 2, 2])


def test_what_needs_no_reading_does_not_matter(tmp_path: Path) -> None:
    """Compressed shapes, animated colours, cameras that move."""
    arm = Arm().animate(1, "rotation", [0.0], [QUARTER])
    arm.json["bufferViews"].append(
        {"buffer": 1, "byteLength": 9, "extensions": {"EXT_meshopt_compression": {}}}
    )
    arm.json["accessors"].append({"componentType": 5126, "count": 3, "type": "VEC3"})
    arm.json["meshes"] = [{"primitives": [{"extensions": {"KHR_draco_mesh_compression": {"bufferView": 9}}}]}]
    pointer = {"KHR_animation_pointer": {"pointer": "/materials/0/alphaCutoff"}}
    target = {"path": "pointer", "extensions": pointer}
    arm.json["animations"][0]["channels"].append({"sampler": 0, "target": target})
    arm.json["extensionsRequired"] = ["KHR_draco_mesh_compression", "EXT_meshopt_compression"]
    np.testing.assert_allclose(arm.read(tmp_path).joints[0], [[0, 1, 0], [-2, 1, 0]], atol=1e-6)


@pytest.mark.parametrize("kind", ["VRM 0.x", "VRM 1.0", "VRMA"])
def test_humanoid_maps_name_the_joints(tmp_path: Path, kind: str) -> None:
    motion = gentle_motion(1)
    glb.write(tmp_path / "a.glb", motion)
    content, binary = unpack((tmp_path / "a.glb").read_bytes())
    where = {node["name"]: number for number, node in enumerate(content["nodes"])}
    bones = {bone: where[joint] for bone, joint in VRM_BONES.items()}
    for node in bones.values():
        content["nodes"][node]["name"] = f"J_{node}"
    content["asset"]["generator"] = "UniVRM"
    listed: Any = {bone: {"node": node} for bone, node in bones.items()}
    extension = "VRMC_vrm" if kind == "VRM 1.0" else "VRMC_vrm_animation"
    if kind == "VRM 0.x":
        listed, extension = [{"bone": bone, "node": node} for bone, node in bones.items()], "VRM"
    if kind == "VRMA":  # has no shapes
        del content["skins"], content["meshes"]
        content["nodes"][0] = {}
    content["extensions"] = {extension: {"humanoid": {"humanBones": listed}}}
    (tmp_path / "a.vrm").write_bytes(pack(content, binary))
    found = read_motion_file(tmp_path / "a.vrm")
    assert (found.kind, found.unit, found.up) == (f"{kind} of UniVRM", "m", "y")
    assert set(VRM_BONES) <= set(found.scene.people[0].skeleton.names)
    limbs = [SMPL24.index(j) for j in VRM_BONES.values() if not j.startswith("spine")]
    mapped = found.scene.people[0].to_smpl24()
    np.testing.assert_allclose(mapped.joints[:, limbs], motion.joints[:, limbs], atol=1e-4)


@pytest.fixture
def real_cases() -> Path:
    """Motion files that nobody here wrote."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "real_cases" / "motion"
    if not folder.is_dir():
        pytest.skip("the real cases are not on this machine (../shared/real_cases)")
    return folder


def test_real_files_with_many_animations(real_cases: Path) -> None:
    robot = read_motion_file(real_cases / "many_animations.glb")
    assert len(robot.animations) == 14
    assert robot.animations[10].name == "Walking"
    assert robot.animations[10].seconds == pytest.approx(0.96, abs=0.01)
    assert "the first of 14, the others are 'Death', 'Idle'" in str(robot.doubts[0])
    assert (robot.unit, robot.up) == ("m", "y")
    person = robot.scene.people[0]
    head, foot = (person.joints[0, person.skeleton.index(name), 1] for name in ("Head", "FootL"))
    assert (head, foot) == (pytest.approx(3.0, abs=0.4), pytest.approx(0.1, abs=0.1))
    walking = read_motion_file(real_cases / "many_animations.glb", animation="Walking")
    assert walking.scene.people[0].duration == pytest.approx(0.96, abs=0.05)
    assert not walking.doubts


def test_a_real_fox_in_centimetres(real_cases: Path) -> None:
    fox = read_motion_file(real_cases / "khronos_fox.glb", animation="Run")
    assert (fox.unit, fox.up, len(fox.animations)) == ("cm", "y", 3)
    person = fox.scene.people[0]
    assert np.ptp(person.skeleton.rest[:, 1]) == pytest.approx(0.61, abs=0.02)
    assert abs(person.joints[..., 1].min()) < 0.05


def test_a_real_animation_without_shapes(real_cases: Path) -> None:
    person = read_motion_file(real_cases / "playcanvas_bitmoji_flip.glb").scene.people[0]
    assert len(person.skeleton) == 20
    assert (person.frames, person.fps) == (27, 30.0)
    height = person.joints[0, person.skeleton.index("C_head0001_bind_JNT"), 1]
    assert height == pytest.approx(0.87, abs=0.1)


def test_a_real_shape_without_a_figure(real_cases: Path) -> None:
    assert "holds 1 shape and no figure" in refused(read, real_cases / "khr_CesiumMan.glb")
