"""Bones of a mesh sequence: found where they are known, and a file that poses the mesh as it was given."""

import json

import numpy as np
import pytest

from kinema.scene import quaternions as quat
from kinema.scene.formats import FormatError, glb, read_motion
from kinema.scene.formats.mesh_frames import read_mesh_frames
from kinema.scene.rigging import find_rig, skinned


def arm(frames=30, rings=24):
    """A tube of two rigid halves that bends in the middle and is carried along; vertices, faces and the true bone."""
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = np.stack([0.1 * np.cos(angles), 0 * angles, 0.1 * np.sin(angles)], -1)
    rest = np.concatenate([ring + np.array([0, y, 0]) for y in np.linspace(0, 2, rings)])
    upper, middle = rest[:, 1] > 1.0, np.array([0.0, 1.0, 0.0])
    faces = []
    for row in range(rings - 1):
        for k in range(8):
            a, b = 8 * row + k, 8 * row + (k + 1) % 8
            faces += [(a, b, a + 8), (b, b + 8, a + 8)]
    made = []
    for t in np.linspace(0, 1, frames):
        bend = quat.about_axis(np.array([0.0, 0.0, 1.0]), 1.2 * np.sin(2 * np.pi * t))
        whole = quat.about_axis(np.array([0.0, 1.0, 0.0]), 0.8 * t)
        posed = rest.copy()
        posed[upper] = quat.rotate(bend, rest[upper] - middle) + middle
        made.append(quat.rotate(whole, posed) + np.array([t, 0, 0.5 * t]))
    return np.stack(made), np.array(faces), upper


def test_two_bones_and_the_joint_between_them_are_found():
    vertices, faces, upper = arm()
    rig = find_rig(vertices, faces, bones=2, fps=10, seed=1)
    assert rig.error < 1e-3
    assert np.abs(rig.posed() - vertices).max() < 0.01
    owner = rig.weights.argmax(axis=1)
    agree = (owner == owner[-1]) == upper
    assert agree.mean() > 0.95
    (child,) = [bone for bone, parent in enumerate(rig.motion.skeleton.parents) if parent >= 0]
    assert np.allclose(rig.motion.skeleton.rest[child], [0, 1, 0], atol=0.03)
    assert np.allclose(rig.weights.sum(axis=1), 1)
    assert (rig.weights >= 0).all()
    again = find_rig(vertices, faces, bones=2, fps=10, seed=1)
    assert np.array_equal(again.weights, rig.weights)


def test_a_body_of_the_stage_is_explained_and_the_file_poses_it(tmp_path):
    from tests.motion.walking import walk

    from kinema.stage.body import make_body
    from kinema.stage.rig import segment_transforms

    body, motion = make_body(detail="low"), walk(21)
    affine = segment_transforms(motion.joints, body.girth)
    last = np.tile([[[[0.0, 0.0, 0.0, 1.0]]]], (*affine.shape[:2], 1, 1))
    moved = np.concatenate([affine, last], axis=2) @ body.unpose
    points = np.concatenate([body.vertices, np.ones((len(body.vertices), 1))], axis=1)
    vertices = sum(
        body.weights[:, c, None] * np.einsum("tvab,vb->tva", moved[:, body.bones[:, c]], points)[..., :3]
        for c in range(4)
    )
    rig = find_rig(vertices, body.triangles, bones=20, fps=20)
    assert rig.error < 0.003
    glb.write(tmp_path / "rigged.glb", rig.motion, mesh=rig.mesh)
    read = read_motion(tmp_path / "rigged.glb")
    turned = np.empty_like(read.rotations)
    order = np.argsort([len(_line(read.skeleton.parents, bone)) for bone in range(len(read.skeleton))])
    for bone in order:
        parent = read.skeleton.parents[bone]
        own = read.rotations[:, bone]
        turned[:, bone] = own if parent < 0 else quat.multiply(turned[:, parent], own)
    posed = np.zeros_like(vertices)
    for corner in range(4):
        bones, share = rig.mesh.joints[:, corner], rig.mesh.weights[:, corner, None]
        local = rig.mesh.vertices - rig.motion.skeleton.rest[bones]
        posed += share * (quat.rotate(turned[:, bones], local) + read.joints[:, bones])
    assert np.sqrt(np.square(posed - vertices).sum(-1).mean()) < 0.006


def _line(parents, bone):
    return [] if parents[bone] < 0 else [bone, *_line(parents, parents[bone])]


def test_one_bone_is_too_few_and_six_are_not_worse_than_two():
    vertices, faces, _ = arm()
    errors = [find_rig(vertices, faces, bones=count).error for count in (1, 2, 6)]
    assert errors[0] > 10 * errors[1]
    assert max(errors[1:]) < 5e-4


def test_skinning_with_one_bone_is_rigid():
    rest = np.eye(3)
    turn = np.array([[[[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]]])
    assert np.allclose(skinned(rest, np.ones((3, 1)), turn, np.ones((1, 1, 3)))[0, 0], [1, 1, 0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda v, f: (v[0], f), "vertices have shape"),
        (lambda v, f: (np.where(np.arange(30)[:, None, None] == 4, np.nan, v), f), "frame 4"),
        (lambda v, f: (v, f + 1000), "faces have shape"),
    ],
)
def test_what_is_no_sequence_is_refused(change, says):
    vertices, faces, _ = arm()
    with pytest.raises(ValueError, match=says):
        find_rig(*change(vertices, faces))
    with pytest.raises(ValueError, match="500 bones"):
        find_rig(vertices, faces, bones=500)


def obj(path, vertices, faces, polygon=False):
    lines = ["# made for a test", "vn 0 1 0", *(f"v {x} {y} {z}" for x, y, z in vertices)]
    lines += [f"f {a + 1}//1 {b + 1}//1 {c + 1}//1" for a, b, c in faces]
    path.write_text("\n".join(lines) + "\n")


def test_files_are_sorted_by_number_and_polygons_are_cut(tmp_path):
    vertices, faces, _ = arm(frames=12)
    for number, frame in enumerate(vertices):
        obj(tmp_path / f"f{number}.obj", frame, faces)
    read = read_mesh_frames([tmp_path])
    assert np.allclose(read.vertices, vertices)
    assert np.array_equal(read.faces, faces)
    np.savez(tmp_path / "frames.npz", vertices=vertices, faces=faces)
    assert np.allclose(read_mesh_frames([tmp_path / "frames.npz"]).vertices, vertices)
    quad = tmp_path / "quads"
    quad.mkdir()
    for number in range(2):
        (quad / f"{number}.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf -4 -3 -2 -1\n")
    assert read_mesh_frames([quad]).faces.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_bad_files_are_named(tmp_path):
    vertices, faces, _ = arm(frames=2)
    obj(tmp_path / "a1.obj", vertices[0], faces)
    with pytest.raises(FormatError, match="one frame"):
        read_mesh_frames([tmp_path / "a1.obj"])
    (tmp_path / "a2.obj").write_text("v 0 0 0\nv 1 0\nf 1 2 3\n")
    with pytest.raises(FormatError, match="line 2"):
        read_mesh_frames([tmp_path / "a1.obj", tmp_path / "a2.obj"])
    (tmp_path / "a2.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 3\n")
    with pytest.raises(FormatError, match="same mesh"):
        read_mesh_frames([tmp_path / "a1.obj", tmp_path / "a2.obj"])
    with pytest.raises(FileNotFoundError, match=r"no \.obj files"):
        read_mesh_frames([_folder(tmp_path / "empty")])
    np.savez(tmp_path / "bad.npz", vertices=vertices)
    with pytest.raises(FormatError, match="no array faces"):
        read_mesh_frames([tmp_path / "bad.npz"])


def _folder(path):
    path.mkdir()
    return path


def test_the_command(tmp_path, capsys, monkeypatch):
    from kinema.app.cli import main

    vertices, faces, _ = arm(frames=12)
    np.savez(tmp_path / "frames.npz", vertices=vertices, faces=faces)
    words = ["rig", str(tmp_path / "frames.npz"), "-o", str(tmp_path / "out.glb"), "--bones", "2", "--json"]
    monkeypatch.setattr("sys.argv", ["kinema", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    told = json.loads(capsys.readouterr().out)
    assert (told["bones"], told["frames"]) == (2, 12)
    assert read_motion(tmp_path / "out.glb").frames == 12
