"""Wan from folders in diffusers layout: 2.1, the two experts of 2.2, and 2.2 TI2V-5B."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from kinema.video.models.published_parts import load_parts, read_config, read_index
from kinema.video.models.video_model import TEMPORAL_COMPRESSION, VideoFormat, check_format
from kinema.video.models.wan import WAN_FORMAT, WanVideo
from kinema.video.models.wan_first_frame import FIRST_FRAME_FORMAT, WanFirstFrameVideo
from kinema.video.registry import Family, LoadOptions


class WanFamily(Family):
    """Wan from folders in diffusers layout."""

    name = "wan"
    pipelines = ("WanPipeline", "WanImageToVideoPipeline")

    def form(self, folder: Path, options: LoadOptions) -> VideoFormat:
        model, trained = _kind(folder)
        form = replace(trained, **options.changes)
        check_format(form, model, options.name)
        return form

    def load(self, folder: Path, options: LoadOptions) -> WanVideo:
        form = self.form(folder, options)
        model, _ = _kind(folder)
        _check_parts(folder, model)
        # Wan's autoencoder loses visible quality in 16 bits; diffusers' documentation keeps it in 32, too.
        parts = load_parts(folder, {"default": options.dtype, "vae": torch.float32})
        return model(
            **parts, boundary_ratio=read_index(folder).get("boundary_ratio"), form=form, name=options.name
        )

    def lora_loader(self) -> Any:
        from diffusers.loaders import WanLoraLoaderMixin

        return WanLoraLoaderMixin


def _kind(folder: Path) -> tuple[type[WanVideo], VideoFormat]:
    """The class of a folder's model, and what it was trained on."""
    if read_index(folder).get("expand_timesteps"):
        return WanFirstFrameVideo, FIRST_FRAME_FORMAT
    return WanVideo, WAN_FORMAT


def _check_parts(folder: Path, model: type[WanVideo]) -> None:
    """Says before weights are read which parts of a folder do not belong together.

    Raises:
        ValueError: a transformer that reads something else than noise, or noise and a masked video; or an autoencoder of
            another size than the model's.
    """
    transformer, vae = (read_config(folder, part) for part in ("transformer", "vae"))
    channels, latents = transformer.get("in_channels", 16), vae.get("z_dim", 16)
    pictured = 2 * latents + TEMPORAL_COMPRESSION
    if channels not in ((latents,) if model is WanFirstFrameVideo else (latents, pictured)):
        raise ValueError(
            f"{folder} holds another kind of Wan: its transformer reads {channels} channels, not noise alone ({latents}) "
            f"or noise and a picture ({pictured})"
        )
    pixels = vae.get("scale_factor_spatial", 8)
    if pixels != model.spatial_compression:
        raise ValueError(
            f"{folder} holds an autoencoder of {pixels} pixels per latent; its kind of Wan has one of "
            f"{model.spatial_compression}"
        )


FAMILY = WanFamily()
