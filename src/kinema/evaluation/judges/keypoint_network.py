"""The in-domain judge: a keypoint network trained on degraded renders, with a silhouette head."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinema.capture.keypoint_network import KEYPOINT_JOINTS, KeypointNetwork, detect_keypoints
from kinema.evaluation.judges.judge import COMMON_JOINTS, Sighting

_COMMON = [KEYPOINT_JOINTS.index(joint) for joint in COMMON_JOINTS]
_WEIGHTS = "diffusion_pytorch_model.safetensors"


class KeypointNetworkJudge:
    """Judges pose by heatmap peaks and the silhouette by its own head.

    Args:
        folder: a saved `KeypointNetwork`; by default the one in the package.
        threshold: least confidence of a detected keypoint. The network's confidence is linear in how much of
            a person is there, so 0.3 misses what is less than about a third there.

    Raises:
        FileNotFoundError: no network in that folder.
    """

    name = "keypoints"

    def __init__(self, folder: str | Path | None = None, threshold: float = 0.3) -> None:
        self.folder = (
            Path(folder) if folder else Path(str(resources.files("kinema") / "weights" / "keypoints"))
        )
        weights = self.folder / _WEIGHTS
        if not weights.is_file():
            raise FileNotFoundError(
                f"no keypoint network in {self.folder}: make one with `kinema train keypoints`, "
                "or pass the folder of one"
            )
        self.threshold = threshold
        self.sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
        self.network = KeypointNetwork.from_pretrained(str(self.folder), dtype=torch.float32).eval()

    def watch(self, frames: np.ndarray) -> Sighting:
        """Judges every frame by itself; a person is found where half the keypoints are.

        Args:
            frames: uint8 [T, H, W, 3].
        """
        return self.watch_all(frames)[0]

    def silhouette(self, frames: np.ndarray) -> np.ndarray:
        """The predicted silhouette, bool [T, H, W], of frames uint8 [T, H, W, 3]."""
        return self.watch_all(frames)[1]

    def watch_all(self, frames: np.ndarray) -> tuple[Sighting, np.ndarray]:
        """What `watch` and `silhouette` say, for the price of one."""
        seen = detect_keypoints(self.network, frames)
        confidence = seen.confidence[:, _COMMON]
        found = confidence >= self.threshold
        points = np.where(found[..., None], seen.points[:, _COMMON], np.nan)
        return Sighting(points, found.mean(axis=1) >= 0.5), seen.silhouette > 0.5

    def settings(self) -> dict[str, Any]:
        """What the report records of this judge."""
        return {"sha256": self.sha256, "threshold": self.threshold}
