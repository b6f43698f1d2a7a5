"""Wan-Animate-2 and its distilled form: a picture of the character, driven by a film as it was shot.

The film is the stage's, or the user's own; the camera that shot it is the only camera there is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

from kinema.diffusion.guider import Guidance
from kinema.passes.profile import PassOptions, profile_of
from kinema.video.models.published_parts import modular_parts, read_index
from kinema.video.models.video_model import SamplingDefaults, VideoFormat, check_format
from kinema.video.registry import Family, LoadOptions
from kinema.video.whole import Asked, WholeModel

PROFILE = "wan-animate-2"
"""The passes that it reads."""

ANIMATE_2_FORMAT = VideoFormat(width=640, height=800, frames=81, fps=24.0, text_tokens=512)
"""Defaults of the pipeline: fps, segment_frame_length, and an area of height times width."""

OVERLAP = 1
"""Frames that segments share: the pipeline's default of `prev_segment_conditioning_frames`."""

DISTILLED = "WanAnimate2DistilledModularPipeline"
DEFAULTS = SamplingDefaults(steps=40, guidance=Guidance(text=3.0))
DISTILLED_DEFAULTS = SamplingDefaults(steps=10, guidance=Guidance(text=1.0))
"""Defaults of the pipelines' denoising blocks; 10 is what the distilled one was trained for."""


class WanAnimate2(WholeModel):
    """Wan-Animate-2.

    Args:
        pipeline: diffusers' WanAnimate2ModularPipeline or WanAnimate2DistilledModularPipeline.
        form: area, segment and frame rate.
        fixed: whether the size is kept; else the area alone, in the shape of the picture.
        name: as settings show it.
    """

    family = "wan-animate-2"
    size_multiple = 16
    frame_step = 4
    needs_picture = True
    people = 1

    def __init__(
        self,
        pipeline: Any,
        form: VideoFormat = ANIMATE_2_FORMAT,
        fixed: bool = False,
        name: str = "wan-animate-2",
    ) -> None:
        check_format(form, WanAnimate2, name)
        self.pipeline = pipeline
        self.form = form
        self.area = form.width * form.height
        self.fixed = fixed
        self.quiet = False
        self.name = name
        self.follows = frozenset({"pose", "camera"})
        self.defaults = DISTILLED_DEFAULTS if type(pipeline).__name__ == DISTILLED else DEFAULTS

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        if self.fixed:
            return self.form.size
        wide, high = math.sqrt(self.area * width / height), math.sqrt(self.area * height / width)
        step = self.size_multiple
        return max(1, round(wide / step)) * step, max(1, round(high / step)) * step

    def framed(self, picture: Image.Image) -> Image.Image:
        """Cropped to fill the video, so that the pipeline, which takes the picture's shape, makes exactly its size."""
        return ImageOps.fit(picture, self.form.size, Image.Resampling.LANCZOS)

    def arguments(self, asked: Asked) -> dict[str, Any]:
        assert asked.shot is not None
        drawn = profile_of(PROFILE).passes(asked.shot, PassOptions())
        named = {each.name: each.data for each in drawn}
        at = zigzag(asked.frames, self._padded(asked.frames))
        frames = [Image.fromarray(each) for each in named["driving"][at]]
        return {
            "prompt": asked.prompt,
            "negative_prompt": asked.negative_prompt or None,
            "image": asked.picture,
            "driving_video": frames,
            # The pipeline rounds the square root of the area down, and one row more keeps it from falling a step short.
            "height": self.form.height + 1,
            "width": self.form.width,
            "segment_frame_length": self.form.frames,
            "prev_segment_conditioning_frames": OVERLAP,
            "num_inference_steps": asked.steps,
            "max_sequence_length": self.transformer.config.text_len,
            "generator": asked.generator,
            "output_type": "np",
            "guidance_scale": asked.scale,
        }

    def run(self, arguments: Mapping[str, Any], on_step: Callable[[], None]) -> np.ndarray:
        from diffusers.modular_pipelines.wan_animate_2 import denoise

        told = dict(arguments)
        self._guide(told.pop("guidance_scale"))

        def after(transformer: nn.Module, args: Any, options: Mapping[str, Any], output: Any) -> None:
            # Every step has one pass that knows the text; the film is read by another, once a segment.
            if options["kv_cache_mode"] == "cached" and not options.get("is_uncondtion"):
                on_step()

        handle = self.transformer.register_forward_hook(after, with_kwargs=True)
        shown = denoise.tqdm
        denoise.tqdm = partial(shown, disable=self.quiet)  # no option of the pipeline reaches its bars
        try:
            return np.asarray(self.pipeline(output="videos", **told)[0])
        finally:
            denoise.tqdm = shown
            handle.remove()

    def _guide(self, scale: float) -> None:
        guider = self.pipeline.get_component_spec("guider").create(guidance_scale=scale)
        self.pipeline.update_components(guider=guider)

    def _padded(self, frames: int) -> int:
        """Frames of whole segments that hold a video."""
        step = self.form.frames - OVERLAP
        return max(1, -(-(frames - OVERLAP) // step)) * step + OVERLAP

    def steps_in_all(self, frames: int, steps: int) -> int:
        return steps * (self._padded(frames) - OVERLAP) // (self.form.frames - OVERLAP)

    def set_bar(self, **options: Any) -> None:
        self.quiet = bool(options.get("disable"))

    def placed(self, device: torch.device) -> None:
        """On an accelerator its attention must be compiled: as it is it would hold the whole matrix."""
        if device.type != "cpu":
            self.transformer.compile_repeated_blocks(fullgraph=False)


def zigzag(frames: int, total: int) -> np.ndarray:
    """Numbers of `total` frames of a film that is run through and back again, its last frame twice, and so on.

    As the pipeline fills up a last segment; which it can only where the film has as many frames as are missing.
    """
    at = np.arange(total) % (2 * frames)
    return np.minimum(at, 2 * frames - 1 - at)


class WanAnimate2Family(Family):
    """Wan-Animate-2 from folders of modular pipelines."""

    name = "wan-animate-2"
    whole = True
    pipelines = ("WanAnimate2ModularPipeline", DISTILLED)

    def form(self, folder: Path, options: LoadOptions) -> VideoFormat:
        form = replace(ANIMATE_2_FORMAT, **options.changes)
        check_format(form, WanAnimate2, options.name)
        return form

    def load(self, folder: Path, options: LoadOptions) -> WanAnimate2:
        import diffusers

        form = self.form(folder, options)
        pipeline = getattr(diffusers, read_index(folder)["_class_name"])(pretrained_model_name_or_path=folder)
        modular_parts(pipeline, folder, {"default": options.dtype, "vae": torch.float32})
        fixed = "width" in options.changes or "height" in options.changes
        return WanAnimate2(pipeline, form, fixed, options.name)

    def lora_loader(self) -> Any:
        from diffusers.loaders import WanLoraLoaderMixin

        return WanLoraLoaderMixin


FAMILY = WanAnimate2Family()
