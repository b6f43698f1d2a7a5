"""Numbered and animated pictures as videos, and files whose clock begins late."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from kinema.media.decoding import is_video, open_video
from kinema.scene.formats.errors import FormatError


def grey(number, size=(64, 48)):
    return Image.new("RGB", size, (20 + 3 * number,) * 3)


def folder_of(path, numbers, name="{:d}.png", size=(64, 48)):
    path.mkdir(exist_ok=True)
    for number in numbers:
        grey(number, size).save(path / name.format(number))
    return path


def shown(path, **options):
    with open_video(path, **options) as source:
        frames = np.concatenate(list(source.chunks(7)))
    return [round((float(frame.mean()) - 20) / 3) for frame in frames], source


class TestNumberedPictures:
    def test_stand_in_the_order_of_their_numbers(self, tmp_path):
        folder = folder_of(tmp_path / "frames", range(1, 13))  # 10 comes after 2, not after 1
        numbers, source = shown(folder)
        assert numbers == list(range(1, 13))
        assert (source.fps, source.frames, source.size) == (30.0, 12, (64, 48))
        assert "--source-fps" in source.notes[0]
        assert is_video(folder)

    @pytest.mark.parametrize("pattern", ["f_%04d.png", "f_%d.png", "f_*.png", "f_00??.png"])
    def test_fit_a_pattern(self, tmp_path, pattern):
        folder_of(tmp_path, range(4), "f_{:04d}.png")
        grey(60).save(tmp_path / "mask_0001.png")
        numbers, _ = shown(tmp_path / pattern, source_fps=24)
        assert numbers == [0, 1, 2, 3]
        assert is_video(tmp_path / pattern)

    def test_run_as_fast_as_is_said(self, tmp_path):
        folder = folder_of(tmp_path / "frames", range(8))
        numbers, source = shown(folder, fps=12)
        assert (numbers, source.fps, source.notes) == (list(range(8)), 12.0, ())
        numbers, source = shown(folder, fps=12, source_fps=24)
        assert (numbers, source.duration) == ([0, 2, 4, 6], pytest.approx(1 / 3))

    def test_numbers_left_out_hold_the_nearest(self, tmp_path):
        folder = folder_of(tmp_path / "frames", [0, 1, 4, 5])
        numbers, source = shown(folder, source_fps=10)
        assert numbers == [0, 1, 1, 4, 4, 5]
        assert "2 numbers have no picture" in source.notes[0]
        every_fifth = folder_of(tmp_path / "fifth", [0, 5, 10])
        assert shown(every_fifth, source_fps=10)[0] == [0, 5, 10]

    def test_a_part_of_them(self, tmp_path):
        folder = folder_of(tmp_path / "frames", range(10))
        assert shown(folder, source_fps=10, start=0.3, stop=0.6)[0] == [3, 4, 5]

    def test_what_is_named_otherwise_is_left_out(self, tmp_path):
        folder = folder_of(tmp_path / "frames", range(5))
        grey(50, (32, 32)).save(folder / "cover.jpg")
        numbers, source = shown(folder, source_fps=10)
        assert numbers == list(range(5))
        assert "1 pictures of other names" in source.notes[0]

    def test_two_series_are_not_mixed(self, tmp_path):
        folder = folder_of(tmp_path / "frames", range(5), "rgb{:02d}.png")
        folder_of(folder, range(5), "mask{:02d}.png")
        with pytest.raises(FormatError, match=r"two series.*rgb00\.png.*mask00\.png.*rgb\*\.png"):
            shown(folder)

    def test_one_of_another_size_is_named(self, tmp_path):
        folder = folder_of(tmp_path / "frames", range(5))
        grey(2, (32, 48)).save(folder / "2.png")
        with pytest.raises(FormatError, match=r"2\.png: is 32x48 pixels.*64x48"):
            shown(folder)

    def test_one_that_is_no_picture_is_named(self, tmp_path):
        folder = folder_of(tmp_path / "frames", range(5))
        (folder / "3.png").write_bytes(b"no picture")
        with pytest.raises(FormatError, match=r"3\.png: is not a picture"):
            shown(folder)

    def test_none(self, tmp_path):
        assert not is_video(tmp_path)
        with pytest.raises(FileNotFoundError, match="no picture fits"):
            shown(tmp_path / "%04d.png")


class TestAnimatedPictures:
    @pytest.mark.parametrize("suffix", ["gif", "webp", "avif", "png"])
    def test_stand_as_long_as_they_say(self, tmp_path, suffix):
        path = tmp_path / f"a.{suffix}"
        frames = [grey(10 * n) for n in range(4)]
        options = {"webp": {"lossless": True}, "avif": {"quality": 100}}.get(suffix, {})
        frames[0].save(
            path, save_all=True, append_images=frames[1:], duration=[100, 200, 100, 100], **options
        )
        numbers, source = shown(path, fps=10)
        assert numbers == [0, 10, 10, 20, 30]
        assert source.duration == pytest.approx(0.5)
        assert is_video(path)
        assert shown(path, source_fps=10)[0] == [0, 10, 20, 30]

    def test_clear_parts_are_white(self, tmp_path):
        frames = [Image.new("RGBA", (32, 32), (200, 0, 0, alpha)) for alpha in (0, 255)]
        frames[0].save(
            tmp_path / "a.webp", save_all=True, append_images=frames[1:], duration=100, lossless=True
        )
        with open_video(tmp_path / "a.webp") as source:
            frames = np.concatenate(list(source.chunks()))
        assert frames[:, 0, 0].tolist() == [[255, 255, 255], [200, 0, 0]]

    def test_a_still_one_is_one_frame_and_no_video(self, tmp_path):
        grey(4).save(tmp_path / "a.png")
        assert not is_video(tmp_path / "a.png")
        assert shown(tmp_path / "a.png")[0] == [4]

    def test_a_truncated_one_is_said_to_be(self, tmp_path):
        frames = [Image.effect_noise((64, 64), 50 + n) for n in range(4)]
        frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], duration=100)
        whole = (tmp_path / "a.webp").read_bytes()
        (tmp_path / "a.webp").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(FormatError, match=r"a\.webp"):
            shown(tmp_path / "a.webp")


@pytest.mark.parametrize("suffix", ["mkv", "webm", "mp4", "ts"])
def test_a_clock_that_begins_late_does_not_matter(tmp_path, suffix):
    """Cutting without encoding again leaves the time stamps of the longer film."""
    path = tmp_path / f"a.{suffix}"
    codec, options = ("libvpx", {}) if suffix == "webm" else ("libx264", {"crf": "5", "bf": "0"})
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = options
        for number in range(40):
            picture = av.VideoFrame.from_ndarray(np.asarray(grey(number)), format="rgb24")
            picture.pts, picture.time_base = number + 125, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    numbers, source = shown(path, fps=25)
    assert len(numbers) == 40
    assert np.allclose(numbers, np.arange(40), atol=1)
    assert source.frames in (0, 40)
    assert len(shown(path, fps=25, start=1.0)[0]) == 15


def test_a_rate_that_a_file_says_wrong(tmp_path):
    """Ten frames that claim 25 fps, and were taken 5 in a second."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(grey(number)), format="rgb24")))
        container.mux(stream.encode(None))
    numbers, source = shown(path, source_fps=5)
    assert (numbers, source.fps, source.duration) == (list(range(10)), 5.0, pytest.approx(2.0))
    assert shown(path, source_fps=5, fps=10)[0][::2] == list(range(10))
