"""CogVideoX from folders in diffusers layout: 1.0, 1.5, and CogVideoX-Fun that follows poses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from kinema.video.models.cogvideox import (
    COGVIDEOX15_FORMAT,
    COGVIDEOX_FORMAT,
    CogVideoXVideo,
    check_positions,
)
from kinema.video.models.cogvideox_fun import CogVideoXFunVideo
from kinema.video.models.published_parts import load_parts, read_config, read_index
from kinema.video.models.video_model import VideoFormat, check_format
from kinema.video.registry import Family, LoadOptions

_FUN = "CogVideoXFunControlPipeline"


class CogVideoXFamily(Family):
    """CogVideoX from folders in diffusers layout."""

    name = "cogvideox"
    pipelines = ("CogVideoXPipeline", "CogVideoXImageToVideoPipeline", _FUN)

    def form(self, folder: Path, options: LoadOptions) -> VideoFormat:
        config = read_config(folder, "transformer")
        trained = COGVIDEOX_FORMAT if config.get("patch_size_t") is None else COGVIDEOX15_FORMAT
        form = replace(trained, **options.changes)
        check_format(form, CogVideoXVideo, options.name)
        check_positions(form, config, options.name)
        return form

    def load(self, folder: Path, options: LoadOptions) -> CogVideoXVideo:
        form = self.form(folder, options)
        kind = _kind(folder)
        return kind(**load_parts(folder, options.dtype), form=form, name=options.name)

    def lora_loader(self) -> Any:
        from diffusers.loaders import CogVideoXLoraLoaderMixin

        return CogVideoXLoraLoaderMixin


def _kind(folder: Path) -> type[CogVideoXVideo]:
    """The class of a folder's model.

    Raises:
        ValueError: a transformer that reads other channels than its pipeline gives it.
    """
    pipeline = read_index(folder)["_class_name"]
    channels = read_config(folder, "transformer").get("in_channels", 16)
    latents = read_config(folder, "vae").get("latent_channels", 16)
    if channels not in (latents, 2 * latents):
        raise ValueError(
            f"{folder} holds another kind of CogVideoX: its transformer reads {channels} channels, not noise alone "
            f"({latents}) or noise and a picture or poses ({2 * latents})"
        )
    # A transformer that reads twice the channels in a pipeline without a picture is one that was trained to follow poses.
    controlled = pipeline == _FUN or (pipeline == "CogVideoXPipeline" and channels == 2 * latents)
    if pipeline == _FUN and channels == latents:
        raise ValueError(f"{folder} is a {_FUN} whose transformer reads noise alone: it follows no poses")
    return CogVideoXFunVideo if controlled else CogVideoXVideo


FAMILY = CogVideoXFamily()
