"""`data.toml`: what it says, what is found wrong with its videos, and the order of its mixture."""

import itertools
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from tests.data import made_sets
from tests.data.videos import gliding, make_video

from kinema.data.camera_agreement import camera_agreement
from kinema.data.data_check import check_data
from kinema.data.data_file import read_data_file, unit_scaled
from kinema.data.mixture import MixedBatches, MixtureOrder
from kinema.data.video_clips import with_scene
from kinema.scene.camera import invert_rigid
from kinema.scene.formats.errors import FormatError


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    made_sets.humanvid(folder / "HumanVid", frames=24, size=(96, 128))
    made_sets.re10k(folder / "RealEstate10K", frames=24, size=(128, 96))
    return folder


def test_sets_of_a_data_file(sets):
    data = read_data_file(made_sets.data_file(sets))
    people, rooms = data.sets
    assert (people.weight, rooms.weight) == (3.0, 1.0)
    assert (people.gives, rooms.gives) == ({"pose", "camera"}, {"camera"})
    first, _ = people.clips()
    assert (first.id, first.caption) == ("people/a.mp4", "a person walks")
    made = with_scene(first, None).scene
    assert len(made.people) == 1
    assert np.allclose(made.camera.c2w, first.camera.c2w[: made.frames], atol=1e-6)
    room, _ = rooms.clips()
    assert (room.id, room.scene, room.gives) == ("rooms/c", None, {"camera"})
    assert np.linalg.norm(room.camera.positions, axis=-1).max() == pytest.approx(1.0)


def test_unit_scale_leaves_turns_and_is_one_for_a_clip():
    camera = gliding().camera
    once, scaled = unit_scaled(camera), unit_scaled(unit_scaled(camera))
    assert np.allclose(once.c2w, scaled.c2w)
    assert np.allclose(once.c2w[:, :3, :3], camera.relative().c2w[:, :3, :3])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", r"line 2, field set\[0\].convention: is None; say \"w2c\" for the rendered sub-set or \"c2w\""),
        (
            'convention = "c2w"\nkamera = "x"',
            r"line 9, field set\[0\].kamera: a humanvid set has no kamera; did you",
        ),
        (
            'convention = "c2w"\ngives = ["hands"]',
            r"field set\[0\].gives: is \['hands'\]; give pose, camera or both",
        ),
        ('convention = "c2w"\nname = 3', "no TOML"),
    ],
)
def test_a_mistake_in_the_file_names_line_and_field(sets, line, message, tmp_path):
    path = made_sets.data_file(sets, hv_convention=line)
    with pytest.raises(FormatError, match=message):
        read_data_file(path)
    with pytest.raises(FormatError, match=r"field set\[1\].scale: is None; say \"unit\""):
        read_data_file(made_sets.data_file(sets, re_scale=""))
    with pytest.raises(FormatError, match=r"field set\[0\].weight: is -1"):
        read_data_file(made_sets.data_file(sets, hv_weight="weight = -1"))


def test_sound_sets_have_no_problems(sets):
    report = check_data(read_data_file(made_sets.data_file(sets)))
    assert report.problems == []
    assert [each.clips for each in report.sets] == [2, 2]
    assert report.sets[0].gives == {"pose": 2, "camera": 2}
    assert "nothing is wrong" in report.text


def test_a_c2w_file_read_as_w2c_is_noticed_by_the_picture(sets):
    """HumanVid's web sub-set is camera-to-world, the rendered one world-to-camera; nothing in a file tells."""
    report = check_data(read_data_file(made_sets.data_file(sets, hv_convention='convention = "w2c"')))
    (problem,) = report.problems
    assert problem.where == "line 8, field convention"
    assert "the wrong way round in 2 of 2 clips" in str(problem)
    assert problem.hint == 'say convention = "c2w"'


def test_a_camera_that_goes_sideways_without_turning_is_noticed_too(tmp_path):
    made_sets.humanvid(tmp_path, ("a",), frames=24, size=(160, 128), degrees=0.0)
    (clip,) = read_data_file(_humanvid_alone(tmp_path)).sets[0].clips()
    other = replace(clip, camera=replace(clip.camera, c2w=invert_rigid(clip.camera.c2w)))
    assert camera_agreement(clip).verdict == "agrees"
    assert camera_agreement(other).verdict == "inverse"


def _humanvid_alone(folder):
    path = folder / "data.toml"
    path.write_text(
        '[[set]]\nkind = "humanvid"\nvideos = "videos"\ncameras = "cameras"\nconvention = "c2w"\n'
    )
    return path


def test_everything_wrong_is_in_one_report(tmp_path):
    made_sets.humanvid(tmp_path / "HumanVid", ("a", "b", "c", "d", "e"), frames=12, size=(32, 48))
    made_sets.re10k(tmp_path / "RealEstate10K", ("f", "g"), frames=12, size=(32, 48))
    (tmp_path / "HumanVid/videos/a.mp4").write_bytes(b"no video")
    (tmp_path / "HumanVid/cameras/b.txt").unlink()
    lines = (tmp_path / "HumanVid/cameras/c.txt").read_text().splitlines()
    (tmp_path / "HumanVid/cameras/c.txt").write_text(
        "\n".join([*lines[:3], lines[3].replace(" ", " nan ", 1)])
    )
    scene = tmp_path / "HumanVid/scenes/d.npz"
    with np.load(scene) as file:
        arrays = dict(file)
    (joints,) = (name for name in arrays if name.endswith("joints"))
    arrays[joints] = np.full_like(arrays[joints], np.nan)
    np.savez(scene, **arrays)
    index = tmp_path / "RealEstate10K/annotations/train.json"
    entries = json.loads(index.read_text())
    entries += [
        {**entries[0], "pose_file": "pose_files/none.txt"},
        {**entries[1], "clip_name": "h"},
        entries[0],
    ]
    index.write_text(json.dumps(entries))
    report = check_data(read_data_file(made_sets.data_file(tmp_path)), motion_clips=0)
    text = "\n".join(map(str, report.problems))
    assert "videos/a.mp4: " in text
    assert "videos/b.mp4: has no camera file" in text
    assert "cameras/c.txt: line 4" in text
    assert "videos/d.mp4: scene, person 0, field joints: 100% of the joints are NaN" in text
    assert "train.json: entry 2, field pose_file: names no file" in text
    assert "g.mp4: the same video is rooms/g, too" in text
    assert "f.mp4: the id rooms/f is there twice" in text
    assert [each.clips for each in report.sets] == [2, 2]
    assert len(report.problems) == 7


def test_what_a_set_promises_must_be_there(tmp_path):
    make_video(tmp_path / "videos" / "a.mp4")
    path = tmp_path / "data.toml"
    path.write_text('[[set]]\nkind = "folder"\nvideos = "videos"\n')
    report = check_data(read_data_file(path))
    assert "videos gives the camera, but 1 of 1 clips have none" in report.text
    path.write_text('capture = true\n[[set]]\nkind = "folder"\nvideos = "videos"\n')
    assert check_data(read_data_file(path)).problems == []


STREAMS = {
    "large": {(9, 48, 32): [f"l{n}" for n in range(90)], (5, 48, 32): [f"s{n}" for n in range(10)]},
    "small": {(9, 48, 32): [f"x{n}" for n in range(7)]},
}


def order(seed: int = 3, **changes) -> MixtureOrder:
    return MixtureOrder(STREAMS, {"large": 1.0, "small": 3.0, **changes}, 4, seed)


def test_sets_have_their_weights_and_batches_one_bucket():
    mixture = order()
    steps = [mixture.next(step) for step in range(2000)]
    drawn = Counter(name[0] == "x" for step in steps for name in step)
    assert drawn[True] / sum(drawn.values()) == pytest.approx(0.75, abs=0.02)
    assert all(len({name[0] == "s" for name in step}) == 1 for step in steps)
    shown = Counter(name for step in steps for name in step if name[0] == "x")
    assert max(shown.values()) - min(shown.values()) <= 1
    with pytest.raises(ValueError, match="nothing to train on in none"):
        MixtureOrder({**STREAMS, "none": {}}, {"large": 1, "small": 1, "none": 1}, 4, 0)


class Names:
    """A cache that gives names in the place of samples."""

    def sample(self, name):
        return _Named(name)


class _Named:
    lacks = frozenset({"camera"})
    conditioning = None

    def __init__(self, name):
        self.name = name


def batches(mixture, first=0, workers=0, part=(0, 1), state=None):
    mixed = MixedBatches(Names(), mixture, part, workers)
    if state is not None:
        mixed.restore(state)
    return mixed, ((step, [each.name for each in batch]) for step, batch in mixed.batches(first))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_order_goes_on_from_a_checkpoint_whatever_was_read_ahead(workers):
    whole = list(itertools.islice(batches(order())[1], 30))
    mixed, stream = batches(order(), workers=workers)
    begun = list(itertools.islice(stream, 12))
    state = json.loads(json.dumps(mixed.state(12)))
    assert begun == whole[:12]
    assert list(itertools.islice(batches(order(), 12, state=state)[1], 18)) == whole[12:]
    assert list(itertools.islice(batches(order(), 15, state=state)[1], 15)) == whole[15:]
    with pytest.raises(ValueError, match="the data set has changed since the run began"):
        batches(order(large=2.0), state=state)


def test_processes_have_the_rows_of_one_batch():
    whole = list(itertools.islice(batches(order())[1], 10))
    parts = [list(itertools.islice(batches(order(), part=(rank, 2))[1], 10)) for rank in range(2)]
    assert [(s, a + b) for (s, a), (_, b) in zip(*parts, strict=True)] == whole
