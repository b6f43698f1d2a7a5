"""Wan-Fun from its published folders: a transformer alone, or two, beside the parts of a Wan in diffusers layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from kinema.video.models.published import DENOISERS, INDEX, local_backbone
from kinema.video.models.published_parts import load_parts, parts_given, read_index
from kinema.video.models.video_model import VideoFormat, check_format
from kinema.video.models.wan import WAN_FORMAT
from kinema.video.models.wan_first_frame import FIRST_FRAME_FORMAT
from kinema.video.models.wan_fun import WanFunFineVideo, WanFunVideo, check_settings
from kinema.video.models.wan_fun_transformer import load_wan_fun, read_config
from kinema.video.registry import Family, LoadOptions

EXPERTS = ("high_noise_model", "low_noise_model")
"""Folders of the two transformers of Wan 2.2 A14B, that of the noisy steps first (config/wan2.2/wan_civitai_i2v.yaml)."""

BOUNDARY = 0.9
"""Of the noise, where the second takes over (the same file)."""

SHIFT = 5.0
"""Of the schedule that the public examples sample with."""

_FINE_CHANNELS = 48
_BASES = ("WanPipeline", "WanImageToVideoPipeline")
_OWN, _CLIP = ("transformer", "transformer_2", "scheduler"), ("image_encoder", "image_processor")


class WanFunFamily(Family):
    """Control and camera models of Wan-Fun 2.1 and 2.2."""

    name = "wan-fun"
    settings = ("recipe", "control_strength")
    takes_base = True

    def reads(self, folder: Path) -> bool:
        return any((each / "config.json").is_file() and _is_fun(each) for each in _folders(folder))

    def form(self, folder: Path, options: LoadOptions) -> VideoFormat:
        fine = read_config(_folders(folder)[0]).get("out_dim") == _FINE_CHANNELS
        form = replace(FIRST_FRAME_FORMAT if fine else WAN_FORMAT, **options.changes)
        check_format(form, WanFunFineVideo if fine else WanFunVideo, options.name)
        camera = read_config(_folders(folder)[0]).get("add_control_adapter", False)
        useless = "recipe" if camera else "control_strength"
        if useless in options.settings:
            kind = "a camera model has no recipe" if camera else "a control model has no control strength"
            raise ValueError(f"{options.name}: {kind}; leave it out")
        check_settings(
            options.name,
            options.settings.get("recipe", "pose"),
            options.settings.get("control_strength", 1.0),
        )
        return form

    def load(self, folder: Path, options: LoadOptions) -> WanFunVideo:
        form, folders = self.form(folder, options), _folders(folder)
        fine = read_config(folders[0]).get("out_dim") == _FINE_CHANNELS
        kind = "wan2.2-5b" if fine else "wan2.2-i2v-a14b" if len(folders) > 1 else "wan2.1-14b"
        base = _base(options, kind)
        index = read_index(base)
        transformers = [load_wan_fun(each, options.dtype) for each in folders]
        clip = transformers[0].config.image_dim is not None
        if clip and index.get("image_encoder", [None])[0] is None:
            raise ValueError(
                f"{options.name} reads a CLIP picture, and --base {base} has no image_encoder: take a Wan 2.1 "
                f"image-to-video (--base {kind})"
            )
        left = _OWN if clip else (*_OWN, *_CLIP)
        with parts_given({each: None for each in left if each in index}):
            parts = load_parts(base, {"default": options.dtype, "vae": torch.float32})
        model = WanFunFineVideo if fine else WanFunVideo
        return model(
            **parts,
            transformer=transformers[0],
            transformer_2=transformers[1] if len(transformers) > 1 else None,
            boundary_ratio=BOUNDARY if len(transformers) > 1 else None,
            scheduler=FlowMatchEulerDiscreteScheduler(shift=SHIFT),
            recipe=options.settings.get("recipe", "pose"),
            strength=options.settings.get("control_strength", 1.0),
            form=form,
            name=options.name,
        )

    def lora_loader(self) -> Any:
        from diffusers.loaders import WanLoraLoaderMixin

        return WanLoraLoaderMixin


def _base(options: LoadOptions, kind: str) -> Path:
    """Where autoencoder and encoders are: what is given, or the published Wan of that kind where it is here.

    Raises:
        ValueError: nowhere, or in a folder of another kind.
    """
    base = options.base or local_backbone(kind, DENOISERS)
    if base is None:
        raise ValueError(
            f"{options.name} is a transformer alone: give the Wan in diffusers layout whose autoencoder and encoders it "
            f"uses (--base {kind}, or a folder of it, which needs no transformer). The .pth files beside it are not "
            "read: such files can run code"
        )
    if not (base / INDEX).is_file():
        raise FileNotFoundError(f"--base {base}: it holds no {INDEX}; give a backbone in diffusers layout")
    found = read_index(base).get("_class_name")
    if found not in _BASES:
        raise ValueError(f"--base {base}: it is a {found}, not one of {', '.join(_BASES)}")
    return base


def _folders(folder: Path) -> list[Path]:
    """The folders of the transformers, that of the noisy steps first."""
    experts = [folder / each for each in EXPERTS]
    return experts if all(each.is_dir() for each in experts) else [folder]


def _is_fun(folder: Path) -> bool:
    try:
        read_config(folder)
    except ValueError:
        return False
    return True


FAMILY = WanFunFamily()
