"""Pipelines of diffusers that make the video themselves: with the call and the result of `KinemaPipeline`.

A family whose loop is too much its own for ours says here what its pipeline is told of a request; it takes no adapters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import nn

from kinema.diffusion.guider import Guidance, Guider, Scale
from kinema.media.pictures import picture_of
from kinema.passes.shot import Footage, Shot
from kinema.signals.control_signals import Source
from kinema.video.models.video_model import SamplingDefaults, VideoFormat
from kinema.video.pipeline import KinemaOutput, KinemaPipeline, OfFormat, scene_seconds


@dataclass(frozen=True, eq=False)
class Asked:
    """What a pipeline is asked for.

    Args:
        prompt, negative_prompt: words.
        picture: of the character, as `WholeModel.framed` leaves it; None where there is none.
        shot: the scene on the frames of the video; None where nothing of one is followed.
        frames: of the video.
        seed: of the noise.
        steps: denoising steps.
        scale: of guidance on the text; 1 for none.
    """

    prompt: str
    negative_prompt: str
    picture: Image.Image | None
    shot: Shot | None
    frames: int
    seed: int
    steps: int
    scale: float

    @property
    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


class WholeModel(ABC):
    """One family whose own pipeline makes the video; attributes as those of `VideoModel`.

    Attributes:
        longest: frames of the longest video; None for any length.
        follows_with: what makes it follow a scene, where it follows none as it is.
        pipeline: of diffusers.
    """

    family: ClassVar[str]
    size_multiple: ClassVar[int]
    frame_step: ClassVar[int]
    takes_adapters: ClassVar[bool] = False
    needs_picture: ClassVar[bool] = False
    reads_picture: ClassVar[bool] = True
    knows_only: ClassVar[str] = ""
    camera_hint: ClassVar[str] = ""
    people: ClassVar[int | None] = None
    follows_with: ClassVar[str] = ""
    longest: ClassVar[int | None] = None

    follows: frozenset[str]
    name: str
    form: VideoFormat
    defaults: SamplingDefaults
    pipeline: Any

    @property
    def transformer(self) -> nn.Module:
        return self.pipeline.transformer

    @property
    def denoisers(self) -> tuple[nn.Module, ...]:
        return (self.transformer,)

    @abstractmethod
    def arguments(self, asked: Asked) -> dict[str, Any]:
        """What the pipeline is called with."""

    @abstractmethod
    def run(self, arguments: Mapping[str, Any], on_step: Callable[[], None]) -> np.ndarray:
        """Calls the pipeline.

        Args:
            arguments: as `arguments` made them.
            on_step: to be called after every denoising step; what it raises ends the call.

        Returns:
            Frames in 0 to 1, [T, H, W, 3]; the first are the video's.
        """

    def steps_in_all(self, frames: int, steps: int) -> int:
        """How often `run` calls `on_step`."""
        return steps

    def shot_frames(self, frames: int) -> int:
        """Frames of the shot that it reads for a video; further than the scene the last one is held."""
        return frames

    def notes(self, asked: Asked) -> list[str]:
        """What a person should know of the result, a sentence each."""
        return []

    def settings(self) -> dict[str, Any]:
        """As `VideoModel.settings`."""
        return {}

    def follow_nothing(self) -> None:
        """As `VideoModel.follow_nothing`."""
        raise ValueError(f"{self.name} makes no video without a scene: leave out --control none")

    def took_loras(self, loras: Mapping[str, Mapping[str, str]]) -> None:  # noqa: B027  # which change nothing for most
        """Told after LoRAs were loaded: names of their files, and the metadata that they were published with."""

    def set_bar(self, **options: Any) -> None:
        """How the pipeline shows its progress, in diffusers' words."""
        self.pipeline.set_progress_bar_config(**options)

    def placed(self, device: torch.device) -> None:  # noqa: B027  # most need nothing more
        """Told where it works."""

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        """As `VideoModel.size_for`."""
        return self.form.size

    def framed(self, picture: Image.Image) -> Image.Image:
        """As `VideoModel.framed`."""
        return picture


class WholePipeline(OfFormat):
    """Text, picture and scene to video by a pipeline of diffusers; stands wherever a `KinemaPipeline` does.

    Args:
        video_model: whose pipeline it is.
        loaded_with: what settings say about how it was loaded.
    """

    def __init__(self, video_model: WholeModel, loaded_with: Mapping[str, Any] | None = None) -> None:
        self.video_model: WholeModel = video_model
        self.loaded_with = dict(loaded_with or {})
        self.adapters: dict[str, Any] = {}
        self.drives: dict[str, frozenset[str]] = {}

    @property
    def components(self) -> dict[str, Any]:
        return self.video_model.pipeline.components

    @property
    def transformer(self) -> nn.Module:
        return self.video_model.transformer

    @property
    def follows(self) -> frozenset[str]:
        return self.video_model.follows

    def to(self, device: torch.device) -> None:
        """Moves all of it."""
        self.video_model.pipeline.to(device)

    def enable_model_cpu_offload(self, device: torch.device) -> None:
        """Brings one part after the other to the device, as it is needed."""
        inner = self.video_model.pipeline
        if hasattr(inner, "enable_model_cpu_offload"):
            inner.enable_model_cpu_offload(device=device)
        else:
            from diffusers import ComponentsManager

            manager = ComponentsManager()
            for name, part in inner.components.items():
                if isinstance(part, nn.Module):
                    manager.add(name, part)
            manager.enable_auto_cpu_offload(device=device)

    def set_progress_bar_config(self, **options: Any) -> None:
        """Of the pipeline's own bar."""
        self.video_model.set_bar(**options)

    def cautions(self, guidance: Guider) -> tuple[str, ...]:
        """As `KinemaPipeline.cautions`."""
        return ()

    @torch.no_grad()
    def __call__(
        self,
        prompt: str = "",
        image: Image.Image | np.ndarray | None = None,
        scene: Source | None = None,
        *,
        frames: int | None = None,
        seed: int = 0,
        steps: int | None = None,
        guidance: Guider | None = None,
        shift: float | None = None,
        negative_prompt: str = "",
        footage: Footage | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> KinemaOutput:
        """Makes a video; arguments as those of `KinemaPipeline`.

        Raises:
            ValueError: a picture or a scene that is missing, a length that the model cannot make, or what a pipeline of
                diffusers cannot be told: a shift, or guidance on anything but the text.
            FloatingPointError: the network returned NaN or infinity.
        """
        model = self.video_model
        if model.needs_picture and image is None:
            raise ValueError(f"{model.name} needs a reference picture: pass the character as `image`")
        if shift is not None:
            raise ValueError(
                f"{model.name} has no shift that could be set: its pipeline has its own schedule"
            )
        guidance = guidance or model.defaults.guidance
        scale = text_scale(guidance, model.name)
        picture = None
        if image is not None:
            whole = picture_of(image) if isinstance(image, np.ndarray) else image
            self.fit(whole)
            picture = model.framed(whole.convert("RGB"))
        form = model.form
        steps = model.defaults.steps if steps is None else steps
        if frames is None:
            frames = form.frames if scene is None else max(1, round(scene_seconds(scene) * form.fps) + 1)
        _check_length(frames, model)
        shot = self._shot(scene, picture, frames, footage) if model.follows else None
        asked = Asked(prompt, negative_prompt, picture, shot, frames, seed, steps, scale)
        done, total = 0, model.steps_in_all(frames, steps)

        def on_step() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, total)

        made = model.run(model.arguments(asked), on_step)[:frames]
        if not np.isfinite(made).all():
            raise FloatingPointError("the pipeline returned NaN or infinity: try another seed or float32")
        settings = {
            "backbone": model.name,
            "adapters": {},
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "seed": seed,
            "steps": steps,
            "shift": None,
            "guidance": guidance.settings(),
            "frames": frames,
            "fps": form.fps,
            "size": list(form.size),
            "dtype": str(model.transformer.dtype).removeprefix("torch."),
            **model.settings(),
            **self.loaded_with,
        }
        pixels = (made * 255).round().astype(np.uint8)
        return KinemaOutput(pixels, form.fps, settings, scene, tuple(model.notes(asked)))

    def _shot(
        self, scene: Source | None, picture: Image.Image | None, frames: int, footage: Footage | None
    ) -> Shot:
        model, form = self.video_model, self.video_format
        if scene is None:
            raise ValueError(f"{model.name} follows a scene: give a motion or a camera")
        shown = None if picture is None else np.asarray(picture)
        return Shot(scene, form.size, model.shot_frames(frames), form.fps, picture=shown, footage=footage)


AnyPipeline: TypeAlias = KinemaPipeline | WholePipeline
"""What `load_pipeline` loads."""


def text_scale(guidance: Guider, name: str) -> float:
    """The scale on the text, which is all that a pipeline of diffusers can be told of guidance.

    Raises:
        ValueError: guidance on something else, or at some times alone.
    """
    if type(guidance) is not Guidance:
        raise ValueError(f"{name} is guided by its own pipeline: {type(guidance).__name__} cannot work there")
    for condition, each in guidance.scales.items():
        if condition != "text" and each != Scale():
            raise ValueError(
                f"{name} is guided on the text alone, not on {condition}: leave out guidance on {condition}"
            )
    if guidance["text"].interval != (0.0, 1.0):
        raise ValueError(f"{name} is guided at all times or never: leave out the interval")
    return guidance["text"].scale


def _check_length(frames: int, model: WholeModel) -> None:
    if frames < 1:
        raise ValueError(f"a video has at least one frame, not {frames}")
    if model.longest is not None and frames > model.longest:
        raise ValueError(
            f"{model.name} makes at most {model.longest} frames ({model.longest / model.form.fps:.1f} s), not "
            f"{frames}: shorten it (--seconds)"
        )
