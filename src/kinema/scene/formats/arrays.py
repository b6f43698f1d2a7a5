"""Which format the arrays of a .npy or .npz are in, by their names and shapes, and where these leave it open, content."""

from __future__ import annotations

import os

import numpy as np

from kinema.scene.formats import pickled
from kinema.scene.formats.array_checks import MAX_BYTES, features_last, sensible
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import npy_shape, npz_shapes, read_npy, read_npz
from kinema.scene.formats.joint_arrays import NAMES, joint_array, listed, remedy
from kinema.scene.formats.smpl_params import parameter_names, pose_array

FEATURES = {263: "humanml3d", 251: "humanml3d", 272: "motionstreamer"}
"""Format of features by how many a frame has."""

Shapes = dict[str, tuple[tuple[int, ...], str]]


def recognise_npy(path: str | os.PathLike[str], *, named: bool = False) -> str:
    """The name, of `MOTION_FORMATS`, of the format of a .npy file.

    Args:
        path: the file.
        named: whether the user says which joint is which, so that an array of unknown joints is one of positions.

    Raises:
        FormatError: damaged, pickled, or no format that is known; what the file has is said, and the remedy.
        FileNotFoundError: there is no such file.
    """
    shape, kind = npy_shape(path)
    if kind == "O":
        raise pickled.refusal(path)
    if kind not in "iuf":
        raise FormatError(path, f"holds {'text' if kind in 'US' else 'no numbers'}")
    features = _features({"": (shape, kind)})
    if features:
        return features
    array = read_npy(path, MAX_BYTES)
    if joint_array(sensible(array)) is not None:
        return "joints"
    if pose_array(sensible(array, 0.0)) is not None:
        return "smpl"
    if array.size and not np.isfinite(sensible(array)).any():
        raise FormatError(path, f"shape {list(shape)} holds no finite, sensible number")
    if named:
        return "joints"
    raise FormatError(path, f"shape {list(shape)} holds no motion that is known", hint=_advice(shape))


def recognise_npz(path: str | os.PathLike[str], *, named: bool = False) -> str:
    """The name, of `MOTION_FORMATS`, of the format of a .npz file.

    Args:
        path: the file.
        named: as for `recognise_npy`.

    Raises:
        FormatError: damaged, pickled, or no format that is known; its arrays are listed, and the remedy.
        FileNotFoundError: there is no such file.
    """
    shapes = npz_shapes(path)
    if "format" in shapes:
        return "kinema"
    if "posed_joints" in shapes or "root_positions" in shapes:
        return "kimodo"
    _, names = parameter_names(shapes)
    if names:
        return "amass" if _is_amass(shapes) else "smpl"
    features = _features(shapes)
    if features:
        return features
    numbers = [name for name, (shape, kind) in shapes.items() if kind in "iuf" and 2 <= len(shape) <= 5]
    for name in sorted(numbers, key=lambda name: name not in NAMES):
        if joint_array(sensible(read_npz(path, MAX_BYTES, names={name})[name])) is not None:
            return "joints"
    if any(kind == "O" for _, kind in shapes.values()):
        raise pickled.refusal(path)
    if named:
        return "joints"
    hint = remedy(*(shape for shape, kind in shapes.values() if kind in "iuf"))
    raise FormatError(path, f"holds no motion that is known: {listed(shapes) or 'no arrays'}", hint=hint)


def _is_amass(shapes: Shapes) -> bool:
    """Whether arrays have AMASS's names, and none that other programs add."""
    whole, parts = {"poses", "trans"} <= set(shapes), {"root_orient", "pose_body", "trans"} <= set(shapes)
    flat = all(
        len(shapes[name][0]) == 2 for name in ("poses", "root_orient", "pose_body", "trans") if name in shapes
    )
    return (whole or parts) and flat and "Rh" not in shapes


def _features(shapes: Shapes) -> str:
    """The format of the first array that has features; "" for none."""
    for shape, kind in shapes.values():
        for size, name in FEATURES.items():
            if (
                kind in "iuf"
                and len(shape) >= 2
                and features_last(np.broadcast_to(0.0, shape), size) is not None
            ):
                return name
    return ""


def _advice(shape: tuple[int, ...]) -> str:
    """What would make a file of an array of this shape."""
    if shape[-1:] == (2,):
        return "2D keypoints have no depth; of a video `kinema capture` makes a motion"
    if shape in ((263,), (251,), (272,)):
        return "this is a mean or deviation; give its folder with --stats"
    return remedy(shape)
