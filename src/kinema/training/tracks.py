"""Points followed through videos for MoSA's tracking loss: CoTracker3 from the user's file, or the correlation tracker.

CoTracker3's weights may be used for non-commercial work only, and are not fetched. What is read is a TorchScript of its
offline *model* (not of its predictor, which lets no gradient through), traced at 384 x 512:
`torch.jit.trace(predictor.model, (video, queries)).save("cotracker3.pt")`.
"""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from kinema.papers.mosa import CorrelationTracker, Tracker
from kinema.scene import Scene

_VISIBLE = 0.9  # as CoTracker's predictor takes a point for seen
_MODEL_SIZE = (384, 512)  # rows and columns of its pictures


class CoTracker:
    """CoTracker3's offline model as a `Tracker`.

    Conventions of the public predictor (cotracker/predictor.py): pixels 0 to 255, [B, T, 3, 384, 512], resized with
    corners aligned; queries (frame, x, y) with pixel centres at whole numbers; visibility above 0.9 is seen.

    Args:
        module: called with video and queries, gives tracks [B, T, N, 2] and visibility [B, T, N], maybe more.
    """

    def __init__(self, module: Any) -> None:
        self.module = module

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> CoTracker:
        """Reads a TorchScript file.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is no TorchScript.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: there is no such tracker")
        try:
            module = torch.jit.load(str(path), map_location=device).eval()
        except RuntimeError as error:
            reason = str(error).splitlines()[0][:200]
            raise ValueError(
                f"{path} is no TorchScript ({reason}); weights alone will not do: trace the model, see training.tracks"
            ) from None
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        return cls(module)

    def __call__(self, video: torch.Tensor, queries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        batch, _, frames, height, width = video.shape
        pixels = ((video + 1) * 127.5).transpose(1, 2).flatten(0, 1)
        pixels = functional.interpolate(pixels, _MODEL_SIZE, mode="bilinear", align_corners=True)
        scale = queries.new_tensor(
            [(_MODEL_SIZE[1] - 1) / max(width - 1, 1), (_MODEL_SIZE[0] - 1) / max(height - 1, 1)]
        )
        told = torch.cat([queries[..., :1], (queries[..., 1:] - 0.5) * scale], dim=-1)
        tracks, seen, *_ = self.module(pixels.unflatten(0, (batch, frames)), told)
        return tracks / scale + 0.5, seen if seen.dtype == torch.bool else seen > _VISIBLE


def tracker_of(path: str | None, device: str = "cpu") -> Tracker:
    """CoTracker3 from a file, or the correlation tracker.

    Raises:
        FileNotFoundError, ValueError: see CoTracker.load.
    """
    return CorrelationTracker() if path is None else CoTracker.load(path, device)


class VideoTracks:
    """Tracks of real videos, found once: of points on the people of one frame, or anywhere where nobody is known.

    Args:
        tracker: file of CoTracker3; the correlation tracker where None.
        points: in each window.
        device: on which it runs.
    """

    def __init__(self, tracker: str | None, points: int, device: str = "cpu") -> None:
        self.tracker, self.points, self.device = tracker_of(tracker, device), points, device
        own = (
            "correlation" if tracker is None else hashlib.sha256(Path(tracker).read_bytes()).hexdigest()[:16]
        )
        self.key = f"{own} {points}"

    @torch.no_grad()
    def __call__(self, video: np.ndarray, scene: Scene | None) -> dict[str, np.ndarray]:
        """See `data.video_latents.Follow`. Which points depends on the pictures alone."""
        rng = np.random.default_rng(zlib.crc32(video.tobytes()))
        frame = int(rng.integers(len(video)))
        rows, columns = np.nonzero(self._people(video, scene)[frame])
        if not len(rows):
            rows, columns = np.nonzero(np.ones(video.shape[1:3], bool))
        picked = rng.integers(len(rows), size=self.points)
        places = np.stack([columns[picked], rows[picked]], axis=1) + 0.5
        queries = np.column_stack([np.full(self.points, frame), places]).astype(np.float32)
        pixels = torch.from_numpy(video).to(self.device).permute(3, 0, 1, 2)[None] / 127.5 - 1
        tracks, seen = self.tracker(pixels, torch.from_numpy(queries)[None].to(self.device))
        return {
            "queries": queries,
            "tracks": tracks[0].float().cpu().numpy(),
            "tracked": seen[0].cpu().numpy(),
        }

    @staticmethod
    def _people(video: np.ndarray, scene: Scene | None) -> np.ndarray:
        """Where people are, bool [T, H, W]."""
        from kinema.signals.control_signals import control_signals

        frames, height, width = video.shape[:3]
        if scene is None or not scene.people:
            return np.zeros((frames, height, width), bool)
        drawn = control_signals(
            scene, size=(width, height), frames=frames, fps=scene.fps, names=("person_mask",)
        ).person_mask
        return np.zeros((frames, height, width), bool) if drawn is None else drawn[0].numpy()
