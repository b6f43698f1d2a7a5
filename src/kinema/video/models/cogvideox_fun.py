"""CogVideoX-Fun Pose: text to video that follows a film of skeletons on the channels after the noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from kinema.passes.profile import PassOptions, profile_of
from kinema.passes.shot import Shot
from kinema.video.models.cogvideox import CogVideoXVideo, CogVideoXWindow
from kinema.video.models.video_model import Draw
from kinema.video.pixels import from_uint8

_PROFILE, _PASS = "cogvideox-fun", "pose"


@dataclass(frozen=True)
class FunWindow(CogVideoXWindow):
    """Latents of the skeletons stand where others have their picture; device: where they are encoded."""

    device: torch.device


class CogVideoXFunVideo(CogVideoXVideo):
    """CogVideoX-Fun V1.1 Pose; see CogVideoXVideo for its arguments.

    It reads no picture, follows poses alone and makes one window only. Every guidance pass sees the skeletons, as in
    diffusers' `CogVideoXFunControlPipeline`.

    Raises:
        ValueError: a transformer without channels for skeletons.
    """

    follows = frozenset({"pose"})

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        if not self.reads_picture:
            raise ValueError(f"{self.name} reads noise alone: it is a CogVideoX that follows no poses")
        self.reads_picture = False  # those channels hold skeletons
        self.overlap = 0

    def read_shot(self, shot: Shot) -> np.ndarray:
        """The film of skeletons, uint8 [T, H, W, 3]."""
        drawn = profile_of(_PROFILE).passes(shot, PassOptions())
        return next(each.data for each in drawn if each.name == _PASS)

    def begin_window(
        self,
        picture: torch.Tensor | None,
        known: torch.Tensor | None,
        frames: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> FunWindow:
        plain = super().begin_window(picture, known, frames, generator, device)
        return FunWindow(plain.picture, plain.rope, device)

    def conditioned(
        self, window: CogVideoXWindow, conditioning: np.ndarray, start: int, frames: int
    ) -> CogVideoXWindow:
        assert isinstance(window, FunWindow)
        film = from_uint8(conditioning[start : start + frames]).to(window.device)
        return replace(window, picture=self.encode_video(film))

    def training_window(
        self, encoded: Mapping[str, torch.Tensor], given: torch.Tensor, draw: Draw
    ) -> CogVideoXWindow:
        raise ValueError(f"{self.name} follows poses by itself: adapters are not trained on it")
