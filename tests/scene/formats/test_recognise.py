"""What kind of file is given as a motion, by its content; what is none is told what it is and what to do."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.scene.formats.motion_cases import assert_same, gentle_motion, refused

from kinema.scene.formats import MOTION_FORMATS, read_motion, write_motion
from kinema.scene.formats.recognise import is_other_json


def zipped(*names: str) -> bytes:
    """A zip archive of empty files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return content.getvalue()


BLENDER = r"in Blender: File > Import > {}.*, then File > Export > glTF 2.0"
CAPTURE = "`kinema capture` makes a motion of it"
FOREIGN = {
    "empty.bvh": (b"", "is empty; was it downloaded"),
    "page.glb": (
        b"\n<!DOCTYPE html>\n<html>",
        "is a web page, not a motion file; it was saved in place of the file",
    ),
    "pointer.glb": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "is a Git LFS pointer, not a motion file; fetch the file itself with: git lfs pull",
    ),
    "annex.npz": (b"/annex/objects/MD5E-s1--0.npz\n", "git annex get"),
    "dance.fbx": (b"Kaydara FBX Binary  \0\x1a\0", "is an FBX file, .*" + BLENDER.format("FBX")),
    "text.fbx": (b"; FBX 7.4.0 project file\n", "is an FBX file as text"),
    "scene.blend": (b"BLENDER-v402", "is a Blender file, not a motion file; open it in Blender"),
    "scene.usdc": (b"PXR-USDC\0", BLENDER.format("Universal Scene")),
    "scene.usda": (b"#usda 1.0\n", "is a USD file"),
    "scene.usdz": (zipped("scene.usdc", "a.png"), "is a USD file"),
    "walk.dae": (b'<?xml version="1.0"?>\n<COLLADA xmlns="">', "is a Collada file"),
    "walk.mvnx": (b'<?xml version="1.0"?>\n<mvnx version="4">', "is an Xsens file"),
    "other.xml": (b'<?xml version="1.0"?>\n<a/>', "is an XML file"),
    "markers.c3d": (b"\2P" + bytes(510), r"is marker positions \(\.c3d\)"),
    "markers.trc": (b"PathFileType\t4\t(X/Y/Z)\tdance.trc\n", r"is marker positions \(\.trc\)"),
    "01.asf": (b"# AST/ASF file generated using VICON BodyLanguage\n", "is an Acclaim skeleton"),
    "02.asf": (b":version 1.10\n:name VICON\n", "is an Acclaim skeleton"),
    "01.amc": (b"#!OML:ASF F:\\VICON\n:FULLY-SPECIFIED\n:DEGREES\n1\n", "is an Acclaim motion"),
    "dance.vmd": (b"Vocaloid Motion Data 0002\0\0", r"is a MikuMikuDance motion.*MMD Tools"),
    "model.pmx": (b"PMX \0\0\0@", "is a MikuMikuDance model"),
    "wham.pkl": (
        pickle.dumps({"a": 1}),
        r"holds pickled Python objects, which are never loaded; save plain numbers, in Python",
    ),
    "old.pkl": (pickle.dumps({"a": 1}, protocol=0), "holds pickled Python objects"),
    "gvhmr.pt": (
        zipped("hmr4d/data.pkl", "hmr4d/data/0"),
        "holds pickled Python objects, which are never loaded.*torch.load",
    ),
    "set.zip": (
        zipped("readme.txt", "bvh/walk.bvh"),
        "is a zip archive with 'bvh/walk.bvh' in it.*unpack it",
    ),
    "walk.bvh.gz": (gzip.compress(b"HIERARCHY"), "is a gzip archive.*unpack it"),
    "weights.safetensors": ((64).to_bytes(8, "little") + b'{"a":{}}', "is a file of model weights"),
    "keypoints.json": (
        b'{"version": 1.3, "people": []}',
        r"is 2D keypoints.*have no depth.*kinema animate --motion",
    ),
    "transforms.json": (
        json.dumps({"camera_angle_x": 1.0, "frames": []}).encode(),
        r"is a camera path \(transforms\.json\), not a motion file; give it with --camera",
    ),
    "camera.json": (b'{"format": "kinema-camera"}', r"is a camera file.*give it with --camera"),
    "other.json": (b"[1, 2]", "is JSON of an unknown kind"),
    "half.json": (b'{"a": ', "is JSON of an unknown kind"),
    "deep.json": (b"[" * 200_000, "is JSON of an unknown kind"),
    "images.txt": (b"# Image list with two lines of data per image:\n", "is a camera file of COLMAP"),
    "tum.txt": (b"# t x y z\n" + b"0.1 0 0 0 0 0 0 1\n" * 9, r"is a camera path \(TUM\)"),
    "kitti.txt": (b"1 0 0 0 0 1 0 0 0 0 1 0\n" * 9, r"is a camera path \(KITTI\)"),
    "re10k.txt": (b"https://a\n" + b"0 .5 .9 .5 .5 0 0 1 0 0 0 0 1 0 0 0 0 1 -1e-3\n" * 9, r"RealEstate10K"),
    "table.csv": (b"x,y,z\n" + b"1,2,3\n" * 9, "is a table of 3 numbers a line.*numpy.save"),
    "picture.bvh": (b"\x89PNG\r\n\x1a\n", r"is a picture \(PNG\)"),
    "photo.npz": (b"\xff\xd8\xff\xe0", r"is a picture \(JPEG\)"),
    "film.glb": (b"\0\0\0 ftypisom\0\0\2\0", "is a video.*" + CAPTURE),
    "still.avif": (b"\0\0\0 ftypavif\0\0\0\0", "is a picture"),
    "film.mkv": (b"\x1aE\xdf\xa3\x01", "is a video.*" + CAPTURE),
    "film.avi": (b"RIFF\0\0\0\0AVI LIST", "is a video.*" + CAPTURE),
    "film.webp": (b"RIFF\0\0\0\0WEBPVP8X", "is a picture or film.*" + CAPTURE),
    "nothing known": (
        b"\x07\x06\x05 something",
        r"is no motion file that is known here; motions are \.bvh, \.glb",
    ),
    "words.txt": (b"a person walks", "is no motion file that is known here"),
}


@pytest.mark.parametrize("name", list(FOREIGN))
def test_what_is_no_motion(tmp_path: Path, name: str) -> None:
    content, message = FOREIGN[name]
    said = refused(read_motion, tmp_path / name, content)
    with pytest.raises(ValueError, match=message):
        raise ValueError(said)


@pytest.mark.parametrize("suffix", ["", ".txt", ".glb", ".npy", ".MOV", ".json", " ü.zip"])
@pytest.mark.parametrize("name", ["bvh", "glb", "kinema", "humanml3d"])
def test_a_wrong_suffix_is_no_obstacle(tmp_path: Path, name: str, suffix: str) -> None:
    motion = gentle_motion(1, fps=20.0)
    write_motion(tmp_path / f"a{MOTION_FORMATS[name][0]}", motion, format=name)
    path = (tmp_path / f"a{MOTION_FORMATS[name][0]}").rename(tmp_path / f"一 b{suffix}")
    wanted = motion.joints[:, :22] if name == "humanml3d" else motion.joints
    np.testing.assert_allclose(read_motion(path).joints, wanted, atol=1e-3)


def test_text_of_any_encoding_and_case(tmp_path: Path) -> None:
    write_motion(tmp_path / "a.bvh", gentle_motion(1))
    text = (tmp_path / "a.bvh").read_text()
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "a.txt").write_bytes(text.encode(encoding))
        assert_same(read_motion(tmp_path / "a.txt"), gentle_motion(1))


def test_gltf_without_its_suffix(tmp_path: Path) -> None:
    write_motion(tmp_path / "a.gltf", gentle_motion(1))
    path = (tmp_path / "a.gltf").rename(tmp_path / "a.json")
    assert_same(read_motion(path), gentle_motion(1))


def test_folders(tmp_path: Path) -> None:
    assert "is a folder, not a file; give one file in it" in refused(read_motion, tmp_path)


@pytest.mark.parametrize(
    ("content", "other"),
    [
        ('{"camera_angle_x": 1, "frames": []}', True),
        ('{"asset": {"version": "2.0"}}', True),
        ('{"people": []}', False),
        ("{}", False),
        ("{", False),
    ],
)
def test_json_that_is_no_keypoints(tmp_path: Path, content: str, other: bool) -> None:
    (tmp_path / "a.json").write_text(content)
    assert is_other_json(tmp_path / "a.json") == other
