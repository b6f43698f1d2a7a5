"""What readers of motion features share: which array they are in, and how their normalisation is undone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kinema.scene.formats.array_checks import MAX_BYTES, floats
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import is_npz, npz_shapes, read_npy, read_npz
from kinema.scene.formats.reading import Assumption, MotionReading

_SMALL = 1 << 20  # bytes of a file of means


def feature_array(path: str | os.PathLike[str], *sizes: int) -> tuple[str, np.ndarray]:
    """The array of a .npy, or the first of a .npz that has an axis as long as there are features, and its name.

    Raises:
        FormatError: damaged, or no such array.
    """
    if not is_npz(path):
        return "", read_npy(path, MAX_BYTES)
    for name, (shape, kind) in npz_shapes(path).items():
        if kind in "iuf" and any(list(shape).count(size) == 1 for size in sizes):
            return name, read_npz(path, MAX_BYTES, names={name})[name]
    raise FormatError(path, f"no array has {' or '.join(map(str, sizes))} features a frame")


def raw_features(
    path: str | os.PathLike[str],
    features: np.ndarray,
    is_raw: Callable[[np.ndarray], bool],
    reading: MotionReading,
    kind: str,
) -> tuple[np.ndarray, tuple[Assumption, ...]]:
    """Features [T, F] as they were before normalisation, and a note where there was none.

    Raises:
        FormatError: they are normalised and nothing says by what, or by something else than is said.
    """
    if is_raw(features):
        if reading.stats is None:
            return features, ()
        note = Assumption("", "--stats is not used", "the features are a person's as they are", doubtful=True)
        return features, (note,)
    if reading.stats is None:
        raise FormatError(
            path,
            f"its {kind} features are no person's as they are: they are normalised, or damaged",
            hint="give the folder with the data set's Mean.npy and Std.npy: --stats FOLDER",
        )
    mean, deviation = _stats(reading.stats, features.shape[1])
    raw = features * deviation + mean
    if not is_raw(raw):
        raise FormatError(
            path,
            f"its {kind} features are no person's with these means either",
            hint="are they this data set's?",
        )
    return raw, ()


def _stats(folder: str | os.PathLike[str], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each feature."""
    found = []
    for name in ("mean", "std"):
        files = [each for each in sorted(Path(folder).glob("*.npy")) if each.stem.lower().endswith(name)]
        if not files:
            raise FormatError(
                folder, f"holds no {name.capitalize()}.npy", hint="give a folder with Mean.npy and Std.npy"
            )
        values = floats(files[0], read_npy(files[0], _SMALL)).reshape(-1)
        if len(values) != size:
            raise FormatError(files[0], f"holds {len(values)} numbers; the features ask for {size}")
        found.append(values)
    return found[0], found[1]
