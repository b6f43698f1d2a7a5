"""Pictures and frames as the tensors that autoencoders read, and back."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from kinema.media.pictures import picture_of


def picture_tensor(image: Image.Image | np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    """A picture cropped to fill (width, height), as one frame of pixels in [-1, 1], [1, 3, 1, H, W].

    Raises:
        ValueError: pixels of another type or shape than a picture's.
    """
    if isinstance(image, np.ndarray):
        image = picture_of(image)
    image = image.convert("RGB")
    if image.size != size:
        scale = max(size[0] / image.width, size[1] / image.height)
        crop_width, crop_height = size[0] / scale, size[1] / scale
        left, top = max(0.0, (image.width - crop_width) / 2), max(0.0, (image.height - crop_height) / 2)
        box = (left, top, min(left + crop_width, image.width), min(top + crop_height, image.height))
        image = image.resize(size, Image.Resampling.LANCZOS, box=box)
    return from_uint8(np.asarray(image)[None])


def from_uint8(frames: np.ndarray) -> torch.Tensor:
    """uint8 [T, H, W, 3] to [1, 3, T, H, W] in [-1, 1]."""
    return torch.from_numpy(frames.astype(np.float32)).permute(3, 0, 1, 2)[None] / 127.5 - 1


def to_uint8(video: torch.Tensor) -> np.ndarray:
    """[3, T, H, W] in [-1, 1] to uint8 [T, H, W, 3].

    Raises:
        FloatingPointError: the autoencoder returned NaN or infinity.
    """
    if not torch.isfinite(video).all():
        raise FloatingPointError("the autoencoder returned NaN or infinity: try another seed or float32")
    return ((video.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 3, 0).cpu().numpy()
