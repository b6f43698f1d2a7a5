"""Single pictures read and written, and several clips in one picture with a line of text under each."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kinema.media.picture_files import PictureFile, read_picture_file, rgb_picture
from kinema.scene.formats.files import atomic_write

__all__ = [
    "PictureFile",
    "picture_of",
    "read_picture",
    "read_picture_file",
    "rgb_picture",
    "side_by_side",
    "write_picture",
]


def read_picture(path: str | os.PathLike[str], *, alpha: bool = False) -> Image.Image:
    """A picture file as `read_picture_file` reads it, without what is said about it.

    Raises:
        FormatError, FileNotFoundError: as there.
    """
    return read_picture_file(path, alpha=alpha).picture


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
