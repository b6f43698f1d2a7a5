"""Camera paths of videos by COLMAP (pycolmap), with its failures told apart from its answers."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from kinema.capture.camera_mapping import INSTALL
from kinema.scene.camera import invert_rigid

TIME_LIMIT = 600.0
"""Seconds a video, after which it counts as failed."""

ENOUGH = 0.75
"""Share of the frames that must have a camera; those between are filled in by time (ours)."""


@dataclass(frozen=True, eq=False)
class SolvedCamera:
    """What structure from motion makes of a video.

    Args:
        c2w: camera to world, OpenCV axes, in a world and unit of its own, [T, 4, 4]; None where it failed.
        why: it failed, in words; empty where it did not.
    """

    c2w: np.ndarray | None
    why: str = ""


class CameraSolver:
    """COLMAP: SIFT features, matching, incremental mapping, one pinhole camera; the same for every video.

    COLMAP cannot solve a camera that stands or only turns, a picture of plain walls, or a video whose room is not one
    room: that is a failure, counted as such. Pictures of few pixels have few features: they fail more often.

    Raises:
        ModuleNotFoundError: pycolmap is not installed.
    """

    def __init__(self, time_limit: float = TIME_LIMIT) -> None:
        if importlib.util.find_spec("pycolmap") is None:
            raise ModuleNotFoundError(
                f"cameras of videos are found by pycolmap, which is not installed: {INSTALL}"
            )
        self.time_limit = time_limit

    def solve(
        self, frames: np.ndarray, *, focal: float | None = None, boxes: np.ndarray | None = None
    ) -> SolvedCamera:
        """The camera of a video.

        Args:
            frames: uint8 [T, H, W, 3].
            focal: pixels, where the set's camera tells it; COLMAP refines a guess where None.
            boxes: of people, who are no background, [T, P, 4] pixels; NaN for nobody.
        """
        with tempfile.TemporaryDirectory(prefix="kinema-colmap-") as place:
            folder = Path(place)
            self._write(folder, frames, focal, boxes)
            command = [sys.executable, "-m", "kinema.evaluation.judges.colmap_process", str(folder)]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
            try:
                done = subprocess.run(
                    command, capture_output=True, timeout=self.time_limit, env=environment, check=False
                )
            except subprocess.TimeoutExpired:
                return SolvedCamera(None, f"COLMAP took more than {self.time_limit:.0f} s")
            if done.returncode != 0 or not (folder / "found.npz").is_file():
                said = done.stderr.decode(errors="replace").strip().splitlines()
                return SolvedCamera(None, said[-1][:200] if said else "COLMAP failed without a word")
            with np.load(folder / "found.npz", allow_pickle=False) as found:
                return _filled(found["registered"], found["w2c"])

    def settings(self) -> dict[str, Any]:
        """What decides its answers."""
        return {
            "solver": "COLMAP by pycolmap: SIFT, incremental",
            "camera": "one pinhole; the set's focal length where it says one",
            "masks": "boxes of people, where they are judged",
            "least share of frames": ENOUGH,
        }

    def _write(self, folder: Path, frames: np.ndarray, focal: float | None, boxes: np.ndarray | None) -> None:
        height, width = frames.shape[1:3]
        asked = {"frames": len(frames), "size": [width, height], "focal": focal, "seconds": self.time_limit}
        (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
        (folder / "frames").mkdir()
        for number, frame in enumerate(frames):
            cv2.imwrite(str(folder / "frames" / f"{number:06d}.png"), frame[..., ::-1])
        if boxes is None or not np.isfinite(boxes).any():
            return
        (folder / "masks").mkdir()
        for number, people in enumerate(boxes):
            mask = np.full((height, width), 255, np.uint8)
            for left, top, right, bottom in people[np.isfinite(people).all(axis=-1)]:
                mask[
                    max(0, int(top)) : max(0, int(np.ceil(bottom))),
                    max(0, int(left)) : max(0, int(np.ceil(right))),
                ] = 0
            cv2.imwrite(str(folder / "masks" / f"{number:06d}.png.png"), mask)


def _filled(registered: np.ndarray, w2c: np.ndarray) -> SolvedCamera:
    """The path of all frames, those between registered ones by time; a failure where too few are, or an end is not."""
    share = float(registered.mean())
    if share < ENOUGH or not (registered[0] and registered[-1]):
        return SolvedCamera(
            None, f"COLMAP found cameras for {share:.0%} of the frames, first and last included or not"
        )
    c2w = invert_rigid(w2c)
    at = np.flatnonzero(registered)
    if len(at) < len(registered):
        frames = np.arange(len(registered))
        turned = Slerp(at, Rotation.from_matrix(c2w[at, :3, :3]))
        c2w[:, :3, :3] = turned(frames).as_matrix()
        c2w[:, :3, 3] = np.stack([np.interp(frames, at, c2w[at, k, 3]) for k in range(3)], axis=-1)
    return SolvedCamera(c2w)
