from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from kinema.media.pictures import read_picture, side_by_side, write_picture
from kinema.scene.formats.errors import FormatError


def grey(level: int, frames: int, height: int, width: int) -> np.ndarray:
    return np.full((frames, height, width, 3), level, np.uint8)


def test_clips_stand_in_one_row_at_one_height():
    row = side_by_side([grey(10, 3, 20, 10), grey(200, 5, 40, 30)], gap=4)
    assert row.shape == (5, 40, 20 + 4 + 30, 3)
    assert (row[:, :, :20] == 10).all()
    assert (row[:, :, 24:] == 200).all()


def test_a_shorter_clip_holds_its_last_frame():
    short = np.concatenate([grey(10, 1, 8, 8), grey(50, 1, 8, 8)])
    row = side_by_side([short, grey(0, 4, 8, 8)], gap=0)
    assert [int(frame[0, 0, 0]) for frame in row] == [10, 50, 50, 50]


def test_labels_stand_below():
    row = side_by_side([grey(10, 2, 60, 80), grey(10, 2, 60, 80)], ["left", "right"])
    assert row.shape[1] > 60
    strip = row[0, 60:]
    assert strip[:, :80].min() < 100
    assert strip[:, :80].max() == 255


@pytest.mark.parametrize(
    ("clips", "labels"), [([], None), ([grey(1, 0, 8, 8)], None), ([grey(1, 1, 8, 8)], ["a", "b"])]
)
def test_wrong_rows_are_refused(clips, labels):
    with pytest.raises(ValueError, match=r"clips"):
        side_by_side(clips, labels)


def test_pictures_are_read_upright_on_white(tmp_path):
    tall = Image.new("RGBA", (8, 20), (255, 0, 0, 0))
    tall.save(tmp_path / "clear.png")
    assert np.asarray(read_picture(tmp_path / "clear.png")).min() == 255
    turned = Image.new("RGB", (30, 10), "blue")
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").size == (10, 30)


def test_written_pictures_come_back(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (9, 7, 3), np.uint8)
    write_picture(tmp_path / "a.png", picture)
    assert (np.asarray(read_picture(tmp_path / "a.png")) == picture).all()


@pytest.mark.parametrize("damage", ["text", "truncated", "bomb"])
def test_broken_pictures_give_one_clear_error(tmp_path, damage):
    path = tmp_path / "a.png"
    if damage == "text":
        path.write_text("hello")
    elif damage == "truncated":
        Image.effect_noise((64, 64), 50).save(path)
        path.write_bytes(path.read_bytes()[:500])
    else:
        Image.new("1", (9000, 9000)).save(path)
    with pytest.raises(FormatError, match=r"a\.png"):
        read_picture(path)


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        read_picture(tmp_path / "gone.png")
