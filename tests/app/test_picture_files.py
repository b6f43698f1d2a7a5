"""Every kind of picture file that people bring: the right pixels, or what the file is."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from kinema.media import picture_files
from kinema.media.pictures import read_picture, read_picture_file, rgb_picture
from kinema.scene.formats.errors import FormatError

REAL = Path(__file__).resolve().parents[3] / "shared" / "real_cases" / "pictures"
RAMP = np.linspace(0, 65535, 256, dtype=np.uint16)[None].repeat(80, 0)


def pixels(path: Path, **options) -> np.ndarray:
    return np.asarray(read_picture(path, **options)).astype(int)


def write_png16(path: Path, samples: np.ndarray, colour: int) -> None:
    """A PNG of 16 bits a channel, [H, W, C], which Pillow itself writes of grey alone."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width, _ = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_of_grey_are_not_white(tmp_path, name):
    Image.fromarray(RAMP).save(tmp_path / name)
    assert np.abs(pixels(tmp_path / name)[0, :, 0] - np.arange(256)).max() <= 1


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4), (4, 2)])
def test_sixteen_bits_of_colour(tmp_path, colour, channels):
    samples = np.full((80, 256, channels), 65535, np.uint16)
    samples[..., 0] = RAMP
    write_png16(tmp_path / "a.png", samples, colour)
    assert np.abs(pixels(tmp_path / "a.png")[0, :, 0] - np.arange(256)).max() <= 1


def test_twelve_bits_in_sixteen_are_said(tmp_path):
    Image.fromarray((RAMP // 16).astype(np.uint16)).save(tmp_path / "a.tif")
    read = read_picture_file(tmp_path / "a.tif")
    assert np.asarray(read.picture).max() == 255
    assert any("4095 is taken as white" in note for note in read.notes)


def test_floats_end_at_one(tmp_path):
    Image.fromarray((RAMP / 65535).astype(np.float32)).save(tmp_path / "a.tif")
    assert np.abs(pixels(tmp_path / "a.tif")[0, :, 0] - np.arange(256)).max() <= 1


def test_inks_become_colours(tmp_path):
    red = Image.new("RGB", (80, 80), (200, 30, 20))
    red.convert("CMYK").save(tmp_path / "plain.jpg", quality=95)
    assert np.abs(pixels(tmp_path / "plain.jpg")[40, 40] - [200, 30, 20]).max() < 6
    red.convert("CMYK").save(tmp_path / "plain.tif")
    assert np.abs(pixels(tmp_path / "plain.tif")[40, 40] - [200, 30, 20]).max() < 6


def test_colour_profiles_are_followed(tmp_path):
    """A linear-light profile: a middle grey of it is far lighter in sRGB."""
    linear = ImageCms.createProfile("sRGB")
    profile = ImageCms.ImageCmsProfile(linear).tobytes()
    Image.new("RGB", (80, 80), (100, 150, 200)).save(tmp_path / "srgb.png", icc_profile=profile)
    assert np.abs(pixels(tmp_path / "srgb.png")[40, 40] - [100, 150, 200]).max() <= 1
    Image.new("RGB", (80, 80), (100, 150, 200)).save(tmp_path / "damaged.png", icc_profile=b"nonsense" * 20)
    assert np.abs(pixels(tmp_path / "damaged.png")[40, 40] - [100, 150, 200]).max() <= 1


def cut_out(mode: str, level: int) -> Image.Image:
    """A square of one grey level on nothing."""
    alpha = np.zeros((100, 100), np.uint8)
    alpha[25:75, 25:75] = 255
    grey = Image.new("L", (100, 100), level)
    picture = Image.merge("LA", (grey, Image.fromarray(alpha)))
    return picture if mode == "LA" else picture.convert("RGBA")


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize(("level", "ground"), [(40, 255), (240, 128)])
def test_what_is_transparent_stands_on_a_ground_that_shows_the_figure(tmp_path, mode, level, ground):
    cut_out(mode, level).save(tmp_path / "a.png")
    read = read_picture_file(tmp_path / "a.png")
    assert np.asarray(read.picture)[0, 0].tolist() == [ground] * 3
    assert np.asarray(read.picture)[50, 50].tolist() == [level] * 3
    assert any("transparent" in note for note in read.notes)


def test_transparency_is_kept_where_it_is_wanted(tmp_path):
    cut_out("RGBA", 40).save(tmp_path / "a.png")
    kept = np.asarray(read_picture(tmp_path / "a.png", alpha=True))
    assert kept[0, 0, 3] == 0
    assert kept[50, 50].tolist() == [40, 40, 40, 255]
    Image.new("RGBA", (80, 80), (9, 9, 9, 255)).save(tmp_path / "solid.png")
    assert read_picture(tmp_path / "solid.png", alpha=True).mode == "RGB"
    assert not read_picture_file(tmp_path / "solid.png").notes


def test_palettes(tmp_path):
    picture = Image.new("P", (80, 80), 1)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.save(tmp_path / "solid.png")
    assert pixels(tmp_path / "solid.png")[0, 0].tolist() == [200, 100, 50]
    picture.save(tmp_path / "clear.png", transparency=1)
    assert pixels(tmp_path / "clear.png")[0, 0].tolist() == [255, 255, 255]
    assert pixels(tmp_path / "clear.png", alpha=True)[0, 0].tolist() == [200, 100, 50, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_every_orientation_is_turned_upright(tmp_path, orientation, name):
    upright = np.zeros((60, 90, 3), np.uint8)
    upright[:30, :45], upright[:30, 45:], upright[30:, :45] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    back = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270}  # fmt: skip
    stored = Image.fromarray(upright)
    if orientation > 1:
        stored = stored.transpose(back[orientation])
    exif = stored.getexif()
    exif[0x0112] = orientation
    stored.save(tmp_path / name, exif=exif, **({"quality": 95} if name != "a.png" else {}))
    assert np.abs(pixels(tmp_path / name) - upright).mean() < 6


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_of_an_animation_the_first_frame_is_taken_and_said(tmp_path, name):
    first, second = (Image.new("RGB", (80, 80), colour) for colour in ("red", "blue"))
    first.save(tmp_path / name, save_all=True, append_images=[second], duration=100)
    read = read_picture_file(tmp_path / name)
    assert np.abs(np.asarray(read.picture)[40, 40].astype(int) - [255, 0, 0]).max() < 12
    assert any("2 frames" in note for note in read.notes)


@pytest.mark.parametrize("name", ["a.webp", "a.avif", "a.bmp", "a.jp2", "a.tga", "a.ppm"])
def test_other_formats_and_wrong_suffixes(tmp_path, name):
    Image.new("RGB", (80, 80), (200, 100, 50)).save(tmp_path / name)
    assert np.abs(pixels(tmp_path / name)[40, 40] - [200, 100, 50]).max() < 8
    (tmp_path / name).rename(tmp_path / "called.jpg")
    assert read_picture(tmp_path / "called.jpg").size == (80, 80)


def test_large_pictures_are_read_smaller(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_files, "LARGE", 100 * 100)
    monkeypatch.setattr(picture_files, "MAX_PICTURE_PIXELS", 300 * 300)
    Image.new("RGB", (290, 200), "red").save(tmp_path / "a.png")
    read = read_picture_file(tmp_path / "a.png")
    assert read.picture.size == (97, 67)
    assert any("290x200" in note for note in read.notes)
    Image.new("RGB", (2000, 1000), "red").save(
        tmp_path / "a.jpg"
    )  # too large, but for a JPEG's own reduction
    assert np.prod(read_picture(tmp_path / "a.jpg").size) <= 100 * 100
    Image.new("RGB", (2000, 1000), "red").save(tmp_path / "b.png")
    with pytest.raises(FormatError, match="2000x1000 pixels are too many"):
        read_picture(tmp_path / "b.png")


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (8, 8)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 60000, 60000)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    path.write_bytes(bytes(content))
    with pytest.raises(FormatError, match="too many"):
        read_picture(path)


def test_one_pixel_is_a_picture_that_shows_nobody(tmp_path):
    Image.new("RGB", (1, 1), "red").save(tmp_path / "a.png")
    assert any("nobody" in note for note in read_picture_file(tmp_path / "a.png").notes)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawing"),
        (b"<?xml version='1.0'?>\n<svg/>", "SVG drawing"),
        (b"%PDF-1.7\n", "PDF document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC picture.*save it as JPEG"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video.*frames"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"", "is empty"),
        (b"hello", "not a picture; give a PNG"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, content, said):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=said):
        read_picture(path)


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(FormatError, match="is a folder"):
        read_picture(tmp_path)


def test_truncated_pictures_are_said_to_be(tmp_path):
    for name in ("a.png", "a.jpg", "a.webp", "a.tif", "a.gif", "a.avif"):
        Image.effect_noise((200, 200), 50).convert("RGB").save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 3])
        with pytest.raises(FormatError, match=r"truncated|not a picture"):
            read_picture(tmp_path / name)


@pytest.mark.parametrize(
    "mode", [*"1LPIF", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I;16", "PA", "RGBa", "La"]
)
def test_pictures_of_every_mode_become_colours(mode):
    read = rgb_picture(Image.new(mode, (80, 70)))
    assert (read.picture.mode, read.picture.size) == ("RGB", (80, 70))


@pytest.mark.skipif(not REAL.is_dir(), reason="no shared/real_cases here")
def test_real_pictures_are_read():
    for path in REAL.iterdir():
        read = read_picture(path)
        assert read.mode == "RGB"
        assert min(read.size) > 100
