"""Which kind of camera file a file is, by its content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import npz_shapes

_HEAD = 1 << 16  # bytes that tell what a file is
_KINDS = "docs/formats.md lists what cameras may come in; most programs export COLMAP or transforms.json"
_NAMED = {
    "# Bundle file": "a bundle of Bundler",
    "#name,x,y,alt": "cameras of RealityCapture in CSV",
    "#cameras": "cameras of RealityCapture in CSV",
    "NVM_V3": "a model of VisualSFM",
    "#usda": "a scene in USD",
    "<x:xmpmeta": "a camera of RealityCapture in XMP",
}
"""Programs whose cameras are not read, by how their files begin."""


def recognised(path: Path) -> tuple[str, dict[str, Any]]:
    """The format that the content of a file shows, and options of its reader.

    Raises:
        FormatError: none of them.
    """
    if path.is_dir():
        return "photogrammetry", {}
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"glTF") or path.suffix.lower() == ".gltf":
        return "gltf", {}
    if head.startswith(b"PK\x03\x04"):
        return ("scene" if "format" in npz_shapes(path) else "arrays"), {}
    if head.startswith(b"\x93NUMPY"):
        return "arrays", {}
    if _is_colmap_binary(path):
        return "colmap", {}
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = head[: len(head) // 2 * 2].decode("utf-16", "replace")
    else:
        text = head.decode("utf-8", "replace").removeprefix("\ufeff")
    if not text.strip() or "\0" in text:
        raise FormatError(path, "is empty" if not text.strip() else "is no text", hint=_KINDS)
    if text.lstrip().startswith(("{", "[")):
        return _json_format(path), {}
    for begins, program in _NAMED.items():
        if text.lstrip().startswith(begins):
            raise FormatError(
                path, f"is {program}, which is not read", hint="export COLMAP or transforms.json"
            )
    if text.lstrip().startswith("<"):
        return "metashape", {}
    return _text_format(path, text)


def _json_format(path: Path) -> str:
    """Which of the formats in JSON a document is, by its keys."""
    from kinema.scene.formats import camera_json, camera_matrices
    from kinema.scene.formats.files import read_text
    from kinema.scene.formats.json_numbers import parse
    from kinema.scene.formats.photogrammetry import kind_of

    document = parse(path, read_text(path, 1 << 29))
    if kind_of(document):
        return "photogrammetry"
    if isinstance(document, list) and document:
        first = document[0]
        if isinstance(first, dict) and (
            "rotation" in first or "transform" in first or "transform_matrix" in first
        ):
            return "nerf"
        if isinstance(first, list):
            return "matrices"
    elif isinstance(document, dict):
        frames = document.get("frames")
        if document.get("format") == camera_json.FORMAT:
            return "kinema"
        if "camera_path" in document:
            return "nerf"
        if (
            isinstance(frames, list)
            and frames
            and isinstance(frames[0], dict)
            and "transform_matrix" in frames[0]
        ):
            return "nerf"
        first = next(iter(document.values()), None)
        if isinstance(first, dict) and first and all(_is_matrix_text(each) for each in first.values()):
            return "recammaster"
        if any(name in document for name in camera_matrices.NAMES):
            return "matrices"
    keys = ", ".join(list(document)[:6]) if isinstance(document, dict) else "a list"
    raise FormatError(
        path, f"is JSON, but not a camera file (it holds {keys or 'nothing'})"[:300], hint=_KINDS
    )


def _text_format(path: Path, text: str) -> tuple[str, dict[str, Any]]:
    """Which of the formats in lines a text is: by how many numbers a line holds."""
    from kinema.scene.formats.camera_text import is_lost
    from kinema.scene.formats.colmap import is_image_line
    from kinema.scene.formats.kitti import COLUMNS

    lines = text.splitlines()
    if len(text) >= _HEAD - 4:
        lines = lines[:-1]  # cut
    lines = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    rows = [(line, None if is_lost(line.split()) else _numbers(line)) for line in lines]
    counts = [len(numbers) for _, numbers in rows if numbers is not None]
    if any(is_image_line(line) for line, _ in rows[:4]):
        return "colmap", {}
    if path.stem.lower().startswith("cameras") and rows and rows[0][0].split()[1:2] and rows[0][1] is None:
        return "colmap", {}
    if not counts:
        raise FormatError(path, "is not a camera file: no line of numbers in it", hint=_KINDS)
    count = int(np.bincount(counts).argmax())
    sure = next(numbers for _, numbers in rows if numbers is not None and len(numbers) == count)
    if "p_RS_R_x" in text[:400]:
        raise FormatError(path, "is ground truth of EuRoC, which holds the body's poses and not a camera's")
    if count == 19:
        return "realestate10k", {}
    if count in (7, 8) and path.suffix.lower() == ".chan":
        return "chan", {}
    if count == 7 and _is_turn(sure[3:7]):
        return "tum", {"timed": False}
    if count == 8:
        return ("tum" if _is_turn(sure[4:8]) else "chan"), {}
    if count in COLUMNS:
        return "kitti", {"columns": count}
    if count in (10, 11):
        return "humanvid", {}
    named = "TUM 7 or 8, KITTI 12, RealEstate10K 19"
    raise FormatError(path, f"is not a camera file: its lines hold {count} numbers ({named})", hint=_KINDS)


def _is_turn(numbers: list[float]) -> bool:
    """Whether four numbers are a quaternion of length 1."""
    return 0.96 < sum(min(abs(number), 2.0) ** 2 for number in numbers) < 1.04


def _numbers(line: str) -> list[float] | None:
    """The numbers of a line; None where it holds anything else."""
    try:
        return [float(word) for word in line.partition("#")[0].replace(",", " ").replace(";", " ").split()]
    except ValueError:
        return None


def _is_matrix_text(value: object) -> bool:
    return isinstance(value, str) and value.lstrip().startswith("[")


def _is_colmap_binary(path: Path) -> bool:
    return path.suffix.lower() == ".bin" and path.stem.lower() in (
        "images",
        "cameras",
        "points3d",
        "frames",
        "rigs",
    )
