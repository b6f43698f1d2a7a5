"""The studio in a real browser, as somebody uses it. KINEMA_SCREENSHOTS names a folder that keeps the pictures."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.app.server.running import ready, serving, start, stop, until

playwright = pytest.importorskip("playwright.sync_api", reason="needs the development tools: playwright")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="needs a Chromium browser on the path"),
    pytest.mark.timeout(600),
]
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("studio") / "root") as (client, _):
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as tools:
        chromium = tools.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield chromium
        chromium.close()


class Studio:
    """The page, and what the tests do with it."""

    def __init__(self, page, address: str) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.goto(address)
        page.wait_for_selector("[data-ready]")

    def get(self, expression: str) -> Any:
        return self.page.evaluate(f"window.kinemaStudio.{expression}")

    @property
    def doc(self) -> dict[str, Any]:
        return self.get("state.doc")

    def made(self) -> None:
        """Waits until the scene on the page is the one that is shown."""
        self.page.wait_for_timeout(500)
        until(
            lambda: self.get(
                "state.solved !== null && state.making === null".replace(
                    "state.making", "window.kinemaStudio.state.making"
                )
            )
        )

    def film(self) -> str:
        """Films a take and waits for it; its id."""
        before = self.page.locator("#takes li.completed").count()
        self.page.click("#film")
        until(lambda: self.page.locator("#takes li.completed").count() > before)
        return self.page.locator("#takes li.completed").first.get_attribute("data-take")

    def look(self, name: str) -> None:
        folder = os.environ.get("KINEMA_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.wait_for_timeout(1500)
            self.page.screenshot(path=f"{folder}/{name}.png")


@pytest.fixture
def studio(server, browser) -> Iterator[Studio]:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(60_000)
    made = Studio(context.new_page(), str(server.base_url))
    yield made
    assert made.problems == []
    context.close()


def shorten(studio: Studio, seconds: float = 1.5) -> None:
    """Ends the first block earlier, by its right edge, so that takes are quick."""
    block = studio.page.locator("[data-key=block-0]").bounding_box()
    length = studio.doc["people"][0]["motion"]["blocks"][0]["end"]
    right, middle = block["x"] + block["width"] - 3, block["y"] + block["height"] / 2
    studio.page.mouse.move(right, middle)
    studio.page.mouse.down()
    studio.page.mouse.move(right - block["width"] * (1 - seconds / length), middle, steps=5)
    studio.page.mouse.up()


def test_from_an_empty_page_to_a_playing_video(studio):
    shorten(studio)
    studio.page.fill("#block-text", "a person waves with both hands")
    studio.made()
    studio.look("directing")
    studio.film()
    video = studio.page.locator("#takes video").first
    video.evaluate("video => video.play()")
    until(lambda: video.evaluate("video => video.currentTime > 0.3 && video.videoWidth === 288"))
    studio.look("take")


def test_the_timeline_is_edited_by_hand_and_undone(studio):
    studio.made()
    shorten(studio, 2.0)
    assert studio.doc["people"][0]["motion"]["blocks"][0]["end"] == pytest.approx(2.0, abs=0.15)
    studio.page.click("[aria-label='Add to Parts']")
    studio.page.fill("#block-text", "waves the right hand")
    studio.page.get_by_label("Body part").select_option("right_arm")
    block = studio.doc["people"][0]["motion"]["blocks"][1]
    assert (block["text"], block["parts"]) == ("waves the right hand", ["right_arm"])
    studio.page.get_by_role("button", name="Path point").click()
    ring = studio.doc["people"][0]["motion"]["path"]
    assert ring[0]["time"] == 0
    studio.made()
    assert studio.get("state.problem") is None
    studio.look("timeline")
    studio.page.keyboard.press("Control+z")
    assert studio.doc["people"][0]["motion"]["path"] == []
    studio.page.keyboard.press("Control+Shift+z")
    assert studio.doc["people"][0]["motion"]["path"] == ring
    studio.page.locator("[data-key=block-1]").focus()
    start = studio.doc["people"][0]["motion"]["blocks"][1]["start"]
    studio.page.keyboard.press("ArrowRight")
    assert studio.doc["people"][0]["motion"]["blocks"][1]["start"] == pytest.approx(start + 0.1)
    studio.page.locator("[data-key=block-1]").click()
    studio.page.keyboard.press("Delete")
    assert len(studio.doc["people"][0]["motion"]["blocks"]) == 1


def test_the_camera_follows_words_and_keys(studio):
    studio.made()
    studio.page.fill("#camera-text", "arc left 60deg")
    studio.page.keyboard.press("Tab")
    studio.made()
    words = studio.get("state.solved.camera.c2w.slice(-16, -4)")
    still = studio.get("state.solved.camera.c2w.slice(0, 12)")
    assert words != still
    studio.page.fill("#camera-text", "fly to the moon")
    studio.page.keyboard.press("Tab")
    until(lambda: "moon" in studio.page.inner_text("#status") or "fly" in studio.page.inner_text("#status"))
    studio.page.get_by_role("button", name="Key from this view").click()
    studio.made()
    key = studio.doc["camera"]["keys"][0]
    shown = studio.get("state.solved.camera.c2w")
    assert [shown[3], shown[7], shown[11]] == pytest.approx(key["position"], abs=1e-3)
    studio.look("camera")


def test_a_reload_in_the_middle_of_a_take_loses_nothing(studio):
    studio.page.fill("#block-text", "a person walks and waves")
    studio.made()
    before = (
        studio.page.locator("#takes li").count() if studio.page.locator("#takes li.empty").count() == 0 else 0
    )
    studio.page.click("#film")
    until(lambda: studio.page.locator("#takes li:not(.empty)").count() > before)
    studio.page.reload()
    studio.page.wait_for_selector("[data-ready]")
    assert studio.doc["people"][0]["motion"]["blocks"][0]["text"] == "a person walks and waves"
    studio.look("reloaded")
    until(lambda: studio.page.locator("#takes li.completed").count() > before)


def test_two_takes_are_compared_in_step_and_reopened(studio):
    shorten(studio, 1.0)
    studio.made()
    first = studio.film()
    studio.page.get_by_role("region", name="Film").get_by_label("Seed").fill("5")
    studio.page.keyboard.press("Tab")
    second = studio.film()
    for take in (first, second):
        studio.page.locator(f"[data-take={take}] input[type=checkbox]").check()
    studio.page.click("#compare")
    assert "seed 5 and 0" in studio.page.inner_text("dialog") or "seed 0 and 5" in studio.page.inner_text(
        "dialog"
    )
    studio.page.click("#compare-play")
    until(
        lambda: studio.page.evaluate(
            "[...document.querySelectorAll('dialog video')].every(v => v.currentTime > 0.2)"
        )
    )
    studio.page.click("#compare-play")
    times = studio.page.evaluate("[...document.querySelectorAll('dialog video')].map(v => v.currentTime)")
    assert times[0] == pytest.approx(times[1], abs=0.05)
    studio.look("compare")
    studio.page.get_by_role("button", name="Close").click()
    studio.page.locator(f"[data-take={first}]").get_by_role("button", name="Reopen settings").click()
    until(lambda: studio.doc["notes"]["film"]["seed"] == 0)


def test_a_server_that_goes_and_returns(browser, tmp_path):
    with serving(tmp_path / "root") as (client, process):
        port = client.base_url.port
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        studio = Studio(page, str(client.base_url))
        studio.made()
        process.kill()
        process.wait()
        page.fill("#title", "written while nobody listened")
        until(lambda: "gone" in page.inner_text("#status"))
        again = start(tmp_path / "root", port)
        until(lambda: ready(client))
        until(lambda: page.inner_text("#status") == "Saved")
        kept = client.get(f"/v1/scenes/{studio.get('state.sceneId')}").json()
        assert kept["request"]["title"] == "written while nobody listened"
        page.close()
        stop(again)


def test_the_page_is_light_and_quick(studio, server):
    weight = 0
    parts = "[...document.querySelectorAll('script[src], link[href]')].map(e => e.src || e.href)"
    for address in ("/", *studio.page.evaluate(parts)):
        weight += len(server.get(address).content)
    assert weight < 1_500_000
    for size in ((1280, 720), (1024, 768)):
        studio.page.set_viewport_size({"width": size[0], "height": size[1]})
        assert studio.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for label in ("Play", "Undo", "Film a take"):
            assert studio.page.get_by_role("button", name=label, exact=True).count() == 1
    unnamed = studio.page.evaluate(
        "[...document.querySelectorAll('button, input:not([hidden]), select')].filter(e => !e.textContent.trim() && "
        "!e.getAttribute('aria-label') && !e.closest('label') && !document.querySelector(`label[for='${e.id}']`)).length"
    )
    assert unnamed == 0
