"""Single pictures read and written, and several clips in one picture with a line of text under each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write

MAX_PICTURE_PIXELS = 1 << 26
"""Largest picture that is read (ours); a 4K picture has 2**23 pixels."""


def read_picture(path: str | os.PathLike[str]) -> Image.Image:
    """A picture, turned upright and without transparency, RGB.

    Raises:
        FormatError: not a picture, damaged, or larger than 2**26 pixels.
        FileNotFoundError: there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{os.fspath(path)}: no such picture")
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MAX_PICTURE_PIXELS:
                raise FormatError(
                    path,
                    f"{picture.width}x{picture.height} pixels are too many",
                    hint="shrink the picture first",
                )
            upright = ImageOps.exif_transpose(picture)
            if "A" in upright.getbands() or "transparency" in upright.info:
                clear = upright.convert("RGBA")
                white = Image.new("RGBA", clear.size, "white")
                return Image.alpha_composite(white, clear).convert("RGB")
            return upright.convert("RGB")
    except UnidentifiedImageError:
        raise FormatError(path, "is not a picture", hint="give a PNG, JPEG or WebP file") from None
    except FormatError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(path, f"cannot be decoded ({error})", hint="it may be truncated") from None


def picture_of(pixels: np.ndarray) -> Image.Image:
    """Pixels as a picture.

    Args:
        pixels: uint8 [H, W, 3]; with transparency [H, W, 4], grey [H, W].

    Raises:
        ValueError: another type or shape.
    """
    try:
        if pixels.dtype == np.uint8 and pixels.size:
            return Image.fromarray(pixels)
    except TypeError:
        pass
    raise ValueError(f"a picture is uint8 [H, W, 3], not {pixels.dtype} {list(pixels.shape)}")


def write_picture(path: str | os.PathLike[str], picture: np.ndarray) -> None:
    """Writes uint8 [H, W, 3] as PNG, completely or not at all."""
    with atomic_write(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


def side_by_side(
    clips: Sequence[np.ndarray], labels: Sequence[str] | None = None, gap: int = 4, background: int = 255
) -> np.ndarray:
    """Several clips in one row.

    Clips are enlarged or shrunk to the largest height; shorter ones hold their last frame.

    Args:
        clips: uint8 [T, H, W, 3] each.
        labels: one line of text under each clip.
        gap: pixels between clips.
        background: grey level of the gaps.

    Returns:
        uint8 [T, H', W', 3].

    Raises:
        ValueError: no clips, another shape, or as many labels as clips are not there.
    """
    if not clips or any(clip.ndim != 4 or clip.shape[-1] != 3 or len(clip) == 0 for clip in clips):
        raise ValueError("side by side needs clips of shape [T, H, W, 3] with at least one frame each")
    if labels is not None and len(labels) != len(clips):
        raise ValueError(f"{len(labels)} labels for {len(clips)} clips")
    length, height = max(len(clip) for clip in clips), max(clip.shape[1] for clip in clips)
    columns = []
    for number, clip in enumerate(clips):
        width = round(clip.shape[2] * height / clip.shape[1])
        if clip.shape[1] != height:
            resized = [
                np.asarray(Image.fromarray(f).resize((width, height), Image.Resampling.BICUBIC)) for f in clip
            ]
            clip = np.stack(resized)
        held = np.concatenate([clip, np.repeat(clip[-1:], length - len(clip), axis=0)])
        if labels is not None:
            strip = np.broadcast_to(
                _label(labels[number], width, height, background), (length, *_strip(width, height))
            )
            held = np.concatenate([held, strip], axis=1)
        if number:
            columns.append(np.full((length, held.shape[1], gap, 3), background, np.uint8))
        columns.append(held)
    return np.concatenate(columns, axis=2)


def _strip(width: int, height: int) -> tuple[int, int, int]:
    return max(12, height // 12), width, 3


def _label(text: str, width: int, height: int, background: int) -> np.ndarray:
    strip = _strip(width, height)
    picture = Image.new("RGB", (width, strip[0]), (background,) * 3)
    draw = ImageDraw.Draw(picture)
    ink = (0, 0, 0) if background > 127 else (255, 255, 255)
    for size in range(int(strip[0] * 0.8), 5, -1):
        font = ImageFont.load_default(size)
        if draw.textlength(text, font=font) <= width - 2:
            break
    draw.text((width / 2, strip[0] / 2), text, fill=ink, font=font, anchor="mm")
    return np.asarray(picture)
