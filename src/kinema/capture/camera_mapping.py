"""A camera that moves through space: structure from motion of the points that were followed, by pycolmap.

pycolmap runs in a process of its own (camera_colmap.py), because a process that has imported it before an image
library crashes when that writes PNG files, and so that it can be stopped in time.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinema.capture.camera_tracks import ENOUGH, View

TIME_LIMIT = 120.0  # seconds, after which mapping is given up
INSTALL = "pip install pycolmap"


class MappingError(Exception):
    """The background could not be mapped; the message is one sentence for people."""


@dataclass(frozen=True, eq=False)
class Mapping:
    """A map of the background and the cameras that see it.

    Args:
        registered: which of the views have a camera, bool [K].
        rotation, translation: world to camera, [K, 3, 3] and [K, 3]; the identity where not registered.
        focal: pixels, [K].
        ids, points: what was mapped, [N] and [N, 3].
        explained: share of the observations of points seen three times or more that the map explains.
    """

    registered: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    focal: np.ndarray
    ids: np.ndarray
    points: np.ndarray
    explained: float


def map_views(
    views: list[View],
    size: tuple[int, int],
    focal: np.ndarray,
    *,
    known: bool,
    zoom: bool,
    unit: float,
    time_limit: float = TIME_LIMIT,
) -> Mapping:
    """Structure from motion of followed points.

    Args:
        views: in time order.
        size: (width, height) of the picture; the principal point is its middle.
        focal: pixels, of every view, [K]; a guess unless known.
        known: whether focal lengths are told; otherwise they are refined.
        zoom: whether every view has a focal length of its own.
        unit: pixels of the picture to one working pixel.
        time_limit: seconds.

    Raises:
        MappingError: pycolmap is missing, failed, or took too long, or fewer than three views could be mapped.
    """
    if importlib.util.find_spec("pycolmap") is None:
        raise MappingError(
            f"a camera that moves through space needs pycolmap, which is not installed ({INSTALL})"
        )
    with tempfile.TemporaryDirectory(prefix="kinema-map-") as folder:
        given, made = Path(folder) / "given.npz", Path(folder) / "made.npz"
        np.savez(
            given,
            view=np.concatenate([np.full(len(v.ids), k) for k, v in enumerate(views)]),
            id=np.concatenate([v.ids for v in views]),
            pixels=np.concatenate([v.pixels for v in views]) / unit,
            size=np.array(size) / unit,
            focal=focal / unit,
            known=known,
            zoom=zoom,
        )
        command = [sys.executable, "-m", "kinema.capture.camera_colmap", str(given), str(made)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=time_limit, env=environment, check=False
            )
        except subprocess.TimeoutExpired:
            raise MappingError(
                f"mapping the background took more than {time_limit:.0f} s and was stopped"
            ) from None
        if done.returncode != 0 or not made.exists():
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise MappingError(
                f"mapping the background failed ({said[-1][:200] if said else 'without a word'})"
            )
        with np.load(made, allow_pickle=False) as found:
            mapping = Mapping(
                found["registered"],
                found["rotation"],
                found["translation"],
                found["focal"] * unit,
                found["ids"],
                found["points"],
                float(found["explained"]),
            )
    if mapping.registered.sum() < 3 or len(mapping.points) < ENOUGH:
        raise MappingError(
            "the background could not be mapped: too little of it is seen from different places"
        )
    return mapping
