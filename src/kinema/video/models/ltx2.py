"""LTX-2 and 2.3: a picture as the first frame, and with an IC-LoRA a reference film of the scene.

Which film an IC-LoRA reads (the stage's, skeletons or depth) is what it was trained on; only names of files say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kinema.diffusion.guider import Guidance
from kinema.passes.profile import PassOptions, filled, profile_of
from kinema.video.models.published_parts import load_parts
from kinema.video.models.video_model import SamplingDefaults, VideoFormat, check_format
from kinema.video.registry import Family, LoadOptions
from kinema.video.whole import Asked, WholeModel

PROFILE = "ltx"
"""The passes that it reads."""

LTX_FORMAT = VideoFormat(width=768, height=512, frames=121, fps=24.0, text_tokens=1024)
"""Defaults of the pipelines."""

DEFAULTS = SamplingDefaults(steps=30, guidance=Guidance(text=3.0))
DISTILLED_DEFAULTS = SamplingDefaults(steps=8, guidance=Guidance(text=1.0))
"""diffusers' documentation of LTX-2."""

RECIPES = {
    "driving": frozenset({"pose", "camera"}),
    "pose": frozenset({"pose"}),
    "depth": frozenset({"pose", "camera", "depth"}),
}
"""The reference films, and what of a scene each tells."""

NAMED = {
    "pose": ("pose", "union"),
    "depth": ("depth",),
    "driving": ("cameraman", "transfer", "driving", "motion-track"),
}
"""Words in the names of published IC-LoRAs, e.g. LTX-2-19b-IC-LoRA-Pose-Control; Union-Control reads skeletons too."""

DOWNSCALE = "reference_downscale_factor"
"""Key of an IC-LoRA's metadata: how many times smaller than the video its reference film was."""

UNGUIDED = {
    "stg_scale": 0.0,
    "modality_scale": 1.0,
    "guidance_rescale": 0.0,
    "audio_guidance_scale": 1.0,
    "audio_stg_scale": 0.0,
    "audio_modality_scale": 1.0,
    "audio_guidance_rescale": 0.0,
}
"""What distilled weights need: no further pass of the transformer."""


class Ltx2(WholeModel):
    """LTX-2.

    Args:
        pipeline: diffusers' LTX2InContextPipeline.
        form: size and frame rate.
        recipe: the reference film, one of RECIPES; None: as the name of the IC-LoRA says.
        strength: how clean the model sees the reference film, 0 to 1.
        name: as settings show it.

    Raises:
        ValueError: a size that it cannot make, no such film, or a strength out of range.
    """

    family = "ltx2"
    size_multiple = 32
    frame_step = 8
    longest = 257
    follows_with = (
        "give an IC-LoRA (--lora), and which film it reads where its name does not say (--recipe pose)"
    )

    def __init__(
        self,
        pipeline: Any,
        form: VideoFormat = LTX_FORMAT,
        recipe: str | None = None,
        strength: float = 1.0,
        name: str = "ltx2",
    ) -> None:
        check_format(form, Ltx2, name)
        check_recipe(recipe, strength, name)
        self.pipeline = pipeline
        self.form = form
        self.recipe = recipe
        self.strength = strength
        self.name = name
        self.downscale = 1
        self.follows = frozenset()
        # scripts/convert_ltx2_to_diffusers.py saves the scheduler of distilled weights so; they have eight noise levels.
        self.distilled = not pipeline.scheduler.config.use_dynamic_shifting
        self.defaults = DISTILLED_DEFAULTS if self.distilled else DEFAULTS

    def took_loras(self, loras: Mapping[str, Mapping[str, str]]) -> None:
        named = {file: film_of(file) for file in loras}
        films = {film for film in named.values() if film is not None}
        if self.recipe is None and len(films) == 1:
            self.recipe = films.pop()
        if self.recipe is not None and loras:
            self.follows = RECIPES[self.recipe]
            self.downscale = max(int(told.get(DOWNSCALE, 1)) for told in loras.values())

    def follow_nothing(self) -> None:
        self.follows = frozenset()

    def settings(self) -> dict[str, Any]:
        if not self.follows:
            return {}
        return {"recipe": self.recipe, "control_strength": self.strength, DOWNSCALE: self.downscale}

    def framed(self, picture: Image.Image) -> Image.Image:
        """Cropped to fill the video: it is its first frame."""
        return Image.fromarray(filled(np.asarray(picture), self.form.size))

    def shot_frames(self, frames: int) -> int:
        return -(-(frames - 1) // self.frame_step) * self.frame_step + 1

    def arguments(self, asked: Asked) -> dict[str, Any]:
        from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
        from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition

        told: dict[str, Any] = {
            "prompt": asked.prompt,
            "negative_prompt": asked.negative_prompt,
            "height": self.form.height,
            "width": self.form.width,
            "num_frames": self.shot_frames(asked.frames),
            "frame_rate": self.form.fps,
            "num_inference_steps": asked.steps,
            "guidance_scale": asked.scale,
            # LTX-2.3 has modulated text attention, and was trained so; LTX-2 was not.
            "use_cross_timestep": bool(self.transformer.config.get("cross_attn_mod")),
            "max_sequence_length": self.form.text_tokens,
            "generator": asked.generator,
            "output_type": "np",
        }
        if self.distilled:
            told["sigmas"] = self._noise_levels(asked.steps)
        if asked.scale == 1.0:
            told |= UNGUIDED
        if asked.picture is not None:
            told["conditions"] = [LTX2VideoCondition(frames=asked.picture, index=0, strength=1.0)]
        if asked.shot is not None:
            film = self._film(asked)
            told["reference_conditions"] = [LTX2ReferenceCondition(frames=film, strength=self.strength)]
            told["reference_downscale_factor"] = self.downscale
        return told

    def _noise_levels(self, steps: int) -> list[float]:
        from diffusers.pipelines.ltx2.utils import DISTILLED_SIGMA_VALUES

        if steps != len(DISTILLED_SIGMA_VALUES):
            raise ValueError(
                f"{self.name} is distilled to {len(DISTILLED_SIGMA_VALUES)} steps, not {steps}: leave out --steps"
            )
        return list(DISTILLED_SIGMA_VALUES)

    def _film(self, asked: Asked) -> list[Image.Image]:
        assert asked.shot is not None
        named = {each.name: each.data for each in profile_of(PROFILE).passes(asked.shot, PassOptions())}
        if self.recipe not in named:
            raise ValueError(
                f"{self.name} reads the {self.recipe} film, and keypoints have no depth to film: capture the video"
            )
        return [Image.fromarray(each) for each in named[self.recipe]]

    def run(self, arguments: Mapping[str, Any], on_step: Callable[[], None]) -> np.ndarray:
        def after(pipeline: Any, step: int, t: Any, told: dict[str, Any]) -> dict[str, Any]:
            on_step()
            return told

        return np.asarray(self.pipeline(**arguments, callback_on_step_end=after).frames[0])

    def notes(self, asked: Asked) -> list[str]:
        return [f"{self.name} makes sound to its videos; it is left out"]


def film_of(file: str) -> str | None:
    """The reference film that an IC-LoRA reads, by its file's name; None where that does not say."""
    words = file.lower().replace("_", "-")
    found = [film for film, names in NAMED.items() if any(name in words for name in names)]
    return found[0] if len(found) == 1 else None


def check_recipe(recipe: str | None, strength: float, name: str) -> None:
    """Says what is wrong with a reference film.

    Raises:
        ValueError: no such film, or a strength out of 0 to 1.
    """
    if recipe is not None and recipe not in RECIPES:
        raise ValueError(f"{name} has no recipe {recipe!r}: there are {', '.join(RECIPES)}")
    if not 0 <= strength <= 1:
        raise ValueError(f"control strength {strength:g}: give between 0 and 1; 1 shows the film as it is")


class Ltx2Family(Family):
    """LTX-2 from folders in diffusers layout."""

    name = "ltx2"
    whole = True
    pipelines = ("LTX2Pipeline", "LTX2ImageToVideoPipeline", "LTX2ConditionPipeline", "LTX2InContextPipeline")
    settings = ("recipe", "control_strength")

    def form(self, folder: Path, options: LoadOptions) -> VideoFormat:
        form = replace(LTX_FORMAT, **options.changes)
        check_format(form, Ltx2, options.name)
        check_recipe(*_told(options), options.name)
        return form

    def load(self, folder: Path, options: LoadOptions) -> Ltx2:
        from diffusers import LTX2InContextPipeline

        form = self.form(folder, options)
        parts = load_parts(folder, {"default": options.dtype})
        return Ltx2(LTX2InContextPipeline(**parts), form, *_told(options), options.name)

    def lora_loader(self) -> Any:
        from diffusers.loaders import LTX2LoraLoaderMixin

        return LTX2LoraLoaderMixin


def _told(options: LoadOptions) -> tuple[str | None, float]:
    return options.settings.get("recipe"), float(options.settings.get("control_strength", 1.0))


FAMILY = Ltx2Family()
