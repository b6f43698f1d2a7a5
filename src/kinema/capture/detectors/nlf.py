"""NLF, Neural Localizer Fields (Sárándi and Pons-Moll, 2024), from the user's TorchScript file: SMPL joints in 3D.

A TorchScript archive is a program: it is only run when its path is given, and a warning says so.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from kinema.capture.detectors.detector import DetectorUnavailable, check_frames
from kinema.capture.detectors.looks import look_of
from kinema.capture.detectors.mediapipe_pose import box_around
from kinema.capture.observation import Observation
from kinema.scene.formats.errors import FormatError

_BATCH = 8  # frames at a time (ours)
_LARGEST = 10.0  # a body larger than this many units is in millimetres (ours); releases differ
_UNSURE = 0.15  # metres of uncertainty at which confidence falls to 1/e (ours)


class Nlf:
    """The detector "nlf"."""

    name = "nlf"
    layout = "smpl24"

    def __init__(self, model: Any, path: Path, sha256: str, people: int, device: str) -> None:
        self._model, self._path, self._sha256, self._people, self._device = (
            model,
            path,
            sha256,
            people,
            device,
        )

    def detect(self, frames: np.ndarray) -> list[list[Observation]]:
        """See `Detector.detect`."""
        import torch

        found: list[list[Observation]] = []
        for start in range(0, len(check_frames(frames)), _BATCH):
            part = np.ascontiguousarray(frames[start : start + _BATCH])
            batch = torch.from_numpy(part).permute(0, 3, 1, 2).to(self._device)
            with torch.inference_mode():
                said = self._model.detect_smpl_batched(batch)
            found += [self._people_of(frame, said, k) for k, frame in enumerate(part)]
        return found

    def settings(self) -> dict[str, Any]:
        """See `Detector.settings`."""
        return {
            "detector": self.name,
            "model": str(self._path),
            "sha256": self._sha256,
            "people": self._people,
        }

    def close(self) -> None:
        """Frees the network."""
        del self._model

    def _people_of(self, frame: np.ndarray, said: dict[str, Any], k: int) -> list[Observation]:
        joints, points = self._part(said, "joints3d", k, 3), self._part(said, "joints2d", k, 2)
        if len(joints) == 0:
            return []
        boxes = said.get("boxes")
        scores = np.ones(len(joints))
        if boxes is not None and len(boxes[k]) == len(joints) and boxes[k].shape[1] == 5:
            scores = np.clip(boxes[k][:, 4].float().cpu().numpy().astype(np.float64), 0, 1)
        unit = 0.001 if np.nanmax(np.ptp(joints, axis=1)) > _LARGEST else 1.0
        unsure = said.get("joint_uncertainties")
        confidence = np.ones(joints.shape[:2])
        if unsure is not None and tuple(unsure[k].shape) == joints.shape[:2]:
            confidence = np.exp(-unit * unsure[k].float().cpu().numpy().astype(np.float64) / _UNSURE)
        people = []
        for person in np.argsort(-scores, kind="stable")[: self._people]:
            inside = ((points[person] >= 0) & (points[person] < frame.shape[1::-1])).all(axis=1)
            if not inside.any():
                continue
            seen = np.where(inside[:, None], points[person], np.nan)
            sure = np.where(inside, confidence[person], 0.0)
            people.append(
                Observation(
                    seen,
                    sure,
                    box_around(seen, frame.shape[1], frame.shape[0]),
                    float(scores[person]),
                    unit * (joints[person] - joints[person, :1]),
                    look_of(frame, seen, sure, self.layout),
                )
            )
        return people

    def _part(self, said: dict[str, Any], name: str, k: int, numbers: int) -> np.ndarray:
        """One frame of an output, [P, 24, numbers]; the localizer's own joints rather than the fitted body's."""
        lists = said.get(f"{name}_nonparam", said.get(name))
        if lists is None or k >= len(lists):
            raise FormatError(self._path, f"gives no {name} for a frame; is it NLF's multi-person model?")
        array = lists[k].float().cpu().numpy().astype(np.float64)
        if array.size == 0:
            return np.zeros((0, 24, numbers))
        if array.ndim != 3 or array.shape[1:] != (24, numbers):
            raise FormatError(
                self._path, f"gives {name} of shape {list(array.shape)}, not [P, 24, {numbers}]"
            )
        return array

    def __enter__(self) -> Nlf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_nlf(
    *, model: str | os.PathLike[str] | None = None, people: int = 1, device: str | None = None
) -> Nlf:
    """Opens NLF's multi-person TorchScript model, e.g. nlf_l_multi_0.3.2.torchscript.

    Args:
        model: the file. It is a program and can do whatever programs can: open only what you trust.
        people: how many people to return at most, the surest of each frame.
        device: where it runs; a GPU where there is one, by default.

    Raises:
        DetectorUnavailable: no model is given.
        FormatError: not such a model, or it needs torchvision and that is not installed.
    """
    import torch

    if model is None:
        raise DetectorUnavailable('the detector "nlf" needs its model: give NLF\'s .torchscript file')
    path = Path(model)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model file")
    warnings.warn(f"{path} is a TorchScript program and is run as it is: use files you trust", stacklevel=2)
    if find_spec("torchvision") is not None:
        import torchvision  # noqa: F401  # its operators are part of the published archives
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        loaded = torch.jit.load(os.fspath(path), map_location=device).eval()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0][:200]
        hint = "pip install torchvision" if "torchvision" in str(error) else "give NLF's .torchscript file"
        raise FormatError(path, f"is no TorchScript model that runs here ({reason})", hint=hint) from None
    if not hasattr(loaded, "detect_smpl_batched"):
        raise FormatError(path, "has no detect_smpl_batched", hint="give NLF's multi-person model")
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Nlf(loaded, path, sha256, people, device)
