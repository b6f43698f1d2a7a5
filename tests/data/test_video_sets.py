import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation
from tests.data.videos import colours, gliding, make_video

from kinema.data.video_clips import open_clip, seen_by, with_scene
from kinema.data.video_sets import read_humanvid, read_videos
from kinema.scene.formats import realestate10k
from kinema.scene.formats.errors import FormatError


def frames_of(clip, **options) -> np.ndarray:
    with open_clip(clip, **options) as frames:
        return np.concatenate([chunk.copy() for chunk in frames.chunks(5)])


def test_a_folder_of_videos(tmp_path):
    make_video(tmp_path / "b.mp4")
    make_video(tmp_path / "deep" / "a.mp4", size=(64, 48))
    (tmp_path / "b.txt").write_text("someone glides\n")
    gliding().save(tmp_path / "b.npz")
    first, second = read_videos(tmp_path)
    assert (first.id, first.caption, first.fps, first.size) == ("b.mp4", "someone glides", 12.0, (48, 64))
    assert first.scene.frames == 24
    assert (second.id, second.caption, second.scene) == ("deep/a.mp4", "", None)
    assert frames_of(first).shape == (24, 64, 48, 3)
    assert frames_of(second, fps=6.0).shape == (12, 48, 64, 3)


def test_a_table_names_line_and_field(tmp_path):
    make_video(tmp_path / "clips" / "a.mp4")
    table = tmp_path / "videos.csv"
    table.write_text('Path,text,license,views\nclips/a.mp4,"one, two",CC0,7\n')
    (clip,) = read_videos(table)
    assert (clip.caption, clip.licence, clip.source) == ("one, two", "CC0", "videos")
    table.write_text("path,text\nclips/a.mp4,x\nclips/b.mp4,y\n")
    with pytest.raises(FormatError, match=r"videos.csv: line 3, field path: there is no clips/b.mp4"):
        list(read_videos(table))
    table.write_text("path\nclips/a.mp4\nclips/a.mp4\n")
    with pytest.raises(FormatError, match=r"line 3, field path: .* there twice"):
        list(read_videos(table))
    table.write_text("name,text\n")
    with pytest.raises(FormatError, match="line 1: has no column of videos; it has name, text"):
        list(read_videos(table))


def test_humanvid(tmp_path):
    camera = gliding().camera
    make_video(tmp_path / "videos" / "a.mp4")
    (tmp_path / "cameras").mkdir()
    lines = []
    for frame, pose in enumerate(camera.c2w):
        xyzw = Rotation.from_matrix(pose[:3, :3]).as_quat()
        lines.append(" ".join(f"{value:.9f}" for value in [frame, *pose[:3, 3], *xyzw, 1.5, 1.2, 1.0]))
    (tmp_path / "cameras" / "a.txt").write_text("\n".join(lines))
    arguments = {"kind": "humanvid", "cameras": tmp_path / "cameras", "convention": "c2w"}
    (clip,) = read_videos(tmp_path / "videos", **arguments)
    assert np.allclose(clip.camera.c2w, camera.c2w, atol=1e-6)
    assert clip.camera.size == clip.size == (48, 64)
    (tmp_path / "cameras" / "a.txt").write_text("\n".join(lines[:3]) + "\n3 0 0\n")
    with pytest.raises(FormatError, match=r"a.txt: line 4: 3 numbers where"):
        list(read_videos(tmp_path / "videos", **arguments))
    with pytest.raises(FormatError, match=r"has no camera file .*a.camera.txt"):
        list(read_humanvid(tmp_path / "videos", convention="c2w"))


def test_realestate10k_as_a_list_and_as_a_folder(tmp_path):
    make_video(tmp_path / "a.mp4")
    camera = gliding().camera
    realestate10k.write(tmp_path / "a.txt", camera, url="https://example.org/v")
    index = tmp_path / "clips.json"
    entry = {"clip_name": "one", "clip_path": "a.mp4", "pose_file": "a.txt", "caption": "a room"}
    index.write_text(json.dumps([entry]))
    (listed,) = read_videos(index)
    (beside,) = read_videos(tmp_path, "realestate10k", scale=2.0)
    assert (listed.id, listed.caption, listed.source) == ("one", "a room", "https://example.org/v")
    assert np.allclose(listed.camera.c2w, camera.c2w, atol=1e-5)
    assert np.allclose(beside.camera.positions, 2 * camera.positions, atol=1e-5)
    index.write_text(json.dumps([entry, {**entry, "pose_file": "b.txt"}]))
    with pytest.raises(FormatError, match=r"clips.json: entry 1, field pose_file: names no file: 'b.txt'"):
        list(read_videos(index))


def test_tiktok_folders_are_videos_of_pictures(tmp_path):
    for person in ("00001", "00002"):
        (tmp_path / person / "images").mkdir(parents=True)
        (tmp_path / person / "masks").mkdir()
        for number, picture in enumerate(colours(10, (24, 32))):
            Image.fromarray(picture).save(tmp_path / person / "images" / f"{number:04d}.png")
    (tmp_path / "00002" / "caption.txt").write_text("dancing")
    first, second = read_videos(tmp_path)
    assert (first.id, first.fps, first.size, second.caption) == ("00001", 30.0, (24, 32), "dancing")
    assert np.array_equal(frames_of(first), colours(10, (24, 32)))
    assert np.array_equal(frames_of(first, fps=15.0), colours(10, (24, 32))[::2])
    Image.fromarray(colours(1, (8, 8))[0]).save(tmp_path / "00001" / "images" / "0004.png")
    with pytest.raises(FormatError, match=r"0004.png: is \(8, 8\), the first picture \(24, 32\)"):
        frames_of(first)


def tar(path, members: dict[str, bytes]):
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_webdataset_shards(tmp_path):
    video = make_video(tmp_path / "source" / "v.mp4").read_bytes()
    facts = json.dumps({"text": "from json", "license": "MIT"}).encode()
    for number in range(2):
        tar(
            tmp_path / f"set-{number:03d}.tar",
            {
                "a/1.mp4": video,
                "a/1.json": facts,
                "a/2.mp4": video,
                "a/2.txt": b"from text",
                "a/3.txt": b"alone",
            },
        )
    clips = list(read_videos(str(tmp_path / "set-{000..001}.tar"), "webdataset"))
    assert [clip.caption for clip in clips] == ["from json", "from text"] * 2
    assert clips[0].id == "set-000.tar/a/1"
    assert clips[0].licence == "MIT"
    assert frames_of(clips[3]).shape == (24, 64, 48, 3)
    assert len(list(read_videos(tmp_path / "set-000.tar"))) == 2
    with pytest.raises(FileNotFoundError, match="pipe:cat"):
        list(read_videos("pipe:cat x.tar", "webdataset"))
    broken = tar(tmp_path / "bad.tar", {"1.mp4": b"nothing", "1.txt": b"x"})
    with pytest.raises(FormatError, match=r"bad.tar: member 1.mp4: cannot be decoded"):
        list(read_videos(broken))
    broken.write_bytes(b"not a tar at all" * 100)
    with pytest.raises(FormatError, match="is not a readable tar"):
        list(read_videos(broken))


class Found:
    """What a capture returns, for a test of what becomes of it."""

    def __init__(self, scene) -> None:
        self.scene = scene


def test_missing_scenes_are_captured_on_request(tmp_path):
    make_video(tmp_path / "a.mp4")
    (clip,) = read_videos(tmp_path)
    assert with_scene(clip, None).scene is None
    seen = []

    def capture(video):
        seen.append(video)
        return Found(gliding())

    assert with_scene(clip, capture).scene.people
    assert seen == [tmp_path / "a.mp4"]

    def nobody(video):
        raise ValueError("nobody is in the picture")

    assert with_scene(clip, nobody).scene is None


def test_people_are_seen_by_another_camera_as_by_their_own():
    scene = gliding()
    other = scene.camera.transform(np.array([[0, 0, 1, 3.0], [0, 1, 0, 0], [-1, 0, 0, 1], [0, 0, 0, 1]]))
    moved = seen_by(scene, other)
    before, _ = scene.camera.project(scene.people[0].joints)
    after, _ = moved.camera.project(moved.people[0].joints)
    assert np.allclose(before, after, atol=1e-6)
    assert np.allclose(moved.camera.c2w, other.c2w)


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="give a folder of videos"):
        list(read_videos(tmp_path / "nothing"))
    with pytest.raises(FormatError, match="neither videos nor folders of pictures"):
        list(read_videos(tmp_path))
    with pytest.raises(ValueError, match="no kind of video set 'laserdisc'"):
        list(read_videos(tmp_path, "laserdisc"))
