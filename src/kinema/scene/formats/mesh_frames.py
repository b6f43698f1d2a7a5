"""Mesh sequences: numbered OBJ files, or an .npz with `vertices` and `faces`.

Vertices must be the same ones in the same order in every frame; polygons are cut into triangles.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_npz, read_text

_MAX_OBJ = 1 << 28


@dataclass(frozen=True, eq=False)
class MeshFrames:
    """A deforming mesh.

    Args:
        vertices: metres, [T, V, 3].
        faces: [F, 3].
    """

    vertices: np.ndarray
    faces: np.ndarray


def read_mesh_frames(paths: Sequence[str | os.PathLike[str]]) -> MeshFrames:
    """A mesh sequence.

    Args:
        paths: OBJ files in any order, which are sorted by their numbers; or a folder of them; or one .npz.

    Raises:
        FileNotFoundError: there are none.
        FormatError: a file is none of these, or does not fit the first one.
    """
    places = [Path(path) for path in paths]
    if len(places) == 1 and places[0].is_dir():
        places = list(places[0].glob("*.obj"))
        if not places:
            raise FileNotFoundError(f"{paths[0]}: no .obj files in this folder")
    if len(places) == 1 and places[0].suffix.lower() == ".npz":
        return _arrays(places[0])
    places.sort(key=lambda each: ([int(number) for number in re.findall(r"\d+", each.stem)], each.name))
    if len(places) < 2:
        raise FormatError(
            paths[0], "is one frame; give a folder of numbered .obj files, or an .npz with vertices"
        )
    first, faces = _obj(places[0])
    frames = [first]
    for place in places[1:]:
        vertices, others = _obj(place)
        if len(vertices) != len(first) or others.shape != faces.shape:
            raise FormatError(
                place,
                f"has {len(vertices)} vertices and {len(others)} triangles, {places[0].name} has {len(first)} and "
                f"{len(faces)}; frames must hold the same mesh",
            )
        frames.append(vertices)
    return MeshFrames(np.stack(frames), faces)


def _arrays(path: Path) -> MeshFrames:
    held = read_npz(path)
    missing = {"vertices", "faces"} - set(held)
    if missing:
        raise FormatError(
            path, f"has no array {', '.join(sorted(missing))}; it holds {', '.join(sorted(held))}"
        )
    vertices, faces = np.asarray(held["vertices"], dtype=np.float64), np.asarray(held["faces"])
    if vertices.ndim != 3 or vertices.shape[2] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise FormatError(
            path, f"vertices {list(vertices.shape)} and faces {list(faces.shape)}; give [T, V, 3] and [F, 3]"
        )
    return MeshFrames(vertices, faces.astype(np.int64))


def _obj(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] and triangles [F, 3] of an OBJ file; everything else in it is passed over."""
    vertices: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    for number, line in enumerate(read_text(path, _MAX_OBJ).splitlines(), 1):
        words = line.split()
        try:
            if words[:1] == ["v"]:
                vertices.append([float(word) for word in words[1:4]])
                if len(vertices[-1]) != 3:
                    raise ValueError
            elif words[:1] == ["f"]:
                corners = [int(word.split("/")[0]) for word in words[1:]]
                corners = [each - 1 if each > 0 else len(vertices) + each for each in corners]
                if len(corners) < 3 or not all(0 <= each < len(vertices) for each in corners):
                    raise ValueError
                faces += [(corners[0], b, c) for b, c in pairwise(corners[1:])]
        except ValueError:
            raise FormatError(
                path, f"no vertex or face that can be read: {line[:60]!r}", f"line {number}"
            ) from None
    if not vertices or not faces:
        raise FormatError(path, "holds no mesh: no v or no f lines")
    return np.array(vertices), np.array(faces, dtype=np.int64)
