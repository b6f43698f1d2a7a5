"""Picture files of every kind as upright 8-bit sRGB, and what had to be decided on the way.

Whatever Pillow can decode is read by its content; its name does not matter. Files that are something else, and pictures
that Pillow cannot decode, are refused with what they are and how to make a picture of them.
"""

from __future__ import annotations

import os
import struct
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from kinema.scene.formats.errors import FormatError

MAX_PICTURE_PIXELS = 1 << 26
"""Largest picture that is decoded (ours); a 4K picture has 2**23 pixels. A JPEG may be larger: it is decoded small."""

LARGE = 1 << 24
"""Pixels above which a picture is read at a half, a third, ... of its size (ours): no video is as large."""

_FORMATS = (
    "PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "DIB", "PPM", "TGA", "JPEG2000", "PSD", "ICO", "PCX", "SGI",
    "QOI", "DDS",
)  # fmt: skip
_STILLS = ("MPO", "ICO", "PSD")  # further frames of these are views, sizes and layers
_LIGHT = 200  # median grey level of a figure from which on white is no ground for it (ours)
_TINY = 64  # pixels; a shorter side shows nobody (ours)

_HEIF = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF document", "export its page as PNG"),
    (b"%!PS", "PostScript", "export it as PNG"),
    (b"\xc5\xd0\xd3\xc6", "PostScript", "export it as PNG"),
    (b"\xff\x0a", "a JPEG XL picture, which is not read here", "save it as PNG or JPEG"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture, which is not read here", "save it as PNG or JPEG"),
    (b"\x1aE\xdf\xa3", "a video", "save one of its frames as PNG"),
    (b"gimp xcf", "a GIMP project", "export it as PNG"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch it with `git lfs pull`"),
    (b"PK\x03\x04", "a ZIP archive or an office document", "unpack it, or export the picture as PNG"),
    (b"\x1f\x8b", "a compressed file", "unpack it first"),
)


@dataclass(frozen=True, eq=False)
class PictureFile:
    """A picture that was read.

    Args:
        picture: upright, sRGB, 8 bits a channel: RGB, or RGBA where transparency was asked for and is there.
        notes: sentences for people: what was decided, what is doubtful.
    """

    picture: Image.Image
    notes: tuple[str, ...] = ()


def read_picture_file(path: str | os.PathLike[str], *, alpha: bool = False) -> PictureFile:
    """A picture, turned upright (EXIF) and in sRGB (ICC profile), with what was decided.

    16 bits a channel become 8, of an animation the first frame is taken, what is transparent stands on white, or on
    grey where the figure itself is light. More than 2**24 pixels are read at a half, a third, ... of the size.

    Args:
        path: any picture that Pillow decodes, by its content.
        alpha: keep what is transparent so: RGBA, where any of it is.

    Raises:
        FormatError: not a picture (named as what it is), damaged, or larger than 2**26 pixels.
        FileNotFoundError: there is no such file.
    """
    if not Path(path).is_file():
        if Path(path).is_dir():
            raise FormatError(path, "is a folder, not a picture", hint="name one of its files")
        raise FileNotFoundError(f"{os.fspath(path)}: no such picture")
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limit on pixels, and metadata that it passes over
            with Image.open(path, formats=picture_formats()) as opened:
                picture = _decoded(opened, path, notes)
                shown = rgb_picture(_upright(picture), alpha=alpha)
    except UnidentifiedImageError:
        raise _not_a_picture(path) from None
    except FormatError:
        raise
    except Image.DecompressionBombError:
        raise _too_large(path, "more than 178 million") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, OverflowError) as error:
        raise FormatError(path, f"cannot be decoded ({error})", hint="it may be truncated") from None
    return PictureFile(shown.picture, (*notes, *shown.notes))


def rgb_picture(picture: Image.Image, *, alpha: bool = False) -> PictureFile:
    """A decoded picture of any mode as `PictureFile` has it; it is not turned.

    Args:
        picture: of any of Pillow's modes, with its ICC profile where it has one.
        alpha: keep what is transparent so.
    """
    notes: list[str] = []
    if picture.mode.startswith(("I", "F")):
        picture = _eight_bits(picture, notes)
    if picture.mode in ("PA", "LA", "La", "RGBa", "RGBA") or "transparency" in picture.info:
        clear = picture.convert("LA" if picture.mode == "La" else "RGBA").convert("RGBA")
        opaque = np.asarray(clear.getchannel("A"))
        if opaque.min() < 255:
            colours = _in_srgb(picture, clear.convert("RGB"))
            if alpha:
                colours.putalpha(clear.getchannel("A"))
                return PictureFile(colours, tuple(notes))
            return PictureFile(_on_ground(colours, opaque, notes), tuple(notes))
        return PictureFile(_in_srgb(picture, clear.convert("RGB")), tuple(notes))
    shown = _in_srgb(picture, picture)
    if min(shown.size) < _TINY:
        notes.append(f"it has only {shown.width}x{shown.height} pixels: nobody can be made out in it")
    return PictureFile(shown, tuple(notes))


def picture_formats() -> list[str]:
    """Pillow's names of what is read and can be decoded here; none of it runs another program, as PostScript would."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _decoded(opened: Image.Image, path: str | os.PathLike[str], notes: list[str]) -> Image.Image:
    """The pixels of the first frame, at a part of the size where there are too many."""
    width, height = opened.size
    frames = getattr(opened, "n_frames", 1)
    if frames > 1 and opened.format not in _STILLS:
        notes.append(f"it has {frames} frames: the first is taken")
    factor = 1
    while width * height > factor**2 * LARGE:
        factor += 1
    if factor > 1 and opened.format in ("JPEG", "MPO"):
        opened.draft(None, (width // factor, height // factor))  # decodes an eighth, a quarter or a half
    if opened.width * opened.height > MAX_PICTURE_PIXELS:
        raise _too_large(path, f"{width}x{height}")
    opened.load()
    if factor == 1:
        return opened
    factor = max(1, -(-opened.width * factor // width))
    small = opened if factor == 1 or opened.mode in ("P", "1") else opened.reduce(factor)
    small.info = opened.info
    notes.append(f"its {width}x{height} pixels are read as {small.width}x{small.height}")
    return small


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; damaged EXIF says nothing."""
    try:
        return ImageOps.exif_transpose(picture)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return picture


def _eight_bits(picture: Image.Image, notes: list[str]) -> Image.Image:
    """Grey of 16 bits, 32 bits or floats as 8 bits: white is the depth's largest value, 1.0, or else the brightest."""
    grey = np.nan_to_num(np.asarray(picture).astype(np.float64), posinf=0.0, neginf=0.0)
    brightest = float(grey.max(initial=0.0))
    if picture.mode == "F":
        white = 1.0 if brightest <= 1 else 255.0 if brightest <= 255 else brightest
    else:
        white = 4095.0 if 255 < brightest <= 4095 else 65535.0 if brightest <= 65535 else brightest
    if white not in (1.0, 65535.0):
        notes.append(f"its grey levels end at {brightest:g}: {white:g} is taken as white")
    return Image.fromarray((np.clip(grey / white, 0, 1) * 255).round().astype(np.uint8))


def _in_srgb(picture: Image.Image, plain: Image.Image) -> Image.Image:
    """`plain`, the same picture without transparency, with the colours that an ICC profile of `picture` means.

    CMYK without a profile is converted as Pillow does: 255 less ink and black.
    """
    profile = picture.info.get("icc_profile")
    if plain.mode == "LAB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    if profile and plain.mode in ("RGB", "CMYK", "LAB"):
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            turned = ImageCms.profileToProfile(
                plain, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            if turned is not None:
                return turned
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile, or one for other channels, says nothing
    return plain.convert("RGB")


def _on_ground(colours: Image.Image, opaque: np.ndarray, notes: list[str]) -> Image.Image:
    figure = np.asarray(colours.convert("L"))[opaque > 127]
    light = figure.size > 0 and float(np.median(figure)) > _LIGHT
    name, level = ("grey", 128) if light else ("white", 255)
    notes.append(
        f"what is transparent stands on {name}" if figure.size else "nothing but transparency is in it"
    )
    ground = Image.new("RGB", colours.size, (level,) * 3)
    return Image.composite(colours, ground, Image.fromarray(opaque))


def _too_large(path: str | os.PathLike[str], pixels: str) -> FormatError:
    return FormatError(
        path,
        f"{pixels} pixels are too many: {MAX_PICTURE_PIXELS // 10**6} million are read, of a JPEG 178 million",
        hint="shrink the picture first",
    )


def _not_a_picture(path: str | os.PathLike[str]) -> FormatError:
    """What a file is that is no picture, and how to get one."""
    with open(path, "rb") as file:
        head = file.read(1024)
    if not head:
        return FormatError(path, "is empty")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head[4:8] == b"ftyp":
        if head[8:12] in _HEIF:
            return FormatError(
                path,
                "is a HEIC picture, which is not read here",
                hint="save it as JPEG (phones: Settings > Camera > Most Compatible), or `heif-convert in.heic out.jpg`",
            )
        if head[8:12] in (b"avif", b"avis"):
            return FormatError(
                path, "is an AVIF picture that cannot be decoded here", hint="save it as PNG or JPEG"
            )
        return FormatError(path, "is a video, not a picture", hint="save one of its frames as PNG")
    for magic, what, hint in _OTHERS:
        if head.startswith(magic):
            return FormatError(path, f"is {what}", hint=hint)
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!--")) and b"<svg" in start):
        return FormatError(path, "is an SVG drawing, not pixels", hint="export it as PNG")
    if start.startswith((b"<!doctype html", b"<html")):
        return FormatError(path, "is a web page", hint="download the picture itself")
    if start.startswith(b"<!doctype svg"):
        return FormatError(path, "is an SVG drawing, not pixels", hint="export it as PNG")
    return FormatError(path, "is not a picture", hint="give a PNG, JPEG, WebP, AVIF, TIFF or GIF file")
