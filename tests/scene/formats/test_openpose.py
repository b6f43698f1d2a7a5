"""OpenPose JSON: several people over time, dialects, and broken files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scene.formats.motion_cases import FEW, SEEDS, damaged, read_or_refuse, refused

from kinema.scene.formats import openpose
from kinema.scene.formats.openpose import KeypointSequence
from kinema.scene.keypoints import DetectedPeople, Keypoints
from kinema.scene.skeleton import skeleton


def random_keypoints(seed: int, *, frames: int = 3, whole: bool = False) -> KeypointSequence:
    """Some people, some of them now and then out of the picture."""
    rng = np.random.default_rng(seed)
    people = int(rng.integers(1, 4))
    count = int(rng.choice([18, 25]))

    def points(number: int) -> np.ndarray:
        array = np.concatenate(
            [
                rng.uniform(3, 500, (frames, people, number, 2)),
                rng.uniform(0.3, 1, (frames, people, number, 1)),
            ],
            3,
        )
        gone = rng.random(array.shape[:3]) < 0.2
        array[gone] = [np.nan, np.nan, 0]
        return array

    parts = {name: points(number) for name, (_, number) in openpose.PARTS.items()} if whole else {}
    body = points(count)
    body[:, :, 0] = [10.0, 20.0, 0.9]  # everybody is seen in some point of some frame
    away = rng.random((frames, people)) < 0.2
    away[0] = False
    for array in (body, *parts.values()):
        array[away] = [np.nan, np.nan, 0]
    return KeypointSequence(body, openpose.LAYOUTS[count], 30.0, (640, 512), **parts)


def assert_same(read: KeypointSequence, wanted: KeypointSequence) -> None:
    assert (read.layout, read.fps, read.size) == (wanted.layout, wanted.fps, wanted.size)
    for name in ("body", *openpose.PARTS):
        a, b = getattr(read, name), getattr(wanted, name)
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, atol=1e-3)


@FEW
@given(SEEDS, st.booleans(), st.booleans(), st.integers(1, 4))
def test_round_trip_of_a_file(tmp_path: Path, seed: int, whole: bool, normalised: bool, frames: int) -> None:
    keypoints = random_keypoints(seed, frames=frames, whole=whole)
    openpose.write(tmp_path / "a.json", keypoints, normalised=normalised)
    assert_same(openpose.read(tmp_path / "a.json"), keypoints)


def test_round_trip_of_a_folder(tmp_path: Path) -> None:
    keypoints = random_keypoints(5, frames=11, whole=True)
    openpose.write(tmp_path / "dance", keypoints)
    assert len(list((tmp_path / "dance").iterdir())) == 11
    assert_same(openpose.read(tmp_path / "dance"), keypoints)
    assert "not an empty folder" in refused(lambda path: openpose.write(path, keypoints), tmp_path / "dance")


def test_an_interrupted_folder_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(openpose.os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        openpose.write(tmp_path / "dance", random_keypoints(1))
    assert list(tmp_path.iterdir()) == []


def frame(*people: object, **canvas: int) -> dict:
    return {"people": list(people), **canvas}


def person(count: int = 18, value: float = 100.0, confidence: float = 1.0, **more: object) -> dict:
    return {"pose_keypoints_2d": [value, value, confidence] * count, **more}


def read_json(path: Path, content: object, **options: object) -> KeypointSequence:
    path.write_text(json.dumps(content))
    return openpose.read(path, **options)


def test_layouts_are_told_apart_by_their_count(tmp_path: Path) -> None:
    assert read_json(tmp_path / "a.json", frame(person(18))).layout == "openpose18"
    body25 = person(25)
    body25["pose_keypoints_2d"][8 * 3 : 9 * 3] = [1.0, 1.0, 0.7]  # the middle of the hips
    read = read_json(tmp_path / "a.json", frame(body25))
    assert read.layout == "body25"
    assert read.to_openpose18().body.shape == (1, 1, 18, 3)
    assert (read.to_openpose18().confidence == 1).all()
    assert "18 and with 25" in refused(openpose.read, tmp_path / "b.json", json.dumps(
        frame(person(18), person(25))).encode())  # fmt: skip


def test_unsure_and_absent_points_are_missing(tmp_path: Path) -> None:
    content = frame(person(confidence=0.2), person(value=0.0, confidence=0.0), person(confidence=3.0))
    read = read_json(tmp_path / "a.json", content)
    assert np.isnan(read.points[0, :2]).all()
    assert (read.confidence[0] == np.array([[0.0], [0.0], [1.0]])).all()
    assert (read_json(tmp_path / "a.json", content, threshold=0.1).confidence[0, 0] == 0.2).all()


def test_normalised_coordinates_become_pixels(tmp_path: Path) -> None:
    content = frame(person(value=0.5), canvas_width=640, canvas_height=480)
    assert read_json(tmp_path / "a.json", content).points[0, 0, 0].tolist() == [320, 240]
    assert read_json(tmp_path / "a.json", content, normalised=False).points[0, 0, 0].tolist() == [0.5, 0.5]
    bare = frame(person(value=0.5))
    assert read_json(tmp_path / "a.json", bare, size=(100, 200)).points[0, 0, 0].tolist() == [50, 100]
    assert "give the size" in refused(openpose.read, tmp_path / "a.json", json.dumps(bare).encode())
    with pytest.raises(ValueError, match="size of the picture"):
        openpose.write(
            tmp_path / "b.json", KeypointSequence(np.ones((1, 1, 18, 3)), "openpose18"), normalised=True
        )


def test_people_keep_their_numbers(tmp_path: Path) -> None:
    frames = [
        frame(person(value=100, person_id=[7]), person(value=200, person_id=[9])),
        frame(person(value=201, person_id=[9])),
    ]
    read = read_json(tmp_path / "a.json", frames)
    assert read.points[0, :, 0, 0].tolist() == [100, 200]
    assert read.points[1, 1, 0, 0] == 201
    assert np.isnan(read.points[1, 0]).all()
    frames[1]["people"][0]["person_id"] = [-1]  # OpenPose does not track: then the order counts
    assert read_json(tmp_path / "a.json", frames).points[1, 0, 0, 0] == 201


def test_frame_numbers_give_the_time(tmp_path: Path) -> None:
    for number in (9, 10, 12):
        (tmp_path / f"take_1_{number}_keypoints.json").write_text(
            json.dumps(frame(person(value=number * 10.0)))
        )
    for name in ("take_1_9_keypoints.json", "take_1_10_keypoints.json", "take_1_12_keypoints.json"):
        (tmp_path / name).rename(tmp_path / name.replace("_keypoints", ""))
    read = openpose.read(tmp_path)
    np.testing.assert_array_equal(read.points[:, 0, 0, 0], [90, 100, np.nan, 120])


def test_nobody_and_empty_parts(tmp_path: Path) -> None:
    read = read_json(tmp_path / "a.json", [frame(), frame()])
    assert read.body.shape == (2, 0, 25, 3)
    blank = {"pose_keypoints_2d": [], "face_keypoints_2d": None, "hand_left_keypoints_2d": [5, 5, 1] * 21}
    read = read_json(tmp_path / "a.json", frame(blank))
    assert np.isnan(read.points).all()
    assert read.face is None
    assert (read.left_hand == [5, 5, 1]).all()


BROKEN = {
    "empty": (b"", "line 1: not JSON"),
    "junk": (bytes(range(128, 256)), "line 1: not utf-8"),
    "truncated": (json.dumps(frame(person())).encode()[:-9], "line 1: not JSON"),
    "number": (b"7", "has no list 'people'"),
    "other": (b'{"a": 1}', "is it OpenPose JSON?"),
    "no frames": (b"[]", "has no frames"),
    "people": (b'{"people": {}}', "has no list 'people'"),
    "person": (b'{"people": [5]}', "people[0]: is no object"),
    "second frame": (b'[{"people": []}, 5]', "frame 1: has no list"),
    "17 points": (json.dumps(frame(person(17))).encode(), "people[0].pose_keypoints_2d: has 51 numbers"),
    "53 numbers": (json.dumps(frame({"pose_keypoints_2d": [1] * 53})).encode(), "has 53 numbers; 18 x 3"),
    "no list": (json.dumps(frame({"pose_keypoints_2d": "x"})).encode(), "has no list"),
    "hand": (json.dumps(frame(person(hand_left_keypoints_2d=[1] * 60))).encode(), "hand_left_keypoints_2d: has"),
    "text": (json.dumps(frame({"pose_keypoints_2d": ["x"] * 54})).encode(), "_2d[0]: 'x' is no"),
    "bool": (json.dumps(frame({"pose_keypoints_2d": [True] * 54})).encode(), "pose_keypoints_2d[0]: 'True'"),
    "nested": (json.dumps(frame({"pose_keypoints_2d": [[1]] * 54})).encode(), "pose_keypoints_2d[0]"),
    "nan": (json.dumps(frame(person(value=float("nan")))).encode(), "NaN is not allowed"),
    "infinite": (json.dumps(frame(person())).replace("100.0", "1e999").encode(), "'inf' is no sensible"),
    "absurd": (json.dumps(frame(person(value=1e9))).encode(), "is no sensible number"),
    "endless number": (json.dumps(frame(person())).replace("100.0", "9" * 9999).encode(), "not JSON numbers"),
    "canvas": (json.dumps(frame(canvas_width=-3, canvas_height=5)).encode(), "canvas_width: -3 is no size"),
    "canvases": (
        json.dumps([frame(canvas_width=5, canvas_height=5), frame(canvas_width=6, canvas_height=5)]).encode(),
        "frame 1: canvas is (6, 5)",
    ),
    "deep": (b"[" * 1_000_000, "nested too deeply"),
    "deep people": (b'{"people": ' + b'[{"people": ' * 200_000, "nested too deeply"),
    "crowd": (b'{"people": [' + b"{}," * 300_000 + b"{}]}", "300001 people, more than 1000"),
    "long": (
        b'[{"people": [' + b"{}," * 599 + b"{}]}" + b',{"people": []}' * 500 + b"]", "501 frames of 600 people are more"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_files(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    assert message in refused(openpose.read, tmp_path / "broken.json", content)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "has no .json files"),
        (["a.json"], "has no frame number in its name"),
        (["a_1.json", "b_1.json"], "is a second file for frame 1, beside a_1.json"),
        (["a_1.json", "a_999999999.json"], "frame numbers run from 1 to 999999999"),
        (["a_" + "9" * 30 + ".json"], "has no frame number"),
    ],
)
def test_broken_folders(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).write_text(json.dumps(frame(person())))
    with pytest.raises(ValueError, match=r"^" + str(tmp_path)) as caught:
        openpose.read(tmp_path)
    assert message in str(caught.value)


@FEW
@given(SEEDS)
def test_damaged_files_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    openpose.write(tmp_path / "a.json", random_keypoints(seed % 20, frames=2))
    content = (tmp_path / "a.json").read_bytes()
    for part in range(4):
        read = read_or_refuse(openpose.read, tmp_path / "b.json", damaged(content, seed + part))
        assert read is None or isinstance(read, KeypointSequence)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="layout='coco'"):
        KeypointSequence(np.zeros((1, 1, 18, 3)), "coco")
    with pytest.raises(ValueError, match="body has shape"):
        KeypointSequence(np.zeros((1, 1, 18, 3)), "body25")
    with pytest.raises(ValueError, match="left_hand has shape"):
        KeypointSequence(np.zeros((1, 1, 18, 3)), "openpose18", left_hand=np.zeros((1, 2, 21, 3)))


def test_people_to_be_followed(tmp_path: Path) -> None:
    """Body, feet, hands and face of each person in one layout, whoever comes first in which frame."""
    parts = {
        "face_keypoints_2d": [30.0, 31.0, 1.0] * 70,
        "hand_left_keypoints_2d": [40.0, 41.0, 0.9] * 21,
        "hand_right_keypoints_2d": [50.0, 51.0, 0.8] * 21,
    }
    first, second = person(25, 100.0, **parts), person(25, 300.0)
    first["pose_keypoints_2d"][19 * 3] = 77.0  # the left big toe
    size = {"canvas_width": 640, "canvas_height": 480}
    frames = [frame(first, second, **size), frame(second, first, **size), frame(first, **size)]
    (tmp_path / "a.json").write_text(json.dumps(frames))
    people = openpose.read_people(tmp_path / "a.json", fps=10.0)
    assert (people.size, people.fps, people.frames, people.duration) == ((640, 480), 10.0, 3, 0.2)
    one, other = people.people
    assert one.layout == "dwpose134"
    names = skeleton("dwpose134")
    assert (one.points[:, 1] == 100).all()
    assert (one.points[:, names.index("left_big_toe"), 0] == 77).all()
    assert (one.points[:, 24:92] == [30, 31]).all()
    assert (one.points[:, names.index("left_hand_root")] == [40, 41]).all()
    assert (one.confidence[:, names.index("right_little_4")] == 0.8).all()
    assert (other.points[:2, :24] == 300).all()
    assert other.missing[2].all()
    assert other.missing[:, 24:].all()


def test_numbered_people_are_not_followed(tmp_path: Path) -> None:
    frames = [
        frame(person(value=100, person_id=[1]), person(value=200, person_id=[2])),
        frame(person(value=200, person_id=[1]), person(value=100, person_id=[2])),
    ]
    (tmp_path / "a.json").write_text(json.dumps(frames))
    people = openpose.read_people(tmp_path / "a.json", size=(640, 480))
    assert people.people[0].points[:, 0, 0].tolist() == [100, 200]


def test_people_need_pictures_of_a_size_and_somebody_in_them(tmp_path: Path) -> None:
    bare = json.dumps(frame(person())).encode()
    assert "give the size of the pictures" in refused(openpose.read_people, tmp_path / "a.json", bare)
    empty = json.dumps(frame(canvas_width=64, canvas_height=64)).encode()
    assert "nobody was detected" in refused(openpose.read_people, tmp_path / "a.json", empty)
    unsure = json.dumps(frame(person(confidence=0.1), canvas_width=64, canvas_height=64)).encode()
    assert "nobody was detected" in refused(openpose.read_people, tmp_path / "a.json", unsure)


def test_detected_people_are_written_and_read_again(tmp_path):
    """What a detector saw as OpenPose JSON: body, face and hands, who is who."""
    rng = np.random.default_rng(0)
    points = rng.uniform(10, 200, (3, 134, 2))
    confidence = np.ones((3, 134))
    confidence[1, 18:24] = confidence[2, 4] = 0.0
    people = tuple(Keypoints(points + 10 * k, confidence, "dwpose134", 12.0, (320, 240)) for k in range(2))
    path = tmp_path / "a.json"
    openpose.write(path, openpose.KeypointSequence.of_people(DetectedPeople(people)))
    again = openpose.read_people(path, fps=12.0)
    assert (len(again.people), again.size, again.fps) == (2, (320, 240), 12.0)
    known = [*range(18), *range(24, 134)]
    for before, after in zip(people, again.people, strict=True):
        assert np.allclose(before.points[:, known], after.points[:, known], atol=1e-5, equal_nan=True)
