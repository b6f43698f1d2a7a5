"""What a file is that is no motion file, by its first bytes, and what can be done with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple


class Foreign(NamedTuple):
    """A kind of file that is not read as a motion.

    Args:
        what: the kind, in words.
        remedy: what to do with it.
    """

    what: str
    remedy: str


_MOTIONS = "motions are .bvh, .glb, .gltf, .vrm, .vrma, .npz and .npy"
_TO_GLB = "File > Export > glTF 2.0 (.glb)"
_CAPTURE = "`kinema capture` makes a motion of it"
_CAMERA = "give it with --camera"
_UNPACK = "unpack it and give the file in it"
_MMD = "load it in Blender (MMD Tools) and export it: " + _TO_GLB
_ACCLAIM = "import .asf and .amc in Blender and export them: " + _TO_GLB + "; most sets also have .bvh files"
_MARKERS = "fit a skeleton to the markers (Mokka, OpenSim, Motive) and export it as .bvh"


def _blender(menu: str) -> str:
    return f"in Blender: File > Import > {menu}, then {_TO_GLB}"


USD = Foreign("a USD file", _blender("Universal Scene Description"))

_BYTES = {
    b"Kaydara FBX Binary": Foreign("an FBX file", _blender("FBX")),
    b"BLENDER": Foreign("a Blender file", f"open it in Blender, then {_TO_GLB}"),
    b"PXR-USDC": USD,
    b"Vocaloid Motion Data": Foreign("a MikuMikuDance motion (.vmd)", f"with its model: {_MMD}"),
    b"PMX ": Foreign("a MikuMikuDance model (.pmx), which has no motion", f"with a motion (.vmd): {_MMD}"),
    b"Pmd\0": Foreign("a MikuMikuDance model (.pmd), which has no motion", f"with a motion (.vmd): {_MMD}"),
    b"\x89HDF": Foreign("an HDF5 file", "read it with h5py and save joints [T, J, 3] with numpy.save"),
    b"MATLAB 5.0": Foreign(
        "a MATLAB file", "read it with scipy.io.loadmat and save joints [T, J, 3] with numpy.save"
    ),
    b"\x89PNG": Foreign("a picture (PNG)", _MOTIONS),
    b"\xff\xd8\xff": Foreign("a picture (JPEG)", _MOTIONS),
    b"GIF8": Foreign("a picture or film (GIF)", _CAPTURE),
    b"II*\0": Foreign("a picture (TIFF)", _MOTIONS),
    b"MM\0*": Foreign("a picture (TIFF)", _MOTIONS),
    b"v/1\x01": Foreign("a picture (OpenEXR)", _MOTIONS),
    b"\x1aE\xdf\xa3": Foreign("a video (Matroska or WebM)", _CAPTURE),
    b"FLV\x01": Foreign("a video (Flash)", _CAPTURE),
    b"OggS": Foreign("a video or sound file (Ogg)", _CAPTURE),
    b"0&\xb2u": Foreign("a video (Windows Media)", _CAPTURE),
    b"\0\0\x01\xba": Foreign("a video (MPEG)", _CAPTURE),
    b"ID3": Foreign("a sound file (MP3)", _MOTIONS),
    b"%PDF": Foreign("a PDF document", _MOTIONS),
    b"\x1f\x8b": Foreign("a gzip archive", _UNPACK),
    b"BZh": Foreign("a bzip2 archive", _UNPACK),
    b"\xfd7zXZ": Foreign("an xz archive", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": Foreign("a 7-Zip archive", _UNPACK),
    b"Rar!": Foreign("a RAR archive", _UNPACK),
    b"(\xb5/\xfd": Foreign("a Zstandard archive, as Blender also saves", f"{_UNPACK}, or {_blender('...')}"),
}
"""By the bytes at the start of the file."""

_RIFF = {
    b"AVI ": Foreign("a video (AVI)", _CAPTURE),
    b"WEBP": Foreign("a picture or film (WebP)", _CAPTURE),
    b"WAVE": Foreign("a sound file (WAV)", _MOTIONS),
}

_TEXTS = (
    (r"\Aversion https://git-lfs", Foreign("a Git LFS pointer", "fetch the file itself with: git lfs pull")),
    (r"\A\S*/annex/objects/", Foreign("a git-annex pointer", "fetch the file itself with: git annex get")),
    (
        r"<!doctype html|<html",
        Foreign("a web page", "it was saved in place of the file; take the download link (on GitHub: Raw)"),
    ),
    (
        r"\A; FBX",
        Foreign("an FBX file as text", f"make it binary (Autodesk FBX Converter), then {_blender('FBX')}"),
    ),
    (r"<COLLADA", Foreign("a Collada file (.dae)", _blender("Collada (in Blender before 5.0)"))),
    (r"<mvnx", Foreign("an Xsens file (.mvnx)", "export the take from Xsens MVN as .bvh")),
    (r"<x3d|\A#VRML", Foreign("an X3D or VRML file", _blender("X3D"))),
    (r"\A#usda", USD),
    (r"\APathFileType", Foreign("marker positions (.trc)", _MARKERS)),
    (r"^#!OML:ASF|^:(fully-specified|degrees|radians)\b", Foreign("an Acclaim motion (.amc)", _ACCLAIM)),
    (r"^# AST/ASF|^:(version|units|bonedata)\b", Foreign("an Acclaim skeleton (.asf)", _ACCLAIM)),
    (r"^# (camera|image) list", Foreign("a camera file of COLMAP", _CAMERA)),
    (r"\A<\?xml", Foreign("an XML file", _MOTIONS)),
)  # fmt: skip
"""By what stands in the text, line starts and case aside."""

_NUMBERS_A_LINE = {
    8: Foreign("a camera path (TUM)", _CAMERA),
    12: Foreign("a camera path (KITTI)", _CAMERA),
    19: Foreign("a camera path (RealEstate10K)", _CAMERA),
}
KEYPOINTS = Foreign(
    "2D keypoints (JSON), which have no depth",
    "`kinema animate --motion` draws them as they are; kinema.scene.formats.openpose reads them",
)
UNKNOWN_JSON = Foreign("JSON of an unknown kind", _MOTIONS)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]?(nan|inf)", re.IGNORECASE)


def foreign(path: Path, start: bytes, text: str) -> Foreign | None:
    """What a file is; None where nothing is recognised.

    Args:
        path: the file.
        start: its first bytes.
        text: the same as text.
    """
    for mark, kind in _BYTES.items():
        if start.startswith(mark):
            return kind
    if start[4:8] == b"ftyp":
        still = start[8:12] in (b"heic", b"heix", b"mif1", b"avif")
        return Foreign("a picture (HEIF or AVIF)", _MOTIONS) if still else Foreign("a video (MP4)", _CAPTURE)
    if start.startswith(b"RIFF"):
        return _RIFF.get(start[8:12])
    if start[:2] in (b"BM",) and start[6:10] == bytes(4):
        return Foreign("a picture (BMP)", _MOTIONS)
    if start[257:262] == b"ustar":
        return Foreign("a tar archive", _UNPACK)
    if start[1:2] == b"P" and path.suffix.lower() == ".c3d":
        return Foreign("marker positions (.c3d)", _MARKERS)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 30:
        return Foreign("a file of model weights (safetensors)", _MOTIONS)
    for pattern, kind in _TEXTS:
        if re.search(pattern, text.lstrip(), re.IGNORECASE | re.MULTILINE):
            return kind
    return _table(text)


def foreign_json(content: Any) -> Foreign:
    """What a JSON file is that is no glTF."""
    inner = content[0] if isinstance(content, list) and content else content
    keys = inner.keys() if isinstance(inner, dict) else set()
    if keys & {"people", "pose_keypoints_2d", "keypoints", "annotations", "instance_info"}:
        return KEYPOINTS
    if "frames" in keys and keys & {"camera_angle_x", "fl_x", "camera_model", "w", "applied_transform"}:
        return Foreign("a camera path (transforms.json)", _CAMERA)
    if keys & {"camera", "position", "fov", "intrinsics", "extrinsics", "poses", "w2c", "c2w"} or (
        keys and inner.get("format") == "kinema-camera"
    ):
        return Foreign("a camera file (JSON)", _CAMERA)
    if keys >= {"metadata", "object"} or keys >= {"tracks", "name"}:
        return Foreign("a three.js JSON file", "export its figure as .glb (GLTFExporter)")
    return UNKNOWN_JSON


def _table(text: str) -> Foreign | None:
    """What a text of numbers alone may be, by how many stand on a line."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("#", "http"))]
    lines = lines[1:-1][:3] or lines[:1]  # a first line may be a heading, the last one is cut
    counts = {_numbers(line) for line in lines}
    if len(counts) != 1 or not (count := counts.pop()) or count < 2:
        return None
    joints = "of joint positions make an array: numpy.save('motion.npy', numbers.reshape(frames, joints, 3))"
    return _NUMBERS_A_LINE.get(count) or Foreign(f"a table of {count} numbers a line", joints)


def _numbers(line: str) -> int | None:
    """How many numbers stand on a line, None where it has anything else."""
    words = re.split(r"[\s,;]+", line.strip(" \t,;"))
    return len(words) if all(_NUMBER.fullmatch(word) for word in words) else None
