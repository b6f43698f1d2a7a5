"""What newcomers come for, by what the page says: a walk with a wave and an orbit, a dance of one's own, two who meet.

Each walk goes by names that can be read on the page, and takes no step back.
"""

# ruff: noqa: F401, F811 (fixtures come by their names)

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.app.server.running import until
from tests.app.studio.test_studio import HERO, browser, pytestmark, server, shown, studio

__all__ = ["pytestmark"]

JACKS = Path(__file__).parents[3] / "examples" / "jumping_jacks.bvh"


@pytest.fixture(scope="module")
def dance(tmp_path_factory) -> Path:
    """A video of somebody on the stage."""
    video = tmp_path_factory.mktemp("dance") / "dance.mp4"
    size = ["--size", "384x384", "--seconds", "1.5"]
    subprocess.run(
        [sys.executable, "-m", "kinema", "preview", str(JACKS), *size, "-o", str(video)], check=True
    )
    return video


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def taken(studio: Any) -> Any:
    """The video of the take that opens by itself, playing."""
    video = studio.page.locator("#watched")
    until(lambda: video.count() and video.evaluate("video => video.currentTime > 0.2"))
    return video


def test_a_walk_with_a_wave_and_an_orbit(studio):
    page = studio.page
    page.get_by_label("Words, 0.0 to 4.0 s").fill("a person walks forward and waves")
    button(page, "Camera").click()
    assert page.locator(".presets").is_visible()
    page.get_by_role("button", name="Orbit left").click()
    studio.made()
    assert studio.get("state.unlearned") == []
    assert studio.get("state.solved.camera.c2w.slice(0, 12)") != studio.get(
        "state.solved.camera.c2w.slice(-16, -4)"
    )
    button(page, "Film a take").click()
    taken(studio)
    studio.look("task_walk")


def test_a_picture_of_ones_own_dances_to_a_video(studio, dance):
    page = studio.page
    button(page, "A picture of your own…").click()
    with page.expect_file_chooser() as picture:
        button(page, "Choose a picture…").click()
    picture.value.set_files(HERO)
    until(lambda: page.locator("#rough").is_visible())
    button(page, "Motion").click()
    with page.expect_file_chooser() as video:
        button(page, "From a video or a file…").click()
    video.value.set_files(dance)
    until(lambda: "dance.mp4 moves Person 1" in page.inner_text("section[aria-label='Words and keyframes']"))
    studio.made()
    assert studio.get("state.problem") is None
    button(page, "Film a take").click()
    video = taken(studio)
    assert video.evaluate("video => [video.videoWidth, video.videoHeight]") == [384, 512]
    studio.look("task_dance")


def test_two_people_meet_and_both_are_filmed_as_actors_and_with_pictures(studio):
    page = studio.page
    button(page, "Add a person").click()
    button(page, "Walk up to each other").click()
    studio.made()

    def apart(moment: float) -> float:
        left, right = (np.array(studio.get(f"view.jointsAt({n}, {moment})"))[0] for n in (0, 1))
        return float(np.linalg.norm((left - right)[[0, 2]]))

    assert apart(0) > 3
    assert 0.5 < apart(4) < 1.2
    button(page, "Film Person 1 and Person 2").click()
    video = taken(studio)
    assert video.evaluate("video => [video.videoWidth, video.videoHeight]") == [640, 480]
    studio.look("task_meeting")
    page.locator("#player-close").click()

    button(page, "A picture of your own…").click()
    page.locator("dialog.guide input[type=file]").set_input_files(HERO)
    until(lambda: page.locator("#rough").is_visible())
    studio.get("state.seek(4)")
    asked = "performance.getEntriesByType('resource').map(e => e.name).filter(e => e.includes('/rough?'))"
    until(lambda: "picture=actor" in page.evaluate(asked)[-1])
    studio.look("task_meeting_own")
    before = shown(page)
    studio.get("state.seek(0)")
    until(lambda: shown(page) != before)
    frame = page.evaluate("(c => [c.width, c.height])(document.querySelector('#rough'))")
    assert frame[0] > frame[1], "the frame is the scene's"
    take = page.locator("#takes li[data-take]").count()
    button(page, "Film Person 1 and Person 2").click()
    until(lambda: page.locator("#takes li.completed").count() > take)
    taken(studio)
    studio.look("task_meeting_own_take")
    request = studio.get("state.doc.notes.pictures")
    assert request[0] is None
    assert request[1] is not None


def test_passes_for_another_video_model(studio):
    """A zip for ComfyUI or diffusers: which models there are is asked first, then one is chosen."""
    page = studio.page
    studio.made()
    button(page, "Film").click()
    button(page, "Passes for another video model…").click()
    page.get_by_label("Passes for", exact=True).select_option("openpose")
    with page.expect_download(timeout=60_000) as download:
        button(page, "Passes").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert {"README.txt", "passes.json"} <= set(archive.namelist())
        assert any(name.endswith("_keypoints.json") for name in archive.namelist())
