"""What an adapter must know of a video transformer; families differ only here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from torch import nn

from kinema.video.registry import TRANSFORMERS


@dataclass(frozen=True)
class BackboneSpec:
    """Where a video transformer keeps its parts.

    Args:
        name: the family, as shown to users.
        blocks: attribute of the transformer that lists its blocks.
        width: channels of the video tokens.
        heads: attention heads.
        patch: space-time size of one token in latents (frames, rows, columns).
        spatial_compression: pixels per latent along rows and columns.
        temporal_compression: frames per latent frame; the first frame stands alone.
        block_class: the subclass of the backbone's block that lets adapters in.
        transformer_class: the subclass of the transformer that takes tokens and shows them to such blocks.
    """

    name: str
    blocks: str
    width: int
    heads: int
    patch: tuple[int, int, int]
    block_class: type[nn.Module]
    transformer_class: type[nn.Module]
    spatial_compression: int = 8
    temporal_compression: int = 4

    def block_list(self, transformer: nn.Module) -> nn.ModuleList:
        return getattr(transformer, self.blocks)

    def token_grid(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        """Tokens along time, rows and columns for a video of that many frames and pixels."""
        if frames % self.temporal_compression != 1:
            raise ValueError(f"a video has {self.temporal_compression}k + 1 frames, not {frames}")
        latent_frames = 1 + (frames - 1) // self.temporal_compression
        by_frame, by_row, by_column = self.patch
        step = self.spatial_compression
        return latent_frames // by_frame, height // step // by_row, width // step // by_column


_RULES: dict[str, Callable[[nn.Module], BackboneSpec]] = {}


def register_backbone(
    class_name: str,
) -> Callable[[Callable[[nn.Module], BackboneSpec]], Callable[[nn.Module], BackboneSpec]]:
    """Registers the rule that describes transformers of a diffusers class."""

    def add(rule: Callable[[nn.Module], BackboneSpec]) -> Callable[[nn.Module], BackboneSpec]:
        _RULES[class_name] = rule
        return rule

    return add


def spec_of(transformer: nn.Module) -> BackboneSpec:
    """Describes a transformer.

    Raises:
        TypeError: a class that no rule describes.
    """
    for cls in type(transformer).__mro__:
        if cls.__name__ in TRANSFORMERS:
            import_module(TRANSFORMERS[cls.__name__])
        if cls.__name__ in _RULES:
            return _RULES[cls.__name__](transformer)
    raise TypeError(
        f"{type(transformer).__name__} is not a known backbone; known: {', '.join(sorted({*TRANSFORMERS, *_RULES}))}"
    )
