"""The guided prediction of one window: control is encoded once per condition, then each step runs its passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from kinema.appearance.adapters.adapter import ControlAdapter, ControlTokens
from kinema.appearance.adapters.context import ATTENTION_KEY
from kinema.appearance.backbones.video_model import VideoModel
from kinema.appearance.guidance import Condition, Guidance
from kinema.control.signals import ControlSignals

SIGNALS = ("pose", "camera")
"""What an adapter may be driven by: who moves how, and the camera."""


class GuidedPrediction:
    """(noisy latents, time) -> the prediction that guidance makes of the transformer's passes.

    Args:
        model: the video model.
        adapters: the attached adapters by name.
        drives: which of SIGNALS each adapter may use.
        guidance: scales per signal.
        texts: token states of the prompt and of what guidance compares it with.
        window: of the model, see `VideoModel.begin_window`.
        signals: of the window, on the transformer's device; None without a scene.
    """

    def __init__(
        self,
        model: VideoModel,
        adapters: Mapping[str, ControlAdapter],
        drives: Mapping[str, frozenset[str]],
        guidance: Guidance,
        texts: tuple[torch.Tensor, torch.Tensor],
        window: Any,
        signals: ControlSignals | None,
    ) -> None:
        self.model = model
        self.guidance = guidance
        self.texts = texts
        self.window = window
        self.has_pose = signals is not None and signals.skeletons is not None
        self.has_camera = signals is not None and signals.rays is not None
        self.tokens: dict[Condition, dict[str, ControlTokens]] = {}
        self.on_camera = self.with_people = window
        if signals is None:
            return
        if signals.backdrop is not None and any("camera" in drives[name] for name in adapters):
            posed = any("pose" in drives[name] for name in adapters)
            people = signals.person_mask if posed else None
            self.on_camera = model.before_backdrop(window, signals.backdrop, people)
            reads = [adapter.people_plate and "pose" in drives[name] for name, adapter in adapters.items()]
            self.with_people = self.on_camera
            if signals.people_plate is not None and any(reads):
                self.with_people = model.with_people(self.on_camera, signals.people_plate)
        made: dict[tuple[Any, ...], ControlTokens] = {}
        device = texts[0].device
        for condition in guidance.conditions(self.has_pose, self.has_camera):
            self.tokens[condition] = {}
            for name, adapter in adapters.items():
                present = {each: getattr(condition, each) and each in drives[name] for each in SIGNALS}
                key = (name, *present.values(), condition.text and adapter.reads_text)
                if key not in made:
                    made[key] = adapter.encode(
                        signals,
                        {each: torch.tensor([there], device=device) for each, there in present.items()},
                        text=self._text(condition),
                        to_latents=_encoder_for(adapter, model, device),
                    )
                self.tokens[condition][name] = made[key]

    def __call__(self, x: torch.Tensor, t: Any) -> torch.Tensor:
        total = torch.zeros_like(x)
        progress = self.model.progress(t)
        for weight, condition in self.guidance.passes(self.has_pose, self.has_camera, progress=progress):
            tokens = self.tokens.get(condition)
            with self.model.transformer.cache_context(str(condition)):
                prediction = self.model.predict(
                    x,
                    t,
                    self._text(condition),
                    self._window(condition),
                    {} if tokens is None else {ATTENTION_KEY: tokens},
                )
            total = total + weight * prediction
        return total

    @property
    def seen(self) -> Any:
        """The window with all that the passes see together: its people, unless the pose is left out."""
        return self.with_people if self.guidance.pose else self.on_camera

    def _window(self, condition: Condition) -> Any:
        """Both plates are what the camera will see: without a camera there is none."""
        if not condition.camera:
            return self.window
        return self.with_people if condition.pose else self.on_camera

    def _text(self, condition: Condition) -> torch.Tensor:
        return self.texts[0] if condition.text else self.texts[1]


def _encoder_for(
    adapter: ControlAdapter, model: VideoModel, device: torch.device
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The model's encoder as an adapter needs it in the middle of its work."""

    def to_latents(pixels: torch.Tensor) -> torch.Tensor:
        latents = model.encode_video(pixels).to(adapter.dtype)
        # Where models take turns on the device, the transformer has left it, and the adapter's sites with it.
        adapter.to(device)
        return latents

    return to_latents
