import json

import numpy as np
import pytest

from kinema.data.motion_library import MotionLibrary
from kinema.scene.formats.errors import FormatError
from kinema.scene.skeleton import SMPL24


@pytest.fixture
def folder(tmp_path):
    """A library of two clips in one shard, in the real format."""
    rng = np.random.default_rng(0)
    joints = SMPL24.rest[None] + rng.normal(0, 0.01, (30, 24, 3)).cumsum(0)
    steps = np.round(joints.reshape(30, 72) / 0.0005).astype(np.int16)
    delta = np.concatenate(
        [np.diff(part, axis=0, prepend=np.zeros((1, 72), np.int16)) for part in (steps[:10], steps[10:])]
    ).T
    np.savez(
        tmp_path / "a.npz", delta=delta, start=np.array([0, 10]), length=np.array([10, 20]),
        quant=np.float64(0.0005), fps=np.int64(30),
    )  # fmt: skip
    rows = [
        {"id": "a/1", "shard": "a.npz", "start": 0, "length": 10, "fps": 30, "split": "train",
         "captions": ["a person stands"], "licence": "CC-BY-NC-4.0"},
        {"id": "a/2", "shard": "a.npz", "start": 10, "length": 20, "fps": 30, "split": "test",
         "captions": ["someone waits", "a person waits"], "licence": "MIT"},
    ]  # fmt: skip
    (tmp_path / "clips.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return tmp_path, joints, rows


@pytest.fixture(autouse=True)
def _writable(monkeypatch):
    monkeypatch.delenv("KINEMA_MOTION_DATA", raising=False)


def test_clips_come_back_within_half_a_step(folder):
    path, joints, _ = folder
    library = MotionLibrary.open(path)
    assert [clip.id for clip in library] == ["a/1", "a/2"]
    assert np.abs(library[1].joints() - joints[10:]).max() <= 0.0005
    motion = library[1].motion()
    assert motion.fps == 30
    assert motion.skeleton.parents == SMPL24.parents


def test_split_licence_and_search(folder):
    library = MotionLibrary.open(folder[0])
    assert [clip.id for clip in library.split("test")] == ["a/2"]
    assert [clip.id for clip in library.licensed("commercial")] == ["a/2"]
    assert len(library.licensed("any")) == 2
    assert library.find("a/1").captions == ("a person stands",)
    with pytest.raises(KeyError, match="no clip 'b'"):
        library.find("b")
    with pytest.raises(ValueError, match="unknown split"):
        library.split("exam")
    with pytest.raises(ValueError, match="licence filter"):
        library.licensed("free")


def test_absent_library_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="KINEMA_MOTION_DATA"):
        MotionLibrary.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{", "line 1: not JSON"),
        ('{"id": "x"}', "line 1: missing"),
    ],
)
def test_a_broken_index_names_the_line(folder, change, message):
    path = folder[0]
    (path / "clips.jsonl").write_text(change)
    with pytest.raises(FormatError, match=message):
        MotionLibrary.open(path)


def test_a_shard_outside_the_folder_is_refused(folder):
    path, _, rows = folder
    (path / "clips.jsonl").write_text(json.dumps({**rows[0], "shard": "../a.npz"}))
    with pytest.raises(FormatError, match="plain file name"):
        MotionLibrary.open(path)


def test_a_clip_past_the_end_of_its_shard_is_refused(folder):
    path, _, rows = folder
    (path / "clips.jsonl").write_text(json.dumps({**rows[1], "length": 999}))
    with pytest.raises(FormatError, match="runs past the end"):
        MotionLibrary.open(path)[0].joints()


def test_the_real_library(motion_library):
    assert len(motion_library) > 3000
    clip = motion_library.split("test")[0]
    motion = clip.motion()
    assert motion.joints.shape[1:] == (24, 3)
    assert abs(motion.duration - clip.seconds) < 1e-6
    assert np.abs(motion.joints[0, 0, [0, 2]]).max() < 1e-3
