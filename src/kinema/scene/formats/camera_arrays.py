"""Camera poses in .npy and .npz: matrices [N, 4, 4] or [N, 3, 4], LLFF's poses_bounds.npy, and cameras.npz of IDR.

Matrices are named as in JSON (`camera_matrices`), or the only ones of the file; MegaSaM and ViPE write such. LLFF has
[N, 17]: 3 x 5 with axes down, right and back, the place, and height, width and focal length; then near and far. IDR,
NeuS and VolSDF (DTU) have `world_mat_0`, ...: K [R | t], whose scale is arbitrary.
"""

from __future__ import annotations

import os

import numpy as np

from kinema.scene.camera import MAX_FRAMES
from kinema.scene.formats.camera_lens import ANGLES, INTRINSICS, SIZES
from kinema.scene.formats.camera_matrices import NAMES, contents
from kinema.scene.formats.camera_matrices import load as load_json
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import rigid
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import is_npz, npy_shape, npz_shapes, read_npy, read_npz
from kinema.scene.formats.reading import Assumption

MAX_BYTES = 1 << 28
_PICTURES = ("images", "rgb", "frames")
_BESIDE = {
    *INTRINSICS,
    *(name for pair in (*SIZES, *ANGLES) for name in pair),
    "fps",
}

Path = str | os.PathLike[str]
Shapes = dict[str, tuple[tuple[int, ...], str]]


def is_npy(path: Path) -> bool:
    """Whether a file begins as a .npy does."""
    with open(path, "rb") as file:
        return file.read(6) == b"\x93NUMPY"


def load(path: Path, reading: CameraReading) -> CameraContents:
    """Read camera poses in arrays; or in JSON, where only their sides were said.

    Raises:
        FormatError: no array of poses, which are listed, or a damaged one.
    """
    if is_npz(path):
        return _load_npz(path, reading)
    if not is_npy(path):
        return load_json(path, reading)
    shape, kind = npy_shape(path)
    if kind not in "fiu":
        raise FormatError(
            path, "holds pickled objects" if kind == "O" else "holds no numbers", hint=_remedy()
        )
    if len(shape) == 2 and shape[1] == 17:
        return _llff(path, read_npy(path, MAX_BYTES).astype(float))
    if not _is_poses(shape, kind):
        raise FormatError(path, f"shape {list(shape)} is none of camera poses", hint=_remedy())
    return contents(path, _rows(path, read_npy(path, MAX_BYTES)), {}, "camera matrices in .npy", "", reading)


def holds_poses(shapes: Shapes) -> str:
    """The array of a .npz that holds camera matrices; "" where there is none."""
    for name in NAMES:
        if name in shapes and _is_poses(*shapes[name]):
            return name
    alone = [name for name, each in shapes.items() if _is_poses(*each) and name not in INTRINSICS]
    return alone[0] if len(alone) == 1 else ""


def _load_npz(path: Path, reading: CameraReading) -> CameraContents:
    shapes = npz_shapes(path)
    if "world_mat_0" in shapes:
        return _idr(path, [name for name in shapes if name.startswith("world_mat_")])
    name = holds_poses(shapes)
    if not name:
        listed = ", ".join(f"{each} {list(shape)}" for each, (shape, _) in list(shapes.items())[:8])
        raise FormatError(path, f"holds no camera poses: {listed or 'no arrays'}", hint=_remedy())
    beside = {each for each in _BESIDE & set(shapes) if shapes[each][1] in "fiu" and each != name}
    arrays = read_npz(path, MAX_BYTES, {name, *beside})
    fields = {each: arrays[each].tolist() for each in beside}
    pictures = next(
        (shapes[each][0] for each in _PICTURES if each in shapes and len(shapes[each][0]) == 4), None
    )
    if pictures is not None and not any(pair[0] in fields for pair in SIZES):
        height, width = pictures[2:] if pictures[1] == 3 else pictures[1:3]
        fields.update(W=width, H=height)
    return contents(
        path, _rows(path, arrays[name]), fields, f"camera matrices in .npz ({name})", name, reading
    )


def _is_poses(shape: tuple[int, ...], kind: str) -> bool:
    return kind in "fiu" and len(shape) == 3 and shape[1:] in ((4, 4), (3, 4)) and 1 <= shape[0] <= MAX_FRAMES


def _rows(path: Path, array: np.ndarray) -> np.ndarray:
    """Upper three rows, [N, 3, 4], of matrices that may be transposed, as graphics programs have them."""
    poses = array.astype(float)
    if not np.isfinite(poses).all():
        raise FormatError(path, "holds a number that is not finite")
    last = np.array([0, 0, 0, 1.0])
    if poses.shape[1] == 4 and np.abs(poses[:, 3] - last).max() > 1e-3:
        poses = poses.transpose(0, 2, 1)
        if np.abs(poses[:, 3] - last).max() > 1e-3:
            raise FormatError(path, "the last row of a 4x4 matrix must be 0 0 0 1", hint=_remedy())
    return poses[:, :3]


def _llff(path: Path, table: np.ndarray) -> CameraContents:
    if not 1 <= len(table) <= MAX_FRAMES or not np.isfinite(table).all():
        raise FormatError(path, f"shape {list(table.shape)} holds no finite poses of LLFF")
    given = table[:, :15].reshape(-1, 3, 5)
    rows = np.stack([given[..., 1], given[..., 0], -given[..., 2], given[..., 3]], axis=-1)
    c2w = rigid(path, rows, lambda row: f"pose {row}")
    height, width, focal = given[..., 4].T
    if not (focal > 0).all() or not (min(width[0], height[0]) >= 1 and max(width[0], height[0]) <= 65536):
        raise FormatError(path, "the fifth column holds no height, width and focal length", where="pose 0")
    scale = height[0] / height
    lenses = np.stack(
        [focal * scale, focal * scale, np.full_like(focal, width[0] / 2), np.full_like(focal, height[0] / 2)],
        1,
    )
    track = CameraTrack(c2w, lenses, (round(float(width[0])), round(float(height[0]))))
    held = Assumption("", "axes are down, right, back", "as LLFF has them")
    return CameraContents("poses_bounds.npy of LLFF", track, assumed=(held,))


def _idr(path: Path, names: list[str]) -> CameraContents:
    """Poses and lenses out of K [R | t], by the RQ decomposition."""
    names = sorted((each for each in names if each[10:].isdecimal()), key=lambda each: int(each[10:]))[
        : MAX_FRAMES + 1
    ]
    arrays = read_npz(path, MAX_BYTES, set(names))
    poses, lenses = [], []
    for name in names:
        matrix = arrays[name].astype(float)
        if matrix.shape not in ((4, 4), (3, 4)) or not np.isfinite(matrix).all():
            raise FormatError(path, "must be a finite 3x4 or 4x4 matrix", where=name)
        inner, rotation = _rq(matrix[:3, :3])
        if abs(inner[2, 2]) < 1e-12 or not (np.diag(inner) > 0).all():
            raise FormatError(path, "is no camera: K [R | t] of rank three", where=name)
        place = -np.linalg.solve(matrix[:3, :3], matrix[:3, 3])
        inner /= inner[2, 2]
        poses.append(np.concatenate([rotation.T, place[:, None]], axis=1))
        lenses.append(inner[[0, 1, 0, 1], [0, 1, 2, 2]])
    c2w = rigid(path, np.array(poses), lambda row: names[row])
    found = np.array(lenses)
    size = (round(2 * float(found[0, 2])), round(2 * float(found[0, 3])))
    if not (min(size) >= 2 and max(size) <= 65536):
        return CameraContents(
            "cameras.npz of IDR", CameraTrack(c2w), no_lens="the picture's size is not known"
        )
    held = Assumption("camera_fov", f"pictures are {size[0]}x{size[1]}", "twice the principal point")
    return CameraContents("cameras.npz of IDR (NeuS, VolSDF)", CameraTrack(c2w, found, size), assumed=(held,))


def _rq(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Upper triangular with a positive diagonal, times a rotation; the whole may have either sign."""
    if np.linalg.det(matrix) < 0:
        matrix = -matrix
    orthogonal, upper = np.linalg.qr(np.flipud(matrix).T)
    inner, rotation = np.flip(upper.T), np.flipud(orthogonal.T)
    signs = np.where(np.diag(inner) < 0, -1.0, 1.0)
    return inner * signs, signs[:, None] * rotation


def _remedy() -> str:
    return "cameras are [N, 4, 4], [N, 3, 4], LLFF's [N, 17], or IDR's world_mat_0; write poses or w2c so into a .npz"
