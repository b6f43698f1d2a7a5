"""What published models are made of, without their weights: counted on the meta device, for planning and dry runs.

Configurations are those of the published folders; what a class of diffusers has by default is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from kinema.video.models.published import read_json

_WAN_SMALL = {"num_attention_heads": 12, "num_layers": 30, "ffn_dim": 8960}
_WAN_CLIP = {"in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120}
_FUN_CLIP = {**_WAN_CLIP, "in_channels": 48}
_WAN_5B = {
    "num_attention_heads": 24,
    "num_layers": 30,
    "ffn_dim": 14336,
    "in_channels": 48,
    "out_channels": 48,
}
_COG_5B = {"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True}

UMT5_XXL, T5_XXL, CLIP_VIT_H, GEMMA3_12B = 5.68e9, 4.76e9, 0.63e9, 12.2e9
"""Parameters of the encoders, as their model cards count them."""


@dataclass(frozen=True)
class VaeShape:
    """What an autoencoder needs.

    Args:
        parameters: how many.
        decode, encode: bytes at work per pixel of the picture at float32, measured on one core with random weights at
            256x384 and 128x192; the number of frames hardly matters, because frames come in pieces.
        temporal, spatial: compression.
        float32: whether its weights stay in 32 bits, see `video/loading.py`.
    """

    parameters: float
    decode: float
    encode: float
    temporal: int = 4
    spatial: int = 8
    float32: bool = False


WAN_VAE = VaeShape(0.127e9, 24e3, 17e3, float32=True)
WAN22_VAE = VaeShape(0.705e9, 25e3, 9.5e3, spatial=16, float32=True)
COG_VAE = VaeShape(0.216e9, 100e3, 60e3)
LTX2_VAE = VaeShape(1.3e9, 12e3, 12e3, temporal=8, spatial=32)


@dataclass(frozen=True)
class ModelShape:
    """A published video model.

    Args:
        transformer: class name in diffusers.
        config: its arguments that differ from the class's.
        vae: of it.
        encoders: parameters of the text and picture encoders, together.
        size: (width, height); frames; fps: that it was trained on.
        steps: denoising steps; passes: of the transformer in each, 2 with guidance.
        experts: transformers of that shape, of which one works at a time.
        extra_tokens: latent frames beside the video's, e.g. a reference.
        one_window: whether it cannot continue a video.
    """

    transformer: str
    config: Mapping[str, Any] = field(default_factory=dict)
    vae: VaeShape = WAN_VAE
    encoders: float = UMT5_XXL
    size: tuple[int, int] = (832, 480)
    frames: int = 81
    fps: float = 16.0
    steps: int = 50
    passes: int = 2
    experts: int = 1
    extra_tokens: int = 0
    one_window: bool = False

    @property
    def width(self) -> int:
        """Of the hidden states."""
        made = self.full_config
        return int(made["num_attention_heads"]) * int(made["attention_head_dim"])

    @property
    def full_config(self) -> Mapping[str, Any]:
        """Every argument of the transformer."""
        import inspect

        kind = getattr(import_module("diffusers"), self.transformer)
        named = inspect.signature(kind.__init__).parameters
        return {name: each.default for name, each in named.items() if name != "self"} | dict(self.config)

    @property
    def parameters(self) -> int:
        """Of one transformer."""
        return _count(self.transformer, json.dumps(dict(self.config), sort_keys=True))

    def tokens(self, size: tuple[int, int], frames: int) -> int:
        """Video tokens of one window."""
        made = self.full_config
        patch = made["patch_size"]
        side = patch[1] if isinstance(patch, (tuple, list)) else int(patch)
        across = made.get("patch_size_t") or 1
        latent = 1 + math.ceil((frames - 1) / self.vae.temporal)
        rows, columns = (math.ceil(length / self.vae.spatial / side) for length in (size[1], size[0]))
        return (math.ceil(latent / across) + self.extra_tokens) * rows * columns


SHAPES: dict[str, ModelShape] = {
    "cogvideox-2b": ModelShape(
        "CogVideoXTransformer3DModel", {}, COG_VAE, T5_XXL, (720, 480), 49, 8.0
    ),
    "cogvideox-5b": ModelShape(
        "CogVideoXTransformer3DModel", _COG_5B, COG_VAE, T5_XXL, (720, 480), 49, 8.0
    ),
    "cogvideox-5b-i2v": ModelShape(
        "CogVideoXTransformer3DModel", {**_COG_5B, "in_channels": 32}, COG_VAE, T5_XXL, (720, 480), 49, 8.0
    ),
    "wan2.1-1.3b": ModelShape("WanTransformer3DModel", _WAN_SMALL),
    "wan2.1-14b": ModelShape("WanTransformer3DModel", _WAN_CLIP, encoders=UMT5_XXL + CLIP_VIT_H),
    "wan2.1-14b-t2v": ModelShape("WanTransformer3DModel"),
    "wan2.2-5b": ModelShape(
        "WanTransformer3DModel", _WAN_5B, WAN22_VAE, size=(1280, 704), frames=121, fps=24.0
    ),
    "wan2.2-t2v-a14b": ModelShape("WanTransformer3DModel", steps=40, experts=2),
    "wan2.2-i2v-a14b": ModelShape("WanTransformer3DModel", {"in_channels": 36}, steps=40, experts=2),
    "vace-1.3b": ModelShape(
        "WanVACETransformer3DModel", {**_WAN_SMALL, "vace_layers": list(range(0, 30, 2))}, extra_tokens=1
    ),
    "vace-14b": ModelShape("WanVACETransformer3DModel", extra_tokens=1),
    "vace-2.2": ModelShape("WanVACETransformer3DModel", steps=40, experts=2, extra_tokens=1),
    "wan-animate": ModelShape(
        "WanAnimateTransformer3DModel", encoders=UMT5_XXL + CLIP_VIT_H, size=(1280, 720), frames=77, fps=30.0,
        steps=20, passes=1, extra_tokens=1,
    ),
    # Of Wan-Fun without its small adapter for rays and reference, under one per cent.
    "wan2.1-fun-1.3b-control": ModelShape(
        "WanTransformer3DModel", {**_WAN_SMALL, **_FUN_CLIP, "added_kv_proj_dim": 1536}
    ),
    "wan2.1-fun-14b-control": ModelShape("WanTransformer3DModel", _FUN_CLIP, encoders=UMT5_XXL + CLIP_VIT_H),
    "wan2.1-fun-1.3b-camera": ModelShape(
        "WanTransformer3DModel", {**_WAN_SMALL, **_WAN_CLIP, "added_kv_proj_dim": 1536}
    ),
    "wan2.1-fun-14b-camera": ModelShape("WanTransformer3DModel", _WAN_CLIP, encoders=UMT5_XXL + CLIP_VIT_H),
    "wan2.2-fun-a14b-control": ModelShape("WanTransformer3DModel", {"in_channels": 52}, experts=2),
    "wan2.2-fun-a14b-camera": ModelShape("WanTransformer3DModel", {"in_channels": 36}, experts=2),
    "wan2.2-fun-5b-control": ModelShape(
        "WanTransformer3DModel", {**_WAN_5B, "in_channels": 148}, WAN22_VAE, size=(1280, 704), frames=121, fps=24.0
    ),
    "wan2.2-fun-5b-camera": ModelShape(
        "WanTransformer3DModel", {**_WAN_5B, "in_channels": 100}, WAN22_VAE, size=(1280, 704), frames=121, fps=24.0
    ),
    "cogvideox1.5-5b": ModelShape(
        "CogVideoXTransformer3DModel", {**_COG_5B, "patch_size_t": 2}, COG_VAE, T5_XXL, (1360, 768), 81, 16.0
    ),
    "cogvideox1.5-5b-i2v": ModelShape(
        "CogVideoXTransformer3DModel", {**_COG_5B, "patch_size_t": 2, "in_channels": 32, "ofs_embed_dim": 512},
        COG_VAE, T5_XXL, (1360, 768), 81, 16.0,
    ),
    "cogvideox-fun-pose": ModelShape(
        "CogVideoXTransformer3DModel", {**_COG_5B, "in_channels": 32}, COG_VAE, T5_XXL, (720, 480), 49, 8.0
    ),
    "ltx2": ModelShape(
        "LTX2VideoTransformer3DModel", {}, LTX2_VAE, GEMMA3_12B, (768, 512), 121, 24.0, steps=30
    ),
}  # fmt: skip
"""Shapes by the names of `--backbone`."""

for _name in (
    "cogvideox-2b",
    "cogvideox-5b",
    "cogvideox1.5-5b",
    "cogvideox-fun-pose",
    "wan2.1-1.3b",
    "wan2.1-14b-t2v",
):
    SHAPES[_name] = replace(SHAPES[_name], one_window=True)
for _name in ("wan2.2-t2v-a14b", "ltx2"):
    SHAPES[_name] = replace(SHAPES[_name], one_window=True)


def shape_of(name: str | Path) -> ModelShape:
    """The shape of a published model, or of a folder in diffusers layout: the published one whose transformer it has.

    Raises:
        ValueError: an unknown name, or a folder that none of the shapes describes.
    """
    if str(name) in SHAPES:
        return SHAPES[str(name)]
    config = Path(name) / "transformer" / "config.json"
    if not config.is_file():
        raise ValueError(
            f"nothing is known of the size of {str(name)!r}: plans are for {', '.join(SHAPES)}, or a folder"
        )
    said = read_json(config)
    alike = [each for each in SHAPES.values() if each.transformer == said.get("_class_name")]
    if not alike:
        raise ValueError(f"{config} is a {said.get('_class_name')}: plans are not made for that class")
    known = set(alike[0].full_config)
    own = {key: value for key, value in said.items() if key in known}
    nearest = min(alike, key=lambda each: sum(each.full_config.get(key) != own[key] for key in own))
    experts = 2 if (Path(name) / "transformer_2" / "config.json").is_file() else 1

    vae, encoders = _held(Path(name), ("vae",)), _held(Path(name), _ENCODERS)
    return replace(
        nearest,
        config=own,
        experts=experts,
        encoders=encoders or nearest.encoders,
        vae=replace(nearest.vae, parameters=vae or nearest.vae.parameters),
    )


_ENCODERS = ("text_encoder", "text_encoder_2", "image_encoder")


def _held(folder: Path, parts: tuple[str, ...]) -> float:
    """Weights that the files of some parts hold, by their headers."""
    from kinema.video.checkpoints import shapes_in

    files = [file for part in parts for file in sorted((folder / part).glob("*.safetensors"))]
    return float(sum(math.prod(shape) for file in files for shape in shapes_in(file).values()))


@cache
def _count(transformer: str, config: str) -> int:
    import torch

    with torch.device("meta"):
        made = getattr(import_module("diffusers"), transformer)(**json.loads(config))
    return sum(each.numel() for each in made.parameters())
