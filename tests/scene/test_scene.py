"""People, camera and time together, and their file."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scene.bodies import dog, moving, random_tree, seeds, walking, with_holes

from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera import look_at
from kinema.scene.formats.errors import FormatError
from kinema.scene.skeleton import SMPL24


def camera(frames: int = 40, fps: float = 24.0) -> CameraPath:
    """A camera that slides past, zooming."""
    place = np.linspace([-1, 1.5, 4], [1, 1.5, 5], frames)
    intrinsics = np.linspace([500, 500, 256, 160], [700, 700, 256, 160], frames)
    return CameraPath(look_at(place, (0, 1, 0)), intrinsics, (512, 320), fps)


def test_a_scene_lasts_as_long_as_everybody_is_there():
    scene = Scene((moving(0, frames=61), moving(1, dog(), frames=91)), camera(), 30, "two meet")
    assert np.isclose(scene.duration, 39 / 24)
    assert scene.frames == 49
    assert Scene((walking(frames=46),), None, 30).frames == 46
    assert Scene((), camera(), 24).frames == 40
    still = CameraPath.static(look_at((0, 1, 4), (0, 1, 0)), (500, 500, 256, 256), (512, 512), 30, 1)
    assert Scene((walking(frames=46),), still, 30).frames == 46
    assert Scene((walking(frames=46).resample(30, [0]),), still, 30).frames == 1


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([8.0, 16.0, 24.0, 25.0, 30.0, 60.0]), seeds)
def test_everybody_and_the_camera_come_onto_one_time_base(fps, seed):
    scene = Scene((walking(speed=1.0, fps=50.0), with_holes(moving(seed), seed)), camera(), 24, "x")
    at = scene.at(fps)
    assert {person.frames for person in at.people} == {at.frames, at.camera.frames}
    assert {person.fps for person in at.people} == {fps, at.camera.fps, at.fps}
    assert np.allclose(at.people[0].root_path()[:, 2], at.people[0].times)
    assert np.allclose(at.camera.positions[:, 0], -1 + 2 * at.camera.times / (39 / 24))
    assert at.text == "x"
    assert scene.duration - 1 / fps < at.duration <= scene.duration + 1e-6


def test_stills_hold_and_crops_cut_all():
    still = CameraPath.static(look_at((0, 1, 4), (0, 1, 0)), (500, 500, 256, 256), (512, 512), 30, 1)
    statue = Motion(SMPL24.rest[None], 30, SMPL24, confidence=np.full((1, 24), 0.5))
    scene = Scene((walking(speed=1.0), statue), still, 30)
    at = scene.resample(20)
    assert at.camera.frames == at.people[1].frames == at.frames == 31
    assert np.allclose(at.people[1].joints, SMPL24.rest)
    assert (at.people[1].confidence == 0.5).all()
    part = scene.crop(0.5, 1.0)
    assert part.frames == 16
    assert np.allclose(part.people[0].root_path()[[0, -1], 2], [0.5, 1.0])
    with pytest.raises(ValueError, match=r"the scene lasts from 0 to 1.500 s"):
        scene.crop(1, 2)


def test_another_camera_leaves_the_people():
    scene = Scene((walking(),), None, 30)
    assert scene.with_camera(camera()).people is scene.people
    assert scene.with_camera(camera()).with_camera(None).camera is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"people": ()}, "needs a person or a camera"),
        ({"people": (SMPL24,)}, "person 0 is a Skeleton"),
        ({"camera": "dolly in"}, "the camera is a str"),
        ({"fps": -1}, "fps is -1"),
        ({"text": 3}, "the text is a int"),
    ],
)
def test_what_is_no_scene_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Scene(**({"people": (walking(),), "camera": None, "fps": 30} | arguments))


def same(a: Motion, b: Motion) -> bool:
    return (
        np.array_equal(a.joints, b.joints, equal_nan=True)
        and a.fps == b.fps
        and a.skeleton == b.skeleton
        and all(
            (x is None and y is None) or np.array_equal(x, y, equal_nan=True)
            for x, y in ((a.rotations, b.rotations), (a.confidence, b.confidence))
        )
    )


@settings(max_examples=25, deadline=None)
@given(seeds, st.none() | st.text(max_size=40), st.booleans())
def test_files_keep_every_bit(tmp_path_factory, seed, text, seen):
    path = tmp_path_factory.mktemp("scene") / "scene.npz"
    people = (
        moving(seed),
        with_holes(moving(seed, random_tree(seed), frames=5), seed),
        walking().fill_missing(),
    )
    scene = Scene(people, camera() if seen else None, 23.976, text)
    scene.save(path)
    again = Scene.load(path)
    assert all(same(a, b) for a, b in zip(scene.people, again.people, strict=True))
    assert (again.fps, again.text) == (23.976, text)
    if seen:
        assert np.array_equal(again.camera.c2w, scene.camera.c2w)
        assert np.array_equal(again.camera.intrinsics, scene.camera.intrinsics)
        assert (again.camera.size, again.camera.fps) == (scene.camera.size, scene.camera.fps)
    else:
        assert again.camera is None


def arrays_of(tmp_path) -> dict[str, np.ndarray]:
    Scene((walking(),), camera(), 30, "walk").save(tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz", allow_pickle=False) as file:
        return dict(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": None}, "is no Kinema scene"),
        ({"format": np.array("kinema.motion")}, "is no Kinema scene"),
        ({"version": np.array(7)}, "version 7; this reader knows 1; upgrade kinema"),
        ({"people": np.array(2)}, "array 'person1.joints'"),
        ({"people": np.array(-1)}, "array 'people'"),
        ({"people": np.array(1e12)}, "the limit is 1000"),
        ({"people": np.array(np.nan)}, "nan people"),
        ({"people": np.array("one")}, "must hold one number"),
        ({"fps": np.array(0.0)}, "fps is 0.0"),
        ({"fps": None}, "array 'fps'"),
        ({"text": np.array("walk")}, "array 'text': must hold UTF-8 bytes"),
        ({"text": np.array([0xFF], dtype=np.uint8)}, "array 'text': is not UTF-8"),
        ({"person0.joints": np.full((2, 24, 3), np.inf)}, "is infinite"),
        ({"person0.parents": np.array([1] * 24)}, "cycle"),
        ({"camera.c2w": np.zeros((40, 4, 4))}, "camera: c2w"),
        ({"camera.c2w": None}, "array 'camera.c2w'"),
        ({"camera.size": np.array([512.0])}, "two numbers are needed"),
        ({"camera.size": np.array([np.inf, 320])}, "camera"),
        ({"camera.fps": np.array("24")}, "array 'camera.fps'"),
    ],
)
def test_broken_scenes_name_the_file_and_the_array(tmp_path, change, message):
    arrays = arrays_of(tmp_path) | change
    path = tmp_path / "bad.npz"
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(FormatError, match=message) as error:
        Scene.load(path)
    assert str(error.value).startswith(f"{path}: ")


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_damaged_scenes_end_in_one_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damage")
    path = folder / "scene.npz"
    Scene((walking(frames=4),), camera(3), 30, "walk").save(path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(5):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(FormatError):  # a scene, or this one error
        Scene.load(path)


def test_a_failed_save_leaves_the_old_scene(tmp_path, monkeypatch):
    path = tmp_path / "scene.npz"
    Scene((walking(),), None, 30, "old").save(path)

    def full(*_args, **_kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="no space"):
        Scene((walking(),), None, 30, "new").save(path)
    assert Scene.load(path).text == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["scene.npz"]
    with pytest.raises(FileNotFoundError):
        Scene.load(tmp_path / "none.npz")
