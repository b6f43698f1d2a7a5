from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.media.video import open_video, read_settings, read_video, sidecar, write_video
from kinema.scene.formats.errors import FormatError


def clip(frames: int = 5, height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth moving pattern, uint8 [T, H, W, 3]."""
    y, x = np.mgrid[:height, :width]
    waves = [127 + 100 * np.sin(x / 9 + t / 2)[..., None] * [1, 0.5, 0] + y[..., None] for t in range(frames)]
    return np.clip(waves, 0, 255).astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


@settings(max_examples=25, deadline=None)
@given(
    frames=st.integers(1, 4),
    height=st.integers(16, 70),
    width=st.integers(16, 70),
    scale=st.integers(1, 3),
    fps=st.sampled_from([1.0, 12.0, 24000 / 1001, 29.97, 30.0, 60.0]),
)
def test_frames_come_back(tmp_path_factory, frames, height, width, scale, fps):
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    made = clip(frames, height, width)
    write_video(path, made, fps, {"seed": 7}, scale=scale)
    back = read_video(path)
    assert back.frames.shape == made.shape
    assert back.fps == pytest.approx(fps, rel=1e-3)
    assert back.settings == {"seed": 7}
    assert psnr(back.frames, made) > 28


def test_colours_are_kept(tmp_path):
    made = np.zeros((2, 32, 64, 3), np.uint8)
    for column, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 90, 90)]):
        made[:, :, 16 * column : 16 * (column + 1)] = colour
    write_video(tmp_path / "a.mp4", made, 24, crf=0, scale=2)
    back = read_video(tmp_path / "a.mp4").frames.astype(int)
    assert np.abs(back[:, :, 4::16] - made[:, :, 4::16]).max() <= 3


def test_plays_in_a_browser(tmp_path):
    """H.264, 4:2:0, even sides, BT.709, and the index before the data so that it streams."""
    import av

    write_video(tmp_path / "a.mp4", clip(3, 47, 33), 24)
    with av.open(str(tmp_path / "a.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, codec.width, codec.height) == ("h264", "yuv420p", 34, 48)
        assert (codec.colorspace, codec.color_range) == (1, 1)
        assert container.duration == pytest.approx(3 / 24 * 1e6, rel=0.01)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_equal_frames_make_equal_files(tmp_path):
    """Without x264's macroblock tree, which went astray about once in a hundred files, mostly between reads."""
    noise = np.random.default_rng(0).integers(0, 255, (9, 48, 32, 3), np.uint8)
    made = set()
    for _ in range(10):
        write_video(tmp_path / "a.mp4", noise, 8)
        made.add((tmp_path / "a.mp4").read_bytes())
        read_video(tmp_path / "a.mp4")
    assert len(made) == 1
    assert b" mbtree=0 " in made.pop()  # x264 states its settings in the stream; ten files alone prove little


def test_settings_stand_in_the_file_and_beside_it(tmp_path):
    wanted = {"camera": "arc left 60° 🎥", "size": (64, 48), "seed": np.int64(3), "long": "x" * 5000}
    write_video(tmp_path / "a.mp4", clip(), 24, wanted)
    expected = {"camera": "arc left 60° 🎥", "size": [64, 48], "seed": 3, "long": "x" * 5000}
    assert read_settings(tmp_path / "a.mp4") == expected
    assert json.loads(sidecar(tmp_path / "a.mp4").read_text())["settings"] == expected


def test_settings_must_be_plain(tmp_path):
    with pytest.raises(TypeError, match="settings"):
        write_video(tmp_path / "a.mp4", clip(), 24, {"what": object()})
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    write_video(tmp_path / "a.mp4", clip(), 24, {"seed": 1})
    before = (tmp_path / "a.mp4").read_bytes()
    with pytest.raises(KeyboardInterrupt), open_video(tmp_path / "a.mp4", 24, {"seed": 2}) as video:  # noqa: PT012
        video.write(clip())
        raise KeyboardInterrupt
    assert (tmp_path / "a.mp4").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "a.mp4.json"}


@pytest.mark.parametrize(
    ("frames", "arguments", "message"),
    [
        (clip(), {"path": "a.avi"}, r"written as \.mp4, \.mov, .* name it a\.mp4, or a/"),
        (clip(), {"fps": 0.0}, "frames per second"),
        (clip(), {"fps": float("nan")}, "frames per second"),
        (clip(), {"crf": 60}, "crf"),
        (clip(), {"scale": 0}, "scale"),
        (clip().astype(float), {}, "uint8"),
        (clip()[..., :2], {}, "uint8"),
        (clip()[:0], {}, "at least one frame"),
    ],
)
def test_wrong_arguments_are_named_and_nothing_is_written(tmp_path, frames, arguments, message):
    arguments = {"path": "a.mp4", "fps": 24.0, **arguments}
    path = tmp_path / arguments.pop("path")
    fps = arguments.pop("fps")
    with pytest.raises(ValueError, match=message):
        write_video(path, frames, fps, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_frames_of_two_sizes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="frame 5"), open_video(tmp_path / "a.mp4", 24) as video:  # noqa: PT012
        video.write(clip())
        video.write(clip(1, 32, 32))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_made_only_for_a_video_that_is_written(tmp_path):
    with pytest.raises(ValueError, match="one frame"):
        write_video(tmp_path / "new" / "deep" / "a.mp4", clip()[:0], 24)
    assert list(tmp_path.iterdir()) == []
    write_video(tmp_path / "new" / "deep" / "a.mp4", clip(), 24)
    assert len(read_video(tmp_path / "new" / "deep" / "a.mp4").frames) == 5


@pytest.mark.parametrize("damage", ["text", "empty", "truncated", "no_video"])
def test_what_is_no_video_gives_one_clear_error(tmp_path, damage):
    path = tmp_path / "a.mp4"
    if damage == "text":
        path.write_text("not a video\n" * 50)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        write_video(path, clip(), 24)
        path.write_bytes(path.read_bytes()[:400])
    else:
        path.write_bytes(b"RIFF" + (36).to_bytes(4, "little") + b"WAVEfmt " + bytes(24) + b"data" + bytes(4))
    with pytest.raises(FormatError, match=r"a\.mp4"):
        read_video(path)


def test_size_is_bounded_before_it_fills_memory(tmp_path):
    write_video(tmp_path / "a.mp4", clip(20), 24)
    with pytest.raises(FormatError, match="limit"):
        read_video(tmp_path / "a.mp4", max_bytes=48 * 64 * 3 * 10)


def test_foreign_metadata_is_no_settings(tmp_path):
    import av

    for number, comment in enumerate(
        ["", "hello", "[1, 2]", '{"kinema": "1", "settings": 3}', '{"size": []}']
    ):
        path = tmp_path / f"{number}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
            container.metadata["comment"] = comment
            container.mux(stream.encode(av.VideoFrame.from_ndarray(clip(1, 32, 32)[0], format="rgb24")))
            container.mux(stream.encode(None))
        assert read_video(path).settings == {}
        assert read_video(path).frames.shape == (1, 32, 32, 3)
