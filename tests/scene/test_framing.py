"""Who of a scene is there, and which camera sees them on a video's frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinema.scene import Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.cast import chosen
from kinema.scene.formats import camera_json
from kinema.scene.framing import calm, centred, direct, outside, same_aspect, scene_camera
from kinema.scene.motion import FILLED
from kinema.scene.skeleton import SMPL24

SIZE, FPS = (32, 48), 8.0


def gliding(frames: int = 9, side: float = 0.0) -> Motion:
    """The rest pose gliding forwards."""
    joints = np.repeat(SMPL24.rest[None], frames, axis=0).astype(float)
    joints[:, :, 2] += np.linspace(0, 0.5, frames)[:, None]
    joints[:, :, 0] += side
    return Motion(joints, FPS, SMPL24)


def filmed(words: str, frames: int = 9, people: int = 1) -> Scene:
    camera = camera_path(words, size=SIZE, fps=FPS, frames=frames, subject=gliding())
    return Scene(tuple(gliding(side=0.5 * number) for number in range(people)), camera, FPS)


@pytest.mark.parametrize(
    ("asked", "sides"), [(None, [0.0]), ("all", [0.0, 0.5, 1.0]), ((2, 0), [1.0, 0.0]), ((), [])]
)
def test_people_are_chosen_in_the_order_in_which_they_are_named(asked, sides):
    cast = chosen(filmed("static", people=3), asked)
    assert [float(person.joints[0, 0, 0]) for person in cast.people] == pytest.approx(sides, abs=1e-6)
    directed = direct(filmed("static", people=3), size=SIZE, fps=FPS, people=asked, seconds=0.5)
    assert (len(directed.people), directed.frames) == (len(sides), 5)


def test_people_who_are_not_there_are_named():
    with pytest.raises(ValueError, match="person 3: the scene has 3 people"):
        chosen(filmed("static", people=3), (0, 3))
    with pytest.raises(ValueError, match="once"):
        chosen(filmed("static", people=3), (1, 1))
    with pytest.raises(ValueError, match="nothing to show"):
        chosen(filmed("static").with_camera(None), ())


class TestNobody:
    def test_words_alone_last_as_long_as_is_asked(self):
        scene = direct(None, size=SIZE, fps=FPS, camera="pan left 30deg", seconds=1.0)
        assert (scene.people, scene.frames, scene.camera.size) == ((), 9, SIZE)
        turned = np.degrees(np.arccos(scene.camera.c2w[0, :3, 2] @ scene.camera.c2w[-1, :3, 2]))
        assert turned == pytest.approx(30, abs=1e-6)

    def test_a_path_or_a_file_brings_its_length(self, tmp_path):
        path = camera_path("dolly in 1m", size=SIZE, fps=FPS, frames=9)
        camera_json.write(tmp_path / "a.json", path)
        for given in (path, str(tmp_path / "a.json")):
            scene = direct(None, size=SIZE, fps=2 * FPS, camera=given)
            assert (scene.frames, scene.fps) == (17, 2 * FPS)
        empty = direct(Scene((), path, FPS), size=SIZE, fps=FPS)
        assert np.allclose(empty.camera.c2w, path.c2w)

    def test_a_still_scene_is_held(self):
        still = Scene((), camera_path("static", size=SIZE, fps=FPS, frames=1), FPS)
        assert direct(still, size=SIZE, fps=FPS, seconds=1.0).frames == 9

    def test_something_must_be_there(self):
        with pytest.raises(ValueError, match="nothing to show"):
            direct(None, size=SIZE, fps=FPS)


@pytest.mark.parametrize("words", ["static", "pan left 20deg", "crane up 1m"])
def test_centring_moves_everybody_by_one_shift_along_the_floor(words):
    scene = filmed(words)
    first = scene.people[0].translate((1.0, 0.0, 0.0))
    second = scene.people[0].translate((2.0, 0.0, 0.5))
    scene = replace(scene, people=(first, second))
    centre = centred(scene)
    seen = [centre.camera.to_camera(person.joints)[0, 0] for person in centre.people]
    assert abs(seen[0][0] + seen[1][0]) < 1e-6
    shifts = [after.joints - before.joints for after, before in zip(centre.people, scene.people, strict=True)]
    assert np.allclose(shifts[0], shifts[1])
    assert np.allclose(shifts[0][..., 1], 0)
    with pytest.raises(ValueError, match="no camera"):
        centred(scene.with_camera(None))
    with pytest.raises(ValueError, match="no person whose root joint is known"):
        centred(replace(scene, people=()))


def test_who_is_outside_the_picture_is_counted():
    scene = filmed("static")
    assert outside(scene.people[0], scene.camera) == 0
    assert outside(scene.people[0].translate((50.0, 0.0, 0.0)), scene.camera) == 1
    half = np.where(np.arange(9)[:, None, None] < 4, np.nan, scene.people[0].joints)
    assert outside(replace(scene.people[0], joints=half), scene.camera) == pytest.approx(4 / 9)


def test_what_does_not_tremble_stays_and_what_was_filled_in_stays_filled_in():
    rng = np.random.default_rng(0)
    person = gliding(40)
    assert calm(Scene((person,), None, FPS)).people[0] is person
    shaken = person.joints + rng.normal(0, 0.03, person.joints.shape)
    confidence = np.full(shaken.shape[:2], 0.9)
    confidence[10:30, 5] = FILLED
    told = replace(person, joints=shaken, confidence=confidence)
    after = calm(Scene((told,), None, FPS)).people[0]
    away = np.abs(after.joints - person.joints).mean()
    assert away < 0.7 * np.abs(shaken - person.joints).mean()
    assert np.isfinite(after.joints).all()
    assert (after.confidence[12:28, 5] == FILLED).all()


@pytest.mark.parametrize("people", [1, "1", "everyone", ("1",), (0.0,)])
def test_people_are_said_in_numbers(people):
    with pytest.raises(ValueError, match=r"give (numbers like|a number)"):
        chosen(filmed("static", people=2), people)


def test_another_camera_moves_where_nobody_of_a_scene_without_one_is_there():
    scene = filmed("static", people=2).with_camera(None)
    directed = direct(scene, size=SIZE, fps=FPS, people=(), camera="pan left 20deg")
    assert (directed.people, directed.frames) == ((), scene.frames)
    half = direct(scene, size=SIZE, fps=FPS, people=(), camera="pan left 20deg", seconds=0.5)
    assert half.frames == 5
    with pytest.raises(ValueError, match="nothing to show"):
        direct(scene, size=SIZE, fps=FPS, people=())


def test_a_crop_of_the_scenes_own_camera_that_cuts_a_person_is_said():
    camera = camera_path("static", size=(64, 96), fps=FPS, frames=9, subject=gliding())
    scene, lines = Scene((gliding(),), camera, FPS), []

    def fitted(size: tuple[int, int]) -> list[str]:
        lines.clear()
        scene_camera(scene, None, size=size, fps=FPS, frames=9, say=lines.append)
        return lines

    assert fitted((96, 144)) == []
    (line,) = fitted((160, 90))
    assert "160x90 cuts person 0 for 100% of the time" in line
    assert "--size 98x146" in line
    assert fitted((98, 146)) == []
    assert same_aspect((1920, 1080), (512, 512)) == (682, 384)
