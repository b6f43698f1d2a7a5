"""The studio in a real browser, as somebody uses it. KINEMA_SCREENSHOTS names a folder that keeps the pictures."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.app.server.running import BUDGET, ready, serving, start, stop, until
from tests.motion.walking import walk

from kinema.scene.formats import write_motion

playwright = pytest.importorskip("playwright.sync_api", reason="needs the development tools: playwright")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="needs a Chromium browser on the path"),
    pytest.mark.timeout(4 * BUDGET),
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


HERO = Path(__file__).parents[3] / "examples" / "character.png"
TOKEN = "a-token-for-the-page"
REMEMBERED = f"sessionStorage.setItem('kinema.token', '{TOKEN}')"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[httpx.Client]:
    """One that others can reach, so that whatever the page does it does with a token."""
    folder = tmp_path_factory.mktemp("studio")
    motions = folder / "motions"
    motions.mkdir()
    write_motion(motions / "walk.bvh", walk(41))
    write_motion(motions / "turn.npz", walk(61))
    (motions / "captions.txt").write_text(
        "walk.bvh: a person walks\nturn.npz: a person walks in a curve to the left\n"
    )
    with serving(folder / "root", host="0.0.0.0", token=TOKEN, library=motions) as (client, _):
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
        until(
            lambda: self.page.evaluate(
                "(({solved, stale, making}) => solved !== null && !stale && making === null)"
                "(window.kinemaStudio.state)"
            )
        )

    def film(self) -> str:
        """Films a take and waits for it; its id."""
        before = self.page.locator("#takes li.completed").count()
        self.page.click("#film")
        until(lambda: self.page.locator("#takes li.completed").count() > before)
        self.page.locator("#player-close").click()  # it opens by itself
        return self.page.locator("#takes li.completed").first.get_attribute("data-take")

    def look(self, name: str) -> None:
        look(self.page, name)


def look(page: Any, name: str) -> None:
    """A picture for whoever asked for pictures."""
    folder = os.environ.get("KINEMA_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(1500)
        page.screenshot(path=f"{folder}/{name}.png")


@pytest.fixture
def studio(server, browser) -> Iterator[Studio]:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(1000 * BUDGET)
    context.add_init_script(REMEMBERED)
    made = Studio(context.new_page(), str(server.base_url))
    yield made
    assert made.problems == []
    context.close()


def shorten(studio: Studio, seconds: float = 1.5) -> None:
    """Ends the first block earlier, by its right edge, so that takes are quick."""
    # The timeline is drawn anew after every answer: a block may be gone for a moment.
    block = until(studio.page.locator("[data-key=block-0]").bounding_box)
    length = studio.doc["people"][0]["motion"]["blocks"][0]["end"]
    right, middle = block["x"] + block["width"] - 3, block["y"] + block["height"] / 2
    studio.page.mouse.move(right, middle)
    studio.page.mouse.down()
    studio.page.mouse.move(right - block["width"] * (1 - seconds / length), middle, steps=5)
    studio.page.mouse.up()


def plays(video: Any) -> None:
    """Plays a video and waits until it does."""
    until(lambda: video.evaluate("video => video.src !== ''"))
    video.evaluate("video => video.play()")
    until(lambda: video.evaluate("video => video.currentTime > 0.3 && video.videoWidth === 288"))


def test_from_an_empty_page_to_a_playing_video(studio):
    shorten(studio)
    studio.page.fill("#block-text", "a person waves with both hands")
    studio.made()
    studio.look("directing")
    studio.film()
    plays(studio.page.locator("#takes video").first)
    studio.look("take")
    studio.page.get_by_role("button", name="Watch take 1").click()
    until(lambda: studio.page.locator("#watched").evaluate("video => video.currentTime > 0.3"))
    studio.look("watched")
    studio.page.keyboard.press("Escape")
    until(lambda: studio.page.locator("#watched").count() == 0)


def test_the_timeline_is_edited_by_hand_and_undone(studio):
    studio.made()
    shorten(studio, 2.0)
    assert studio.doc["people"][0]["motion"]["blocks"][0]["end"] == pytest.approx(2.0, abs=0.15)
    studio.page.click("[aria-label='Add to Parts']")
    studio.page.fill("#block-text", "waves the right hand")
    studio.page.get_by_label("Body part").select_option("right_arm")
    block = studio.doc["people"][0]["motion"]["blocks"][1]
    assert (block["text"], block["parts"]) == ("waves the right hand", ["right_arm"])
    studio.get("state.seek(1)")
    studio.page.get_by_role("button", name="Path point").click()
    ring = studio.doc["people"][0]["motion"]["path"]
    assert [point["time"] for point in ring] == [0, 1.0]
    studio.made()
    assert studio.get("state.problem") is None
    studio.look("timeline")
    studio.page.locator("[data-key=path-1]").click()
    point = ring[1]
    tip = [point["x"], 0.015, point["z"] + 0.55]  # they go straight ahead: the arrow points to +Z
    begin = studio.page.evaluate("p => window.kinemaStudio.view.onPage(p)", tip)
    end = studio.page.evaluate("p => window.kinemaStudio.view.onPage(p)", [tip[0] + 1.2, 0.015, tip[2] - 0.5])
    studio.page.mouse.move(begin["x"], begin["y"])
    studio.page.mouse.down()
    studio.page.mouse.move(end["x"], end["y"], steps=6)
    studio.page.mouse.up()
    assert studio.doc["people"][0]["motion"]["path"][1]["heading"] == pytest.approx(90, abs=8)
    studio.look("heading")
    studio.page.keyboard.press("Control+z")
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


def test_a_motion_from_the_library_moves_a_person(studio):
    studio.page.click("#library")
    until(lambda: studio.page.locator(".clips li").count() == 2)
    studio.page.fill("#library-words", "walks in a curve to the right")
    until(lambda: "mirrored" in studio.page.locator(".clips li").first.inner_text())
    studio.page.locator(".clips button").first.click()
    motion = studio.doc["people"][0]["motion"]
    assert (motion["clip"], motion["mirrored"]) == ("motions/turn.npz", True)
    studio.made()
    assert studio.get("state.problem") is None
    assert studio.get("state.solved.frames") == pytest.approx(61, abs=2)
    assert "a curve to the right" in studio.page.inner_text("#timeline .block.file")
    studio.look("library")
    studio.page.click("#to-words")
    assert studio.doc["people"][0]["motion"]["clip"] is None
    studio.page.keyboard.press("Control+z")
    assert studio.doc["people"][0]["motion"]["clip"] == "motions/turn.npz"


def test_a_held_pose_is_bent_in_3d_and_the_motion_meets_it(studio):
    studio.made()
    studio.get("state.seek(1)")
    studio.page.get_by_role("button", name="Pose", exact=True).click()

    def held() -> np.ndarray:
        return np.array(studio.doc["people"][0]["motion"]["poses"][0]["joints"])

    assert studio.doc["people"][0]["motion"]["poses"][0]["time"] == 1.0
    before = held()
    wrist = studio.page.evaluate("p => window.kinemaStudio.view.onPage(p)", before[20].tolist())
    studio.page.mouse.move(wrist["x"], wrist["y"])
    studio.page.mouse.down()
    studio.page.mouse.move(wrist["x"] + 40, wrist["y"] - 90, steps=8)
    studio.page.mouse.up()
    bent = held()
    assert bent[20, 1] > before[20, 1] + 0.2
    still = [joint for joint in range(24) if joint not in (18, 20, 22)]
    assert bent[still] == pytest.approx(before[still], abs=1e-9)
    studio.page.locator("#joint-1").focus()
    for _ in range(4):
        studio.page.keyboard.press("ArrowDown")
    crouched = held()
    assert crouched[0, 1] == pytest.approx(before[0, 1] - 0.08, abs=1e-6)
    assert crouched[[7, 8, 10, 11]] == pytest.approx(before[[7, 8, 10, 11]], abs=1e-6)
    parents = np.array(studio.get("state.catalogue.parents"))[1:]
    for pose in (bent, crouched):
        lengths = np.linalg.norm(pose[1:] - pose[parents], axis=1)
        assert lengths == pytest.approx(np.linalg.norm(before[1:] - before[parents], axis=1), abs=1e-6)
    studio.made()
    assert studio.get("state.problem") is None
    studio.look("pose")
    met = np.array(studio.get("view.jointsAt(0, 1)"))
    assert np.linalg.norm(met - crouched, axis=1).max() < 0.02
    studio.page.keyboard.press("Control+z")
    assert held()[0, 1] > crouched[0, 1]
    assert studio.page.locator("#joint-1").is_visible()


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
    until(lambda: "names no move" in studio.page.inner_text("#camera-said"))
    until(lambda: "see Camera" in studio.page.inner_text("#status"))
    studio.look("camera_wrong")
    studio.page.get_by_role("button", name="Key from this view").click()
    studio.made()
    key = studio.doc["camera"]["keys"][0]
    shown = studio.get("state.solved.camera.c2w")
    assert [shown[3], shown[7], shown[11]] == pytest.approx(key["position"], abs=1e-3)
    assert "Keys lead" in studio.page.inner_text("#camera-said")
    studio.look("camera")
    studio.page.click("#words-lead")
    studio.page.fill("#camera-text", "orbit around her to the left slowly")
    studio.page.keyboard.press("Tab")
    until(lambda: "slow arc left" in studio.page.inner_text("#camera-said"))
    studio.made()
    studio.look("camera_words")
    studio.page.click("#preset-push")
    assert studio.doc["camera"]["text"] == "push in slowly"
    studio.made()
    assert studio.get("state.problem") is None


def test_a_picture_of_ones_own_is_seen_live_mended_and_filmed(studio):
    page = studio.page
    shorten(studio)
    studio.made()
    page.locator("input[type=file][accept^='image']").set_input_files(HERO)
    until(lambda: studio.doc["notes"]["pictures"] != [None])
    studio.look("own_preparing")
    until(lambda: page.locator("#rough").is_visible())
    studio.made()
    studio.look("own")
    before = shown(page)
    studio.get("state.seek(1)")
    until(lambda: shown(page) != before)
    page.click("#play")
    until(lambda: studio.get("roughFps()") > 0)
    page.click("#play")

    page.click("#check")
    page.wait_for_selector("dialog.mend .verdict.good")
    studio.look("checked")
    wrist = page.locator("[data-joint=left_wrist]")
    drag(page, wrist, 25, -30)
    wrist.focus()
    page.keyboard.press("Shift+ArrowUp")
    assert "moved" in wrist.get_attribute("class")
    placed = wrist.get_attribute("cy")
    page.keyboard.press("Control+z")
    assert wrist.get_attribute("cy") != placed
    page.keyboard.press("Control+Shift+z")
    assert wrist.get_attribute("cy") == placed
    page.click("#mend-remove")
    drag(page, page.locator("[data-joint=head]"), 12, 0)
    studio.look("mended")
    page.get_by_label("Clothes").select_option("trousers")
    page.click("#mend-use")
    until(lambda: page.locator("dialog.mend[open]").count() == 0)
    look = studio.doc["notes"]["looks"][0]
    assert look["clothes"] == "trousers"
    assert look["marks"].startswith("file_")
    assert look["mask"].startswith("file_")
    studio.made()
    studio.film()
    video = page.locator("#takes video").first
    until(lambda: video.evaluate("video => video.src !== ''"))
    video.evaluate("video => video.play()")
    until(lambda: video.evaluate("video => video.currentTime > 0.3 && video.videoWidth === 384"))
    studio.look("own_take")
    page.click("[data-act=theme]")
    page.click("#check")
    page.wait_for_selector("dialog.mend .verdict")
    studio.look("checked_other_theme")
    assert page.locator("[data-joint=left_wrist]").get_attribute("class").endswith("moved")
    page.get_by_role("button", name="Cancel").click()
    studio.look("own_other_theme")
    page.keyboard.press("Control+z")
    assert studio.doc["notes"]["looks"] == [None]


def shown(page: Any) -> str:
    return page.evaluate("document.querySelector('#rough').toDataURL()")


def drag(page: Any, thing: Any, right: float, down: float) -> None:
    """From the middle of something."""
    box = thing.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=5)
    page.mouse.up()


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
        try:
            until(lambda: ready(client))
            until(lambda: page.inner_text("#status") == "Saved")
            kept = client.get(f"/v1/scenes/{studio.get('state.sceneId')}").json()
            assert kept["request"]["title"] == "written while nobody listened"
            page.close()
        finally:
            stop(again)


def test_a_server_with_a_token_asks_the_page_for_it_once(server, browser):
    assert httpx.get(f"{server.base_url}/v1/catalogue").status_code == 401
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(1000 * BUDGET)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(str(server.base_url))
    page.wait_for_selector("dialog.token[open]")
    page.fill("#token", "another-token-of-somebody")
    page.keyboard.press("Enter")
    until(lambda: "not this server's" in page.inner_text("#token-said"))
    look(page, "token")
    page.fill("#token", TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-ready]")
    studio = Studio(page, str(server.base_url))  # opens it again: the tab remembers
    assert page.locator("dialog.token").count() == 0
    shorten(studio, 1.0)
    studio.made()
    until(lambda: page.evaluate("document.querySelector('.portrait').naturalWidth") == 192)
    studio.film()
    plays(page.locator("#takes video").first)
    with page.expect_download() as download:
        page.locator("#takes li.completed").first.get_by_role("button", name="Download BVH").click()
    assert Path(download.value.path()).read_text().startswith("HIERARCHY")
    assert studio.problems == []
    assert len(asked) > 20
    assert not [url for url in asked if TOKEN in url]
    assert TOKEN not in page.evaluate("JSON.stringify(localStorage)") + str(context.cookies())
    context.close()


def test_the_page_is_light_and_quick(studio, server):
    weight = 0
    parts = "[...document.querySelectorAll('script[src], link[href]')].map(e => e.src || e.href)"
    for address in ("/", *studio.page.evaluate(parts)):
        weight += len(server.get(address).content)
    assert weight < 1_500_000
    canvas = studio.page.locator("#stage canvas")
    canvas.focus()
    before = studio.get("view.lookFrom().position")
    studio.page.keyboard.press("ArrowRight")
    studio.page.keyboard.press("+")
    after = studio.get("view.lookFrom().position")
    assert after[0] != before[0]
    assert studio.get("state.time") == 0, "the arrow keys of the view leave time alone"
    long = "const doc = structuredClone(s.doc); doc.people[0].motion.blocks[0].end = 300; s.edit(doc)"
    studio.page.evaluate(f"() => {{ const s = window.kinemaStudio.state; {long} }}")
    scrolls = "(box => box.scrollWidth > 3 * box.clientWidth)(document.querySelector('#timeline'))"
    assert studio.page.evaluate(scrolls), "a scene of five minutes is wider than the timeline"
    assert studio.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    studio.look("long")
    studio.page.keyboard.press("Control+z")
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
