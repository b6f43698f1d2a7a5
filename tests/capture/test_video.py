from __future__ import annotations

import tracemalloc
import wave
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.media.decoding import open_video
from kinema.scene.formats.errors import FormatError


def write(path, frames, times=None, *, rate=25, rotation=0, aspect=None, tags=None):
    """A video at a constant rate, or one whose frames stand at the given times in milliseconds."""
    clock = rate if times is None else 1000
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=clock)
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        stream.options = {"crf": "5"}
        if rotation:
            stream.set_display_rotation(rotation)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        container.metadata.update(tags or {})
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = number if times is None else int(times[number])
            picture.time_base = Fraction(1, clock)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def numbered(count, height=48, width=64):
    """Frames whose grey says their number: 20 + 3 n."""
    return [np.full((height, width, 3), 20 + 3 * n, np.uint8) for n in range(count)]


def shown(path, **options):
    """The numbers of the frames that are given, and the source."""
    with open_video(path, **options) as source:
        frames = np.concatenate(list(source.chunks(7)))
    return [round((float(frame.mean()) - 20) / 3) for frame in frames], source


@settings(max_examples=15, deadline=None)
@given(
    gaps=st.lists(st.integers(10, 90), min_size=2, max_size=20), rate=st.sampled_from([5.0, 12.0, 24.0, 60.0])
)
def test_frames_stand_at_their_times(tmp_path_factory, gaps, rate):
    """With any spacing, at each moment the frame nearest in time is given."""
    times = np.concatenate([[0], np.cumsum(gaps)])
    path = tmp_path_factory.mktemp("video") / "a.mp4"
    write(path, numbered(len(times)), times)
    numbers, _ = shown(path, fps=rate)
    for t, number in enumerate(numbers):
        away = np.abs(times - 1000 * t / rate)
        assert away[number] <= away.min() + 1.01
    assert len(numbers) >= np.floor(times[-1] * rate / 1000) + 1 - 1


def test_constant_rate_files_come_frame_by_frame(tmp_path):
    write(tmp_path / "a.mp4", numbered(20))
    numbers, source = shown(tmp_path / "a.mp4")
    assert numbers == list(range(20))
    assert (source.fps, source.frames, source.size, source.focal) == (25.0, 20, (64, 48), None)
    assert source.duration == pytest.approx(0.8)


def test_other_rates_keep_the_tempo(tmp_path):
    write(tmp_path / "a.mp4", numbered(20))
    half, _ = shown(tmp_path / "a.mp4", fps=12.5)
    twice, _ = shown(tmp_path / "a.mp4", fps=50)
    assert half == list(range(0, 20, 2))
    assert len(twice) == 40
    assert twice[::2] == list(range(20))


def test_fast_files_are_capped(tmp_path):
    write(tmp_path / "a.mp4", numbered(24), rate=200)
    numbers, source = shown(tmp_path / "a.mp4")
    assert source.file_fps == pytest.approx(200)
    assert (source.fps, len(numbers)) == (60.0, source.frames)


@pytest.mark.parametrize(("start", "stop", "expected"), [
    (None, 0.2, range(5)), (0.2, None, range(5, 75)), (0.4, 0.6, range(10, 15)), (2.6, 2.8, range(65, 70)),
])  # fmt: skip
def test_ranges(tmp_path, start, stop, expected):
    write(tmp_path / "a.mp4", numbered(75))
    numbers, source = shown(tmp_path / "a.mp4", start=start, stop=stop)
    assert numbers == list(expected)
    assert source.frames == len(numbers)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotation_flags_are_undone(tmp_path, rotation):
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:16, :32] = (255, 0, 0)
    picture[16:, 32:] = (0, 0, 255)
    write(tmp_path / "a.mp4", [picture] * 2, rotation=rotation)
    upright = np.rot90(picture, rotation // 90)
    with open_video(tmp_path / "a.mp4") as source:
        (frames,) = source.chunks()
    assert source.size == (upright.shape[1], upright.shape[0])
    assert source.file_size == (64, 32)
    assert np.abs(frames[0][4::8, 4::8].astype(int) - upright[4::8, 4::8]).max() < 12


def test_oblong_pixels_become_square(tmp_path):
    write(tmp_path / "a.mp4", numbered(2), aspect=Fraction(3, 2))
    _, source = shown(tmp_path / "a.mp4")
    assert source.size == (96, 48)


def test_large_frames_are_made_smaller(tmp_path):
    picture = np.zeros((90, 160, 3), np.uint8)
    picture[:, 80:] = 200
    write(tmp_path / "a.mp4", [picture] * 2)
    with open_video(tmp_path / "a.mp4", max_side=64) as source:
        (frames,) = source.chunks()
    assert source.size == (64, 36)
    assert frames.shape == (2, 36, 64, 3)
    assert frames[0][:, :30].mean() < 8
    assert frames[0][:, 34:].mean() > 190
    with open_video(tmp_path / "a.mp4", max_side=1000) as source:
        assert source.size == (160, 90)


def test_focal_length_from_metadata(tmp_path):
    tag = "com.apple.quicktime.camera.focal_length.35mm_equivalent"
    write(tmp_path / "a.mkv", numbered(3), tags={tag: "26"})
    with open_video(tmp_path / "a.mkv") as source:
        assert source.focal is None or source.focal == pytest.approx(26 / 43.267 * np.hypot(64, 48), rel=1e-3)
    from kinema.media.decoding import focal_35mm

    assert focal_35mm({tag: "26"}) == 26
    assert focal_35mm({tag: "wide"}) is None
    assert focal_35mm({tag: "0"}) is None


def test_chunks_can_be_read_again_and_do_not_change(tmp_path):
    write(tmp_path / "a.mp4", numbered(9))
    with open_video(tmp_path / "a.mp4") as source:
        first = list(source.chunks(4))
        again = list(source.chunks(9))
    assert [len(chunk) for chunk in first] == [4, 4, 1]
    assert (np.concatenate(first) == again[0]).all()


def test_memory_does_not_grow_with_length(tmp_path):
    peaks = []
    for count in (40, 160):
        write(tmp_path / "a.mkv", numbered(40, 96, 96) * (count // 40))
        tracemalloc.start()
        with open_video(tmp_path / "a.mkv") as source:
            for _ in source.chunks(8):
                pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_sound_alone_is_no_video(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    with pytest.raises(FormatError, match=r"a\.wav.*only has sound"), open_video(tmp_path / "a.wav"):
        pass


def test_a_truncated_file_says_how_far_it_got(tmp_path):
    rng = np.random.default_rng(0)
    frames = list(rng.integers(0, 255, (50, 48, 64, 3), dtype=np.uint8))
    write(tmp_path / "a.mkv", frames)
    data = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "b.mkv").write_bytes(data[: len(data) // 2])
    with (
        pytest.raises(FormatError, match=r"b\.mkv: breaks off at [01]\.\d+ s.*stop at"),
        open_video(tmp_path / "b.mkv") as source,
    ):
        list(source.chunks())
    with open_video(tmp_path / "b.mkv", stop=0.4) as source:
        assert sum(len(chunk) for chunk in source.chunks()) == 10


@pytest.mark.parametrize("content", [b"", b"not a video\n" * 40, b"\x00\x00\x00\x18ftypisom"])
def test_what_is_no_video(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.mp4"), open_video(tmp_path / "a.mp4"):
        pass


def test_nothing_after_the_end(tmp_path):
    write(tmp_path / "a.mp4", numbered(10))
    with (
        pytest.raises(FormatError, match=r"lasts 0\.4.* s; nothing starts at 5 s"),
        open_video(tmp_path / "a.mp4", start=5),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": -1.0}, "starts at 0 s"),
        ({"start": 2.0, "stop": 1.0}, "must end after"),
        ({"fps": 0.0}, "frames per second"),
        ({"fps": float("nan")}, "frames per second"),
        ({"max_side": 3}, "longer side"),
    ],
)
def test_senseless_arguments(tmp_path, options, message):
    write(tmp_path / "a.mp4", numbered(3))
    with pytest.raises(ValueError, match=message), open_video(tmp_path / "a.mp4", **options):
        pass


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"), open_video(tmp_path / "nowhere.mp4"):
        pass


def test_too_many_frames_are_refused(tmp_path):
    write(tmp_path / "a.mp4", numbered(2), [0, 2_000_000])
    with pytest.raises(FormatError, match="the limit is"), open_video(tmp_path / "a.mp4", fps=1000):
        pass
