"""Cut-outs that somebody gives: a picture's transparency, or a mask file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from kinema.media.picture_files import MAX_PICTURE_PIXELS
from kinema.scene.formats.errors import FormatError

_EMPTY, _FULL = 0.001, 0.98  # shares of a picture between which a transparency is a cut-out (ours)


def read_mask(path: str | os.PathLike[str], size: tuple[int, int]) -> np.ndarray:
    """A mask file of any mode, float32 [H, W] from 0 to 1: its transparency where it has one, else its brightness.

    Args:
        path: a PNG or another picture.
        size: (width, height) of the picture that it masks.

    Raises:
        FormatError: not a picture, another size, or nothing in it.
        FileNotFoundError: there is no such file.
    """
    image = _opened(path)
    if image.size != size:
        raise FormatError(
            path,
            f"has {image.width}x{image.height} pixels, the picture {size[0]}x{size[1]}",
            hint="give a mask of the picture's size",
        )
    mask = _transparency(image)
    if mask is None or mask.mean() > _FULL:
        mask = _brightness(image)
    if (mask > 0.5).mean() < _EMPTY:
        raise FormatError(path, "has nobody in it", hint="the person is white, all else black")
    return mask


def cutout_of(picture: np.ndarray) -> np.ndarray | None:
    """The transparency of uint8 [H, W, 4] where it is a cut-out, float32 [H, W]; None where it is none."""
    mask = np.asarray(picture[..., 3], np.float32) / 255
    return mask if _EMPTY < (mask > 0.5).mean() < _FULL else None


def on_white(picture: np.ndarray) -> np.ndarray:
    """A picture with transparency before white: uint8 [H, W, 4] to uint8 [H, W, 3]."""
    share = picture[..., 3:].astype(np.float32) / 255
    return np.asarray(share * picture[..., :3] + (1 - share) * 255 + 0.5).astype(np.uint8)


def _opened(path: str | os.PathLike[str]) -> Image.Image:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{os.fspath(path)}: no such picture")
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PICTURE_PIXELS:
                raise FormatError(
                    path, f"{image.width}x{image.height} pixels are too many", hint="shrink it first"
                )
            return ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        raise FormatError(path, "is not a picture", hint="give a PNG") from None
    except FormatError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(path, f"cannot be decoded ({error})", hint="it may be truncated") from None


def _transparency(image: Image.Image) -> np.ndarray | None:
    if "A" not in image.getbands() and "transparency" not in image.info:
        return None
    return np.asarray(image.convert("RGBA"), np.float32)[..., 3] / 255


def _brightness(image: Image.Image) -> np.ndarray:
    if image.mode.startswith(("I", "F")):  # 16 and 32 bits, which PIL would clip
        values = np.asarray(image, np.float32)
        return np.clip(values / max(float(values.max()), 1.0), 0, 1)
    return np.asarray(image.convert("L"), np.float32) / 255
