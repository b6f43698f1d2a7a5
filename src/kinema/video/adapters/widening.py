"""More input channels for a transformer, as methods want them that concatenate a reference picture to the noise.

CogVideoX-2B has no image-to-video model, and CogVideoX-5B's text-to-video one reads noise alone: TokenMotion's image to
video and MTVCraft's repeat-and-concatenate need twice the channels.
"""

from __future__ import annotations

import torch
from torch import nn

from kinema.video.models.spec import spec_of


@torch.no_grad()
def widen_patch_embedding(transformer: nn.Module, channels: int) -> None:
    """Makes a transformer read latents of more channels, in place; it says what it said, whatever the new ones hold.

    The new columns of the patch embedding are zero and train with it; its other weights, and what reads the old
    channels, stay as they are. Widen before adapters are attached.

    Args:
        transformer: CogVideoX or Wan, without LoRA on its patch embedding.
        channels: input channels afterwards, e.g. 32 for CogVideoX: 16 of noise, then 16 of the picture.

    Raises:
        ValueError: fewer channels than it has.
    """
    had = transformer.config.in_channels
    if channels < had:
        raise ValueError(f"this transformer reads {had} channels: it cannot be widened to {channels}")
    parent, name = (
        (transformer.patch_embed, "proj")
        if spec_of(transformer).name == "cogvideox"
        else (transformer, "patch_embedding")
    )
    old = getattr(parent, name)
    extra = list(old.weight.shape)
    extra[1] = (
        extra[1] // had * (channels - had)
    )  # linear embeddings list the channels of a patch one after another
    weight = torch.cat([old.weight, old.weight.new_zeros(extra)], dim=1)
    if isinstance(old, nn.Linear):
        made: nn.Module = nn.Linear(weight.shape[1], weight.shape[0], bias=old.bias is not None)
    else:
        made = type(old)(channels, len(weight), old.kernel_size, old.stride, bias=old.bias is not None)
    made.weight = nn.Parameter(weight, requires_grad=old.weight.requires_grad)
    if old.bias is not None:
        made.bias = old.bias
    setattr(parent, name, made.train(old.training))
    transformer.register_to_config(in_channels=channels)
