"""What somebody meets who opens the studio for the first time, in a real browser."""

# ruff: noqa: F401, F811 (fixtures come by their names)

import time
import zipfile

import httpx
from PIL import Image
from tests.app.server.running import BUDGET, free_port, serving, start, stop, until
from tests.app.studio.test_studio import (
    HERO,
    Studio,
    browser,
    look,
    pytestmark,
    server,
    shorten,
    studio,
)

from kinema.scene.formats import read_motion

__all__ = ["pytestmark"]


def test_somebody_stands_on_the_stage_as_soon_as_a_fresh_server_answers(browser, tmp_path):
    port = free_port()
    process = start(tmp_path / "root", port)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{address}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(answers)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        began = time.monotonic()
        page.goto(address)
        until(lambda: page.evaluate("window.kinemaStudio?.state.solved?.people.length === 1"))
        seen = time.monotonic() - began
        shown = page.evaluate("kinemaStudio.view.jointsAt(0, 2)")
        assert page.evaluate("kinemaStudio.state.fresh"), "nothing is made yet, and somebody stands there"
        assert "waiting" not in page.inner_text("#status").lower()
        until(lambda: page.evaluate("document.querySelector('#still').naturalWidth") == 288)
        look(page, "first_sight")
        until(lambda: page.inner_text("#status") == "Saved")
        made = page.evaluate("kinemaStudio.view.jointsAt(0, 2)")
        assert (
            max(abs(a - b) for x, y in zip(shown, made, strict=True) for a, b in zip(x, y, strict=True))
            < 0.02
        )
        print(f"somebody is seen {seen:.2f} s after the page is opened")
        page.close()
    finally:
        stop(process)


def test_a_take_opens_itself_and_can_be_brought_back(studio):
    page = studio.page
    page.fill("#title", "Mila: a walk")
    shorten(studio, 1.0)
    studio.made()
    before = page.locator("#takes li[data-take]").count()
    page.dblclick("#film")
    page.wait_for_selector("#takes li.in_progress .left, #takes li.queued .left", state="attached")
    until(lambda: page.locator("#player").is_visible())
    assert page.locator("#takes li[data-take]").count() == before + 1, "a double click makes one take"
    player = page.locator("#player")
    assert "Mila: a walk, take" in player.inner_text()
    assert "1.1 s" in player.inner_text()
    assert "model" in player.inner_text()
    until(lambda: page.locator("#watched").evaluate("video => video.currentTime > 0.2"))
    studio.look("player")
    with page.expect_download() as download:
        player.get_by_role("button", name="Download BVH").click()
    assert download.value.suggested_filename.startswith("Mila-a-walk-take-")
    page.locator("#watched").focus()
    page.keyboard.press("Escape")
    assert not player.is_visible()
    card = page.locator("#takes li.completed").first
    number = card.get_attribute("data-take")
    card.get_by_role("button", name="Delete").click()
    assert "is deleted" in page.locator(f"[data-take={number}]").inner_text()
    studio.look("deleted")
    page.locator(f"[data-take={number}] .undo-delete").click()
    assert page.locator(f"[data-take={number}]").get_by_role("button", name="Delete").count() == 1
    page.locator(f"[data-take={number}]").get_by_role("button", name="Delete").click()
    until(lambda: page.locator(f"[data-take={number}]").count() == 0)


def test_a_picture_of_ones_own_is_explained_before_and_judged_after_it_is_uploaded(studio, tmp_path):
    page = studio.page
    page.click("#own-picture")
    assert page.locator("dialog.guide .good").count() >= 2
    assert page.locator("dialog.guide .bad").count() >= 3
    studio.look("guide")
    said = page.locator("dialog.guide [role=alert]")
    chosen = page.locator("dialog.guide input[type=file]")
    film = tmp_path / "jacks.mp4"
    film.write_bytes(b"no picture")
    chosen.set_input_files(film)
    until(lambda: "jacks.mp4” is no picture" in said.inner_text())
    Image.new("RGB", (3, 3)).save(tmp_path / "tiny.png")
    chosen.set_input_files(tmp_path / "tiny.png")
    until(lambda: "too few" in said.inner_text())
    assert studio.doc["notes"]["pictures"] == [None]
    chosen.set_input_files(HERO)
    until(lambda: page.locator(".picture-verdict .verdict.good").count() == 1)
    assert page.locator("dialog.guide[open]").count() == 0
    studio.look("judged")


def test_everybodys_motion_is_exported_without_filming_and_saved_scenes_carry_their_files(
    studio, browser, tmp_path
):
    page = studio.page
    page.fill("#title", "Two meet")
    shorten(studio, 1.0)
    with page.expect_download() as download:
        page.click("#export-bvh")
    assert download.value.suggested_filename == "Two-meet.bvh"
    page.get_by_role("button", name="Add a person").click()
    studio.made()
    with page.expect_download() as download:
        page.click("#export-npz")
    assert download.value.suggested_filename == "Two-meet-npz.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["1-Person-1.npz", "2-Person-2.npz"]
        archive.extractall(tmp_path)
    motion = read_motion(tmp_path / "2-Person-2.npz")
    assert motion.fps == 20
    assert motion.frames == studio.get("state.solved.frames")
    studio.look("export")

    page.click("#person-0")
    page.locator("dialog.guide input[type=file]").set_input_files(HERO)
    until(lambda: studio.doc["notes"]["pictures"][0] is not None)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save", exact=True).click()
    assert download.value.suggested_filename == "Two-meet.kinema.json"
    with serving(tmp_path / "elsewhere") as (client, _):
        context = browser.new_context(viewport={"width": 1280, "height": 720})
        context.set_default_timeout(1000 * BUDGET)
        other = Studio(context.new_page(), str(client.base_url))
        other.page.set_input_files("#file", download.value.path())
        until(lambda: other.doc["title"] == "Two meet")
        other.made()
        assert other.get("state.problem") is None
        picture = other.doc["notes"]["pictures"][0]
        assert client.get(f"/v1/files/{picture}/content").content == HERO.read_bytes()
        context.close()


def test_words_beyond_the_model_are_said_at_the_words(studio):
    page = studio.page
    page.fill("#block-text", "a person walks and juggles")
    until(lambda: page.locator("#unlearned").count() == 1)
    assert "“juggles”" in page.inner_text("#unlearned")
    assert page.evaluate("document.activeElement.id") == "block-text", "whoever types goes on typing"
    studio.look("unlearned")
    page.fill("#block-text", "a person walks and waves")
    until(lambda: page.locator("#unlearned").count() == 0)
