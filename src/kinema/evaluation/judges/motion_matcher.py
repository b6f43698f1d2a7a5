"""The judge of text and motion: a small network trained on the train split only, fixed, named by its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinema.motion.motion_matcher import MOST_FRAMES, MotionMatcher, pad_motions, see
from kinema.motion.representation import SMPL24_MOTION
from kinema.motion.text import TextEncoder, default_text_encoder
from kinema.scene.motion import Motion

_WEIGHTS = "diffusion_pytorch_model.safetensors"
_AT_ONCE = 32


class MotionMatcherJudge:
    """Texts and motions as unit vectors; near means that they belong together.

    Args:
        folder: a saved `MotionMatcher`; by default the one in the package.
        text_encoder: as in training; by default the embedded one, loaded when first needed.

    Raises:
        FileNotFoundError: no network in that folder.
    """

    def __init__(self, folder: str | Path | None = None, text_encoder: TextEncoder | None = None) -> None:
        place = Path(folder) if folder else Path(str(resources.files("kinema") / "weights" / "motion_judge"))
        weights = place / _WEIGHTS
        if not weights.is_file():
            raise FileNotFoundError(
                f"no motion judge in {place}: make one with `kinema train motion_judge`, or pass the folder of one"
            )
        self.sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
        self.network = MotionMatcher.from_pretrained(str(place), dtype=torch.float32).eval()
        self._text_encoder = text_encoder

    @torch.no_grad()
    def motions(self, motions: Sequence[Motion]) -> np.ndarray:
        """Unit vectors of motions, [N, D]; only the first 10 s of a longer one are looked at."""
        seen = [see(SMPL24_MOTION.encode(motion)[0][:MOST_FRAMES]) for motion in motions]
        batches = [seen[begin : begin + _AT_ONCE] for begin in range(0, len(seen), _AT_ONCE)]
        return torch.cat([self.network.embed_motion(*pad_motions(batch)) for batch in batches]).numpy()

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of texts, [N, D]."""
        encoder = self._text_encoder or default_text_encoder()
        batches = [list(texts[begin : begin + _AT_ONCE]) for begin in range(0, len(texts), _AT_ONCE)]
        return torch.cat([self.network.embed_text(encoder(batch, 24)) for batch in batches]).numpy()

    def settings(self) -> dict[str, Any]:
        """What the report records of this judge."""
        return {"sha256": self.sha256, "frames": MOST_FRAMES}
